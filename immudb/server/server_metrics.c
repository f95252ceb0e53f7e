/*
 * What the server shows at /metrics: requests by method, databases, sessions, uptime. dispatch.c
 * counts requests; all else is read from its source when it is shown.
 */
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

static void
server_metrics_collect(void *arg)
{
	struct server *s = arg;
	struct server_metrics *m = &s->series;
	struct database *db;
	struct store_stats stats;
	size_t i;

	metric_set(m->uptime, (double)(clock_monotonic_ns() - s->started_ns) / SERVER_NS_PER_HOUR);
	metric_set(m->sessions, (double)sessions_count(s->sessions));
	for (i = 0; (db = databases_at(s->databases, i)) != NULL; i++) {
		store_stats(db->store, &stats);
		metric_set(metric_labelled(m->db_size, db->name), (double)stats.disk_bytes);
		metric_set(metric_labelled(m->db_entries, db->name), (double)stats.tx);
	}
	metric_set(m->databases, (double)i);
	metric_set(metric_labelled(m->waiting, "reader"), (double)workers_waiting(s->readers));
	metric_set(metric_labelled(m->waiting, "password"), (double)workers_waiting(s->passwords));
}

static double
server_metrics_commits(void *arg)
{
	const struct database *db = arg;
	struct store_stats stats;

	store_stats(db->store, &stats);
	return (double)stats.batches;
}

static double
server_metrics_syncs(void *arg)
{
	const struct database *db = arg;
	struct store_stats stats;

	store_stats(db->store, &stats);
	return (double)stats.syncs;
}

static double
server_metrics_damaged(void *arg)
{
	const struct database *db = arg;
	struct store_stats stats;

	store_stats(db->store, &stats);
	return (double)stats.damaged_values;
}

/* Counters that the engine keeps itself, one series a database. */
static void
server_metrics_databases(struct server *s)
{
	static const struct {
		const char *name, *help;
		double (*read)(void *arg);
	} counters[] = {
	    {"immudb_commit_batches_total",
		"Batches of transactions written since the database was opened.",
		server_metrics_commits},
	    {"immudb_log_syncs_total", "Times the log was synced since the database was opened.",
		server_metrics_syncs},
	    {"immudb_damaged_values_total",
		"Values found that do not match their hash since the database was opened.",
		server_metrics_damaged},
	};
	struct metric_family *family;
	struct database *db;
	size_t i, j;

	for (i = 0; i < sizeof counters / sizeof *counters; i++) {
		family = server_family_db(s, METRIC_COUNTER, counters[i].name, counters[i].help);
		for (j = 0; (db = databases_at(s->databases, j)) != NULL; j++)
			metric_set_callback(
			    metric_labelled(family, db->name), counters[i].read, db);
	}
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
	server_metrics_databases(s);
	m->db_size = server_family_db(
	    s, METRIC_GAUGE, "immudb_db_size_bytes", "Bytes of all files of a database.");
	m->db_entries = server_family_db(s, METRIC_GAUGE, "immudb_number_of_stored_entries",
	    "Newest transaction of a database.");
	m->uptime = metric_single(server_family(
	    s, METRIC_GAUGE, "immudb_uptime_hours", "Hours since the server was started."));
	m->sessions = metric_single(
	    server_family(s, METRIC_GAUGE, "immudb_active_sessions", "Sessions alive."));
	m->databases = metric_single(
	    server_family(s, METRIC_GAUGE, "immudb_loaded_databases", "Databases that are open."));
	m->waiting = metrics_family(s->metrics, &waiting);
	return metrics_on_collect(s->metrics, server_metrics_collect, s);
}

void
server_metrics_count(struct server *s, const struct rpc_request *request, enum im_err err)
{
	const struct rpc_method *method = request->method;
	const char *values[] = {method->name, status_name(err_status(err))};
	int64_t ns = clock_monotonic_ns() - (int64_t)request->received_ns;

	metric_shift(s->series.in_flight, -1);
	metric_inc(
	    err == IM_OK ? s->series.ok[method->index] : metric_series(s->series.requests, values));
	metric_observe(s->series.seconds[method->index], (double)ns / 1e9);
}
