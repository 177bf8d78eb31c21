#!/usr/bin/env bash
# package distributed beside Erlang: random programs do the same in both, and the comparison runs
source .ci/lib.sh
install erlang-base
# Where Erlang is missing the tests are skipped; here that is a failure.
SOCKETGO_NEED_ERLANG=1 go test -count=1 -run 'Erlang' -v ./distributed
# The comparison runs; its figures mean nothing on a machine that does other things too.
cd benchmarks/processes
go vet .
go run . -rounds 1 -only call
