#!/usr/bin/env bash
# peers that are not ours: Python's websockets, Node's ws, plain fetch, libraries of Go
source .ci/lib.sh
install python3 python3-websockets
npm_install .ci/interop

# The distribution's own Python, whose packages apt installs.
python=/usr/bin/python3

start_chat
ws=ws://$chat_address/socket http=http://$chat_address/socket
"$python" .ci/interop/peer.py "$ws"
"$python" .ci/interop/peer.py "$ws" deflate
node .ci/interop/peer.mjs "$ws"
node .ci/interop/peer.mjs "$ws" deflate
node .ci/interop/polling.mjs "$http"

echo "all in one room"
peers=()
"$python" .ci/interop/peer.py "$ws" meet lobby Python Node Fetch & peers+=($!)
node .ci/interop/peer.mjs "$ws" meet lobby Node Python Fetch & peers+=($!)
node .ci/interop/polling.mjs "$http" meet lobby Fetch Python Node & peers+=($!)
started+=("${peers[@]}")
for pid in "${peers[@]}"; do wait "$pid" || fail "not all of them met"; done

stop_chat

echo "context takeover: our server"
start_takeover
node .ci/interop/takeover.mjs client "ws://$takeover_address"
"$python" .ci/interop/takeover.py client "ws://$takeover_address"

echo "context takeover: our client"
node_port=$(free_port) python_ports=("$(free_port)" "$(free_port)" "$(free_port)")
node .ci/interop/takeover.mjs server "$node_port" >"$CI_TMP/node.log" 2>&1 & started+=($!)
wait_for_port "$node_port" $! "$CI_TMP/node.log"
"$python" .ci/interop/takeover.py server "${python_ports[@]}" >"$CI_TMP/python.log" 2>&1 & started+=($!)
wait_for_port "${python_ports[2]}" $! "$CI_TMP/python.log"
"$CI_TMP/takeover" dial "ws://127.0.0.1:$node_port/"{,"?max=9","?max=12","?max=15"} \
	"${python_ports[@]/#/ws://127.0.0.1:}"

echo "context takeover: libraries of Go, both ways"
(cd benchmarks/peers && go test -count=1 -run '^TestInterop' .)
