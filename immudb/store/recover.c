/*
 * Recovery: from the files of a store that was stopped in any way to a store that can be used.
 *
 *   checkpoint ---> log read from there ---> end found ---> torn rest cut ---> index brought up
 *   load_base()     find_end()               judge_end()    start_log()        replay_index()
 *
 * Neighbours: logscan.c reads the log, durable.c the marks; tree.c, offsets.c and index.c are
 * brought up to the end of the log and nothing else is.
 * Invariants:
 *   1. Bad bytes in front of the highest durable mark are damage: nothing is cut, the store is
 *      read-only up to them. Bad bytes behind it were never promised to anybody: they are cut.
 *   2. Nothing is written before the end is known; a damaged store's log is never written.
 *   3. A transaction behind the mark counts only if it is whole to the last byte of its values.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/rawkey.h"
#include "store/engine.h"
#include "store/logscan.h"
#include "util/crc32c.h"
#include "util/log.h"

/* Slots of the table of a transaction's keys: a power of two, at most half of them used. */
#define KEY_SLOTS (2u * TX_ENTRIES_MAX)

#define TREE_NAME "tree"
#define OFFSETS_NAME "offsets"
#define INDEX_DIR "index"

/* Where recovery stands. */
struct recovery {
	struct record_mark base;    /* checkpoint, or nothing: where reading began */
	struct record_mark highest; /* highest durable mark found */
	struct record_mark end;     /* last good transaction, and the position behind it */
	int64_t ts;                 /* of that transaction */
	uint64_t bad_pos;           /* where reading stopped */
	char *why;                  /* why it stopped there; NULL at a clean end */
	bool values_only;           /* all that was wrong there is a value */
	uint64_t bytes, entries;    /* read behind the checkpoint */
};

static void
raise_mark(struct record_mark *mark, const struct record_mark *other)
{
	if (other->tx > mark->tx)
		*mark = *other;
}

void
engine_tell_repair(struct store *s, enum store_repair kind, const char *text)
{
	if (s->options.repaired)
		s->options.repaired(s->options.ctx, kind, text);
}

/* ---- Derived files ---- */

/* For tree and index, which know nothing of stores. */
static void
tell_derived(void *ctx, const char *text)
{
	engine_tell_repair((struct store *)ctx, STORE_REPAIR_DERIVED, text);
}

static enum im_err
read_alh(void *ctx, uint64_t tx, struct hash *out)
{
	struct store *s = (struct store *)ctx;
	struct record_tx head;
	uint64_t pos;
	enum im_err err = engine_tx_pos(s, tx, false, &pos);

	if (err == IM_OK)
		err = engine_read_head(s, (struct engine_read){pos, 0}, &head);
	if (err == IM_OK)
		tx_header_alh(&head.header, out);
	return err;
}

static void
close_derived(struct store *s)
{
	tree_close(s->tree);
	offsets_close(s->offsets);
	s->tree = NULL;
	s->offsets = NULL;
}

static enum im_err
open_derived(struct store *s, uint64_t size)
{
	struct tree_options tree = {s->vfs, s->dir, TREE_NAME, read_alh, s, tell_derived};
	struct offsets_options offsets = {s->vfs, s->dir, OFFSETS_NAME};
	enum im_err err = tree_open(&tree, size, &s->tree);

	if (err == IM_OK)
		err = offsets_open(&offsets, size, &s->offsets);
	if (err != IM_OK)
		close_derived(s);
	return err;
}

/* Do log, tree and offsets agree with the checkpoint at its transaction? */
static enum im_err
check_base(struct store *s, const struct record_mark *base, int64_t *ts)
{
	struct record_tx head;
	struct hash alh, root;
	uint64_t pos;
	enum im_err err;

	if (base->tx == 0)
		return IM_OK;
	err = offsets_get(s->offsets, base->tx, false, &pos);
	if (err == IM_OK)
		err = engine_read_head(s, (struct engine_read){pos, 0}, &head);
	if (err == IM_OK)
		err = tree_root(s->tree, base->tx - 1, false, &root);
	if (err != IM_OK)
		return err;
	tx_header_alh(&head.header, &alh);
	*ts = head.header.ts;
	/* Marks and a seal may lie between the transaction and where reading goes on. */
	if (head.header.id != base->tx || !hash_equal(&alh, &base->alh) ||
	    !hash_equal(&root, &head.header.bl_root) || pos + head.length > base->pos)
		return err_set(IM_ERR_CORRUPT, "it contradicts the log at transaction %llu",
		    (unsigned long long)base->tx);
	return IM_OK;
}

static bool
is_rebuildable(enum im_err err)
{
	return err == IM_ERR_CORRUPT || err == IM_ERR_NOT_FOUND || err == IM_ERR_TX_NOT_FOUND;
}

/* There is no checkpoint to start from: tells if that is because its file is damaged. */
static enum im_err
judge_no_checkpoint(struct store *s)
{
	struct vfs_file f;
	uint64_t size = 0;
	enum im_err err = vfs_file_open(&f, s->vfs, s->dir, CHECKPOINT_NAME, O_RDONLY);

	if (err == IM_ERR_NOT_FOUND)
		return IM_OK;
	if (err == IM_OK)
		err = vfs_size(&f, &size);
	if (err == IM_OK && size > 0) {
		err_set(IM_ERR_CORRUPT, "%s: damaged", f.path);
		tell_derived(s, err_detail(IM_ERR_CORRUPT));
	}
	vfs_file_close(&f);
	return err;
}

/* Opens tree and offsets at the checkpoint, or empty when anything about it is wrong. */
static enum im_err
load_base(struct store *s, struct recovery *r)
{
	struct record_mark mark;
	enum im_err err = checkpoint_read(s->vfs, s->dir, &r->base);

	if (err == IM_OK && r->base.tx == 0)
		err = judge_no_checkpoint(s);
	if (err == IM_OK)
		err = mark_file_open(&s->mark, s->vfs, s->dir, &mark);
	if (err != IM_OK)
		return err;
	r->highest = r->base;
	raise_mark(&r->highest, &mark);
	err = open_derived(s, r->base.tx);
	if (err == IM_OK)
		err = check_base(s, &r->base, &r->ts);
	if (is_rebuildable(err)) {
		log_warn("database %s: tree and offsets are made anew from the log: %s", s->name,
		    err_detail(err));
		tell_derived(s, err_detail(err));
		close_derived(s);
		r->base = (struct record_mark){0};
		err = open_derived(s, 0);
	}
	if (r->base.tx == 0) {
		r->base = (struct record_mark){0, TXLOG_START, hash_empty()};
		r->ts = 0;
	}
	r->end = r->base;
	return err;
}

/* ---- Reading the log ---- */

static bool
are_values_whole(const struct logscan_record *r)
{
	for (uint32_t i = 0; i < r->tx.header.nentries; i++) {
		struct hash h;

		hash_sha256(logscan_value(r, i), &h);
		if (!hash_equal(&h, &r->entries[i].hval))
			return false;
	}
	return true;
}

/*
 * Whether a key stands twice among the entries: no writer lets that happen, and the index could not
 * hold it. The table has entry numbers plus one.
 */
static bool
has_key_twice(const struct logscan_record *rec)
{
	uint16_t slots[KEY_SLOTS];

	if (rec->tx.header.nentries < 2)
		return false;
	memset(slots, 0, sizeof slots);
	for (uint32_t i = 0; i < rec->tx.header.nentries; i++) {
		struct bytes key = rec->entries[i].key;
		uint32_t at = crc32c(0, key.data, key.len) % KEY_SLOTS;

		for (; slots[at]; at = (at + 1) % KEY_SLOTS) {
			if (bytes_equal(rec->entries[slots[at] - 1].key, key))
				return true;
		}
		slots[at] = (uint16_t)(i + 1);
	}
	return false;
}

static const char values_torn[] = "a transaction whose values are not whole";

/* The transaction must continue the chain that was read so far. */
static const char *
judge_tx(struct store *s, const struct recovery *r, const struct logscan_record *rec)
{
	const struct tx_header *h = &rec->tx.header;
	struct hash root;

	tree_edge_root(s->tree, &root);
	if (h->id != r->end.tx + 1)
		return "a transaction out of order";
	if (!hash_equal(&h->prev_alh, &r->end.alh))
		return "a transaction that does not continue the chain";
	if (h->bl_tx_id != r->end.tx || !hash_equal(&h->bl_root, &root))
		return "a transaction with a wrong tree root";
	if (tx_header_check(h) != IM_OK)
		return "a transaction with an impossible header";
	if (has_key_twice(rec))
		return "a transaction with a key twice";
	if (h->id > r->highest.tx && !are_values_whole(rec))
		return values_torn;
	return NULL;
}

static enum im_err
take_tx(struct store *s, struct recovery *r, const struct logscan_record *rec)
{
	enum im_err err = tree_reserve(s->tree, 1);

	if (err == IM_OK)
		err = offsets_reserve(s->offsets, 1);
	if (err != IM_OK)
		return err;
	r->end.tx = rec->tx.header.id;
	tx_header_alh(&rec->tx.header, &r->end.alh);
	r->ts = rec->tx.header.ts;
	r->bytes += rec->end - rec->pos;
	r->entries += rec->tx.header.nentries;
	tree_append(s->tree, &r->end.alh);
	offsets_append(s->offsets, rec->pos);
	return IM_OK;
}

/* why: file, offset and what is wrong there; NULL where nothing was written. */
static enum im_err
stop_reading(struct recovery *r, uint64_t pos, const char *why)
{
	free(r->why);
	r->bad_pos = pos;
	r->why = why ? strdup(why) : NULL;
	return why && !r->why ? IM_ERR_NOMEM : IM_OK;
}

/* Takes one record; *more is false when reading ends with it. */
static enum im_err
take_record(struct store *s, struct recovery *r, const struct logscan_record *rec, bool *more)
{
	const char *why = NULL;
	enum im_err err = IM_OK;

	if (rec->kind == RECORD_TX) {
		why = judge_tx(s, r, rec);
		if (!why)
			err = take_tx(s, r, rec);
	} else if (rec->kind == RECORD_MARK) {
		if (rec->mark.tx > r->end.tx)
			why = "a mark of a transaction that is not there";
		raise_mark(&r->highest, &rec->mark);
	}
	if (err == IM_OK && !why)
		r->end.pos = rec->end;
	r->values_only = why == values_torn;
	*more = err == IM_OK && !why && rec->kind != RECORD_END;
	if (err != IM_OK || *more)
		return err;
	if (why) {
		engine_err_at(s, err_set(IM_ERR_CORRUPT, "%s", why), rec->pos);
		why = err_detail(IM_ERR_CORRUPT);
	}
	return stop_reading(r, rec->pos, why);
}

static enum im_err
scan_log(struct store *s, struct recovery *r)
{
	struct logscan scan;
	struct logscan_record rec;
	bool more = true;
	enum im_err err = logscan_init(&scan, s->log, r->end.pos);

	while (err == IM_OK && more) {
		/* Only values behind the mark are looked at, and only those are worth reading. */
		scan.with_values = r->end.tx >= r->highest.tx;
		err = logscan_next(&scan, &rec);
		if (err == IM_OK)
			err = take_record(s, r, &rec, &more);
		else if (err == IM_ERR_CORRUPT) {
			more = false;
			err = stop_reading(r, scan.pos, err_detail(err));
		}
	}
	logscan_free(&scan);
	return err;
}

/* ---- The end ---- */

static enum im_err
declare_damage(struct store *s, const struct recovery *r)
{
	char path[VFS_PATH_MAX];
	size_t size = 2 * VFS_PATH_MAX;

	s->damaged = true;
	s->damage_pos = r->bad_pos;
	s->damage_text = (char *)malloc(size);
	if (!s->damage_text)
		return IM_ERR_NOMEM;
	txlog_path(s->log, TXLOG_SEGMENT(r->bad_pos), path);
	if (r->why)
		snprintf(s->damage_text, size, "the log is damaged behind transaction %llu: %s",
		    (unsigned long long)r->end.tx, r->why);
	else
		snprintf(s->damage_text, size,
		    "the log ends behind transaction %llu, at %s, offset %u, but was durable up to %llu",
		    (unsigned long long)r->end.tx, path, (unsigned)TXLOG_OFFSET(r->bad_pos),
		    (unsigned long long)r->highest.tx);
	log_error("database %s: read-only: %s", s->name, s->damage_text);
	return IM_OK;
}

/*
 * Reads to the end; what stands behind it may show that it was durable. A value that is not whole
 * although it was durable spoils only itself: reading goes on behind it.
 */
static enum im_err
find_end(struct store *s, struct recovery *r)
{
	enum im_err err;

	do {
		err = scan_log(s, r);
		if (err == IM_OK)
			err = logscan_find_marks(s->log, r->bad_pos, &r->highest);
	} while (err == IM_OK && r->values_only && r->highest.tx > r->end.tx);
	return err;
}

/*
 * Decides between torn and damaged. No power cut spoils the header of a segment, cuts a segment
 * short or leaves a seal that leads nowhere, so that these are damage even when all marks are gone.
 */
static enum im_err
judge_end(struct store *s, const struct recovery *r)
{
	enum im_err err = r->why ? txlog_check_segment(s->log, TXLOG_SEGMENT(r->bad_pos)) : IM_OK;

	if (err != IM_OK && err != IM_ERR_CORRUPT)
		return err;
	if (err == IM_ERR_CORRUPT || r->highest.tx > r->end.tx)
		return declare_damage(s, r);
	if (r->why) {
		log_warn("database %s: cut a torn end behind transaction %llu: %s", s->name,
		    (unsigned long long)r->end.tx, r->why);
		engine_tell_repair(s, STORE_REPAIR_TORN_END, r->why);
	}
	return IM_OK;
}

/*
 * What was read behind the durable mark may so far be in the page cache only, in a segment that the
 * seal behind it does not make durable either.
 */
static enum im_err
settle_log(struct store *s, const struct recovery *r)
{
	bool known = r->highest.pos >= TXLOG_START && r->highest.pos <= r->end.pos;

	return txlog_settle(s->log, known ? r->highest.pos : TXLOG_START, r->end.pos);
}

static enum im_err
start_log(struct store *s, const struct recovery *r)
{
	enum im_err err;

	s->last_tx = r->end.tx;
	s->last_alh = r->end.alh;
	s->last_ts = r->ts;
	if (s->damaged)
		return IM_OK;
	err = settle_log(s, r);
	if (err == IM_OK)
		err = txlog_start(s->log, r->end.pos);
	s->durable = r->end;
	s->written = r->end;
	return err;
}

/* ---- The index ---- */

/* The value of an entry, if it stands in the section; a reference always does. */
static struct bytes
inline_value(const struct logscan_record *rec, const struct record_entry *e)
{
	if (e->value_len > RECORD_INLINE_MAX)
		return bytes_of(NULL, 0);
	return bytes_of(rec->section.data + e->offset + e->value_offset, e->value_len);
}

static enum im_err
index_record(struct store *s, const struct logscan_record *rec)
{
	uint64_t section = rec->pos + rec->tx.head_len;
	struct index_entry entries[TX_ENTRIES_MAX];
	uint8_t *keys = NULL;
	size_t n = 0, key_bytes = 0;
	enum im_err err = IM_OK;

	keys = (uint8_t *)malloc(rec->section.len + 1);
	if (!keys)
		return IM_ERR_NOMEM;
	for (uint32_t i = 0; i < rec->tx.header.nentries && err == IM_OK; i++) {
		const struct record_entry *e = &rec->entries[i];
		struct index_entry *x = &entries[n];
		struct kv_metadata md;

		err = kv_metadata_decode(e->metadata, &md);
		if (err != IM_OK || md.non_indexable)
			continue;
		memcpy(keys + key_bytes, e->key.data, e->key.len);
		raw_key_to_index(keys + key_bytes, e->key.len);
		*x = (struct index_entry){bytes_of(keys + key_bytes, e->key.len), rec->tx.header.id,
		    section + e->offset, e->len,
		    engine_index_flags(&md) | engine_value_flags(e->key, inline_value(rec, e)),
		    md.expires_at, 0};
		key_bytes += e->key.len;
		n++;
	}
	if (err == IM_OK)
		err = index_insert(s->index, entries, n);
	free(keys);
	return err;
}

static enum im_err
make_index_room(struct store *s, uint64_t tx)
{
	bool did = true;
	enum im_err err = IM_OK;

	if (!index_should_freeze(s->index))
		return IM_OK;
	err = index_freeze(s->index, tx);
	while (err == IM_OK && did)
		err = index_flush(s->index, &did);
	did = true;
	while (err == IM_OK && did)
		err = index_merge(s->index, &did);
	return err;
}

/*
 * Before the checkpoint the log was not judged when it was read: the index takes only what it can
 * hold.
 */
static enum im_err
judge_replayed(
    struct store *s, const struct recovery *r, const struct logscan_record *rec, uint64_t expected)
{
	uint64_t id = rec->tx.header.id;
	bool is_end = rec->kind == RECORD_END;

	if (!is_end &&
	    (rec->kind != RECORD_TX ||
		(id == expected && (id > r->base.tx || !has_key_twice(rec)))))
		return IM_OK;
	return engine_err_at(s,
	    err_set(IM_ERR_CORRUPT, "%s where transaction %llu should be",
		is_end ? "nothing" : "something else", (unsigned long long)expected),
	    rec->pos);
}

static enum im_err
replay_index(struct store *s, const struct recovery *r, uint64_t covered)
{
	struct logscan scan;
	struct logscan_record rec;
	uint64_t pos, tx = covered;
	enum im_err err;

	if (covered >= r->end.tx)
		return IM_OK;
	err = engine_tx_pos(s, covered + 1, false, &pos);
	if (err != IM_OK)
		return err;
	err = logscan_init(&scan, s->log, pos);
	while (err == IM_OK && tx < r->end.tx) {
		err = logscan_next(&scan, &rec);
		if (err == IM_OK)
			err = judge_replayed(s, r, &rec, tx + 1);
		if (err != IM_OK || rec.kind != RECORD_TX)
			continue;
		err = index_record(s, &rec);
		tx = rec.tx.header.id;
		if (err == IM_OK)
			err = make_index_room(s, tx);
	}
	logscan_free(&scan);
	return err;
}

static enum im_err
open_index(struct store *s, const struct recovery *r)
{
	char dir[VFS_PATH_MAX];
	struct index_options options = {.vfs = s->vfs,
	    .dir = dir,
	    .name = s->name,
	    .log_tx = r->end.tx,
	    .memtable_entries = s->options.checkpoint_entries,
	    .flushing = engine_memtable_flushing,
	    .flushed = engine_memtable_flushed,
	    .left_out = tell_derived,
	    .ctx = s};
	uint64_t covered;
	enum im_err err = vfs_path(dir, s->dir, INDEX_DIR);

	if (err == IM_OK)
		err = index_open(&options, &s->index);
	if (err != IM_OK)
		return err;
	covered = index_covered_tx(s->index);
	if (covered < r->base.tx)
		log_warn("database %s: the index is made anew from transaction %llu on", s->name,
		    (unsigned long long)covered + 1);
	return replay_index(s, r, covered);
}

/* From where load_base() or forget_base() left it to a store that can be read. */
static enum im_err
read_forward(struct store *s, struct recovery *r)
{
	enum im_err err = find_end(s, r);

	if (err == IM_OK)
		err = judge_end(s, r);
	if (err == IM_OK)
		err = start_log(s, r);
	return err == IM_OK ? open_index(s, r) : err;
}

/* Nothing is taken from the checkpoint but that the log was durable up to where it was read. */
static enum im_err
forget_base(struct store *s, struct recovery *r)
{
	struct record_mark known = r->highest;

	raise_mark(&known, &r->end);
	index_close(s->index);
	s->index = NULL;
	close_derived(s);
	free(s->damage_text);
	s->damage_text = NULL;
	s->damaged = false;
	free(r->why);
	*r = (struct recovery){.base = {0, TXLOG_START, hash_empty()}, .highest = known};
	r->end = r->base;
	return open_derived(s, 0);
}

/*
 * A part of the log that the checkpoint let us skip is read only when the index has to be made from
 * it. If it is damaged, everything is read again, so that the store is read-only up to there like
 * any other.
 */
enum im_err
engine_recover(struct store *s)
{
	struct recovery r = {0};
	enum im_err err = load_base(s, &r);

	if (err == IM_OK)
		err = read_forward(s, &r);
	if (err == IM_ERR_CORRUPT && s->index && r.base.tx > 0) {
		log_warn(
		    "database %s: the log is read from its start: %s", s->name, err_detail(err));
		err = forget_base(s, &r);
		if (err == IM_OK)
			err = read_forward(s, &r);
	}
	if (err == IM_OK) {
		s->checkpoint_tx = r.base.tx;
		/* A process that is killed again and again makes checkpoints all the same. */
		s->checkpoint_bytes = r.bytes;
		s->checkpoint_entries = r.entries;
		engine_publish(s, r.end.tx, &r.end.alh);
	}
	free(r.why);
	return err;
}
