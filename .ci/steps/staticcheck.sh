#!/usr/bin/env bash
# staticcheck, pinned, run as a tool that go.mod does not know
source .ci/lib.sh
version=v0.8.2
go run "honnef.co/go/tools/cmd/staticcheck@$version" ./...
