/*
 * The command line of immuadmin: options and commands as tables (util/options.h). The work is in
 * the files that admin_commands.h names.
 */
#include "admin_commands.h"
#include "cli/cli_options.h"
#include "cli/cli_version.h"
#include "util/service_command.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct option_def global_options[] = {CLI_OPTIONS};

static const struct option_def login_options[] = {
    {.name = "new-password",
	.type = OPTION_SECRET,
	.help = "password to take in place of the default one"},
    {.name = "new-password-file",
	.type = OPTION_SECRET_FILE,
	.target = "new-password",
	.help = "file whose first line is that password"},
};

/* The password of another user: --password is that of whoever runs the command. */
static const struct option_def user_password_options[] = {
    {.name = "user-password", .type = OPTION_SECRET, .help = "the user's new password"},
    {.name = "user-password-file",
	.type = OPTION_SECRET_FILE,
	.target = "user-password",
	.help = "file whose first line is the user's new password"},
};

static const struct command user_commands[] = {
    {.name = "list",
	.aliases = "ls,l",
	.summary = "list users and their permissions, a row for each database",
	.run = command_user_list},
    {.name = "create",
	.args = "USER LEVEL [DATABASE]",
	.summary = "create a user",
	.help =
	    "LEVEL is read, readwrite, admin or sysadmin; without DATABASE it is for the default "
	    "one. The password is asked for, or the first line of the input.",
	.examples = "immuadmin user create ro read\n"
		    "immuadmin user create myuser readwrite testdb\n"
		    "immuadmin user create auditor read '*' --user-password-file secret.txt",
	.min_args = 2,
	.max_args = 3,
	.options = user_password_options,
	.option_count = COUNT(user_password_options),
	.run = command_user_create},
    {.name = "change-password",
	.aliases = "changepassword",
	.args = "USER",
	.summary = "change a user's password; all sessions of that user end",
	.min_args = 1,
	.max_args = 1,
	.options = user_password_options,
	.option_count = COUNT(user_password_options),
	.run = command_user_change_password},
    {.name = "set-permission",
	.args = "USER LEVEL [DATABASE]",
	.summary = "set a user's permission on a database, and activate the user",
	.examples = "immuadmin user set-permission ro readwrite",
	.min_args = 2,
	.max_args = 3,
	.run = command_user_set_permission},
    {.name = "permission",
	.args = "grant|revoke USER LEVEL [DATABASE]",
	.summary = "grant or revoke a permission on a database",
	.examples = "immuadmin user permission grant myuser admin testdb\n"
		    "immuadmin user permission revoke myuser readwrite testdb",
	.min_args = 3,
	.max_args = 4,
	.run = command_user_permission},
    {.name = "activate",
	.args = "USER",
	.summary = "let a user log in again",
	.min_args = 1,
	.max_args = 1,
	.run = command_user_activate},
    {.name = "deactivate",
	.args = "USER",
	.summary = "keep a user from logging in, and end the user's sessions",
	.min_args = 1,
	.max_args = 1,
	.run = command_user_deactivate},
};

static const struct option_def settings_options[] = {
    {.name = "header-version",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "1",
	.min = 0,
	.max = 1,
	.help = "version of transaction headers; 0 is for clients of older versions"},
    {.name = "synced",
	.type = OPTION_ENUM,
	.flags = OPTION_FLAG_ONLY,
	.choices = "true,false",
	.help = "whether a write is answered only when it is on the disk"},
};

static const struct option_def delete_options[] = {
    {.name = "yes-i-know-what-i-am-doing",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "do not ask for the name once more"},
};

static const struct option_def scrub_options[] = {
    {.name = "rate",
	.type = OPTION_SIZE,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "0",
	.min = 0,
	.max = INT64_MAX,
	.help = "bytes a second to read at most; 0: as the server is configured"},
    {.name = "no-wait",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "begin it and do not wait for its end"},
    {.name = "stop",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "end the one that is under way"},
};

static const struct command database_commands[] = {
    {.name = "list",
	.aliases = "ls,l",
	.summary = "list databases; a star marks the selected one",
	.run = command_database_list},
    {.name = "create",
	.aliases = "c",
	.args = "DATABASE",
	.summary = "create a database",
	.examples = "immuadmin database create testdb",
	.min_args = 1,
	.max_args = 1,
	.options = settings_options,
	.option_count = COUNT(settings_options),
	.run = command_database_create},
    {.name = "update",
	.args = "DATABASE",
	.summary = "change settings of a database",
	.min_args = 1,
	.max_args = 1,
	.options = settings_options,
	.option_count = COUNT(settings_options),
	.run = command_database_update},
    {.name = "use",
	.args = "DATABASE",
	.summary = "use another database from now on",
	.min_args = 1,
	.max_args = 1,
	.run = command_database_use},
    {.name = "load",
	.args = "DATABASE",
	.summary = "take a database into service",
	.min_args = 1,
	.max_args = 1,
	.run = command_database_load},
    {.name = "unload",
	.args = "DATABASE",
	.summary = "take a database out of service",
	.min_args = 1,
	.max_args = 1,
	.run = command_database_unload},
    {.name = "delete",
	.args = "DATABASE",
	.summary = "delete an unloaded database for ever",
	.min_args = 1,
	.max_args = 1,
	.options = delete_options,
	.option_count = COUNT(delete_options),
	.run = command_database_delete},
    {.name = "flush",
	.summary = "write the index of the selected database to disk",
	.run = command_database_flush},
    {.name = "compact",
	.aliases = "clean",
	.args = "[DATABASE]",
	.summary = "merge the index of a database into one run",
	.max_args = 1,
	.run = command_database_compact},
    {.name = "scrub",
	.args = "[DATABASE]",
	.summary =
	    "check a database completely while it is in service; without DATABASE, how it stands "
	    "with all",
	.help =
	    "The server recomputes every transaction from the log, reads tree, offsets and index from "
	    "their files, and says of each fault file, offset, transaction and key, and whether it is "
	    "lost or is made anew. It reads at a bounded rate, behind everybody else; what is written "
	    "meanwhile is left to the next time. Ctrl-C ends it. It goes on when the server is started "
	    "again. The faults are in the server's log, too. Exit code 10: faults were found.",
	.examples = "immuadmin database scrub defaultdb\n"
		    "immuadmin database scrub defaultdb --rate 100M --no-wait\n"
		    "immuadmin database scrub",
	.max_args = 1,
	.options = scrub_options,
	.option_count = COUNT(scrub_options),
	.run = command_database_scrub},
};

static const struct command session_commands[] = {
    {.name = "list",
	.aliases = "ls,l",
	.summary = "list who is logged in",
	.run = command_session_list},
    {.name = "kill",
	.args = "SESSION",
	.summary = "end a session",
	.min_args = 1,
	.max_args = 1,
	.run = command_session_kill},
};

static const struct option_def log_options[] = {
    {.name = "verify", .type = OPTION_BOOL, .flags = OPTION_FLAG_ONLY, .help = "prove each entry"},
    {.name = "oldest-first",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "from the first entry on, not from the latest"},
    {.name = "limit",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "100",
	.min = 0,
	.max = INT64_MAX,
	.help = "show at most this many entries; 0: all"},
};

static const struct option_def stats_options[] = {
    {.name = "text",
	.short_name = 't',
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "once, as text"},
    {.name = "raw",
	.short_name = 'r',
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "once, as the server gives them"},
    {.name = "metrics-port",
	.type = OPTION_INT,
	.default_text = "9497",
	.min = 1,
	.max = 65535,
	.help = "port of the server's metrics"},
    {.name = "interval",
	.type = OPTION_DURATION,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "3s",
	.min = 100,
	.max = 3600000,
	.help = "how often the screen refreshes"},
};

/*
 * Each daemon has the same verbs for itself, with a table of its own so that it is known which is
 * meant.
 */
static const struct command immudb_service_commands[] = {SERVICE_VERBS(command_service)};
static const struct command immugw_service_commands[] = {SERVICE_VERBS(command_service)};
static const struct command auditor_service_commands[] = {SERVICE_VERBS(command_service)};

static const struct command service_commands[] = {
    {.name = "immudb",
	.summary = "the service of the server",
	.flags_only = true,
	.commands = immudb_service_commands,
	.command_count = COUNT(immudb_service_commands)},
    {.name = "immugw",
	.summary = "the service of the gateway",
	.flags_only = true,
	.commands = immugw_service_commands,
	.command_count = COUNT(immugw_service_commands)},
    {.name = "auditor",
	.summary = "the service of the auditor",
	.flags_only = true,
	.commands = auditor_service_commands,
	.command_count = COUNT(auditor_service_commands)},
};

/* Of backup and restore. */
#define COLD_OPTIONS \
	{.name = "dbdir", \
	    .type = OPTION_PATH, \
	    .default_text = "./data", \
	    .help = "data folder of the server"}, \
	    {.name = "manual-stop-start", \
		.type = OPTION_BOOL, \
		.flags = OPTION_FLAG_ONLY, \
		.help = "neither stop nor start the server: refuse to work while it runs"}, \
	    {.name = "yes", \
		.short_name = 'y', \
		.type = OPTION_BOOL, \
		.flags = OPTION_FLAG_ONLY, \
		.help = "do not ask whether to proceed"},

static const struct option_def backup_options[] = {
    COLD_OPTIONS{.name = "uncompressed",
	.short_name = 'u',
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "make a folder and not an archive"},
    {.name = "to",
	.type = OPTION_PATH,
	.flags = OPTION_FLAG_ONLY,
	.value_name = "FOLDER",
	.help = "folder to put the backup into; the working folder if not set"},
    {.name = "pidfile",
	.type = OPTION_PATH,
	.help = "pid file of the server that is to be stopped; found by itself if not set"},
};

static const struct option_def restore_options[] = {COLD_OPTIONS};

static const struct option_def hot_backup_options[] = {
    {.name = "output-file",
	.short_name = 'o',
	.type = OPTION_PATH,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "-",
	.help = "where the archive is written; - is stdout, which must not be a terminal"},
    {.name = "append",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "continue the archive in that file behind its last transaction"},
    {.name = "start-tx",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "1",
	.min = 1,
	.max = INT64_MAX,
	.help = "first transaction of a new archive"},
    {.name = "rate",
	.type = OPTION_SIZE,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "0",
	.min = 0,
	.max = INT64_MAX,
	.help = "bytes a second to read at most, from 64KiB; 0: no limit"},
    {.name = "priority",
	.type = OPTION_ENUM,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "idle",
	.choices = "idle,low,normal",
	.help =
	    "the backup's share of this machine: what nobody else wants, a small one, one like others'"},
    {.name = "progress-bar",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "true",
	.help = "show progress when stderr is a terminal"},
};

static const struct option_def hot_restore_options[] = {
    {.name = "input",
	.short_name = 'i',
	.type = OPTION_PATH,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "-",
	.help = "the archive; - is stdin"},
    {.name = "append",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help =
	    "continue an existing database, whose history must be the beginning of the archive's"},
    {.name = "force",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "replace an existing database, whatever it has; auditors are told"},
    {.name = "verify",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "read the whole file once before anything is sent"},
    {.name = "verify-only",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "check the archive, without a server, and show what it has"},
    {.name = "progress-bar",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "true",
	.help = "show progress when stderr is a terminal"},
};

static const struct command commands[] = {
    {.name = "login",
	.aliases = "l",
	.args = "USER",
	.group = "Session",
	.summary = "log in and keep the session for the commands that follow",
	.help =
	    "The password is asked for on a terminal, else taken from --password-file or the first "
	    "line of the input. While it is the default one, a new one is asked for.",
	.examples = "immuadmin login immudb\n"
		    "immuadmin login immudb --password-file old.txt --new-password-file new.txt",
	.min_args = 1,
	.max_args = 1,
	.options = login_options,
	.option_count = COUNT(login_options),
	.run = command_login},
    {.name = "logout",
	.aliases = "x",
	.group = "Session",
	.summary = "end the session",
	.run = command_logout},
    {.name = "user",
	.aliases = "u",
	.group = "Administration",
	.summary = "users and their permissions",
	.commands = user_commands,
	.command_count = COUNT(user_commands),
	.run = command_user},
    {.name = "database",
	.aliases = "d",
	.group = "Administration",
	.summary = "databases",
	.commands = database_commands,
	.command_count = COUNT(database_commands)},
    {.name = "session",
	.group = "Administration",
	.summary = "who is logged in",
	.commands = session_commands,
	.command_count = COUNT(session_commands)},
    {.name = "log",
	.group = "Administration",
	.summary = "show the journal of administration: who did what, when and from where",
	.examples = "immuadmin log --limit 20\n"
		    "immuadmin log --verify --oldest-first --limit 0",
	.options = log_options,
	.option_count = COUNT(log_options),
	.run = command_log},
    {.name = "status",
	.aliases = "p",
	.group = "Server",
	.summary = "show whether the server is in service; needs no login",
	.run = command_status},
    {.name = "stats",
	.aliases = "s",
	.group = "Server",
	.summary = "show the server's statistics, on a terminal as a screen that refreshes",
	.examples = "immuadmin stats\n"
		    "immuadmin stats --text",
	.options = stats_options,
	.option_count = COUNT(stats_options),
	.run = command_stats},
    {.name = "serverconfig",
	.aliases = "set",
	.args = "auth|mtls VALUE",
	.group = "Server",
	.summary = "tells where the server's settings are",
	.max_args = 2,
	.run = command_serverconfig},
    {.name = "service",
	.group = "Server",
	.summary = "install, remove, start and stop the services of this machine",
	.help =
	    "Runs the command \"service\" of the program in question, which lies beside immuadmin or on "
	    "the PATH.",
	.examples = "immuadmin service immudb install\n"
		    "immuadmin service immugw restart",
	.flags_only = true,
	.commands = service_commands,
	.command_count = COUNT(service_commands)},
    {.name = "hot-backup",
	.args = "DATABASE",
	.group = "Backup",
	.summary = "write a database to an archive while it is in use",
	.help =
	    "The archive has all transactions up to the newest one when the backup begins, and ends "
	    "with the state there, signed if the server signs. Everything in it is verified before "
	    "it is written; under its name a file is always whole. With --append the archive goes on "
	    "where it ends, provided that the server still has the same history.",
	.examples = "immuadmin hot-backup defaultdb -o defaultdb.archive\n"
		    "immuadmin hot-backup defaultdb -o defaultdb.archive --append\n"
		    "immuadmin hot-backup defaultdb | zstd > defaultdb.archive.zst",
	.min_args = 1,
	.max_args = 1,
	.options = hot_backup_options,
	.option_count = COUNT(hot_backup_options),
	.run = command_hot_backup},
    {.name = "hot-restore",
	.args = "[DATABASE]",
	.group = "Backup",
	.summary = "make a database from an archive of hot-backup while the server is in use",
	.help =
	    "Without DATABASE the database has the name that it has in the archive. Every hash is "
	    "computed again, here and by the server; an archive that does not lead to the state it "
	    "ends with is refused, and leaves nothing. The database is seen when it is complete. "
	    "Needs a sysadmin.",
	.examples = "immuadmin hot-restore -i defaultdb.archive copy\n"
		    "immuadmin hot-restore -i defaultdb.archive defaultdb --force\n"
		    "immuadmin hot-restore -i defaultdb.archive --verify-only",
	.max_args = 1,
	.options = hot_restore_options,
	.option_count = COUNT(hot_restore_options),
	.run = command_hot_restore},
    {.name = "verify",
	.args = "DIR",
	.group = "Files",
	.summary = "check a data folder that no server uses, completely",
	.help =
	    "Runs \"immudb verify\" on this machine: recomputes every transaction of every database and "
	    "says of each fault file, offset, transaction and key, and whether it is lost or can be "
	    "rebuilt. Nothing is written into the folder. Exit code 0: whole; 10: faults found; 1: "
	    "cannot be checked.",
	.examples = "immuadmin verify /var/lib/immudb\n"
		    "immuadmin verify --output json ./data",
	.min_args = 1,
	.max_args = 1,
	.run = command_verify},
    {.name = "backup",
	.group = "Files",
	.summary = "copy the data folder of a server on this machine, which is stopped meanwhile",
	.help =
	    "Stops the server if it runs, makes DIR_bkp_TIME.tar.gz, and starts it again: as the service "
	    "immudb, or in the background with the options it had. It "
	    "asks for the superadmin's password then. The backup has the state of each database and the "
	    "digest of each file in it, for restore to check. It gets its name when it is complete.",
	.examples = "immuadmin backup --dbdir /var/lib/immudb --to /srv/backups\n"
		    "immuadmin backup --uncompressed --manual-stop-start",
	.options = backup_options,
	.option_count = COUNT(backup_options),
	.run = command_backup},
    {.name = "restore",
	.args = "BACKUP",
	.group = "Files",
	.summary = "put a backup in the place of a data folder that no server uses",
	.help =
	    "BACKUP is what \"immuadmin backup\" made, or a tar archive or a copy of a stopped server's "
	    "data folder, made by hand. Every file is compared with its digest, every transaction is "
	    "checked and the state of each database compared with the one it had; only then the folder "
	    "is replaced, in one step. The former one stays beside it as DIR_bkp_before_restore_TIME. "
	    "The restore is written into the folder, so that the server announces it to auditors.",
	.examples = "immuadmin restore data_bkp_2024-02-29_12-00-00.tar.gz --dbdir ./data",
	.min_args = 1,
	.max_args = 1,
	.options = restore_options,
	.option_count = COUNT(restore_options),
	.run = command_restore},
    {.name = "version", .group = "Server", .summary = "show the version", .run = cli_version},
};

const struct command immuadmin_root = {
    .name = "immuadmin",
    .summary = "administers an immudb server: users, databases, sessions",
    .examples = "immuadmin login immudb\n"
		"immuadmin database create testdb\n"
		"immuadmin user create myuser readwrite testdb\n"
		"immuadmin user list",
    .options = global_options,
    .option_count = COUNT(global_options),
    .commands = commands,
    .command_count = COUNT(commands),
};
