#!/usr/bin/env bats
# The auditor as a process: rounds against a real server, what it says, its commands, and bad settings.
load helpers

# write_keys COUNT: k1 to kCOUNT, one transaction each.
write_keys() {
	local i

	for ((i = 1; i <= $1; i++)); do
		immuclient set "k$i" "v$i" >/dev/null
	done
}

# masked COMMAND...: runs it and leaves in $output what is the same in every run, of what stable() leaves.
masked() {
	run --separate-stderr "$@"
	output=$(sed -E "s/[0-9]{8}T[0-9]{6}Z/STAMP/g; s/$(id -un)@[A-Za-z0-9_.-]+/WHO/g" <<<"$output")
}

# one_line PROGRAM...: runs it and expects that it says one line, and nothing on standard output.
one_line() {
	run --separate-stderr "$@"
	[[ -z $output && $(wc -l <<<"$stderr") == 1 ]] && return 0
	printf 'not one line: %s\n%s\n' "$output" "$stderr"
	return 1
}

@test "version, help and usage errors" {
	run -0 auditor version
	expect_text "auditor 0.1.0"
	run -0 auditor --help
	expect_text "--audit-interval"
	expect_text "--server-signing-pub-key"
	run -2 auditor --nosuchflag
	run -2 auditor nosuchcommand
	run -2 auditor --profile nosuchprofile
	run -2 auditor --audit-interval 10ms
	run -2 auditor verify
	run -2 auditor --max-recv-msg-size 1
	[[ ! -e $XDG_STATE_HOME ]]
}

@test "settings that cannot work end the start with one clear line" {
	one_line auditor --once --dir audit --audit-databases 'default*'
	expect_status 2
	expect_text 'audit-databases: "default*"' "$stderr"
	one_line auditor --once --dir audit --server-signing-pub-key missing.pub
	expect_status 1
	expect_text missing.pub "$stderr"
	echo "no key" >no.pub
	one_line auditor --once --dir audit --server-signing-pub-key no.pub
	expect_status 1
	expect_text no.pub "$stderr"
	one_line auditor --dir audit --audit-notification-url ftp://example.org
	[[ $status != 0 ]]
	expect_text "the webhook's URL" "$stderr"
	one_line auditor --dir audit --alert-exec ./missing-program
	[[ $status != 0 ]]
	expect_text missing-program "$stderr"
	one_line auditor --dir audit --peer nowhere
	[[ $status != 0 ]]
	expect_text nowhere "$stderr"
	one_line auditor --dir audit --audit-password-file missing.pw
	expect_status 2
	expect_text missing.pw "$stderr"
	one_line auditor --dir audit --pidfile /
	[[ $status != 0 ]]
	touch file
	one_line auditor --dir file/audit
	[[ $status != 0 ]]
	expect_text file/audit "$stderr"
}

@test "a port that is taken ends the start before the first round" {
	start_server
	local options=(--dir audit --immudb-port "$PORT" --audit-username immudb --audit-password immudb
		--audit-monitoring-host 127.0.0.1)
	one_line auditor "${options[@]}" --audit-monitoring-port "$METRICS_PORT"
	expect_status 1
	expect_text "$METRICS_PORT" "$stderr"
	one_line auditor "${options[@]}" --audit-monitoring-port 0 --peer-listen "127.0.0.1:$METRICS_PORT"
	expect_status 1
	expect_text "$METRICS_PORT" "$stderr"
	run -0 find audit -name 'state-*'
	[[ -z $output ]]
}

@test "one round: first seen, then consistent; text and JSON" {
	start_server
	login_admin
	write_keys 3
	run -0 --separate-stderr audit_once
	expect_text "first-seen"
	run -0 --separate-stderr audit_once
	[[ $output =~ verdict:\ +ok ]]
	[[ $output =~ trusted\ tx:\ +3 ]]
	write_keys 2
	run -0 --separate-stderr audit_once --output json
	[[ $(jq -r '.[0] | .database, .verdict, .trusted_tx, .seen_tx' <<<"$output" | xargs) == \
		"defaultdb ok 3 5" ]]
	[[ $(jq -r '.[0].checked_entries' <<<"$output") -ge 5 ]]
	run -0 audit_once --audit-password wrong --audit-password immudb
	run -1 --separate-stderr audit_once --audit-password wrong
	expect_text "error"
	expect_text "invalid user name or password"
	stop_server
	run -5 --separate-stderr audit_once
	expect_text "unreachable"
}

@test "one round with a server that hangs can be interrupted" {
	start_server
	kill -STOP "$SERVER_PID"
	run -143 timeout --preserve-status -s TERM 1 auditor --once --dir audit --immudb-port "$PORT"
	kill -CONT "$SERVER_PID"
	run -0 audit_once
	stop_server
}

@test "databases by name or prefix; a filter that matches nothing is an error that lists them" {
	start_server
	login_admin
	immuadmin login immudb <<<immudb >/dev/null
	immuadmin database create salesone >/dev/null
	immuadmin database create salestwo >/dev/null
	run -0 --separate-stderr audit_once --output json --audit-databases sales
	[[ $(jq -r '.[].database' <<<"$output" | xargs) == "salesone salestwo" ]]
	run -0 --separate-stderr audit_once --output json
	[[ $(jq -r '.[].database' <<<"$output" | xargs) == "defaultdb salesone salestwo" ]]
	run -1 --separate-stderr audit_once --audit-databases nosuch
	expect_text nosuch
	expect_text "defaultdb"
	expect_text "salestwo"
}

@test "the daemon: its first lines, metrics, no password in its arguments, a clean stop" {
	start_server
	login_admin
	write_keys 3
	start_auditor
	wait_for text "$AUDITOR_LOG" "^Auditing 127.0.0.1:$PORT every 1s" "$WAIT_SECONDS" "$AUDITOR_PID"
	wait_for text "$AUDITOR_LOG" "^Beginning to serve on port 127.0.0.1:$AUDIT_PORT" \
		"$WAIT_SECONDS" "$AUDITOR_PID"
	run tr '\0' ' ' <"/proc/$AUDITOR_PID/cmdline"
	expect_text "--audit-password"
	refute_text "--audit-password immudb"
	await_result 1
	await_result 1 defaultdb
	run -0 curl -fsS "http://127.0.0.1:$AUDIT_PORT/lastaudit"
	[[ $(jq -r .Verdict <<<"$output") == ok ]]
	run -0 curl -fsS "http://127.0.0.1:$AUDIT_PORT/version"
	expect_text auditor
	run -1 --separate-stderr audit_once
	expect_text "another auditor works in $AUDIT_DIR" "$stderr"
	# New databases are picked up.
	immuadmin login immudb <<<immudb >/dev/null
	immuadmin database create later >/dev/null
	await_result -1 later || await_result 1 later
	stop_auditor
	expect_text "Shutdown completed" "$(cat "$AUDITOR_LOG")"
}

@test "the first round is -1 and the second 1, and a restart goes on from there" {
	start_server
	start_auditor --audit-interval 10m
	# It is -1 before the round as well.
	wait_for text "$AUDITOR_LOG" "seen for the first time" "$WAIT_SECONDS" "$AUDITOR_PID"
	await_result -1
	stop_auditor
	start_auditor --audit-interval 10m
	await_result 1
}

@test "a server that is down at the start is found when it is there" {
	read -r PORT < <(wait_for free-ports 1)
	start_auditor
	await_result -2
	[[ $(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$AUDIT_PORT/livez") == 200 ]]
	local port=$PORT
	: "${DATA:=$BATS_TEST_TMPDIR/data}" "${SERVER_LOG:=$BATS_TEST_TMPDIR/server.log}"
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$port" --metrics-port 0
	wait_for port 127.0.0.1 "$port" "$WAIT_SECONDS" "$SERVER_PID"
	await_result 1
	stop_server
	await_result -2
}

@test "a server put back to an older copy: alarm, evidence, acknowledgement, and the way on" {
	start_server
	login_admin
	write_keys 3
	stop_server
	cp -a "$DATA" older
	start_server
	login_admin
	write_keys 3
	start_auditor
	await_result 1
	stop_server
	rm -rf "$DATA"
	mv older "$DATA"
	# On the same port: another address is another server.
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$PORT" --metrics-port 0
	await_result 0
	# It stays through a restart, also while the server is away.
	stop_auditor
	stop_server
	start_auditor
	await_result 0 defaultdb
	run -10 auditor status --dir "$AUDIT_DIR"
	expect_text rolled-back
	run -10 auditor status --dir "$AUDIT_DIR" --output json
	local evidence
	evidence=$(jq -r '.[0].evidence' <<<"$output")
	[[ $(jq -r '.[0].alarm' <<<"$output") == rolled-back ]]
	masked auditor status --dir "$AUDIT_DIR"
	expect_golden auditor-status.txt
	masked auditor status --dir "$AUDIT_DIR" --output json
	expect_golden auditor-status.json
	masked auditor verify "$evidence"
	expect_golden auditor-verify.txt
	masked auditor verify "$evidence" --output json
	expect_golden auditor-verify.json
	run -0 auditor verify "$evidence"
	expect_text "rolled-back"
	[[ $output =~ trusted.tx:\ +6 && $output =~ seen.tx:\ +3 ]]
	run -0 --separate-stderr immuclient verify "$evidence" --output json
	[[ $(jq -r '.verdict, .worth, .trusted.tx, .seen.tx' <<<"$output" | xargs) == \
		"rolled-back repeated 6 3" ]]
	[[ $(python3 "$BATS_TEST_DIRNAME/proof_reader.py" check "$evidence") == repeated ]]
	printf '\0' >>"$evidence"
	run -10 auditor verify "$evidence"
	# Acknowledging says who and why, and alone does not make the older history right.
	run -2 auditor ack defaultdb --dir "$AUDIT_DIR"
	run -3 auditor ack nosuch --dir "$AUDIT_DIR" --reason "no such"
	run -0 auditor ack defaultdb --dir "$AUDIT_DIR" --reason "restored on purpose"
	run -0 auditor status --dir "$AUDIT_DIR"
	expect_text "restored on purpose"
	expect_text "$(id -un)@"
	run -3 auditor ack --dir "$AUDIT_DIR" --reason "again"
	await_result -2
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$PORT" --metrics-port 0
	await_result 0
	# Not the other way round: a round in between would find it once more.
	run -0 auditor trust forget defaultdb --dir "$AUDIT_DIR" --immudb-port "$PORT"
	wait_for text "$AUDITOR_LOG" "defaultdb, seen for the first time" "$WAIT_SECONDS"
	run -0 auditor ack --dir "$AUDIT_DIR" --reason "restored on purpose"
	await_result 1
	run -0 auditor status --dir "$AUDIT_DIR" --output json
	[[ $(jq -r '.[0] | .alarm, (.acknowledged[].verdict)' <<<"$output" | xargs) == \
		"none rolled-back rolled-back" ]]
	masked auditor status --dir "$AUDIT_DIR" --output json
	expect_golden auditor-status-acknowledged.json
}

@test "a database that was deleted and made again is an alarm until the old one is forgotten" {
	start_server
	login_admin
	immuadmin login immudb <<<immudb >/dev/null
	immuadmin database create shop >/dev/null
	immuclient use shop >/dev/null
	write_keys 2
	run -0 audit_once --audit-databases shop
	immuadmin database unload shop >/dev/null
	immuadmin database delete shop --yes-i-know-what-i-am-doing >/dev/null
	run -10 audit_once --audit-databases shop
	expect_text "emptied"
	immuadmin database create shop >/dev/null
	immuclient use shop >/dev/null
	write_keys 1
	run -10 audit_once --audit-databases shop
	write_keys 4
	run -10 audit_once --audit-databases shop
	expect_text forked
	run -0 auditor ack shop --dir "$AUDIT_DIR" --reason "made again"
	run -10 audit_once --audit-databases shop
	run -0 auditor ack shop --dir "$AUDIT_DIR" --reason "made again"
	run -0 auditor trust forget shop --dir "$AUDIT_DIR" --immudb-port "$PORT"
	run -0 audit_once --audit-databases shop
	expect_text first-seen
}

@test "signatures: a key, a missing signature, a rotation" {
	local name
	for name in old new; do
		openssl ecparam -name prime256v1 -genkey -noout -out "$name.key" 2>/dev/null
		openssl ec -in "$name.key" -pubout -out "$name.pub" 2>/dev/null
	done
	start_server --signingKey "$PWD/old.key"
	login_admin
	write_keys 2
	local port=$PORT
	run -0 audit_once --server-signing-pub-key old.pub
	run -10 --separate-stderr audit_once --server-signing-pub-key new.pub
	expect_text signature-wrong
	run -0 --separate-stderr auditor ack --dir "$AUDIT_DIR" --reason "the wrong key was given"
	# Either key, while the server changes from one to the other.
	run -0 audit_once --server-signing-pub-key old.pub --server-signing-pub-key new.pub
	stop_server
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$port" --metrics-port 0 \
		--signingKey "$PWD/new.key"
	wait_for port 127.0.0.1 "$port" "$WAIT_SECONDS" "$SERVER_PID"
	login_admin
	write_keys 1
	run -0 audit_once --server-signing-pub-key old.pub,new.pub
	stop_server
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$port" --metrics-port 0
	wait_for port 127.0.0.1 "$port" "$WAIT_SECONDS" "$SERVER_PID"
	run -10 --separate-stderr audit_once --server-signing-pub-key new.pub --output json
	[[ $(jq -r '.[0].verdict' <<<"$output") == signature-missing ]]
	local evidence
	evidence=$(jq -r '.[0].evidence' <<<"$output")
	run -0 auditor verify "$evidence" --server-signing-pub-key new.pub
	run -10 auditor verify "$evidence" --server-signing-pub-key old.pub
}

@test "two signed histories: the evidence convinces whoever has the key" {
	openssl ecparam -name prime256v1 -genkey -noout -out server.key 2>/dev/null
	openssl ec -in server.key -pubout -out server.pub 2>/dev/null
	start_server --signingKey "$PWD/server.key"
	login_admin
	write_keys 3
	run -0 audit_once --server-signing-pub-key server.pub
	stop_server
	cp -a "$DATA" fork
	local serve=(immudb --address 127.0.0.1 --port "$PORT" --metrics-port 0 --signingKey
		"$PWD/server.key")
	launch "${serve[@]}" --dir "$DATA"
	wait_for port 127.0.0.1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
	login_admin
	write_keys 3
	run -0 audit_once --server-signing-pub-key server.pub
	stop_server
	launch "${serve[@]}" --dir "$PWD/fork"
	wait_for port 127.0.0.1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
	login_admin
	immuclient set another history >/dev/null
	write_keys 4
	run -10 --separate-stderr audit_once --server-signing-pub-key server.pub --output json
	[[ $(jq -r '.[0] | .verdict, .trusted_tx, .seen_tx' <<<"$output" | xargs) == "forked 6 8" ]]
	# Both have what an earlier round has proven, transactions 1 to 3.
	[[ $(jq -r '.[0].suspect_from' <<<"$output") -ge 4 ]]
	[[ $(jq -r '.[0].suspect_to' <<<"$output") -le 6 ]]
	cp "$(jq -r '.[0].evidence' <<<"$output")" evidence
	stop_server
	# Elsewhere: no server, no state, only the file and the key.
	rm -rf "$AUDIT_DIR" "$XDG_STATE_HOME" "$DATA" fork
	run -0 --separate-stderr immuclient verify evidence --output json \
		--server-signing-pub-key server.pub
	[[ $(jq -r '.verdict, .worth, .holds' <<<"$output" | xargs) == "forked signed true" ]]
	run -0 python3 "$BATS_TEST_DIRNAME/proof_reader.py" check evidence server.pub
	[[ $output == signed ]]
	run -0 python3 "$BATS_TEST_DIRNAME/proof_reader.py" change evidence server.pub
	expect_text "none holds"
	run -0 --separate-stderr auditor verify evidence
	[[ $output =~ worth:\ +repeated ]]
	expect_text "no public key was given" "$stderr"
}

@test "a damaged record is an error of its own, never a clean slate" {
	start_server
	run -0 audit_once
	local record
	record=$(echo "$AUDIT_DIR"/audit-*-defaultdb)
	printf 'x' >>"$record"
	run -1 --separate-stderr audit_once
	expect_text "$record"
	run -10 auditor status --dir "$AUDIT_DIR"
	run -0 auditor ack --dir "$AUDIT_DIR" --reason "the disk was full"
	run -0 audit_once
	run -0 auditor status --dir "$AUDIT_DIR"
	expect_text "the disk was full"
}

@test "trust: shown, taken elsewhere, forgotten" {
	start_server
	login_admin
	write_keys 2
	run -0 audit_once
	export AUDITOR_IMMUDB_PORT=$PORT AUDITOR_DIR=$AUDIT_DIR
	run -0 auditor trust list
	expect_text defaultdb
	expect_text "127.0.0.1:$PORT"
	run -0 auditor trust show defaultdb
	[[ $output =~ txID:\ +2 ]]
	auditor trust export defaultdb >before.state
	run -0 auditor trust import before.state --dir elsewhere
	run -0 auditor trust forget defaultdb
	run -3 auditor trust show defaultdb
	run -0 auditor trust forget
	run -3 auditor trust forget
	run -0 auditor trust import - <before.state
	run -0 auditor trust show defaultdb --server "$(sed -n 's/^server //p' before.state)"
}

@test "in the background: pid file, log file, and a start that fails says why" {
	start_server
	read -r AUDIT_PORT < <(wait_for free-ports 1)
	local options=(--immudb-port "$PORT" --dir "$PWD/audit" --audit-username immudb --audit-password
		immudb --audit-interval 1s --audit-monitoring-host 127.0.0.1 --audit-monitoring-port
		"$AUDIT_PORT" --pidfile "$PWD/run/auditor.pid" --logfile "$PWD/log/auditor.log")
	run -0 auditor -d "${options[@]}" 3>&-
	expect_text "auditor has been started with PID"
	AUDITOR_PID=$(<run/auditor.pid) AUDITOR_LOG=$PWD/log/auditor.log
	[[ $output == *"PID $AUDITOR_PID" ]]
	await_result 1
	run -1 auditor -d "${options[@]}" --dir "$PWD/other" 3>&-
	expect_text "auditor.pid"
	run -1 auditor -d "${options[@]}" --pidfile "$PWD/other.pid" --dir "$PWD/other" 3>&-
	expect_text "$AUDIT_PORT"
	local pid=$AUDITOR_PID
	AUDITOR_PID=
	kill "$pid"
	wait_for exit "$pid" "$WAIT_SECONDS"
	[[ ! -e run/auditor.pid ]]
	expect_text "Shutdown completed" "$(cat "$AUDITOR_LOG")"
}

@test "settings from file and environment; secrets are not shown" {
	cat >auditor.toml <<-'END'
		audit-username = "watcher"
		audit-password = "Secret-Word-1"
		audit-databases = ["one", "two"]
		prometheus-port = 1234
	END
	run -0 auditor --config auditor.toml --print-config
	expect_text 'audit-username = "watcher"'
	expect_text 'audit-monitoring-port = 1234'
	refute_text Secret-Word-1
	AUDITOR_AUDIT_USERNAME=other run -0 auditor --config auditor.toml --print-config
	expect_text 'audit-username = "other"'
	printf 'Secret-Word-2\n' >pw
	run -0 auditor --audit-password-file pw --print-config
	refute_text Secret-Word-2
}
