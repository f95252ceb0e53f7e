/*
 * Pieces of HTML that the pages share: escaping, times and numbers for people, badges, head and
 * foot. Neighbours: web_page.c and web_database.c (which put pages together), web_style.c (how it
 * looks).
 *
 * Invariants: html_text(), html_name() and html_segment() are the only ways for a text that is not
 * ours to get on a page. No script, no style attribute, nothing from another host: the content
 * security policy forbids them.
 */
#include "web_html.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "crypto/hash.h"
#include "util/base64.h"
#include "util/clock.h"
#include "util/text.h"
#include "util/version.h"
#include "web_evidence.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define MINUTE 60.0
#define HOUR 3600.0
#define DAY 86400.0

/* Whether a character of n bytes steers: C0, DEL, C1, and those that turn the direction of text. */
static bool
is_steering(const uint8_t *c, size_t n)
{
	if (n == 1)
		return c[0] < ' ' || c[0] == 0x7f;
	if (n == 2)
		return c[0] == 0xc2 && c[1] < 0xa0;
	/* U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069. */
	if (n == 3 && c[0] == 0xe2 && c[1] == 0x80)
		return c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae);
	return n == 3 && c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9;
}

static const char *
entity_of(uint8_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void
html_text(struct buf *out, const char *text)
{
	struct bytes left = bytes_str(text);
	const char *entity;
	size_t n;

	for (; left.len; left = bytes_of(left.data + (n ? n : 1), left.len - (n ? n : 1))) {
		n = text_utf8_char(left);
		entity = n == 1 ? entity_of(left.data[0]) : NULL;
		if (entity)
			buf_append_str(out, entity);
		else if (n == 0 || is_steering(left.data, n))
			buf_append_str(out, REPLACEMENT);
		else
			buf_append(out, left.data, n);
	}
}

void
html_name(struct buf *out, const char *name)
{
	buf_append_str(out, "<bdi>");
	html_text(out, name);
	buf_append_str(out, "</bdi>");
}

void
html_segment(struct buf *out, const char *name)
{
	const unsigned char *first = (const unsigned char *)name, *at;

	/* A dot at the start could make it a step up. */
	for (at = first; *at; at++)
		if ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
		    (*at >= '0' && *at <= '9') || *at == '-' || *at == '_' ||
		    (*at == '.' && at > first))
			buf_append_u8(out, *at);
		else
			buf_printf(out, "%%%02X", *at);
}

void
html_number(struct buf *out, uint64_t n)
{
	if (n >= 1000) {
		html_number(out, n / 1000);
		buf_printf(out, ",%03" PRIu64, n % 1000);
	} else {
		buf_printf(out, "%" PRIu64, n);
	}
}

void
html_duration(struct buf *out, double seconds)
{
	static const struct {
		double large, small;
		const char *large_name, *small_name;
	} units[] = {{DAY, HOUR, "d", "h"}, {HOUR, MINUTE, "h", "min"}, {MINUTE, 1, "min", "s"}};
	double large, rest;
	size_t i;

	if (!(seconds >= 1)) {
		buf_printf(out, "%.0f ms", seconds > 0 ? seconds * 1000 : 0);
		return;
	}
	for (i = 0; i < sizeof units / sizeof *units && seconds < units[i].large; i++)
		;
	if (i == sizeof units / sizeof *units) {
		buf_printf(out, "%.0f s", floor(seconds));
		return;
	}
	large = floor(seconds / units[i].large);
	rest = floor((seconds - large * units[i].large) / units[i].small);
	buf_printf(out, "%.0f %s", large, units[i].large_name);
	if (rest >= 1)
		buf_printf(out, " %.0f %s", rest, units[i].small_name);
}

/* Opens <time> with the moment for machines. */
static void
begin_time(struct buf *out, double at)
{
	char text[CLOCK_TEXT_SIZE];

	buf_printf(out, "<time datetime=\"%s\">", clock_format_s((int64_t)at, text));
}

static void
append_distance(struct buf *out, double distance)
{
	if (fabs(distance) < 1) {
		buf_append_str(out, "now");
		return;
	}
	buf_append_str(out, distance > 0 ? "in " : "");
	html_duration(out, fabs(distance));
	buf_append_str(out, distance > 0 ? "" : " ago");
}

void
html_when(const struct web_view *view, double at, struct buf *out)
{
	if (at <= 0) {
		buf_append_str(out, "never");
		return;
	}
	begin_time(out, at);
	append_distance(out, at - view->now);
	buf_append_str(out, "</time>");
}

/* "2024-02-29 12:00:00 UTC" */
static void
append_moment(struct buf *out, double at)
{
	char text[CLOCK_TEXT_SIZE];

	begin_time(out, at);
	clock_format_s((int64_t)at, text);
	if (strlen(text) == strlen("2024-02-29T12:00:00Z"))
		buf_printf(out, "%.10s %.8s UTC", text, text + 11);
	else
		buf_append_str(out, text);
	buf_append_str(out, "</time>");
}

void
html_time(const struct web_view *view, double at, struct buf *out)
{
	if (at <= 0) {
		buf_append_str(out, "never");
		return;
	}
	append_moment(out, at);
	buf_append_str(out, " <span class=\"dim\">(");
	append_distance(out, at - view->now);
	buf_append_str(out, ")</span>");
}

void
html_suspects(const struct report_database *d, struct buf *out)
{
	if (d->suspect_to == 0)
		return;
	buf_append_str(out, d->suspect_from == d->suspect_to ? "transaction " : "transactions ");
	if (d->suspect_from != d->suspect_to) {
		html_number(out, d->suspect_from);
		buf_append_str(out, " to ");
	}
	html_number(out, d->suspect_to);
}

/*
 * The four classes of verdicts, by metric value; their signs differ in shape, so that none needs
 * colour.
 */
static const struct tone {
	int metric;
	const char *class;
	const char *colour; /* in a link: percent-encoded */
	const char *sign;
} tones[] = {
    {1, "ok", "%2316703f",
	"<circle cx=\"8\" cy=\"8\" r=\"8\"/><path d=\"M4.4 8.3l2.5 2.5 4.7-5.2\"/>"},
    {0, "alarm", "%23c0142f",
	"<path class=\"fill\" d=\"M8 .6l7.8 14.6H.2z\"/><path d=\"M8 5.6v4.6M8 12.3v.6\"/>"},
    {-2, "error", "%239a4e00",
	"<path class=\"fill\" d=\"M5 0h6l5 5v6l-5 5H5l-5-5V5z\"/>"
	"<path d=\"M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6\"/>"},
    {-1, "unknown", "%234b5d78",
	"<circle cx=\"8\" cy=\"8\" r=\"8\"/><path d=\"M4.2 8h.3M7.9 8h.3M11.6 8h.3\"/>"},
};
#define TONES (sizeof tones / sizeof *tones)

static const struct tone *
tone_of(enum audit_verdict verdict)
{
	size_t i;

	for (i = 0; i < TONES - 1; i++)
		if (tones[i].metric == audit_verdict_info(verdict)->metric)
			break;
	return &tones[i];
}

const char *
html_class(enum audit_verdict verdict)
{
	return tone_of(verdict)->class;
}

static void
append_sign(struct buf *out, enum audit_verdict verdict)
{
	buf_printf(out,
	    "<svg class=\"sign\" viewBox=\"0 0 16 16\" aria-hidden=\"true\" focusable=\"false\">%s</svg>",
	    tone_of(verdict)->sign);
}

void
html_badge(struct buf *out, enum audit_verdict verdict)
{
	buf_printf(out, "<span class=\"badge %s\">", html_class(verdict));
	append_sign(out, verdict);
	html_text(out, audit_verdict_info(verdict)->word);
	buf_append_str(out, "</span>");
}

void
html_begin_item(struct buf *out, const char *name)
{
	buf_printf(out, "<div><dt>%s</dt><dd>", name);
}

void
html_end_item(struct buf *out)
{
	buf_append_str(out, "</dd></div>\n");
}

const char *
html_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void
html_evidence(const struct web_view *view, const struct report_database *d, struct buf *out)
{
	const char *name = html_file_name(d->evidence);

	if (!view->has_evidence || !web_evidence_is_name(name)) {
		buf_append_str(out, "<code>");
		html_text(out, name);
		buf_append_str(out, "</code>");
		return;
	}
	buf_append_str(out, "<a class=\"file\" href=\"/evidence/");
	html_segment(out, name);
	buf_append_str(out, "\" download=\"\">");
	html_text(out, name);
	buf_append_str(out, "</a>");
}

void
html_security_policy(struct buf *out)
{
	struct hash digest;

	hash_sha256(bytes_str(html_style), &digest);
	buf_append_str(out, "default-src 'none'; style-src 'sha256-");
	base64_append(out, BASE64_STD, hash_bytes(&digest));
	buf_append_str(
	    out, "'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

/* A dot in the tab of a browser. */
static void
append_icon(struct buf *out, enum audit_verdict verdict)
{
	buf_printf(out,
	    "<link rel=\"icon\" href=\"data:image/svg+xml,"
	    "%%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E"
	    "%%3Ccircle cx='8' cy='8' r='7' fill='%s'/%%3E%%3C/svg%%3E\"/>\n",
	    tone_of(verdict)->colour);
}

void
html_begin(
    const struct web_view *view, const char *title, enum audit_verdict verdict, struct buf *out)
{
	buf_append_str(out,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	    "<meta name=\"color-scheme\" content=\"light dark\"/>\n");
	if (view->refresh_seconds > 0)
		buf_printf(out, "<meta http-equiv=\"refresh\" content=\"%.0f\"/>\n",
		    view->refresh_seconds);
	buf_append_str(out, "<title>");
	html_text(out, audit_verdict_info(verdict)->word);
	buf_append_str(out, " \xc2\xb7 ");
	html_text(out, title);
	buf_append_str(out, "</title>\n");
	append_icon(out, verdict);
	buf_append_str(out, "<style>");
	buf_append_str(out, html_style);
	buf_append_str(out, "</style>\n</head>\n<body>\n");
}

void
html_end(const struct web_view *view, struct buf *out)
{
	buf_append_str(out,
	    "<footer>\n<p>This page shows no values of the databases. For programs: "
	    "<a href=\"/metrics\">metrics</a>, <a href=\"/lastaudit\">last audit</a>. ");
	if (view->refresh_seconds > 0)
		buf_printf(out,
		    "It comes again every %.0f seconds: <a href=\"?\">stop that</a>.</p>\n",
		    view->refresh_seconds);
	else
		buf_append_str(out, "<a href=\"?refresh=30\">Refresh every 30 seconds</a>.</p>\n");
	buf_append_str(out, "<p>");
	html_text(out, view->program);
	buf_append_str(out, " " IMMUDB_VERSION ", as of ");
	append_moment(out, view->now);
	buf_append_str(out, "</p>\n</footer>\n</body>\n</html>\n");
}

void
html_sentence(struct buf *out, const char *text)
{
	char first = text[0] >= 'a' && text[0] <= 'z' ? (char)(text[0] - 'a' + 'A') : text[0];

	buf_printf(out, "%c%s.", first, text + 1);
}

/* The verdict's word as a title: "Consistent", "Alarm: rolled back", "First seen". */
static void
append_title(struct buf *out, enum audit_verdict verdict)
{
	const struct audit_verdict_info *info = audit_verdict_info(verdict);
	const char *at;

	if (info->metric == 1 || verdict == AUDIT_NOT_CHECKED) {
		buf_append_str(out, info->metric == 1 ? "Consistent" : "Not checked yet");
		return;
	}
	if (info->is_tamper)
		buf_append_str(out, "Alarm: ");
	for (at = info->word; *at; at++)
		if (*at == '-')
			buf_append_u8(out, ' ');
		else if (at == info->word && !info->is_tamper)
			buf_append_u8(out, (uint8_t)(*at - 'a' + 'A'));
		else
			buf_append_u8(out, (uint8_t)*at);
}

void
html_banner(struct buf *out, enum audit_verdict verdict, const char *reason)
{
	buf_printf(
	    out, "<section class=\"banner %s\" aria-label=\"Verdict\">\n", html_class(verdict));
	append_sign(out, verdict);
	buf_append_str(out, "<div><p class=\"title\">");
	append_title(out, verdict);
	buf_append_str(out, "</p>\n<p>");
	html_sentence(out,
	    verdict == AUDIT_NOT_CHECKED ? "the first round has not ended"
					 : audit_verdict_info(verdict)->text);
	buf_append_str(out, "</p>\n");
	if (reason[0]) {
		buf_append_str(out, "<p class=\"reason\">");
		html_text(out, reason);
		buf_append_str(out, "</p>\n");
	}
	buf_append_str(out, "</div></section>\n");
}
