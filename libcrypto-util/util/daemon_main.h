#ifndef UTIL_DAEMON_MAIN_H
#define UTIL_DAEMON_MAIN_H

#include "util/daemon.h"
#include "util/options.h"

/*
 * The life of a daemon, the same for all: background, signals, log, pid file, start, ready, reload,
 * watchdog, stop. What is particular to one is a table of functions.
 *
 * Signals: SIGTERM and SIGINT stop it; one of them while it starts lets the start go on for a
 * second at most, a second one while it stops ends the process at once. SIGHUP opens the log again
 * and reloads. SIGUSR1 opens the log again, nothing else. A log that is rotated by copying and
 * truncating needs no signal.
 */

/* For requests under way and everything else. */
#define DAEMON_STOP_MAX_MS 30000u

struct daemon_main {
	const char *name; /* in messages, in the log, of the default log file */
	/*
	 * Where "NAME.log" goes when the daemon is in the background and no logfile is set: appends
	 * a folder and a NUL. IM_ERR_CONFIG, IM_ERR_NOMEM.
	 */
	enum im_err (*folder)(const struct options *o, struct buf *out);
	/*
	 * Files that it makes in that folder, NULL-terminated: they, or else the folder, have to be
	 * of the user who runs it (file_check_folder_owner()), which is checked before anything is
	 * written.
	 */
	const char *const *owned;
	/*
	 * Starts all of it; returns when it answers. On an error, whose detail is one line for the
	 * user, nothing of it is left. Other threads and nng may be used from here on.
	 */
	enum im_err (*start)(void *context, const struct options *o);
	/*
	 * Says on standard output that it is there, and where. May be NULL.
	 */
	void (*started)(void *context, const struct options *o);
	/*
	 * Takes over what can change while it runs, from the files that the options name and from
	 * the options of `reloadable`; o is valid until it returns. Says in the log what it took
	 * over. On an error what it was about stays as it was. May be NULL.
	 */
	enum im_err (*reload)(void *context, const struct options *o);
	/*
	 * Options that reload() takes over, NULL-terminated; log-level is always one. May be NULL.
	 */
	const char *const *reloadable;
	/*
	 * SIGUSR1 has opened the log again: for who has processes that write into it, too. May be
	 * NULL.
	 */
	void (*reopened)(void *context);
	/* Whether it still does its work, for a watchdog: takes timeout_ms at most. May be NULL. */
	bool (*answers)(void *context, unsigned int timeout_ms);
	/* Stops all of it and waits for that; requests under way are answered. */
	void (*stop)(void *context);
	/* Who has not stopped then is ended, with IM_EXIT_ERROR; 0: DAEMON_STOP_MAX_MS. */
	unsigned int stop_max_ms;
};

/*
 * Runs the daemon and returns the exit code. It must be the first of main() that forks or starts
 * threads. The options are checked by the program's check (util/options.h) before anything is done.
 * Options used: those of the rows below.
 */
int daemon_main_run(const struct daemon_main *d, struct command_call *call, void *context);

/* One line for the user: on standard error, and in the log when that is a file that is open. */
void daemon_main_fail(const char *name, enum im_err err);

/* For the check of a program that has these rows: whether they go together. */
void daemon_main_check(const struct options *o, struct options_check *to);

/*
 * The rows of the log, in the table of a program that daemon_main_run() runs; the last with its
 * comma.
 */
/* clang-format off */
#define DAEMON_LOG_ROWS(heading) \
    {.name = "logfile", \
	.type = OPTION_PATH, \
	.group = (heading), \
	.help = "Log to this file instead of standard error"}, \
    {.name = "log-level", \
	.type = OPTION_ENUM, \
	.default_text = "info", \
	.choices = "error,warn,info,debug", \
	.aliases = "loglevel", \
	.env = "LOG_LEVEL", \
	.group = (heading), \
	.help = "Least important lines to log"}, \
    {.name = "log-format", \
	.type = OPTION_ENUM, \
	.default_text = "text", \
	.choices = "text,json", \
	.aliases = "logformat", \
	.group = (heading), \
	.help = "Form of the log's lines"},

/* The rows of the process. */
#define DAEMON_PIDFILE_ROW(heading) \
    {.name = "pidfile", \
	.type = OPTION_PATH, \
	.group = (heading), \
	.help = "Write the process id to this file, and hold a lock on it"},
#define DAEMON_DETACHED_ROW(heading) \
    {.name = "detached", \
	.short_name = 'd', \
	.type = OPTION_BOOL, \
	.default_text = "false", \
	.group = (heading), \
	.help = "Run in the background; if no logfile is set, the log is PROGRAM.log in the folder dir"},
/* clang-format on */

#endif
