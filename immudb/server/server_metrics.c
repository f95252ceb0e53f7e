/*
 * What the server shows at /metrics: requests by method, databases, sessions, uptime. dispatch.c
 * counts requests; all else is read from its source when it is shown.
 */
#include <stddef.h>
#include <string.h>

#include "server/server_state.h"
#include "util/clock.h"

#define SERVER_NS_PER_HOUR 3.6e12
#define SERVER_METRIC_CODES 32

static struct metric_family *
server_family(struct server *s, enum metric_type type, const char *name, const char *help)
{
	struct metric_desc desc = {.name = name, .help = help, .type = type};

	return metrics_family(s->metrics, &desc);
}

static struct metric_family *
server_family_db(struct server *s, enum metric_type type, const char *name, const char *help)
{
	struct metric_desc desc = {.name = name, .help = help, .type = type, .labels = {"db"}};

	return metrics_family(s->metrics, &desc);
}

static void
server_metrics_requests(struct server *s)
{
	struct metric_desc requests = {.name = "immudb_requests_total",
	    .help = "Requests answered, by method and status code.",
	    .type = METRIC_COUNTER,
	    .labels = {"method", "code"},
	    .max_series = RPC_METHOD_COUNT * SERVER_METRIC_CODES};
	struct metric_desc seconds = {.name = "immudb_request_duration_seconds",
	    .help = "Time from the arrival of a request to its answer, by method.",
	    .type = METRIC_HISTOGRAM,
	    .labels = {"method"},
	    .bounds = metric_latency_bounds,
	    .bound_count = metric_latency_bound_count};
	struct metric_family *latency =
	    s->options.histograms ? metrics_family(s->metrics, &seconds) : NULL;
	size_t i;

	s->series.requests = metrics_family(s->metrics, &requests);
	for (i = 0; i < RPC_METHOD_COUNT; i++) {
		const char *values[] = {rpc_methods[i].name, status_name(IM_STATUS_OK)};

		s->series.ok[i] = metric_series(s->series.requests, values);
		s->series.seconds[i] =
		    latency ? metric_labelled(latency, rpc_methods[i].name) : NULL;
	}
	s->series.in_flight = metric_single(server_family(s, METRIC_GAUGE,
	    "immudb_requests_in_flight", "Requests received and not yet answered."));
}

/* What the engine counts itself; offset and size of the figure in struct store_stats. */
static const struct server_metrics_figure {
	const char *name, *help;
	enum metric_type type;
	size_t offset;
} server_metrics_figures[] = {
    {"immudb_commit_batches_total",
	"Batches of transactions written since the database was opened.", METRIC_COUNTER,
	offsetof(struct store_stats, batches)},
    {"immudb_log_syncs_total", "Times the log was synced since the database was opened.",
	METRIC_COUNTER, offsetof(struct store_stats, syncs)},
    {"immudb_damaged_values_total",
	"Values found that do not match their hash since the database was opened.", METRIC_COUNTER,
	offsetof(struct store_stats, damaged_values)},
    {"immudb_number_of_stored_entries", "Newest transaction of a database.", METRIC_GAUGE,
	offsetof(struct store_stats, tx)},
    {"immudb_db_size_bytes", "Bytes of all files of a database.", METRIC_GAUGE,
	offsetof(struct store_stats, disk_bytes)},
    {"immudb_last_committed_trx_id", "Newest transaction.", METRIC_GAUGE,
	offsetof(struct store_stats, tx)},
    {"immudb_last_durable_trx_id", "Newest transaction known to be synced.", METRIC_GAUGE,
	offsetof(struct store_stats, durable_tx)},
    {"immudb_log_bytes", "Bytes of log in use.", METRIC_GAUGE,
	offsetof(struct store_stats, log_bytes)},
    {"immudb_index_runs", "Sorted runs of the index.", METRIC_GAUGE,
	offsetof(struct store_stats, index_runs)},
    {"immudb_index_unflushed_entries", "Entries of the index that are in memory only.",
	METRIC_GAUGE, offsetof(struct store_stats, unflushed_entries)},
    {"immudb_hot_bytes", "Bytes kept in memory because they are read often.", METRIC_GAUGE,
	offsetof(struct store_stats, hot_bytes)},
};

_Static_assert(sizeof server_metrics_figures / sizeof *server_metrics_figures == SERVER_FIGURES,
    "there is a family for each figure");

/* One database's figures, as they are now. */
static void
server_metrics_show(struct server *s, const struct database *db, const struct store_stats *stats)
{
	size_t i;

	for (i = 0; i < SERVER_FIGURES; i++) {
		struct metric *series = metric_labelled(s->series.figures[i], db->name);
		uint64_t now;

		memcpy(&now, (const char *)stats + server_metrics_figures[i].offset, sizeof now);
		if (server_metrics_figures[i].type == METRIC_GAUGE)
			metric_set(series, (double)now);
		else if (series && now > (uint64_t)metric_value(series))
			metric_add(series, now - (uint64_t)metric_value(series));
	}
	metric_set(metric_labelled(s->series.read_only, db->name), stats->read_only);
}

static void
server_metrics_collect(void *arg)
{
	struct server *s = arg;
	struct server_metrics *m = &s->series;
	struct database_info info;
	struct database *db = NULL;
	size_t count = 0;

	metric_set(m->uptime, (double)(clock_monotonic_ns() - s->started_ns) / SERVER_NS_PER_HOUR);
	metric_set(m->sessions, (double)sessions_count(s->sessions));
	while ((db = databases_next(s->databases, db)) != NULL) {
		database_info(db, &info);
		server_metrics_show(s, db, &info.stats);
		metric_set(metric_labelled(m->broken, db->name), info.state == DATABASE_BROKEN);
		count += info.is_loaded;
	}
	metric_set(m->databases, (double)count);
	metric_set(metric_labelled(m->waiting, "reader"), (double)workers_waiting(s->readers));
	metric_set(metric_labelled(m->waiting, "password"), (double)workers_waiting(s->passwords));
}

/* Says to an open store which series its commit path feeds. */
static void
server_metrics_observe(void *ctx, const char *name, struct store *store)
{
	struct server *s = ctx;
	struct store_metrics feed = {metric_labelled(s->series.commit_seconds, name),
	    metric_labelled(s->series.commit_txs, name)};

	store_observe(store, &feed);
}

/* The figures of the engine, and what its commit path feeds. */
static void
server_metrics_engine(struct server *s)
{
	static const double batch_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
	struct metric_desc seconds = {.name = "immudb_commit_duration_seconds",
	    .help = "Time to write and sync one batch of transactions.",
	    .type = METRIC_HISTOGRAM,
	    .labels = {"db"},
	    .bounds = metric_latency_bounds,
	    .bound_count = metric_latency_bound_count};
	struct metric_desc txs = {.name = "immudb_commit_batch_transactions",
	    .help = "Transactions that one write and sync made durable.",
	    .type = METRIC_HISTOGRAM,
	    .labels = {"db"},
	    .bounds = batch_bounds,
	    .bound_count = sizeof batch_bounds / sizeof *batch_bounds};
	bool histograms = s->options.histograms;
	size_t i;

	s->series.commit_seconds = histograms ? metrics_family(s->metrics, &seconds) : NULL;
	s->series.commit_txs = histograms ? metrics_family(s->metrics, &txs) : NULL;

	for (i = 0; i < SERVER_FIGURES; i++)
		s->series.figures[i] = server_family_db(s, server_metrics_figures[i].type,
		    server_metrics_figures[i].name, server_metrics_figures[i].help);
	s->series.read_only = server_family_db(s, METRIC_GAUGE, "immudb_database_read_only",
	    "1 when a database refuses writes: damage, or no space for the log.");
	s->series.broken = server_family_db(s, METRIC_GAUGE, "immudb_database_broken",
	    "1 when a database could not be opened: the log says why, and loading it tries again.");
	databases_observe(s->databases, server_metrics_observe, s);
}

enum im_err
server_metrics_add(struct server *s)
{
	struct server_metrics *m = &s->series;
	struct metric_desc waiting = {.name = "immudb_waiting_jobs",
	    .help = "Requests waiting for a thread, by pool.",
	    .type = METRIC_GAUGE,
	    .labels = {"pool"}};

	server_metrics_requests(s);
	server_metrics_engine(s);
	m->uptime = metric_single(server_family(
	    s, METRIC_GAUGE, "immudb_uptime_hours", "Hours since the server was started."));
	m->sessions = metric_single(
	    server_family(s, METRIC_GAUGE, "immudb_active_sessions", "Sessions alive."));
	m->databases = metric_single(server_family(
	    s, METRIC_GAUGE, "immudb_loaded_databases", "Databases that are loaded."));
	m->waiting = metrics_family(s->metrics, &waiting);
	return metrics_on_collect(s->metrics, server_metrics_collect, s);
}

int64_t
server_metrics_count(struct server *s, const struct rpc_request *request, enum im_err err)
{
	const struct rpc_method *method = request->method;
	const char *values[] = {method->name, status_name(err_status(err))};
	int64_t now_ns = clock_monotonic_ns();
	int64_t ns = now_ns - (int64_t)request->received_ns;

	metric_shift(s->series.in_flight, -1);
	metric_inc(
	    err == IM_OK ? s->series.ok[method->index] : metric_series(s->series.requests, values));
	metric_observe(s->series.seconds[method->index], (double)ns / 1e9);
	return now_ns;
}
