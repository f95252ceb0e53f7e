#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "server/server.h"
#include "util/log.h"
#include "util/options.h"

/*
 * The options of immudb: the table, and what the daemon makes of the values.
 */

/* The whole program, for program_main(). */
extern const struct program daemon_program;

/* Runs the daemon; returns the exit code. In main.c. */
int daemon_run(struct command_call *call);

/*
 * IM_OK, or IM_ERR_CONFIG naming the option that is switched on although what it asks for is not
 * implemented.
 */
enum im_err daemon_options_check(const struct options *o);

/* The settings of the server; strings belong to o. */
void daemon_server_options(const struct options *o, struct server_options *out);

/* The settings of the log; strings belong to o. */
void daemon_log_config(const struct options *o, struct log_config *out);

#endif
