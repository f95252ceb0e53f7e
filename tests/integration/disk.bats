#!/usr/bin/env bats
# A disk that is full: writes are refused, reads and proofs go on, nothing acknowledged is lost, and
# writing goes on when there is space. The disk is a small tmpfs in a mount space of its own.
load helpers

@test "a full disk refuses writes, serves reads and recovers when there is space" {
	as_printed '
		mkdir data
		mount -t tmpfs -o size=32m tmpfs data 2>/dev/null || { echo "no tmpfs"; exit 0; }
		./immudb >out 2>&1 &
		server=$!
		"$WAIT" port 127.0.0.1 3322 60 $server
		./immuclient login immudb <<<immudb >/dev/null
		./immuclient safeset first value >/dev/null
		dd if=/dev/zero of=data/filler bs=64k status=none 2>/dev/null || true
		value=$(head -c 100000 /dev/zero | tr "\0" v)
		written=0
		while ./immuclient set "key$written" "$value" >/dev/null 2>err; do
			written=$((written + 1))
			((written < 1000)) || exit 7
		done
		cat err
		kill -0 $server
		./immuclient safeget first
		# A restore that has no room says so on one line, and leaves the database and no folder of its own.
		echo immudb >password
		ls data >before
		./immuadmin --username immudb --password-file password hot-backup defaultdb -o here.archive >/dev/null
		for how in new "defaultdb --force"; do
			./immuadmin --username immudb --password-file password hot-restore $how -i here.archive 2>err &&
				exit 8
			(($(wc -l <err) == 1)) && cat err || exit 9
		done
		ls data | cmp before -
		./immuclient safeget first
		((written == 0)) || ./immuclient --value-only safeget "key$((written - 1))" | cmp - <(echo "$value")
		rm data/filler
		for ((try = 0; try < 2000; try++)); do
			./immuclient set after space >/dev/null 2>&1 && break
		done
		((written == 0)) || ./immuclient --value-only safeget key0 | cmp - <(echo "$value")
		./immuclient safeget after
		kill -15 $server
		wait $server
		./immudb >out 2>&1 &
		server=$!
		"$WAIT" port 127.0.0.1 3322 60 $server
		./immuclient safeget after || ./immuclient login immudb <<<immudb
		./immuclient safeget first
		./immuclient safeget after
		kill -15 $server
		wait $server'
	[[ $output != "no tmpfs" ]] || skip_because needs-namespace "tmpfs cannot be mounted"
	expect_status 0
	expect_text "no space"
	expect_text "allocate: "
	expect_text "space"
}

@test "a disk too small to start on is one clear line" {
	as_printed '
		mkdir data
		mount -t tmpfs -o size=64k tmpfs data 2>/dev/null || { echo "no tmpfs"; exit 0; }
		status=0
		./immudb >out 2>&1 || status=$?
		tail -n 3 out
		((status == 1))'
	[[ $output != "no tmpfs" ]] || skip_because needs-namespace "tmpfs cannot be mounted"
	expect_status 0
	expect_text "pace"
}
