#!/usr/bin/env bats
# The checks themselves: a rule that cannot fail is no rule.
load helpers

# lint CHECK: one of our checks on the tree in ./tree.
lint() {
	LINT_ROOT=$PWD/tree python3 "$TEST_SOURCE/tests/lint/lint.py" "$1"
}

# put FILE TEXT: a file of that tree; TEXT is a printf format.
put() {
	mkdir -p "tree/$(dirname "$1")"
	# shellcheck disable=SC2059 # the text is the format
	printf "$2" >"tree/$1"
}

# refuses CHECK TEXT: the check fails and says TEXT.
refuses() {
	run -1 lint "$1"
	expect_text "$2"
}

@test "layers" {
	put immudb/store/a.c '/* A. */\n#include "util/bytes.h"\n#include "store/vfs.h"\n'
	run -0 lint layers
	put immudb/store/a.c '#include "meta/meta.h"\n'
	refuses layers "immudb/store may not include meta/meta.h"
	put immudb/store/a.c '#include <sqlite3.h>\n'
	refuses layers "sqlite3.h may be included only in immudb/meta"
	put immudb/store/a.c '#include "proto/immudb.pb-c.h"\n'
	refuses layers "immudb.pb-c.h"
	put immudb/store/a.c '#include "../meta/meta.h"\n'
	refuses layers "leaves its folder"
	rm -r tree
	put immuclient/a.c '#include <nng/nng.h>\n#include "store/store.h"\n'
	refuses layers "nng/nng.h may be included only in libproto/rpc"
	expect_text "immuclient may not include store/store.h"
	rm -r tree
	put libcrypto-util/crypto/a.c '/* A. */\nint f(void) { return open("x", 0); }\n'
	refuses layers "input or output"
}

@test "length" {
	local body
	body=$(printf '\\tx();\\n%.0s' {1..67})
	put a.c "/* A. */\nvoid\nf(int a)\n{\n$body}\n"
	run -0 lint length
	put a.c "/* A. */\nvoid\nf(int a)\n{\n$body\\tx();\n}\n"
	refuses length "f has 71 lines"
	put a.c '/* A. */\nint\ng(int a, int b, int c, int d, int (*e)(int, int))\n{\n}\n'
	run -0 lint length
	put a.c '/* A. */\nint\ng(int a, int b, int c,\n    int d, int e, int f)\n{\n}\n'
	refuses length "g takes 6 parameters"
	put a.c "$(printf '\\n%.0s' {1..1001})"
	refuses length "1001 lines"
	put a.c "/* $(printf 'x%.0s' {1..94}) */\n"
	run -0 lint length
	put a.c "\t/* $(printf 'x%.0s' {1..94}) */\n"
	refuses length "108 columns"
}

@test "names, comments, text, links" {
	put a/x.c '/* X. */\n'
	put b/y.c '/* Y. */\n'
	run -0 lint names
	run -0 lint comments
	put b/x.c 'int x;\n'
	refuses names "same name"
	refuses comments "does not open with a comment"
	rm -r tree
	put b/y.h 'int y;\n'
	refuses comments "no include guard"
	rm -r tree
	put b/y.c '/* Y. Neighbours: gone.c. */\n'
	refuses comments "not there: gone.c"
	rm -r tree
	put a.md 'see [b](b.md)\n'
	refuses links "b.md"
	put b.md 'fine, [home](https://example.org)\n'
	run -0 lint links
	run -0 lint text
	put c.txt 'trailing \n'
	refuses text "trailing blank"
	put c.txt 'no end'
	refuses text "newline"
	put c.txt "TO""DO\n"
	refuses text "unfinished"
	put c.txt "in /ro""ot/x\n"
	refuses text "path of one machine"
}

@test "the closing line counts, and a skip needs a reason of the list" {
	cat >one.xml <<-'END'
		<testsuite>
		<testcase name="a" status="run"><system-out>fine
		SKIP CASE: inner: needs-root, no
		</system-out></testcase>
		<testcase name="b" status="run"/>
		<testcase name="c" status="notrun"><skipped/><system-out>SKIP: needs-long</system-out></testcase>
		</testsuite>
	END
	local summarize=(python3 "$TEST_SOURCE/tests/summarize.py"
		"$TEST_SOURCE/tests/skip-reasons.txt")
	run -0 "${summarize[@]}" 0 one.xml
	[[ ${lines[-1]} == "2 passed, 0 failed, 2 skipped" ]]
	run -1 "${summarize[@]}" 1 one.xml
	[[ ${lines[-1]} == "2 passed, 1 failed, 2 skipped" ]]
	sed 's/SKIP: needs-long//' one.xml >two.xml
	run -1 "${summarize[@]}" 0 two.xml
	[[ ${lines[-1]} == "2 passed, 1 failed, 1 skipped" ]]
	sed 's/needs-root, no/just because/; s/"b" status="run"/"b" status="fail"/' one.xml >three.xml
	run -1 "${summarize[@]}" 0 three.xml
	[[ ${lines[-1]} == "1 passed, 2 failed, 1 skipped" ]]
	run -1 "${summarize[@]}" 0
	[[ ${lines[-1]} == "0 passed, 0 failed, 0 skipped" ]]
}

@test "a command line of the page that is not accounted for is noticed" {
	cp "$BATS_TEST_DIRNAME"/overview.* "$BATS_TEST_DIRNAME"/overview_*.bats .
	run -0 "$BATS_TEST_DIRNAME/check-overview" .
	sed -i '/openssl ec -in/d' overview.list
	run -1 "$BATS_TEST_DIRNAME/check-overview" .
	expect_text "openssl ec -in"
	cp "$BATS_TEST_DIRNAME/overview.list" .
	sed -i 's/in the foreground/nowhere to be found/' overview.list
	run -1 "$BATS_TEST_DIRNAME/check-overview" .
	expect_text "no such case"
}

@test "missing packages are named where they cannot be installed" {
	cat >try.bash <<-END
		. "$TEST_SOURCE/packaging/packages.bash"
		packages_list_file=$PWD/list
		id() { echo 1000; }
		packages_need build
	END
	echo 'build bash command:bash' >list
	run -0 bash try.bash
	printf 'build nosuch command:nosuch-command\nbuild nohead-dev header:no/such.h\n' >>list
	echo 'test other command:other-command' >>list
	run -1 bash try.bash
	expect_text "nosuch nohead-dev"
	refute_text "other"
}
