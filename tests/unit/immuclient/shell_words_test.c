/* Lines of the shell as words: quotes, backslashes, comments, and lines that go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "shell_words.h"

/* The words of a line in brackets; "..." at the end when the line goes on. */
static void
expect(const char *line, const char *want)
{
	struct shell_words words;
	struct arena arena;
	char got[256] = "";

	arena_init(&arena, 1 << 20);
	assert_int_equal(shell_split(bytes_str(line), &arena, &words), IM_OK);
	for (size_t i = 0; i < words.count; i++)
		snprintf(got + strlen(got), sizeof got - strlen(got), "[%s]", words.words[i]);
	if (words.is_open)
		strcat(got, "...");
	assert_string_equal(got, want);
	assert_null(words.words[words.count]);
	arena_free(&arena);
}

static void
blanks_separate(void **state)
{
	(void)state;
	expect("", "");
	expect("  \t ", "");
	expect("get k", "[get][k]");
	expect("  set\tk  v \r", "[set][k][v]");
	expect("a b c d e", "[a][b][c][d][e]");
}

static void
quotes(void **state)
{
	(void)state;
	expect("set k 'two words'", "[set][k][two words]");
	expect("set k \"two words\"", "[set][k][two words]");
	expect("set k ''", "[set][k][]");
	expect("a'b c'\"d e\"f", "[ab cd ef]");
	expect("'a\\b\"'", "[a\\b\"]");
	expect("\"a\\\"b\\\\c\\d'\"", "[a\"b\\c\\d']");
	expect("'#' a#b", "[#][a#b]");
}

static void
backslashes_and_comments(void **state)
{
	(void)state;
	expect("a\\ b", "[a b]");
	expect("\\'a\\\"", "['a\"]");
	expect("get k # what", "[get][k]");
	expect("# nothing", "");
	expect("get \\\nk", "[get][k]");
	expect("a\\\nb", "[ab]");
}

static void
lines_that_go_on(void **state)
{
	(void)state;
	expect("set k 'one", "[set][k][one]...");
	expect("set k 'one\ntwo'", "[set][k][one\ntwo]");
	expect("set k \"", "[set][k][]...");
	expect("set k \\", "[set][k][]...");
}

static void
where_a_line_ends(void **state)
{
	struct shell_words words;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	assert_int_equal(shell_split(bytes_str("get us"), &arena, &words), IM_OK);
	assert_true(words.in_word && words.word_at == 4 && words.quote == 0);
	assert_int_equal(shell_split(bytes_str("get \"us"), &arena, &words), IM_OK);
	assert_true(words.in_word && words.word_at == 4 && words.quote == '"');
	assert_int_equal(shell_split(bytes_str("get us "), &arena, &words), IM_OK);
	assert_false(words.in_word);
	assert_int_equal(shell_split(bytes_of("a\0b", 3), &arena, &words), IM_ERR_FORMAT);
	arena_free(&arena);
}

/* What is quoted comes back as it was, alone and as the rest of a word that was begun. */
static void
quoting_comes_back(void **state)
{
	static const char *const texts[] = {"plain", "two words", "q'u\"o\\te", "#x", "a\tb"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		for (size_t q = 0; q < 2; q++) {
			struct shell_words words;
			struct arena arena;
			struct buf line;

			arena_init(&arena, 1 << 20);
			buf_init(&line, 1024);
			buf_append_str(&line, q ? "\"" : "");
			assert_true(shell_quote(&line, bytes_str(texts[i]), q ? '"' : 0));
			buf_append_str(&line, q ? "\"" : "");
			assert_int_equal(shell_split(buf_bytes(&line), &arena, &words), IM_OK);
			assert_int_equal(words.count, 1);
			assert_string_equal(words.words[0], texts[i]);
			buf_free(&line);
			arena_free(&arena);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blanks_separate),
	    cmocka_unit_test(quotes),
	    cmocka_unit_test(backslashes_and_comments),
	    cmocka_unit_test(lines_that_go_on),
	    cmocka_unit_test(where_a_line_ends),
	    cmocka_unit_test(quoting_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
