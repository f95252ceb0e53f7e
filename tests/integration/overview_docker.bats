#!/usr/bin/env bats
# The overview page, section "Docker". No container engine runs where the tests do: packaging/dockerfile
# carries out the Dockerfiles in folders, and packaging/check-images tries what comes out, and the images of
# an engine where there is podman. That takes minutes and downloads, so that it is part of the long run;
# here is what can be known in a moment.
load helpers

readonly DOCKERFILE=$TEST_SOURCE/packaging/dockerfile

# refuses TEXT LINE...: a file of these lines is refused, with TEXT.
refuses() {
	printf '%s\n' "${@:2}" >Dockerfile
	run -1 "$DOCKERFILE" check Dockerfile
	expect_text "$1"
}

@test "the Dockerfiles are understood, and keep the rules" {
	run -0 "$DOCKERFILE" check "$TEST_SOURCE"/Dockerfile "$TEST_SOURCE"/Dockerfile.*
	[[ ${#lines[@]} -eq 4 ]]
	grep -qx 'EXPOSE 3322 9497' "$TEST_SOURCE/Dockerfile"
	grep -qx 'USER 3322:3322' "$TEST_SOURCE/Dockerfile"
	grep -qx 'USER 3323:3323' "$TEST_SOURCE/Dockerfile.immugw"
	grep -qx 'ENV IMMUDB_DIR=/var/lib/immudb' "$TEST_SOURCE/Dockerfile"
}

@test "what is not understood is refused" {
	local good=('FROM debian:12-slim' 'USER 1:1' 'HEALTHCHECK NONE' 'ENTRYPOINT ["a"]')

	printf '%s\n' "${good[@]}" >Dockerfile
	run -0 "$DOCKERFILE" check Dockerfile
	refuses 'Dockerfile:2: not understood: ADD' "${good[0]}" 'ADD http://example.org/x /x'
	refuses 'flag --mount is not understood' "${good[0]}" 'COPY --mount=type=cache a b'
	refuses 'unknown image ubuntu' 'FROM ubuntu' "${good[@]:1}"
	refuses 'no stage built above' "${good[0]}" 'COPY --from=built /a /b' "${good[@]:1}"
	refuses 'before FROM' 'RUN true' "${good[@]}"
	refuses 'number of an ordinary user' 'FROM debian:12-slim' 'USER 0:0' "${good[@]:2}"
	refuses 'exec form' "${good[@]:0:3}" 'ENTRYPOINT immudb'
	refuses 'HEALTHCHECK is missing' "${good[@]:0:2}" "${good[3]}"
	refuses 'would be a secret' "${good[@]}" 'ENV IMMUDB_ADMIN_PASSWORD=secret'
	refuses 'is continued' "${good[@]}" $'RUN true \\'
}

@test "the services of the compose file know their settings, and make the auditors' user" {
	local name

	read_service() { # NAME: its environment, as NAME=VALUE words
		sed -n "/^  $1:\$/,/^\$/p" "$TEST_SOURCE/compose.yaml" |
			sed -nE 's/^      (IMMU[A-Z_]+): "?([^"]*)"?$/\1=\2/p' | sed "s|/run/secrets|$PWD|"
	}
	echo 'Admin-1-change' >admin-password
	echo 'Watch-1-read' >audit-password
	chmod 600 ./*-password
	mapfile -t settings < <(read_service immugw-auditor)
	run -0 env "${settings[@]}" immugw --print-config
	expect_text 'immudb-address = "immudb"  # environment'
	expect_text 'audit = true  # environment'
	mapfile -t settings < <(read_service immuclient-auditor)
	run -0 env "${settings[@]}" immuclient audit-mode --print-config
	expect_text 'audit-username = "watcher"  # environment'
	for name in immudb immugw-auditor immuclient-auditor audit-user; do
		[[ -n $(read_service "$name") ]]
	done

	IMMUDB_ADMIN_PASSWORD_FILE=$PWD/admin-password start_server
	mapfile -t settings < <(read_service audit-user)
	script=$(sed -n '/^      - >-$/,/^    environment/p' "$TEST_SOURCE/compose.yaml" | sed '1d;$d' |
		sed "s|/run/secrets|$PWD|")
	# Twice: the second time the user is there.
	for name in first second; do
		run -0 env "${settings[@]}" IMMUADMIN_IMMUDB_ADDRESS=127.0.0.1 sh -c "$(tr '\n' ' ' <<<"$script")"
	done
	run -0 auditor --once --immudb-port "$PORT" --dir audit --audit-username watcher \
		--audit-password-file audit-password
}

@test "the images are built, and answer their health checks" {
	[[ $TEST_LONG == 1 ]] || skip_because needs-long "it builds everything in a new Debian"
	[[ $EUID -eq 0 ]] || skip_because needs-root "only root can make Debian systems in folders"
	command -v debootstrap >/dev/null || skip_because needs-debootstrap "it is in the package debootstrap"
	run -0 "$TEST_SOURCE/packaging/check-images" 3>&-
	[[ ${lines[-1]} == *" checks passed" ]]
}
