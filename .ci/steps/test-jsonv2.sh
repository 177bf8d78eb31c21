#!/usr/bin/env bash
# tests with the coming encoding/json underneath (GOEXPERIMENT=jsonv2)
source .ci/lib.sh
GOEXPERIMENT=jsonv2 go test -short ./...
