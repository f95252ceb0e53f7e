/* Results as text and JSON, to files, terminals, full devices and readers that left. */
#include "util_testing.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "util/file.h"
#include "util/output.h"

static int out_fd, err_fd;

static int
setup(void **state)
{
	folder_setup(state);
	out_fd = open(folder_file(&folder, "out"), O_RDWR | O_CREAT, 0600);
	err_fd = open(folder_file(&folder, "err"), O_RDWR | O_CREAT, 0600);
	return out_fd < 0 || err_fd < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	close(out_fd);
	close(err_fd);
	return folder_teardown(state);
}

static struct output *
start(enum output_format format)
{
	struct output *o = output_new(format, out_fd, err_fd, "prog");

	assert_non_null(o);
	return o;
}

/* The content of one of the two files, valid until it is asked for again. */
static const char *
content(const char *name)
{
	static struct buf b;

	buf_free(&b);
	buf_init(&b, 100000000);
	assert_ok(file_read(folder_file(&folder, name), 100000000, &b));
	return buf_text(&b);
}

static void
print_entry(struct output *o, const char *name, uint64_t tx, struct bytes value)
{
	output_record_begin(o, name);
	output_u64(o, "tx", tx);
	output_string(o, "referenced key", "k");
	output_string(o, "absent", NULL);
	output_bytes(o, "value", value);
	output_bool(o, "verified", true);
	output_record_end(o);
}

static void
a_record_as_text(void **state)
{
	struct output *o = start(OUTPUT_TEXT);

	(void)state;
	print_entry(o, NULL, 7, bytes_of("a\033[1m\xff\nb%s", 10));
	assert_ok(output_close(o));
	assert_string_equal(content("out"),
	    "tx:       7\nreferenced key: k\n"
	    "value:    a\033[1m\xff\nb%s\nverified: true\n");
}

static void
a_record_as_json(void **state)
{
	struct output *o = start(OUTPUT_JSON);

	(void)state;
	print_entry(o, NULL, UINT64_MAX, bytes_str("gr\xc3\xbc\"\n"));
	print_entry(o, NULL, 1, bytes_of("\xff\x00", 2));
	assert_ok(output_close(o));
	assert_string_equal(content("out"),
	    "{\"tx\": 18446744073709551615, \"referenced_key\": \"k\", "
	    "\"value\": \"gr\xc3\xbc\\\"\\n\", \"verified\": true}\n"
	    "{\"tx\": 1, \"referenced_key\": \"k\", \"value_base64\": \"/wA=\", "
	    "\"verified\": true}\n");
}

static void
all_kinds_of_fields(void **state)
{
	struct output *o = start(OUTPUT_JSON);

	(void)state;
	output_record_begin(o, NULL);
	output_i64(o, "i", INT64_MIN);
	output_double(o, "d", 0.1);
	output_double(o, "nan", 0.0 / 0.0);
	output_hex(o, "h", bytes_of("\x01\xab", 2));
	output_base64(o, "b", bytes_of("\xff", 1));
	output_time(o, "t", 0);
	output_null(o, "n");
	output_record_begin(o, "inner");
	output_record_end(o);
	output_list_begin(o, "items", OUTPUT_BLOCKS, NULL);
	print_entry(o, NULL, 1, bytes_str("x"));
	print_entry(o, NULL, 2, bytes_str("y"));
	output_list_end(o);
	output_string(o, "last", "z");
	output_record_end(o);
	assert_ok(output_close(o));
	assert_string_equal(content("out"),
	    "{\"i\": -9223372036854775808, \"d\": 0.1, \"nan\": null, \"h\": \"01ab\", "
	    "\"b\": \"/w==\", \"t\": \"1970-01-01T00:00:00Z\", \"n\": null, \"inner\": {}, "
	    "\"items\": [\n"
	    "{\"tx\": 1, \"referenced_key\": \"k\", \"value\": \"x\", \"verified\": true},\n"
	    "{\"tx\": 2, \"referenced_key\": \"k\", \"value\": \"y\", \"verified\": true}\n"
	    "], \"last\": \"z\"}\n");
}

static void
lists_of_blocks(void **state)
{
	struct output *o = start(OUTPUT_TEXT);

	(void)state;
	output_label_width(o, 12);
	output_list_begin(o, NULL, OUTPUT_BLOCKS, NULL);
	for (int i = 0; i < 2; i++) {
		output_record_begin(o, NULL);
		output_i64(o, "n", i);
		output_record_begin(o, "meta");
		output_bool(o, "deleted", false);
		output_record_end(o);
		output_record_end(o);
	}
	output_list_end(o);
	assert_ok(output_close(o));
	assert_string_equal(content("out"),
	    "n:          0\nmeta.deleted: false\n\nn:          1\nmeta.deleted: false\n");
}

static void
print_users(struct output *o, int count)
{
	static const char *const names[] = {"immudb", "gr\xc3\xbc\xc3\x9f", "x"};

	output_list_begin(o, NULL, OUTPUT_TABLE, "user(s)");
	for (int i = 0; i < count; i++) {
		output_record_begin(o, NULL);
		output_string(o, "User", names[i % 3]);
		output_string(o, "Created By", i % 3 == 1 ? NULL : "immudb");
		output_bool(o, "Active", i % 3 == 0);
		output_record_end(o);
	}
	output_list_end(o);
}

static void
tables_are_aligned(void **state)
{
	struct output *o = start(OUTPUT_TEXT);

	(void)state;
	print_users(o, 0);
	print_users(o, 3);
	assert_ok(output_close(o));
	assert_string_equal(content("out"),
	    "3 user(s):\n"
	    "-  ----    ----------  ------\n"
	    "#  User    Created By  Active\n"
	    "-  ----    ----------  ------\n"
	    "1  immudb  immudb      true\n"
	    "2  gr\xc3\xbc\xc3\x9f                false\n"
	    "3  x       immudb      false\n"
	    "-  ----    ----------  ------\n");
}

static void
long_tables_number_every_row(void **state)
{
	struct output *o = start(OUTPUT_TEXT);

	(void)state;
	print_users(o, 12);
	print_users(o, 1);
	assert_ok(output_close(o));
	assert_has(content("out"), "12 user(s):\n--  ----");
	assert_has(content("out"), "\n##  User");
	assert_has(content("out"), "\n9   x       immudb      false\n10  immudb");
	assert_has(content("out"), "\n1 user(s):\n-  ----    ----------  ------\n");
}

static void
tables_as_json(void **state)
{
	struct output *o = start(OUTPUT_JSON);

	(void)state;
	print_users(o, 2);
	print_users(o, 0);
	assert_ok(output_close(o));
	assert_string_equal(content("out"),
	    "[\n{\"User\": \"immudb\", \"Created_By\": \"immudb\", \"Active\": true},\n"
	    "{\"User\": \"gr\xc3\xbc\xc3\x9f\", \"Active\": false}\n]\n[]\n");
}

static void
messages_values_and_errors(void **state)
{
	struct output *o = start(OUTPUT_TEXT);

	(void)state;
	output_message(o, "now using %s", "a%sb");
	output_value(o, bytes_of("x\0%d", 4));
	output_note(o, "note\033[2J");
	assert_int_equal(
	    output_error(o, err_set(IM_ERR_KEY_NOT_FOUND, "no key %s", "k%n")), IM_EXIT_NOT_FOUND);
	output_progress(o, "%s", "not a terminal");
	assert_ok(output_close(o));
	assert_memory_equal(content("out"), "now using a%sb\nx\0%d\n", 20);
	assert_string_equal(content("err"), "note\\x1b[2J\nprog: no key k%n\n");
}

static void
messages_values_and_errors_as_json(void **state)
{
	struct output *o = start(OUTPUT_JSON);

	(void)state;
	output_message(o, "now using %s", "\"x\"");
	output_value(o, bytes_of("\xff", 1));
	(void)output_error(o, err_set(IM_ERR_KEY_NOT_FOUND, "no \"key\""));
	assert_ok(output_close(o));
	assert_string_equal(content("out"),
	    "{\"message\": \"now using \\\"x\\\"\"}\n{\"value_base64\": \"/w==\"}\n");
	assert_string_equal(content("err"),
	    "{\"error\": {\"code\": \"NotFound\", \"name\": \"IM_ERR_KEY_NOT_FOUND\", "
	    "\"message\": \"no \\\"key\\\"\"}}\n");
}

/* Prints an entry and a value alone in a form of bytes: that is what the output then ends in. */
static void
check_form(enum output_format format, enum output_bytes_form form, const char *want)
{
	struct output *o = start(format);
	const char *text;

	output_bytes_form(o, form);
	output_record_begin(o, NULL);
	output_bytes(o, "key", bytes_of("a\xff", 2));
	output_string(o, "name", "a");
	output_record_end(o);
	output_value(o, bytes_of("\x00", 1));
	output_message(o, "plain");
	assert_ok(output_close(o));
	text = content("out");
	assert_true(strlen(text) >= strlen(want));
	assert_string_equal(text + strlen(text) - strlen(want), want);
}

static void
bytes_in_hex_and_base64(void **state)
{
	(void)state;
	check_form(OUTPUT_TEXT, OUTPUT_BYTES_HEX, "key:      61ff\nname:     a\n00\nplain\n");
	check_form(OUTPUT_TEXT, OUTPUT_BYTES_BASE64, "key:      Yf8=\nname:     a\nAA==\nplain\n");
	check_form(OUTPUT_JSON, OUTPUT_BYTES_HEX,
	    "{\"key_hex\": \"61ff\", \"name\": \"a\"}\n{\"value_hex\": \"00\"}\n"
	    "{\"message\": \"plain\"}\n");
	check_form(OUTPUT_JSON, OUTPUT_BYTES_BASE64,
	    "{\"key_base64\": \"Yf8=\", \"name\": \"a\"}\n{\"value_base64\": \"AA==\"}\n"
	    "{\"message\": \"plain\"}\n");
}

static void
much_output_stays_valid(void **state)
{
	struct output *o = start(OUTPUT_JSON);
	struct json_object *all;
	char value[3000];

	(void)state;
	memset(value, 'v', sizeof value);
	output_list_begin(o, NULL, OUTPUT_BLOCKS, NULL);
	for (uint64_t i = 0; i < 500; i++)
		print_entry(o, NULL, i, bytes_of(value, sizeof value));
	output_list_end(o);
	assert_ok(output_close(o));
	all = json_tokener_parse(content("out"));
	assert_non_null(all);
	assert_int_equal(json_object_array_length(all), 500);
	json_object_put(all);
}

static void
a_full_device_is_an_error(void **state)
{
	int full = open("/dev/full", O_WRONLY);
	struct output *o = output_new(OUTPUT_TEXT, full, err_fd, "prog");

	(void)state;
	assert_non_null(o);
	output_message(o, "x");
	assert_false(output_is_broken(o));
	assert_err(IM_ERR_NO_SPACE, output_flush(o));
	assert_true(output_is_broken(o));
	output_message(o, "y");
	assert_err(IM_ERR_NO_SPACE, output_close(o));
	assert_has(err_detail(IM_ERR_NO_SPACE), "No space left");
	close(full);
}

static void
a_reader_that_left_is_none(void **state)
{
	int fds[2];
	struct output *o;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	o = output_new(OUTPUT_TEXT, fds[1], err_fd, "prog");
	assert_non_null(o);
	output_message(o, "x");
	assert_ok(output_flush(o));
	assert_true(output_is_broken(o));
	assert_ok(output_close(o));
	assert_string_equal(content("err"), "");
	close(fds[1]);
}

/* Everything that an output on a terminal writes, colour or not. */
static void
on_terminal(char *got, size_t size)
{
	struct termios raw;
	struct pollfd ready = {.events = POLLIN};
	int master, slave;
	struct output *o;
	size_t len = 0;
	ssize_t n;

	memset(&raw, 0, sizeof raw);
	cfmakeraw(&raw);
	assert_int_equal(openpty(&master, &slave, NULL, &raw, NULL), 0);
	ready.fd = master;
	o = output_new(OUTPUT_TEXT, slave, slave, "prog");
	assert_non_null(o);
	assert_true(output_on_terminal(o));
	output_record_begin(o, NULL);
	output_next_colour(o, OUTPUT_GREEN);
	output_bytes(o, "v", bytes_str("\033]0;x\a\xff"));
	output_record_end(o);
	output_progress(o, "%d%%", 50);
	output_note(o, "n");
	assert_ok(output_close(o));
	/* What went into the one end comes out of the other in its own time. */
	for (got[0] = '\0'; len < 2 || strcmp(got + len - 2, "n\n") != 0; got[len] = '\0') {
		assert_int_equal(poll(&ready, 1, 60000), 1);
		n = read(master, got + len, size - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	close(slave);
	close(master);
}

static void
a_terminal_gets_colour_and_no_control_bytes(void **state)
{
	char got[1000];

	(void)state;
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	on_terminal(got, sizeof got);
	assert_string_equal(got,
	    "v:        \033[32m\\x1b]0;x\\x07\\xff\033[0m\n"
	    "\r\033[K50%\r\033[Kn\n");
	setenv("NO_COLOR", "1", 1);
	on_terminal(got, sizeof got);
	assert_has(got, "v:        \\x1b]0;x");
	assert_lacks(got, "\033[32m");
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	on_terminal(got, sizeof got);
	assert_lacks(got, "\033");
}

/* Reads to the end, but begins when the pipe is full. */
static void *
read_all(void *arg)
{
	static char block[65536];
	static size_t total;
	int there = 0, size = fcntl(*(int *)arg, F_GETPIPE_SZ);
	ssize_t n;

	while (ioctl(*(int *)arg, FIONREAD, &there) == 0 && there < size)
		(void)poll(NULL, 0, 1);
	total = 0;
	while ((n = read(*(int *)arg, block, sizeof block)) > 0)
		total += (size_t)n;
	return &total;
}

/* A pipe that another program has made non-blocking is waited for; nothing is lost. */
static void
a_pipe_that_does_not_block(void **state)
{
	static uint8_t value[1 << 20];
	pthread_t reader;
	struct output *o;
	void *total;
	int fds[2];

	(void)state;
	memset(value, 'v', sizeof value);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &fds[0]), 0);
	o = output_new(OUTPUT_TEXT, fds[1], err_fd, "prog");
	assert_non_null(o);
	output_value(o, bytes_of(value, sizeof value));
	assert_ok(output_close(o));
	close(fds[1]);
	assert_int_equal(pthread_join(reader, &total), 0);
	assert_true(*(size_t *)total >= sizeof value);
	close(fds[0]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_record_as_text),
	    T(a_record_as_json),
	    T(all_kinds_of_fields),
	    T(lists_of_blocks),
	    T(tables_are_aligned),
	    T(long_tables_number_every_row),
	    T(tables_as_json),
	    T(messages_values_and_errors),
	    T(messages_values_and_errors_as_json),
	    T(bytes_in_hex_and_base64),
	    T(much_output_stays_valid),
	    T(a_full_device_is_an_error),
	    T(a_reader_that_left_is_none),
	    T(a_pipe_that_does_not_block),
	    T(a_terminal_gets_colour_and_no_control_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
