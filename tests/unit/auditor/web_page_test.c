/* The pages: well-formed whatever the report holds, and they say what they must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auditor/markup_check.h"
#include "auditor/web_sample.h"
#include "web_html.h"

#define NOW 1709208000.0
#define PAGE_MAX (4u << 20)
/* What a row of the table may cost. */
#define ROW_MAX 3500

struct fixture {
	struct report report;
	struct web_view view;
	struct buf page;
};

static void
show(struct fixture *f, enum web_sample sample)
{
	*f = (struct fixture){.view = {.profile = "immuclient",
				  .program = "auditor",
				  .now = NOW,
				  .report = &f->report,
				  .has_evidence = true}};
	web_sample_make(&f->report, sample, NOW);
	buf_init(&f->page, PAGE_MAX);
}

static void
hide(struct fixture *f)
{
	buf_free(&f->page);
	report_free(&f->report);
}

static const char *
page_text(struct fixture *f)
{
	const char *wrong = markup_check(buf_bytes(&f->page));

	assert_int_equal(f->page.err, IM_OK);
	if (wrong)
		fail_msg("%s", wrong);
	buf_append_u8(&f->page, '\0');
	return (const char *)f->page.data;
}

static const char *
status_page(struct fixture *f)
{
	buf_clear(&f->page);
	web_make_page(&f->view, &f->page);
	return page_text(f);
}

static const char *
database_page(struct fixture *f, const char *name)
{
	const struct report_database *d = report_find_database(&f->report, name);

	assert_non_null(d);
	buf_clear(&f->page);
	web_make_database(&f->view, d, &f->page);
	return page_text(f);
}

#define assert_has(text, part) \
	do { \
		if (!strstr(text, part)) \
			fail_msg("not on the page: %s", part); \
	} while (0)
#define assert_lacks(text, part) assert_null(strstr(text, part))

static size_t
count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		n++;
	return n;
}

/* The check has to see what it is for, or the other cases prove nothing. */
static void
page_check_sees_faults(void **state)
{
	static const char *const bad[] = {"<p>", "<p></b></p>", "<p a=b></p>", "&nbsp;", "<p>&</p>",
	    "<p onclick=\"x\"></p>", "<p style=\"x\"></p>", "<script></script>", "\x01", "\xff",
	    "<a href=\"http://x/\"></a>", "<a href=\"//x/\"></a>", "<a href=\"javascript:x\"></a>",
	    "<p a=\"x", "</p>", "<img src=x>"};
	struct buf page;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		buf_init(&page, 1024);
		buf_printf(&page, "<!DOCTYPE html>\n<html>%s</html>", bad[i]);
		if (!markup_check(buf_bytes(&page)))
			fail_msg("passes: %s", bad[i]);
		buf_free(&page);
	}
	assert_null(markup_check(bytes_str("<!DOCTYPE html>\n<p a=\"1\">&amp;<br/></p>")));
}

static void
page_is_well_formed(void **state)
{
	struct fixture f;
	int sample;
	size_t i;

	(void)state;
	for (sample = 0; sample < SAMPLES; sample++) {
		show(&f, (enum web_sample)sample);
		status_page(&f);
		f.view.has_evidence = false;
		f.view.refresh_seconds = 30;
		assert_has(status_page(&f), "http-equiv=\"refresh\" content=\"30\"");
		for (i = 0; i < f.report.databases_len; i++)
			database_page(&f, f.report.databases[i]->name);
		hide(&f);
	}
}

static void
page_escapes(void **state)
{
	struct fixture f;
	const char *page;

	(void)state;
	show(&f, SAMPLE_HOSTILE);
	page = status_page(&f);
	assert_lacks(page, "<script");
	assert_lacks(page, "<img");
	assert_lacks(page, "\xe2\x80\xae");
	assert_lacks(page, "\x1b");
	assert_has(page, "&lt;script&gt;alert(1)&lt;/script&gt;");
	assert_has(page, "href=\"/database/%3Cscript%3Ealert%281%29%3C%2Fscript%3E\"");
	assert_has(page, "href=\"/database/%2E.\"");
	assert_has(page, "a&quot;onmouseover=&quot;x");
	assert_has(page, "<bdi>&amp;lt;</bdi>");
	/* A name that cannot be one of a file is no link. */
	assert_lacks(page, "href=\"/evidence/");
	assert_has(page, "<code>a&amp;b&lt;c&gt;&#39;d%2e.immuproof</code>");
	assert_has(database_page(&f, ".."), "<code>script&gt;</code>");
	hide(&f);
}

static void
page_tells_an_alarm(void **state)
{
	struct fixture f;
	const char *page, *alarm;

	(void)state;
	show(&f, SAMPLE_ALARM);
	page = status_page(&f);
	assert_has(page, "<title>rolled-back");
	assert_has(page, "Alarm: rolled back");
	assert_has(page, "1 of 3 databases raises an alarm");
	assert_has(page, "expected transaction 48,211 or a later one");
	assert_has(page, "transactions 47,901 to 48,211");
	assert_has(page,
	    "href=\"/evidence/br8eugq036tfln0ct6o0-payments-20240229T120000Z-rolled-back.proof\"");
	assert_lacks(page, "/var/lib/immudb");
	/* The worst first. */
	alarm = strstr(page, "<tbody");
	assert_non_null(alarm);
	assert_true(strstr(alarm, "payments") < strstr(alarm, "sensors_north"));
	assert_true(strstr(alarm, "sensors_north") < strstr(alarm, "defaultdb"));
	page = database_page(&f, "payments");
	assert_has(page, "2024-02-29 11:49:20 UTC");
	assert_has(page, "auditor ack");
	/* A server that is away beside that is said, and not in place of it. */
	f.report.server.verdict = AUDIT_UNREACHABLE;
	snprintf(f.report.server.reason, REPORT_TEXT_MAX, "connection <refused>");
	page = status_page(&f);
	assert_has(page, "Alarm: rolled back");
	assert_has(page, "connection &lt;refused&gt;");
	/* What is fetched elsewhere is only named. */
	f.view.has_evidence = false;
	assert_lacks(status_page(&f), "/evidence/");
	hide(&f);
}

static void
page_says_why_there_is_nothing(void **state)
{
	struct fixture f;

	(void)state;
	show(&f, SAMPLE_EMPTY);
	assert_has(status_page(&f), "The first round is under way.");
	assert_lacks((const char *)f.page.data, "<table");
	f.report.server.rounds = 1;
	f.report.server.verdict = AUDIT_OK;
	assert_has(status_page(&f), "no database that is to be audited");
	hide(&f);
	show(&f, SAMPLE_UNREACHABLE);
	assert_has(status_page(&f), "connection refused");
	assert_has((const char *)f.page.data, "Unreachable");
	hide(&f);
}

static void
page_holds_a_crowd(void **state)
{
	struct fixture f;
	const char *page;

	(void)state;
	show(&f, SAMPLE_CROWD);
	page = status_page(&f);
	assert_int_equal(f.report.databases_len, 300);
	assert_int_equal(count(page, "role=\"rowheader\""), 300);
	assert_true(f.page.len < 300 * ROW_MAX);
	hide(&f);
}

/* An alarm of each database is in the table, but only a few are told in full. */
static void
page_bounds_its_alarms(void **state)
{
	struct fixture f;
	const char *page;

	(void)state;
	show(&f, SAMPLE_HOSTILE);
	page = status_page(&f);
	assert_int_equal(count(page, "<article"), 5);
	assert_has(page, "5 more stand first in the table");
	assert_int_equal(count(page, "role=\"rowheader\""), 10);
	hide(&f);
}

static void
check_duration(double seconds, const char *expected)
{
	struct buf out;

	buf_init(&out, 64);
	html_duration(&out, seconds);
	buf_append_u8(&out, '\0');
	assert_string_equal((const char *)out.data, expected);
	buf_free(&out);
}

static void
page_numbers(void **state)
{
	struct buf out;

	(void)state;
	check_duration(0, "0 ms");
	check_duration(-5, "0 ms");
	check_duration(.0421, "42 ms");
	check_duration(1.9, "1 s");
	check_duration(60, "1 min");
	check_duration(61, "1 min 1 s");
	check_duration(3600, "1 h");
	check_duration(86399, "23 h 59 min");
	check_duration(86400 * 400.5, "400 d 12 h");
	buf_init(&out, 64);
	html_number(&out, UINT64_MAX);
	buf_append_u8(&out, ' ');
	html_number(&out, 1000);
	buf_append_u8(&out, ' ');
	html_number(&out, 0);
	buf_append_u8(&out, '\0');
	assert_string_equal((const char *)out.data, "18,446,744,073,709,551,615 1,000 0");
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(page_check_sees_faults),
	    cmocka_unit_test(page_is_well_formed),
	    cmocka_unit_test(page_escapes),
	    cmocka_unit_test(page_tells_an_alarm),
	    cmocka_unit_test(page_says_why_there_is_nothing),
	    cmocka_unit_test(page_holds_a_crowd),
	    cmocka_unit_test(page_bounds_its_alarms),
	    cmocka_unit_test(page_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
