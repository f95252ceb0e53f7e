#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "server/server.h"
#include "util/options.h"

/*
 * The options of immudb: the table, and what the daemon makes of the values.
 */

/* The whole program, for program_main(). */
extern const struct program daemon_program;

/* Runs the daemon; returns the exit code. In main.c. */
int daemon_run(struct command_call *call);

/* The settings of the server; strings belong to o. */
void daemon_server_options(const struct options *o, struct server_options *out);

#endif
