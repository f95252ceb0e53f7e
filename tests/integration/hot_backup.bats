#!/usr/bin/env bats
# "immuadmin hot-backup" and "hot-restore": a database in use to an archive and back, with its history, its
# signature and its hashes; what is damaged, cut short or of another history is refused and leaves nothing.
load helpers

# One server for all cases; each works on databases and files of its own.
setup_file() {
	private_home "$BATS_FILE_TMPDIR"
	cd "$BATS_FILE_TMPDIR" || return 1
	openssl ecparam -name prime256v1 -genkey -noout -out key.pem 2>/dev/null
	openssl ec -in key.pem -pubout -out pub.pem 2>/dev/null
	openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null |
		openssl ec -pubout -out other.pem 2>/dev/null
	DATA=$BATS_FILE_TMPDIR/data SERVER_LOG=$BATS_FILE_TMPDIR/server.log
	start_server --signingKey "$PWD/key.pem"
	login_admin
	immuadmin login immudb <<<immudb
	seq 1 300 | awk '{ printf "key%d\tvalue of %d\n", $1, $1 }' >rows.tsv
	immuclient import --format tsv --batch-size 1 rows.tsv
	immuadmin hot-backup defaultdb -o whole.archive
	export SERVER_PID PORT DATA SERVER_LOG
}

teardown_file() {
	drop_server
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
}

teardown() {
	:
}

# fresh NAME: a database with three transactions, and its archive NAME.archive.
fresh() {
	immuadmin database create "$1"
	for n in 1 2 3; do
		immuclient set --database "$1" "key$n" "$1 $n"
	done
	immuadmin hot-backup "$1" -o "$1.archive"
}

# databases: their names, and the folders.
databases() {
	immuadmin database list --output json | jq -r '.[].name' | sort
	ls "$DATA"
}

@test "an archive is checked without a server" {
	run -0 env HOME=/nonexistent XDG_STATE_HOME="$PWD/none" immuadmin -p 1 hot-restore \
		-i whole.archive --verify-only --output json
	[ "$(jq -r '.to_tx' <<<"$output")" = 300 ]
	[ "$(jq -r '.signed' <<<"$output")" = true ]
	run -0 immuadmin hot-restore --verify-only --server-signing-pub-key pub.pem <whole.archive
	run -10 immuadmin hot-restore -i whole.archive --verify-only \
		--server-signing-pub-key other.pem
	expect_text "signature"
}

# An archive without transactions would else be the one that anybody could put in the place of another.
@test "the archive of an empty database is signed, too" {
	immuadmin database create void
	run -0 immuadmin hot-backup void -o void.archive --server-signing-pub-key pub.pem --output json
	[ "$(jq -r '.signed' <<<"$output")" = true ]
	run -0 immuadmin hot-restore --verify-only --server-signing-pub-key pub.pem <void.archive
	run -10 immuadmin hot-restore --verify-only --server-signing-pub-key other.pem <void.archive
	run -0 immuadmin hot-restore void2 -i void.archive --verify
}

@test "a database comes back with its history and its state" {
	run -0 immuadmin hot-restore copy -i whole.archive --verify
	[ "$(immuclient get --database copy --value-only key77)" = "value of 77" ]
	immuclient safeget --database copy key300
	[ "$(immuadmin database list --output json | jq '.[] | select(.name == "copy").transactions')" = 300 ]
	immuclient set --database copy more "after it"
	run -1 immuadmin hot-restore copy -i whole.archive
	expect_text "already exists: --append continues it, --force replaces it"
}

@test "what was trusted before holds after a restore, and what was written since is missed" {
	fresh trusted
	immuclient safeget --database trusted key3
	immuadmin hot-restore trusted -i trusted.archive --force
	immuclient safeget --database trusted key3
	immuclient safeset --database trusted key4 gone
	immuadmin hot-restore trusted -i trusted.archive --force
	run immuclient safeget --database trusted key3
	[ "$status" = 10 ]
	run -0 immuadmin log --limit 3
	expect_text "restore database"
}

@test "an archive is continued, and refused to a server with another history" {
	fresh grows
	run -0 immuadmin hot-backup grows -o grows.archive --append
	expect_text "nothing to append"
	immuclient set --database grows key4 "grows 4"
	cp grows.archive before.archive
	immuadmin hot-backup grows -o grows.archive --append
	immuadmin hot-restore grown -i grows.archive
	[ "$(immuclient get --database grown --value-only key4)" = "grows 4" ]
	run -0 immuadmin hot-restore -i grows.archive --verify-only
	expect_text "parts:    2"
	run -0 python3 "$TEST_SOURCE/tests/integration/format_reader.py" archive grows.archive
	expect_text "archive of grows: 2 parts, 4 transactions"
	# The database goes on elsewhere than the archive.
	immuadmin hot-restore grows -i before.archive --force
	run -10 immuadmin hot-backup grows -o grows.archive --append
	expect_text "server state is older"
	immuclient set --database grows key4 "another"
	sum=$(sha256sum <grows.archive)
	run -10 immuadmin hot-backup grows -o grows.archive --append
	expect_text "transaction 4 of database grows is another one in the archive"
	[ "$(sha256sum <grows.archive)" = "$sum" ]
	run -1 immuadmin hot-backup grows -o grows.archive
	expect_text "is there already"
	run -1 immuadmin hot-backup copy -o grows.archive --append
}

@test "an archive of the first format is read, restored and checked as before" {
	cp "$TEST_SOURCE/tests/golden/upgrade/format-1.archive" first.archive
	[ "$(od -An -tu1 -j11 -N1 first.archive)" -eq 1 ]
	[ "$(od -An -tu1 -j11 -N1 whole.archive)" -eq 2 ]
	run -0 immuadmin hot-restore -i first.archive --verify-only
	expect_text "to tx:    3"
	expect_text "parts:    2"
	immuadmin hot-restore first -i first.archive
	[ "$(immuclient get --database first --value-only colour)" = green ]
	printf X | dd of=first.archive bs=1 seek=1640 conv=notrunc status=none
	run -10 immuadmin hot-restore -i first.archive --verify-only
	expect_text "the digest of the archive is wrong"
	run -1 python3 "$TEST_SOURCE/tests/integration/format_reader.py" archive first.archive
}

@test "a database is continued by an archive, and refused one of another history" {
	fresh behind
	immuclient set --database behind key4 "behind 4"
	immuadmin hot-backup behind --start-tx 4 -o later.archive
	immuadmin hot-restore caught -i behind.archive
	run -1 immuadmin hot-restore caught2 -i later.archive
	expect_text "it can only be appended"
	immuadmin hot-restore caught -i later.archive --append
	[ "$(immuclient get --database caught --value-only key4)" = "behind 4" ]
	immuadmin hot-restore astray -i behind.archive
	immuclient set --database astray key4 "astray"
	databases >before
	run -10 immuadmin hot-restore astray -i later.archive --append
	run -10 immuadmin hot-restore astray -i behind.archive --append
	expect_text "the archive ends with transaction 3"
	databases >after
	cmp before after
}

@test "damage is refused with its place, and leaves nothing" {
	databases >before
	cp whole.archive bad.archive
	at=$(grep -abo -F "value of 200" bad.archive | head -n 1 | cut -d: -f1)
	printf X | dd of=bad.archive bs=1 seek="$at" conv=notrunc status=none
	for how in --verify-only "" --verify; do
		# shellcheck disable=SC2086 # an option or none
		run -10 immuadmin hot-restore bad -i bad.archive $how
		expect_text "transaction 200: a value does not match its hash"
	done
	for size in 0 100 5000 $(($(stat -c %s whole.archive) - 1)); do
		head -c "$size" whole.archive >cut.archive
		run -10 immuadmin hot-restore cut <cut.archive
		expect_text "archive does not verify"
	done
	databases >after
	cmp before after
}

@test "targets and sources that cannot be" {
	run -1 immuadmin hot-backup defaultdb -o /dev/full
	expect_text "/dev/full: No space left on device"
	run -1 bash -c 'immuadmin hot-backup defaultdb >/dev/full'
	expect_text "stdout: No space left on device"
	run -1 immuadmin hot-backup defaultdb -o "$PWD/no such/folder"
	run -3 immuadmin hot-backup defaultdb -o none.archive --append
	expect_text "there is no archive to append to"
	[ ! -e none.archive ]
	run -2 immuadmin hot-backup defaultdb --append
	run -2 immuadmin hot-restore copy -i whole.archive --append --force
	run -3 immuadmin hot-restore copy -i none.archive
	# What cannot be is said before the archive is sent.
	run -1 bash -c 'head -c 300 whole.archive | immuadmin hot-restore systemdb'
	expect_text "this database name is reserved"
	run immuadmin hot-backup nosuchdb -o none.archive
	[ "$status" != 0 ]
	[ ! -e none.archive ]
	immuadmin hot-backup defaultdb | immuadmin hot-restore piped
	[ "$(immuclient get --database piped --value-only key5)" = "value of 5" ]
}

# at N DOING COMMAND...: the shell command DOING runs at call N of those that at_call.c counts, into count.
at() {
	env LD_PRELOAD="$TEST_BUILD/bin/at_call.so" AT_PROGRAM=immuadmin AT_COUNT="$PWD/count" AT_CALL="$1" \
		AT_DO="$2" "${@:3}"
}

@test "a target that is full, or goes away, leaves nothing or what was there" {
	fresh gone
	mkdir to small
	# The last call but one is the sync of the archive, before its folder is synced or its part begins to count.
	at 0 "" immuadmin hot-backup gone -o to/counted.archive
	run -1 at $(($(<count) - 1)) "rm -r to" immuadmin hot-backup gone -o to/new.archive
	[[ ${#lines[@]} == 1 && $output == *"to/new.archive: No such file or directory" && ! -e to ]]
	immuclient set --database gone key4 "gone 4"
	cp gone.archive kept.archive
	cp gone.archive counted.archive
	at 0 "" immuadmin hot-backup gone --append -o counted.archive
	run -1 at $(($(<count) - 1)) "rm gone.archive" immuadmin hot-backup gone --append -o gone.archive
	expect_text "gone.archive was removed while it was appended to"
	[[ ${#lines[@]} == 1 && ! -e gone.archive ]]
	unshare --map-root-user --mount true 2>/dev/null || skip_because needs-namespace "unshare failed"
	immuclient set --database gone large "$(head -c 90000 /dev/urandom | base64 -w 0)"
	# shellcheck disable=SC2016 # for the shell that has the mount
	run -0 unshare --map-root-user --mount bash -c '
		mount -t tmpfs -o size=64k tmpfs small || exit 0
		cp kept.archive small/gone.archive
		for how in "--append -o small/gone.archive" "-o small/new.archive"; do
			immuadmin hot-backup gone $how >out 2>&1 && exit 1
			cat out
			(($(wc -l <out) == 1)) || exit 1
		done
		cmp kept.archive small/gone.archive && [[ $(ls small) == gone.archive ]]'
	expect_text "small/gone.archive: No space left on device"
	expect_text "small/new.archive: No space left on device"
}

@test "a part that was not finished does not count, and is cut off by the next append" {
	fresh torn
	size=$(stat -c %s torn.archive)
	head -c 8 /dev/zero >>torn.archive
	head -c 1000 whole.archive | tail -c 992 >>torn.archive
	run -0 immuadmin hot-restore -i torn.archive --verify-only
	expect_text "behind byte $size stands a part that was not finished"
	immuclient set --database torn key4 "torn 4"
	immuadmin hot-backup torn -o torn.archive --append
	run -0 immuadmin hot-restore -i torn.archive --verify-only
	expect_text "to tx:    4"
	refute_text "not finished"
}

@test "writes go on during a backup, which shows one state" {
	awk 'BEGIN { for (i = 0; i < 600; i++) printf "w%d\t%0500d\n", i, i }' >many.tsv
	immuclient import --format tsv --batch-size 1 many.tsv >/dev/null &
	writer=$!
	for n in 1 2 3; do
		immuadmin hot-backup defaultdb -o "during$n.archive" --output json >"during$n.json"
	done
	wait "$writer"
	for n in 1 2 3; do
		immuadmin hot-restore -i "during$n.archive" --verify-only --output json >again.json
		cmp "during$n.json" again.json
	done
	immuadmin hot-restore during -i during3.archive
	[ "$(immuadmin database list --output json |
		jq '.[] | select(.name == "during").transactions')" = "$(jq '.to_tx' during3.json)" ]
}

# policies PID: how its threads are scheduled (sched(7): 0 as any other, 5 when nobody else wants to).
policies() {
	cut -d ' ' -f 2- /proc/"$1"/task/*/stat | sed 's/^.*) //' | cut -d ' ' -f 39 | sort -u
}

@test "a backup gives way to others, as far as it is told to" {
	mkfifo slow.fifo
	for case in "idle 5" "low 0" "normal 0"; do
		immuadmin hot-backup defaultdb --priority "${case% *}" >slow.fifo &
		exec {slow}<slow.fifo
		# It waits in the middle of its archive, which no pipe has room for.
		head -c 1 <&"$slow" >/dev/null
		[ "$(policies $!)" = "${case#* }" ]
		exec {slow}<&-
		wait $! || true
	done
	run -0 immuadmin hot-backup defaultdb -o paced.archive --rate 1MiB
	run -0 immuadmin hot-restore -i paced.archive --verify-only
	run -2 immuadmin hot-backup defaultdb -o never.archive --rate 1000
	expect_text "--rate is at least 64KiB"
	run -2 immuadmin hot-backup defaultdb -o never.archive --priority high
	[ ! -e never.archive ]
}

# slow_backup DATABASE: begins one that takes many seconds, and returns when it is under way.
slow_backup() {
	immuadmin hot-backup "$1" --rate 4MiB 2>slow.err >slow.fifo &
	SLOW_PID=$!
	exec {slow}<slow.fifo
	head -c 1 <&"$slow" >/dev/null
	cat <&"$slow" >/dev/null &
	exec {slow}<&-
}

@test "a backup under way keeps nobody from unloading or replacing its database" {
	fresh wanted
	[[ -p slow.fifo ]] || mkfifo slow.fifo
	for n in {1..8}; do
		head -c 4000000 /dev/zero | immuclient --database wanted set "large$n" @-
	done
	slow_backup wanted
	run -0 immuadmin database unload wanted
	wait "$SLOW_PID" && return 1
	grep -q "database is not loaded: wanted" slow.err
	run -0 immuadmin database load wanted
	slow_backup wanted
	run -0 immuadmin hot-restore wanted --force -i wanted.archive
	wait "$SLOW_PID" && return 1
	grep -q "database is not loaded: wanted" slow.err
	[[ $(immuclient --database wanted --value-only get key3) == "wanted 3" ]]
}

@test "only an admin makes a backup, only a sysadmin restores" {
	printf 'Reader1!\n' | immuadmin user create reader read defaultdb
	printf 'Admin12!\n' | immuadmin user create owner admin defaultdb
	printf 'Reader1!\n' >reader.pw
	printf 'Admin12!\n' >owner.pw
	run -4 immuadmin --username reader --password-file reader.pw hot-backup defaultdb -o r.archive
	[ ! -e r.archive ]
	immuadmin --username owner --password-file owner.pw hot-backup defaultdb -o o.archive
	run -4 immuadmin --username owner --password-file owner.pw hot-restore stolen -i o.archive
	run -4 immuadmin --username owner --password-file owner.pw hot-restore defaultdb \
		-i o.archive --force
}

@test "the commands of the README" {
	mkdir readme
	cd readme
	awk '/^## / { here = ($0 == "## Backup of a running server"); next }
		here && /^```/ { fences++; next }
		here && fences == 1' "$TEST_SOURCE/README.md" >commands
	[ "$(grep -c immuadmin commands)" -ge 5 ]
	immuadmin database unload copy
	immuadmin database delete copy --yes-i-know-what-i-am-doing
	run -0 bash -euo pipefail commands
	[ "$(immuclient get --database another --value-only key9)" = "value of 9" ]
}

# kill_when FILE COMMAND...: kills the server as soon as FILE is there, or the command has ended.
kill_when() {
	local file=$1 client

	shift
	"$@" >/dev/null 2>&1 &
	client=$!
	until [ -e "$file" ] || ! kill -0 "$client" 2>/dev/null; do :; done
	kill -KILL "$SERVER_PID"
	wait "$client" || true
	wait_for exit "$SERVER_PID" "$WAIT_SECONDS"
}

# Last, because it kills the server.
@test "kills in the middle leave nothing or all of it" {
	immuadmin hot-backup defaultdb -o big.archive
	ls "$DATA" >before
	for file in lock 00000000.log checkpoint index/manifest; do
		kill_when "$DATA/killed/$file" immuadmin hot-restore killed -i big.archive
		start_server --signingKey "$PWD/key.pem"
		login_admin
		immuadmin login immudb <<<immudb
		if immuadmin database list --output json | jq -e '.[] | select(.name == "killed")'; then
			immuclient safeget --database killed key300
			immuadmin database unload killed
			immuadmin database delete killed --yes-i-know-what-i-am-doing
		fi
		ls "$DATA" >after
		diff before after
	done
	# A client that is gone takes its restore along.
	mkfifo held
	immuadmin hot-restore left -i held >/dev/null 2>&1 &
	client=$!
	exec 7>held
	head -c 2000000 big.archive >&7
	until [ -e "$DATA/left" ] || ! kill -0 "$client"; do :; done
	kill -KILL "$client"
	wait "$client" || true
	exec 7>&-
	until [ ! -e "$DATA/left" ]; do :; done
	# A backup is there when it is whole, or not at all.
	kill_when half.archive immuadmin hot-backup defaultdb -o half.archive
	immuadmin hot-restore -i half.archive --verify-only
}
