/*
 * Writing by stream: StreamSet, StreamVerifiableSet, StreamExecAll. The messages come in the
 * content of one Chunk, whose bytes travel under credit like any large body; keys and values are
 * written from there without being copied.
 */
#include "crypto/rawkey.h"
#include "rpc/message.h"
#include "server/stream_reader.h"
#include "server/writing.h"

/* All values of one streamed transaction together. */
#define STREAM_VALUES_MAX (32u * 1024 * 1024)

/* The first message of each operation of StreamExecAll. */
#define STREAM_OP_KV 1
#define STREAM_OP_ZADD 2
#define STREAM_OP_REFERENCE 4

/* What one walk over a stream builds up. */
struct stream_write {
	struct call *call;
	struct stream_reader reader;
	struct writing writing;
	uint64_t values_bytes;
};

static enum im_err
stream_begin(struct call *c, struct stream_write *s)
{
	const Immudb__Schema__Chunk *in = (const void *)c->in;

	*s = (struct stream_write){.call = c, .reader = {in->content.data, in->content.len, 0}};
	return in->content.len ? IM_OK : IM_ERR_STREAM_EMPTY;
}

static enum im_err
stream_add_kv(struct stream_write *s)
{
	struct bytes key, value;
	enum im_err err = stream_next_raw(&s->reader, RAW_KEY_PLAIN, &key);

	if (err == IM_OK)
		err = stream_next_raw(&s->reader, RAW_VALUE_PLAIN, &value);
	if (err != IM_OK)
		return err;
	if (value.len > RAW_VALUE_MAX)
		return IM_ERR_VALUE_LENGTH;
	s->values_bytes += value.len;
	if (s->values_bytes > STREAM_VALUES_MAX)
		return IM_ERR_STREAM_SIZE;
	return writing_add_raw(&s->writing, key, value);
}

/* ---- Keys and values ---- */

/* How many key-value pairs are left; a key without its value counts. */
static enum im_err
stream_count_pairs(struct stream_reader r, size_t *out)
{
	struct bytes message;
	enum im_err err = IM_OK;
	size_t n = 0;

	while (err == IM_OK && stream_has_more(&r)) {
		err = stream_next(&r, &message);
		n++;
	}
	*out = n / 2 + n % 2;
	return err;
}

static enum im_err
stream_make_set(struct stream_write *s)
{
	size_t pairs;
	enum im_err err = stream_count_pairs(s->reader, &pairs);

	if (err == IM_OK)
		err = writing_begin(s->call, (struct writing_size){pairs, 0, 0}, &s->writing);
	while (err == IM_OK && stream_has_more(&s->reader))
		err = stream_add_kv(s);
	return err;
}

enum im_err
handle_StreamSet(struct call *c)
{
	struct stream_write s;
	enum im_err err = stream_begin(c, &s);

	if (err == IM_OK)
		err = stream_make_set(&s);
	return err == IM_OK ? writing_answer_header(&s.writing) : err;
}

enum im_err
handle_StreamVerifiableSet(struct call *c)
{
	struct stream_write s;
	uint64_t since;
	enum im_err err;

	if (writing_is_done(c, &err))
		return err;
	err = stream_begin(c, &s);
	if (err == IM_OK)
		err = stream_next_u64(&s.reader, &since);
	if (err == IM_OK)
		err = writing_since(c, since);
	if (err == IM_OK)
		err = stream_make_set(&s);
	return err == IM_OK ? writing_answer_proof(&s.writing) : err;
}

/* ---- Operations ---- */

/* The kind of the next operation, one of those above. */
static enum im_err
stream_next_op(struct stream_reader *r, uint8_t *out)
{
	struct bytes message;
	enum im_err err = stream_next(r, &message);

	if (err != IM_OK)
		return err;
	if (message.len != 1)
		return err_set(IM_ERR_OPERATION, "%s: the kind of an operation is one byte",
		    err_text(IM_ERR_OPERATION));
	*out = message.data[0];
	if (*out == STREAM_OP_REFERENCE)
		return err_set(IM_ERR_UNIMPLEMENTED, "%s: reference operation is not implemented",
		    err_text(IM_ERR_UNIMPLEMENTED));
	if (*out != STREAM_OP_KV && *out != STREAM_OP_ZADD)
		return err_set(
		    IM_ERR_OPERATION, "%s: unknown kind %u", err_text(IM_ERR_OPERATION), *out);
	return IM_OK;
}

static enum im_err
stream_add_member(struct stream_write *s)
{
	ProtobufCMessage *in = NULL;
	struct bytes message;
	enum im_err err = stream_next(&s->reader, &message);

	if (err == IM_OK)
		err = message_unpack(&immudb__schema__zadd_request__descriptor, message, true,
		    call_arena(s->call), &in);
	return err == IM_OK ? writing_add_member(&s->writing, (const void *)in) : err;
}

static enum im_err
stream_add_op(struct stream_write *s)
{
	uint8_t op;
	enum im_err err = stream_next_op(&s->reader, &op);

	if (err != IM_OK)
		return err;
	return op == STREAM_OP_KV ? stream_add_kv(s) : stream_add_member(s);
}

/* How many operations there are and what room they need, by a walk over their messages. */
static enum im_err
stream_exec_size(struct stream_reader r, struct writing_size *out)
{
	struct bytes message;
	enum im_err err;
	uint8_t op;

	*out = (struct writing_size){0, 0, 0};
	while (stream_has_more(&r)) {
		err = stream_next_op(&r, &op);
		if (err == IM_OK)
			err = stream_next(&r, &message);
		if (err == IM_OK && op == STREAM_OP_KV)
			err = stream_next(&r, &message);
		if (err != IM_OK)
			return err;
		out->entries++;
		out->conditions += op == STREAM_OP_ZADD ? WRITING_CONDITIONS_MEMBER : 0;
	}
	return IM_OK;
}

enum im_err
handle_StreamExecAll(struct call *c)
{
	struct writing_size size;
	struct stream_write s;
	enum im_err err = stream_begin(c, &s);

	if (err == IM_OK)
		err = stream_exec_size(s.reader, &size);
	if (err == IM_OK)
		err = writing_begin(c, size, &s.writing);
	if (err == IM_OK)
		err = writing_share(&s.writing);
	while (err == IM_OK && stream_has_more(&s.reader))
		err = stream_add_op(&s);
	return err == IM_OK ? writing_answer_header(&s.writing) : err;
}
