#!/usr/bin/env bash
# every example builds, nested modules build and pass vet
source .ci/lib.sh
for dir in examples/*/; do
	[[ $dir != examples/internal/ ]] || continue # what they share
	echo "go build ./$dir"
	go build -o "$CI_TMP/example" "./$dir"
done
git ls-files '*/go.mod' | while read -r mod; do
	dir=$(dirname "$mod")
	echo "go vet in $dir"
	(cd "$dir" && go vet ./...)
done
