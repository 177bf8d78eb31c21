#!/usr/bin/env bash
# nginx and HAProxy in front, plain and with TLS, both transports
source .ci/lib.sh
install nginx-light haproxy openssl
npm_install .ci/interop

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$CI_TMP/tls.key" -out "$CI_TMP/tls.crt" 2>/dev/null
cat "$CI_TMP/tls.crt" "$CI_TMP/tls.key" >"$CI_TMP/tls.pem"
export NODE_EXTRA_CA_CERTS=$CI_TMP/tls.crt

start_chat

# through NAME CONFIGURATION COMMAND…: the peers, through a proxy whose command takes the configuration's file last.
through() {
	local name=$1 template=$2 port tls_port
	shift 2
	port=$(free_port) tls_port=$(free_port)
	sed -e "s|@TMP@|$CI_TMP|g; s|@BACKEND@|$chat_address|g; s|@PORT@|$port|g; s|@TLS_PORT@|$tls_port|g" \
		"$template" >"$CI_TMP/$name.conf"
	"$@" "$CI_TMP/$name.conf" >"$CI_TMP/$name.log" 2>&1 &
	started+=($!)
	wait_for_port "$port" $! "$CI_TMP/$name.log"
	echo "--- $name"
	node .ci/interop/peer.mjs "ws://127.0.0.1:$port/socket"
	node .ci/interop/peer.mjs "ws://127.0.0.1:$port/socket" deflate
	node .ci/interop/polling.mjs "http://127.0.0.1:$port/socket"
	echo "--- $name, TLS"
	node .ci/interop/peer.mjs "wss://127.0.0.1:$tls_port/socket"
	node .ci/interop/polling.mjs "https://127.0.0.1:$tls_port/socket"
}

# Root is who runs this; the workers need a user that exists everywhere.
through nginx .ci/interop/nginx.conf nginx -e stderr -g "user root;" -c
through haproxy .ci/interop/haproxy.cfg haproxy -db -f
