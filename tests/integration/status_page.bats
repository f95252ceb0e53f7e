#!/usr/bin/env bats
# What the auditor shows of a report over HTTP, read by outside programs: an XML parser, promtool, a
# browser. The reports are made up (show_auditor), so that every state can be seen.
load helpers

# serve_sample SAMPLE [PROFILE]: serves it until the case ends and sets ADDRESS.
serve_sample() {
	local name=sample.$BATS_TEST_NUMBER.$RANDOM

	mkfifo "$name.in"
	exec 8<>"$name.in"
	setpriv --pdeathsig KILL "$TEST_BUILD/bin/show_auditor" "$@" <"$name.in" >"$name.address" \
		2>"$name.log" 3>&- 8>&- &
	wait_for file "$name.address" "$WAIT_SECONDS" $!
	ADDRESS=$(<"$name.address")
}

# get PATH
get() {
	curl -sS --max-time 30 "${ADDRESS%/}$1"
}

# check_pages PATH...
check_pages() {
	local path

	for path; do
		get "$path" | "$BATS_TEST_DIRNAME/check-page" "$path"
	done
}

# screenshot NAME WIDTH HEIGHT [OPTION...]: of ADDRESS; fails when the browser had to refuse anything.
screenshot() {
	timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync \
		--disable-dev-shm-usage --user-data-dir="$PWD/profile" --hide-scrollbars \
		--enable-logging=stderr --screenshot="$PWD/$1.png" --window-size="$2,$3" "${@:4}" "$ADDRESS" \
		>browser.log 2>&1 3>&- 8>&-
	run ! grep -iE 'content security policy|refused to' browser.log
	# A page that was not drawn is one colour, which packs into very little.
	(($(stat -c %s "$1.png") > 10000))
}

@test "pages are well-formed whatever they show" {
	local sample

	for sample in empty unreachable first-seen ok grown alarm many hostile; do
		serve_sample "$sample"
		check_pages / '/?refresh=30'
	done
	check_pages '/database/%26lt%3B' '/database/quote%27tick' '/database/%3Cscript%3Ealert(1)%3C%2Fscript%3E'
	serve_sample alarm
	check_pages /database/payments /database/defaultdb
}

@test "promtool finds nothing to complain of in the auditor's metrics" {
	local sample

	command -v promtool >/dev/null || skip_because needs-promtool "it is in the package prometheus"
	for sample in empty unreachable ok alarm hostile; do
		serve_sample "$sample" immuclient
		get /metrics >metrics
		[[ -s metrics ]]
		run -0 promtool check metrics <metrics
		[[ -z $output ]]
		serve_sample "$sample" immugw
		get /metrics >metrics
		[[ -s metrics ]]
		# The one complaint is about a name that dashboards made for the predecessor rely on.
		run promtool check metrics <metrics
		run ! grep -v '^immugw_uptime_hours ' <<<"$output"
	done
}

@test "the last audit is JSON that jq reads" {
	serve_sample alarm
	run -0 jq -r '[.ServerID, .Verdict, .CurrentRootIndex, (.databases | length)] | join(" ")' \
		<<<"$(get /lastaudit)"
	[[ $output == "br8eugq036tfln0ct6o0 rolled-back 47900 3" ]]
	serve_sample hostile
	run -0 jq -r '.databases | length' <<<"$(get /lastaudit)"
	[[ $output == 10 ]]
}

@test "a browser draws the page, in light, in dark and on a telephone" {
	command -v chromium >/dev/null || skip_because needs-chromium "it is in the package chromium"
	serve_sample alarm
	screenshot light 1200 1200
	screenshot dark 1200 1200 --blink-settings=preferredColorScheme=0
	run ! cmp -s light.png dark.png
	screenshot telephone 360 1800
	serve_sample empty
	screenshot empty 900 620
	serve_sample hostile
	screenshot hostile 900 1600
}

# audit_server PORT [OPTION...]: an auditor of the server with a folder of its own; sets ADDRESS.
audit_server() {
	setpriv --pdeathsig KILL auditor --immudb-address 127.0.0.1 --immudb-port "$PORT" \
		--audit-username immudb --audit-password immudb --audit-interval 1s --dir "$PWD/auditor" \
		--audit-monitoring-host 127.0.0.1 --audit-monitoring-port "$1" \
		"${@:2}" >auditor.log 2>&1 </dev/null 3>&- &
	AUDITOR_PID=$!
	ADDRESS=http://127.0.0.1:$1/
	wait_for port 127.0.0.1 "$1" "$WAIT_SECONDS" "$AUDITOR_PID"
}

# restart_server: on the same port, as the auditor knows it.
restart_server() {
	launch immudb --dir "$DATA" --address 127.0.0.1 --port "$PORT" --metrics-port 0
	wait_for port 127.0.0.1 "$PORT" "$WAIT_SECONDS" "$SERVER_PID"
}

@test "evidence of a real alarm is fetched from the page and checked elsewhere" {
	local port link

	start_server
	login_admin
	immuclient set k "a secret value"
	stop_server
	cp -a "$DATA" older
	restart_server
	login_admin
	immuclient set k 2
	read -r port < <(wait_for free-ports 1)
	audit_server "$port" --audit-monitoring-evidence
	wait_for text auditor.log 'consistent: true' "$WAIT_SECONDS"
	run -0 get /readyz
	stop_server
	mv "$DATA" newer
	mv older "$DATA"
	restart_server
	wait_for text auditor.log 'rolled-back.*evidence' "$WAIT_SECONDS"
	check_pages / /database/defaultdb
	run -0 get /
	expect_text "Alarm: rolled back"
	refute_text "a secret value"
	link=$(grep -oE 'href="/evidence/[^"]+"' <<<"$output" | head -n 1)
	link=${link#href=\"}
	link=${link%\"}
	get "$link" >fetched.proof
	run auditor verify fetched.proof
	expect_text "rolled-back"

	# Not unless the operator wants it to be fetched.
	kill "$AUDITOR_PID"
	wait "$AUDITOR_PID"
	audit_server "$port"
	run -0 get /
	expect_text "Alarm: rolled back"
	expect_text "${link#/evidence/}"
	refute_text "href=\"/evidence/"
	run -22 curl -fsS "${ADDRESS%/}$link"
	stop_server
}
