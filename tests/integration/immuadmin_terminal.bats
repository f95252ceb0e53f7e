#!/usr/bin/env bats
# What immuadmin does on a terminal only: the screen of statistics, and questions.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	immuadmin login immudb <<<immudb
}

# on_terminal SCRIPT: an expect script with see TEXT, and done STATUS for the end of the program.
on_terminal() {
	cat >script.exp - <(echo "$1") <<-'END'
		set timeout 60
		log_user 0
		set env(TERM) xterm
		set stty_init "rows 40 columns 100"
		proc see {text} {
			expect {
				-ex $text {}
				timeout { puts "not seen: $text"; exit 1 }
				eof { puts "ended before: $text"; exit 1 }
			}
		}
		proc done {status} {
			expect {
				eof {}
				timeout { puts "it goes on"; exit 1 }
			}
			set ended [lindex [wait] 3]
			if {$ended != $status} { puts "status $ended"; exit 1 }
		}
	END
	run expect -f script.exp
	expect_status 0
}

@test "the screen of statistics refreshes until it is left" {
	on_terminal '
		spawn immuadmin stats --interval 100ms
		see "\033\[?1049h"
		see "Login"
		see "defaultdb"
		exec immuadmin database create later
		see "later"
		send "q"
		see "\033\[?1049l"
		done 0
	'
}

@test "a database is deleted when its name is typed once more" {
	immuadmin database create testdb
	immuadmin database unload testdb
	on_terminal '
		spawn immuadmin database delete testdb
		see "cannot be undone. Type its name to go on: "
		send "testdb2\r"
		see "Canceled"
		done 1
		spawn immuadmin database delete testdb
		see "Type its name to go on: "
		send "testdb\r"
		see "database testdb deleted"
		done 0
	'
	[[ ! -e $DATA/testdb ]]
}
