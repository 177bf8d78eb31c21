#!/usr/bin/env bash
# gofmt has nothing to change
source .ci/lib.sh
files=$(git ls-files '*.go' | xargs -r gofmt -l)
[[ -z $files ]] || fail "not formatted, run gofmt -w: $files"
