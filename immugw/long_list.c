/*
 * Long lists: pages from the client library, lines to the peer. rest.c decides who gets them.
 *
 * Invariant: no more than a page and LONG_LIST_PIECE of lines is held, however slowly the peer
 * reads.
 */
#include "long_list.h"

#include <string.h>

#include "http_headers.h"
#include "util/log.h"
#include "verified_messages.h"

/* Lines are sent when they are so many bytes. */
#define LONG_LIST_PIECE 65536u
/* A line: one entry, base64, with room for names. */
#define LONG_LIST_LINE_MAX ((size_t)96 * 1024 * 1024)
#define LONG_LIST_ARENA_MAX ((size_t)64 * 1024 * 1024)
#define LONG_LIST_ARENA_KEPT 65536u

struct writer {
	const struct long_list *list;
	struct arena arena; /* of one line */
	struct buf lines;
	enum im_err err; /* that ended the list */
};

bool
long_list_wanted(const struct route *route, const char *accept)
{
	return accept && http_wants_lines(bytes_str(accept)) && route_has_lines(route);
}

static void
writer_begin(struct writer *w)
{
	const struct long_list *l = w->list;

	if (http_exchange_status(l->x))
		return;
	buf_append_u8(l->headers, '\0');
	http_exchange_begin(l->x,
	    &(struct http_head){200, LONG_LIST_TYPE,
		l->headers->err == IM_OK ? (const char *)l->headers->data : NULL});
}

static void
writer_flush(struct writer *w)
{
	if (w->err == IM_OK)
		w->err = w->lines.err;
	if (w->err == IM_OK)
		w->err = http_exchange_write(w->list->x, buf_bytes(&w->lines));
	buf_clear(&w->lines);
}

/* Adds a line; false ends the list. */
static bool
writer_add(struct writer *w, const ProtobufCMessage *m)
{
	if (!m)
		w->err = IM_ERR_NOMEM;
	if (w->err != IM_OK)
		return false;
	writer_begin(w);
	json_write(&w->lines, m, w->list->route->style);
	buf_append_u8(&w->lines, '\n');
	if (w->lines.len >= LONG_LIST_PIECE || w->lines.err != IM_OK)
		writer_flush(w);
	arena_reset(&w->arena, LONG_LIST_ARENA_KEPT);
	return w->err == IM_OK;
}

static bool
add_entry(void *arg, const struct immu_entry *entry)
{
	struct writer *w = arg;

	return writer_add(w, (ProtobufCMessage *)verified_entry(entry, &w->arena));
}

static bool
add_zentry(void *arg, const struct immu_zentry *entry)
{
	struct writer *w = arg;

	return writer_add(w, (ProtobufCMessage *)verified_zentry(entry, &w->arena));
}

static bool
add_tx(void *arg, const struct immu_tx_view *tx)
{
	struct writer *w = arg;

	return writer_add(w, (ProtobufCMessage *)verified_tx_view(tx, &w->arena));
}

static struct immu_bytes
view(ProtobufCBinaryData data)
{
	return (struct immu_bytes){data.data, data.len};
}

static enum im_err
each_key(struct immu *c, const ProtobufCMessage *message, struct writer *w)
{
	const Immudb__Schema__ScanRequest *m = (const void *)message;
	const struct immu_scan scan = {.prefix = view(m->prefix),
	    .seek = view(m->seekkey),
	    .end = view(m->endkey),
	    .inclusive_seek = m->inclusiveseek,
	    .inclusive_end = m->inclusiveend,
	    .descending = m->desc,
	    .limit = m->limit,
	    .offset = m->offset,
	    .since_tx = m->sincetx};

	return immu_each(c, &scan, add_entry, w);
}

static enum im_err
each_member(struct immu *c, const ProtobufCMessage *message, struct writer *w)
{
	const Immudb__Schema__ZScanRequest *m = (const void *)message;
	const struct immu_zscan scan = {.set = view(m->set),
	    .seek_key = view(m->seekkey),
	    .seek_score = m->seekscore,
	    .seek_at_tx = m->seekattx,
	    .inclusive_seek = m->inclusiveseek,
	    .descending = m->desc,
	    .has_min_score = m->minscore != NULL,
	    .has_max_score = m->maxscore != NULL,
	    .min_score = m->minscore ? m->minscore->score : 0,
	    .max_score = m->maxscore ? m->maxscore->score : 0,
	    .limit = m->limit,
	    .offset = m->offset,
	    .since_tx = m->sincetx};

	return immu_each_z(c, &scan, add_zentry, w);
}

static enum im_err
each_version(struct immu *c, const ProtobufCMessage *message, struct writer *w)
{
	const Immudb__Schema__HistoryRequest *m = (const void *)message;
	const struct immu_history history = {.key = view(m->key),
	    .offset = m->offset,
	    .limit = (uint64_t)m->limit,
	    .descending = m->desc,
	    .since_tx = m->sincetx};

	if (m->limit < 0)
		return err_set(IM_ERR_ARGUMENT, "%s: negative limit", err_text(IM_ERR_ARGUMENT));
	return immu_each_version(c, &history, add_entry, w);
}

static enum im_err
each_tx(struct immu *c, const ProtobufCMessage *message, struct writer *w)
{
	const Immudb__Schema__TxScanRequest *m = (const void *)message;
	const struct immu_tx_scan scan = {.initial_tx = m->initialtx,
	    .limit = m->limit,
	    .descending = m->desc,
	    .since_tx = m->sincetx};

	if (m->entriesspec)
		return err_set(IM_ERR_ARGUMENT, "%s: entriesSpec is not for %s",
		    err_text(IM_ERR_ARGUMENT), LONG_LIST_TYPE);
	return immu_each_tx(c, &scan, add_tx, w);
}

/* Walks through the list. */
static enum im_err
writer_walk(struct writer *w, struct immu *c)
{
	const ProtobufCMessage *m = w->list->request;

	switch (w->list->route->method->id) {
	case RPC_METHOD_Scan:
		return each_key(c, m, w);
	case RPC_METHOD_ZScan:
		return each_member(c, m, w);
	case RPC_METHOD_History:
		return each_version(c, m, w);
	default:
		return each_tx(c, m, w);
	}
}

enum im_err
long_list_answer(const struct long_list *list)
{
	struct writer w = {.list = list};
	struct verified_loan loan;
	enum im_err err = verified_take(list->verified, &list->session, &loan);

	if (err != IM_OK)
		return err;
	arena_init(&w.arena, LONG_LIST_ARENA_MAX);
	buf_init(&w.lines, LONG_LIST_LINE_MAX);
	err = writer_walk(&w, loan.c);
	verified_give(list->verified, &loan, err);
	if (err == IM_OK)
		err = w.err;
	if (err == IM_OK) {
		writer_begin(&w);
		writer_flush(&w);
		err = w.err;
	}
	if (err == IM_OK)
		http_exchange_end(list->x);
	else if (http_exchange_status(list->x))
		log_warn("%s: a list is broken off: %s", list->route->path, err_detail(err));
	buf_free(&w.lines);
	arena_free(&w.arena);
	return http_exchange_status(list->x) ? IM_OK : err;
}
