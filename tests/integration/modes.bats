#!/usr/bin/env bats
# The server without authentication and in maintenance mode: who is let in, and to do what.
load helpers
load gateway

# other_address: an address of this machine that is not a loopback one.
other_address() {
	hostname -I 2>/dev/null | tr ' ' '\n' | grep -m 1 '\.' ||
		skip_because needs-address "only loopback ones"
}

# refused STATUS TEXT COMMAND...
refused() {
	local expected=$1 text=$2

	shift 2
	run "$@"
	expect_status "$expected"
	expect_text "$text"
}

# fill: a folder with another user, another database and a key; the server is stopped.
fill() {
	start_server
	export IMMUADMIN_TOKENFILE=$PWD/ended-session
	immuadmin login immudb <<<immudb
	immuadmin user create rw readwrite <<<"ReadWrite1!"
	immuadmin database create other
	unset IMMUADMIN_TOKENFILE
	login_admin
	immuclient set k v
	stop_server
	rm -rf "$HOME"
	mkdir -p "$HOME"
}

@test "without authentication everybody on this machine works on the default database" {
	start_server --auth=false
	run -0 immuclient safeset k v
	run -0 immuclient --value-only safeget k
	[[ $output == v ]]
	run -0 immuadmin status
	refused 1 "server is running with authentication disabled" immuclient login immudb <<<immudb
	refused 1 "server is running with authentication disabled" immuadmin login immudb <<<immudb
	for command in "user list" "user create a read --user-password ReadOnly1!" "user deactivate immudb" \
		"user set-permission a read" "user change-password immudb --user-password ReadOnly1!" \
		"database list" "database create x" "database use defaultdb" "database unload x" \
		"session list" log; do
		# shellcheck disable=SC2086 # a command and its arguments
		refused 1 "this command is available only with authentication on" immuadmin $command \
			--password immudb
	done
	stop_server
	start_server
	login_admin
	run -0 immuclient --value-only safeget k
}

@test "without authentication only while there is nobody to keep apart" {
	start_server
	immuadmin login immudb <<<immudb
	immuadmin user create rw readwrite <<<"ReadWrite1!"
	stop_server
	refused 1 "auth should be on: there are other users" immudb --dir "$DATA" --port 0 \
		--metrics-port 0 --auth=false
	rm -rf "$DATA" "$HOME"
	mkdir -p "$HOME"
	start_server
	immuadmin login immudb <<<immudb
	immuadmin database create other
	stop_server
	refused 1 "auth should be on: there are other databases" immudb --dir "$DATA" --port 0 \
		--metrics-port 0 --auth=false
	start_server
	immuadmin login immudb <<<immudb
	immuadmin database unload other
	immuadmin database delete other --yes-i-know-what-i-am-doing
	stop_server
	start_server --auth=false
	run -0 immuclient set k v
}

@test "without authentication others are let in with --devmode only" {
	local there
	there=$(other_address)
	start_server --auth=false --address 0.0.0.0
	refused 4 "only local connections are accepted" \
		immuclient --immudb-address "$there" set k v
	refused 4 "only local connections are accepted" \
		immuclient --immudb-address "$there" get k
	run -3 immuclient get k
	# Neither does a gateway on this machine open the door, with a token or without.
	GATEWAY_ADDRESS=0.0.0.0 start_gateway
	for path in get verified/get; do
		run curl -s -m 20 -d '{"key":"aw==","keyRequest":{"key":"aw=="}}' "http://$there:$REST_PORT/db/$path"
		refute_text "key not found"
		run curl -s -m 20 -H 'Authorization: Bearer any' -d '{"keyRequest":{"key":"aw=="}}' \
			"http://$there:$REST_PORT/db/$path"
		refute_text "key not found"
	done
	expect_text "only local connections are accepted"
	run curl -s -m 20 -d '{"keyRequest":{"key":"aw=="}}' "$REST/db/verified/get"
	expect_text "key not found"
	stop_gateway
	stop_server
	start_server --auth=false --address 0.0.0.0 --devmode
	run -0 immuclient --immudb-address "$there" set k v
	run -0 immuclient --value-only get k
	[[ $output == v ]]
}

@test "the default password lets in from this machine only, but with --devmode" {
	local there
	there=$(other_address)
	start_server --address 0.0.0.0
	refused 4 "default password" immuclient --immudb-address "$there" login immudb <<<immudb
	run -0 immuclient login immudb <<<immudb
	GATEWAY_ADDRESS=0.0.0.0 start_gateway
	run curl -s -m 20 -d '{"user":"aW1tdWRi","password":"aW1tdWRi"}' "http://$there:$REST_PORT/login"
	expect_text "the default password is accepted from local connections only"
	run curl -s -m 20 -d '{"user":"aW1tdWRi","password":"aW1tdWRi"}' "$REST/login"
	expect_text token
	stop_gateway
	immuadmin login immudb <<<immudb
	immuadmin user create rw readwrite <<<"ReadWrite1!"
	run -0 immuclient --immudb-address "$there" login rw <<<"ReadWrite1!"
	stop_server
	start_server --address 0.0.0.0 --devmode
	run -0 immuclient --immudb-address "$there" login immudb <<<immudb
}

@test "maintenance mode repairs users, reads, and writes nothing else" {
	fill
	start_server --maintenance
	expect_text "maintenance mode" "$(cat "$SERVER_LOG")"
	run -0 immuadmin user list
	expect_text rw
	# Who still has a session of before the start is in no other case.
	sed -i "s/^address .*/address 127.0.0.1:$PORT/" ended-session
	run -0 immuadmin --tokenfile ended-session user list
	expect_text rw
	run -0 immuclient --tokenfile ended-session use defaultdb
	# The password of the superadmin is lost: this is what the mode is for.
	run -0 immuadmin user change-password immudb --user-password 'N3wPassword!'
	run -0 immuadmin user create eve read --user-password 'ReadOnly1!'
	run -0 immuadmin user set-permission rw admin other
	run -0 immuadmin user permission revoke rw admin other
	run -0 immuadmin user deactivate rw
	run -0 immuadmin user activate rw
	# What is wrong with a login is wrong here as well.
	refused 1 "username can not be empty" immuadmin user create '' read --user-password 'ReadOnly1!'
	refused 1 "username can only contain" immuadmin user create 'a b' read --user-password 'ReadOnly1!'
	refused 1 "password must have" immuadmin user change-password immudb --user-password weak
	refused 1 "user already exists" immuadmin user create eve read --user-password 'ReadOnly1!'
	refused 3 "nosuch does not exist" immuadmin user create a read nosuch --user-password 'ReadOnly1!'
	refused 1 "the last system admin must stay" immuadmin user deactivate immudb
	refused 1 "the last system admin must stay" immuadmin user permission revoke immudb sysadmin '*'
	for command in "database create x" "database update other --synced false" \
		"database unload other" "database load other" \
		"database delete other --yes-i-know-what-i-am-doing"; do
		# shellcheck disable=SC2086 # a command and its arguments
		refused 1 "operation not allowed in maintenance mode" immuadmin $command
	done
	refused 1 "select a database first" immuclient get k
	run -0 immuclient use defaultdb
	run -0 immuclient --value-only get k
	[[ $output == v ]]
	run -0 immuclient --value-only safeget k
	for command in "set k w" "safeset k w" "delete k" "zadd s 1 k" "reference r k"; do
		# shellcheck disable=SC2086 # a command and its arguments
		refused 1 "operation not allowed in maintenance mode" immuclient $command
	done
	stop_server
	start_server
	immuadmin login immudb <<<'N3wPassword!'
	run -0 --separate-stderr immuadmin --output json log --verify
	[[ $(jq -r '[.[] | select(.actor == "(maintenance)") | .action] | sort | unique | join(", ")' <<<"$output") == \
		"activate user, change password, create user, deactivate user, grant, revoke" ]]
	[[ $(jq -r '[.[] | select(.user == "eve")][0].address' <<<"$output") == 127.0.0.1:* ]]
	immuclient login immudb <<<'N3wPassword!'
	run -0 immuclient --value-only get k
	[[ $output == v ]]
	run -0 immuclient login eve <<<'ReadOnly1!'
}

@test "maintenance mode without authentication reads the default database" {
	fill
	start_server --maintenance --auth=false
	run -0 immuclient --value-only get k
	[[ $output == v ]]
	refused 1 "operation not allowed in maintenance mode" immuclient set k w
	refused 1 "server is running with authentication disabled" immuclient login immudb <<<immudb
	run -0 immuadmin user deactivate rw
	run -0 immuadmin user list
	expect_text rw
}

@test "maintenance mode is for this machine only, but with --devmode" {
	local there
	there=$(other_address)
	fill
	start_server --maintenance --address 0.0.0.0
	refused 4 "only local connections are accepted" \
		immuadmin --immudb-address "$there" user list
	refused 4 "only local connections are accepted" \
		immuadmin --immudb-address "$there" user change-password immudb --user-password 'N3wPassword!'
	refused 4 "only local connections are accepted" \
		immuclient --immudb-address "$there" login immudb <<<immudb
	run -0 immuclient login immudb <<<immudb
	GATEWAY_ADDRESS=0.0.0.0 start_gateway
	run curl -s -m 20 "http://$there:$REST_PORT/user/list"
	expect_text "only local connections are accepted"
	run curl -s -m 20 "$REST/user/list"
	expect_text '"users"'
	stop_gateway
	stop_server
	start_server --maintenance --address 0.0.0.0 --devmode
	run -0 immuadmin --immudb-address "$there" user list
}

@test "with --require-password-change the default password is good for nothing else" {
	start_server --require-password-change
	run -4 immuadmin --username immudb --password immudb user list
	expect_text "the default password must be changed first"
	echo 'N3wPassword!' >new
	run -0 immuadmin login immudb --password immudb --new-password-file new
	expect_text "immudb's password has been changed"
	run -0 immuadmin user list
	run -0 immuclient login immudb --password-file new
	run -0 immuclient set k v
	run -4 immuclient login immudb <<<immudb
}

@test "the first password comes from a file, in base64, and replaces the old one by force only" {
	echo 'F1rstPassword!' >first
	start_server --admin-password-file first
	run -0 immuclient login immudb --password-file first
	refute_text "default password"
	stop_server
	start_server --admin-password "enc:$(printf %s 'S3condPassword!' | base64)"
	run -0 immuclient login immudb --password-file first
	run -4 immuclient login immudb <<<'S3condPassword!'
	stop_server
	start_server --admin-password "enc:$(printf %s 'S3condPassword!' | base64)" --force-admin-password
	run -4 immuclient login immudb --password-file first
	run -0 immuclient login immudb <<<'S3condPassword!'
	immuadmin login immudb <<<'S3condPassword!'
	run -0 immuadmin --output json log
	[[ $(jq -r '[.[] | select(.action == "change password")][0] | "\(.actor) \(.action) \(.user): \(.detail)"' <<<"$output") == \
		"(server) change password immudb: force-admin-password" ]]
	stop_server
	run -1 immudb --dir "$DATA" --port 0 --metrics-port 0 --admin-password weak --force-admin-password
	expect_text "password must have"
	refute_text "weak"
}
