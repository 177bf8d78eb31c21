#!/usr/bin/env bash
# package deflate beside the others: its comparison runs, and no lead is lost by far
source .ci/lib.sh
cd socket/internal/wsproto/deflate/compare
go test ./...
go run . -check
