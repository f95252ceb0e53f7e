/*
 * Drawings: numbers in their field whatever the points are, a text beside each, and never too many
 * points.
 */
#include "web_chart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DRAWING_MAX 65536
#define POINTS_MAX 48

typedef void draw(const struct report_database *d, struct buf *out);

static const char *
drawn(draw *how, const struct report_database *d)
{
	static char text[DRAWING_MAX + 1];
	struct buf out;

	buf_init_in(&out, text, DRAWING_MAX);
	how(d, &out);
	assert_int_equal(out.err, IM_OK);
	text[out.len] = '\0';
	return text;
}

static size_t
count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		n++;
	return n;
}

/* All coordinates of the line are numbers from 0 to the given ends. */
static void
expect_inside(const char *text, double width, double height)
{
	const char *at = strstr(text, "class=\"line\" d=\"");
	char *end;

	assert_non_null(at);
	at += strlen("class=\"line\" d=\"");
	while (*at == 'M' || *at == 'L') {
		double x = strtod(at + 1, &end), y;

		assert_true(end > at + 1 && *end == ' ');
		at = end;
		y = strtod(at + 1, &end);
		assert_true(end > at + 1);
		at = end;
		assert_true(x >= 0 && x <= width && y >= 0 && y <= height);
	}
	assert_int_equal(*at, '"');
}

static void
add(struct report_database *d, double at, uint64_t tx)
{
	d->growth[d->growth_len++] = (struct report_growth){at, tx};
}

static void
chart_of_odd_points(void **state)
{
	static const struct {
		struct report_growth points[3];
		size_t len;
	} cases[] = {
	    {{{5, 1}}, 1},                    /* one */
	    {{{5, 1}, {5, 1}}, 2},            /* the same twice */
	    {{{5, 7}, {6, 7}, {7, 7}}, 3},    /* no growth */
	    {{{5, 0}, {5, 9}}, 2},            /* no time */
	    {{{5, 100}, {6, 3}, {7, 50}}, 3}, /* put back, and that acknowledged */
	    {{{9, 1}, {5, 2}, {7, 3}}, 3},    /* a clock that was set */
	    {{{0, 0}, {4e9, UINT64_MAX}}, 2}, /* large */
	};
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct report_database d = {0};

		for (n = 0; n < cases[i].len; n++)
			add(&d, cases[i].points[n].at, cases[i].points[n].tx);
		expect_inside(drawn(chart_growth_small, &d), 120, 32);
		if (d.growth_len > 1)
			expect_inside(drawn(chart_growth_large, &d), 640, 160);
	}
}

static void
chart_of_nothing(void **state)
{
	const struct report_database d = {0};

	(void)state;
	assert_non_null(strstr(drawn(chart_growth_small, &d), "no history yet"));
	assert_non_null(strstr(drawn(chart_growth_large, &d), "Nothing to draw"));
	assert_non_null(strstr(drawn(chart_rounds, &d), "none yet"));
}

static void
chart_of_many_points(void **state)
{
	struct report_database d = {0};
	const char *text;
	size_t i;

	(void)state;
	for (i = 0; i < REPORT_GROWTH_KEPT; i++)
		add(&d, 1e9 + (double)i * 300, 1 + i * i);
	text = drawn(chart_growth_small, &d);
	expect_inside(text, 120, 32);
	/* The line and the area below it. */
	assert_int_equal(count(text, "L"), 2 * (POINTS_MAX - 1));
	assert_non_null(strstr(text, "aria-label=\"From transaction 1 to 65,026 in 21 h 15 min\""));
	/* The newest is at the right end. */
	assert_non_null(strstr(text, "cx=\"117.0\" cy=\"4.0\""));
	text = drawn(chart_growth_large, &d);
	assert_non_null(strstr(text, "<b>transaction 65,026</b>2001-09-09 23:01"));
}

static void
chart_of_rounds(void **state)
{
	static const enum audit_verdict verdicts[] = {
	    AUDIT_FIRST_SEEN, AUDIT_OK, AUDIT_OK, AUDIT_UNREACHABLE, AUDIT_FORKED};
	struct report_database d = {0};
	const char *text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
		d.last[d.last_len++].verdict = verdicts[i];
	text = drawn(chart_rounds, &d);
	assert_non_null(strstr(text, "aria-label=\"2 ok, 1 first-seen, 1 unreachable, 1 forked\""));
	/* The newest at the right, and each class with a height of its own. */
	assert_non_null(strstr(text, "<path class=\"alarm\" d=\"M155 2h3v20h-3z\"/>"));
	assert_non_null(
	    strstr(text, "<path class=\"ok\" d=\"M140 10h3v12h-3zM145 10h3v12h-3z\"/>"));
	assert_non_null(strstr(text, "<path class=\"error\" d=\"M150 16h3v6h-3z\"/>"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(chart_of_odd_points),
	    cmocka_unit_test(chart_of_nothing),
	    cmocka_unit_test(chart_of_many_points),
	    cmocka_unit_test(chart_of_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
