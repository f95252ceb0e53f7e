#!/usr/bin/env bats
# immuclient import: formats, errors, interruption.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	start_server
	login_admin
}

# expect_value KEY VALUE
expect_value() {
	run -0 immuclient --value-only safeget "$1"
	[[ $output == "$2" ]] && return 0
	printf 'value of %s: %s, expected %s\n' "$1" "$output" "$2"
	return 1
}

@test "tsv, csv and jsonl" {
	printf 'tsv1\tone\ntsv2\ttwo words\n' >rows.tsv
	run -0 immuclient import --format tsv rows.tsv
	expect_text 2
	printf 'csv1,one\ncsv2,"two, with ""quotes"""\n' | immuclient import --format csv -
	printf '{"key":"jsonl1","value":"one"}\n{"key":"jsonl2","value":"tab\\there"}\n' >rows.jsonl
	run -0 immuclient import --format jsonl rows.jsonl
	expect_value tsv2 "two words"
	expect_value csv2 'two, with "quotes"'
	expect_value jsonl2 $'tab\there'
}

@test "a key that repeats gets both versions, in order" {
	printf 'k\tone\nother\tx\nk\ttwo\nk\tthree\n' | immuclient import --format tsv -
	expect_value k three
	run -0 immuclient get k
	expect_text 3
}

@test "a bad line stops the import, named exactly" {
	printf 'good1\tx\nbad line\ngood2\tx\n' >rows.tsv
	run -1 immuclient import --format tsv --on-error stop rows.tsv
	expect_text "2"
	expect_value good1 x
	run -3 immuclient get good2
}

@test "bad lines are skipped and listed with their numbers" {
	printf 'good1\tx\nbad line\ngood2\tx\nalso bad\n' >rows.tsv
	run immuclient import --format tsv --on-error skip rows.tsv
	expect_text "2"
	expect_text "4"
	expect_value good1 x
	expect_value good2 x
}

@test "from a line on" {
	printf 'k1\tx\nk2\tx\nk3\tx\n' >rows.tsv
	run -0 immuclient import --format tsv --from-line 3 rows.tsv
	expect_value k3 x
	run -3 immuclient get k2
}

@test "an empty input and a missing file" {
	run -0 immuclient import --format tsv - </dev/null
	run -1 immuclient import --format tsv nosuch.tsv
	expect_text "nosuch.tsv"
	run -2 immuclient import --format nosuch rows
}

@test "many rows, and everything is there" {
	local count n
	count=$(rounds 20000 1000000)
	seq 1 "$count" | awk '{ printf "key%d\tvalue of %d\n", $1, $1 }' >rows.tsv
	run -0 immuclient import --format tsv rows.tsv
	expect_text "$count"
	for n in 1 9999 "$count"; do
		expect_value "key$n" "value of $n"
	done
}

@test "interrupted: the last acknowledged line is told, and going on from there completes it" {
	mkfifo rows
	immuclient import --format tsv rows >out 2>&1 3>&- &
	local import=$! last
	exec 4>rows
	seq 1 5000 | awk '{ printf "key%d\tvalue%d\n", $1, $1 }' >&4
	until immuclient get key1 >/dev/null 2>&1; do
		kill -0 "$import"
	done
	kill -INT "$import"
	wait_for exit "$import" "$WAIT_SECONDS"
	exec 4>&-
	run wait "$import"
	expect_status 130
	last=$(grep -oE '[0-9]+' out | sort -n | tail -n 1)
	((last >= 1 && last <= 5000))
	expect_value "key$last" "value$last"
	seq 1 5000 | awk '{ printf "key%d\tvalue%d\n", $1, $1 }' |
		immuclient import --format tsv --from-line $((last + 1)) -
	expect_value key5000 value5000
}

@test "the server goes away: what was acknowledged is told and kept" {
	mkfifo rows
	immuclient import --format tsv rows >out 2>&1 3>&- &
	local import=$! status_of_import=0
	exec 4>rows
	seq 1 1000 | awk '{ printf "key%d\tvalue%d\n", $1, $1 }' >&4
	until immuclient get key1 >/dev/null 2>&1; do
		kill -0 "$import"
	done
	stop_server KILL || true
	seq 1001 2000 | awk '{ printf "key%d\tvalue%d\n", $1, $1 }' >&4 2>/dev/null || true
	exec 4>&-
	wait_for exit "$import" "$WAIT_SECONDS"
	wait "$import" || status_of_import=$?
	((status_of_import != 0))
	start_server
	login_admin
	expect_value key1 value1
}
