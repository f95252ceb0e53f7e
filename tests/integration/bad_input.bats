#!/usr/bin/env bats
# What immudb does when what it is given is wrong: one clear line with the name, and nothing lost.
load helpers

teardown() {
	drop_server
	[[ -z ${open_folder:-} ]] || rm -rf "$open_folder"
}

# refused TEXT...: the last run ended with one line of message (warnings aside) that has these words.
refused() {
	local word

	for word; do
		expect_text "$word"
	done
	refute_text "Sanitizer"
	refute_text "ssertion"
}

@test "a second server on the same folder" {
	start_server
	login_admin
	immuclient set k v
	read -r other < <(wait_for free-ports 1)
	run -1 immudb --dir "$DATA" --address 127.0.0.1 --port "$other" --metrics-port 0
	refused "$DATA" "in use"
	run -0 immuclient safeget k
	stop_server
}

@test "a port in use" {
	start_server
	run -1 immudb --dir other --address 127.0.0.1 --port "$PORT" --metrics-port 0
	refused "$PORT" "in use"
	read -r free < <(wait_for free-ports 1)
	run -1 immudb --dir other --address 127.0.0.1 --port "$free" \
		--metrics-address 127.0.0.1 --metrics-port "$METRICS_PORT"
	refused "$METRICS_PORT" "in use"
	stop_server
}

@test "an address that is not ours or not one at all" {
	run -1 immudb --dir data --address 192.0.2.1 --port 0 --metrics-port 0
	refused "192.0.2.1"
	run ! immudb --dir data --address 'no such host' --port 0 --metrics-port 0
	refused "no such host"
}

@test "a file where the folder should be" {
	echo precious >data
	run -1 immudb --dir data --port 0 --metrics-port 0
	refused "data"
	[[ $(<data) == precious ]]
}

@test "a folder that may not be written" {
	local as_other=(env)
	open_folder=$(mktemp -d "${TMPDIR:-/tmp}/immudb-test.XXXXXX")
	chmod 0755 "$open_folder"
	cp "$TEST_BUILD/bin/immudb" "$open_folder"
	mkdir -m 0555 "$open_folder/readonly"
	[[ $(id -u) != 0 ]] || as_other=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	"${as_other[@]}" test -x "$open_folder/immudb" -a -x "$open_folder/readonly" ||
		skip_because needs-not-root "another user does not reach the temporary folder"
	run -1 "${as_other[@]}" "$open_folder/immudb" --dir "$open_folder/readonly/data" --port 0 \
		--metrics-port 0
	refused "readonly" "ermission denied"
}

# refused_to USER FOLDER FOUND PATH [OPTION...]: no daemon started by the user takes the folder, because PATH is of FOUND.
refused_to() {
	local user=$1 dir=$2 found=$3 path=$4 program text

	shift 4
	for program in immudb auditor immugw; do
		run -4 setpriv --reuid "$user" --regid "$user" --clear-groups \
			"$open_folder/$program" --dir "$dir" "$@"
		[[ ${#lines[@]} == 1 ]]
		text="wrong owner of $path: it has to be user id $user, which runs this, and is user id $found"
		[[ $output == "$program: $text: run it as that user, or give it the folder: chown -R $user $dir" ]]
	done
}

@test "a folder of somebody else: path, the user id that is wanted, and the one that is found" {
	[[ $(id -u) == 0 ]] || skip_because needs-root "only root can give a folder away"
	open_folder=$(mktemp -d "${TMPDIR:-/tmp}/immudb-test.XXXXXX")
	chmod 0755 "$open_folder"
	cp "$TEST_BUILD"/bin/{immudb,auditor,immugw} "$open_folder"
	setpriv --reuid 65534 --clear-groups test -x "$open_folder/immudb" ||
		skip_because needs-root "another user does not reach the temporary folder"
	local dir=$open_folder/data command
	mkdir -m 0700 "$dir"
	# Root's folder is not for others, theirs is not for root, in the background neither.
	refused_to 12346 "$dir" 0 "$dir"
	refused_to 12346 "$dir" 0 "$dir" --detached
	chown 12345 "$dir"
	refused_to 0 "$dir" 12345 "$dir"
	refused_to 12346 "$dir" 12345 "$dir"
	[[ -z $(ls "$dir") ]]
	for command in --once "ack --reason x" "trust import state" "trust forget defaultdb"; do
		# shellcheck disable=SC2086 # the words of a command
		run -4 auditor $command --dir "$dir"
		expect_text "wrong owner of $dir: it has to be user id 0, which runs this, and is user id 12345"
	done
	run -0 auditor status --dir "$dir"
	[[ -z $(ls "$dir") ]]
	# What root once left in it is named.
	touch "$dir"/{immudb.lock,auditor.lock,lock}
	run -4 setpriv --reuid 12345 --clear-groups "$open_folder/immudb" --dir "$dir"
	expect_text "wrong owner of $dir/immudb.lock: it has to be user id 12345"
	run -4 setpriv --reuid 12345 --clear-groups "$open_folder/auditor" --dir "$dir"
	expect_text "wrong owner of $dir/auditor.lock: it has to be user id 12345"
	run -4 setpriv --reuid 12345 --clear-groups "$open_folder/immugw" --dir "$dir"
	expect_text "wrong owner of $dir/lock: it has to be user id 12345"
	[[ $(ls "$dir") == $'auditor.lock\nimmudb.lock\nlock' ]]
	# Whose folder it is starts, and what it said to do is what helps.
	chown -R 12345 "$dir"
	rm "$dir"/*
	mkdir "$open_folder/as"
	printf '#!/bin/sh\nexec setpriv --reuid 12345 --clear-groups %s "$@"\n' "$open_folder/immudb" \
		>"$open_folder/as/immudb"
	chmod 0755 "$open_folder/as/immudb"
	DATA=$dir
	PATH=$open_folder/as:$PATH start_server
	stop_server
	[[ -z $(find "$dir" ! -user 12345) ]]
	# Root had one of its databases in hand.
	chown 0 "$dir/defaultdb"
	run -1 "$open_folder/as/immudb" --dir "$dir" --port 0 --metrics-port 0
	expect_text "wrong owner of $dir/defaultdb: it has to be user id 12345, which runs this, and is user id 0"
	refute_text "missing"
	chown 12345 "$dir/defaultdb"
	chown -R 0 "$dir"
	start_server
	stop_server
}

@test "configuration files" {
	printf 'port = 3322\nnosuchkey = 1\n' >bad.toml
	run -2 immudb --config bad.toml
	refused "bad.toml:2" "nosuchkey"
	printf 'port = 3322\nport: 1\n' >bad.toml
	run -2 immudb --config bad.toml
	refused "bad.toml:2"
	printf 'port = "many"\n' >bad.toml
	run -2 immudb --config bad.toml
	refused "bad.toml:1" "port"
	printf 'port: 3322\nnosuchkey: 1\n' >bad.yaml
	run -2 immudb --config bad.yaml
	refused "bad.yaml:2" "nosuchkey"
	printf 'port: [\n' >bad.yaml
	run -2 immudb --config bad.yaml
	refused "bad.yaml"
	run -2 immudb --config nosuch.toml
	refused "nosuch.toml"
	head -c 5000 /dev/urandom >bad.toml
	run -2 immudb --config bad.toml
	refused "bad.toml"
	[[ ! -e data ]]
}

@test "values of flags and environment" {
	run -2 immudb --max-recv-msg-size=-1
	refused "max-recv-msg-size"
	run -2 immudb --synced=perhaps
	refused "synced"
	IMMUDB_SYNCED=perhaps run -2 immudb
	refused "IMMUDB_SYNCED"
	run -2 immudb leftover
	refused "leftover"
	run -1 immudb --dir data --port 0 --metrics-port 0 --admin-password ''
	refused "assword"
}

@test "a name no database can have" {
	run ! immudb --dir data --port 0 --metrics-port 0 --dbname 'Not A Name'
	refused "Not A Name"
	run ! immudb --dir data --port 0 --metrics-port 0 --dbname systemdb
	refused "systemdb"
	run ! immudb --dir data --port 0 --metrics-port 0 --dbname ../escape
	refused "escape"
	[[ ! -e escape ]]
}

@test "keys and values that are too long, keys that repeat" {
	start_server
	login_admin
	local long
	long=$(printf 'k%.0s' {1..1024})
	run -1 immuclient set "$long" v
	refused "max key length exceeded"
	run -1 immuclient get "$long"
	refused "max key length exceeded"
	run -0 immuclient set k v
	stop_server
}

@test "revisions, limits and transactions that do not exist" {
	start_server
	login_admin
	immuclient set k v
	immuclient set other v
	immuclient set --expires-at 2001-01-01T00:00:00Z old v
	for revision in 2 99 -1 -99; do
		run -3 immuclient get "k@$revision"
		refused "invalid key revision number"
	done
	run -3 immuclient get old
	refused "key not found"
	run -3 immuclient reference r k --tx 2
	refused "key not found"
	run -3 immuclient reference r k --tx 99
	refused "tx not found"
	run -3 immuclient reference r old
	refused "key not found"
	run -3 immuclient tx 99
	refused "tx not found"
	run -2 immuclient scan --limit -1
	refused "limit"
	run -2 immuclient history k --offset x
	refused "offset"
	run -0 immuclient --value-only scan --limit 1000000
	[[ $output == $'v\nv' ]]
	stop_server
}

@test "keys with any bytes" {
	start_server
	login_admin
	# NUL, newline, a format, an escape sequence, what is no UTF-8.
	for key in 610062 0a 25732564 1b5b33316d c328ff; do
		run -0 immuclient --hex set "$key" "$key"
		run -0 immuclient --hex --value-only safeget "$key"
		[[ $output == "$key" ]]
		run -0 immuclient --hex zadd "$key" 1 "$key"
		for command in "get $key" "history $key" "zscan $key" scan; do
			# shellcheck disable=SC2086 # a command and its key
			run -0 immuclient --hex --output json $command
			jq -e . <<<"$output" >/dev/null
		done
	done
	run -0 immuclient --output json scan
	[[ $(jq '[.[] | .key // (.key_base64 | @base64d)] | length' <<<"$output") == 5 ]]
	stop_server
}
