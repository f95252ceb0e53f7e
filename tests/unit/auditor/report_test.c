/* The report: databases in order, rounds kept and counted, growth thinned, the worst one found. */
#include "report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DATABASES 200
#define MANY_ROUNDS 5000

static int
report_make(void **state)
{
	struct report *r = calloc(1, sizeof *r);

	assert_non_null(r);
	*state = r;
	return report_init(r, "127.0.0.1:3322", 300) == IM_OK ? 0 : -1;
}

static int
report_remove(void **state)
{
	report_free(*state);
	free(*state);
	return 0;
}

static void
report_starts_unchecked(void **state)
{
	struct report *r = *state;
	enum audit_verdict verdict;

	assert_null(report_worst(r, &verdict));
	assert_int_equal(verdict, AUDIT_NOT_CHECKED);
	/* A server that was reached and of which nothing was checked yet is not good. */
	r->server.verdict = AUDIT_OK;
	assert_null(report_worst(r, &verdict));
	assert_int_equal(verdict, AUDIT_NOT_CHECKED);
	r->server.verdict = AUDIT_UNREACHABLE;
	assert_null(report_worst(r, &verdict));
	assert_int_equal(verdict, AUDIT_UNREACHABLE);
	assert_string_equal(r->server.id, "unknown");
	assert_null(report_find_database(r, "defaultdb"));
	report_drop(r, "defaultdb");
	assert_int_equal(r->databases_len, 0);
}

/* Whatever the order in which they come; each stays where it is while others come and go. */
static void
report_keeps_databases_in_order(void **state)
{
	struct report *r = *state;
	struct report_database *stays = report_database(r, "db100");
	char name[16];
	unsigned i;

	for (i = 0; i < DATABASES; i++) {
		snprintf(name, sizeof name, "db%03u", i * 37 % DATABASES);
		assert_non_null(report_database(r, name));
	}
	assert_int_equal(r->databases_len, DATABASES);
	for (i = 0; i < DATABASES; i++) {
		snprintf(name, sizeof name, "db%03u", i);
		assert_string_equal(r->databases[i]->name, name);
		assert_ptr_equal(report_find_database(r, name), r->databases[i]);
	}
	for (i = 1; i < DATABASES; i += 2) {
		snprintf(name, sizeof name, "db%03u", i);
		report_drop(r, name);
		assert_null(report_find_database(r, name));
	}
	assert_int_equal(r->databases_len, DATABASES / 2);
	for (i = 0; i < DATABASES / 2; i++) {
		snprintf(name, sizeof name, "db%03u", 2 * i);
		assert_string_equal(r->databases[i]->name, name);
	}
	assert_ptr_equal(report_database(r, "db100"), stays);
}

static void
report_counts_rounds(void **state)
{
	struct report *r = *state;
	struct report_database *d = report_database(r, "defaultdb");
	const struct report_round bad = {.at = 50, .seconds = 2, .verdict = AUDIT_UNREACHABLE};
	unsigned i;

	for (i = 0; i < REPORT_ROUNDS_KEPT + 8; i++)
		report_add_round(d,
		    &(struct report_round){
			.at = i, .seconds = .5, .verdict = AUDIT_OK, .tx = i, .sampled = 3});
	report_add_round(d, &bad);
	assert_int_equal(d->rounds, REPORT_ROUNDS_KEPT + 9);
	assert_int_equal(d->sampled, 3 * (REPORT_ROUNDS_KEPT + 8));
	assert_int_equal(d->verdicts[AUDIT_OK], REPORT_ROUNDS_KEPT + 8);
	assert_int_equal(d->verdicts[AUDIT_UNREACHABLE], 1);
	assert_true(d->seconds == .5 * (REPORT_ROUNDS_KEPT + 8) + 2);
	assert_int_equal(d->last_len, REPORT_ROUNDS_KEPT);
	assert_int_equal(d->last[REPORT_ROUNDS_KEPT - 1].verdict, AUDIT_UNREACHABLE);
	assert_int_equal(d->last[0].tx, 9);
	assert_int_equal(d->latest, AUDIT_UNREACHABLE);
	assert_true(d->run_at == 52);
	assert_true(d->last_success == REPORT_ROUNDS_KEPT + 7.5);
	/*
	 * A round that failed says nothing of growth, and the verdict shown is for others to set.
	 */
	assert_int_equal(d->growth[d->growth_len - 1].tx, REPORT_ROUNDS_KEPT + 7);
	assert_int_equal(d->verdict, AUDIT_NOT_CHECKED);
}

/* However long it runs: bounded, in order, from the first point to the last. */
static void
report_thins_growth(void **state)
{
	struct report *r = *state;
	struct report_database *d = report_database(r, "defaultdb");
	size_t i;

	for (i = 0; i < MANY_ROUNDS; i++) {
		report_add_round(
		    d, &(struct report_round){.at = (double)i, .verdict = AUDIT_OK, .tx = i + 1});
		assert_in_range(d->growth_len, 1, REPORT_GROWTH_KEPT);
		assert_int_equal(d->growth[0].tx, 1);
		assert_int_equal(d->growth[d->growth_len - 1].tx, i + 1);
	}
	for (i = 1; i < d->growth_len; i++) {
		assert_true(d->growth[i].at > d->growth[i - 1].at);
		assert_true(d->growth[i].tx > d->growth[i - 1].tx);
	}
	assert_true(d->growth_len > REPORT_GROWTH_KEPT / 4);
}

static void
report_finds_the_worst(void **state)
{
	struct report *r = *state;
	enum audit_verdict verdict;

	r->server.verdict = AUDIT_OK;
	report_database(r, "a")->verdict = AUDIT_OK;
	report_database(r, "b")->verdict = AUDIT_FIRST_SEEN;
	assert_string_equal(report_worst(r, &verdict)->name, "b");
	assert_int_equal(verdict, AUDIT_FIRST_SEEN);
	report_database(r, "d")->verdict = AUDIT_FORKED;
	report_database(r, "c")->verdict = AUDIT_FORKED;
	report_database(r, "e")->verdict = AUDIT_ERROR;
	assert_string_equal(report_worst(r, &verdict)->name, "c");
	assert_int_equal(verdict, AUDIT_FORKED);
	/* The server's own counts too, but an alarm is not lost behind it. */
	r->server.verdict = AUDIT_UNREACHABLE;
	report_worst(r, &verdict);
	assert_int_equal(verdict, AUDIT_FORKED);
	report_drop(r, "c");
	report_drop(r, "d");
	report_drop(r, "e");
	assert_string_equal(report_worst(r, &verdict)->name, "b");
	assert_int_equal(verdict, AUDIT_UNREACHABLE);
}

#define REPORT_TEST(test) cmocka_unit_test_setup_teardown(test, report_make, report_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    REPORT_TEST(report_starts_unchecked),
	    REPORT_TEST(report_keeps_databases_in_order),
	    REPORT_TEST(report_counts_rounds),
	    REPORT_TEST(report_thins_growth),
	    REPORT_TEST(report_finds_the_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
