#!/usr/bin/env bash
# tests where int has 32 bits
source .ci/lib.sh
GOARCH=386 go test ./...
