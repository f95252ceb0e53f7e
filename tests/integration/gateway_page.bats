#!/usr/bin/env bats
# The gateway's page in a browser; the cases are functions of gateway_page.py. The page is served without
# a database behind it (show_gateway), so that every answer can be chosen.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	command -v chromium >/dev/null || skip_because needs-chromium "it is in the package chromium"
	mkfifo in
	exec 8<>in
	setpriv --pdeathsig KILL "$TEST_BUILD/bin/show_gateway" <in >address 2>log 3>&- 8>&- &
	wait_for file address "$WAIT_SECONDS" $!
}

# page CASE
page() {
	run -0 timeout 200 python3 "$BATS_TEST_DIRNAME/gateway_page.py" "$1" "$(<address)" \
		"$PWD/profile" 3>&- 8>&-
}

@test "every path has its form, and fits a telephone" {
	page every_path_fits
}

@test "the token is kept in memory alone" {
	page the_token_is_kept_in_memory
}

@test "an answer is shown to the last digit, and never as markup" {
	page an_answer_is_shown
}

@test "databases are chosen" {
	page databases_are_chosen
}

@test "paths are found by their words" {
	page paths_are_found
}
