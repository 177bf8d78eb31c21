#!/usr/bin/env bash
# tests with GODEBUG=fips140=only: nothing else than approved cryptography, or a panic
source .ci/lib.sh
GODEBUG=fips140=only go test ./socket/...
