#!/usr/bin/env bash
# a short run of every fuzz target
source .ci/lib.sh

budget=100 # seconds of fuzzing for all targets together
root=$PWD
go test -list '^Fuzz' ./... >"$CI_TMP/list" || { cat "$CI_TMP/list"; fail "go test -list"; }
# A package's targets come first, then the line "ok PACKAGE TIME".
mapfile -t targets < <(awk '/^Fuzz/ { names[++n] = $1 }
	/^ok/ { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }' "$CI_TMP/list")
((${#targets[@]})) || fail "go test -list finds no fuzz target"
seconds=$((budget / ${#targets[@]}))
((seconds <= 5)) || seconds=5
((seconds >= 1)) || seconds=1
echo "${#targets[@]} targets, $seconds s each"

# run_target BINARY NAME, in the package's directory
run_target() {
	"$1" -test.run='^$' -test.fuzz="^$2\$" -test.fuzztime="${seconds}s" -test.fuzzminimizetime=5s \
		-test.fuzzcachedir="$CI_TMP/corpus" >"$CI_TMP/fuzz.log" 2>&1
}

package=
for target in "${targets[@]}"; do
	read -r next name <<<"$target"
	if [[ $next != "$package" ]]; then
		package=$next
		cd "$root"
		go test -c -fuzz=. -o "$CI_TMP/fuzz.test" "$package"
		cd "$(go list -f '{{.Dir}}' "$package")"
		echo "$package"
	fi
	if ! run_target "$CI_TMP/fuzz.test" "$name"; then
		# The fuzzer's own clock sometimes runs out in the middle of an input and is taken for a finding
		# (it names no input then). Once more tells.
		if grep -q 'Failing input written' "$CI_TMP/fuzz.log" || ! grep -q 'context deadline exceeded' "$CI_TMP/fuzz.log" ||
			! run_target "$CI_TMP/fuzz.test" "$name"; then
			cat "$CI_TMP/fuzz.log"
			grep -ho 'testdata/fuzz/[^ ]*' "$CI_TMP/fuzz.log" | sort -u | while read -r input; do
				[[ ! -f $input ]] || { echo "the failing input, $input:"; head -c 4000 "$input"; }
			done
			fail "$name in $package"
		fi
	fi
	printf '  %-40s %s\n' "$name" "$(grep -o 'execs: [0-9]*' "$CI_TMP/fuzz.log" | tail -n 1)"
done
