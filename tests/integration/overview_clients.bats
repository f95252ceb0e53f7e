#!/usr/bin/env bats
# The overview page, section "Clients": the command-line client and a program of one's own.
load helpers

@test "immuclient says what it is and what it can do" {
	run -0 immuclient version
	expect_text "immuclient"
	run -0 immuclient help
	for command in login logout use set get safeset safeget scan current status import; do
		expect_text "$command"
	done
	run -2 immuclient nosuchcommand
	expect_text "nosuchcommand"
}
