#!/usr/bin/env bats
# TLS through the real programs: who is let in, what everybody is told who is not, and changes of certificates.
load helpers
load gateway

setup_file() {
	"$BATS_TEST_DIRNAME/../../packaging/tls/make-test-certs" "$BATS_FILE_TMPDIR/certs"
}

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	cp -r "$BATS_FILE_TMPDIR/certs" certs
}

teardown() {
	drop_gateway
	drop_auditor
	drop_server
}

# as CLIENT COMMAND...: with mutual TLS and the certificate of that name; stands in front of a program.
as() {
	local name=$1 program=$2

	shift 2
	"$program" --mtls --clientcas certs/ca.pem --certificate "certs/$name.pem" --pkey "certs/$name.key" "$@"
}

# issue NAME [SUBJECT]: a client certificate with that common name, or that subject.
issue() {
	openssl req -new -key certs/client.key -subj "${2:-/CN=$1}" -out request
	openssl x509 -req -in request -CA certs/ca.pem -CAkey certs/ca.key -out "certs/$1.pem"
	cp certs/client.key "certs/$1.key"
}

# one_line STATUS TEXT COMMAND...: it fails with that status and says one line, with the text in it.
one_line() {
	local status_wanted=$1 text=$2

	shift 2
	run --separate-stderr "$@"
	output+=$stderr
	expect_status "$status_wanted"
	expect_text "$text"
	[[ $(wc -l <<<"$output") == 1 ]] || {
		echo "more than one line: $output"
		return 1
	}
}

@test "mutual TLS: every program, and everybody who is not let in" {
	start_server --mtls --certificate certs/server.pem --pkey certs/server.key --clientcas certs/ca.pem
	grep -q '^MTLS enabled *: true' "$SERVER_LOG"
	grep -qE "^TLS certificate *: $(openssl x509 -in certs/server.pem -noout -fingerprint -sha256 |
		cut -d= -f2)\$" "$SERVER_LOG"
	# A certificate opens the door; the password is still asked for.
	run -0 as client immuclient login immudb <<<immudb
	run -0 as client immuclient safeset k v
	expect_text "verified: true"
	run -0 as client immuclient --immudb-address localhost status
	run -4 as client immuadmin login immudb <<<wrong
	run -0 as client immuadmin login immudb <<<immudb
	run -0 as client immuadmin user list
	run -0 as client auditor --once --immudb-port "$PORT" --dir audit --audit-username immudb \
		--audit-password immudb
	expect_text first-seen
	start_gateway --mtls --clientcas certs/ca.pem --certificate certs/client.pem --pkey certs/client.key
	run -0 curl -s -m 20 "$REST/login" -d '{"user":"aW1tdWRi","password":"aW1tdWRi"}'
	expect_text '"token"'
	run -0 curl -s -m 20 -H "Authorization: $(jq -r .token <<<"$output")" "$REST/db/verified/get" \
		-d '{"keyRequest":{"key":"aw=="}}'
	expect_text '"value":"dg=="'
	# Daemons that are clients read their files again, too.
	cp certs/ca.pem kept.pem
	echo none >certs/ca.pem
	kill -HUP "$GATEWAY_PID"
	wait_for text "$GATEWAY_LOG" "not everything is reloaded: authorities certs/ca.pem: no certificate" \
		"$WAIT_SECONDS"
	mv kept.pem certs/ca.pem
	kill -HUP "$GATEWAY_PID"
	wait_for text "$GATEWAY_LOG" " reloaded: " "$WAIT_SECONDS"
	stop_gateway
	# Each of these is told what is wrong, on one line.
	one_line 5 "this port speaks TLS only" immuclient status
	one_line 5 "asks for a client certificate, and none was given" \
		immuclient --tls --clientcas certs/ca.pem status
	one_line 5 "does not trust the authority of our certificate" as stranger immuclient status
	one_line 1 "certificate certs/expired.pem: expired on 2021-01-01T00:00:00Z" as expired immuclient status
	one_line 5 "not signed by an authority that is trusted here" \
		as client immuclient --clientcas certs/other-ca.pem status
	one_line 5 "not signed by an authority that is trusted here" as client immuclient --clientcas= status
	one_line 5 "not for the name other.example" as client immuclient --servername other.example status
	run auditor --once --immudb-port "$PORT" --dir plain --audit-username immudb --audit-password immudb
	expect_text "this port speaks TLS only"
	# And the server still serves.
	run -0 as client immuclient --value-only safeget k
	[[ $output == v ]]
	stop_server
	# Who insists on TLS is not talked to without.
	start_server
	one_line 5 "does not speak TLS" as client immuclient status
	run -0 immuclient status
}

@test "the user of a certificate logs in without password, and is the only one who does" {
	start_server --mtls --certificate certs/server.pem --pkey certs/server.key --clientcas certs/ca.pem \
		--client-cert-user cn --unix-socket "$PWD/socket" --pidfile "$PWD/pid"
	run -0 as client immuclient login immudb </dev/null
	run -0 as client immuclient set k v
	run -0 as client immuadmin login immudb </dev/null
	run -0 as client immuadmin user create other readwrite --user-password Passw0rd!
	# Without a login before, by --username alone; but not for another user, whatever the password.
	rm -rf "$XDG_STATE_HOME" "$HOME/.local"
	run -0 as client immuclient --username immudb --value-only get k
	[[ $output == v ]]
	one_line 4 "certificate is for user immudb" as client immuclient login other --password Passw0rd!
	# Neither a name that is no user, nor one that was switched off.
	issue nobody
	one_line 4 "certificate is for user nobody" as nobody immuclient login immudb --password immudb
	one_line 4 "there is no user nobody" as nobody immuclient login nobody </dev/null
	# One that names nobody, or two, names no user.
	issue nameless /O=immudb
	one_line 4 "certificate names no user" as nameless immuclient login immudb --password immudb
	issue both /CN=immudb/CN=other
	one_line 4 "certificate names no user" as both immuclient login immudb </dev/null
	issue other
	run -0 as other immuclient login other </dev/null
	run -0 as client immuadmin login immudb </dev/null
	run -0 as client immuadmin user deactivate other
	one_line 4 "user is not active" as other immuclient login other </dev/null
	# A password that is given has to be right; and the gateway's certificate is not whoever asks the gateway.
	one_line 4 "invalid user name or password" as client immuclient login immudb --password wrong
	start_gateway --mtls --clientcas certs/ca.pem --certificate certs/client.pem --pkey certs/client.key
	for password in "" d3Jvbmc=; do
		run curl -s -m 20 -w ' %{http_code}' -d "{\"user\":\"aW1tdWRi\",\"password\":\"$password\"}" "$REST/login"
		expect_text "invalid user name or password"
		refute_text token
	done
	run curl -s -m 20 -d '{"user":"aW1tdWRi"}' "$REST/login"
	refute_text token
	run curl -s -m 20 -d '{"user":"aW1tdWRi","password":"aW1tdWRi"}' "$REST/login"
	expect_text token
	stop_gateway
	# A backup asks for no password either; what it starts again is stopped by its pid file.
	cat "$XDG_STATE_HOME"/immudb/immuadmin-session-* >stored
	run as client immuadmin backup --pidfile "$PWD/pid" --dbdir "$DATA" --to "$PWD" --yes </dev/null
	SERVER_PID=$(<pid)
	expect_status 0
	expect_text "immudb has been started again with PID $SERVER_PID"
	cmp stored "$XDG_STATE_HOME"/immudb/immuadmin-session-*
	# A unix socket has no certificates: there the password counts.
	run -4 immuclient --immudb-socket socket login immudb <<<wrong
	run -0 immuclient --immudb-socket socket login immudb <<<immudb
	stop_server
}

@test "SIGHUP: new connections use new files, and bad ones change nothing" {
	start_server --tls --certificate certs/server.pem --pkey certs/server.key
	export IMMUCLIENT_TLS=true IMMUCLIENT_CLIENTCAS=certs/ca.pem
	run -0 immuclient status
	expiry() {
		curl -s -m 20 "http://127.0.0.1:$METRICS_PORT/metrics" |
			awk '/^immudb_tls_certificate_expiry_timestamp_seconds /{ printf "%d", $2 }'
	}
	[[ $(expiry) == "$(date -d "$(openssl x509 -in certs/server.pem -noout -enddate | cut -d= -f2)" +%s)" ]]
	# Half of a change, and an expired one: the old certificate stays.
	cp certs/other-name.pem certs/server.pem
	kill -HUP "$SERVER_PID"
	wait_for text "$SERVER_LOG" "TLS stays as it was: private key certs/server.key does not belong" "$WAIT_SECONDS"
	run -0 immuclient status
	cp certs/expired.pem certs/server.pem
	cp certs/expired.key certs/server.key
	kill -HUP "$SERVER_PID"
	wait_for text "$SERVER_LOG" "TLS stays as it was: certificate certs/server.pem: expired" "$WAIT_SECONDS"
	run -0 immuclient status
	cp certs/other-name.pem certs/server.pem
	cp certs/other-name.key certs/server.key
	kill -HUP "$SERVER_PID"
	wait_for text "$SERVER_LOG" "TLS files read again" "$WAIT_SECONDS"
	one_line 5 "not for the name 127.0.0.1" immuclient status
	run -0 immuclient --servername other.example status
	stop_server
	# Close to its end the log warns; after it there is no start.
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 20 -subj /CN=soon \
		-keyout soon.key -out soon.pem
	start_server --tls --certificate soon.pem --pkey soon.key
	wait_for text "$SERVER_LOG" "the TLS certificate expires on .*, in (19|20) days" "$WAIT_SECONDS"
}

@test "--auto-cert: one that lasts, in the data folder, with its fingerprint" {
	local shown

	start_server --tls --auto-cert
	shown=$(sed -n 's/^TLS certificate *: //p' "$SERVER_LOG")
	[[ $(openssl x509 -in data/immudb-auto.cert.pem -noout -fingerprint -sha256 | cut -d= -f2) == "$shown" ]]
	openssl x509 -in data/immudb-auto.cert.pem -noout -text | grep -q 'NIST CURVE: P-256'
	[[ $(stat -c %a data/immudb-auto.cert.pem data/immudb-auto.key.pem | sort -u) == 600 ]]
	run -0 immuclient --tls --clientcas data/immudb-auto.cert.pem status
	run -0 immuclient --tls --clientcas data/immudb-auto.cert.pem --immudb-address localhost status
	one_line 5 "not signed by an authority" immuclient --tls --clientcas certs/ca.pem status
	stop_server
	run -0 immudb verify data
	start_server --tls --auto-cert
	[[ $(sed -n 's/^TLS certificate *: //p' "$SERVER_LOG") == "$shown" ]]
	stop_server
	# A clock that is wrong now, or was when it was made.
	echo 630720000 >clock
	one_line 1 "immudb-auto.cert.pem: expired" env CLOCK_FILE="$PWD/clock" \
		LD_PRELOAD="$(find "$TEST_BUILD" -name libclock_preload.so)" \
		timeout "$WAIT_SECONDS" immudb --dir "$DATA" --tls --auto-cert --port 0
	expect_text "remove the file to have a new one made"
}

# refused STATUS TEXT OPTION...: immudb does not start, says why on one line, and leaves nothing behind.
refused() {
	local status_wanted=$1 text=$2

	shift 2
	one_line "$status_wanted" "$text" timeout "$WAIT_SECONDS" immudb --dir refused --port 0 --metrics-port 0 "$@"
	[[ ! -e refused ]]
}

@test "what cannot be is said at the start" {
	local good=(--certificate certs/server.pem --pkey certs/server.key)

	refused 1 "missing.pem" --tls --certificate missing.pem --pkey certs/server.key
	refused 1 "missing.key" --tls --certificate certs/server.pem --pkey missing.key
	refused 1 "missing-ca.pem" --mtls "${good[@]}" --clientcas missing-ca.pem
	refused 1 "expired on 2021-01-01T00:00:00Z" --tls --certificate certs/expired.pem --pkey certs/expired.key
	refused 1 "not valid before 2040-01-01T00:00:00Z" --tls --certificate certs/future.pem --pkey certs/future.key
	refused 1 "does not belong to the certificate" --tls --certificate certs/server.pem --pkey certs/client.key
	refused 1 "no certificate in it" --tls --certificate certs/server.key --pkey certs/server.key
	refused 1 "no private key in it" --tls --certificate certs/server.pem --pkey certs/server.pem
	refused 2 "mtls: needs the authorities" --mtls "${good[@]}"
	refused 2 "tls: needs a certificate, or auto-cert" --tls
	refused 2 "pkey" --tls --certificate certs/server.pem
	refused 2 "auto-cert: excludes certificate" --tls --auto-cert "${good[@]}"
	refused 2 "auto-cert: is for TLS" --auto-cert
	refused 2 "client-cert-user: is for clients" --tls "${good[@]}" --client-cert-user cn
	one_line 2 "mtls needs a certificate" immuclient --mtls --clientcas certs/ca.pem status
	one_line 1 "expired on" as expired immuclient status
	# Paths alone switch nothing on, and are not looked at.
	start_server --certificate missing.pem --pkey missing.key --clientcas missing-ca.pem
	run -0 immuclient --certificate missing.pem --clientcas missing-ca.pem status
	run -1 "$TEST_SOURCE/packaging/tls/make-test-certs" certs
	expect_text "nothing is overwritten"
	[[ $(stat -c %a certs/*.key | sort -u) == 600 ]]
}

# blocks HEADING: the commands in the section of README.md below that heading.
blocks() {
	awk -v heading="$1" '
		/^## / { in_section = ($0 == "## " heading); in_block = 0; next }
		in_section && /^```/ { in_block = !in_block; next }
		in_section && in_block' "$TEST_SOURCE/README.md"
}

@test "the commands of the README" {
	rm -r certs
	ln -s "$TEST_SOURCE/packaging" packaging
	[[ $(blocks TLS | wc -l) -ge 12 ]]
	as_printed "set -x; PATH=.:\$PATH; $(blocks TLS)"
	expect_status 0
	expect_text "Successfully logged in"
	expect_text "verified: true"
	expect_text "Health check OK"
}
