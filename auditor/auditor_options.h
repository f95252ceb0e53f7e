#ifndef AUDITOR_AUDITOR_OPTIONS_H
#define AUDITOR_AUDITOR_OPTIONS_H

#include "audit.h"
#include "util/options.h"
#include "web.h"

/*
 * The options of the auditor: the table, and what its parts are started with.
 */

/* Locked by the auditor that works in a folder; whose it is, that one's is the folder. */
#define AUDITOR_LOCK_NAME "auditor.lock"

/* The whole program, for program_main(). */
extern const struct program auditor_program;

/* Runs the daemon, or with --once one round; returns the exit code. In main.c. */
int auditor_run(struct command_call *call);

/* What the options come to. Strings belong to the options or to this. */
struct auditor_settings {
	struct audit_options audit; /* without report, alerts and peers */
	struct alert_options alert;
	struct peers_options peers; /* without each and its argument */
	struct web_options web;     /* without the report */
	const char *dir;            /* of everything that is kept; NUL-terminated */
	const char *address;        /* of the server, as metrics and files have it */
	struct buf dir_text, address_text, evidence_text, queue_text;
};

/*
 * Makes the settings. IM_ERR_CONFIG with one clear line for values that are wrong by themselves;
 * IM_ERR_NOMEM. Free with auditor_settings_free() in either case.
 */
enum im_err auditor_settings_init(const struct options *o, struct auditor_settings *out);
void auditor_settings_free(struct auditor_settings *s);

/*
 * The folder alone, for commands that only look at it; a path and a NUL. IM_ERR_CONFIG,
 * IM_ERR_NOMEM.
 */
enum im_err auditor_folder(const struct options *o, struct buf *out);

#endif
