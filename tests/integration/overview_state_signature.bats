#!/usr/bin/env bats
# The overview page, section "State signature".
load helpers

make_keys() {
	openssl ecparam -name prime256v1 -genkey -noout -out private.key
	openssl ec -in private.key -pubout -out public.key 2>/dev/null
}

@test "keys made by openssl sign the state" {
	make_keys
	mkdir -p test/signer
	cp private.key test/signer/ec1.key
	start_server --signingKey test/signer/ec1.key
	login_admin
	run -0 immuclient --server-signing-pub-key public.key safeset k0 v0
	expect_text "true"
	run -0 immuclient --server-signing-pub-key public.key safeget k0
	expect_text "true"
}

@test "the key is taken from the environment" {
	make_keys
	export IMMUDB_SIGNING_KEY=private.key
	start_server
	login_admin
	run -0 immuclient --server-signing-pub-key public.key safeset k0 v0
	expect_text "true"
}

@test "a signature by another key and a missing one are refused" {
	make_keys
	mv public.key other.key
	make_keys
	start_server --signingKey private.key
	login_admin
	run -10 immuclient --server-signing-pub-key other.key safeset k0 v0
	expect_text "signature"
	stop_server
	start_server
	login_admin
	run -10 immuclient --server-signing-pub-key public.key safeset k0 v0
	expect_text "not signed"
}

@test "a key of another curve and a file that is no key are refused at start" {
	openssl ecparam -name secp384r1 -genkey -noout -out wrong.key
	run -1 immudb --dir data --port 0 --signingKey wrong.key
	expect_text "wrong.key"
	echo "no key" >text.key
	run -1 immudb --dir data --port 0 --signingKey text.key
	expect_text "text.key"
	run -1 immudb --dir data --port 0 --signingKey absent.key
	expect_text "absent.key"
}
