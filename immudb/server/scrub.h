#ifndef SERVER_SCRUB_H
#define SERVER_SCRUB_H

#include "server/databases.h"

/*
 * Scrubbing: databases in service are checked completely against their logs, a piece at a time, at
 * a bounded rate, one database after the other, by one thread that leaves the rest to others. A
 * scrub is begun by an administrator, or by time; it goes on after a restart where it was. Nothing
 * is changed but pages that store_check() has written again. All functions may be called from any
 * thread.
 */
struct scrubber;

/* Faults of one scrub whose place is kept, and written to the log; all are counted. */
#define SCRUB_FAULTS_MAX 100
/* Bytes a second: the least that may be asked for. */
#define SCRUB_RATE_MIN 4096
#define SCRUB_RATE_DEFAULT (16 * 1024 * 1024)

struct scrub_options {
	struct databases *databases;
	struct meta *meta;
	int64_t interval_s; /* between two scrubs of a database begun by time; 0: none are */
	uint64_t rate;      /* bytes a second, of those that ask for no other */
	/* Whether others wait for the machine; NULL: never. */
	bool (*busy)(void *ctx);
	/* NULL: the clocks of the system. wait_ns may return early; it is called without locks. */
	int64_t (*now_ns)(void *ctx);
	int64_t (*wall_s)(void *ctx);
	void (*wait_ns)(void *ctx, int64_t ns);
	void *ctx;
};

enum scrub_state {
	SCRUB_NEVER,   /* of this database there was none */
	SCRUB_WAITING, /* others come first */
	SCRUB_RUNNING,
	SCRUB_FINISHED, /* all is checked; that says nothing of faults */
	SCRUB_STOPPED,
	SCRUB_FAILED /* it cannot go on: error says why */
};

/* A place that is wrong. */
struct scrub_fault {
	uint64_t tx; /* 0: none */
	uint64_t offset;
	struct bytes key; /* raw; empty: none */
	const char *file;
	const char *what;
	bool derived; /* nothing is lost */
};

/* The scrub under way or, if there is none, the last one of this life of the server. */
struct scrub_info {
	enum scrub_state state;
	bool periodic; /* begun by time */
	char error[256];
	uint64_t rate;
	uint64_t next_tx;         /* the next to be checked */
	uint64_t to_tx;           /* the last to be checked; 0 before it runs */
	uint64_t bytes;           /* checked */
	uint64_t lost, derived;   /* faults */
	int64_t began_s, ended_s; /* unix seconds; 0: not yet */
	/*
	 * The last one that came to its end, also in a former life; last_end_s is 0 if there is
	 * none.
	 */
	int64_t last_end_s;
	uint64_t last_txs, last_bytes, last_lost, last_derived;
	/* Since the server was started. */
	uint64_t total_txs, total_bytes;
};

/* Starts the thread. Scrubs that were under way go on. IM_ERR_NOMEM. */
enum im_err scrubber_start(const struct scrub_options *options, struct scrubber **out);

/* From now on nothing is checked; what was is kept for the next start. NULL is accepted. */
void scrubber_stop(struct scrubber *sc);

/* Waits for the thread and frees all, after scrubber_stop(). NULL is accepted. */
void scrubber_free(struct scrubber *sc);

/*
 * Begins a scrub; one that is under way goes on, at the new rate, as begun by an administrator.
 * rate 0 is that of the options. IM_ERR_ARGUMENT (rate), IM_ERR_DATABASE_NOT_LOADED,
 * IM_ERR_SHUTDOWN, IM_ERR_NOMEM.
 */
enum im_err scrubber_begin(struct scrubber *sc, struct database *db, uint64_t rate);

/* Ends a scrub that is under way, for good. IM_ERR_NOT_FOUND when there is none. */
enum im_err scrubber_end(struct scrubber *sc, struct database *db);

/* How it stands with a database. */
void scrubber_info(struct scrubber *sc, struct database *db, struct scrub_info *out);

/* Gives the faults found by the scrub that scrubber_info() tells of, until fn returns false. */
void scrubber_each_fault(struct scrubber *sc, struct database *db,
    bool (*fn)(void *arg, const struct scrub_fault *fault), void *arg);

/* The name of a state, such as "running". */
const char *scrub_state_name(enum scrub_state state);

#endif
