/* The lines of the log: what is in them, what is left out, and that they never mix. */
#include "util_testing.h"

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <sys/stat.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

static char path[128];

static int
setup(void **state)
{
	folder_setup(state);
	snprintf(path, sizeof path, "%s", folder_file(&folder, "logs/deep/test.log"));
	return 0;
}

static int
teardown(void **state)
{
	log_close();
	return folder_teardown(state);
}

static void
open_log(enum log_level level, enum log_format format)
{
	struct log_config c = {"prog", path, level, format};

	(void)unlink(path);
	assert_ok(log_open(&c));
}

/* The log's content; freed by the next call. */
static const char *
content(void)
{
	static struct buf b;

	buf_free(&b);
	buf_init(&b, 10000000);
	assert_ok(file_read(path, 10000000, &b));
	return buf_text(&b);
}

static void
lines_have_time_level_and_program(void **state)
{
	struct stat st;
	const char *text;

	(void)state;
	open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	errno = 77;
	log_warn("disk %s is %d%% full", "sda", 93);
	assert_int_equal(errno, 77);
	text = content();
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[19], '.');
	assert_memory_equal(text + 23, "Z WARN prog: disk sda is 93% full\n",
	    sizeof "Z WARN prog: disk sda is 93% full\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
levels_below_are_left_out(void **state)
{
	enum log_level level = LOG_LEVEL_INFO;

	(void)state;
	open_log(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
	log_info("no");
	log_debug("no");
	log_error("yes");
	assert_lacks(content(), "no");
	assert_has(content(), "ERROR prog: yes");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("now");
	assert_has(content(), "DEBUG prog: now");
	assert_true(log_level_parse("Warning", &level));
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_false(log_level_parse("loud", &level));
	assert_int_equal(level, LOG_LEVEL_WARN);
	setenv("LOG_LEVEL", "error", 1);
	assert_int_equal(log_level_from_env(LOG_LEVEL_INFO), LOG_LEVEL_ERROR);
	setenv("LOG_LEVEL", "nonsense", 1);
	assert_int_equal(log_level_from_env(LOG_LEVEL_INFO), LOG_LEVEL_INFO);
	unsetenv("LOG_LEVEL");
}

static void
peers_cannot_forge_lines(void **state)
{
	const char *text;

	(void)state;
	open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_info("user %s", "eve\n2024-01-01T00:00:00.000Z INFO prog: forged\033[2J\xff");
	text = content();
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_has(text, "eve\\n2024");
	assert_has(text, "\\x1b[2J\\xff");
}

static void
json_lines_are_json(void **state)
{
	struct json_object *line, *field;
	const char *text;

	(void)state;
	open_log(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_warn("a \"quoted\"\n\xff line");
	text = content();
	line = json_tokener_parse(text);
	assert_non_null(line);
	assert_true(json_object_object_get_ex(line, "level", &field));
	assert_string_equal(json_object_get_string(field), "warn");
	assert_true(json_object_object_get_ex(line, "program", &field));
	assert_string_equal(json_object_get_string(field), "prog");
	assert_true(json_object_object_get_ex(line, "message", &field));
	assert_string_equal(json_object_get_string(field), "a \"quoted\"\n\xef\xbf\xbd line");
	assert_true(json_object_object_get_ex(line, "ts", &field));
	assert_int_equal(strlen(json_object_get_string(field)), 24);
	json_object_put(line);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void
long_messages_are_cut(void **state)
{
	char longer[20000];

	(void)state;
	memset(longer, '\1', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	open_log(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("%s", longer);
	assert_in_range(strlen(content()), 10000, 30000);
	assert_has(content(), "...\"}\n");
}

static void
a_moved_log_is_opened_again(void **state)
{
	char moved[160];

	(void)state;
	open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_info("first");
	snprintf(moved, sizeof moved, "%s.1", path);
	assert_int_equal(rename(path, moved), 0);
	log_info("second");
	assert_ok(log_reopen());
	log_info("third");
	assert_has(content(), "third");
	assert_lacks(content(), "second");
}

static void
a_log_that_cannot_be_opened_leaves_the_old_one(void **state)
{
	struct log_config c = {"prog", "/proc/no/such/log", LOG_LEVEL_INFO, LOG_FORMAT_TEXT};

	(void)state;
	open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	assert_int_not_equal(log_open(&c), IM_OK);
	c.path = folder.path;
	assert_err(IM_ERR_IO, log_open(&c));
	assert_has(err_detail(IM_ERR_IO), folder.path);
	log_info("still here");
	assert_has(content(), "still here");
}

static void
limited_lines_say_how_many_are_missing(void **state)
{
	struct log_limit limit = {0};
	uint64_t suppressed = 99;
	const char *text;

	(void)state;
	assert_true(log_limit_pass(&limit, 1000, &suppressed));
	assert_int_equal(suppressed, 0);
	for (int i = 0; i < 5; i++)
		assert_false(log_limit_pass(&limit, 2000 + i, &suppressed));
	assert_false(log_limit_pass(&limit, LOG_LIMIT_S * CLOCK_NS_PER_S, &suppressed));
	assert_true(log_limit_pass(&limit, 1000 + LOG_LIMIT_S * CLOCK_NS_PER_S, &suppressed));
	assert_int_equal(suppressed, 6);
	open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	for (int i = 0; i < 1000; i++)
		log_warn_limited("bad frame %d", i);
	text = content();
	assert_has(text, "bad frame 0\n");
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	limit = (struct log_limit){.suppressed = 7};
	log_write_limited(&limit, LOG_LEVEL_WARN, "bad frame");
	assert_has(content(), "bad frame (and 7 more like this, not shown)\n");
}

static void *
write_many(void *arg)
{
	for (int i = 0; i < 500; i++)
		log_info("thread %s line %d end", (const char *)arg, i);
	return NULL;
}

static void
lines_of_threads_do_not_mix(void **state)
{
	pthread_t a, b;
	size_t lines = 0;

	(void)state;
	open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	assert_int_equal(pthread_create(&a, NULL, write_many, "a"), 0);
	assert_int_equal(pthread_create(&b, NULL, write_many, "b"), 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	for (const char *p = content(), *end; *p; p = end + 1, lines++) {
		end = strchr(p, '\n');
		assert_non_null(end);
		assert_int_equal(p[10], 'T');
		assert_memory_equal(end - 4, " end", 4);
	}
	assert_int_equal(lines, 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_have_time_level_and_program),
	    cmocka_unit_test(levels_below_are_left_out),
	    cmocka_unit_test(peers_cannot_forge_lines),
	    cmocka_unit_test(json_lines_are_json),
	    cmocka_unit_test(long_messages_are_cut),
	    cmocka_unit_test(a_moved_log_is_opened_again),
	    cmocka_unit_test(a_log_that_cannot_be_opened_leaves_the_old_one),
	    cmocka_unit_test(limited_lines_say_how_many_are_missing),
	    cmocka_unit_test(lines_of_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
