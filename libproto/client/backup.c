/*
 * Backups: the stream of a hot backup, piece by piece. Neighbours: immu_admin.h; crypto/archive.h
 * understands what comes.
 */
#include <stdlib.h>

#include "client/client.h"
#include "client/immu_admin.h"

/* Bytes that are given at a time. */
#define PART_BYTES ((size_t)256 * 1024)

struct taker {
	immu_part_fn *fn;
	void *arg;
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
		if (!err)
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

enum im_err
immu_hot_backup(struct immu *c, uint64_t from_tx, immu_part_fn *fn, void *arg)
{
	Immudb__Schema__HotBackupRequest m = IMMUDB__SCHEMA__HOT_BACKUP_REQUEST__INIT;
	struct rpc_call call = client_rpc_call(c, RPC_METHOD_HotBackup, &m.base);
	struct rpc_stream *s = NULL;
	struct taker *to;
	enum im_err err;

	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	to = malloc(sizeof *to);
	if (!to)
		return err_set(IM_ERR_NOMEM, "out of memory");
	to->fn = fn;
	to->arg = arg;
	m.fromtx = from_tx;
	err = rpc_stream_open(c->rpc, &call, &s);
	if (!err)
		err = give_all(s, to);
	rpc_stream_close(s);
	free(to);
	return err;
}
