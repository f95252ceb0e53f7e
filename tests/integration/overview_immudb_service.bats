#!/usr/bin/env bats
# The overview page, section "immudb service": the command lines as printed, and the places that it names.
load helpers
load services

@test "the service is installed, looked at, stopped and started as on the page" {
	as_installed '
		./immudb service install
		./immudb service status
		"$WAIT" port 127.0.0.1 3322 60
		stat -c "%a %U:%G %n" /etc/immudb/immudb.toml /var/lib/immudb /var/lib/immudb/immudb.pid \
			/var/log/immudb /var/log/immudb/immudb.log /usr/sbin/immudb
		echo "user $(ps -o user= -p "$(cat /var/lib/immudb/immudb.pid)")"
		./immudb service stop
		! ./immudb service status
		./immudb service start
		./immuadmin status
		./immudb service uninstall
		[[ ! -e /usr/sbin/immudb && -e /var/lib/immudb/immudb.sqlite ]]
		cat /run/systemctl.calls'
	expect_status 0
	expect_text "640 root:immu /etc/immudb/immudb.toml"
	expect_text "700 immu:immu /var/lib/immudb"
	expect_text "immu:immu /var/lib/immudb/immudb.pid"
	expect_text "750 immu:immu /var/log/immudb"
	expect_text "immu:immu /var/log/immudb/immudb.log"
	expect_text "755 root:root /usr/sbin/immudb"
	expect_text "user immu"
	expect_text "No data removed: they are in /var/lib/immudb"
	[[ $output == *daemon-reload*"enable immudb.service"*"restart immudb.service"* ]]
	[[ $output == *"stop immudb.service"*"start immudb.service"* ]]
	[[ $output == *"disable immudb.service"*daemon-reload ]]
}

@test "without root nothing is done, with one clear line" {
	[[ $EUID -eq 0 ]] || skip_because needs-root "the test becomes another user"
	for_others immudb
	for verb in install uninstall start stop restart; do
		run -4 setpriv --reuid 65534 --clear-groups "$BATS_TEST_TMPDIR/immudb" service "$verb"
		[[ $output == "immudb: you must have root user privileges. Possibly using 'sudo' command should help" ]]
	done
}

@test "a failing systemctl leaves nothing behind" {
	as_installed '
		systemd-sysusers "$(dirname "$STAND_IN")/../../packaging/systemd/immu.sysusers" 2>/dev/null
		sed -i "/^enable/d" /usr/bin/systemctl
		find /etc /usr/sbin /var/lib /var/log | sort >before
		! ./immudb service install
		find /etc /usr/sbin /var/lib /var/log | sort >after
		diff before after'
	expect_status 0
	expect_text "systemctl has failed: exit code 1"
}
