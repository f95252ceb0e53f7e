#ifndef IMMUGW_GATEWAY_OPTIONS_H
#define IMMUGW_GATEWAY_OPTIONS_H

#include "gateway.h"
#include "util/log.h"
#include "util/options.h"

/*
 * The options of immugw: the table, and what the gateway makes of the values.
 */

/* The whole program, for program_main(). */
extern const struct program gateway_program;

/* Runs the gateway; returns the exit code. In main.c. */
int gateway_run(struct command_call *call);

/*
 * IM_OK, or IM_ERR_CONFIG naming the option that is switched on although what it asks for is not
 * implemented.
 */
enum im_err gateway_options_check(const struct options *o);

/* The settings of the gateway; strings and lists belong to o. */
void gateway_settings_get(const struct options *o, struct gateway_settings *out);

/* The settings of the log; strings belong to o. */
void gateway_log_config(const struct options *o, struct log_config *out);

#endif
