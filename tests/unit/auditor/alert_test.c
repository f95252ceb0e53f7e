#include "temp_dir.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "alert.h"
#include "alert_post.h"
#include "skip_because.h"
#include "util/base64.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/hex.h"
#include "util/log.h"
#include "webhook_server.h"

#define ANSWERS(...) \
	(const struct webhook_answer[]){__VA_ARGS__}, \
	    sizeof((const struct webhook_answer[]){__VA_ARGS__}) / sizeof(struct webhook_answer)
#define LONG_MS 1000000000u

static char folder[TEMP_DIR_MAX];
static char url[128];

static int
setup(void **state)
{
	(void)state;
	temp_dir_make(folder);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	temp_dir_remove(folder);
	return 0;
}

/* The path of a file in the test's folder; it stays valid. */
static const char *
in_folder(const char *name)
{
	static char paths[8][160];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static const char *
write_file(const char *name, const char *content, mode_t mode)
{
	const char *path = in_folder(name);
	FILE *to = fopen(path, "w");

	assert_non_null(to);
	assert_true(fputs(content, to) >= 0);
	assert_int_equal(fclose(to), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static struct alert_options
options_for_port(uint16_t port, const char *scheme)
{
	static char queue[160];

	snprintf(queue, sizeof queue, "%s/alerts", folder);
	snprintf(url, sizeof url, "%s://127.0.0.1:%u/hook?token=t0ken", scheme, port);
	return (struct alert_options){.queue_dir = queue,
	    .url = port ? url : "",
	    .pause_first_ms = 1,
	    .pause_max_ms = 5,
	    .timeout_ms = WEBHOOK_DEADLINE_MS,
	    .exec_timeout_ms = WEBHOOK_DEADLINE_MS};
}

static struct alert_options
options_for(const struct webhook_server *server, const char *scheme)
{
	return options_for_port(webhook_port(server), scheme);
}

static struct alerts *
start(const struct alert_options *o)
{
	struct alerts *a;

	if (alerts_start(o, &a) != IM_OK)
		fail_msg("%s", err_detail(IM_ERR_CONFIG));
	return a;
}

static enum im_err
send_verdict(struct alerts *a, const char *database, enum audit_verdict verdict)
{
	struct alert alert = {.server_address = "127.0.0.1:3322",
	    .server_id = "br8eugq036tfln0ct6o0",
	    .database = database,
	    .run_at = 1605228822,
	    .verdict = verdict,
	    .reason = "why",
	    .evidence = ""};

	return alerts_send(a, &alert);
}

static void
send_alarm(struct alerts *a, const char *database)
{
	assert_int_equal(send_verdict(a, database, AUDIT_TAMPERED), IM_OK);
}

static struct alert_counts
counts_of(struct alerts *a)
{
	struct alert_counts c;

	alerts_counts(a, &c);
	return c;
}

/* Waits until so many attempts have failed. */
static void
await_failures(struct alerts *a, uint64_t n)
{
	int64_t end = clock_monotonic_ns() + WEBHOOK_DEADLINE_MS * CLOCK_NS_PER_MS;

	while (counts_of(a).failed < n && clock_monotonic_ns() < end)
		usleep(1000);
	assert_true(counts_of(a).failed >= n);
}

/* Waits until nothing is queued. */
static void
await_delivery(struct alerts *a, uint64_t n)
{
	int64_t end = clock_monotonic_ns() + WEBHOOK_DEADLINE_MS * CLOCK_NS_PER_MS;

	while (counts_of(a).delivered < n && clock_monotonic_ns() < end)
		usleep(1000);
	assert_int_equal(counts_of(a).delivered, n);
	assert_int_equal(counts_of(a).waiting, 0);
}

/* The value of a header; "" when it is not there. */
static const char *
header(const struct webhook_request *r, const char *name)
{
	static char value[512];
	char line[128];
	const char *at;

	value[0] = '\0';
	snprintf(line, sizeof line, "\r\n%s: ", name);
	at = strcasestr(r->head, line);
	if (at)
		snprintf(value, sizeof value, "%.*s", (int)strcspn(at + strlen(line), "\r"),
		    at + strlen(line));
	return value;
}

static void
expect_database(const struct webhook_request *r, const char *database)
{
	char field[64];

	snprintf(field, sizeof field, "\"db\":\"%s\"", database);
	assert_non_null(strstr(r->body, field));
}

static void
an_alarm_arrives_as_described(void **state)
{
	struct webhook_server *server = webhook_start(0, ANSWERS({200, NULL}), NULL);
	struct alert_options o = options_for(server, "http");
	const struct webhook_request *r;
	struct alerts *a;
	char id[64];

	(void)state;
	o.username = "hook";
	o.password = "Secret-Word-1";
	a = start(&o);
	send_alarm(a, "one");
	r = webhook_await(server, 0);
	assert_memory_equal(r->head, "POST /hook?token=t0ken HTTP/1.1\r\n", 33);
	assert_string_equal(header(r, "Content-Type"), "application/json");
	assert_string_equal(header(r, "Authorization"), "Basic aG9vazpTZWNyZXQtV29yZC0x");
	assert_string_equal(header(r, "X-Audit-Signature"), "");
	assert_string_equal(header(r, "Expect"), "");
	snprintf(id, sizeof id, "\"alert_id\":\"%s\"", header(r, "X-Audit-Alert-Id"));
	assert_non_null(strstr(r->body, id));
	expect_database(r, "one");
	assert_null(strstr(r->body, "Secret"));
	assert_null(strstr(r->body, "hook"));
	await_delivery(a, 1);
	assert_int_equal(counts_of(a).failed, 0);
	alerts_stop(a, 0);
	webhook_stop(server);
}

static void
four_statuses_are_success(void **state)
{
	struct webhook_server *server = webhook_start(0,
	    ANSWERS({200, NULL}, {201, NULL}, {202, NULL}, {204, NULL}, {203, NULL}, {200, NULL}),
	    NULL);
	struct alert_options o = options_for(server, "http");
	struct alerts *a = start(&o);

	(void)state;
	for (int i = 0; i < 5; i++)
		send_alarm(a, "d");
	await_delivery(a, 5);
	/* 203 was none. */
	assert_int_equal(counts_of(a).failed, 1);
	assert_int_equal(webhook_count(server), 6);
	alerts_stop(a, 0);
	webhook_stop(server);
}

/* By OpenSSL, over what arrived. */
static void
expect_signature(const struct webhook_request *r, const char *secret)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	char text[32768], want[128];
	unsigned int len = 0;
	int n = snprintf(text, sizeof text, "%s.%s", header(r, "X-Audit-Timestamp"), r->body);

	assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text,
	    (size_t)n, mac, &len));
	memcpy(want, "v1=", 3);
	hex_encode(bytes_of(mac, len), want + 3);
	assert_string_equal(header(r, "X-Audit-Signature"), want);
}

static void
what_arrives_is_signed(void **state)
{
	struct webhook_server *server = webhook_start(0, ANSWERS({500, NULL}, {200, NULL}), NULL);
	struct alert_options o = options_for(server, "http");
	int64_t before = clock_wall_s();
	const struct webhook_request *r;
	struct alerts *a;

	(void)state;
	o.secret_file = write_file("secret", "a key of some length\nnot this\n", 0640);
	a = start(&o);
	send_alarm(a, "one");
	for (size_t i = 0; i < 2; i++) {
		r = webhook_await(server, i);
		expect_signature(r, "a key of some length");
		assert_in_range(atoll(header(r, "X-Audit-Timestamp")), before, clock_wall_s());
	}
	await_delivery(a, 1);
	alerts_stop(a, 0);
	webhook_stop(server);
}

static void
what_fails_is_tried_again_in_order(void **state)
{
	struct webhook_server *server = webhook_start(0,
	    ANSWERS({500, NULL}, {503, "Retry-After: 1000000"}, {408, NULL}, {429, NULL},
		{404, NULL}, {200, NULL}),
	    NULL);
	struct alert_options o = options_for(server, "http");
	struct alerts *a = start(&o);
	char id[64];

	(void)state;
	send_alarm(a, "one");
	send_alarm(a, "two");
	await_delivery(a, 2);
	snprintf(id, sizeof id, "%s", header(webhook_await(server, 0), "X-Audit-Alert-Id"));
	for (size_t i = 0; i < 6; i++) {
		expect_database(webhook_await(server, i), "one");
		assert_string_equal(header(webhook_await(server, i), "X-Audit-Alert-Id"), id);
	}
	expect_database(webhook_await(server, 6), "two");
	assert_string_not_equal(header(webhook_await(server, 6), "X-Audit-Alert-Id"), id);
	assert_int_equal(counts_of(a).failed, 5);
	assert_int_equal(counts_of(a).queued, 2);
	alerts_stop(a, 0);
	webhook_stop(server);
}

static void
an_endpoint_that_comes_back_gets_what_it_missed(void **state)
{
	uint16_t port;
	int reserved = webhook_reserve(&port);
	struct alert_options o = options_for_port(port, "http");
	struct alerts *a = start(&o);
	struct webhook_server *server;

	(void)state;
	send_alarm(a, "one");
	send_alarm(a, "two");
	await_failures(a, 3);
	assert_int_equal(counts_of(a).waiting, 2);
	server = webhook_start(port, ANSWERS({200, NULL}), NULL);
	await_delivery(a, 2);
	expect_database(webhook_await(server, 0), "one");
	expect_database(webhook_await(server, 1), "two");
	alerts_stop(a, 0);
	webhook_stop(server);
	close(reserved);
}

static void
a_redirection_is_not_followed(void **state)
{
	struct webhook_server *other = webhook_start(0, ANSWERS({200, NULL}), NULL);
	char location[64];
	struct webhook_server *server;
	struct alert_options o;
	struct alerts *a;

	(void)state;
	snprintf(location, sizeof location, "Location: http://127.0.0.1:%u/", webhook_port(other));
	server = webhook_start(
	    0, ANSWERS({302, location}, {307, location}, {308, location}, {200, NULL}), NULL);
	o = options_for(server, "http");
	a = start(&o);
	send_alarm(a, "one");
	await_delivery(a, 1);
	assert_int_equal(counts_of(a).failed, 3);
	assert_int_equal(webhook_connections(other), 0);
	alerts_stop(a, 0);
	webhook_stop(server);
	webhook_stop(other);
}

static void
a_slow_endpoint_is_left_and_tried_again(void **state)
{
	struct webhook_server *server = webhook_start(0, ANSWERS({0, NULL}, {200, NULL}), NULL);
	struct alert_options o = options_for(server, "http");
	struct alerts *a;

	(void)state;
	o.timeout_ms = 100;
	a = start(&o);
	send_alarm(a, "one");
	await_delivery(a, 1);
	assert_true(counts_of(a).failed >= 1);
	alerts_stop(a, 0);
	webhook_stop(server);
}

/* Nobody who cannot prove to be the webhook gets a byte. */
static void
a_certificate_must_verify(void **state)
{
	struct webhook_server *server;
	struct alert_options o;
	struct alerts *a;

	(void)state;
	webhook_make_certificate(folder, "IP:127.0.0.1");
	server = webhook_start(0, ANSWERS({200, NULL}), folder);
	o = options_for(server, "https");
	a = start(&o);
	send_alarm(a, "one");
	await_failures(a, 2);
	assert_int_equal(webhook_count(server), 0);
	alerts_stop(a, 0);
	o.ca_file = in_folder("cert.pem");
	a = start(&o);
	await_delivery(a, 1);
	expect_database(webhook_await(server, 0), "one");
	alerts_stop(a, 0);
	webhook_stop(server);
}

static void
a_certificate_must_be_for_the_host(void **state)
{
	struct webhook_server *server;
	struct alert_options o;
	struct alerts *a;

	(void)state;
	webhook_make_certificate(folder, "DNS:webhook.example");
	server = webhook_start(0, ANSWERS({200, NULL}), folder);
	o = options_for(server, "https");
	o.ca_file = in_folder("cert.pem");
	a = start(&o);
	send_alarm(a, "one");
	await_failures(a, 2);
	assert_int_equal(webhook_count(server), 0);
	alerts_stop(a, 0);
	webhook_stop(server);
}

/* A wrong configuration is not asked again and again; a new alert is reason enough to. */
static void
a_refusal_waits_for_the_long_pause_or_a_new_alert(void **state)
{
	struct webhook_server *server = webhook_start(0, ANSWERS({404, NULL}, {200, NULL}), NULL);
	struct alert_options o = options_for(server, "http");
	struct alerts *a;

	(void)state;
	o.pause_max_ms = LONG_MS;
	a = start(&o);
	send_alarm(a, "one");
	await_failures(a, 1);
	send_alarm(a, "two");
	await_delivery(a, 2);
	assert_int_equal(counts_of(a).failed, 1);
	expect_database(webhook_await(server, 1), "one");
	expect_database(webhook_await(server, 2), "two");
	alerts_stop(a, 0);
	webhook_stop(server);
}

/* The process that is killed below: it queues alerts that nobody takes. */
static _Noreturn void
be_killed(const struct alert_options *o, int ready_fd)
{
	struct alerts *a;

	log_set_level(LOG_LEVEL_ERROR);
	if (alerts_start(o, &a) != IM_OK)
		_exit(1);
	for (int i = 0; i < 5; i++) {
		char database[2] = {(char)('a' + i), '\0'};

		if (send_verdict(a, database, AUDIT_FORKED) != IM_OK)
			_exit(2);
	}
	if (write(ready_fd, "", 1) != 1)
		_exit(3);
	for (;;)
		pause();
}

static void
a_killed_process_leaves_its_queue_to_the_next(void **state)
{
	uint16_t port;
	int ready[2], status, reserved = webhook_reserve(&port);
	struct alert_options o = options_for_port(port, "http");
	struct webhook_server *server;
	struct alerts *a;
	pid_t pid;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_killed(&o, ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	close(ready[1]);
	server = webhook_start(port, ANSWERS({200, NULL}), NULL);
	a = start(&o);
	await_delivery(a, 5);
	expect_database(webhook_await(server, 0), "a");
	expect_database(webhook_await(server, 4), "e");
	alerts_stop(a, 0);
	webhook_stop(server);
	close(reserved);
}

static void
a_stop_ends_a_delivery_and_keeps_the_alert(void **state)
{
	struct webhook_server *server = webhook_start(0, ANSWERS({0, NULL}, {200, NULL}), NULL);
	struct alert_options o = options_for(server, "http");
	struct alerts *a;

	(void)state;
	o.timeout_ms = LONG_MS;
	a = start(&o);
	send_alarm(a, "one");
	webhook_await(server, 0);
	alerts_stop(a, 1);
	a = start(&o);
	await_delivery(a, 1);
	alerts_stop(a, 0);
	webhook_stop(server);
}

static void
a_stop_waits_for_what_can_be_delivered(void **state)
{
	struct webhook_server *server = webhook_start(0, ANSWERS({500, NULL}, {200, NULL}), NULL);
	struct alert_options o = options_for(server, "http");
	struct alerts *a;

	(void)state;
	o.pause_first_ms = o.pause_max_ms = LONG_MS;
	a = start(&o);
	send_alarm(a, "one");
	send_alarm(a, "two");
	await_failures(a, 1);
	/* The pause would take days; the stop tries at once. */
	alerts_stop(a, WEBHOOK_DEADLINE_MS);
	expect_database(webhook_await(server, 1), "one");
	expect_database(webhook_await(server, 2), "two");
	webhook_stop(server);
}

static void
rounds_without_a_finding_are_sent_on_demand_only(void **state)
{
	struct webhook_server *server = webhook_start(0, ANSWERS({200, NULL}), NULL);
	struct alert_options o = options_for(server, "http");
	struct alerts *a = start(&o);

	(void)state;
	assert_int_equal(send_verdict(a, "quiet", AUDIT_OK), IM_OK);
	assert_int_equal(counts_of(a).queued, 0);
	alerts_stop(a, 0);
	o.every_round = true;
	o.exec = "/bin/false";
	a = start(&o);
	assert_int_equal(send_verdict(a, "told", AUDIT_OK), IM_OK);
	await_delivery(a, 1);
	assert_int_equal(counts_of(a).failed, 0);
	expect_database(webhook_await(server, 0), "told");
	assert_non_null(strstr(webhook_await(server, 0)->body, "\"tampered\":false"));
	alerts_stop(a, 0);
	webhook_stop(server);
}

static void
a_file_that_is_no_alert_does_not_hold_up_the_others(void **state)
{
	struct webhook_server *server = webhook_start(0, ANSWERS({200, NULL}), NULL);
	struct alert_options o = options_for(server, "http");
	struct alerts *a;

	(void)state;
	assert_int_equal(file_make_folder(in_folder("alerts/webhook")), IM_OK);
	write_file(
	    "alerts/webhook/00000000000000000001-alarm-9m4e2mr0ui3e8a215n4g.json", "junk", 0600);
	a = start(&o);
	send_alarm(a, "one");
	await_delivery(a, 1);
	assert_int_equal(counts_of(a).dropped, 1);
	assert_int_equal(webhook_count(server), 1);
	alerts_stop(a, 0);
	webhook_stop(server);
}

/* The content of a file, once it ends as a JSON line does. */
static char *
await_file(const char *name)
{
	static char text[8192];
	struct buf b;

	text[0] = '\0';
	buf_init(&b, 2 * sizeof text);
	for (int i = 0; i < 2000 && !text[0]; i++) {
		buf_clear(&b);
		if (file_read(in_folder(name), sizeof text - 1, &b) == IM_OK && b.len &&
		    b.data[b.len - 1] == '\n')
			snprintf(text, sizeof text, "%.*s", (int)b.len, (const char *)b.data);
		else
			usleep(10000);
	}
	buf_free(&b);
	assert_true(text[0] != '\0');
	return text;
}

/* A program that is a script; it works in the test's folder. */
static struct alert_options
options_for_script(const char *script)
{
	struct alert_options o = options_for_port(0, "");
	char text[1024];

	snprintf(text, sizeof text, "#!/bin/sh\ncd %s || exit 1\n%s\n", folder, script);
	o.exec = write_file("program", text, 0755);
	return o;
}

static void
a_program_reads_the_alert(void **state)
{
	struct alert_options o =
	    options_for_script("cat >in.tmp; env >env.tmp; echo end >>env.tmp\n"
			       "echo $# >args; mv env.tmp env; mv in.tmp in");
	struct alerts *a;
	char *text;

	(void)state;
	setenv("AUDITOR_AUDIT_PASSWORD", "hidden", 1);
	a = start(&o);
	send_alarm(a, "x; touch pwned; $(touch pwned)");
	text = await_file("in");
	assert_non_null(strstr(text, "\"db\":\"x; touch pwned; $(touch pwned)\""));
	text = await_file("env");
	assert_non_null(strstr(text, "ALERT_ID="));
	assert_non_null(strstr(text, "PATH="));
	assert_null(strstr(text, "hidden"));
	assert_string_equal(await_file("args"), "0\n");
	await_delivery(a, 1);
	assert_int_not_equal(access(in_folder("pwned"), F_OK), 0);
	alerts_stop(a, 0);
	/* None is left to be waited for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	unsetenv("AUDITOR_AUDIT_PASSWORD");
}

static void
a_program_that_fails_is_run_again(void **state)
{
	struct alert_options o = options_for_script(
	    "echo run >>runs; [ $(wc -l <runs) -ge 3 ] || { echo no >&2; exit 1; }");
	struct alerts *a = start(&o);

	(void)state;
	send_alarm(a, "one");
	await_delivery(a, 1);
	assert_int_equal(counts_of(a).failed, 2);
	alerts_stop(a, 0);
}

static void
a_program_that_hangs_is_killed_with_its_children(void **state)
{
	struct alert_options o = options_for_script(
	    "[ -e again ] && exit 0; touch again; sleep 1000 & echo $! >inner; wait");
	struct alerts *a;
	char path[64];

	(void)state;
	o.exec_timeout_ms = 2000;
	a = start(&o);
	send_alarm(a, "one");
	await_delivery(a, 1);
	assert_int_equal(counts_of(a).failed, 1);
	snprintf(path, sizeof path, "/proc/%d/cmdline", atoi(await_file("inner")));
	/* Gone, or a zombie, which has no command line. */
	for (int i = 0; i < 1000; i++) {
		struct buf b;
		bool is_gone;

		buf_init(&b, 65536);
		is_gone = file_read(path, 1000, &b) != IM_OK || b.len == 0;
		buf_free(&b);
		if (is_gone)
			break;
		assert_int_not_equal(i, 999);
		usleep(10000);
	}
	alerts_stop(a, 0);
}

static void
a_stop_ends_a_hanging_program(void **state)
{
	struct alert_options o = options_for_script("echo x >begun; exec sleep 1000");
	struct alerts *a;

	(void)state;
	o.exec_timeout_ms = LONG_MS;
	a = start(&o);
	send_alarm(a, "one");
	await_file("begun");
	alerts_stop(a, 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/*
 * Waits until so many were delivered, in a process that cannot fail the test by itself; false: too
 * late.
 */
static bool
is_delivered(struct alerts *a, uint64_t n)
{
	int64_t end = clock_monotonic_ns() + WEBHOOK_DEADLINE_MS * CLOCK_NS_PER_MS;

	while (counts_of(a).delivered < n && clock_monotonic_ns() < end)
		usleep(1000);
	return counts_of(a).delivered >= n;
}

/* As process 1: sends alerts until what the programs left behind is reaped. */
static int
be_first(const struct alert_options *o)
{
	struct alerts *a;
	siginfo_t info;

	if (getpid() != 1 || alerts_start(o, &a) != IM_OK)
		return 2;
	for (uint64_t i = 1; i <= 100; i++) {
		if (send_verdict(a, "d", AUDIT_TAMPERED) != IM_OK)
			return 3;
		if (!is_delivered(a, i))
			return 5;
		if (i > 2 && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1) {
			alerts_stop(a, 0);
			return 0;
		}
	}
	return 4;
}

static void
the_first_process_reaps_what_programs_leave(void **state)
{
	struct alert_options o = options_for_script("[ -e left ] || { touch left; sleep 0.01 & }");
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
			_exit(77);
		pid = fork();
		if (pid == 0)
			_exit(be_first(&o));
		_exit(
		    waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip_because("needs-namespace, unshare failed");
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Neither way waits for the other. */
static void
a_dead_webhook_does_not_hold_up_the_program(void **state)
{
	struct alert_options o = options_for_script("cat >in");
	uint16_t port;
	int reserved = webhook_reserve(&port);
	struct alerts *a;

	(void)state;
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	o.url = url;
	a = start(&o);
	send_alarm(a, "one");
	assert_non_null(strstr(await_file("in"), "\"db\":\"one\""));
	assert_int_equal(counts_of(a).queued, 2);
	alerts_stop(a, 0);
	close(reserved);
}

static void
expect_refusal(enum im_err want, struct alert_options o, const char *why)
{
	struct alerts *a = NULL;
	enum im_err err = alerts_start(&o, &a);

	assert_string_equal(err_name(err), err_name(want));
	assert_null(a);
	if (!strstr(err_detail(err), why))
		fail_msg("not in \"%s\": %s", err_detail(err), why);
}

static void
bad_options_are_refused(void **state)
{
	struct alert_options none = options_for_port(0, ""), o;

	(void)state;
	o = none;
	o.url = "ftp://127.0.0.1/";
	expect_refusal(IM_ERR_ARGUMENT, o, "http");
	o.url = "file:///etc/passwd";
	expect_refusal(IM_ERR_ARGUMENT, o, "http");
	o.url = "127.0.0.1:99999/";
	expect_refusal(IM_ERR_ARGUMENT, o, "URL");
	o.url = "http://user:pass@127.0.0.1/";
	expect_refusal(IM_ERR_ARGUMENT, o, "password");
	o.url = "http://127.0.0.1/";
	o.password = "p";
	expect_refusal(IM_ERR_CONFIG, o, "user name");
	o.password = NULL;
	o.secret_file = write_file("open", "key\n", 0644);
	expect_refusal(IM_ERR_CONFIG, o, "others");
	o.secret_file = write_file("empty", "\n", 0600);
	expect_refusal(IM_ERR_CONFIG, o, "empty");
	o.secret_file = in_folder("missing");
	expect_refusal(IM_ERR_CONFIG, o, "missing");
	o.secret_file = folder;
	expect_refusal(IM_ERR_CONFIG, o, "file");
	o = none;
	o.username = "u";
	expect_refusal(IM_ERR_CONFIG, o, "URL");
	o = none;
	o.exec = in_folder("missing");
	expect_refusal(IM_ERR_ARGUMENT, o, "missing");
	o.exec = write_file("plain", "x", 0600);
	expect_refusal(IM_ERR_ARGUMENT, o, "plain");
}

static void
without_any_way_there_is_nothing_to_do(void **state)
{
	struct alert_options o = options_for_port(0, "");
	struct alerts *a = start(&o);

	(void)state;
	send_alarm(a, "one");
	assert_int_equal(counts_of(a).queued, 0);
	assert_int_not_equal(access(in_folder("alerts"), F_OK), 0);
	alerts_stop(a, WEBHOOK_DEADLINE_MS);
	alerts_stop(NULL, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(an_alarm_arrives_as_described),
	    T(four_statuses_are_success),
	    T(what_arrives_is_signed),
	    T(what_fails_is_tried_again_in_order),
	    T(an_endpoint_that_comes_back_gets_what_it_missed),
	    T(a_redirection_is_not_followed),
	    T(a_slow_endpoint_is_left_and_tried_again),
	    T(a_certificate_must_verify),
	    T(a_certificate_must_be_for_the_host),
	    T(a_refusal_waits_for_the_long_pause_or_a_new_alert),
	    T(a_killed_process_leaves_its_queue_to_the_next),
	    T(a_stop_ends_a_delivery_and_keeps_the_alert),
	    T(a_stop_waits_for_what_can_be_delivered),
	    T(rounds_without_a_finding_are_sent_on_demand_only),
	    T(a_file_that_is_no_alert_does_not_hold_up_the_others),
	    T(a_program_reads_the_alert),
	    T(a_program_that_fails_is_run_again),
	    T(a_program_that_hangs_is_killed_with_its_children),
	    T(a_stop_ends_a_hanging_program),
	    T(the_first_process_reaps_what_programs_leave),
	    T(a_dead_webhook_does_not_hold_up_the_program),
	    T(bad_options_are_refused),
	    T(without_any_way_there_is_nothing_to_do),
	};

	(void)temp_dir_setup;
	(void)temp_dir_teardown;
	/* As programs do. */
	signal(SIGPIPE, SIG_IGN);
	/* A proxy of the caller's environment is none of ours. */
	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
