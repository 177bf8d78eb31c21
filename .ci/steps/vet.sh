#!/usr/bin/env bash
# go vet
source .ci/lib.sh
go vet ./...
