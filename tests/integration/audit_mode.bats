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
	! grep -qe "Pass,word" -e other1 -e "$(printf %s "$secret" | base64)" cmdline environ
	rm secrets
	IMMUCLIENT_AUDIT_PASSWORD=$secret run -0 immuclient audit-mode
	[[ $(<secrets) == "enc:$(printf %s "$secret" | base64)" ]]
	! grep -q "Pass,word" cmdline environ
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
	expect_text "start, stop, restart, status, help"
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
