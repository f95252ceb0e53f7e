/*
 * Metrics as JSON: its form, that it has every sample of the text with the same figure, and that a
 * text that is none is refused.
 */
#include "util_testing.h"

#include <json-c/json.h>
#include <math.h>

#include "util/metrics.h"

static struct metrics *m;
static struct buf text, json, flat;

static int
setup(void **state)
{
	(void)state;
	m = metrics_new();
	buf_init(&text, 1 << 20);
	buf_init(&json, 1 << 20);
	buf_init(&flat, 1 << 20);
	return m ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	metrics_free(m);
	buf_free(&text);
	buf_free(&json);
	buf_free(&flat);
	return 0;
}

static struct metric_family *
family(const char *name, enum metric_type type, const char *label)
{
	static const double bounds[] = {.5, 1e+30};
	struct metric_desc d = {.name = name, .help = "H\\\n.", .type = type, .labels = {label}};

	if (type == METRIC_HISTOGRAM) {
		d.bounds = bounds;
		d.bound_count = 2;
	}
	return metrics_family(m, &d);
}

static const char *
convert(void)
{
	buf_clear(&text);
	buf_clear(&json);
	assert_ok(metrics_render(m, &text));
	assert_ok(metrics_text_to_json(buf_bytes(&text), "immu\"db", &json));
	return buf_text(&json);
}

/* ---- Back to text ---- */

/* name_suffix{labels,le="bound"} value */
static void
flatten_value(const char *name, struct json_object *series, const char *le, struct json_object *v)
{
	struct json_object *labels;
	unsigned n = 0;

	buf_append_str(&flat, name);
	if (json_object_is_type(series, json_type_object) &&
	    json_object_object_get_ex(series, "labels", &labels)) {
		json_object_object_foreach(labels, key, value)
		{
			buf_printf(&flat, "%s%s=\"", n++ ? "," : "{", key);
			metrics_append_escaped(&flat, json_object_get_string(value), true);
			buf_append_str(&flat, "\"");
		}
	}
	if (le)
		buf_printf(&flat, "%sle=\"%s\"", n++ ? "," : "{", le);
	buf_printf(&flat, "%s %s\n", n ? "}" : "", json_object_get_string(v));
}

static void
flatten_series(const char *name, struct json_object *series)
{
	char full[128];

	if (!json_object_is_type(series, json_type_object)) {
		flatten_value(name, series, NULL, series);
		return;
	}
	json_object_object_foreach(series, member, value)
	{
		snprintf(full, sizeof full, "%s_%s", name,
		    strcmp(member, "buckets") == 0 ? "bucket" : member);
		if (strcmp(member, "value") == 0) {
			flatten_value(name, series, NULL, value);
		} else if (strcmp(member, "buckets") == 0) {
			json_object_object_foreach(value, le, count)
			{
				flatten_value(full, series, le, count);
			}
		} else if (strcmp(member, "labels") != 0) {
			flatten_value(full, series, NULL, value);
		}
	}
}

/* The samples of the JSON as the text has them. */
static const char *
flatten(const char *from)
{
	struct json_object *all = json_tokener_parse(from);

	assert_non_null(all);
	buf_clear(&flat);
	json_object_object_foreach(all, name, value)
	{
		if (strcmp(name, "cmdline") == 0)
			continue;
		for (size_t i = 0; json_object_is_type(value, json_type_array) &&
		     i < json_object_array_length(value);
		     i++)
			flatten_series(name, json_object_array_get_idx(value, i));
		if (!json_object_is_type(value, json_type_array))
			flatten_series(name, value);
	}
	json_object_put(all);
	return buf_text(&flat);
}

/* The text without its comments. */
static const char *
samples(void)
{
	char *all = strdup(buf_text(&text)), *rest = all, *line;

	buf_clear(&flat);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] && line[0] != '#')
			buf_printf(&flat, "%s\n", line);
	free(all);
	return buf_text(&flat);
}

/* ---- Tests ---- */

static void
every_form_has_its_place(void **state)
{
	struct metric_family *h = family("t_seconds", METRIC_HISTOGRAM, "m");
	struct metric_family *g = family("t_now", METRIC_GAUGE, "db");

	(void)state;
	(void)family("t_none", METRIC_COUNTER, "db");
	metric_add(
	    metric_single(family("t_total", METRIC_COUNTER, NULL)), UINT64_C(18446744073709551615));
	metric_set(metric_labelled(g, "a\"\\\n\t\x01,}= "), -1.5e-9);
	metric_set(metric_labelled(g, "\xff"), INFINITY);
	metric_set(metric_labelled(g, ""), NAN);
	metric_observe(metric_labelled(h, "Set"), .25);
	metric_observe(metric_labelled(h, "Get"), 2e+300);
	metric_observe(metric_single(family("t_alone", METRIC_HISTOGRAM, NULL)), 1);
	metric_set(metric_single(family("t_low", METRIC_GAUGE, NULL)), -INFINITY);
	assert_string_equal(convert(),
	    "{\"cmdline\":[\"immu\\\"db\"],\n"
	    "\"t_seconds\":[\n"
	    "{\"labels\":{\"m\":\"Set\"},\"buckets\":{\"0.5\":1,\"1e+30\":1,\"+Inf\":1},"
	    "\"sum\":0.25,\"count\":1},\n"
	    "{\"labels\":{\"m\":\"Get\"},\"buckets\":{\"0.5\":0,\"1e+30\":0,\"+Inf\":1},"
	    "\"sum\":2e+300,\"count\":1}\n],\n"
	    "\"t_now\":[\n"
	    "{\"labels\":{\"db\":\"a\\\"\\\\\\n\\t\\u0001,}= \"},\"value\":-1.5e-09},\n"
	    "{\"labels\":{\"db\":\"\xef\xbf\xbd\"},\"value\":\"+Inf\"},\n"
	    "{\"labels\":{\"db\":\"\"},\"value\":\"NaN\"}\n],\n"
	    "\"t_none\":[],\n"
	    "\"t_total\":18446744073709551615,\n"
	    "\"t_alone\":{\"buckets\":{\"0.5\":0,\"1e+30\":1,\"+Inf\":1},\"sum\":1,\"count\":1},\n"
	    "\"t_low\":\"-Inf\"\n}\n");
}

static void
every_sample_of_the_text_is_there(void **state)
{
	static const char summary[] =
	    "# HELP t_s S.\n# TYPE t_s summary\n"
	    "t_s_sum{db=\"a\",x=\"1\"} 0.5\nt_s_count{db=\"a\",x=\"1\"} 2\n"
	    "t_s_sum{db=\"a\",x=\"2\"} 7\nt_s_count{db=\"a\",x=\"2\"} 1\n";
	struct metric_family *h = family("t_h", METRIC_HISTOGRAM, "db");
	struct metric_family *c = family("t_c", METRIC_COUNTER, "db");
	char name[32];
	char *want;

	(void)state;
	assert_ok(metrics_add_process(m));
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "a\"b\\n%d\n", i);
		metric_observe(metric_labelled(h, name), i * 12345.6789);
		metric_add(metric_labelled(c, name), UINT64_C(9007199254740993) + (unsigned)i);
	}
	(void)convert();
	buf_append_str(&text, summary);
	buf_clear(&json);
	assert_ok(metrics_text_to_json(buf_bytes(&text), "p", &json));
	want = strdup(samples());
	assert_string_equal(flatten(buf_text(&json)), want);
	free(want);
}

static void
what_is_no_text_of_metrics_is_refused(void **state)
{
	static const char *const bad[] = {"t 1\n", "#\n", "# TYPE \n", "# TYPE t gauge\nt\n",
	    "# TYPE t gauge\nt x\n", "# TYPE t gauge\nt 01\n", "# TYPE t gauge\nt 1.\n",
	    "# TYPE t gauge\nt 1e\n", "# TYPE t gauge\nt -\n", "# TYPE t gauge\nt  1\n",
	    "# TYPE t gauge\nt 1 2\n", "# TYPE t gauge\nt Inf\n", "# TYPE t gauge\nu 1\n",
	    "# TYPE t gauge\nt_x 1\n", "# TYPE t gauge\nt 1\nt 2\n", "# TYPE t gauge\nt{} 1\n",
	    "# TYPE t gauge\nt{a=\"b} 1\n", "# TYPE t gauge\nt{a=\"b\\\"} 1\n",
	    "# TYPE t gauge\nt{a=\"b\" 1\n", "# TYPE t gauge\nt{a=\"b\",} 1\n",
	    "# TYPE t gauge\nt{a=\"\\", "# TYPE t gauge\nt{le=\"1\"} 1\n",
	    "# TYPE t gauge\nt 1\nt{a=\"b\"} 1\n", "# TYPE t histogram\nt 1\n",
	    "# TYPE t histogram\nt_bucket 1\n", "# TYPE t histogram\nt_sum{le=\"1\"} 1\n",
	    "# TYPE t histogram\nt_bucket{le=\"1\",a=\"b\"} 1\n",
	    "# TYPE t histogram\nt_sum 1\nt_sum{a=\"b\"} 1\n"};
	struct buf exact;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		/* As much as there is, so that a read behind its end is seen. */
		buf_init(&exact, strlen(bad[i]));
		buf_append_str(&exact, bad[i]);
		buf_clear(&json);
		if (metrics_text_to_json(buf_bytes(&exact), "p", &json) != IM_ERR_FORMAT)
			fail_msg("taken: %s", bad[i]);
		buf_free(&exact);
	}
	buf_clear(&json);
	assert_ok(metrics_text_to_json(bytes_str(""), "p", &json));
	assert_string_equal(buf_text(&json), "{\"cmdline\":[\"p\"]\n}\n");
}

static void
a_full_buffer_is_an_error(void **state)
{
	struct buf small;

	(void)state;
	assert_ok(metrics_add_process(m));
	(void)convert();
	buf_init(&small, 100);
	assert_err(IM_ERR_LIMIT, metrics_text_to_json(buf_bytes(&text), "p", &small));
	buf_free(&small);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(every_form_has_its_place),
	    T(every_sample_of_the_text_is_there),
	    T(what_is_no_text_of_metrics_is_refused),
	    T(a_full_buffer_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
