#!/usr/bin/env bats
# What immudb does with wrong bytes on the wire; the cases are functions of wire_client.py.
load helpers

setup_file() {
	private_home "$BATS_FILE_TMPDIR"
	DATA=$BATS_FILE_TMPDIR/data SERVER_LOG=$BATS_FILE_TMPDIR/server.log
	start_server
	export PORT SERVER_PID SERVER_LOG
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

# The server must still be there after every case, and stop cleanly at the end.
teardown() {
	kill -0 "$SERVER_PID"
}

teardown_file() {
	stop_server
}

# wire CASE
wire() {
	run -0 python3 "$BATS_TEST_DIRNAME/wire_client.py" "$1" "$PORT" "$SERVER_PID"
}

@test "many requests in flight are each answered once" {
	wire pipelined
}

@test "garbage instead of a hello" {
	wire garbage
}

@test "garbage after the hello" {
	wire garbage_after_hello
}

@test "a frame that announces four gigabytes" {
	wire four_gigabytes
}

@test "a frame too large before login" {
	wire too_much_before_login
}

@test "half a frame, then silence" {
	wire half_a_frame
}

@test "memory is charged for what was received, not for what was announced" {
	wire announced_memory
}

@test "an older client is sent archives that it knows" {
	wire archive_formats
}

@test "clients that leave with requests outstanding" {
	wire disappearing
}

@test "an unknown method" {
	wire unknown_method
}

@test "an unknown field is refused, not ignored" {
	wire unknown_field
}

@test "a body that is no message" {
	wire bad_body
}

@test "keys, values and transactions beyond the limits" {
	wire limits
}

@test "a session that was made up or changed" {
	wire wrong_session
}

@test "clients of other versions: a common version is used, and none is said" {
	wire versions
}

# with_server HABIT COMMAND...: runs a client against a server of another version.
with_server() {
	local port input

	# shellcheck disable=SC2086 # a habit and its argument
	coproc OTHER { exec "$BATS_TEST_DIRNAME/other_version.py" $1 3>&-; }
	input=${OTHER[1]}
	read -r -t "$WAIT_SECONDS" port <&"${OTHER[0]}"
	shift
	run "$@" --immudb-address 127.0.0.1 --immudb-port "$port" 3>&-
	exec {input}>&-
	wait
}

@test "servers of other versions: what a later one adds is skipped, and an unknown one is said" {
	with_server longer immuclient health
	expect_status 0
	with_server unknown immuclient health
	[[ $status != 0 ]]
	expect_text "version 2 was not offered"
	with_server refuses immuclient health
	[[ $status != 0 ]]
	expect_text "no common protocol version"
}

@test "a server that knows the first format of archives only is backed up, and the archive continued" {
	local archive=$TEST_SOURCE/tests/golden/upgrade/format-1.archive
	local backup=(immuadmin hot-backup defaultdb -o old.archive --username immudb --password immudb)

	with_server "older $archive" "${backup[@]}"
	expect_status 0
	expect_text "parts:    1"
	with_server "older $archive" "${backup[@]}" --append
	expect_status 0
	cmp old.archive "$archive"
}
