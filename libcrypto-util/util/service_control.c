/*
 * Whether services run, starting and stopping them: by systemd, or below a root by the command line
 * of the unit and the locked pid file. Neighbours: service_unit (what a unit says), daemon_pidfile
 * (who runs).
 *
 * Invariants: what is started below a root has no path outside of it; a signal goes to the holder
 * of the pid file's lock only; the daemon gets the environment of a service, not ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/daemon.h"
#include "util/service_internal.h"
#include "util/spawn.h"

#define CONTROL_SYSTEMD_RUNS "/run/systemd/system"
/* As TimeoutStopSec of the units. */
#define CONTROL_STOP_TIMEOUT_MS 90000u
#define CONTROL_ANSWER_MAX 4096u
#define CONTROL_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- other programs ---- */

bool
service_systemd_runs(void)
{
	struct stat st;

	return lstat(CONTROL_SYSTEMD_RUNS, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum im_err
control_wait(const char *program, struct spawned *child)
{
	char text[SPAWN_STATUS_TEXT_SIZE];
	int status;
	enum im_err err = spawn_wait(child, -1, -1, &status);

	if (!err && status != 0)
		err = err_set(
		    IM_ERR_IO, "%s has failed: %s", program, spawn_status_text(status, text));
	return err;
}

enum im_err
service_run_program(const char *const *argv)
{
	static const struct spawn_fd fds[] = {
	    {STDERR_FILENO, STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}};
	struct spawned child;
	enum im_err err =
	    spawn_start(&(struct spawn_options){.argv = argv, .fds = fds, .fds_len = 2}, &child);

	return err ? err : control_wait(argv[0], &child);
}

static const char *
control_systemctl(void)
{
	return access("/usr/bin/systemctl", X_OK) == 0 ? "/usr/bin/systemctl" : "/bin/systemctl";
}

enum im_err
service_systemctl(const char *verb, const char *name)
{
	char unit[SERVICE_PATH_MAX];
	const char *argv[] = {
	    control_systemctl(), "--quiet", "--no-ask-password", verb, name ? unit : NULL, NULL};

	snprintf(unit, sizeof unit, "%s.service", name ? name : "");
	return service_run_program(argv);
}

/* ---- units ---- */

enum im_err
service_unit_find(
    const struct service_place *p, const char *name, char path[SERVICE_PATH_MAX], struct buf *unit)
{
	static const char *const folders[] = {
	    SERVICE_UNIT_FOLDER, "/usr/lib/systemd/system", "/lib/systemd/system"};
	enum im_err err = IM_ERR_NOT_FOUND;

	for (size_t i = 0; i < sizeof folders / sizeof *folders && err == IM_ERR_NOT_FOUND; i++) {
		snprintf(path, SERVICE_PATH_MAX, "%s/%s.service", folders[i], name);
		err = service_place_read(p, path, SERVICE_UNIT_MAX, unit);
	}
	if (err != IM_ERR_NOT_FOUND)
		return err;
	return err_set(err,
	    "Service is not installed: there is no %s.service in %s" SERVICE_UNIT_FOLDER, name,
	    p->root);
}

/* A path that the unit names, as others see it; "" when it names none. */
static enum im_err
control_path(const struct service_place *p, const char *path, char out[PATH_MAX])
{
	out[0] = '\0';
	return path[0] ? service_place_path(p, path, out) : IM_OK;
}

static enum im_err
control_describe(const struct service_place *p, const struct service_exec *e, const char *unit,
    struct service_status *out)
{
	enum im_err err = service_place_path(p, unit, out->unit);

	if (!err)
		err = control_path(p, e->words[0], out->program);
	if (!err)
		err = control_path(p, service_exec_flag(e, "--dir"), out->dir);
	if (!err)
		err = control_path(p, service_exec_flag(e, "--pidfile"), out->pidfile);
	return err ? err : control_path(p, service_exec_flag(e, "--logfile"), out->logfile);
}

/* ---- by pid file ---- */

/*
 * A name by which the pid file is reached from its folder, whatever links are on the way. The
 * descriptor is that of the folder.
 */
static enum im_err
control_open_pidfile(
    const struct service_place *p, const struct service_exec *e, char path[PATH_MAX], int *folder)
{
	const char *pidfile = service_exec_flag(e, "--pidfile");
	enum im_err err;

	*folder = -1;
	if (pidfile[0] != '/')
		return err_set(IM_ERR_FORMAT, "the unit has no --pidfile, which tells what runs");
	err = service_place_parent(p, pidfile, folder);
	if (!err)
		snprintf(path, PATH_MAX, "/proc/self/fd/%d/%s", *folder, strrchr(pidfile, '/') + 1);
	return err;
}

/* Who runs by this command line; 0: nobody. */
static enum im_err
control_holder(const struct service_place *p, const struct service_exec *e, pid_t *pid)
{
	char path[PATH_MAX];
	int folder;
	enum im_err err = control_open_pidfile(p, e, path, &folder);

	*pid = 0;
	if (!err)
		err = daemon_pidfile_holder(path, pid);
	if (folder >= 0)
		close(folder);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
control_stop_holder(const struct service_place *p, const struct service_exec *e)
{
	char path[PATH_MAX];
	pid_t pid;
	int folder;
	enum im_err err = control_open_pidfile(p, e, path, &folder);

	if (!err)
		err = daemon_pidfile_stop(path, CONTROL_STOP_TIMEOUT_MS, &pid);
	if (folder >= 0)
		close(folder);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

/* ---- starting without systemd ---- */

/* A command line with every path below the root. */
struct control_start {
	struct buf memory;
	const char *argv[SERVICE_WORDS_MAX + 4];
	size_t argc;
};

/* Adds a word: a text, and behind it, unless it is empty, a path that is to be below the root. */
static enum im_err
control_push(
    struct control_start *s, const struct service_place *p, struct bytes text, const char *path)
{
	size_t at = s->memory.len;

	buf_append_bytes(&s->memory, text);
	if (path[0])
		buf_append_str(&s->memory, p->root);
	buf_append_str(&s->memory, path);
	buf_append_u8(&s->memory, '\0');
	if (s->memory.err)
		return err_set(s->memory.err, "the command line of the unit is too long");
	s->argv[s->argc++] = (const char *)s->memory.data + at;
	s->argv[s->argc] = NULL;
	return IM_OK;
}

/* A word of the unit, in which a path may follow the name of a flag. */
static enum im_err
control_push_word(struct control_start *s, const struct service_place *p, const char *word)
{
	const char *equals = word[0] == '-' ? strstr(word, "=/") : NULL;

	if (word[0] == '/')
		return control_push(s, p, bytes_str(""), word);
	if (!equals)
		return control_push(s, p, bytes_str(word), "");
	return control_push(s, p, bytes_of(word, (size_t)(equals + 1 - word)), equals + 1);
}

/* Nothing that the daemon is to use may be elsewhere by a link. */
static enum im_err
control_check_paths(const struct service_place *p, const struct service_exec *e)
{
	static const char *const flags[] = {"--dir", "--pidfile", "--logfile"};
	char folder[PATH_MAX], seen[PATH_MAX];
	enum im_err err = service_place_inside(p, e->words[0], seen);

	for (size_t i = 0; i < sizeof flags / sizeof *flags && !err; i++) {
		const char *path = service_exec_flag(e, flags[i]);

		if (path[0] != '/')
			continue;
		snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
		err = service_place_inside(p, i == 0 || !folder[0] ? path : folder, seen);
	}
	return err;
}

static enum im_err
control_prepare(struct control_start *s, const struct service_place *p,
    const struct service_def *def, const struct service_exec *e)
{
	char config[SERVICE_PATH_MAX];
	enum im_err err = control_check_paths(p, e);

	for (size_t i = 0; i < e->count && !err; i++)
		err = control_push_word(s, p, e->words[i]);
	snprintf(config, sizeof config, SERVICE_CONFIG_FOLDER "/%s.toml", def->programs[0]);
	if (!err && !service_exec_flag(e, "--config")[0] && !service_place_has_file(p, config)) {
		err = control_push(s, p, bytes_str("--config"), "");
		if (!err)
			err = control_push(s, p, bytes_str(""), config);
	}
	return err ? err : control_push(s, p, bytes_str("--detached"), "");
}

/*
 * Runs the command line as the unit's user, if we are root; it comes back when the daemon is ready.
 */
static enum im_err
control_spawn(const struct service_place *p, struct bytes unit, const char *const *argv)
{
	static const struct spawn_fd fds[] = {{STDERR_FILENO, STDERR_FILENO}};
	static const char *const env[] = {CONTROL_PATH, "LC_ALL=C.UTF-8", NULL};
	char user[SERVICE_USER_MAX];
	struct service_owner owner = {0};
	struct spawn_user as;
	struct spawned child;
	enum im_err err = IM_OK;

	if (geteuid() == 0) {
		err = service_unit_value(unit, "User", user, sizeof user);
		if (!err)
			err = service_account_find(p, user, &owner);
	}
	as = (struct spawn_user){owner.uid, owner.gid};
	if (!err)
		err = spawn_start(&(struct spawn_options){.argv = argv,
				      .env = env,
				      .fds = fds,
				      .fds_len = 1,
				      .user = geteuid() == 0 ? &as : NULL},
		    &child);
	return err ? err : control_wait(argv[0], &child);
}

static enum im_err
control_start_detached(const struct service_place *p, const struct service_def *def,
    struct bytes unit, const struct service_exec *e)
{
	struct control_start *s = (struct control_start *)calloc(1, sizeof *s);
	enum im_err err;

	if (!s)
		return err_set(IM_ERR_NOMEM, "out of memory");
	/* Reserved at once, so that the words stay where they are. */
	buf_init(&s->memory, SERVICE_WORDS_MAX * PATH_MAX);
	err = buf_reserve(&s->memory, SERVICE_WORDS_MAX * PATH_MAX)
	    ? control_prepare(s, p, def, e)
	    : err_set(IM_ERR_NOMEM, "out of memory");
	if (!err)
		err = control_spawn(p, unit, s->argv);
	buf_free(&s->memory);
	free(s);
	return err;
}

/* ---- by systemd ---- */

/* The number behind "name=" in the answer of systemctl show; 0 without. */
static pid_t
control_number(const char *answer, const char *name)
{
	const char *at = strstr(answer, name);

	return at ? (pid_t)strtol(at + strlen(name), NULL, 10) : 0;
}

static enum im_err
control_read_answer(int fd, char *answer)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, answer + len, CONTROL_ANSWER_MAX - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	answer[len] = '\0';
	return n < 0 ? err_set_errno(IM_ERR_IO, "read from", "systemctl") : IM_OK;
}

static enum im_err
control_ask_systemd(const char *name, char answer[CONTROL_ANSWER_MAX])
{
	char unit[SERVICE_PATH_MAX];
	const char *argv[] = {
	    control_systemctl(), "show", "--property=ActiveState,MainPID", unit, NULL};
	struct spawned child;
	int fds[2];
	enum im_err err;

	snprintf(unit, sizeof unit, "%s.service", name);
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_set_errno(IM_ERR_IO, "pipe", argv[0]);
	err = spawn_start(
	    &(struct spawn_options){.argv = argv,
		.fds = (struct spawn_fd[]){{fds[1], STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}},
		.fds_len = 2},
	    &child);
	close(fds[1]);
	if (!err) {
		err = control_read_answer(fds[0], answer);
		/* The answer to a question without meaning; the first error counts. */
		if (control_wait(argv[0], &child) && !err)
			err = IM_ERR_IO;
	}
	close(fds[0]);
	return err;
}

static enum im_err
control_ask(const struct service_place *p, const char *name, const struct service_exec *e,
    struct service_status *out)
{
	char answer[CONTROL_ANSWER_MAX];
	enum im_err err;

	if (p->root[0] || !service_systemd_runs()) {
		err = control_holder(p, e, &out->pid);
		out->state = out->pid ? SERVICE_RUNNING : SERVICE_STOPPED;
		return err;
	}
	err = control_ask_systemd(name, answer);
	if (!err && strstr(answer, "ActiveState=active")) {
		out->state = SERVICE_RUNNING;
		out->pid = control_number(answer, "MainPID=");
	}
	return err;
}

/* ---- for everybody ---- */

enum im_err
service_may_change(const char *root)
{
	if (root)
		return IM_OK;
	if (geteuid() != 0)
		return err_set(IM_ERR_PERMISSION, "%s", SERVICE_NOT_ROOT);
	if (!service_systemd_runs())
		return err_set(IM_ERR_CONFIG,
		    "systemd does not run here: --root / works without it, with programs that run "
		    "detached");
	return IM_OK;
}

/* A service that is being looked at. */
struct control {
	const struct service_def *def;
	struct service_place place;
	char path[SERVICE_PATH_MAX];
	struct buf unit;
	struct service_exec exec;
};

/* IM_ERR_NOT_FOUND, with the place open, when it is not installed. */
static enum im_err
control_open(struct control *c, const char *name, const char *root)
{
	enum im_err err;

	c->def = service_by_name(name);
	c->place.fd = -1;
	buf_init(&c->unit, SERVICE_UNIT_MAX);
	if (!c->def)
		return err_set(IM_ERR_ARGUMENT, "%.64s is no service", name);
	err = service_place_open(&c->place, root);
	if (!err)
		err = service_unit_find(&c->place, name, c->path, &c->unit);
	return err ? err : service_unit_exec(buf_bytes(&c->unit), &c->exec);
}

static void
control_close(struct control *c)
{
	buf_free(&c->unit);
	service_place_close(&c->place);
}

enum im_err
service_status(const char *name, const char *root, struct service_status *out)
{
	struct control c;
	enum im_err err = control_open(&c, name, root);

	*out = (struct service_status){.state = SERVICE_ABSENT};
	if (!err) {
		out->state = SERVICE_STOPPED;
		out->is_ours = service_unit_is_ours(buf_bytes(&c.unit));
		err = control_describe(&c.place, &c.exec, c.path, out);
		if (!err)
			err = control_ask(&c.place, name, &c.exec, out);
	} else if (err == IM_ERR_NOT_FOUND) {
		err = IM_OK;
	}
	control_close(&c);
	return err;
}

static enum im_err
control_start(const struct control *c, const char *root)
{
	pid_t pid;
	enum im_err err;

	if (!root)
		return service_systemctl("start", c->def->name);
	err = control_holder(&c->place, &c->exec, &pid);
	if (err || pid)
		return err;
	return control_start_detached(&c->place, c->def, buf_bytes(&c->unit), &c->exec);
}

/* What starting and stopping have in common. */
static enum im_err
control_run(const char *name, const char *root, bool start)
{
	struct control c;
	enum im_err err = service_may_change(root);

	if (err)
		return err;
	err = control_open(&c, name, root);
	if (!err && start)
		err = control_start(&c, root);
	else if (!err)
		err =
		    root ? control_stop_holder(&c.place, &c.exec) : service_systemctl("stop", name);
	control_close(&c);
	return err;
}

enum im_err
service_start(const char *name, const char *root)
{
	return control_run(name, root, true);
}

enum im_err
service_stop(const char *name, const char *root)
{
	return control_run(name, root, false);
}

enum im_err
service_pause(const char *name, const char *root, bool *was_running)
{
	struct service_status status;
	enum im_err err = IM_OK;

	*was_running = false;
	if (!root && !service_systemd_runs())
		return IM_OK;
	err = service_status(name, root, &status);
	if (err || status.state != SERVICE_RUNNING)
		return err;
	err = service_stop(name, root);
	*was_running = !err;
	return err;
}

enum im_err
service_resume(const char *name, const char *root, bool was_running)
{
	return was_running ? service_start(name, root) : IM_OK;
}
