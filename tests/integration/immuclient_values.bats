#!/usr/bin/env bats
# Values and keys that are not text on a command line: files, pipes, hexadecimal digits, base64, large.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	login_admin
}

@test "values from files and from the input" {
	printf 'a\0b\n\n%%s\xff' >file
	run -0 immuclient set k @file
	expect_golden set-file.txt
	immuclient --value-only get k >back
	printf '\n' >>file
	cmp file back
	printf 'from a pipe' | immuclient safeset k @-
	run -0 immuclient --value-only get k
	[[ $output == "from a pipe" ]]
	printf 'from a pipe again' | immuclient set k @-
	run -0 immuclient --value-only get k
	[[ $output == "from a pipe again" ]]
	run -0 immuclient set k @@name
	run -0 immuclient --value-only get k
	[[ $output == @name ]]
	run -0 immuclient set --literal k @file
	run -0 immuclient --value-only get k
	[[ $output == @file ]]
	run -3 immuclient set k @nosuch
	expect_text nosuch
	run -0 immuclient --value-only get k
	[[ $output == @file ]]
}

@test "hexadecimal digits and base64" {
	run -0 immuclient --hex set 00ff0a 2573
	run -0 immuclient --hex get 00FF0A
	expect_golden get-hex.txt
	run -0 immuclient --base64 --output json get AP8K
	expect_golden get-base64.json
	run -0 immuclient --hex --value-only get 00ff0a
	[[ $output == 2573 ]]
	run -2 immuclient --hex get 0f0
	expect_text "not in hex"
	run -2 immuclient --base64 get '?'
	expect_text "not in base64"
	run -2 immuclient --hex --base64 get 00
	run -0 immuclient --output json scan
	[[ $(jq -r '.[0].key_base64' <<<"$output") == AP8K ]]
}

@test "the longest value" {
	head -c $((32 * 1024 * 1024 - 1)) /dev/urandom >large
	run -0 immuclient safeset large @large
	immuclient --value-only safeget large | head -c -1 | cmp - large
	printf x >>large
	run -1 immuclient set large @large
	expect_text "33554431"
}

@test "stored bytes" {
	immuclient set k v
	immuclient reference r k
	run -0 immuclient rawsafeget k
	expect_golden rawsafeget.txt
	run -0 immuclient --output json rawsafeget r
	expect_golden rawsafeget-reference.json
	run -0 immuclient rawsafeset k w
	expect_golden rawsafeset.txt
	run -3 immuclient rawsafeget nosuch
}

@test "transactions" {
	immuclient set k v
	immuclient zadd rank 2 k
	immuclient reference r k
	immuclient delete k
	run -0 immuclient tx 1
	expect_golden tx.txt
	run -0 immuclient safetx 2
	expect_golden safetx-zadd.txt
	run -0 immuclient --output json safetx 3
	expect_golden safetx-reference.json
	run -0 immuclient safetx 4
	expect_golden safetx-delete.txt
	run -0 immuclient inspect 3
	expect_golden inspect.txt
	run -0 immuclient --output json inspect 1
	expect_golden inspect.json
	run -3 immuclient tx 9
	expect_text "tx not found"
	run -2 immuclient tx 0
	run -2 immuclient safetx -- -1
	run -2 immuclient tx one
	expect_text '"one" is not a valid id number'
}

@test "export and import" {
	immuclient set a 'one "quoted"'
	immuclient --hex set ff00 00ff
	immuclient set --expires-in 1h c three
	immuclient reference r a
	immuclient export >keys.jsonl 2>notes
	run -0 cat notes
	expect_text "1 reference(s) left out"
	[[ $(jq -s length keys.jsonl) == 3 ]]
	stop_server
	DATA=$BATS_TEST_TMPDIR/second start_server
	login_admin
	run -0 immuclient import --format jsonl keys.jsonl
	run -0 immuclient --value-only get a
	[[ $output == 'one "quoted"' ]]
	run -0 immuclient --hex --value-only get ff00
	[[ $output == 00ff ]]
	run -0 immuclient get c
	expect_text "expires"
	run -0 immuclient export --follow a
	[[ $(jq -r .key <<<"$output") == a ]]
}

@test "values that look like something else" {
	local value

	for value in '%s%n' $'tab\tand\nline' $'\x1b[31mred' '--flag' "'" '"' "\\"; do
		immuclient set -- key "$value"
		run -0 immuclient --value-only safeget key
		[[ $output == "$value" ]]
		run -0 immuclient --output json get key
		[[ $(jq -r .value <<<"$output") == "$value" ]]
	done
}
