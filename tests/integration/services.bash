# shellcheck shell=bash disable=SC2154 # bats sets status and output
# What the tests of services load beside helpers: a machine that is thrown away, with a stand-in for systemctl.

# as_installed SCRIPT: as as_printed, as root, in a machine whose /etc, /usr and /var are ours, and where
# something that answers to systemctl runs.
as_installed() {
	local shell=(unshare --mount --net --pid --fork --mount-proc --kill-child)

	[[ $EUID -eq 0 ]] || skip_because needs-root "services are root's"
	mkdir -p layers
	"${shell[@]}" bash -c "$(declare -f layered); layered" 2>/dev/null ||
		skip_because needs-namespace "unshare failed, or layers of folders"
	ln -sf "$TEST_BUILD/bin/"{immudb,immuclient,immuadmin,immugw,auditor} .
	WAIT=$BATS_TEST_DIRNAME/wait-for STAND_IN=$BATS_TEST_DIRNAME/systemctl-stand-in \
		run "${shell[@]}" bash -euo pipefail -c "$(declare -f layered)
			layered
			cp \"\$STAND_IN\" /usr/bin/systemctl
			mkdir -p /run/systemd/system /etc/systemd/system/multi-user.target.wants
			rm -rf /etc/immudb
			\"\$WAIT\" loopback; $1" 3>&- </dev/null
}

# layered: what is written below /etc, /usr and /var from here on is forgotten; /run is empty.
layered() {
	local folder

	mount -t tmpfs layers layers || return 1
	for folder in etc usr var; do
		mkdir -p "layers/$folder/upper" "layers/$folder/work" || return 1
		mount -t overlay "$folder" "/$folder" \
			-o "lowerdir=/$folder,upperdir=layers/$folder/upper,workdir=layers/$folder/work" || return 1
	done
	mount -t tmpfs run /run
}
