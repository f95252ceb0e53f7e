/* Rows out of tsv, csv and jsonl text, whole or fed byte by byte, and every way to be malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "import_parse.h"

/*
 * Appends a description of every row: "[first-last KEY=VALUE]" or "[!first]" for a malformed one.
 */
static void
drain(struct import_parser *p, struct buf *out)
{
	struct import_row row;
	enum im_err err;

	for (;;) {
		err = import_parser_next(p, &row);
		if (err == IM_ERR_WOULD_BLOCK || err == IM_ERR_NOT_FOUND)
			return;
		if (err) {
			assert_true(err == IM_ERR_FORMAT || err == IM_ERR_LIMIT);
			buf_printf(out, "[!%llu]", (unsigned long long)row.first_line);
			continue;
		}
		buf_printf(out, "[%llu-%llu ", (unsigned long long)row.first_line,
		    (unsigned long long)row.last_line);
		buf_append_bytes(out, row.key);
		buf_append_u8(out, '=');
		buf_append_bytes(out, row.value);
		buf_append_u8(out, ']');
	}
}

static void
expect_rows(enum import_format format, struct bytes text, const char *rows)
{
	for (size_t step = 1; step <= text.len + 1; step += text.len + 1 > 64 ? 64 : 1) {
		struct import_parser p;
		struct buf out;

		import_parser_init(&p, format);
		buf_init(&out, 1u << 20);
		for (size_t i = 0; i < text.len; i += step) {
			size_t n = text.len - i < step ? text.len - i : step;

			assert_int_equal(import_parser_feed(&p, bytes_of(text.data + i, n)), IM_OK);
			drain(&p, &out);
		}
		import_parser_finish(&p);
		drain(&p, &out);
		assert_int_equal(out.len, strlen(rows));
		assert_memory_equal(out.data ? out.data : (const uint8_t *)"", rows, out.len);
		buf_free(&out);
		import_parser_free(&p);
	}
}

static void
expect(enum import_format format, const char *text, const char *rows)
{
	expect_rows(format, bytes_str(text), rows);
}

/* A zero byte is data like any other. */
static void
expect_zero_bytes(void)
{
	struct import_parser p;
	struct import_row row;

	import_parser_init(&p, IMPORT_TSV);
	assert_int_equal(import_parser_feed(&p, bytes_of("a\0b\t\0\n", 6)), IM_OK);
	assert_int_equal(import_parser_next(&p, &row), IM_OK);
	assert_true(bytes_equal(row.key, bytes_of("a\0b", 3)));
	assert_true(bytes_equal(row.value, bytes_of("", 1)));
	import_parser_free(&p);
}

static void
tsv_rows(void **state)
{
	(void)state;
	expect(IMPORT_TSV, "", "");
	expect(IMPORT_TSV, "k\tv\n", "[1-1 k=v]");
	expect(IMPORT_TSV, "k\tv", "[1-1 k=v]");
	expect(IMPORT_TSV, "a\t1\n\n\nb\t2\tx\r\n", "[1-1 a=1][4-4 b=2\tx\r]");
	expect(IMPORT_TSV, "a\t\nb\t%s\"\\n\n", "[1-1 a=][2-2 b=%s\"\\n]");
	expect(IMPORT_TSV, "a 1\nb\t2\n\t3\nc\t4", "[!1][2-2 b=2][!3][4-4 c=4]");
	expect_zero_bytes();
}

static void
csv_rows(void **state)
{
	(void)state;
	expect(IMPORT_CSV, "k,v\r\nl,w\n", "[1-1 k=v][2-2 l=w]");
	expect(IMPORT_CSV, "\"a,b\",\"c \"\"d\"\"\"\n", "[1-1 a,b=c \"d\"]");
	expect(IMPORT_CSV, "k,\"two\nlines\n\"\nl,w", "[1-3 k=two\nlines\n][4-4 l=w]");
	expect(IMPORT_CSV, "k,\n\"l\",\"\"\r\n", "[1-1 k=][2-2 l=]");
	expect(IMPORT_CSV, "k\na,b,c\nl,w\n", "[!1][!2][3-3 l=w]");
	expect(IMPORT_CSV, "k,a\"b\nl,w\n", "[!1][2-2 l=w]");
	expect(IMPORT_CSV, "\"k\"x\"y,v\nl,w\n", "[!1][2-2 l=w]");
	expect(IMPORT_CSV, ",v\nl,w\n", "[!1][2-2 l=w]");
	expect(IMPORT_CSV, "k,\"open\nl,w\nm,x", "[!1][2-2 l=w][3-3 m=x]");
}

static void
jsonl_rows(void **state)
{
	(void)state;
	expect(IMPORT_JSONL, "{\"key\":\"k\",\"value\":\"v\"}\r\n", "[1-1 k=v]");
	expect(IMPORT_JSONL, "{\"value\":\"\\u00e9\\n\",\"key\":\"k\"}", "[1-1 k=\xc3\xa9\n]");
	expect(IMPORT_JSONL, "{\"key_base64\":\"aw==\",\"value_base64\":\"AQL/\"}\n",
	    "[1-1 k=\x01\x02\xff]");
	expect(IMPORT_JSONL, "{\"key\":\"k\",\"value_base64\":\"\"}\n", "[1-1 k=]");
}

/* What export writes besides key and value. */
static void
jsonl_of_export(void **state)
{
	static const char line[] =
	    "{\"key\": \"k\", \"value\": \"v\", \"tx\": 7, \"expires_at\": "
	    "\"2030-01-31T12:00:00Z\", \"proof_base64\": \"AA==\"}\n{\"key\": "
	    "\"l\", \"value\": \"\"}\n";
	struct import_parser p;
	struct import_row row;

	(void)state;
	import_parser_init(&p, IMPORT_JSONL);
	assert_int_equal(import_parser_feed(&p, bytes_str(line)), IM_OK);
	assert_int_equal(import_parser_next(&p, &row), IM_OK);
	assert_true(row.expires_at == 1896091200);
	assert_int_equal(import_parser_next(&p, &row), IM_OK);
	assert_true(row.expires_at == 0);
	import_parser_free(&p);
	expect(IMPORT_JSONL,
	    "{\"key\":\"k\",\"value\":\"v\",\"expires_at\":\"tomorrow\"}\n"
	    "{\"key\":\"k\",\"value\":\"v\",\"expires_at\":17}\n",
	    "[!1][!2]");
}

static void
jsonl_malformed(void **state)
{
	(void)state;
	expect(IMPORT_JSONL, "{\"key\":\"k\"}\n[]\n1\n{", "[!1][!2][!3][!4]");
	expect(IMPORT_JSONL, "{\"key\":\"k\",\"value\":1}\n", "[!1]");
	expect(IMPORT_JSONL, "{\"key\":\"k\",\"value\":{\"a\":[[1]]}}\n", "[!1]");
	expect(IMPORT_JSONL, "{\"key\":\"k\",\"value\":\"v\",\"ttl\":\"1\"}\n", "[!1]");
	expect(IMPORT_JSONL, "{\"key\":\"k\",\"key_base64\":\"aw==\",\"value\":\"v\"}\n", "[!1]");
	expect(IMPORT_JSONL, "{\"key\":\"\",\"value\":\"v\"}\n", "[!1]");
	expect(IMPORT_JSONL, "{\"key\":\"k\",\"value\":\"v\"} x\n", "[!1]");
	expect(IMPORT_JSONL, "{\"key\":\"k\",\"value\":\"\xff\"}\n", "[!1]");
	for (const char *const *bad =
		 (const char *const[]){"a", "ab=c", "a===", "!!!!", "YQ==YQ==", 0};
	     *bad; bad++) {
		char text[128];

		snprintf(text, sizeof text, "{\"key\":\"k\",\"value_base64\":\"%s\"}\n", *bad);
		expect(IMPORT_JSONL, text, "[!1]");
	}
}

/* A line that never ends is refused once it is too long, and the next one is read. */
static void
overlong_row(void **state)
{
	struct import_parser p;
	struct import_row row;
	size_t block_size = 8u << 20;
	uint8_t *block = malloc(block_size);

	(void)state;
	assert_non_null(block);
	memset(block, 'x', block_size);
	import_parser_init(&p, IMPORT_TSV);
	enum im_err err = IM_ERR_WOULD_BLOCK;
	for (size_t fed = 0; err == IM_ERR_WOULD_BLOCK && fed < IMPORT_ROW_MAX; fed += block_size) {
		/* Half blocks, as the parser keeps little more than one row. */
		for (int half = 0; half < 2 && err == IM_ERR_WOULD_BLOCK; half++) {
			assert_int_equal(
			    import_parser_feed(&p, bytes_of(block, block_size / 2)), IM_OK);
			err = import_parser_next(&p, &row);
		}
	}
	if (err == IM_ERR_WOULD_BLOCK) {
		assert_int_equal(import_parser_feed(&p, bytes_of(block, 1)), IM_OK);
		err = import_parser_next(&p, &row);
	}
	assert_int_equal(err, IM_ERR_LIMIT);
	assert_int_equal(row.first_line, 1);
	assert_int_equal(import_parser_feed(&p, bytes_str("xx\nk\tv\n")), IM_OK);
	assert_int_equal(import_parser_next(&p, &row), IM_OK);
	assert_int_equal(row.first_line, 2);
	assert_true(bytes_equal(row.key, bytes_str("k")));
	import_parser_free(&p);
	free(block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tsv_rows),
	    cmocka_unit_test(csv_rows),
	    cmocka_unit_test(jsonl_rows),
	    cmocka_unit_test(jsonl_of_export),
	    cmocka_unit_test(jsonl_malformed),
	    cmocka_unit_test(overlong_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
