#ifndef TORTURE_RUN_H
#define TORTURE_RUN_H

#include <stddef.h>
#include <sys/types.h>

#include "torture.h"

/*
 * Runs code, or programs, again and again and has each time another one of their calls fail. Scenes
 * run in forked children of the test, which has the preloaded library itself; programs are started
 * with it. One thread.
 */

/* Statuses of torture_wait() beside exit codes and negated signals. */
#define TORTURE_HUNG (-1000)

/* The page that a process started with the library looks at; *fd names it to that process. */
struct torture_control *torture_page_new(int *fd);
/* Nothing fails from now on; calls are counted from 0. */
void torture_rest(struct torture_control *page);
/* Calls first to last of a kind, counted from now, fail. */
void
torture_fail(struct torture_control *page, enum torture_kind kind, uint64_t first, uint64_t last);

/* ---- Scenes: code in children of this process -------------------------------------------- */

struct torture_scene {
	const char *name;
	unsigned places; /* places at which a call is made to fail, in a normal run */
	/*
	 * In a child, in a new empty folder: prepares, calls torture_begin(), works, calls
	 * torture_end() and checks what is left. False, with a line on stderr, when something is
	 * not as it must be.
	 */
	bool (*run)(const char *dir);
};

/* In a scene: from here on, and until there, calls are counted and may fail. */
void torture_begin(void);
void torture_end(void);
/* In a scene: where the first call was made to fail. */
const char *torture_site(void);
/* In a scene: whether calls fail until torture_end(), so that trying again is no use. */
bool torture_lasts(void);

/*
 * To be called first in a process that runs scenes: the page that it was started with. Without one
 * the process is started again, with a page and the library. NULL, and said so, when that fails.
 */
struct torture_control *torture_enter(char **argv);

/*
 * Runs the scene of that name (NULL: all of them), with one memory call failing, and with all of
 * them failing from one on. Returns the exit status for main().
 */
int torture_run(
    const struct torture_scene *scenes, size_t n, const char *name, struct torture_control *page);

/* ---- Programs ------------------------------------------------------------------------------ */

struct torture_program {
	const char *const *argv; /* argv[0] is the path; ends with NULL */
	int page_fd;             /* of torture_page_new(); -1: nothing ever fails */
	const char *out; /* files for its standard output and standard error, emptied first */
	const char *err;
};

/* Starts a program that does not outlive this process. */
pid_t torture_start(const struct torture_program *p);
/* Waits until it has ended, at most for a deadline, then kills it: TORTURE_HUNG. */
int torture_wait(pid_t pid, unsigned seconds);

/* ---- Both ---------------------------------------------------------------------------------- */

/* The places to try among n calls. */
struct torture_places {
	uint64_t first;
	uint64_t step;
	uint64_t last;
};

/*
 * So many places in a normal run, half of them under a sanitizer, up to 500 in a long run; spread
 * evenly and not alike each round.
 */
struct torture_places torture_places(uint64_t calls, unsigned places, unsigned round);

/* Says on stderr what failed, where the failing call was made, and what the process had said. */
void torture_complain(const struct torture_control *page, const char *what, const char *said);

#endif
