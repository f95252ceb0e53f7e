/*
 * /lastaudit: the answer that the predecessor's gateway gave, of the worst database, and beside its
 * fields the verdicts and a list of all databases. Neighbours: web.c (calls it under the report's
 * lock), web_metrics.c (the numbers that stand for an unknown state). Transactions are exact
 * integers.
 */
#include <inttypes.h>
#include <stdio.h>

#include "util/clock.h"
#include "util/hex.h"
#include "util/text.h"
#include "web_html.h"

static void
append_text(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "\"%s\":", name);
	text_append_json(out, bytes_str(value));
	buf_append_str(out, ",");
}

static void
append_bool(struct buf *out, const char *name, bool value)
{
	buf_printf(out, "\"%s\":%s,", name, value ? "true" : "false");
}

static void
append_count(struct buf *out, const char *name, uint64_t value)
{
	buf_printf(out, "\"%s\":%" PRIu64 ",", name, value);
}

/* RFC 3339 with milliseconds; null for never. */
static void
append_time(struct buf *out, const char *name, double at)
{
	int64_t ms = (int64_t)(at * 1000 + .5);
	struct timespec when = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * CLOCK_NS_PER_MS};
	char text[CLOCK_TEXT_SIZE];

	if (at > 0)
		buf_printf(out, "\"%s\":\"%s\",", name, clock_format_ms(when, text));
	else
		buf_printf(out, "\"%s\":null,", name);
}

static void
append_root(
    struct buf *out, const char *name, const struct report_state *state, enum audit_verdict verdict)
{
	struct web_roots root = web_root(state, verdict);

	if (root.is_tx)
		buf_printf(out, "\"%sRootIndex\":%" PRIu64 ",\"%sRoot\":\"", name, root.tx, name);
	else
		buf_printf(out, "\"%sRootIndex\":%d,\"%sRoot\":\"", name, root.value, name);
	if (root.is_tx && root.tx > 0)
		hex_append(out, hash_bytes(&state->alh));
	buf_append_str(out, "\",");
}

/* What the answer says of the worst database and of each one. */
static void
append_result(const struct web_view *view, const struct report_database *d,
    enum audit_verdict verdict, struct buf *out)
{
	int metric = audit_verdict_info(verdict)->metric;

	append_bool(out, "HasRunConsistencyCheck", metric == 0 || metric == 1);
	append_bool(out, "HasError", metric == -2);
	append_bool(out, "ConsistencyCheckResult", metric == 1);
	append_root(out, "Previous", d ? &d->previous : NULL, verdict);
	append_root(out, "Current", d ? &d->current : NULL, verdict);
	append_time(out, "RunAt", web_run_at(view->report, d));
	append_text(out, "Verdict", audit_verdict_info(verdict)->word);
	append_text(out, "VerdictText", audit_verdict_info(verdict)->text);
	buf_printf(out, "\"Result\":%d,", metric);
}

static void
append_database(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	buf_append_str(out, "{");
	append_text(out, "Database", d->name);
	append_result(view, d, d->verdict, out);
	append_text(out, "LatestVerdict", audit_verdict_info(d->latest)->word);
	append_text(out, "Reason", d->reason);
	append_text(out, "EvidenceFile", html_file_name(d->evidence));
	append_count(out, "SuspectFrom", d->suspect_from);
	append_count(out, "SuspectTo", d->suspect_to);
	append_bool(out, "Signed", d->current.is_known && d->current.is_signed);
	append_time(out, "Since", d->since);
	append_time(out, "LastSuccess", d->last_success);
	append_count(out, "Rounds", d->rounds);
	append_count(out, "Checks", d->checks);
	append_count(out, "SampledEntries", d->sampled);
	buf_printf(out, "\"SweptEntries\":%" PRIu64 "}", d->swept);
}

void
web_make_json(const struct web_view *view, struct buf *out)
{
	const struct report *r = view->report;
	enum audit_verdict verdict;
	const struct report_database *worst = report_worst(r, &verdict);
	size_t i;

	buf_append_str(out, "{");
	append_text(out, "ServerID", r->server.id);
	append_text(out, "ServerAddress", r->server.address);
	append_result(view, worst, verdict, out);
	append_text(out, "Database", worst ? worst->name : "");
	append_text(out, "ServerVerdict", audit_verdict_info(r->server.verdict)->word);
	append_text(out, "ServerReason", r->server.reason);
	append_count(out, "Rounds", r->server.rounds);
	buf_append_str(out, "\"databases\":[");
	for (i = 0; i < r->databases_len; i++) {
		buf_append_str(out, i ? "," : "");
		append_database(view, r->databases[i], out);
	}
	buf_append_str(out, "]}\n");
}
