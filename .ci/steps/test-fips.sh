#!/usr/bin/env bash
# GODEBUG=fips140=only: nothing else than approved cryptography, or a panic
source .ci/lib.sh
export GODEBUG=fips140=only
# Server and client, both transports, over TLS.
go test -count=1 -run '^TestFIPS140$' -v ./socket
# Of the other tests, those that draw random bytes in virtual time cannot run: the mode's generator measures time to
# collect entropy, and in a testing/synctest bubble time stands still. The pure packages do neither.
go test ./socket/internal/{envelope,poll,session,wsproto}
