#!/usr/bin/env bats
# The overview page, section "Backup and Restore": the operating system's tools on a stopped server.
load helpers

@test "a stopped server is backed up with tar" {
	start_server
	login_admin
	immuclient safeset before backup
	local state
	state=$(immuclient current)
	stop_server
	tar -cf backup.tar -C "$DATA" .
	start_server
	immuclient login immudb <<<immudb
	immuclient safeset after backup
	stop_server
	DATA=$BATS_TEST_TMPDIR/restored
	mkdir "$DATA"
	tar -xf backup.tar -C "$DATA"
	start_server
	private_home "$BATS_TEST_TMPDIR/second"
	export IMMUCLIENT_IMMUDB_PORT=$PORT
	login_admin
	run -0 immuclient safeget before
	expect_text "true"
	run -3 immuclient get after
	run -0 immuclient current
	[[ $output == "$state" ]]
}

@test "a client that saw more than the backup notices the rollback" {
	start_server
	login_admin
	immuclient safeset before backup
	stop_server
	cp -a "$DATA" old
	start_server
	login_admin
	immuclient safeset after backup
	stop_server
	DATA=$BATS_TEST_TMPDIR/old
	start_server
	login_admin
	run -10 immuclient safeget before
	expect_text "older than the client"
}
