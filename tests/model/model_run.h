#ifndef MODEL_RUN_H
#define MODEL_RUN_H

#include <sys/types.h>

#include "model_state.h"
#include "scratch.h"

/* One run: a server of its own on a folder of its own, two connections to it, and the model. */
struct run {
	const char *immudb; /* the program */
	char dir[SCRATCH_PATH_MAX];
	char data[SCRATCH_PATH_MAX + 16];
	char socket[SCRATCH_PATH_MAX + 16];
	char states[SCRATCH_PATH_MAX + 16];
	char log[SCRATCH_PATH_MAX + 16];
	pid_t server;
	struct immu *c;     /* the one that is used */
	struct immu *other; /* one that shares its trusted state with the first through files */
	struct model m;
	uint64_t seed;
	unsigned step;
	unsigned done;    /* writes that were made */
	unsigned refused; /* writes that were refused */
};

/* Makes the folder, starts the server, logs in; the model is empty. Ends the process on failure. */
void run_begin(struct run *r);
/* Ends the server and removes the folder; also done when the process ends. */
void run_end(struct run *r);

/* Drops the connections, ends the server with the signal and starts all again. */
void run_restart(struct run *r, int how);
/* The same with a clean stop, after which the index is lost: it is made again from the log. */
void run_restart_without_index(struct run *r);
/* The parts of it. What closing returns matters only while the server is there. */
enum im_err run_disconnect(struct run *r);
void run_stop(struct run *r, int how);
void run_start(struct run *r);

/* From now on the other connection is used: what was answered on one is seen by both. */
void run_swap(struct run *r);

/* Says what is wrong, with seed, step and the end of the server's log, and ends the process. */
_Noreturn void
run_wrong(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the process unless err is what is expected. */
void run_expect(
    const struct run *r, const char *what, enum im_err err, const struct model_faults *faults);

/* Writes: draw one and make it; many at once; many that are under way when the server is killed. */
void write_random(struct run *r);
void write_many(struct run *r);
void write_and_kill(struct run *r);

/* Reads: draw one, make it and compare. */
void read_random(struct run *r);
/* Everything that can be read, key by key, set by set, transaction by transaction. */
void read_all(struct run *r);

/* Compares an entry as shown with the model; loose: revisions may be unknown. */
void read_compare(const struct run *r, const struct immu_entry *got,
    const struct model_shown *expected, bool loose);
void read_compare_bytes(
    const struct run *r, const char *what, struct immu_bytes got, struct immu_bytes expected);
void read_compare_value(const struct run *r, struct immu_bytes got, uint64_t number);
void read_compare_metadata(
    const struct run *r, const struct immu_metadata *got, const struct immu_metadata *expected);
/* A version as a history shows it: references are not followed. */
void read_compare_version(const struct run *r, const struct immu_entry *got,
    const struct model_entry *expected, bool loose);
/* Flags an index older than the newest transaction as wrong; mostly 0. */
uint64_t read_since(const struct run *r, struct model_faults *faults);

/* Lists of keys, members and versions. */
void list_keys_random(struct run *r);
void list_members_random(struct run *r);
void list_versions_random(struct run *r);
void list_versions_all(struct run *r, unsigned key);
void list_members_all(struct run *r, unsigned set);
void list_keys_all(struct run *r);
void count_random(struct run *r);

/* Transactions. */
void tx_random(struct run *r);
void tx_scan_random(struct run *r);
void tx_all(struct run *r);

/* Large values. */
void stream_write_random(struct run *r);
void stream_read_random(struct run *r);
/* More versions than fit an answer: refused as one page, walked through in smaller ones. */
void stream_long_history(struct run *r);
void stream_largest(struct run *r);

#endif
