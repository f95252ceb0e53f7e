#!/usr/bin/env bats
# A wall clock that is stepped back and forth while the server runs: the times of transactions never go back,
# and sessions, deadlines and timers, which run on the monotonic clock, do not notice.
load helpers

# step SECONDS: the server's wall clock is so far from that of everybody else from now on.
step() {
	echo "$1" >clock.new
	mv clock.new clock
}

# ts_of TX: the time of a transaction, in seconds.
ts_of() {
	immuclient --output json tx "$1" | sed -nE 's/.*"(ts|time)": *"?([^",}]*).*/\2/p' | head -n 1 |
		{ read -r at; [[ $at == *T* ]] && date -ud "$at" +%s || echo "$at"; }
}

# write: one transaction; its number.
write() {
	immuclient --output json safeset "key$1" "$1" | sed -nE 's/.*"tx": *"?([0-9]+).*/\1/p'
}

@test "a stepped clock makes no time go back, ends no session and stops no server" {
	local before forth back later

	step 0
	export CLOCK_FILE=$PWD/clock
	LD_PRELOAD=$(find "$TEST_BUILD" -name libclock_preload.so) start_server --session-timeout 1h
	login_admin
	before=$(ts_of "$(write 1)")
	((before > 1600000000))
	step 864000
	forth=$(ts_of "$(write 2)")
	((forth >= before + 863000))
	step -31536000
	back=$(ts_of "$(write 3)")
	((back == forth))
	# A value that lives a second by a clock that is a year behind is there, and not at its time.
	run -0 immuclient set --expires-at "$(date -ud '-100 days' +%Y-%m-%dT%H:%M:%SZ)" brief value
	run -0 immuclient get brief
	step 0
	run -3 immuclient get brief
	step 864001
	later=$(ts_of "$(write 4)")
	((later >= forth))
	run -0 immuclient safeget key1
	stop_server
	# The next start, by a clock that is behind, goes on from the last time.
	step -864000
	LD_PRELOAD=$(find "$TEST_BUILD" -name libclock_preload.so) start_server
	login_admin
	((before <= $(ts_of "$(write 5)")))
	(($(ts_of "$(write 6)") >= later))
	stop_server
	run -0 immudb verify "$DATA"
}
