#ifndef SERVER_TX_VIEW_H
#define SERVER_TX_VIEW_H

#include "server/call.h"

/* How the entries of a transaction are shown, by the kind of their raw key. */
struct tx_view {
	bool everything; /* no specification: all entries as digests */
	Immudb__Schema__EntryTypeAction kv, z, sql;
	bool keep_references;
	bool values; /* some action needs them */
	uint64_t as_of;
};

/*
 * What a specification asks for (NULL: everything); the other fields of the view are left alone.
 * IM_ERR_ARGUMENT for an unknown action, IM_ERR_UNIMPLEMENTED for resolved SQL entries.
 */
enum im_err tx_view_of(const Immudb__Schema__EntriesSpec *spec, struct tx_view *view);

/*
 * Reads transaction number id and shows it as asked. Errors of store_read_tx(); IM_ERR_ARGUMENT for
 * number 0. IM_ERR_WOULD_BLOCK as handlers give it.
 */
enum im_err
tx_view_read(struct call *c, uint64_t id, const struct tx_view *view, Immudb__Schema__Tx **out);

#endif
