/* Counters, gauges and histograms, as they are shown and under updates from threads. */
#include "util_testing.h"

#include <math.h>
#include <pthread.h>

#include "util/metrics.h"

static struct metrics *m;
static struct buf text;

static int
setup(void **state)
{
	(void)state;
	m = metrics_new();
	buf_init(&text, 10000000);
	return m ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	metrics_free(m);
	buf_free(&text);
	return 0;
}

static const char *
render(void)
{
	buf_clear(&text);
	assert_ok(metrics_render(m, &text));
	return buf_text(&text);
}

static void
counters_and_gauges_are_shown(void **state)
{
	struct metric_family *c = metrics_family(m,
	    &(struct metric_desc){
		.name = "t_total", .help = "Things\\done.\nAll.", .type = METRIC_COUNTER});
	struct metric_family *g = metrics_family(m,
	    &(struct metric_desc){
		.name = "t_now", .help = "Now.", .type = METRIC_GAUGE, .labels = {"db", "kind"}});

	(void)state;
	metric_inc(metric_single(c));
	metric_add(metric_single(c), UINT64_C(9007199254740993));
	metric_set(metric_series(g, (const char *[]){"a\"\\\n", "x"}), 1.5);
	metric_shift(metric_series(g, (const char *[]){"a\"\\\n", "x"}), -2);
	metric_set(metric_series(g, (const char *[]){"b\xff", "y"}), INFINITY);
	assert_string_equal(render(),
	    "# HELP t_total Things\\\\done.\\nAll.\n"
	    "# TYPE t_total counter\n"
	    "t_total 9007199254740994\n"
	    "# HELP t_now Now.\n"
	    "# TYPE t_now gauge\n"
	    "t_now{db=\"a\\\"\\\\\\n\",kind=\"x\"} -0.5\n"
	    "t_now{db=\"b\xef\xbf\xbd\",kind=\"y\"} +Inf\n");
}

static void
histograms_add_up(void **state)
{
	static const double bounds[] = {.1, 1, 10};
	struct metric_family *f = metrics_family(m,
	    &(struct metric_desc){.name = "t_seconds",
		.help = "Time.",
		.type = METRIC_HISTOGRAM,
		.labels = {"op"},
		.bounds = bounds,
		.bound_count = 3});
	struct metric *s = metric_labelled(f, "get");

	(void)state;
	metric_observe(s, .1);
	metric_observe(s, .5);
	metric_observe(s, 5);
	metric_observe(s, 50);
	metric_observe(s, NAN);
	assert_true(metric_value(s) == 4);
	assert_string_equal(render(),
	    "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n"
	    "t_seconds_bucket{op=\"get\",le=\"0.1\"} 1\n"
	    "t_seconds_bucket{op=\"get\",le=\"1\"} 2\n"
	    "t_seconds_bucket{op=\"get\",le=\"10\"} 3\n"
	    "t_seconds_bucket{op=\"get\",le=\"+Inf\"} 4\n"
	    "t_seconds_sum{op=\"get\"} 55.6\n"
	    "t_seconds_count{op=\"get\"} 4\n");
}

static void
too_many_labels_flow_over(void **state)
{
	struct metric_family *f = metrics_family(m,
	    &(struct metric_desc){.name = "t_clients",
		.help = "Clients.",
		.type = METRIC_COUNTER,
		.labels = {"ip"},
		.max_series = 3});
	char ip[16], longer[1000];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(ip, sizeof ip, "10.0.0.%d", i);
		metric_inc(metric_labelled(f, ip));
	}
	metric_retire(metric_labelled(f, "10.0.0.7"));
	metric_inc(metric_labelled(f, "10.0.0.2"));
	assert_has(render(), "t_clients{ip=\"10.0.0.2\"} 2\n");
	assert_has(render(), "t_clients{ip=\"(other)\"} 7\n");
	assert_lacks(render(), "10.0.0.3");
	/* A name that is too long is cut between characters. */
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	memcpy(longer + METRIC_MAX_LABEL_BYTES - 1, "\xc3\xbc", 2);
	f = metrics_family(m,
	    &(struct metric_desc){
		.name = "t_long", .help = "Long.", .type = METRIC_COUNTER, .labels = {"v"}});
	metric_inc(metric_labelled(f, longer));
	longer[METRIC_MAX_LABEL_BYTES + 10] = '\0';
	metric_inc(metric_labelled(f, longer));
	assert_has(render(), "xx\"} 2\n");
	assert_lacks(render(), "\xc3");
}

static void
a_retired_series_comes_back_from_zero(void **state)
{
	struct metric_family *f = metrics_family(m,
	    &(struct metric_desc){
		.name = "t_db", .help = "Databases.", .type = METRIC_GAUGE, .labels = {"db"}});
	struct metric *s = metric_labelled(f, "a");

	(void)state;
	metric_set(s, 7);
	assert_has(render(), "t_db{db=\"a\"} 7\n");
	metric_retire(s);
	assert_lacks(render(), "t_db{");
	assert_ptr_equal(metric_labelled(f, "a"), s);
	assert_has(render(), "t_db{db=\"a\"} 0\n");
}

static double
read_int(void *arg)
{
	return *(int *)arg;
}

static struct metric *collected;

static void
collect(void *arg)
{
	metric_shift(collected, *(int *)arg);
}

static void
callbacks_and_collectors_are_asked(void **state)
{
	struct metric_family *f = metrics_family(
	    m, &(struct metric_desc){.name = "t_cb", .help = "C.", .type = METRIC_GAUGE});
	struct metric_family *g = metrics_family(
	    m, &(struct metric_desc){.name = "t_col", .help = "C.", .type = METRIC_GAUGE});
	int v = 5;

	(void)state;
	metric_set_callback(metric_single(f), read_int, &v);
	collected = metric_single(g);
	assert_ok(metrics_on_collect(m, collect, &v));
	assert_has(render(), "t_cb 5\n");
	v = 6;
	assert_has(render(), "t_cb 6\n");
	assert_true(metric_value(metric_single(f)) == 6);
	assert_true(metric_value(collected) == 11);
	metrics_off_collect(m, collect, &v);
	metric_set_callback(metric_single(f), NULL, NULL);
	assert_has(render(), "t_cb 0\n");
	assert_true(metric_value(collected) == 11);
	for (int i = 0; i < 1000; i++) {
		enum im_err err = metrics_on_collect(m, collect, &v);

		if (err) {
			assert_err(IM_ERR_LIMIT, err);
			return;
		}
	}
	fail_msg("no limit of collectors");
}

static void
nothing_breaks_without_a_series(void **state)
{
	(void)state;
	metric_inc(NULL);
	metric_set(NULL, 1);
	metric_shift(NULL, 1);
	metric_observe(NULL, 1);
	metric_retire(NULL);
	metric_set_callback(NULL, NULL, NULL);
	assert_true(metric_value(NULL) == 0);
	assert_null(metric_single(NULL));
	assert_null(metric_labelled(NULL, "x"));
}

static void
a_full_buffer_is_an_error(void **state)
{
	struct buf small;

	(void)state;
	assert_ok(metrics_add_process(m));
	buf_init(&small, 100);
	assert_err(IM_ERR_LIMIT, metrics_render(m, &small));
	buf_free(&small);
}

static void
the_process_is_shown(void **state)
{
	static const char *const names[] = {"process_cpu_seconds_total", "process_open_fds",
	    "process_max_fds", "process_virtual_memory_bytes", "process_resident_memory_bytes",
	    "process_threads", "process_start_time_seconds"};
	char line[100];
	const char *at;

	(void)state;
	assert_ok(metrics_add_process(m));
	(void)render();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(line, sizeof line, "\n%s ", names[i]);
		at = strstr((const char *)text.data, line);
		assert_non_null(at);
		if (i > 0)
			assert_true(strtod(at + strlen(line), NULL) > 0);
	}
	at = strstr((const char *)text.data, "\nprocess_threads ");
	assert_true(strtod(at + strlen("\nprocess_threads "), NULL) == 1);
	at = strstr((const char *)text.data, "\nprocess_start_time_seconds ");
	assert_true(strtod(at + strlen("\nprocess_start_time_seconds "), NULL) > 1.7e9);
}

#define UPDATES 20000

static struct metric_family *shared_counter, *shared_histogram;

static void *
update(void *arg)
{
	char label[8];

	(void)arg;
	for (int i = 0; i < UPDATES; i++) {
		snprintf(label, sizeof label, "%d", i % 50);
		metric_inc(metric_labelled(shared_counter, label));
		metric_observe(metric_single(shared_histogram), 1);
	}
	return NULL;
}

static void
no_update_of_a_thread_is_lost(void **state)
{
	pthread_t threads[2];
	double sum = 0;
	char label[8];

	(void)state;
	shared_counter = metrics_family(m,
	    &(struct metric_desc){
		.name = "t_c", .help = "C.", .type = METRIC_COUNTER, .labels = {"n"}});
	shared_histogram = metrics_family(m,
	    &(struct metric_desc){.name = "t_h",
		.help = "H.",
		.type = METRIC_HISTOGRAM,
		.bounds = metric_latency_bounds,
		.bound_count = metric_latency_bound_count});
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, update, NULL), 0);
	for (int i = 0; i < 20; i++)
		(void)render();
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 50; i++) {
		snprintf(label, sizeof label, "%d", i);
		sum += metric_value(metric_labelled(shared_counter, label));
	}
	assert_true(sum == 2 * UPDATES);
	assert_true(metric_value(metric_single(shared_histogram)) == 2 * UPDATES);
	assert_has(render(), "t_h_sum 40000\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(counters_and_gauges_are_shown),
	    T(histograms_add_up),
	    T(too_many_labels_flow_over),
	    T(a_retired_series_comes_back_from_zero),
	    T(callbacks_and_collectors_are_asked),
	    T(nothing_breaks_without_a_series),
	    T(a_full_buffer_is_an_error),
	    T(the_process_is_shown),
	    T(no_update_of_a_thread_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
