#ifndef COMMANDS_H
#define COMMANDS_H

#include "util/options.h"

/* The program's root command, with all others. */
extern const struct command immuclient_root;

/*
 * The handlers of command_table.c; each returns the exit code. A handler that serves a command and
 * its "safe" variant tells them apart by the command's name.
 */

/* account.c */
int command_login(struct command_call *call);
int command_logout(struct command_call *call);
int command_use(struct command_call *call);

/* keys.c */
int command_set(struct command_call *call);
int command_get(struct command_call *call);
int command_delete(struct command_call *call);
int command_restore(struct command_call *call);
int command_rawsafeget(struct command_call *call);
int command_rawsafeset(struct command_call *call);

/* lists.c */
int command_scan(struct command_call *call);
int command_zscan(struct command_call *call);
int command_history(struct command_call *call);
int command_count(struct command_call *call);

/* references.c */
int command_reference(struct command_call *call);
int command_zadd(struct command_call *call);

/* txs.c */
int command_tx(struct command_call *call);
int command_inspect(struct command_call *call);

/* watch.c */
int command_watch(struct command_call *call);

/* status.c */
int command_current(struct command_call *call);
int command_status(struct command_call *call);
int command_health(struct command_call *call);
int command_info(struct command_call *call);

/* import.c, export_keys.c */
int command_import(struct command_call *call);
int command_export(struct command_call *call);

/* trust_commands.c */
int command_trust_list(struct command_call *call);
int command_trust_show(struct command_call *call);
int command_trust_export(struct command_call *call);
int command_trust_import(struct command_call *call);
int command_trust_forget(struct command_call *call);

/* audit_mode.c */
int command_audit_mode(struct command_call *call);

/* shell.c */
int command_shell(struct command_call *call);

/* verify_proof.c */
int command_verify(struct command_call *call);

#endif
