/*
 * Password hashes: scrypt by OpenSSL's key derivation interface, in a self-describing text form.
 * meta/ stores what is made here; the server's password workers call it.
 *
 * Invariants: derived bytes are wiped before a function returns; hashes are compared by
 * CRYPTO_memcmp; parameters read from an encoded hash are bounded before scrypt sees them.
 */
#include "crypto/password.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdio.h>

#define PASSWORD_LOG_N 15
#define PASSWORD_R 8
#define PASSWORD_P 1
#define PASSWORD_SALT_LEN 16
#define PASSWORD_HASH_LEN 32
/* The 128 * N * r bytes of work space that an encoded hash may ask for. */
#define PASSWORD_MEMORY_MAX (UINT64_C(256) << 20)
#define PASSWORD_P_MAX 16
/* What OpenSSL needs beside the work space. */
#define PASSWORD_MEMORY_SLACK (UINT64_C(1) << 20)
/* base64 with padding and NUL of n bytes. */
#define PASSWORD_BASE64_MAX(n) (((n) + 2) / 3 * 4 + 1)

static _Atomic uint64_t password_run_count;

struct password_form {
	unsigned log_n;
	unsigned r;
	unsigned p;
	uint8_t salt[PASSWORD_SALT_LEN];
	uint8_t hash[PASSWORD_HASH_LEN];
};

static enum im_err
password_derive(
    struct bytes password, const struct password_form *form, uint8_t out[PASSWORD_HASH_LEN])
{
	uint64_t n = UINT64_C(1) << form->log_n;
	uint64_t r = form->r, p = form->p;
	uint64_t memory = 128 * n * r + PASSWORD_MEMORY_SLACK;
	/* The interface wants pointers that are not const and a password that is not NULL. */
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
		password.len ? (void *)(uintptr_t)password.data : (void *)(uintptr_t) "",
		password.len),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)form->salt, PASSWORD_SALT_LEN),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_R, &r),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_P, &p),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
	    OSSL_PARAM_construct_end(),
	};
	enum im_err err = IM_OK;
	EVP_KDF_CTX *ctx;
	EVP_KDF *kdf;

	atomic_fetch_add_explicit(&password_run_count, 1, memory_order_relaxed);
	ERR_clear_error();
	kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;

	/* Only one cause can be told from being short of memory. */
	if (!kdf && ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_UNSUPPORTED)
		err = err_set(IM_ERR_INTERNAL, "scrypt is not available");
	else if (!ctx)
		err = IM_ERR_NOMEM;
	else if (EVP_KDF_derive(ctx, out, PASSWORD_HASH_LEN, params) != 1)
		err = err_set(IM_ERR_NOMEM, "not enough memory to hash a password");
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_clear_error();
	return err;
}

/* Base64 without padding; out has room for PASSWORD_BASE64_MAX(len) bytes. */
static void
password_encode_part(const uint8_t *data, size_t len, char *out)
{
	int n = EVP_EncodeBlock((uint8_t *)out, data, (int)len);

	while (n > 0 && out[n - 1] == '=')
		out[--n] = '\0';
}

/* Exactly len bytes from the n characters of unpadded base64 at text. */
static bool
password_decode_part(const char *text, size_t n, uint8_t *out, size_t len)
{
	char padded[PASSWORD_BASE64_MAX(PASSWORD_HASH_LEN)];
	uint8_t decoded[PASSWORD_BASE64_MAX(PASSWORD_HASH_LEN)];
	size_t want = (len * 4 + 2) / 3;
	size_t full = (len + 2) / 3 * 4;

	if (n != want || memchr(text, '=', n))
		return false;
	memcpy(padded, text, n);
	memset(padded + n, '=', full - n);
	if (EVP_DecodeBlock(decoded, (const uint8_t *)padded, (int)full) < (int)len)
		return false;
	memcpy(out, decoded, len);
	return true;
}

static bool
password_parse(const char *encoded, struct password_form *form)
{
	int head = 0;
	const char *salt, *hash;

	if (strlen(encoded) >= PASSWORD_ENCODED_MAX ||
	    sscanf(encoded, "$scrypt$ln=%2u,r=%3u,p=%2u$%n", &form->log_n, &form->r, &form->p,
		&head) != 3 ||
	    head == 0)
		return false;
	if (form->log_n < 1 || form->log_n > 30 || form->r < 1 || form->p < 1 ||
	    form->p > PASSWORD_P_MAX ||
	    (UINT64_C(128) << form->log_n) * form->r > PASSWORD_MEMORY_MAX)
		return false;
	salt = encoded + head;
	hash = strchr(salt, '$');
	return hash &&
	    password_decode_part(salt, (size_t)(hash - salt), form->salt, PASSWORD_SALT_LEN) &&
	    password_decode_part(hash + 1, strlen(hash + 1), form->hash, PASSWORD_HASH_LEN);
}

enum im_err
password_prepare(void)
{
	uint8_t any;

	if (RAND_bytes(&any, sizeof any) != 1)
		return err_set(IM_ERR_INTERNAL, "no random bytes available");
	return IM_OK;
}

enum im_err
password_hash(struct bytes password, char encoded[PASSWORD_ENCODED_MAX])
{
	struct password_form form = {.log_n = PASSWORD_LOG_N, .r = PASSWORD_R, .p = PASSWORD_P};
	char salt[PASSWORD_BASE64_MAX(PASSWORD_SALT_LEN)];
	char hash[PASSWORD_BASE64_MAX(PASSWORD_HASH_LEN)];
	enum im_err err;

	if (password.len > PASSWORD_LEN_MAX)
		return err_set(IM_ERR_LIMIT, "password longer than %d bytes", PASSWORD_LEN_MAX);
	if (RAND_bytes(form.salt, PASSWORD_SALT_LEN) != 1)
		return err_set(IM_ERR_INTERNAL, "no random bytes available");
	err = password_derive(password, &form, form.hash);
	if (err == IM_OK) {
		password_encode_part(form.salt, PASSWORD_SALT_LEN, salt);
		password_encode_part(form.hash, PASSWORD_HASH_LEN, hash);
		snprintf(encoded, PASSWORD_ENCODED_MAX, "$scrypt$ln=%u,r=%u,p=%u$%s$%s", form.log_n,
		    form.r, form.p, salt, hash);
		explicit_bzero(hash, sizeof hash);
	}
	explicit_bzero(&form, sizeof form);
	return err;
}

static enum im_err
password_compare(struct bytes password, const struct password_form *form)
{
	uint8_t derived[PASSWORD_HASH_LEN];
	enum im_err err;

	if (password.len > PASSWORD_LEN_MAX)
		return IM_ERR_CREDENTIALS;
	err = password_derive(password, form, derived);
	if (err == IM_OK && CRYPTO_memcmp(derived, form->hash, PASSWORD_HASH_LEN) != 0)
		err = IM_ERR_CREDENTIALS;
	explicit_bzero(derived, sizeof derived);
	return err;
}

enum im_err
password_check(struct bytes password, const char *encoded)
{
	struct password_form form;
	enum im_err err;

	if (!password_parse(encoded, &form))
		return err_set(IM_ERR_FORMAT, "malformed password hash");
	err = password_compare(password, &form);
	explicit_bzero(&form, sizeof form);
	return err;
}

enum im_err
password_check_dummy(struct bytes password)
{
	const struct password_form form = {
	    .log_n = PASSWORD_LOG_N, .r = PASSWORD_R, .p = PASSWORD_P};
	enum im_err err = password_compare(password, &form);

	return err == IM_OK ? IM_ERR_CREDENTIALS : err;
}

uint64_t
password_runs(void)
{
	return atomic_load_explicit(&password_run_count, memory_order_relaxed);
}

enum im_err
password_check_choice(struct bytes password)
{
	bool upper = false, digit = false, mark = false;

	if (password.len < PASSWORD_CHOSEN_MIN || password.len > PASSWORD_CHOSEN_MAX)
		return IM_ERR_WEAK_PASSWORD;
	for (size_t i = 0; i < password.len; i++) {
		uint8_t c = password.data[i];

		if (c <= ' ' || c >= 0x7f)
			return IM_ERR_WEAK_PASSWORD;
		if (c >= 'A' && c <= 'Z')
			upper = true;
		else if (c >= '0' && c <= '9')
			digit = true;
		else if (c < 'a' || c > 'z')
			mark = true;
	}
	return upper && digit && mark ? IM_OK : IM_ERR_WEAK_PASSWORD;
}
