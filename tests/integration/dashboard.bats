#!/usr/bin/env bats
# What packaging/ has for Prometheus and Grafana speaks of metrics that the programs really have.
load helpers
load gateway

teardown() {
	drop_gateway
	drop_server
}

# proven PROFILE PORT: its metrics, after a good round.
proven() {
	local deadline=$((SECONDS + WAIT_SECONDS))

	until curl -fsS --max-time 10 "http://127.0.0.1:$2/metrics" >"$1.metrics" &&
		grep -q "^$1_audit_result_per_server{.*} 1\$" "$1.metrics"; do
		((SECONDS <= deadline)) || return 1
		sleep .1
	done
	cat "$1.metrics"
}

# known_metrics: the names of all samples of a server, with TLS too, two auditors and a gateway.
known_metrics() {
	{
		curl -fsS "http://127.0.0.1:$METRICS_PORT/metrics"
		curl -fsS "$REST/metrics"
		proven immuclient "$CLIENT_PORT"
		proven immugw "$GATEWAY_PORT"
		cat tls.metrics
		echo up
	} | sed '/^#/d; s/[{ ].*//' | sort -u
}

# vars_series: every series of a /debug/vars, one a line, as the text has it.
vars_series() {
	jq -r 'def series($name; $labels):
			$name + if $labels == [] then "" else "{" + ($labels | join(",")) + "}" end;
		del(.cmdline) | to_entries[] | .key as $name | .value |
		if type == "array" then .[] else . end |
		if type != "object" then $name else
			[.labels // {} | to_entries[] | "\(.key)=\(.value | @json)"] as $labels |
			(.buckets // {} | keys_unsorted[] | series($name + "_bucket"; $labels + ["le=\(@json)"])),
			series($name + (keys_unsorted[] | select(. != "labels" and . != "buckets") |
				if . == "value" then "" else "_" + . end); $labels)
		end'
}

# expect_vars PROGRAM ADDRESS: its /debug/vars has the series of its /metrics, and no more.
expect_vars() {
	local deadline=$((SECONDS + WAIT_SECONDS))

	until curl -fsS --max-time 10 "$2/metrics" | sed '/^#/d; s/ [^ ]*$//' | sort >text.series &&
		curl -fsS --max-time 10 "$2/debug/vars" >vars.json &&
		vars_series <vars.json | sort | diff -u text.series - >vars.diff; do
		((SECONDS <= deadline)) || {
			cat vars.diff
			return 1
		}
		sleep .1
	done
	[[ -s text.series && $(jq -c .cmdline vars.json) == "[\"$1\"]" ]]
	jq -e '.process_resident_memory_bytes > 0' vars.json
}

# expressions: of the dashboard, one a line, its variables filled in.
expressions() {
	jq -r '.panels[].targets[]?.expr' "$TEST_SOURCE/packaging/grafana/immudb.json" |
		sed 's/\$__rate_interval/5m/g; s/\$[a-z]*/.*/g'
}

# named: the metrics that a text speaks of.
named() {
	grep -ohE '\b(immudb|immuclient|immugw|process)_[a-z0-9_]+|\bup\b' | sort -u
}

@test "every metric of dashboard and alerts is one that the programs have" {
	start_server --tls --auto-cert
	curl -fsS "http://127.0.0.1:$METRICS_PORT/metrics" >tls.metrics
	stop_server
	start_server
	login_admin
	immuclient set k v
	immuclient get k
	read -r CLIENT_PORT GATEWAY_PORT < <(wait_for free-ports 2)
	start_auditor_as immuclient "$CLIENT_PORT"
	start_auditor_as immugw "$GATEWAY_PORT"
	start_gateway
	curl -sS --max-time 10 "$REST/db/health" >/dev/null
	wait_for metric "$REST_PORT" '^immugw_.*health' "$WAIT_SECONDS" "$GATEWAY_PID"
	known_metrics >known
	expect_vars immudb "http://127.0.0.1:$METRICS_PORT"
	expect_vars auditor "http://127.0.0.1:$CLIENT_PORT"
	expect_vars auditor "http://127.0.0.1:$GATEWAY_PORT"
	expect_vars immugw "$REST"
	[[ $(wc -l <known) -gt 80 ]]
	expressions >expressions
	[[ $(wc -l <expressions) -gt 50 ]]
	named <expressions >of-dashboard
	sed '/^ *#/d' "$TEST_SOURCE/packaging/prometheus/immudb_alerts.yml" | named >of-alerts
	[[ -s of-dashboard && -s of-alerts ]]
	comm -23 <(sort -u of-dashboard of-alerts) known >unknown
	diff /dev/null unknown
	# One that nobody has would be found.
	run comm -23 <(echo immudb_nosuch | named) known
	[[ $output == immudb_nosuch ]]
}

@test "the dashboard is one that Grafana takes" {
	dashboard=$TEST_SOURCE/packaging/grafana/immudb.json
	run -0 jq -r '.title, .uid, .schemaVersion >= 36' "$dashboard"
	[[ $output == $'immudb\nimmudb\ntrue' ]]
	# Ids and places are its own, every panel has a source, a query and a word about what it shows.
	run -0 jq '[.panels[].id] | length == (unique | length)' "$dashboard"
	[[ $output == true ]]
	run -0 jq '[.panels[] | .gridPos | [.x, .y]] | length == (unique | length)' "$dashboard"
	[[ $output == true ]]
	run -0 jq '[.panels[] | select(.type != "row") | select(
		(.targets | length) == 0 or .description == "" or .gridPos.x + .gridPos.w > 24
		or any(.targets[]; .datasource.uid != "${datasource}" or .expr == ""))] | length' "$dashboard"
	[[ $output == 0 ]]
	run -0 jq -c '[.panels[] | select(.type == "row").title]' "$dashboard"
	for row in Traffic Latency Commits Storage Sessions Auditors; do
		expect_text "\"$row\""
	done
	# It knows no variable but its own.
	run -0 jq -r '[.templating.list[].name] | sort | join(" ")' "$dashboard"
	[[ $output == "datasource db instance" ]]
	run bash -c "grep -oE '\\\$\{?[a-z_]+' '$dashboard' | tr -d '\${' | sort -u | tr '\n' ' '"
	[[ $output == "__all __rate_interval datasource db instance " ]]
}

@test "Prometheus understands every expression of the dashboard" {
	command -v promtool >/dev/null || skip_because needs-promtool "it is in the package prometheus"
	expressions | jq -Rn '{groups: [{name: "dashboard", rules: [inputs | {record: "r", expr: .}]}]}' >rules.yml
	run promtool check rules --lint=none rules.yml
	expect_status 0
	expect_text "SUCCESS"
}

@test "every metric of the server is documented, and none that it has not" {
	start_server --tls --auto-cert
	curl -fsS "http://127.0.0.1:$METRICS_PORT/metrics" | sed -n 's/^# TYPE \(immudb_[^ ]*\) \(.*\)/\1 \2/p' |
		sort >shown
	stop_server
	sed -nE 's/^\| `(immudb_[a-z_]+)` \| (counter|gauge|histogram) \|.*/\1 \2/p' \
		"$TEST_SOURCE/packaging/MONITORING.md" | sort >documented
	[[ -s shown ]]
	diff shown documented
}
