/* What completion offers, by the command table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "commands.h"
#include "shell.h"

/* Completes the line, which ends in the stem; the candidates as "a b c", and whether keys fit. */
static void
expect(const char *line, const char *want, bool want_key)
{
	struct shell_candidates c = {0};
	struct shell_words words;
	struct bytes stem = {0};
	struct arena arena;
	char got[4096] = "";

	arena_init(&arena, 1 << 20);
	c.arena = &arena;
	c.list = (struct bytes *)arena_calloc(&arena, SHELL_CANDIDATES_MAX, sizeof *c.list);
	assert_int_equal(shell_split(bytes_str(line), &arena, &words), IM_OK);
	if (words.in_word)
		stem = bytes_str(words.words[--words.count]);
	assert_true(shell_complete_words(&immuclient_root, &words, stem, &c) == want_key);
	for (size_t i = 0; i < c.count; i++) {
		if (i)
			strcat(got, " ");
		strncat(got, (const char *)c.list[i].data, c.list[i].len);
	}
	assert_string_equal(got, want);
	arena_free(&arena);
}

static void
commands_complete(void **state)
{
	(void)state;
	expect("safe", "safeset safeget safereference safezadd safetx", false);
	expect("zs", "zscan", false);
	expect("qu", "quit", false);
	expect("trust ex", "export", false);
	expect("help ins", "inspect", false);
	expect("nosuch", "", false);
}

/* What completion puts behind the stem when there are these keys, a NULL behind the last. */
static void
expect_common(const char *stem, const char *const *keys, const char *want)
{
	struct bytes list[4], got;
	struct shell_candidates c = {.list = list};

	for (; keys[c.count]; c.count++)
		list[c.count] = bytes_str(keys[c.count]);
	got = shell_candidates_common(&c, bytes_str(stem));
	assert_int_equal(got.len, strlen(want));
	if (got.len)
		assert_memory_equal(got.data, want, got.len);
}

#define COMMON(stem, want, ...) \
	expect_common((stem), (const char *const[]){__VA_ARGS__, NULL}, (want))

static void
keys_have_a_common_beginning(void **state)
{
	(void)state;
	COMMON("ab", "cd", "abcd1", "abcd2");
	COMMON("ab", "", "ab", "abc");
	COMMON("", "abc", "abc");
	/* Half a character is not put in: these share its first byte. */
	COMMON("a", "", "a\xc3\xa9", "a\xc3\xa8");
	/* A key that goes on with a byte that continues nothing takes nothing of the stem away. */
	COMMON("\xc3\xa9", "", "\xc3\xa9\x80", "\xc3\xa9\x81");
	/* A server that answers other keys than those that begin with the stem. */
	COMMON("abc", "", "x");
	COMMON("abc", "", "abcd", "ab");
	/* Bytes that steer the terminal, or end a line. */
	COMMON("a", "b", "ab\x1b[2J");
	COMMON("a", "", "a\nb");
}

static void
flags_complete(void **state)
{
	(void)state;
	expect("zscan --mi", "--min", false);
	expect("get --value", "--value-only", false);
	expect("safeget k --pr", "--proof", false);
}

static void
keys_where_keys_belong(void **state)
{
	(void)state;
	expect("get us", "", true);
	expect("set us", "", true);
	expect("set user va", "", false);
	expect("scan us", "", true);
	expect("delete a b c", "", true);
	expect("reference a b", "", true);
	expect("zadd set 1 k", "", true);
	expect("zadd se", "", false);
	expect("tx 1", "", false);
	expect("history --desc us", "", true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_complete),
	    cmocka_unit_test(keys_have_a_common_beginning),
	    cmocka_unit_test(flags_complete),
	    cmocka_unit_test(keys_where_keys_belong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
