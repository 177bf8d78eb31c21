#!/usr/bin/env bash
# the README's test command with the race detector and in random order
source .ci/lib.sh
# The race detector is linked by a C compiler.
[[ -n $(type -P gcc) ]] || install gcc libc6-dev
command=$(readme_test_command)
export GOFLAGS="$GOFLAGS -race -shuffle=on"
echo "GOFLAGS='$GOFLAGS' $command"
bash -c "$command"
