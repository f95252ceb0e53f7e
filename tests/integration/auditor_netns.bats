#!/usr/bin/env bats
# The auditor on another host than the server: two network namespaces, joined by a pair of virtual
# Ethernet devices with real addresses. Every port is free in there.
load helpers

readonly HOST_OF_SERVER=10.77.0.1 HOST_OF_AUDITOR=10.77.0.2
readonly SERVER_ADDRESS=$HOST_OF_SERVER:3322 METRICS=http://$HOST_OF_AUDITOR:9477/metrics

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	make_hosts || skip_because needs-namespace "no two network namespaces can be made and joined"
}

teardown() {
	local pid

	for pid in "${PID_OF_AUDITOR:-}" "${PID_OF_SERVER:-}" "${SPACE_OF_AUDITOR:-}" "${SPACE_OF_SERVER:-}"; do
		[[ -z $pid ]] || { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true
	done
	if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
		tail -n 12 server.log auditor.log metrics 2>/dev/null || true
	fi
}

# keep COMMAND...: a process that does nothing but keep the namespaces that COMMAND makes; sets SPACE.
keep() {
	"$@" setpriv --pdeathsig KILL sleep infinity </dev/null >space.log 2>&1 3>&- &
	SPACE=$!
	wait_for text "/proc/$SPACE/comm" '^sleep$' "$WAIT_SECONDS" "$SPACE"
}

# on_server COMMAND..., on_auditor COMMAND...: runs it on that host.
on_server() {
	"${ENTER_SERVER[@]}" "$@"
}

on_auditor() {
	"${ENTER_AUDITOR[@]}" "$@"
}

make_hosts() {
	local enter=(nsenter --user --net --preserve-credentials --target)

	command -v ip >/dev/null || return 1
	keep unshare --user --map-root-user --net -- || return 1
	SPACE_OF_SERVER=$SPACE ENTER_SERVER=("${enter[@]}" "$SPACE" --)
	keep "${ENTER_SERVER[@]}" unshare --net -- || return 1
	SPACE_OF_AUDITOR=$SPACE ENTER_AUDITOR=("${enter[@]}" "$SPACE" --)
	on_server ip link add to-auditor type veth peer name to-server netns "$SPACE_OF_AUDITOR" &&
		on_server ip address add "$HOST_OF_SERVER/24" dev to-auditor &&
		on_server ip link set to-auditor up && on_server ip link set lo up &&
		on_auditor ip address add "$HOST_OF_AUDITOR/24" dev to-server &&
		on_auditor ip link set to-server up && on_auditor ip link set lo up
}

# background LOG COMMAND...: in the background, until the test ends; sets PID.
background() {
	local log=$1

	shift
	"$@" >"$log" 2>&1 </dev/null 3>&- &
	PID=$!
}

# result: what the metrics say of the server, as a scraper on the auditor's host gets them.
result() {
	on_auditor curl -sS --max-time 5 "$METRICS" >metrics || return 1
	awk -v address="server_address=\"$SERVER_ADDRESS\"" \
		'/^immuclient_audit_result_per_server/ && index($0, address) { print $NF }' metrics
}

# expect_result WANTED: within the deadline; 0 would be an alarm, and is none at any time.
expect_result() {
	local by=$((SECONDS + WAIT_SECONDS)) now

	while now=$(result) || true; [[ $now != "$1" ]]; do
		if [[ $now == 0 ]] || ((SECONDS > by)); then
			echo "the result is ${now:-not there}, expected $1"
			return 1
		fi
		! wait_for exit "$PID_OF_AUDITOR" 0.2 || return 1
	done
}

@test "an auditor on another host: ok, unreachable while the link is cut, ok again" {
	background server.log "${ENTER_SERVER[@]}" setpriv --pdeathsig KILL immudb --dir data \
		--address 0.0.0.0 --metrics-address 127.0.0.1
	PID_OF_SERVER=$PID
	wait_for text server.log '^Ready' "$WAIT_SECONDS" "$PID_OF_SERVER"
	on_server immuclient login immudb <<<immudb
	on_server immuadmin login immudb <<<immudb
	on_server immuadmin user create auditor read <<<Auditor-1
	on_server immuclient set key value
	echo Auditor-1 >password
	background auditor.log "${ENTER_AUDITOR[@]}" setpriv --pdeathsig KILL auditor \
		--immudb-address "$HOST_OF_SERVER" --dir audit --audit-username auditor \
		--audit-password-file password --audit-interval 1s --timeout 10s \
		--audit-monitoring-host "$HOST_OF_AUDITOR"
	PID_OF_AUDITOR=$PID
	expect_result 1
	on_server immuclient set key "another value"
	expect_result 1

	on_server ip link set to-auditor down
	expect_result -2
	grep -q 'audit_verdict{.*db="defaultdb",verdict="unreachable"} 1$' metrics
	on_server immuclient set key "written meanwhile"
	on_server ip link set to-auditor up
	expect_result 1
	grep -q '^immuclient_audit_curr_root_per_server.* 3$' metrics
	refute_text "tamper" "$(<auditor.log)"
}
