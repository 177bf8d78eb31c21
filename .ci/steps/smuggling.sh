#!/usr/bin/env bash
# requests hidden behind refused upgrades, through nginx, HAProxy and Varnish
source .ci/lib.sh
install nginx-light haproxy varnish gcc libc6-dev # Varnish compiles its configuration

rig=$CI_TMP/smuggling
go build -o "$rig" ./.ci/smuggling
backend=127.0.0.1:$(free_port)
"$rig" serve "$backend" >"$rig.log" 2>&1 &
started+=($!)
wait_for_port "${backend#*:}" $! "$rig.log"

proxies=()
# in_front NAME CONFIGURATION COMMAND…: a proxy whose command has @CONF@ and @PORT@ filled in.
in_front() {
	local name=$1 template=$2 port conf=$CI_TMP/smuggling-$1.conf
	shift 2
	port=$(free_port)
	sed -e "s|@TMP@|$CI_TMP|g; s|@PORT@|$port|g; s|@BACKEND@|$backend|g" \
		-e "s|@BACKEND_HOST@|${backend%:*}|g; s|@BACKEND_PORT@|${backend#*:}|g" "$template" >"$conf"
	local command=("${@//@CONF@/$conf}")
	"${command[@]//@PORT@/$port}" >"$conf.log" 2>&1 &
	started+=($!)
	wait_for_port "$port" $! "$conf.log"
	proxies+=("$name=127.0.0.1:$port")
}

# Root is who runs this; the workers need a user that exists everywhere.
in_front nginx .ci/smuggling/nginx.conf nginx -e stderr -g "user root;" -c @CONF@
in_front haproxy .ci/smuggling/haproxy.cfg haproxy -db -f @CONF@
in_front varnish .ci/smuggling/varnish.vcl varnishd -j none -F -n "$CI_TMP/varnish" -s malloc,16m -a 127.0.0.1:@PORT@ -f @CONF@

"$rig" attack "${proxies[@]}"
