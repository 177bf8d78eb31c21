#!/usr/bin/env bash
# the README's test command, as it stands there
source .ci/lib.sh
command=$(readme_test_command)
echo "$command"
bash -c "$command"
