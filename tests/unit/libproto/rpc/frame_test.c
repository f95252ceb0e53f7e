/* Frames: each kind goes through its writer and reader; malformed input of each kind is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc/frame.h"

static struct frame
parse_one(const struct buf *b)
{
	struct frame f;
	size_t size;

	assert_int_equal(frame_next(buf_bytes(b), FRAME_PAYLOAD_MAX, &f, &size), IM_OK);
	assert_int_equal(size, b->len);
	return f;
}

/* Every prefix of the payload must be refused by the reader, none read beyond. */
#define ASSERT_PREFIXES_REFUSED(f, call) \
	do { \
		struct bytes whole = (f).payload; \
		for (size_t cut = 0; cut < whole.len; cut++) { \
			uint8_t *copy = (uint8_t *)malloc(cut + (cut == 0)); \
			memcpy(copy, whole.data, cut); \
			(f).payload = bytes_of(copy, cut); \
			assert_int_equal((call), IM_ERR_PROTOCOL); \
			free(copy); \
		} \
		(f).payload = whole; \
	} while (0)

static void
test_client_hello(void **state)
{
	struct frame_client_hello in = {1, 3, 5000, 6000, bytes_str("tester 1.0"), false}, out;
	struct buf b;
	struct frame f;

	(void)state;
	buf_init(&b, 4096);
	assert_true(frame_put_client_hello(&b, &in));
	f = parse_one(&b);
	assert_int_equal(f.kind, FRAME_HELLO);
	assert_int_equal(frame_read_client_hello(&f, &out), IM_OK);
	assert_int_equal(out.version_low, 1);
	assert_int_equal(out.version_high, 3);
	assert_int_equal(out.max_message_bytes, 5000);
	assert_int_equal(out.window, 6000);
	assert_true(bytes_equal(out.name, in.name));
	assert_false(out.for_others);
	ASSERT_PREFIXES_REFUSED(f, frame_read_client_hello(&f, &out));
	buf_clear(&b);
	in.for_others = true;
	assert_true(frame_put_client_hello(&b, &in));
	f = parse_one(&b);
	assert_int_equal(frame_read_client_hello(&f, &out), IM_OK);
	assert_true(out.for_others);
	b.data[FRAME_HEADER_BYTES] ^= 1;
	assert_int_equal(frame_read_client_hello(&f, &out), IM_ERR_PROTOCOL);
	buf_free(&b);
}

static void
test_server_hello(void **state)
{
	struct frame_server_hello out,
	    in = {
		1, 33, 70000, 16384, 65536, 12, bytes_str("v1"), bytes_str("id"), bytes_str("db")};
	struct buf b;
	struct frame f;

	(void)state;
	buf_init(&b, 4096);
	assert_true(frame_put_server_hello(&b, &in));
	f = parse_one(&b);
	assert_int_equal(frame_read_server_hello(&f, &out), IM_OK);
	assert_int_equal(out.max_message_bytes, 33);
	assert_int_equal(out.window, 70000);
	assert_int_equal(out.frame_max_before_login, 16384);
	assert_int_equal(out.frame_max, 65536);
	assert_int_equal(out.max_outstanding, 12);
	assert_true(bytes_equal(out.version_text, in.version_text));
	assert_true(bytes_equal(out.server_id, in.server_id));
	assert_true(bytes_equal(out.default_database, in.default_database));
	ASSERT_PREFIXES_REFUSED(f, frame_read_server_hello(&f, &out));
	/* A later version may say more. */
	assert_true(buf_append_u8(&b, 1));
	f.payload = bytes_of(b.data + FRAME_HEADER_BYTES, b.len - FRAME_HEADER_BYTES);
	assert_int_equal(frame_read_server_hello(&f, &out), IM_OK);
	/* Limits that would stop everything. */
	b.len = 0;
	in.max_outstanding = 0;
	assert_true(frame_put_server_hello(&b, &in));
	f = parse_one(&b);
	assert_int_equal(frame_read_server_hello(&f, &out), IM_ERR_PROTOCOL);
	buf_free(&b);
}

static void
test_request(void **state)
{
	struct frame_request out, in = {0x0103, 2500, bytes_str("token"), 4, {0}};
	struct buf b;
	struct frame f;

	(void)state;
	buf_init(&b, 4096);
	assert_true(frame_put_request(&b, 7, false, &in, 4));
	assert_true(buf_append_str(&b, "body"));
	f = parse_one(&b);
	assert_int_equal(f.id, 7);
	assert_int_equal(f.flags, 0);
	assert_int_equal(frame_read_request(&f, &out), IM_OK);
	assert_int_equal(out.method, 0x0103);
	assert_int_equal(out.timeout_ms, 2500);
	assert_int_equal(out.total, 4);
	assert_true(bytes_equal(out.session, in.session));
	assert_true(bytes_equal(out.body, bytes_str("body")));
	/* A token longer than the frame. */
	b.data[FRAME_HEADER_BYTES + 6] = 200;
	assert_int_equal(frame_read_request(&f, &out), IM_ERR_PROTOCOL);
	buf_free(&b);
}

static void
test_request_more(void **state)
{
	struct frame_request out, in = {1, 0, {0}, 100000, {0}};
	struct buf b;
	struct frame f;

	(void)state;
	buf_init(&b, 4096);
	assert_true(frame_put_request(&b, 9, true, &in, 0));
	f = parse_one(&b);
	assert_int_equal(f.flags, FRAME_FLAG_MORE);
	assert_int_equal(frame_read_request(&f, &out), IM_OK);
	assert_int_equal(out.total, 100000);
	assert_int_equal(out.body.len, 0);
	ASSERT_PREFIXES_REFUSED(f, frame_read_request(&f, &out));
	/* More in the first frame than there is altogether. */
	b.len = 0;
	in.total = 3;
	assert_true(frame_put_request(&b, 9, true, &in, 4));
	assert_true(buf_append_str(&b, "body"));
	f = parse_one(&b);
	assert_int_equal(frame_read_request(&f, &out), IM_ERR_PROTOCOL);
	buf_free(&b);
}

static void
test_answer(void **state)
{
	struct buf b;
	struct frame f;
	struct bytes body;
	uint32_t total;

	(void)state;
	buf_init(&b, 4096);
	assert_true(frame_put_answer(&b, 3, false, 2, 2));
	assert_true(buf_append_str(&b, "ok"));
	f = parse_one(&b);
	assert_int_equal(frame_read_answer(&f, &total, &body), IM_OK);
	assert_int_equal(total, 2);
	assert_true(bytes_equal(body, bytes_str("ok")));
	b.len = 0;
	assert_true(frame_put_answer(&b, 3, true, 1, 2));
	assert_true(buf_append_str(&b, "ok"));
	f = parse_one(&b);
	assert_int_equal(frame_read_answer(&f, &total, &body), IM_ERR_PROTOCOL);
	f.payload.len = 3;
	assert_int_equal(frame_read_answer(&f, &total, &body), IM_ERR_PROTOCOL);
	buf_free(&b);
}

static void
test_stream(void **state)
{
	struct frame f;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_true(frame_put_stream(&b, 3));
	f = parse_one(&b);
	assert_int_equal(f.kind, FRAME_ANSWER);
	assert_int_equal(f.flags, FRAME_FLAG_STREAM);
	assert_int_equal(frame_read_stream(&f), IM_OK);
	f.payload = bytes_str("body");
	assert_int_equal(frame_read_stream(&f), IM_ERR_PROTOCOL);
	f.payload.len = 0;
	f.flags = FRAME_FLAG_STREAM | FRAME_FLAG_MORE;
	assert_int_equal(frame_read_stream(&f), IM_ERR_PROTOCOL);
	buf_free(&b);
}

static void
test_error_and_goaway(void **state)
{
	struct frame_error e;
	struct bytes text;
	struct frame f;
	struct buf b;
	char *huge = (char *)malloc(70000);

	(void)state;
	buf_init(&b, 100000);
	assert_true(frame_put_error(&b, 3, IM_STATUS_NOT_FOUND, bytes_str("key not found")));
	f = parse_one(&b);
	assert_int_equal(frame_read_error(&f, &e), IM_OK);
	assert_int_equal(e.status, IM_STATUS_NOT_FOUND);
	assert_true(bytes_equal(e.text, bytes_str("key not found")));
	assert_int_equal(e.detail.len, 0);
	ASSERT_PREFIXES_REFUSED(f, frame_read_error(&f, &e));
	b.len = 0;
	memset(huge, 'x', 70000);
	assert_true(frame_put_goaway(&b, bytes_of(huge, 70000)));
	f = parse_one(&b);
	assert_int_equal(frame_read_goaway(&f, &text), IM_OK);
	assert_int_equal(text.len, FRAME_TEXT_MAX);
	ASSERT_PREFIXES_REFUSED(f, frame_read_goaway(&f, &text));
	free(huge);
	buf_free(&b);
}

static void
test_credit(void **state)
{
	struct frame f;
	struct buf b;
	uint32_t n;

	(void)state;
	buf_init(&b, 100);
	assert_true(frame_put_credit(&b, 3, 0xfffffffe));
	f = parse_one(&b);
	assert_int_equal(frame_read_credit(&f, &n), IM_OK);
	assert_int_equal(n, 0xfffffffe);
	ASSERT_PREFIXES_REFUSED(f, frame_read_credit(&f, &n));
	f.payload.len = 5;
	assert_true(buf_append_u8(&b, 0));
	f.payload.data = b.data + FRAME_HEADER_BYTES;
	assert_int_equal(frame_read_credit(&f, &n), IM_ERR_PROTOCOL);
	buf_free(&b);
}

static enum im_err
next_of(uint32_t len, uint8_t kind, uint8_t flags, uint32_t id)
{
	uint8_t head[FRAME_HEADER_BYTES];
	struct frame f;
	size_t size;

	frame_put_header(head, kind, flags, id, len);
	return frame_next(bytes_of(head, sizeof head), FRAME_PAYLOAD_MAX, &f, &size);
}

static void
test_bad_headers(void **state)
{
	(void)state;
	assert_int_equal(next_of(0, FRAME_END, 0, 1), IM_OK);
	assert_int_equal(next_of(0, 0, 0, 1), IM_ERR_PROTOCOL);
	assert_int_equal(next_of(0, FRAME_GOAWAY + 1, 0, 1), IM_ERR_PROTOCOL);
	assert_int_equal(next_of(0, 0xff, 0, 1), IM_ERR_PROTOCOL);
	assert_int_equal(next_of(0, FRAME_END, FRAME_FLAG_MORE, 1), IM_ERR_PROTOCOL);
	assert_int_equal(next_of(0, FRAME_REQUEST, 2, 1), IM_ERR_PROTOCOL);
	assert_int_equal(next_of(0, FRAME_REQUEST, 0, 0), IM_ERR_PROTOCOL);
	assert_int_equal(next_of(0, FRAME_HELLO, 0, 1), IM_ERR_PROTOCOL);
	assert_int_equal(next_of(FRAME_PAYLOAD_MAX, FRAME_DATA, 0, 1), IM_ERR_WOULD_BLOCK);
	assert_int_equal(next_of(FRAME_PAYLOAD_MAX + 1, FRAME_DATA, 0, 1), IM_ERR_PROTOCOL);
	assert_int_equal(next_of(UINT32_MAX, FRAME_DATA, 0, 1), IM_ERR_PROTOCOL);
}

static void
test_incomplete(void **state)
{
	struct frame f;
	struct buf b;
	size_t size;

	(void)state;
	buf_init(&b, 100);
	assert_true(frame_put_data(&b, 3, bytes_str("0123456789")));
	for (size_t n = 0; n < b.len; n++) {
		assert_int_equal(
		    frame_next(bytes_of(b.data, n), 10, &f, &size), IM_ERR_WOULD_BLOCK);
		assert_int_equal(size, n < FRAME_HEADER_BYTES ? 0 : b.len);
	}
	assert_int_equal(frame_next(buf_bytes(&b), 10, &f, &size), IM_OK);
	assert_int_equal(frame_next(buf_bytes(&b), 9, &f, &size), IM_ERR_PROTOCOL);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_client_hello),
	    cmocka_unit_test(test_server_hello),
	    cmocka_unit_test(test_request),
	    cmocka_unit_test(test_request_more),
	    cmocka_unit_test(test_answer),
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_error_and_goaway),
	    cmocka_unit_test(test_credit),
	    cmocka_unit_test(test_bad_headers),
	    cmocka_unit_test(test_incomplete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
