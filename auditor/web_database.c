/*
 * The page of one database: its verdict, alarm, states, growth and last rounds. Neighbours: web.c
 * (calls it under the report's lock), web_html.c, web_alarm.c, web_chart.c. Pure.
 */
#include "web_chart.h"
#include "web_html.h"

static void
append_header(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	buf_append_str(out, "<header>\n<p class=\"product\"><a href=\"/\">Audit of ");
	html_name(out, view->report->server.address);
	buf_append_str(out, "</a></p>\n<h1>");
	html_name(out, d->name);
	buf_append_str(out, "</h1>\n<p class=\"dim\">database of the server <code>");
	html_text(out, view->report->server.id);
	buf_append_str(out, "</code></p>\n</header>\n");
}

static void
append_number_item(struct buf *out, const char *name, uint64_t n)
{
	html_begin_item(out, name);
	html_number(out, n);
	html_end_item(out);
}

static void
append_sweep(const struct report_database *d, struct buf *out)
{
	html_begin_item(out, "Full sweep");
	if (d->sweep_position) {
		buf_append_str(out, "at transaction ");
		html_number(out, d->sweep_position);
		buf_append_str(out, ", ");
	}
	html_number(out, d->swept);
	buf_append_str(out, " entries since start");
	html_end_item(out);
}

static void
append_facts(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	buf_append_str(out,
	    "<section aria-labelledby=\"state\">\n<h2 id=\"state\">State</h2>\n"
	    "<dl class=\"card pairs\">\n");
	/* An alarm has shown them already. */
	if (!audit_verdict_info(d->verdict)->is_tamper) {
		html_begin_item(out, "Shown now");
		html_state(&d->current, out);
		html_end_item(out);
		html_begin_item(out, "Proven before");
		html_state(&d->previous, out);
		html_end_item(out);
	}
	html_begin_item(out, "Last checked");
	html_time(view, d->run_at, out);
	html_end_item(out);
	html_begin_item(out, "Last success");
	html_time(view, d->last_success, out);
	html_end_item(out);
	append_number_item(out, "Rounds since start", d->rounds);
	append_number_item(out, "Proofs checked", d->checks);
	append_number_item(out, "Entries sampled", d->sampled);
	append_sweep(d, out);
	buf_append_str(out, "</dl>\n</section>\n");
}

static void
append_growth(const struct report_database *d, struct buf *out)
{
	buf_append_str(out,
	    "<section aria-labelledby=\"growth\">\n<h2 id=\"growth\">Growth</h2>\n"
	    "<div class=\"card\">");
	chart_growth_large(d, out);
	buf_append_str(out, "</div>\n</section>\n");
}

static void
append_round(const struct web_view *view, const struct report_round *round, struct buf *out)
{
	buf_printf(out,
	    "<tr role=\"row\" class=\"%s\"><th role=\"rowheader\" scope=\"row\" class=\"plain\">",
	    html_class(round->verdict));
	html_time(view, round->at, out);
	buf_append_str(out, "</th><td role=\"cell\" data-name=\"Verdict\">");
	html_badge(out, round->verdict);
	buf_append_str(out, "</td><td role=\"cell\" data-name=\"Transactions\" class=\"number\">");
	if (audit_verdict_info(round->verdict)->metric == -2)
		buf_append_str(out, "<span class=\"dim\">not known</span>");
	else
		html_number(out, round->tx);
	buf_append_str(out, "</td><td role=\"cell\" data-name=\"Entries read\" class=\"number\">");
	html_number(out, round->sampled);
	buf_append_str(out, "</td><td role=\"cell\" data-name=\"Took\" class=\"number\">");
	html_duration(out, round->seconds);
	buf_append_str(out, "</td></tr>\n");
}

static void
append_rounds(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	size_t i;

	buf_append_str(
	    out, "<section aria-labelledby=\"rounds\">\n<h2 id=\"rounds\">Last rounds</h2>\n");
	if (d->last_len == 0) {
		buf_append_str(out, "<p class=\"card empty\">None has ended since start.</p>\n");
	} else {
		buf_append_str(out,
		    "<table role=\"table\" aria-labelledby=\"rounds\">\n"
		    "<thead role=\"rowgroup\"><tr role=\"row\">"
		    "<th role=\"columnheader\" scope=\"col\">Begun</th>"
		    "<th role=\"columnheader\" scope=\"col\">Verdict</th>"
		    "<th role=\"columnheader\" scope=\"col\" class=\"number\">Transactions</th>"
		    "<th role=\"columnheader\" scope=\"col\" class=\"number\">Entries read</th>"
		    "<th role=\"columnheader\" scope=\"col\" class=\"number\">Took</th>"
		    "</tr></thead>\n<tbody role=\"rowgroup\">\n");
		for (i = d->last_len; i > 0; i--)
			append_round(view, &d->last[i - 1], out);
		buf_append_str(out, "</tbody>\n</table>\n");
	}
	buf_append_str(out, "</section>\n");
}

void
web_make_database(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	bool is_alarm = audit_verdict_info(d->verdict)->is_tamper;

	html_begin(view, d->name, d->verdict, out);
	append_header(view, d, out);
	buf_append_str(out, "<main>\n");
	html_banner(out, d->verdict, is_alarm ? "" : d->reason);
	if (is_alarm) {
		buf_append_str(out,
		    "<section aria-labelledby=\"alarm\">\n<h2 id=\"alarm\">Alarm</h2>\n"
		    "<div class=\"card alarm\">\n");
		html_alarm(view, d, out);
		buf_append_str(out, "</div>\n</section>\n");
	}
	append_growth(d, out);
	append_facts(view, d, out);
	append_rounds(view, d, out);
	buf_append_str(out, "</main>\n");
	html_end(view, out);
}
