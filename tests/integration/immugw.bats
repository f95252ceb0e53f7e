#!/usr/bin/env bats
# The gateway through curl: what a program that speaks HTTP and JSON can do, and what it is told when it
# goes wrong.
load helpers
load gateway

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	start_gateway --access-log
	log_in
}

teardown() {
	drop_gateway
	drop_server
}

verified_get() {
	api "$1" POST /db/verified/get "{\"keyRequest\":{\"key\":\"$(b64 "$2")\"}}"
}

@test "set, get, and the same proven" {
	set_key hello world
	[[ $(field .id) == 1 && $(field .nentries) == 1 ]]
	[[ $(get_key hello) == world ]]
	api 200 POST /db/verified/set \
		"{\"setRequest\":{\"KVs\":[{\"key\":\"$(b64 safe)\",\"value\":\"$(b64 proven)\"}]}}"
	[[ $(field .id) == 2 ]]
	verified_get 200 safe
	[[ $(field .value | base64 -d) == proven && $(field .tx) == 2 ]]
	api 200 GET /db/verified/tx/2
	[[ $(field .metadata.id) == 2 && $(field '.entries | length') == 1 ]]
	# What was proven is trusted by every client of this user.
	run -0 immuclient trust list
	expect_text defaultdb
}

@test "sorted sets, references, lists, history, count, transactions" {
	for n in 1 2 3; do
		set_key "user$n" "person $n"
		api 200 POST /db/zadd \
			"{\"set\":\"$(b64 age)\",\"score\":$((40 - n)),\"key\":\"$(b64 "user$n")\"}"
	done
	api 200 POST /db/zscan "{\"set\":\"$(b64 age)\"}"
	[[ $(field '[.entries[].score] | join(",")') == 37,38,39 ]]
	[[ $(field .entries[0].entry.value | base64 -d) == "person 3" ]]
	api 200 POST /db/verified/zadd \
		"{\"zAddRequest\":{\"set\":\"$(b64 age)\",\"score\":1.5,\"key\":\"$(b64 user1)\"}}"
	api 200 POST /db/verified/setreference \
		"{\"referenceRequest\":{\"key\":\"$(b64 tag)\",\"referencedKey\":\"$(b64 user2)\"}}"
	verified_get 200 tag
	[[ $(field .value | base64 -d) == "person 2" ]]
	[[ $(field .referencedBy.key | base64 -d) == tag ]]
	set_key user1 changed
	api 200 POST /db/history "{\"key\":\"$(b64 user1)\"}"
	[[ $(field '.entries | length') == 2 && $(field .entries[1].value | base64 -d) == changed ]]
	api 200 POST /db/scan "{\"prefix\":\"$(b64 user)\",\"desc\":true,\"limit\":\"2\"}"
	[[ $(field '[.entries[].key] | map(@base64d) | join(",")') == user3,user2 ]]
	api 200 GET "/db/count/$(b64 user)"
	[[ $(field .count) == 3 ]]
	api 200 POST /db/execall "{\"Operations\":[{\"kv\":{\"key\":\"$(b64 a)\",\"value\":\"$(b64 1)\"}},
		{\"zAdd\":{\"set\":\"$(b64 s)\",\"score\":2,\"key\":\"$(b64 a)\",\"boundRef\":true}},
		{\"ref\":{\"key\":\"$(b64 r)\",\"referencedKey\":\"$(b64 a)\"}}]}"
	api 200 GET "/db/tx/$(field .id)"
	[[ $(field '.entries | length') == 3 ]]
	api 200 POST /db/tx '{"initialTx":1,"limit":2}'
	[[ $(field '.txs | length') == 2 ]]
	api 200 POST /db/deletekey "{\"keys\":[\"$(b64 a)\"]}"
	api 404 GET "/db/get/$(b64 a)"
	[[ $(field .code) == 5 ]]
}

@test "users and databases; tokens of several databases side by side" {
	local first=$TOKEN second

	set_key where first
	api 200 POST /db/create '{"databasename":"second"}'
	api 200 POST /db/list '{}'
	[[ $(field '[.databases[].databasename] | sort | join(",")') == defaultdb,second ]]
	api 200 GET /db/use/second
	second=$(field .token)
	TOKEN=$second
	set_key where second
	TOKEN=$first
	[[ $(get_key where) == first ]]
	verified_get 200 where
	[[ $(field .value | base64 -d) == first ]]
	TOKEN=$second
	verified_get 200 where
	[[ $(field .value | base64 -d) == second ]]
	# The database in the path, whatever the token has selected.
	api 200 GET "/db/defaultdb/get/$(b64 where)"
	[[ $(field .value | base64 -d) == first ]]
	api 200 POST /db/second/verified/get "{\"keyRequest\":{\"key\":\"$(b64 where)\"}}"
	[[ $(field .value | base64 -d) == second ]]
	api 404 GET "/db/third/get/$(b64 where)"
	TOKEN=$first
	api 200 POST /user "{\"user\":\"$(b64 reader)\",\"password\":\"$(b64 'Read3r!pw')\",
		\"permission\":1,\"database\":\"second\"}"
	api 200 GET /user/list
	[[ $(field '[.users[].user] | map(@base64d) | sort | join(",")') == immudb,reader ]]
	log_in reader 'Read3r!pw'
	api 200 GET /db/use/second
	TOKEN=$(field .token)
	[[ $(get_key where) == second ]]
	api 403 POST /db/set "{\"KVs\":[{\"key\":\"$(b64 k)\",\"value\":\"$(b64 v)\"}]}"
	[[ $(field .code) == 7 ]]
	api 403 GET "/db/defaultdb/get/$(b64 where)"
}

@test "a token ends with its session, also for databases named in the path" {
	set_key k v
	api 200 GET "/db/defaultdb/get/$(b64 k)"
	TOKEN="Bearer $TOKEN"
	api 200 GET "/db/defaultdb/get/$(b64 k)"
	api 200 POST /logout '{}'
	api 401 GET "/db/defaultdb/get/$(b64 k)"
	[[ $(field .code) == 16 ]]
	grep -qi '^WWW-Authenticate: Bearer' answer.head
	TOKEN=
	api 401 GET "/db/get/$(b64 k)"
	log_in
	api 200 GET "/db/defaultdb/get/$(b64 k)"
	# Ended behind the gateway's back.
	immuadmin login immudb <<<immudb
	run -0 immuadmin --output json session list
	for id in $(jq -r '.[] | select(.own | not) | .session' <<<"$output"); do
		immuadmin session kill "$id"
	done
	api 401 GET "/db/defaultdb/get/$(b64 k)"
}

@test "a database that was deleted and made anew is the new one, also for a token that knew the old" {
	api 200 POST /db/create '{"databasename":"second"}'
	api 200 POST /db/second/set "{\"KVs\":[{\"key\":\"$(b64 k)\",\"value\":\"$(b64 old)\"}]}"
	api 200 POST /db/unload '{"database":"second"}'
	api 400 GET "/db/second/get/$(b64 k)"
	api 200 POST /db/load '{"database":"second"}'
	api 200 GET "/db/second/get/$(b64 k)"
	api 200 POST /db/unload '{"database":"second"}'
	api 200 POST /db/delete '{"database":"second"}'
	api 404 GET "/db/second/get/$(b64 k)"
	api 200 POST /db/create '{"databasename":"second"}'
	api 404 GET "/db/second/get/$(b64 k)"
	expect_text 'key not found'
	api 200 POST /db/second/verified/set \
		"{\"setRequest\":{\"KVs\":[{\"key\":\"$(b64 k)\",\"value\":\"$(b64 new)\"}]}}"
	api 200 GET "/db/second/get/$(b64 k)"
	[[ $(field .value | base64 -d) == new ]]
}

@test "a revoked right and a user who was switched off are refused at once, with the database in the path" {
	local owner=$TOKEN read set

	read="{\"keyRequest\":{\"key\":\"$(b64 k)\"}}"
	set="{\"KVs\":[{\"key\":\"$(b64 k)\",\"value\":\"$(b64 v)\"}]}"
	api 200 POST /db/create '{"databasename":"second"}'
	api 200 POST /user "{\"user\":\"$(b64 alice)\",\"password\":\"$(b64 'Read3r!pw')\",
		\"permission\":2,\"database\":\"second\"}"
	log_in alice 'Read3r!pw'
	for again in 1 2; do
		api 200 POST /db/second/set "$set"
		api 200 POST /db/second/verified/get "$read"
	done
	refused_for() {
		api "$1" POST /db/second/set "$set"
		api "$1" POST /db/second/verified/get "$read"
		api "$1" GET "/db/second/get/$(b64 k)"
	}
	TOKEN=$owner api 200 POST /user/changepermission \
		'{"action":"REVOKE","username":"alice","database":"second","permission":2}'
	refused_for 401
	# Another's token on the same connections has nothing of it.
	TOKEN=$owner api 200 POST /db/second/verified/get "$read"
	TOKEN=$owner api 200 POST /user/changepermission \
		'{"action":"GRANT","username":"alice","database":"second","permission":1}'
	log_in alice 'Read3r!pw'
	api 200 POST /db/second/verified/get "$read"
	api 403 POST /db/second/verified/set "{\"setRequest\":$set}"
	TOKEN=$owner api 200 POST /user/setactiveUser '{"active":false,"username":"alice"}'
	refused_for 401
	TOKEN=$owner api 200 POST /db/second/set "$set"
}

@test "a value altered on disk is answered with 409, and the next request is served" {
	set_key honest value
	set_key target AAAAAAAA
	verified_get 200 target
	stop_server
	printf B | dd of="$DATA/defaultdb/00000000.log" bs=1 conv=notrunc status=none \
		seek="$(grep -abo -F AAAAAAAA "$DATA/defaultdb/00000000.log" | tail -n 1 | cut -d: -f1)"
	start_server_again
	log_in
	verified_get 409 target
	[[ $(field .code) == 10 && $(field .message) == "data is corrupted"* ]]
	verified_get 200 honest
	[[ $(field .value | base64 -d) == value ]]
	curl -sS "$REST/metrics" | grep -q '^immugw_verification_failures_total 1$'
	grep -q 'verification failed' "$GATEWAY_LOG"
}

# start_server_again: on its old port, which the gateway knows.
start_server_again() {
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$PORT" \
		--metrics-address 127.0.0.1 --metrics-port "$METRICS_PORT"
	wait_for port 127.0.0.1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
}

@test "a database put back to an older copy is answered with 409" {
	set_key k one
	stop_server
	cp -a "$DATA" older
	start_server_again
	log_in
	set_key k two
	verified_get 200 k
	stop_server
	rm -rf "$DATA"
	mv older "$DATA"
	start_server_again
	log_in
	verified_get 409 k
	# What is not proven is still answered: the server may be asked what happened.
	[[ $(get_key k) == one ]]
}

@test "the server goes and comes back" {
	set_key k v
	verified_get 200 k
	stop_server KILL || true
	api 503 GET "/db/get/$(b64 k)"
	[[ $(field .code) == 14 ]]
	grep -qi '^Retry-After: [0-9]' answer.head
	api 503 POST /db/verified/get "{\"keyRequest\":{\"key\":\"$(b64 k)\"}}"
	api 503 GET /readyz
	api 200 GET /livez
	start_server_again
	log_in
	[[ $(get_key k) == v ]]
	verified_get 200 k
	api 200 GET /readyz
	# One that hangs is not ready, which is said while whoever asks still waits.
	kill -STOP "$SERVER_PID"
	run -0 curl -sS -m 30 -o answer.body -w '%{http_code}' "$REST/readyz"
	kill -CONT "$SERVER_PID"
	[[ $output == 503 ]]
	api 200 GET /readyz
}

@test "the gateway is told to end while proofs are under way: it ends at once and cleanly, and trusts on" {
	local writers signal

	for signal in TERM KILL; do
		# Writes until nobody answers any more.
		curl -s -Z --parallel-max 8 --fail-early -o /dev/null -w '%{http_code}\n' -X POST \
			-H "Authorization: $TOKEN" --data-binary \
			"{\"setRequest\":{\"KVs\":[{\"key\":\"$(b64 k)\",\"value\":\"$(b64 v)\"}]}}" \
			"$REST/db/verified/set#[1-100000]" >codes.$signal 2>/dev/null 3>&- &
		writers=$!
		wait_for text "$GATEWAY_LOG" '(?s)(/db/verified/set 200.*){20}' "$WAIT_SECONDS"
		if [[ $signal == TERM ]]; then
			stop_gateway
		else
			drop_gateway
		fi
		wait "$writers" || true
		run ! grep -v '^200$\|^000$\|^503$' codes.$signal
		start_gateway --access-log
		log_in
		verified_get 200 k
	done
}

@test "what is wrong with a request is said, with the place" {
	api 404 GET /nowhere
	[[ $output == '{"code":5,"message":"Not Found"}' ]]
	api 405 DELETE /db/set
	grep -qi '^Allow: POST' answer.head
	# The paths that all daemons have say it alike.
	api 405 POST /metrics
	[[ $output == '{"code":12,"message":"Method Not Allowed"}' ]]
	grep -qi '^Allow: GET, HEAD, OPTIONS' answer.head
	api 404 GET /%6detrics
	api 400 POST /db/set '{"KVs":[{"key":"a2V5MQ=*","value":"dg=="}]}'
	expect_text 'KVs[0].key: illegal base64 data at input byte 7'
	api 400 POST /db/set '{"KVs":[{"key":"aw==","value":"dg==","colour":1}]}'
	expect_text 'KVs[0]: unknown field \"colour\"'
	api 400 POST /db/set '{"KVs":[]'
	api 400 POST /db/set '{} {}'
	api 400 POST /db/verified/get '{}'
	expect_text keyRequest
	api 400 POST /db/verified/get '{"keyRequest":{"key":"aw=="},"proveSinceTx":1}'
	expect_text proveSinceTx
	api 400 GET /db/tx/seven
	api 400 GET '/db/get/aw%zz'
	api 400 GET '/db/get/aw%00'
	api 400 POST /db/scan "$(printf '{"prefix":%.0s' {1..100})"
	api 400 POST /db/scan '{"limit":18446744073709551616}'
	api 501 POST /db/sqlexec '{}'
	# None of it is in the way of what is right.
	set_key k v
	[[ $(get_key k) == v ]]
}

@test "bodies that lie about their length, come slowly or never end; floods of headers" {
	run -0 python3 "$BATS_TEST_DIRNAME/hostile_http.py" "$REST_PORT" "$TOKEN"
	set_key k v
	[[ $(get_key k) == v ]]
	(($(awk '/^VmRSS/ { print $2 }' "/proc/$GATEWAY_PID/status") < 120000))
}

@test "large values, and lists of any length in pieces" {
	local peak

	head -c 6000000 /dev/urandom >value
	{
		printf '{"KVs":[{"key":"%s","value":"' "$(b64 large)"
		base64 -w0 value
		printf '"}]}'
	} >request
	api 200 POST /db/set @request
	api 200 GET "/db/get/$(b64 large)"
	grep -qi '^Transfer-Encoding: chunked' answer.head
	jq -r .value answer.body | base64 -d | cmp - value
	[[ $(field .tx) == 1 && $(field .key | base64 -d) == large ]]
	# What bodies took is given back.
	for _ in 1 2 3; do
		curl -s -Z --parallel-max 8 -o /dev/null -H "Authorization: $TOKEN" "$REST/db/get/$(b64 large)#[1-8]"
		curl -s -Z --parallel-max 8 -o /dev/null -H "Authorization: $TOKEN" --data-binary @request \
			"$REST/db/scan#[1-8]"
	done
	(($(awk '/^VmRSS/ { print $2 }' "/proc/$GATEWAY_PID/status") < 80000))
	api 200 POST /db/getall "{\"keys\":[\"$(b64 large)\",\"$(b64 large)\"]}"
	[[ $(field '.entries | length') == 2 ]]
	jq -r .entries[1].value answer.body | base64 -d | cmp - value
	api 200 POST /db/verified/get "{\"keyRequest\":{\"key\":\"$(b64 large)\"}}"
	jq -r .value answer.body | base64 -d | cmp - value
	login_admin
	seq 1 3000 | awk '{ printf "list%05d\tvalue %d\n", $1, $1 }' >rows.tsv
	immuclient import --format tsv rows.tsv
	api 400 POST /db/scan "{\"prefix\":\"$(b64 list)\",\"limit\":2501}"
	curl -sS -H "Authorization: $TOKEN" -H 'Accept: application/x-ndjson' -D answer.head \
		-d "{\"prefix\":\"$(b64 list)\"}" "$REST/db/scan" >lines
	grep -qi '^Content-Type: application/x-ndjson' answer.head
	grep -qi '^Transfer-Encoding: chunked' answer.head
	(($(wc -l <lines) == 3000))
	[[ $(tail -n 1 lines | jq -r .value | base64 -d) == "value 3000" ]]
	curl -sS -H "Authorization: $TOKEN" -H 'Accept: application/x-ndjson' \
		-d "{\"prefix\":\"$(b64 list)\",\"limit\":1500,\"desc\":true}" "$REST/db/scan" >lines
	(($(wc -l <lines) == 1500))
	run -0 curl -sS -H "Authorization: $TOKEN" -H 'Accept: application/x-ndjson' \
		-d "{\"key\":\"$(b64 large)\",\"limit\":-1}" "$REST/db/history"
	expect_text 'negative limit'
	curl -sS -H "Authorization: $TOKEN" -H 'Accept: application/x-ndjson' \
		-d '{"initialTx":1}' "$REST/db/tx" >lines
	(($(wc -l <lines) == $(immuclient current --output json | jq .txID)))
}

@test "many long lists whose readers stop: some are told to come back, memory stays bounded" {
	head -c 1000000 /dev/zero | base64 -w0 >value
	for n in {1..12}; do
		printf '{"KVs":[{"key":"%s","value":"%s"}]}' "$(b64 "large$n")" "$(<value)" >request
		api 200 POST /db/set @request
	done
	run python3 "$BATS_TEST_DIRNAME/slow_lists.py" "$REST_PORT" "$TOKEN"
	expect_status 0
	set_key k v
	[[ $(get_key k) == v ]]
}

@test "browsers: nothing by default, named origins with their token" {
	status=$(curl -sS -o answer.body -D answer.head -w '%{http_code}' -X OPTIONS \
		-H 'Origin: https://app.example.com' -H 'Access-Control-Request-Method: POST' "$REST/db/set")
	expect_status 403
	run ! grep -i '^Access-Control' answer.head
	stop_gateway
	start_gateway --cors-origins https://app.example.com,https://other.example.com
	status=$(curl -sS -o answer.body -D answer.head -w '%{http_code}' -X OPTIONS \
		-H 'Origin: https://app.example.com' -H 'Access-Control-Request-Method: POST' \
		-H 'Access-Control-Request-Headers: authorization,content-type' "$REST/db/set")
	expect_status 204
	grep -qi '^Access-Control-Allow-Origin: https://app.example.com' answer.head
	grep -qi '^Access-Control-Allow-Headers:.*Authorization' answer.head
	grep -qi '^Access-Control-Allow-Methods:.*POST' answer.head
	curl -sS -o /dev/null -D answer.head -H 'Origin: https://app.example.com' "$REST/health"
	grep -qi '^Access-Control-Allow-Origin: https://app.example.com' answer.head
	grep -qi '^Vary: Origin' answer.head
	curl -sS -o /dev/null -D answer.head -H 'Origin: https://evil.example.com' "$REST/health"
	run ! grep -i '^Access-Control-Allow-Origin' answer.head
}

@test "request ids, and an access log without secrets" {
	curl -sS -o /dev/null -D answer.head -H 'X-Request-Id: my-id_1' "$REST/health"
	grep -qi '^X-Request-Id: my-id_1' answer.head
	curl -sS -o /dev/null -D answer.head -H 'X-Request-Id: bad id' "$REST/health"
	grep -qiE '^X-Request-Id: [0-9a-v]{20}' answer.head
	set_key secretkey secretvalue
	[[ $(get_key secretkey) == secretvalue ]]
	api 403 POST /login "{\"user\":\"$(b64 immudb)\",\"password\":\"$(b64 wrongpassword)\"}"
	stop_gateway
	grep -q 'request my-id_1 from 127.0.0.1: GET /health 200' "$GATEWAY_LOG"
	for secret in "$TOKEN" "$(b64 secretkey)" "$(b64 secretvalue)" "$(b64 wrongpassword)" wrongpassword; do
		run ! grep -F -e "$secret" "$GATEWAY_LOG"
	done
}

@test "the older prefix" {
	set_key k v
	api 200 GET "/v1/immurestproxy/db/get/$(b64 k)"
	api 200 POST /v1/immurestproxy/db/getall "{\"keys\":[\"$(b64 k)\"]}"
	api 404 POST /v1/immurestproxy/db/verified/get "{\"keyRequest\":{\"key\":\"$(b64 k)\"}}"
}

@test "a thousand idle connections do not keep a new one out" {
	set_key k v
	run -0 python3 "$BATS_TEST_DIRNAME/idle_http.py" "$REST_PORT" 1000
	[[ $(get_key k) == v ]]
}

@test "options: what cannot be is one line" {
	run -2 immugw --mtls
	expect_text "mtls: needs a certificate"
	run -2 immugw --port 70000
	run -1 timeout "$WAIT_SECONDS" immugw --address 127.0.0.1 --port "$REST_PORT"
	expect_text "$REST_PORT"
	run -1 timeout "$WAIT_SECONDS" immugw --port 0 --address 127.0.0.1 --server-signing-pub-key missing.pem
	expect_text missing.pem
	stop_gateway
}

@test "with --audit an auditor runs beside it, comes back when it dies and ends with it" {
	local audit_port pid again

	set_key k v
	stop_gateway
	read -r audit_port < <(wait_for free-ports 1)
	start_gateway --audit --audit-interval 1s --audit-username immudb --audit-password immudb \
		--audit-monitoring-host 127.0.0.1 --audit-monitoring-port "$audit_port" --logfile audited.log \
		--threads 8 --connections 3
	wait_for metric "$audit_port" '^immugw_audit_result_per_server\{.*\} 1$' "$WAIT_SECONDS"
	wait_for metric "$REST_PORT" '^immugw_auditor_up 1$' "$WAIT_SECONDS"
	run ! grep '^immugw_audit_result_per_server' <(curl -sS "$REST/metrics")
	pid=$(pgrep -P "$GATEWAY_PID" -x auditor)
	run ! grep -a -e immudb-password -e audit-password=immudb "/proc/$pid/cmdline"
	# They share a log, which both open again, and what they read again.
	kill -HUP "$GATEWAY_PID"
	wait_for text audited.log "INFO auditor: reloaded" "$WAIT_SECONDS" "$GATEWAY_PID"
	grep -q "INFO immugw: the auditor reads its keys .* log level and all other settings stay" audited.log
	mv audited.log rotated.log
	kill -USR1 "$GATEWAY_PID"
	until readlink "/proc/$pid/fd/"* | grep -q 'audited.log$'; do
		kill -0 "$pid"
		((SECONDS < WAIT_SECONDS))
	done
	run ! grep 'rotated.log$' <(readlink "/proc/$pid/fd/"* "/proc/$GATEWAY_PID/fd/"*)
	kill -KILL "$pid"
	wait_for metric "$REST_PORT" '^immugw_auditor_restarts_total 1$' "$WAIT_SECONDS"
	wait_for metric "$audit_port" '^immugw_audit_result_per_server\{.*\} 1$' "$WAIT_SECONDS"
	again=$(pgrep -P "$GATEWAY_PID" -x auditor)
	[[ $again != "$pid" ]]
	# Requests are served meanwhile, and after the gateway is gone nothing of it is left.
	for _ in 1 2 3 4; do
		[[ $(get_key k) == v ]]
	done
	wait_for metric "$REST_PORT" '^immugw_upstream_connections 3$' "$WAIT_SECONDS" "$GATEWAY_PID"
	(($(find "/proc/$GATEWAY_PID/task" -mindepth 1 -maxdepth 1 | wc -l) < 40))
	kill -KILL "$GATEWAY_PID"
	wait_for exit "$again" "$WAIT_SECONDS"
}

@test "an auditor that cannot run is an error in the metrics, and requests are served" {
	stop_gateway
	# Its port is taken: it ends as soon as it is started.
	start_gateway --audit --audit-monitoring-host 127.0.0.1 --audit-monitoring-port "$METRICS_PORT"
	wait_for metric "$REST_PORT" '^immugw_audit_result_per_server\{.*\} -2$' "$WAIT_SECONDS"
	wait_for metric "$REST_PORT" '^immugw_auditor_up 0$' "$WAIT_SECONDS"
	wait_for metric "$REST_PORT" '^immugw_auditor_restarts_total [1-9]' "$WAIT_SECONDS"
	set_key k v
	[[ $(get_key k) == v ]]
	stop_gateway
}

@test "auditing that contradicts itself is said at the start" {
	run -2 timeout "$WAIT_SECONDS" immugw --port 0 --address 127.0.0.1 --audit --audit-signature validate
	expect_text server-signing-pub-key
}
