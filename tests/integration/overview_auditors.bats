#!/usr/bin/env bats
# The overview page, section "Auditors": the command lines as printed, on the default ports, and the
# metrics that it prints.
load helpers
load services

# normalised: without what differs from one server and moment to another.
normalised() {
	sed -E 's/server_id="[0-9a-v]{20}"/server_id="identity"/; s/(_run_at_per_server\{.*\}) [0-9.e+]+$/\1 time/'
}

# expect_printed PROFILE: metrics begins with the lines of the page.
expect_printed() {
	diff -u <(normalised <"$TEST_SOURCE/tests/golden/auditor-metrics-$1.txt") \
		<(head -n 12 metrics | normalised)
}

@test "the auditor runs interactively as on the page" {
	as_printed '
		./immudb >server.log 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $!
		./immuclient audit-mode >auditor.log 2>&1 &
		auditor=$!
		"$WAIT" port 127.0.0.1 9477 60 $auditor
		curl -fsS http://127.0.0.1:9477/metrics >metrics
		kill $auditor
		wait $auditor'
	expect_status 0
	grep -q "Beginning to serve on port 0.0.0.0:9477" auditor.log
	grep -q '^immuclient_audit_result_per_server{server_address="127.0.0.1:3322",server_id="' metrics
}

@test "with the public key every state must be signed" {
	mkdir -p test/signer
	openssl ecparam -name prime256v1 -genkey -noout -out test/signer/ec1.key
	openssl ec -in test/signer/ec1.key -pubout -out test/signer/ec1.pub 2>/dev/null
	as_printed '
		./immudb --signingKey test/signer/ec1.key >server.log 2>&1 &
		server=$!
		"$WAIT" port 127.0.0.1 3322 60 $server
		./immuclient login immudb <<<immudb
		./immuclient set a 1
		./immuclient audit-mode --audit-databases defaultdb --audit-password immudb --audit-username immudb  --server-signing-pub-key ./test/signer/ec1.pub >signed.log 2>&1 &
		"$WAIT" text signed.log "defaultdb, seen for the first time; its state at tx: 1" 60 $!
		kill $!
		wait $!
		kill $server
		wait $server
		./immudb >server.log 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $!
		./immuclient audit-mode --audit-databases defaultdb --audit-password immudb --audit-username immudb  --server-signing-pub-key ./test/signer/ec1.pub >unsigned.log 2>&1 &
		"$WAIT" text unsigned.log "not signed" 60 $!
		"$WAIT" port 127.0.0.1 9477 60 $!
		curl -fsS http://127.0.0.1:9477/metrics >metrics
		kill $!
		wait $!'
	expect_status 0
	grep -q '^immuclient_audit_result_per_server{.*} 0$' metrics
}

@test "the auditor is installed as a service, and looked after, as on the page" {
	as_installed '
		./immudb service install
		./immuclient login immudb <<<immudb
		./immuclient set k 1
		immuclient audit-mode install
		"$WAIT" port 127.0.0.1 9477 60
		immuclient audit-mode status
		curl -fsS http://127.0.0.1:9477/metrics >metrics
		immuclient audit-mode stop
		! immuclient audit-mode status
		stat -c "%a %U:%G %n" /etc/immudb/auditor.toml /var/lib/immudb-auditor
		immuclient audit-mode uninstall'
	expect_status 0
	expect_text "set audit-username and audit-password in /etc/immudb/auditor.toml"
	expect_text "Service immudb-auditor is running with PID"
	expect_text "640 root:immu /etc/immudb/auditor.toml"
	expect_text "700 immu:immu /var/lib/immudb-auditor"
	grep -q '^immuclient_audit_result_per_server{server_address="127.0.0.1:3322"' metrics
}

@test "the gateway as a service takes its auditor from the settings after a restart, as on the page" {
	as_installed '
		./immudb service install
		./immugw service install
		"$WAIT" port 127.0.0.1 3323 60
		! curl -fsS http://127.0.0.1:9476/metrics
		cat >>/etc/immudb/immugw.toml <<\EOF
audit = true # false is default
audit-interval = "5m" # suffixes: "s", "m", "h", examples: 10s, 5m 1h
audit-username = "" # when immudb authentication is enabled, use read-only user credentials here
audit-password = "" # and the password
EOF
		immuadmin service immugw restart
		"$WAIT" metric 9476 "^immugw_audit_result_per_server" 60'
	expect_status 0
	expect_text "Service immugw is running with PID"
}

@test "the gateway with its auditor, interactively and by the section of immugw.toml" {
	as_printed '
		IMMUDB_AUTH=false ./immudb -d
		"$WAIT" port 127.0.0.1 3322 60
		./immuclient set k 1
		immugw --audit >log 2>&1 &
		"$WAIT" port 127.0.0.1 3323 60 $!
		"$WAIT" metric 9476 "^immugw_audit_result_per_server" 60 $!
		kill $!
		wait $!
		cat >immugw.toml <<\EOF
audit = true # false is default
audit-interval = "5m" # suffixes: "s", "m", "h", examples: 10s, 5m 1h
audit-username = "" # when immudb authentication is enabled, use read-only user credentials here
audit-password = "" # and the password
EOF
		immugw --config immugw.toml >log 2>&1 &
		"$WAIT" port 127.0.0.1 3323 60 $!
		"$WAIT" metric 9476 "^immugw_audit_run_at_per_server" 60 $!
		kill $!
		wait $!'
	expect_status 0
}

@test "the metrics of the auditor on port 9477" {
	as_printed '
		IMMUDB_AUTH=false ./immudb -d
		"$WAIT" port 127.0.0.1 3322 60
		./immuclient set k 1
		./immuclient set k 2
		immuclient audit-mode >log 2>&1 &
		"$WAIT" text log "seen for the first time" 60 $!
		"$WAIT" port 127.0.0.1 9477 60 $!
		curl -sS --resolve immuclient-auditor:9477:127.0.0.1 \
			http://immuclient-auditor:9477/metrics >metrics
		kill $!
		wait $!'
	expect_status 0
	expect_printed immuclient
}

@test "the metrics of the auditor of the gateway on port 9476" {
	as_printed '
		IMMUDB_AUTH=false ./immudb -d
		"$WAIT" port 127.0.0.1 3322 60
		./immuclient set k 1
		./immuclient set k 2
		auditor --profile immugw --audit-interval 1s >log 2>&1 &
		"$WAIT" text log "consistent: true, previous" 60 $!
		"$WAIT" port 127.0.0.1 9476 60 $!
		curl -sS --resolve immugw-auditor:9476:127.0.0.1 http://immugw-auditor:9476/metrics >metrics
		kill $!
		wait $!'
	expect_status 0
	expect_printed immugw
	grep "^immugw_uptime_hours " metrics
}
