#!/usr/bin/env bats
# The client library against a real server: client_api.c does the work.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	openssl ecparam -name prime256v1 -genkey -noout -out private.pem
	openssl ec -in private.pem -pubout -out public.pem 2>/dev/null
	start_server --signingKey private.pem
}

@test "every operation of the library" {
	run -0 client_api "$PORT" immudb "$PWD/states" public.pem
}
