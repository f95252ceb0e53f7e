/*
 * The alert program. Neighbours: alert (says when), spawn.
 *
 * Invariants: no shell ever sees a byte of an alert; a program never outlives its time nor the
 * auditor's orderly stop; every one is reaped.
 */
#include "alert_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/spawn.h"

#define EXEC_TIMEOUT_MS 30000u
#define EXEC_ERROR_MAX 200u
#define EXEC_VARIABLES 8

struct alert_exec {
	char *path; /* absolute */
	unsigned int timeout_ms;
	int abort_fd; /* eventfd: readable when aborted */
};

/*
 * The path from the root; what a link in it leads to is found anew at each run. NULL: errno says
 * why.
 */
static char *
exec_absolute(const char *path)
{
	char folder[PATH_MAX], *absolute = NULL;

	if (path[0] == '/')
		return strdup(path);
	if (!getcwd(folder, sizeof folder) || asprintf(&absolute, "%s/%s", folder, path) < 0)
		return NULL;
	return absolute;
}

enum im_err
alert_exec_open(const struct alert_options *options, struct alert_exec **out)
{
	struct alert_exec *e = (struct alert_exec *)calloc(1, sizeof *e);
	struct stat st;
	enum im_err err = IM_OK;

	*out = NULL;
	if (!e)
		return err_set(IM_ERR_NOMEM, "out of memory");
	e->timeout_ms = options->exec_timeout_ms ? options->exec_timeout_ms : EXEC_TIMEOUT_MS;
	e->abort_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->abort_fd < 0)
		err = err_set_errno(IM_ERR_IO, "eventfd", options->exec);
	if (!err)
		e->path = exec_absolute(options->exec);
	if (!err && !e->path)
		err = err_set_errno(IM_ERR_IO, "alert program", options->exec);
	else if (!err && stat(e->path, &st) != 0)
		err = err_set_errno(IM_ERR_ARGUMENT, "alert program", e->path);
	else if (!err && (!S_ISREG(st.st_mode) || access(e->path, X_OK) != 0))
		err =
		    err_set(IM_ERR_ARGUMENT, "alert program: %s: not an executable file", e->path);
	if (err)
		alert_exec_close(e);
	else
		*out = e;
	return err;
}

void
alert_exec_close(struct alert_exec *e)
{
	if (!e)
		return;
	if (e->abort_fd >= 0)
		close(e->abort_fd);
	free(e->path);
	free(e);
}

void
alert_exec_abort(struct alert_exec *e)
{
	uint64_t one = 1;

	/* Fails only when it was aborted very often before. */
	if (write(e->abort_fd, &one, sizeof one) < 0)
		return;
}

/* The variables that a program gets: name=value, in the given memory. */
struct exec_environment {
	char texts[EXEC_VARIABLES + 1][PATH_MAX];
	const char *list[EXEC_VARIABLES + 2];
};

static void
exec_make_environment(struct exec_environment *env, const char *id)
{
	static const char *const names[EXEC_VARIABLES] = {
	    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"};
	size_t n = 0;

	for (size_t i = 0; i < EXEC_VARIABLES; i++) {
		const char *value = getenv(names[i]);
		int len = value
		    ? snprintf(env->texts[n], sizeof env->texts[n], "%s=%s", names[i], value)
		    : -1;

		/* One that is too long would be another value. */
		if (len > 0 && (size_t)len < sizeof env->texts[n]) {
			env->list[n] = env->texts[n];
			n++;
		}
	}
	snprintf(env->texts[n], sizeof env->texts[n], "ALERT_ID=%s", id);
	env->list[n] = env->texts[n];
	env->list[n + 1] = NULL;
}

/* A file in memory from which the program reads the alert. */
static int
exec_make_input(struct bytes body)
{
	int fd = memfd_create("alert", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write(fd, body.data, body.len) == (ssize_t)body.len && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The beginning of what the program wrote to its standard error; nobody waits for more. */
static void
exec_read_error(int fd, char out[EXEC_ERROR_MAX + 1])
{
	ssize_t n = read(fd, out, EXEC_ERROR_MAX);

	while (n > 0 && out[n - 1] == '\n')
		n--;
	out[n > 0 ? n : 0] = '\0';
}

static enum alert_result
exec_judge(const struct alert_exec *e, int status, int error_fd, struct alert_outcome *out)
{
	char said[EXEC_ERROR_MAX + 1], how[SPAWN_STATUS_TEXT_SIZE];

	if (status == 0)
		return alert_outcome_set(out, ALERT_DELIVERED, "%s: exit code 0", e->path);
	exec_read_error(error_fd, said);
	return alert_outcome_set(out, ALERT_FAILED, "%s: %s%s%s", e->path,
	    spawn_status_text(status, how), said[0] ? ": " : "", said);
}

/*
 * As the first process of a container we inherit what programs left running when they ended. The
 * auditor has no other children, so that whatever has ended by now is one of those.
 */
static void
exec_reap_orphans(void)
{
	while (getpid() == 1 && waitpid(-1, NULL, WNOHANG) > 0)
		continue;
}

/* Until the program has ended, by itself or by us. */
static enum alert_result
exec_await(
    const struct alert_exec *e, struct spawned *child, int error_fd, struct alert_outcome *out)
{
	int status = 0;
	enum im_err err = spawn_wait(child, (int)e->timeout_ms, e->abort_fd, &status);

	if (!err)
		return exec_judge(e, status, error_fd, out);
	spawn_kill(child, true);
	if (err == IM_ERR_INTERRUPTED)
		return alert_outcome_set(out, ALERT_ABORTED, "stopped");
	return alert_outcome_set(
	    out, ALERT_FAILED, "%s: not done after %u ms, killed", e->path, e->timeout_ms);
}

/* Runs the program with its input and the end of a pipe for its errors. */
static enum alert_result
exec_run(struct alert_exec *e, const char *id, const int fds[3], struct alert_outcome *out)
{
	const struct spawn_fd named[] = {{fds[0], STDIN_FILENO}, {fds[2], STDERR_FILENO}};
	const char *argv[] = {e->path, NULL};
	struct exec_environment *env = (struct exec_environment *)malloc(sizeof *env);
	struct spawn_options o = {.argv = argv, .fds = named, .fds_len = 2, .new_group = true};
	struct spawned child;
	enum im_err err;

	if (!env)
		return alert_outcome_set(out, ALERT_FAILED, "out of memory");
	exec_make_environment(env, id);
	o.env = env->list;
	exec_reap_orphans();
	err = spawn_start(&o, &child);
	free(env);
	/* A program that is gone or may not be executed needs somebody's hand. */
	return err ? alert_outcome_set(out, ALERT_REFUSED, "%s", err_detail(err))
		   : exec_await(e, &child, fds[1], out);
}

enum alert_result
alert_exec_send(struct alert_exec *e, const char *id, struct bytes body, struct alert_outcome *out)
{
	int fds[3] = {exec_make_input(body), -1, -1};
	enum alert_result result;

	if (fds[0] < 0)
		return alert_outcome_set(out, ALERT_FAILED, "memory file: %s", strerror(errno));
	if (pipe2(&fds[1], O_CLOEXEC | O_NONBLOCK) == 0) {
		result = exec_run(e, id, fds, out);
		close(fds[1]);
		close(fds[2]);
	} else {
		result = alert_outcome_set(out, ALERT_FAILED, "pipe: %s", strerror(errno));
	}
	close(fds[0]);
	return result;
}
