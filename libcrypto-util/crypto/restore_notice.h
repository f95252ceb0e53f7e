#ifndef CRYPTO_RESTORE_NOTICE_H
#define CRYPTO_RESTORE_NOTICE_H

#include "crypto/proof.h"
#include "crypto/sign.h"

/*
 * What a server says of a restore: that one of its databases was put from one state to another by
 * its operator. It is signed with the key of the server's states. The signed payload is
 *
 *	"immudb restore notice 1\n"
 *	u32 len(server id) || server id
 *	u32 len(database)  || database
 *	u64 from tx || from hash || u64 to tx || to hash
 *	i64 at || u32 len(actor) || actor				(big-endian)
 *
 * and cannot be that of a state: read as one, the first four bytes would be the length of a
 * database name far above SIGN_DATABASE_MAX.
 */
#define RESTORE_NOTICE_TITLE "immudb restore notice 1\n"
#define RESTORE_NOTICE_ACTOR_MAX 127

struct restore_notice {
	struct bytes server_id; /* as text, 20 characters */
	struct bytes database;
	struct tx_point from; /* what was there before; id 0 and a hash of zeros: not known */
	struct tx_point to;   /* what was put there; id 0: an empty database */
	int64_t at_ms;        /* Unix time in milliseconds, by the server's clock */
	struct bytes actor;   /* who did it */
};

/*
 * restore_notice_payload: appends the signed bytes. IM_ERR_LIMIT (a server id, database or actor
 * that is too long), IM_ERR_NOMEM.
 */
enum im_err restore_notice_payload(const struct restore_notice *notice, struct buf *out);

/* restore_notice_sign: as sign_make(), for a notice. */
enum im_err restore_notice_sign(const struct sign_private_key *key,
    const struct restore_notice *notice, uint8_t der[SIGN_DER_MAX], size_t *len);

/* restore_notice_check: as sign_check(), for a notice. */
enum im_err restore_notice_check(
    const struct sign_public_key *key, const struct restore_notice *notice, struct bytes der);

/*
 * restore_notice_covers: whether this restore took back the state: it stood after what was put
 * there and not after what was there before, and is what was there before when it is of that
 * transaction. Of an unknown past any newer state may be. Says nothing of signatures, nor of what
 * is there now. Pure.
 */
bool restore_notice_covers(const struct restore_notice *notice, const struct tx_point *state);

#endif
