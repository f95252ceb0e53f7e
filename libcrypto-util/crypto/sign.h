#ifndef CRYPTO_SIGN_H
#define CRYPTO_SIGN_H

#include <stdint.h>

#include "crypto/hash.h"
#include "util/bytes.h"
#include "util/err.h"

/*
 * Signatures of states: ECDSA over P-256 with SHA-256, in DER (SEQUENCE of INTEGER r and s). The
 * signed payload of a state is
 *
 *	u32 len(database) || database || u64 txId || txHash		(big-endian)
 *
 * Keys are opaque, immutable once made, and may be used from any number of threads.
 */
#define SIGN_POINT_SIZE 65 /* 04 || X || Y */
#define SIGN_DER_MAX 72
#define SIGN_DATABASE_MAX 1024

struct sign_private_key;
struct sign_public_key;

/* What is signed. */
struct sign_state {
	struct bytes database; /* at most SIGN_DATABASE_MAX bytes */
	uint64_t tx_id;
	struct hash tx_hash;
};

/*
 * sign_private_key_load: a private key from PEM text: SEC1 ("EC PRIVATE KEY", a leading "EC
 * PARAMETERS" block allowed) or unencrypted PKCS#8 ("PRIVATE KEY"); P-256 only, and the key must
 * belong together. name is the file's name, for the error. Release with sign_private_key_free(),
 * which wipes it. IM_ERR_KEY_FILE with "name: reason" as its detail, IM_ERR_NOMEM.
 */
enum im_err
sign_private_key_load(struct bytes pem, const char *name, struct sign_private_key **out);
void sign_private_key_free(struct sign_private_key *key);

/* The public point of a private key, uncompressed. */
void sign_private_key_point(const struct sign_private_key *key, uint8_t out[SIGN_POINT_SIZE]);

/* sign_public_key_load: a public key from PEM text ("PUBLIC KEY"); otherwise as above. */
enum im_err sign_public_key_load(struct bytes pem, const char *name, struct sign_public_key **out);

/*
 * sign_public_key_of_point: a public key from an uncompressed point, such as one from a message.
 * IM_ERR_SIGNATURE when it is not 65 bytes beginning with 04, or not on the curve. IM_ERR_NOMEM.
 */
enum im_err sign_public_key_of_point(struct bytes point, struct sign_public_key **out);
void sign_public_key_free(struct sign_public_key *key);

/* The point of a public key, uncompressed. */
void sign_public_key_point(const struct sign_public_key *key, uint8_t out[SIGN_POINT_SIZE]);

/* sign_payload: appends the signed bytes of a state to out. IM_ERR_LIMIT, IM_ERR_NOMEM. */
enum im_err sign_payload(const struct sign_state *state, struct buf *out);

/*
 * sign_make: the signature of a state, written to der and its length to len.
 * IM_ERR_LIMIT (database name too long), IM_ERR_NOMEM, IM_ERR_INTERNAL (the library failed).
 */
enum im_err sign_make(const struct sign_private_key *key, const struct sign_state *state,
    uint8_t der[SIGN_DER_MAX], size_t *len);

/*
 * sign_check: IM_OK when der is a signature of the state by key, IM_ERR_SIGNATURE when it is not;
 * IM_ERR_NOMEM says neither.
 */
enum im_err
sign_check(const struct sign_public_key *key, const struct sign_state *state, struct bytes der);

/*
 * sign_make_payload, sign_check_payload: the same for other bytes than a state's. They must begin
 * with something that no state's payload and no other kind of payload begins with, or one could
 * pose as the other.
 */
enum im_err sign_make_payload(const struct sign_private_key *key, struct bytes payload,
    uint8_t der[SIGN_DER_MAX], size_t *len);
enum im_err
sign_check_payload(const struct sign_public_key *key, struct bytes payload, struct bytes der);

#endif
