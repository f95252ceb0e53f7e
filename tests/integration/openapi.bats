#!/usr/bin/env bats
# The document at /openapi.json is true: every request in it works, and every answer is as it says.
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

@test "every documented request is sent, and every answer fits the document" {
	run python3 "$BATS_TEST_DIRNAME/openapi_walk.py" "$REST_PORT"
	expect_status 0
	expect_text ' 0 do not fit'
	# The walk saw the whole document, not an empty one.
	(($(curl -sS "$REST/openapi.json" | jq '[.paths[] | keys[]] | length') >= 70))
	stop_gateway
}
