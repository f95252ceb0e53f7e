/* /lastaudit: the members that programs know, of the worst database, and the list of all. */
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auditor/web_sample.h"
#include "web_view.h"

#define NOW 1709208000.0
#define TEXT_MAX (16u << 20)

struct fixture {
	struct report report;
	struct web_view view;
	struct buf text;
};

static void
show(struct fixture *f, enum web_sample sample)
{
	*f = (struct fixture){
	    .view = {
		.profile = "immuclient", .program = "auditor", .now = NOW, .report = &f->report}};
	web_sample_make(&f->report, sample, NOW);
	buf_init(&f->text, TEXT_MAX);
}

static void
hide(struct fixture *f)
{
	buf_free(&f->text);
	report_free(&f->report);
}

static struct json_object *
json_of(struct fixture *f)
{
	struct json_object *json;

	buf_clear(&f->text);
	web_make_json(&f->view, &f->text);
	buf_append_u8(&f->text, '\0');
	assert_int_equal(f->text.err, IM_OK);
	json = json_tokener_parse((const char *)f->text.data);
	assert_non_null(json);
	return json;
}

static struct json_object *
member(struct json_object *json, const char *name)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(json, name, &value))
		fail_msg("no member %s", name);
	return value;
}

#define TEXT(json, name) json_object_get_string(member(json, name))
#define NUMBER(json, name) json_object_get_int64(member(json, name))
#define FLAG(json, name) json_object_get_boolean(member(json, name))

static void
json_of_an_alarm(void **state)
{
	struct fixture f;
	struct json_object *json, *one;

	(void)state;
	show(&f, SAMPLE_ALARM);
	json = json_of(&f);
	assert_string_equal(TEXT(json, "ServerID"), "br8eugq036tfln0ct6o0");
	assert_string_equal(TEXT(json, "ServerAddress"), "127.0.0.1:3322");
	assert_true(FLAG(json, "HasRunConsistencyCheck"));
	assert_false(FLAG(json, "HasError"));
	assert_false(FLAG(json, "ConsistencyCheckResult"));
	assert_int_equal(NUMBER(json, "PreviousRootIndex"), 48211);
	assert_int_equal(NUMBER(json, "CurrentRootIndex"), 47900);
	assert_int_equal(strlen(TEXT(json, "CurrentRoot")), 64);
	assert_string_equal(TEXT(json, "RunAt"), "2024-02-29T11:59:20.050Z");
	assert_string_equal(TEXT(json, "Verdict"), "rolled-back");
	assert_string_equal(TEXT(json, "Database"), "payments");
	assert_int_equal(json_object_array_length(member(json, "databases")), 3);
	one = json_object_array_get_idx(member(json, "databases"), 1);
	assert_string_equal(TEXT(one, "Database"), "payments");
	assert_string_equal(TEXT(one, "EvidenceFile"),
	    "br8eugq036tfln0ct6o0-payments-20240229T120000Z-rolled-back.proof");
	assert_int_equal(NUMBER(one, "SuspectFrom"), 47901);
	one = json_object_array_get_idx(member(json, "databases"), 2);
	assert_true(FLAG(one, "HasError"));
	assert_int_equal(NUMBER(one, "CurrentRootIndex"), -2);
	assert_string_equal(TEXT(one, "CurrentRoot"), "");
	json_object_put(json);
	hide(&f);
}

static void
json_of_little(void **state)
{
	struct fixture f;
	struct json_object *json;

	(void)state;
	show(&f, SAMPLE_EMPTY);
	json = json_of(&f);
	assert_false(FLAG(json, "HasRunConsistencyCheck"));
	assert_false(FLAG(json, "HasError"));
	assert_int_equal(NUMBER(json, "CurrentRootIndex"), -1);
	assert_int_equal(json_object_array_length(member(json, "databases")), 0);
	json_object_put(json);
	hide(&f);
	show(&f, SAMPLE_OK);
	json = json_of(&f);
	assert_true(FLAG(json, "ConsistencyCheckResult"));
	json_object_put(json);
	hide(&f);
	show(&f, SAMPLE_HOSTILE);
	json = json_of(&f);
	assert_int_equal(json_object_array_length(member(json, "databases")), 10);
	json_object_put(json);
	hide(&f);
}

/* Integers past 2^53 stay what they are. */
static void
json_is_exact(void **state)
{
	struct fixture f;
	struct json_object *json;

	(void)state;
	show(&f, SAMPLE_OK);
	report_database(&f.report, "defaultdb")->current.tx = (UINT64_C(1) << 53) + 1;
	json = json_of(&f);
	assert_int_equal(NUMBER(json, "CurrentRootIndex"), (INT64_C(1) << 53) + 1);
	json_object_put(json);
	hide(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_of_an_alarm),
	    cmocka_unit_test(json_of_little),
	    cmocka_unit_test(json_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
