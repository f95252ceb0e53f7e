/*
 * Children and pages of the torture tests.
 *
 * Neighbours: torture_preload.c is what makes calls fail; *_torture_test.c say what to run.
 */
#include "torture_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scratch.h"
#include "workload.h"

#define SCENE_DEADLINE_S 60
#define POLL_NS 2000000
#define SAID_MAX 6000
/* Places of a long run. */
#define LONG_PLACES 500u
#define SANITIZED_PART 2

/* How a scene's child ends; what a sanitizer ends it with is neither. */
#define SCENE_RIGHT 0
#define SCENE_WRONG 3

/* ---- Pages ---- */

struct torture_control *
torture_page_new(int *fd)
{
	void *page;

	*fd = memfd_create("torture", 0);
	if (*fd < 0 || ftruncate(*fd, sizeof(struct torture_control)) != 0)
		return NULL;
	page =
	    mmap(NULL, sizeof(struct torture_control), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

void
torture_rest(struct torture_control *page)
{
	torture_fail(page, TORTURE_MEMORY, 0, 0);
}

void
torture_fail(struct torture_control *page, enum torture_kind kind, uint64_t first, uint64_t last)
{
	page->first = 0;
	for (unsigned i = 0; i < TORTURE_KINDS; i++)
		page->calls[i] = 0;
	page->kind = kind;
	page->last = last;
	page->failed = 0;
	page->made = 0;
	page->spared = 0;
	page->site[0] = '\0';
	page->first = first;
}

struct torture_places
torture_places(uint64_t calls, unsigned places, unsigned round)
{
	struct torture_places p = {1, 1, calls};

	if (workload_effort() > 1)
		places = LONG_PLACES;
	else if (SANITIZED)
		places = (places + SANITIZED_PART - 1) / SANITIZED_PART;
	if (calls > places) {
		p.step = calls / places + 1;
		p.first = 1 + round * p.step / 3 % p.step;
	}
	return p;
}

void
torture_complain(const struct torture_control *page, const char *what, const char *said)
{
	char line[512];
	FILE *f = fopen(said, "r");
	unsigned long left = SAID_MAX;

	fprintf(stderr, "%s\n %u calls failed, the first one made at\n%s", what, page->failed,
	    page->site);
	while (f && left > sizeof line && fgets(line, sizeof line, f)) {
		fprintf(stderr, " | %s", line);
		left -= strlen(line);
	}
	if (f)
		fclose(f);
}

/* ---- Programs ---- */

static void
redirect(const char *path, int to)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(127);
	close(fd);
}

/* The environment of a process that is tortured. */
static bool
set_environment(int page_fd)
{
	const char *options = getenv("ASAN_OPTIONS");
	char fd[16], asan[512];

	snprintf(fd, sizeof fd, "%d", page_fd);
	/* The runtime accepts being loaded behind the library; it stays the one that is called. */
	snprintf(asan, sizeof asan, "%s%sverify_asan_link_order=0:allocator_may_return_null=1",
	    options ? options : "", options ? ":" : "");
	return setenv(TORTURE_VARIABLE, fd, 1) == 0 && setenv("ASAN_OPTIONS", asan, 1) == 0 &&
	    setenv("LD_PRELOAD", TORTURE_LIBRARY, 1) == 0;
}

pid_t
torture_start(const struct torture_program *p)
{
	pid_t child = scratch_fork();
	int null;

	if (child != 0)
		return child;
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		_exit(127);
	redirect(p->out, STDOUT_FILENO);
	redirect(p->err, STDERR_FILENO);
	if (p->page_fd < 0) {
		unsetenv("LD_PRELOAD");
		unsetenv(TORTURE_VARIABLE);
	} else if (!set_environment(p->page_fd)) {
		_exit(127);
	}
	execv(p->argv[0], (char *const *)p->argv);
	_exit(127);
}

int
torture_wait(pid_t pid, unsigned seconds)
{
	struct timespec now, pause = {.tv_nsec = POLL_NS};
	time_t deadline;
	int status = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + (time_t)seconds + 1;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= deadline) {
			kill(pid, SIGKILL);
			scratch_wait(pid);
			return TORTURE_HUNG;
		}
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- Scenes ---- */

/* One scene being run, in one of the two ways. */
struct turn {
	const struct torture_scene *scene;
	struct torture_control *page;
	uint64_t at;
	bool lasting;
	char dir[SCRATCH_PATH_MAX];
	char said[SCRATCH_PATH_MAX + 16];
};

/* Set in the child. */
static struct turn *turn;

void
torture_begin(void)
{
	torture_fail(turn->page, TORTURE_MEMORY, turn->at, turn->lasting ? UINT64_MAX : turn->at);
}

void
torture_end(void)
{
	if (turn->page->made == 0)
		turn->page->made = turn->page->calls[turn->page->kind];
	turn->page->last = 0;
}

const char *
torture_site(void)
{
	return turn->page->site;
}

bool
torture_lasts(void)
{
	return turn->lasting;
}

static int
run_child(struct turn *t)
{
	pid_t child = scratch_fork();
	bool right;

	if (child != 0)
		return torture_wait(child, SCENE_DEADLINE_S);
	turn = t;
	redirect(t->said, STDERR_FILENO);
	right = t->scene->run(t->dir);
	torture_end();
	exit(right ? SCENE_RIGHT : SCENE_WRONG);
}

static bool
run_turn(struct turn *t, bool *failed)
{
	char what[256];
	int status;

	torture_rest(t->page);
	if (!scratch_make(t->dir))
		return false;
	snprintf(t->said, sizeof t->said, "%s.said", t->dir);
	status = run_child(t);
	*failed = t->page->failed > 0;
	if (status != SCENE_RIGHT) {
		snprintf(what, sizeof what, "%s, call %llu%s: ended with %d%s", t->scene->name,
		    (unsigned long long)t->at, t->lasting ? " and all that follow" : "", status,
		    status == TORTURE_HUNG ? " (hung)" : "");
		torture_complain(t->page, what, t->said);
	}
	scratch_remove(t->dir);
	unlink(t->said);
	return status == SCENE_RIGHT;
}

/* Every place of a scene in one of the two ways; the number that went wrong. */
static unsigned
run_places(struct turn *t, uint64_t calls)
{
	struct torture_places p = torture_places(calls, t->scene->places, t->lasting);
	const char *only = getenv("IMMU_TORTURE_AT");
	unsigned wrong = 0, tried = 0;
	bool failed;

	if (only)
		p.first = p.last = strtoull(only, NULL, 10);
	for (t->at = p.first; t->at <= p.last; t->at += p.step) {
		wrong += !run_turn(t, &failed);
		tried += failed;
	}
	printf("%s: %s at %u of %llu calls, %u wrong\n", t->scene->name,
	    t->lasting ? "no memory from there on" : "one failure", tried,
	    (unsigned long long)calls, wrong);
	fflush(stdout);
	return wrong;
}

static unsigned
run_scene(const struct torture_scene *scene, struct torture_control *page)
{
	struct turn t = {.scene = scene, .page = page};
	uint64_t calls;
	unsigned wrong;
	bool failed;

	if (!run_turn(&t, &failed))
		return 1;
	calls = page->made;
	wrong = run_places(&t, calls);
	t.lasting = true;
	return wrong + run_places(&t, calls);
}

struct torture_control *
torture_enter(char **argv)
{
	const char *text = getenv(TORTURE_VARIABLE);
	struct torture_control *page;
	int fd = -1;

	if (!text) {
		page = torture_page_new(&fd);
		if (page && set_environment(fd))
			execv("/proc/self/exe", argv);
		perror("starting with the library");
		return NULL;
	}
	fd = atoi(text);
	page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

int
torture_run(
    const struct torture_scene *scenes, size_t n, const char *name, struct torture_control *page)
{
	unsigned wrong = 0, run = 0;

	for (size_t i = 0; i < n; i++) {
		if (name && strcmp(name, scenes[i].name) != 0)
			continue;
		wrong += run_scene(&scenes[i], page);
		run++;
	}
	return wrong > 0 || run == 0;
}
