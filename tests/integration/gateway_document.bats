#!/usr/bin/env bats
# The gateway's document is true: every request in it is sent, every answer held against it.
load helpers
load gateway

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	start_gateway
}

teardown() {
	drop_gateway
	drop_server
}

@test "every documented request is answered as documented" {
	run timeout 250 python3 "$BATS_TEST_DIRNAME/gateway_document.py" "$REST"
	expect_status 0
	stop_gateway
	stop_server
}
