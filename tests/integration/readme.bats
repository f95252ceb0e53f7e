#!/usr/bin/env bats
# The commands of those sections of the README that no other file executes: use, the gateway, monitoring.
load helpers

# blocks HEADING: the commands in the section of README.md below that heading.
blocks() {
	awk -v heading="$1" '
		/^## / { in_section = ($0 == "## " heading); in_block = 0; next }
		in_section && /^```/ { in_block = !in_block; next }
		in_section && in_block' "$TEST_SOURCE/README.md"
}

# typed: what a person does beside typing: waits until a daemon is there, and gives the password.
typed() {
	sed -E -e 's/^(immu(client|admin) login immudb).*/\1 <<<immudb/' \
		-e 's/^immudb &.*/immudb >server.log 2>\&1 \&\n"$WAIT" port 127.0.0.1 3322 60 $!/' \
		-e 's/^immugw &.*/immugw >gateway.log 2>\&1 \&\n"$WAIT" port 127.0.0.1 3323 60 $!/'
}

@test "the commands of the README on use, the gateway and monitoring" {
	printf 'a,1\nb,2\n' >data.csv
	{
		blocks Use | sed -e '/^cmake/d; /^export PATH/d; /^kill/d'
		blocks Gateway
		echo 'immuadmin login immudb'
		blocks Monitoring
		blocks Use | sed -n '/^kill/p'
		echo 'wait %1'
		echo 'kill %2; wait %2'
	} | typed >commands
	[[ $(wc -l <commands) -gt 40 ]]
	as_printed 'PATH=$PWD:$PATH; ln -s "'"$TEST_BUILD"'/bin/immugw" .; . ./commands'
	expect_status 0
	[[ $(grep -c 'verified: true' <<<"$output") == 3 ]]
	expect_text "2 rows imported"
	expect_text '"value":"MTEw","revision":2'
	expect_text '"databasename":"shop"'
	refute_text '"code":'
	expect_text "result:         whole"
	expect_text 'immudb_scrub_running{db="defaultdb"}'
}
