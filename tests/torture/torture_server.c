/*
 * Starting, reaching and stopping the server of a torture test.
 *
 * Neighbours: torture_run.c starts processes; server_torture_test.c and client_torture_test.c use
 * this.
 */
#include "torture_server.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_DEADLINE_S 60
#define STOP_DEADLINE_S 60
#define REQUEST_DEADLINE_MS 20000
#define POLL_NS 2000000

bool
server_prepare(struct torture_server *s, const char *immudb)
{
	*s = (struct torture_server){.immudb = immudb};
	if (!scratch_make(s->dir))
		return false;
	snprintf(s->data, sizeof s->data, "%s/data", s->dir);
	snprintf(s->socket, sizeof s->socket, "%s/socket", s->dir);
	snprintf(s->states, sizeof s->states, "%s/states", s->dir);
	snprintf(s->out, sizeof s->out, "%s/out", s->dir);
	snprintf(s->err, sizeof s->err, "%s/err", s->dir);
	return mkdir(s->states, 0700) == 0;
}

void
server_clean(struct torture_server *s)
{
	scratch_remove(s->dir);
}

void
server_forget(struct torture_server *s)
{
	scratch_remove(s->data);
	scratch_remove(s->states);
	mkdir(s->states, 0700);
}

static bool
is_listening(const struct torture_server *s)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool right = strlen(s->socket) < sizeof to.sun_path;

	if (right)
		memcpy(to.sun_path, s->socket, strlen(s->socket));
	right = right && fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
	if (fd >= 0)
		close(fd);
	return right;
}

static bool
has_ended(struct torture_server *s)
{
	siginfo_t info = {0};

	waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	return info.si_pid == s->pid;
}

bool
server_start(struct torture_server *s, int page_fd)
{
	const char *const argv[] = {s->immudb, "--dir", s->data, "--address", "127.0.0.1", "--port",
	    "0", "--metrics-port", "0", "--unix-socket", s->socket, "--signingKey",
	    s->key ? s->key : "", NULL};
	struct torture_program p = {.argv = argv, .page_fd = page_fd, .out = s->out, .err = s->err};
	time_t deadline = time(NULL) + READY_DEADLINE_S;

	s->pid = torture_start(&p);
	while (time(NULL) < deadline && !has_ended(s)) {
		if (is_listening(s))
			return true;
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	}
	s->status = torture_wait(s->pid, 0);
	return false;
}

int
server_stop(struct torture_server *s)
{
	kill(s->pid, SIGTERM);
	return torture_wait(s->pid, STOP_DEADLINE_S);
}

unsigned
server_sockets(const struct torture_server *s)
{
	char path[64], target[64];
	struct dirent *entry;
	unsigned n = 0;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%ld/fd", (long)s->pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL) {
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		n += strncmp(target, "socket:", strlen("socket:")) == 0;
	}
	if (dir)
		closedir(dir);
	return n;
}

unsigned
lines_with(const char *path, const char *text)
{
	char line[1024];
	FILE *f = fopen(path, "r");
	unsigned n = 0;

	while (f && fgets(line, sizeof line, f))
		n += strncmp(line, text, strlen(text)) == 0;
	if (f)
		fclose(f);
	return n;
}

enum im_err
server_connect(const struct torture_server *s, unsigned timeout_ms, struct immu **out)
{
	struct immu_options options = {.unix_path = s->socket,
	    .state_dir = s->states,
	    .pub_key_file = s->pub_key,
	    .connect_timeout_ms = timeout_ms,
	    .request_timeout_ms = REQUEST_DEADLINE_MS};

	return immu_connect(&options, out);
}
