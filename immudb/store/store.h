#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "crypto/hash.h"
#include "crypto/header.h"
#include "crypto/metadata.h"
#include "crypto/proof.h"
#include "crypto/rawkey.h"
#include "crypto/record.h"
#include "store/index.h"
#include "store/vfs.h"
#include "util/arena.h"
#include "util/bytes.h"
#include "util/metrics.h"

/*
 * The engine: one database in one folder. The log is the database; tree, offsets and index are
 * derived from it (FORMAT.md). Keys and values here are raw (with their prefix byte); what a prefix
 * means is not the engine's business, except for the order of sorted-set keys.
 *
 * Threads: every function may be called from any thread unless its comment says otherwise. A reader
 * sees the transactions published when its call began, or fewer if it asks so.
 */
struct store;

/* The file that marks a folder as that of a database. */
#define STORE_MARKER_NAME "immudb.database"

/* Limits of one transaction and one answer. Key, value and entry limits are in crypto/rawkey.h. */
#define STORE_TX_BYTES_MAX RECORD_TX_BYTES_MAX
#define STORE_BATCH_BYTES_MAX (8u * 1024 * 1024)
#define STORE_QUEUE_BYTES_MAX (128u * 1024 * 1024)

/* What opening or reading a store found and put right; see store_options.repaired. */
enum store_repair {
	STORE_REPAIR_DERIVED, /* a file that is made from the log was damaged or lost: made anew */
	STORE_REPAIR_TORN_END /* what was being written at the end of the process, not promised */
};

struct store_options {
	const char *dir;       /* folder of the database, created when absent (its parent is not) */
	const char *name;      /* name of the database: the marker's, and for messages */
	bool any_name;         /* also when the marker has another name */
	const struct vfs *vfs; /* NULL: vfs_posix */
	bool unsynced;         /* answer after the write, sync every second */
	uint16_t header_version;     /* 0 or 1: version of the headers of new transactions */
	uint32_t checkpoint_entries; /* entries between checkpoints; 0: the default */
	/* Wall clock in unix seconds; NULL: the system's. */
	int64_t (*now)(void *ctx);
	/*
	 * Called when allocated log cannot be written or synced; text says what failed. It must not
	 * return. NULL: logs the text and ends the process with exit code 1.
	 */
	void (*fatal)(void *ctx, const char *text);
	/* Called by the thread that commits around the answers of a batch; may be NULL. */
	void (*answers_begin)(void *ctx);
	void (*answers_end)(void *ctx);
	/*
	 * Called for each repair, with one line that names the file, from the thread that meets the
	 * damage; may be NULL. The log has it in any case, but for damage of the tree met by a
	 * reader.
	 */
	void (*repaired)(void *ctx, enum store_repair kind, const char *text);
	void *ctx;
};

/*
 * Opens a database, creating it when the folder is absent or empty, and recovers it: a torn end is
 * cut and said in the log, derived files that lag or are damaged are rebuilt. A log that is damaged
 * at or below the durable mark is still opened, read-only up to the damage, and err_detail() of a
 * refused write names file, offset and transaction.
 * IM_ERR_LOCKED (another process has it), IM_ERR_VERSION (newer format), IM_ERR_CORRUPT (not even
 * readable), IM_ERR_NO_SPACE, IM_ERR_IO, IM_ERR_NOMEM. Free with store_close().
 */
enum im_err store_open(const struct store_options *options, struct store **out);

/*
 * Answers what is queued, makes everything durable and frees the store. No other call may be under
 * way or follow. NULL is allowed.
 */
void store_close(struct store *s);

/* ---- State ---- */

struct store_state {
	uint64_t tx;     /* newest published transaction, 0 when the database is empty */
	struct hash alh; /* its Alh; the empty hash for 0 */
};

/* The newest published transaction. Never waits. */
void store_state(struct store *s, struct store_state *out);

/* What is kept in memory, after it was checked. */
enum store_cache {
	STORE_CACHE_ENTRIES, /* of the log */
	STORE_CACHE_TREES,   /* over the entries of transactions */
	STORE_CACHE_INDEX,   /* blocks of the index */
	STORE_CACHE_HEADERS  /* of transactions */
};
#define STORE_CACHES 4

struct store_stats {
	uint64_t tx;             /* newest published transaction */
	uint64_t durable_tx;     /* newest transaction known to be synced */
	uint64_t log_bytes;      /* bytes of log in use */
	uint64_t disk_bytes;     /* bytes of all files of the folder, preallocated space included */
	uint64_t damaged_values; /* values found that do not match their hash, since open */
	uint64_t batches;        /* commits (writes of one or more transactions), since open */
	uint64_t syncs;          /* fdatasync of the log, since open */
	uint64_t index_runs;     /* sorted runs of the index */
	uint64_t unflushed_entries; /* entries of the index that are in memory only */
	uint64_t hot_bytes;         /* kept in memory because they are read often */
	uint64_t cache_hits[STORE_CACHES], cache_misses[STORE_CACHES]; /* since open */
	bool no_space;  /* no log space for the next segment: writes are refused */
	bool read_only; /* that, or corruption */
};

void store_stats(struct store *s, struct store_stats *out);

/* Histograms that the commit path feeds, each may be NULL. */
struct store_metrics {
	struct metric *commit_seconds; /* write and sync of one batch */
	struct metric *commit_txs;     /* transactions of one batch */
	struct metric *sync_seconds;   /* one sync of the log */
};

/* Sets what the commit path feeds from then on; before the first write. */
void store_observe(struct store *s, const struct store_metrics *metrics);

/* ---- Writing ---- */

/* Where the id of the transaction being written goes into an entry that is bound to it. */
enum store_bind {
	STORE_BIND_NONE,
	STORE_BIND_VALUE, /* reference: u64 at offset 1 of the value */
	STORE_BIND_KEY    /* sorted set: u64 at the end of the key */
};

struct store_entry {
	struct bytes key;   /* raw key, 1..RAW_KEY_MAX bytes */
	struct bytes value; /* raw value, 0..RAW_VALUE_MAX bytes */
	struct kv_metadata metadata;
	enum store_bind bind;
};

/* Conditions on a raw key; deleted and expired count as not existing. */
enum store_condition_kind {
	/* What a client may ask for; refused with IM_ERR_PRECONDITION. */
	STORE_KEY_MUST_EXIST,
	STORE_KEY_MUST_NOT_EXIST,
	STORE_KEY_NOT_MODIFIED_AFTER_TX,
	/* What an operation needs: existing, or IM_ERR_KEY_NOT_FOUND. */
	STORE_KEY_PRESENT,
	/* Existing and no reference, or IM_ERR_KEY_NOT_FOUND, IM_ERR_REFERENCE_TARGET. */
	STORE_KEY_PLAIN,
	/* Not existing or a reference, or IM_ERR_REFERENCE_KEY. */
	STORE_KEY_NOT_PLAIN
};

struct store_condition {
	enum store_condition_kind kind;
	struct bytes key;
	/*
	 * With STORE_KEY_NOT_MODIFIED_AFTER_TX, > 0. With STORE_KEY_PLAIN: 0, or the transaction
	 * whose version of the key is meant; IM_ERR_TX_NOT_FOUND when there is no such transaction.
	 */
	uint64_t tx;
};

/* Conditions of one transaction: those of each entry (two at most), and as many of the client's. */
#define STORE_CONDITIONS_MAX (3 * TX_ENTRIES_MAX)

struct store_prepared; /* what store_write() computed ahead; private */

/*
 * One transaction to write. The caller owns it and everything it points to, unchanged until done is
 * called. done is called exactly once, from the thread that commits: it must not wait, and it may
 * free the request. Within done, err_detail(w->err) is the text of a failure.
 */
struct store_write {
	/* In. */
	const struct store_entry *entries;
	size_t nentries;
	const struct store_condition *conditions;
	size_t nconditions;
	struct arena *arena; /* memory for the preparation; used only inside store_write() */
	void (*done)(struct store_write *w);
	void *ctx;
	/*
	 * The caller has more to queue and calls store_wake() soon, until when this may wait, so
	 * that one write, and one sync, does for all.
	 */
	bool held;
	/* Out, set before done. */
	enum im_err err;
	struct tx_header header;
	struct hash alh;
	/* Private. */
	struct store_prepared *prepared;
	struct store_write *next;
};

/*
 * Validates the transaction, hashes its values and builds its tree in the calling thread, and
 * queues it. Transactions queued by one thread commit in that order; conditions are evaluated in it
 * too: they see what was queued before. When this returns IM_OK done is called later (perhaps
 * before this returns), with IM_OK or the error of a condition; otherwise done is never called. In
 * an unsynced store the calling thread may commit it itself, and others that wait.
 *
 * IM_ERR_NO_ENTRIES, IM_ERR_NULL_KEY, IM_ERR_KEY_LENGTH, IM_ERR_VALUE_LENGTH, IM_ERR_TX_ENTRIES,
 * IM_ERR_TX_SIZE, IM_ERR_DUPLICATE_KEY, IM_ERR_METADATA_UNSUPPORTED (version 0),
 * IM_ERR_BAD_PRECONDITION, IM_ERR_READ_ONLY, IM_ERR_NO_SPACE, IM_ERR_BUSY (queue full),
 * IM_ERR_NOMEM (arena or system), IM_ERR_WOULD_BLOCK never.
 */
enum im_err store_write(struct store *s, struct store_write *w);

/* What was queued with held is committed now, together. Never waits for the disk. */
void store_wake(struct store *s);

/*
 * The same, waiting for the answer: for tools and tests. done and ctx of w are not used, nor held.
 */
enum im_err store_write_wait(struct store *s, struct store_write *w);

/* ---- Reading entries ---- */

/* Options of a read, to be or-ed. */
enum store_read_flags {
	STORE_NOWAIT =
	    1, /* IM_ERR_WOULD_BLOCK instead of waiting for the disk, or reading a large value */
	STORE_WITH_HIDDEN = 2, /* deleted and expired entries are found too */
	STORE_NO_VALUE = 4     /* leave the value (and its check) out */
};

/* Which version of which key. Zero as_of and at_tx and revision mean the newest published. */
struct store_query {
	struct bytes key; /* raw */
	uint64_t as_of;   /* only transactions up to this one exist */
	uint64_t at_tx;   /* the version that exactly this transaction wrote */
	int64_t revision; /* > 0: the nth version; < 0: that many before the newest */
	unsigned flags;
};

/* One version of a key as found. Views point into the arena of the call. */
struct store_value {
	struct bytes key;   /* raw */
	struct bytes value; /* raw, checked against hval */
	uint32_t value_len; /* raw length, also with STORE_NO_VALUE */
	struct hash hval;
	struct kv_metadata metadata;
	uint64_t tx;
	uint64_t revision; /* 1-based; 0 with at_tx */
	bool expired;
};

/*
 * Finds one version. IM_ERR_KEY_NOT_FOUND (absent, deleted, expired), IM_ERR_TX_NOT_FOUND (at_tx or
 * as_of not published), IM_ERR_REVISION, IM_ERR_DATA_LOSS (the value does not match its hash: the
 * detail names database, transaction, key and file), IM_ERR_NOMEM (arena exhausted),
 * IM_ERR_WOULD_BLOCK.
 */
enum im_err store_get(
    struct store *s, const struct store_query *q, struct arena *arena, struct store_value *out);

/* A range of keys, in the order of the index. Empty seek, end and prefix mean unbounded. */
struct store_range {
	struct bytes prefix; /* raw, prefix byte included */
	struct bytes seek;   /* start at this raw key (the far end with desc) */
	struct bytes end;    /* stop at this raw key */
	bool seek_inclusive;
	bool end_inclusive;
	bool desc;
	uint64_t as_of; /* 0: newest published */
	unsigned flags; /* of store_read_flags */
};

struct store_cursor;

/*
 * Starts a walk over the newest version of each key in the range. Free with store_cursor_close().
 */
enum im_err store_scan(struct store *s, const struct store_range *range, struct store_cursor **out);

/* The versions of one raw key, hidden ones included. */
struct store_versions {
	struct bytes key; /* raw */
	uint64_t as_of;   /* 0: newest published */
	uint64_t skip;    /* leave out this many first */
	bool desc;        /* newest first; otherwise oldest first */
	unsigned flags;   /* of store_read_flags */
};

/* Starts a walk over all versions of one raw key. Free with store_cursor_close(). */
enum im_err
store_history(struct store *s, const struct store_versions *versions, struct store_cursor **out);

/*
 * The next entry, its memory from arena. IM_ERR_NOT_FOUND at the end; IM_ERR_WOULD_BLOCK leaves the
 * cursor where it is; IM_ERR_DATA_LOSS names the entry and the cursor goes on behind it.
 */
enum im_err store_cursor_next(struct store_cursor *c, struct arena *arena, struct store_value *out);

/*
 * Skips at most max entries and counts them in *n; no value is read. IM_OK also at the end of the
 * range, when *n is less than max. IM_ERR_WOULD_BLOCK leaves the cursor behind those counted.
 */
enum im_err store_cursor_count(struct store_cursor *c, uint64_t max, uint64_t *n);

/* Skips n entries. IM_ERR_NOT_FOUND when the range ends before that. */
enum im_err store_cursor_skip(struct store_cursor *c, uint64_t n);

/* From now on the cursor waits for the disk: after IM_ERR_WOULD_BLOCK, in another thread. */
void store_cursor_wait(struct store_cursor *c);

void store_cursor_close(struct store_cursor *c);

/* ---- Reading transactions and proofs ---- */

/* One entry of a transaction as stored; views into the arena of the call. */
struct store_tx_entry {
	struct bytes key;      /* raw */
	struct bytes metadata; /* canonical bytes */
	struct hash hval;
	uint32_t value_len; /* raw length */
	struct bytes value; /* raw; only when asked for */
};

struct store_tx {
	struct tx_header header;
	struct hash alh;
	struct store_tx_entry *entries;
	uint32_t nentries;
	const struct hash *tree; /* over the entries: the nodes as htree_build() makes them */
};

/*
 * The header of a published transaction. IM_ERR_TX_NOT_FOUND, IM_ERR_CORRUPT, IM_ERR_WOULD_BLOCK.
 */
enum im_err store_read_header(struct store *s, uint64_t tx, unsigned flags, struct tx_header *out);

/*
 * A whole transaction, its entries' tree checked against the header (or known from a read that
 * did), its values (unless STORE_NO_VALUE) against their hashes. Errors as store_read_header(), and
 * IM_ERR_DATA_LOSS naming the entry.
 */
enum im_err store_read_tx(
    struct store *s, uint64_t tx, unsigned flags, struct arena *arena, struct store_tx *out);

/*
 * From done on, as long as the arena of the write lives: the transaction that it wrote, as
 * store_read_tx() with STORE_NO_VALUE reads it, but without the tree of the entries; nothing is
 * read for it. IM_ERR_NOMEM.
 */
enum im_err
store_written_tx(const struct store_write *w, struct arena *arena, struct store_tx *out);

/* The two ends of a dual proof: published transactions, 1 <= source <= target. */
struct store_span {
	uint64_t source;
	uint64_t target;
};

/*
 * Makes the dual proof between two transactions into the arena. IM_ERR_ILLEGAL_STATE when
 * source > target, otherwise errors as store_read_header().
 */
enum im_err store_dual_proof(struct store *s, struct store_span span, unsigned flags,
    struct arena *arena, struct dual_proof *out);

/* ---- The index ---- */

/*
 * Writes what the index has in memory to disk, up to the newest transaction published before, and
 * makes a checkpoint there. Waits for it. IM_ERR_READ_ONLY, IM_ERR_NO_SPACE, IM_ERR_IO,
 * IM_ERR_NOMEM.
 */
enum im_err store_flush_index(struct store *s);

/*
 * The same, and merges all runs of the index into one; reads and writes go on meanwhile.
 * IM_ERR_BUSY when somebody does that already, IM_ERR_CORRUPT when a run is damaged (opening the
 * database makes it anew).
 */
enum im_err store_compact_index(struct store *s);

/* ---- Checking ---- */

/* A fault that store_check() found. */
struct store_fault {
	uint64_t tx;      /* transaction, 0 when none */
	struct bytes key; /* raw key, empty when none */
	const char *file; /* path */
	uint64_t offset;  /* in the file */
	const char *what; /* one line of text */
	bool
	    derived; /* nothing is lost: the file at fault, not always file, is made from the log */
};

struct store_check {
	uint64_t from_tx; /* in: where to start, 1 = all; out: where to go on */
	uint64_t to_tx;   /* in: the last transaction to check; 0: the newest one */
	uint64_t max_txs; /* stop after that many; 0: none */
	uint64_t
	    max_bytes;    /* stop after so many were read, but for one transaction more; 0: none */
	uint64_t checked; /* out: transactions checked by this call */
	uint64_t bytes;   /* out: bytes of log, tree, offsets and index checked by this call */
	uint64_t faults;  /* out: faults reported by this call */
	bool done;        /* out: all is checked; else call again */
	/* In and out: how far the index is checked, which comes last; all zero at the start. */
	struct index_check_place index;
	/* Called for each fault; may be NULL. A non-zero result ends the check. */
	int (*fault)(void *ctx, const struct store_fault *fault);
	void *ctx;
};

/*
 * Recomputes everything from the log: record checksums, entry trees, the chain of Alhs, tree roots,
 * values against their hashes, offsets, and that the index finds each entry; of a damaged log also
 * where it had to be left. The files are read, whatever memory has. Resumable, also after the
 * database was closed: what is in and out is all that has to be kept. Others may read and write
 * meanwhile. Pages of tree and offsets that are damaged are written again, from memory or from the
 * log; nothing else is changed. IM_OK also when faults were found; an error only when checking
 * itself failed: from_tx is then the transaction at which it did.
 */
enum im_err store_check(struct store *s, struct store_check *check);

#endif
