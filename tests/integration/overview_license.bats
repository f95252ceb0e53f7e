#!/usr/bin/env bats
# The overview page, section "License".
load helpers

@test "the licence is Apache 2.0 and travels with the sources" {
	run -0 head -n 3 "$TEST_SOURCE/LICENSE"
	expect_text "Apache License"
	expect_text "Version 2.0"
}
