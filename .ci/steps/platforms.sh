#!/usr/bin/env bash
# other systems and processors: everything builds, vet reads the tests of other systems
source .ci/lib.sh
check() { # check GOOS/GOARCH PACKAGE…
	local platform=$1 start=$SECONDS
	shift
	GOOS=${platform%/*} GOARCH=${platform#*/} go build "$@"
	# The tests of another processor are those of this one.
	[[ $platform == linux/* ]] || GOOS=${platform%/*} GOARCH=${platform#*/} go vet "$@"
	printf '%-14s %3d s\n' "$platform" $((SECONDS - start))
}
check windows/amd64 ./...
check darwin/arm64 ./...
check freebsd/amd64 ./...
check linux/arm64 ./...
check linux/s390x ./... # big endian
check js/wasm ./socket/... # the client, and what it stands on
