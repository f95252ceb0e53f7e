#ifndef AUDITOR_AUDITOR_COMMANDS_H
#define AUDITOR_AUDITOR_COMMANDS_H

#include "report.h"
#include "util/options.h"
#include "util/output.h"

/*
 * The commands that work on the auditor's folder and on files, without a server; each returns the
 * exit code. auditor_options.c has their table.
 */
int command_status(struct command_call *call);
int command_ack(struct command_call *call);
int command_verify(struct command_call *call);
int command_trust_list(struct command_call *call);
int command_trust_show(struct command_call *call);
int command_trust_export(struct command_call *call);
int command_trust_import(struct command_call *call);
int command_trust_forget(struct command_call *call);

/*
 * What `auditor --once` prints: the verdict on each database, and on the server if that is worse or
 * there is no database. The report is nobody else's any more.
 */
void auditor_show_round(struct output *o, const struct report *r);

/* The exit code of a round that ended with this verdict. */
enum im_exit auditor_exit_code(enum audit_verdict verdict);

#endif
