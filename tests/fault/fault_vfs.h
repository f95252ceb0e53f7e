#ifndef FAULT_VFS_H
#define FAULT_VFS_H

#include "store/vfs.h"

/*
 * A file system in memory, shared with forked children, that fails or loses power at a chosen call.
 *
 * It keeps apart what is durable and what is only written: of each 4 KiB page every version since
 * the last fdatasync, of each folder every creation, renaming and removal since the last sync_dir.
 * fault_vfs_crash() makes of that one of the disks that a power cut may leave. Everything random
 * comes from a seed, so a failure can be had again.
 *
 * A child that forks off after fault_vfs_new() works on the same file system; the parent sees the
 * state in which the child ended, however it ended. The table may be used from many threads.
 */
struct fault_vfs;

/* The path of the folder that exists, durably, in an empty file system. */
#define FAULT_ROOT "/disk"
/* Exit status of a process that met the planned power cut. */
#define FAULT_CUT_EXIT 86

/* An empty file system; NULL when there is no memory. */
struct fault_vfs *fault_vfs_new(void);
void fault_vfs_free(struct fault_vfs *f);

/* What the engine is given. Valid as long as f. */
const struct vfs *fault_vfs_table(struct fault_vfs *f);

/* Empties the file system and forgets the plan. No other process may be using it. */
void fault_vfs_reset(struct fault_vfs *f);

/* Makes to a copy of from, plan excepted. Neither may be in use. */
void fault_vfs_copy(struct fault_vfs *to, const struct fault_vfs *from);

enum fault_kind {
	FAULT_NONE,
	FAULT_FAIL, /* call number `at` fails with `error` */
	FAULT_CUT   /* call number `at` is the last: perhaps half done, it ends the process */
};

struct fault_plan {
	enum fault_kind kind;
	uint64_t at; /* calls are counted from 1 since the plan was made */
	int error;   /* errno of a failing call */
	bool sticky; /* FAULT_FAIL: later calls that take space fail as well */
	uint64_t seed;
};

/* Sets what is to happen and counts calls from 0 again. */
void fault_vfs_plan(struct fault_vfs *f, const struct fault_plan *plan);

/* Calls since the plan was made. */
uint64_t fault_vfs_calls(const struct fault_vfs *f);

/* Whether the planned fault has happened. */
bool fault_vfs_fired(const struct fault_vfs *f);

enum fault_loss {
	FAULT_LOSE_RANDOM, /* each unsynced page and folder operation by chance, pages torn too */
	FAULT_LOSE_EVERYTHING, /* what was not synced is gone */
	FAULT_LOSE_NOTHING     /* as when only the process dies */
};

/*
 * The power cut: the file system becomes what the disk may hold then. Open files are closed, locks
 * released, the plan forgotten. Only after the processes using it have ended.
 */
void fault_vfs_crash(struct fault_vfs *f, enum fault_loss loss, uint64_t seed);

/*
 * The processes using it were killed: open files are closed and locks released, and everything
 * written is seen by the next process, but what was not synced is still not durable. The plan is
 * forgotten.
 */
void fault_vfs_kill(struct fault_vfs *f);

/* Flips bits of a stored byte, durably; false when there is no such file or byte. */
bool fault_vfs_damage(struct fault_vfs *f, const char *path, uint64_t offset, uint8_t mask);

/* The size of a file, or -1 when there is none. */
int64_t fault_vfs_file_size(struct fault_vfs *f, const char *path);

/* Cuts a file short, durably; false when there is none. */
bool fault_vfs_shorten(struct fault_vfs *f, const char *path, uint64_t size);

/* Removes a file, durably; false when there is none. */
bool fault_vfs_remove(struct fault_vfs *f, const char *path);

/* The next number of the generator of this file; state may start as anything. */
uint64_t fault_random(uint64_t *state);

#endif
