/*
 * The REST gateway. This file is the order of things at start and stop; gateway_options.c has the
 * options, gateway.c and rest.c do the work.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit_child.h"
#include "gateway_options.h"
#include "util/daemon.h"

/* One line for the user, in the log as well when that is a file. */
static void
main_fail(const struct options *o, enum im_err err)
{
	char text[1024];

	snprintf(text, sizeof text, "%s", err_detail(err));
	fprintf(stderr, "immugw: %s\n", text);
	if (options_string(o, "logfile")[0])
		log_error("%s", text);
}

static void
main_say_started(const struct gateway_settings *settings, const struct gateway *g)
{
	const char *socket = settings->server_socket;

	printf("immugw serves http://%s:%u for the server at ", settings->address, gateway_port(g));
	if (socket[0])
		printf("unix:%s\n", socket);
	else
		printf("%s:%u\n", settings->server_address, settings->server_port);
	if (fflush(stdout) != 0)
		log_warn("cannot write to standard output: %s", strerror(errno));
}

/* From the first connection to the last answer. */
static int
main_serve(const struct options *o)
{
	struct gateway_settings settings;
	struct gateway *g = NULL;
	enum im_err err;
	int signal_number;

	gateway_settings_get(o, &settings);
	/* Before any thread of the gateway, and before the first nng call. */
	err = audit_child_start(o, &settings.auditor);
	if (err == IM_OK)
		err = gateway_start(&settings, &g);
	if (err != IM_OK) {
		audit_child_stop(settings.auditor);
		main_fail(o, err);
		return IM_EXIT_ERROR;
	}
	main_say_started(&settings, g);
	daemon_ready();
	signal_number = daemon_wait_stop(-1);
	log_info("Caught %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
	daemon_stopping();
	gateway_stop(g);
	audit_child_stop(settings.auditor);
	log_info("Shutdown completed");
	return IM_EXIT_OK;
}

int
gateway_run(struct command_call *call)
{
	const struct options *o = call->options;
	enum im_err err = gateway_options_check(o);
	struct log_config log;
	int code = IM_EXIT_ERROR;

	gateway_log_config(o, &log);
	if (err == IM_OK && options_bool(o, "detached"))
		err = daemon_detach("immugw");
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
	return program_main(&gateway_program, argc, argv, NULL);
}
