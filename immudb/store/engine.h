#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "crypto/record.h"
#include "store/durable.h"
#include "store/header_cache.h"
#include "store/hot_cache.h"
#include "store/index.h"
#include "store/offsets.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/txlog.h"

/*
 * The inside of a store, shared by the files of the engine and nobody else. Who may touch what:
 *
 *   fixed        set by store_open() before the threads start, never changed
 *   published    written by the committer (or recovery), read by anybody
 *   queue        under queue_lock
 *   committer    by the thread that has the role of the committer (commit.c); recovery before
 *   durable      under durable_lock
 *   upkeep       under upkeep_lock
 */

/* A checkpoint is made after this much log or this many entries. */
#define ENGINE_CHECKPOINT_BYTES UINT64_C(0x4000000)
#define ENGINE_CHECKPOINT_ENTRIES 250000u
/* Quiet time after which the mark is synced, and how often an unsynced log is. */
#define ENGINE_IDLE_SYNC_MS 1000
/* When maintenance keeps failing, writes are refused once this many checkpoints' worth waits. */
#define ENGINE_BACKLOG UINT64_C(4)
/* How often maintenance that failed for want of space or memory is tried again. */
#define ENGINE_RETRY_MS 1000
/* Pieces of one write; a batch ends when they are used up. One transaction always fits. */
#define ENGINE_BATCH_PIECES 2048u
/* Transactions of one batch. */
#define ENGINE_BATCH_TXS 512u
/* Entries of small transactions are put into the index so many at once. */
#define ENGINE_FRESH_ENTRIES 128u

/* Entries of the log that are kept in memory because they are read again and again; in bytes. */
#define ENGINE_HOT_BYTES ((size_t)40 * 1024 * 1024)
#define ENGINE_HOT_ENTRY_BYTES 256u
/*
 * Trees of transactions kept in the same way, and from how many entries on; smaller ones are made.
 */
#define ENGINE_HOT_TREES_BYTES ((size_t)8 * 1024 * 1024)
#define ENGINE_HOT_TREE_BYTES 8192u
#define ENGINE_HOT_TREE_ENTRIES 16u

/* What store_write() computed ahead, in the memory of the request. */
struct store_prepared {
	uint64_t snapshot; /* newest transaction at which the conditions held; ENGINE_NO_SNAPSHOT */
	size_t record_len; /* of the whole record */
	uint8_t *section;  /* the entries section */
	uint32_t section_len;
	uint32_t section_crc;
	struct hash *digests; /* of the entries, in order; kept when an entry is bound */
	struct hash eh;
	struct iovec *values; /* the values that follow the section */
	size_t nvalues;
	struct index_entry *index; /* indexable entries; pos counts from the section's start */
	size_t nindex;
	bool bound; /* some entry carries the id of the transaction */
	bool cold;  /* the conditions could not be evaluated ahead without waiting for the disk */
};

/* Who commits what waits. */
enum engine_role {
	COMMIT_FREE,      /* nobody; only when unsynced */
	COMMIT_BY_CALLER, /* a thread inside store_write() or store_wake(); only when unsynced */
	COMMIT_BY_THREAD, /* the committing thread */
};

struct store {
	/* Fixed. */
	const struct vfs *vfs;
	char *dir;
	char *name;
	struct store_options options;
	uint8_t database_id[TXLOG_DATABASE_ID_SIZE];
	struct vfs_file lock_file;
	struct txlog *log;
	struct tree *tree;
	struct offsets *offsets;
	struct index *index;
	struct store_metrics metrics;
	bool damaged; /* opened read-only because of damage_text */
	char *damage_text;
	uint64_t damage_pos; /* where in the log */

	/* Published. */
	_Atomic uint64_t published; /* newest transaction that readers see */
	pthread_mutex_t state_lock;
	struct store_state state; /* under state_lock */
	_Atomic uint64_t damaged_values, batches, syncs;
	_Atomic bool no_space; /* the last attempt to get log space failed */

	struct header_cache headers; /* has a lock of its own; may be ahead of published */
	struct hot_cache entries;    /* of the log, by position, and small records without values */
	struct hot_cache trees;      /* over the entries of transactions, by position */

	/* Queue. */
	pthread_mutex_t queue_lock;
	pthread_cond_t queue_filled;
	struct store_write *queue_head, **queue_tail;
	size_t queue_bytes, queue_count;
	enum engine_role role; /* who is the committer */
	bool started;          /* the threads run; they start with the first write */
	bool handed_over;      /* the thread has the role from a caller */
	bool committer_asleep;
	bool stopping;
	_Atomic bool flush_wanted; /* set under queue_lock: a checkpoint is asked for, due or not */

	/* Committer. */
	pthread_t committer;       /* the thread, to be joined */
	struct store_write *taken; /* from the queue, to be committed next */
	uint64_t last_tx;
	struct hash last_alh;
	int64_t last_ts;
	uint64_t checkpoint_bytes; /* log and entries since the last checkpoint was asked for */
	uint64_t checkpoint_entries;
	struct iovec *pieces; /* of a batch: ENGINE_BATCH_PIECES */
	uint8_t *heads;       /* of a batch: ENGINE_BATCH_TXS times RECORD_HEAD_MAX */
	/* Of the present batch, not yet in the index; their keys are those of the requests. */
	struct index_entry fresh[ENGINE_FRESH_ENTRIES];
	size_t nfresh, fresh_key_bytes;

	/* Durable. */
	pthread_mutex_t durable_lock;
	struct record_mark durable; /* newest known to be synced */
	struct record_mark written; /* newest written; ahead of durable only when unsynced */
	struct mark_file mark;
	bool mark_dirty; /* the mark file was written since it was last synced */

	/* Upkeep. */
	pthread_t syncer, indexer;
	bool syncer_started, indexer_started;
	pthread_mutex_t upkeep_lock;
	pthread_cond_t syncer_wanted, indexer_wanted;
	pthread_cond_t upkeep_done; /* a checkpoint was made, or could not be */
	bool upkeep_stop;
	bool syncer_asleep;     /* the syncer waits for the next batch, however long */
	bool prepare_wanted;    /* the next log segment is to be prepared */
	bool checkpoint_wanted; /* checkpoint is to be reached */
	struct record_mark checkpoint;
	uint64_t checkpoint_tx; /* of the newest checkpoint on disk */
	enum im_err upkeep_err; /* of the last checkpoint; IM_OK when there is nothing to retry */
	uint64_t reached_tx;    /* of the newest checkpoint since open */
	uint64_t flushes_tried; /* times the committer saw flush_wanted */
	bool compacting;        /* somebody waits for compact_err */
	bool compact_wanted;
	enum im_err compact_err;
};

/* ---- prepare.c ---- */

/* Validates w and computes w->prepared from w->arena. Errors as store_write(). */
enum im_err engine_prepare(struct store *s, struct store_write *w);

/* Puts the transaction id into the bound entries of w and recomputes what depends on them. */
void engine_bind(struct store *s, struct store_write *w, uint64_t tx);

/* ---- conditions.c ---- */

/* No transaction at which the conditions are known to hold. */
#define ENGINE_NO_SNAPSHOT UINT64_MAX

/* Whether the conditions make sense. IM_ERR_BAD_PRECONDITION. */
enum im_err engine_validate_conditions(const struct store_write *w);

/*
 * Evaluates the conditions of w at what is published, without waiting, and notes the snapshot if
 * they hold. If they do not, the committer decides: a write that is queued before may change that.
 */
void engine_check_ahead(struct store *s, struct store_write *w);

/*
 * Evaluates the conditions of w against transactions up to as_of. Errors for which
 * engine_is_refusal() says yes, read errors.
 */
enum im_err engine_check_conditions(struct store *s, const struct store_write *w, uint64_t as_of);

/* Whether err says that a condition does not hold. */
bool engine_is_refusal(enum im_err err);

/* ---- commit.c ---- */

/* Lets the committer answer what is queued and ends it. No write may come any more. */
void engine_commit_stop(struct store *s);

/* Has the committer freeze the memtable and ask for a checkpoint. IM_ERR_CLOSED, IM_ERR_NOMEM. */
enum im_err engine_ask_for_flush(struct store *s);

/* Ends the process through the fatal hook: allocated log could not be written or synced. */
_Noreturn void engine_fatal(struct store *s, enum im_err err);

/* Makes tx the newest that readers see. */
void engine_publish(struct store *s, uint64_t tx, const struct hash *alh);

/* ---- upkeep.c ---- */

/* Starts the syncer and the indexer. IM_ERR_INTERNAL. */
enum im_err engine_upkeep_start(struct store *s);

/* Ends both threads, after what they are doing. */
void engine_upkeep_stop(struct store *s);

/*
 * Makes durable what was written before, if it is not yet, and raises the mark; ends the process
 * when it cannot.
 */
void engine_sync_log(struct store *s);

/*
 * Makes a checkpoint durable: log, tree, offsets, index, mark, then the checkpoint itself. The
 * memtable was frozen at that transaction. IM_ERR_NO_SPACE, IM_ERR_IO, IM_ERR_NOMEM,
 * IM_ERR_INTERRUPTED; it can be tried again.
 */
enum im_err engine_checkpoint(struct store *s, const struct record_mark *checkpoint);

/* For index_options.flushing: no run reaches beyond what is durable of the log. */
void engine_memtable_flushing(void *ctx);

/* For index_options.flushed: there is room for a frozen memtable again. */
void engine_memtable_flushed(void *ctx);

/* ---- recover.c ---- */

/*
 * Finds the end of the log, cuts what is torn, and brings tree, offsets and index up to it; after
 * that the store can be read and, unless it is damaged, written. Errors as store_open().
 */
enum im_err engine_recover(struct store *s);

/* ---- mend.c ---- */

/*
 * Where the record of a transaction is; a damaged page of the offsets is made anew from the log.
 * IM_ERR_TX_NOT_FOUND, IM_ERR_CORRUPT when log and offsets are damaged there, IM_ERR_WOULD_BLOCK
 * with nowait, IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err engine_tx_pos(struct store *s, uint64_t tx, bool nowait, uint64_t *pos);

/* ---- reading.c ---- */

/* Under STORE_NOWAIT a longer value is left to a thread that may take its time. */
#define ENGINE_NOWAIT_VALUE_MAX (64u * 1024)

/* A transaction's record in memory; section and values are one piece of the arena. */
struct engine_record {
	struct record_tx head;
	uint64_t pos;
	struct record_entry *entries; /* head.header.nentries */
	struct bytes section;
	bool with_values; /* the long values follow the section */
};

/* What to read of a log record, and how. */
struct engine_read {
	uint64_t pos;
	unsigned flags; /* STORE_NOWAIT, STORE_NO_VALUE */
};

/*
 * Reads the head of the record. IM_ERR_CORRUPT naming file and offset, IM_ERR_WOULD_BLOCK,
 * IM_ERR_IO.
 */
enum im_err engine_read_head(struct store *s, struct engine_read how, struct record_tx *out);

/* Reads a whole record, its checksums checked, its values not. Errors as engine_read_head(). */
enum im_err engine_read_record(
    struct store *s, struct engine_read how, struct arena *arena, struct engine_record *out);

/* The raw value of entry i of a record that was read with values. */
struct bytes engine_record_value(const struct engine_record *r, uint32_t i);

/*
 * A walk that meets entries in the order of the log reads so much of it at once, at first and at
 * most.
 */
#define ENGINE_AHEAD_MIN 2048u
#define ENGINE_AHEAD_MAX 32768u

/* What a walk has read of the log. At first all is zero but size, which is the smallest. */
struct engine_ahead {
	uint64_t first; /* start of the entry read last */
	uint64_t next;  /* its end */
	size_t size;    /* of the next read; doubles as long as the order lasts */
	uint64_t pos;   /* of data */
	size_t len;
	uint8_t data[ENGINE_AHEAD_MAX];
};

/* How to read a value: STORE_NOWAIT, STORE_NO_VALUE; ahead is NULL for a single one. */
struct engine_how {
	unsigned flags;
	struct engine_ahead *ahead;
};

/*
 * Reads the version that an index entry points to, checks that it is what the index says and that
 * the value matches its hash, and fills out. Errors as store_get().
 */
enum im_err engine_read_value(struct store *s, const struct index_entry *e, struct engine_how how,
    struct arena *arena, struct store_value *out);

/* Whether e is deleted, or expired by now. */
bool engine_is_hidden(const struct store *s, const struct index_entry *e);

/* Tells who opened the store of a repair, if they want to know. */
void engine_tell_repair(struct store *s, enum store_repair kind, const char *text);

/*
 * Checks the page of the offset file that has a transaction, past all memory, as
 * offsets_check_file() does, and has a damaged one written again, from memory or from the log:
 * out->damaged says so.
 */
enum im_err engine_check_offsets(struct store *s, uint64_t tx, struct page_seen *out);

/* Syncs the log, and tells how long it took. */
enum im_err engine_sync(struct store *s);

/* Prefixes the detail of err with file and offset of a position in the log, and returns err. */
enum im_err engine_err_at(struct store *s, enum im_err err, uint64_t pos);

/* The wall clock of the store, in unix seconds. */
int64_t engine_now(const struct store *s);

/* The flags that the index keeps of an entry with this metadata. */
uint8_t engine_index_flags(const struct kv_metadata *md);

/* Flags of a version in the index that come from its value, which may be damaged; others do not. */
uint8_t engine_value_flags(struct bytes raw_key, struct bytes raw_value);

/* The index form of a raw key, in the arena; empty on exhaustion. */
struct bytes engine_index_key(struct arena *arena, struct bytes raw_key);

#endif
