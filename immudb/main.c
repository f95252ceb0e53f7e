/*
 * The storage daemon. This file is the order of things at start and stop; daemon_options.c has the
 * options, server/ does the work.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "banner.h"
#include "daemon_options.h"
#include "util/daemon.h"

#define MAIN_BANNER_MAX 65536
/* Blocks of this size are mapped one by one; so much free memory may stay at the end of each heap. */
#define MAIN_HEAP_BLOCK_MAX (1024 * 1024)
#define MAIN_HEAP_FREE_MAX (8 * 1024 * 1024)

/* One line for the user, in the log as well when that is a file. */
static void
main_fail(const struct options *o, enum im_err err)
{
	char text[1024];

	snprintf(text, sizeof text, "%s", err_detail(err));
	fprintf(stderr, "immudb: %s\n", text);
	if (options_string(o, "logfile")[0])
		log_error("%s", text);
}

static bool
main_is_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_colour && no_colour[0]) && term &&
	    strcmp(term, "dumb") != 0;
}

static void
main_fill_banner(const struct options *o, const struct server *s, const struct server_options *so,
    struct banner *b)
{
	*b = (struct banner){.dir = so->dir,
	    .address = so->address[0] ? so->address : "::",
	    .port = server_port(s),
	    .metrics_address = so->metrics_address[0] ? so->metrics_address : so->address,
	    .metrics_port = server_metrics_port(s),
	    .unix_path = so->unix_path,
	    .config_file = options_config_file(o),
	    .pidfile = options_string(o, "pidfile"),
	    .logfile = options_string(o, "logfile"),
	    .max_message_bytes = so->max_message_bytes,
	    .auth = so->auth,
	    .devmode = so->devmode,
	    .database = server_default_database(s),
	    .synced = so->synced,
	    .signing = so->signing_key[0] != '\0',
	    .default_password = so->auth && server_has_default_password(s)};
}

/* The banner's lines in the log, one by one. */
static void
main_log_banner(char *text)
{
	char *line, *rest = NULL;

	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		log_info("%s", line);
}

static void
main_say_started(const struct options *o, const struct server *s, const struct server_options *so)
{
	const char *on = main_is_colour() ? "\033[32m" : "", *off = *on ? "\033[0m" : "";
	struct banner b;
	struct buf text;

	main_fill_banner(o, s, so, &b);
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
			main_log_banner((char *)text.data);
	}
	buf_free(&text);
	if (so->maintenance)
		log_warn(
		    "maintenance mode: whoever is on this machine may read all data and change "
		    "users without login; nothing else is written");
	if (b.default_password)
		log_warn("user %s has the default password: change it%s", SERVER_ADMIN,
		    so->devmode ? "" : "; until then it can log in from this machine only");
}

/* From the first file to the last answer. */
static int
main_serve(const struct options *o)
{
	struct server_options so;
	struct server *s = NULL;
	enum im_err err;
	int signal_number;

	daemon_server_options(o, &so);
	err = server_start(&so, &s);
	if (err != IM_OK) {
		main_fail(o, err);
		return IM_EXIT_ERROR;
	}
	main_say_started(o, s, &so);
	daemon_ready();
	signal_number = daemon_wait_stop(-1);
	log_info("Caught %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
	daemon_stopping();
	server_stop(s);
	log_info("Shutdown completed");
	return IM_EXIT_OK;
}

/*
 * Free memory goes back to the system. Left to itself the allocator takes the largest block that was
 * ever freed for a sign of what is usual, and keeps as much at the end of each of its many heaps. Some
 * of it stays there while requests come, or each large one would have all its memory faulted in anew;
 * server/ gives that back when no connection is busy.
 */
static void
main_bound_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, MAIN_HEAP_BLOCK_MAX);
	mallopt(M_TRIM_THRESHOLD, MAIN_HEAP_FREE_MAX);
}

int
daemon_run(struct command_call *call)
{
	const struct options *o = call->options;
	struct log_config log;
	enum im_err err = daemon_options_check(o);
	int code = IM_EXIT_ERROR;

	main_bound_heap();
	daemon_log_config(o, &log);
	if (err == IM_OK && options_bool(o, "detached"))
		err = daemon_detach("immudb");
	if (err == IM_OK)
		err = daemon_init();
	if (err == IM_OK)
		err = log_open(&log);
	if (err == IM_OK)
		err = daemon_pidfile_create(options_string(o, "pidfile"));
	if (err == IM_OK) {
		daemon_raise_nofile();
		code = main_serve(o);
		daemon_pidfile_remove();
	} else {
		main_fail(o, err);
	}
	daemon_free();
	log_close();
	return code;
}

int
main(int argc, char **argv)
{
	return program_main(&daemon_program, argc, argv, NULL);
}
