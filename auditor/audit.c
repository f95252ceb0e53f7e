/*
 * The auditing of one server: when rounds run, and what all databases of a round have in common. The
 * round of one database is round.c's, its consequences round_end.c's.
 *
 *	idle --interval, audit_round_now()--> connect --> pin --> log in --> list --> databases --> idle
 *	                                        |          |         |         |
 *	                                        +----------+---------+---------+
 *	                                                   | fails
 *	                                                   v
 *	                              every database has the verdict of the server
 *
 * Invariants: the server's identity is compared before the password is sent; the list of databases changes
 * only between rounds; one worker at a time has a database; an alarm is shown from the start, whether or
 * not the server is there.
 */
#include "audit.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "client/immu_trust.h"
#include "round_end.h"
#include "round_rules.h"
#include "selection.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/keyfile.h"
#include "util/log.h"
#include "util/version.h"

#define TIMEOUT_MS_DEFAULT 10000u
#define PARALLEL_DEFAULT 4u
#define PARALLEL_MAX 64u
#define KEYS_MAX 64u
/* After the first failure to reach the server; then twice as long each time, up to the interval. */
#define BACKOFF_FIRST_MS 1000u
#define BACKOFF_DOUBLINGS_MAX 16u
/* A round begins up to this part of the interval early, so that auditors do not march in step. */
#define JITTER_PART 10u
#define LIST_MEMORY ((size_t)64 << 20)
#define TOKEN_MAX 255u

struct audit {
	struct audit_options options;
	struct sign_public_key *keys[KEYS_MAX];
	size_t keys_len;
	char address[REPORT_TEXT_MAX]; /* as it is pinned */
	struct round_memory *
	    *memory; /* sorted by name; grows between rounds, under the report's lock */
	size_t memory_len;
	uint64_t number;       /* of rounds */
	unsigned int failures; /* to reach the server, in a row */
	pthread_t thread;
	bool has_thread;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_wanted; /* a round, now; under lock */
};

/* ---- What is remembered of databases. ---- */

/* Where a name stands or belongs. */
static size_t
memory_find(const struct audit *a, const char *name)
{
	size_t low = 0, high = a->memory_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(a->memory[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The memory of a database, made when there is none; NULL without memory. */
static struct round_memory *
memory_of(struct audit *a, const char *name)
{
	size_t at = memory_find(a, name);
	struct round_memory **grown, *m;

	if (at < a->memory_len && strcmp(a->memory[at]->name, name) == 0)
		return a->memory[at];
	m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	snprintf(m->name, sizeof m->name, "%s", name);
	report_lock(a->options.report);
	grown = realloc(a->memory, (a->memory_len + 1) * sizeof *grown);
	if (grown) {
		a->memory = grown;
		memmove(&grown[at + 1], &grown[at], (a->memory_len - at) * sizeof *grown);
		grown[at] = m;
		a->memory_len++;
	}
	report_unlock(a->options.report);
	if (!grown)
		free(m);
	return grown ? m : NULL;
}

/* Forgets a database of which nothing is known and that is not there. */
static void
memory_drop(struct audit *a, const char *name)
{
	size_t at = memory_find(a, name);

	if (at == a->memory_len || strcmp(a->memory[at]->name, name) != 0)
		return;
	report_lock(a->options.report);
	report_drop(a->options.report, name);
	free(a->memory[at]);
	a->memory_len--;
	memmove(&a->memory[at], &a->memory[at + 1], (a->memory_len - at) * sizeof *a->memory);
	report_unlock(a->options.report);
}

/* What was trusted has been verified, by a run before: peers may be given it. */
static void
recall_verified(struct audit *a, struct round_memory *m, const struct immu_trusted *trusted)
{
	struct trust_name name = {a->options.state_dir, trusted->server_id, trusted->database};
	struct trust_state state;

	m->is_known = trusted->tx > 0;
	if (trust_file_read(&name, &state) != IM_OK)
		return;
	report_lock(a->options.report);
	m->verified = state;
	m->verified_at = trusted->changed_at;
	report_unlock(a->options.report);
}

/* A file of a trusted state, at start. */
static bool
recall_state(void *arg, const struct immu_trusted *trusted)
{
	struct audit *a = arg;
	struct report *report = a->options.report;
	struct report_database *d;
	struct round_memory *m;

	if (!trusted->database || !trusted->server_id || trusted->err ||
	    strcmp(trusted->server_id, report->server.id) != 0 ||
	    !selection_accepts(a->options.databases, a->options.databases_len, trusted->database))
		return true;
	m = memory_of(a, trusted->database);
	if (m)
		recall_verified(a, m, trusted);
	report_lock(report);
	d = report_database(report, trusted->database);
	if (d) {
		d->previous = (struct report_state){
		    .is_known = true, .tx = trusted->tx, .is_signed = trusted->is_signed};
		memcpy(d->previous.alh.b, trusted->hash, HASH_SIZE);
	}
	report_unlock(report);
	return true;
}

/* A record, at start: its alarm is shown before the first round. */
static bool
recall_record(void *arg, const struct audit_record_name *name, const struct audit_record *record,
    enum im_err err)
{
	struct audit *a = arg;
	struct report *report = a->options.report;
	struct report_database *d;
	struct round_memory *m;

	if (err || !record || strcmp(name->server_id, report->server.id) != 0 ||
	    !record->has_alarm ||
	    !selection_accepts(a->options.databases, a->options.databases_len, name->database))
		return true;
	m = memory_of(a, name->database);
	if (m) {
		m->is_known = true;
		m->alerted = UINT32_C(1) << record->verdict;
	}
	report_lock(report);
	d = report_database(report, name->database);
	if (d)
		round_show_record(d, record);
	report_unlock(report);
	return true;
}

/* The server that is pinned for the address; "" when none is, or it cannot be read. */
static void
recall_identity(struct audit *a, char id[XID_TEXT_LEN + 1])
{
	struct trust_address name = {a->options.state_dir, a->address};
	struct buf path, text, address;

	id[0] = '\0';
	buf_init(&path, REPORT_PATH_MAX);
	buf_init(&text, TRUST_FILE_MAX);
	buf_init(&address, TRUST_FILE_MAX);
	if (trust_file_identity_path(&name, &path) || trust_file_text((char *)path.data, &text) ||
	    trust_file_decode_pin(buf_bytes(&text), id, &address))
		id[0] = '\0';
	buf_free(&address);
	buf_free(&text);
	buf_free(&path);
}

static enum im_err
recall(struct audit *a)
{
	struct report *report = a->options.report;
	char id[XID_TEXT_LEN + 1];
	enum im_err err;

	recall_identity(a, id);
	if (!*id)
		return IM_OK;
	report_lock(report);
	memcpy(report->server.id, id, sizeof id);
	report_unlock(report);
	err = immu_trust_each(a->options.state_dir, recall_state, a);
	return err ? err : audit_record_each(a->options.state_dir, recall_record, a);
}

/* ---- One round. ---- */

/* What the workers of a round share. */
struct run {
	struct audit *a;
	struct round_env env;
	struct selection selection;
	struct server_link *link; /* the round's first connection */
	char token[TOKEN_MAX + 1];
	atomic_size_t next; /* database to be taken */
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
		.connect_timeout_ms = timeout_ms,
		.name = "auditor " IMMUDB_VERSION},
	    .timeout_ms = timeout_ms,
	    .stop = &a->stop};
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

	recall_identity(a, id);
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
	struct timespec now = clock_wall();
	double at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;

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
	char id[XID_TEXT_LEN + 1];

	recall_identity(a, id);
	env.server_id = id;
	for (size_t i = 0; *id && i < a->memory_len; i++) {
		struct audit_record_name name = {a->options.state_dir, id, a->memory[i]->name};
		struct round *r;

		if (!a->memory[i]->is_known)
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
		ending.is_quiet = true;
		round_free(r);
	}
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
		return selection_add(&run->selection, run->env.open_database, true);
	arena_init(&arena, LIST_MEMORY);
	err = server_link_ask(run->link,
	    &(struct server_request){.method = RPC_METHOD_DatabaseListV2, .token = run->token},
	    &arena, &answer);
	list = (const Immudb__Schema__DatabaseListResponseV2 *)answer;
	for (size_t i = 0; !err && i < list->n_databases; i++)
		err = selection_add(&run->selection, list->databases[i]->name, true);
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
			err = selection_add(&run->selection, a->memory[i]->name, false);
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
			memory_drop(a, a->memory[i]->name);
	}
	for (size_t i = 0; i < run->selection.len; i++)
		if (!memory_of(a, run->selection.items[i].name))
			return err_set(IM_ERR_NOMEM, "out of memory");
	return IM_OK;
}

/* One database, over a connection of the worker. */
static void
audit_database(struct run *run, struct server_link *link, const struct selection_item *item)
{
	struct round *r = round_new(&run->env, link, item->name);
	struct round_memory *memory = run->a->memory[memory_find(run->a, item->name)];
	struct round_ending ending = {.memory = memory};

	if (!r)
		return;
	r->is_listed = item->is_listed;
	if (round_run(r, run->token) == IM_OK) {
		round_end(r, &ending);
		memory->is_known = r->record.has_alarm || r->trusted.point.id > 0 ||
		    (r->has_seen && r->seen.point.id > 0) || !r->has_record;
	}
	log_out(link, r->token);
	round_free(r);
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
	if (strcmp(server_link_hello(link)->server_id, run->env.server_id) == 0)
		work(run, link);
	else
		log_error("audit of %s: server %s and server %s answer at this address",
		    run->a->address, run->env.server_id, server_link_hello(link)->server_id);
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
out:
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

/* The wall clock, as the report has it. */
static double
seconds_now(void)
{
	struct timespec now = clock_wall();

	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static enum im_err
do_round(struct audit *a)
{
	struct run run = {.a = a,
	    .env = {.options = &a->options,
		.keys = (const struct sign_public_key *const *)a->keys,
		.keys_len = a->keys_len,
		.server_id = "",
		.address = a->address,
		.stop = &a->stop,
		.number = ++a->number}};
	struct report *report = a->options.report;
	int64_t began_ns = clock_monotonic_ns();
	enum im_err err = run_round(&run);

	if (err && err != IM_ERR_CANCELLED)
		note_failure(&run, err);
	a->failures = round_rules_verdict(err) == AUDIT_UNREACHABLE ? a->failures + 1 : 0;
	server_link_close(run.link);
	selection_free(&run.selection);
	explicit_bzero(run.token, sizeof run.token);
	report_lock(report);
	report->server.run_at = seconds_now();
	report->server.round_seconds =
	    (double)(clock_monotonic_ns() - began_ns) / (double)CLOCK_NS_PER_S;
	report->server.rounds++;
	report_unlock(report);
	return err;
}

/* ---- The loop. ---- */

/* Milliseconds from one round to the next. */
static uint64_t
pause_ms(const struct audit *a)
{
	uint64_t ms = a->options.interval_ms, backoff = BACKOFF_FIRST_MS;
	unsigned int doublings = a->failures ? a->failures - 1 : 0;
	uint32_t random = 0;

	if (doublings > BACKOFF_DOUBLINGS_MAX)
		doublings = BACKOFF_DOUBLINGS_MAX;
	backoff <<= doublings;
	if (a->failures > 0 && backoff < ms)
		ms = backoff;
	/* Without random numbers there is no jitter, and that is all. */
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		random = 0;
	return ms - ms / JITTER_PART * random / UINT32_MAX;
}

/* Waits until the next round is due, wanted, or never; false when the auditor stops. */
static bool
wait_round(struct audit *a)
{
	uint64_t ms = pause_ms(a);
	int64_t until_ns = clock_monotonic_ns() + (int64_t)ms * CLOCK_NS_PER_MS;
	struct timespec until = {until_ns / CLOCK_NS_PER_S, (long)(until_ns % CLOCK_NS_PER_S)};
	int rc = 0;

	report_lock(a->options.report);
	a->options.report->server.next_at = seconds_now() + (double)ms / 1000;
	report_unlock(a->options.report);
	pthread_mutex_lock(&a->lock);
	while (rc == 0 && !a->is_wanted && !atomic_load(&a->stop))
		rc = pthread_cond_timedwait(&a->wake, &a->lock, &until);
	a->is_wanted = false;
	pthread_mutex_unlock(&a->lock);
	return !atomic_load(&a->stop);
}

static void *
audit_main(void *arg)
{
	struct audit *a = arg;

	do
		(void)do_round(a);
	while (wait_round(a));
	return NULL;
}

/* ---- Birth and end. ---- */

/* The address as a client pins it: the trusted states of both are the same files. */
static enum im_err
make_address(struct audit *a)
{
	const struct audit_options *o = &a->options;
	bool is_unix = o->unix_path && *o->unix_path;
	int n;

	if (is_unix)
		n = snprintf(a->address, sizeof a->address, "unix:%s", o->unix_path);
	else
		n = snprintf(a->address, sizeof a->address,
		    strchr(o->address, ':') ? "[%s]:%u" : "%s:%u", o->address, (unsigned)o->port);
	if (n < 0 || (size_t)n >= sizeof a->address)
		return err_set(IM_ERR_ARGUMENT, "the server's address is too long");
	for (char *c = a->address; !is_unix && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return IM_OK;
}

static enum im_err
load_keys(struct audit *a)
{
	const struct audit_options *o = &a->options;
	enum im_err err = IM_OK;

	if (o->pub_key_files_len > KEYS_MAX)
		return err_set(IM_ERR_LIMIT, "more than %u public keys", KEYS_MAX);
	for (size_t i = 0; i < o->pub_key_files_len && !err; i++) {
		err = keyfile_load_public(o->pub_key_files[i], &a->keys[i]);
		a->keys_len += !err;
	}
	return err;
}

static void
audit_free(struct audit *a)
{
	for (size_t i = 0; i < a->keys_len; i++)
		sign_public_key_free(a->keys[i]);
	for (size_t i = 0; i < a->memory_len; i++)
		free(a->memory[i]);
	free(a->memory);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

enum im_err
audit_start(const struct audit_options *options, struct audit **out)
{
	struct audit *a = calloc(1, sizeof *a);
	pthread_condattr_t monotonic;
	enum im_err err;

	*out = NULL;
	if (!a)
		return err_set(IM_ERR_NOMEM, "out of memory");
	a->options = *options;
	report_lock(options->report);
	options->report->server.started_at = seconds_now();
	report_unlock(options->report);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	err = make_address(a);
	if (!err)
		err = load_keys(a);
	if (!err)
		err = file_make_folder(options->state_dir);
	if (!err)
		err = recall(a);
	if (!err && options->interval_ms > 0) {
		a->has_thread = pthread_create(&a->thread, NULL, audit_main, a) == 0;
		err = a->has_thread ? IM_OK : err_set(IM_ERR_NOMEM, "a thread");
	}
	if (err)
		audit_free(a);
	else
		*out = a;
	return err;
}

void
audit_round_now(struct audit *a)
{
	pthread_mutex_lock(&a->lock);
	a->is_wanted = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}

enum im_err
audit_run_round(struct audit *a, enum audit_verdict *worst)
{
	enum im_err err;

	assert(!a->has_thread);
	err = do_round(a);
	report_lock(a->options.report);
	report_worst(a->options.report, worst);
	report_unlock(a->options.report);
	return err == IM_ERR_CANCELLED || err == IM_ERR_NOMEM ? err : IM_OK;
}

void
audit_stop(struct audit *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	atomic_store(&a->stop, true);
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	if (a->has_thread)
		pthread_join(a->thread, NULL);
	audit_free(a);
}

/* ---- For peers. ---- */

void
audit_each_verified(void *audit, void (*give)(void *to, const struct peer_state *state), void *to)
{
	struct audit *a = audit;
	struct report *report = a->options.report;

	report_lock(report);
	for (size_t i = 0; i < a->memory_len; i++) {
		const struct round_memory *m = a->memory[i];
		struct peer_state state = {
		    .tx = m->verified.point.id, .alh = m->verified.point.alh};

		if (state.tx == 0)
			continue;
		snprintf(state.server_id, sizeof state.server_id, "%s", report->server.id);
		snprintf(state.database, sizeof state.database, "%s", m->name);
		memcpy(state.signature, m->verified.signature, m->verified.signature_len);
		state.signature_len = m->verified.signature_len;
		state.seen_at = m->verified_at;
		give(to, &state);
	}
	report_unlock(report);
}
