/*
 * One round over a server: what concerns it as a whole, and then its databases, several at a time.
 * audit.c says when, round.c looks at one database, round_end.c draws the consequences.
 *
 *	connect --> pin --> log in --> list --> databases
 *	   |         |         |         |
 *	   +---------+---------+---------+
 *	              | fails
 *	              v
 *	every database has the verdict of the server
 *
 * Invariants: the server's identity is compared before the password is sent; the list of databases
 * changes only between rounds; one worker at a time has a database.
 */
#include <stdio.h>
#include <stdlib.h>

#include "audit_private.h"
#include "round_rules.h"
#include "selection.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/version.h"

#define TIMEOUT_MS_DEFAULT 10000u
/* Nothing ends a wait for a connection, so it is a short one. */
#define CONNECT_TIMEOUT_MS_MAX 5000u
#define PARALLEL_DEFAULT 4u
#define PARALLEL_MAX 64u
#define LIST_MEMORY ((size_t)64 << 20)
#define TOKEN_MAX 255u

/* What the workers of a round share. */
struct run {
	struct audit *a;
	struct round_env env;
	struct selection selection;
	struct server_link *link; /* the round's first connection */
	char token[TOKEN_MAX + 1];
	atomic_size_t next; /* database to be taken */
	/* Another server that a worker met at the address; "": none. Under the audit's lock. */
	char other_id[XID_TEXT_LEN + 1];
};

static struct server_link_options
link_options(struct audit *a)
{
	const struct audit_options *o = &a->options;
	uint32_t timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS_DEFAULT;

	return (struct server_link_options){
	    .rpc = {.host = o->address,
		.max_message_bytes = o->max_message_bytes,
		.port = o->port,
		.unix_path = o->unix_path && *o->unix_path ? o->unix_path : NULL,
		.tls = a->tls,
		.tls_name = tls_client_name(&o->tls),
		.connect_timeout_ms =
		    timeout_ms < CONNECT_TIMEOUT_MS_MAX ? timeout_ms : CONNECT_TIMEOUT_MS_MAX,
		.name = "auditor " IMMUDB_VERSION},
	    .timeout_ms = timeout_ms,
	    .stop = &a->stop,
	    .answered_ns = &a->moved_ns};
}

/* Sets what the report says of the server itself. */
static void
show_server(struct audit *a, enum audit_verdict verdict, const char *reason)
{
	struct report_server *s = &a->options.report->server;
	bool is_news;

	report_lock(a->options.report);
	is_news = s->verdict != verdict || strcmp(s->reason, reason) != 0;
	s->verdict = verdict;
	snprintf(s->reason, sizeof s->reason, "%s", reason);
	report_unlock(a->options.report);
	if (!is_news)
		return;
	if (verdict == AUDIT_OK)
		log_info("audit of %s: the server is reached", a->address);
	else
		log_write(audit_verdict_info(verdict)->is_tamper ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
		    "audit of %s: %s: %s", a->address, audit_verdict_info(verdict)->word, reason);
}

/* Whether the alarm that is shown has been acknowledged since. */
static bool
is_acknowledged(const struct report_database *d, const struct audit_record *record)
{
	return audit_verdict_info(d->verdict)->is_tamper && !record->has_alarm &&
	    record->acks_len > 0 &&
	    (double)record->acks[record->acks_len - 1].at >= (double)(int64_t)d->since;
}

/* Acknowledged alarms end, also while the server is away and no round reads their records. */
static void
end_acknowledged(struct audit *a)
{
	struct report *report = a->options.report;
	char id[XID_TEXT_LEN + 1];

	audit_pinned(a, id);
	for (size_t i = 0; *id && i < a->memory_len; i++) {
		struct audit_record_name name = {a->options.state_dir, id, a->memory[i]->name};
		struct report_database *d;
		struct audit_record record;

		if (audit_record_read(&name, &record))
			continue;
		report_lock(report);
		d = report_database(report, name.database);
		if (d && is_acknowledged(d, &record)) {
			d->verdict = AUDIT_NOT_CHECKED;
			d->reason[0] = d->evidence[0] = '\0';
			d->suspect_from = d->suspect_to = 0;
			a->memory[i]->alerted = 0;
		}
		report_unlock(report);
	}
}

/* A round of every known database that ends as the server's does: nothing can be asked. */
static void
fail_databases(struct run *run, enum audit_verdict verdict, const char *reason)
{
	struct report *report = run->a->options.report;
	double at = round_clock_s();

	report_lock(report);
	for (size_t i = 0; i < report->databases_len; i++) {
		struct report_database *d = report->databases[i];
		bool is_alarm = audit_verdict_info(d->verdict)->is_tamper;

		report_add_round(
		    d, &(struct report_round){.at = at, .verdict = verdict, .tx = d->current.tx});
		if (is_alarm)
			continue;
		if (d->verdict != verdict)
			d->since = at;
		d->verdict = verdict;
		snprintf(d->reason, sizeof d->reason, "%s", reason);
	}
	report_unlock(report);
}

/* Another server answers: that is an alarm of every database that was proven of the one before. */
static void
alarm_identity(struct run *run, const char *other_id, const char *reason)
{
	struct audit *a = run->a;
	struct round_ending ending = {.other_server_id = other_id};
	struct round_env env = run->env;
	bool is_any_known = false;
	char id[XID_TEXT_LEN + 1];

	for (size_t i = 0; i < a->memory_len; i++)
		is_any_known = is_any_known || a->memory[i]->is_known;
	audit_pinned(a, id);
	env.server_id = id;
	for (size_t i = 0; *id && i < a->memory_len; i++) {
		struct audit_record_name name = {a->options.state_dir, id, a->memory[i]->name};
		struct round *r;

		/* Of a server with nothing but empty databases one of them has to do. */
		if (!a->memory[i]->is_known && (is_any_known || i > 0))
			continue;
		r = round_new(&env, NULL, a->memory[i]->name);
		if (!r)
			continue;
		r->has_record = audit_record_read(&name, &r->record) == IM_OK;
		r->has_trusted = trust_file_read(&r->name, &r->trusted) == IM_OK;
		r->sweep_position = r->record.sweep_position;
		r->sweep_started_at = r->record.sweep_started_at;
		r->sweep_finished_at = r->record.sweep_finished_at;
		r->finding.verdict = AUDIT_IDENTITY_CHANGED;
		snprintf(r->finding.reason, sizeof r->finding.reason, "%s", reason);
		r->ended_at = r->started_at;
		ending.memory = a->memory[i];
		round_end(r, &ending);
		ending.is_quiet = ending.evidence[0] != '\0';
		round_free(r);
	}
}

static void
forget(struct round_memory *m)
{
	m->is_known = false;
	m->alerted = 0;
	m->verified = (struct trust_state){0};
	m->verified_at = 0;
	free(m->proof);
	m->proof = NULL;
}

static enum im_err
connect_server(struct run *run)
{
	struct audit *a = run->a;
	struct server_link_options options = link_options(a);
	const struct trust_address pin = {a->options.state_dir, a->address};
	char reason[REPORT_TEXT_MAX];
	const char *id;
	bool is_first;
	enum im_err err = server_link_open(&options, &run->link);

	if (err)
		return err;
	id = server_link_hello(run->link)->server_id;
	err = trust_file_pin(&pin, id, &is_first);
	if (err == IM_ERR_IDENTITY_CHANGED) {
		snprintf(reason, sizeof reason, "%s", err_detail(err));
		alarm_identity(run, id, reason);
		return err_set(err, "%s", reason);
	}
	if (err)
		return err;
	run->env.server_id = id;
	report_lock(a->options.report);
	/* An operator has pinned another server: what was remembered was the old one's. */
	for (size_t i = 0; i < a->memory_len && strcmp(a->options.report->server.id, id) != 0; i++)
		forget(a->memory[i]);
	snprintf(a->options.report->server.id, sizeof a->options.report->server.id, "%s", id);
	report_unlock(a->options.report);
	return IM_OK;
}

static ProtobufCBinaryData
binary(const char *s)
{
	return (ProtobufCBinaryData){strlen(s), (uint8_t *)(uintptr_t)s};
}

/* A server without authentication refuses logins, and serves its default database to anybody. */
static enum im_err
log_in(struct run *run)
{
	const struct audit_options *o = run->env.options;
	Immudb__Schema__LoginRequest m = IMMUDB__SCHEMA__LOGIN_REQUEST__INIT;
	struct arena arena;
	ProtobufCMessage *answer;
	const char *token;
	enum im_err err;

	m.user = binary(o->username ? o->username : "");
	m.password = binary(o->password ? o->password : "");
	arena_init(&arena, LIST_MEMORY);
	err = server_link_ask(run->link,
	    &(struct server_request){.method = RPC_METHOD_Login, .token = "", .message = &m.base},
	    &arena, &answer);
	if (!err) {
		token = ((Immudb__Schema__LoginResponse *)answer)->token;
		if (strlen(token) <= TOKEN_MAX)
			memcpy(run->token, token, strlen(token) + 1);
		else
			err = err_set(IM_ERR_PROTOCOL, "the session's token is too long");
	}
	arena_wipe(&arena);
	if (err != IM_ERR_AUTH_DISABLED)
		return err;
	run->env.open_database = server_link_hello(run->link)->default_database;
	return IM_OK;
}

/* Ends a session; if that fails it expires by itself. */
static void
log_out(struct server_link *link, char *token)
{
	struct arena arena;
	ProtobufCMessage *answer;

	if (!*token)
		return;
	arena_init(&arena, LIST_MEMORY);
	(void)server_link_ask(link,
	    &(struct server_request){.method = RPC_METHOD_Logout, .token = token}, &arena, &answer);
	arena_free(&arena);
	token[0] = '\0';
}

/* What the server lists. */
static enum im_err
list_served(struct run *run)
{
	const Immudb__Schema__DatabaseListResponseV2 *list;
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err;

	if (run->env.open_database)
		return selection_add(&run->selection, run->env.open_database);
	arena_init(&arena, LIST_MEMORY);
	err = server_link_ask(run->link,
	    &(struct server_request){.method = RPC_METHOD_DatabaseListV2, .token = run->token},
	    &arena, &answer);
	list = (const Immudb__Schema__DatabaseListResponseV2 *)answer;
	for (size_t i = 0; !err && i < list->n_databases; i++)
		err = selection_add(&run->selection, list->databases[i]->name);
	arena_free(&arena);
	return err;
}

/* The databases of the round: what the server lists, and what was proven of it before. */
static enum im_err
list_databases(struct run *run)
{
	const struct audit *a = run->a;
	enum im_err err = list_served(run);

	for (size_t i = 0; !err && i < a->memory_len; i++)
		if (a->memory[i]->is_known)
			err = selection_add(&run->selection, a->memory[i]->name);
	return err;
}

/* Databases that are neither there nor known any more leave the report; new ones get a memory. */
static enum im_err
remember_selection(struct run *run)
{
	struct audit *a = run->a;

	for (size_t i = a->memory_len; i-- > 0;) {
		size_t k = 0;

		while (k < run->selection.len &&
		    strcmp(run->selection.items[k].name, a->memory[i]->name) != 0)
			k++;
		if (k == run->selection.len)
			audit_memory_drop(a, a->memory[i]->name);
	}
	for (size_t i = 0; i < run->selection.len; i++)
		if (!audit_memory_of(a, run->selection.items[i].name))
			return err_set(IM_ERR_NOMEM, "out of memory");
	return IM_OK;
}

/* One database, over a connection of the worker. */
static void
audit_database(struct run *run, struct server_link *link, const struct selection_item *item)
{
	struct round *r = round_new(&run->env, link, item->name);
	struct round_memory *memory = run->a->memory[audit_memory_at(run->a, item->name)];
	struct round_ending ending = {.memory = memory};

	if (!r)
		return;
	if (round_run(r, run->token) == IM_OK) {
		round_end(r, &ending);
		memory->is_known = r->record.has_alarm || r->trusted.point.id > 0 ||
		    (r->has_seen && r->seen.point.id > 0) || !r->has_record;
	}
	log_out(link, r->token);
	round_free(r);
	atomic_store(&run->a->moved_ns, clock_monotonic_ns());
}

/* A worker: databases until there are none left, or the connection is gone. */
static void
work(struct run *run, struct server_link *link)
{
	size_t i;

	while (!atomic_load(&run->a->stop) &&
	    (i = atomic_fetch_add(&run->next, 1)) < run->selection.len)
		audit_database(run, link, &run->selection.items[i]);
}

/* A worker with a connection of its own; without one the others do the work. */
static void *
worker_main(void *arg)
{
	struct run *run = arg;
	struct server_link_options options = link_options(run->a);
	struct server_link *link;
	enum im_err err = server_link_open(&options, &link);

	if (err) {
		log_warn_limited(
		    "audit of %s: one connection less: %s", run->a->address, err_detail(err));
		return NULL;
	}
	if (strcmp(server_link_hello(link)->server_id, run->env.server_id) == 0) {
		work(run, link);
	} else {
		pthread_mutex_lock(&run->a->lock);
		snprintf(
		    run->other_id, sizeof run->other_id, "%s", server_link_hello(link)->server_id);
		pthread_mutex_unlock(&run->a->lock);
	}
	server_link_close(link);
	return NULL;
}

static void
audit_databases(struct run *run)
{
	unsigned int parallel = run->env.options->parallel;
	pthread_t threads[PARALLEL_MAX];
	size_t started = 0;

	parallel = parallel == 0 ? PARALLEL_DEFAULT : parallel;
	parallel = parallel > PARALLEL_MAX ? PARALLEL_MAX : parallel;
	if (run->env.options->interval_ms > 0 && run->selection.len > 0)
		run->env.sweep_budget_ns = (int64_t)run->env.options->interval_ms *
		    CLOCK_NS_PER_MS / 2 * parallel / (int64_t)(run->selection.len + parallel);
	while (started + 1 < parallel && started + 1 < run->selection.len &&
	    pthread_create(&threads[started], NULL, worker_main, run) == 0)
		started++;
	work(run, run->link);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

/* All connections of the round have led to one server. */
static enum im_err
check_workers(struct run *run)
{
	char reason[REPORT_TEXT_MAX];

	if (!run->other_id[0])
		return IM_OK;
	snprintf(reason, sizeof reason,
	    "two servers answer at this address: %s, which was seen first, and %s",
	    run->env.server_id, run->other_id);
	alarm_identity(run, run->other_id, reason);
	return err_set(IM_ERR_IDENTITY_CHANGED, "%s", reason);
}

/* Everything that concerns the server as a whole; then its databases. */
static enum im_err
run_round(struct run *run)
{
	struct audit *a = run->a;
	const struct audit_options *o = &a->options;
	struct claims claims = {0};
	char problem[REPORT_TEXT_MAX] = "";
	enum im_err err = connect_server(run);

	if (!err)
		err = log_in(run);
	if (!err)
		err = list_databases(run);
	if (err)
		goto out;
	/* A filter without a database is told, and the other ones are audited. */
	if (selection_apply(&run->selection, o->databases, o->databases_len))
		snprintf(problem, sizeof problem, "%s", err_detail(IM_ERR_NOT_FOUND));
	err = remember_selection(run);
	if (err)
		goto out;
	/* Peers are asked first: what they have proven, the server must show us afterwards. */
	claims_collect(&claims, o->peers, run->env.server_id, &run->selection);
	run->env.claims = &claims;
	show_server(a, *problem ? AUDIT_ERROR : AUDIT_OK, problem);
	audit_databases(run);
	log_out(run->link, run->token);
	err = check_workers(run);
out:
	run->env.claims = NULL;
	claims_free(&claims);
	return err;
}

/* The verdict on the server, when its databases could not be looked at. */
static void
note_failure(struct run *run, enum im_err err)
{
	enum audit_verdict verdict = round_rules_verdict(err);
	char reason[REPORT_TEXT_MAX];

	snprintf(reason, sizeof reason, "%s", err_detail(err));
	/* Who cannot log in or list has learnt nothing of the data. */
	if (verdict != AUDIT_UNREACHABLE && verdict != AUDIT_IDENTITY_CHANGED)
		verdict = AUDIT_ERROR;
	show_server(run->a, verdict, reason);
	if (verdict == AUDIT_IDENTITY_CHANGED)
		return;
	end_acknowledged(run->a);
	fail_databases(run, verdict, reason);
}

enum im_err
audit_do_round(struct audit *a)
{
	struct run run = {.a = a,
	    .env = {.options = &a->options,
		.keys = (const struct sign_public_key *const *)a->keys.keys,
		.server_id = "",
		.address = a->address,
		.stop = &a->stop,
		.moved_ns = &a->moved_ns,
		.number = ++a->number}};
	struct report *report = a->options.report;
	int64_t began_ns = clock_monotonic_ns();
	enum im_err err;

	audit_take_keys(a);
	run.env.keys_len = a->keys.len;
	err = run_round(&run);
	if (err && err != IM_ERR_CANCELLED)
		note_failure(&run, err);
	a->failures = round_rules_verdict(err) == AUDIT_UNREACHABLE ? a->failures + 1 : 0;
	server_link_close(run.link);
	selection_free(&run.selection);
	explicit_bzero(run.token, sizeof run.token);
	report_lock(report);
	report->server.run_at = round_clock_s();
	report->server.round_seconds =
	    (double)(clock_monotonic_ns() - began_ns) / (double)CLOCK_NS_PER_S;
	report->server.rounds++;
	report_unlock(report);
	return err;
}
