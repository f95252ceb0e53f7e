/*
 * An alarm for people: what is held against a database, since when, which transactions, where the
 * evidence is, and what to do now. Neighbours: web_page.c (the worst few), web_database.c (one's
 * own).
 */
#include "util/hex.h"
#include "web_html.h"

void
html_state(const struct report_state *state, struct buf *out)
{
	if (!state->is_known) {
		buf_append_str(out, "not known");
		return;
	}
	if (state->tx == 0) {
		buf_append_str(out, "empty");
		return;
	}
	buf_append_str(out, "transaction ");
	html_number(out, state->tx);
	buf_append_str(out, ", ");
	buf_append_str(out, state->is_signed ? "signed" : "not signed");
	buf_append_str(out, " <code class=\"hash\">");
	hex_append(out, hash_bytes(&state->alh));
	buf_append_str(out, "</code>");
}

static void
append_facts(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	buf_append_str(out, "<dl class=\"pairs\">\n");
	html_begin_item(out, "Since");
	html_time(view, d->since, out);
	html_end_item(out);
	if (d->suspect_to) {
		html_begin_item(out, "In question");
		html_suspects(d, out);
		html_end_item(out);
	}
	html_begin_item(out, "Proven before");
	html_state(&d->previous, out);
	html_end_item(out);
	html_begin_item(out, "Shown now");
	html_state(&d->current, out);
	html_end_item(out);
	html_begin_item(out, "Last round alone");
	html_badge(out, d->latest);
	html_end_item(out);
	if (d->evidence[0]) {
		html_begin_item(out, "Evidence");
		html_evidence(view, d, out);
		html_end_item(out);
	}
	buf_append_str(out, "</dl>\n");
}

void
html_alarm(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	if (d->reason[0]) {
		buf_append_str(out, "<p class=\"reason\">");
		html_text(out, d->reason);
		buf_append_str(out, "</p>\n");
	}
	append_facts(view, d, out);
	buf_append_str(out,
	    "<p class=\"todo\">Keep the evidence and check it on a machine you trust: "
	    "<code>auditor verify FILE</code>. The alarm stays until somebody has explained it: "
	    "<code>auditor ack DATABASE --reason TEXT</code>.</p>\n");
}
