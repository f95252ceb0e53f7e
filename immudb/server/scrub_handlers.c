/*
 * Scrubs as administrators see them: ScrubDatabase, StopScrub, ScrubStatus. scrub.c does the work;
 * database_handlers.c says who may.
 *
 * Invariant: keys are shown only to who administers the database.
 */
#include "server/call.h"
#include "server/journal.h"

/* The system database is scrubbed like others, by sysadmins. */
static enum im_err
scrub_named(struct call *c, const char *name, struct database **out)
{
	enum im_err err;

	*out = NULL;
	err = database_named(c, name, out);
	return err == IM_ERR_DATABASE_RESERVED && *out ? IM_OK : err;
}

/* Faults on their way into an answer. */
struct fault_list {
	struct call *c;
	Immudb__Schema__ScrubInfo *out;
	enum im_err err;
};

static char *
scrub_text(struct call *c, const char *text)
{
	return arena_str(call_arena(c), bytes_str(text));
}

static bool
scrub_add_fault(void *arg, const struct scrub_fault *fault)
{
	struct fault_list *l = arg;
	struct arena *a = call_arena(l->c);
	Immudb__Schema__ScrubFault *m = message_new(a, &immudb__schema__scrub_fault__descriptor);
	struct bytes key = arena_copy(a, fault->key);

	l->err = m && (key.data || fault->key.len == 0) ? IM_OK : IM_ERR_NOMEM;
	if (l->err != IM_OK)
		return false;
	m->tx = fault->tx;
	m->offset = fault->offset;
	m->derived = fault->derived;
	m->rawkey = message_data(key);
	m->file = scrub_text(l->c, fault->file);
	m->what = scrub_text(l->c, fault->what);
	if (!m->file || !m->what)
		l->err = IM_ERR_NOMEM;
	else
		l->out->faults[l->out->n_faults++] = m;
	return l->err == IM_OK && l->out->n_faults < SCRUB_FAULTS_MAX;
}

static Immudb__Schema__ScrubInfo *
scrub_message(struct call *c, struct database *db)
{
	Immudb__Schema__ScrubInfo *m =
	    message_new(call_arena(c), &immudb__schema__scrub_info__descriptor);
	struct scrub_info info;

	if (!m)
		return NULL;
	scrubber_info(c->server->scrubber, db, &info);
	m->database = db->name;
	m->state = (char *)(uintptr_t)scrub_state_name(info.state);
	m->error = scrub_text(c, info.error);
	m->periodic = info.periodic;
	m->rate = info.rate;
	m->nexttx = info.next_tx;
	m->lasttx = info.to_tx;
	m->bytes = info.bytes;
	m->lost = info.lost;
	m->derived = info.derived;
	m->beganat = info.began_s;
	m->endedat = info.ended_s;
	m->finishedat = info.last_end_s;
	m->finishedtransactions = info.last_txs;
	m->finishedbytes = info.last_bytes;
	m->finishedlost = info.last_lost;
	m->finishedderived = info.last_derived;
	return m->error ? m : NULL;
}

static enum im_err
scrub_add_faults(struct call *c, struct database *db, Immudb__Schema__ScrubInfo *m)
{
	struct fault_list l = {c, m, IM_OK};

	m->faults = arena_calloc(call_arena(c), SCRUB_FAULTS_MAX, sizeof *m->faults);
	if (!m->faults)
		return IM_ERR_NOMEM;
	scrubber_each_fault(c->server->scrubber, db, scrub_add_fault, &l);
	return l.err;
}

static enum im_err
scrub_answer(struct call *c, struct database *db)
{
	Immudb__Schema__ScrubInfo *m = scrub_message(c, db);

	if (!m)
		return IM_ERR_NOMEM;
	c->answer = &m->base;
	return IM_OK;
}

static enum im_err
scrub_journal(struct call *c, const struct database *db, const char *what)
{
	struct meta_action action = journal_action(c, what);

	action.database = db->name;
	return journal_add(c->server->journal, &action);
}

enum im_err
handle_ScrubDatabase(struct call *c)
{
	const Immudb__Schema__ScrubDatabaseRequest *in = (const void *)c->in;
	struct database *db;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	err = scrub_named(c, in->database, &db);
	if (err == IM_OK)
		err = scrubber_begin(c->server->scrubber, db, in->rate);
	if (err == IM_OK)
		err = scrub_journal(c, db, JOURNAL_SCRUB);
	return err == IM_OK ? scrub_answer(c, db) : err;
}

enum im_err
handle_StopScrub(struct call *c)
{
	const Immudb__Schema__StopScrubRequest *in = (const void *)c->in;
	struct database *db;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	err = scrub_named(c, in->database, &db);
	if (err == IM_OK)
		err = scrubber_end(c->server->scrubber, db);
	if (err == IM_OK)
		err = scrub_journal(c, db, JOURNAL_SCRUB_STOP);
	return err == IM_OK ? scrub_answer(c, db) : err;
}

/* All that the caller administers, without faults. */
static enum im_err
scrub_list(struct call *c, Immudb__Schema__ScrubStatusResponse *out)
{
	struct database *db = NULL, *found;

	out->scrubs = arena_calloc(call_arena(c), DATABASES_MAX + 1, sizeof *out->scrubs);
	if (!out->scrubs)
		return IM_ERR_NOMEM;
	while (out->n_scrubs <= DATABASES_MAX &&
	    (db = databases_next(c->server->databases, db)) != NULL) {
		if (scrub_named(c, db->name, &found) != IM_OK)
			continue;
		out->scrubs[out->n_scrubs] = scrub_message(c, db);
		if (!out->scrubs[out->n_scrubs++])
			return IM_ERR_NOMEM;
	}
	return IM_OK;
}

/* One, with its faults. */
static enum im_err
scrub_show(struct call *c, const char *name, Immudb__Schema__ScrubStatusResponse *out)
{
	struct database *db;
	enum im_err err = scrub_named(c, name, &db);

	if (err != IM_OK)
		return err;
	out->scrubs = arena_calloc(call_arena(c), 1, sizeof *out->scrubs);
	if (!out->scrubs)
		return IM_ERR_NOMEM;
	out->scrubs[0] = scrub_message(c, db);
	if (!out->scrubs[0])
		return IM_ERR_NOMEM;
	out->n_scrubs = 1;
	return scrub_add_faults(c, db, out->scrubs[0]);
}

enum im_err
handle_ScrubStatus(struct call *c)
{
	const Immudb__Schema__ScrubStatusRequest *in = (const void *)c->in;
	Immudb__Schema__ScrubStatusResponse *out;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	out = message_new(call_arena(c), &immudb__schema__scrub_status_response__descriptor);
	if (!out)
		return IM_ERR_NOMEM;
	err = in->database[0] ? scrub_show(c, in->database, out) : scrub_list(c, out);
	c->answer = &out->base;
	return err;
}
