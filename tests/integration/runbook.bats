#!/usr/bin/env bats
# The README's section on the auditor, each block of commands as printed, in the situation it is for.
load helpers

# blocks HEADING: the commands in the section of README.md below that heading, up to the next heading.
blocks() {
	awk -v heading="$1" '
		/^##+ / { in_section = ($0 ~ "^##+ " heading "$"); in_block = 0; next }
		in_section && /^```/ { in_block = !in_block; next }
		in_section && in_block' "$TEST_SOURCE/README.md"
}

# first_block HEADING, later_blocks HEADING: those of one host and those of the other.
first_block() {
	awk -v heading="$1" '
		/^##+ / { in_section = ($0 ~ "^##+ " heading "$"); next }
		in_section && /^```/ { fences++; next }
		in_section && fences == 1' "$TEST_SOURCE/README.md"
}

later_blocks() {
	local first

	first=$(first_block "$1" | wc -l)
	blocks "$1" | tail -n "+$((first + 1))"
}

@test "setting up, an alarm, a restore that was right, another key, moving the server" {
	local heading file
	for heading in Auditor "An alarm" "A restore that was right" "Another signing key" \
		"Moving the server"; do
		file=${heading// /-}
		blocks "$heading" >"$file.sh"
		[[ -s $file.sh ]]
	done
	first_block Auditor >on-server.sh
	later_blocks Auditor >on-auditor.sh
	[[ -s on-server.sh && -s on-auditor.sh ]]
	cat >play <<-'END'
		# A second is time enough between rounds here; the rest is as printed.
		export AUDITOR_AUDIT_INTERVAL=1s
		printf '127.0.0.1 localhost db.example.org new.example.org\n' >hosts
		mount --bind hosts /etc/hosts
		openssl ecparam -name prime256v1 -genkey -noout -out signing.key
		openssl ecparam -name prime256v1 -genkey -noout -out new.key
		openssl ec -in new.key -pubout -out new.pub

		serve() {
			immudb "$@" >>server.log 2>&1 </dev/null &
			server=$!
			"$WAIT" port 127.0.0.1 3322 60 "$server" || { cat server.log; return 1; }
		}
		halt() {
			kill "$server"
			wait "$server"
		}
		# becomes VALUE: of the metric that the runbook names.
		becomes() {
			"$WAIT" metric 9477 "^immuclient_audit_result_per_server\\{.*\\} $1\$" 60 ||
				{ tail -n 20 auditor.log; return 1; }
		}
		write() {
			immuclient login immudb <<<immudb
			immuclient set "$1" value
		}

		serve --signingKey signing.key
		write one
		immuadmin login immudb <<<immudb
		. ./on-server.sh
		halt
		mkdir backups
		immuadmin backup --yes --dbdir data --to backups
		serve --signingKey signing.key
		write two
		write three
		. ./on-auditor.sh
		becomes 1

		halt
		immuadmin restore --yes --dbdir data backups/*.tar.gz
		serve --signingKey signing.key
		becomes 0
		set +e
		. ./An-alarm.sh >alarm.out
		set -e
		. ./A-restore-that-was-right.sh
		becomes 1

		. ./Another-signing-key.sh
		becomes 1
		halt
		serve --signingKey new.key
		write four
		"$WAIT" metric 9477 '^immuclient_audit_curr_root_per_server\{.*\} 2$' 60
		becomes 1
		# One who has only the old key is told.
		code=0
		auditor --config auditor.toml --dir other --server-signing-pub-key server.pub --once \
			--logfile "" --pidfile "" >other.out 2>&1 || code=$?
		echo "with the old key alone: $code"

		. ./Moving-the-server.sh >trust.out
		becomes 1
		kill "$(cat auditor.pid)"
		halt
	END
	as_printed ". ./play"
	expect_status 0
	expect_text "with the old key alone: 10"
	expect_text rolled-back-announced "$(<alarm.out)"
	[[ $(<alarm.out) =~ restore:\ +"(local) root restored the database at" ]]
	expect_text "suspect from" "$(<alarm.out)"
	[[ $(<alarm.out) =~ holds:\ +true ]]
	[[ $(<before-the-restore.state) == *"tx 3"* ]]
	expect_text "db.example.org:3322" "$(<trust.out)"
	expect_text "new.example.org:3322" "$(<trust.out)"
	[[ $(grep -c defaultdb trust.out) == 1 ]]
	refute_text Watch-1-read "$(cat auditor.log)"
}

@test "the gateway's section, and the 409 that it promises" {
	blocks Gateway >walk.sh
	[[ -s walk.sh ]]
	cat >play <<-'END'
		immudb >server.log 2>&1 </dev/null &
		server=$!
		"$WAIT" port 127.0.0.1 3322 60 "$server"
		# As printed, but for the moment that a gateway needs to start.
		sed -i 's/^rest=/"$WAIT" port 127.0.0.1 3323 60 $!; rest=/' walk.sh
		. ./walk.sh >answers
		grep -q '"value":"MTEw"' answers
		grep -q '"score":4.5' answers
		grep -q '"permission":1' answers
		grep -q '"databasename":"shop"' answers
		run() { api -o answer -w '%{http_code}' "$rest/db/verified/get" -d '{"keyRequest":{"key":"cHJpY2U="}}'; }
		[[ $(run) == 200 ]]
		kill "$server"
		wait "$server"
		at=$(grep -abo -F price110 data/shop/00000000.log | tail -n 1 | cut -d: -f1) || at=
		[[ -n $at ]] || at=$(($(grep -abo -F price data/shop/00000000.log | sed -n 2p | cut -d: -f1) + 1))
		printf X | dd of=data/shop/00000000.log bs=1 seek=$((at + 6)) conv=notrunc status=none
		immudb >server.log 2>&1 </dev/null &
		"$WAIT" port 127.0.0.1 3322 60 "$!"
		token=$(curl -s $rest/login -d '{"user":"aW1tdWRi","password":"aW1tdWRi"}' | jq -r .token)
		token=$(api $rest/db/use/shop | jq -r .token)
		[[ $(run) == 409 ]]
		grep -q 'data is corrupted' answer
	END
	as_printed "$(<play)"
	expect_status 0
}
