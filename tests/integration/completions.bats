#!/usr/bin/env bats
# The completions of an installation, asked by the shells themselves, and the words they are made of held
# against the programs.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	cmake --install "$TEST_BUILD" --prefix "$PWD/prefix" >install.log
	SHARE=$PWD/prefix/share
}

# in_bash EXPECTED PROGRAM WORD...: what bash offers for the last word.
in_bash() {
	local expected=$1

	shift
	# shellcheck disable=SC2016 # for the other shell
	run -0 bash -c '. "$0/bash-completion/completions/$1"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		"_$1"
		echo "${COMPREPLY[*]}"' "$SHARE" "$@"
	if [[ $output != "$expected" ]]; then
		printf '%s\nexpected: %s\nfound: %s\n' "$*" "$expected" "$output"
		return 1
	fi
}

# in_zsh EXPECTED PROGRAM WORD...: the same for zsh, whose own functions are told to print.
in_zsh() {
	local expected=$1

	shift
	# shellcheck disable=SC2016
	TMPPREFIX=$BATS_TEST_TMPDIR/zsh run -0 zsh -f -c 'compdef() { : }
		. "$0/zsh/vendor-completions/_$1"
		_describe() { print -r -- ${found%%:*} }
		_files() { print FILES }
		_message() { print MESSAGE }
		compset() { : }
		compadd() { shift; print -r -- $@ }
		words=("$@") CURRENT=$#
		"_$1"' "$SHARE" "$@"
	if [[ $output != "$expected" ]]; then
		printf '%s\nexpected: %s\nfound: %s\n' "$*" "$expected" "$output"
		return 1
	fi
}

# in_fish EXPECTED LINE: the same for fish.
in_fish() {
	# shellcheck disable=SC2016
	run -0 fish -c 'source $argv[1]/fish/vendor_completions.d/(string split " " -- $argv[2])[1].fish
		complete -C $argv[2] | string replace -r "\t.*" "" | sort' "$SHARE" "$2"
	if [[ $(xargs <<<"$output") != "$1" ]]; then
		printf '%s\nexpected: %s\nfound: %s\n' "$2" "$1" "$output"
		return 1
	fi
}

@test "bash completes commands, sub-commands, options and their words" {
	in_bash "login logout log" immuadmin lo
	in_bash "list" immuadmin user li
	in_bash "list" immuadmin u li
	in_bash "list" immuadmin --username a user li
	in_bash "text json" immuclient --output ''
	in_bash "json" immuclient --output j
	in_bash "json" immuclient --output = j
	in_bash "health" immuclient --output json hea
	in_bash "health" immuclient --output = json hea
	in_bash "--output" immuclient set --outp
	in_bash "" immuclient --immudb-address se
	in_bash "" immuclient nosuchcommand -z
	touch here.toml
	in_bash "here.toml" immudb --config he
	in_bash "--config" immudb --conf
	in_bash "--once" auditor --onc
}

@test "zsh completes commands, sub-commands, options and their words" {
	command -v zsh >/dev/null || skip_because needs-zsh "it is in the package zsh"
	local file

	for file in "$SHARE"/zsh/vendor-completions/_*; do
		zsh -n "$file"
	done
	run -0 zsh -f -c 'print zsh'
	in_zsh "text json" immuclient --output ''
	in_zsh "text json" immuclient --output=j
	in_zsh "FILES" immudb --config ''
	in_zsh "MESSAGE" immuclient -a ''
	in_zsh "list show export import forget" immuclient -a host trust ''
	in_zsh "FILES" immuclient import ''
}

@test "fish completes commands, sub-commands, options and their words" {
	command -v fish >/dev/null || skip_because needs-fish "it is in the package fish"
	local file

	for file in "$SHARE"/fish/vendor_completions.d/*.fish; do
		fish -n "$file"
	done
	in_fish "log login logout" "immuadmin lo"
	in_fish "list" "immuadmin u li"
	in_fish "json text" "immuclient --output "
	in_fish "--output=json" "immuclient --output=j"
	in_fish "--once" "auditor --onc"
	in_fish "" "immuclient -a "
}

@test "every program has its words in every shell" {
	local name option

	for name in immudb immugw auditor immuclient immuadmin; do
		"$name" --print-words >words
		grep -oE '^  (-[a-zA-Z], |    )--[a-zA-Z0-9-]+' <("$name" --help) | grep -oE -- '--.*' >options
		[[ $(wc -l <options) -gt 5 ]]
		while read -r option; do
			grep -q "^option"$'\t/\t'"$option"$'\t' words
		done <options
		grep -qxF -f words "$SHARE/bash-completion/completions/$name"
		run ! grep -vxF -f "$SHARE/bash-completion/completions/$name" words
		run ! grep -vxF -f "$SHARE/zsh/vendor-completions/_$name" words
		[[ $(grep -c $'^[a-z ]*.*\t/' "$SHARE/fish/vendor_completions.d/$name.fish") -ge $(wc -l <words) ]]
	done
}
