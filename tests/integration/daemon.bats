#!/usr/bin/env bats
# immudb as a process: start, banner, options from flags, environment and files, stop.
load helpers

@test "version, help and usage errors" {
	run -0 immudb version
	expect_text "immudb 0.1.0"
	for program in immudb immugw auditor immuadmin immuclient; do
		run -0 "$program" --version
		[[ $output == "$program 0.1.0" ]]
	done
	run -0 immudb --help
	expect_text "--signingKey"
	expect_text "--metrics-port"
	run -2 immudb --nosuchflag
	expect_text "nosuchflag"
	run -2 immudb --port notanumber
	expect_text "port"
	run -2 immudb --port 65536
	expect_text "port"
	[[ ! -e data ]]
}

@test "the banner says where it is and what it listens on" {
	start_server
	wait_for text "$SERVER_LOG" "Superadmin" "$WAIT_SECONDS" "$SERVER_PID"
	run -0 cat "$SERVER_LOG"
	for label in "Data dir" "Address" "Metrics address" "Max recv msg size" "Default database" \
		"Synced mode" "Username"; do
		expect_text "$label"
	done
	expect_text "127.0.0.1:$PORT"
	expect_text "$DATA"
}

@test "SIGTERM and SIGINT stop it cleanly, and it starts again with its data" {
	start_server
	login_admin
	immuclient safeset kept value
	stop_server TERM
	start_server
	login_admin
	run -0 immuclient safeget kept
	expect_text "value"
	stop_server INT
	start_server
	login_admin
	run -0 immuclient safeget kept
}

@test "SIGTERM during a stream of writes loses nothing that was acknowledged" {
	start_server
	login_admin
	seq 1 200000 | awk '{ printf "key%d\tvalue%d\n", $1, $1 }' >rows.tsv
	immuclient import --format tsv rows.tsv >import.out 2>&1 3>&- &
	local import=$!
	until immuclient get key1 >/dev/null 2>&1; do kill -0 "$import"; done
	stop_server
	wait "$import" || true
	start_server
	login_admin
	local last
	last=$(grep -oE 'line [0-9]+' import.out | tail -n 1 | grep -oE '[0-9]+' || echo 1)
	run -0 immuclient safeget "key$last"
	expect_text "value$last"
}

@test "flag before environment before file before default" {
	cat >immudb.toml <<-'END'
		# a comment
		port = 1111
		dbname = "fromfile" # another
		max-recv-msg-size = 1048576
	END
	run -0 immudb --config immudb.toml --print-config
	expect_text 'port = 1111'
	expect_text 'dbname = "fromfile"'
	expect_text 'auth = true'
	IMMUDB_PORT=2222 run -0 immudb --config immudb.toml --print-config
	expect_text 'port = 2222'
	expect_text 'dbname = "fromfile"'
	IMMUDB_PORT=2222 run -0 immudb --config immudb.toml --port 3333 --print-config
	expect_text 'port = 3333'
	IMMUDB_DBNAME='' run -0 immudb --config immudb.toml --print-config
	expect_text 'dbname = "fromfile"'
}

@test "YAML says the same as TOML" {
	printf 'port = 1111\ndbname = "one"\nsynced = false\n' >immudb.toml
	printf 'port: 1111\ndbname: one\nsynced: false\n' >immudb.yaml
	local toml
	toml=$(immudb --config immudb.toml --print-config | sed 's/immudb\.toml//g')
	run -0 immudb --config immudb.yaml --print-config
	[[ ${output//immudb.yaml/} == "$toml" ]]
}

@test "secrets are not shown" {
	run -0 immudb --admin-password Secret-Word-1 --print-config
	refute_text "Secret-Word-1"
	start_server --admin-password Secret-Word-1
	run -0 tr '\0' ' ' <"/proc/$SERVER_PID/cmdline"
	refute_text "Secret-Word-1"
	refute_text "Secret-Word-1" "$(cat "$SERVER_LOG")"
	immuclient login immudb <<<Secret-Word-1
	run -4 immuclient login immudb <<<immudb
}

@test "a value that Kubernetes sets and an unknown variable only warn" {
	IMMUDB_PORT=tcp://10.0.0.1:3322 IMMUDB_NOSUCH=1 run -0 --separate-stderr immudb --print-config
	expect_text 'port = 3322'
	expect_text IMMUDB_NOSUCH "$stderr"
	expect_text IMMUDB_PORT "$stderr"
}

@test "pid file and log file" {
	start_server --pidfile "$PWD/run/immudb.pid" --logfile "$PWD/log/immudb.log" --log-format json
	wait_for file run/immudb.pid "$WAIT_SECONDS" "$SERVER_PID"
	[[ $(<run/immudb.pid) == "$SERVER_PID" ]]
	wait_for file log/immudb.log "$WAIT_SECONDS" "$SERVER_PID"
	run -1 immudb --dir other --port 0 --pidfile "$PWD/run/immudb.pid"
	expect_text "immudb.pid"
	stop_server
	[[ ! -e run/immudb.pid ]]
	# Every line of the log is an object, and says something.
	run -0 jq -r 'select(.level == "info" and .program == "immudb" and (.ts | endswith("Z"))).message' log/immudb.log
	expect_text "Data dir         : $DATA"
	expect_text "Caught SIGTERM"
	refute_text "===="
	refute_text "|_|"
}

@test "detached in the environment or a file starts one daemon, once" {
	local pid
	read -r PORT METRICS_PORT < <(wait_for free-ports 2)
	printf 'detached = true\n' >immudb.toml
	IMMUDB_DETACHED=true run -0 immudb --config immudb.toml --dir data --address 127.0.0.1 \
		--port "$PORT" --metrics-port 0 --pidfile immudb.pid --logfile immudb.log
	expect_text "/immudb has been started with PID $(<immudb.pid)"
	pid=$(<immudb.pid)
	# Ready when the starter ends; relative paths mean the same in both.
	wait_for port 127.0.0.1 "$PORT" 0 "$pid"
	[[ -s immudb.log && -d data ]]
	run -1 env IMMUDB_DETACHED=true immudb --dir other --port 0 --metrics-port 0 --pidfile immudb.pid
	expect_text "pid file found"
	kill "$pid"
	wait_for exit "$pid" "$WAIT_SECONDS"
	[[ ! -e immudb.pid ]]
}

@test "a daemon that is watched stays in the foreground" {
	as_printed '
		./immudb --version >/dev/null
		unshare --pid --fork --kill-child ./immudb -d --dir data --port 0 --metrics-port 0 \
			--pidfile first.pid >first.log 2>&1 &
		"$WAIT" text first.log "Ready" 60 $!
		kill "$(pgrep -P $!)"
		wait $! || [[ $? == 143 ]]
		(SYSTEMD_EXEC_PID=$BASHPID exec ./immudb -d --dir data --port 0 --metrics-port 0 \
			>second.log 2>&1) &
		"$WAIT" text second.log "Ready" 60 $!
		kill $!
		wait $!'
	expect_status 0
	grep -q "stays in the foreground: it is the first process of a container" first.log
	grep -q "stays in the foreground: it is started by a service manager" second.log
}

@test "files are private and folders too" {
	start_server
	login_admin
	immuclient set k v
	run -0 find "$DATA" -perm /077
	[[ -z $output ]]
	run -0 find "$HOME" -type f -perm /077
	[[ -z $output ]]
}

@test "a folder that is not a database is left alone" {
	mkdir -p data/lost+found
	start_server
	login_admin
	run -3 immuclient use lost+found
	[[ -d data/lost+found ]]
	[[ -z $(ls -A data/lost+found) ]]
}

@test "unsynced mode keeps what was written before a clean stop" {
	start_server --synced=false
	login_admin
	immuclient safeset k v
	stop_server
	start_server
	login_admin
	run -0 immuclient safeget k
}

@test "IPv6 and unix sockets" {
	need_ipv6
	read -r PORT METRICS_PORT < <(wait_for free-ports 2)
	SERVER_LOG=$BATS_TEST_TMPDIR/server.log
	launch immudb --dir data --address ::1 --port "$PORT" --metrics-port 0
	wait_for port ::1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
	run -0 immuclient --immudb-address ::1 --immudb-port "$PORT" login immudb <<<immudb
	run -0 immuclient --immudb-address ::1 --immudb-port "$PORT" safeset k v
	run -0 immuclient --immudb-address ::1 --immudb-port "$PORT" trust show defaultdb
	run -0 auditor --once --dir audit --immudb-address ::1 --immudb-port "$PORT" \
		--audit-username immudb --audit-password immudb
	run -0 auditor trust forget --dir audit --immudb-address ::1 --immudb-port "$PORT"
	stop_server
}
