#ifndef CLI_CLI_TRUST_H
#define CLI_CLI_TRUST_H

#include "client/immu_trust.h"
#include "util/bytes.h"
#include "util/options.h"
#include "util/output.h"

/*
 * The work of the commands "trust list, show, export, import, forget" of every program that has a
 * folder of trusted states. Errors are those of client/immu_trust.h.
 */

/*
 * The server that the options immudb-address, immudb-port and immudb-socket name, as it is pinned,
 * and a NUL: "127.0.0.1:3322", "[::1]:3322", "unix:PATH". The error of out.
 */
enum im_err cli_trust_address(const struct options *o, struct buf *out);

/* A table of all trusted states and pinned servers. */
enum im_err cli_trust_list(struct output *o, const char *folder);

enum im_err cli_trust_show(struct output *o, const struct immu_trust_name *name);

/* The bytes of the file on standard output, whatever the output's format is. */
enum im_err cli_trust_export(const struct immu_trust_name *name);

/* Takes the state in the file at path, "-" being standard input, and shows it. */
struct cli_trust_import {
	const char *folder;
	const char *path;
	enum immu_trust_replace replace;
};
enum im_err cli_trust_import(struct output *o, const struct cli_trust_import *import);

/* Forgets a state or, without a database, which server was seen at the address. */
enum im_err cli_trust_forget(struct output *o, const struct immu_trust_name *name);

#endif
