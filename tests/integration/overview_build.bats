#!/usr/bin/env bats
# The overview page, section "Build": what an installation holds, and that programs can use it.
load helpers

setup() {
	private_home "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return 1
	cmake --install "$IMMUDB_BUILD" --prefix "$PWD/prefix" >install.log
}

@test "an installation holds programs, headers and library" {
	run -0 prefix/bin/immudb version
	expect_text "immudb 0.1.0"
	run -0 prefix/bin/immuclient version
	[[ -s prefix/include/immu/immu.h && -s prefix/lib/libimmu.so && -s prefix/lib/pkgconfig/immu.pc ]]
	run -0 nm -D --defined-only prefix/lib/libimmu.so
	run ! grep -v ' T immu_' <<<"$output"
	run -0 find prefix -perm /022 -not -type l
	[[ -z $output ]]
}

@test "a program is compiled against the installed library and works" {
	cat >consumer.c <<-'END'
		#include <stdio.h>
		#include <string.h>

		#include <immu.h>

		int
		main(int argc, char **argv)
		{
			struct immu_options options = {.address = "127.0.0.1"};
			struct immu_kv kv = {.key = immu_str("k"), .value = immu_str("v")};
			struct immu_result *set = NULL, *get = NULL;
			struct immu *c = NULL;
			unsigned port = 0;
			int bad;

			if (argc < 2 || sscanf(argv[1], "%u", &port) != 1)
				return 2;
			options.port = port;
			bad = immu_connect(&options, &c) || immu_login(c, "immudb", "immudb", NULL) ||
			    immu_verified_set(c, &kv, 1, &set) ||
			    immu_verified_get(c, kv.key, NULL, &get) || !get->verified ||
			    get->entries[0].value.len != 1;
			printf("%s %s\n", immu_version(), bad ? "failed" : "verified");
			immu_result_free(set);
			immu_result_free(get);
			return immu_close(c) || bad;
		}
	END
	export PKG_CONFIG_PATH=$PWD/prefix/lib/pkgconfig
	# shellcheck disable=SC2046 # the flags are words
	gcc -std=c17 -Wall -Werror consumer.c -o consumer $(pkg-config --cflags --libs immu)
	start_server
	LD_LIBRARY_PATH=$PWD/prefix/lib run -0 ./consumer "$PORT"
	expect_text "verified"
}
