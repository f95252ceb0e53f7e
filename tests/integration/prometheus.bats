#!/usr/bin/env bats
# A real Prometheus with the files of packaging/prometheus scrapes the server and auditors under both
# profiles, and its alerts fire when the server has been tampered with.
load helpers
load gateway

teardown() {
	drop_gateway
	drop_server
}

# start_prometheus: with the files of packaging/prometheus, but the addresses of this test and no
# patience; sets PROMETHEUS.
start_prometheus() {
	local port

	read -r port < <(wait_for free-ports 1)
	cp "$TEST_SOURCE/packaging/prometheus/immudb_alerts.yml" .
	sed -e "s/127.0.0.1:9497/127.0.0.1:$METRICS_PORT/; s/127.0.0.1:9477/127.0.0.1:$CLIENT_PORT/" \
		-e "s/127.0.0.1:9476/127.0.0.1:$AUDIT_PORT/; s/127.0.0.1:3323/127.0.0.1:$REST_PORT/" \
		-e 's/scrape_interval: 15s/scrape_interval: 1s\n  evaluation_interval: 1s/' \
		"$TEST_SOURCE/packaging/prometheus/prometheus.yml" >prometheus.yml
	setpriv --pdeathsig KILL prometheus --config.file=prometheus.yml --storage.tsdb.path="$PWD/tsdb" \
		--web.listen-address="127.0.0.1:$port" >prometheus.log 2>&1 </dev/null 3>&- &
	PROMETHEUS=http://127.0.0.1:$port
	wait_for port 127.0.0.1 "$port" "$WAIT_SECONDS" $!
}

# ask_until TEXT PATH FILTER: the answer of Prometheus, through jq, becomes TEXT before the time is up.
ask_until() {
	local deadline=$((SECONDS + WAIT_SECONDS)) answer=

	until [[ $answer == "$1" ]]; do
		if ((SECONDS > deadline)); then
			printf 'expected: %s\nfound: %s\n' "$1" "$answer"
			tail -n 3 ./*.log
			return 1
		fi
		answer=$(curl -sS --max-time 10 "$PROMETHEUS/api/v1/$2" | jq -c "$3" || true)
		sleep .1
	done
}

# value_until NUMBER QUERY: every series of the query, and at least one, has that value.
value_until() {
	ask_until "[\"$1\"]" "query?query=$(jq -rn --arg query "$2" '$query | @uri')" \
		'[.data.result[]?.value[1]] | unique'
}

# firing_until TEXT ALERT LABEL: these values of a label, sorted, are those of the alerts that fire.
firing_until() {
	ask_until "$1" alerts \
		"[.data.alerts[]? | select(.labels.alertname == \"$2\" and .state == \"firing\").labels.$3] | sort"
}

# restart_server: on the same ports, as the auditors know it.
restart_server() {
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$PORT" --metrics-address 127.0.0.1 \
		--metrics-port "$METRICS_PORT"
	wait_for port 127.0.0.1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
}

@test "the alert rules fire when they should and only then" {
	command -v promtool >/dev/null || skip_because needs-promtool "it is in the package prometheus"
	cd "$TEST_SOURCE/packaging/prometheus"
	run -0 promtool check rules immudb_alerts.yml
	run -0 promtool check config prometheus.yml
	run -0 promtool test rules immudb_alerts_test.yml immudb_alerts_month_test.yml
	# Every rule has a case.
	while read -r _ _ alert; do
		grep -qE "alertname: $alert\$" immudb_alerts_test.yml immudb_alerts_month_test.yml
	done < <(grep -- '- alert:' immudb_alerts.yml)
}

@test "a Prometheus tells of a server that was put back to an older copy" {
	command -v prometheus >/dev/null || skip_because needs-promtool "it is in the package prometheus"
	start_server
	login_admin
	immuclient set k 1
	stop_server
	cp -a "$DATA" older
	restart_server
	login_admin
	immuclient set k 2
	immuclient set k 3
	start_gateway
	read -r CLIENT_PORT AUDIT_PORT < <(wait_for free-ports 2)
	start_auditor_as immuclient "$CLIENT_PORT"
	start_auditor_as immugw "$AUDIT_PORT"
	start_prometheus
	value_until 1 "immuclient_audit_result_per_server"
	value_until 1 "immugw_audit_result_per_server"
	value_until 4 'sum(up)'
	value_until 1 'up{job="immugw"}'
	ask_until '[]' alerts '[.data.alerts[]?]'

	stop_server
	mv "$DATA" newer
	mv older "$DATA"
	restart_server
	value_until 0 "immuclient_audit_result_per_server"
	value_until 0 "immugw_audit_result_per_server"
	firing_until "$(printf '127.0.0.1:%s\n' "$CLIENT_PORT" "$AUDIT_PORT" |
		jq -Rsc 'split("\n")[:-1] | sort')" AuditTampered instance
	firing_until '["rolled-back","rolled-back"]' AuditDatabaseTampered verdict
	firing_until '["defaultdb","defaultdb"]' AuditDatabaseTampered db
	stop_server
}
