/*
 * Reading entries, transactions and proofs.
 *
 * Neighbours: index.c and offsets.c say where, txlog.c gives the bytes, record.c understands them,
 * crypto/ makes proofs of them.
 * Invariants: nothing above the published transaction is ever looked at; every byte handed out was
 * checked, record bytes against their checksums or the index, values against their hashes; damage
 * is reported with the name of the file and harms nobody else.
 */
#include <assert.h>
#include <inttypes.h>

#include "crypto/entry.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"
#include "store/engine.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

/* A first read takes this much, so that small records come whole with their heads. */
#define READ_AHEAD 1024u
/* Entries of the log with no more than this between them follow one another. */
#define AHEAD_GAP_MAX 1024u
/* Bytes of a key that a message shows: what stands behind it, the file, must be seen as well. */
#define KEY_SHOWN_MAX 64u

int64_t
engine_now(const struct store *s)
{
	return s->options.now ? s->options.now(s->options.ctx) : clock_wall_s();
}

uint8_t
engine_index_flags(const struct kv_metadata *md)
{
	return (
	    uint8_t)((md->deleted ? INDEX_DELETED : 0u) | (md->has_expiry ? INDEX_EXPIRES : 0u));
}

uint8_t
engine_value_flags(struct bytes raw_key, struct bytes raw_value)
{
	bool reference = raw_key.len && raw_key.data[0] == RAW_KEY_PLAIN && raw_value.len &&
	    raw_value.data[0] == RAW_VALUE_REFERENCE;

	return reference ? INDEX_REFERENCE : 0;
}

bool
engine_is_hidden(const struct store *s, const struct index_entry *e)
{
	return (e->flags & INDEX_DELETED) ||
	    ((e->flags & INDEX_EXPIRES) && e->expires_at <= engine_now(s));
}

struct bytes
engine_index_key(struct arena *arena, struct bytes raw_key)
{
	struct bytes key = arena_copy(arena, raw_key);

	if (key.data)
		raw_key_to_index((uint8_t *)(uintptr_t)key.data, key.len);
	return key;
}

enum im_err
engine_err_at(struct store *s, enum im_err err, uint64_t pos)
{
	char path[VFS_PATH_MAX];

	txlog_path(s->log, TXLOG_SEGMENT(pos), path);
	return err_set(
	    err, "%s: offset %u: %s", path, (unsigned)TXLOG_OFFSET(pos), err_detail(err));
}

/* The newest transaction that a read may see; IM_ERR_TX_NOT_FOUND when as_of is newer. */
static enum im_err
snapshot_of(struct store *s, uint64_t as_of, uint64_t *out)
{
	uint64_t published = atomic_load_explicit(&s->published, memory_order_acquire);

	*out = as_of ? as_of : published;
	if (as_of > published)
		return err_set(IM_ERR_TX_NOT_FOUND, "tx not found");
	return IM_OK;
}

/* ---- Records ---- */

static enum im_err
read_log(struct store *s, struct engine_read how, void *data, size_t n)
{
	struct txlog_read read = {
	    how.pos, data, n, how.flags & STORE_NOWAIT ? TXLOG_READ_NOWAIT : TXLOG_READ};

	return txlog_read(s->log, &read);
}

/* How much can be read at pos in one go without reaching behind the log or its segment. */
static enum im_err
read_ahead_size(struct store *s, uint64_t pos, uint32_t *salt, size_t *n)
{
	uint64_t end = txlog_end(s->log), size;
	enum im_err err = txlog_segment_info(s->log, TXLOG_SEGMENT(pos), salt, &size);

	if (err != IM_OK)
		return err;
	/* During recovery, and in a damaged store, the end is not known. */
	if (end && TXLOG_SEGMENT(end) == TXLOG_SEGMENT(pos))
		size = TXLOG_OFFSET(end);
	if (TXLOG_OFFSET(pos) + (uint64_t)RECORD_TX_FIXED > size)
		return engine_err_at(
		    s, err_set(IM_ERR_CORRUPT, "no transaction record fits here"), pos);
	size -= TXLOG_OFFSET(pos);
	*n = size < READ_AHEAD ? (size_t)size : READ_AHEAD;
	return IM_OK;
}

/*
 * Under which heads with the entries of small records are kept; entries alone are those of file 0.
 */
static struct hot_key
record_key(uint64_t pos)
{
	return (struct hot_key){.file = 1, .place = pos};
}

/* The start of a record from memory, n bytes or less; false when it is not there. */
static bool
hot_start(struct store *s, uint64_t pos, uint8_t ahead[READ_AHEAD], size_t *n)
{
	struct hot_item *item = hot_cache_pin(&s->entries, record_key(pos));
	bool found = item && hot_item_bytes(item).len <= *n;

	if (found) {
		*n = hot_item_bytes(item).len;
		memcpy(ahead, hot_item_bytes(item).data, *n);
	}
	hot_cache_unpin(item);
	return found;
}

/* Reads the start of a record into ahead and its head into out. */
static enum im_err
read_start(struct store *s, struct engine_read how, uint8_t ahead[READ_AHEAD], size_t *n,
    struct record_tx *out)
{
	uint32_t salt;
	enum im_err err = read_ahead_size(s, how.pos, &salt, n);

	if (err == IM_OK && !hot_start(s, how.pos, ahead, n))
		err = read_log(s, how, ahead, *n);
	if (err == IM_OK && record_tx_get(bytes_of(ahead, *n), salt, out) != IM_OK)
		err = engine_err_at(s, IM_ERR_CORRUPT, how.pos);
	/*
	 * Nothing can be computed from a header that is not in range, whatever its checksum says.
	 */
	if (err == IM_OK && tx_header_check(&out->header) != IM_OK)
		err = engine_err_at(
		    s, err_set(IM_ERR_CORRUPT, "a transaction with an impossible header"), how.pos);
	return err;
}

enum im_err
engine_read_head(struct store *s, struct engine_read how, struct record_tx *out)
{
	uint8_t ahead[READ_AHEAD];
	size_t n;

	static_assert(READ_AHEAD >= RECORD_HEAD_MAX, "a head comes with one read");
	return read_start(s, how, ahead, &n, out);
}

enum im_err
engine_read_record(
    struct store *s, struct engine_read how, struct arena *arena, struct engine_record *out)
{
	uint8_t ahead[READ_AHEAD], *data;
	size_t have, want;
	enum im_err err = read_start(s, how, ahead, &have, &out->head);

	if (err != IM_OK)
		return err;
	out->pos = how.pos;
	out->with_values = !(how.flags & STORE_NO_VALUE);
	want = out->with_values ? out->head.length : out->head.head_len + out->head.entries_len;
	data = (uint8_t *)arena_alloc(arena, want);
	out->entries = (struct record_entry *)arena_alloc(
	    arena, (out->head.header.nentries + 1) * sizeof *out->entries);
	if (!data || !out->entries)
		return IM_ERR_NOMEM;
	have = have < want ? have : want;
	memcpy(data, ahead, have);
	how.pos += have;
	if (have < want)
		err = read_log(s, how, data + have, want - have);
	if (err != IM_OK)
		return err;
	out->section = bytes_of(data + out->head.head_len, out->head.entries_len);
	if (record_entries_get(&out->head, out->section, out->entries) != IM_OK)
		return engine_err_at(s, IM_ERR_CORRUPT, out->pos);
	want = out->head.head_len + out->head.entries_len;
	if (want <= READ_AHEAD)
		hot_cache_offer(&s->entries, record_key(out->pos), bytes_of(data, want));
	return IM_OK;
}

struct bytes
engine_record_value(const struct engine_record *r, uint32_t i)
{
	const struct record_entry *e = &r->entries[i];

	/* Long values follow the section in memory as they do in the log. */
	return bytes_of(r->section.data + e->offset + e->value_offset, e->value_len);
}

/* ---- Values ---- */

/* What is wrong with an entry. */
struct entry_fault {
	uint64_t tx;
	struct bytes key; /* raw */
	uint64_t pos;     /* of the bad bytes */
	const char *what;
};

static enum im_err
data_loss(struct store *s, const struct entry_fault *fault)
{
	char path[VFS_PATH_MAX];
	struct bytes key = fault->key;
	struct buf shown;

	/* Plain keys are shown as users know them, without the prefix byte. */
	if (key.len > 1 && key.data[0] == RAW_KEY_PLAIN)
		key = bytes_of(key.data + 1, key.len - 1);
	if (key.len > KEY_SHOWN_MAX)
		key.len = KEY_SHOWN_MAX;
	buf_init(&shown, 8 * KEY_SHOWN_MAX);
	text_append_printable(&shown, key);
	txlog_path(s->log, TXLOG_SEGMENT(fault->pos), path);
	err_set(IM_ERR_DATA_LOSS,
	    "data is corrupted: database %s, transaction %" PRIu64 ", key %.*s: %s: %s, offset %u",
	    s->name, fault->tx, (int)shown.len, shown.data ? (const char *)shown.data : "",
	    fault->what, path, (unsigned)TXLOG_OFFSET(fault->pos));
	buf_free(&shown);
	atomic_fetch_add_explicit(&s->damaged_values, 1, memory_order_relaxed);
	log_error_limited("%s", err_detail(IM_ERR_DATA_LOSS));
	return IM_ERR_DATA_LOSS;
}

/* Is the entry that stands there the one that the index means? */
static bool
is_entry_of(const struct record_entry *r, const struct index_entry *e, struct kv_metadata *md)
{
	uint8_t key[RAW_KEY_MAX];

	if (r->key.len != e->key.len || kv_metadata_decode(r->metadata, md) != IM_OK)
		return false;
	memcpy(key, r->key.data, r->key.len);
	raw_key_to_index(key, r->key.len);
	return memcmp(key, e->key.data, e->key.len) == 0 && r->len == e->len &&
	    engine_index_flags(md) == (e->flags & ~INDEX_REFERENCE) &&
	    md->expires_at == e->expires_at;
}

static bool
is_inline(const struct record_entry *r)
{
	return r->value_len <= RECORD_INLINE_MAX;
}

static struct bytes
inline_value(const struct record_entry *r)
{
	return bytes_of(r->key.data - RECORD_ENTRY_FIXED + r->value_offset, r->value_len);
}

/* The value itself: inline behind the entry at data, or a read of its own. */
static enum im_err
fetch_value(struct store *s, const struct record_entry *r, struct engine_read how,
    struct arena *arena, struct store_value *out)
{
	struct hash h;
	uint8_t *p;
	enum im_err err;

	/* Reading, hashing and packing much takes as long as waiting for a little. */
	if ((how.flags & STORE_NOWAIT) && r->value_len > ENGINE_NOWAIT_VALUE_MAX)
		return IM_ERR_WOULD_BLOCK;
	if (is_inline(r)) {
		out->value = inline_value(r);
	} else {
		p = (uint8_t *)arena_alloc(arena, r->value_len);
		how.pos += r->value_offset;
		err = p ? read_log(s, how, p, r->value_len) : IM_ERR_NOMEM;
		if (err == IM_ERR_CORRUPT)
			return data_loss(s,
			    &(struct entry_fault){out->tx, r->key, how.pos, "the log ends there"});
		if (err != IM_OK)
			return err;
		out->value = bytes_of(p, r->value_len);
	}
	hash_sha256(out->value, &h);
	if (!hash_equal(&h, &r->hval))
		return data_loss(s,
		    &(struct entry_fault){
			out->tx, r->key, how.pos, "the value does not match its hash"});
	return IM_OK;
}

static bool
ahead_has(const struct engine_ahead *a, const struct index_entry *e)
{
	return e->pos >= a->pos && e->pos - a->pos <= a->len &&
	    e->len <= a->len - (e->pos - a->pos);
}

/*
 * What to read when the entry follows the one before it, up or down the log; false when it does
 * not.
 */
static bool
ahead_window(struct store *s, const struct index_entry *e, const struct engine_ahead *a,
    uint64_t *pos, uint64_t *size)
{
	uint64_t stop = e->pos + e->len, end = txlog_end(s->log);
	uint32_t salt;

	if (stop <= a->first && a->first - stop <= AHEAD_GAP_MAX) {
		*size = TXLOG_OFFSET(stop) < a->size ? TXLOG_OFFSET(stop) : a->size;
		*pos = stop - *size;
		return true;
	}
	if (e->pos < a->next || e->pos - a->next > AHEAD_GAP_MAX ||
	    txlog_segment_info(s->log, TXLOG_SEGMENT(e->pos), &salt, size) != IM_OK)
		return false;
	if (end && TXLOG_SEGMENT(end) == TXLOG_SEGMENT(e->pos))
		*size = TXLOG_OFFSET(end);
	*size -= TXLOG_OFFSET(e->pos) < *size ? TXLOG_OFFSET(e->pos) : *size;
	*size = *size < a->size ? *size : a->size;
	*pos = e->pos;
	return true;
}

/* Reads around the entry, when it follows the one before it; then more each time. */
static void
ahead_fill(struct store *s, const struct index_entry *e, unsigned flags, struct engine_ahead *a)
{
	uint64_t pos, size;

	a->len = 0;
	if (!ahead_window(s, e, a, &pos, &size)) {
		a->size = ENGINE_AHEAD_MIN;
		return;
	}
	if (read_log(s, (struct engine_read){pos, flags}, a->data, size) != IM_OK)
		return;
	a->pos = pos;
	a->len = size;
	a->size = a->size < ENGINE_AHEAD_MAX ? 2 * a->size : ENGINE_AHEAD_MAX;
}

/* The bytes of an entry, from what was read ahead if they are there. */
static enum im_err
read_entry(struct store *s, const struct index_entry *e, struct engine_how how, uint8_t *out)
{
	struct engine_ahead *a = how.ahead;

	if (a && !ahead_has(a, e))
		ahead_fill(s, e, how.flags, a);
	if (a) {
		a->first = e->pos;
		a->next = e->pos + e->len;
	}
	if (!a || !ahead_has(a, e))
		return read_log(s, (struct engine_read){e->pos, how.flags}, out, e->len);
	memcpy(out, a->data + (e->pos - a->pos), e->len);
	return IM_OK;
}

enum im_err
engine_read_value(struct store *s, const struct index_entry *e, struct engine_how how,
    struct arena *arena, struct store_value *out)
{
	const struct hot_key key = {.place = e->pos};
	uint8_t *p = (uint8_t *)arena_alloc(arena, e->len);
	struct record_entry r;
	bool hot = p && !how.ahead && hot_cache_copy(&s->entries, key, p, e->len);
	enum im_err err = hot ? IM_OK : p ? read_entry(s, e, how, p) : IM_ERR_NOMEM;

	if (err == IM_ERR_CORRUPT)
		return data_loss(s,
		    &(struct entry_fault){
			e->tx, engine_index_key(arena, e->key), e->pos, "the log ends there"});
	if (err != IM_OK)
		return err;
	*out = (struct store_value){.tx = e->tx, .revision = e->revision};
	if (record_entry_get(bytes_of(p, e->len), &r) != IM_OK ||
	    !is_entry_of(&r, e, &out->metadata))
		return data_loss(s,
		    &(struct entry_fault){e->tx, engine_index_key(arena, e->key), e->pos,
			"the entry is not the one that was written"});
	out->key = r.key;
	out->hval = r.hval;
	out->value_len = r.value_len;
	out->expired = kv_metadata_is_expired(&out->metadata, engine_now(s));
	if (how.flags & STORE_NO_VALUE)
		return IM_OK;
	/* Kept are entries whose value is inline, after it was checked. */
	if (hot) {
		out->value = inline_value(&r);
		return IM_OK;
	}
	err = fetch_value(s, &r, (struct engine_read){e->pos, how.flags}, arena, out);
	if (err == IM_OK && !how.ahead && is_inline(&r))
		hot_cache_offer(&s->entries, key, bytes_of(p, e->len));
	return err;
}

/* ---- Getting one version ---- */

static enum im_err
check_published(struct store *s, uint64_t tx)
{
	uint64_t snapshot;

	return tx ? snapshot_of(s, tx, &snapshot) : err_set(IM_ERR_TX_NOT_FOUND, "tx not found");
}

static enum im_err
find_tx(struct store *s, uint64_t tx, unsigned flags, uint64_t *pos)
{
	enum im_err err = check_published(s, tx);

	if (err == IM_OK)
		err = engine_tx_pos(s, tx, flags & STORE_NOWAIT, pos);
	return err;
}

static enum im_err
check_id(struct store *s, const struct record_tx *head, uint64_t tx, uint64_t pos)
{
	if (head->header.id == tx)
		return IM_OK;
	err_set(IM_ERR_CORRUPT, "transaction %" PRIu64 " instead of %" PRIu64, head->header.id, tx);
	return engine_err_at(s, IM_ERR_CORRUPT, pos);
}

/* What the index would say of entry i of a record. */
static enum im_err
index_entry_of(
    const struct engine_record *r, uint32_t i, struct arena *arena, struct index_entry *out)
{
	const struct record_entry *e = &r->entries[i];
	struct kv_metadata md;
	enum im_err err = kv_metadata_decode(e->metadata, &md);

	if (err != IM_OK)
		return err;
	*out = (struct index_entry){.key = engine_index_key(arena, e->key),
	    .tx = r->head.header.id,
	    .pos = r->pos + r->head.head_len + e->offset,
	    .len = e->len,
	    .flags = engine_index_flags(&md),
	    .expires_at = md.expires_at};
	return out->key.data ? IM_OK : IM_ERR_NOMEM;
}

/*
 * A version that a transaction wrote without its being indexed can still be found by transaction.
 */
static enum im_err
get_from_tx(
    struct store *s, const struct store_query *q, struct arena *arena, struct store_value *out)
{
	struct engine_record r;
	struct index_entry x;
	uint64_t pos;
	enum im_err err = find_tx(s, q->at_tx, q->flags, &pos);

	/* Without the values: those of other entries are none of our business. */
	if (err == IM_OK)
		err = engine_read_record(
		    s, (struct engine_read){pos, q->flags | STORE_NO_VALUE}, arena, &r);
	if (err == IM_OK)
		err = check_id(s, &r.head, q->at_tx, pos);
	for (uint32_t i = 0; err == IM_OK && i < r.head.header.nentries; i++) {
		if (!bytes_equal(r.entries[i].key, q->key))
			continue;
		err = index_entry_of(&r, i, arena, &x);
		if (err == IM_OK && !(q->flags & STORE_WITH_HIDDEN) && engine_is_hidden(s, &x))
			return IM_ERR_KEY_NOT_FOUND;
		return err == IM_OK
		    ? engine_read_value(s, &x, (struct engine_how){q->flags, NULL}, arena, out)
		    : err;
	}
	return err == IM_OK ? IM_ERR_KEY_NOT_FOUND : err;
}

static enum im_err
find_revision(struct store *s, struct bytes key, int64_t revision, const struct index_read *how,
    struct index_entry *out)
{
	uint64_t count, back;
	enum im_err err;

	if (revision > 0)
		return index_get_revision(s->index, key, (uint64_t)revision, how, out);
	back = (uint64_t) - (revision + 1) + 1;
	err = index_revision_count(s->index, key, how, &count);
	if (err != IM_OK)
		return err;
	if (count == 0)
		return IM_ERR_KEY_NOT_FOUND;
	if (back >= count)
		return IM_ERR_REVISION;
	return index_get_revision(s->index, key, count - back, how, out);
}

static enum im_err
find_version(struct store *s, const struct store_query *q, struct bytes key, struct index_entry *e)
{
	struct index_read how = {.nowait = q->flags & STORE_NOWAIT, .no_revision = q->at_tx != 0};
	enum im_err err = snapshot_of(s, q->at_tx ? q->at_tx : q->as_of, &how.as_of);

	if (err != IM_OK)
		return err;
	if (q->revision)
		return find_revision(s, key, q->revision, &how, e);
	return index_get(s->index, key, &how, e);
}

enum im_err
store_get(
    struct store *s, const struct store_query *q, struct arena *arena, struct store_value *out)
{
	uint8_t key[RAW_KEY_MAX];
	struct index_entry e;
	enum im_err err;

	if (q->key.len == 0 || q->key.len > RAW_KEY_MAX)
		return q->key.len ? IM_ERR_KEY_LENGTH : IM_ERR_ARGUMENT;
	if (q->at_tx && (q->revision || q->as_of))
		return IM_ERR_ARGUMENT;
	memcpy(key, q->key.data, q->key.len);
	raw_key_to_index(key, q->key.len);
	err = find_version(s, q, bytes_of(key, q->key.len), &e);
	if (q->at_tx && (err == IM_ERR_KEY_NOT_FOUND || (err == IM_OK && e.tx != q->at_tx)))
		return get_from_tx(s, q, arena, out);
	if (err != IM_OK)
		return err;
	if (!(q->flags & STORE_WITH_HIDDEN) && engine_is_hidden(s, &e))
		return IM_ERR_KEY_NOT_FOUND;
	return engine_read_value(s, &e, (struct engine_how){q->flags, NULL}, arena, out);
}

/* ---- Transactions ---- */

enum im_err
store_read_header(struct store *s, uint64_t tx, unsigned flags, struct tx_header *out)
{
	struct record_tx head;
	uint64_t pos;
	enum im_err err = check_published(s, tx);

	if (err == IM_OK && header_cache_get(&s->headers, tx, out))
		return IM_OK;
	if (err == IM_OK)
		err = find_tx(s, tx, flags, &pos);
	if (err == IM_OK)
		err = engine_read_head(s, (struct engine_read){pos, flags}, &head);
	if (err == IM_OK)
		err = check_id(s, &head, tx, pos);
	if (err != IM_OK)
		return err;
	header_cache_put(&s->headers, &head.header);
	*out = head.header;
	return IM_OK;
}

/* Makes the tree over the entries of a record and checks it against the header. */
static enum im_err
make_tree(struct store *s, const struct engine_record *r, struct arena *arena, struct hash *nodes)
{
	const struct tx_header *h = &r->head.header;
	uint32_t n = h->nentries;
	struct entry_parts *parts = (struct entry_parts *)arena_alloc(arena, n * sizeof *parts);
	struct hash *digests = (struct hash *)arena_alloc(arena, n * sizeof *digests);
	struct hash root = hash_empty();
	enum im_err err;

	if (!parts || !digests)
		return IM_ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		parts[i] = (struct entry_parts){
		    r->entries[i].key, r->entries[i].metadata, r->entries[i].hval};
	err = entry_digests(h->version, parts, n, digests);
	if (err != IM_OK)
		return err;
	htree_build(digests, n, nodes);
	if (n > 0)
		root = nodes[htree_nodes(n) - 1];
	if (hash_equal(&root, &h->eh))
		return IM_OK;
	err_set(IM_ERR_CORRUPT, "the entries do not match the header");
	return engine_err_at(s, IM_ERR_CORRUPT, r->pos);
}

/* The tree over the entries of a record that was read: kept from an earlier read, or made. */
static enum im_err
take_tree(struct store *s, const struct engine_record *r, struct arena *arena, struct store_tx *out)
{
	const struct hot_key key = {.place = r->pos};
	size_t bytes = htree_nodes(out->nentries) * sizeof(struct hash);
	bool large = out->nentries >= ENGINE_HOT_TREE_ENTRIES;
	struct hash *nodes = (struct hash *)arena_alloc(arena, bytes);
	enum im_err err;

	if (!nodes)
		return IM_ERR_NOMEM;
	out->tree = nodes;
	if (large && hot_cache_copy(&s->trees, key, nodes, bytes) &&
	    hash_equal(&nodes[htree_nodes(out->nentries) - 1], &out->header.eh))
		return IM_OK;
	err = make_tree(s, r, arena, nodes);
	if (err == IM_OK && large)
		hot_cache_offer(&s->trees, key, bytes_of((const uint8_t *)nodes, bytes));
	return err;
}

static enum im_err
take_values(struct store *s, const struct engine_record *r, struct store_tx *out)
{
	for (uint32_t i = 0; i < out->nentries; i++) {
		struct store_tx_entry *e = &out->entries[i];
		struct hash h;

		e->value = engine_record_value(r, i);
		hash_sha256(e->value, &h);
		if (!hash_equal(&h, &e->hval))
			return data_loss(s,
			    &(struct entry_fault){out->header.id, e->key,
				r->pos + r->head.head_len + r->entries[i].offset,
				"the value does not match its hash"});
	}
	return IM_OK;
}

enum im_err
store_read_tx(
    struct store *s, uint64_t tx, unsigned flags, struct arena *arena, struct store_tx *out)
{
	struct engine_record r;
	uint64_t pos;
	enum im_err err = find_tx(s, tx, flags, &pos);

	if (err == IM_OK)
		err = engine_read_record(s, (struct engine_read){pos, flags}, arena, &r);
	if (err == IM_OK)
		err = check_id(s, &r.head, tx, pos);
	if (err != IM_OK)
		return err;
	out->header = r.head.header;
	tx_header_alh(&out->header, &out->alh);
	out->nentries = out->header.nentries;
	out->entries =
	    (struct store_tx_entry *)arena_calloc(arena, out->nentries + 1, sizeof *out->entries);
	if (!out->entries)
		return IM_ERR_NOMEM;
	for (uint32_t i = 0; i < out->nentries; i++) {
		const struct record_entry *e = &r.entries[i];

		out->entries[i] = (struct store_tx_entry){.key = e->key,
		    .metadata = e->metadata,
		    .hval = e->hval,
		    .value_len = e->value_len};
	}
	err = take_tree(s, &r, arena, out);
	/* A proof about it is likely to follow. */
	if (err == IM_OK)
		header_cache_put(&s->headers, &out->header);
	if (err == IM_OK && r.with_values)
		err = take_values(s, &r, out);
	return err;
}

/* ---- Proofs ---- */

struct proof_reader {
	struct store *s;
	unsigned flags;
};

static enum im_err
proof_header(void *ctx, uint64_t tx, struct tx_header *out)
{
	const struct proof_reader *r = (const struct proof_reader *)ctx;

	return store_read_header(r->s, tx, r->flags, out);
}

enum im_err
store_dual_proof(struct store *s, struct store_span span, unsigned flags, struct arena *arena,
    struct dual_proof *out)
{
	struct proof_reader reader = {s, flags};
	struct tree_view view = {s->tree, span.target, flags & STORE_NOWAIT};
	struct proof_source source = {tree_view_reader(&view), proof_header, &reader};

	if (span.source > span.target)
		return err_set(IM_ERR_ILLEGAL_STATE, "illegal state");
	return proof_make_dual(&source, span.source, span.target, arena, out);
}
