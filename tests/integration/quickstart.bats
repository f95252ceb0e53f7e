#!/usr/bin/env bats
# packaging/quickstart, from its first line to its last.
load helpers

setup() {
	command -v dpkg-query >/dev/null || skip_because needs-dpkg "the example data is dpkg's"
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
}

@test "it runs, proves, notices the changed byte and leaves nothing behind" {
	local before
	before=$(find "$HOME" | sort)
	run -0 "$TEST_SOURCE/packaging/quickstart" --bin "$TEST_BUILD/bin"
	expect_text "verified: true"
	expect_text "the damage is noticed and named"
	# The auditor: 1 before, 0 after, and the transaction.
	[[ $output =~ audit_result_per_server[^$'\n']*\ 1$'\n'.*audit_result_per_server[^$'\n']*\ 0$'\n' ]]
	expect_text "the alarm names transaction 1 "
	# The gateway: an honest value, then the changed one.
	local over_http='"value":.*[^0-9]200[^0-9].*data is corrupted.*[^0-9]409[^0-9]'
	[[ $output =~ $over_http ]]
	expect_text "Everything is stopped and removed"
	[[ $(find "$HOME" | sort) == "$before" ]]
	[[ -z $(ls -A "$TMPDIR") ]]
}

# Here the kernel refuses network namespaces, as it does in many containers.
@test "--keep leaves a server that the printed commands can use" {
	mkdir refused
	printf '#!/bin/sh\nexit 1\n' >refused/unshare
	chmod +x refused/unshare
	PATH=$PWD/refused:$PATH
	run -0 "$TEST_SOURCE/packaging/quickstart" --bin "$TEST_BUILD/bin" --keep 3>&-
	expect_text "The auditor has noticed"
	refute_text unshare
	printf '%s\n' "$output" >out
	sed -n '/^The server stays up/,$s/^  //p' out >commands
	[[ $(wc -l <commands) == 3 ]]
	local pid
	pid=$(sed -nE 's/^The server stays up \(process ([0-9]+).*/\1/p' out)
	run -0 bash -euc "$(cat commands)"
	expect_text "world"
	wait_for exit "$pid" "$WAIT_SECONDS"
}

@test "a wrong argument is a usage error" {
	run -2 "$TEST_SOURCE/packaging/quickstart" --nosuch
	expect_text "nosuch"
}
