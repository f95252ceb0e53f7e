#!/usr/bin/env bats
# Auditors that compare notes. A server is stopped, its data copied, and both copies serve on with the same
# identity and signing key but other transactions: each auditor sees one of the two histories, and each
# of them is good in itself.
load helpers

# Made once: the folders common, of 3 transactions, and one and two, of 2 more of each one's own; and keys.
setup_file() {
	private_home "$BATS_FILE_TMPDIR"
	cd "$BATS_FILE_TMPDIR" || return 1
	openssl ecparam -name prime256v1 -genkey -noout -out key.pem 2>/dev/null
	openssl ec -in key.pem -pubout -out key.pub 2>/dev/null
	openssl ecparam -name prime256v1 -genkey -noout -out other.pem 2>/dev/null
	openssl ec -in other.pem -pubout -out other.pub 2>/dev/null
	echo Auditor-1 >password
	start_copy one
	immuadmin login immudb <<<immudb >/dev/null
	immuadmin user create auditor read <password >/dev/null
	write "$PORT" common 3
	stop_server
	cp -a one two
	cp -a one common
	local name
	for name in one two; do
		start_copy "$name"
		write "$PORT" "$name" 2
		stop_server
	done
}

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	cp "$BATS_FILE_TMPDIR"/{*.pem,*.pub,password} .
	PIDS=()
}

teardown() {
	drop_server
	((${#PIDS[@]} == 0)) || { kill -KILL "${PIDS[@]}"; wait "${PIDS[@]}"; } 2>/dev/null || true
	if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
		tail -n 5 -- *.log || true
	fi
}

# start_copy NAME: the server over the folder NAME; its port goes to PORT.
start_copy() {
	DATA=$PWD/$1 SERVER_LOG=$PWD/$1.log
	start_server --signingKey key.pem
	PIDS+=("$SERVER_PID")
}

# write PORT PREFIX N: N transactions.
write() {
	local i

	immuclient login --immudb-port "$1" immudb <<<immudb >/dev/null
	for ((i = 1; i <= $3; i++)); do
		immuclient set --immudb-port "$1" "$2$i" "value $i" >/dev/null
	done
}

# start_history NAME: that history; its port goes to PORT_NAME.
start_history() {
	cp -a "$BATS_FILE_TMPDIR/$1" .
	start_copy "$1"
	printf -v "PORT_$1" %s "$PORT"
}

# start_auditor NAME PORT [OPTION...]: an auditor of the server at PORT. Where it serves metrics and peers
# is in the variables NAME_web and NAME_peer.
start_auditor() {
	local name=$1 port=$2 try web pid

	shift 2
	for ((try = 0; try < START_TRIES; try++)); do
		web=$(wait_for free-ports 1)
		: >"$name.log"
		setpriv --pdeathsig KILL auditor --dir "audit-$name" --immudb-address 127.0.0.1 \
			--immudb-port "$port" --audit-username auditor \
			--audit-password-file password --audit-interval 1s \
			--audit-monitoring-host 127.0.0.1 --audit-monitoring-port "$web" \
			--peer-listen 127.0.0.1:0 "$@" >"$name.log" 2>&1 </dev/null 3>&- &
		pid=$!
		if wait_for text "$name.log" 'may ask on port' "$WAIT_SECONDS" "$pid"; then
			PIDS+=("$pid")
			printf -v "${name}_pid" %s "$pid"
			printf -v "${name}_web" %s "$web"
			printf -v "${name}_peer" %s \
				"$(sed -nE 's/^Other auditors may ask on port //p' "$name.log")"
			return 0
		fi
		grep -qi 'in use' "$name.log" || return 1
	done
	return 1
}

# verdict_of NAME: of the auditor, on defaultdb.
verdict_of() {
	local web=${1}_web

	curl -sS --max-time 5 "http://127.0.0.1:${!web}/lastaudit" >"$1.json" &&
		jq -r '.databases[] | select(.Database == "defaultdb").Verdict' "$1.json"
}

# forget NAME: what that auditor trusts of defaultdb.
forget() {
	auditor trust forget defaultdb --dir "audit-$1" --immudb-address 127.0.0.1 \
		--immudb-port "$PORT_one"
}

# metric_of NAME METRIC: its first value.
metric_of() {
	local web=${1}_web

	curl -sS --max-time 5 "http://127.0.0.1:${!web}/metrics" |
		awk -v name="immuclient_audit_$2{" 'index($0, name) == 1 { print $NF }'
}

# wait_until COMMAND WANTED: the command prints that within the deadline.
wait_until() {
	local by=$((SECONDS + WAIT_SECONDS)) now

	while now=$($1) || true; [[ $now != "$2" ]]; do
		if ((SECONDS > by)); then
			echo "$1: $now, expected $2"
			return 1
		fi
		wait_for file nothing 0.1 || true
	done
}

# rounds_of NAME COUNT: waits for so many more exchanges, each of them at the beginning of a round.
rounds_of() {
	local enough by=$((SECONDS + WAIT_SECONDS))

	enough=$(($(metric_of "$1" peer_exchanges_total) + $2))
	while (($(metric_of "$1" peer_exchanges_total) < enough)); do
		((SECONDS <= by)) || return 1
		wait_for file nothing 0.1 || true
	done
}

# evidence_of NAME: the path of its evidence.
evidence_of() {
	printf 'audit-%s/evidence/%s\n' "$1" "$(
		jq -r '.databases[] | select(.Database == "defaultdb").EvidenceFile' "$1.json"
	)"
}

# expect_evidence NAME VERDICT WORTH: its evidence shows that to whoever has the public key; signed is worth
# most: the server has signed both sides of a contradiction.
expect_evidence() {
	local evidence

	evidence=$(evidence_of "$1")
	mkdir -p "$1-stranger"
	cp "$evidence" "$1-stranger/evidence.proof"
	(
		cd "$1-stranger" || exit
		private_home "$PWD"
		run -0 auditor verify evidence.proof --server-signing-pub-key ../key.pub
		expect_text "$2"
		[[ $output =~ worth:\ +"$3" ]]
		[[ $(python3 "$BATS_TEST_DIRNAME/proof_reader.py" check evidence.proof ../key.pub) == "$3" ]]
		run -0 immuclient verify evidence.proof --server-signing-pub-key ../key.pub
		expect_text "$2"
		# By another key, or with one byte changed, it shows nothing.
		run -10 auditor verify evidence.proof --server-signing-pub-key ../other.pub
		printf '\xff' | dd of=evidence.proof bs=1 seek=200 conv=notrunc status=none
		run -10 auditor verify evidence.proof --server-signing-pub-key ../key.pub
	)
}

@test "two histories of one server: forked for both auditors, though only one asks, and it can be shown" {
	start_history one
	start_history two
	start_auditor here "$PORT_one" --server-signing-pub-key key.pub
	wait_until "verdict_of here" ok
	start_auditor there "$PORT_two" --server-signing-pub-key key.pub \
		--peer "127.0.0.1:$here_peer"
	wait_until "verdict_of there" forked
	wait_until "verdict_of here" forked
	[[ $(metric_of here result_per_server) == 0 && $(metric_of there result_per_server) == 0 ]]
	expect_evidence here forked signed
	expect_evidence there forked signed
	grep -q "forked.*peer 127.0.0.1" here.log
	grep -q "forked.*peer 127.0.0.1:$here_peer" there.log
}

@test "the shorter history: whoever holds the contradiction shows it, and both say forked" {
	start_history one
	start_history two
	write "$PORT_two" longer 3
	start_auditor here "$PORT_one" --server-signing-pub-key key.pub
	wait_until "verdict_of here" ok
	start_auditor there "$PORT_two" --server-signing-pub-key key.pub \
		--peer "127.0.0.1:$here_peer"
	wait_until "verdict_of there" forked
	expect_evidence there forked signed
	# Its server stays at 5 and never shows more than that; the other's has 8.
	wait_until "verdict_of here" forked
	[[ $(metric_of here result_per_server) == 0 ]]
	expect_evidence here forked signed
	auditor verify --output json "$(evidence_of here)" >shown.json
	[[ $(jq -r '"\(.trusted.tx) \(.seen.tx)"' shown.json) == "5 8" ]]
	auditor verify --output json "$(evidence_of there)" >shown.json
	[[ $(jq -r '"\(.trusted.tx) \(.seen.tx)"' shown.json) == "5 8" ]]
	grep -q "forked.*the server has signed two histories, as peer 127.0.0.1 shows" here.log
	# Shown to a third one, too, whose server is behind both; it is the one that asks here.
	start_history common
	start_auditor third "$PORT" --server-signing-pub-key key.pub --peer "127.0.0.1:$there_peer"
	wait_until "verdict_of third" forked
	expect_evidence third forked signed
}

@test "without a key, another hash for the same transaction is told" {
	start_history one
	start_history two
	start_auditor here "$PORT_one"
	start_auditor there "$PORT_two" --peer "127.0.0.1:$here_peer"
	wait_until "verdict_of there" forked
	wait_until "verdict_of here" forked
}

@test "auditors of one history have nothing to say, however far each of them is" {
	start_history one
	start_auditor here "$PORT_one" --server-signing-pub-key key.pub --audit-interval 1h
	wait_until "verdict_of here" first-seen
	write "$PORT_one" more 3
	start_auditor there "$PORT_one" --server-signing-pub-key key.pub \
		--peer "127.0.0.1:$here_peer"
	wait_until "verdict_of there" ok
	write "$PORT_one" again 2
	rounds_of there 3
	[[ $(verdict_of there) == ok && $(verdict_of here) == first-seen ]]
	[[ $(metric_of here peer_requests_total) != 0 && $(metric_of there peer_claims_total) != 0 ]]
	[[ $(metric_of there peer_failures_total) == 0 ]]
}

# start_liar TX [SIGNATURE]: its port goes to LIAR.
start_liar() {
	mkfifo liar.in
	setpriv --pdeathsig KILL "$BATS_TEST_DIRNAME/lying_peer.py" defaultdb "$@" \
		<>liar.in >liar.log 2>&1 3>&- &
	PIDS+=($!)
	wait_for file liar.log "$WAIT_SECONDS" $!
	LIAR=$(head -n 1 liar.log)
}

@test "a peer that makes up a state is not believed when there is a key" {
	start_history one
	# A signature as long as one, of nothing; about what the server has, and what it has not.
	start_liar 2 "$(openssl dgst -sha256 -sign other.pem key.pub | od -An -v -tx1 | tr -d ' \n')"
	start_auditor here "$PORT_one" --server-signing-pub-key key.pub --peer "127.0.0.1:$LIAR"
	wait_until "verdict_of here" ok
	rounds_of here 2
	grep -q asked liar.log
	[[ $(verdict_of here) == ok ]]
	grep -q "not signed by a key" here.log
	[[ $(metric_of here peer_failures_total) == 0 ]]
}

@test "a peer that claims what the server does not have yet is not believed without a key" {
	start_history one
	start_liar 1000000
	start_auditor here "$PORT_one" --peer "127.0.0.1:$LIAR"
	wait_until "verdict_of here" ok
	rounds_of here 2
	grep -q asked liar.log
	[[ $(verdict_of here) == ok ]]
}

@test "after a restore that was meant, an auditor that remembers reminds the others" {
	start_history one
	start_auditor here "$PORT_one" --server-signing-pub-key key.pub
	start_auditor there "$PORT_one" --server-signing-pub-key key.pub --peer "127.0.0.1:$here_peer"
	wait_until "verdict_of here" ok
	wait_until "verdict_of there" ok
	kill "$there_pid"
	wait_for exit "$there_pid" "$WAIT_SECONDS"
	start_history common
	forget there
	start_auditor there "$PORT" --server-signing-pub-key key.pub --peer "127.0.0.1:$here_peer"
	wait_until "verdict_of there" rolled-back
	kill "$here_pid" "$there_pid"
	wait_for exit "$here_pid" "$WAIT_SECONDS"
	wait_for exit "$there_pid" "$WAIT_SECONDS"
	# It has an alarm, and nothing that it trusts.
	auditor ack --dir audit-there --reason "a restore that was meant"
	forget here
	start_auditor here "$PORT" --server-signing-pub-key key.pub
	start_auditor there "$PORT" --server-signing-pub-key key.pub --peer "127.0.0.1:$here_peer"
	wait_until "verdict_of here" ok
	wait_until "verdict_of there" ok
}
