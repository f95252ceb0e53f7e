/*
 * Reading by stream: StreamGet, StreamVerifiableGet, StreamScan, StreamZScan, StreamHistory. What
 * an entry is, and which ones there are, is that of the methods without a stream; here are the
 * messages that an entry becomes, and no limit but the one that is asked for.
 *
 * Invariant: an entry is in memory whole, because its value is checked against its hash before a
 * byte of it leaves; one at a time.
 */
#include "server/get.h"
#include "server/stream_answer.h"
#include "server/walks.h"

struct read_stream {
	struct stream_answer base; /* first */
	struct walk walk;
	uint64_t left; /* entries */
	/* Of the streams of one entry, which is found before they begin. */
	Immudb__Schema__Entry *entry;
	Immudb__Schema__VerifiableEntry *proven;
};

static struct read_stream *
read_stream_of(struct stream_answer *s)
{
	return (struct read_stream *)s;
}

static void
read_stream_close(struct stream_answer *s)
{
	walk_close(&read_stream_of(s)->walk);
}

/* A stream of at most limit entries; 0 means all. */
static enum im_err
read_stream_new(struct call *c, uint64_t limit, struct read_stream **out)
{
	struct read_stream *s;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	s = arena_calloc(call_arena(c), 1, sizeof *s);
	if (!s)
		return IM_ERR_NOMEM;
	s->base.close = read_stream_close;
	s->left = limit ? limit : UINT64_MAX;
	*out = s;
	return IM_OK;
}

/* Starts what was opened with err. */
static enum im_err
read_stream_start(struct call *c, struct read_stream *s, enum im_err err)
{
	if (err == IM_OK)
		return stream_answer_start(c, &s->base);
	walk_close(&s->walk);
	return err;
}

/* Takes one of the entries that are left; false when there is none. */
static bool
read_stream_take(struct read_stream *s)
{
	return s->left > 0 && s->left-- > 0;
}

static void
read_stream_add_entry(struct stream_answer *s, const Immudb__Schema__Entry *e)
{
	stream_answer_add(s, message_bytes(e->key));
	stream_answer_add(s, message_bytes(e->value));
}

/* A message of numbers or of a packed protobuf message. */
static enum im_err
read_stream_add_packed(struct stream_answer *s, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *p = arena_alloc(call_arena(s->call), len);

	if (!p)
		return IM_ERR_NOMEM;
	stream_answer_add(s, bytes_of(p, protobuf_c_message_pack(m, p)));
	return IM_OK;
}

/* ---- One entry. ---- */

static enum im_err
stream_get_next(struct stream_answer *s)
{
	if (!read_stream_take(read_stream_of(s)))
		return IM_ERR_NOT_FOUND;
	read_stream_add_entry(s, read_stream_of(s)->entry);
	return IM_OK;
}

enum im_err
handle_StreamGet(struct call *c)
{
	struct read_stream *s;
	enum im_err err = read_stream_new(c, 1, &s);

	if (err != IM_OK)
		return err;
	s->base.next = stream_get_next;
	return read_stream_start(c, s, get_entry(c, (const void *)c->in, NULL, &s->entry));
}

static enum im_err
stream_proven_next(struct stream_answer *s)
{
	Immudb__Schema__VerifiableEntry *v = read_stream_of(s)->proven;
	Immudb__Schema__Entry bare;
	enum im_err err;

	if (!read_stream_take(read_stream_of(s)))
		return IM_ERR_NOT_FOUND;
	bare = *v->entry;
	bare.value = message_data(bytes_of(NULL, 0));
	err = read_stream_add_packed(s, &bare.base);
	if (err == IM_OK)
		err = read_stream_add_packed(s, &v->verifiabletx->base);
	if (err == IM_OK)
		err = read_stream_add_packed(s, &v->inclusionproof->base);
	if (err == IM_OK)
		stream_answer_add(s, message_bytes(v->entry->value));
	return err;
}

enum im_err
handle_StreamVerifiableGet(struct call *c)
{
	struct read_stream *s;
	enum im_err err = read_stream_new(c, 1, &s);

	if (err != IM_OK)
		return err;
	s->base.next = stream_proven_next;
	return read_stream_start(c, s, get_proven(c, (const void *)c->in, &s->proven));
}

/* ---- Many. ---- */

static enum im_err
stream_scan_next(struct stream_answer *s)
{
	struct read_stream *r = read_stream_of(s);
	Immudb__Schema__Entry *e;
	enum im_err err = read_stream_take(r) ? scan_next(s->call, &r->walk, &e) : IM_ERR_NOT_FOUND;

	if (err == IM_OK)
		read_stream_add_entry(s, e);
	return err;
}

enum im_err
handle_StreamScan(struct call *c)
{
	const Immudb__Schema__ScanRequest *in = (const void *)c->in;
	struct read_stream *s;
	enum im_err err = read_stream_new(c, in->limit, &s);

	if (err != IM_OK)
		return err;
	s->base.next = stream_scan_next;
	return read_stream_start(c, s, scan_open(c, in, &s->walk));
}

static enum im_err
stream_zscan_next(struct stream_answer *s)
{
	struct read_stream *r = read_stream_of(s);
	Immudb__Schema__ZEntry *z;
	uint64_t score;
	uint8_t *numbers;
	enum im_err err =
	    read_stream_take(r) ? zscan_next(s->call, &r->walk, &z) : IM_ERR_NOT_FOUND;

	if (err != IM_OK)
		return err;
	numbers = arena_alloc(call_arena(s->call), 2 * sizeof(uint64_t));
	if (!numbers)
		return IM_ERR_NOMEM;
	memcpy(&score, &z->score, sizeof score);
	be64_put(numbers, score);
	be64_put(numbers + sizeof score, z->attx);
	stream_answer_add(s, message_bytes(z->set));
	stream_answer_add(s, message_bytes(z->key));
	stream_answer_add(s, bytes_of(numbers, sizeof score));
	stream_answer_add(s, bytes_of(numbers + sizeof score, sizeof z->attx));
	stream_answer_add(s, message_bytes(z->entry->value));
	return IM_OK;
}

enum im_err
handle_StreamZScan(struct call *c)
{
	const Immudb__Schema__ZScanRequest *in = (const void *)c->in;
	struct read_stream *s;
	enum im_err err = read_stream_new(c, in->limit, &s);

	if (err != IM_OK)
		return err;
	s->base.next = stream_zscan_next;
	return read_stream_start(c, s, zscan_open(c, in, &s->walk));
}

static enum im_err
stream_history_next(struct stream_answer *s)
{
	struct read_stream *r = read_stream_of(s);
	Immudb__Schema__Entry *e;
	enum im_err err =
	    read_stream_take(r) ? history_next(s->call, &r->walk, &e) : IM_ERR_NOT_FOUND;

	if (err == IM_OK)
		read_stream_add_entry(s, e);
	return err;
}

enum im_err
handle_StreamHistory(struct call *c)
{
	const Immudb__Schema__HistoryRequest *in = (const void *)c->in;
	struct read_stream *s;
	enum im_err err;

	if (in->limit < 0)
		return err_set(IM_ERR_ARGUMENT, "%s: negative limit", err_text(IM_ERR_ARGUMENT));
	err = read_stream_new(c, (uint64_t)in->limit, &s);
	if (err != IM_OK)
		return err;
	s->base.next = stream_history_next;
	return read_stream_start(c, s, history_open(c, in, &s->walk));
}
