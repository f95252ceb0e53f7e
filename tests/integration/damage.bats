#!/usr/bin/env bats
# Files that were lost or damaged while the server was down: what can be rebuilt is, what cannot is
# named, and what is whole is still served and proven.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	login_admin
	seq 1 600 | awk '{ printf "key%d\tvalue of %d\n", $1, $1 }' >rows.tsv
	immuclient import --format tsv rows.tsv
	immuclient safeset last one
	stop_server
	db=$DATA/defaultdb
}

# overwrite FILE OFFSET TEXT
overwrite() {
	printf '%s' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# start_again: on the files as they are now, with a new session.
start_again() {
	start_server
	login_admin
}

# everything_verifies
everything_verifies() {
	for n in 1 177 600; do
		run -0 immuclient --value-only safeget "key$n"
		[[ $output == "value of $n" ]]
	done
	run -0 immuclient safeget last
}

# refuses_to_start TEXT...: it ends with status 1 and names these.
refuses_to_start() {
	run -1 timeout "$WAIT_SECONDS" immudb --dir "$DATA" --address 127.0.0.1 --port 0 --metrics-port 0
	for text; do
		expect_text "$text"
	done
}

@test "every derived file lost" {
	find "$db" -type f -not -name '*.log' -not -name immudb.database -delete
	start_again
	everything_verifies
	run -0 immuclient safeset after repair
	stop_server
}

@test "derived files full of garbage" {
	while read -r file; do
		head -c 5000 /dev/urandom >"$file"
	done < <(find "$db" -type f -not -name '*.log' -not -name immudb.database -not -name lock)
	start_again
	everything_verifies
	stop_server
}

@test "derived files cut short" {
	while read -r file; do
		truncate -s $(($(stat -c %s "$file") / 2)) "$file"
	done < <(find "$db" -type f -not -name '*.log' -not -name immudb.database -not -name lock)
	start_again
	everything_verifies
	stop_server
}

@test "a record of the log is damaged: read-only, named, and the rest is served" {
	local at
	at=$(grep -abo -F key599 "$db/00000000.log" | head -n 1 | cut -d: -f1)
	overwrite "$db/00000000.log" "$at" KEY
	rm -f "$db/checkpoint"
	start_again
	run ! immuclient set more data
	expect_text "read-only"
	expect_text "00000000.log"
	run -0 immuclient use systemdb
	stop_server
}

@test "a value in the log is damaged: that value is refused, everything else verifies" {
	local at
	at=$(grep -abo -F "value of 550" "$db/00000000.log" | head -n 1 | cut -d: -f1)
	overwrite "$db/00000000.log" "$at" X
	start_again
	run -1 immuclient safeget key550
	expect_text "key550"
	expect_text "00000000.log"
	expect_text "transaction"
	run -1 immuclient get key550
	everything_verifies
	run -0 immuclient safeset after damage
	run -0 curl -sS --max-time 30 "http://127.0.0.1:$METRICS_PORT/metrics"
	[[ $output =~ damaged_values[^$'\n']*\ [1-9] ]]
	stop_server
}

# serves_nothing: nothing of the log can be read: said with the file, nothing is written over it, and
# a client that knows better notices.
serves_nothing() {
	start_again
	run ! immuclient set more data
	expect_text "read-only"
	expect_text "00000000.log"
	run -10 immuclient safeget last
	stop_server
	grep -q 'ERROR.*00000000.log' "$SERVER_LOG"
}

@test "the header of the log is damaged" {
	overwrite "$db/00000000.log" 0 garbage
	serves_nothing
}

@test "a database of a newer version" {
	sed -i 's/^format 1$/format 2/' "$db/immudb.database"
	refuses_to_start "immudb.database" 2
	sed -i 's/^format 2$/format 1/' "$db/immudb.database"
	start_again
	everything_verifies
	stop_server
}

@test "the log of another database" {
	cp "$DATA/systemdb/00000000.log" "$db/00000000.log"
	serves_nothing
}

@test "the file of users and databases is damaged or lost" {
	mv "$DATA/immudb.sqlite" saved
	head -c 8192 /dev/urandom >"$DATA/immudb.sqlite"
	refuses_to_start "immudb.sqlite"
	rm "$DATA/immudb.sqlite"
	refuses_to_start "immudb.sqlite"
	mv saved "$DATA/immudb.sqlite"
	start_again
	everything_verifies
	stop_server
}
