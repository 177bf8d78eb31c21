#!/usr/bin/env bash
# the README's test command with the race detector and in random order
source .ci/lib.sh
command=$(readme_test_command)
export GOFLAGS="$GOFLAGS -race -shuffle=on"
echo "GOFLAGS='$GOFLAGS' $command"
bash -c "$command"
