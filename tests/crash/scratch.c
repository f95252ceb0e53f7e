/*
 * Folders and children of the crash tests.
 *
 * Neighbours: store_crash_test.c and client_crash_test.c.
 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fault_vfs.h"
#include "workload.h"

#define WALK_FDS 16
#define AWAIT_DEADLINE_S 120
#define AWAIT_POLL_NS 1000000

bool
scratch_make(char path[SCRATCH_PATH_MAX])
{
	const char *base = getenv("TMPDIR");
	int n = snprintf(path, SCRATCH_PATH_MAX, "%s/immudb-crash-XXXXXX", base ? base : "/tmp");

	return n > 0 && n < SCRATCH_PATH_MAX && mkdtemp(path);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

void
scratch_remove(const char *path)
{
	nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
}

static bool
copy_bytes(int in, int out)
{
	char chunk[8192];
	ssize_t n;

	while ((n = read(in, chunk, sizeof chunk)) > 0) {
		if (write(out, chunk, (size_t)n) != n)
			return false;
	}
	return n == 0;
}

static bool
copy_file(const char *from, const char *to, const char *name)
{
	char source[2 * SCRATCH_PATH_MAX], target[2 * SCRATCH_PATH_MAX];
	struct stat st;
	int in, out;
	bool done;

	snprintf(source, sizeof source, "%s/%s", from, name);
	snprintf(target, sizeof target, "%s/%s", to, name);
	if (stat(source, &st) != 0 || !S_ISREG(st.st_mode))
		return true;
	in = open(source, O_RDONLY | O_CLOEXEC);
	out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	done = in >= 0 && out >= 0 && copy_bytes(in, out);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return done;
}

bool
scratch_copy_files(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	struct dirent *entry;
	bool done = dir && (mkdir(to, 0700) == 0 || errno == EEXIST);

	while (done && (entry = readdir(dir)) != NULL)
		done = copy_file(from, to, entry->d_name);
	if (dir)
		closedir(dir);
	return done;
}

pid_t
scratch_fork(void)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return child;
}

int
scratch_wait(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool
scratch_await(pid_t child, const _Atomic bool *sign)
{
	time_t deadline = time(NULL) + AWAIT_DEADLINE_S;
	siginfo_t info = {0};

	while (!atomic_load(sign) && info.si_pid != child && time(NULL) < deadline) {
		nanosleep(&(struct timespec){.tv_nsec = AWAIT_POLL_NS}, NULL);
		waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
	}
	return atomic_load(sign);
}

int
scratch_kill_after(pid_t child, uint64_t max_us, uint64_t *random)
{
	uint64_t us = fault_random(random) % max_us;
	struct timespec delay = {
	    .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

	nanosleep(&delay, NULL);
	kill(child, SIGKILL);
	return scratch_wait(child);
}

unsigned
scratch_kills(unsigned normal)
{
	const char *text = getenv("IMMUDB_CRASH_KILLS");
	long kills = text ? strtol(text, NULL, 10) : 0;

	return kills > 0 && kills < 1000000 ? (unsigned)kills : workload_amount(normal);
}
