/*
 * Reading an archive, from bytes that come in pieces, and verifying all of it on the way.
 *
 *   header --(record of a transaction)*--> trailer --> header of the next part, or the end
 *                                                  --> zeroes: a part that was not finished
 *
 * Neighbours: archive.c and record.c understand the bytes; entry.h, htree.h, header.h and ahtree.h
 * have the hashes. immuadmin checks archives with this, the server what it is to restore.
 * Invariants:
 *   1. Nothing goes to the sink that is not verified, and after an error nothing at all.
 *   2. No more is held than one record that is not complete, and of that only what has come.
 *   3. The digest is over headers and trailers; what is between them the Alh in the trailer stands
 *   for, because
 *      a record has one form only (record.c). In a part of format 1 it is over the transactions as
 *      well.
 *   4. The root of the tree is known (has_edge) in an archive that begins with transaction 1.
 */
#include <stdlib.h>

#include "crypto/ahtree.h"
#include "crypto/archive.h"
#include "crypto/archive_parts.h"
#include "crypto/entry.h"
#include "crypto/hash_stream.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"

enum place { PLACE_HEADER, PLACE_RECORD, PLACE_UNFINISHED, PLACE_FAILED };

struct archive_reader {
	struct archive_sink sink;
	enum place place;
	struct buf pending; /* the beginning of what is not complete */
	struct hash_stream *digest;
	bool makes_digests;
	bool has_edge;
	struct ahtree_edge edge;
	struct archive_status status;
	struct archive_header header; /* of the present part */
	struct archive_trailer trailer;
	uint64_t part_at, part_txs, part_entries;
	/* Of one transaction. */
	struct record_entry entries[TX_ENTRIES_MAX];
	struct entry_parts parts[TX_ENTRIES_MAX];
	struct bytes values[TX_ENTRIES_MAX];
	struct hash hashes[TX_ENTRIES_MAX];
};

enum im_err
archive_reader_new(const struct archive_sink *sink, struct archive_reader **out)
{
	struct archive_reader *r = (struct archive_reader *)calloc(1, sizeof *r);

	if (r)
		r->digest = hash_stream_new();
	if (!r || !r->digest) {
		free(r);
		*out = NULL;
		return err_set(IM_ERR_NOMEM, "%s", err_text(IM_ERR_NOMEM));
	}
	*out = r;
	r->sink = *sink;
	buf_init(&r->pending, RECORD_TX_BYTES_MAX);
	r->status.alh = hash_empty();
	return IM_OK;
}

void
archive_reader_free(struct archive_reader *r)
{
	if (!r)
		return;
	hash_stream_free(r->digest);
	buf_free(&r->pending);
	free(r);
}

void
archive_reader_make_digests(struct archive_reader *r)
{
	r->makes_digests = true;
	/* What was not finished is given up. */
	if (r->place == PLACE_UNFINISHED)
		r->place = PLACE_HEADER;
	r->status.is_unfinished = false;
	buf_clear(&r->pending);
}

void
archive_reader_set_sink(struct archive_reader *r, const struct archive_sink *sink)
{
	r->sink = *sink;
}

/* ---- What is wrong, and where ---- */

static enum im_err
bad_part(const struct archive_reader *r, const char *what)
{
	return err_set(IM_ERR_ARCHIVE, "%s: at byte %llu: %s", err_text(IM_ERR_ARCHIVE),
	    (unsigned long long)r->status.bytes, what);
}

static enum im_err
bad_tx(const struct archive_reader *r, uint64_t tx, const char *what)
{
	return err_set(IM_ERR_ARCHIVE, "%s: at byte %llu, transaction %llu: %s",
	    err_text(IM_ERR_ARCHIVE), (unsigned long long)r->status.bytes, (unsigned long long)tx,
	    what);
}

/* ---- Headers ---- */

/* The first part says where the archive begins. */
static enum im_err
begin_archive(struct archive_reader *r, const struct archive_header *h)
{
	struct hash empty = hash_empty();

	if (h->from_tx == 1 && !hash_equal(&h->prev_alh, &empty))
		return bad_part(r, "a history that begins with something else than nothing");
	r->has_edge = h->from_tx == 1;
	r->status.from_tx = h->from_tx;
	r->status.tx = h->from_tx - 1;
	r->status.alh = h->prev_alh;
	return IM_OK;
}

static enum im_err
continue_archive(const struct archive_reader *r, const struct archive_header *h)
{
	if (strcmp(h->database, r->header.database) != 0)
		return bad_part(r, "a part of another database");
	if (h->from_tx != r->status.tx + 1)
		return bad_part(r, "a part that does not follow the one before");
	if (!hash_equal(&h->prev_alh, &r->status.alh))
		return err_set(IM_ERR_STATE_FORKED,
		    "%s: transaction %llu of database %s is another one in the archive",
		    err_text(IM_ERR_STATE_FORKED), (unsigned long long)r->status.tx, h->database);
	return IM_OK;
}

static enum im_err
take_header(struct archive_reader *r, struct bytes raw)
{
	static const uint8_t zero[ARCHIVE_MAGIC_SIZE];
	struct archive_header h;
	enum im_err err;

	if (r->status.parts > 0 && memcmp(raw.data, zero, sizeof zero) == 0) {
		r->place = PLACE_UNFINISHED;
		r->status.is_unfinished = true;
		return IM_OK;
	}
	err = archive_header_get(raw.data, &h);
	if (err == IM_ERR_ARCHIVE)
		return bad_part(r, err_detail(err) + strlen(err_text(err)) + 2);
	if (err == IM_OK)
		err = r->status.parts ? continue_archive(r, &h) : begin_archive(r, &h);
	if (err != IM_OK)
		return err;
	r->header = h;
	r->status.to_tx = h.to_tx;
	r->part_at = r->status.bytes;
	r->part_txs = r->part_entries = 0;
	r->place = PLACE_RECORD;
	r->status.is_whole = false;
	hash_stream_add(r->digest, raw);
	return r->sink.header ? r->sink.header(r->sink.ctx, &h, raw) : IM_OK;
}

/* ---- Transactions ---- */

static const char *
check_chain(const struct archive_reader *r, const struct tx_header *h)
{
	struct hash root;

	if (h->id != r->status.tx + 1)
		return "a transaction out of order";
	if (h->id > r->header.to_tx)
		return "a transaction more than the part has";
	if (h->nentries == 0 || tx_header_check(h) != IM_OK)
		return "an impossible header";
	if (!hash_equal(&h->prev_alh, &r->status.alh))
		return "it does not continue the chain";
	if (!r->has_edge)
		return NULL;
	ahtree_edge_root(&r->edge, &root);
	if (h->bl_tx_id != r->edge.size || !hash_equal(&h->bl_root, &root))
		return "it has another root of the tree";
	return NULL;
}

/* The values against their hashes, and the entries against the header. */
static const char *
check_content(struct archive_reader *r, const struct record_tx *head, struct bytes body)
{
	uint32_t n = head->header.nentries;
	struct hash root;

	for (uint32_t i = 0; i < n; i++) {
		const struct record_entry *e = &r->entries[i];

		r->values[i] = bytes_of(body.data + e->offset + e->value_offset, e->value_len);
		r->parts[i] = (struct entry_parts){e->key, e->metadata, e->hval};
	}
	hash_many(r->values, n, r->hashes);
	for (uint32_t i = 0; i < n; i++)
		if (!hash_equal(&r->hashes[i], &r->entries[i].hval))
			return "a value does not match its hash";
	if (entry_digests(head->header.version, r->parts, n, r->hashes) != IM_OK)
		return "an impossible entry";
	htree_root(r->hashes, n, r->hashes, &root);
	return hash_equal(&root, &head->header.eh) ? NULL : "its entries are others";
}

static enum im_err
take_tx(struct archive_reader *r, struct bytes raw)
{
	struct archive_tx tx = {.record = raw, .entries = r->entries};
	struct hash leaf, completed[AHTREE_NODES_MAX];
	struct bytes body;
	const char *what;

	if (record_tx_get(raw, 0, &tx.head) != IM_OK)
		return bad_tx(r, r->status.tx + 1, err_detail(IM_ERR_CORRUPT));
	body = bytes_of(raw.data + tx.head.head_len, raw.len - tx.head.head_len);
	if (record_entries_get(&tx.head, bytes_of(body.data, tx.head.entries_len), r->entries) !=
	    IM_OK)
		return bad_tx(r, r->status.tx + 1, err_detail(IM_ERR_CORRUPT));
	what = check_chain(r, &tx.head.header);
	if (!what)
		what = check_content(r, &tx.head, body);
	if (what)
		return bad_tx(r, r->status.tx + 1, what);
	tx_header_alh(&tx.head.header, &tx.alh);
	hash_leaf(&tx.alh, &leaf);
	ahtree_edge_append(&r->edge, &leaf, completed);
	r->status.tx = tx.head.header.id;
	r->status.alh = tx.alh;
	r->status.entries += tx.head.header.nentries;
	r->part_txs++;
	r->part_entries += tx.head.header.nentries;
	if (r->header.format == ARCHIVE_FORMAT_ALL_DIGESTED)
		hash_stream_add(r->digest, raw);
	return r->sink.tx ? r->sink.tx(r->sink.ctx, &tx) : IM_OK;
}

/* ---- Trailers ---- */

static enum im_err
check_signature(const struct archive_reader *r, const struct archive_trailer *t)
{
	struct sign_state state = {bytes_str(r->header.database), t->tx, t->alh};
	struct sign_public_key *key = NULL;
	enum im_err err;

	if (!t->has_public_key)
		return IM_OK;
	err = sign_public_key_of_point(bytes_of(t->public_key, sizeof t->public_key), &key);
	if (err == IM_OK)
		err = sign_check(key, &state, bytes_of(t->signature, t->signature_len));
	sign_public_key_free(key);
	return err == IM_ERR_SIGNATURE ? bad_part(r, "the signature of the state is wrong") : err;
}

static const char *
check_trailer(const struct archive_reader *r, const struct archive_trailer *t)
{
	if (r->status.tx != r->header.to_tx)
		return "the part ends before its last transaction";
	if (t->tx != r->status.tx || !hash_equal(&t->alh, &r->status.alh))
		return "the transactions do not lead to the state that the part ends with";
	if (t->txs != r->part_txs || t->entries != r->part_entries ||
	    t->bytes != r->status.bytes + ARCHIVE_TRAILER_SIZE - r->part_at)
		return "wrong counts in a trailer";
	return NULL;
}

static enum im_err
take_trailer(struct archive_reader *r, struct bytes in)
{
	uint8_t raw[ARCHIVE_TRAILER_SIZE];
	struct archive_trailer t;
	struct hash digest;
	const char *what;
	enum im_err err;

	memcpy(raw, in.data, sizeof raw);
	hash_stream_add(r->digest, bytes_of(raw, ARCHIVE_DIGEST_AT));
	err = hash_stream_get(r->digest, &digest);
	if (err != IM_OK)
		return err;
	if (r->makes_digests)
		memcpy(raw + ARCHIVE_DIGEST_AT, digest.b, HASH_SIZE);
	hash_stream_add(r->digest, bytes_of(raw + ARCHIVE_DIGEST_AT, HASH_SIZE));
	err = archive_trailer_get(raw, &t);
	if (err != IM_OK)
		return bad_part(r, err_detail(err) + strlen(err_text(err)) + 2);
	what = check_trailer(r, &t);
	if (!what && !hash_equal(&digest, &t.digest))
		what = "the digest of the archive is wrong";
	err = what ? bad_part(r, what) : check_signature(r, &t);
	if (err != IM_OK)
		return err;
	r->trailer = t;
	r->status.parts++;
	r->status.is_whole = true;
	r->status.whole_bytes = r->status.bytes + sizeof raw;
	r->place = PLACE_HEADER;
	return r->sink.trailer ? r->sink.trailer(r->sink.ctx, &t, bytes_of(raw, sizeof raw))
			       : IM_OK;
}

/* ---- Feeding ---- */

/* The length of what comes next, as far as in tells; 0 when it is impossible. */
static size_t
unit_size(const struct archive_reader *r, struct bytes in)
{
	uint32_t length;

	if (r->place == PLACE_HEADER)
		return ARCHIVE_HEADER_SIZE;
	if (in.len < RECORD_PREFIX_SIZE)
		return RECORD_PREFIX_SIZE;
	length = be32_get(in.data);
	if (in.data[8] == ARCHIVE_KIND_TRAILER)
		return length == ARCHIVE_TRAILER_SIZE ? length : 0;
	return in.data[8] == RECORD_TX && length >= RECORD_TX_FIXED && length <= RECORD_TX_BYTES_MAX
	    ? length
	    : 0;
}

static enum im_err
take_unit(struct archive_reader *r, struct bytes raw)
{
	enum im_err err;

	if (r->place == PLACE_HEADER)
		err = take_header(r, raw);
	else if (raw.data[8] == ARCHIVE_KIND_TRAILER)
		err = take_trailer(r, raw);
	else
		err = take_tx(r, raw);
	if (err == IM_OK && r->place != PLACE_UNFINISHED)
		r->status.bytes += raw.len;
	return err;
}

/* Takes whole units from the front of in. */
static enum im_err
take_units(struct archive_reader *r, struct bytes *in)
{
	enum im_err err = IM_OK;

	while (err == IM_OK && r->place != PLACE_UNFINISHED) {
		size_t size = unit_size(r, *in);

		if (size == 0)
			return bad_part(r, "neither a transaction nor the end of a part");
		if (in->len < size)
			break;
		err = take_unit(r, bytes_of(in->data, size));
		*in = bytes_of(in->data + size, in->len - size);
	}
	return err;
}

/* Completes the unit that is pending, as far as in goes; what is used is taken off in. */
static enum im_err
complete_pending(struct archive_reader *r, struct bytes *in)
{
	while (r->pending.len > 0 && in->len > 0) {
		size_t size = unit_size(r, buf_bytes(&r->pending));
		size_t n = size - r->pending.len;
		struct bytes unit;
		enum im_err err;

		if (n > in->len)
			n = in->len;
		if (!buf_append(&r->pending, in->data, n))
			return err_set(r->pending.err, "%s", err_text(r->pending.err));
		*in = bytes_of(in->data + n, in->len - n);
		unit = buf_bytes(&r->pending);
		err = take_units(r, &unit);
		if (err != IM_OK)
			return err;
		if (unit.len == 0 || r->place == PLACE_UNFINISHED)
			buf_clear(&r->pending);
	}
	return IM_OK;
}

static enum im_err
feed(struct archive_reader *r, struct bytes in)
{
	enum im_err err = complete_pending(r, &in);

	if (err == IM_OK)
		err = take_units(r, &in);
	if (err == IM_OK && r->place != PLACE_UNFINISHED && in.len > 0 &&
	    !buf_append(&r->pending, in.data, in.len))
		err = err_set(r->pending.err, "%s", err_text(r->pending.err));
	return err;
}

enum im_err
archive_reader_feed(struct archive_reader *r, struct bytes in)
{
	enum im_err err = IM_OK;

	if (r->place == PLACE_FAILED)
		return err_set(IM_ERR_ARCHIVE, "%s", err_text(IM_ERR_ARCHIVE));
	if (r->place != PLACE_UNFINISHED)
		err = feed(r, in);
	if (err != IM_OK)
		r->place = PLACE_FAILED;
	return err;
}

/*
 * What was appended and not finished may be shorter than a header, and is zero as far as its magic
 * goes.
 */
static bool
ends_unfinished(const struct archive_reader *r)
{
	for (size_t i = 0; i < r->pending.len && i < ARCHIVE_MAGIC_SIZE; i++)
		if (r->pending.data[i] != 0)
			return false;
	return true;
}

enum im_err
archive_reader_finish(struct archive_reader *r)
{
	if (r->place == PLACE_FAILED)
		return err_set(IM_ERR_ARCHIVE, "%s", err_text(IM_ERR_ARCHIVE));
	if (r->place == PLACE_HEADER && r->status.parts > 0 && ends_unfinished(r)) {
		r->place = PLACE_UNFINISHED;
		r->status.is_unfinished = r->pending.len > 0;
	}
	if (r->place == PLACE_UNFINISHED)
		return IM_OK;
	if (r->status.bytes + r->pending.len == 0)
		return bad_part(r, "it is empty");
	return bad_tx(r, r->status.tx + 1, "it ends here: it is cut short");
}

void
archive_reader_status(const struct archive_reader *r, struct archive_status *out)
{
	*out = r->status;
}

const struct archive_header *
archive_reader_header(const struct archive_reader *r)
{
	return r->status.parts > 0 ? &r->header : NULL;
}

const struct archive_trailer *
archive_reader_trailer(const struct archive_reader *r)
{
	return r->status.parts > 0 ? &r->trailer : NULL;
}
