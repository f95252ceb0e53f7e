#ifndef CLI_CLI_FALLBACK_H
#define CLI_CLI_FALLBACK_H

#include "util/options.h"

/*
 * The daemon's file for clients that have none of their own: where the server is, and how TLS is
 * spoken with it.
 */
extern const struct options_fallback cli_server_file;

#endif
