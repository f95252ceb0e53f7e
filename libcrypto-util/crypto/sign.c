/*
 * Signatures of states, by OpenSSL: keys from PEM or from a point, payload, signing, checking.
 *
 * Neighbours: util/keyfile.c reads the files. A key is an EVP_PKEY of the curve P-256, checked when
 * it is made and not changed afterwards, which OpenSSL allows many threads to use.
 */
#include "crypto/sign.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define CURVE "prime256v1"
#define COORDINATE_SIZE 32
#define POINT_UNCOMPRESSED 0x04

struct sign_private_key {
	EVP_PKEY *pkey;
	uint8_t point[SIGN_POINT_SIZE];
};

struct sign_public_key {
	EVP_PKEY *pkey;
	uint8_t point[SIGN_POINT_SIZE];
};

/* One block of a PEM text. */
struct pem_block {
	char *type;
	char *header; /* not empty when the block is encrypted */
	uint8_t *data;
	long len;
};

static void
pem_block_free(struct pem_block *b)
{
	OPENSSL_secure_free(b->type);
	OPENSSL_secure_free(b->header);
	OPENSSL_secure_clear_free(b->data, b->data ? (size_t)b->len : 0);
	*b = (struct pem_block){0};
}

/* The first block that is not "EC PARAMETERS"; false when there is none. */
static bool
pem_block_read(struct bytes pem, struct pem_block *out)
{
	BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	bool found = false;

	while (bio && !found) {
		if (!PEM_read_bio_ex(
			bio, &out->type, &out->header, &out->data, &out->len, PEM_FLAG_SECURE))
			break;
		found = strcmp(out->type, "EC PARAMETERS") != 0;
		if (!found)
			pem_block_free(out);
	}
	BIO_free(bio);
	return found;
}

static EVP_PKEY *
private_of_pkcs8(const struct pem_block *b)
{
	const uint8_t *p = b->data;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, b->len);
	EVP_PKEY *pkey = info && p == b->data + b->len ? EVP_PKCS82PKEY(info) : NULL;

	PKCS8_PRIV_KEY_INFO_free(info);
	return pkey;
}

static EVP_PKEY *
private_of_sec1(const struct pem_block *b)
{
	const uint8_t *p = b->data;
	EVP_PKEY *pkey = d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, b->len);

	if (pkey && p == b->data + b->len)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

static bool
is_p256(EVP_PKEY *pkey)
{
	char group[32];
	size_t len = 0;

	return EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) && strcmp(group, CURVE) == 0;
}

static bool
is_sound(EVP_PKEY *pkey, bool with_private)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool ok = ctx && (with_private ? EVP_PKEY_check(ctx) : EVP_PKEY_public_check(ctx)) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool
put_coordinate(EVP_PKEY *pkey, const char *name, uint8_t *out)
{
	BIGNUM *v = NULL;
	bool ok = EVP_PKEY_get_bn_param(pkey, name, &v) &&
	    BN_bn2binpad(v, out, COORDINATE_SIZE) == COORDINATE_SIZE;

	BN_free(v);
	return ok;
}

static bool
put_point(EVP_PKEY *pkey, uint8_t out[SIGN_POINT_SIZE])
{
	out[0] = POINT_UNCOMPRESSED;
	return put_coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, out + 1) &&
	    put_coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, out + 1 + COORDINATE_SIZE);
}

/* Whether OpenSSL failed for want of memory: that says nothing of a key or a signature. */
static bool
is_starved(void)
{
	unsigned long e;
	bool starved = false;

	while ((e = ERR_get_error()) != 0)
		starved = starved || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
	return starved;
}

static enum im_err
key_refuse(const char *name, const char *reason)
{
	ERR_clear_error();
	return err_set(IM_ERR_KEY_FILE, "%s: %s", name, reason);
}

/* Why a block cannot be a private key of ours; NULL when it may be. */
static const char *
private_block_fault(const struct pem_block *b)
{
	if (strcmp(b->type, "ENCRYPTED PRIVATE KEY") == 0 || b->header[0] != '\0')
		return "the private key is encrypted";
	if (strcmp(b->type, "PUBLIC KEY") == 0)
		return "it holds a public key, not a private one";
	if (strcmp(b->type, "EC PRIVATE KEY") != 0 && strcmp(b->type, "PRIVATE KEY") != 0)
		return "it holds no EC private key";
	return NULL;
}

static const char *
private_key_fault(EVP_PKEY *pkey)
{
	if (!pkey)
		return "the key is malformed";
	if (!is_p256(pkey))
		return "the key is not of the curve P-256";
	return is_sound(pkey, true) ? NULL : "the parts of the key do not belong together";
}

/* A private key around pkey, which it takes; NULL without memory. */
static struct sign_private_key *
private_key_wrap(EVP_PKEY *pkey)
{
	struct sign_private_key *key = (struct sign_private_key *)calloc(1, sizeof *key);

	if (!key || !put_point(pkey, key->point)) {
		free(key);
		return NULL;
	}
	key->pkey = pkey;
	return key;
}

enum im_err
sign_private_key_load(struct bytes pem, const char *name, struct sign_private_key **out)
{
	struct pem_block block = {0};
	EVP_PKEY *pkey = NULL;
	const char *fault = "it holds no key in PEM form";

	if (pem_block_read(pem, &block)) {
		fault = private_block_fault(&block);
		if (!fault) {
			pkey = strcmp(block.type, "PRIVATE KEY") == 0 ? private_of_pkcs8(&block)
								      : private_of_sec1(&block);
			fault = private_key_fault(pkey);
		}
	}
	pem_block_free(&block);
	if (!fault) {
		*out = private_key_wrap(pkey);
		if (*out)
			return IM_OK;
	}
	EVP_PKEY_free(pkey);
	return fault && !is_starved() ? key_refuse(name, fault) : IM_ERR_NOMEM;
}

void
sign_private_key_free(struct sign_private_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey); /* OpenSSL clears the scalar */
	free(key);
}

void
sign_private_key_point(const struct sign_private_key *key, uint8_t out[SIGN_POINT_SIZE])
{
	memcpy(out, key->point, SIGN_POINT_SIZE);
}

/* A public key around pkey, which it takes; NULL without memory. */
static struct sign_public_key *
public_key_wrap(EVP_PKEY *pkey)
{
	struct sign_public_key *key = (struct sign_public_key *)calloc(1, sizeof *key);

	if (!key || !put_point(pkey, key->point)) {
		free(key);
		return NULL;
	}
	key->pkey = pkey;
	return key;
}

static EVP_PKEY *
public_of_spki(const struct pem_block *b)
{
	const uint8_t *p = b->data;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, b->len);

	if (pkey && p == b->data + b->len)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

/* Why pkey cannot be a public key of ours; NULL when it can. */
static const char *
public_key_fault(EVP_PKEY *pkey)
{
	if (!pkey)
		return "the key is malformed";
	if (!is_p256(pkey))
		return "the key is not of the curve P-256";
	return is_sound(pkey, false) ? NULL : "the key is not a point of the curve";
}

enum im_err
sign_public_key_load(struct bytes pem, const char *name, struct sign_public_key **out)
{
	struct pem_block block = {0};
	EVP_PKEY *pkey = NULL;
	const char *fault;

	if (!pem_block_read(pem, &block)) {
		fault = "it holds no key in PEM form";
	} else if (strcmp(block.type, "PUBLIC KEY") != 0) {
		fault = "it holds no public key";
	} else {
		pkey = public_of_spki(&block);
		fault = public_key_fault(pkey);
	}
	pem_block_free(&block);
	if (!fault) {
		*out = public_key_wrap(pkey);
		if (*out)
			return IM_OK;
	}
	EVP_PKEY_free(pkey);
	return fault && !is_starved() ? key_refuse(name, fault) : IM_ERR_NOMEM;
}

/* An EVP_PKEY of an uncompressed point; NULL when it is not on the curve, or without memory. */
static EVP_PKEY *
pkey_of_point(struct bytes point)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char group[] = CURVE;
	uint8_t pub[SIGN_POINT_SIZE];
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pub, sizeof pub),
	    OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *pkey = NULL;

	memcpy(pub, point.data, sizeof pub);
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

enum im_err
sign_public_key_of_point(struct bytes point, struct sign_public_key **out)
{
	EVP_PKEY *pkey;

	if (point.len != SIGN_POINT_SIZE || point.data[0] != POINT_UNCOMPRESSED)
		return err_set(IM_ERR_SIGNATURE, "public key is not an uncompressed point");
	pkey = pkey_of_point(point);
	if (!pkey || !is_sound(pkey, false)) {
		EVP_PKEY_free(pkey);
		ERR_clear_error();
		return err_set(IM_ERR_SIGNATURE, "public key is not a point of P-256");
	}
	*out = public_key_wrap(pkey);
	if (*out)
		return IM_OK;
	EVP_PKEY_free(pkey);
	return IM_ERR_NOMEM;
}

void
sign_public_key_free(struct sign_public_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

void
sign_public_key_point(const struct sign_public_key *key, uint8_t out[SIGN_POINT_SIZE])
{
	memcpy(out, key->point, SIGN_POINT_SIZE);
}

/* The fixed parts of the payload around the database name. */
struct payload_frame {
	uint8_t head[4];
	uint8_t tail[8 + HASH_SIZE];
};

static enum im_err
payload_frame_make(const struct sign_state *state, struct payload_frame *out)
{
	if (state->database.len > SIGN_DATABASE_MAX)
		return err_set(IM_ERR_LIMIT, "database name of %zu bytes", state->database.len);
	be32_put(out->head, (uint32_t)state->database.len);
	be64_put(out->tail, state->tx_id);
	memcpy(out->tail + 8, state->tx_hash.b, HASH_SIZE);
	return IM_OK;
}

enum im_err
sign_payload(const struct sign_state *state, struct buf *out)
{
	struct payload_frame frame;
	enum im_err err = payload_frame_make(state, &frame);

	if (err != IM_OK)
		return err;
	buf_append(out, frame.head, sizeof frame.head);
	buf_append_bytes(out, state->database);
	buf_append(out, frame.tail, sizeof frame.tail);
	return out->err;
}

static enum im_err
payload_digest(const struct sign_state *state, struct hash *out)
{
	struct payload_frame frame;
	struct bytes parts[3];
	enum im_err err = payload_frame_make(state, &frame);

	if (err != IM_OK)
		return err;
	parts[0] = bytes_of(frame.head, sizeof frame.head);
	parts[1] = state->database;
	parts[2] = bytes_of(frame.tail, sizeof frame.tail);
	hash_parts(parts, 3, out);
	return IM_OK;
}

/* Signs a digest. */
static enum im_err
digest_sign(const struct sign_private_key *key, const struct hash *digest,
    uint8_t der[SIGN_DER_MAX], size_t *len)
{
	EVP_PKEY_CTX *ctx;
	bool ok, starved;

	*len = SIGN_DER_MAX;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	ok = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
	    EVP_PKEY_sign(ctx, der, len, digest->b, HASH_SIZE) == 1;
	starved = !ctx || is_starved();
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	if (!ok && starved)
		return IM_ERR_NOMEM;
	return ok ? IM_OK : err_set(IM_ERR_INTERNAL, "signing failed");
}

enum im_err
sign_make(const struct sign_private_key *key, const struct sign_state *state,
    uint8_t der[SIGN_DER_MAX], size_t *len)
{
	struct hash digest;
	enum im_err err = payload_digest(state, &digest);

	return err == IM_OK ? digest_sign(key, &digest, der, len) : err;
}

enum im_err
sign_make_payload(const struct sign_private_key *key, struct bytes payload,
    uint8_t der[SIGN_DER_MAX], size_t *len)
{
	struct hash digest;

	hash_sha256(payload, &digest);
	return digest_sign(key, &digest, der, len);
}

/* Whether der is the one encoding of a signature; not so, too, when OpenSSL is starved. */
static bool
is_encoded(struct bytes der)
{
	uint8_t again[SIGN_DER_MAX], *to = again;
	const uint8_t *p = der.data;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.len);
	int len = sig ? i2d_ECDSA_SIG(sig, NULL) : 0;
	bool right = len > 0 && len <= SIGN_DER_MAX && i2d_ECDSA_SIG(sig, &to) == len &&
	    bytes_equal(bytes_of(again, (size_t)len), der);

	ECDSA_SIG_free(sig);
	return right;
}

/* Compares a signature, of a length that one can have, with a digest. */
static enum im_err
digest_check(const struct sign_public_key *key, const struct hash *digest, struct bytes der)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	bool ready, starved;
	int result;

	ready = ctx && EVP_PKEY_verify_init(ctx) == 1;
	result = ready ? EVP_PKEY_verify(ctx, der.data, der.len, digest->b, HASH_SIZE) : -1;
	/*
	 * Negative: not compared. Unless it is no signature at all, that says nothing of the
	 * signer.
	 */
	starved = result < 0 && (!ready || is_encoded(der) || is_starved());
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	if (starved)
		return IM_ERR_NOMEM;
	return result == 1 ? IM_OK
			   : err_set(IM_ERR_SIGNATURE, "signature does not match the public key");
}

enum im_err
sign_check(const struct sign_public_key *key, const struct sign_state *state, struct bytes der)
{
	struct hash digest;

	if (der.len == 0 || der.len > SIGN_DER_MAX || payload_digest(state, &digest) != IM_OK)
		return err_set(IM_ERR_SIGNATURE, "signature of %zu bytes", der.len);
	return digest_check(key, &digest, der);
}

enum im_err
sign_check_payload(const struct sign_public_key *key, struct bytes payload, struct bytes der)
{
	struct hash digest;

	if (der.len == 0 || der.len > SIGN_DER_MAX)
		return err_set(IM_ERR_SIGNATURE, "signature of %zu bytes", der.len);
	hash_sha256(payload, &digest);
	return digest_check(key, &digest, der);
}
