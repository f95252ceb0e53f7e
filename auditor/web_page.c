/*
 * The status page: the server's verdict, the alarms, and a table of all databases, the worst first.
 * Neighbours: web.c (calls it under the report's lock), web_html.c (escaping and pieces),
 * web_alarm.c, web_chart.c. Pure; the size of the page grows with the number of databases, never
 * with their content.
 */
#include <stdio.h>

#include "web_chart.h"
#include "web_html.h"

/* Alarms told in full above the table; all of them are on pages of their own. */
#define PAGE_ALARMS_MAX 5
#define PAGE_COUNT_MAX 96

static size_t
count_of(const struct report *r, enum audit_verdict verdict)
{
	size_t n = 0, i;

	for (i = 0; i < r->databases_len; i++)
		n += r->databases[i]->verdict == verdict;
	return n;
}

/* All verdicts, the worst first. */
static void
sort_verdicts(enum audit_verdict sorted[AUDIT_VERDICTS])
{
	int v, at;

	for (v = 0; v < AUDIT_VERDICTS; v++) {
		for (at = v; at > 0 &&
		     audit_verdict_worse(sorted[at - 1], (enum audit_verdict)v) != sorted[at - 1];
		     at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = (enum audit_verdict)v;
	}
}

/* Gives all databases, the worst first, then by name; as few as limit. Returns how many. */
static size_t
each_worst_first(const struct web_view *view, size_t limit,
    void (*give)(const struct web_view *view, const struct report_database *d, struct buf *out),
    struct buf *out)
{
	const struct report *r = view->report;
	enum audit_verdict sorted[AUDIT_VERDICTS];
	size_t given = 0, i;
	int v;

	sort_verdicts(sorted);
	for (v = 0; v < AUDIT_VERDICTS; v++)
		for (i = 0; i < r->databases_len && given < limit; i++)
			if (r->databases[i]->verdict == sorted[v]) {
				give(view, r->databases[i], out);
				given++;
			}
	return given;
}

static void
append_header(const struct web_view *view, struct buf *out)
{
	const struct report_server *s = &view->report->server;

	buf_append_str(out, "<header>\n<p class=\"product\">Audit of</p>\n<h1>");
	html_name(out, s->address);
	buf_append_str(out, "</h1>\n<p class=\"dim\">server identity <code>");
	html_text(out, s->id);
	buf_append_str(out, "</code></p>\n</header>\n");
}

/* What stands small below a fact. */
static void
begin_small(struct buf *out)
{
	buf_append_str(out, " <span class=\"dim small\">");
}

static void
end_fact(struct buf *out)
{
	buf_append_str(out, "</span>");
	html_end_item(out);
}

/* "30", and below it "29 ok, 1 forked". */
static void
append_databases_fact(const struct report *r, struct buf *out)
{
	enum audit_verdict sorted[AUDIT_VERDICTS];
	bool any = false;
	size_t n;
	int v;

	sort_verdicts(sorted);
	html_begin_item(out, "Databases");
	html_number(out, r->databases_len);
	begin_small(out);
	for (v = 0; v < AUDIT_VERDICTS; v++) {
		n = count_of(r, sorted[v]);
		if (n == 0)
			continue;
		buf_append_str(out, any ? ", " : "");
		html_number(out, n);
		buf_printf(out, " %s", audit_verdict_info(sorted[v])->word);
		any = true;
	}
	end_fact(out);
}

static void
append_rounds_fact(const struct web_view *view, struct buf *out)
{
	const struct report_server *s = &view->report->server;

	html_begin_item(out, "Last round");
	if (s->rounds == 0) {
		buf_append_str(out, "under way");
		begin_small(out);
		buf_append_str(out, "the first one since ");
		html_when(view, s->started_at, out);
	} else {
		html_when(view, s->run_at, out);
		begin_small(out);
		buf_append_str(out, "took ");
		html_duration(out, s->round_seconds);
		buf_append_str(out, ", ");
		html_number(out, s->rounds);
		buf_append_str(out, " since start");
	}
	end_fact(out);
	html_begin_item(out, "Next round");
	if (s->next_at > view->now)
		html_when(view, s->next_at, out);
	else
		buf_append_str(out, s->rounds ? "now" : "after this one");
	begin_small(out);
	buf_append_str(out, "every ");
	html_duration(out, s->interval);
	end_fact(out);
}

static void
append_checks_fact(const struct report *r, struct buf *out)
{
	uint64_t checks = 0, entries = 0;
	size_t i;

	for (i = 0; i < r->databases_len; i++) {
		checks += r->databases[i]->checks;
		entries += r->databases[i]->sampled + r->databases[i]->swept;
	}
	html_begin_item(out, "Entries read and hashed");
	html_number(out, entries);
	begin_small(out);
	html_number(out, checks);
	buf_append_str(out, " proofs checked since start");
	end_fact(out);
}

static void
append_outside_facts(const struct web_view *view, struct buf *out)
{
	if (view->alerts.queued || view->alerts.waiting) {
		html_begin_item(out, "Alerts delivered");
		html_number(out, view->alerts.delivered);
		begin_small(out);
		html_number(out, view->alerts.waiting);
		buf_append_str(out, " waiting, ");
		html_number(out, view->alerts.failed);
		buf_append_str(out, " attempts failed");
		end_fact(out);
	}
	if (view->peers.asked || view->peers.answered) {
		html_begin_item(out, "Compared with other auditors");
		html_number(out, view->peers.asked - view->peers.failed);
		begin_small(out);
		html_number(out, view->peers.failed);
		buf_append_str(out, " times without an answer");
		end_fact(out);
	}
}

static void
append_alarm(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	if (!audit_verdict_info(d->verdict)->is_tamper)
		return;
	buf_append_str(out, "<article class=\"card alarm\">\n<h3><a href=\"/database/");
	html_segment(out, d->name);
	buf_append_str(out, "\">");
	html_name(out, d->name);
	buf_append_str(out, "</a> ");
	html_badge(out, d->verdict);
	buf_append_str(out, "</h3>\n<p>");
	html_sentence(out, audit_verdict_info(d->verdict)->text);
	buf_append_str(out, "</p>\n");
	html_alarm(view, d, out);
	buf_append_str(out, "</article>\n");
}

static size_t
count_alarms(const struct report *r)
{
	size_t n = 0, i;

	for (i = 0; i < r->databases_len; i++)
		n += audit_verdict_info(r->databases[i]->verdict)->is_tamper;
	return n;
}

/* Tamper-like verdicts are the worst, so the first databases are those with an alarm. */
static void
append_alarms(const struct web_view *view, struct buf *out)
{
	size_t alarms = count_alarms(view->report);

	if (alarms == 0)
		return;
	buf_append_str(out, "<section aria-labelledby=\"alarms\">\n<h2 id=\"alarms\">Alarms ");
	buf_printf(out, "<span class=\"count\">%zu</span></h2>\n", alarms);
	each_worst_first(view, PAGE_ALARMS_MAX, append_alarm, out);
	if (alarms > PAGE_ALARMS_MAX)
		buf_printf(out, "<p class=\"dim\">%zu more stand first in the table below.</p>\n",
		    alarms - PAGE_ALARMS_MAX);
	buf_append_str(out, "</section>\n");
}

static void
begin_cell(struct buf *out, const char *name, const char *class)
{
	buf_printf(out, "<td role=\"cell\" data-name=\"%s\"%s%s%s>", name,
	    *class ? " class=\"" : "", class, *class ? "\"" : "");
}

/* What stands below the verdict in the table: the reason, short, or that the alarm waits. */
static void
append_note(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	const struct audit_verdict_info *info = audit_verdict_info(d->verdict);

	if (info->is_tamper) {
		begin_small(out);
		buf_append_str(out, "since ");
		html_when(view, d->since, out);
		if (d->suspect_to) {
			buf_append_str(out, ", ");
			html_suspects(d, out);
		}
		buf_append_str(out, "</span>");
	} else if (d->reason[0]) {
		buf_append_str(out, "<span class=\"dim small clip\">");
		html_text(out, d->reason);
		buf_append_str(out, "</span>");
	}
}

static void
append_row(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	buf_printf(out, "<tr role=\"row\" class=\"%s\"><th role=\"rowheader\" scope=\"row\">",
	    html_class(d->verdict));
	buf_append_str(out, "<a href=\"/database/");
	html_segment(out, d->name);
	buf_append_str(out, "\">");
	html_name(out, d->name);
	buf_append_str(out, "</a></th>");
	begin_cell(out, "Verdict", "");
	html_badge(out, d->verdict);
	append_note(view, d, out);
	buf_append_str(out, "</td>");
	begin_cell(out, "Transactions", "number");
	if (d->current.is_known)
		html_number(out, d->current.tx);
	else
		buf_append_str(out, "<span class=\"dim\">not known</span>");
	buf_append_str(out, "</td>");
	begin_cell(out, "Growth", "");
	chart_growth_small(d, out);
	buf_append_str(out, "</td>");
	begin_cell(out, "Last rounds", "");
	chart_rounds(d, out);
	buf_append_str(out, "</td>");
	begin_cell(out, "Checked", "when");
	html_when(view, d->run_at, out);
	buf_append_str(out, "</td></tr>\n");
}

static void
append_empty(const struct report_server *s, struct buf *out)
{
	buf_append_str(out, "<p class=\"card empty\">");
	if (audit_verdict_info(s->verdict)->metric == -2)
		buf_append_str(out, "No database is known yet: the server could not be asked.");
	else if (s->rounds == 0)
		buf_append_str(out,
		    "The first round is under way. Databases appear here as they are checked.");
	else
		buf_append_str(out, "The server shows no database that is to be audited.");
	buf_append_str(out, "</p>\n");
}

static void
append_table(const struct web_view *view, struct buf *out)
{
	const struct report *r = view->report;

	buf_append_str(
	    out, "<section aria-labelledby=\"databases\">\n<h2 id=\"databases\">Databases ");
	buf_printf(out, "<span class=\"count\">%zu</span></h2>\n", r->databases_len);
	if (r->databases_len == 0) {
		append_empty(&r->server, out);
	} else {
		buf_append_str(out,
		    "<table role=\"table\" aria-labelledby=\"databases\">\n"
		    "<thead role=\"rowgroup\"><tr role=\"row\">"
		    "<th role=\"columnheader\" scope=\"col\">Database</th>"
		    "<th role=\"columnheader\" scope=\"col\">Verdict</th>"
		    "<th role=\"columnheader\" scope=\"col\" class=\"number\">Transactions</th>"
		    "<th role=\"columnheader\" scope=\"col\">Growth</th>"
		    "<th role=\"columnheader\" scope=\"col\">Last rounds</th>"
		    "<th role=\"columnheader\" scope=\"col\" class=\"when\">Checked</th>"
		    "</tr></thead>\n<tbody role=\"rowgroup\">\n");
		each_worst_first(view, r->databases_len, append_row, out);
		buf_append_str(out, "</tbody>\n</table>\n");
	}
	buf_append_str(out, "</section>\n");
}

/*
 * The large verdict, with its reason: the server's own when it is the cause, else how many it is
 * of.
 */
static void
append_banner(const struct report *r, enum audit_verdict verdict, struct buf *out)
{
	size_t alarms = count_alarms(r);
	char count[PAGE_COUNT_MAX];

	snprintf(count, sizeof count, "%zu of %zu databases raise%s an alarm", alarms,
	    r->databases_len, alarms == 1 ? "s" : "");
	if (r->server.verdict == verdict && r->server.reason[0])
		html_banner(out, verdict, r->server.reason);
	else
		html_banner(out, verdict, alarms && r->databases_len > 1 ? count : "");
}

/* What ails the server itself, when the large verdict is about something worse. */
static void
append_server_note(const struct report *r, enum audit_verdict verdict, struct buf *out)
{
	enum audit_verdict own = r->server.verdict;

	if (own == verdict || audit_verdict_info(own)->metric == 1 ||
	    audit_verdict_info(own)->metric == -1)
		return;
	buf_printf(
	    out, "<section class=\"card note %s\" aria-label=\"Server\">\n", html_class(own));
	html_badge(out, own);
	buf_append_str(out, " ");
	html_sentence(out, audit_verdict_info(own)->text);
	buf_append_str(out, "\n<p class=\"reason\">");
	html_text(out, r->server.reason);
	buf_append_str(out, "</p>\n</section>\n");
}

void
web_make_page(const struct web_view *view, struct buf *out)
{
	const struct report *r = view->report;
	enum audit_verdict verdict;

	report_worst(r, &verdict);
	html_begin(view, r->server.address, verdict, out);
	append_header(view, out);
	buf_append_str(out, "<main>\n");
	append_banner(r, verdict, out);
	append_server_note(r, verdict, out);
	buf_append_str(out, "<dl class=\"facts\">\n");
	append_databases_fact(r, out);
	append_rounds_fact(view, out);
	append_checks_fact(r, out);
	append_outside_facts(view, out);
	buf_append_str(out, "</dl>\n");
	append_alarms(view, out);
	append_table(view, out);
	buf_append_str(out, "</main>\n");
	html_end(view, out);
}
