#!/usr/bin/env bash
# the chat example and its terminal client, over both transports, with a restart of the server in between
source .ci/lib.sh

start_chat
port=${chat_address#*:}

# terminal NAME URL: a client whose keyboard is the file descriptor of that name, and whose screen a file.
terminal() {
	mkfifo "$CI_TMP/$1.in"
	eval "exec {$1}<>'$CI_TMP/$1.in'"
	"$CI_TMP/chat" -connect "$2" -name "$1" <"$CI_TMP/$1.in" >"$CI_TMP/$1.out" 2>&1 &
	started+=($!)
	wait_for_line "$CI_TMP/$1.out" "* in #lobby:"
}

terminal ann "ws://$chat_address/socket"
ann_pid=$!
terminal bob "http://$chat_address/socket"
bob_pid=$!

talk() { # talk WORDS: both ways
	echo "$1 bob" >&"$ann"
	wait_for_line "$CI_TMP/bob.out" "[#lobby] ann: $1 bob"
	echo "$1 ann" >&"$bob"
	wait_for_line "$CI_TMP/ann.out" "[#lobby] bob: $1 ann"
	echo "  ok  $1: WebSocket to long polling and back"
}
talk "hello"

stop_chat
echo "  ok  the server ends politely"
start_chat "$port"
wait_for_line "$CI_TMP/ann.out" "* connected again"
wait_for_line "$CI_TMP/bob.out" "* connected again"
talk "hello again"

echo /quit >&"$ann"
echo /quit >&"$bob"
wait "$ann_pid" || fail "ann's client ended with status $?"
wait "$bob_pid" || fail "bob's client ended with status $?"
stop_chat
echo "  ok  all went home"
