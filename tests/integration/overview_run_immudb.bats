#!/usr/bin/env bats
# The overview page, section "Run immudb": the command lines as printed, on the default ports.
load helpers

@test "in the foreground" {
	as_printed '
		./immudb >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $!
		"$WAIT" port 127.0.0.1 9497 60 $!
		./immuclient login immudb <<<immudb
		kill -15 $!
		wait $!'
	expect_status 0
	expect_text "Successfully logged in"
	[[ -d data/defaultdb && -d data/systemdb ]]
}

@test "in the background" {
	as_printed '
		./immudb -d
		"$WAIT" port 127.0.0.1 3322 60
		./immuclient login immudb <<<immudb
		./immuclient safeset k0 v0'
	expect_status 0
	expect_text "has been started with PID"
	expect_text "true"
}

@test "found with ps and stopped with kill -15" {
	as_printed '
		./immudb -d
		"$WAIT" port 127.0.0.1 3322 60
		ps -ax | grep immudb
		pid=$(pgrep -x immudb)
		kill -15 "$pid"
		"$WAIT" exit "$pid" 60
		! pgrep -x immudb'
	expect_status 0
	expect_text "./immudb"
}
