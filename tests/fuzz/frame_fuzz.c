/*
 * Frames: a stream of bytes as either end may receive it. What a reader accepts, its writer makes
 * again, byte for byte; behind the fields of hellos and goaways more may stand.
 */
#include <assert.h>

#include "fuzz.h"
#include "rpc/frame.h"

static void
check_same(const struct buf *again, struct bytes frame, bool rest_allowed)
{
	assert(again->err == IM_OK);
	if (rest_allowed) {
		/* The length in the header counts the rest too. */
		assert(again->len <= frame.len);
		assert(again->len == FRAME_HEADER_BYTES ||
		    memcmp(again->data + 4, frame.data + 4, again->len - 4) == 0);
		return;
	}
	assert(bytes_equal(buf_bytes(again), frame));
}

static void
check_hello(const struct frame *f, struct bytes whole, struct buf *again)
{
	struct frame_client_hello client;
	struct frame_server_hello server;

	if (frame_read_client_hello(f, &client) == IM_OK) {
		frame_put_client_hello(again, &client);
		check_same(again, whole, true);
	}
	buf_clear(again);
	if (frame_read_server_hello(f, &server) == IM_OK) {
		frame_put_server_hello(again, &server);
		check_same(again, whole, true);
	}
}

static void
check_request(const struct frame *f, struct bytes whole, struct buf *again)
{
	struct frame_request r;

	if (frame_read_request(f, &r) != IM_OK)
		return;
	frame_put_request(again, f->id, f->flags & FRAME_FLAG_MORE, &r, r.body.len);
	buf_append_bytes(again, r.body);
	check_same(again, whole, false);
}

static void
check_answer(const struct frame *f, struct bytes whole, struct buf *again)
{
	struct bytes body;
	uint32_t total;

	if (f->flags & FRAME_FLAG_STREAM) {
		if (frame_read_stream(f) != IM_OK)
			return;
		frame_put_stream(again, f->id);
		check_same(again, whole, false);
		return;
	}
	if (frame_read_answer(f, &total, &body) != IM_OK)
		return;
	frame_put_answer(again, f->id, f->flags & FRAME_FLAG_MORE, total, body.len);
	buf_append_bytes(again, body);
	check_same(again, whole, false);
}

/* The short kinds. */
static void
check_other(const struct frame *f, struct bytes whole, struct buf *again)
{
	struct frame_error error;
	struct bytes text;
	uint32_t credit;

	if (f->kind == FRAME_ERROR && frame_read_error(f, &error) == IM_OK) {
		frame_put_error(again, f->id, error.status, error.text);
		check_same(again, whole, true);
	} else if (f->kind == FRAME_CREDIT && frame_read_credit(f, &credit) == IM_OK) {
		frame_put_credit(again, f->id, credit);
		check_same(again, whole, false);
	} else if (f->kind == FRAME_GOAWAY && frame_read_goaway(f, &text) == IM_OK) {
		frame_put_goaway(again, text);
		check_same(again, whole, true);
	} else if (f->kind == FRAME_DATA) {
		frame_put_data(again, f->id, f->payload);
		check_same(again, whole, false);
	}
}

static void
check_frame(const struct frame *f, struct bytes whole)
{
	struct buf again;

	buf_init(&again, FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX);
	if (f->kind == FRAME_HELLO)
		check_hello(f, whole, &again);
	else if (f->kind == FRAME_REQUEST)
		check_request(f, whole, &again);
	else if (f->kind == FRAME_ANSWER)
		check_answer(f, whole, &again);
	else
		check_other(f, whole, &again);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct frame f;
	size_t taken;

	while (frame_next(in, FRAME_PAYLOAD_MAX, &f, &taken) == IM_OK) {
		assert(taken == FRAME_HEADER_BYTES + f.payload.len && taken <= in.len);
		check_frame(&f, bytes_of(in.data, taken));
		fuzz_take(&in, taken);
	}
	return 0;
}
