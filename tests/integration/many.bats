#!/usr/bin/env bats
# Many databases and users: all are there, few are open, and each takes little.
load helpers

readonly DATABASES=60 USERS=1000 OPEN=10

# add_users: as many as are wanted, each with the password of u0 and one database, in the file of a server
# that is stopped: making them over the wire would take a minute of key derivation.
add_users() {
	python3 - "$DATA/immudb.sqlite" "$USERS" "$DATABASES" <<-'END'
		import sqlite3, sys
		users, databases = int(sys.argv[2]), int(sys.argv[3])
		with sqlite3.connect(sys.argv[1]) as meta:
		    for n in range(1, users - 1):
		        meta.execute("INSERT INTO users SELECT ?, hash, active, created_by, created_at"
		                     " FROM users WHERE name = 'u0'", (f"u{n}",))
		        meta.execute("INSERT INTO permissions VALUES (?, ?, 2)", (f"u{n}", f"db{n % databases}"))
		meta.close()
	END
}

# open_databases: how many of them the server has files open of.
open_databases() {
	find "/proc/$SERVER_PID/fd" -lname "$DATA/db*" -printf '%l\n' | sed "s#^$DATA/##; s#/.*##" | sort -u | wc -l
}

@test "a server of many teams" {
	local n
	start_server
	immuadmin login immudb <<<immudb
	immuadmin user create u0 read <<<"Secret-Word-1"
	for ((n = 0; n < DATABASES; n++)); do
		immuadmin database create "db$n" >/dev/null
	done
	stop_server
	add_users
	start_server --max-active-databases "$OPEN"
	run -0 immuadmin login immudb <<<immudb
	run -0 --separate-stderr immuadmin --output json database list
	[[ $(jq length <<<"$output") == $((DATABASES + 1)) ]]
	[[ $(jq '[.[] | select(.status == "loaded")] | length' <<<"$output") == $((DATABASES + 1)) ]]
	run -0 --separate-stderr immuadmin --output json user list
	[[ $(jq '[.[].Username] | unique | length' <<<"$output") == "$USERS" ]]
	# Each user works on a database of their own; they take turns to be open.
	for n in 1 7 33 57 59; do
		run -0 immuclient --username "u$n" --password Secret-Word-1 --database "db$n" safeset k "v$n"
		run -4 immuclient --username "u$n" --password Secret-Word-1 --database db0 get k
	done
	for ((n = 1; n < DATABASES; n += 4)); do
		run -3 immuclient --username immudb --password immudb --database "db$n" get missing
		[[ $(open_databases) -le $OPEN ]]
	done
	run -0 immuclient --username u57 --password Secret-Word-1 --database db57 --value-only safeget k
	[[ $output == v57 ]]
	stop_server
	# What is hardly used takes little room: a quarter of a megabyte, all files of a database included.
	[[ $(du -sk "$DATA" | cut -f 1) -lt $((DATABASES * 256)) ]]
}
