#!/usr/bin/env bats
# The gateway over HTTPS and IPv6, and who is not served.
load helpers
load gateway

setup_file() {
	"$BATS_TEST_DIRNAME/../../packaging/tls/make-test-certs" "$BATS_FILE_TMPDIR/certs"
}

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	cp -r "$BATS_FILE_TMPDIR/certs" certs
	export CURL_CA_BUNDLE=$PWD/certs/ca.pem
}

teardown() {
	drop_gateway
	drop_auditor
	drop_server
}

# start_https [OPTION...]: a server, and a gateway that serves HTTPS.
start_https() {
	start_server
	start_gateway --https --https-certificate certs/server.pem --https-pkey certs/server.key "$@"
	REST=https://127.0.0.1:$REST_PORT
}

# inner_port: where the gateway's civetweb listens behind the front.
inner_port() {
	ss -Hltnp | awk -v pid="pid=$GATEWAY_PID," -v front=":$REST_PORT" \
		'index($0, pid) && substr($4, length($4) - length(front) + 1) != front { sub(/.*:/, "", $4); print $4 }'
}

@test "requests over HTTPS: login, set, get, verified get, lists, large values" {
	start_https --access-log
	grep -q "immugw serves https://127.0.0.1:$REST_PORT " "$GATEWAY_LOG"
	log_in
	api 200 POST /db/set "{\"KVs\":[{\"key\":\"$(b64 k)\",\"value\":\"$(b64 v)\"}]}"
	api 200 GET "/db/get/$(b64 k)"
	expect_text "\"value\":\"$(b64 v)\""
	api 200 POST /db/verified/get "{\"keyRequest\":{\"key\":\"$(b64 k)\"}}"
	head -c 3000000 /dev/urandom | base64 -w0 >large
	printf '{"KVs":[{"key":"%s","value":"%s"}]}' "$(b64 large)" "$(<large)" >request
	api 200 POST /db/set @request
	api 200 GET "/db/get/$(b64 large)"
	[[ $output == *"\"value\":\"$(<large)\""* ]]
	run -0 curl -sSN -H "Authorization: $TOKEN" -H 'Accept: application/x-ndjson' \
		-d "{\"prefix\":\"$(b64 l)\"}" "$REST/db/scan"
	[[ $output == *"$(<large)"* ]]
	# Two requests on one connection; the log knows the client, and nothing of the front.
	run -0 curl -sS --interface 127.0.0.7 -w '%{num_connects} ' -o /dev/null "$REST/health" --next \
		-sS --interface 127.0.0.7 -w '%{num_connects}' -o /dev/null "$REST/health"
	[[ $output == "1 0" ]]
	wait_for text "$GATEWAY_LOG" 'from 127.0.0.7: GET /health 200' "$WAIT_SECONDS" "$GATEWAY_PID"
	run ! grep -q '\.front' "$GATEWAY_LOG"
	curl -sS "$REST/metrics" >metrics
	[[ $(awk '$1 == "immugw_tls_certificate_expiry_timestamp_seconds" { printf "%.0f", $2 }' metrics) == \
		$(date -d "$(openssl x509 -in certs/server.pem -noout -enddate | cut -d= -f2)" +%s) ]]
	stop_gateway
}

@test "nobody gets past TLS: other authorities, plain HTTP, the port inside" {
	start_https
	run -60 curl -sS --cacert certs/other-ca.pem "$REST/health"
	run -0 curl -sS -w '%{http_code}' "http://127.0.0.1:$REST_PORT/health"
	[[ $output == '{"error":"this port speaks HTTPS only"}'$'\n'400 ]]
	run -0 curl -sS --tlsv1.2 --tls-max 1.2 "$REST/health" || [[ $status == 35 ]]
	[[ -n $(inner_port) ]]
	run -0 curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(inner_port)/health"
	[[ $output == 403 ]]
	run -0 curl -sS "$REST/health"
	stop_gateway
}

@test "clients must show a certificate when they are asked to" {
	start_https --https-clientcas certs/ca.pem
	run ! curl -sS "$REST/health"
	run ! curl -sS --cert certs/stranger.pem --key certs/stranger.key "$REST/health"
	run -0 curl -sS --cert certs/client.pem --key certs/client.key "$REST/health"
	stop_gateway
}

@test "certificates are read again by SIGHUP; what cannot be used changes nothing" {
	start_https
	run -60 curl -sS --connect-to "other.example:$REST_PORT:127.0.0.1:$REST_PORT" \
		"https://other.example:$REST_PORT/health"
	cp certs/client.key certs/server.key
	kill -HUP "$GATEWAY_PID"
	wait_for text "$GATEWAY_LOG" 'TLS stays as it was' "$WAIT_SECONDS"
	run -0 curl -sS "$REST/health"
	cp certs/other-name.pem certs/server.pem
	cp certs/other-name.key certs/server.key
	kill -HUP "$GATEWAY_PID"
	wait_for text "$GATEWAY_LOG" 'TLS files read again' "$WAIT_SECONDS"
	run -60 curl -sS "$REST/health"
	stop_gateway
}

@test "what is wrong with the options or files ends the start, with one line" {
	start_server
	try() {
		run --separate-stderr immugw --port 0 --immudb-port "$PORT" "$@"
		[[ $status != 0 && $(wc -l <<<"$stderr") == 1 ]]
	}
	try --https
	[[ $stderr == *https* ]]
	try --https --https-certificate certs/expired.pem --https-pkey certs/expired.key
	[[ $stderr == *expired* ]]
	try --https --https-certificate certs/server.pem --https-pkey certs/client.key
	[[ $stderr == *certs/* ]]
	try --https --https-certificate nothing.pem --https-pkey certs/client.key
	[[ $stderr == *nothing.pem* ]]
	# A path alone switches nothing on.
	start_gateway --https-certificate nothing.pem
	run -0 curl -sS "$REST/health"
	stop_gateway
}

@test "all HTTP ports serve IPv6" {
	need_ipv6
	start_server
	GATEWAY_ADDRESS=::1 start_gateway
	REST="http://[::1]:$REST_PORT"
	grep -qF "immugw serves $REST " "$GATEWAY_LOG"
	log_in
	api 200 GET /health
	run ! curl -sS "http://127.0.0.1:$REST_PORT/health"
	stop_gateway
	GATEWAY_ADDRESS=:: start_gateway
	run -0 curl -sS "http://[::1]:$REST_PORT/health"
	run -0 curl -sS "http://127.0.0.1:$REST_PORT/health"
	stop_gateway
	stop_server
	start_server --metrics-address ::1
	run -0 curl -sS "http://[::1]:$METRICS_PORT/livez"
	expect_text '"status":"ok"'
	local port pid started
	port=$(wait_for free-ports 1)
	run -0 auditor -d --immudb-port "$PORT" --dir "$PWD/audit" --pidfile "$PWD/auditor.pid" \
		--audit-monitoring-host ::1 --audit-monitoring-port "$port" 3>&-
	pid=$(<auditor.pid)
	kill -0 "$pid"
	started=$output
	run curl -sS "http://[::1]:$port/livez"
	kill "$pid"
	wait_for exit "$pid" "$WAIT_SECONDS"
	expect_text '"status":"ok"'
	expect_text "Beginning to serve on port [::1]:$port" "$started"
}
