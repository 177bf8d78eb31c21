#!/usr/bin/env bash
# package distributed beside Erlang: random programs do the same in both
source .ci/lib.sh
install erlang-base
# Where Erlang is missing the tests are skipped; here that is a failure.
SOCKETGO_NEED_ERLANG=1 go test -count=1 -run 'Erlang' -v ./distributed
