#!/usr/bin/env bats
# Data folders of every format version there has been (tests/golden/upgrade, made by the script there): they
# are whole, open, prove what their clients knew, and take writes.
load helpers

# schema FILE: the schema version of a metadata file.
schema() {
	od -An -tu1 -j60 -N4 "$1" | awk '{ print $4 }'
}

# upgrade NAME: everything that an upgrade must do, with a copy of a folder.
upgrade() {
	local name key value

	tar -xJf "$TEST_SOURCE/tests/golden/upgrade/$1.tar.xz"
	DATA=$PWD/golden/data
	run -0 immudb verify "$DATA"
	start_server
	login_admin
	for name in defaultdb older; do
		immuclient trust import "golden/$name.state"
		immuclient use "$name"
		while IFS=$'\t' read -r key value; do
			[[ $(immuclient --value-only safeget "$key") == "$value" ]]
		done < <(grep -E '^(key0|key13|large|last)	' "golden/$name.tsv")
		run -0 immuclient --value-only safeget pointer
		[[ $output == "$(immuclient --value-only get key3)" ]]
		run -0 immuclient zscan scores
		expect_text key5
		run -0 immuclient safeset key0 "after the upgrade of $name"
	done
	immuclient use defaultdb
	run -3 immuclient get key14
	run -0 immuclient --value-only get late
	[[ $output == "expires in a century" ]]
	run -0 immuclient --username reader --password 'Reader1!x' --database older --value-only get key0
	[[ $output == "after the upgrade of older" ]]
	stop_server
	run -0 immudb verify "$DATA"
	# Opened once more it is as any other.
	start_server
	login_admin
	run -0 immuclient --value-only safeget key0
	[[ $output == "after the upgrade of defaultdb" ]]
	stop_server
	[[ $(schema "$DATA/immudb.sqlite") == "$(schema new.sqlite)" ]]
}

@test "a folder of every earlier version is upgraded" {
	local file

	start_server
	stop_server
	cp "$DATA/immudb.sqlite" new.sqlite
	for file in "$TEST_SOURCE"/tests/golden/upgrade/*.tar.xz; do
		upgrade "$(basename "$file" .tar.xz)"
		rm -rf golden "$HOME"
		mkdir -p "$HOME"
	done
}

@test "there is a folder of each version of the formats and of the metadata" {
	local version file

	start_server
	stop_server
	version=$(schema "$DATA/immudb.sqlite")
	for ((; version > 0; version--)); do
		file=$(compgen -G "$TEST_SOURCE/tests/golden/upgrade/format-*-metadata-$version.tar.xz")
		tar -xJf "$file" golden/data/immudb.sqlite
		[[ $(schema golden/data/immudb.sqlite) == "$version" ]]
	done
}

@test "a folder that was changed before its upgrade is found out" {
	local file=$TEST_SOURCE/tests/golden/upgrade/format-1-metadata-1.tar.xz

	tar -xJf "$file"
	DATA=$PWD/golden/data
	# A byte of the last value is another.
	python3 - "$DATA"/defaultdb <<-'END'
		import pathlib, sys
		for path in pathlib.Path(sys.argv[1]).rglob("*"):
		    if path.is_file() and b"the last of defaultdb" in (data := path.read_bytes()):
		        path.write_bytes(data.replace(b"the last of defaultdb", b"the lost of defaultdb"))
	END
	run -10 immudb verify "$DATA"
	start_server
	login_admin
	immuclient trust import golden/defaultdb.state
	run immuclient safeget last
	[[ $status != 0 ]]
	stop_server
}
