#!/usr/bin/env bats
# The overview page, section "Build": what an installation holds, and that programs can use it.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	cmake --install "$TEST_BUILD" --prefix "$PWD/prefix" >install.log
}

@test "an installation holds programs, headers and library" {
	run -0 prefix/bin/immudb version
	expect_text "immudb 0.1.0"
	run -0 prefix/bin/immuclient version
	[[ -s prefix/include/immu/immu.h && -s prefix/lib/libimmu.so && -s prefix/lib/pkgconfig/immu.pc ]]
	[[ -s prefix/include/immu/immu_trust.h && -s prefix/include/immu/immu_proof.h ]]
	run -0 nm -D --defined-only prefix/lib/libimmu.so
	run ! grep -v ' T immu_' <<<"$output"
	run -0 find prefix -perm /022 -not -type l
	[[ -z $output ]]
}

@test "the example is compiled against the installed library, shared and static, and works" {
	local example=$TEST_SOURCE/libproto/client/example/prove.c
	export PKG_CONFIG_PATH=$PWD/prefix/lib/pkgconfig
	# shellcheck disable=SC2046 # the flags are words
	gcc -std=c17 -Wall -Werror "$example" -o shared $(pkg-config --cflags --libs immu)
	# shellcheck disable=SC2046
	gcc -std=c17 -Wall -Werror "$example" -o static $(pkg-config --cflags immu) \
		prefix/lib/libimmu.a $(pkg-config --libs-only-l --static immu | sed 's/-limmu//')
	run ! grep -q libimmu <<<"$(ldd static)"
	start_server
	LD_LIBRARY_PATH=$PWD/prefix/lib run -0 ./shared 127.0.0.1 "$PORT" immudb immudb
	expect_text "read: hello, world"
	expect_text "3 checks hold"
	expect_text "500 writes proven; transaction 501 of defaultdb is trusted now"
	run -0 ./static 127.0.0.1 "$PORT" immudb immudb
	expect_text "500 writes proven; transaction 1002 of defaultdb is trusted now"
	run -4 ./static 127.0.0.1 "$PORT" immudb wrong
}

@test "the headers are good C and C++, and need nothing but themselves" {
	printf '#include <%s>\n' immu_proof.h immu_trust.h immu.h >header.c
	printf 'int main(void) { return immu_version() == 0; }\n' >>header.c
	cp header.c header.cc
	run -0 gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iprefix/include/immu header.c
	# The C++ compiler at hand is that of the linter, which wants at least one check of its own.
	local checks='-*,clang-diagnostic-*,bugprone-sizeof-expression'
	run -0 clang-tidy-14 -quiet "--checks=$checks" '--warnings-as-errors=*' \
		header.cc -- -std=c++11 -Wall -Wextra -Wpedantic -Iprefix/include/immu
}

# needed PROGRAM: the shared libraries that it names, one a line.
needed() {
	readelf -d "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]$/\1/p'
}

@test "static programs need nothing but the C library where there are archives" {
	local arch=amd64 name
	# What Debian has no archive of; packaging/README.md names it.
	local allowed='^(libc\.so\.6|libm\.so\.6|ld-linux.*|libcivetweb\.so\.1)$'

	[[ $(uname -m) == aarch64 ]] && arch=arm64
	cd "$TEST_SOURCE"
	for name in immudb immuadmin immuclient immugw; do
		GOOS=linux GOARCH=$arch BUILD=$TEST_BUILD run -0 make --no-print-directory "$name-static"
		expect_text "built: $TEST_BUILD/static/$name"
		run ! grep -vE "$allowed" <<<"$(needed "$TEST_BUILD/static/$name")"
		run -0 "$TEST_BUILD/static/$name" version
		expect_text "$name 0.1.0"
	done
	run ! grep -v '^libc\|^ld-linux' <<<"$(needed "$TEST_BUILD/static/immuclient")"
	# The check sees libraries: the programs for this system have more of them.
	run -0 grep -vE "$allowed" <<<"$(needed "$TEST_BUILD/bin/immudb")"
}

@test "a static server serves a static client" {
	cd "$BATS_TEST_TMPDIR"
	PATH=$TEST_BUILD/static:$PATH
	[[ -x $TEST_BUILD/static/immudb && -x $TEST_BUILD/static/immuclient ]]
	start_server
	immuclient login immudb <<<immudb
	run -0 immuclient safeset k0 v0
	run -0 immuclient safeget k0
	expect_text "verified"
}

@test "another system or machine is one clear line" {
	local variable

	cd "$TEST_SOURCE"
	for variable in GOOS=darwin GOOS=windows GOARCH=riscv; do
		run -2 env GOOS=linux "$variable" make immudb-static
		[[ ${#lines[@]} -eq 1 ]]
		expect_text "cannot build for"
		expect_text "only for this machine"
	done
}
