#!/usr/bin/env bats
# The overview page, section "Configuration".
load helpers

@test "help shows all flags and environment variables" {
	run -0 immudb --help
	while IFS=$'\t' read -r section command; do
		[[ $section == Configuration && $command == IMMUDB_* ]] || continue
		expect_text "${command%%=*}"
	done <"$BATS_TEST_DIRNAME/overview.commands"
}

@test "every environment variable of the page is taken" {
	local settings=()

	while IFS=$'\t' read -r section command; do
		[[ $section == Configuration && $command == IMMUDB_* ]] && settings+=("$command")
	done <"$BATS_TEST_DIRNAME/overview.commands"
	((${#settings[@]} == 18))
	run -0 --separate-stderr env "${settings[@]}" immudb --print-config
	expect_text 'dir = "."'
	expect_text 'dbname = "immudb"'
	expect_text 'devmode = true'
	expect_text 'auth = true'
	[[ $output =~ max-recv-msg-size\ =\ \"?(4194304|4MiB) ]]
	refute_text "unknown" "$stderr"
}

@test "a server runs with the environment of the page" {
	as_printed '
		export IMMUDB_DIR=. IMMUDB_NETWORK=tcp IMMUDB_ADDRESS=0.0.0.0 IMMUDB_PORT=3322
		export IMMUDB_DBNAME=immudb IMMUDB_PIDFILE= IMMUDB_LOGFILE= IMMUDB_MTLS=false
		export IMMUDB_AUTH=true IMMUDB_MAX_RECV_MSG_SIZE=4194304 IMMUDB_DETACHED=false
		export IMMUDB_PKEY=./tools/mtls/3_application/private/localhost.key.pem
		export IMMUDB_CERTIFICATE=./tools/mtls/3_application/certs/localhost.cert.pem
		export IMMUDB_CLIENTCAS=./tools/mtls/2_intermediate/certs/ca-chain.cert.pem
		export IMMUDB_DEVMODE=true IMMUDB_MAINTENANCE=false IMMUDB_ADMIN_PASSWORD=immudb
		export IMMUDB_SIGNING_KEY=
		./immudb >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $! || cat out
		./immuclient login immudb <<<immudb
		./immuclient safeset k0 v0
		kill -15 $!
		wait $!'
	expect_status 0
	expect_text "true"
	# The program has that name here already, so the folder of the database gets another one.
	[[ -d immudb_1 ]]
}

@test "the file of /etc/immudb is named in the help" {
	run -0 immudb --help
	expect_text "/etc/immudb/immudb.toml"
}
