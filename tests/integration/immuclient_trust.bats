#!/usr/bin/env bats
# What this user trusts, and proofs for those who have no server.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# flip_byte FILE OFFSET: changes one byte.
flip_byte() {
	local byte

	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the escape is the format
	printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "a proof is checked without a server" {
	openssl ecparam -name prime256v1 -genkey -noout -out key.pem
	openssl ec -in key.pem -pubout -out key.pub 2>/dev/null
	chmod 600 key.pem
	start_server --signingKey key.pem
	login_admin
	immuclient set other value
	run -0 immuclient safeset k v --proof set.proof
	run -0 immuclient safeget k --proof get.proof
	immuclient reference r k
	run -0 immuclient safeget r --proof reference.proof
	run -0 immuclient safetx 2 --proof tx.proof
	stop_server
	for proof in set get reference tx; do
		run -0 immuclient verify "$proof.proof" --server-signing-pub-key key.pub
		expect_text "verified:"
		# A reader that was written from PROOF_FORMAT.md alone says the same, and takes no change.
		run -0 python3 "$BATS_TEST_DIRNAME/proof_reader.py" change "$proof.proof" key.pub
		expect_text "none holds"
	done
	run -0 --separate-stderr immuclient verify get.proof
	expect_golden verify.txt
	run -0 --separate-stderr immuclient --output json verify tx.proof
	[[ $(jq -r .verified <<<"$output") == true ]]
	openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout -out another.pub 2>/dev/null
	run -10 immuclient verify get.proof --server-signing-pub-key another.pub
	run -1 python3 "$BATS_TEST_DIRNAME/proof_reader.py" check get.proof another.pub
	expect_text "signature by another key"
	run -10 immuclient verify get.proof --server nosuchserver00000000
	run -3 immuclient verify nosuch.proof
	# What is no proof has nothing to show.
	run -1 immuclient verify key.pub
	[[ $output == "immuclient: key.pub: "*"not an offline proof"* ]]
	run ! immuclient verify key.pub
}

@test "any changed byte of a proof is noticed, and named" {
	start_server
	login_admin
	immuclient safeset k v --proof good.proof
	stop_server
	local size
	size=$(stat -c %s good.proof)
	for ((at = 0; at < size; at += $(rounds 37 1))); do
		cp good.proof bad.proof
		flip_byte bad.proof "$at"
		run immuclient verify bad.proof
		[[ $status == 10 || $status == 1 ]] || {
			echo "byte $at: status $status"
			echo "$output"
			return 1
		}
		refute_text "verified:   true"
	done
	head -c $((size - 1)) good.proof >short.proof
	run ! immuclient verify short.proof
	run -0 immuclient verify good.proof
}

@test "trusted states are listed, moved and forgotten" {
	start_server
	login_admin
	immuclient safeset k v
	run -0 immuclient trust list
	expect_text defaultdb
	run -0 immuclient trust show defaultdb
	expect_golden trust-show.txt
	immuclient trust export defaultdb >state
	run -3 immuclient trust show nosuch
	immuclient trust import state
	run -0 immuclient trust forget defaultdb
	run -3 immuclient trust show defaultdb
	run -0 immuclient trust import state
	run -0 immuclient safeget k
	expect_text "verified"
	flip_byte state 40
	run -10 immuclient trust import state
}

@test "the way on after a legitimate restore" {
	start_server
	login_admin
	immuclient safeset k v1
	stop_server
	cp -r data backup
	start_server
	immuclient --username immudb --password immudb safeset k v2
	stop_server
	rm -rf data
	mv backup data
	start_server
	run -10 immuclient --username immudb --password immudb safeget k
	refute_text "verified:"
	immuclient trust export defaultdb --server "127.0.0.1:$PORT" >before || true
	local server
	server=$(immuclient --output json trust list | jq -r '[.[] | select(.database == "defaultdb")][0].server')
	run -0 immuclient trust forget defaultdb --server "$server"
	run -0 immuclient --value-only --username immudb --password immudb safeget k
	expect_text v1
}
