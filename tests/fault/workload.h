#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdatomic.h>

#include "crypto/hash.h"
#include "store/vfs.h"

/*
 * Work for a database that is going to be killed: transactions whose whole content follows from a
 * number, a record kept outside the database of what was acknowledged, and a check of the one
 * against the other. Writing and checking are run in forked children; the record is in memory that
 * they share with the parent.
 */

/* The most transactions of one record. */
#define WORKLOAD_TXS_MAX 200000u

struct workload_ack {
	uint64_t number; /* which transaction of the workload it is */
	struct hash alh;
};

struct workload_record {
	_Atomic uint64_t submitted;  /* highest number handed to the engine */
	_Atomic uint64_t acked_tx;   /* highest acknowledged transaction id */
	_Atomic uint64_t durable_tx; /* highest id that the engine called durable */
	struct workload_ack acks[WORKLOAD_TXS_MAX + 1]; /* by transaction id */
};

struct workload {
	const struct vfs *vfs; /* NULL: the real one */
	const char *dir;
	bool unsynced;
	bool power_cut; /* unsynced acknowledgements may be lost */
	struct workload_record *record;
};

/* How a child ends. */
enum workload_exit {
	WORKLOAD_OK = 0,
	WORKLOAD_WRONG = 3,  /* a promise was broken: said on stderr */
	WORKLOAD_FATAL = 4,  /* the engine called its fatal hook */
	WORKLOAD_REFUSED = 5 /* an operating error was reported: said on stderr when verbose */
};

/* A record in shared memory, all zero; NULL when there is no memory. */
struct workload_record *workload_record_new(void);
void workload_record_free(struct workload_record *r);

/*
 * Opens the database, writes count more transactions with several in flight, reads some back, and
 * closes it. Ends the process when the engine is at its end. WORKLOAD_REFUSED when opening or a
 * write failed with an operating error.
 */
enum workload_exit workload_write(const struct workload *w, uint64_t count);

/*
 * Opens the database and compares all of it with the record: everything that must be there is, in
 * order, whole; what else is there was submitted and is whole; every key reads as its newest
 * version; the chain and the tree recompute; every 16th state that was ever acknowledged is a
 * prefix of the present one by proof. Transactions from from_tx on are read; earlier ones were by
 * an earlier check. On success the record is what the database holds.
 */
enum workload_exit workload_check(const struct workload *w, uint64_t from_tx);

/* Runs write or check in a child; its exit status, or -1 when a signal ended it. */
int workload_run_write(const struct workload *w, uint64_t count);
int workload_run_check(const struct workload *w, uint64_t from_tx);

/* Whether this is a build for a sanitizer. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* The factor by which long runs (environment variable IMMUDB_TEST_LONG) repeat more: 1 or more. */
unsigned workload_effort(void);

/*
 * How often a test repeats what a normal run without sanitizers repeats so often: more in a long
 * run, a quarter of it under a sanitizer, whose build is slow and not the only one that is tested.
 * At least 1.
 */
unsigned workload_amount(unsigned normal);

#endif
