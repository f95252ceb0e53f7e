#!/usr/bin/env bats
# The shell: on a terminal, driven by expect, and from a pipe.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
}

# on_terminal SCRIPT: runs an expect script in which "line TEXT" types a line, "see TEXT" waits for a
# text on the screen, and "press KEY" waits until the shell itself takes the keys: the prompt is on
# the screen a little before, while the terminal still makes of Ctrl-C and Ctrl-D what it makes of them.
on_terminal() {
	cat >script.exp <<-END
		set timeout $WAIT_SECONDS
		log_user 0
		match_max 100000
		set env(TERM) xterm
		proc see {text} {
			expect {
				-ex \$text {}
				timeout { puts "not seen: \$text"; exit 1 }
				eof { puts "ended before: \$text"; exit 1 }
			}
		}
		proc line {text} { send -- "\$text\r" }
		proc press {key} {
			global spawn_out timeout
			set end [expr {[clock seconds] + \$timeout}]
			while {![string match *-icanon* [exec stty -a -F \$spawn_out(slave,name)]]} {
				if {[clock seconds] > \$end} { puts "no editor"; exit 1 }
				after 5
			}
			send -- \$key
		}
		$1
		expect {
			eof {}
			timeout { puts "did not end"; exit 1 }
		}
		exit [lindex [wait] 3]
	END
	run expect -f script.exp
	expect_status 0
}

@test "a session on a terminal" {
	on_terminal '
		spawn immuclient
		see "immuclient> "
		line "login immudb"
		see "Password: "
		line "immudb"
		see "immudb@defaultdb immuclient> "
		line "set greeting \"hello world\""
		see "value:    hello world"
		see "immuclient> "
		line "safeget greeting"
		see "verified: true"
		line "get nosuch"
		see "key not found"
		see "immuclient> "
		line "gett greeting"
		see "did you mean get"
		line "help get"
		see "KEY\[@REV\]"
		line "timing on"
		see "timing is on"
		line "count"
		see " ms"
		line "it"
		see "this is the shell already"
		see "immuclient> "
		press "\x04"
	'
}

@test "completion, several lines, Ctrl-C and the history" {
	login_admin
	immuclient set user/alice 1
	immuclient set "user/bob smith" 2
	on_terminal '
		spawn immuclient it
		see "immudb@defaultdb immuclient> "
		press "get user/a\t"
		see "lice"
		line ""
		see "value:    1"
		press "safeg\t"
		see "et"
		press "user/b\t"
		see "smith"
		line ""
		see "verified: true"
		see "immuclient> "
		line "set text \"first"
		see "... "
		line "second\""
		see "first"
		see "second"
		see "immuclient> "
		press "set never seen"
		see "never seen"
		press "\x03"
		see "immuclient> "
		line "get never"
		see "key not found"
		see "immuclient> "
		line "login immudb --password immudb"
		see "Successfully logged in"
		see "immuclient> "
		line "login immudb typed-by-mistake"
		see "accepts at most 1"
		see "immuclient> "
		line "audit-mode --audit-password typed-by-mistake"
		see "not in the shell"
		see "immuclient> "
		line "exit"
	'
	[[ $(stat -c %a "$HOME/.immuclient_history") == 600 ]]
	run -0 cat "$HOME/.immuclient_history"
	expect_text "safeget"
	refute_text "password"
	refute_text "typed-by-mistake"
	run -3 immuclient get never
	run -0 immuclient --value-only get text
	[[ $output == $'first\nsecond' ]]
}

@test "an expired session is renewed by asking for the password" {
	login_admin
	on_terminal '
		spawn immuclient it
		see "immuclient> "
		line "set k v"
		see "immuclient> "
		exec immuclient logout
		line "get k"
		see "Password: "
		line "immudb"
		see "value:    v"
		see "immuclient> "
		line "quit"
	'
}

@test "the server goes away and comes back" {
	login_admin
	on_terminal '
		spawn immuclient it
		see "immuclient> "
		line "set k v"
		see "value:    v"
		exec kill -TERM '"$SERVER_PID"'
		exec '"$BATS_TEST_DIRNAME"'/wait-for exit '"$SERVER_PID $WAIT_SECONDS"'
		line "get k"
		see "immuclient: "
		see "immuclient> "
		exec setpriv --pdeathsig KILL immudb --dir '"$DATA"' --address 127.0.0.1 --port '"$PORT"' --metrics-port 0 >server2.log 2>server2.err &
		exec '"$BATS_TEST_DIRNAME"'/wait-for port 127.0.0.1 '"$PORT $WAIT_SECONDS"'
		line "get k"
		see "Password: "
		line "immudb"
		see "value:    v"
		line "exit"
	'
}

@test "a shell stays who and where it is" {
	login_admin
	export IMMUADMIN_IMMUDB_PORT=$PORT
	immuadmin login immudb <<<immudb
	immuadmin database create other
	immuclient set place default
	printf '%s\n' 'set place other' 'get place --database defaultdb' 'set place again' >script
	immuclient it --database other <script
	run -0 immuclient --value-only --database other get place
	[[ $output == again ]]
	# Leaving it has not ended the session that is stored.
	run -0 immuclient --value-only get place
	[[ $output == default ]]
	run -2 immuclient it <<<'get place --username somebody --password secret'
	expect_text "this is a shell of immudb"
}

@test "a command as another user leaves the stored session alone" {
	login_admin
	export IMMUADMIN_IMMUDB_PORT=$PORT
	immuadmin login immudb <<<immudb
	printf 'Secret1!\n' >secret
	immuadmin user create bob readwrite defaultdb --user-password-file secret
	immuclient set k v
	run -0 immuclient --username bob --password-file secret set k bobs
	run -0 immuclient set k again
	run -0 bash -c 'cat "$XDG_STATE_HOME"/immudb/immuclient-session-*'
	expect_text "user immudb"
}

@test "commands from a pipe" {
	printf '%s\n' 'login immudb' immudb "set a 'x y' # a comment" '' 'get a' >script
	run -0 immuclient <script
	expect_golden shell-pipe.txt
	run -3 immuclient it <<<$'get a\nget nosuch\nset a changed'
	expect_text "stopped at line 2"
	run -0 immuclient --value-only get a
	[[ $output == "x y" ]]
	run -0 immuclient --output json it <<<'get a'
	[[ $(jq -r .value <<<"$output") == "x y" ]]
	run -0 immuclient --database systemdb it <<<$'current\nuse defaultdb\nget a'
	expect_text "systemdb"
	expect_text "x y"
	run -1 immuclient it <<<"set a 'open"
	expect_text "quotes"
	run -2 immuclient it <<<'get a --immudb-port 1'
	run -5 immuclient --immudb-port 1 it <<<'count'
}
