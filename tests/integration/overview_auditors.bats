#!/usr/bin/env bats
# The overview page, section "Auditors": not built, so refused and never silently accepted.
load helpers

@test "audit-mode is a usage error while it is not built" {
	run -2 immuclient audit-mode
	expect_text "audit-mode"
	run -2 immuclient audit-mode install
}
