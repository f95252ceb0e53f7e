#ifndef UTIL_SERVICE_COMMAND_H
#define UTIL_SERVICE_COMMAND_H

#include "util/options.h"

/*
 * The command "service" with its verbs: install, uninstall, start, stop, restart, status. Every
 * daemon has it for itself; other programs have the same rows with a handler of their own, which
 * runs the daemon's.
 */
extern const struct option_def service_install_options[];
extern const struct option_def service_uninstall_options[];
extern const struct option_def service_start_options[];
extern const struct option_def service_stop_options[];

#define SERVICE_INSTALL_OPTIONS_COUNT 5
#define SERVICE_UNINSTALL_OPTIONS_COUNT 4
#define SERVICE_START_OPTIONS_COUNT 2
#define SERVICE_STOP_OPTIONS_COUNT 3
#define SERVICE_VERBS_COUNT 6

/* clang-format off */
/* The verbs, for a table of commands; the handler finds in call->command->name which one it is. */
#define SERVICE_VERBS(handler) \
    {.name = "install", \
	.summary = "install the service, and start it", \
	.help = \
	    "Makes the user immu, the folders of data, settings and logs, and the unit; copies the program " \
	    "to /usr/sbin, and its manual page, unless it runs from a folder of the system. Flags of the program itself, such as " \
	    "--port, are taken, too, and written into the new file of settings; one that is there is " \
	    "kept. With --root nothing is started.", \
	.flags_only = true, \
	.options = service_install_options, \
	.option_count = SERVICE_INSTALL_OPTIONS_COUNT, \
	.run = handler}, \
    {.name = "uninstall", \
	.summary = "stop the service and remove it; data are kept unless one says otherwise", \
	.flags_only = true, \
	.options = service_uninstall_options, \
	.option_count = SERVICE_UNINSTALL_OPTIONS_COUNT, \
	.run = handler}, \
    {.name = "start", \
	.summary = "start the service; returns when it answers", \
	.flags_only = true, \
	.options = service_start_options, \
	.option_count = SERVICE_START_OPTIONS_COUNT, \
	.run = handler}, \
    {.name = "stop", \
	.summary = "stop the service; returns when it has ended", \
	.flags_only = true, \
	.options = service_stop_options, \
	.option_count = SERVICE_STOP_OPTIONS_COUNT, \
	.run = handler}, \
    {.name = "restart", \
	.summary = "stop the service, and start it", \
	.flags_only = true, \
	.options = service_stop_options, \
	.option_count = SERVICE_STOP_OPTIONS_COUNT, \
	.run = handler}, \
    {.name = "status", \
	.summary = "show whether the service is installed and runs; exit code 3 if not", \
	.flags_only = true, \
	.options = service_start_options, \
	.option_count = SERVICE_START_OPTIONS_COUNT, \
	.run = handler},

/*
 * The row of the command in the table of a daemon; the word "install" is as the summaries there
 * begin.
 */
#define SERVICE_COMMAND(install) \
    {.name = "service", \
	.summary = install ", remove, start and stop the service of this program", \
	.help = \
	    "Works on the services of systemd; with --root DIR on what lies under DIR, without systemd: " \
	    "programs then run detached, and --root / does so for a system that has no systemd.", \
	.flags_only = true, \
	.max_args = COMMAND_ANY_ARGS, \
	.commands = service_verbs, \
	.command_count = SERVICE_VERBS_COUNT, \
	.run = service_run_bare}

/* The options of all verbs, for the table of a command that has the verbs as arguments. */
#define SERVICE_OPTIONS \
    {.name = "root", \
	.type = OPTION_PATH, \
	.flags = OPTION_FLAG_ONLY, \
	.value_name = "DIR", \
	.group = "Service", \
	.help = "work on what lies under this folder, without systemd"}, \
    {.name = "force", \
	.type = OPTION_BOOL, \
	.flags = OPTION_FLAG_ONLY, \
	.group = "Service", \
	.help = "install: replace a unit and programs that somebody else has put there"}, \
    {.name = "start", \
	.type = OPTION_BOOL, \
	.flags = OPTION_FLAG_ONLY, \
	.default_text = "true", \
	.group = "Service", \
	.help = "install: start the service, too"}, \
    {.name = "erase-data", \
	.type = OPTION_BOOL, \
	.flags = OPTION_FLAG_ONLY, \
	.group = "Service", \
	.help = "uninstall: remove data, logs and settings as well"}, \
    {.name = "yes", \
	.type = OPTION_BOOL, \
	.flags = OPTION_FLAG_ONLY, \
	.group = "Service", \
	.help = "ask nothing"},
/* clang-format on */

/* The verbs with the handler below. */
extern const struct command service_verbs[SERVICE_VERBS_COUNT];

/* Does what a verb says to the service whose program this is. */
int service_run(struct command_call *call);

/* The command without a verb, or with a wrong one: says which there are. */
int service_run_bare(struct command_call *call);

/* Whether an option is one of the verbs'. */
bool service_has_option(const char *name);

#endif
