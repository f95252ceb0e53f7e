#ifndef ADMIN_COMMANDS_H
#define ADMIN_COMMANDS_H

#include "util/options.h"

/* The program's root command, with all others. */
extern const struct command immuadmin_root;

/* The handlers of admin_table.c; each returns the exit code. */

/* admin_account.c */
int command_login(struct command_call *call);
int command_logout(struct command_call *call);
int command_status(struct command_call *call);
int command_serverconfig(struct command_call *call);

/* admin_users.c */
int command_user(struct command_call *call);
int command_user_list(struct command_call *call);
int command_user_create(struct command_call *call);
int command_user_change_password(struct command_call *call);
int command_user_set_permission(struct command_call *call);
int command_user_permission(struct command_call *call);
int command_user_activate(struct command_call *call);
int command_user_deactivate(struct command_call *call);

/* admin_databases.c */
int command_database_list(struct command_call *call);
int command_database_create(struct command_call *call);
int command_database_update(struct command_call *call);
int command_database_use(struct command_call *call);
int command_database_load(struct command_call *call);
int command_database_unload(struct command_call *call);
int command_database_delete(struct command_call *call);
int command_database_flush(struct command_call *call);
int command_database_compact(struct command_call *call);

/* admin_scrub.c */
int command_database_scrub(struct command_call *call);

/* admin_sessions.c */
int command_session_list(struct command_call *call);
int command_session_kill(struct command_call *call);

/* admin_log.c */
int command_log(struct command_call *call);

/* admin_verify.c */
int command_verify(struct command_call *call);

/* admin_service.c */
int command_service(struct command_call *call);
/* admin_cold_backup.c, admin_cold_restore.c */
int command_backup(struct command_call *call);
int command_restore(struct command_call *call);

/* admin_hot_backup.c */
int command_hot_backup(struct command_call *call);

/* admin_hot_restore.c */
int command_hot_restore(struct command_call *call);

/* admin_stats.c */
int command_stats(struct command_call *call);

#endif
