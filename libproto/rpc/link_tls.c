/*
 * The cipher of a link: link.c above gathers and cuts plaintext, tls_conn.c below turns it into
 * records and back.
 *
 * Invariants: records leave in the order in which they were made, because whoever makes them
 * exchanges the conn's output for wire under one lock; plaintext waits until the handshake is
 * complete; what the handshake has to say and the first plaintext leave in one write, so that a
 * peer which refuses us cannot have closed between the two.
 */
#include "rpc/link_tls.h"

#include <stdlib.h>

/* As much as a conn's output, with which it changes places. */
#define LINK_TLS_WIRE_MAX ((size_t)512 * 1024 * 1024)

enum im_err
link_tls_new(struct tls_context *context, const char *name, struct link_tls **out)
{
	struct link_tls *t = (struct link_tls *)calloc(1, sizeof *t);
	enum im_err err;

	*out = NULL;
	if (!t)
		return IM_ERR_NOMEM;
	err = tls_conn_new(context, name, &t->conn);
	if (err != IM_OK) {
		free(t);
		return err;
	}
	pthread_mutex_init(&t->lock, NULL);
	buf_init(&t->wire, LINK_TLS_WIRE_MAX);
	t->in = t->small;
	t->in_cap = sizeof t->small;
	*out = t;
	return IM_OK;
}

void
link_tls_free(struct link_tls *t)
{
	if (!t)
		return;
	tls_conn_free(t->conn);
	buf_free(&t->wire);
	if (t->in != t->small)
		free(t->in);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- Reading. ---- */

enum im_err
link_tls_start(struct link *l)
{
	enum im_err err;

	pthread_mutex_lock(&l->tls->lock);
	err = tls_conn_start(l->tls->conn);
	pthread_mutex_unlock(&l->tls->lock);
	return err;
}

nng_iov
link_tls_room(const struct link *l)
{
	return (nng_iov){.iov_buf = l->tls->in, .iov_len = l->tls->in_cap};
}

void
link_tls_take(struct link *l, size_t n)
{
	struct link_tls *t = l->tls;

	t->pending = bytes_of(t->in, n);
	t->filled = n == t->in_cap;
	t->begun = true;
}

enum im_err
link_tls_open(struct link *l, bool *told)
{
	struct link_tls *t = l->tls;
	bool was_opened = t->opened;
	enum im_err err;
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	err = tls_conn_receive(t->conn, &t->pending, l->in + l->in_len, l->in_cap - l->in_len, &n);
	t->opened = tls_conn_is_established(t->conn);
	t->ended = tls_conn_is_closed(t->conn);
	*told = (t->opened && !was_opened) || tls_conn_output(t->conn)->len > 0;
	pthread_mutex_unlock(&t->lock);
	l->in_len += n;
	return err;
}

void
link_tls_tell(struct link *l, bool broken)
{
	l->tls->open = l->tls->opened;
	l->tls->broken = broken;
	l->tls->replies = true;
}

bool
link_tls_has_more(struct link *l)
{
	struct link_tls *t = l->tls;
	bool more;

	if (t->ended || t->pending.len > 0)
		return !t->ended;
	pthread_mutex_lock(&t->lock);
	more = tls_conn_has_plaintext(t->conn);
	pthread_mutex_unlock(&t->lock);
	return more;
}

bool
link_tls_is_mid_record(struct link *l)
{
	bool mid;

	pthread_mutex_lock(&l->tls->lock);
	mid = tls_conn_is_mid_record(l->tls->conn);
	pthread_mutex_unlock(&l->tls->lock);
	return mid;
}

bool
link_tls_grow(struct link *l, size_t size)
{
	struct link_tls *t = l->tls;
	uint8_t *big = (uint8_t *)malloc(size);

	if (!big)
		return false;
	if (t->pending.len > 0)
		memcpy(big, t->pending.data, t->pending.len);
	t->pending = bytes_of(big, t->pending.len);
	if (t->in != t->small)
		free(t->in);
	t->in = big;
	t->in_cap = size;
	return true;
}

void
link_tls_shrink(struct link *l)
{
	struct link_tls *t = l->tls;

	if (t->in == t->small)
		return;
	free(t->in);
	t->in = t->small;
	t->in_cap = sizeof t->small;
	t->pending = bytes_of(NULL, 0);
}

enum im_err
link_tls_end(struct link *l)
{
	struct link_tls *t = l->tls;
	enum im_err err;

	/* A client that only looks whether somebody listens has done nothing wrong. */
	if (!t->begun && l->ops->foreign)
		return IM_OK;
	pthread_mutex_lock(&t->lock);
	err = tls_conn_end(t->conn);
	pthread_mutex_unlock(&t->lock);
	if (err == IM_OK && !t->ended && (l->in_len > 0 || l->ins))
		err = err_set(IM_ERR_TLS, "the connection was cut inside a frame");
	return err;
}

/* ---- Writing. ---- */

bool
link_tls_is_open(const struct link *l)
{
	return l->tls->open && !l->tls->broken;
}

/* The last word is due. */
static bool
link_tls_wants_bye(const struct link *l)
{
	return l->leaving && link_tls_is_open(l) && !l->tls->bye && l->out.len == 0 && !l->outs;
}

bool
link_tls_wants(const struct link *l)
{
	return l->tls->replies || link_tls_wants_bye(l);
}

void
link_tls_claim(struct link *l)
{
	l->tls->replies = false;
	l->tls->sealed = 0;
	if (link_tls_wants_bye(l))
		l->tls->bye = true;
}

void
link_tls_trim(struct link *l, size_t keep)
{
	struct link_tls *t = l->tls;
	struct buf *out;

	buf_clear(&t->wire);
	if (t->wire.cap > keep)
		buf_free(&t->wire);
	pthread_mutex_lock(&t->lock);
	out = tls_conn_output(t->conn);
	if (out->len == 0 && out->cap > keep)
		buf_free(out);
	pthread_mutex_unlock(&t->lock);
}

bool
link_tls_seal(struct link *l, bool *failed)
{
	struct link_tls *t = l->tls;
	size_t n = l->wire.len - t->sealed;
	enum im_err err = IM_OK;
	struct buf *out, made;

	n = n < LINK_TLS_SEAL_BYTES ? n : LINK_TLS_SEAL_BYTES;
	buf_clear(&t->wire);
	pthread_mutex_lock(&t->lock);
	if (n > 0)
		err = tls_conn_send(t->conn, bytes_of(l->wire.data + t->sealed, n));
	t->sealed = err == IM_OK ? t->sealed + n : l->wire.len;
	if (t->bye && t->sealed == l->wire.len)
		tls_conn_close(t->conn);
	out = tls_conn_output(t->conn);
	made = *out;
	*out = t->wire;
	t->wire = made;
	pthread_mutex_unlock(&t->lock);
	/* An alert that was made before is still sent. */
	*failed = t->wire.len == 0 && err != IM_OK;
	return t->wire.len > 0;
}
