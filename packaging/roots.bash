# shellcheck shell=bash
# Debian systems in folders, in which packages and images are tried. Sourced by check-packages, check-systemd,
# check-images and check-engine, which run in a mount and process space of their own (roots_enter), one at a
# time: all that is mounted or started here ends with them.

roots_folder=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)/build/roots
roots_mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
roots_suite=bookworm
roots_environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/tmp
	LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive)
readonly ROOTS_WAIT_TENTHS=600 ROOTS_PACKAGES=7
checks=0

# check TEXT COMMAND...: one line for each check; the first that fails ends the run. A script may have a
# function on_failure, which shows what there is to see.
check() {
	local text=$1

	shift
	if ! "$@"; then
		printf 'not ok: %s\n' "$text"
		if declare -F on_failure >/dev/null; then
			on_failure
		fi
		printf '%s: failed\n' "${0##*/}"
		exit 1
	fi
	printf 'ok: %s\n' "$text"
	checks=$((checks + 1))
}

# until_true COMMAND...: polls for a minute.
until_true() {
	local i

	for ((i = 0; i < ROOTS_WAIT_TENTHS; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "gave up waiting for: $*"
	return 1
}

# roots_usage: the comment that the script begins with.
roots_usage() {
	sed -n '2,/^[^#]/{/^# shellcheck/!s/^# \{0,1\}//p}' "$0"
}

# roots_enter ARGUMENT...: runs this script once more, with these arguments, in spaces of its own, when no other
# such script runs. Returns there. Needs root and debootstrap.
roots_enter() {
	if [[ -n ${ROOTS_ENTERED:-} ]]; then
		# Process 1 is not ended by a signal that it does not handle.
		trap 'exit 130' INT
		trap 'exit 143' TERM
		return 0
	fi
	if [[ $(id -u) != 0 ]]; then
		echo "${0##*/}: only root can make Debian systems in folders" >&2
		exit 1
	fi
	if ! command -v debootstrap >/dev/null; then
		echo "${0##*/}: debootstrap is missing; install the package debootstrap" >&2
		exit 1
	fi
	mkdir -p "$roots_folder"
	ROOTS_ENTERED=1 exec flock --no-fork "$roots_folder/lock" \
		unshare --mount --pid --fork --kill-child --mount-proc -- "$0" "$@"
}

# roots_base: makes the plain system that all others start from, once.
roots_base() {
	[[ -e $roots_folder/base/.complete ]] && return 0
	echo "== a plain Debian $roots_suite, from $roots_mirror"
	rm -rf "$roots_folder/base"
	debootstrap --variant=minbase "$roots_suite" "$roots_folder/base" "$roots_mirror" \
		>"$roots_folder/debootstrap.log" 2>&1 || {
		tail -n 5 "$roots_folder/debootstrap.log" >&2
		return 1
	}
	# Packages that were fetched once are kept beside the systems.
	rm -rf "$roots_folder/base/var/cache/apt/archives" "$roots_folder/base/var/lib/apt/lists"
	mkdir -p "$roots_folder"/base/var/{cache/apt/archives,lib/apt/lists}
	touch "$roots_folder/base/.complete"
}

# roots_new NAME FROM: a system like FROM, ready to run programs in; sets ROOT to its folder. FROM is base
# or the NAME of another one.
roots_new() {
	ROOT=$roots_folder/$1
	if mountpoint -q "$ROOT/proc" 2>/dev/null; then
		umount -R "$ROOT/proc"
	fi
	rm -rf --one-file-system "$ROOT"
	cp -a --reflink=auto "$roots_folder/$2" "$ROOT"
	roots_open "$ROOT"
}

# roots_open FOLDER: what a running system has beside its files.
roots_open() {
	mkdir -p "$1/proc" "$1/dev/pts" "$roots_folder/archives/partial" "$roots_folder/lists/partial"
	mountpoint -q "$1/proc" || mount -t proc proc "$1/proc"
	mountpoint -q "$1/dev/pts" || mount -t devpts -o ptmxmode=0666 devpts "$1/dev/pts" || true
	if [[ -d $1/var/cache/apt/archives ]]; then
		mount --bind "$roots_folder/archives" "$1/var/cache/apt/archives"
		mount --bind "$roots_folder/lists" "$1/var/lib/apt/lists"
	fi
	cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# roots_run FOLDER COMMAND...: runs it in that system, with a plain environment.
roots_run() {
	local folder=$1

	shift
	chroot "$folder" env -i "${roots_environment[@]}" "$@" </dev/null
}

# roots_make_network: a network of its own, with nothing but a loopback; sets roots_network to its file, for
# nsenter --net.
roots_make_network() {
	# Another script that goes on with this one has another.
	roots_network=$roots_folder/network.${0##*/}
	touch "$roots_network"
	mount --bind "$roots_network" "$roots_network"
	mount --make-private "$roots_network"
	unshare --net="$roots_network" "$roots_folder/../../tests/integration/wait-for" loopback
}

# ---- packages ----

# roots_source FOLDER: the source package of this tree, in that folder.
roots_source() {
	rm -rf "$1"
	packaging/make-deb --source --output "$1" >"$roots_folder/source.log" 2>&1 ||
		{ tail -n 20 "$roots_folder/source.log"; return 1; }
}

# roots_build_debs: packages from the source package, made by an ordinary user in a new system with nothing
# but the build dependencies; they are in roots_debs then, and the system is ROOT.
roots_build_debs() {
	roots_debs=$roots_folder/debs
	roots_source "$roots_debs" || return 1
	echo "== building in a clean system"
	roots_new build base
	mkdir -p "$ROOT/build"
	cp "$roots_debs"/*.dsc "$roots_debs"/*.tar.xz "$ROOT/build"
	echo "deb-src $roots_mirror $roots_suite main" >>"$ROOT/etc/apt/sources.list"
	roots_run "$ROOT" sh -euc '
		apt-get -q update
		apt-get -q -y --no-install-recommends install build-essential lintian
		cd /build
		apt-get -q -y --no-install-recommends build-dep ./*.dsc
		useradd --create-home builder
		chown -R builder /build
		setpriv --reuid builder --regid builder --clear-groups env HOME=/home/builder sh -euc "
			dpkg-source -x *.dsc tree
			cd tree
			dpkg-buildpackage -us -uc"
	' >"$roots_folder/build.log" 2>&1 || { tail -n 20 "$roots_folder/build.log"; return 1; }
	cp "$ROOT"/build/*.deb "$ROOT"/build/*.changes "$roots_debs"
	[[ $(find "$roots_debs" -name '*.deb' ! -name '*-dbgsym*' | wc -l) -eq $ROOTS_PACKAGES ]]
}

# roots_need_debs: the same, unless they have been built from this very source package before.
roots_need_debs() {
	local new=$roots_folder/debs.new

	roots_debs=$roots_folder/debs
	roots_source "$new" || return 1
	if cmp -s "$new"/*.tar.xz "$roots_debs"/*.tar.xz &&
		[[ $(find "$roots_debs" -name '*.deb' ! -name '*-dbgsym*' | wc -l) -eq $ROOTS_PACKAGES ]]; then
		rm -r "$new"
		return 0
	fi
	rm -r "$new"
	roots_build_debs
}

# roots_receive_debs PACKAGE...: puts our packages into /debs of the system ROOT, and the same with a later
# version into /next; installs PACKAGE... and fetches what ours depend on. From here on no network is needed.
roots_receive_debs() {
	mkdir -p "$ROOT/debs" "$ROOT/next"
	cp "$roots_debs"/*.deb "$ROOT/debs"
	rm -f "$ROOT"/debs/*-dbgsym*
	# shellcheck disable=SC2016 # for the shell in there
	roots_run "$ROOT" sh -euc '
		apt-get -q update
		apt-get -q -y --no-install-recommends install "$@"
		apt-get -q -y --no-install-recommends --download-only install /debs/*.deb
		cd /next
		for deb in /debs/*.deb; do
			dpkg-deb -R "$deb" tree
			sed -i "s/0\.1\.0/0.1.1/" tree/DEBIAN/control
			dpkg-deb --root-owner-group -Znone -b tree .
			rm -r tree
		done' sh "$@" >"$roots_folder/install.log" 2>&1 || { tail -n 20 "$roots_folder/install.log"; return 1; }
}
