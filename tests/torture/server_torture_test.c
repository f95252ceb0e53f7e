/*
 * The real server without memory, threads or descriptors: calls of it fail one by one, and all from
 * one on, while it starts, while somebody logs in and while somebody works. It says so to the
 * client and goes on, or, when it starts, ends with one line; what it acknowledged is there.
 *
 *	server_torture_test IMMUDB start|start-own|start-threads|start-files|login|work|files
 *
 * Neighbours: torture_server.c, torture_run.c. This process is the client; it is never short of
 * anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "torture_server.h"

#define USER "immudb"
#define PASSWORD "immudb"
#define KEY_MAX 64
#define VALUE_BYTES 5000u
#define START_PLACES 4u
#define LOGIN_PLACES 10u
#define WORK_PLACES 60u
/* Rounds in which something was acknowledged are read again at the end. */
#define ROUNDS_MAX 200000u
#define SETTLE_DEADLINE_S 60
#define POLL_NS 5000000
#define CONNECT_MS 20000
#define STARVED_MS 200
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Keys that a round may have written: bits of acked. */
enum { ACKED_SET = 1, ACKED_SAFE = 2 };

struct test {
	struct torture_server server;
	struct torture_control *page;
	int page_fd;
	struct immu *c;
	char token[256];
	char value[VALUE_BYTES];
	unsigned round;
	uint8_t acked[ROUNDS_MAX];
	bool wrong;
};

static struct test test;

static bool
complain(const char *what, enum im_err err)
{
	char line[512];

	snprintf(line, sizeof line, "round %u: %s: %s: %s", test.round, what, immu_error_name(err),
	    immu_error_text(err));
	torture_complain(test.page, line, test.server.err);
	test.wrong = true;
	return false;
}

/* ---- A session ---- */

/* What a server that is short of something may answer, or do to a connection. */
static bool
is_clean(enum im_err err, bool lasting)
{
	/* Without a descriptor for it nobody can be told anything: he waits. */
	if (err == IM_ERR_TIMEOUT && lasting && !test.c && test.page->kind == TORTURE_FILE)
		return true;
	return err == IM_OK || err == IM_ERR_NOMEM || err == IM_ERR_LIMIT || err == IM_ERR_BUSY ||
	    err == IM_ERR_CONNECTION_LOST || err == IM_ERR_UNREACHABLE;
}

static void
hang_up(void)
{
	immu_close(test.c);
	test.c = NULL;
}

static enum im_err
reach(void)
{
	enum im_err err;

	if (test.c)
		return IM_OK;
	err = server_connect(&test.server,
	    test.page->kind == TORTURE_FILE && test.page->last ? STARVED_MS : CONNECT_MS, &test.c);
	if (err)
		test.c = NULL;
	else if (*test.token)
		err = immu_resume(test.c, test.token, "defaultdb");
	return err;
}

static struct immu_bytes
key_of(char key[KEY_MAX], const char *kind, unsigned round)
{
	snprintf(key, KEY_MAX, "%s-%u", kind, round);
	return immu_str(key);
}

static enum im_err
do_login(struct immu_result **out)
{
	enum im_err err = immu_login(test.c, USER, PASSWORD, NULL);

	(void)out;
	if (!err)
		snprintf(test.token, sizeof test.token, "%s", immu_token(test.c));
	return err;
}

static enum im_err
do_logout(struct immu_result **out)
{
	enum im_err err = immu_logout(test.c);

	(void)out;
	/* Its answer may have been lost, not its effect. */
	return err == IM_ERR_SESSION_NOT_FOUND || err == IM_ERR_NOT_LOGGED_IN ? IM_OK : err;
}

static enum im_err
do_set(struct immu_result **out)
{
	char key[KEY_MAX];
	struct immu_kv kv = {
	    .key = key_of(key, "set", test.round), .value = {test.value, sizeof test.value}};
	enum im_err err = immu_set(test.c, &kv, 1, out);

	test.acked[test.round] |= err ? 0 : ACKED_SET;
	return err;
}

static enum im_err
do_safe_set(struct immu_result **out)
{
	char key[KEY_MAX];
	struct immu_kv kv = {.key = key_of(key, "safe", test.round), .value = immu_str("value")};
	enum im_err err = immu_verified_set(test.c, &kv, 1, out);

	test.acked[test.round] |= err ? 0 : ACKED_SAFE;
	return err;
}

/* A key that is not there was not acknowledged. */
static enum im_err
do_get(struct immu_result **out)
{
	char key[KEY_MAX];
	enum im_err err = immu_get(test.c, key_of(key, "set", test.round), NULL, out);

	return err == IM_ERR_KEY_NOT_FOUND && !(test.acked[test.round] & ACKED_SET) ? IM_OK : err;
}

static enum im_err
do_safe_get(struct immu_result **out)
{
	char key[KEY_MAX];
	enum im_err err = immu_verified_get(test.c, key_of(key, "safe", test.round), NULL, out);

	return err == IM_ERR_KEY_NOT_FOUND && !(test.acked[test.round] & ACKED_SAFE) ? IM_OK : err;
}

static enum im_err
do_get_all(struct immu_result **out)
{
	struct immu_bytes keys[] = {immu_str("set-0"), immu_str("safe-0"), immu_str("absent")};

	return immu_get_all(test.c, keys, COUNT(keys), out);
}

static enum im_err
do_scan(struct immu_result **out)
{
	struct immu_scan scan = {.prefix = immu_str("s"), .limit = 5, .descending = true};

	return immu_list(test.c, &scan, out);
}

static enum im_err
do_tx(struct immu_result **out)
{
	return immu_verified_tx(test.c, 1, out);
}

static enum im_err
do_state(struct immu_result **out)
{
	return immu_verified_state(test.c, out);
}

static enum im_err
do_export(struct immu_result **out)
{
	return immu_export_tx(test.c, 1, out);
}

static enum im_err
do_info(struct immu_result **out)
{
	return immu_server_info(test.c, out);
}

static enum im_err
do_health(struct immu_result **out)
{
	return immu_health(test.c, out);
}

struct step {
	const char *name;
	enum im_err (*run)(struct immu_result **out);
};

static const struct step login_steps[] = {{"login", do_login}};
static const struct step logout_steps[] = {{"logout", do_logout}};
static const struct step work_steps[] = {{"set", do_set}, {"safeset", do_safe_set}, {"get", do_get},
    {"safeget", do_safe_get}, {"getall", do_get_all}, {"scan", do_scan}, {"tx", do_tx},
    {"state", do_state}, {"export", do_export}, {"info", do_info}, {"health", do_health}};

static enum im_err
try_step(const struct step *step)
{
	struct immu_result *result = NULL;
	enum im_err err = reach();

	if (!err)
		err = step->run(&result);
	immu_result_free(result);
	if (err == IM_ERR_CONNECTION_LOST || (err && !test.c))
		hang_up();
	return err;
}

/* A step that is refused is tried again; unless nothing is to be had, that must do. */
static void
run_step(const struct step *step, bool lasting)
{
	enum im_err err = try_step(step);

	if (!is_clean(err, lasting))
		complain(step->name, err);
	if (!err || lasting || test.wrong)
		return;
	err = try_step(step);
	if (err == IM_ERR_CONNECTION_LOST)
		err = try_step(step);
	if (err)
		complain(step->name, err);
}

static void
run_steps(const struct step *steps, size_t n, bool lasting)
{
	for (size_t i = 0; i < n && !test.wrong; i++)
		run_step(&steps[i], lasting);
}

/* One whole session, logging in if nobody is. */
static void
run_session(void)
{
	test.round++;
	if (!*test.token)
		run_steps(login_steps, 1, false);
	run_steps(work_steps, COUNT(work_steps), false);
}

/* Everything that any round was told is written is there. */
static void
check_acked(void)
{
	unsigned last = test.round;

	for (test.round = 0; test.round <= last && !test.wrong; test.round++) {
		if (test.acked[test.round] & ACKED_SET)
			run_step(&(struct step){"get again", do_get}, false);
		if (test.acked[test.round] & ACKED_SAFE)
			run_step(&(struct step){"safeget again", do_safe_get}, false);
	}
	test.round = last;
}

/* ---- The server around it ---- */

static bool
start_rested(void)
{
	torture_rest(test.page);
	if (server_start(&test.server, test.page_fd))
		return true;
	fprintf(stderr, "the server ends with %d\n", test.server.status);
	return complain("start", IM_OK);
}

static void
stop_rightly(void)
{
	int status;

	hang_up();
	status = server_stop(&test.server);
	if (status != 0) {
		fprintf(stderr, "the server ended with %d\n", status);
		complain("stop", IM_OK);
	}
}

/* Connections that were closed are gone in the server as well, after a while. */
static void
check_sockets(unsigned before)
{
	time_t deadline = time(NULL) + SETTLE_DEADLINE_S;
	unsigned now;

	hang_up();
	while ((now = server_sockets(&test.server)) > before && time(NULL) < deadline)
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	if (now <= before)
		return;
	fprintf(stderr, "%u sockets, %u before\n", now, before);
	complain("sockets", IM_OK);
}

/* ---- While it runs ---- */

struct part {
	const char *name;
	enum torture_kind kind;
	const struct step *steps;
	size_t steps_len;
	unsigned places;
	bool reconnect; /* connecting is part of it */
};

static void
run_part_once(const struct part *part, uint64_t at, bool lasting)
{
	if (part->reconnect)
		hang_up();
	torture_fail(test.page, part->kind, at, lasting ? UINT64_MAX : at);
	run_steps(part->steps, part->steps_len, lasting);
	test.page->last = 0;
	if (lasting)
		hang_up();
}

static void
run_part_places(const struct part *part, uint64_t calls, bool lasting)
{
	struct torture_places p = torture_places(calls, part->places, lasting);
	unsigned tried = 0;

	for (uint64_t at = p.first; at <= p.last && !test.wrong; at += p.step) {
		test.round++;
		run_part_once(part, at, lasting);
		tried += test.page->failed > 0;
		torture_rest(test.page);
		if (lasting || part->steps == login_steps)
			run_session();
	}
	printf("%s: %s at %u of %llu calls\n", part->name,
	    lasting ? "all from there on fail" : "one failure", tried, (unsigned long long)calls);
}

/* Calls that one session makes of the kind. */
static uint64_t
count_calls(const struct part *part)
{
	test.round++;
	run_part_once(part, 0, false);
	return test.page->calls[part->kind];
}

static void
run_part(const struct part *part)
{
	unsigned before;
	uint64_t calls;

	run_session();
	hang_up();
	before = server_sockets(&test.server);
	calls = count_calls(part);
	run_part_places(part, calls, false);
	run_part_places(part, calls, true);
	if (!test.wrong)
		check_sockets(before);
}

static void
run_running(const struct part *part)
{
	if (!start_rested())
		return;
	run_part(part);
	check_acked();
	if (!test.wrong)
		run_steps(logout_steps, 1, false);
	stop_rightly();
	*test.token = '\0';
	if (test.wrong || !start_rested())
		return;
	run_session();
	check_acked();
	stop_rightly();
}

/* ---- While it starts ---- */

/* It serves, or it ended with one line; never by a signal, never not at all. */
static void
judge_start(bool started)
{
	int status = test.server.status;

	if (started) {
		stop_rightly();
	} else if (status <= 0 || status > 2 || lines_with(test.server.err, "immudb: ") != 1) {
		fprintf(stderr, "a start that fails: %d\n", status);
		complain("start", IM_OK);
	}
}

static void
start_once(enum torture_kind kind, uint64_t at, bool lasting)
{
	bool started;

	*test.token = '\0';
	memset(test.acked, 0, sizeof test.acked);
	server_forget(&test.server);
	torture_fail(test.page, kind, at, lasting ? UINT64_MAX : at);
	started = server_start(&test.server, test.page_fd);
	test.page->last = 0;
	judge_start(started);
	if (test.wrong || !start_rested())
		return;
	run_session();
	stop_rightly();
}

static void
run_starts(enum torture_kind kind, unsigned places)
{
	uint64_t calls;

	/* Counts them all. */
	torture_fail(test.page, kind, 0, 0);
	if (!server_start(&test.server, test.page_fd)) {
		complain("start", IM_OK);
		return;
	}
	calls = test.page->calls[kind];
	stop_rightly();
	for (unsigned lasting = 0; lasting < 2; lasting++) {
		struct torture_places p = torture_places(calls, places, lasting);
		unsigned tried = 0;

		for (uint64_t at = p.first; at <= p.last && !test.wrong; at += p.step) {
			start_once(kind, at, lasting);
			tried++;
		}
		printf("start: %s at %u of %llu calls\n",
		    lasting ? "all from there on fail" : "one failure", tried,
		    (unsigned long long)calls);
	}
}

int
main(int argc, char **argv)
{
	static const struct part parts[] = {
	    {"login", TORTURE_MEMORY, login_steps, COUNT(login_steps), LOGIN_PLACES, true},
	    {"work", TORTURE_MEMORY, work_steps, COUNT(work_steps), WORK_PLACES, true},
	    {"files", TORTURE_FILE, work_steps, COUNT(work_steps), WORK_PLACES, true},
	};
	const char *name = argc == 3 ? argv[2] : "";

	memset(test.value, 'v', sizeof test.value);
	test.page = torture_page_new(&test.page_fd);
	if (argc != 3 || !test.page || !server_prepare(&test.server, argv[1]))
		return 2;
	if (strcmp(name, "start") == 0)
		run_starts(TORTURE_MEMORY, START_PLACES);
	else if (strcmp(name, "start-own") == 0)
		run_starts(TORTURE_OWN, 2 * START_PLACES);
	else if (strcmp(name, "start-threads") == 0)
		run_starts(TORTURE_THREAD, START_PLACES);
	else if (strcmp(name, "start-files") == 0)
		run_starts(TORTURE_FILE, START_PLACES);
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (strcmp(name, parts[i].name) == 0)
			run_running(&parts[i]);
	}
	hang_up();
	server_clean(&test.server);
	return test.wrong;
}
