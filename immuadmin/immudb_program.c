/*
 * Running the daemon's program for work on its files. Neighbours: admin_verify.c becomes it,
 * cold_states.c asks it.
 */
#include "immudb_program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cold_signals.h"
#include "util/file.h"
#include "util/spawn.h"

#define DAEMON_NAME "immudb"
#define ARGS_MAX 16

/* The path of the daemon beside this program. */
static bool
find_beside(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof DAEMON_NAME);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		memcpy(slash + 1, DAEMON_NAME, sizeof DAEMON_NAME);
	return slash && access(path, X_OK) == 0;
}

static bool
find_in_path(char path[PATH_MAX])
{
	const char *folder = getenv("PATH");

	while (folder && *folder) {
		size_t n = strcspn(folder, ":");

		if (n &&
		    (size_t)snprintf(path, PATH_MAX, "%.*s/" DAEMON_NAME, (int)n, folder) <
			PATH_MAX &&
		    access(path, X_OK) == 0)
			return true;
		folder += n + (folder[n] == ':');
	}
	return false;
}

enum im_err
immudb_program_find(char path[PATH_MAX])
{
	if (find_beside(path) || find_in_path(path))
		return IM_OK;
	return err_set(IM_ERR_NOT_FOUND,
	    "the program " DAEMON_NAME " is neither beside this one nor on the PATH");
}

/* Descriptors 1 and 2 of the program: files in memory. */
static enum im_err
open_outputs(int fds[2])
{
	fds[0] = memfd_create("output", MFD_CLOEXEC);
	fds[1] = memfd_create("errors", MFD_CLOEXEC);
	return fds[0] < 0 || fds[1] < 0 ? err_set_errno(IM_ERR_IO, "cannot make", "memory file")
					: IM_OK;
}

static enum im_err
await(struct spawned *child, int *code)
{
	int status = 0;
	enum im_err err = spawn_wait(child, -1, cold_signals_fd(), &status);

	if (err != IM_OK) {
		(void)spawn_kill(child, true);
		return err == IM_ERR_INTERRUPTED ? err_set(err, "interrupted") : err;
	}
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : IM_EXIT_ERROR;
	return IM_OK;
}

static enum im_err
read_output(int fd, struct buf *out)
{
	if (lseek(fd, 0, SEEK_SET) != 0)
		return err_set_errno(IM_ERR_IO, "cannot read", "output of " DAEMON_NAME);
	return file_read_open(fd, "output of " DAEMON_NAME, out->max, out);
}

enum im_err
immudb_program_run(struct immudb_run *run)
{
	const char *argv[ARGS_MAX + 2];
	int fds[2] = {-1, -1};
	char path[PATH_MAX];
	struct spawned child;
	size_t n = 0;
	enum im_err err = immudb_program_find(path);

	argv[0] = path;
	while (n < ARGS_MAX && run->args[n]) {
		argv[n + 1] = run->args[n];
		n++;
	}
	argv[n + 1] = NULL;
	if (err == IM_OK)
		err = open_outputs(fds);
	if (err == IM_OK) {
		struct spawn_fd to[] = {{fds[0], STDOUT_FILENO}, {fds[1], STDERR_FILENO}};
		/* It has locks: whoever comes after a kill of ours must not find them held. */
		struct spawn_options options = {.argv = argv,
		    .fds = to,
		    .fds_len = 2,
		    .new_group = true,
		    .death_signal = SIGKILL};

		err = spawn_start(&options, &child);
	}
	if (err == IM_OK)
		err = await(&child, &run->code);
	if (err == IM_OK)
		err = read_output(fds[0], run->out);
	if (err == IM_OK)
		err = read_output(fds[1], run->errors);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return err;
}
