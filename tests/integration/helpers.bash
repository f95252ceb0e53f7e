# shellcheck shell=bash disable=SC2154 # bats sets status and output
# What every bats file loads: a private home, the programs of the build under test, servers on free
# ports that cannot outlive the test, and comparisons with golden files.
#
# Variables a test may use after start_server: SERVER_PID, PORT, METRICS_PORT, DATA, SERVER_LOG; after
# start_auditor: AUDITOR_PID, AUDIT_PORT, AUDIT_DIR, AUDITOR_LOG.

bats_require_minimum_version 1.5.0

# Other users look into what some tests make.
umask 022

readonly WAIT_SECONDS=60
readonly START_TRIES=8

: "${TEST_SOURCE:=$(cd -- "$BATS_TEST_DIRNAME/../.." && pwd)}"
: "${TEST_BUILD:=$TEST_SOURCE/build/release}"
TEST_LONG=${IMMUDB_TEST_LONG:-${TEST_LONG:-}}
# The programs of administrators are in the path of every user only on some systems.
PATH=$TEST_BUILD/bin:$PATH:/usr/sbin:/sbin
export PATH TEST_BUILD TEST_SOURCE TEST_LONG LC_ALL=C.UTF-8 NO_COLOR=1

# wait_for WHAT ARGUMENT...: see the script.
wait_for() {
	"$BATS_TEST_DIRNAME/wait-for" "$@"
}

# private_home FOLDER: nothing of the caller's home or environment reaches the programs.
private_home() {
	local name

	for name in "${!IMMUDB_@}" "${!IMMUCLIENT_@}" "${!IMMUADMIN_@}" "${!AUDITOR_@}"; do
		unset "$name"
	done
	export HOME=$1/home XDG_STATE_HOME=$1/home/state XDG_CONFIG_HOME=$1/home/config
	mkdir -p "$HOME"
}

# launch COMMAND...: runs it in the background with its output in SERVER_LOG and sets SERVER_PID. It
# is killed by the kernel when the test's shell ends, however that happens.
launch() {
	: >"$SERVER_LOG"
	setpriv --pdeathsig KILL "$@" >"$SERVER_LOG" 2>&1 </dev/null 3>&- &
	SERVER_PID=$!
}

# start_server [OPTION...]: an immudb on free loopback ports over DATA, ready for connections.
start_server() {
	local try

	: "${DATA:=$BATS_TEST_TMPDIR/data}" "${SERVER_LOG:=$BATS_TEST_TMPDIR/server.log}"
	for ((try = 0; try < START_TRIES; try++)); do
		read -r PORT METRICS_PORT < <(wait_for free-ports 2)
		launch immudb --dir "$DATA" --address 127.0.0.1 --port "$PORT" \
			--metrics-address 127.0.0.1 --metrics-port "$METRICS_PORT" "$@"
		if wait_for text "$SERVER_LOG" '^Ready' "$WAIT_SECONDS" "$SERVER_PID"; then
			export IMMUCLIENT_IMMUDB_ADDRESS=127.0.0.1 IMMUCLIENT_IMMUDB_PORT=$PORT
			export IMMUADMIN_IMMUDB_ADDRESS=127.0.0.1 IMMUADMIN_IMMUDB_PORT=$PORT
			export IMMUADMIN_METRICS_PORT=$METRICS_PORT
			return 0
		fi
		# Between the choice of a free port and its use another process may have taken it.
		grep -qi 'in use' "$SERVER_LOG" || break
	done
	echo "immudb did not start; its output:"
	cat "$SERVER_LOG"
	return 1
}

# stop_server [SIGNAL]: stops it as an operator would and fails unless it ended in time and cleanly.
stop_server() {
	local pid=$SERVER_PID status=0

	SERVER_PID=
	kill "-${1:-TERM}" "$pid"
	if ! wait_for exit "$pid" "$WAIT_SECONDS"; then
		kill -KILL "$pid"
		echo "immudb did not stop"
		return 1
	fi
	wait "$pid" || status=$?
	[[ $status == 0 || $status == 127 ]] && return 0
	echo "immudb ended with status $status; its output:"
	cat "$SERVER_LOG"
	return 1
}

# drop_server: for teardown: whatever still runs is ended; the log is shown when the test failed.
drop_server() {
	if [[ -n ${SERVER_PID:-} ]]; then
		kill -KILL "$SERVER_PID" 2>/dev/null || true
		wait "$SERVER_PID" 2>/dev/null || true
		SERVER_PID=
	fi
	if [[ -z ${BATS_TEST_COMPLETED:-} && -s ${SERVER_LOG:-} ]]; then
		echo "last lines of ${SERVER_LOG##*/}:"
		tail -n 12 "$SERVER_LOG"
	fi
}

# drop_auditor: the same for an auditor.
drop_auditor() {
	if [[ -n ${AUDITOR_PID:-} ]]; then
		kill -KILL "$AUDITOR_PID" 2>/dev/null || true
		wait "$AUDITOR_PID" 2>/dev/null || true
		AUDITOR_PID=
	fi
	if [[ -z ${BATS_TEST_COMPLETED:-} && -s ${AUDITOR_LOG:-} ]]; then
		echo "last lines of ${AUDITOR_LOG##*/}:"
		tail -n 12 "$AUDITOR_LOG"
	fi
}

# start_auditor [OPTION...]: an auditor of the server on PORT, serving on a free loopback port, with a round
# every second and AUDIT_DIR as its folder.
start_auditor() {
	local try

	: "${AUDITOR_LOG:=$BATS_TEST_TMPDIR/auditor.log}"
	for ((try = 0; try < START_TRIES; try++)); do
		read -r AUDIT_PORT < <(wait_for free-ports 1)
		: >"$AUDITOR_LOG"
		setpriv --pdeathsig KILL auditor --immudb-port "$PORT" --dir "$AUDIT_DIR" \
			--audit-username immudb --audit-password immudb --audit-interval 1s \
			--audit-monitoring-host 127.0.0.1 --audit-monitoring-port "$AUDIT_PORT" \
			"$@" >"$AUDITOR_LOG" 2>&1 </dev/null 3>&- &
		AUDITOR_PID=$!
		wait_for text "$AUDITOR_LOG" '^Beginning to serve' "$WAIT_SECONDS" "$AUDITOR_PID" && return 0
		grep -qi 'in use' "$AUDITOR_LOG" || break
	done
	echo "the auditor did not start; its output:"
	cat "$AUDITOR_LOG"
	return 1
}

# start_auditor_as PROFILE PORT: one with that profile, serving there; folder and log are called PROFILE, too.
start_auditor_as() {
	setpriv --pdeathsig KILL auditor --profile "$1" --immudb-address 127.0.0.1 --immudb-port "$PORT" \
		--audit-username immudb --audit-password immudb --audit-interval 1s --dir "$PWD/$1" \
		--audit-monitoring-host 127.0.0.1 --audit-monitoring-port "$2" \
		>"$1.log" 2>&1 </dev/null 3>&- &
	wait_for port 127.0.0.1 "$2" "$WAIT_SECONDS" $!
}

# audit_once [OPTION...]: one round of an auditor with the same folder, for `run`.
audit_once() {
	auditor --once --immudb-port "$PORT" --dir "$AUDIT_DIR" --audit-username immudb \
		--audit-password immudb "$@"
}

# await_result VALUE [DATABASE]: waits until the auditor's metric of the server, or of a database, is VALUE.
await_result() {
	local family=server label=

	if [[ -n ${2:-} ]]; then
		family=database label=",db=\"$2\""
	fi
	wait_for metric "$AUDIT_PORT" "_audit_result_per_$family\\{.*$label\\} $1\$" "$WAIT_SECONDS" \
		"$AUDITOR_PID" && return 0
	echo "the auditor's result is not $1; the end of its log:"
	tail -n 20 "$AUDITOR_LOG"
	return 1
}

# stop_auditor: as stop_server.
stop_auditor() {
	local pid=$AUDITOR_PID status=0

	AUDITOR_PID=
	kill -TERM "$pid"
	if ! wait_for exit "$pid" "$WAIT_SECONDS"; then
		kill -KILL "$pid"
		echo "the auditor did not stop"
		return 1
	fi
	wait "$pid" || status=$?
	[[ $status == 0 || $status == 127 ]] && return 0
	echo "the auditor ended with status $status; its output:"
	cat "$AUDITOR_LOG"
	return 1
}

# login_admin: a stored session of the superadmin in this home.
login_admin() {
	immuclient login immudb <<<immudb >/dev/null
}

# The default set-up and tear-down; a file that needs another defines its own after loading this.
setup() {
	private_home "$BATS_TEST_TMPDIR"
	AUDIT_DIR=$BATS_TEST_TMPDIR/audit
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	drop_auditor
	drop_server
}

# expect_status N: compares the status of the last run and shows its output when it differs.
expect_status() {
	[[ $status == "$1" ]] && return 0
	printf 'status %s, expected %s; output:\n%s\n' "$status" "$1" "${output:0:2000}"
	return 1
}

# expect_text TEXT [WHERE]: the output (or the given text) contains TEXT.
expect_text() {
	local where=${2-$output}

	[[ $where == *"$1"* ]] && return 0
	printf 'expected to find: %s\nin: %s\n' "$1" "$where"
	return 1
}

# refute_text TEXT [WHERE]: the opposite.
refute_text() {
	local where=${2-$output}

	[[ $where != *"$1"* ]] && return 0
	printf 'did not expect: %s\nin: %s\n' "$1" "$where"
	return 1
}

# stable: hides what differs from run to run: digests, server identities, times, ports and the folder
# of the test.
stable() {
	sed -E -e 's/[0-9a-f]{64}/<hash>/g' \
		-e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/<time>/g' \
		-e 's/\b[0-9a-v]{20}\b/<identity>/g' \
		-e "s/\\b${PORT:-none}\\b/<port>/g" \
		-e "s#$BATS_TEST_TMPDIR#<folder>#g"
}

# expect_golden NAME: the output equals tests/golden/NAME; GOLDEN_UPDATE=1 writes it instead.
expect_golden() {
	local file=$TEST_SOURCE/tests/golden/$1 difference

	if [[ ${GOLDEN_UPDATE:-} == 1 ]]; then
		stable <<<"$output" >"$file"
		return 0
	fi
	difference=$(diff -u "$file" <(stable <<<"$output")) && return 0
	printf 'differs from golden/%s:\n%s\n' "$1" "$difference"
	return 1
}

# skip_because REASON TEXT: REASON is one of tests/skip-reasons.txt.
skip_because() {
	skip "$1, $2"
}

# for_others PROGRAM: copies it into the folder of the test, where other users reach it.
for_others() {
	chmod 0755 "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "$BATS_TEST_TMPDIR"
	cp "$TEST_BUILD/bin/$1" "$BATS_TEST_TMPDIR"
	setpriv --reuid 65534 --clear-groups test -x "$BATS_TEST_TMPDIR/$1" ||
		skip_because needs-root "another user does not reach the temporary folder"
}

# need_ipv6: skips the case on a machine without an IPv6 loopback address.
need_ipv6() {
	grep -qs '^0\{31\}1 ' /proc/net/if_inet6 || skip_because needs-ipv6 "no ::1"
}

# as_printed SCRIPT: runs a bash script in a network and a process space of its own, so that the
# command lines of a document run exactly as printed, on their fixed ports, and nothing stays behind.
# WAIT is the wait-for script; ./immudb and ./immuclient are in the working folder.
as_printed() {
	local shell=(unshare --user --map-root-user --net --pid --fork --mount-proc --kill-child)

	"${shell[@]}" true 2>/dev/null || skip_because needs-namespace "unshare failed"
	ln -sf "$TEST_BUILD/bin/"{immudb,immuclient,immuadmin} .
	WAIT=$BATS_TEST_DIRNAME/wait-for run "${shell[@]}" bash -euo pipefail -c \
		"\"\$WAIT\" loopback; $1" 3>&- </dev/null
}

# rounds SHORT LONG: how often to repeat something: LONG under tests/run --long.
rounds() {
	[[ $TEST_LONG == 1 ]] && echo "$2" || echo "$1"
}
