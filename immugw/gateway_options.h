#ifndef IMMUGW_GATEWAY_OPTIONS_H
#define IMMUGW_GATEWAY_OPTIONS_H

#include "gateway.h"
#include "util/options.h"

/*
 * The options of immugw: the table, and what the gateway makes of the values.
 */

/* The whole program, for program_main(). */
extern const struct program gateway_program;

/* Runs the gateway; returns the exit code. In main.c. */
int gateway_run(struct command_call *call);

/* The settings of the gateway; strings and lists belong to o. */
void gateway_settings_get(const struct options *o, struct gateway_settings *out);

#endif
