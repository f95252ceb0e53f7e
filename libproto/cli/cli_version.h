#ifndef CLI_CLI_VERSION_H
#define CLI_CLI_VERSION_H

#include "util/options.h"

/*
 * The command "version" of a program, named by its root command: version, commit, time of building.
 */
int cli_version(struct command_call *call);

#endif
