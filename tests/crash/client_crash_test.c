/*
 * Kills the real server at random moments while a client writes to it, often the client as well,
 * starts it again and has a client with the old trusted state check it: nothing acknowledged is
 * lost, nothing half-written shows, the state extends every state that was trusted before. At the
 * end the folder is read without the server.
 *
 *	client_crash_test IMMUDB [SEED]
 *
 * IMMUDB_CRASH_KILLS says how often. This process never uses the network: its children do.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client_side.h"
#include "fault_vfs.h"
#include "scratch.h"
#include "util/log.h"

#define KILLS 50u
/* How long the client may write before the server is killed, and the server run before it is. */
#define WRITING_US 40000u
#define STARTING_US 150000u
/* What is shown of the server's log when something is wrong. */
#define LOG_TAIL_BYTES 4000
/* Every so many kills the server is killed while it starts. */
#define EARLY_EVERY 6u
/* Every so many kills a client with a state of long ago comes back. */
#define OLD_EVERY 10u
/* Every so many kills the server writes without syncing each answer. */
#define UNSYNCED_EVERY 3u

struct crash {
	const char *immudb;
	char dir[SCRATCH_PATH_MAX];
	char data[SCRATCH_PATH_MAX + 16];
	char socket[SCRATCH_PATH_MAX + 16];
	char states[SCRATCH_PATH_MAX + 16];
	char old_states[SCRATCH_PATH_MAX + 16];
	char log[SCRATCH_PATH_MAX + 16];
	struct client_side side;
	uint64_t random;
	uint64_t checked; /* transactions up to here have been read */
};

/* ---- Children ---- */

static pid_t
start_server(const struct crash *c, bool synced)
{
	pid_t child = scratch_fork();
	int fd;

	if (child != 0)
		return child;
	fd = open(c->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
	execl(c->immudb, "immudb", "--dir", c->data, "--address", "127.0.0.1", "--port", "0",
	    "--metrics-port", "0", "--unix-socket", c->socket,
	    synced ? "--synced=true" : "--synced=false", (char *)NULL);
	_exit(127);
}

static pid_t
start_writer(struct crash *c)
{
	pid_t child;

	atomic_store(c->side.ready, false);
	child = scratch_fork();
	if (child == 0)
		_exit((int)client_write(&c->side));
	return child;
}

static int
run_check(struct crash *c, const char *states, uint64_t from_tx)
{
	struct client_side side = c->side;
	pid_t child = scratch_fork();

	side.state_dir = states;
	if (child == 0)
		_exit((int)client_check(&side, from_tx));
	return scratch_wait(child);
}

static int
run_folder_check(struct crash *c)
{
	char dir[SCRATCH_PATH_MAX + 32];
	pid_t child = scratch_fork();

	snprintf(dir, sizeof dir, "%s/defaultdb", c->data);
	if (child == 0)
		_exit((int)client_check_folder(&c->side, dir));
	return scratch_wait(child);
}

/* ---- One kill ---- */

static bool
fail(const struct crash *c, const char *what, int status)
{
	char line[512];
	FILE *log = fopen(c->log, "r");

	fprintf(stderr, "%s: %d; the end of what the server said:\n", what, status);
	if (log)
		fseek(log, -LOG_TAIL_BYTES, SEEK_END);
	while (log && fgets(line, sizeof line, log))
		fputs(line, stderr);
	if (log)
		fclose(log);
	return false;
}

/* The server dies at a random moment of its start; no client is there. */
static bool
kill_early(struct crash *c)
{
	pid_t server = start_server(c, true);
	int status = scratch_kill_after(server, STARTING_US, &c->random);

	return status == -SIGKILL || fail(c, "the starting server ended", status);
}

/* The server dies while a client writes, and sometimes the client dies with it. */
static bool
kill_writing(struct crash *c, unsigned kill_number)
{
	pid_t server = start_server(c, kill_number % UNSYNCED_EVERY != 0);
	pid_t writer = start_writer(c);
	bool both = kill_number % 2, ready = scratch_await(writer, c->side.ready);
	int server_status = scratch_kill_after(server, WRITING_US, &c->random);
	int status;

	if (both || !ready)
		kill(writer, SIGKILL);
	status = scratch_wait(writer);
	if (!ready)
		return fail(c, "the client did not get ready", status);
	if (server_status != -SIGKILL)
		return fail(c, "the server ended", server_status);
	if (status != WORKLOAD_OK && !(both && status == -SIGKILL))
		return fail(c, "the client ended", status);
	return true;
}

/* A server on the same folder, its clients' checks, and a clean stop. */
static bool
check_once(struct crash *c, unsigned kill_number)
{
	pid_t server = start_server(c, true);
	int status = run_check(c, c->states, c->checked + 1);
	bool right = status == WORKLOAD_OK || fail(c, "the check ended", status);

	c->checked = c->side.record->acked_tx;
	if (right && kill_number % OLD_EVERY == OLD_EVERY - 1) {
		status = run_check(c, c->old_states, c->checked + 1);
		right = status == WORKLOAD_OK || fail(c, "the old client's check ended", status);
		right = right && scratch_copy_files(c->states, c->old_states);
	}
	if (right && kill_number == 0)
		right = scratch_copy_files(c->states, c->old_states);
	kill(server, kill_number % 2 ? SIGTERM : SIGKILL);
	status = scratch_wait(server);
	if (status != -SIGKILL && status != 0)
		right = fail(c, "the server stopped with", status);
	return right;
}

static bool
prepare(struct crash *c)
{
	if (!scratch_make(c->dir))
		return false;
	snprintf(c->data, sizeof c->data, "%s/data", c->dir);
	snprintf(c->socket, sizeof c->socket, "%s/socket", c->dir);
	snprintf(c->states, sizeof c->states, "%s/states", c->dir);
	snprintf(c->old_states, sizeof c->old_states, "%s/old", c->dir);
	snprintf(c->log, sizeof c->log, "%s/log", c->dir);
	c->side = (struct client_side){.socket = c->socket,
	    .state_dir = c->states,
	    .record = workload_record_new(),
	    .ready = mmap(NULL, sizeof(_Atomic bool), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
	return c->side.record && c->side.ready != MAP_FAILED;
}

int
main(int argc, char **argv)
{
	struct crash c = {.immudb = argc > 1 ? argv[1] : ""};
	unsigned kills = scratch_kills(KILLS);
	bool right = argc > 1 && prepare(&c);

	c.random = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	log_set_level(LOG_LEVEL_ERROR);
	printf("seed %llu, %u kills\n", (unsigned long long)c.random, kills);
	fflush(stdout);
	for (unsigned i = 0; right && i < kills; i++) {
		if (i % EARLY_EVERY == EARLY_EVERY - 1)
			right = kill_early(&c);
		else
			right = kill_writing(&c, i) && check_once(&c, i);
	}
	if (right && run_folder_check(&c) != WORKLOAD_OK)
		right = fail(&c, "the check of the folder ended", WORKLOAD_WRONG);
	printf("%s: %llu transactions\n", right ? "all is as promised" : "FAILED",
	    (unsigned long long)c.checked);
	if (c.dir[0])
		scratch_remove(c.dir);
	return right && c.checked > 0 ? 0 : 1;
}
