#!/usr/bin/env bats
# "immuadmin database scrub": damage of a database in service is found and placed while it is written to,
# told from what is made anew, shown by metrics, and said in the log.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	DATA=$BATS_TEST_TMPDIR/data
	db=$DATA/defaultdb
}

teardown() {
	drop_server
}

# a server with 700 transactions, and an administrator.
start_filled() {
	start_server --synced=false
	login_admin
	immuadmin login immudb <<<immudb
	seq 1 700 | awk '{ printf "key%d\tvalue of %d\n", $1, $1 }' >rows.tsv
	immuclient import --format tsv --batch-size 1 rows.tsv
	immuadmin database flush
}

# overwrite FILE OFFSET TEXT
overwrite() {
	printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# offset_of FILE TEXT: of its first occurrence.
offset_of() {
	grep -abo -F "$2" "$1" | head -n 1 | cut -d: -f1
}

metric() {
	curl -fsS --max-time 10 "http://127.0.0.1:$METRICS_PORT/metrics" | grep -F "$1"
}

@test "a database in service: whole, then damaged, and the server goes on" {
	start_filled
	run -0 immuadmin database scrub defaultdb
	expect_text "result:         whole"
	expect_text "transactions:   700"
	run -0 metric 'immudb_scrub_transactions_total{db="defaultdb"}'
	expect_text " 700"
	# Writes go on meanwhile, and are no faults.
	sed 's/^key/new/' rows.tsv >more.tsv
	immuclient import --format tsv --batch-size 10 more.tsv >/dev/null &
	writer=$!
	for _ in 1 2 3; do
		run -0 immuadmin database scrub defaultdb --rate 1G
		expect_text "result:         whole"
	done
	wait "$writer"

	overwrite "$db/00000000.log" "$(offset_of "$db/00000000.log" 'value of 155')" X
	overwrite "$db/tree.0" 9000 '\x55\xaa'
	run -10 immuadmin database scrub defaultdb
	expect_text "the value does not match its hash"
	expect_text "file:           $db/00000000.log"
	expect_text "tx:             155"
	expect_text "key:            key155"
	expect_text "fault:          lost"
	expect_text "file:           $db/tree.0"
	expect_text "fault:          can be rebuilt"
	expect_text "result:         damaged"
	grep -q "ERROR.*scrub of database defaultdb: LOST: $db/00000000.log, offset [0-9]*, tx 155, key key155" \
		"$SERVER_LOG"
	run -0 metric 'immudb_scrub_faults{db="defaultdb"'
	expect_text 'kind="lost"} 1'
	expect_text 'kind="derived"} 1'
	run -0 curl -sS "http://127.0.0.1:$METRICS_PORT/readyz"
	expect_text '"status":"ready"'
	# The tree is made anew; the value is lost.
	run -10 --separate-stderr immuadmin --output json database scrub defaultdb
	[[ $(jq -c '[.[] | select(.fault) | .tx]' <<<"$output") == '[155]' ]]
	run -0 immuclient get key154
	run -0 immuadmin log --limit 1
	expect_text "scrub database"
	stop_server
}

@test "one is begun, watched, ended, and goes on after a kill" {
	start_filled
	run -0 immuadmin database scrub defaultdb --rate 32768 --no-wait
	expect_text "scrub of database defaultdb begun"
	run -0 --separate-stderr immuadmin --output json database scrub
	[[ $(jq -r '.[] | select(.database == "defaultdb").state' <<<"$output") =~ waiting|running ]]
	[[ $(jq -c '[.[].database] | sort' <<<"$output") == '["defaultdb","systemdb"]' ]]
	wait_for_progress
	stop_server KILL || true
	start_server --synced=false
	immuadmin login immudb <<<immudb
	wait_for text "$SERVER_LOG" "scrub of database defaultdb goes on at transaction ([2-9]|[0-9]{2,})$" \
		"$WAIT_SECONDS" "$SERVER_PID"
	run -0 immuadmin database scrub defaultdb --stop
	run -3 immuadmin database scrub defaultdb --stop
	expect_text "no scrub of database defaultdb is under way"
	# It is over when the piece that is being read is.
	wait_for_state stopped
	# Ctrl-C ends it, too.
	immuadmin database scrub defaultdb --rate 32768 >/dev/null 2>&1 3>&- &
	wait_for_progress
	kill -INT $!
	status=0
	wait $! || status=$?
	[[ $status == 130 ]]
	run -3 immuadmin database scrub defaultdb --stop
	# Who does not administer it, may not.
	immuadmin user create reader read <<<"Secret-Word-1"
	run -4 immuadmin --username reader --password Secret-Word-1 database scrub defaultdb
	run -3 immuadmin database scrub nosuch
	run -2 immuadmin database scrub --stop
	stop_server
	# Nobody asks, but it is time: at the rate that the server says.
	start_server --synced=false --scrub-interval 1s --scrub-rate 65536
	immuadmin login immudb <<<immudb
	wait_for_progress
	stop_server
}

# wait_for_state STATE: of the default database's.
wait_for_state() {
	local deadline=$((SECONDS + WAIT_SECONDS))

	until [[ $(immuadmin --output json database scrub |
		jq -r '.[] | select(.database == "defaultdb").state') == "$1" ]]; do
		((SECONDS <= deadline)) || return 1
	done
}

# wait_for_progress: until a part of it is checked.
wait_for_progress() {
	local deadline=$((SECONDS + WAIT_SECONDS))

	until [[ $(immuadmin --output json database scrub |
		jq '.[] | select(.database == "defaultdb" and .state == "running").next_transaction') -gt 1 ]]; do
		((SECONDS <= deadline)) || return 1
	done
}
