#!/usr/bin/env bats
# The overview page, section "Multi-Database".
load helpers

@test "the first database is named by the environment" {
	export IMMUDB_DBNAME=testdb
	start_server
	login_admin
	run -0 immuclient safeset k0 v0
	expect_text "true"
	[[ -d $DATA/testdb && ! -e $DATA/defaultdb ]]
}

@test "login, use and safeset as on the page" {
	as_printed '
		PATH=.:$PATH
		./immudb --dbname testdb >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $! || cat out
		immuclient login immudb <<<immudb
		immuclient use testdb
		immuclient safeset k0 v0
		kill -15 $!
		wait $!'
	expect_status 0
	expect_text "Successfully logged in"
	expect_text "Now using testdb"
	expect_text "v0"
	expect_text "true"
}

@test "a database that does not exist is not found" {
	start_server
	login_admin
	run -3 immuclient use nosuch
	expect_text "nosuch does not exist"
}

@test "systemdb can be read but not written" {
	start_server
	login_admin
	run -0 immuclient use systemdb
	run ! immuclient set k v
	refute_text "value"
	run -0 immuclient use defaultdb
	run -0 immuclient set k v
}

@test "a name that contradicts the folder is refused" {
	start_server --dbname first
	stop_server
	run -1 immudb --dir "$DATA" --port 0 --dbname second
	expect_text "first"
	expect_text "second"
}

@test "databases and their users as on the page" {
	as_printed '
		PATH=.:$PATH
		./immudb >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $! || cat out
		immuadmin login immudb <<<immudb
		immuadmin database list
		immuadmin database create testdb
		immuadmin user help
		immuadmin user create myuser readwrite testdb <<<"MyPassw0rd!"
		immuadmin user permission grant myuser admin testdb
		immuadmin user permission grant myuser readwrite testdb
		immuadmin user list
		immuclient login myuser <<<"MyPassw0rd!"
		immuclient use testdb
		immuclient safeset k0 v0
		immuadmin user permission revoke myuser readwrite testdb
		! immuclient safeset k0 v1
		kill -15 $!
		wait $!'
	expect_status 0
	expect_text "1 database(s)"
	expect_text "database testdb created"
	expect_text "User myuser created"
	expect_text "Permission changed successfully"
	expect_text "verified: true"
	refute_text "value:    v1"
}
