#!/usr/bin/env bats
# "immuadmin verify": each kind of damage of a stopped data folder is found and placed, told from what
# can be rebuilt, and nothing in the folder is touched by looking.
load helpers

# A folder with 700 transactions is made once; each test damages a copy.
setup_file() {
	private_home "$BATS_FILE_TMPDIR"
	cd "$BATS_FILE_TMPDIR" || return 1
	DATA=$BATS_FILE_TMPDIR/made SERVER_LOG=$BATS_FILE_TMPDIR/server.log
	start_server
	login_admin
	seq 1 700 | awk '{ printf "key%d\tvalue of %d\n", $1, $1 }' >rows.tsv
	immuclient import --format tsv --batch-size 1 rows.tsv
	stop_server
}

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	DATA=$BATS_TEST_TMPDIR/data
	cp -a "$BATS_FILE_TMPDIR/made" "$DATA"
	db=$DATA/defaultdb
}

teardown() {
	drop_server
}

# overwrite FILE OFFSET TEXT
overwrite() {
	printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# offset_of FILE TEXT: of its first occurrence.
offset_of() {
	grep -abo -F "$2" "$1" | head -n 1 | cut -d: -f1
}

# picture: everything about the folder that writing would change.
picture() {
	find "$DATA" | sort | xargs stat -c '%n %i %s %Y %Z %a'
	find "$DATA" -type f | sort | xargs sha256sum
}

# verify_finds CODE TEXT...: the check ends with that code, says these, and leaves everything as it was.
verify_finds() {
	local code=$1

	shift
	picture >before
	run "-$code" immuadmin verify "$DATA"
	for text; do
		expect_text "$text"
	done
	picture >after
	cmp before after
}

@test "a whole folder" {
	verify_finds 0 "database:     systemdb" "database:     defaultdb" "transactions: 700" \
		"result:       whole"
	[[ $output != *damaged* ]]
}

# flip FILE OFFSET: one bit; a negative offset counts from the end.
flip() {
	python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[int(sys.argv[2])] ^= 1
open(sys.argv[1], "wb").write(data)' "$1" "$2"
}

@test "a whole folder is what FORMAT.md says, for a reader that shares no code with the engine" {
	local reader=$TEST_SOURCE/tests/integration/format_reader.py file place

	run -0 python3 "$reader" folder "$db"
	expect_text "folder: 700 transactions"
	# A flipped bit of any derived file would have been noticed.
	for file in "$db"/{mark,checkpoint,tree.0,tree.tail,offsets,offsets.tail,index/manifest,index/*.run}; do
		place=40
		[[ $file != *.tail ]] || place=-1
		cp "$file" kept
		flip "$file" "$place"
		run -1 python3 "$reader" folder "$db"
		expect_text "not as FORMAT.md says: "
		cat kept >"$file"
	done
}

@test "a byte of a value: file, offset, transaction and key" {
	at=$(offset_of "$db/00000000.log" "value of 455")
	overwrite "$db/00000000.log" "$at" X
	verify_finds 10 "the value does not match its hash" "$db/00000000.log" "tx:           455" \
		"key:          key455" "fault:        lost" "result:       damaged" "faults:       1"
}

@test "a byte of a key" {
	overwrite "$db/00000000.log" "$(offset_of "$db/00000000.log" key333)" K
	verify_finds 10 "00000000.log" "tx:           333" "fault:        lost" "result:       damaged"
}

@test "a byte of a header" {
	# The Alh of the transaction before stands in it: 152 bytes of head, 44 of the entry, then the key.
	at=$(offset_of "$db/00000000.log" key444)
	overwrite "$db/00000000.log" $((at - 1 - 44 - 152 + 60)) '\0252\0252'
	verify_finds 10 "00000000.log" "tx:           444" "fault:        lost" "result:       damaged"
}

@test "a byte of the tree" {
	overwrite "$db/tree.0" 5000 '\0252\0252'
	verify_finds 10 "$db/tree.0" "fault:        can be rebuilt" "result:       can be rebuilt"
	[[ $output != *lost* ]]
}

@test "a byte of the offsets" {
	overwrite "$db/offsets" 800 '\0252\0252'
	verify_finds 10 "$db/offsets" "fault:        can be rebuilt" "result:       can be rebuilt"
	[[ $output != *lost* ]]
}

@test "a byte of a run of the index" {
	overwrite "$(find "$db/index" -name '*.run' | head -n 1)" 300 '\0252\0252\0252'
	verify_finds 10 "0000000000000001.run" "damaged block" "fault:        can be rebuilt" \
		"result:       can be rebuilt" "faults:       1"
	[[ $output != *lost* ]]
}

@test "manifest and checkpoint" {
	overwrite "$db/index/manifest" 10 '\0252\0252\0252'
	overwrite "$db/checkpoint" 30 '\0252\0252\0252'
	verify_finds 10 "$db/index/manifest" "$db/checkpoint" "fault:        can be rebuilt"
	[[ $output != *lost* ]]
}

@test "a log cut short" {
	truncate -s "$(offset_of "$db/00000001.log" key690)" "$db/00000001.log"
	verify_finds 10 "00000001.log" "fault:        lost" "result:       damaged"
}

@test "a segment is missing" {
	mv "$db/00000000.log" segment
	verify_finds 10 "$db: 1 log segments" "fault:        lost" "result:       damaged"
	mv segment "$db/00000000.log"
	rm "$db/00000001.log"
	verify_finds 10 "$db/00000001.log" "fault:        lost" "result:       damaged"
}

@test "the marker of a database and the metadata file are missing" {
	rm "$db/immudb.database" "$DATA/immudb.sqlite"
	verify_finds 10 "immudb.database" "immudb.sqlite: is missing"
}

@test "the metadata file is empty or damaged, or names a database without a folder or content" {
	export TMPDIR=$BATS_TEST_TMPDIR/copies
	mkdir "$TMPDIR"
	mv "$db" moved
	verify_finds 10 "$db: the folder of database defaultdb is missing"
	mkdir "$db"
	verify_finds 10 "$db: the folder of database defaultdb has no database in it"
	rmdir "$db"
	mv moved "$db"
	verify_finds 0 "result:       whole"
	cp "$DATA/immudb.sqlite" metadata
	: >"$DATA/immudb.sqlite"
	verify_finds 10 "immudb.sqlite: damaged: it names no database" "database:     defaultdb"
	mv metadata "$DATA/immudb.sqlite"
	printf '%8192s' garbage | dd of="$DATA/immudb.sqlite" conv=notrunc status=none
	verify_finds 10 "immudb.sqlite: damaged"
	[[ -z $(ls -A "$TMPDIR") ]]
}

@test "two databases whose folders changed places" {
	mv "$db" moved
	mv "$DATA/systemdb" "$db"
	mv moved "$DATA/systemdb"
	verify_finds 10 "$db: is the folder of database systemdb, not of defaultdb" \
		"$DATA/systemdb: is the folder of database defaultdb, not of systemdb"
	run -1 timeout "$WAIT_SECONDS" immudb --dir "$DATA" --port 0 --metrics-port 0
	expect_text "is the folder of database"
	# By its path a folder may have any name; and one of before there were names is anybody's.
	run -0 immuadmin verify "$db"
	sed -i '/^name /d' "$db/immudb.database"
	run -10 immuadmin verify "$DATA"
	refute_text "$db: is the folder of"
}

@test "a folder that is none of the server's databases is named, and checked when its path is given" {
	cp -r "$db" "$DATA/before"
	rm "$DATA/before/00000001.log"
	verify_finds 0 "$DATA/before is none of the server's databases and was not checked" \
		"database:     defaultdb"
	run -10 immuadmin verify "$DATA/before"
	expect_text "result:       damaged"
}

@test "the folder of one database, and JSON" {
	run -0 immuadmin verify "$db"
	expect_text "transactions: 700"
	overwrite "$db/00000000.log" "$(offset_of "$db/00000000.log" "value of 7")" X
	run -10 immuadmin verify --output json "$DATA"
	printf '%s' "$output" | python3 -c '
import json, sys
found = [f for f in json.load(sys.stdin) if "fault" in f]
assert len(found) == 1, found
assert found[0]["tx"] == 7 and found[0]["key"] == "key7", found
assert found[0]["raw_key"] == "006b657937", found
assert found[0]["file"].endswith("/00000000.log") and found[0]["offset"] > 4096, found'
}

@test "what cannot be checked ends with 1" {
	run -1 immuadmin verify "$BATS_TEST_TMPDIR/nothing"
	expect_text "nothing"
	mkdir empty
	run -1 immuadmin verify empty
	expect_text "no database in it"
	start_server
	run -1 immudb verify "$DATA"
	expect_text "in use by another process"
	stop_server
	verify_finds 0 "result:       whole"
}
