#ifndef SCRATCH_H
#define SCRATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What the crash tests share: a folder for one test, children that do not outlive it, and the
 * number of kills. One thread.
 */
#define SCRATCH_PATH_MAX 256

/* Makes a new folder below $TMPDIR or /tmp; false when that fails. */
bool scratch_make(char path[SCRATCH_PATH_MAX]);

/* Removes a folder with all that is in it. */
void scratch_remove(const char *path);

/* Copies the files of one folder (not its folders) into a new one; false when that fails. */
bool scratch_copy_files(const char *from, const char *to);

/* fork() whose child is killed when its parent ends. */
pid_t scratch_fork(void);

/* Waits until a child has ended: its exit status, or minus the signal that ended it. */
int scratch_wait(pid_t child);

/* Waits until a child has set what it shares; false when it ended before, or a deadline is over. */
bool scratch_await(pid_t child, const _Atomic bool *sign);

/* Lets a random time of at most max_us pass and kills the child, which may have ended before. */
int scratch_kill_after(pid_t child, uint64_t max_us, uint64_t *random);

/* Kills to make: IMMUDB_CRASH_KILLS, else workload_amount() of the normal number. */
unsigned scratch_kills(unsigned normal);

#endif
