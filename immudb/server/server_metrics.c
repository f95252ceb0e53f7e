/*
 * What the server shows at /metrics: requests by method, sessions, uptime, refusals, the histograms
 * of the commit path. dispatch.c counts requests; all else is read from its source when it is
 * shown. database_metrics.c has the figures of databases.
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
	struct database_info info;
	struct database *db = NULL;
	size_t count = 0;

	metric_set(m->uptime, (double)(clock_monotonic_ns() - s->started_ns) / SERVER_NS_PER_HOUR);
	metric_set(m->sessions, (double)sessions_count(s->sessions));
	while ((db = databases_next(s->databases, db)) != NULL) {
		database_info(db, &info);
		count += info.is_loaded;
	}
	metric_set(m->databases, (double)count);
	metric_set(metric_labelled(m->waiting, "reader"), (double)workers_waiting(s->readers));
	metric_set(metric_labelled(m->waiting, "password"), (double)workers_waiting(s->passwords));
}

/*
 * Says to an open store which series its commit path feeds; beyond SERVER_METRIC_DATABASES it is
 * one.
 */
static void
server_metrics_observe(void *ctx, const char *name, struct store *store)
{
	struct server *s = ctx;
	struct store_metrics feed = {metric_labelled(s->series.commit_seconds, name),
	    metric_labelled(s->series.commit_txs, name),
	    metric_labelled(s->series.sync_seconds, name)};

	store_observe(store, &feed);
}

void
server_metrics_forget(struct server *s, const char *database)
{
	struct metric_family *const families[] = {
	    s->series.commit_seconds, s->series.commit_txs, s->series.sync_seconds};

	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		metric_retire(metric_labelled(families[i], database));
}

static struct metric_family *
server_histogram(struct server *s, struct metric_desc desc)
{
	desc.type = METRIC_HISTOGRAM;
	desc.labels[0] = "db";
	desc.max_series = SERVER_METRIC_DATABASES;
	return s->options.histograms ? metrics_family(s->metrics, &desc) : NULL;
}

/* What the commit path of the engine feeds. */
static void
server_metrics_engine(struct server *s)
{
	static const double batch_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};

	s->series.commit_seconds = server_histogram(s,
	    (struct metric_desc){.name = "immudb_commit_duration_seconds",
		.help = "Time to write and sync one batch of transactions.",
		.bounds = metric_latency_bounds,
		.bound_count = metric_latency_bound_count});
	s->series.sync_seconds = server_histogram(s,
	    (struct metric_desc){.name = "immudb_log_sync_duration_seconds",
		.help = "Time that one sync of the log takes.",
		.bounds = metric_latency_bounds,
		.bound_count = metric_latency_bound_count});
	s->series.commit_txs = server_histogram(s,
	    (struct metric_desc){.name = "immudb_commit_batch_transactions",
		.help = "Transactions that one write and sync made durable.",
		.bounds = batch_bounds,
		.bound_count = sizeof batch_bounds / sizeof *batch_bounds});
	databases_observe(s->databases, server_metrics_observe, s);
}

/* Why somebody was not let in or may not do something; the reasons. */
static const struct {
	enum im_err err;
	const char *reason;
} server_refusals[] = {
    {IM_ERR_CREDENTIALS, "credentials"},
    {IM_ERR_THROTTLED, "throttled"},
    {IM_ERR_USER_INACTIVE, "inactive"},
    {IM_ERR_LOCAL_ONLY, "address"},
    {IM_ERR_NOT_LOGGED_IN, "session"},
    {IM_ERR_SESSION_NOT_FOUND, "session"},
    {IM_ERR_TOKEN_EXPIRED, "session"},
    {IM_ERR_PERMISSION, "permission"},
    {IM_ERR_DATABASE_PERMISSION, "permission"},
};

static void
server_metrics_refusals(struct server *s)
{
	struct metric_desc desc = {.name = "immudb_auth_failures_total",
	    .help = "Requests refused because of who asked, by reason.",
	    .type = METRIC_COUNTER,
	    .labels = {"reason"}};

	s->series.auth_failures = metrics_family(s->metrics, &desc);
	for (size_t i = 0; i < sizeof server_refusals / sizeof *server_refusals; i++)
		(void)metric_labelled(s->series.auth_failures, server_refusals[i].reason);
}

static void
server_metrics_refused(struct server *s, enum im_err err)
{
	for (size_t i = 0; i < sizeof server_refusals / sizeof *server_refusals; i++)
		if (server_refusals[i].err == err)
			metric_inc(
			    metric_labelled(s->series.auth_failures, server_refusals[i].reason));
}

enum im_err
server_metrics_add(struct server *s)
{
	struct server_metrics *m = &s->series;
	struct metric_desc waiting = {.name = "immudb_waiting_jobs",
	    .help = "Requests waiting for a thread, by pool.",
	    .type = METRIC_GAUGE,
	    .labels = {"pool"}};
	enum im_err err;

	m->databases_shown = SERVER_METRIC_DATABASES;
	server_metrics_requests(s);
	server_metrics_engine(s);
	server_metrics_refusals(s);
	m->uptime = metric_single(server_family(
	    s, METRIC_GAUGE, "immudb_uptime_hours", "Hours since the server was started."));
	m->sessions = metric_single(
	    server_family(s, METRIC_GAUGE, "immudb_active_sessions", "Sessions alive."));
	m->databases = metric_single(server_family(
	    s, METRIC_GAUGE, "immudb_loaded_databases", "Databases that are loaded."));
	m->waiting = metrics_family(s->metrics, &waiting);
	err = metrics_on_collect(s->metrics, server_metrics_collect, s);
	return err == IM_OK ? metrics_on_render(s->metrics, database_metrics_render, s) : err;
}

int64_t
server_metrics_count(struct server *s, const struct rpc_request *request, enum im_err err)
{
	const struct rpc_method *method = request->method;
	const char *values[] = {method->name, status_name(err_status(err))};
	int64_t now_ns = clock_monotonic_ns();
	int64_t ns = now_ns - (int64_t)request->received_ns;

	metric_shift(s->series.in_flight, -1);
	if (err != IM_OK)
		server_metrics_refused(s, err);
	metric_inc(
	    err == IM_OK ? s->series.ok[method->index] : metric_series(s->series.requests, values));
	metric_observe(s->series.seconds[method->index], (double)ns / 1e9);
	return now_ns;
}
