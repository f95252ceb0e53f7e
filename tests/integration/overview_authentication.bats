#!/usr/bin/env bats
# The overview page, section "Authentication": its configuration file, and who is let in.
load helpers

# page_toml: the configuration file of the page.
page_toml() {
	awk -F'\t' '$1 == "Authentication" && $2 ~ / = / { print $2 }' \
		"$BATS_TEST_DIRNAME/overview.commands"
}

@test "the configuration file of the page is taken as printed" {
	page_toml >immudb.toml
	as_printed '
		./immudb --config immudb.toml >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $! || cat out
		./immuclient login immudb <<<immudb
		./immuclient safeset k0 v0
		kill -15 $!
		wait $!'
	expect_status 0
	expect_text "true"
	[[ -d data/immudb ]]
}

@test "a key that is not in the table is refused with file and line" {
	page_toml >immudb.toml
	echo 'signing-kee = "x"' >>immudb.toml
	run -2 immudb --config immudb.toml
	expect_text "immudb.toml:$(wc -l <immudb.toml)"
	expect_text "signing-kee"
}

@test "a wrong password and an unknown user are refused alike" {
	start_server
	run -4 immuclient login immudb <<<wrong
	local wrong=$output
	run -4 immuclient login nobody <<<immudb
	[[ $output == "$wrong" ]]
	run -4 immuclient get k
	refute_text "value"
}

@test "the default password is warned of" {
	start_server
	run -0 immuclient login immudb <<<immudb
	expect_text "default password"
}

@test "the default password works from this machine only, unless in development mode" {
	command -v ip >/dev/null || skip_because needs-namespace "no ip command to add an address"
	as_printed '
		ip address add 192.0.2.7/32 dev lo
		for mode in false true; do
			./immudb --devmode=$mode --dir data >out 2>&1 &
			"$WAIT" port 127.0.0.1 3322 60 $!
			./immuclient login immudb <<<immudb
			./immuclient --immudb-address 192.0.2.7 login immudb <<<immudb || echo "mode $mode: $?"
			kill -15 $!
			wait $!
		done'
	expect_status 0
	expect_text "mode false: 4"
	expect_text "accepted from local connections only"
	refute_text "mode true"
}

@test "users are managed as on the page" {
	as_printed '
		PATH=.:$PATH
		./immudb >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $! || cat out
		immuadmin login immudb <<<immudb
		immuadmin user || true
		immuadmin user -h
		immuadmin user create ro read <<<"ReadOnly1!"
		immuadmin user create rw readwrite <<<"ReadWrite1!"
		immuadmin user create immu admin <<<"Immu1234!"
		immuadmin user list
		immuclient login ro <<<"ReadOnly1!"
		! immuclient set k v
		immuadmin user set-permission ro readwrite
		immuclient login ro <<<"ReadOnly1!"
		immuclient set k v
		immuadmin user deactivate ro
		! immuclient get k
		! immuclient login ro <<<"ReadOnly1!"
		immuadmin user set-permission ro readwrite
		immuclient login ro <<<"ReadOnly1!"
		immuclient safeget k
		immuadmin user change-password immu <<<"Changed1!"
		immuclient login immu <<<"Changed1!"
		kill -15 $!
		wait $!'
	expect_status 0
	expect_text "Please specify a user action."
	expect_text "User ro created"
	expect_text "user(s):"
	expect_text "immu's password has been changed"
	expect_text "verified: true"
}
