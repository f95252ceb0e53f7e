#include "temp_dir.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "alert_json.h"
#include "alert_queue.h"
#include "util/log.h"

#define ID "9m4e2mr0ui3e8a215n4g"

static struct alert_queue q;

static void
write_file(const char *folder, const char *name, const char *content)
{
	char path[256];
	FILE *to;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	to = fopen(path, "w");
	assert_non_null(to);
	assert_true(fputs(content, to) >= 0);
	assert_int_equal(fclose(to), 0);
}

static bool
exists(const char *folder, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void
open_queue(const char *folder)
{
	size_t dropped;

	assert_int_equal(alert_queue_open(&q, folder, &dropped), IM_OK);
	assert_int_equal(dropped, 0);
}

static enum im_err
add(const char *body, bool is_alarm, bool *dropped)
{
	struct alert_item item = {.is_alarm = is_alarm};

	memcpy(item.id, ID, sizeof item.id);
	return alert_queue_add(&q, &item, bytes_str(body), dropped);
}

static void
add_ok(const char *body, bool is_alarm)
{
	bool dropped;

	assert_int_equal(add(body, is_alarm, &dropped), IM_OK);
	assert_false(dropped);
}

/* The oldest has this content; takes it out. */
static void
expect_first(const char *body)
{
	struct alert_item item;
	struct buf b;

	buf_init(&b, ALERT_BODY_MAX);
	assert_true(alert_queue_first(&q, &item));
	assert_int_equal(alert_queue_read(&q, &item, &b), IM_OK);
	assert_int_equal(b.len, strlen(body));
	assert_memory_equal(b.data, body, b.len);
	assert_string_equal(item.id, ID);
	buf_free(&b);
	alert_queue_remove(&q, &item);
	alert_queue_remove(&q, &item);
}

static void
first_in_first_out_over_a_restart(void **state)
{
	const char *folder = (const char *)*state;
	struct alert_item item;
	struct stat st;
	char path[256];

	open_queue(folder);
	assert_false(alert_queue_first(&q, &item));
	add_ok("{1}\n", true);
	add_ok("{2}\n", false);
	add_ok("{3}\n", true);
	expect_first("{1}\n");
	alert_queue_close(&q);
	snprintf(path, sizeof path, "%s/00000000000000000002-round-%s.json", folder, ID);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	open_queue(folder);
	add_ok("{4}\n", true);
	assert_true(exists(folder, "00000000000000000004-alarm-" ID ".json"));
	expect_first("{2}\n");
	expect_first("{3}\n");
	expect_first("{4}\n");
	assert_false(alert_queue_first(&q, &item));
	assert_false(exists(folder, "00000000000000000004-alarm-" ID ".json"));
	alert_queue_close(&q);
}

static void
one_process_has_the_folder(void **state)
{
	const char *folder = (const char *)*state;
	struct alert_queue second;
	size_t dropped;

	open_queue(folder);
	assert_int_equal(alert_queue_open(&second, folder, &dropped), IM_ERR_LOCKED);
	alert_queue_close(&q);
	open_queue(folder);
	alert_queue_close(&q);
}

static void
other_files_are_left_alone_and_leftovers_removed(void **state)
{
	const char *folder = (const char *)*state;
	static const char *const others[] = {"notes.txt", "00000000000000000002-alarm-" ID ".jso",
	    "00000000000000000002-alert-" ID ".json", "0000000000000000002-alarm-" ID "0.json",
	    "0000000000000000000x-alarm-" ID ".json", "99999999999999999999-alarm-" ID ".json"};
	struct alert_item item;

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		write_file(folder, others[i], "{}\n");
	write_file(folder, "00000000000000000002-alarm-" ID ".json.Ab3dEf", "{ha");
	open_queue(folder);
	assert_false(alert_queue_first(&q, &item));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_true(exists(folder, others[i]));
	assert_false(exists(folder, "00000000000000000002-alarm-" ID ".json.Ab3dEf"));
	alert_queue_close(&q);
}

static void
a_file_that_is_no_alert_is_corrupt(void **state)
{
	const char *folder = (const char *)*state;
	static const char *const bad[] = {"", "{", "garbage\n", "{\"cut\":"};
	struct alert_item item;
	struct buf b;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		write_file(folder, "00000000000000000001-alarm-" ID ".json", bad[i]);
		open_queue(folder);
		buf_init(&b, ALERT_BODY_MAX);
		assert_true(alert_queue_first(&q, &item));
		assert_int_equal(alert_queue_read(&q, &item, &b), IM_ERR_CORRUPT);
		buf_free(&b);
		alert_queue_close(&q);
	}
	open_queue(folder);
	assert_true(alert_queue_first(&q, &item));
	assert_true(exists(folder, "00000000000000000001-alarm-" ID ".json"));
	alert_queue_remove(&q, &item);
	/* Gone behind our back. */
	assert_int_equal(alert_queue_read(&q, &item, &b), IM_ERR_CORRUPT);
	alert_queue_close(&q);
}

/* Fills the folder with alarms, but for one other. */
static void
fill(const char *folder, size_t n, size_t round_at)
{
	char name[64], body[16];

	for (size_t i = 1; i <= n; i++) {
		snprintf(name, sizeof name, "%020zu-%s-%s.json", i,
		    i == round_at ? "round" : "alarm", ID);
		snprintf(body, sizeof body, "{%zu}\n", i);
		write_file(folder, name, body);
	}
}

static void
a_full_queue_drops_the_oldest_alarm_last(void **state)
{
	const char *folder = (const char *)*state;
	bool dropped;

	fill(folder, ALERT_QUEUE_MAX, 500);
	open_queue(folder);
	assert_int_equal(q.len, ALERT_QUEUE_MAX);
	assert_int_equal(add("{a}\n", true, &dropped), IM_OK);
	assert_true(dropped);
	assert_false(exists(folder, "00000000000000000500-round-" ID ".json"));
	assert_true(exists(folder, "00000000000000000001-alarm-" ID ".json"));
	assert_int_equal(add("{b}\n", true, &dropped), IM_OK);
	assert_true(dropped);
	assert_false(exists(folder, "00000000000000000001-alarm-" ID ".json"));
	assert_int_equal(q.len, ALERT_QUEUE_MAX);
	expect_first("{2}\n");
	alert_queue_close(&q);
}

static void
too_many_files_are_cut_at_start(void **state)
{
	const char *folder = (const char *)*state;
	size_t dropped;

	fill(folder, ALERT_QUEUE_MAX + 3, 0);
	assert_int_equal(alert_queue_open(&q, folder, &dropped), IM_OK);
	assert_int_equal(dropped, 3);
	assert_int_equal(q.len, ALERT_QUEUE_MAX);
	alert_queue_close(&q);
}

/* A disk that takes nothing is an error, and the alert is there all the same. */
static void
what_the_disk_refuses_is_kept_in_memory(void **state)
{
	const char *folder = (const char *)*state;
	struct rlimit before, none;
	bool dropped;

	open_queue(folder);
	add_ok("{1}\n", true);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){0, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(add("{2}\n", true, &dropped), IM_ERR_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	expect_first("{1}\n");
	expect_first("{2}\n");
	assert_int_equal(q.len, 0);
	alert_queue_close(&q);
}

#define T(f) cmocka_unit_test_setup_teardown(f, temp_dir_setup, temp_dir_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(first_in_first_out_over_a_restart),
	    T(one_process_has_the_folder),
	    T(other_files_are_left_alone_and_leftovers_removed),
	    T(a_file_that_is_no_alert_is_corrupt),
	    T(a_full_queue_drops_the_oldest_alarm_last),
	    T(too_many_files_are_cut_at_start),
	    T(what_the_disk_refuses_is_kept_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
