#ifndef UTIL_SERVICE_H
#define UTIL_SERVICE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * The daemons as services of the system: what is installed, whether it runs, starting and stopping.
 * The services are "immudb", "immugw" and "immudb-auditor"; their units are those of
 * packaging/systemd.
 *
 * root is NULL for the system that runs, where systemd does the work, or a folder under which
 * everything lies as under "/" (an image, a container without systemd, a test): there is no
 * systemctl then, a daemon runs detached, as the user of its unit when we are root, and its locked
 * pid file says whether it runs. No link that leads out of root is followed.
 *
 * Main thread only: other programs are run, and their messages go to our standard error.
 */
enum service_state {
	SERVICE_ABSENT,  /* there is no unit file */
	SERVICE_STOPPED, /* also while it starts or stops */
	SERVICE_RUNNING
};

struct service_status {
	enum service_state state;
	bool is_ours;           /* the unit was written by service_install() */
	pid_t pid;              /* 0 unless it runs */
	char unit[PATH_MAX];    /* the unit file, and what its command line says: */
	char program[PATH_MAX]; /* all paths are below root; "" when not given */
	char dir[PATH_MAX];     /* data folder */
	char pidfile[PATH_MAX];
	char logfile[PATH_MAX];
};

/*
 * How a service is. IM_ERR_ARGUMENT for a name that is no service; IM_ERR_FORMAT for a unit whose
 * command line cannot be read; IM_ERR_IO. Without root on a system that does not run systemd,
 * nothing is said to run.
 */
enum im_err service_status(const char *name, const char *root, struct service_status *out);

/*
 * Starts a service and returns when it answers, at once if it runs already. IM_ERR_NOT_FOUND when
 * it is not installed, IM_ERR_PERMISSION, IM_ERR_CONFIG without root where systemd does not run,
 * IM_ERR_IO when it does not start (what it said has been shown).
 */
enum im_err service_start(const char *name, const char *root);

/*
 * Stops a service and returns when it has ended, at once if it does not run. Errors as
 * service_start().
 */
enum im_err service_stop(const char *name, const char *root);

/*
 * For work on the files of a service: stops it if it is installed and runs, and tells in
 * *was_running whether service_resume() has to start it again. A service that is not installed, or
 * does not run, and a system without systemd are no errors. Whether the files are those of the
 * service is for the caller to find out by service_status().
 */
enum im_err service_pause(const char *name, const char *root, bool *was_running);
enum im_err service_resume(const char *name, const char *root, bool was_running);

#endif
