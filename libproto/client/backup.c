/*
 * Backups: the stream of a hot backup, and the bytes of a restore, piece by piece. Neighbours:
 * immu_admin.h; crypto/archive.h understands what comes and goes.
 */
#include <stdlib.h>

#include "client/client.h"
#include "client/immu_admin.h"
#include "crypto/archive.h"

/* Bytes that are given at a time. */
#define PART_BYTES ((size_t)256 * 1024)

/* The last step of a restore reads and indexes all of it: how long that takes, nobody knows. */
#define FINISH_TIMEOUT_MS (24u * 60 * 60 * 1000)
#define ANSWER_BYTES_MAX ((size_t)64 * 1024)

struct taker {
	immu_part_fn *fn;
	void *arg;
	bool has_begun; /* something was given */
	uint8_t part[PART_BYTES];
};

/* One message of the stream. */
static enum im_err
give_message(struct rpc_stream *s, uint64_t len, struct taker *to)
{
	enum im_err err = IM_OK;

	while (!err && len > 0) {
		size_t n = len < PART_BYTES ? (size_t)len : PART_BYTES;

		err = rpc_stream_read(s, to->part, n);
		if (err)
			break;
		to->has_begun = true;
		err = to->fn(to->arg, (struct immu_bytes){to->part, n});
		len -= n;
	}
	return err;
}

static enum im_err
give_all(struct rpc_stream *s, struct taker *to)
{
	uint64_t len;
	enum im_err err;

	while ((err = rpc_stream_next(s, &len)) == IM_OK) {
		err = give_message(s, len, to);
		if (err)
			return err == IM_ERR_NOT_FOUND
			    ? err_set(IM_ERR_PROTOCOL, "the server's stream ends too early")
			    : err;
	}
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
take_backup(struct immu *c, uint64_t from_tx, uint32_t format, struct taker *to)
{
	Immudb__Schema__HotBackupRequest m = IMMUDB__SCHEMA__HOT_BACKUP_REQUEST__INIT;
	struct rpc_call call = client_rpc_call(c, RPC_METHOD_HotBackup, &m.base);
	struct rpc_stream *s = NULL;
	enum im_err err;

	m.fromtx = from_tx;
	m.archiveformat = format;
	err = rpc_stream_open(c->rpc, &call, &s);
	if (!err)
		err = give_all(s, to);
	rpc_stream_close(s);
	return err;
}

enum im_err
immu_hot_backup(struct immu *c, uint64_t from_tx, immu_part_fn *fn, void *arg)
{
	struct taker *to;
	enum im_err err;

	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	to = malloc(sizeof *to);
	if (!to)
		return err_set(IM_ERR_NOMEM, "out of memory");
	to->fn = fn;
	to->arg = arg;
	to->has_begun = false;
	err = take_backup(c, from_tx, ARCHIVE_FORMAT, to);
	/* A server from before the second format refuses a request that names one. */
	if (err == IM_ERR_UNIMPLEMENTED && !to->has_begun)
		err = take_backup(c, from_tx, 0, to);
	free(to);
	return err;
}

/* ---- Restoring ---- */

static enum im_err
step(struct immu *c, const struct rpc_call *call, struct arena *arena, ProtobufCMessage **answer)
{
	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	return rpc_call_wait(c->rpc, call, arena, answer, NULL);
}

static enum im_err
tell_step(struct immu *c, enum rpc_method_id method, const ProtobufCMessage *request)
{
	struct rpc_call call = client_rpc_call(c, method, request);
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err;

	arena_init(&arena, ANSWER_BYTES_MAX);
	err = step(c, &call, &arena, &answer);
	arena_free(&arena);
	return err;
}

enum im_err
immu_restore_begin(struct immu *c, const char *database, enum immu_restore_mode mode)
{
	Immudb__Schema__BeginRestoreRequest m = IMMUDB__SCHEMA__BEGIN_RESTORE_REQUEST__INIT;

	m.database = (char *)(uintptr_t)database;
	m.mode = (uint32_t)mode;
	return tell_step(c, RPC_METHOD_BeginRestore, &m.base);
}

enum im_err
immu_restore_write(struct immu *c, uint64_t offset, struct immu_bytes part)
{
	Immudb__Schema__WriteRestoreRequest m = IMMUDB__SCHEMA__WRITE_RESTORE_REQUEST__INIT;

	m.offset = offset;
	m.content = (ProtobufCBinaryData){part.len, (uint8_t *)(uintptr_t)part.data};
	return tell_step(c, RPC_METHOD_WriteRestore, &m.base);
}

static enum im_err
take_restored(const ProtobufCMessage *answer, struct immu_restored *out)
{
	const Immudb__Schema__ImmutableState *m = (const Immudb__Schema__ImmutableState *)answer;

	if (m->txhash.len != sizeof out->alh)
		return err_set(IM_ERR_PROTOCOL, "the server's answer has no state");
	out->tx = m->txid;
	memcpy(out->alh, m->txhash.data, sizeof out->alh);
	return IM_OK;
}

enum im_err
immu_restore_finish(struct immu *c, struct immu_restored *out)
{
	Immudb__Schema__Empty m = IMMUDB__SCHEMA__EMPTY__INIT;
	struct rpc_call call = client_rpc_call(c, RPC_METHOD_FinishRestore, &m.base);
	struct arena arena;
	ProtobufCMessage *answer;
	enum im_err err;

	call.timeout_ms = FINISH_TIMEOUT_MS;
	arena_init(&arena, ANSWER_BYTES_MAX);
	err = step(c, &call, &arena, &answer);
	if (!err)
		err = take_restored(answer, out);
	arena_free(&arena);
	return err;
}
