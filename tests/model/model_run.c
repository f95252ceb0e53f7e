/*
 * The server under test, the connection to it, and how a run ends.
 *
 * Neighbours: model_test.c runs it; tests/crash/scratch.h keeps folders and children in order.
 */
#include "model_run.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define USER "immudb"
#define PASSWORD "immudb"
#define CONNECT_DEADLINE_S 60
#define CONNECT_PAUSE_NS 3000000
#define LOG_TAIL_BYTES 4000
#define WALK_FDS 16

static pid_t
start_server(const struct run *r)
{
	pid_t child = scratch_fork();
	int fd;

	if (child != 0)
		return child;
	fd = open(r->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
	execl(r->immudb, "immudb", "--dir", r->data, "--address", "127.0.0.1", "--port", "0",
	    "--metrics-port", "0", "--unix-socket", r->socket, (char *)NULL);
	_exit(127);
}

static enum im_err
try_connect(const struct run *r, struct immu **out)
{
	struct immu_options options = {.unix_path = r->socket, .state_dir = r->states};
	enum im_err err = immu_connect(&options, out);

	if (err != IM_OK)
		return err;
	err = immu_login(*out, USER, PASSWORD, NULL);
	if (err != IM_OK) {
		immu_close(*out);
		*out = NULL;
	}
	return err;
}

/* A server that starts is not there at first. */
static void
connect_until_ready(const struct run *r, struct immu **out)
{
	time_t deadline = time(NULL) + CONNECT_DEADLINE_S;
	enum im_err err;

	while ((err = try_connect(r, out)) != IM_OK) {
		if ((err != IM_ERR_UNREACHABLE && err != IM_ERR_CONNECTION_LOST) ||
		    time(NULL) >= deadline)
			run_wrong(r, "connect: %s", immu_error_text(err));
		nanosleep(&(struct timespec){.tv_nsec = CONNECT_PAUSE_NS}, NULL);
	}
}

void
run_start(struct run *r)
{
	r->server = start_server(r);
	connect_until_ready(r, &r->c);
	connect_until_ready(r, &r->other);
}

enum im_err
run_disconnect(struct run *r)
{
	enum im_err err = immu_close(r->c), other_err = immu_close(r->other);

	r->c = r->other = NULL;
	return err != IM_OK ? err : other_err;
}

void
run_swap(struct run *r)
{
	struct immu *c = r->c;

	r->c = r->other;
	r->other = c;
}

void
run_stop(struct run *r, int how)
{
	int status;

	kill(r->server, how);
	status = scratch_wait(r->server);
	r->server = 0;
	if (status != (how == SIGKILL ? -SIGKILL : 0))
		run_wrong(r, "the server ended with %d", status);
}

void
run_restart(struct run *r, int how)
{
	enum im_err err = run_disconnect(r);

	if (err != IM_OK)
		run_wrong(r, "close: %s", immu_error_text(err));
	run_stop(r, how);
	run_start(r);
}

static int
drop_index_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const char *name = path + where->base, *dot = strrchr(name, '.');

	(void)st;
	if (type == FTW_F && (strcmp(name, "manifest") == 0 || (dot && strcmp(dot, ".run") == 0)))
		return remove(path);
	return 0;
}

void
run_restart_without_index(struct run *r)
{
	char folder[sizeof r->data + 16];
	enum im_err err = run_disconnect(r);

	if (err != IM_OK)
		run_wrong(r, "close: %s", immu_error_text(err));
	run_stop(r, SIGTERM);
	snprintf(folder, sizeof folder, "%s/defaultdb", r->data);
	if (nftw(folder, drop_index_file, WALK_FDS, FTW_PHYS) != 0)
		run_wrong(r, "the index could not be removed");
	run_start(r);
}

void
run_begin(struct run *r)
{
	if (!scratch_make(r->dir))
		run_wrong(r, "no folder for the test");
	snprintf(r->data, sizeof r->data, "%s/data", r->dir);
	snprintf(r->socket, sizeof r->socket, "%s/socket", r->dir);
	snprintf(r->states, sizeof r->states, "%s/states", r->dir);
	snprintf(r->log, sizeof r->log, "%s/log", r->dir);
	model_init(&r->m);
	run_start(r);
}

void
run_end(struct run *r)
{
	run_disconnect(r);
	if (r->server) {
		kill(r->server, SIGKILL);
		scratch_wait(r->server);
		r->server = 0;
	}
	if (r->dir[0])
		scratch_remove(r->dir);
	r->dir[0] = 0;
	model_free(&r->m);
}

static void
show_log(const char *path)
{
	char line[512];
	FILE *log = fopen(path, "r");

	if (!log)
		return;
	fputs("the end of what the server said:\n", stderr);
	/* A shorter log is shown from its beginning. */
	if (fseek(log, -LOG_TAIL_BYTES, SEEK_END) != 0)
		rewind(log);
	while (fgets(line, sizeof line, log))
		fputs(line, stderr);
	fclose(log);
}

void
run_wrong(const struct run *r, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "seed %llu, step %u, transaction %llu: ", (unsigned long long)r->seed,
	    r->step, (unsigned long long)r->m.tx);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	show_log(r->log);
	exit(1);
}

void
run_expect(
    const struct run *r, const char *what, enum im_err err, const struct model_faults *faults)
{
	if (model_expects(faults, err))
		return;
	run_wrong(r, "%s: %s (%s) instead of %s", what, immu_error_name(err),
	    err == IM_OK ? "ok" : immu_error_text(err),
	    faults->len ? immu_error_name(faults->items[0]) : "IM_OK");
}
