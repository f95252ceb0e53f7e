#!/usr/bin/env bats
# The service units of an installation: systemd finds them sound and well shut in, the programs take the
# command lines, and the log is found where logrotate looks for it.
load helpers

readonly SERVICES=(immudb immugw immudb-auditor)

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	cmake --install "$TEST_BUILD" --prefix "$PWD/prefix" >install.log
	UNITS=$PWD/prefix/lib/systemd/system
	mkdir units
	for name in "${SERVICES[@]}"; do
		sed -E "s|^ExecStart=[^ ]*/|ExecStart=$TEST_BUILD/bin/|" "$UNITS/$name.service" >"units/$name.service"
	done
}

# exposure UNIT: what systemd-analyze gives it, in tenths.
exposure() {
	systemd-analyze security --offline=true "$1" 2>/dev/null |
		sed -nE 's/.*exposure level for [^:]*: ([0-9]+)\.([0-9]).*/\1\2/p'
}

@test "the units are sound, and shut in" {
	command -v systemd-analyze >/dev/null || skip_because needs-systemd "it is in the package systemd"
	local name

	for name in "${SERVICES[@]}"; do
		run systemd-analyze verify --man=no --recursive-errors=no "units/$name.service"
		[[ $status -eq 0 && $output != *"$name.service"* ]]
		[[ $(exposure "units/$name.service") -le 20 ]]
	done
	# Both checks can fail.
	sed '/^ProtectSystem=/,$d' units/immudb.service >units/open.service
	[[ $(exposure units/open.service) -gt 20 ]]
	sed 's/^Type=/Tipe=/' units/immudb.service >units/wrong.service
	run systemd-analyze verify --man=no --recursive-errors=no units/wrong.service
	[[ $output == *Tipe* ]]
}

@test "the user of the units is made" {
	command -v systemd-sysusers >/dev/null || skip_because needs-systemd "it is in the package systemd"
	local name

	[[ $EUID -eq 0 ]] || skip_because needs-root "accounts belong to root"
	mkdir -p root/etc
	run -0 systemd-sysusers --root="$PWD/root" "$PWD/prefix/lib/sysusers.d/immu.conf"
	grep -q '^immu:.*:/var/lib/immudb:.*nologin$' root/etc/passwd
	grep -q '^immu:' root/etc/group
	for name in "${SERVICES[@]}"; do
		grep -qx "User=immu" "units/$name.service"
	done
}

@test "the programs take the command lines of the units" {
	local name line

	for name in "${SERVICES[@]}"; do
		line=$(sed -n 's/^ExecStart=//p' "units/$name.service")
		# shellcheck disable=SC2086 # a command line
		run -0 $line --print-config
		[[ $output == *"dir = \"/var/lib/$name\"  # flag --dir"* ]]
		[[ $output == *"logfile = \"/var/log/$name/"*".log\""* ]]
		grep -qx "StateDirectory=$name" "units/$name.service"
		grep -qx "LogsDirectory=$name" "units/$name.service"
		grep -qF "/var/log/$name/*.log {" prefix/share/immudb/logrotate.d/immudb
		# What opens the log again, and reloads nothing.
		grep -qF -- "--signal=USR1 --kill-whom=main $name.service" prefix/share/immudb/logrotate.d/immudb
		grep -qx "WatchdogSec=60" "units/$name.service"
		# A small Debian has a shell, but no program kill.
		run -0 sed -n 's/^ExecReload=//p' "units/$name.service"
		# shellcheck disable=SC2016 # systemd's variable, not ours
		expect_text '/bin/sh -c "kill -HUP ${MAINPID}"'
	done
	run ! "$TEST_BUILD/bin/immudb" --dirr /var/lib/immudb --print-config
}

@test "the server becomes ready and stops under the unit's command line" {
	local line

	line=$(sed -n "s|/var/|$PWD/var/|g; s/^ExecStart=//p" units/immudb.service)
	mkdir -p var/lib/immudb var/log/immudb
	read -r PORT METRICS_PORT < <(wait_for free-ports 2)
	SERVER_LOG=$PWD/out
	# shellcheck disable=SC2086 # a command line
	launch $line --address 127.0.0.1 --port "$PORT" --metrics-address 127.0.0.1 --metrics-port "$METRICS_PORT"
	wait_for port 127.0.0.1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
	wait_for file var/log/immudb/immudb.log "$WAIT_SECONDS" "$SERVER_PID"
	[[ $(<var/lib/immudb/immudb.pid) == "$SERVER_PID" ]]
	kill -TERM "$SERVER_PID"
	wait "$SERVER_PID"
	[[ ! -e var/lib/immudb/immudb.pid ]]
}
