/* The auditor over real HTTP: routes, headers, evidence, readiness. */
#include "web.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "auditor/web_sample.h"
#include "temp_dir.h"
#include "util/file.h"

#define NOW 1709208000.0
#define ANSWER_MAX (1u << 20)
#define READS 100
#define PATH_BYTES (TEMP_DIR_MAX + 64)

struct fixture {
	char dir[TEMP_DIR_MAX];
	char evidence_dir[PATH_BYTES];
	struct report report;
	struct web *web;
	_Atomic bool stop; /* of write_rounds() */
	char answer[ANSWER_MAX];
};

static struct web_options
options_of(struct fixture *f)
{
	return (struct web_options){.address = "127.0.0.1",
	    .ephemeral = true,
	    .profile = "immuclient",
	    .evidence_dir = f->evidence_dir,
	    .report = &f->report};
}

static void
put_file(const struct fixture *f, const char *name, const char *content)
{
	char path[PATH_BYTES + 64];

	snprintf(path, sizeof path, "%s/%s", f->dir, name);
	assert_int_equal(file_replace(path, bytes_str(content)), IM_OK);
}

static int
fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct web_options options;

	assert_non_null(f);
	*state = f;
	temp_dir_make(f->dir);
	snprintf(f->evidence_dir, sizeof f->evidence_dir, "%s/evidence", f->dir);
	assert_int_equal(mkdir(f->evidence_dir, 0700), 0);
	put_file(f, "secret", "hidden");
	put_file(f, "evidence/one.immuproof", "proof");
	web_sample_make(&f->report, SAMPLE_ALARM, NOW);
	options = options_of(f);
	assert_int_equal(web_start(&options, &f->web), IM_OK);
	return 0;
}

static int
fixture_remove(void **state)
{
	struct fixture *f = *state;

	web_stop(f->web);
	report_free(&f->report);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static const char *
ask(struct fixture *f, const char *method, const char *path)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(web_port(f->web)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 60};
	char request[512];
	size_t used = 0;
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int len = snprintf(request, sizeof request,
	    "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
	while (
	    used < ANSWER_MAX - 1 && (n = recv(fd, f->answer + used, ANSWER_MAX - 1 - used, 0)) > 0)
		used += (size_t)n;
	f->answer[used] = '\0';
	close(fd);
	return f->answer;
}

#define GET(path) ask(f, "GET", path)
#define assert_starts(text, head) assert_int_equal(strncmp(text, head, strlen(head)), 0)
#define assert_has(text, part) assert_non_null(strstr(text, part))

static void
web_serves(void **state)
{
	struct fixture *f = *state;

	assert_starts(GET("/"), "HTTP/1.1 200 OK\r\n");
	assert_has(f->answer, "Content-Type: text/html; charset=utf-8\r\n");
	assert_has(f->answer, "Alarm: rolled back");
	assert_null(strstr(f->answer, "http-equiv"));
	assert_has(GET("/?refresh=30"), "http-equiv=\"refresh\" content=\"30\"");
	assert_null(strstr(GET("/?refresh=1"), "http-equiv"));
	assert_has(GET("/database/payments"), "<h1><bdi>payments</bdi></h1>");
	assert_starts(GET("/database/nosuch"), "HTTP/1.1 404 ");
	assert_starts(GET("/database/"), "HTTP/1.1 404 ");
	assert_has(GET("/metrics"), "\nimmuclient_audit_result_per_server{");
	assert_has(f->answer, "\nprocess_resident_memory_bytes ");
	assert_has(f->answer, "Content-Type: text/plain; version=0.0.4");
	assert_has(GET("/debug/vars"), "\r\n\r\n{\"cmdline\":[\"auditor\"],\n");
	assert_has(f->answer, "\n\"immuclient_audit_result_per_server\":[\n{\"labels\":{");
	assert_has(f->answer, "\n\"process_resident_memory_bytes\":");
	assert_has(f->answer, "Content-Type: application/json");
	assert_has(GET("/lastaudit"), "\r\n\r\n{\"ServerID\":\"br8eugq036tfln0ct6o0\"");
	assert_has(GET("/version"), "\"program\":\"auditor\"");
	assert_starts(GET("/livez"), "HTTP/1.1 200 ");
	assert_starts(GET("/nosuch"), "HTTP/1.1 404 ");
	assert_starts(ask(f, "POST", "/lastaudit"), "HTTP/1.1 405 ");
	assert_starts(ask(f, "HEAD", "/"), "HTTP/1.1 200 ");
}

/* A browser may show the page and do nothing else. */
static void
web_sets_the_policy(void **state)
{
	struct fixture *f = *state;

	assert_has(GET("/"), "\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-");
	assert_has(f->answer, "frame-ancestors 'none'\r\n");
	assert_has(f->answer, "\r\nReferrer-Policy: no-referrer\r\n");
	assert_has(f->answer, "\r\nX-Content-Type-Options: nosniff\r\n");
	assert_null(strstr(f->answer, "unsafe"));
	assert_has(GET("/database/payments"), "\r\nContent-Security-Policy: default-src 'none'");
}

static void
web_serves_evidence(void **state)
{
	static const char *const bad[] = {"/evidence/", "/evidence/none", "/evidence/../secret",
	    "/evidence/%2e%2e/secret", "/evidence/..%2fsecret", "/evidence/%2e%2e%2fsecret",
	    "/evidence//secret", "/evidence/one.immuproof/", "/evidence/./../secret",
	    "/evidence/%00", "/evidence/..%5csecret", "/secret"};
	struct fixture *f = *state;
	struct web_options options = options_of(f);
	size_t i;

	assert_starts(GET("/evidence/one.immuproof"), "HTTP/1.1 200 ");
	assert_has(f->answer, "Content-Type: application/octet-stream\r\n");
	assert_has(f->answer, "Content-Disposition: attachment; filename=\"one.immuproof\"\r\n");
	assert_has(f->answer, "\r\n\r\nproof");
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (strncmp(GET(bad[i]), "HTTP/1.1 404 ", 13) != 0)
			fail_msg("served: %s", bad[i]);
		assert_null(strstr(f->answer, "hidden"));
	}
	web_stop(f->web);
	options.evidence_dir = NULL;
	assert_int_equal(web_start(&options, &f->web), IM_OK);
	assert_starts(GET("/evidence/one.immuproof"), "HTTP/1.1 404 ");
}

static void
web_is_ready_after_a_round(void **state)
{
	struct fixture *f = *state;

	report_lock(&f->report);
	f->report.server.rounds = 0;
	report_unlock(&f->report);
	assert_starts(GET("/readyz"), "HTTP/1.1 503 ");
	assert_has(f->answer, "the first round has not ended yet");
	/* Also when nothing could be reached: it does its work. */
	report_lock(&f->report);
	f->report.server.rounds = 1;
	f->report.server.verdict = AUDIT_UNREACHABLE;
	report_unlock(&f->report);
	assert_starts(GET("/readyz"), "HTTP/1.1 200 ");
}

/* A round over a database that comes, is judged, and goes, again and again. */
static void *
write_rounds(void *arg)
{
	struct fixture *f = arg;
	struct report_database *d;
	unsigned i;

	for (i = 0; !atomic_load(&f->stop); i++) {
		report_lock(&f->report);
		d = report_database(&f->report, "passing");
		if (d) {
			report_add_round(
			    d, &(struct report_round){.at = NOW + i, .verdict = AUDIT_OK, .tx = i});
			d->verdict = i % 2 ? AUDIT_OK : AUDIT_FORKED;
			snprintf(d->reason, sizeof d->reason, "round %u", i);
		}
		if (i % 3 == 0)
			report_drop(&f->report, "passing");
		report_unlock(&f->report);
	}
	return NULL;
}

static void
web_reads_while_rounds_write(void **state)
{
	static const char *const paths[] = {
	    "/", "/metrics", "/debug/vars", "/lastaudit", "/database/passing", "/readyz"};
	struct fixture *f = *state;
	pthread_t writer;
	unsigned i;

	assert_int_equal(pthread_create(&writer, NULL, write_rounds, f), 0);
	for (i = 0; i < READS; i++) {
		GET(paths[i % (sizeof paths / sizeof *paths)]);
		/* A page of a database that is not there at that moment is none. */
		if (strncmp(f->answer, "HTTP/1.1 200 ", 13) != 0)
			assert_starts(f->answer, "HTTP/1.1 404 ");
	}
	atomic_store(&f->stop, true);
	pthread_join(writer, NULL);
}

static void
web_options_edges(void **state)
{
	struct fixture *f = *state;
	struct web_options options = options_of(f);
	struct web *other = f->web;

	options.ephemeral = false;
	assert_int_equal(web_start(&options, &other), IM_OK);
	assert_null(other);
	assert_int_equal(web_port(NULL), 0);
	web_stop(NULL);
	options.port = web_port(f->web);
	assert_int_equal(web_start(&options, &other), IM_ERR_IO);
	assert_null(other);
	options.address = "not an address";
	assert_int_equal(web_start(&options, &other), IM_ERR_ARGUMENT);
}

#define WEB_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WEB_TEST(web_serves),
	    WEB_TEST(web_sets_the_policy),
	    WEB_TEST(web_serves_evidence),
	    WEB_TEST(web_is_ready_after_a_round),
	    WEB_TEST(web_reads_while_rounds_write),
	    WEB_TEST(web_options_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
