/*
 * The REST gateway. util/daemon_main.h is the order of things; this file says what starts and
 * stops. gateway_options.c has the options, gateway.c and rest.c do the work.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "audit_child.h"
#include "client/trust_file.h"
#include "gateway_options.h"
#include "util/daemon_main.h"
#include "util/file.h"
#include "util/log.h"

/*
 * Blocks of this size are mapped one by one; so much free memory may stay at the end of each heap.
 */
#define MAIN_HEAP_BLOCK_MAX (1024 * 1024)
#define MAIN_HEAP_FREE_MAX (2 * 1024 * 1024)

/* Everything that runs. */
struct daemon {
	struct gateway_settings settings;
	struct gateway *gateway;
};

static void
main_say_started(void *context, const struct options *o)
{
	const struct daemon *d = context;
	const char *socket = d->settings.server_socket;
	bool is_v6 = strchr(d->settings.address, ':') && d->settings.address[0] != '[';

	(void)o;
	printf("immugw serves http%s://%s%s%s:%u for the server at ", d->settings.https ? "s" : "",
	    is_v6 ? "[" : "", d->settings.address, is_v6 ? "]" : "", gateway_port(d->gateway));
	if (socket[0])
		printf("unix:%s\n", socket);
	else
		printf("%s:%u\n", d->settings.server_address, d->settings.server_port);
	if (fflush(stdout) != 0)
		log_warn("cannot write to standard output: %s", strerror(errno));
}

static enum im_err
main_start(void *context, const struct options *o)
{
	struct daemon *d = context;
	enum im_err err;

	gateway_settings_get(o, &d->settings);
	/* Before any thread of the gateway, and before the first nng call. */
	err = audit_child_start(o, &d->settings.auditor);
	if (err == IM_OK)
		err = gateway_start(&d->settings, &d->gateway);
	if (err != IM_OK)
		audit_child_stop(d->settings.auditor);
	return err;
}

static enum im_err
main_reload(void *context, const struct options *o)
{
	struct daemon *d = context;

	(void)o;
	if (d->settings.auditor)
		log_info("the auditor reads its keys and certificates again; its log level and all "
			 "other settings stay those of the start");
	audit_child_signal(d->settings.auditor, SIGHUP);
	return gateway_reload(d->gateway);
}

static void
main_reopened(void *context)
{
	struct daemon *d = context;

	audit_child_signal(d->settings.auditor, SIGUSR1);
}

static bool
main_answers(void *context, unsigned int timeout_ms)
{
	const struct daemon *d = context;

	return gateway_answers(d->gateway, timeout_ms);
}

static void
main_stop(void *context)
{
	struct daemon *d = context;

	gateway_stop(d->gateway);
	audit_child_stop(d->settings.auditor);
}

/* The folder of trusted states. */
static enum im_err
main_folder(const struct options *o, struct buf *out)
{
	const char *dir = options_string(o, "dir");

	if (!dir[0])
		return file_state_folder(out);
	buf_append(out, dir, strlen(dir) + 1);
	return out->err;
}

static const char *const main_owned[] = {TRUST_LOCK_NAME, NULL};

static const struct daemon_main main_life = {.name = "immugw",
    .folder = main_folder,
    .owned = main_owned,
    .start = main_start,
    .started = main_say_started,
    .reload = main_reload,
    .reopened = main_reopened,
    .answers = main_answers,
    .stop = main_stop};

/*
 * Free memory goes back to the system: left to itself the allocator would keep as much as the
 * largest body took, in each of its many heaps.
 */
static void
main_bound_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, MAIN_HEAP_BLOCK_MAX);
	mallopt(M_TRIM_THRESHOLD, MAIN_HEAP_FREE_MAX);
}

int
gateway_run(struct command_call *call)
{
	struct daemon d = {0};

	main_bound_heap();
	return daemon_main_run(&main_life, call, &d);
}

int
main(int argc, char **argv)
{
	return program_main(&gateway_program, argc, argv, NULL);
}
