# What the steps share. A step begins with: source .ci/lib.sh
set -euo pipefail

# Processes that this step started. They end with it, however it ends.
started=()
stop_started() {
	local pid
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap stop_started EXIT
trap 'exit 143' TERM INT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# install PACKAGE…: Debian packages that are not there yet.
install() {
	local missing=() p
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	if [[ ! -e $CI_TMP/apt-updated ]]; then
		apt-get update -qq || fail "apt-get update"
		touch "$CI_TMP/apt-updated"
	fi
	# RUNLEVEL=1: the packages' own services stay down.
	RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$CI_TMP/apt.log" 2>&1 ||
		{ tail -n 20 "$CI_TMP/apt.log"; fail "apt-get install ${missing[*]}"; }
}

# npm_install DIRECTORY: exactly what its package-lock.json pins.
npm_install() {
	npm ci --prefix "$1" --no-audit --no-fund --ignore-scripts --loglevel=error
}

# free_port prints a port of 127.0.0.1 that nobody listens on.
free_port() {
	node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# wait_for_http URL PID LOG: until the server answers, at most 10 s; its death or silence fails the step.
wait_for_http() {
	local i
	for ((i = 0; i < 100; i++)); do
		if node -e 'fetch(process.argv[1]).then(() => process.exit(0), () => process.exit(1))' "$1"; then return; fi
		kill -0 "$2" 2>/dev/null || break
		sleep 0.1
	done
	cat "$3"
	fail "no answer from $1"
}

# start_chat [FLAG…] builds and starts examples/chat on a free port. It sets chat_address (host:port).
start_chat() {
	[[ -x $CI_TMP/chat ]] || go build -o "$CI_TMP/chat" ./examples/chat
	chat_address=127.0.0.1:$(free_port)
	"$CI_TMP/chat" -addr "$chat_address" "$@" >"$CI_TMP/chat.log" 2>&1 &
	started+=($!)
	wait_for_http "http://$chat_address/" $! "$CI_TMP/chat.log"
	echo "chat example on $chat_address"
}

# readme_test_command prints the test command that README.md tells its readers to run.
readme_test_command() {
	local command
	command=$(grep -m1 -xE '[[:space:]]*(\$ )?go test [^`]*\./\.\.\.' README.md | sed -E 's/^[[:space:]]*(\$ )?//') || true
	[[ -n $command ]] || fail "README.md has no line of its own with a go test command"
	printf '%s\n' "$command"
}
