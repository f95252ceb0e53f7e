# shellcheck shell=bash
# Which Debian packages are missing, and installing them. Sourced by packaging/quickstart and
# tests/run; packages.txt beside this file is the one list.

packages_list_file=$(dirname -- "${BASH_SOURCE[0]}")/packages.txt

# packages_probe PROBE: true when what the probe names is on this machine.
packages_probe() {
	local what=${1#*:} folder

	case $1 in
	command:*)
		command -v -- "$what" >/dev/null
		;;
	header:*)
		for folder in /usr/include /usr/local/include /usr/include/*-linux-gnu*; do
			[[ -e $folder/$what ]] && return 0
		done
		return 1
		;;
	*)
		echo "packages.txt: unknown probe $1" >&2
		return 2
		;;
	esac
}

# packages_missing SECTION...: prints the packages of these sections that are not there, one a line.
packages_missing() {
	local section package probe

	while read -r section package probe; do
		[[ $section == '#'* || -z $section ]] && continue
		[[ " $* " == *" $section "* ]] || continue
		packages_probe "$probe" || printf '%s\n' "$package"
	done <"$packages_list_file"
}

# packages_need SECTION...: installs what is missing when that is possible (root on Debian); else
# names it and fails. RUN, when set, is a command that is given each command line to carry out.
packages_need() {
	local missing

	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]} == 0)) && return 0
	if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
		printf 'missing packages (Debian 12 names): %s\n' "${missing[*]}" >&2
		printf 'install them as root: apt-get install %s\n' "${missing[*]}" >&2
		return 1
	fi
	${RUN:-} apt-get update -q || return 1
	${RUN:-} env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
		--no-install-recommends "${missing[@]}" || return 1
	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]} == 0)) && return 0
	printf 'still missing after installation: %s\n' "${missing[*]}" >&2
	return 1
}
