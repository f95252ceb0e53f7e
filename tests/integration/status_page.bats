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
