#!/usr/bin/env bats
# The overview page, section "Auditors".
load helpers

@test "what needs a service manager is refused and never silently accepted" {
	run -2 immuclient audit-mode install
	expect_text "install is not matching with any valid arguments"
}
