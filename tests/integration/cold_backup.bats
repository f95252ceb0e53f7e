#!/usr/bin/env bats
# immuadmin backup and restore: a server that is stopped and started again, backups that were tampered with,
# folders and disks that are not as they should be, and kills at every step.
load helpers

readonly PASSWORD=Backup-1

# start_saved: a server with a pid file, one key in it.
start_saved() {
	start_server --pidfile "$BATS_TEST_TMPDIR/data/immudb.pid" --admin-password "$PASSWORD"
	immuclient login immudb <<<"$PASSWORD" >/dev/null
	immuclient safeset before backup >/dev/null
}

# save [OPTION...]: a backup without questions, into BACKUP.
save() {
	run immuadmin backup --yes --password-file "$BATS_TEST_TMPDIR/password" --dbdir "$DATA" "$@"
	BACKUP=$(sed -n 's/^Database backup created: //p' <<<"$output")
	follow_server
}

# follow_server: the server that runs on DATA now is the one that teardown stops.
follow_server() {
	local pid

	pid=$(cat "$DATA/immudb.pid" 2>/dev/null) || return 0
	SERVER_PID=$pid
}

setup() {
	private_home "$BATS_TEST_TMPDIR"
	AUDIT_DIR=$BATS_TEST_TMPDIR/audit
	cd "$BATS_TEST_TMPDIR" || return 1
	DATA=$BATS_TEST_TMPDIR/data
	echo "$PASSWORD" >password
}

# listing: what lies in the working folder, but for logs.
listing() {
	find . -maxdepth 1 ! -name '*.log' ! -name home ! -name . | sort
}

# What most tests begin with, made once: a folder with two states, and a backup of the first.
setup_file() {
	load helpers
	private_home "$BATS_FILE_TMPDIR"
	mkdir "$BATS_FILE_TMPDIR/saved"
	cd "$BATS_FILE_TMPDIR/saved" || return 1
	SERVER_LOG=$BATS_FILE_TMPDIR/server.log
	DATA=$PWD/data
	start_server --admin-password "$PASSWORD"
	immuclient login immudb <<<"$PASSWORD"
	immuclient safeset before backup
	stop_server
	immuadmin backup --dbdir data
	start_server
	immuclient login immudb <<<"$PASSWORD"
	immuclient safeset after backup
	stop_server
}

# make_backup: DATA and BACKUP; no server runs.
make_backup() {
	cp -a "$BATS_FILE_TMPDIR/saved/." .
	BACKUP=$(echo "$PWD"/data_bkp_*.tar.gz)
}

@test "a running server is stopped, saved and started again, and the backup restored" {
	start_saved
	local pid=$SERVER_PID
	save
	expect_status 0
	[[ $BACKUP == "$BATS_TEST_TMPDIR/data_bkp_"????-??-??_??-??-??.tar.gz && -s $BACKUP ]]
	expect_text "started again with PID $SERVER_PID"
	[[ $SERVER_PID != "$pid" && ! -e /proc/$pid ]]
	[[ $(stat -c %a "$BACKUP") == 600 ]]
	[[ $(listing) == $'./data\n./data_bkp_'*$'.tar.gz\n./password' ]]
	run -0 tar -tzf "$BACKUP"
	[[ ${lines[1]} == data/.immudb-backup && ${lines[-1]} == data/.immudb-manifest ]]
	refute_text ".pid"
	refute_text ".lock"
	# The server is as it was; a second backup differs by its time alone.
	run -0 immuclient login immudb <<<"$PASSWORD"
	run -0 immuclient safeset after backup
	# Nobody restores over a running server.
	local log=$DATA/defaultdb/00000000.log
	run -1 immuadmin restore --yes --dbdir "$DATA" "$BACKUP"
	[[ $output == "immuadmin: a server uses $DATA: stop it first" ]]
	stop_server
	run -0 immuadmin restore --yes --dbdir "$DATA" "$BACKUP"
	[[ ${lines[0]} == "Database restored from backup $BACKUP" ]]
	local kept=${lines[1]#"A backup of the previous database has been also created: "}
	[[ $kept == "${DATA}_bkp_before_restore_"* && -s $kept/defaultdb/00000000.log ]]
	[[ $(stat -c %a "$DATA" "$log" | tr '\n' ' ') == "700 600 " ]]
	run -0 immuadmin verify "$DATA"
	run -0 immuadmin verify "$kept"
	start_server
	private_home "$BATS_TEST_TMPDIR/second"
	export IMMUCLIENT_IMMUDB_PORT=$PORT
	run -0 immuclient login immudb <<<"$PASSWORD"
	run -0 immuclient safeget before
	run -3 immuclient get after
	# What was put back is written down where auditors ask, and in the journal.
	export IMMUADMIN_IMMUDB_PORT=$PORT
	immuadmin login immudb <<<"$PASSWORD"
	run -0 immuadmin log
	expect_text "restore"
}

@test "what must not be done is refused before the server is touched" {
	start_saved
	local pid=$SERVER_PID before
	before=$(listing)
	echo wrong >wrong
	run -4 immuadmin backup --yes --dbdir "$DATA" --password-file wrong
	expect_text "invalid user name or password"
	run -2 immuadmin backup --dbdir "$DATA" <<<"$PASSWORD"
	expect_text "--yes"
	run -1 immuadmin backup --yes --dbdir "$DATA" --immudb-address 192.0.2.1
	expect_text "192.0.2.1 is not an address of this one"
	run -1 immuadmin backup --yes --dbdir "$DATA" --manual-stop-start
	expect_text "stop it first"
	run -1 immuadmin backup --yes --dbdir "$DATA" --to "$DATA"
	expect_text "cannot lie in it"
	run -3 immuadmin backup --yes --dbdir "$DATA" --to absent
	run -3 immuadmin backup --yes --dbdir absent
	run -1 immuadmin backup --yes --dbdir password
	expect_text "is not a directory"
	run -1 immuadmin backup --yes --password "$PASSWORD" --dbdir "$DATA" --pidfile other.pid
	expect_text "in use by process $pid, which is not its server"
	run -1 immuadmin backup --yes --dbdir home
	expect_text "is not a data folder"
	run -1 immuadmin restore --yes --dbdir home password
	expect_text "is not a data folder"
	[[ ! -e home/immudb.lock ]]
	run -1 immuadmin backup --yes --dbdir /
	expect_text "cannot backup the current directory"
	run -1 env -C "$DATA" immuadmin backup --yes --dbdir .
	expect_text "cannot backup the current directory, please specify a subdirectory, for example ./data"
	rm wrong
	[[ $(listing) == "$before" && $(cat "$DATA/immudb.pid") == "$pid" ]]
	run -0 immuclient safeget before
}

@test "somebody else who works on the folder is not stopped" {
	make_backup
	setpriv --pdeathsig KILL bash -c 'exec 9<>"$1"; flock 9; echo yes >held; exec sleep 600' hold \
		"$DATA/immudb.lock" 3>&- &
	local holder=$!
	wait_for file held "$WAIT_SECONDS" "$holder"
	run -1 immuadmin backup --yes --dbdir "$DATA" --password "$PASSWORD"
	expect_text "does not tell which: give --pidfile"
	run -1 immuadmin restore --yes --dbdir "$DATA" "$BACKUP"
	expect_text "stop it first"
	kill -0 "$holder"
	kill "$holder"
}

@test "a folder and an archive made by hand are restored" {
	make_backup
	save --uncompressed
	expect_status 0
	[[ -d $BACKUP && -s $BACKUP/.immudb-manifest && $BACKUP != *.tar.gz ]]
	rm -r "$DATA"
	run -0 immuadmin restore --dbdir "$DATA" "$BACKUP"
	refute_text "previous database"
	run -0 immuadmin verify "$DATA"
	[[ ! -e $DATA/.immudb-manifest && ! -e $DATA/.immudb-backup ]]
	tar -cf hand.tar --sparse -C / "${DATA#/}"
	run -0 immuadmin restore --yes --dbdir "$DATA" hand.tar
	expect_text "made by hand"
	run -0 immuadmin verify "$DATA"
	# A server runs on an uncompressed backup as it is, and what marks it is not saved again.
	echo x >>"$BACKUP/defaultdb/checkpoint"
	run -1 immuadmin restore --yes --dbdir "$DATA" "$BACKUP"
	expect_text "defaultdb/checkpoint has another size"
}

@test "backups that were tampered with are refused and change nothing" {
	make_backup
	local before size at
	mkdir bad
	before=$(listing)
	size=$(stat -c %s "$BACKUP")
	for at in 1 $((size / 3)) $((size / 2)) $((size - 300)) $((size - 5)); do
		cp "$BACKUP" bad/a.tar.gz
		truncate -s "$at" bad/a.tar.gz
		run immuadmin restore --yes --dbdir "$DATA" bad/a.tar.gz
		[[ $status == 1 && ${#lines[@]} == 1 ]]
	done
	mkdir bad/x
	tar -xzf "$BACKUP" -C bad/x
	# A value that is altered, a file more, a file less, no manifest; each by whoever packs it again.
	printf '\1' | dd of=bad/x/data/defaultdb/00000000.log bs=1 seek=5000 conv=notrunc status=none
	tar -czf bad/a.tar.gz -C bad/x data
	run -1 immuadmin restore --yes --dbdir "$DATA" bad/a.tar.gz
	[[ $output == *"defaultdb/00000000.log has another content" ]]
	rm bad/x/data/defaultdb/00000000.log
	tar -czf bad/a.tar.gz -C bad/x data
	run -1 immuadmin restore --yes --dbdir "$DATA" bad/a.tar.gz
	[[ $output == *"defaultdb/00000000.log is missing" ]]
	rm bad/x/data/.immudb-manifest
	tar -czf bad/a.tar.gz -C bad/x data
	run -1 immuadmin restore --yes --dbdir "$DATA" bad/a.tar.gz
	expect_text "cut off"
	# Names and kinds that lead elsewhere.
	tar -czPf bad/a.tar.gz -C bad --transform 's,^,../,' x/data/immudb.sqlite
	run -1 immuadmin restore --yes --dbdir "$DATA" bad/a.tar.gz
	expect_text "it leads out of the folder"
	ln -s /etc bad/x/data/link
	tar -czf bad/a.tar.gz -C bad/x data
	run -1 immuadmin restore --yes --dbdir "$DATA" bad/a.tar.gz
	expect_text "is a link"
	echo "no archive" >bad/a.tar.gz
	run -1 immuadmin restore --yes --dbdir "$DATA" bad/a.tar.gz
	expect_text "unsupported format"
	run -1 immuadmin verify bad
	[[ $(listing) == "$before" ]]
	run -0 immuadmin verify "$DATA"
}

@test "a backup by hand with a damaged log is refused, and one whose manifest is of another state" {
	make_backup
	mkdir x y
	tar -xzf "$BACKUP" -C x
	rm x/data/.immudb-*
	tr 'b' 'B' <x/data/defaultdb/00000000.log >log
	cp log x/data/defaultdb/00000000.log
	run -1 immuadmin restore --yes --dbdir "$DATA" x/data
	expect_text "defaultdb"
	# The newest transactions are cut off, and the digests made anew: the states tell.
	tar -xzf "$BACKUP" -C y
	cp -r "$DATA/." y/data/
	rm y/data/immudb.lock y/data/immudb.pid 2>/dev/null || true
	{
		grep -v '^end \|^file ' y/data/.immudb-manifest
		(cd y/data && find . -type f ! -name '.immudb-*' -printf '%P\n' | LC_ALL=C sort |
			while IFS= read -r file; do
				echo "file $(stat -c %s "$file") $(sha256sum <"$file" | cut -d' ' -f1) $file"
			done)
	} >manifest
	echo "end $(sha256sum <manifest | cut -d' ' -f1)" >>manifest
	cp manifest y/data/.immudb-manifest
	run -10 immuadmin restore --yes --dbdir "$DATA" y/data
	expect_text "database defaultdb is not as it was saved: transaction 2 instead of 1"
	[[ ! -e $DATA.restoring ]]
}

# at N [VARIABLE=VALUE...] -- COMMAND...: the command with something happening at its call N.
at() {
	local n=$1 settings=()

	for (( ; ; )); do
		shift
		[[ $1 == -- ]] && break
		settings+=("$1")
	done
	shift
	env LD_PRELOAD="$TEST_BUILD/bin/at_call.so" AT_PROGRAM=immuadmin AT_CALL="$n" \
		AT_COUNT="$BATS_TEST_TMPDIR/count" "${settings[@]}" "$@"
}

@test "a restore that is killed anywhere leaves the old folder or the new one" {
	make_backup
	local n calls=1 old new state seen_old=0 seen_new=0
	state='immudb verify --states --output json data 2>/dev/null | grep defaultdb'
	old=$(eval "$state")
	for ((n = 1; n <= calls; n++)); do
		run at "$n" -- immuadmin restore --yes --dbdir data "$BACKUP"
		[[ -d data ]]
		if ((status == 0)); then
			calls=$(cat count)
			new=$(eval "$state")
			[[ $new != "$old" ]]
			break
		fi
		((status == 137 && n < 100))
		calls=$((n + 1))
		case $(eval "$state") in
		"$old")
			seen_old=$((seen_old + 1))
			[[ ! -e $(echo data_bkp_before_*) ]]
			;;
		*)
			seen_new=$((seen_new + 1))
			# The next run says what happened, and gives the old folder its name.
			run immuadmin restore --yes --dbdir data absent
			expect_status 3
			run at 0 -- immuadmin restore --yes --dbdir data "$BACKUP"
			expect_status 0
			if [[ $output == *"after it had replaced"* ]]; then
				run -0 immudb verify "$(sed -n 's/.* what was there before is //p' <<<"$output")"
			fi
			rm -rf data
			mv "$(find . -maxdepth 1 -name 'data_bkp_before_*' | sort | head -n 1)" data
			rm -rf data_bkp_before_*
			[[ $(eval "$state") == "$old" ]]
			;;
		esac
	done
	((seen_old >= 5 && seen_new >= 2))
	[[ ! -e data.restoring ]]
	run -0 immudb verify data
}

@test "a backup that is killed, interrupted, or whose target vanishes leaves no half of one" {
	start_saved
	mkdir to
	local rest=(--yes --password-file password --dbdir data --to to) calls tries=0
	run at 0 -- immuadmin backup "${rest[@]}"
	follow_server
	expect_status 0
	# The last calls are the sync of the archive, its name, and the sync of the folder.
	calls=$(($(cat count) - 2))
	rm to/*
	run at "$calls" "AT_DO=kill -TERM \$PPID" -- immuadmin backup "${rest[@]}"
	follow_server
	expect_status 130
	[[ -z $(ls to) ]]
	run -0 immuclient login immudb <<<"$PASSWORD"
	run at "$calls" "AT_DO=rm -r to" -- immuadmin backup "${rest[@]}"
	follow_server
	expect_status 1
	[[ ${#lines[@]} == 1 && $output == *"cannot make"*"No such file"* ]]
	run -0 immuclient login immudb <<<"$PASSWORD"
	mkdir to
	# A killed one cannot start the server again.
	run at "$calls" -- immuadmin backup "${rest[@]}"
	expect_status 137
	[[ $(ls to) == data_bkp_*.partial ]]
	run -0 immuadmin backup "${rest[@]}"
	expect_text "which a backup left that was killed"
	expect_text "no server runs on $DATA: it may have been stopped for the backup that was killed"
	[[ $(ls to) == data_bkp_*.tar.gz ]]
	# What it had started to read the folder, and has it locked, goes with it.
	run -0 at 0 AT_PROGRAM=immudb -- immudb verify --states data
	# shellcheck disable=SC2016 # for the shell that runs it
	run at "$(cat count)" AT_PROGRAM=immudb 'AT_DO=kill -KILL $(ps -o ppid= $PPID)
		for i in $(seq 100); do kill -0 $PPID || break; sleep 0.1; done' -- immuadmin backup "${rest[@]}"
	expect_status 137
	until run immudb verify data && [[ $output != *"in use"* ]]; do
		((++tries < 100))
	done
	expect_status 0
}

@test "a full target and a full disk are one line, and the server runs again" {
	as_printed '
		mkdir small
		mount -t tmpfs -o size=16k tmpfs small 2>/dev/null || { echo "no tmpfs"; exit 0; }
		./immudb --pidfile data/immudb.pid >out 2>&1 &
		"$WAIT" port 127.0.0.1 3322 60 $!
		./immuclient login immudb <<<immudb >/dev/null
		./immuclient set key "$(head -c 60000 /dev/urandom | base64 -w 0)" >/dev/null
		status=0
		./immuadmin backup --yes --to small <<<immudb >out2 2>&1 || status=$?
		cat out2
		((status == 1 && $(wc -l <out2) == 1))
		[[ -z $(ls small) ]]
		./immuclient login immudb <<<immudb >/dev/null
		./immuclient get key >/dev/null
		./immuadmin backup --yes <<<immudb
		kill -15 $(cat data/immudb.pid)
		while [[ -e data/immudb.pid ]]; do :; done
		mkdir small/data
		status=0
		./immuadmin restore --yes --dbdir small/data data_bkp_*.tar.gz >out2 2>&1 || status=$?
		cat out2
		((status == 1 && $(wc -l <out2) == 1))
		[[ $(ls small) == data ]]
		rm -r small/data
		status=0
		./immuadmin restore --yes --dbdir small data_bkp_*.tar.gz >out2 2>&1 || status=$?
		cat out2
		((status == 2))'
	[[ $output != "no tmpfs" ]] || skip_because needs-namespace "tmpfs cannot be mounted"
	expect_status 0
	expect_text "No space left on device"
	expect_text "is a mount point"
}

@test "a folder of somebody else is refused with both user ids" {
	make_backup
	if [[ $(id -u) != 0 ]]; then
		skip_because needs-root "only root can give a folder away"
	fi
	for_others immuadmin
	chown 12345 "$DATA"
	run -4 setpriv --reuid 12346 --clear-groups "$BATS_TEST_TMPDIR/immuadmin" restore --yes --dbdir data "$BACKUP" \
		--state-dir "$BATS_TEST_TMPDIR"
	expect_text "it has to be user id 12346, which runs this, and is user id 12345"
	# As root the new folder belongs to whom the old one did.
	run -0 immuadmin restore --yes --dbdir data "$BACKUP"
	[[ $(find data ! -uid 12345) == "" ]]
}

@test "auditors see a restore that was announced, and tell it from one that was not" {
	make_backup
	openssl ecparam -name prime256v1 -genkey -noout -out signing.key 2>/dev/null
	openssl ec -in signing.key -pubout -out signing.pub 2>/dev/null
	local audit=(--audit-password "$PASSWORD" --server-signing-pub-key signing.pub)
	start_server --signingKey signing.key
	run -0 audit_once "${audit[@]}"
	stop_server
	cp -a "$AUDIT_DIR" other
	run -0 immuadmin restore --yes --dbdir "$DATA" "$BACKUP"
	start_server --signingKey signing.key
	run -10 audit_once "${audit[@]}" --output json
	expect_text "rolled-back-announced"
	refute_text '"rolled-back"'
	refute_text '"forked"'
	stop_server
	# The same history put back by other means.
	rm -r "$DATA"
	tar -xzf "$BACKUP"
	start_server --signingKey signing.key
	AUDIT_DIR=$PWD/other
	run -10 audit_once "${audit[@]}" --output json
	refute_text "rolled-back-announced"
	expect_text '"rolled-back"'
}

@test "the states in a backup are signed, and a restore can ask for that" {
	make_backup
	local key
	for key in signing other; do
		openssl ecparam -name prime256v1 -genkey -noout -out "$key.key" 2>/dev/null
		openssl ec -in "$key.key" -pubout -out "$key.pub" 2>/dev/null
	done
	run -10 immuadmin restore --yes --dbdir "$DATA" --server-signing-pub-key signing.pub "$BACKUP"
	expect_text "is not signed"
	start_server --signingKey signing.key
	# A database that was replaced has its name still, and a folder of another one.
	local as=(--username immudb --password-file password)
	immuadmin "${as[@]}" hot-backup defaultdb -o hot.archive
	immuclient "${as[@]}" set lost soon
	immuadmin "${as[@]}" hot-restore defaultdb -i hot.archive --force
	[[ ! -e $DATA/defaultdb ]]
	save
	expect_status 0
	SERVER_PID=$(pgrep -f -- "--dir $DATA")
	stop_server
	run -10 immuadmin restore --yes --dbdir "$DATA" --server-signing-pub-key other.pub "$BACKUP"
	expect_text "is not signed by that key"
	[[ ! -e $DATA.restoring ]]
	run -0 immuadmin restore --yes --dbdir "$DATA" --server-signing-pub-key signing.pub "$BACKUP"
	run -0 immuadmin verify "$DATA"
	expect_text "database:     defaultdb"
}
