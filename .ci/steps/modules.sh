#!/usr/bin/env bash
# the module requires nothing: one module, and only the standard library beside it, tests included
source .ci/lib.sh
module=$(go list -m)
[[ $(go list -m all) == "$module" ]] || fail "go list -m all prints more than $module"
strange=$(go list -deps -test -f '{{if not .Standard}}{{.ImportPath}}{{end}}' ./... |
	grep -vE "^$module([/. ]|_test|\$)" || true)
[[ -z $strange ]] || fail "from outside the standard library: $strange"
if grep -nE '^[[:space:]]*(require|replace)' go.mod; then fail "go.mod requires or replaces something"; fi
printf 'one module, %d packages, %d of the standard library under them\n' \
	"$(go list ./... | wc -l)" "$(go list -deps -f '{{if .Standard}}.{{end}}' ./... | wc -l)"
