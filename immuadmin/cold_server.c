/*
 * Stopping and starting the server around work on its files. Neighbours: util/service.h does it for
 * the service, util/daemon.h finds and stops the holder of a pid file.
 *
 * Invariants: a process is stopped only when it has the folder's lock file open, and holds the pid
 * file's lock or is the daemon's program;
 * what is needed to start it again is known before it is stopped; whoever works on the files holds
 * the folder's lock, so that no server starts on them meanwhile.
 */
#include "cold_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/daemon.h"
#include "util/file.h"
#include "util/service.h"
#include "util/spawn.h"
#include "util/supervise.h"

#define SERVICE_NAME "immudb"
#define DAEMON_NAME "immudb"
#define LOCK_NAME "immudb.lock"
#define PIDFILE_NAME "immudb.pid"
#define DETACH_OPTION "--detached"
#define WORDS_MAX 4096
#define SETPRIV "/usr/bin/setpriv"
#define SAID_BYTES_MAX 4096u

/* ---- The lock ---- */

/* The lock file must belong to whoever owns the folder: its server has to open it. */
static enum im_err
keep_owner(const struct cold_server *s, const char *path)
{
	struct stat folder, lock;

	if (stat(s->dir, &folder) != 0 || fstat(s->lock_fd, &lock) != 0)
		return err_set_errno(IM_ERR_IO, "cannot look at", path);
	if (lock.st_uid == folder.st_uid || geteuid() != 0)
		return IM_OK;
	return fchown(s->lock_fd, folder.st_uid, folder.st_gid) == 0
	    ? IM_OK
	    : err_set_errno(IM_ERR_IO, "cannot give away", path);
}

static enum im_err
lock_folder(struct cold_server *s)
{
	char path[PATH_MAX + sizeof LOCK_NAME];
	enum im_err err;

	snprintf(path, sizeof path, "%s/" LOCK_NAME, s->dir);
	err = file_lock(path, false, &s->lock_fd);
	return err == IM_OK ? keep_owner(s, path) : err;
}

/* ---- How a process was started ---- */

static enum im_err
read_proc(pid_t pid, const char *name, struct buf *out)
{
	char path[64];

	buf_init(out, COLD_COMMAND_MAX);
	snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
	return file_read(path, COLD_COMMAND_MAX, out);
}

static enum im_err
read_proc_link(pid_t pid, const char *name, char out[PATH_MAX])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
	n = readlink(path, out, PATH_MAX - 1);
	if (n < 0)
		return err_set_errno(
		    errno == EACCES ? IM_ERR_PERMISSION : IM_ERR_IO, "cannot read", path);
	out[n] = '\0';
	return IM_OK;
}

/* A program that was replaced by a newer one goes by its old name. */
static void
forget_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t n = strlen(path), m = sizeof mark - 1;

	if (n > m && strcmp(path + n - m, mark) == 0)
		path[n - m] = '\0';
}

/* The length of the text at a place, with its NUL if it has one. */
static size_t
text_size(const struct buf *texts, size_t at)
{
	size_t left = texts->len - at, n = strnlen((const char *)texts->data + at, left);

	return n < left ? n + 1 : n;
}

static void
remove_bytes(struct buf *texts, size_t at, size_t n)
{
	memmove(texts->data + at, texts->data + at + n, texts->len - at - n);
	texts->len -= n;
}

/* Every text ends with a NUL from here on. */
static void
terminate(struct buf *texts)
{
	if (texts->len && texts->data[texts->len - 1] != '\0')
		texts->data[texts->len - 1] = '\0';
}

static bool
has_word(const char *text, const char *name)
{
	size_t n = strlen(name);

	return strncmp(text, name, n) == 0 && (text[n] == '\0' || text[n] == '=');
}

static bool
is_bad_variable(const char *text)
{
	static const char *const names[] = {SUPERVISE_FD_NAME, "NOTIFY_SOCKET", "SYSTEMD_EXEC_PID",
	    "INVOCATION_ID", "LISTEN_PID", "LISTEN_FDS"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (has_word(text, names[i]))
			return true;
	return false;
}

/* A password was wiped where it stood: there are as many empty words now as it had bytes. */
static void
remove_password(struct buf *command, size_t at)
{
	remove_bytes(command, at, text_size(command, at));
	while (at < command->len && command->data[at] == '\0')
		remove_bytes(command, at, 1);
}

void
cold_server_clean_command(struct buf *command)
{
	size_t at = 0;

	terminate(command);
	while (at < command->len) {
		const char *text = (const char *)command->data + at;

		if (has_word(text, "--admin-password"))
			remove_password(command, at);
		else if (has_word(text, "--force-admin-password"))
			remove_bytes(command, at, text_size(command, at));
		else
			at += text_size(command, at);
	}
}

void
cold_server_clean_env(struct buf *env)
{
	size_t at = 0;

	terminate(env);
	while (at < env->len) {
		if (is_bad_variable((const char *)env->data + at))
			remove_bytes(env, at, text_size(env, at));
		else
			at += text_size(env, at);
	}
}

static bool
has_variable(const struct buf *env, const char *name)
{
	const char *text = (const char *)env->data;

	for (size_t at = 0; at < env->len; at += strnlen(text + at, env->len - at) + 1)
		if (has_word(text + at, name))
			return true;
	return false;
}

static enum im_err
learn_process(struct cold_server *s)
{
	char path[64];
	struct stat st;
	enum im_err err = read_proc(s->pid, "cmdline", &s->command);

	if (err == IM_OK)
		err = read_proc(s->pid, "environ", &s->env);
	if (err == IM_OK)
		err = read_proc_link(s->pid, "exe", s->program);
	if (err == IM_OK)
		err = read_proc_link(s->pid, "cwd", s->folder);
	if (err != IM_OK)
		return err;
	snprintf(path, sizeof path, "/proc/%ld", (long)s->pid);
	if (stat(path, &st) != 0)
		return err_set_errno(IM_ERR_IO, "cannot look at", path);
	s->uid = st.st_uid;
	s->gid = st.st_gid;
	if (s->pid == 1 || has_variable(&s->env, "NOTIFY_SOCKET") ||
	    has_variable(&s->env, SUPERVISE_FD_NAME))
		return err_set(IM_ERR_CONFIG,
		    "whatever started the server of %s has to stop it: do so, and give "
		    "--manual-stop-start",
		    s->dir);
	forget_deleted(s->program);
	cold_server_clean_command(&s->command);
	cold_server_clean_env(&s->env);
	return IM_OK;
}

/* ---- Finding it ---- */

/* Whether the process has the folder's lock file open. */
static bool
uses_folder(const struct cold_server *s, pid_t pid)
{
	char path[PATH_MAX + sizeof LOCK_NAME];
	struct stat lock, st;
	const struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof path, "%s/" LOCK_NAME, s->dir);
	if (stat(path, &lock) != 0)
		return false;
	snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d)) != NULL)
		found = fstatat(dirfd(d), e->d_name, &st, 0) == 0 && st.st_dev == lock.st_dev &&
		    st.st_ino == lock.st_ino;
	if (d)
		closedir(d);
	return found;
}

/* The process that holds the lock, by the kernel's list of locks; 0 when it does not say. */
static pid_t
find_holder(const struct cold_server *s)
{
	char path[PATH_MAX + sizeof LOCK_NAME], line[256];
	unsigned major_number, minor_number;
	uintmax_t inode;
	struct stat st;
	pid_t pid = 0;
	int n;
	FILE *f;

	snprintf(path, sizeof path, "%s/" LOCK_NAME, s->dir);
	if (stat(path, &st) != 0 || (f = fopen("/proc/locks", "re")) == NULL)
		return 0;
	while (!pid && fgets(line, sizeof line, f))
		if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %x:%x:%ju", &n, &major_number,
			&minor_number, &inode) == 4 &&
		    inode == st.st_ino && n > 0 && uses_folder(s, n))
			pid = n;
	fclose(f);
	return pid;
}

/* Whether it runs the daemon's program, and not one that works on its files as we do. */
static bool
is_daemon(pid_t pid)
{
	char path[PATH_MAX];
	const char *slash;

	if (read_proc_link(pid, "exe", path) != IM_OK)
		return false;
	forget_deleted(path);
	slash = strrchr(path, '/');
	return slash && strcmp(slash + 1, DAEMON_NAME) == 0;
}

static bool
is_service_of(const struct cold_server *s)
{
	struct service_status status;
	char dir[PATH_MAX];

	return service_status(SERVICE_NAME, NULL, &status) == IM_OK &&
	    status.state == SERVICE_RUNNING && realpath(status.dir, dir) &&
	    strcmp(dir, s->dir) == 0;
}

enum im_err
cold_server_find(struct cold_server *s, const char *dir, const char *pidfile)
{
	int n;
	enum im_err err;

	*s = (struct cold_server){.kind = COLD_SERVER_NONE, .lock_fd = -1};
	n = snprintf(s->dir, sizeof s->dir, "%s", dir);
	if (n < 0 || (size_t)n >= sizeof s->dir)
		return err_set(IM_ERR_ARGUMENT, "the path of the data folder is too long");
	n = *pidfile ? snprintf(s->pidfile, sizeof s->pidfile, "%s", pidfile)
		     : snprintf(s->pidfile, sizeof s->pidfile, "%s/" PIDFILE_NAME, s->dir);
	if (n < 0 || (size_t)n >= sizeof s->pidfile)
		return err_set(IM_ERR_ARGUMENT, "the path of the pid file is too long");
	err = lock_folder(s);
	if (err != IM_ERR_LOCKED)
		return err;
	s->kind = COLD_SERVER_UNKNOWN;
	s->has_pidfile = daemon_pidfile_holder(s->pidfile, &s->pid) == IM_OK;
	if (!s->has_pidfile)
		s->pid = find_holder(s);
	if (is_service_of(s))
		s->kind = COLD_SERVER_SERVICE;
	else if (s->has_pidfile || (!*pidfile && s->pid && is_daemon(s->pid)))
		s->kind = COLD_SERVER_PROCESS;
	return IM_OK;
}

/* ---- Stopping it ---- */

/*
 * The descriptor stands for the process that is looked at after it was opened, whatever its number
 * becomes.
 */
static enum im_err
stop_holder(const struct cold_server *s, unsigned timeout_ms)
{
	int fd = pidfd_open(s->pid, 0);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	enum im_err err = IM_OK;

	if (fd < 0)
		return err_set_errno(IM_ERR_IO, "cannot stop", "the server");
	if (!uses_folder(s, s->pid) || pidfd_send_signal(fd, SIGTERM, NULL, 0) != 0)
		err = err_set(errno == EPERM ? IM_ERR_PERMISSION : IM_ERR_IO,
		    "process %ld cannot be stopped", (long)s->pid);
	while (err == IM_OK) {
		int n = poll(&wait, 1, (int)timeout_ms);

		if (n > 0)
			break;
		if (n == 0 || errno != EINTR)
			err = err_set(IM_ERR_TIMEOUT, "process %ld does not stop", (long)s->pid);
	}
	close(fd);
	return err;
}

static enum im_err
stop_process(struct cold_server *s, unsigned timeout_ms)
{
	enum im_err err = learn_process(s);
	pid_t pid;

	if (err != IM_OK)
		return err;
	if (!uses_folder(s, s->pid))
		return err_set(IM_ERR_LOCKED, "process %ld, which holds %s, does not use %s",
		    (long)s->pid, s->pidfile, s->dir);
	err = s->has_pidfile ? daemon_pidfile_stop(s->pidfile, timeout_ms, &pid)
			     : stop_holder(s, timeout_ms);
	s->is_stopped = err == IM_OK;
	return err;
}

static enum im_err
unknown(const struct cold_server *s)
{
	if (s->pid)
		return err_set(IM_ERR_LOCKED,
		    "%s is in use by process %ld, which is not its server", s->dir, (long)s->pid);
	return err_set(IM_ERR_LOCKED,
	    "a server uses %s, and %s does not tell which: give --pidfile, or stop it and give "
	    "--manual-stop-start",
	    s->dir, s->pidfile);
}

enum im_err
cold_server_stop(struct cold_server *s, unsigned timeout_ms)
{
	enum im_err err = IM_OK;

	switch (s->kind) {
	case COLD_SERVER_NONE:
		return IM_OK;
	case COLD_SERVER_SERVICE:
		err = service_pause(SERVICE_NAME, NULL, &s->is_stopped);
		break;
	case COLD_SERVER_PROCESS:
		err = stop_process(s, timeout_ms);
		break;
	case COLD_SERVER_UNKNOWN:
		return unknown(s);
	}
	if (err == IM_OK)
		err = lock_folder(s);
	if (err == IM_ERR_LOCKED) {
		s->is_stopped = false;
		err = err_set(err, "somebody started another server on %s", s->dir);
	}
	return err;
}

/* ---- Starting it ---- */

/* Splits texts into words of a list; returns how many there are. */
static size_t
split(const struct buf *texts, const char **words, size_t max)
{
	const char *text = (const char *)texts->data;
	size_t count = 0;

	for (size_t at = 0; at < texts->len && count < max; at += strlen(text + at) + 1)
		words[count++] = text + at;
	return count;
}

struct starting {
	const char *argv[WORDS_MAX + 16];
	const char *env[WORDS_MAX + 1];
	char uid[32], gid[32];
};

/*
 * The command line: as it was, but in the background and, if we are root, as the user that it was.
 */
static void
compose(const struct cold_server *s, struct starting *k)
{
	const char *words[WORDS_MAX];
	size_t count = split(&s->command, words, WORDS_MAX), n = 0;

	if (geteuid() == 0 && s->uid != 0) {
		snprintf(k->uid, sizeof k->uid, "--reuid=%ld", (long)s->uid);
		snprintf(k->gid, sizeof k->gid, "--regid=%ld", (long)s->gid);
		k->argv[n++] = SETPRIV;
		k->argv[n++] = k->uid;
		k->argv[n++] = k->gid;
		k->argv[n++] = "--init-groups";
		k->argv[n++] = "--";
	}
	k->argv[n++] = s->program;
	if (count < 2 || strcmp(words[1], DETACH_OPTION) != 0)
		k->argv[n++] = DETACH_OPTION;
	for (size_t i = 1; i < count; i++)
		k->argv[n++] = words[i];
	k->argv[n] = NULL;
	k->env[split(&s->env, k->env, WORDS_MAX)] = NULL;
}

/* What a program said that did not start: the last line of a file in memory. */
static enum im_err
report(int fd)
{
	struct buf said;
	char *text, *line;
	enum im_err err;

	buf_init(&said, SAID_BYTES_MAX);
	if (lseek(fd, 0, SEEK_SET) != 0 ||
	    file_read_open(fd, "output", SAID_BYTES_MAX - 1, &said) != IM_OK ||
	    !buf_append_u8(&said, '\0')) {
		buf_free(&said);
		return err_set(IM_ERR_IO, "error restarting immudb server");
	}
	text = (char *)said.data;
	while (said.len > 1 && text[said.len - 2] == '\n')
		text[--said.len - 1] = '\0';
	line = strrchr(text, '\n');
	err = err_set(IM_ERR_IO, "error restarting immudb server: %s", line ? line + 1 : text);
	buf_free(&said);
	return err;
}

/* Runs it, and waits until it is ready or has failed. */
static enum im_err
run(const struct starting *k)
{
	int fd = memfd_create("output", MFD_CLOEXEC), status = 0;
	struct spawn_fd fds[] = {{fd, STDOUT_FILENO}, {fd, STDERR_FILENO}};
	struct spawn_options options = {.argv = k->argv, .env = k->env, .fds = fds, .fds_len = 2};
	struct spawned child;
	enum im_err err;

	if (fd < 0)
		return err_set_errno(IM_ERR_IO, "cannot make", "memory file");
	err = spawn_start(&options, &child);
	if (err == IM_OK)
		err = spawn_wait(&child, -1, -1, &status);
	if (err == IM_OK && status != 0)
		err = report(fd);
	close(fd);
	return err;
}

static enum im_err
start_process(struct cold_server *s, pid_t *pid)
{
	struct starting *k = (struct starting *)calloc(1, sizeof *k);
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum im_err err = k ? IM_OK : IM_ERR_NOMEM;

	if (err == IM_OK && chdir(s->folder) != 0)
		err = err_set_errno(IM_ERR_IO, "error restarting immudb server", s->folder);
	if (err == IM_OK) {
		compose(s, k);
		err = run(k);
	}
	if (here >= 0) {
		if (fchdir(here) != 0 && err == IM_OK)
			err = err_set_errno(IM_ERR_IO, "cannot go back to", "the working folder");
		close(here);
	}
	free(k);
	*pid = 0;
	if (err == IM_OK && daemon_pidfile_holder(s->pidfile, pid) != IM_OK)
		*pid = find_holder(s);
	return err;
}

enum im_err
cold_server_start(struct cold_server *s, pid_t *pid)
{
	bool was_stopped = s->is_stopped;

	*pid = -1;
	file_unlock(&s->lock_fd);
	s->is_stopped = false;
	if (!was_stopped)
		return IM_OK;
	if (s->kind == COLD_SERVER_PROCESS)
		return start_process(s, pid);
	*pid = 0;
	return service_resume(SERVICE_NAME, NULL, true);
}

void
cold_server_free(struct cold_server *s)
{
	file_unlock(&s->lock_fd);
	buf_wipe(&s->command);
	buf_wipe(&s->env);
}
