#!/usr/bin/env bats
# The overview page, section "Auditors".
load helpers

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

@test "what needs a service manager is refused and never silently accepted" {
	run -2 immuclient audit-mode install
	expect_text "install is not matching with any valid arguments"
}
