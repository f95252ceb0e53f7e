#ifndef CLI_CLI_OPTIONS_H
#define CLI_CLI_OPTIONS_H

#include "cli/tls_options.h"
#include "util/options.h"

/*
 * The options that session.c reads, for the table of a program's root command: elements of an array
 * of struct option_def, the last one with its comma.
 */
/* clang-format off */
#define CLI_OPTIONS \
    {.name = "immudb-address", \
	.short_name = 'a', \
	.type = OPTION_STRING, \
	.default_text = "127.0.0.1", \
	.group = "Server", \
	.help = "host name or IP address of the server"}, \
    {.name = "immudb-port", \
	.short_name = 'p', \
	.type = OPTION_INT, \
	.default_text = "3322", \
	.min = 1, \
	.max = 65535, \
	.group = "Server", \
	.help = "port of the server"}, \
    {.name = "immudb-socket", \
	.type = OPTION_PATH, \
	.group = "Server", \
	.help = "unix socket of the server, in place of address and port"}, \
    {.name = "timeout", \
	.type = OPTION_DURATION, \
	.default_text = "1m", \
	.min = 1, \
	.max = INT32_MAX, \
	.group = "Server", \
	.help = "how long to wait for an answer"}, \
    {.name = "max-recv-msg-size", \
	.type = OPTION_SIZE, \
	.default_text = "32MiB", \
	.min = 4096, \
	.max = 1 << 30, \
	.group = "Server", \
	.help = "largest answer that is accepted"}, \
    TLS_OPTIONS \
    {.name = "username", \
	.type = OPTION_STRING, \
	.group = "Session", \
	.help = "user to work as: with the stored session if it is of this user, else by logging in"}, \
    {.name = "password", \
	.type = OPTION_SECRET, \
	.group = "Session", \
	.help = "password of that user"}, \
    {.name = "password-file", \
	.type = OPTION_SECRET_FILE, \
	.target = "password", \
	.group = "Session", \
	.help = "file whose first line is the password"}, \
    {.name = "database", \
	.type = OPTION_STRING, \
	.group = "Session", \
	.help = "database to use, for this command or from this login on"}, \
    {.name = "tokenfile", \
	.type = OPTION_PATH, \
	.group = "Session", \
	.help = \
	    "where the session is stored; one file for each server in the state folder if not set"}, \
    {.name = "server-signing-pub-key", \
	.type = OPTION_PATH, \
	.group = "Trust", \
	.help = "PEM file with the public key that must have signed every state"}, \
    {.name = "state-dir", \
	.type = OPTION_PATH, \
	.group = "Trust", \
	.help = \
	    "folder for trusted states, server identities and sessions; $XDG_STATE_HOME/immudb or " \
	    "$HOME/.local/state/immudb if not set"}, \
    {.name = "output", \
	.type = OPTION_ENUM, \
	.choices = "text,json", \
	.default_text = "text", \
	.group = "Output", \
	.help = "format of results"},
/* clang-format on */

#endif
