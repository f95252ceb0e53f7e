#!/usr/bin/env bats
# The manual pages of an installation: they are there, the formatter has nothing to say about them, and
# they tell of every option and command that --help tells of.
load helpers

readonly PAGES=(immudb.8 immugw.8 auditor.8 immuclient.1 immuadmin.1)
readonly FILE_PAGES=(immudb.toml.5 immugw.toml.5 auditor.toml.5 immuclient.toml.5 immuadmin.toml.5)

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# page NAME: the path of a page in an installation.
page() {
	printf '%s/prefix/share/man/man%s/%s' "$PWD" "${1##*.}" "$1"
}

# commands_of PROGRAM: the commands that its --help lists, one a line.
commands_of() {
	"$1" --help | sed -nE "1,/^Usage:/d; /^  $1 /d; s/^  ([a-z][a-z-]*).*/\\1/p"
}

@test "an installation has the page of every program, and the formatter has no complaint" {
	command -v man >/dev/null || skip_because needs-man "it is in the package man-db"
	local name

	cmake --install "$TEST_BUILD" --prefix "$PWD/prefix" >install.log
	for name in "${PAGES[@]}"; do
		run -0 --separate-stderr man --warnings -E UTF-8 -l -Tutf8 -Z "$(page "$name")"
		# shellcheck disable=SC2154 # set by run
		[[ -z $stderr && -n $output ]]
		MANWIDTH=80 run -0 --separate-stderr man --warnings -l "$(page "$name")"
		[[ -z $stderr && $output == *NAME*SYNOPSIS*OPTIONS*"EXIT STATUS"* ]]
		[[ $output == *"${name%.*} 0.1.0"* && $output != *"${name%.*} ${name%.*} 0.1.0"* ]]
	done
	for name in "${FILE_PAGES[@]}"; do
		run -0 --separate-stderr man --warnings -E UTF-8 -l -Tutf8 -Z "$(page "$name")"
		[[ -z $stderr && -n $output ]]
		MANWIDTH=80 run -0 --separate-stderr man --warnings -l "$(page "$name")"
		[[ -z $stderr && $output == *NAME*DESCRIPTION*SETTINGS*"SEE ALSO"* ]]
	done
	# The check can fail.
	printf '.TH X 1\n.SH NAME\n.nosuchrequest\n' >wrong.1
	run -0 --separate-stderr man --warnings -l -Tutf8 wrong.1
	[[ $stderr == *nosuchrequest* ]]
}

@test "a page has every option of --help, and every command" {
	local name option command

	for name in "${PAGES[@]}"; do
		name=${name%.*}
		"$name" --print-man | sed 's/\\-/-/g' >page
		grep -oE '^  (-[a-zA-Z], |    )--(\[no-\])?[a-zA-Z0-9-]+' <("$name" --help) | grep -oE -- '--.*' >options
		[[ $(wc -l <options) -gt 5 ]]
		while read -r option; do
			grep -qF "\\fB$option\\fR" page
		done <options
	done
	for name in immuclient immuadmin auditor; do
		commands_of "$name" >commands
		[[ -s commands ]]
		"$name" --print-man | sed 's/\\-/-/g' >page
		while read -r command; do
			grep -qE "^\.SS $name $command( |\$)" page
		done <commands
	done
}

@test "a page has the other names of commands, the same commands once, and what belongs to it" {
	immudb --print-man | sed 's/\\-/-/g' >page
	grep -qF '\fB--[no-]synced\fR' page
	grep -qF '.BR immudb.toml (5)' page
	immuclient --print-man | sed 's/\\-/-/g' >page
	grep -qx 'Other names: l.' page
	grep -qx '.I /etc/immudb/immudb.toml' page
	immuadmin --print-man | sed 's/\\-/-/g' >page
	grep -qx '.SS immuadmin service immudb stop' page
	run -1 grep -x '.SS immuadmin service immugw stop' page
	grep -qF 'Its commands are those of \fBimmuadmin service immudb\fR.' page
}

@test "no line of help is longer than 80 columns, and that of a command is about the command" {
	local program words

	for program in immudb immugw auditor immuadmin immuclient; do
		"$program" --help >help
		while read -r words; do
			# shellcheck disable=SC2086 # the words of a command
			"$program" $words --help >>help
		done < <("$program" --print-words | awk -F'\t' '$1 == "command" { print $2 $3 }' | tr / ' ')
		run -1 grep -E '.{81}' help
	done
	run -0 immuclient set --help
	expect_text "--if-not-exists"
	expect_text '"immuclient --help" lists the options of every command.'
	refute_text "--immudb-address"
	refute_text "--print-config"
}

@test "the page of a file has every key that --print-config shows" {
	local name key

	for name in "${FILE_PAGES[@]}"; do
		name=${name%.toml.5}
		"$name" --print-file-man | sed 's/\\-/-/g' >page
		"$name" --print-config | sed -nE 's/^#? ?([a-zA-Z-]+) = .*/\1/p' >keys
		[[ $(wc -l <keys) -gt 5 ]]
		while read -r key; do
			[[ $key == @(config|once|rounds) || $(grep -c "^.fB$key.fR = " page) == 1 ]]
		done <keys
	done
	# What only the command line has is no setting.
	run -0 auditor --print-file-man
	refute_text 'fBonce'
}

@test "a broken configuration does not keep a program from writing its page" {
	printf 'nonsense = [\n' >broken.toml
	IMMUDB_CONFIG=$PWD/broken.toml IMMUDB_PORT=none run -0 immudb --print-man
	expect_text ".TH IMMUDB 8"
	run -2 immudb --config broken.toml --print-config
}
