/*
 * The form of offline proof files: what is written is read, every wrong form is refused and its
 * place named, and PROOF_FORMAT.md has every type.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "client/offline_container.h"
#include "util/crc32c.h"
#include "util/file.h"

static struct arena arena;
static struct buf file;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, 4u << 20);
	buf_init(&file, 1u << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&file);
	arena_free(&arena);
	return 0;
}

/* Parses the file; where it is wrong must be called so. */
static enum im_err
parse(const char *name, uint64_t offset)
{
	struct offline_container container;
	struct offline_fault fault;
	enum im_err err = offline_parse(buf_bytes(&file), &arena, &container, &fault);

	if (name) {
		assert_string_equal(fault.name, name);
		assert_int_equal(fault.offset, offset);
	}
	return err;
}

static void
put(uint16_t type, const char *content)
{
	offline_put(&file, type, bytes_str(content));
}

static void
written_and_read(void **state)
{
	struct offline_container container;
	struct offline_fault fault;

	(void)state;
	offline_put_head(&file, 2, 4);
	put(OFFLINE_SERVER, "id");
	put(OFFLINE_DATABASE, "");
	put(OFFLINE_TX_ENTRY, "first");
	put(OFFLINE_TX_ENTRY, "second");
	assert_int_equal(offline_parse(buf_bytes(&file), &arena, &container, &fault), IM_OK);
	assert_true(container.kind == 2 && container.len == 4);
	assert_true(bytes_equal(container.sections[0].content, bytes_str("id")));
	assert_int_equal(container.sections[0].offset, OFFLINE_HEAD_SIZE);
	assert_true(container.sections[1].content.len == 0 && container.sections[3].number == 2);
	offline_name(&container.sections[3], &fault);
	assert_string_equal(fault.name, "entry 2 of the transaction");
	assert_ptr_equal(offline_find(&container, OFFLINE_TX_ENTRY), &container.sections[2]);
	assert_null(offline_find(&container, OFFLINE_ENTRY));
	assert_string_equal(offline_type_name(0x7777), "a section of unknown type");
}

/* A head with these numbers and the sum that fits. */
static void
put_head(uint16_t version, uint32_t sections)
{
	buf_clear(&file);
	offline_put_head(&file, 1, sections);
	be16_put(file.data + 8, version);
	be32_put(file.data + 16, crc32c(0, file.data, 16));
}

static void
wrong_heads(void **state)
{
	(void)state;
	assert_int_equal(parse("the head of the file", 0), IM_ERR_FORMAT);
	buf_append_str(&file, "-----BEGIN PUBLIC KEY-----");
	assert_int_equal(parse("the head of the file", 0), IM_ERR_FORMAT);
	put_head(OFFLINE_VERSION + 1, 1);
	assert_int_equal(parse("the head of the file", 0), IM_ERR_VERSION);
	put_head(OFFLINE_VERSION, 0);
	assert_int_equal(parse("the head of the file", 0), IM_ERR_PROOF);
	put_head(OFFLINE_VERSION, OFFLINE_SECTIONS_MAX + 1);
	assert_int_equal(parse("the head of the file", 0), IM_ERR_PROOF);
	put_head(OFFLINE_VERSION, UINT32_MAX);
	assert_int_equal(parse("the head of the file", 0), IM_ERR_PROOF);
	/* As many sections as may be, and none of them there. */
	put_head(OFFLINE_VERSION, OFFLINE_SECTIONS_MAX);
	assert_int_equal(
	    parse("the head of the section behind the head of the file", OFFLINE_HEAD_SIZE),
	    IM_ERR_PROOF);
}

static void
wrong_order(void **state)
{
	(void)state;
	put_head(OFFLINE_VERSION, 2);
	put(OFFLINE_DATABASE, "d");
	put(OFFLINE_SERVER, "s");
	assert_int_equal(parse("the identity of the server", 37), IM_ERR_PROOF);
	put_head(OFFLINE_VERSION, 2);
	put(OFFLINE_ENTRY, "e");
	put(OFFLINE_ENTRY, "e");
	assert_int_equal(parse("the entry", 37), IM_ERR_PROOF);
}

static void
wrong_lengths(void **state)
{
	uint8_t *head;

	(void)state;
	put_head(OFFLINE_VERSION, 1);
	put(OFFLINE_ENTRY, "entry");
	assert_int_equal(parse(NULL, 0), IM_OK);
	buf_append_u8(&file, 0);
	assert_int_equal(parse("what follows the last section", 41), IM_ERR_PROOF);
	file.len--;
	head = file.data + OFFLINE_HEAD_SIZE;
	for (uint32_t len = 6; len != 0; len = len == 6 ? UINT32_MAX : 0) {
		be32_put(head + 4, len);
		be32_put(head + 8, crc32c(0, head, 8));
		assert_int_equal(parse("the entry", OFFLINE_HEAD_SIZE), IM_ERR_PROOF);
	}
	be32_put(head + 4, 5);
	be16_put(head + 2, 1);
	be32_put(head + 8, crc32c(0, head, 8));
	assert_int_equal(
	    parse("the head of the section behind the head of the file", OFFLINE_HEAD_SIZE),
	    IM_ERR_PROOF);
}

/* Every type that has a name is described. */
static void
described(void **state)
{
	struct buf text;
	unsigned types = 0;

	(void)state;
	buf_init(&text, 1u << 20);
	assert_int_equal(
	    file_read(TEST_SOURCE_DIR "/libproto/client/PROOF_FORMAT.md", 1u << 20, &text), IM_OK);
	buf_append_u8(&text, '\0');
	for (unsigned type = 0; type <= UINT16_MAX; type++) {
		char row[16];

		if (strcmp(offline_type_name((uint16_t)type), offline_type_name(0)) == 0)
			continue;
		snprintf(row, sizeof row, "\n| 0x%04x |", type);
		if (!strstr((const char *)text.data, row))
			fail_msg("%#x is not in PROOF_FORMAT.md", type);
		types++;
	}
	assert_int_equal(types, 30);
	buf_free(&text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(written_and_read),
	    TEST(wrong_heads),
	    TEST(wrong_order),
	    TEST(wrong_lengths),
	    TEST(described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
