# shellcheck shell=bash
# Debian systems in folders, in which packages and images are tried. Sourced by check-packages and
# check-images, which run in a mount and process space of their own (roots_enter): all that is mounted or
# started here ends with them.

roots_folder=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)/build/roots
roots_mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
roots_suite=bookworm
roots_environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/tmp
	LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive)

# roots_enter ARGUMENT...: runs this script once more, with these arguments, in spaces of its own. Returns
# there. Needs root and debootstrap.
roots_enter() {
	[[ -z ${ROOTS_ENTERED:-} ]] || return 0
	if [[ $(id -u) != 0 ]]; then
		echo "${0##*/}: only root can make Debian systems in folders" >&2
		exit 1
	fi
	if ! command -v debootstrap >/dev/null; then
		echo "${0##*/}: debootstrap is missing; install the package debootstrap" >&2
		exit 1
	fi
	ROOTS_ENTERED=1 exec unshare --mount --pid --fork --kill-child --mount-proc -- "$0" "$@"
}

# roots_base: makes the plain system that all others start from, once.
roots_base() {
	[[ -e $roots_folder/base/.complete ]] && return 0
	echo "== a plain Debian $roots_suite, from $roots_mirror"
	mkdir -p "$roots_folder"
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
	roots_network=$roots_folder/network
	touch "$roots_network"
	mount --bind "$roots_network" "$roots_network"
	mount --make-private "$roots_network"
	unshare --net="$roots_network" "$roots_folder/../../tests/integration/wait-for" loopback
}
