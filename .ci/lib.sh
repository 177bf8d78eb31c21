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

# wait_for_port PORT PID LOG: until the process listens, at most 10 s; its death or silence fails the step.
wait_for_port() {
	local i
	for ((i = 0; i < 100; i++)); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
		kill -0 "$2" 2>/dev/null || break
		sleep 0.1
	done
	cat "$3"
	fail "nobody listens on port $1"
}

# wait_for_line FILE TEXT: until a line of the file contains the text, at most 20 s.
wait_for_line() {
	local i
	for ((i = 0; i < 200; i++)); do
		if grep -qF -- "$2" "$1"; then return; fi
		sleep 0.1
	done
	cat "$1"
	fail "no line says: $2"
}

# start_chat [PORT] builds examples/chat and starts it, on a free port. It sets chat_address (host:port) and chat_pid.
start_chat() {
	[[ -x $CI_TMP/chat ]] || go build -o "$CI_TMP/chat" ./examples/chat
	local port=${1:-$(free_port)}
	chat_address=127.0.0.1:$port
	"$CI_TMP/chat" -addr "$chat_address" >>"$CI_TMP/chat.log" 2>&1 &
	chat_pid=$!
	started+=("$chat_pid")
	wait_for_port "$port" "$chat_pid" "$CI_TMP/chat.log"
	echo "the chat example listens on $chat_address"
}

# start_distributed_chat builds examples/distributed-chat and starts it on a free port. It sets distributed_chat_address
# (host:port) and distributed_chat_pid.
start_distributed_chat() {
	go build -o "$CI_TMP/distributed-chat" ./examples/distributed-chat
	local port
	port=$(free_port)
	distributed_chat_address=127.0.0.1:$port
	"$CI_TMP/distributed-chat" -addr "$distributed_chat_address" >>"$CI_TMP/distributed-chat.log" 2>&1 &
	distributed_chat_pid=$!
	started+=("$distributed_chat_pid")
	wait_for_port "$port" "$distributed_chat_pid" "$CI_TMP/distributed-chat.log"
}

# stop_distributed_chat asks it to end, which it does politely and without an error.
stop_distributed_chat() {
	kill "$distributed_chat_pid"
	wait "$distributed_chat_pid" || { tail -n 20 "$CI_TMP/distributed-chat.log"; fail "it ended with status $?"; }
}

# start_takeover builds .ci/interop/takeover and starts its server on a free port. It sets takeover_address (host:port).
start_takeover() {
	[[ -x $CI_TMP/takeover ]] || go build -o "$CI_TMP/takeover" ./.ci/interop/takeover
	local port
	port=$(free_port)
	takeover_address=127.0.0.1:$port
	"$CI_TMP/takeover" serve "$takeover_address" >>"$CI_TMP/takeover.log" 2>&1 &
	started+=($!)
	wait_for_port "$port" $! "$CI_TMP/takeover.log"
}

# start_processes builds .ci/interop/processes and starts it on a free port. It sets processes_address (host:port).
start_processes() {
	[[ -x $CI_TMP/processes ]] || go build -o "$CI_TMP/processes" ./.ci/interop/processes
	local port
	port=$(free_port)
	processes_address=127.0.0.1:$port
	"$CI_TMP/processes" "$processes_address" >>"$CI_TMP/processes.log" 2>&1 &
	started+=($!)
	wait_for_port "$port" $! "$CI_TMP/processes.log"
}

# stop_chat asks it to end, which it does politely and without an error.
stop_chat() {
	kill "$chat_pid"
	wait "$chat_pid" || { tail -n 20 "$CI_TMP/chat.log"; fail "the chat example ended with status $?"; }
}

# readme_test_command prints the test command that README.md tells its readers to run.
readme_test_command() {
	local command
	command=$(sed -nE 's/^[[:space:]]*(\$ )?(go test [^#`]*[^#` ]) *(#.*)?$/\2/p' README.md | head -n 1)
	[[ -n $command ]] || fail "README.md has no line of its own with a go test command"
	printf '%s\n' "$command"
}
