#ifndef COLD_SERVER_H
#define COLD_SERVER_H

#include <limits.h>
#include <sys/types.h>

#include "util/bytes.h"

/*
 * The server of a data folder on this machine: whether it runs, stopping it, keeping others out of
 * the folder meanwhile, and starting it as it was. It is found as the service "immudb" with that
 * data folder, else by its locked pid file, else, if that was not named, as the process "immudb"
 * that holds the folder's lock. Main thread only.
 */
enum cold_server_kind {
	COLD_SERVER_NONE, /* nobody uses the folder */
	COLD_SERVER_SERVICE,
	COLD_SERVER_PROCESS, /* found by its pid file or the lock */
	COLD_SERVER_UNKNOWN  /* somebody uses it */
};

#define COLD_COMMAND_MAX (2u * 1024 * 1024)

struct cold_server {
	char dir[PATH_MAX];
	char pidfile[PATH_MAX];
	enum cold_server_kind kind;
	int lock_fd; /* of the folder's lock file; -1: not ours */
	bool is_stopped;
	pid_t pid; /* of who uses the folder; 0: not known */
	bool has_pidfile;
	/* How a process was started: */
	uid_t uid;
	gid_t gid;
	char program[PATH_MAX];
	char folder[PATH_MAX];   /* its working folder */
	struct buf command, env; /* texts that end with NUL, one after the other */
};

/*
 * Finds the server of the data folder dir, an absolute path. pidfile is where it has written its
 * pid file; "": DIR/immudb.pid, or it has none. Nobody uses the folder: it is locked for us from
 * here on. IM_ERR_IO, IM_ERR_PERMISSION.
 */
enum im_err cold_server_find(struct cold_server *s, const char *dir, const char *pidfile);

/*
 * Stops a server that was found and locks the folder for us. IM_ERR_LOCKED for an unknown one, of
 * which it says what is known, or one that does not use this folder; IM_ERR_PERMISSION,
 * IM_ERR_TIMEOUT, IM_ERR_CONFIG (one that whoever started it would take for dead).
 */
enum im_err cold_server_stop(struct cold_server *s, unsigned timeout_ms);

/*
 * Lets go of the folder, and starts the server if cold_server_stop() stopped it, even when it
 * failed then. *pid is that of a process that was started, 0 of a service, -1 when nothing had to
 * be done.
 */
enum im_err cold_server_start(struct cold_server *s, pid_t *pid);

/* Lets go of the folder and releases what s holds. */
void cold_server_free(struct cold_server *s);

/*
 * Of an argument list or an environment, as /proc has them: texts that end with NUL. Removes what
 * must not be given again: a password, of which nothing is left but NULs, and what tied the process
 * to whoever started it.
 */
void cold_server_clean_command(struct buf *command);
void cold_server_clean_env(struct buf *env);

#endif
