/*
 * The server under attack, as seen from outside: its process, its log, its figures in /proc.
 *
 * Neighbours: hostile_test.c starts one for each scenario; scratch.c of tests/crash has folders and
 * children.
 */
#include "target.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "workload.h"

#define START_S 60
#define STOP_S 60
#define POLL_NS 5000000
#define ARGS_MAX 24
#define SANITIZED_PART 5
#define LINE_MAX_BYTES 8192
/* Files that the engine may open meanwhile for what the honest client writes. */
#define FILES_MORE 32

bool
fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

unsigned
amount(unsigned normal)
{
	return SANITIZED ? normal / SANITIZED_PART + 1 : normal;
}

static void
pause_briefly(void)
{
	nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

static int64_t
deadline_in(int64_t seconds)
{
	return clock_monotonic_ns() + seconds * CLOCK_NS_PER_S;
}

/* ---- Life. ---- */

static void
exec_server(const struct target_options *o, const struct target *t)
{
	char data[SCRATCH_PATH_MAX + 16];
	const char *argv[ARGS_MAX] = {"immudb", "--dir", data, "--address", "127.0.0.1", "--port",
	    "0", "--metrics-port", "0"};
	size_t argc = 9;
	int fd = open(t->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	snprintf(data, sizeof data, "%s/data", t->dir);
	for (size_t i = 0; i < sizeof o->args / sizeof *o->args && o->args[i]; i++)
		argv[argc++] = o->args[i];
	if (o->nofile)
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){o->nofile, o->nofile});
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
	execv(o->immudb, (char **)argv);
	_exit(127);
}

/* The port that the server says it listens on; 0 until it has said that it is ready. */
static uint16_t
ready_port(const struct target *t)
{
	char line[LINE_MAX_BYTES];
	FILE *log = fopen(t->log, "r");
	unsigned port = 0, found = 0;

	while (log && fgets(line, sizeof line, log)) {
		sscanf(line, "Address : 127.0.0.1:%u", &found);
		if (strncmp(line, "Ready.", 6) == 0)
			port = found;
	}
	if (log)
		fclose(log);
	return (uint16_t)port;
}

static bool
has_ended(const struct target *t)
{
	siginfo_t info = {0};

	waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	return info.si_pid == t->pid;
}

static void
show_log(const struct target *t)
{
	char line[LINE_MAX_BYTES];
	FILE *log = fopen(t->log, "r");

	while (log && fgets(line, sizeof line, log))
		fprintf(stderr, "immudb: %s", line);
	if (log)
		fclose(log);
}

bool
target_start(const struct target_options *options, struct target *t)
{
	int64_t by = deadline_in(START_S);

	*t = (struct target){0};
	if (!scratch_make(t->dir))
		return fail("no folder for the test");
	snprintf(t->log, sizeof t->log, "%s/log", t->dir);
	t->pid = scratch_fork();
	if (t->pid == 0)
		exec_server(options, t);
	while (!t->port && clock_monotonic_ns() < by && !has_ended(t)) {
		pause_briefly();
		t->port = ready_port(t);
	}
	if (!t->port) {
		show_log(t);
		target_stop(t);
		return fail("the server did not start");
	}
	return true;
}

bool
target_stop(struct target *t)
{
	int64_t by = deadline_in(STOP_S);
	bool ended;
	int status;

	kill(t->pid, SIGTERM);
	while (!(ended = has_ended(t)) && clock_monotonic_ns() < by)
		pause_briefly();
	if (!ended)
		kill(t->pid, SIGKILL);
	status = scratch_wait(t->pid);
	if (status != 0)
		show_log(t);
	scratch_remove(t->dir);
	return status == 0 || fail("the server ended with %d", status);
}

/* ---- Figures. ---- */

static void
count_fds(pid_t pid, struct gauge *g)
{
	char path[64], target[64];
	struct dirent *e;
	ssize_t n;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && (e = readdir(d)) != NULL) {
		n = readlinkat(dirfd(d), e->d_name, target, sizeof target);
		if (n < 0)
			continue;
		if (strncmp(target, "socket:", 7) == 0)
			g->sockets++;
		else
			g->files++;
	}
	if (d)
		closedir(d);
}

static void
read_status(pid_t pid, struct gauge *g)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f)) {
		sscanf(line, "Threads: %u", &g->threads);
		sscanf(line, "VmRSS: %zu", &g->rss_kb);
	}
	if (f)
		fclose(f);
}

static void
read_cpu(pid_t pid, struct gauge *g)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return;
	if (fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		&system) == 2)
		g->cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	fclose(f);
}

void
target_gauge(const struct target *t, struct gauge *g)
{
	*g = (struct gauge){0};
	count_fds(t->pid, g);
	read_status(t->pid, g);
	read_cpu(t->pid, g);
}

static bool
is_settled(const struct gauge *base, const struct gauge *now)
{
	return now->sockets <= base->sockets && now->files <= base->files + FILES_MORE &&
	    now->threads <= base->threads;
}

bool
target_settle(const struct target *t, const struct gauge *base, struct gauge *now)
{
	int64_t by = deadline_in(SETTLE_S);

	target_gauge(t, now);
	while (!is_settled(base, now) && clock_monotonic_ns() < by && !has_ended(t)) {
		pause_briefly();
		target_gauge(t, now);
	}
	if (has_ended(t)) {
		show_log(t);
		return fail("the server has ended");
	}
	if (!is_settled(base, now))
		return fail("%u sockets, %u files, %u threads; before %u, %u, %u", now->sockets,
		    now->files, now->threads, base->sockets, base->files, base->threads);
	return true;
}

void
target_log_count(const struct target *t, const char *text, unsigned *lines, unsigned *more)
{
	char line[LINE_MAX_BYTES];
	FILE *log = fopen(t->log, "r");
	const char *tail;
	unsigned n;

	*lines = *more = 0;
	while (log && fgets(line, sizeof line, log)) {
		if (!strstr(line, text))
			continue;
		++*lines;
		tail = strstr(line, " (and ");
		if (tail && sscanf(tail, " (and %u more like this", &n) == 1)
			*more += n;
	}
	if (log)
		fclose(log);
}

unsigned
target_log_lines(const struct target *t)
{
	unsigned lines, more;

	target_log_count(t, "", &lines, &more);
	return lines;
}

bool
rss_within(const struct gauge *base, const struct gauge *now, size_t kb)
{
	if (SANITIZED || now->rss_kb <= base->rss_kb + kb)
		return true;
	return fail(
	    "%zu KiB of memory, %zu before, %zu more are allowed", now->rss_kb, base->rss_kb, kb);
}

bool
target_settle_rss(const struct target *t, const struct gauge *base, size_t kb, struct gauge *now)
{
	int64_t by = deadline_in(SETTLE_S);

	target_gauge(t, now);
	while (!SANITIZED && now->rss_kb > base->rss_kb + kb && clock_monotonic_ns() < by) {
		pause_briefly();
		target_gauge(t, now);
	}
	return rss_within(base, now, kb);
}

void
report(const char *what, const struct gauge *before, const struct gauge *after)
{
	printf("%s: sockets %u -> %u, files %u -> %u, threads %u -> %u\n", what, before->sockets,
	    after->sockets, before->files, after->files, before->threads, after->threads);
	printf("%s: RSS %zu -> %zu KiB, CPU %.2f s\n", what, before->rss_kb, after->rss_kb,
	    after->cpu_s - before->cpu_s);
	fflush(stdout);
}
