#!/usr/bin/env bats
# immuadmin's commands: text and JSON of each, and what they refuse.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	immuadmin login immudb <<<immudb
}

# both NAME COMMAND...: the output of a command as text and as JSON equals golden/NAME.txt and .json.
both() {
	local name=$1

	shift
	run -0 immuadmin "$@"
	expect_golden "$name.txt"
	run -0 immuadmin --output json "$@"
	jq -e . <<<"$output" >/dev/null
	expect_golden "$name.json"
}

@test "login, status and logout" {
	run -0 immuadmin status
	expect_text "OK - server is reachable and responding to queries"
	run -0 immuadmin logout
	expect_text "logged out"
	run -4 immuadmin user list
	run -4 immuadmin login immudb <<<wrong
	expect_text "invalid user name or password"
	run -2 immuadmin login
}

@test "the default password is changed by file, and the session goes on" {
	printf 'immudb\n' >old
	printf 'N3wPassword!\n' >new
	run -0 immuadmin login immudb --password-file old --new-password-file new
	expect_text "immudb's password has been changed"
	run -0 immuadmin user list
	run -4 immuadmin login immudb --password-file old
	run -0 immuadmin login immudb --password-file new
	refute_text "SECURITY WARNING"
}

@test "users" {
	run -0 immuadmin user create ro read <<<"ReadOnly1!"
	expect_text "User ro created"
	printf 'ReadWrite1!\n' >secret
	run -0 immuadmin user create rw readwrite --user-password-file secret
	both admin-users user list
	run -1 immuadmin user create ro read <<<"ReadOnly1!"
	expect_text "already exists"
	for weak in short1! nouppercase1! NoDigits! NoSpecial1 "With Blank1!" "$(printf 'Aa1!%.0s' {1..9})"; do
		run -1 immuadmin user create weak read <<<"$weak"
		expect_text "password must have between 8 and 32 letters"
	done
	run -1 immuadmin user create 'bad name' read <<<"ReadOnly1!"
	run -1 immuadmin user create "x'; DROP TABLE users; --" read <<<"ReadOnly1!"
	run -1 immuadmin user create other nosuch <<<"ReadOnly1!"
	expect_text "not recognized"
	run -3 immuadmin user create other read nosuch <<<"ReadOnly1!"
	run -3 immuadmin user set-permission nosuch read
	run -3 immuadmin user permission grant ro read nosuch
	run ! immuadmin user permission revoke ro admin defaultdb
	run -2 immuadmin user permission give ro read defaultdb
	expect_text "Only grant or revoke are allowed"
	run ! immuadmin user deactivate immudb
	both admin-users user list
}

@test "a user who lost a permission loses the session" {
	immuadmin user create rw readwrite <<<"ReadWrite1!"
	immuclient login rw <<<"ReadWrite1!"
	run -0 immuclient set k v
	run -0 immuadmin user set-permission rw read
	run -4 immuclient set k w
	immuclient login rw <<<"ReadWrite1!"
	run -4 immuclient set k w
	run -0 immuclient --value-only get k
	[[ $output == v ]]
	run -0 immuadmin user deactivate rw
	expect_text "User status changed successfully"
	run -4 immuclient get k
	run -4 immuclient login rw <<<"ReadWrite1!"
	run -0 immuadmin user activate rw
	run -0 immuclient login rw <<<"ReadWrite1!"
	run -0 immuadmin user change-password rw <<<"Another1!"
	run -4 immuclient get k
	run -4 immuclient login rw <<<"ReadWrite1!"
	run -0 immuclient login rw <<<"Another1!"
}

@test "databases" {
	run -0 immuadmin database create testdb
	expect_text "database testdb created"
	run -0 immuadmin database create fast --synced false --header-version 0
	run -0 immuadmin database use testdb
	expect_text "Now using testdb"
	run -0 immuadmin database list
	stable_sizes <<<"$output" >list
	output=$(cat list)
	expect_golden admin-databases.txt
	run -0 immuadmin --output json database list
	[[ $(jq -r '[.[].name] | sort | join(" ")' <<<"$output") == "defaultdb fast testdb" ]]
	[[ $(jq -r '.[] | select(.name == "fast") | "\(.synced) \(.header_version)"' <<<"$output") == "false 0" ]]
	for name in UPPER 'two words' systemdb ../up '' "$(printf 'x%.0s' {1..129})"; do
		run -1 immuadmin database create "$name"
	done
	run -1 immuadmin database create testdb
	expect_text "already exists"
	run -3 immuadmin database use nosuch
}

# stable_sizes: sizes on disk differ from run to run.
stable_sizes() {
	sed -E -e 's/ [0-9]{5,} / <size> /' -e 's/ +/ /g' -e 's/-+/-/g'
}

@test "a database is unloaded, loaded and deleted" {
	immuadmin database create testdb
	immuclient login immudb <<<immudb
	immuclient use testdb
	immuclient safeset k v
	run -1 immuadmin database delete testdb --yes-i-know-what-i-am-doing
	expect_text "unloaded first"
	run -0 immuadmin database unload testdb
	run ! immuclient get k
	run -0 immuadmin database load testdb
	run -0 immuclient --value-only get k
	[[ $output == v ]]
	run -0 immuadmin database flush
	run -0 immuadmin database compact
	run -0 immuadmin database update testdb --synced false
	run -2 immuadmin database update testdb --synced maybe
	expect_text "must be one of true,false"
	run -0 immuadmin database unload testdb
	run -2 immuadmin database delete testdb
	expect_text "cannot be undone"
	run -0 immuadmin database delete testdb --yes-i-know-what-i-am-doing
	run -3 immuadmin database load testdb
	[[ ! -e $DATA/testdb ]]
	stop_server
	start_server
	immuadmin login immudb <<<immudb
	run -0 immuadmin --output json database list
	[[ $(jq length <<<"$output") == 1 ]]
}

@test "sessions are listed and ended" {
	immuclient login immudb <<<immudb
	immuclient set k v
	run -0 immuadmin --output json session list
	[[ $(jq length <<<"$output") -ge 2 ]]
	[[ $(jq '[.[] | select(.own)] | length' <<<"$output") == 1 ]]
	local id
	id=$(jq -r '[.[] | select(.own | not)][0].session' <<<"$output")
	run -0 immuadmin session kill "$id"
	run -4 immuclient get k
	run ! immuadmin session kill nosuch
	run -0 immuadmin session list
	expect_text "session(s)"
}

@test "the journal" {
	immuadmin user create rw readwrite <<<"ReadWrite1!"
	immuadmin database create testdb
	immuadmin user permission grant rw admin testdb
	immuadmin user deactivate rw
	run -0 --separate-stderr immuadmin --output json log --oldest-first --verify --limit 0
	[[ $(jq -r '[.[] | select(.verified | not)] | length' <<<"$output") == 0 ]]
	[[ $(jq -r '[.[].user] | index("rw")' <<<"$output") != null ]]
	[[ $(jq -r '[.[].database] | index("testdb")' <<<"$output") != null ]]
	[[ $(jq -r '.[-1].actor' <<<"$output") == immudb ]]
	refute_text "ReadWrite1!"
	run -0 immuadmin log --limit 2
	expect_text "2 entries"
	immuadmin user activate rw
	immuclient login rw <<<"ReadWrite1!"
	run -4 immuclient --database systemdb current
}

@test "statistics" {
	run -0 immuadmin stats --text
	expect_text "uptime hours"
	expect_text "method(s) called"
	run -0 immuadmin --output json stats
	[[ $(jq -r '.databases | length' <<<"$output") == 2 ]]
	run -0 immuadmin stats --raw
	expect_text "immudb_uptime_hours"
	run -5 immuadmin stats --text --metrics-port 1
}

@test "on a terminal the default password does not survive the first login" {
	immuadmin logout
	rm -rf "$HOME"
	mkdir -p "$HOME"
	cat >script.exp <<-'END'
		set timeout 60
		log_user 0
		proc see {text} {
			expect {
				-ex $text {}
				timeout { puts "not seen: $text"; exit 1 }
				eof { puts "ended before: $text"; exit 1 }
			}
		}
		spawn immuadmin login immudb
		see "This looks like the very first admin login attempt"
		see "Password: "
		send "immudb\r"
		see "SECURITY WARNING"
		see "Choose a password for immudb: "
		send "N3wPassword!\r"
		see "Confirm password: "
		send "N3wPassword!\r"
		see "immudb's password has been changed"
		expect {
			eof {}
			timeout { exit 1 }
		}
		exit [lindex [wait] 3]
	END
	run -0 expect -f script.exp
	run -0 immuadmin user list
	run -4 immuadmin login immudb <<<immudb
	run -0 immuadmin login immudb <<<"N3wPassword!"
}
