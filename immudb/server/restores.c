/*
 * Announcements of restores: made by whoever restores a database of this server, and given to
 * auditors. meta/ keeps them; journal.c copies their rows into the system database.
 *
 * Invariant: an announcement that is given out is signed, when the server had a key as it was made,
 * and its row is in the journal or on the way there.
 */
#include "server/restores.h"

#include <inttypes.h>
#include <stdio.h>

#include "server/call.h"
#include "util/clock.h"
#include "util/hex.h"
#include "util/log.h"

/* Room for two states, a time and a signature in words; meta_journal.c keeps as much. */
#define RESTORES_DETAIL_SIZE 400

static bool
restore_changes_nothing(const struct restores_new *new)
{
	return new->from.id == new->to.id &&hash_equal(&new->from.alh, &new->to.alh);
}

/* ---- Making them. ---- */

enum im_err
restores_describe(const struct restores_new *new, struct meta_restore *out)
{
	struct timespec now = clock_wall();

	if (restore_changes_nothing(new))
		return err_set(IM_ERR_EXISTS, "nothing is another than before");
	if (strlen(new->database) > META_DATABASE_MAX)
		return err_set(IM_ERR_DATABASE_NAME, "database name length outside of limits");
	if (strlen(new->actor) > RESTORE_NOTICE_ACTOR_MAX)
		return err_set(
		    IM_ERR_LIMIT, "who restored: at most %d characters", RESTORE_NOTICE_ACTOR_MAX);
	if (new->from.id > INT64_MAX || new->to.id > INT64_MAX)
		return err_set(IM_ERR_ARGUMENT, "no database has as many transactions");
	memset(out, 0, sizeof *out);
	snprintf(out->database, sizeof out->database, "%s", new->database);
	snprintf(out->actor, sizeof out->actor, "%s", new->actor);
	out->to = new->to;
	if (new->from.id > 0)
		out->from = new->from;
	out->at_ms = (int64_t)now.tv_sec * (CLOCK_NS_PER_S / CLOCK_NS_PER_MS) +
	    now.tv_nsec / CLOCK_NS_PER_MS;
	return IM_OK;
}

static enum im_err
restore_sign(struct server *s, struct meta_restore *r)
{
	struct restore_notice notice = {.server_id = bytes_str(s->identity),
	    .database = bytes_str(r->database),
	    .from = r->from,
	    .to = r->to,
	    .at_ms = r->at_ms,
	    .actor = bytes_str(r->actor)};

	enum im_err err;

	if (!s->is_signing)
		return IM_OK;
	pthread_rwlock_rdlock(&s->key_lock);
	sign_private_key_point(s->key, r->point);
	err = restore_notice_sign(s->key, &notice, r->signature, &r->signature_len);
	pthread_rwlock_unlock(&s->key_lock);
	return err;
}

static void
append_state(struct buf *out, const struct tx_point *point)
{
	buf_printf(out, "tx %" PRIu64 " ", point->id);
	hex_append(out, hash_bytes(&point->alh));
}

/* Everything that is signed and not a member of the row by itself, and the signature. */
static void
restore_describe(const struct meta_restore *r, char *memory, size_t size)
{
	const int64_t per_s = CLOCK_NS_PER_S / CLOCK_NS_PER_MS;
	struct timespec at = {r->at_ms / per_s, (long)(r->at_ms % per_s * CLOCK_NS_PER_MS)};
	char time[CLOCK_TEXT_SIZE];
	struct buf out;

	buf_init_in(&out, memory, size);
	buf_append_str(&out, "from ");
	if (r->from.id > 0)
		append_state(&out, &r->from);
	else
		buf_append_str(&out, "an unknown state");
	buf_append_str(&out, " to ");
	append_state(&out, &r->to);
	buf_printf(&out, " at %s, ", clock_format_ms(at, time));
	buf_append_str(&out, r->signature_len ? "signature " : "not signed");
	hex_append(&out, bytes_of(r->signature, r->signature_len));
	buf_append_u8(&out, '\0');
}

static void
restore_log(const struct meta_restore *r)
{
	char before[48] = "";

	if (r->from.id > 0)
		snprintf(before, sizeof before, " from %" PRIu64, r->from.id);
	log_warn("database %s was restored by %s to transaction %" PRIu64
		 "%s; auditors that ask are told",
	    r->database, r->actor, r->to.id, before);
}

/* Signs a restore and writes it down with its row; a pending one has its number. */
static enum im_err
restore_announce(struct server *s, struct meta_restore *r)
{
	char detail[RESTORES_DETAIL_SIZE];
	struct meta_action action = {.actor = r->actor,
	    .action = JOURNAL_RESTORE,
	    .database = r->database,
	    .detail = detail};
	enum im_err err = restore_sign(s, r);

	if (err != IM_OK)
		return err;
	restore_describe(r, detail, sizeof detail);
	err = r->is_pending ? meta_restore_settle(s->meta, r, &action)
			    : meta_restore_add(s->meta, r, &action);
	if (err == IM_OK)
		restore_log(r);
	return err;
}

enum im_err
restores_take(struct server *s)
{
	struct meta_restore r;
	enum im_err err = IM_OK;

	while (err == IM_OK) {
		err = meta_restore_pending(s->meta, &r);
		if (err == IM_OK)
			err = restore_announce(s, &r);
		else if (err == IM_ERR_NOT_FOUND)
			return IM_OK;
	}
	return err;
}

enum im_err
restores_leave(struct meta *m, const struct restores_new *new)
{
	struct meta_restore r;
	enum im_err err;

	err = restores_describe(new, &r);
	if (err == IM_ERR_EXISTS)
		return IM_OK;
	return err == IM_OK ? meta_restore_add(m, &r, NULL) : err;
}

/* ---- Giving them out. ---- */

/* The answer that is being made. */
struct restores_answer {
	struct call *call;
	Immudb__Schema__RestoreNotices *out;
};

static enum im_err
notice_signature(struct arena *a, const struct meta_restore *r, Immudb__Schema__Signature **out)
{
	Immudb__Schema__Signature *m = message_new(a, &immudb__schema__signature__descriptor);

	if (!m)
		return IM_ERR_NOMEM;
	m->signature = message_data(arena_copy(a, bytes_of(r->signature, r->signature_len)));
	m->publickey = message_data(arena_copy(a, bytes_of(r->point, sizeof r->point)));
	*out = m;
	return m->signature.data && m->publickey.data ? IM_OK : IM_ERR_NOMEM;
}

static enum im_err
notice_add(void *arg, const struct meta_restore *r)
{
	struct restores_answer *answer = arg;
	struct arena *a = call_arena(answer->call);
	Immudb__Schema__RestoreNotice *m =
	    message_new(a, &immudb__schema__restore_notice__descriptor);

	if (!m)
		return IM_ERR_NOMEM;
	m->serverid = answer->call->server->identity;
	m->database = arena_str(a, bytes_str(r->database));
	m->actor = arena_str(a, bytes_str(r->actor));
	m->fromtx = r->from.id;
	if (r->from.id > 0)
		m->fromhash = message_data(arena_copy(a, hash_bytes(&r->from.alh)));
	m->totx = r->to.id;
	m->tohash = message_data(arena_copy(a, hash_bytes(&r->to.alh)));
	m->at = r->at_ms;
	if (!m->database || !m->actor || !m->tohash.data || (r->from.id > 0 && !m->fromhash.data))
		return IM_ERR_NOMEM;
	answer->out->notices[answer->out->n_notices++] = m;
	return r->signature_len ? notice_signature(a, r, &m->signature) : IM_OK;
}

enum im_err
handle_RestoreNotices(struct call *c)
{
	const Immudb__Schema__RestoreNoticesRequest *in = (const void *)c->in;
	struct meta_restore_query query = {c->database->name, in->tx, RESTORES_ANSWER_MAX};
	struct restores_answer answer = {.call = c};
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	answer.out = message_new(call_arena(c), &immudb__schema__restore_notices__descriptor);
	if (answer.out)
		answer.out->notices =
		    arena_calloc(call_arena(c), query.max, sizeof *answer.out->notices);
	if (!answer.out || !answer.out->notices)
		return IM_ERR_NOMEM;
	err = meta_restore_list(c->server->meta, &query, notice_add, &answer);
	if (err == IM_OK)
		c->answer = &answer.out->base;
	return err;
}
