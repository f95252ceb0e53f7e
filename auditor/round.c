/*
 * The round of one database: the checks up to the dual proof, and the order of all of them.
 * sample.c, sweep.c and claims.c have the others, locate.c narrows down what is wrong, round_end.c
 * draws the consequences, audit.c runs rounds side by side.
 *
 * Invariants: a state counts only when its signature, its direction and its proof have passed; a
 * check that fails ends the round; and nothing here writes anything that outlives it.
 */
#include "round.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "announced.h"
#include "locate.h"
#include "round_rules.h"
#include "sample.h"
#include "sweep.h"
#include "util/clock.h"

double
round_clock_s(void)
{
	struct timespec now = clock_wall();

	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- A round. ---- */

struct round *
round_new(const struct round_env *env, struct server_link *link, const char *database)
{
	struct round *r = calloc(1, sizeof *r);
	size_t message;

	if (!r)
		return NULL;
	r->env = env;
	r->link = link;
	r->database = database;
	r->name = (struct trust_name){env->options->state_dir, env->server_id, database};
	r->started_at = round_clock_s();
	message = env->options->max_message_bytes ? env->options->max_message_bytes
						  : SERVER_LINK_MESSAGE_DEFAULT;
	arena_init(&r->arena, SERVER_LINK_ARENA + SERVER_LINK_ARENA_FACTOR * message);
	arena_init(&r->scratch, SERVER_LINK_ARENA + SERVER_LINK_ARENA_FACTOR * message);
	return r;
}

void
round_free(struct round *r)
{
	if (!r)
		return;
	arena_free(&r->scratch);
	arena_free(&r->arena);
	explicit_bzero(r->token, sizeof r->token);
	free(r);
}

enum im_err
round_note(struct round *r, enum im_err err, uint64_t from, uint64_t to)
{
	struct finding *f = &r->finding;

	if (f->verdict != AUDIT_OK || err == IM_OK || err == IM_ERR_CANCELLED)
		return err;
	f->verdict = round_rules_verdict(err);
	if (audit_verdict_info(f->verdict)->is_tamper) {
		f->suspect_from = from;
		f->suspect_to = to;
	}
	snprintf(f->reason, sizeof f->reason, "%s", err_detail(err));
	return err;
}

/* ---- Asking. ---- */

struct verify_anchor
round_anchor(const struct round *r)
{
	return (struct verify_anchor){.from = r->seen.point, .database = r->database};
}

Immudb__Schema__EntriesSpec *
round_all_entries(bool with_values)
{
	static Immudb__Schema__EntryTypeSpec values = {
	    .base = PROTOBUF_C_MESSAGE_INIT(&immudb__schema__entry_type_spec__descriptor),
	    .action = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE};
	static Immudb__Schema__EntryTypeSpec digests = {
	    .base = PROTOBUF_C_MESSAGE_INIT(&immudb__schema__entry_type_spec__descriptor),
	    .action = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__ONLY_DIGEST};
	static Immudb__Schema__EntriesSpec specs[2] = {
	    {PROTOBUF_C_MESSAGE_INIT(&immudb__schema__entries_spec__descriptor), &digests, &digests,
		&digests},
	    {PROTOBUF_C_MESSAGE_INIT(&immudb__schema__entries_spec__descriptor), &values, &values,
		&values}};

	return &specs[with_values];
}

void
round_fill_question(Immudb__Schema__VerifiableTxRequest *m, const struct round_question *question)
{
	/* A specification that names no kind of entries leaves all of them out. */
	static Immudb__Schema__EntriesSpec none = IMMUDB__SCHEMA__ENTRIES_SPEC__INIT;

	immudb__schema__verifiable_tx_request__init(m);
	m->tx = question->tx;
	m->provesincetx = question->since;
	m->entriesspec = &none;
	if (question->with_values || question->with_entries)
		m->entriesspec = round_all_entries(question->with_values);
}

enum im_err
round_ask(struct round *r, const struct round_question *question, struct arena *arena,
    Immudb__Schema__VerifiableTx **out)
{
	Immudb__Schema__VerifiableTxRequest m;
	ProtobufCMessage *answer;
	enum im_err err;

	round_fill_question(&m, question);
	err = server_link_ask(r->link,
	    &(struct server_request){
		.method = RPC_METHOD_VerifiableTxById, .token = r->token, .message = &m.base},
	    arena, &answer);
	*out = (Immudb__Schema__VerifiableTx *)answer;
	return err;
}

enum im_err
round_wrong_tx(uint64_t answered, uint64_t asked)
{
	return err_set(
	    IM_ERR_PROOF, "transaction %" PRIu64 " was answered for %" PRIu64, answered, asked);
}

/* ---- The checks. ---- */

static enum im_err
check_recall(struct round *r)
{
	struct audit_record_name name = {r->name.folder, r->name.server_id, r->name.database};
	enum im_err err = audit_record_read(&name, &r->record);

	if (err)
		return err;
	r->has_record = true;
	r->sweep_position = r->record.sweep_position;
	r->sweep_started_at = r->record.sweep_started_at;
	r->sweep_finished_at = r->record.sweep_finished_at;
	err = trust_file_read(&r->name, &r->trusted);
	r->has_trusted = err == IM_OK;
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
check_select(struct round *r)
{
	Immudb__Schema__Database request = IMMUDB__SCHEMA__DATABASE__INIT;
	struct server_request ask = {
	    .method = RPC_METHOD_UseDatabase, .token = r->login, .message = &request.base};
	ProtobufCMessage *answer;
	const char *token;
	enum im_err err;

	if (r->env->open_database && strcmp(r->env->open_database, r->database) == 0)
		return IM_OK;
	request.databasename = (char *)(uintptr_t)r->database;
	arena_reset(&r->scratch, 0);
	err = server_link_ask(r->link, &ask, &r->scratch, &answer);
	if (err == IM_ERR_DATABASE_NOT_FOUND && r->has_trusted && r->trusted.point.id > 0) {
		err_set(err,
		    "the database is gone from the server; transaction %" PRIu64
		    " of it was proven before",
		    r->trusted.point.id);
		return round_note(r, err, 1, r->trusted.point.id);
	}
	if (err == IM_ERR_DATABASE_NOT_FOUND)
		return err_set(IM_ERR_NOT_FOUND, "the database is gone from the server");
	if (err)
		return err;
	token = ((Immudb__Schema__UseDatabaseReply *)answer)->token;
	if (strlen(token) >= sizeof r->token)
		return err_set(IM_ERR_PROTOCOL, "the session's token is too long");
	memcpy(r->token, token, strlen(token) + 1);
	return IM_OK;
}

/* The state is signed by one of the keys; when none is configured, by anybody or not at all. */
static enum im_err
check_signature(struct round *r, const Immudb__Schema__Signature *m)
{
	struct verify_anchor anchor = {.database = r->database};
	enum im_err err = verify_signature(&anchor, m, &r->seen);

	for (size_t i = 0; i < r->env->keys_len; i++) {
		anchor.key = r->env->keys[i];
		err = verify_signature(&anchor, m, &r->seen);
		if (!err)
			r->signer = anchor.key;
		if (err != IM_ERR_SIGNATURE)
			break;
	}
	if (err == IM_ERR_SIGNATURE && r->env->keys_len > 1)
		err = err_set(IM_ERR_SIGNATURE,
		    "the signature of state %" PRIu64 " matches none of the %zu public keys",
		    r->seen.point.id, r->env->keys_len);
	return err;
}

static enum im_err
check_state(struct round *r)
{
	struct server_request ask = {.method = RPC_METHOD_CurrentState, .token = r->token};
	struct verify_anchor anchor = {.database = r->database};
	const Immudb__Schema__ImmutableState *m;
	ProtobufCMessage *answer;
	enum im_err err;

	arena_reset(&r->scratch, 0);
	err = server_link_ask(r->link, &ask, &r->scratch, &answer);
	if (err)
		return err;
	m = (const Immudb__Schema__ImmutableState *)answer;
	err = verify_state(&anchor, m, &r->seen);
	if (err)
		return err;
	r->has_seen = true;
	return round_note(r, check_signature(r, m->signature), 0, 0);
}

/* The same transaction has two hashes: is the one that is shown a history of its own? */
static enum im_err
check_same(struct round *r)
{
	const struct tx_point *shown = &r->seen.point;
	struct round_question q = {.tx = shown->id, .since = shown->id};
	struct verify_anchor anchor = round_anchor(r);
	Immudb__Schema__VerifiableTx *m;
	struct verify_outcome outcome;
	enum im_err err = round_ask(r, &q, &r->arena, &m);

	r->checks++;
	if (!err)
		err = verify_history(&anchor, m, &r->arena, &outcome);
	if (err && round_rules_verdict(err) != AUDIT_TAMPERED)
		return err;
	if (err)
		r->finding.tx = m;
	err_set(err ? IM_ERR_PROOF : IM_ERR_STATE_FORKED,
	    "transaction %" PRIu64 " has another hash than the one that was proven before%s",
	    shown->id, err ? ", and no proof for it" : "");
	return round_note(r, err ? IM_ERR_PROOF : IM_ERR_STATE_FORKED, shown->id, shown->id);
}

static enum im_err
check_direction(struct round *r)
{
	const struct tx_point *shown = &r->seen.point, *trusted = &r->trusted.point;
	enum im_err err;

	if (!r->has_trusted || trusted->id == 0 || shown->id > trusted->id)
		return IM_OK;
	if (shown->id == trusted->id)
		return hash_equal(&shown->alh, &trusted->alh) ? IM_OK : check_same(r);
	err = err_set(IM_ERR_STATE_OLDER,
	    "the server shows transaction %" PRIu64 " as its newest one; %" PRIu64
	    " was proven before",
	    shown->id, trusted->id);
	round_note(r, err, shown->id + 1, trusted->id);
	if (shown->id == 0)
		r->finding.verdict = AUDIT_EMPTIED;
	return err;
}

/*
 * The server's history holds another hash at the trusted transaction, and is consistent otherwise.
 */
static enum im_err
note_fork(struct round *r, const Immudb__Schema__VerifiableTx *m)
{
	const struct tx_point *trusted = &r->trusted.point;

	r->finding.link = m;
	err_set(IM_ERR_STATE_FORKED,
	    "the history of the server's transaction %" PRIu64
	    " holds another hash for transaction %" PRIu64 " than was proven before",
	    r->seen.point.id, trusted->id);
	return round_note(r, IM_ERR_STATE_FORKED, trusted->id, trusted->id);
}

static enum im_err
check_history(struct round *r)
{
	const struct tx_point *trusted = &r->trusted.point, *shown = &r->seen.point;
	bool has_past = r->has_trusted && trusted->id > 0;
	struct round_question q = {.tx = has_past ? trusted->id : shown->id, .since = shown->id};
	struct verify_anchor anchor = round_anchor(r);
	Immudb__Schema__VerifiableTx *m = NULL;
	struct verify_outcome outcome;
	enum im_err err;

	if (shown->id == 0)
		return IM_OK;
	err = round_ask(r, &q, &r->arena, &m);
	r->checks++;
	if (!err)
		err = verify_history(&anchor, m, &r->arena, &outcome);
	if (err) {
		r->finding.tx = m;
		return round_note(r, err, q.tx, shown->id);
	}
	if (outcome.point.id != q.tx) {
		err = round_wrong_tx(outcome.point.id, q.tx);
		return round_note(r, err, q.tx, shown->id);
	}
	if (has_past && !hash_equal(&outcome.point.alh, &trusted->alh))
		return note_fork(r, m);
	r->seen_header = outcome.newest;
	return IM_OK;
}

static const struct {
	const char *name;
	enum im_err (*run)(struct round *r);
} checks[] = {
    {"recall", check_recall},
    {"select", check_select},
    {"state", check_state},
    {"direction", check_direction},
    {"history", check_history},
    {"claims", claims_check},
    {"sample", sample_check},
    {"sweep", sweep_check},
};

#define CHECKS (sizeof checks / sizeof *checks)

/* Names the step in a reason that says nothing of it. */
static void
note_step(struct round *r, enum im_err err, const char *step)
{
	char why[REPORT_TEXT_MAX - 64];

	if (r->finding.verdict != AUDIT_OK)
		return;
	snprintf(why, sizeof why, "%s", err_detail(err));
	round_note(r, err_set(err, "%s: %s", step, why), 0, 0);
}

enum im_err
round_run(struct round *r, const char *token)
{
	enum im_err err = IM_OK;
	size_t i;

	r->login = token;
	for (i = 0; i < CHECKS && !err; i++)
		err = checks[i].run(r);
	server_link_drain(r->link);
	if (err && err != IM_ERR_CANCELLED) {
		note_step(r, err, checks[i - 1].name);
		locate_fault(r);
		announced_look(r);
	}
	if (!err)
		r->finding.verdict = r->has_trusted ? AUDIT_OK : AUDIT_FIRST_SEEN;
	r->ended_at = round_clock_s();
	return err == IM_ERR_CANCELLED ? err : IM_OK;
}
