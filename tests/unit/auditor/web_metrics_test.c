/* /metrics: what the overview page prints, and numbers that mean what they should. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auditor/web_sample.h"
#include "util/file.h"
#include "web_view.h"

#define NOW 1709208000.0
#define TEXT_MAX (16u << 20)

#define SERVER "server_address=\"127.0.0.1:3322\",server_id=\"br8eugq036tfln0ct6o0\""

struct fixture {
	struct report report;
	struct web_view view;
	struct buf text;
};

static void
show(struct fixture *f, enum web_sample sample, const char *profile)
{
	*f =
	    (struct fixture){.view = {.profile = profile,
				 .program = "auditor",
				 .now = NOW,
				 .report = &f->report,
				 .alerts = {.queued = 7, .delivered = 4, .failed = 9, .waiting = 3},
				 .peers = {.asked = 6, .failed = 2}}};
	web_sample_make(&f->report, sample, NOW);
	buf_init(&f->text, TEXT_MAX);
}

static void
hide(struct fixture *f)
{
	buf_free(&f->text);
	report_free(&f->report);
}

static const char *
metrics_text(struct fixture *f)
{
	buf_clear(&f->text);
	web_make_metrics(&f->view, &f->text);
	buf_append_u8(&f->text, '\0');
	assert_int_equal(f->text.err, IM_OK);
	return (const char *)f->text.data;
}

/* The value of a series, NAN if it is not there. */
static double
value_of(const char *text, const char *series)
{
	const char *at = text;
	size_t len = strlen(series);

	for (; (at = strstr(at, series)) != NULL; at += len)
		if ((at == text || at[-1] == '\n') && at[len] == ' ')
			return strtod(at + len, NULL);
	fail_msg("no series %s", series);
	return NAN;
}

static void
check_value(const char *text, const char *series, double expected)
{
	double value = value_of(text, series);

	if (value != expected)
		fail_msg("%s is %f, not %f", series, value, expected);
}

/* One line: the same bytes, but for a number at its end, which may be written in another way. */
static void
expect_line(const char *expected, const char *line)
{
	const char *number = strrchr(expected, ' ');
	char *end;

	assert_non_null(number);
	if (expected[0] == '#') {
		assert_int_equal(strncmp(line, expected, strlen(expected)), 0);
		assert_int_equal(line[strlen(expected)], '\n');
		return;
	}
	if (strncmp(line, expected, (size_t)(number - expected + 1)) != 0)
		fail_msg("expected %s, not %.200s", expected, line);
	assert_true(strtod(line + (number - expected), &end) == strtod(number, NULL));
	assert_int_equal(*end, '\n');
}

/* The metrics begin with the lines that the overview page prints. */
static void
expect_printed(const char *file, enum web_sample sample, const char *profile)
{
	struct fixture f;
	struct buf printed;
	const char *text;
	char *line, *rest;

	show(&f, sample, profile);
	text = metrics_text(&f);
	buf_init(&printed, 65536);
	assert_int_equal(file_read(file, 65535, &printed), IM_OK);
	buf_append_u8(&printed, '\0');
	for (line = strtok_r((char *)printed.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		expect_line(line, text);
		text = strchr(text, '\n') + 1;
	}
	buf_free(&printed);
	hide(&f);
}

static void
metrics_as_printed(void **state)
{
	(void)state;
	expect_printed(
	    TEST_SOURCE_DIR "/tests/golden/auditor-metrics-immugw.txt", SAMPLE_OK, "immugw");
	expect_printed(TEST_SOURCE_DIR "/tests/golden/auditor-metrics-immuclient.txt",
	    SAMPLE_FIRST_SEEN, "immuclient");
}

static void
metrics_before_the_first_round(void **state)
{
	struct fixture f;
	const char *text;

	(void)state;
	show(&f, SAMPLE_EMPTY, "immuclient");
	text = metrics_text(&f);
#define UNKNOWN "{server_address=\"127.0.0.1:3322\",server_id=\"unknown\"}"
	check_value(text, "immuclient_audit_result_per_server" UNKNOWN, -1);
	check_value(text, "immuclient_audit_prev_root_per_server" UNKNOWN, -1);
	check_value(text, "immuclient_audit_curr_root_per_server" UNKNOWN, -1);
	check_value(text, "immuclient_audit_run_at_per_server" UNKNOWN, NOW - 2);
	assert_null(strstr(text, "uptime_hours"));
	hide(&f);
	show(&f, SAMPLE_UNREACHABLE, "immugw");
	text = metrics_text(&f);
	check_value(text, "immugw_audit_result_per_server" UNKNOWN, -2);
	check_value(text, "immugw_audit_prev_root_per_server" UNKNOWN, -2);
	check_value(text, "immugw_audit_curr_root_per_server" UNKNOWN, -2);
	check_value(text, "immugw_audit_run_at_per_server" UNKNOWN, NOW - 40);
	check_value(text, "immugw_uptime_hours", 72);
	hide(&f);
}

/* The server is as bad as its worst database, and shows that one's states. */
static void
metrics_show_the_worst(void **state)
{
	struct fixture f;
	const char *text;

	(void)state;
	show(&f, SAMPLE_ALARM, "immuclient");
	text = metrics_text(&f);
	check_value(text, "immuclient_audit_result_per_server{" SERVER "}", 0);
	check_value(text, "immuclient_audit_prev_root_per_server{" SERVER "}", 48211);
	check_value(text, "immuclient_audit_curr_root_per_server{" SERVER "}", 47900);
	/* An alarm stays when the server goes away. */
	f.report.server.verdict = AUDIT_UNREACHABLE;
	check_value(metrics_text(&f), "immuclient_audit_result_per_server{" SERVER "}", 0);
	f.report.server.verdict = AUDIT_IDENTITY_CHANGED;
	report_database(&f.report, "payments")->verdict = AUDIT_OK;
	text = metrics_text(&f);
	check_value(text, "immuclient_audit_result_per_server{" SERVER "}", 0);
	check_value(text, "immuclient_audit_server_result{" SERVER "}", 0);
	hide(&f);
}

static void
metrics_of_databases(void **state)
{
	struct fixture f;
	const char *text;
	struct report_database *d;

	(void)state;
	show(&f, SAMPLE_ALARM, "immuclient");
	d = report_database(&f.report, "payments");
	d->latest = AUDIT_OK;
	text = metrics_text(&f);
#define DB(name) "{" SERVER ",db=\"" name "\"}"
#define DB_VERDICT(name, word) "{" SERVER ",db=\"" name "\",verdict=\"" word "\"}"
#define AUDIT "immuclient_audit_"
	check_value(text, AUDIT "result_per_database" DB("payments"), 0);
	check_value(text, AUDIT "latest_result_per_database" DB("payments"), 1);
	check_value(text, AUDIT "result_per_database" DB("sensors_north"), -2);
	check_value(text, AUDIT "curr_root_per_database" DB("sensors_north"), -2);
	check_value(text, AUDIT "result_per_database" DB("defaultdb"), 1);
	check_value(text, AUDIT "curr_root_per_database" DB("defaultdb"), 1250);
	check_value(text, AUDIT "verdict" DB_VERDICT("payments", "rolled-back"), 1);
	check_value(text, AUDIT "verdict" DB_VERDICT("payments", "ok"), 0);
	check_value(text, AUDIT "rounds_total" DB_VERDICT("payments", "rolled-back"), 3);
	check_value(text, AUDIT "rounds_total" DB_VERDICT("payments", "ok"), 799);
	check_value(text, AUDIT "rounds_total" DB_VERDICT("payments", "forked"), 0);
	check_value(text, AUDIT "round_duration_seconds_count" DB("payments"), 803);
	assert_true(fabs(value_of(text, AUDIT "round_duration_seconds_sum" DB("payments")) -
			(800 * .21 + 3 * .05)) < 1e-6);
	check_value(text, AUDIT "suspect_from_tx" DB("payments"), 47901);
	check_value(text, AUDIT "suspect_to_tx" DB("payments"), 48211);
	check_value(text, AUDIT "alarm_since_timestamp_seconds" DB("payments"), NOW - 640);
	check_value(text, AUDIT "alarm_since_timestamp_seconds" DB("sensors_north"), 0);
	check_value(text, AUDIT "sampled_entries_total" DB("defaultdb"), 160000);
	check_value(text, AUDIT "swept_entries_total" DB("defaultdb"), 3750);
	check_value(text, AUDIT "databases{" SERVER "}", 3);
	check_value(text, AUDIT "alerts_waiting{" SERVER "}", 3);
	check_value(text, AUDIT "alert_failures_total{" SERVER "}", 9);
	check_value(text, AUDIT "peer_failures_total{" SERVER "}", 2);
	check_value(text, AUDIT "interval_seconds{" SERVER "}", 300);
	hide(&f);
}

/* The page for operators names every family. */
static void
metrics_are_documented(void **state)
{
	static const char head[] = "# HELP immugw_";
	struct fixture f;
	struct buf page;
	const char *at;
	char name[128];

	(void)state;
	buf_init(&page, 65536);
	assert_int_equal(file_read(TEST_SOURCE_DIR "/auditor/MONITORING.md", 65535, &page), IM_OK);
	buf_append_u8(&page, '\0');
	show(&f, SAMPLE_OK, "immugw");
	for (at = metrics_text(&f); (at = strstr(at, head)) != NULL; at += sizeof head) {
		at += strlen(head);
		if (strncmp(at, "audit_", 6) == 0)
			snprintf(name, sizeof name, "`%.*s`", (int)strcspn(at + 6, " "), at + 6);
		else
			snprintf(name, sizeof name, "`immugw_%.*s`", (int)strcspn(at, " "), at);
		if (!strstr((const char *)page.data, name))
			fail_msg("MONITORING.md does not name %s", name);
	}
	buf_free(&page);
	hide(&f);
}

/* "name{label="value",...} number"; the end of the line, or NULL. */
static const char *
skip_series(const char *at)
{
	char *end;

	at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
	if (*at++ != '{')
		return NULL;
	do {
		at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
		if (strncmp(at, "=\"", 2) != 0)
			return NULL;
		for (at += 2; *at != '"'; at++)
			if (*at == '\n' || *at == '\0' || (*at == '\\' && !strchr("n\"\\", *++at)))
				return NULL;
	} while (*++at == ',' && *++at);
	if (strncmp(at, "} ", 2) != 0)
		return NULL;
	strtod(at + 2, &end);
	return *end == '\n' ? end : NULL;
}

static void
metrics_escape(void **state)
{
	struct fixture f;
	const char *at, *end;

	(void)state;
	show(&f, SAMPLE_HOSTILE, "immuclient");
	for (at = metrics_text(&f); *at; at = end + 1) {
		end = *at == '#' ? strchr(at, '\n') : skip_series(at);
		if (!end)
			fail_msg("not a series: %.300s", at);
	}
	assert_non_null(strstr(metrics_text(&f), "db=\"a\\\"onmouseover=\\\"x\""));
	assert_non_null(strstr(metrics_text(&f), "db=\"new\\nline\\\\n\""));
	hide(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(metrics_as_printed),
	    cmocka_unit_test(metrics_before_the_first_round),
	    cmocka_unit_test(metrics_show_the_worst),
	    cmocka_unit_test(metrics_of_databases),
	    cmocka_unit_test(metrics_escape),
	    cmocka_unit_test(metrics_are_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
