#ifndef CLIENT_VERIFY_H
#define CLIENT_VERIFY_H

#include "client/decode.h"
#include "client/trust_file.h"
#include "crypto/sign.h"

/*
 * Does an answer prove what it says? Pure: takes a decoded answer and what was asked, gives what is
 * now known, or the reason for refusing it: IM_ERR_PROOF, IM_ERR_SIGNATURE_MISSING,
 * IM_ERR_SIGNATURE, IM_ERR_STATE_OLDER, IM_ERR_STATE_FORKED (or IM_ERR_NOMEM).
 */

/* What is known before the answer. */
struct verify_anchor {
	struct tx_point from; /* the trusted state when asking; id 0: none */
	const char *database; /* that was asked */
	const struct sign_public_key
	    *key; /* that must have signed; NULL: signatures are not checked */
};

/* What an answer has proven. */
struct verify_outcome {
	struct tx_header header;     /* of the transaction the answer is about */
	struct tx_point point;       /* its id and Alh */
	struct entry_parts *entries; /* all of them if the answer held them, else NULL */
	struct trust_state
	    state;               /* the newer of this and the anchor, with the answer's signature */
	struct tx_header newest; /* the header of that state */
	/*
	 * If the transaction is the newer one: the Alh of transaction newest.bl_tx_id, and the root
	 * of the tree without it, both as proven to be under newest.bl_root.
	 */
	struct hash before_alh;
	struct hash before_root;
	/*
	 * Of an entry: the key it names; of a reference, which it stands for and where it was
	 * found.
	 */
	bool is_reference;
	struct bytes target;
	uint64_t target_tx; /* what the server says of it; not proven */
};

/*
 * One step of those below: the transaction of m is the anchor's, or of one history with it, and its
 * state is signed if the anchor has a key. Fills all of out but entries and target.
 */
enum im_err verify_history(const struct verify_anchor *anchor,
    const Immudb__Schema__VerifiableTx *m, struct arena *arena, struct verify_outcome *out);

/* One step: the entries of m are all there are and hash to the root in the header of out. */
enum im_err
verify_entries(const Immudb__Schema__Tx *m, struct arena *arena, struct verify_outcome *out);

/* The signature of a state under the anchor's key and database; m may be NULL. Fills out's copy. */
enum im_err verify_signature(const struct verify_anchor *anchor, const Immudb__Schema__Signature *m,
    struct trust_state *out);

/*
 * A state that the server claims. It must be of the anchor's database and not contradict the
 * anchor; that it extends the anchor is not proven here.
 */
enum im_err verify_state(const struct verify_anchor *anchor,
    const Immudb__Schema__ImmutableState *m, struct trust_state *out);

/*
 * A transaction: id is the one asked for. All its entries are given and hash to the root in its
 * header, and its header and the anchor are of one history.
 */
enum im_err verify_tx(const struct verify_anchor *anchor, uint64_t id,
    const Immudb__Schema__VerifiableTx *m, struct arena *arena, struct verify_outcome *out);

/*
 * A known transaction and the anchor are of one history. m is the answer to a request for that
 * transaction with a proof since the anchor; entries are not looked at. Since both are known, what
 * is wrong is IM_ERR_STATE_FORKED here.
 */
enum im_err verify_link(const struct verify_anchor *anchor, const struct tx_point *point,
    const Immudb__Schema__VerifiableTx *m, struct arena *arena, struct verify_outcome *out);

/* What was written: len entries in the order of the request. */
struct verify_written {
	const struct entry_parts *entries;
	size_t len;
};

/*
 * A write of any kind: a new transaction, after the anchor, with exactly these entries in this
 * order.
 */
enum im_err verify_set(const struct verify_anchor *anchor, const struct verify_written *written,
    const Immudb__Schema__VerifiableTx *m, struct arena *arena, struct verify_outcome *out);

/* What was asked for. */
struct verify_wanted {
	struct bytes key;
	uint64_t at_tx; /* 0: any */
	bool is_target; /* of a reference, so that it cannot be one itself */
};

/*
 * One step: the entry of m is the one wanted, and is hashed into the transaction of out; m->entry
 * is there.
 */
enum im_err verify_entry(const struct verify_wanted *wanted,
    const Immudb__Schema__VerifiableEntry *m, struct arena *arena, struct verify_outcome *out);

/*
 * An entry: key, value, metadata and transaction are proven. Of a reference it is proven which key
 * it stands for; the value of that key is not: it is to be asked for with at_tx = out->target_tx.
 */
enum im_err verify_get(const struct verify_anchor *anchor, const struct verify_wanted *wanted,
    const Immudb__Schema__VerifiableEntry *m, struct arena *arena, struct verify_outcome *out);

/*
 * True when the outcome's transaction directly follows previous, a proven header: it names
 * previous's Alh as the one before it, its tree is previous's tree and that Alh, and nothing is
 * between them. Sound for an outcome whose own proof holds, because that covers before_alh and
 * before_root.
 */
bool verify_follows(const struct tx_header *previous, const struct verify_outcome *next);

#endif
