#!/usr/bin/env bats
# What each command prints that no other file compares, as text and as JSON.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
}

# both NAME COMMAND...: as text and as JSON, each after the other, equal to golden/NAME.txt and .json.
both() {
	local name=$1

	shift
	run -0 --separate-stderr immuclient "$@"
	expect_golden "$name.txt"
	run -0 --separate-stderr immuclient --output json "$@"
	jq -e . <<<"$output" >/dev/null
	expect_golden "$name.json"
}

# sizes: what depends on the disk and the clock.
sizes() {
	sed -E -e 's/(disk.bytes"?: +)[0-9]+/\1<size>/' -e 's/[0-9.]+ s \([0-9]+ rows\/s\)/<speed>/' \
		-e 's/("seconds": )[0-9.e-]+/\1<seconds>/' -e 's/(version"?: +"?)[0-9.]+/\1<version>/'
}

@test "sessions" {
	run -0 --separate-stderr immuclient login immudb <<<immudb
	expect_golden login.txt
	run -0 --separate-stderr immuclient --output json login immudb <<<immudb
	expect_golden login.json
	both use use defaultdb
	run -0 immuclient logout
	expect_golden logout.txt
	run -4 immuclient --output json get k
	expect_golden error.json
}

@test "keys" {
	login_admin
	both set-again set k v
	both safeset-again safeset k v
	both get-again get k
	both safeget-again safeget k
	both scan-again scan
	both count count k
	both restore-again restore k@1
	run -0 immuclient delete k
	expect_golden delete-again.txt
	immuclient set k v
	run -0 immuclient --output json delete k
	expect_golden delete-again.json
	both rawsafeget-again rawsafeget k@1
	both rawsafeset-again rawsafeset raw v
	both tx-again tx 1
	both safetx-again safetx 2
	both export export
}

@test "server, state and trust" {
	login_admin
	immuclient safeset k v --proof proof
	both current-again current
	both trust-show-again trust show defaultdb
	both verify-again verify proof
	run -0 immuclient trust list
	output=$(sed -E 's/ +/ /g; s/-+/-/g' <<<"$output")
	expect_golden trust-list.txt
	run -0 immuclient health
	expect_golden health.txt
	for format in txt json; do
		run -0 immuclient --output "${format/txt/text}" status
		output=$(sizes <<<"$output")
		expect_golden "status.$format"
		run -0 immuclient --output "${format/txt/text}" info
		output=$(sizes <<<"$output")
		expect_golden "info.$format"
		run -0 immuclient --output "${format/txt/text}" import - <<<$'a\t1\nb\t2'
		output=$(sizes <<<"$output")
		expect_golden "import.$format"
	done
}
