/*
 * Frames: writing and reading of each kind stand side by side. No state, no I/O; the connections of
 * both ends are the only callers.
 *
 * Invariants: a reader accepts exactly what its writer can produce, but for the hellos, where bytes
 * behind the known fields are left to later versions; no length is used before it was checked.
 */
#include "rpc/frame.h"

/* A bit of the flags at the end of a client's hello. */
#define FRAME_HELLO_FOR_OTHERS 1u

/* Which kinds have an id of their own (a call's), which none (0), which either. */
enum frame_id_rule { FRAME_ID_CALL, FRAME_ID_NONE, FRAME_ID_EITHER };

static const struct {
	uint8_t id_rule;
	uint8_t flags; /* those it may have */
} frame_rules[] = {
    [FRAME_HELLO] = {FRAME_ID_NONE, 0},
    [FRAME_REQUEST] = {FRAME_ID_CALL, FRAME_FLAG_MORE},
    [FRAME_ANSWER] = {FRAME_ID_CALL, FRAME_FLAG_MORE | FRAME_FLAG_STREAM},
    [FRAME_ERROR] = {FRAME_ID_EITHER, 0},
    [FRAME_DATA] = {FRAME_ID_CALL, 0},
    [FRAME_END] = {FRAME_ID_CALL, 0},
    [FRAME_CREDIT] = {FRAME_ID_EITHER, 0},
    [FRAME_CANCEL] = {FRAME_ID_CALL, 0},
    [FRAME_GOAWAY] = {FRAME_ID_NONE, 0},
};

static enum im_err
frame_check_header(const struct frame *f)
{
	if (f->kind < FRAME_HELLO || f->kind > FRAME_GOAWAY)
		return err_set(IM_ERR_PROTOCOL, "frame of unknown kind %u", f->kind);
	if (f->flags & ~frame_rules[f->kind].flags)
		return err_set(IM_ERR_PROTOCOL, "frame of kind %u with unknown flags", f->kind);
	if ((frame_rules[f->kind].id_rule == FRAME_ID_CALL && f->id == 0) ||
	    (frame_rules[f->kind].id_rule == FRAME_ID_NONE && f->id != 0))
		return err_set(IM_ERR_PROTOCOL, "frame of kind %u with id %u", f->kind, f->id);
	return IM_OK;
}

enum im_err
frame_next(struct bytes in, size_t payload_max, struct frame *f, size_t *size)
{
	enum im_err err;
	size_t len;

	*size = 0;
	if (in.len < FRAME_HEADER_BYTES)
		return IM_ERR_WOULD_BLOCK;
	len = be32_get(in.data);
	*f = (struct frame){.kind = in.data[4], .flags = in.data[5], .id = be32_get(in.data + 6)};
	err = frame_check_header(f);
	if (err != IM_OK)
		return err;
	if (len > payload_max)
		return err_set(IM_ERR_PROTOCOL, "frame of %zu bytes, over %zu", len, payload_max);
	*size = FRAME_HEADER_BYTES + len;
	if (in.len < *size)
		return IM_ERR_WOULD_BLOCK;
	f->payload = bytes_of(in.data + FRAME_HEADER_BYTES, len);
	return IM_OK;
}

void
frame_put_header(
    uint8_t head[FRAME_HEADER_BYTES], uint8_t kind, uint8_t flags, uint32_t id, size_t len)
{
	be32_put(head, (uint32_t)len);
	head[4] = kind;
	head[5] = flags;
	be32_put(head + 6, id);
}

static bool
frame_begin(struct buf *b, uint8_t kind, uint8_t flags, uint32_t id, size_t len)
{
	uint8_t *head = buf_reserve(b, FRAME_HEADER_BYTES + len);

	if (!head)
		return false;
	frame_put_header(head, kind, flags, id, len);
	b->len += FRAME_HEADER_BYTES;
	return true;
}

static struct bytes
frame_cut_text(struct bytes text)
{
	return bytes_of(text.data, text.len > FRAME_TEXT_MAX ? FRAME_TEXT_MAX : text.len);
}

static bool
frame_append_text(struct buf *b, struct bytes text)
{
	text = frame_cut_text(text);
	return buf_append_be16(b, (uint16_t)text.len) && buf_append_bytes(b, text);
}

static struct bytes
frame_read_text(struct reader *r)
{
	struct bytes text = reader_bytes(r, reader_be16(r));

	if (text.len > FRAME_TEXT_MAX)
		r->failed = true;
	return text;
}

static enum im_err
frame_read_done(const struct reader *r, bool rest_allowed, const char *what)
{
	if (r->failed)
		return err_set(IM_ERR_PROTOCOL, "%s is too short", what);
	if (!rest_allowed && r->pos != r->len)
		return err_set(IM_ERR_PROTOCOL, "%s is too long", what);
	return IM_OK;
}

bool
frame_put_client_hello(struct buf *b, const struct frame_client_hello *h)
{
	size_t len = FRAME_MAGIC_BYTES + 2 + 2 + 4 + 4 + 2 + frame_cut_text(h->name).len +
	    (h->for_others ? 1 : 0);

	return frame_begin(b, FRAME_HELLO, 0, 0, len) &&
	    buf_append(b, FRAME_MAGIC, FRAME_MAGIC_BYTES) && buf_append_be16(b, h->version_low) &&
	    buf_append_be16(b, h->version_high) && buf_append_be32(b, h->max_message_bytes) &&
	    buf_append_be32(b, h->window) && frame_append_text(b, h->name) &&
	    (!h->for_others || buf_append_u8(b, FRAME_HELLO_FOR_OTHERS));
}

static void
frame_read_magic(struct reader *r)
{
	if (!bytes_equal(reader_bytes(r, FRAME_MAGIC_BYTES), bytes_str(FRAME_MAGIC)))
		r->failed = true;
}

enum im_err
frame_read_client_hello(const struct frame *f, struct frame_client_hello *h)
{
	struct reader r = reader_of(f->payload);

	if (f->kind != FRAME_HELLO)
		return err_set(IM_ERR_PROTOCOL, "not a hello but a frame of kind %u", f->kind);
	frame_read_magic(&r);
	h->version_low = reader_be16(&r);
	h->version_high = reader_be16(&r);
	h->max_message_bytes = reader_be32(&r);
	h->window = reader_be32(&r);
	h->name = frame_read_text(&r);
	h->for_others = reader_left(&r) > 0 && (reader_u8(&r) & FRAME_HELLO_FOR_OTHERS);
	return frame_read_done(&r, true, "hello");
}

bool
frame_put_server_hello(struct buf *b, const struct frame_server_hello *h)
{
	size_t len = FRAME_MAGIC_BYTES + 2 + 5 * 4 + 3 * 2 + frame_cut_text(h->version_text).len +
	    frame_cut_text(h->server_id).len + frame_cut_text(h->default_database).len;

	return frame_begin(b, FRAME_HELLO, 0, 0, len) &&
	    buf_append(b, FRAME_MAGIC, FRAME_MAGIC_BYTES) && buf_append_be16(b, h->version) &&
	    buf_append_be32(b, h->max_message_bytes) && buf_append_be32(b, h->window) &&
	    buf_append_be32(b, h->frame_max_before_login) && buf_append_be32(b, h->frame_max) &&
	    buf_append_be32(b, h->max_outstanding) && frame_append_text(b, h->version_text) &&
	    frame_append_text(b, h->server_id) && frame_append_text(b, h->default_database);
}

enum im_err
frame_read_server_hello(const struct frame *f, struct frame_server_hello *h)
{
	struct reader r = reader_of(f->payload);
	enum im_err err;

	if (f->kind != FRAME_HELLO)
		return err_set(IM_ERR_PROTOCOL, "not a hello but a frame of kind %u", f->kind);
	frame_read_magic(&r);
	h->version = reader_be16(&r);
	h->max_message_bytes = reader_be32(&r);
	h->window = reader_be32(&r);
	h->frame_max_before_login = reader_be32(&r);
	h->frame_max = reader_be32(&r);
	h->max_outstanding = reader_be32(&r);
	h->version_text = frame_read_text(&r);
	h->server_id = frame_read_text(&r);
	h->default_database = frame_read_text(&r);
	err = frame_read_done(&r, true, "hello");
	if (err == IM_OK &&
	    (h->frame_max_before_login < 1024 || h->frame_max < 1024 || h->max_outstanding == 0 ||
		h->window < 1024))
		err = err_set(IM_ERR_PROTOCOL, "hello with a limit that is too low");
	return err;
}

bool
frame_put_request(
    struct buf *b, uint32_t id, bool more, const struct frame_request *r, size_t body_len)
{
	size_t len = 2 + 4 + 1 + r->session.len + (more ? 4 : 0) + body_len;

	return frame_begin(b, FRAME_REQUEST, more ? FRAME_FLAG_MORE : 0, id, len) &&
	    buf_append_be16(b, r->method) && buf_append_be32(b, r->timeout_ms) &&
	    buf_append_u8(b, (uint8_t)r->session.len) && buf_append_bytes(b, r->session) &&
	    (!more || buf_append_be32(b, r->total));
}

enum im_err
frame_read_request(const struct frame *f, struct frame_request *r)
{
	struct reader in = reader_of(f->payload);

	r->method = reader_be16(&in);
	r->timeout_ms = reader_be32(&in);
	r->session = reader_bytes(&in, reader_u8(&in));
	r->total = f->flags & FRAME_FLAG_MORE ? reader_be32(&in) : 0;
	r->body = reader_bytes(&in, reader_left(&in));
	if (!(f->flags & FRAME_FLAG_MORE))
		r->total = (uint32_t)r->body.len;
	else if (!in.failed && r->body.len > r->total)
		return err_set(IM_ERR_PROTOCOL, "request is longer than it says");
	return frame_read_done(&in, false, "request");
}

bool
frame_put_answer(struct buf *b, uint32_t id, bool more, uint32_t total, size_t body_len)
{
	return frame_begin(
		   b, FRAME_ANSWER, more ? FRAME_FLAG_MORE : 0, id, (more ? 4 : 0) + body_len) &&
	    (!more || buf_append_be32(b, total));
}

enum im_err
frame_read_answer(const struct frame *f, uint32_t *total, struct bytes *body)
{
	struct reader r = reader_of(f->payload);

	*total = f->flags & FRAME_FLAG_MORE ? reader_be32(&r) : 0;
	*body = reader_bytes(&r, reader_left(&r));
	if (!(f->flags & FRAME_FLAG_MORE))
		*total = (uint32_t)body->len;
	else if (!r.failed && body->len > *total)
		return err_set(IM_ERR_PROTOCOL, "answer is longer than it says");
	return frame_read_done(&r, false, "answer");
}

bool
frame_put_stream(struct buf *b, uint32_t id)
{
	return frame_begin(b, FRAME_ANSWER, FRAME_FLAG_STREAM, id, 0);
}

enum im_err
frame_read_stream(const struct frame *f)
{
	if (f->flags == FRAME_FLAG_STREAM && f->payload.len == 0)
		return IM_OK;
	return err_set(IM_ERR_PROTOCOL, "stream with a body");
}

bool
frame_put_error(struct buf *b, uint32_t id, uint16_t status, struct bytes text)
{
	return frame_begin(b, FRAME_ERROR, 0, id, 2 + 2 + frame_cut_text(text).len) &&
	    buf_append_be16(b, status) && frame_append_text(b, text);
}

enum im_err
frame_read_error(const struct frame *f, struct frame_error *e)
{
	struct reader r = reader_of(f->payload);

	e->status = reader_be16(&r);
	e->text = frame_read_text(&r);
	e->detail = reader_bytes(&r, reader_left(&r));
	return frame_read_done(&r, false, "error");
}

bool
frame_put_data(struct buf *b, uint32_t id, struct bytes data)
{
	return frame_begin(b, FRAME_DATA, 0, id, data.len) && buf_append_bytes(b, data);
}

bool
frame_put_credit(struct buf *b, uint32_t id, uint32_t bytes)
{
	return frame_begin(b, FRAME_CREDIT, 0, id, 4) && buf_append_be32(b, bytes);
}

enum im_err
frame_read_credit(const struct frame *f, uint32_t *bytes)
{
	struct reader r = reader_of(f->payload);

	*bytes = reader_be32(&r);
	return frame_read_done(&r, false, "credit");
}

bool
frame_put_empty(struct buf *b, uint8_t kind, uint32_t id)
{
	return frame_begin(b, kind, 0, id, 0);
}

bool
frame_put_goaway(struct buf *b, struct bytes text)
{
	return frame_begin(b, FRAME_GOAWAY, 0, 0, 2 + frame_cut_text(text).len) &&
	    frame_append_text(b, text);
}

enum im_err
frame_read_goaway(const struct frame *f, struct bytes *text)
{
	struct reader r = reader_of(f->payload);

	*text = frame_read_text(&r);
	return frame_read_done(&r, true, "goaway");
}
