#!/usr/bin/env bats
# That no option is without a test, and the effects of those that no other file is about; what SIGHUP reloads.
load helpers
load gateway

setup_file() {
	private_home "$BATS_FILE_TMPDIR"
	cd "$BATS_FILE_TMPDIR" || return 1
	DATA=$BATS_FILE_TMPDIR/data SERVER_LOG=$BATS_FILE_TMPDIR/server.log
	new_key first
	cp first.key signing.key
	start_server --signingKey "$PWD/signing.key" --access-log \
		--config "$(touch empty.toml && realpath empty.toml)"
	login_admin
	export PORT SERVER_PID SERVER_LOG DATA HOME XDG_STATE_HOME METRICS_PORT
	export IMMUCLIENT_IMMUDB_PORT IMMUADMIN_IMMUDB_PORT
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	AUDIT_DIR=$BATS_TEST_TMPDIR/audit
}

teardown() {
	drop_auditor
	drop_gateway
}

teardown_file() {
	drop_server
}

# new_key NAME: a pair NAME.key and NAME.pub.
new_key() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
	openssl ec -in "$1.key" -pubout -out "$1.pub" 2>/dev/null
}

# hang_up PID LOG TEXT: sends SIGHUP and waits for the text in what the log says from then on.
hang_up() {
	local lines

	lines=$(wc -l <"$2")
	kill -HUP "$1"
	until tail -n "+$((lines + 1))" "$2" | grep -q "$3"; do
		kill -0 "$1"
		((SECONDS < WAIT_SECONDS))
	done
}

# signed_by NAME: a client that trusts nothing yet but a key writes and proves.
signed_by() {
	immuclient --state-dir "$(mktemp -d -p "$BATS_TEST_TMPDIR")" --username immudb --password immudb \
		--server-signing-pub-key "$1.pub" safeset k v
}

@test "every option of every program is in a test" {
	local program

	# Flags, variables and keys that tests use, all as flags have it.
	grep -rohE --include='*.bats' --include='*.bash' --include='*.c' --include='*.py' \
		-e '--[a-zA-Z][a-zA-Z-]+' -e '\b(IMMU[A-Z]+|AUDITOR)_[A-Z_]+' -e "[\"' 	][a-zA-Z-]+ *[=:]" \
		-e '^[a-zA-Z-]+ *[=:]' "$TEST_SOURCE/tests" |
		sed -E -e 's/^(IMMU[A-Z]+|AUDITOR)_//' -e "s/^[\"' 	]//" -e 's/^--//' -e 's/ *[=:]$//' |
		tr '[:upper:]_' '[:lower:]-' | sort -u >used
	for program in immudb immugw auditor immuclient immuadmin; do
		"$program" --print-config | sed -nE 's/^#? ?([a-zA-Z-]+) = .*/\1/p' | tr '[:upper:]' '[:lower:]'
	done | sort -u >options
	[[ $(wc -l <options) -gt 80 ]]
	run comm -23 options used
	echo "$output"
	[[ -z $output ]]
}

@test "the access log has a line for each request, with no key in it" {
	immuclient set very-own-key very-own-value
	run -3 immuclient get nosuchkey
	wait_for text "$SERVER_LOG" "request Get by immudb on defaultdb from 127.0.0.1:" "$WAIT_SECONDS" "$SERVER_PID"
	grep -qE 'request Set by immudb on defaultdb from 127.0.0.1:[0-9]+: ok [0-9.]+ ms' "$SERVER_LOG"
	grep -qE 'request Get by .*: key not found [0-9.]+ ms' "$SERVER_LOG"
	grep -qE 'request Login by - on - from ' "$SERVER_LOG"
	run -1 grep -E 'very-own|nosuchkey' "$SERVER_LOG"
}

@test "tokenfile is where the session is" {
	immuclient --tokenfile "$PWD/here.token" login immudb <<<immudb
	[[ -s here.token && $(stat -c %a here.token) == 600 ]]
	immuadmin --tokenfile "$PWD/there.token" login immudb <<<immudb
	[[ -s there.token ]]
	run -0 immuclient --tokenfile "$PWD/here.token" set k v
	rm here.token
	run -4 immuclient --tokenfile "$PWD/here.token" set k v
}

# accepted: connections that the server has taken so far.
accepted() {
	curl -fsS --max-time 10 "http://127.0.0.1:$METRICS_PORT/metrics" |
		sed -nE 's/^immudb_rpc_connections_accepted_total //p'
}

# connections_of OPTION...: how many an auditor's round makes.
connections_of() {
	local before

	before=$(accepted)
	audit_once "$@" >/dev/null
	echo $(($(accepted) - before))
}

# found OPTION...: what a round of a new auditor says of the first database.
found() {
	AUDIT_DIR=$(mktemp -d -p "$BATS_TEST_TMPDIR") audit_once --audit-databases defaultdb --output json "$@" |
		jq -r ".[0].checked_entries"
}

@test "what bounds the auditor's work: samples, rounds, connections, the pace of the sweep" {
	local name drawn

	seq 1 90 | awk '{ printf "key%d\tvalue of %d\n", $1, $1 }' >rows.tsv
	immuclient import --format tsv --batch-size 1 rows.tsv
	[[ $(found --audit-sample 0 --audit-newest 7) == 7 ]]
	# What is drawn twice is checked once.
	drawn=$(found --audit-sample 5 --audit-newest 0)
	((drawn >= 1 && drawn <= 5))
	immuadmin login immudb <<<immudb
	for name in one two three; do
		immuadmin database create "$name"
	done
	[[ $(connections_of --audit-parallel 1) == 1 ]]
	[[ $(connections_of --audit-parallel 3) == 3 ]]
	[[ $(connections_of --audit-parallel 1 --rounds 2) == 2 ]]
	AUDIT_DIR=$BATS_TEST_TMPDIR/slow start_auditor --audit-databases defaultdb --audit-sweep-period 1s \
		--audit-sweep-rate 20
	wait_for metric "$AUDIT_PORT" '_audit_sweep_position_tx\{.*\} (21|41|61|81)$' "$WAIT_SECONDS" "$AUDITOR_PID"
	stop_auditor
	run ! audit_once --audit-notification-url https://127.0.0.1:1/ \
		--audit-notification-ca-file "$PWD/no-such-authorities.pem"
	expect_text no-such-authorities.pem
}

@test "what bounds a server: messages, sessions, connections; metrics without histograms" {
	local name main=$SERVER_PID

	private_home "$BATS_TEST_TMPDIR"
	DATA=$BATS_TEST_TMPDIR/data SERVER_LOG=$BATS_TEST_TMPDIR/server.log
	start_server --max-recv-msg-size 64KiB --max-sessions 2 --max-connection-rate 20 --no-histograms
	[[ $SERVER_PID != "$main" ]]
	for name in one two three; do
		immuclient --tokenfile "$PWD/$name.token" login immudb <<<immudb
	done
	# The session that was used least recently had to go.
	run -4 immuclient --tokenfile "$PWD/one.token" get small
	head -c 60000 /dev/zero | immuclient --tokenfile "$PWD/three.token" set small @-
	# As one message it is too much: the server says so in its greeting, and a client sends it as a stream.
	head -c 70000 /dev/zero >large
	immuclient --tokenfile "$PWD/three.token" set large @large
	run ! python3 -c '
import struct, sys
sys.path.insert(0, sys.argv[1])
import wire
connection = wire.Connection(int(sys.argv[2]))
assert struct.pack(">I", 65536) in connection.greeting[3]
connection.send_request(wire.SET, bytes(1024), 60000)
print("taken")
connection.call(wire.SET, bytes(70000))' "$BATS_TEST_DIRNAME" "$PORT"
	expect_text "taken"
	expect_text "wire.Closed"
	curl -fsS "http://127.0.0.1:$METRICS_PORT/metrics" >metrics
	grep -q '^immudb_requests_total' metrics
	run ! grep ' histogram$' metrics
	# A burst has to wait for its turn.
	python3 -c 'import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(60)]' "$PORT"
	wait_for metric "$METRICS_PORT" '^immudb_rpc_connections_delayed_total [1-9]' "$WAIT_SECONDS" "$SERVER_PID"
	stop_server
}

@test "SIGHUP takes over a new signing key and a new log level" {
	run -0 signed_by first
	new_key second
	cp second.key signing.key
	printf 'log-level = "debug"\nmax-sessions = 77\n' >empty.toml
	hang_up "$SERVER_PID" "$SERVER_LOG" "reloaded:"
	grep -q 'log-level is "debug" now; it was "info"' "$SERVER_LOG"
	grep -q 'max-sessions stays "10000"; "77" needs a restart' "$SERVER_LOG"
	grep -q 'states are signed with another key now' "$SERVER_LOG"
	run -0 signed_by second
	run -10 signed_by first
	# A key that cannot be used is not taken, and the one before goes on.
	echo nonsense >signing.key
	hang_up "$SERVER_PID" "$SERVER_LOG" "not everything is reloaded: .*signing.key"
	run -0 signed_by second
	# Nor is a file with a fault.
	echo 'log-level = 3' >empty.toml
	hang_up "$SERVER_PID" "$SERVER_LOG" "nothing is reloaded: .*empty.toml:1: log-level"
	: >empty.toml
	cp second.key signing.key
	hang_up "$SERVER_PID" "$SERVER_LOG" "reloaded:"
}

@test "SIGHUP takes over the auditor's public keys" {
	new_key stranger
	cp signing.key current.key
	openssl ec -in current.key -pubout -out known.pub 2>/dev/null
	start_auditor --server-signing-pub-key "$PWD/known.pub"
	await_result 1
	cp stranger.pub known.pub
	hang_up "$AUDITOR_PID" "$AUDITOR_LOG" "1 public keys are read again"
	await_result 0
	stop_auditor
}

# verified_get STATUS: of a key that is there, through the gateway.
verified_get() {
	api "$1" POST /db/verified/get "{\"keyRequest\":{\"key\":\"$(b64 k)\"}}"
}

@test "SIGHUP takes over the gateway's public key" {
	openssl ec -in signing.key -pubout -out known.pub 2>/dev/null
	start_gateway --server-signing-pub-key "$PWD/known.pub"
	log_in
	api 200 GET /db/use/defaultdb
	TOKEN=$(field .token)
	set_key k v
	verified_get 200
	new_key third
	cp third.key signing.key
	hang_up "$SERVER_PID" "$SERVER_LOG" "states are signed with another key now"
	set_key k w
	verified_get 409
	# A key that cannot be used is not taken.
	echo nonsense >known.pub
	hang_up "$GATEWAY_PID" "$GATEWAY_LOG" "not everything is reloaded: .*known.pub"
	cp third.pub known.pub
	hang_up "$GATEWAY_PID" "$GATEWAY_LOG" "reloaded: no configuration file"
	verified_get 200
	# What was known before does not count any more, on no connection that is still open.
	new_key stranger
	cp stranger.pub known.pub
	hang_up "$GATEWAY_PID" "$GATEWAY_LOG" "reloaded: no configuration file"
	verified_get 409
	stop_gateway
}
