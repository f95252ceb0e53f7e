/* The manifest: written and read, altered, cut off, and compared with what was found. */
#include <stdio.h>

#include "../temp_dir.h"
#include "cold_manifest.h"

#define TEXT_MAX 65536

static void
fill(struct cold_manifest *m)
{
	static const char *const paths[] = {
	    "defaultdb/00000000.log", "immudb.sqlite", "zz with blank"};
	struct cold_state state = {
	    .database = "defaultdb", .tx = UINT64_MAX, .alh = {{1, 2, 0xab}}};

	cold_manifest_init(m);
	strcpy(m->created, "2024-02-29T12:00:00Z");
	strcpy(m->states.server, "dc1kg0k0e9h5ub0dfat0");
	assert_int_equal(cold_states_add(&m->states, &state), IM_OK);
	strcpy(state.database, "systemdb");
	state.tx = 0;
	memset(state.signature, 0xa5, sizeof state.signature);
	state.signature_len = SIGN_DER_MAX;
	assert_int_equal(cold_states_add(&m->states, &state), IM_OK);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct cold_file file = {
		    .path = paths[i], .size = i * 1000, .digest = {{(uint8_t)i}}};

		assert_int_equal(cold_list_add(&m->files, &file), IM_OK);
	}
	assert_int_equal(cold_list_sort(&m->files), IM_OK);
}

static void
write_sample(struct buf *text)
{
	struct cold_manifest m;

	fill(&m);
	buf_init(text, TEXT_MAX);
	assert_int_equal(cold_manifest_write(&m, text), IM_OK);
	cold_manifest_free(&m);
}

static enum im_err
read_text(struct bytes text)
{
	struct cold_manifest m;
	enum im_err err;

	cold_manifest_init(&m);
	err = cold_manifest_read(text, &m);
	cold_manifest_free(&m);
	return err;
}

static void
test_what_is_written_is_read(void **state)
{
	struct cold_manifest m;
	struct buf text, again;

	(void)state;
	write_sample(&text);
	cold_manifest_init(&m);
	assert_int_equal(cold_manifest_read(buf_bytes(&text), &m), IM_OK);
	assert_int_equal(m.states.count, 2);
	assert_true(m.states.items[0].tx == UINT64_MAX);
	assert_int_equal(m.files.count, 3);
	assert_string_equal(m.files.items[2].path, "zz with blank");
	buf_init(&again, TEXT_MAX);
	assert_int_equal(cold_manifest_write(&m, &again), IM_OK);
	assert_true(bytes_equal(buf_bytes(&text), buf_bytes(&again)));
	buf_free(&again);
	buf_free(&text);
	cold_manifest_free(&m);
}

static void
test_every_altered_byte_is_noticed(void **state)
{
	struct buf text;

	(void)state;
	write_sample(&text);
	for (size_t i = 0; i < text.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			text.data[i] ^= (uint8_t)(1u << bit);
			assert_int_equal(read_text(buf_bytes(&text)), IM_ERR_FORMAT);
			text.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	for (size_t i = 0; i < text.len; i++)
		assert_int_equal(read_text(bytes_of(text.data, i)), IM_ERR_FORMAT);
	buf_free(&text);
}

/* Text with a proper last line. */
static enum im_err
read_lines(const char *lines)
{
	struct hash digest;
	struct buf text;
	enum im_err err;

	buf_init(&text, TEXT_MAX);
	buf_append_str(&text, lines);
	hash_sha256(buf_bytes(&text), &digest);
	buf_append_str(&text, "end ");
	for (size_t i = 0; i < HASH_SIZE; i++)
		buf_printf(&text, "%02x", digest.b[i]);
	buf_append_u8(&text, '\n');
	assert_int_equal(text.err, IM_OK);
	err = read_text(buf_bytes(&text));
	buf_free(&text);
	return err;
}

#define BEGIN "immudb backup 1\ncreated 2024-02-29T12:00:00Z\n"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define UPPER "A000000000000000000000000000000000000000000000000000000000000000"

static void
test_only_what_would_be_written_is_read(void **state)
{
	static const char *const bad[] = {
	    "",
	    "immudb backup 1\n",
	    "immudb backup 01\ncreated 2024-02-29T12:00:00Z\n",
	    "immudb backup 0\ncreated 2024-02-29T12:00:00Z\n",
	    "immudb backup \ncreated 2024-02-29T12:00:00Z\n",
	    "immudb backup 1\ncreated 2024-02-30T12:00:00Z\n",
	    "immudb backup 1\ncreated yesterday\n",
	    BEGIN "created 2024-02-29T12:00:00Z\n",
	    BEGIN "server short\n",
	    BEGIN "unknown\n",
	    BEGIN "\n",
	    BEGIN "database a 1 " ZERO "\ndatabase a 1 " ZERO "\n",
	    BEGIN "database b 1 " ZERO "\ndatabase a 1 " ZERO "\n",
	    BEGIN "database a 01 " ZERO "\n",
	    BEGIN "database a -1 " ZERO "\n",
	    BEGIN "database a 18446744073709551616 " ZERO "\n",
	    BEGIN "database a 1 " ZERO "0\n",
	    BEGIN "database a 1 " UPPER "\n",
	    BEGIN "database a 1 " ZERO " \n",
	    BEGIN "database a 1 " ZERO " 0\n",
	    BEGIN "database a 1 " ZERO " 0A\n",
	    BEGIN "database a 1 " ZERO " 00 \n",
	    BEGIN "database a 1 " ZERO " " ZERO ZERO ZERO "\n",
	    BEGIN "database  1 " ZERO "\n",
	    BEGIN "database ../a 1 " ZERO "\n",
	    BEGIN "file 1 " ZERO " ../a\n",
	    BEGIN "file 1 " ZERO " /a\n",
	    BEGIN "file 1 " ZERO " ./a\n",
	    BEGIN "file 1 " ZERO " a/\n",
	    BEGIN "file 1 " ZERO " \n",
	    BEGIN "file 1 " ZERO "\n",
	    BEGIN "file 1 " ZERO " b\nfile 1 " ZERO " a\n",
	    BEGIN "file 1 " ZERO " a\nfile 1 " ZERO " a\n",
	    BEGIN "file 1 " ZERO " a\ndatabase a 1 " ZERO "\n",
	    BEGIN "file 1 " ZERO " a",
	};

	(void)state;
	assert_int_equal(read_lines(BEGIN "file 1 " ZERO " a\n"), IM_OK);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_lines(bad[i]), IM_ERR_FORMAT);
	assert_int_equal(
	    read_lines("immudb backup 2\ncreated 2024-02-29T12:00:00Z\n"), IM_ERR_VERSION);
}

static void
test_files_are_compared(void **state)
{
	struct cold_manifest m;
	struct cold_list found;
	struct cold_file extra = {.path = "extra"},
			 folder = {.path = "defaultdb", .is_folder = true};

	(void)state;
	fill(&m);
	cold_list_init(&found);
	assert_int_equal(cold_list_add(&found, &folder), IM_OK);
	for (size_t i = 0; i < m.files.count; i++)
		assert_int_equal(cold_list_add(&found, &m.files.items[i]), IM_OK);
	assert_int_equal(cold_list_sort(&found), IM_OK);
	assert_int_equal(cold_manifest_check(&m, &found), IM_OK);
	found.items[2].digest.b[31] ^= 1;
	assert_int_equal(cold_manifest_check(&m, &found), IM_ERR_FORMAT);
	assert_non_null(strstr(err_detail(IM_ERR_FORMAT), "another content"));
	found.items[2].digest.b[31] ^= 1;
	found.items[2].size++;
	assert_int_equal(cold_manifest_check(&m, &found), IM_ERR_FORMAT);
	found.items[2].size--;
	found.count--;
	assert_int_equal(cold_manifest_check(&m, &found), IM_ERR_FORMAT);
	assert_non_null(strstr(err_detail(IM_ERR_FORMAT), "is missing"));
	found.count++;
	assert_int_equal(cold_list_add(&found, &extra), IM_OK);
	assert_int_equal(cold_list_sort(&found), IM_OK);
	assert_int_equal(cold_manifest_check(&m, &found), IM_ERR_FORMAT);
	assert_non_null(strstr(err_detail(IM_ERR_FORMAT), "not in its manifest"));
	cold_list_free(&found);
	cold_manifest_free(&m);
}

static void
test_states_are_compared(void **state)
{
	struct cold_manifest m, other;

	(void)state;
	fill(&m);
	fill(&other);
	assert_int_equal(cold_states_compare(&m.states, &other.states), IM_OK);
	other.states.items[0].alh.b[0] ^= 1;
	assert_int_equal(cold_states_compare(&m.states, &other.states), IM_ERR_PROOF);
	other.states.items[0].alh.b[0] ^= 1;
	other.states.items[1].tx++;
	assert_int_equal(cold_states_compare(&m.states, &other.states), IM_ERR_PROOF);
	other.states.items[1].tx--;
	other.states.count--;
	assert_int_equal(cold_states_compare(&m.states, &other.states), IM_ERR_PROOF);
	assert_int_equal(cold_states_compare(&other.states, &m.states), IM_ERR_PROOF);
	other.states.count++;
	other.states.server[0]++;
	assert_int_equal(cold_states_compare(&m.states, &other.states), IM_ERR_PROOF);
	cold_manifest_free(&other);
	cold_manifest_free(&m);
}

/* A signature is taken only for the state that was signed, and checked. */
static void
test_signatures(void **state)
{
	struct cold_manifest m, other;
	struct sign_public_key *key = NULL;
	/* The base point of P-256. */
	uint8_t point[SIGN_POINT_SIZE] = {4, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8,
	    0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33,
	    0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
	    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
	    0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

	(void)state;
	fill(&m);
	fill(&other);
	m.states.items[1].signature_len = 0;
	other.states.items[1].tx++;
	cold_states_sign(&m.states, &other.states);
	assert_int_equal(m.states.items[1].signature_len, 0);
	other.states.items[1].tx--;
	cold_states_sign(&m.states, &other.states);
	assert_int_equal(m.states.items[1].signature_len, SIGN_DER_MAX);
	assert_int_equal(sign_public_key_of_point(bytes_of(point, sizeof point), &key), IM_OK);
	assert_int_equal(cold_states_check(&m.states, key), IM_ERR_SIGNATURE_MISSING);
	m.states.items[0] = m.states.items[1];
	assert_int_equal(cold_states_check(&m.states, key), IM_ERR_SIGNATURE);
	sign_public_key_free(key);
	cold_manifest_free(&other);
	cold_manifest_free(&m);
}

static void
test_a_file_twice_is_noticed(void **state)
{
	struct cold_file file = {.path = "a"};
	struct cold_list list;

	(void)state;
	cold_list_init(&list);
	assert_int_equal(cold_list_add(&list, &file), IM_OK);
	assert_int_equal(cold_list_sort(&list), IM_OK);
	assert_int_equal(cold_list_add(&list, &file), IM_OK);
	assert_int_equal(cold_list_sort(&list), IM_ERR_FORMAT);
	cold_list_free(&list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_written_is_read),
	    cmocka_unit_test(test_every_altered_byte_is_noticed),
	    cmocka_unit_test(test_only_what_would_be_written_is_read),
	    cmocka_unit_test(test_files_are_compared),
	    cmocka_unit_test(test_states_are_compared),
	    cmocka_unit_test(test_signatures),
	    cmocka_unit_test(test_a_file_twice_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
