#!/usr/bin/env bats
# The service commands below a root, where no systemd runs: what is laid out, who owns it, what runs, what is
# kept, and what is refused.
load helpers
load services

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	# The services are another user's, who has to get here.
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/* "$BATS_TEST_TMPDIR"
	ROOT="$BATS_TEST_TMPDIR/it's a \"root\""
	mkdir -m 0755 "$ROOT"
	UNIT=$ROOT/etc/systemd/system/immudb.service
}

teardown() {
	"$TEST_BUILD/bin/immudb" service stop --root "$ROOT" >/dev/null 2>&1 || true
}

# install [FLAG...]: the service of immudb on a free port of loopback, PORT.
install() {
	read -r PORT < <(wait_for free-ports 1)
	immudb service install --root "$ROOT" --address 127.0.0.1 --port "$PORT" --metrics-port 0 "$@"
}

# listed: everything below the root but the lists of users.
listed() {
	find "$ROOT" -regextype posix-extended -not -regex '.*/etc/(\.pwd\.lock|passwd-?|g?shadow-?|group-?)' \
		-printf '%P %y %m %l\n' | sort
}

expect_mode() {
	[[ $(stat -c '%a' "$ROOT$2") == "$1" ]] || {
		stat "$ROOT$2"
		return 1
	}
}

@test "a service is laid out, started, restarted, stopped and removed" {
	local pid

	run -3 immudb service status --root "$ROOT"
	expect_text "Service is not installed"
	install
	expect_mode 755 /usr/sbin/immudb
	expect_mode 755 /etc/immudb
	expect_mode 640 /etc/immudb/immudb.toml
	expect_mode 700 /var/lib/immudb
	expect_mode 750 /var/log/immudb
	expect_mode 644 /etc/systemd/system/immudb.service
	grep -q '^ExecStart=/usr/sbin/immudb --dir /var/lib/immudb --pidfile' "$UNIT"
	cmp "$ROOT/usr/share/man/man8/immudb.8" <(immudb --print-man)
	cmp "$TEST_SOURCE/packaging/systemd/immudb.logrotate" "$ROOT/etc/logrotate.d/immudb"
	cmp "$TEST_SOURCE/packaging/systemd/immu.sysusers" "$ROOT/etc/sysusers.d/immu.conf"
	[[ $(readlink "$ROOT/etc/systemd/system/multi-user.target.wants/immudb.service") == "${UNIT#"$ROOT"}" ]]

	run -3 immudb service status --root "$ROOT"
	expect_text "state:   stopped"
	run -0 immudb service stop --root "$ROOT"
	immudb service start --root "$ROOT"
	run -0 immuclient --immudb-port "$PORT" info
	run -0 immudb service status --root "$ROOT" --output json
	pid=$(<"$ROOT/var/lib/immudb/immudb.pid")
	expect_text "\"state\": \"running\", \"pid\": $pid"
	if [[ $EUID -eq 0 ]]; then
		[[ $(stat -c '%u:%g' "/proc/$pid") == "$(sed -n 's/^immu:[^:]*:\([0-9]*:[0-9]*\):.*/\1/p' \
			"$ROOT/etc/passwd")" ]]
		grep -q '^Groups:[[:space:]]*$' "/proc/$pid/status"
	fi
	immudb service start --root "$ROOT"
	[[ $(<"$ROOT/var/lib/immudb/immudb.pid") == "$pid" ]]
	run -0 immuadmin service immudb restart --root "$ROOT" --time 1ms
	[[ $(<"$ROOT/var/lib/immudb/immudb.pid") != "$pid" ]]

	run -0 immudb service uninstall --root "$ROOT"
	expect_text "No data removed: they are in $ROOT/var/lib/immudb"
	[[ ! -e $UNIT && ! -e $ROOT/usr/sbin/immudb && ! -e $ROOT/etc/logrotate.d/immudb ]]
	[[ ! -e $ROOT/usr/share/man/man8/immudb.8 ]]
	[[ ! -e $ROOT/var/lib/immudb/immudb.pid && -e $ROOT/var/lib/immudb/immudb.sqlite ]]
	run -3 immudb service uninstall --root "$ROOT"

	# Installed again, it has the data and settings that it had.
	run -0 install --auth=false
	expect_text "are kept; those given now are not in it"
	run -0 immudb service uninstall --root "$ROOT" --erase-data
	expect_text "Data folder removed"
	[[ ! -e $ROOT/var/lib/immudb && ! -e $ROOT/var/log/immudb && ! -e $ROOT/etc/immudb ]]
}

@test "flags become settings, and what the unit says cannot be chosen" {
	echo geheim >pw
	mkdir -p keys
	install --admin-password-file pw --signingKey keys/private.key --token-expiry-time 60
	grep -qx 'admin-password = "enc:Z2VoZWlt"' "$ROOT/etc/immudb/immudb.toml"
	grep -qx "signingKey = \"$PWD/keys/private.key\"" "$ROOT/etc/immudb/immudb.toml"
	grep -qx 'token-expiry-time = 60' "$ROOT/etc/immudb/immudb.toml"
	grep -qx '# synced = true' "$ROOT/etc/immudb/immudb.toml"
	run -0 immudb --config "$ROOT/etc/immudb/immudb.toml" --print-config
	expect_text 'admin-password = "***"  # file'
	refute_text warning
	run -2 install --dir elsewhere
	expect_text "--dir cannot be chosen for a service: it is /var/lib/immudb"
	run -2 immudb service stop --root "$ROOT" --port 1
	expect_text 'only "service install" takes settings'
	# Settings that cannot be read keep nobody from stopping the service, and are told at the start.
	echo 'prot = 1' >>"$ROOT/etc/immudb/immudb.toml"
	run -0 immudb service stop --root "$ROOT"
	run -1 immudb service start --root "$ROOT"
	expect_text "unknown key prot"
	run -3 immudb service status --root "$ROOT"
}

@test "what is somebody else's is left alone" {
	local before outside=$BATS_TEST_TMPDIR/outside packaged

	mkdir -p "${UNIT%/*}" "$outside"
	printf '[Service]\nExecStart=/bin/true\n' >"$UNIT"
	before=$(listed)
	run -1 install
	expect_text "immudb.service was not made by \"service install\", and is left alone without --force"
	[[ $(listed) == "$before" ]]
	run -1 immudb service uninstall --root "$ROOT"
	expect_text "whoever made it"
	run -0 install --force
	grep -q '^ExecStart=/usr/sbin/immudb ' "$UNIT"
	run -0 immudb service uninstall --root "$ROOT" --erase-data

	# As the package puts it there: where its settings are, and how it is started.
	packaged=$ROOT/lib/systemd/system/immudb-auditor.service
	mkdir -p "${packaged%/*}"
	printf '[Service]\nExecStart=/usr/bin/auditor\n' >"$packaged"
	before=$(listed)
	run -1 immuclient audit-mode install --root "$ROOT" --audit-username watcher
	expect_text "put the settings into /etc/immudb/auditor.toml, and run \"systemctl enable --now immudb-auditor\""
	[[ $(listed) == "$before" ]]
	rm -r "${ROOT:?}/lib"

	mkdir -p "$ROOT/usr/sbin"
	echo theirs >"$ROOT/usr/sbin/immudb"
	run -1 install
	expect_text "usr/sbin/immudb was not put there"
	[[ $(<"$ROOT/usr/sbin/immudb") == theirs ]]
	rm "$ROOT/usr/sbin/immudb"

	# A file is not written through a link, and no link leads out.
	ln -s "$outside/unit" "$UNIT"
	run -1 install --force
	expect_text "immudb.service is a symbolic link"
	rm "$UNIT"
	mkdir -p "$ROOT/etc/immudb"
	ln -s "$outside/settings" "$ROOT/etc/immudb/immudb.toml"
	run -1 install --force
	expect_text "immudb.toml is a symbolic link"
	rm "$ROOT/etc/immudb/immudb.toml"
	rm -rf "${ROOT:?}/var"
	ln -s "$outside" "$ROOT/var"
	run ! install
	[[ -z $(ls "$outside") && ! -e $UNIT ]]
	rm "$ROOT/var"
}

@test "data are removed without following links" {
	local outside=$BATS_TEST_TMPDIR/outside

	mkdir "$outside"
	echo kept >"$outside/file"
	install
	ln -s "$outside" "$ROOT/var/lib/immudb/link"
	mkdir -p "$ROOT/var/lib/immudb/a/b"
	ln -s "$outside/file" "$ROOT/var/lib/immudb/a/b/link"
	run -0 immudb service uninstall --root "$ROOT" --erase-data --yes
	[[ ! -e $ROOT/var/lib/immudb && $(<"$outside/file") == kept ]]
	install
	rm -rf "$ROOT/var/lib/immudb"
	ln -s "$outside" "$ROOT/var/lib/immudb"
	run ! immudb service start --root "$ROOT"
	run ! immudb service uninstall --root "$ROOT" --erase-data
	[[ $(<"$outside/file") == kept && -e $UNIT ]]
}

@test "what fails in the middle is taken back" {
	local before

	install
	immudb service uninstall --root "$ROOT" --erase-data
	# The last step of all cannot be done.
	rmdir "$ROOT/etc/systemd/system/multi-user.target.wants"
	echo theirs >"$ROOT/etc/systemd/system/multi-user.target.wants"
	before=$(listed)
	run ! install
	[[ $(listed) == "$before" ]]
	# A unit that was ours is the same as before.
	rm "$ROOT/etc/systemd/system/multi-user.target.wants"
	install
	echo "# changed" >>"$UNIT"
	rm -r "$ROOT/etc/systemd/system/multi-user.target.wants"
	echo theirs >"$ROOT/etc/systemd/system/multi-user.target.wants"
	before=$(listed)
	run ! install
	[[ $(listed) == "$before" ]]
	grep -qx "# changed" "$UNIT"
}

@test "an installation that was killed is done again" {
	# The kernel ends it when the copy of the program grows beyond the limit.
	run ! bash -c 'ulimit -f 64 && "$@"' - immudb service install --root "$ROOT"
	[[ $status -gt 128 && -e $ROOT/usr/sbin/.immudb.new && ! -e $ROOT/usr/sbin/immudb ]]
	run -0 install
	[[ -x $ROOT/usr/sbin/immudb && ! -e $ROOT/usr/sbin/.immudb.new ]]
	run -0 immudb service uninstall --root "$ROOT" --erase-data
	[[ -z $(find "$ROOT" -name '.*' -not -name .pwd.lock) ]]
}

@test "a folder of another owner is not taken" {
	[[ $EUID -eq 0 ]] || skip_because needs-root "the test gives a folder away"
	mkdir -p "$ROOT/var/lib/immudb"
	chown 12345 "$ROOT/var/lib/immudb"
	run -1 install
	expect_text "var/lib/immudb belongs to uid 12345, but the service runs as uid"
	[[ ! -e $UNIT && ! -e $ROOT/usr/sbin/immudb ]]
}

@test "what an operator changes in a unit is followed, or refused" {
	install
	sed -i 's|^ExecStart=.*|ExecStart=/usr/sbin/immudb "--dir" /var/lib/immudb --pidfile=/var/lib/immudb/other.pid --logfile /var/log/immudb/immudb.log|' "$UNIT"
	run -0 immudb service start --root "$ROOT"
	[[ -s $ROOT/var/lib/immudb/other.pid ]]
	run -0 immudb service stop --root "$ROOT"
	[[ ! -e $ROOT/var/lib/immudb/other.pid ]]
	# shellcheck disable=SC2016 # systemd's variable, not ours
	sed -i 's|^ExecStart=.*|ExecStart=/usr/sbin/immudb $OPTIONS|' "$UNIT"
	run -1 immudb service start --root "$ROOT"
	expect_text "cannot be run without systemd"
	sed -i 's|^ExecStart=.*|ExecStart=/usr/sbin/immudb --dir /var/lib/immudb|' "$UNIT"
	run -1 immudb service start --root "$ROOT"
	expect_text "the unit has no --pidfile"
}

@test "a service that cannot start says why" {
	install
	launch_port=$PORT
	SERVER_LOG=$PWD/other.log DATA=$PWD/data
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$launch_port" --metrics-port 0
	wait_for port 127.0.0.1 "$launch_port" "$WAIT_SECONDS" "$SERVER_PID"
	run -1 immudb service start --root "$ROOT"
	expect_text "in use"
	run -3 immudb service status --root "$ROOT"
	drop_server
}

@test "the gateway has an auditor beside it, which stays as long as a service needs it" {
	run -0 immuadmin service immugw install --root "$ROOT"
	[[ -x $ROOT/usr/sbin/immugw && -x $ROOT/usr/sbin/auditor ]]
	echo geheim >pw
	run -0 immuclient audit-mode install --root "$ROOT" --audit-username watcher --audit-password-file pw \
		--audit-monitoring-port 0
	grep -qx 'audit-password = "enc:Z2VoZWlt"' "$ROOT/etc/immudb/auditor.toml"
	grep -qx 'audit-username = "watcher"' "$ROOT/etc/immudb/auditor.toml"
	run -0 immuclient audit-mode start --root "$ROOT"
	expect_text "Service immudb-auditor is running"
	run -0 immuclient audit-mode status --root "$ROOT"
	run -2 immuclient audit-mode restart --root "$ROOT" --audit-interval 1m
	expect_text "its settings are in /etc/immudb/auditor.toml"
	run -0 immuclient audit-mode uninstall --root "$ROOT"
	[[ ! -e $ROOT/etc/systemd/system/immudb-auditor.service && -x $ROOT/usr/sbin/auditor ]]
	[[ -e $ROOT/etc/logrotate.d/immudb ]]
	run -0 immuadmin service immugw uninstall --root "$ROOT" --yes
	[[ ! -e $ROOT/usr/sbin/immugw && ! -e $ROOT/usr/sbin/auditor && ! -e $ROOT/etc/logrotate.d/immudb ]]
}

@test "the command says what verbs there are, and where systemd does not run" {
	run -2 immudb service
	expect_text "required a command name. Available list is [install uninstall start stop restart status]"
	run -2 immugw service instal
	expect_text "invalid command argument specified: instal. Available list is [install "
	run -1 immudb service install --root "$ROOT/missing"
	expect_text "No such file or directory"
	[[ -d /run/systemd/system || $EUID -ne 0 ]] && return
	run -2 immudb service install
	expect_text "systemd does not run here"
}

# terminal SCRIPT: an expect script with ROOT in $root; it fails when what it waits for does not come.
terminal() {
	run expect -c "set timeout 30; set root {$ROOT}
		proc await {what} {
			expect {
				-ex \$what {}
				timeout { exit 90 }
				eof { exit 91 }
			}
		}
		proc finish {} { expect eof; exit [lindex [wait] 3] }
		$1"
}

@test "on a terminal it asks, and keeps data unless told otherwise" {
	terminal 'spawn immugw service install --root $root
		await "different machine than immudb server. Continue ? \[Y/n\]"
		send "n\r"; finish'
	expect_status 1
	expect_text Canceled
	[[ -z $(ls "$ROOT") ]]
	terminal 'spawn immugw service install --root $root
		await "Continue ? \[Y/n\]"
		send "\r"; finish'
	expect_status 0
	terminal 'spawn immugw service uninstall --root $root
		await "Are you sure you want to uninstall immugw? \[y/N\]"
		send "\r"; finish'
	expect_status 1
	[[ -e $ROOT/etc/systemd/system/immugw.service ]]
	terminal 'spawn immugw service uninstall --root $root
		await "uninstall immugw? \[y/N\]"
		send "y\r"
		await "Erase data? \[y/N\]"
		send "\r"; finish'
	expect_status 0
	expect_text "No data removed"
	[[ -d $ROOT/var/lib/immugw && ! -e $ROOT/etc/systemd/system/immugw.service ]]
	immugw service install --root "$ROOT" --yes
	terminal 'spawn immugw service uninstall --root $root
		await "\[y/N\]"
		send "y\r"
		await "Erase data?"
		send "y\r"; finish'
	expect_status 0
	expect_text "Data folder removed"
	[[ ! -e $ROOT/var/lib/immugw ]]
}

@test "below a root of one's own nobody has to be root" {
	local as=()

	if [[ $EUID -eq 0 ]]; then
		chown 65534 "$ROOT" "$BATS_TEST_TMPDIR"
		as=(setpriv --reuid 65534 --clear-groups)
		"${as[@]}" test -x "$TEST_BUILD/bin/immudb" || skip_because needs-root "the build is private"
	fi
	read -r PORT < <(wait_for free-ports 1)
	run -0 "${as[@]}" immudb service install --root "$ROOT" --address 127.0.0.1 --port "$PORT" --metrics-port 0
	expect_text "no user was made and everything belongs to you: you are not root"
	[[ ! -e $ROOT/etc/passwd ]]
	run -0 "${as[@]}" immudb service start --root "$ROOT"
	run -0 "${as[@]}" immudb service status --root "$ROOT"
	expect_text "state:   running"
	run -0 "${as[@]}" immudb service uninstall --root "$ROOT" --erase-data
	[[ ! -e $ROOT/var/lib/immudb ]]
}

# blocks HEADING: the commands in the section of README.md below that heading.
blocks() {
	awk -v heading="$1" '
		/^## / { in_section = ($0 == "## " heading); in_block = 0; next }
		in_section && /^```/ { in_block = !in_block; next }
		in_section && in_block' "$TEST_SOURCE/README.md"
}

@test "the commands of the README" {
	[[ $(blocks "As a service" | wc -l) -ge 12 ]]
	as_installed "
		sudo() { \"\$@\"; }
		echo geheim >watcher.pw
		set -x
		$(blocks "As a service")"
	expect_status 0
	expect_text "Service immugw is running with PID"
	expect_text "Service immudb-auditor is running with PID"
	expect_text "Data folder removed"
	[[ ! -e image/var/lib/immudb && -x image/usr ]]
}
