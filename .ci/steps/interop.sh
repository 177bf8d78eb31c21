#!/usr/bin/env bash
# peers that are not ours: Python's websockets, Node's ws, plain fetch
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
