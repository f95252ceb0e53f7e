#!/usr/bin/env bats
# Settings of the gateway: every key of immugw.toml, the environment, and which of them wins.
load helpers
load gateway

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	read -r REST_PORT AUDIT_PORT OTHER_PORT < <(wait_for free-ports 3)
	REST=http://127.0.0.1:$REST_PORT
	GATEWAY_LOG=$PWD/immugw.log
	for name in "${!IMMUGW_@}"; do
		unset "$name"
	done
}

teardown() {
	drop_gateway
	drop_server
}

# run_gateway ARGUMENT...: what only the file or the environment says; ready when REST_PORT answers.
run_gateway() {
	setpriv --pdeathsig KILL immugw "$@" >out 2>&1 </dev/null 3>&- &
	GATEWAY_PID=$!
	wait_for port 127.0.0.1 "$REST_PORT" "$WAIT_SECONDS" "$GATEWAY_PID" || {
		cat out
		return 1
	}
}

# write_toml: every key that a file of the original may have.
write_toml() {
	cat >immugw.toml <<END
dir = "$PWD/state"
address = "127.0.0.1"
port = $REST_PORT
immudb-address = "127.0.0.1"
immudb-port = $PORT
pidfile = "$PWD/immugw.pid"
logfile = "$GATEWAY_LOG"
mtls = false
detached = false
servername = "localhost"
pkey = "./tools/mtls/4_client/private/localhost.key.pem"
certificate = "./tools/mtls/4_client/certs/localhost.cert.pem"
clientcas = "./tools/mtls/2_intermediate/certs/ca-chain.cert.pem"
audit = true
audit-interval = "1s"
audit-username = "immudb"
audit-password = "enc:$(b64 immudb)"
audit-signature = "ignore"
audit-monitoring-host = "127.0.0.1"
audit-monitoring-port = $AUDIT_PORT
END
}

@test "immugw.toml: every key is read, and does what it says" {
	write_toml
	run_gateway --config immugw.toml
	[[ $(<immugw.pid) == "$GATEWAY_PID" ]]
	log_in
	set_key k v
	api 200 POST /db/verified/get "{\"keyRequest\":{\"key\":\"$(b64 k)\"}}"
	wait_for metric "$AUDIT_PORT" '^immugw_audit_result_per_server\{.*\} 1$' "$WAIT_SECONDS"
	stop_gateway
	[[ -n $(find state -maxdepth 1 -name 'state-*' -print -quit) && -d state/auditor-immugw ]]
	[[ ! -e immugw.pid ]]
	grep -q SIGTERM "$GATEWAY_LOG"
}

@test "immugw.toml: mtls without its files, an unknown key and a wrong type are refused with their name" {
	write_toml
	sed -i 's/^mtls = .*/mtls = true/' immugw.toml
	run ! timeout "$WAIT_SECONDS" immugw --config immugw.toml
	expect_text ca-chain.cert.pem
	write_toml
	echo 'colour = "blue"' >>immugw.toml
	run ! timeout "$WAIT_SECONDS" immugw --config immugw.toml
	expect_text colour
	write_toml
	sed -i 's/^port = .*/port = "many"/' immugw.toml
	run ! timeout "$WAIT_SECONDS" immugw --config immugw.toml
	expect_text port
	run ! timeout "$WAIT_SECONDS" immugw --config missing.toml
	expect_text missing.toml
}

@test "the environment comes before the file, the command line before both" {
	write_toml
	sed -i -e "s/^immudb-port = .*/immudb-port = $OTHER_PORT/" -e 's/^immudb-address = .*/immudb-address = "192.0.2.1"/' \
		-e 's/^audit = .*/audit = false/' immugw.toml
	export IMMUGW_IMMUDB_ADDRESS=127.0.0.1 IMMUGW_IMMUDB_PORT=$PORT IMMUGW_PORT=$OTHER_PORT
	run_gateway --config immugw.toml --port "$REST_PORT"
	log_in
	set_key k v
	[[ $(get_key k) == v ]]
	stop_gateway
}

@test "the environment alone" {
	export IMMUGW_ADDRESS=127.0.0.1 IMMUGW_PORT=$REST_PORT IMMUGW_IMMUDB_ADDRESS=127.0.0.1
	export IMMUGW_IMMUDB_PORT=$PORT IMMUGW_DIR=$PWD/state IMMUGW_LOGFILE=$GATEWAY_LOG IMMUGW_ACCESS_LOG=true
	run_gateway
	log_in
	set_key k v
	wait_for text "$GATEWAY_LOG" 'POST /db/set 200' "$WAIT_SECONDS" "$GATEWAY_PID"
	stop_gateway
}
