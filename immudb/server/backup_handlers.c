/*
 * HotBackup: a part of an archive as a stream, made while the database is in use. store_export.h
 * reads the log, crypto/archive.h has headers and trailers, stream_answer.c sends what is made
 * here.
 *
 * Invariants:
 * 1. The state at the beginning decides what is in it; what is written later is not.
 * 2. One piece of the log is in memory, whatever the size of the database; it is read by threads
 *    that come after all others.
 * 3. While much is written, what backups take of the processors is bounded.
 */
#include <time.h>

#include "crypto/archive.h"
#include "server/backup_share.h"
#include "server/proving.h"
#include "server/stream_answer.h"
#include "store/store_export.h"
#include "util/clock.h"

struct backup_stream {
	struct stream_answer base; /* first */
	struct store_export *export;
	struct archive_header header;
	struct archive_trailer trailer; /* tx and alh from the beginning on */
	bool has_begun, has_ended;
	struct store *store;
	struct backup_share share;
	uint8_t raw[ARCHIVE_HEADER_SIZE];
};

_Static_assert(ARCHIVE_TRAILER_SIZE <= ARCHIVE_HEADER_SIZE, "raw has room for both");
_Static_assert(META_DATABASE_MAX == ARCHIVE_DATABASE_MAX, "and every database");

static void
backup_close(struct stream_answer *s)
{
	store_export_close(((struct backup_stream *)s)->export);
}

static void
backup_add(struct backup_stream *b, struct bytes message)
{
	stream_answer_add(&b->base, message);
	b->trailer.bytes += message.len;
}

static void
backup_give_way(struct backup_stream *b, size_t bytes)
{
	struct store_state state;
	struct timespec pause;
	int64_t ns;

	store_state(b->store, &state);
	ns = backup_share_take(&b->share, state.tx, clock_monotonic_ns(), bytes);
	pause = (struct timespec){ns / CLOCK_NS_PER_S, ns % CLOCK_NS_PER_S};
	if (ns > 0)
		nanosleep(&pause, NULL);
}

static enum im_err
backup_next(struct stream_answer *s)
{
	struct backup_stream *b = (struct backup_stream *)s;
	struct bytes piece;
	enum im_err err = IM_OK;

	if (b->has_ended)
		return IM_ERR_NOT_FOUND;
	if (!b->has_begun) {
		archive_header_put(b->raw, &b->header);
		backup_add(b, bytes_of(b->raw, ARCHIVE_HEADER_SIZE));
		b->has_begun = true;
		return IM_OK;
	}
	err = store_export_next(b->export, &piece);
	if (err == IM_OK) {
		backup_give_way(b, piece.len);
		backup_add(b, piece);
	} else if (err == IM_ERR_NOT_FOUND) {
		b->trailer.txs = b->header.to_tx + 1 - b->header.from_tx;
		b->trailer.entries = store_export_entries(b->export);
		b->trailer.bytes += ARCHIVE_TRAILER_SIZE;
		archive_trailer_put(b->raw, &b->trailer);
		stream_answer_add(s, bytes_of(b->raw, ARCHIVE_TRAILER_SIZE));
		b->has_ended = true;
		err = IM_OK;
	}
	return err;
}

/* The Alh of the transaction before the first one. */
static enum im_err
backup_prev_alh(struct call *c, uint64_t from_tx, struct hash *out)
{
	struct tx_header before;
	enum im_err err;

	*out = hash_empty();
	if (from_tx == 1)
		return IM_OK;
	err = store_read_header(c->database->store, from_tx - 1, 0, &before);
	if (err == IM_OK)
		tx_header_alh(&before, out);
	return err;
}

static enum im_err
backup_sign(struct call *c, struct archive_trailer *t)
{
	Immudb__Schema__Signature *signature;
	enum im_err err = proving_sign(c, t->tx, &t->alh, &signature);

	if (err != IM_OK || !signature)
		return err;
	t->signature_len = signature->signature.len;
	t->has_public_key = true;
	memcpy(t->signature, signature->signature.data, t->signature_len);
	memcpy(t->public_key, signature->publickey.data, sizeof t->public_key);
	return IM_OK;
}

/*
 * The newest format that both sides know; a client that says nothing is from before there was a
 * second.
 */
static uint32_t
backup_format(const struct call *c)
{
	const Immudb__Schema__HotBackupRequest *in = (const void *)c->in;

	if (in->archiveformat == 0)
		return ARCHIVE_FORMAT_ALL_DIGESTED;
	return in->archiveformat < ARCHIVE_FORMAT ? in->archiveformat : ARCHIVE_FORMAT;
}

/* Header and trailer, as far as they are known, of the part from from_tx to the present state. */
static enum im_err
backup_fill(struct call *c, uint64_t from_tx, struct backup_stream *b)
{
	struct database_info info;
	struct store_state state;
	enum im_err err;

	store_state(c->database->store, &state);
	if (from_tx > state.tx + 1)
		return err_set(IM_ERR_STATE_OLDER,
		    "%s: database %s ends with transaction %llu, asked for was %llu",
		    err_text(IM_ERR_STATE_OLDER), c->database->name, (unsigned long long)state.tx,
		    (unsigned long long)from_tx);
	database_info(c->database, &info);
	b->header = (struct archive_header){.format = backup_format(c),
	    .from_tx = from_tx,
	    .to_tx = state.tx,
	    .made_at_s = clock_wall_s(),
	    .header_version = info.settings.header_version,
	    .synced = info.settings.synced};
	memcpy(b->header.server, c->server->identity, sizeof b->header.server);
	memcpy(b->header.database, c->database->name, sizeof b->header.database);
	b->trailer = (struct archive_trailer){.tx = state.tx, .alh = state.alh};
	err = backup_prev_alh(c, from_tx, &b->header.prev_alh);
	if (err == IM_OK)
		err = backup_sign(c, &b->trailer);
	return err;
}

enum im_err
handle_HotBackup(struct call *c)
{
	const Immudb__Schema__HotBackupRequest *in = (const void *)c->in;
	uint64_t from_tx = in->fromtx ? in->fromtx : 1;
	struct backup_stream *b;
	enum im_err err;

	if (!c->may_block) {
		call_queue(c, c->server->exporters);
		return CALL_PENDING;
	}
	b = arena_calloc(call_arena(c), 1, sizeof *b);
	if (!b)
		return IM_ERR_NOMEM;
	b->base.next = backup_next;
	b->base.close = backup_close;
	b->base.pool = c->server->exporters;
	b->store = c->database->store;
	err = backup_fill(c, from_tx, b);
	backup_share_begin(&b->share, b->header.to_tx, clock_monotonic_ns());
	if (err == IM_OK)
		err = store_export_open(c->database->store, from_tx, b->header.to_tx, &b->export);
	return err == IM_OK ? stream_answer_start(c, &b->base) : err;
}
