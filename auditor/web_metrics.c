/*
 * The audit's part of /metrics: tables of families, each a name behind the profile's prefix, a help
 * text, and where its value stands. Neighbours: web.c (calls it under the report's lock and appends
 * the process's own figures), report.h (all values), verdict.c (what a verdict counts as).
 *
 * Invariants: the first four families have names, order, labels and help texts that dashboards rely
 * on; they show the worst database. Labels are the server, its identity, and for the rest a
 * database or a verdict: as many series as there are databases, times the verdicts at most.
 */
#include <stddef.h>

#include "util/metrics.h"
#include "util/text.h"
#include "web_view.h"

#define SECONDS_PER_HOUR 3600.0

/* What the offset of a row is relative to. */
enum row_of { OF_VIEW, OF_SERVER, OF_DATABASE };

/*
 * A family with one series a server or database: value() says it, or else the number at the offset.
 */
struct row {
	const char *name; /* behind "PREFIX_audit_" */
	const char *type;
	const char *help;
	double (*value)(const struct web_view *view, const struct report_database *d);
	enum row_of of;
	bool is_double; /* else uint64_t */
	size_t offset;
};

#define VIEW_COUNT(field) .of = OF_VIEW, .offset = offsetof(struct web_view, field)
#define SERVER_COUNT(field) .of = OF_SERVER, .offset = offsetof(struct report_server, field)
#define SERVER_DOUBLE(field) SERVER_COUNT(field), .is_double = true
#define DATABASE_COUNT(field) .of = OF_DATABASE, .offset = offsetof(struct report_database, field)
#define DATABASE_DOUBLE(field) DATABASE_COUNT(field), .is_double = true

struct web_roots
web_root(const struct report_state *state, enum audit_verdict verdict)
{
	if (audit_verdict_info(verdict)->metric == -2)
		return (struct web_roots){.value = -2};
	if (!state || !state->is_known)
		return (struct web_roots){.value = -1};
	return (struct web_roots){.is_tx = true, .tx = state->tx};
}

double
web_run_at(const struct report *report, const struct report_database *d)
{
	if (d && d->run_at > 0)
		return d->run_at;
	return !d && report->server.run_at > 0 ? report->server.run_at : report->server.started_at;
}

static double
root_value(const struct report_state *state, enum audit_verdict verdict)
{
	struct web_roots root = web_root(state, verdict);

	return root.is_tx ? (double)root.tx : root.value;
}

/* The rows of the server get the worst database, or NULL. */
static enum audit_verdict
server_verdict(const struct web_view *view)
{
	enum audit_verdict verdict;

	report_worst(view->report, &verdict);
	return verdict;
}

static double
server_current(const struct web_view *view, const struct report_database *worst)
{
	return root_value(worst ? &worst->current : NULL, server_verdict(view));
}

static double
server_previous(const struct web_view *view, const struct report_database *worst)
{
	return root_value(worst ? &worst->previous : NULL, server_verdict(view));
}

static double
server_result(const struct web_view *view, const struct report_database *worst)
{
	(void)worst;
	return audit_verdict_info(server_verdict(view))->metric;
}

static double
run_at(const struct web_view *view, const struct report_database *d)
{
	return web_run_at(view->report, d);
}

static double
server_itself(const struct web_view *view, const struct report_database *worst)
{
	(void)worst;
	return audit_verdict_info(view->report->server.verdict)->metric;
}

static double
server_databases(const struct web_view *view, const struct report_database *worst)
{
	(void)worst;
	return (double)view->report->databases_len;
}

static double
database_current(const struct web_view *view, const struct report_database *d)
{
	(void)view;
	return root_value(&d->current, d->verdict);
}

static double
database_previous(const struct web_view *view, const struct report_database *d)
{
	(void)view;
	return root_value(&d->previous, d->verdict);
}

static double
database_result(const struct web_view *view, const struct report_database *d)
{
	(void)view;
	return audit_verdict_info(d->verdict)->metric;
}

static double
database_latest(const struct web_view *view, const struct report_database *d)
{
	(void)view;
	return audit_verdict_info(d->latest)->metric;
}

static double
database_alarm_since(const struct web_view *view, const struct report_database *d)
{
	(void)view;
	return audit_verdict_info(d->verdict)->is_tamper ? d->since : 0;
}

#define CURRENT_HELP "Current root index used for the latest audit."
#define PREVIOUS_HELP "Previous root index used for the latest audit."
#define RESULT_HELP "Latest audit result (1 = ok, 0 = tampered)."
#define RUN_AT_HELP "Timestamp in unix seconds at which latest audit run."

/* Those that dashboards made for the predecessor know. */
static const struct row server_rows[] = {
    {"curr_root_per_server", "gauge", CURRENT_HELP, .value = server_current},
    {"prev_root_per_server", "gauge", PREVIOUS_HELP, .value = server_previous},
    {"result_per_server", "gauge", RESULT_HELP, .value = server_result},
    {"run_at_per_server", "gauge", RUN_AT_HELP, .value = run_at},
    {"server_result", "gauge",
	"Latest result of the server itself: reached, and the one it was before (1 = ok, 0 = another "
	"server, -1 = not checked, -2 = error).",
	.value = server_itself},
    {"databases", "gauge", "Databases that are audited.", .value = server_databases},
    {"interval_seconds", "gauge", "Time between the beginnings of two rounds.",
	SERVER_DOUBLE(interval)},
    {"server_rounds_total", "counter", "Rounds over all databases.", SERVER_COUNT(rounds)},
    {"server_round_duration_seconds", "gauge", "Duration of the last round over all databases.",
	SERVER_DOUBLE(round_seconds)},
    {"alerts_queued_total", "counter", "Alerts that were to be delivered.",
	VIEW_COUNT(alerts.queued)},
    {"alerts_delivered_total", "counter", "Alerts that were delivered.",
	VIEW_COUNT(alerts.delivered)},
    {"alerts_dropped_total", "counter", "Alerts given up because too many waited.",
	VIEW_COUNT(alerts.dropped)},
    {"alert_failures_total", "counter", "Attempts to deliver an alert that failed.",
	VIEW_COUNT(alerts.failed)},
    {"alerts_waiting", "gauge", "Alerts that wait for delivery.", VIEW_COUNT(alerts.waiting)},
    {"peer_exchanges_total", "counter", "Exchanges of states that were begun with other auditors.",
	VIEW_COUNT(peers.asked)},
    {"peer_failures_total", "counter", "Exchanges that brought no answer of use.",
	VIEW_COUNT(peers.failed)},
    {"peer_requests_total", "counter", "Requests of other auditors that were answered.",
	VIEW_COUNT(peers.answered)},
    {"peer_refusals_total", "counter", "Requests of other auditors that were refused.",
	VIEW_COUNT(peers.refused)},
    {"peer_claims_total", "counter", "States of databases that other auditors have told.",
	VIEW_COUNT(peers.claims)},
    {"peer_claims_dropped_total", "counter",
	"States told by other auditors for which there was no room.", VIEW_COUNT(peers.dropped)},
};

static const struct row database_rows[] = {
    {"curr_root_per_database", "gauge", CURRENT_HELP, .value = database_current},
    {"prev_root_per_database", "gauge", PREVIOUS_HELP, .value = database_previous},
    {"result_per_database", "gauge",
	"Audit result, an alarm until it is acknowledged (1 = ok, 0 = tampered, -1 = not checked, "
	"-2 = error).",
	.value = database_result},
    {"run_at_per_database", "gauge", RUN_AT_HELP, .value = run_at},
    {"latest_result_per_database", "gauge",
	"Result of the last round alone, whatever alarm is not acknowledged.",
	.value = database_latest},
    {"last_success_timestamp_seconds", "gauge",
	"When a round last found the database consistent; 0 = never since start.",
	DATABASE_DOUBLE(last_success)},
    {"alarm_since_timestamp_seconds", "gauge", "When the alarm was first raised; 0 = no alarm.",
	.value = database_alarm_since},
    {"suspect_from_tx", "gauge", "First transaction in question; 0 = none is known.",
	DATABASE_COUNT(suspect_from)},
    {"suspect_to_tx", "gauge", "Last transaction in question; 0 = none is known.",
	DATABASE_COUNT(suspect_to)},
    {"checks_total", "counter", "Proofs that were checked.", DATABASE_COUNT(checks)},
    {"sampled_entries_total", "counter", "Random and newest entries read and hashed.",
	DATABASE_COUNT(sampled)},
    {"swept_entries_total", "counter", "Entries that the full sweep has read and hashed.",
	DATABASE_COUNT(swept)},
    {"sweep_position_tx", "gauge", "Next transaction of the full sweep; 0 = none runs.",
	DATABASE_COUNT(sweep_position)},
};

#define ROWS(table) (sizeof(table) / sizeof *(table))

static double
row_value(const struct row *row, const struct web_view *view, const struct report_database *d)
{
	const void *const bases[] = {view, &view->report->server, d};
	const char *at = (const char *)bases[row->of] + row->offset;
	uint64_t count;
	double value;

	if (row->value)
		return row->value(view, d);
	if (row->is_double) {
		memcpy(&value, at, sizeof value);
		return value;
	}
	memcpy(&count, at, sizeof count);
	return (double)count;
}

static void
append_head(const struct web_view *view, const struct row *row, struct buf *out)
{
	buf_printf(out, "# HELP %s_audit_%s ", view->profile, row->name);
	metrics_append_escaped(out, row->help, false);
	buf_printf(out, "\n# TYPE %s_audit_%s %s\n", view->profile, row->name, row->type);
}

static void
append_label(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=\"", name);
	metrics_append_escaped(out, value, true);
	buf_append_str(out, "\"");
}

/* "PREFIX_audit_name_suffix{server_address=...,server_id=...,db=...}" with the label left open. */
static void
append_series(
    const struct web_view *view, const char *name, const struct report_database *d, struct buf *out)
{
	buf_printf(out, "%s_audit_%s{", view->profile, name);
	append_label(out, "server_address", view->report->server.address);
	buf_append_str(out, ",");
	append_label(out, "server_id", view->report->server.id);
	if (!d)
		return;
	buf_append_str(out, ",");
	append_label(out, "db", d->name);
}

static void
append_value(struct buf *out, double value)
{
	buf_append_str(out, "} ");
	text_append_double(out, value);
	buf_append_str(out, "\n");
}

static void
make_servers(const struct web_view *view, struct buf *out)
{
	enum audit_verdict verdict;
	const struct report_database *worst = report_worst(view->report, &verdict);
	size_t i;

	for (i = 0; i < ROWS(server_rows); i++) {
		append_head(view, &server_rows[i], out);
		append_series(view, server_rows[i].name, NULL, out);
		append_value(out, row_value(&server_rows[i], view, worst));
	}
}

static void
make_databases(const struct web_view *view, struct buf *out)
{
	const struct report *r = view->report;
	size_t i, n;

	for (i = 0; i < ROWS(database_rows); i++) {
		append_head(view, &database_rows[i], out);
		for (n = 0; n < r->databases_len; n++) {
			append_series(view, database_rows[i].name, r->databases[n], out);
			append_value(out, row_value(&database_rows[i], view, r->databases[n]));
		}
	}
}

/* A series for each database and verdict. */
static void
make_verdicts(const struct web_view *view, const struct row *row,
    double (*value)(const struct report_database *d, enum audit_verdict verdict), struct buf *out)
{
	const struct report *r = view->report;
	size_t n;
	int v;

	append_head(view, row, out);
	for (n = 0; n < r->databases_len; n++)
		for (v = 0; v < AUDIT_VERDICTS; v++) {
			append_series(view, row->name, r->databases[n], out);
			buf_append_str(out, ",");
			append_label(
			    out, "verdict", audit_verdict_info((enum audit_verdict)v)->word);
			append_value(out, value(r->databases[n], (enum audit_verdict)v));
		}
}

static double
verdict_is(const struct report_database *d, enum audit_verdict verdict)
{
	return d->verdict == verdict;
}

static double
verdict_rounds(const struct report_database *d, enum audit_verdict verdict)
{
	return (double)d->verdicts[verdict];
}

/* A summary without quantiles: the sum and the number of a database's rounds. */
static void
make_durations(const struct web_view *view, struct buf *out)
{
	static const struct row row = {.name = "round_duration_seconds",
	    .type = "summary",
	    .help = "Duration of the rounds of a database."};
	const struct report *r = view->report;
	size_t n;

	append_head(view, &row, out);
	for (n = 0; n < r->databases_len; n++) {
		append_series(view, "round_duration_seconds_sum", r->databases[n], out);
		append_value(out, r->databases[n]->seconds);
		append_series(view, "round_duration_seconds_count", r->databases[n], out);
		append_value(out, (double)r->databases[n]->rounds);
	}
}

/* The gateway's own dashboards know its uptime by this name. */
static void
make_uptime(const struct web_view *view, struct buf *out)
{
	double hours = (view->now - view->report->server.started_at) / SECONDS_PER_HOUR;

	if (strcmp(view->profile, "immugw") != 0)
		return;
	buf_append_str(out,
	    "# HELP immugw_uptime_hours Server uptime in hours.\n"
	    "# TYPE immugw_uptime_hours counter\nimmugw_uptime_hours ");
	text_append_double(out, hours > 0 ? hours : 0);
	buf_append_str(out, "\n");
}

void
web_make_metrics(const struct web_view *view, struct buf *out)
{
	static const struct row is = {.name = "verdict",
	    .type = "gauge",
	    .help =
		"1 for the verdict on the database, an alarm until it is acknowledged, 0 for the others."};
	static const struct row rounds = {.name = "rounds_total",
	    .type = "counter",
	    .help = "Rounds of a database, by the verdict they ended with."};

	make_servers(view, out);
	make_databases(view, out);
	make_verdicts(view, &is, verdict_is, out);
	make_verdicts(view, &rounds, verdict_rounds, out);
	make_durations(view, out);
	make_uptime(view, out);
}
