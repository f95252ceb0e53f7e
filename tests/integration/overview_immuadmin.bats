#!/usr/bin/env bats
# The overview page, section "immuadmin": the static program administers a server.
load helpers

@test "immuadmin is built static and administers" {
	local arch=amd64

	[[ $(uname -m) == aarch64 ]] && arch=arm64
	GOOS=linux GOARCH=$arch BUILD=$TEST_BUILD run -0 make -C "$TEST_SOURCE" immuadmin-static
	start_server
	PATH=$TEST_BUILD/static:$PATH
	[[ $(command -v immuadmin) == "$TEST_BUILD/static/immuadmin" ]]
	run -0 immuadmin status
	immuadmin login immudb <<<immudb
	run -0 immuadmin database list
	expect_text "defaultdb"
	run -0 immuadmin stats
}
