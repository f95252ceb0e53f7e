#ifndef COMMANDS_H
#define COMMANDS_H

#include "util/options.h"

/* The handlers of the command table in main.c; each returns the exit code. */

/* account.c */
int command_login(struct command_call *call);
int command_logout(struct command_call *call);
int command_use(struct command_call *call);

/* keys.c */
int command_set(struct command_call *call);
int command_safeset(struct command_call *call);
int command_get(struct command_call *call);
int command_safeget(struct command_call *call);
int command_scan(struct command_call *call);

/* status.c */
int command_current(struct command_call *call);
int command_status(struct command_call *call);
int command_version(struct command_call *call);

/* import.c */
int command_import(struct command_call *call);

#endif
