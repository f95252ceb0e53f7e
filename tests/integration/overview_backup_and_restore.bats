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

# The page: "immuadmin backup is stopping immudb as well".
@test "immuadmin backup stops the server, asks as printed, and saves the folder" {
	cat >script.exp <<-'END'
		set timeout 60
		log_user 0
		spawn immuadmin backup
		expect {
			-ex "Are you sure you want to proceed? \[y/N\]: " {}
			timeout { puts "no question"; exit 1 }
		}
		send "y\r"
		expect {
			-ex "Enter admin password:" {}
			timeout { puts "no password"; exit 1 }
		}
		send "immudb\r"
		expect eof
		puts $expect_out(buffer)
		exit [lindex [wait] 3]
	END
	as_printed '
		./immudb >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $!
		./immuclient login immudb <<<immudb
		./immuclient safeset k0 v0
		state=$(./immuclient current)
		expect script.exp
		[[ -n $(jobs -r) ]] && exit 5
		backup=$(echo data_bkp_*.tar.gz)
		./immuclient login immudb <<<immudb
		./immuclient safeset k0 later
		kill -15 $(pgrep -x immudb)
		while pgrep -x immudb >/dev/null; do :; done
		immuadmin restore --yes "$backup"
		immuadmin verify ./data
		./immudb >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $!
		XDG_STATE_HOME=$PWD/other ./immuclient login immudb <<<immudb
		[[ $(XDG_STATE_HOME=$PWD/other ./immuclient current) == "$state" ]]
		./immuclient login immudb <<<immudb
		! ./immuclient safeget k0 || exit 6
		kill -15 $!
		wait $!'
	expect_status 0
	expect_text "Database backup created: $BATS_TEST_TMPDIR/data_bkp_"
	expect_text "immudb has been started again with PID"
	expect_text "A backup of the previous database has been also created: "
	expect_text "older than the client"
}

@test "a no to the question changes nothing" {
	start_server
	local before=$SERVER_PID
	run expect -c '
		set timeout 60
		log_user 0
		spawn immuadmin backup --dbdir data
		expect -ex "\[y/N\]: "
		send "n\r"
		expect -ex "Canceled"
		expect eof
		exit [lindex [wait] 3]'
	expect_status 1
	kill -0 "$before"
	[[ $(ls -A) != *_bkp_* ]]
}

# block N: the Nth block of commands in the README's section on backups.
block() {
	awk -v wanted="$1" '
		/^## / { in_section = ($0 == "## Backup and restore"); next }
		in_section && /^```/ { fences++; next }
		in_section && fences == 2 * wanted - 1' "$TEST_SOURCE/README.md"
}

@test "the commands of the README" {
	block 1 >save.sh
	block 2 >back.sh
	[[ -s save.sh && -s back.sh ]]
	# Something to save is written behind the line that starts the server.
	[[ $(head -n 1 save.sh) == "immudb -d "* ]]
	sed -i '1a immuclient login immudb <<<immudb; immuclient safeset k0 v0' save.sh
	as_printed '
		. ./save.sh
		. ./back.sh'
	expect_status 0
	expect_text "Database restored from backup"
	[[ $(grep -c "result: *whole" <<<"$output") == 2 ]]
}
