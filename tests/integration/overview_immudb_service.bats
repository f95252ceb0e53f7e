#!/usr/bin/env bats
# The overview page, section "immudb service": not built, so refused and never silently accepted.
load helpers

@test "the service command is a usage error while it is not built" {
	for verb in install status stop start; do
		run -2 immudb service "$verb"
		expect_text "service"
	done
	[[ ! -e data ]]
}
