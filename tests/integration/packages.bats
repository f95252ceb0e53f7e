#!/usr/bin/env bats
# The Debian packages, made of the programs under test: what is in them, and what their scripts do to a
# system when they are installed, upgraded, removed and purged. The system is a folder without programs, so
# the scripts run here, told where it is by DPKG_ROOT; packaging/check-packages does it in a whole Debian.
load helpers

readonly SERVICES=(immudb immugw immudb-auditor)

setup_file() {
	# shellcheck disable=SC2030 # for the cases
	export DEBS=$BATS_FILE_TMPDIR/debs
	"$TEST_SOURCE/packaging/make-deb" --built "$TEST_BUILD" --output "$DEBS" >"$BATS_FILE_TMPDIR/log" 2>&1 || {
		tail -n 20 "$BATS_FILE_TMPDIR/log"
		return 1
	}
}

# need_root: accounts and owners belong to root, and systemd-sysusers makes them.
need_root() {
	[[ $EUID -eq 0 ]] || skip_because needs-root "accounts belong to root"
	command -v systemd-sysusers >/dev/null || skip_because needs-systemd "it is in the package systemd"
}

# package ARGUMENT...: dpkg on the system in ./root. Dependencies are not in it.
package() {
	dpkg --root="$PWD/root" --force-depends --force-script-chrootless --force-confold \
		--log="$PWD/dpkg.log" "$@" </dev/null 2>&1
}

# owner FILE: mode and owner of a file of that system, by its own accounts.
owner() {
	local uid gid mode

	read -r mode uid gid < <(stat -c '%a %u %g' "root$1")
	printf '%s %s:%s\n' "$mode" "$(awk -F: -v id="$uid" '$3 == id { print $1 }' root/etc/passwd)" \
		"$(awk -F: -v id="$gid" '$3 == id { print $1 }' root/etc/group)"
}

# next_version: the same packages as a later version, in ./next.
next_version() {
	local deb name

	mkdir -p next
	for deb in "$DEBS"/*.deb; do
		name=${deb##*/}
		dpkg-deb -R "$deb" "tree.$name"
		sed -i 's/0\.1\.0/0.1.1/' "tree.$name/DEBIAN/control"
		dpkg-deb --root-owner-group -Znone -b "tree.$name" next >/dev/null
		rm -r "tree.$name"
	done
}

@test "files of the packages" {
	local deb

	for deb in "$DEBS"/*.deb; do
		printf '== %s\n' "$(dpkg-deb -f "$deb" Package)"
		dpkg-deb -c "$deb" | sed -E "s/ +[0-9]+ [0-9-]+ [0-9:]+ / /; s#/[a-z0-9_]+-linux-gnu#/MULTIARCH#" |
			grep -v '/$' | LC_ALL=C sort -k 3
	done >list
	output=$(<list)
	expect_golden packages.txt
	run ! grep -vE '^(==|[-l]r[w-][x-]r[w-][x-]r[w-][x-] root/root|lrwxrwxrwx root/root) ' list
}

@test "the build dependencies are those of the project" {
	local control=$TEST_SOURCE/packaging/debian/control

	# A C compiler is part of every Debian build; git and curl are for tests and quickstart.
	grep -E '^build ' "$TEST_SOURCE/packaging/packages.txt" | awk '{ print $2 }' |
		grep -vxE 'gcc|libc6-dev|git|curl' | sort >wanted
	sed -n '/^Build-Depends:/,/^$/p' "$control" | sed -nE 's/^ ([a-z0-9.+-]+).*,$/\1/p' |
		grep -vxE 'debhelper-compat|dh-sequence-.*' | sort >listed
	run -0 diff wanted listed
}

@test "installation, upgrade, removal and purge" {
	local name folder

	need_root
	mkdir -p root/var/lib/dpkg/{info,updates} root/etc
	touch root/var/lib/dpkg/status
	run -0 package -i "$DEBS"/*.deb
	grep -q '^immu:.*:/var/lib/immudb:.*nologin$' root/etc/passwd
	for name in "${SERVICES[@]}"; do
		[[ $(owner "/var/lib/$name") == "700 immu:immu" ]]
		[[ $(owner "/var/log/$name") == "750 immu:immu" ]]
		[[ -s root/etc/logrotate.d/$name && $(grep -c '{$' "root/etc/logrotate.d/$name") -eq 1 ]]
		[[ $(owner "/etc/immudb/${name#immudb-}.toml") == "640 :immu" ]]
		grep -q "^ExecStart=/usr/bin/${name#immudb-} --dir /var/lib/$name " \
			"root/lib/systemd/system/$name.service"
	done
	# The auditor has to be told what to watch before it is started.
	[[ -L root/etc/systemd/system/multi-user.target.wants/immudb.service ]]
	[[ -L root/etc/systemd/system/multi-user.target.wants/immugw.service ]]
	[[ ! -e root/etc/systemd/system/multi-user.target.wants/immudb-auditor.service ]]

	# An upgrade keeps settings with their modes, data, and a service that was disabled.
	echo 'port = 3399' >>root/etc/immudb/immudb.toml
	chmod 0644 root/etc/immudb/immudb.toml
	chmod 0750 root/var/lib/immudb
	echo data >root/var/lib/immudb/data
	systemctl --root="$PWD/root" disable immugw.service
	next_version
	run -0 package -i next/*.deb
	[[ $(tail -n 1 root/etc/immudb/immudb.toml) == "port = 3399" ]]
	[[ $(owner /etc/immudb/immudb.toml) == "644 :immu" && $(owner /var/lib/immudb) == "750 immu:immu" ]]
	[[ ! -e root/etc/systemd/system/multi-user.target.wants/immugw.service ]]
	[[ -L root/etc/systemd/system/multi-user.target.wants/immudb.service ]]

	# A removal keeps settings and data; a purge keeps data that is there, and says so.
	run -0 package -r "${SERVICES[@]}"
	[[ -s root/var/lib/immudb/data && -s root/etc/immudb/immudb.toml && ! -e root/usr/bin/immudb ]]
	run -0 package -P "${SERVICES[@]}"
	expect_text "immudb: the data in /var/lib/immudb is kept; delete it with: rm -r /var/lib/immudb"
	refute_text "immugw: the data"
	[[ -s root/var/lib/immudb/data ]]
	for folder in var/lib/immugw var/lib/immudb-auditor var/log/immudb etc/immudb; do
		[[ ! -e root/$folder ]]
	done
	run -0 find root/etc -name '*immu*'
	[[ -z $output ]]
}

@test "the installed configuration files are accepted, with each setting switched on, too" {
	local name

	for name in immudb immugw auditor; do
		dpkg-deb --fsys-tarfile "$DEBS/$([[ $name == auditor ]] && echo immudb-)$name"_*.deb |
			tar -xOf - "./etc/immudb/$name.toml" >"$name.toml"
		run -0 "$name" --config "$name.toml" --print-config
		refute_text "# file"
		run -1 grep -E '.{101}' "$name.toml"
		grep -q 'One of error, warn, info, debug\.' "$name.toml"
		sed -E 's/^# ([A-Za-z0-9-]+ = )/\1/' "$name.toml" >"all.$name.toml"
		run -0 "$name" --config "all.$name.toml" --print-config
		[[ $(grep -c '= ' "$name.toml") -ge 20 ]]
		grep -q '# file' <<<"$output"
	done
	sed -i 's/^port = .*/portt = 1/' all.immudb.toml
	run -2 immudb --config all.immudb.toml --print-config
	expect_text "portt"
}

@test "the packages are built, installed, upgraded, removed and purged in a whole Debian" {
	[[ $TEST_LONG == 1 ]] || skip_because needs-long "it builds everything in a new Debian"
	[[ $EUID -eq 0 ]] || skip_because needs-root "only root can make Debian systems in folders"
	command -v debootstrap >/dev/null || skip_because needs-debootstrap "it is in the package debootstrap"
	run -0 "$TEST_SOURCE/packaging/check-packages" 3>&-
	[[ ${lines[-1]} == *" checks passed" ]]
}

@test "the services do what they should under a real systemd" {
	[[ $TEST_LONG == 1 ]] || skip_because needs-long "it boots a Debian"
	[[ $EUID -eq 0 ]] || skip_because needs-root "only root can make Debian systems in folders"
	command -v debootstrap >/dev/null || skip_because needs-debootstrap "it is in the package debootstrap"
	command -v systemd-nspawn >/dev/null || skip_because needs-nspawn "it is in the package systemd-container"
	run -0 "$TEST_SOURCE/packaging/check-systemd" 3>&-
	[[ ${lines[-1]} == *" checks passed" ]]
}
