#!/usr/bin/env bats
# What each command of immuadmin prints, as text and as JSON, its errors included.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	immuadmin login immudb <<<immudb
}

# varying: sizes, figures and names that differ from run to run, and with them the width of columns.
varying() {
	sed -E -e 's/127\.0\.0\.1:[0-9]+/<address>/g' -e 's/\b[0-9a-f]{12}\b/<session>/g' \
		-e 's/(version"?: +"?|^immuadmin )[0-9]+\.[0-9]+\.[0-9]+/\1<version>/' \
		-e 's/(built_at": ")[^"]*/\1<time>/' -e 's/^(Built at: ).*/\1<time>/' \
		-e '/^Commit  : /d' -e 's/"commit": "[^"]*", //' \
		-e 's/("disk_bytes": )[0-9]+/\10/' -e '/^[0-9]+  /s/ [0-9]{5,} / <size> /' \
		-e '/^-  -/s/-+/-/g' -e '/^(#|-|[0-9]+)  /s/ +/ /g' -e 's/ +$//'
}

# printed NAME STATUS COMMAND...: output and errors of the command equal golden/NAME.
printed() {
	local name=$1 expected=$2

	shift 2
	run immuadmin "$@"
	expect_status "$expected"
	output=$(stable <<<"$output" | varying)
	expect_golden "$name"
}

# both NAME STATUS COMMAND...: as text and as JSON.
both() {
	local name=$1 expected=$2

	shift 2
	printed "$name.txt" "$expected" "$@"
	printed "$name.json" "$expected" --output json "$@"
	# Beside what is said to people, there is nothing that is not JSON.
	sed -E '/^(SECURITY WARNING|first contact)/d' <<<"$output" | jq -e . >/dev/null
}

@test "sessions" {
	both admin/login 0 login immudb --password immudb
	both admin/status 0 status
	printed admin/logout.txt 0 logout
	immuadmin login immudb <<<immudb
	printed admin/logout.json 0 --output json logout
	both admin/logged-out 4 user list
	both admin/wrong-password 4 login immudb --password wrong
}

@test "sessions are listed and ended" {
	immuclient login immudb <<<immudb
	printed admin/session-list.txt 0 session list
	immuclient logout
	printed admin/session-list.json 0 --output json session list
	immuclient login immudb <<<immudb
	id=$(immuadmin --output json session list | jq -r '[.[] | select(.own | not)][0].session')
	printed admin/session-kill.txt 0 session kill "$id"
	immuclient login immudb <<<immudb
	id=$(immuadmin --output json session list | jq -r '[.[] | select(.own | not)][0].session')
	printed admin/session-kill.json 0 --output json session kill "$id"
	both admin/session-kill-missing 4 session kill nosuch
}

@test "users" {
	printed admin/user-create.txt 0 user create ro read --user-password 'ReadOnly1!'
	printed admin/user-create.json 0 --output json user create rw readwrite --user-password 'ReadWrite1!'
	both admin/user-create-again 1 user create ro read --user-password 'ReadOnly1!'
	both admin/user-create-weak 1 user create weak read --user-password short
	both admin/user-create-name 1 user create 'no name' read --user-password 'ReadOnly1!'
	both admin/user-create-level 1 user create other nosuch --user-password 'ReadOnly1!'
	both admin/user-create-database 3 user create other read nosuch --user-password 'ReadOnly1!'
	both admin/user-change-password 0 user change-password ro --user-password 'Another1!'
	both admin/user-change-password-missing 3 user change-password nosuch --user-password 'Another1!'
	both admin/user-set-permission 0 user set-permission ro readwrite
	both admin/user-grant 0 user permission grant ro admin defaultdb
	printed admin/user-revoke.txt 0 user permission revoke ro admin defaultdb
	both admin/user-revoke-again 1 user permission revoke ro admin defaultdb
	both admin/user-permission-action 2 user permission give ro read defaultdb
	both admin/user-deactivate 0 user deactivate ro
	both admin/user-list 0 user list
	both admin/user-activate 0 user activate ro
	both admin/user-deactivate-own 1 user deactivate immudb
	both admin/user-deactivate-missing 3 user deactivate nosuch
	printed admin/user-help.txt 0 user help
	printed admin/user.txt 2 user
	printed admin/user-arguments.txt 2 user create ro
}

@test "databases" {
	printed admin/database-create.txt 0 database create testdb
	printed admin/database-create.json 0 --output json database create other --synced false --header-version 0
	both admin/database-create-again 1 database create testdb
	both admin/database-create-name 1 database create Capital
	both admin/database-create-reserved 1 database create systemdb
	both admin/database-list 0 database list
	both admin/database-use 0 database use testdb
	both admin/database-use-missing 3 database use nosuch
	both admin/database-update 0 database update testdb --synced false
	printed admin/database-update-nothing.txt 2 database update testdb
	both admin/database-flush 0 database flush
	both admin/database-compact 0 database compact
	both admin/database-load-again 1 database load other
	both admin/database-delete-loaded 1 database delete other --yes-i-know-what-i-am-doing
	printed admin/database-unload.txt 0 database unload other
	both admin/database-unload-again 1 database unload other
	printed admin/database-load.txt 0 database load other
	printed admin/database-unload.json 0 --output json database unload other
	printed admin/database-load.json 0 --output json database load other
	immuadmin database unload other
	both admin/database-delete-unsure 2 database delete other
	printed admin/database-delete.txt 0 database delete other --yes-i-know-what-i-am-doing
	both admin/database-delete-again 3 database delete other --yes-i-know-what-i-am-doing
}

@test "the journal" {
	immuadmin user create rw readwrite --user-password 'ReadWrite1!'
	immuadmin database create testdb
	both admin/log 0 log --oldest-first
	# The second one meets the server no more for the first time.
	both admin/log-verify 0 log --verify
}

@test "the server" {
	both admin/version 0 version
	both admin/serverconfig 1 serverconfig auth password
	printed admin/help.txt 0 help
	printed admin/nosuch.txt 2 nosuch
	both admin/stats-unreachable 5 stats --text --metrics-port 1
}

# Names of figures; their values are another matter.
@test "statistics" {
	run -0 immuadmin stats --text
	output=$(sed -nE 's/^([a-z ]+:).*/\1/p; s/^[0-9]+ (database|method)\(s\).*/\1/p; s/^# +([a-z ]+)$/\1/p' <<<"$output" |
		sed -E 's/ +/ /g')
	expect_golden admin/stats.txt
	run -0 immuadmin --output json stats
	output=$(jq -S '[paths | map(if type == "number" then 0 else . end)] | unique | map(join("."))' <<<"$output")
	expect_golden admin/stats.json
}
