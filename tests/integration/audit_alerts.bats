#!/usr/bin/env bats
# What the auditor tells by webhook and program, seen from outside: a server that went back to an older
# copy, a receiver that checks signatures with openssl, and an auditor that is killed with a full queue.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir hook
}

teardown() {
	local pid

	for pid in ${AUDITOR_PID:-} ${HOOK_PID:-}; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	drop_server
	[[ -n ${BATS_TEST_COMPLETED:-} ]] || tail -n 20 auditor.log
}

# start_auditor OPTION...: in the background of this test, over the folder "audit".
start_auditor() {
	setpriv --pdeathsig KILL auditor --immudb-port "$PORT" --dir audit --audit-username immudb \
		--audit-password immudb --audit-monitoring-port 0 --audit-interval 1s "$@" \
		>>auditor.log 2>&1 </dev/null 3>&- &
	AUDITOR_PID=$!
}

# kill_auditor [SIGNAL]: and waits for its end.
kill_auditor() {
	kill "-${1:-TERM}" "$AUDITOR_PID"
	wait_for exit "$AUDITOR_PID" "$WAIT_SECONDS"
	wait "$AUDITOR_PID" || true
	AUDITOR_PID=
}

# start_hook STATUS...: a receiver at HOOK_PORT.
start_hook() {
	(cd hook && exec setpriv --pdeathsig KILL "$BATS_TEST_DIRNAME/webhook" "$HOOK_PORT" "$@" \
		3>&- >../hook.log 2>&1) &
	HOOK_PID=$!
	wait_for port 127.0.0.1 "$HOOK_PORT" "$WAIT_SECONDS" "$HOOK_PID"
}

# await_text FILE TEXT
await_text() {
	wait_for text "$1" "$2" "$WAIT_SECONDS" "${AUDITOR_PID:-$$}"
}

# roll_back: the server is what it was before its last transactions. Its state was trusted before.
roll_back() {
	start_server
	login_admin
	immuclient set a 1
	stop_server
	cp -a "$DATA" older
	start_server
	login_admin
	immuclient set b 2
	immuclient set c 3
	auditor --immudb-port "$PORT" --dir audit --audit-username immudb --audit-password immudb --once >once.out
	stop_server
	rm -rf "$DATA"
	mv older "$DATA"
	start_server
}

@test "an alarm reaches webhook and program, signed, with its evidence" {
	roll_back
	read -r HOOK_PORT < <(wait_for free-ports 1)
	start_hook 500 200
	(umask 077 && echo 'a secret of its own' >secret)
	printf '#!/bin/sh\ncat >%s/told.part && mv %s/told.part %s/told\n' "$PWD" "$PWD" "$PWD" >tell
	chmod +x tell
	start_auditor --audit-databases defaultdb --audit-notification-url \
		"http://127.0.0.1:$HOOK_PORT/hook" --audit-notification-secret-file secret \
		--audit-notification-username hook --audit-notification-password Hidden-Word-1 \
		--alert-exec "$PWD/tell"
	wait_for file hook/2.body "$WAIT_SECONDS" "$AUDITOR_PID"
	wait_for file told "$WAIT_SECONDS" "$AUDITOR_PID"
	# The second attempt is the same alert, with a timestamp and a signature of its own.
	cmp hook/1.body hook/2.body
	run -0 jq -r '.verdict, .tampered, .db, .previous_state.tx, .current_state.tx' hook/2.body
	[[ $output == $'rolled-back\ntrue\ndefaultdb\n3\n1' ]]
	cmp <(jq -S . told) <(jq -S . hook/2.body)
	local timestamp signature
	timestamp=$(sed -n 's/^x-audit-timestamp: //p' hook/2.headers)
	signature=$({ printf '%s.' "$timestamp" && cat hook/2.body; } |
		openssl dgst -sha256 -hmac "$(head -n 1 secret)" | sed 's/.*= //')
	grep -qx "x-audit-signature: v1=$signature" hook/2.headers
	grep -qx "x-audit-alert-id: $(jq -r .alert_id hook/2.body)" hook/2.headers
	grep -qx "authorization: Basic $(printf 'hook:Hidden-Word-1' | base64)" hook/2.headers
	run -1 grep -rq Hidden-Word-1 hook/1.body told auditor.log audit
	run -0 auditor --dir audit verify "$(jq -r .evidence hook/2.body)"
	expect_text "rolled-back"
	# Told once, however many rounds find the same.
	await_text auditor.log "delivered to the webhook"
	kill_auditor
	[[ ! -e hook/3.body ]]
	run -0 find audit/alerts -name '*.json'
	[[ -z $output ]]
}

@test "an auditor killed with a full queue tells everything after its start" {
	roll_back
	read -r HOOK_PORT < <(wait_for free-ports 1)
	start_auditor --audit-notification-url "http://127.0.0.1:$HOOK_PORT/" \
		--audit-notification-every-round
	await_text auditor.log "was not delivered to the webhook"
	kill_auditor KILL
	local waiting
	waiting=$(find audit/alerts/webhook -name '*.json' | wc -l)
	((waiting >= 1))
	start_hook 200
	start_auditor --audit-notification-url "http://127.0.0.1:$HOOK_PORT/"
	wait_for file "hook/$waiting.body" "$WAIT_SECONDS" "$AUDITOR_PID"
	run -0 jq -rs '[.[].verdict] | index("rolled-back") != null' hook/*.body
	[[ $output == true ]]
}

@test "every comparison is told on demand, and nothing else is" {
	start_server
	login_admin
	immuclient set a 1
	read -r HOOK_PORT < <(wait_for free-ports 1)
	start_hook 200
	start_auditor --audit-databases defaultdb --audit-notification-every-round \
		--audit-notification-url "http://127.0.0.1:$HOOK_PORT/"
	wait_for file hook/1.body "$WAIT_SECONDS" "$AUDITOR_PID"
	run -0 jq -r '.verdict, .tampered, .previous_state.tx' hook/1.body
	[[ $output == $'ok\nfalse\n1' ]]
}

@test "what would mean no alarm is refused at start" {
	PORT=1
	echo key >open
	chmod 644 open
	run -1 auditor --immudb-port "$PORT" --dir audit --audit-monitoring-port 0 \
		--audit-notification-url http://127.0.0.1/ --audit-notification-secret-file open
	expect_text "others cannot read"
	run -1 auditor --immudb-port "$PORT" --dir audit --audit-monitoring-port 0 \
		--audit-notification-url http://me:word@127.0.0.1/
	expect_text "user name or password"
	refute_text "word@"
	run -1 auditor --immudb-port "$PORT" --dir audit --audit-monitoring-port 0 \
		--alert-exec ./missing
	expect_text "missing"
	run -1 auditor --immudb-port "$PORT" --dir audit --audit-monitoring-port 0 \
		--audit-notification-username me
	expect_text "URL"
}
