#!/usr/bin/env bats
# Settings as a whole: every fault of a configuration at once, and the daemon's file for clients.
load helpers

@test "check-config says every fault with its place, in every program" {
	local program

	cat >bad.toml <<-'END'
		log-level = "loud"
		nosuch = 1

		pidfile = 3
		timeout = "x"
	END
	for program in immudb immugw auditor immuclient immuadmin; do
		run -2 "$program" --config bad.toml --check-config
		expect_text "$program: bad.toml:2: unknown key nosuch"
		[[ $program == immu[ac]* ]] || expect_text "bad.toml:1: log-level: invalid value"
		[[ $program == immudb ]] || expect_text 'bad.toml:5: timeout: invalid value "x"'
		: >good.toml
		run -0 "$program" --config good.toml --check-config
		expect_text "The configuration is right: good.toml"
		printf '\nx = = 1\n' >broken.toml
		run -2 "$program" --config broken.toml --check-config
		expect_text "$program: broken.toml:2:"
	done
	IMMUDB_PORT=x IMMUDB_MAX_SESSIONS=y run -2 immudb --check-config
	expect_text "environment IMMUDB_PORT: invalid value"
	expect_text "environment IMMUDB_MAX_SESSIONS: invalid value"
	# Nothing is made, and nothing is said of a secret.
	[[ ! -e data ]]
	printf 'admin-password = "enc:!Secret!"\n' >bad.toml
	run -2 immudb --config bad.toml --check-config
	expect_text "bad.toml:1: admin-password"
	refute_text "Secret"
}

@test "options that contradict each other are faults too, and keep a daemon from starting" {
	printf 'port = 3322\nlogfile = "one"\npidfile = "one"\nmetrics-port = 3322\nscrub-interval = "1ms"\n' >immudb.toml
	run -2 immudb --config immudb.toml --check-config
	expect_text "immudb.toml:3: pidfile: is the log file as well"
	expect_text "immudb.toml:4: metrics-port: is the port of the server as well"
	expect_text "immudb.toml:5: scrub-interval: is 0 or a second or more"
	run -2 immudb --config immudb.toml
	expect_text "immudb.toml:"
	[[ $(wc -l <<<"$output") == 1 ]]
	[[ ! -e data && ! -e one ]]
	run -2 immugw --audit-signature validate --check-config
	expect_text "audit-signature: is validate, but server-signing-pub-key"
	run -2 immugw --cors-origins nonsense --check-config
	expect_text "flag --cors-origins: \"nonsense\" is no origin"
}

@test "clients without a file of their own use the daemon's, and say so on a terminal" {
	as_printed '
		mount -t tmpfs none /etc && mkdir /etc/immudb
		printf "%s\n" "address = \"0.0.0.0\"" "port = 4455" "dir = \"x\"" \
			"metrics-port = 0" "max-sessions = 5" "unheard-of = true" >/etc/immudb/immudb.toml
		for program in ./immuclient ./immuadmin; do
			"$program" --print-config
			TERM=dumb script -qec "$program --timeout 1s status" /dev/null || true
			"$program" --timeout 1s status 2>&1 | sed "s/^/piped: /" || true
		done
		printf "immudb-port = 7\n" >/etc/immudb/immuclient.toml
		./immuclient --print-config | sed "s/^/own: /"
		./immuclient --check-config
		chmod 000 /etc/immudb/immudb.toml
		setpriv --inh-caps=-all --bounding-set=-all ./immuadmin --print-config | sed "s/^/closed: /"
		'
	[[ $output == *'immudb-address = "127.0.0.1"  # file /etc/immudb/immudb.toml:1'* ]]
	[[ $(grep -c '^immudb-port = 4455  # file /etc/immudb/immudb.toml:2' <<<"$output") == 2 ]]
	[[ $(grep -c '^Using config file: /etc/immudb/immudb.toml' <<<"$output") == 2 ]]
	refute_text "piped: Using config file"
	expect_text "own: immudb-port = 7"
	expect_text 'own: immudb-address = "127.0.0.1"  # default'
	# A file that only the daemon may read is no error.
	expect_text "closed: immudb-port = 3322"
}

@test "the commands of the README's section on settings" {
	local commands

	commands=$(awk '/^## / { in_section = $0 == "## Settings" } /^```/ { in_block = !in_block; next }
		in_section && in_block' "$TEST_SOURCE/README.md")
	[[ $commands == *check-config*kill* ]]
	printf '%s\n' "$commands" >commands
	as_printed '
		PATH=$PWD:$PATH
		. ./commands
		while [[ -e immudb.pid ]]; do read -rt 0.02 <> <(:) || true; done
		cat data/immudb.log.1 data/immudb.log'
	expect_status 0
	expect_text "The configuration is right: immudb.toml"
	expect_text 'log-level = "warn"  # file immudb.toml:1'
	expect_text "has been started with PID"
	expect_text 'log-level is "debug" now; it was "warn"'
	expect_text "Shutdown completed"
}
