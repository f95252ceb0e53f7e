/*
 * Archives: read back as they were written; every changed byte, every cut, every wrong order is
 * found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "archive_sample.h"

#define TXS 4

struct seen {
	uint64_t headers, txs, trailers;
	struct archive_trailer trailer;
};

static enum im_err
see_header(void *ctx, const struct archive_header *h, struct bytes raw)
{
	assert_string_equal(h->database, SAMPLE_DATABASE);
	assert_int_equal(raw.len, ARCHIVE_HEADER_SIZE);
	((struct seen *)ctx)->headers++;
	return IM_OK;
}

static enum im_err
see_tx(void *ctx, const struct archive_tx *tx)
{
	struct seen *seen = (struct seen *)ctx;

	seen->txs++;
	assert_int_equal(tx->head.header.id, seen->txs);
	return IM_OK;
}

static enum im_err
see_trailer(void *ctx, const struct archive_trailer *t, struct bytes raw)
{
	struct seen *seen = (struct seen *)ctx;

	assert_int_equal(raw.len, ARCHIVE_TRAILER_SIZE);
	seen->trailers++;
	seen->trailer = *t;
	return IM_OK;
}

/* Reads an archive in steps of some size. */
static enum im_err
read_steps(struct bytes in, size_t step, struct seen *seen, struct archive_status *status)
{
	struct archive_sink sink = {seen, see_header, see_tx, see_trailer};
	struct archive_reader *r;
	enum im_err err;

	*seen = (struct seen){0};
	assert_int_equal(archive_reader_new(&sink, &r), IM_OK);
	err = IM_OK;
	for (size_t at = 0; err == IM_OK && at < in.len; at += step)
		err = archive_reader_feed(
		    r, bytes_of(in.data + at, in.len - at < step ? in.len - at : step));
	if (err == IM_OK)
		err = archive_reader_finish(r);
	archive_reader_status(r, status);
	archive_reader_free(r);
	return err;
}

static enum im_err
read_all(struct bytes in)
{
	struct archive_status status;
	struct seen seen;

	return read_steps(in, in.len ? in.len : 1, &seen, &status);
}

static void
test_whole(void **state)
{
	struct sample s;
	struct archive_status status;
	struct seen seen;
	const size_t steps[] = {1, 7, 255, 4096, 1u << 20};

	(void)state;
	sample_begin(&s);
	sample_part(&s, TXS);
	sample_part(&s, 1);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		assert_int_equal(read_steps(buf_bytes(&s.out), steps[i], &seen, &status), IM_OK);
		assert_int_equal(seen.headers, 2);
		assert_int_equal(seen.txs, TXS + 1);
		assert_int_equal(seen.trailers, 2);
		assert_int_equal(status.tx, TXS + 1);
		assert_int_equal(status.parts, 2);
		assert_int_equal(status.whole_bytes, s.out.len);
		assert_false(status.is_unfinished);
		assert_true(hash_equal(&status.alh, &s.alh));
		assert_true(hash_equal(&seen.trailer.alh, &s.alh));
	}
	sample_end(&s);
}

/* Parts of the older format, alone and between others. */
static void
test_formats(void **state)
{
	const uint32_t formats[][3] = {{1, 1, 1}, {1, 2, 2}, {2, 1, 2}, {1, 2, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		struct sample s;

		sample_begin(&s);
		for (size_t part = 0; part < 3; part++) {
			s.format = formats[i][part];
			sample_part(&s, part + 1);
			assert_int_equal(read_all(buf_bytes(&s.out)), IM_OK);
		}
		sample_end(&s);
	}
}

static void
test_unknown_formats(void **state)
{
	const struct {
		uint32_t format;
		enum im_err expected;
	} cases[] = {{0, IM_ERR_ARCHIVE}, {ARCHIVE_FORMAT + 1, IM_ERR_VERSION}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sample s;

		sample_begin(&s);
		s.format = cases[i].format;
		sample_part(&s, 1);
		assert_int_equal(read_all(buf_bytes(&s.out)), cases[i].expected);
		sample_end(&s);
	}
}

/* What one format says of its digest is not taken for the other's. */
static void
test_other_digest(void **state)
{
	struct sample s;

	(void)state;
	for (uint32_t format = 1; format <= ARCHIVE_FORMAT; format++) {
		uint8_t digest[HASH_SIZE];

		sample_begin(&s);
		s.format = format;
		sample_part(&s, TXS);
		memcpy(digest, s.out.data + s.out.len - HASH_SIZE, HASH_SIZE);
		sample_end(&s);
		sample_begin(&s);
		s.format = format == 1 ? 2 : 1;
		sample_part(&s, TXS);
		assert_memory_not_equal(s.out.data + s.out.len - HASH_SIZE, digest, HASH_SIZE);
		memcpy(s.out.data + s.out.len - HASH_SIZE, digest, HASH_SIZE);
		assert_int_equal(read_all(buf_bytes(&s.out)), IM_ERR_ARCHIVE);
		assert_non_null(strstr(err_detail(IM_ERR_ARCHIVE), "digest"));
		sample_end(&s);
	}
}

static void
test_empty_database(void **state)
{
	struct sample s;

	(void)state;
	sample_begin(&s);
	sample_part(&s, 0);
	assert_int_equal(read_all(buf_bytes(&s.out)), IM_OK);
	sample_part(&s, 2);
	assert_int_equal(read_all(buf_bytes(&s.out)), IM_OK);
	assert_int_equal(read_all(bytes_of(NULL, 0)), IM_ERR_ARCHIVE);
	sample_end(&s);
}

static void
change_every_byte(uint32_t format)
{
	struct sample s;

	sample_begin(&s);
	s.format = format;
	sample_part(&s, TXS);
	for (size_t i = 0; i < s.out.len; i++)
		for (unsigned bit = 1; bit < 256; bit <<= 3) {
			enum im_err err;

			s.out.data[i] ^= (uint8_t)bit;
			err = read_all(buf_bytes(&s.out));
			s.out.data[i] ^= (uint8_t)bit;
			/* A format number that grew is a version of its own. */
			assert_true(
			    err == IM_ERR_ARCHIVE || (err == IM_ERR_VERSION && i >= 8 && i < 12));
		}
	sample_end(&s);
}

static void
test_every_byte(void **state)
{
	(void)state;
	for (uint32_t format = 1; format <= ARCHIVE_FORMAT; format++)
		change_every_byte(format);
}

static void
test_every_cut(void **state)
{
	struct sample s;
	size_t first;

	(void)state;
	sample_begin(&s);
	sample_part(&s, TXS);
	first = s.out.len;
	sample_part(&s, 1);
	for (size_t len = 0; len < s.out.len; len++) {
		enum im_err err = read_all(bytes_of(s.out.data, len));

		assert_int_equal(err, len == first ? IM_OK : IM_ERR_ARCHIVE);
	}
	/* Nor may anything follow. */
	buf_append_u8(&s.out, 'x');
	assert_int_equal(read_all(buf_bytes(&s.out)), IM_ERR_ARCHIVE);
	sample_end(&s);
}

static void
test_unfinished(void **state)
{
	struct sample s;
	struct archive_status status;
	struct seen seen;
	size_t first;

	(void)state;
	sample_begin(&s);
	sample_part(&s, TXS);
	first = s.out.len;
	sample_part(&s, 2);
	memset(s.out.data + first, 0, ARCHIVE_MAGIC_SIZE);
	for (size_t len = first; len <= s.out.len; len++) {
		assert_int_equal(read_steps(bytes_of(s.out.data, len), 100, &seen, &status), IM_OK);
		assert_int_equal(status.tx, TXS);
		assert_int_equal(status.whole_bytes, first);
		assert_int_equal(status.is_unfinished, len > first);
		assert_int_equal(seen.txs, TXS);
	}
	sample_end(&s);
}

static void
test_order(void **state)
{
	struct sample s, other;
	size_t first;

	(void)state;
	sample_begin(&s);
	sample_part(&s, TXS);
	first = s.out.len;
	sample_part(&s, 1);
	/* The second part by itself begins in the middle, which is allowed; twice it is not. */
	assert_int_equal(read_all(bytes_of(s.out.data, s.out.len)), IM_OK);
	assert_true(buf_append(&s.out, s.out.data + first, s.out.len - first));
	assert_int_equal(read_all(buf_bytes(&s.out)), IM_ERR_ARCHIVE);
	sample_end(&s);

	/* A part of another history. */
	sample_begin(&s);
	sample_part(&s, TXS);
	sample_begin(&other);
	other.salt = 1;
	sample_part(&other, TXS);
	first = other.out.len;
	hash_stream_free(other.digest);
	other.digest = s.digest;
	s.digest = NULL;
	sample_part(&other, 1);
	assert_true(buf_append(&s.out, other.out.data + first, other.out.len - first));
	assert_int_equal(read_all(buf_bytes(&s.out)), IM_ERR_STATE_FORKED);
	assert_non_null(strstr(err_detail(IM_ERR_STATE_FORKED), "transaction 4"));
	sample_end(&other);
	sample_end(&s);
}

/* What has the right checksums and a wrong content. */
static void
test_forged(void **state)
{
	const enum sample_lie lies[] = {SAMPLE_LIE_VALUE, SAMPLE_LIE_EH, SAMPLE_LIE_ROOT,
	    SAMPLE_LIE_PREV, SAMPLE_LIE_HEAD_ZERO, SAMPLE_LIE_HEAD_ZEROES, SAMPLE_LIE_ENTRY_ZERO,
	    SAMPLE_LIE_ID, SAMPLE_LIE_ALH, SAMPLE_LIE_COUNT, SAMPLE_LIE_SIGNATURE};

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct sample s;

		sample_begin(&s);
		s.lie = lies[i];
		s.lie_tx = 2;
		sample_part(&s, TXS);
		assert_int_equal(read_all(buf_bytes(&s.out)), IM_ERR_ARCHIVE);
		if (lies[i] <= SAMPLE_LIE_ID)
			assert_non_null(
			    strstr(err_detail(IM_ERR_ARCHIVE), "at byte 462, transaction 2"));
		sample_end(&s);
	}
}

static void
test_digests_made(void **state)
{
	struct archive_sink none = {0};
	struct archive_reader *r;
	struct sample s;
	uint8_t digest[HASH_SIZE];

	(void)state;
	sample_begin(&s);
	sample_part(&s, TXS);
	memcpy(digest, s.out.data + s.out.len - HASH_SIZE, HASH_SIZE);
	memset(s.out.data + s.out.len - HASH_SIZE, 0, HASH_SIZE);
	assert_int_equal(archive_reader_new(&none, &r), IM_OK);
	archive_reader_make_digests(r);
	assert_int_equal(archive_reader_feed(r, buf_bytes(&s.out)), IM_OK);
	assert_int_equal(archive_reader_finish(r), IM_OK);
	assert_memory_equal(archive_reader_trailer(r)->digest.b, digest, HASH_SIZE);
	archive_reader_free(r);
	sample_end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_formats),
	    cmocka_unit_test(test_unknown_formats),
	    cmocka_unit_test(test_other_digest),
	    cmocka_unit_test(test_empty_database),
	    cmocka_unit_test(test_every_byte),
	    cmocka_unit_test(test_every_cut),
	    cmocka_unit_test(test_unfinished),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_forged),
	    cmocka_unit_test(test_digests_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
