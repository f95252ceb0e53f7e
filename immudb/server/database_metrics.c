/*
 * The figures of databases at /metrics: gathered when they are asked for, so that they cost nothing
 * before. server_metrics.c has everything else.
 *
 * Invariants:
 * 1. SERVER_METRIC_DATABASES, the oldest ones, have rows of their own; what comes later is added up
 *    in the row METRIC_OVERFLOW, which no database can be called.
 * 2. A database that was deleted is gone from the next look on.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "server/server_state.h"

/* One figure of one database; all are whole numbers. */
enum figure {
	FIGURE_ENTRIES,
	FIGURE_SIZE,
	FIGURE_COMMITTED,
	FIGURE_DURABLE,
	FIGURE_BATCHES,
	FIGURE_SYNCS,
	FIGURE_DAMAGED,
	FIGURE_LOG,
	FIGURE_RUNS,
	FIGURE_UNFLUSHED,
	FIGURE_HOT,
	FIGURE_OPEN,
	FIGURE_READ_ONLY,
	FIGURE_NO_SPACE,
	FIGURE_BROKEN,
	FIGURE_PENDING,
	FIGURE_SCRUB_RUNNING,
	FIGURE_SCRUB_FINISHED,
	FIGURE_SCRUB_LOST,
	FIGURE_SCRUB_DERIVED,
	FIGURE_SCRUB_TXS,
	FIGURE_SCRUB_BYTES,
	FIGURE_HITS,
	FIGURE_MISSES = FIGURE_HITS + STORE_CACHES,
	FIGURES = FIGURE_MISSES + STORE_CACHES
};

/* How the row of the others is made. */
enum together { TOGETHER_SUM, TOGETHER_MOST, TOGETHER_LEAST };

struct family {
	enum figure first;
	const char *name, *help;
	bool counter;
	enum together together;
	const char *label; /* NULL: none beside db */
	const char *const *values;
	size_t count; /* of figures; 0: one */
};

static const char *const cache_names[STORE_CACHES] = {
    [STORE_CACHE_ENTRIES] = "entries",
    [STORE_CACHE_TREES] = "trees",
    [STORE_CACHE_INDEX] = "index",
    [STORE_CACHE_HEADERS] = "headers",
};

static const char *const fault_names[] = {"lost", "derived"};

static const struct family families[] = {
    {.first = FIGURE_ENTRIES,
	"immudb_number_of_stored_entries",
	"Newest transaction of a database.",
	.together = TOGETHER_SUM},
    {.first = FIGURE_SIZE, "immudb_db_size_bytes", "Bytes of all files of a database."},
    {.first = FIGURE_COMMITTED,
	"immudb_last_committed_trx_id",
	"Newest transaction.",
	.together = TOGETHER_MOST},
    {.first = FIGURE_DURABLE,
	"immudb_last_durable_trx_id",
	"Newest transaction known to be synced.",
	.together = TOGETHER_MOST},
    {.first = FIGURE_BATCHES,
	"immudb_commit_batches_total",
	"Batches of transactions written.",
	.counter = true},
    {.first = FIGURE_SYNCS, "immudb_log_syncs_total", "Times the log was synced.", .counter = true},
    {.first = FIGURE_DAMAGED,
	"immudb_damaged_values_total",
	"Values read that do not match their hash.",
	.counter = true},
    {.first = FIGURE_LOG, "immudb_log_bytes", "Bytes of log in use."},
    {.first = FIGURE_RUNS, "immudb_index_runs", "Sorted runs of the index."},
    {.first = FIGURE_UNFLUSHED,
	"immudb_index_unflushed_entries",
	"Entries of the index that are in memory only."},
    {.first = FIGURE_HOT, "immudb_hot_bytes", "Bytes kept in memory because they are read often."},
    {.first = FIGURE_HITS,
	"immudb_cache_hits_total",
	"Look-ups in a cache that found what they wanted.",
	.counter = true,
	.label = "cache",
	.values = cache_names,
	.count = STORE_CACHES},
    {.first = FIGURE_MISSES,
	"immudb_cache_misses_total",
	"Look-ups in a cache that did not.",
	.counter = true,
	.label = "cache",
	.values = cache_names,
	.count = STORE_CACHES},
    {.first = FIGURE_OPEN,
	"immudb_database_open",
	"1 when a database is open, with threads and caches."},
    {.first = FIGURE_READ_ONLY,
	"immudb_database_read_only",
	"1 when a database refuses writes: damage, or no space for the log."},
    {.first = FIGURE_NO_SPACE,
	"immudb_database_no_space",
	"1 when a database refuses writes because there is no space for its log."},
    {.first = FIGURE_BROKEN,
	"immudb_database_broken",
	"1 when a database could not be opened: the log says why, and loading it tries again."},
    {.first = FIGURE_PENDING,
	"immudb_database_pending_requests",
	"Requests that run on a database or wait for it."},
    {.first = FIGURE_SCRUB_RUNNING, "immudb_scrub_running", "1 while a database is being checked."},
    {.first = FIGURE_SCRUB_FINISHED,
	"immudb_scrub_last_finished_timestamp_seconds",
	"When a check of a database last came to its end, in unix time; 0: never.",
	.together = TOGETHER_LEAST},
    {.first = FIGURE_SCRUB_LOST,
	"immudb_scrub_faults",
	"Faults found by the last check, or by the one under way: lost, or derived from the log and "
	"made anew.",
	.label = "kind",
	.values = fault_names,
	.count = 2},
    {.first = FIGURE_SCRUB_TXS,
	"immudb_scrub_transactions_total",
	"Transactions checked.",
	.counter = true},
    {.first = FIGURE_SCRUB_BYTES,
	"immudb_scrub_bytes_total",
	"Bytes read by checks.",
	.counter = true},
};
#define FAMILIES (sizeof families / sizeof *families)

struct row {
	const char *name;
	uint64_t figures[FIGURES];
	uint64_t requests[RPC_METHOD_COUNT];
};

struct table {
	size_t count;
	struct row rows[SERVER_METRIC_DATABASES + 1];
};

/* ---- Gathering ---- */

static void
row_fill_store(struct row *r, const struct store_stats *stats)
{
	uint64_t *f = r->figures;

	f[FIGURE_ENTRIES] = f[FIGURE_COMMITTED] = stats->tx;
	f[FIGURE_SIZE] = stats->disk_bytes;
	f[FIGURE_DURABLE] = stats->durable_tx;
	f[FIGURE_BATCHES] = stats->batches;
	f[FIGURE_SYNCS] = stats->syncs;
	f[FIGURE_DAMAGED] = stats->damaged_values;
	f[FIGURE_LOG] = stats->log_bytes;
	f[FIGURE_RUNS] = stats->index_runs;
	f[FIGURE_UNFLUSHED] = stats->unflushed_entries;
	f[FIGURE_HOT] = stats->hot_bytes;
	for (size_t i = 0; i < STORE_CACHES; i++) {
		f[FIGURE_HITS + i] = stats->cache_hits[i];
		f[FIGURE_MISSES + i] = stats->cache_misses[i];
	}
	f[FIGURE_READ_ONLY] = stats->read_only;
	f[FIGURE_NO_SPACE] = stats->no_space;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void
row_fill_scrub(struct row *r, const struct scrub_info *scrub)
{
	uint64_t *f = r->figures;

	f[FIGURE_SCRUB_RUNNING] = scrub->state == SCRUB_RUNNING;
	f[FIGURE_SCRUB_FINISHED] = (uint64_t)(scrub->last_end_s > 0 ? scrub->last_end_s : 0);
	f[FIGURE_SCRUB_LOST] = larger(scrub->lost, scrub->last_lost);
	f[FIGURE_SCRUB_DERIVED] = larger(scrub->derived, scrub->last_derived);
	f[FIGURE_SCRUB_TXS] = scrub->total_txs;
	f[FIGURE_SCRUB_BYTES] = scrub->total_bytes;
}

static void
row_fill(struct row *r, struct server *s, struct database *db)
{
	struct database_info info;
	struct scrub_info scrub = {0};

	*r = (struct row){.name = db->name};
	database_info(db, &info);
	if (s->scrubber)
		scrubber_info(s->scrubber, db, &scrub);
	row_fill_store(r, &info.stats);
	row_fill_scrub(r, &scrub);
	r->figures[FIGURE_OPEN] = info.is_open;
	r->figures[FIGURE_BROKEN] = info.state == DATABASE_BROKEN;
	r->figures[FIGURE_PENDING] = database_pending(db);
	for (size_t i = 0; i < RPC_METHOD_COUNT; i++)
		r->requests[i] = atomic_load_explicit(&db->requests[i], memory_order_relaxed);
}

static uint64_t
add_figure(uint64_t a, uint64_t b, enum together how)
{
	switch (how) {
	case TOGETHER_MOST:
		return larger(a, b);
	case TOGETHER_LEAST:
		return a < b ? a : b;
	case TOGETHER_SUM:
		break;
	}
	return a + b;
}

static void
row_add(struct row *to, const struct row *r)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		const struct family *f = &families[i];

		for (size_t k = f->first; k < f->first + (f->count ? f->count : 1); k++)
			to->figures[k] = add_figure(to->figures[k], r->figures[k], f->together);
	}
	for (size_t i = 0; i < RPC_METHOD_COUNT; i++)
		to->requests[i] += r->requests[i];
}

static void
table_fill(struct table *t, struct server *s)
{
	size_t shown = s->series.databases_shown;
	struct database *db = NULL;
	struct row next;

	t->count = 0;
	while ((db = databases_next(s->databases, db)) != NULL) {
		row_fill(&next, s, db);
		if (t->count > shown) {
			row_add(&t->rows[shown], &next);
			continue;
		}
		if (t->count == shown)
			next.name = METRIC_OVERFLOW;
		t->rows[t->count++] = next;
	}
}

/* ---- Showing ---- */

static void
append_head(struct buf *out, const char *name, const char *help, bool counter)
{
	buf_printf(out, "# HELP %s ", name);
	metrics_append_escaped(out, help, false);
	buf_printf(out, "\n# TYPE %s %s\n", name, counter ? "counter" : "gauge");
}

static void
append_value(struct buf *out, const char *name, const char *database, uint64_t value)
{
	buf_printf(out, "%s{db=\"", name);
	metrics_append_escaped(out, database, true);
	buf_printf(out, "\"} %" PRIu64 "\n", value);
}

static void
append_labelled(struct buf *out, const struct family *f, const struct row *r, size_t i)
{
	buf_printf(out, "%s{db=\"", f->name);
	metrics_append_escaped(out, r->name, true);
	buf_printf(
	    out, "\",%s=\"%s\"} %" PRIu64 "\n", f->label, f->values[i], r->figures[f->first + i]);
}

static void
append_family(struct buf *out, const struct table *t, const struct family *f)
{
	append_head(out, f->name, f->help, f->counter);
	for (size_t i = 0; i < t->count; i++) {
		if (!f->label)
			append_value(out, f->name, t->rows[i].name, t->rows[i].figures[f->first]);
		for (size_t k = 0; k < f->count; k++)
			append_labelled(out, f, &t->rows[i], k);
	}
}

/* Only what was asked for at all: most databases know few methods. */
static void
append_requests(struct buf *out, const struct table *t)
{
	static const char name[] = "immudb_database_requests_total";

	append_head(out, name, "Requests answered, by database and method.", true);
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < RPC_METHOD_COUNT; k++) {
			if (t->rows[i].requests[k] == 0)
				continue;
			buf_printf(out, "%s{db=\"", name);
			metrics_append_escaped(out, t->rows[i].name, true);
			buf_printf(out, "\",method=\"%s\"} %" PRIu64 "\n", rpc_methods[k].name,
			    t->rows[i].requests[k]);
		}
}

void
database_metrics_render(void *arg, struct buf *out)
{
	struct table *t = malloc(sizeof *t);

	/* Without memory they are missing; the rest is not. */
	if (!t)
		return;
	table_fill(t, arg);
	for (size_t i = 0; i < FAMILIES; i++)
		append_family(out, t, &families[i]);
	append_requests(out, t);
	free(t);
}
