#!/usr/bin/env bats
# immuclient's commands: what they print, and how they end.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	login_admin
}

@test "set and get" {
	run -0 immuclient set greeting "hello world"
	expect_golden set.txt
	run -0 immuclient get greeting
	expect_golden get.txt
	run -0 immuclient set greeting "hello again"
	run -0 immuclient get greeting
	expect_golden get-second.txt
	run -3 immuclient get nosuch
	expect_golden get-missing.txt
}

@test "safeset and safeget" {
	run -0 immuclient safeset greeting "hello world"
	expect_golden safeset.txt
	run -0 immuclient safeget greeting
	expect_golden safeget.txt
	run -3 immuclient safeget nosuch
	expect_text "key not found"
}

@test "scan" {
	for key in a/1 a/2 b/1; do
		immuclient set "$key" "value of $key" >/dev/null
	done
	run -0 immuclient scan a/
	expect_golden scan.txt
	run -0 immuclient scan nosuch
	expect_golden scan-empty.txt
}

@test "current and status" {
	run -0 immuclient current
	expect_golden current-empty.txt
	immuclient set k v
	run -0 immuclient current
	expect_golden current.txt
	run -0 immuclient status
}

@test "JSON" {
	immuclient set greeting "hello world"
	run -0 immuclient --output json get greeting
	expect_golden get.json
	[[ $(jq -r .value <<<"$output") == "hello world" ]]
	run -0 immuclient --output json safeget greeting
	[[ $(jq -r .verified <<<"$output") == true ]]
	run -0 immuclient --output json scan greet
	[[ $(jq -r '.[0].key' <<<"$output") == greeting ]]
	run -0 immuclient --output json current
	[[ $(jq -r '.hash | length' <<<"$output") == 64 ]]
	run -3 immuclient --output json get nosuch
}

@test "values go out as they are" {
	immuclient set format '%s%n%d\n'
	run -0 immuclient --value-only get format
	[[ $output == '%s%n%d\n' ]]
	immuclient set spaces '  two  '
	run -0 immuclient --value-only get spaces
	[[ $output == '  two  ' ]]
	local utf8=$'na\xc3\xafve \xe2\x82\xac'
	immuclient set unicode "$utf8"
	run -0 immuclient --value-only get unicode
	[[ $output == "$utf8" ]]
	immuclient set empty ''
	run -0 immuclient --value-only get empty
	[[ $output == '' ]]
	immuclient set -- --dash --value
	run -0 immuclient --value-only get -- --dash
	[[ $output == --value ]]
}

@test "keys and values at their limits" {
	local key1023 key1024
	key1023=$(printf 'k%.0s' {1..1023})
	key1024=${key1023}k
	run -0 immuclient safeset "$key1023" v
	run -1 immuclient safeset "$key1024" v
	expect_text "max key length exceeded"
	run ! immuclient safeset '' v
	refute_text "verified"
	local value
	value=$(head -c 100000 /dev/zero | tr '\0' v)
	run -0 immuclient set long "$value"
	run -0 immuclient --value-only get long
	[[ $output == "$value" ]]
}

@test "the session is stored, and ended by logout" {
	run -0 immuclient set k v
	run -0 immuclient logout
	expect_text "Successfully logged out"
	run -4 immuclient get k
	run ! immuclient logout
}

@test "the stored session is that of its user, and --database is for one command" {
	run -0 immuclient --username immudb set k v
	run -4 immuclient --username nobody get k
	run -4 immuclient --username nobody --password wrong get k
	run -0 immuclient --database systemdb current
	expect_text "systemdb"
	run -0 immuclient get k
	immuclient logout
	printf 'immudb\n' >password
	run -0 immuclient --username immudb --password-file password safeget k
	run -0 immuclient get k
}

# A server that is started anew knows no session: what has --database goes there, whatever the stored one was on.
@test "after a restart --database is where it says, also when the stored database is gone" {
	echo immudb >password
	local as=(--immudb-socket "$PWD/socket" --username immudb --password-file password)
	stop_server
	start_server --unix-socket "$PWD/socket"
	immuadmin "${as[@]}" database create other
	immuclient "${as[@]}" use other
	stop_server
	start_server --unix-socket "$PWD/socket"
	run -0 immuclient "${as[@]}" --database defaultdb set here 1
	run -0 immuclient "${as[@]}" --database defaultdb get here
	run -3 immuclient "${as[@]}" --database other get here
	immuadmin "${as[@]}" database unload other
	immuadmin "${as[@]}" database delete other --yes-i-know-what-i-am-doing
	stop_server
	start_server --unix-socket "$PWD/socket"
	run -0 immuclient "${as[@]}" --database defaultdb get here
}

@test "revisions" {
	immuclient set k one
	immuclient set k two
	immuclient set k three
	run -0 immuclient --value-only safeget k@1
	[[ $output == one ]]
	run -0 immuclient --value-only get k@-1
	[[ $output == two ]]
	run -0 immuclient --value-only safeget --tx 2 k
	[[ $output == two ]]
	run -3 immuclient get k@9
	immuclient set k@1 "another key"
	run -0 immuclient --revision-separator '' --value-only get k@1
	[[ $output == "another key" ]]
}

@test "exit codes" {
	run -2 immuclient set onlykey
	run -2 immuclient nosuchcommand
	run -2 immuclient --nosuchflag get k
	run -3 immuclient get nosuch
	run -3 immuclient use nosuch
	run -4 immuclient login immudb <<<wrong
	read -r free < <(wait_for free-ports 1)
	run -5 immuclient --immudb-port "$free" status
	expect_text "$free"
	run -1 bash -c 'immuclient current >/dev/full'
	run -0 bash -c 'set -o pipefail; immuclient current | true'
}

@test "sixteen clients on one home lose no state and raise no alarm" {
	local count n
	count=$(rounds 200 3000)
	seq 1 "$count" | xargs -P 16 -I N immuclient safeset keyN valueN >out 2>err
	[[ ! -s err ]] || {
		cat err
		false
	}
	run -0 grep -c '^verified:.*true' out
	[[ $output == "$count" ]]
	for n in 1 100 "$count"; do
		run -0 immuclient safeget "key$n"
		expect_text "value$n"
	done
	run -0 immuclient current
	expect_text "$count"
}

@test "a damaged state file is not trusted" {
	immuclient safeset k v
	local file
	file=$(find "$XDG_STATE_HOME/immudb" -name 'state-*' -not -name '*.lock' | head -n 1)
	[[ -s $file ]]
	printf 'x' | dd of="$file" bs=1 seek=20 conv=notrunc status=none
	run -10 immuclient safeget k
	expect_text "$file: damaged"
}

@test "another server at the same address is not trusted" {
	immuclient safeset k v
	stop_server
	DATA=$BATS_TEST_TMPDIR/another
	SERVER_LOG=$BATS_TEST_TMPDIR/another.log
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$PORT" --metrics-port 0
	wait_for port 127.0.0.1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
	run -10 immuclient login immudb <<<immudb
	expect_text "identity"
}

@test "the state folder is where it is told to be" {
	rm -r "$XDG_STATE_HOME"
	run -0 immuclient --state-dir "$PWD/elsewhere" login immudb <<<immudb
	run -0 immuclient --state-dir "$PWD/elsewhere" safeset k v
	[[ -n $(find elsewhere -name 'state-*') ]]
	[[ -z $(find "$HOME" -name 'state-*') ]]
}

@test "the password comes from a file or the first line of the input" {
	printf 'immudb\nsecond line\n' >password
	run -0 immuclient login immudb --password-file password
	run -0 immuclient login immudb <password
	run -4 immuclient login immudb </dev/null
}

@test "on a terminal the password is asked for and not shown, and control bytes are escaped" {
	immuclient set bell $'a\ab\e[31mc'
	cat >session.exp <<-'END'
		set timeout 60
		spawn immuclient login immudb
		expect "assword"
		send "immudb\r"
		expect "Successfully logged in"
		expect eof
		spawn immuclient get bell
		expect "value:"
		expect "x07"
		expect eof
	END
	run -0 expect -f session.exp
	refute_text $'\a'
	refute_text $'\e[31mc'
	run -0 bash -c 'immuclient --value-only get bell'
	[[ $output == $'a\ab\e[31mc' ]]
}
