/*
 * The workload: what transaction `number` contains, writing it, and comparing a database with the
 * record of what was acknowledged.
 *
 * Neighbours: the power-cut and failing-call tests of this folder and the crash tests run it over
 * different file systems. It sees the engine through store/store.h only.
 */
#include "workload.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_vfs.h"
#include "store/store.h"

#define ENTRIES_MAX 4u
#define KEYS_MAX (37u * ENTRIES_MAX)
#define KEY_SIZE 10u
#define VALUE_HEAD 13u /* prefix, number, entry */
#define VALUE_MAX (VALUE_HEAD + 100000u)
#define IN_FLIGHT 6u
#define ARENA_MAX (8u << 20)
#define READ_EVERY 5u
#define PROVE_EVERY 16u
#define WRONG_LINE 300
#define SANITIZED_PART 4

/* ---- Content ---- */

/* One entry of a transaction of the workload; value is as long as value_len. */
struct content {
	uint8_t key[KEY_SIZE];
	uint8_t *value;
	size_t value_len;
	bool deleted;
};

static unsigned
content_count(uint64_t number)
{
	return 1 + (unsigned)(number % ENTRIES_MAX);
}

static unsigned
content_key_id(uint64_t number, unsigned entry)
{
	return (unsigned)(number % 37) * ENTRIES_MAX + entry;
}

static void
content_key(unsigned id, uint8_t key[KEY_SIZE])
{
	char text[KEY_SIZE];

	snprintf(text, sizeof text, "key-%05u", id % 100000);
	key[0] = 0;
	memcpy(key + 1, text, KEY_SIZE - 1);
}

/* Mostly short values, some that do not fit into the entries, a few large ones. */
static size_t
content_length(uint64_t random)
{
	if (random % 32 == 1)
		return VALUE_MAX - random / 32 % 5000;
	if (random % 16 == 0)
		return VALUE_HEAD + 4000 + random / 16 % 20000;
	return VALUE_HEAD + random / 16 % 200;
}

/* Fills in entry number e; c->value has room for VALUE_MAX bytes. */
static void
content_make(uint64_t number, unsigned e, struct content *c)
{
	uint64_t random = number * ENTRIES_MAX + e;

	content_key(content_key_id(number, e), c->key);
	c->deleted = number % 9 == 8 && e == 1;
	c->value_len = c->deleted ? 0 : content_length(fault_random(&random));
	if (c->deleted)
		return;
	c->value[0] = 0;
	be64_put(c->value + 1, number);
	be32_put(c->value + 9, e);
	for (size_t at = VALUE_HEAD; at < c->value_len; at += 8) {
		uint64_t r = fault_random(&random);
		size_t n = c->value_len - at < 8 ? c->value_len - at : 8;

		memcpy(c->value + at, &r, n);
	}
}

/* ---- The record ---- */

struct workload_record *
workload_record_new(void)
{
	struct workload_record *r =
	    mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return r == MAP_FAILED ? NULL : r;
}

void
workload_record_free(struct workload_record *r)
{
	if (r)
		munmap(r, sizeof *r);
}

unsigned
workload_effort(void)
{
	const char *text = getenv("IMMUDB_TEST_LONG");

	return text && *text && strcmp(text, "0") != 0 ? 10 : 1;
}

unsigned
workload_amount(unsigned normal)
{
	unsigned part = SANITIZED && workload_effort() == 1 ? SANITIZED_PART : 1;

	return (normal * workload_effort() + part - 1) / part;
}

static void end_process(void *ctx, const char *text);

static enum im_err
open_store(const struct workload *w, struct store **out)
{
	struct store_options options = {
	    .dir = w->dir,
	    .name = "workload",
	    .vfs = w->vfs,
	    .unsynced = w->unsynced,
	    .header_version = 1,
	    .fatal = end_process,
	};

	return store_open(&options, out);
}

static void
end_process(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	_exit(WORKLOAD_FATAL);
}

static void
note_durable(const struct workload *w, struct store *s)
{
	struct store_stats stats;

	store_stats(s, &stats);
	if (stats.durable_tx > w->record->durable_tx)
		w->record->durable_tx = stats.durable_tx;
}

/* ---- Writing ---- */

struct flight {
	struct store_write write;
	struct arena arena;
	struct store_entry entries[ENTRIES_MAX];
	struct content contents[ENTRIES_MAX];
	uint64_t number;
	struct writer *writer;
	bool busy; /* writer->lock */
};

struct writer {
	const struct workload *w;
	struct store *store;
	struct flight flights[IN_FLIGHT];
	pthread_mutex_t lock;
	pthread_cond_t freed;
	enum im_err err; /* lock; of the first write that failed */
};

static void
flight_done(struct store_write *write)
{
	struct flight *f = write->ctx;
	struct workload_record *r = f->writer->w->record;

	pthread_mutex_lock(&f->writer->lock);
	if (write->err == IM_OK) {
		r->acks[write->header.id] = (struct workload_ack){f->number, write->alh};
		r->acked_tx = write->header.id;
	} else if (f->writer->err == IM_OK) {
		f->writer->err = write->err;
	}
	f->busy = false;
	pthread_cond_signal(&f->writer->freed);
	pthread_mutex_unlock(&f->writer->lock);
}

static struct flight *
flight_take(struct writer *wr)
{
	struct flight *f = NULL;

	pthread_mutex_lock(&wr->lock);
	while (!f) {
		for (unsigned i = 0; !f && i < IN_FLIGHT; i++)
			f = wr->flights[i].busy ? NULL : &wr->flights[i];
		if (!f)
			pthread_cond_wait(&wr->freed, &wr->lock);
	}
	f->busy = true;
	pthread_mutex_unlock(&wr->lock);
	return f;
}

static void
flight_fill(struct flight *f, uint64_t number)
{
	unsigned n = content_count(number);

	arena_free(&f->arena);
	f->number = number;
	for (unsigned e = 0; e < n; e++) {
		struct content *c = &f->contents[e];

		content_make(number, e, c);
		f->entries[e] = (struct store_entry){.key = bytes_of(c->key, KEY_SIZE),
		    .value = bytes_of(c->value, c->value_len),
		    .metadata.deleted = c->deleted};
	}
	f->write = (struct store_write){.entries = f->entries,
	    .nentries = n,
	    .arena = &f->arena,
	    .done = flight_done,
	    .ctx = f};
}

static enum im_err
writer_err(struct writer *wr)
{
	enum im_err err;

	pthread_mutex_lock(&wr->lock);
	err = wr->err;
	pthread_mutex_unlock(&wr->lock);
	return err;
}

static void
submit(struct writer *wr)
{
	struct flight *f = flight_take(wr);
	enum im_err err;

	flight_fill(f, wr->w->record->submitted + 1);
	wr->w->record->submitted++;
	err = store_write(wr->store, &f->write);
	if (err != IM_OK) {
		f->write.err = err;
		flight_done(&f->write);
	}
}

/* A key that the newest acknowledged transaction wrote reads as that or something newer. */
static bool
read_back(struct writer *wr)
{
	uint64_t tx = wr->w->record->acked_tx;
	uint8_t key[KEY_SIZE] = {0};
	struct store_query q = {.key = bytes_of(key, KEY_SIZE)};
	struct store_value v;
	struct arena arena;
	enum im_err err;

	if (tx == 0)
		return true;
	content_key(content_key_id(wr->w->record->acks[tx].number, 0), key);
	arena_init(&arena, ARENA_MAX);
	err = store_get(wr->store, &q, &arena, &v);
	arena_free(&arena);
	if (err == IM_ERR_IO || err == IM_ERR_NOMEM || err == IM_ERR_NO_SPACE)
		return true;
	if (err == IM_OK && v.tx >= tx && v.value.len >= VALUE_HEAD)
		return true;
	fprintf(stderr, "reading back tx %llu: %s: %s\n", (unsigned long long)tx, err_name(err),
	    err_detail(err));
	return false;
}

static void
wait_for_flights(struct writer *wr)
{
	pthread_mutex_lock(&wr->lock);
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		while (wr->flights[i].busy)
			pthread_cond_wait(&wr->freed, &wr->lock);
	}
	pthread_mutex_unlock(&wr->lock);
}

/* Memory for the flights lives as long as the process, which writes once. */
static bool
writer_init(struct writer *wr, const struct workload *w)
{
	*wr = (struct writer){.w = w};
	pthread_mutex_init(&wr->lock, NULL);
	pthread_cond_init(&wr->freed, NULL);
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		struct flight *f = &wr->flights[i];

		f->writer = wr;
		arena_init(&f->arena, ARENA_MAX);
		for (unsigned e = 0; e < ENTRIES_MAX; e++) {
			f->contents[e].value = malloc(VALUE_MAX + 8);
			if (!f->contents[e].value)
				return false;
		}
	}
	return true;
}

enum workload_exit
workload_write(const struct workload *w, uint64_t count)
{
	static struct writer wr;
	enum im_err err = writer_init(&wr, w) ? open_store(w, &wr.store) : IM_ERR_NOMEM;
	bool right = true;

	if (err != IM_OK)
		return WORKLOAD_REFUSED;
	note_durable(w, wr.store);
	for (uint64_t i = 1; i <= count && right && writer_err(&wr) == IM_OK; i++) {
		submit(&wr);
		if (i % READ_EVERY == 0)
			right = read_back(&wr);
		note_durable(w, wr.store);
	}
	wait_for_flights(&wr);
	note_durable(w, wr.store);
	store_close(wr.store);
	if (!right)
		return WORKLOAD_WRONG;
	if (writer_err(&wr) != IM_OK)
		return WORKLOAD_REFUSED;
	w->record->durable_tx = w->record->acked_tx;
	return WORKLOAD_OK;
}

/* ---- Checking ---- */

/* What is known of a key from the transactions read so far. */
struct known_key {
	uint64_t number; /* of the newest version; 0: none */
	unsigned entry;
	uint64_t revision;
};

struct checker {
	const struct workload *w;
	struct store *store;
	uint64_t last_tx;
	uint64_t last_number;
	struct hash last_alh;
	bool have_alh;
	struct known_key keys[KEYS_MAX];
	uint8_t value[VALUE_MAX + 8];
	bool wrong;
};

__attribute__((format(printf, 2, 3))) static void
wrong(struct checker *c, const char *fmt, ...)
{
	char line[WRONG_LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s\n", line);
	c->wrong = true;
}

static bool
entry_is(struct checker *c, const struct store_tx_entry *e, uint64_t number, unsigned i)
{
	struct content right = {.value = c->value};
	struct kv_metadata md;

	content_make(number, i, &right);
	return bytes_equal(e->key, bytes_of(right.key, KEY_SIZE)) &&
	    bytes_equal(e->value, bytes_of(right.value, right.value_len)) &&
	    kv_metadata_decode(e->metadata, &md) == IM_OK && md.deleted == right.deleted;
}

/* A transaction of the database: which one it is, and whether it is whole. */
static void
check_content(struct checker *c, const struct store_tx *tx)
{
	struct bytes first = tx->nentries ? tx->entries[0].value : (struct bytes){NULL, 0};
	uint64_t number = first.len < VALUE_HEAD ? 0 : be64_get(first.data + 1);

	if (number <= c->last_number || number > c->w->record->submitted) {
		wrong(c, "tx %llu: number %llu after %llu", (unsigned long long)tx->header.id,
		    (unsigned long long)number, (unsigned long long)c->last_number);
		return;
	}
	c->last_number = number;
	if (tx->nentries != content_count(number))
		wrong(c, "tx %llu: half of its entries", (unsigned long long)tx->header.id);
	for (unsigned i = 0; !c->wrong && i < tx->nentries; i++) {
		struct known_key *key = &c->keys[content_key_id(number, i)];

		if (!entry_is(c, &tx->entries[i], number, i))
			wrong(c, "tx %llu: entry %u is not what was written",
			    (unsigned long long)tx->header.id, i);
		*key = (struct known_key){number, i, key->revision + 1};
	}
}

/* A transaction that is there although it was not acknowledged counts from now on. */
static void
check_ack(struct checker *c, const struct store_tx *tx)
{
	struct workload_ack *ack = &c->w->record->acks[tx->header.id];

	if (tx->header.id > c->w->record->acked_tx)
		*ack = (struct workload_ack){c->last_number, tx->alh};
	else if (ack->number != c->last_number || !hash_equal(&ack->alh, &tx->alh))
		wrong(c, "tx %llu: another one than was acknowledged",
		    (unsigned long long)tx->header.id);
}

static void
check_tx(struct checker *c, uint64_t id)
{
	struct store_tx tx;
	struct arena arena;
	enum im_err err;

	arena_init(&arena, ARENA_MAX);
	err = store_read_tx(c->store, id, 0, &arena, &tx);
	if (err != IM_OK) {
		wrong(c, "tx %llu: %s: %s", (unsigned long long)id, err_name(err), err_detail(err));
	} else if (c->have_alh && !hash_equal(&tx.header.prev_alh, &c->last_alh)) {
		wrong(c, "tx %llu: the chain is broken", (unsigned long long)id);
	} else {
		check_content(c, &tx);
		check_ack(c, &tx);
		c->last_alh = tx.alh;
		c->have_alh = true;
	}
	arena_free(&arena);
}

static void
check_key(struct checker *c, unsigned id)
{
	const struct known_key *known = &c->keys[id];
	struct content right = {.value = c->value};
	uint8_t key[KEY_SIZE] = {0};
	struct store_query q = {.key = bytes_of(key, KEY_SIZE)};
	struct store_value v;
	struct arena arena;
	enum im_err err;

	if (known->number > 0)
		content_make(known->number, known->entry, &right);
	content_key(id, key);
	arena_init(&arena, ARENA_MAX);
	err = store_get(c->store, &q, &arena, &v);
	if (known->number == 0 || right.deleted) {
		if (err != IM_ERR_KEY_NOT_FOUND)
			wrong(c, "key %u: %s, not absent", id, err_name(err));
	} else if (err != IM_OK) {
		wrong(c, "key %u: %s: %s", id, err_name(err), err_detail(err));
	} else if (!bytes_equal(v.value, bytes_of(right.value, right.value_len)) ||
	    v.revision != known->revision) {
		wrong(c, "key %u: tx %llu, revision %llu is not the newest, revision %llu", id,
		    (unsigned long long)v.tx, (unsigned long long)v.revision,
		    (unsigned long long)known->revision);
	}
	arena_free(&arena);
}

static void
check_keys(struct checker *c)
{
	for (unsigned id = 0; id < KEYS_MAX && !c->wrong; id++)
		check_key(c, id);
}

/* What a client once trusted leads to the present state. */
static void
check_proofs(struct checker *c)
{
	struct tx_point now = {c->last_tx, c->w->record->acks[c->last_tx].alh};

	for (uint64_t tx = 1; tx <= c->last_tx && !c->wrong; tx += PROVE_EVERY) {
		struct tx_point then = {tx, c->w->record->acks[tx].alh};
		struct dual_proof proof;
		struct arena arena;
		enum im_err err;

		arena_init(&arena, ARENA_MAX);
		err = store_dual_proof(
		    c->store, (struct store_span){tx, c->last_tx}, 0, &arena, &proof);
		if (err == IM_OK)
			err = proof_check_dual(&proof, &then, &now);
		if (err != IM_OK)
			wrong(c, "proof from tx %llu to %llu: %s: %s", (unsigned long long)tx,
			    (unsigned long long)c->last_tx, err_name(err), err_detail(err));
		arena_free(&arena);
	}
}

static int
report_fault(void *ctx, const struct store_fault *fault)
{
	wrong(ctx, "store_check: tx %llu, %s, offset %llu: %s", (unsigned long long)fault->tx,
	    fault->file ? fault->file : "no file", (unsigned long long)fault->offset, fault->what);
	return 0;
}

static void
check_all(struct checker *c, uint64_t from_tx)
{
	struct store_check check = {.from_tx = from_tx, .fault = report_fault, .ctx = c};
	enum im_err err = store_check(c->store, &check);

	if (err != IM_OK)
		wrong(c, "store_check: %s: %s", err_name(err), err_detail(err));
	else if (check.faults == 0 && check.checked != c->last_tx - from_tx + 1)
		wrong(c, "store_check: %llu of %llu transactions",
		    (unsigned long long)check.checked,
		    (unsigned long long)(c->last_tx - from_tx + 1));
}

/* Nothing that must be there is missing, and writing is possible. */
static void
check_state(struct checker *c)
{
	struct workload_record *r = c->w->record;
	bool lossy = c->w->unsynced && c->w->power_cut;
	uint64_t must = lossy ? r->durable_tx : r->acked_tx;
	struct store_state state;
	struct store_stats stats;

	store_state(c->store, &state);
	store_stats(c->store, &stats);
	c->last_tx = state.tx;
	if (state.tx < must)
		wrong(c, "the database ends at tx %llu, %llu was promised",
		    (unsigned long long)state.tx, (unsigned long long)must);
	if (stats.read_only)
		wrong(c, "the database is read-only");
	if (lossy && r->acked_tx > state.tx)
		r->acked_tx = state.tx;
}

/* Starts behind an earlier check: keys are not known then. */
static void
start_at(struct checker *c, uint64_t from_tx)
{
	if (from_tx <= 1)
		return;
	c->last_number = c->w->record->acks[from_tx - 1].number;
	c->last_alh = c->w->record->acks[from_tx - 1].alh;
	c->have_alh = true;
}

enum workload_exit
workload_check(const struct workload *w, uint64_t from_tx)
{
	static struct checker c;
	enum im_err err;

	memset(&c, 0, sizeof c);
	c.w = w;
	err = open_store(w, &c.store);
	if (err != IM_OK) {
		fprintf(stderr, "opening: %s: %s\n", err_name(err), err_detail(err));
		return WORKLOAD_REFUSED;
	}
	check_state(&c);
	start_at(&c, from_tx);
	for (uint64_t tx = from_tx; tx <= c.last_tx && !c.wrong; tx++)
		check_tx(&c, tx);
	if (!c.wrong && from_tx == 1)
		check_keys(&c);
	if (!c.wrong && from_tx <= c.last_tx)
		check_all(&c, from_tx);
	if (!c.wrong)
		check_proofs(&c);
	if (!c.wrong) {
		w->record->acked_tx = c.last_tx;
		note_durable(w, c.store);
	}
	store_close(c.store);
	return c.wrong ? WORKLOAD_WRONG : WORKLOAD_OK;
}

/* ---- Children ---- */

static int
exit_status_of(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
workload_run_write(const struct workload *w, uint64_t count)
{
	pid_t child = fork();

	if (child == 0)
		_exit((int)workload_write(w, count));
	return child < 0 ? -1 : exit_status_of(child);
}

int
workload_run_check(const struct workload *w, uint64_t from_tx)
{
	pid_t child = fork();

	if (child == 0)
		_exit((int)workload_check(w, from_tx));
	return child < 0 ? -1 : exit_status_of(child);
}
