/*
 * The storage daemon. util/daemon_main.h is the order of things; this file says what starts, stops
 * and can be reloaded. daemon_options.c has the options, server/ does the work.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "banner.h"
#include "daemon_options.h"
#include "meta/meta.h"
#include "util/daemon_main.h"
#include "util/log.h"

#define MAIN_BANNER_MAX 65536
#define MAIN_TEXT_MAX 1024
/*
 * Blocks of this size are mapped one by one; so much free memory may stay at the end of each heap.
 */
#define MAIN_HEAP_BLOCK_MAX (1024 * 1024)
#define MAIN_HEAP_FREE_MAX (8 * 1024 * 1024)

/* Everything that runs. */
struct daemon {
	struct server_options options;
	struct server *server;
};

static bool
main_is_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_colour && no_colour[0]) && term &&
	    strcmp(term, "dumb") != 0;
}

static void
main_fill_banner(const struct options *o, const struct daemon *d, struct banner *b)
{
	const struct server_options *so = &d->options;
	const struct server *s = d->server;

	*b = (struct banner){.dir = so->dir,
	    .address = so->address[0] ? so->address : "::",
	    .port = server_port(s),
	    .metrics_address = so->metrics_address[0] ? so->metrics_address : so->address,
	    .metrics_port = server_metrics_port(s),
	    .unix_path = so->unix_path,
	    .config_file = options_config_file(o),
	    .pidfile = options_string(o, "pidfile"),
	    .logfile = options_string(o, "logfile"),
	    .mtls = so->mtls,
	    .max_message_bytes = so->max_message_bytes,
	    .auth = so->auth,
	    .devmode = so->devmode,
	    .database = server_default_database(s),
	    .synced = so->synced,
	    .signing = so->signing_key[0] != '\0',
	    .default_password = so->auth && server_has_default_password(s)};
}

/* The banner's lines in the log, one by one; what is only for the eye is not for programs. */
static void
main_log_banner(char *text, bool is_json)
{
	char *line, *rest = NULL;

	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (!is_json || strchr(line, ':'))
			log_info("%s", line);
}

static void
main_say_started(void *context, const struct options *o)
{
	const struct daemon *d = context;
	const char *on = main_is_colour() ? "\033[32m" : "", *off = *on ? "\033[0m" : "";
	char fingerprint[SERVER_FINGERPRINT_SIZE];
	struct banner b;
	struct buf text;

	main_fill_banner(o, d, &b);
	if (server_fingerprint(d->server, fingerprint))
		b.fingerprint = fingerprint;
	buf_init(&text, MAIN_BANNER_MAX);
	banner_write(&b, &text);
	buf_append_u8(&text, '\0');
	if (text.err == IM_OK) {
		fputs((const char *)text.data, stdout);
		printf("%sReady. Log in with immuclient or immuadmin as the superadmin %s.%s\n", on,
		    SERVER_ADMIN, off);
		if (fflush(stdout) != 0)
			log_warn("cannot write to standard output: %s", strerror(errno));
		if (b.logfile[0])
			main_log_banner(
			    (char *)text.data, options_enum(o, "log-format") == LOG_FORMAT_JSON);
	}
	buf_free(&text);
	if (d->options.maintenance)
		log_warn(
		    "maintenance mode: whoever is on this machine may read all data and change "
		    "users without login; nothing else is written");
	if (b.default_password)
		log_warn("user %s has the default password: change it%s", SERVER_ADMIN,
		    d->options.devmode ? "" : "; until then it can log in from this machine only");
}

static enum im_err
main_start(void *context, const struct options *o)
{
	struct daemon *d = context;

	daemon_server_options(o, &d->options);
	return server_start(&d->options, &d->server);
}

static enum im_err
main_reload(void *context, const struct options *o)
{
	struct daemon *d = context;
	char text[MAIN_TEXT_MAX];
	enum im_err err, key_err;

	(void)o;
	key_err = server_reload_key(d->server, d->options.signing_key);
	snprintf(text, sizeof text, "%s", err_detail(key_err));
	err = server_reload_tls(d->server);
	if (err != IM_OK && key_err != IM_OK)
		log_error("%s", text);
	return err != IM_OK || key_err == IM_OK ? err : err_set(key_err, "%s", text);
}

static bool
main_answers(void *context, unsigned int timeout_ms)
{
	struct daemon *d = context;

	return server_answers(d->server, timeout_ms);
}

static void
main_stop(void *context)
{
	struct daemon *d = context;

	server_stop(d->server);
}

static enum im_err
main_folder(const struct options *o, struct buf *out)
{
	const char *dir = options_string(o, "dir");

	buf_append(out, dir, strlen(dir) + 1);
	return out->err;
}

/*
 * Free memory goes back to the system. Left to itself the allocator takes the largest block that
 * was ever freed for a sign of what is usual, and keeps as much at the end of each of its many
 * heaps. Some of it stays there while requests come, or each large one would have all its memory
 * faulted in anew; server/ gives that back when no connection is busy.
 */
static void
main_bound_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, MAIN_HEAP_BLOCK_MAX);
	mallopt(M_TRIM_THRESHOLD, MAIN_HEAP_FREE_MAX);
}

static const char *const main_owned[] = {SERVER_LOCK_NAME, META_FILE_NAME, NULL};

static const struct daemon_main main_life = {.name = "immudb",
    .folder = main_folder,
    .owned = main_owned,
    .start = main_start,
    .started = main_say_started,
    .reload = main_reload,
    .answers = main_answers,
    .stop = main_stop};

int
daemon_run(struct command_call *call)
{
	struct daemon d = {0};

	main_bound_heap();
	return daemon_main_run(&main_life, call, &d);
}

int
main(int argc, char **argv)
{
	return program_main(&daemon_program, argc, argv, NULL);
}
