#ifndef SERVER_GET_H
#define SERVER_GET_H

#include "server/entries.h"

/* Get and VerifiableGet, for their handlers and those of the streams. */

/*
 * The entry that a request asks for. *raw (may be NULL) is as entry_find() gives it. Errors of
 * entry_find(), and IM_ERR_ARGUMENT for fields that exclude each other.
 */
enum im_err get_entry(struct call *c, const Immudb__Schema__KeyRequest *in, struct store_value *raw,
    Immudb__Schema__Entry **out);

/* The same with transaction, proofs and signature around it. Also IM_ERR_ILLEGAL_STATE. */
enum im_err get_proven(struct call *c, const Immudb__Schema__VerifiableGetRequest *in,
    Immudb__Schema__VerifiableEntry **out);

#endif
