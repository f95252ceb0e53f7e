/*
 * Drawings of the status pages as inline SVG. Neighbours: web_page.c, web_database.c, web_style.c
 * (the colours, by class). They are made from numbers only, and sized for any number of points: a
 * line has at most CHART_POINTS of them.
 */
#include "web_chart.h"

#include <stdio.h>

#include "util/clock.h"
#include "web_html.h"

#define CHART_POINTS 48
#define CHART_SECONDS_BELOW 3600 /* a span of less is labelled with seconds */
#define TICK_STEP 5              /* pixels from one round to the next */

/* A field to draw in, and the values at its edges. */
struct chart_frame {
	double left, top, width, height;
	double from_at, to_at, from_tx, to_tx;
};

static struct chart_frame
frame_of(const struct report_database *d, struct chart_frame frame)
{
	size_t i;

	frame.from_at = d->growth[0].at;
	frame.to_at = d->growth[d->growth_len - 1].at;
	frame.from_tx = frame.to_tx = (double)d->growth[0].tx;
	for (i = 1; i < d->growth_len; i++) {
		double tx = (double)d->growth[i].tx;

		frame.from_tx = tx < frame.from_tx ? tx : frame.from_tx;
		frame.to_tx = tx > frame.to_tx ? tx : frame.to_tx;
	}
	return frame;
}

/* A value's part of a range, 0 to 1; when the range is empty, if_empty. */
static double
part_of(double value, double from, double to, double if_empty)
{
	double part = to > from ? (value - from) / (to - from) : if_empty;

	return part < 0 ? 0 : part > 1 ? 1 : part;
}

static double
frame_x(const struct chart_frame *f, const struct report_growth *p)
{
	return f->left + f->width * part_of(p->at, f->from_at, f->to_at, 1);
}

static double
frame_y(const struct chart_frame *f, const struct report_growth *p)
{
	return f->top + f->height * (1 - part_of((double)p->tx, f->from_tx, f->to_tx, .5));
}

/* The points of a line, at most CHART_POINTS of them, the last one always. */
static void
append_points(const struct report_database *d, const struct chart_frame *f, struct buf *out)
{
	size_t steps = d->growth_len < CHART_POINTS ? d->growth_len : CHART_POINTS, i;

	for (i = 0; i < steps; i++) {
		size_t at = steps > 1 ? i * (d->growth_len - 1) / (steps - 1) : 0;
		const struct report_growth *p = &d->growth[at];

		buf_printf(out, "%s%.1f %.1f", i ? "L" : "M", frame_x(f, p), frame_y(f, p));
	}
}

/* The line and the area below it. */
static void
append_line(const struct report_database *d, const struct chart_frame *f, struct buf *out)
{
	buf_append_str(out, "<path class=\"area\" d=\"");
	append_points(d, f, out);
	buf_printf(out, "V%.1fH%.1fz\"/><path class=\"line\" d=\"", f->top + f->height,
	    frame_x(f, &d->growth[0]));
	append_points(d, f, out);
	buf_append_str(out, "\"/>");
}

/* Opens the drawing, with what it shows in words. */
static void
begin_growth(
    const struct report_database *d, const char *kind, const char *attributes, struct buf *out)
{
	const struct report_growth *last = &d->growth[d->growth_len - 1];

	buf_printf(out, "<svg class=\"growth %s\" %s role=\"img\" aria-label=\"", kind, attributes);
	buf_append_str(out, "From transaction ");
	html_number(out, d->growth[0].tx);
	buf_append_str(out, " to ");
	html_number(out, last->tx);
	if (last->at > d->growth[0].at) {
		buf_append_str(out, " in ");
		html_duration(out, last->at - d->growth[0].at);
	}
	buf_append_str(out, "\">");
}

void
chart_growth_small(const struct report_database *d, struct buf *out)
{
	struct chart_frame frame = {.left = 3, .top = 4, .width = 114, .height = 24};
	const struct report_growth *last;

	if (d->growth_len == 0) {
		buf_append_str(out, "<span class=\"dim\">no history yet</span>");
		return;
	}
	last = &d->growth[d->growth_len - 1];
	frame = frame_of(d, frame);
	begin_growth(d, "small", "viewBox=\"0 0 120 32\"", out);
	append_line(d, &frame, out);
	/* The newest. */
	buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/></svg>",
	    frame_x(&frame, last), frame_y(&frame, last));
}

/* An end of the line in words: the transaction, and when. */
static void
append_end(const struct report_growth *end, double span, struct buf *out)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format_s((int64_t)end->at, text);
	buf_append_str(out, "<span><b>transaction ");
	html_number(out, end->tx);
	buf_printf(out, "</b>%.10s %.*s</span>", text, span < CHART_SECONDS_BELOW ? 8 : 5,
	    strlen(text) == strlen("2024-02-29T12:00:00Z") ? text + 11 : "");
}

void
chart_growth_large(const struct report_database *d, struct buf *out)
{
	struct chart_frame f = {.left = 0, .top = 4, .width = 640, .height = 156};

	if (d->growth_len < 2) {
		buf_append_str(
		    out, "<p class=\"dim\">Nothing to draw before the second good round.</p>");
		return;
	}
	f = frame_of(d, f);
	buf_append_str(out, "<figure class=\"chart\">");
	/* The drawing is stretched to the width there is; what is written stands below it. */
	begin_growth(d, "large", "viewBox=\"0 0 640 160\" preserveAspectRatio=\"none\"", out);
	append_line(d, &f, out);
	buf_append_str(out, "</svg><figcaption class=\"axis\">");
	append_end(&d->growth[0], f.to_at - f.from_at, out);
	append_end(&d->growth[d->growth_len - 1], f.to_at - f.from_at, out);
	buf_append_str(out, "</figcaption></figure>\n");
}

/* The ticks of all rounds of one class; the taller, the worse. */
static void
append_ticks(const struct report_database *d, const char *class, struct buf *out)
{
	size_t first = REPORT_ROUNDS_KEPT - d->last_len, i;
	bool any = false;
	int height = strcmp(class, "alarm") == 0 ? 20 : strcmp(class, "error") == 0 ? 6 : 12;

	for (i = 0; i < d->last_len; i++) {
		if (strcmp(html_class(d->last[i].verdict), class) != 0)
			continue;
		if (!any)
			buf_printf(out, "<path class=\"%s\" d=\"", class);
		buf_printf(out, "M%zu %dh3v%dh-3z", (first + i) * TICK_STEP, 22 - height, height);
		any = true;
	}
	if (any)
		buf_append_str(out, "\"/>");
}

/* "30 ok, 2 unreachable" */
static void
append_rounds_text(const struct report_database *d, struct buf *out)
{
	unsigned counts[AUDIT_VERDICTS] = {0};
	bool any = false;
	size_t i;
	int v;

	for (i = 0; i < d->last_len; i++)
		counts[d->last[i].verdict]++;
	for (v = 0; v < AUDIT_VERDICTS; v++) {
		if (counts[v] == 0)
			continue;
		buf_printf(out, "%s%u %s", any ? ", " : "", counts[v],
		    audit_verdict_info((enum audit_verdict)v)->word);
		any = true;
	}
}

void
chart_rounds(const struct report_database *d, struct buf *out)
{
	if (d->last_len == 0) {
		buf_append_str(out, "<span class=\"dim\">none yet</span>");
		return;
	}
	buf_printf(out, "<svg class=\"rounds\" viewBox=\"0 0 %d 24\" role=\"img\" aria-label=\"",
	    REPORT_ROUNDS_KEPT * TICK_STEP);
	append_rounds_text(d, out);
	buf_append_str(out, "\">");
	append_ticks(d, "ok", out);
	append_ticks(d, "unknown", out);
	append_ticks(d, "error", out);
	append_ticks(d, "alarm", out);
	buf_append_str(out, "</svg>");
}
