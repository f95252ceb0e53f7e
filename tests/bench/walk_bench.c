/*
 * A walk over all keys of a database, page by page, through the client library: how fast it goes,
 * and what client and server keep in memory meanwhile.
 *
 *	bench_walk --port PORT --pid SERVER --states FOLDER
 *
 * Prints the lines "entries N", "seconds S", "client_bytes N" and "server_bytes N": the most
 * anonymous memory that each had at one of many moments of the walk.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench_util.h"
#include "client/immu.h"

#define SAMPLE_EVERY 20000u
#define USER "immudb"
#define PASSWORD "immudb"

struct walk {
	uint64_t entries;
	uint64_t server;
	uint64_t client_bytes, server_bytes;
};

/* Anonymous memory of a process, "self" or a number; 0 when it cannot be read. */
static uint64_t
anonymous_bytes(const char *process)
{
	char path[64], line[256];
	uint64_t kilobytes = 0;
	FILE *status;

	snprintf(path, sizeof path, "/proc/%s/status", process);
	status = fopen(path, "r");
	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "RssAnon: %" SCNu64, &kilobytes) == 1)
			break;
	if (status)
		fclose(status);
	return kilobytes * 1024;
}

static void
sample(struct walk *w)
{
	char server[24];
	uint64_t bytes = anonymous_bytes("self");

	if (bytes > w->client_bytes)
		w->client_bytes = bytes;
	snprintf(server, sizeof server, "%" PRIu64, w->server);
	bytes = anonymous_bytes(server);
	if (bytes > w->server_bytes)
		w->server_bytes = bytes;
}

static bool
see(void *arg, const struct immu_entry *entry)
{
	struct walk *w = arg;

	(void)entry;
	if (w->entries++ % SAMPLE_EVERY == 0)
		sample(w);
	return true;
}

static void
check(const char *what, enum im_err err)
{
	if (err == IM_OK)
		return;
	fprintf(stderr, "bench_walk: %s: %s\n", what, immu_error_text(err));
	exit(1);
}

int
main(int argc, char **argv)
{
	struct walk w = {0};
	struct immu_options options = {0};
	struct immu_scan scan = {.limit = 0};
	uint64_t port = 0;
	const struct bench_option table[] = {
	    {.name = "port", .number = &port},
	    {.name = "pid", .number = &w.server},
	    {.name = "states", .text = &options.state_dir},
	    {0},
	};
	double seconds;
	struct immu *c;

	bench_options_read(table, argc, argv);
	options.port = (unsigned int)port;
	check("connect", immu_connect(&options, &c));
	check("login", immu_login(c, USER, PASSWORD, NULL));
	seconds = bench_clock_s(CLOCK_MONOTONIC);
	check("walk", immu_each(c, &scan, see, &w));
	seconds = bench_clock_s(CLOCK_MONOTONIC) - seconds;
	sample(&w);
	check("close", immu_close(c));
	printf("entries %" PRIu64 "\nseconds %.3f\nclient_bytes %" PRIu64 "\nserver_bytes %" PRIu64
	       "\n",
	    w.entries, seconds, w.client_bytes, w.server_bytes);
	return 0;
}
