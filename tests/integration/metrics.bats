#!/usr/bin/env bats
# The HTTP side of immudb: metrics, health, version.
load helpers

# get PATH
get() {
	curl -sS --max-time 30 "http://127.0.0.1:$METRICS_PORT$1"
}

@test "metrics count what happens" {
	start_server
	login_admin
	immuclient set k v
	immuclient get k
	run -0 get /metrics
	expect_text "# HELP immudb_number_of_stored_entries"
	expect_text "immudb_uptime_hours"
	expect_text "immudb_db_size_bytes"
	expect_text 'immudb_number_of_stored_entries{db="defaultdb"} 1'
	expect_text "process_resident_memory_bytes"
	[[ $output =~ [Ss]et.*\ 1 ]]
}

@test "promtool finds nothing to complain of" {
	command -v promtool >/dev/null || skip_because needs-promtool "it is in the package prometheus"
	start_server
	login_admin
	immuclient set k v
	get /metrics >metrics
	[[ -s metrics ]]
	# The one complaint is about a name that dashboards made for the predecessor rely on.
	run promtool check metrics <metrics
	[[ $(grep -v '^immudb_uptime_hours ' <<<"$output") == "" ]]
}

@test "health and version" {
	start_server
	run -0 get /livez
	run -0 get /readyz
	run -0 get /version
	expect_text "0.1.0"
	run -0 curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$METRICS_PORT/readyz"
	[[ $output == 200 ]]
	run -0 curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$METRICS_PORT/nosuch"
	[[ $output == 404 ]]
	run -0 curl -s -o /dev/null -w '%{http_code}' -X DELETE "http://127.0.0.1:$METRICS_PORT/metrics"
	[[ $output == 405 ]]
}

@test "port 0 switches it off" {
	read -r PORT METRICS_PORT < <(wait_for free-ports 2)
	SERVER_LOG=$BATS_TEST_TMPDIR/server.log
	launch immudb --dir data --address 127.0.0.1 --port "$PORT" --metrics-port 0
	wait_for port 127.0.0.1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
	run ! get /metrics
	stop_server
}

@test "garbage on the HTTP port harms nobody" {
	start_server
	head -c 100000 /dev/urandom >/dev/tcp/127.0.0.1/"$METRICS_PORT" || true
	run -0 get /livez
	stop_server
}

# One team's database does not take the others' out of service; whoever watches is told.
@test "a database that cannot be opened is named, and the server is ready" {
	start_server
	login_admin
	immuadmin login immudb <<<immudb
	immuadmin database create other
	run -0 get /readyz
	[[ $(jq -r .status <<<"$output") == ready ]]
	[[ $(jq -r 'has("broken_databases")' <<<"$output") == false ]]
	stop_server
	mv "$DATA/other" "$BATS_TEST_TMPDIR/aside"
	start_server
	run -0 get /readyz
	[[ $(jq -r .status <<<"$output") == ready ]]
	[[ $(jq -c .broken_databases <<<"$output") == '["other"]' ]]
	run -0 get /metrics
	expect_text 'immudb_database_broken{db="other"} 1'
	expect_text 'immudb_database_broken{db="defaultdb"} 0'
	login_admin
	run -0 immuclient set k v
	immuadmin login immudb <<<immudb
	run -1 immuadmin database load other
	expect_text "$DATA/other is missing"
	mv "$BATS_TEST_TMPDIR/aside" "$DATA/other"
	run -0 immuadmin database load other
	run -0 get /readyz
	[[ $(jq -r 'has("broken_databases")' <<<"$output") == false ]]
	run -0 get /metrics
	expect_text 'immudb_database_broken{db="other"} 0'
}
