#!/usr/bin/env bats
# "immuclient audit-mode": what the auditor is told, and how one in the background is looked after.
load helpers

# A program named auditor, beside a copy of immuclient, that shows what it got. The copy is first on
# the PATH.
fake_auditor() {
	mkdir fake
	cp "$TEST_BUILD/bin/immuclient" fake/
	cat >fake/auditor <<-'END'
		#!/usr/bin/env bash
		printf '%s\n' "$@" >args
		tr '\0' '\n' <"/proc/$$/cmdline" >cmdline
		tr '\0' '\n' <"/proc/$$/environ" >environ
		for argument in "$@"; do
			[[ $argument != *-password-file=* ]] || cat "${argument#*=}" >>secrets
		done
	END
	chmod +x fake/auditor
	PATH=$PWD/fake:$PATH
}

@test "flags are handed over as they are, and defaults are not" {
	fake_auditor
	run -0 immuclient audit-mode
	[[ $(<args) == --profile=immuclient ]]
	run -0 immuclient --immudb-port 4000 -a db.example audit-mode --audit-username watcher \
		--audit-databases one,two --audit-databases three --audit-interval 90s --dir "my dir" \
		--prometheus-host 127.0.0.1 --audit-monitoring-port 0 --server-signing-pub-key a.pub,b.pub \
		--audit-notification-url http://127.0.0.1/ --audit-notification-every-round \
		--log-format json --peer 10.0.0.1:9478 --pidfile a.pid --logfile a.log
	sort args >sorted
	diff -u sorted - <<-'END'
		--audit-databases=one
		--audit-databases=three
		--audit-databases=two
		--audit-interval=90000ms
		--audit-monitoring-host=127.0.0.1
		--audit-monitoring-port=0
		--audit-notification-every-round=true
		--audit-notification-url=http://127.0.0.1/
		--audit-username=watcher
		--dir=my dir
		--immudb-address=db.example
		--immudb-port=4000
		--log-format=json
		--logfile=a.log
		--peer=10.0.0.1:9478
		--pidfile=a.pid
		--profile=immuclient
		--server-signing-pub-key=a.pub,b.pub
	END
}

@test "settings of the environment and of a file are handed over too" {
	fake_auditor
	printf 'audit-username = "fromfile"\naudit-databases = ["a", "b"]\naudit-sample = 7\n' >c.toml
	IMMUCLIENT_AUDIT_USERNAME=fromenv run -0 immuclient audit-mode --config c.toml
	run -0 sort args
	expect_text "--audit-username=fromenv"
	expect_text $'--audit-databases=a\n--audit-databases=b'
	expect_text "--audit-sample=7"
	refute_text "IMMUCLIENT_" "$(<environ)"
}

@test "passwords reach the auditor and nobody else" {
	local secret='Pass,word 1=é"'
	fake_auditor
	run -0 immuclient audit-mode --audit-password "$secret" --audit-notification-password other1
	[[ $(head -n 1 secrets) == "enc:$(printf %s "$secret" | base64)" ]]
	[[ $(tail -n 1 secrets) == "enc:$(printf other1 | base64)" ]]
	run -1 grep -qe "Pass,word" -e other1 -e "$(printf %s "$secret" | base64)" cmdline environ
	rm secrets
	IMMUCLIENT_AUDIT_PASSWORD=$secret run -0 immuclient audit-mode
	[[ $(<secrets) == "enc:$(printf %s "$secret" | base64)" ]]
	run -1 grep -q "Pass,word" cmdline environ
	rm secrets
	printf '%s\nnot this\n' "$secret" >pw
	run -0 immuclient audit-mode --audit-password-file pw
	[[ $(<secrets) == "enc:$(printf %s "$secret" | base64)" ]]
}

@test "the interval of the old variable counts, and is said" {
	fake_auditor
	run -0 --separate-stderr env audit-agent-interval=1m30s immuclient audit-mode
	grep -qx -e --audit-interval=90000ms args
	expect_text "audit-agent-interval" "$stderr"
	expect_text "1m30s" "$stderr"
	IMMUCLIENT_AUDIT_INTERVAL=2m run -0 --separate-stderr env audit-agent-interval=1m immuclient \
		audit-mode
	grep -qx -e --audit-interval=120000ms args
	refute_text "audit-agent-interval" "$stderr"
	run -2 env audit-agent-interval=soon immuclient audit-mode
	expect_text "audit-agent-interval"
}

@test "start adds what an auditor in the background needs" {
	fake_auditor
	run -0 immuclient audit-mode start --dir here
	run -0 sort args
	expect_text "--detached=true"
	expect_text "--pidfile=here/auditor.pid"
	expect_text "--logfile=here/auditor.log"
	run -0 immuclient --state-dir there audit-mode start --pidfile my.pid
	run -0 sort args
	expect_text "--dir=there/auditor/"
	expect_text "--pidfile=my.pid"
	expect_text "--logfile=there/auditor/auditor.log"
	run -0 immuclient audit-mode start
	run -0 sort args
	expect_text "--pidfile=$XDG_STATE_HOME/immudb/auditor/auditor.pid"
}

@test "without an auditor there is one clear line" {
	mkdir alone
	cp "$TEST_BUILD/bin/immuclient" alone/
	PATH=/usr/bin:/bin run -3 alone/immuclient audit-mode
	expect_text "the program auditor is neither beside immuclient nor on the PATH"
	# One on the PATH will do.
	fake_auditor
	PATH=$PWD/fake:/usr/bin:/bin run -0 alone/immuclient audit-mode --audit-sample 3
	grep -qx -e --audit-sample=3 args
}

@test "verbs that are none, help, and nothing that runs" {
	run -2 immuclient audit-mode begin
	expect_text "ERROR: begin is not matching with any valid arguments."
	expect_text "start, install, uninstall, restart, stop, status, help"
	run -2 immuclient audit-mode start now
	run -0 immuclient audit-mode help
	expect_text "--audit-notification-url"
	expect_text "immuclient audit-mode status"
	run -3 immuclient audit-mode status
	expect_text "not running"
	run -3 immuclient audit-mode stop
	expect_text "not running"
	echo 1 >left.pid
	run -3 immuclient audit-mode stop --pidfile left.pid
	expect_text "left over"
}

# stop_background: whatever a failed test left running.
teardown() {
	local pid

	immuclient audit-mode stop >/dev/null 2>&1 || true
	for pid in ${AUDITOR_PID:-}; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	drop_server
}

# audit_mode VERB OPTION...: an auditor of the test's server at MONITOR_PORT.
audit_mode() {
	: "${MONITOR_PORT:=$(wait_for free-ports 1)}"
	immuclient audit-mode "$1" --audit-username immudb --audit-password immudb \
		--audit-databases defaultdb --audit-monitoring-host 127.0.0.1 \
		--audit-monitoring-port "$MONITOR_PORT" "${@:2}" 3>&-
}

# running_pid: the process that status names.
running_pid() {
	immuclient audit-mode status | sed -nE 's/.*with PID ([0-9]+) .*/\1/p'
}

@test "in the foreground it says what it does, serves metrics, and ends with SIGTERM" {
	start_server
	read -r MONITOR_PORT < <(wait_for free-ports 1)
	setpriv --pdeathsig KILL immuclient audit-mode --audit-username immudb --audit-password immudb \
		--audit-monitoring-host 127.0.0.1 --prometheus-port "$MONITOR_PORT" >out 2>err \
		</dev/null 3>&- &
	AUDITOR_PID=$!
	wait_for text out "Beginning to serve on port 127.0.0.1:$MONITOR_PORT" "$WAIT_SECONDS" \
		"$AUDITOR_PID"
	grep -q "every 5m" out
	run -0 tr '\0' ' ' <"/proc/$AUDITOR_PID/cmdline"
	expect_text "--profile=immuclient"
	wait_for text err "defaultdb, seen for the first time" "$WAIT_SECONDS" "$AUDITOR_PID"
	run -0 curl -fsS "http://127.0.0.1:$MONITOR_PORT/metrics"
	expect_text "immuclient_audit_result_per_server{server_address=\"127.0.0.1:$PORT\""
	kill -TERM "$AUDITOR_PID"
	wait_for exit "$AUDITOR_PID" "$WAIT_SECONDS"
	wait "$AUDITOR_PID"
	run -2 immuclient it <<<"audit-mode"
	expect_text "not in the shell"
}

@test "start, status, restart and stop" {
	local pid folder=$XDG_STATE_HOME/immudb/auditor
	start_server
	run -0 audit_mode start
	expect_text "auditor has been started with PID"
	pid=$(running_pid)
	[[ $pid == "$(<"$folder/auditor.pid")" ]]
	run -0 tr '\0' ' ' <"/proc/$pid/cmdline"
	expect_text "--detached=true"
	wait_for text "$folder/auditor.log" "defaultdb, seen for the first time" "$WAIT_SECONDS" "$pid"
	run -1 audit_mode start
	expect_text "runs already, with PID $pid"
	run -0 audit_mode restart
	expect_text "the auditor with PID $pid has been stopped"
	[[ -n $(running_pid) && $(running_pid) != "$pid" ]]
	wait_for exit "$pid" "$WAIT_SECONDS"
	pid=$(running_pid)
	run -0 immuclient audit-mode stop
	expect_text "the auditor with PID $pid has been stopped"
	wait_for exit "$pid" "$WAIT_SECONDS"
	[[ ! -e $folder/auditor.pid ]]
	run -3 immuclient audit-mode status
	# Nothing is running: restart starts.
	run -0 audit_mode restart
	run -0 immuclient audit-mode stop
}

@test "an auditor that was killed is not taken for running, and the next one starts" {
	local pid
	start_server
	audit_mode start
	pid=$(running_pid)
	kill -KILL "$pid"
	wait_for exit "$pid" "$WAIT_SECONDS"
	run -3 immuclient audit-mode status
	expect_text "left over"
	run -3 immuclient audit-mode stop
	run -0 audit_mode start
	run -0 immuclient audit-mode stop
}

@test "what fails at start is said to whoever started it" {
	start_server
	run -1 audit_mode start --alert-exec ./missing
	expect_text "missing"
	refute_text "has been started"
	run -3 immuclient audit-mode status
}

@test "an auditor in the background holds nothing of whoever started it" {
	local pid
	start_server
	mkfifo held
	exec 7<>held
	audit_mode start
	pid=$(running_pid)
	run -0 ls -l "/proc/$pid/fd"
	refute_text "held"
	exec 7>&-
	run -0 immuclient audit-mode stop
}
