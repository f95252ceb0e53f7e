#!/usr/bin/env bats
# immuclient's commands about keys beyond set and get: text and JSON of each, and what they refuse.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	login_admin
}

# both NAME COMMAND...: the output of a command as text and as JSON equals golden/NAME.txt and .json.
both() {
	local name=$1

	shift
	run -0 immuclient "$@"
	expect_golden "$name.txt"
	run -0 immuclient --output json "$@"
	jq -e . <<<"$output" >/dev/null
	expect_golden "$name.json"
}

@test "history, delete and restore" {
	immuclient set k one
	immuclient set k two
	run -0 immuclient delete k
	expect_golden delete.txt
	run -3 immuclient get k
	expect_text "key not found"
	run -0 immuclient scan
	expect_text "no entries"
	run -0 immuclient restore k@1
	expect_golden restore.txt
	both history history k
	both history-desc history k --desc --limit 2
	run -0 immuclient --value-only history k --offset 3
	[[ $output == one ]]
	run -3 immuclient delete k nosuch
	run -0 immuclient --value-only get k
	[[ $output == one ]]
	run -3 immuclient history nosuch
	run -3 immuclient restore k@9
	run -2 immuclient restore k
	expect_text "KEY@REV"
}

@test "count" {
	for key in a/1 a/2 b/1; do
		immuclient set "$key" v >/dev/null
	done
	run -0 immuclient count
	[[ $output == 3 ]]
	run -0 immuclient cnt a/
	[[ $output == 2 ]]
	run -0 immuclient --output json count nosuch
	[[ $output == '{"count": 0}' ]]
}

@test "references" {
	immuclient set k one
	both reference reference first k
	both safereference safereference second k
	immuclient set k two
	run -0 immuclient reference bound k --tx 1
	expect_golden reference-bound.txt
	both get-reference get first
	both safeget-reference safeget second
	run -0 immuclient --value-only get first
	[[ $output == two ]]
	run -0 immuclient --value-only safeget bound
	[[ $output == one ]]
	echo k >target
	run -0 immuclient --output json reference third <target
	[[ $(jq -r .referenced_key <<<"$output") == k ]]
	both scan-references scan
	run -1 immuclient reference again first
	expect_text "referenced key cannot be a reference"
	run -1 immuclient reference k first
	run -3 immuclient reference r nosuch
	run -3 immuclient reference r k --tx 2
}

@test "a reference that leads nowhere" {
	immuclient set k v
	immuclient reference r k
	immuclient delete k
	run -3 immuclient get r
	run -3 immuclient safeget r
	run -0 immuclient scan
	expect_text "no entries"
	run -0 immuclient history r
	expect_golden history-reference.txt
}

@test "sorted sets" {
	for key in a b c; do
		immuclient set "$key" "value of $key"
	done
	both zadd zadd rank 2.5 a
	both safezadd safezadd rank 1 b
	immuclient zadd rank -- -3 c
	both zscan zscan rank
	run -0 immuclient --value-only zscan rank --desc --limit 1
	[[ $output == "value of a" ]]
	run -0 immuclient --output json zscan rank --min 0 --max 2
	[[ $(jq -r '[.[].key] | join(" ")' <<<"$output") == b ]]
	run -0 immuclient zscan nosuch
	expect_text "no entries"
	run -0 immuclient --output json zscan nosuch
	[[ $(jq length <<<"$output") == 0 ]]
	for score in nan inf 1e999 "" x "1 "; do
		run -2 immuclient zadd rank "$score" a
		expect_text "not a valid score"
	done
	run -3 immuclient zadd rank 1 nosuch
	immuclient reference r a
	run -1 immuclient zadd rank 1 r
}

@test "a range of keys" {
	for key in a b c d; do
		immuclient set "$key" "v$key" >/dev/null
	done
	run -0 immuclient --value-only scan --from b
	[[ $output == $'vc\nvd' ]]
	run -0 immuclient --value-only scan --from b --to d
	[[ $output == vc ]]
	run -0 immuclient --value-only scan --from b --to d --inclusive
	[[ $output == $'vb\nvc\nvd' ]]
	run -0 immuclient --value-only scan --from c --desc
	[[ $output == $'vb\nva' ]]
	run -0 immuclient --value-only scan --offset 1 --limit 2
	[[ $output == $'vb\nvc' ]]
}

@test "conditions" {
	run -1 immuclient set --if-exists k v
	expect_text "precondition failed: key does not exist"
	run -0 immuclient set --if-not-exists k v
	run -1 immuclient safeset --if-not-exists k v
	expect_text "precondition failed: key already exists"
	run -0 immuclient safeset --if-not-modified-after 1 k w
	run -1 immuclient set --if-not-modified-after 1 k x
	expect_text "precondition failed: key modified after given transaction"
	run -0 immuclient --value-only get k
	[[ $output == w ]]
}

@test "values that expire, and entries that are not found by key" {
	run -0 immuclient set --expires-at 2001-01-01T00:00:00Z old v
	run -3 immuclient get old
	run -0 immuclient set --expires-in 1h new v
	run -0 immuclient safeget new
	expect_golden expires.txt
	run -0 immuclient history old
	expect_golden history-expired.txt
	run -0 immuclient safeset --non-indexable hidden v
	run -3 immuclient get hidden
	run -0 immuclient safetx 3
	expect_text "hidden"
	run -2 immuclient set --expires-at tomorrow k v
	run -2 immuclient set --expires-at 1 --expires-in 1h k v
}

@test "watch" {
	immuclient set a/1 before
	immuclient watch a/ --interval 10ms --from-tx 1 >seen &
	local pid=$!
	wait_for text seen before "$WAIT_SECONDS"
	immuclient set b/1 elsewhere
	immuclient set a/2 after
	wait_for text seen after "$WAIT_SECONDS"
	kill -INT "$pid"
	local status=0
	wait "$pid" || status=$?
	[[ $status == 130 ]]
	run -0 cat seen
	refute_text elsewhere
}
