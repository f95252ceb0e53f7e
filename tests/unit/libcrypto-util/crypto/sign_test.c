/* State signatures: key forms, refused keys, tampered states, points from the wire. */
#include "crypto/sign.h"

#include <openssl/pem.h>
#include <pthread.h>

#include "pem.h"
#include "testing.h"

static EVP_PKEY *pkey;
static struct sign_private_key *private_key;
static struct sign_public_key *public_key;
static struct sign_state state_signed;

static int
setup(void **state)
{
	struct buf pem;

	(void)state;
	pkey = pem_key_new("P-256");
	pem_sec1(pkey, false, &pem);
	assert_ok(sign_private_key_load(buf_bytes(&pem), "key.pem", &private_key));
	buf_free(&pem);
	pem_public(pkey, &pem);
	assert_ok(sign_public_key_load(buf_bytes(&pem), "key.pub", &public_key));
	buf_free(&pem);
	state_signed = (struct sign_state){.database = bytes_str("defaultdb"), .tx_id = 77};
	hash_sha256(bytes_str("alh"), &state_signed.tx_hash);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sign_private_key_free(private_key);
	sign_public_key_free(public_key);
	EVP_PKEY_free(pkey);
	return 0;
}

/* The key in pem signs what the group's public key accepts. */
static void
assert_signs(struct bytes pem)
{
	struct sign_private_key *key = NULL;
	uint8_t der[SIGN_DER_MAX], a[SIGN_POINT_SIZE], b[SIGN_POINT_SIZE];
	size_t len = 0;

	assert_ok(sign_private_key_load(pem, "key.pem", &key));
	assert_ok(sign_make(key, &state_signed, der, &len));
	assert_ok(sign_check(public_key, &state_signed, bytes_of(der, len)));
	sign_private_key_point(key, a);
	sign_public_key_point(public_key, b);
	assert_int_equal(4, a[0]);
	assert_bytes_equal(a, b, sizeof a);
	sign_private_key_free(key);
}

static void
test_private_forms(void **state)
{
	struct buf pem, noisy;

	(void)state;
	pem_sec1(pkey, false, &pem);
	assert_signs(buf_bytes(&pem));
	buf_init(&noisy, 65536);
	buf_append_str(&noisy, "text before the key\n");
	buf_append_bytes(&noisy, buf_bytes(&pem));
	assert_signs(buf_bytes(&noisy));
	buf_free(&noisy);
	buf_free(&pem);
	pem_sec1(pkey, true, &pem);
	assert_signs(buf_bytes(&pem));
	buf_free(&pem);
	pem_pkcs8(pkey, NULL, &pem);
	assert_signs(buf_bytes(&pem));
	buf_free(&pem);
}

static void
assert_private_refused(struct bytes pem, const char *reason)
{
	struct sign_private_key *key = NULL;

	err_clear();
	assert_err(IM_ERR_KEY_FILE, sign_private_key_load(pem, "the-file", &key));
	assert_null(key);
	assert_non_null(strstr(err_detail(IM_ERR_KEY_FILE), "the-file: "));
	if (!strstr(err_detail(IM_ERR_KEY_FILE), reason))
		fail_msg("expected %s, got: %s", reason, err_detail(IM_ERR_KEY_FILE));
}

static void
assert_public_refused(struct bytes pem, const char *reason)
{
	struct sign_public_key *key = NULL;

	err_clear();
	assert_err(IM_ERR_KEY_FILE, sign_public_key_load(pem, "the-file", &key));
	assert_null(key);
	if (!strstr(err_detail(IM_ERR_KEY_FILE), reason))
		fail_msg("expected %s, got: %s", reason, err_detail(IM_ERR_KEY_FILE));
}

static void
test_other_curves(void **state)
{
	static const char *const curves[] = {"P-384", "secp256k1", "P-224"};
	struct buf pem;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		EVP_PKEY *other = pem_key_new(curves[i]);

		pem_sec1(other, false, &pem);
		assert_private_refused(buf_bytes(&pem), "P-256");
		buf_free(&pem);
		pem_pkcs8(other, NULL, &pem);
		assert_private_refused(buf_bytes(&pem), "P-256");
		buf_free(&pem);
		pem_public(other, &pem);
		assert_public_refused(buf_bytes(&pem), "P-256");
		buf_free(&pem);
		EVP_PKEY_free(other);
	}
}

static void
test_other_algorithms(void **state)
{
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct buf pem;

	(void)state;
	pem_sec1(rsa, false, &pem);
	assert_private_refused(buf_bytes(&pem), "no EC private key");
	buf_free(&pem);
	pem_pkcs8(rsa, NULL, &pem);
	assert_private_refused(buf_bytes(&pem), "P-256");
	buf_free(&pem);
	pem_pkcs8(ed, NULL, &pem);
	assert_private_refused(buf_bytes(&pem), "P-256");
	buf_free(&pem);
	pem_public(ed, &pem);
	assert_public_refused(buf_bytes(&pem), "P-256");
	buf_free(&pem);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
}

static void
test_unusable_text(void **state)
{
	struct buf pem;

	(void)state;
	assert_private_refused(bytes_of(NULL, 0), "no key in PEM form");
	assert_private_refused(bytes_str("not a key"), "no key in PEM form");
	assert_private_refused(
	    bytes_str("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"),
	    "malformed");
	assert_private_refused(
	    bytes_str("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
	    "malformed");
	assert_private_refused(bytes_str("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
					 "-----END EC PARAMETERS-----\n"),
	    "no key in PEM form");
	pem_public(pkey, &pem);
	assert_private_refused(buf_bytes(&pem), "public key, not a private one");
	buf_free(&pem);
	pem_pkcs8(pkey, "secret", &pem);
	assert_private_refused(buf_bytes(&pem), "encrypted");
	buf_free(&pem);
	pem_sec1(pkey, false, &pem);
	assert_public_refused(buf_bytes(&pem), "no public key");
	assert_private_refused(bytes_of(pem.data, pem.len / 2), "no key in PEM form");
	buf_free(&pem);
	assert_public_refused(bytes_str(""), "no key in PEM form");
	assert_public_refused(
	    bytes_str("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "malformed");
}

/* A scalar with the point of another key. */
static void
test_parts_of_two_keys(void **state)
{
	/* SEC1 of a P-256 key in DER: 30 77 02 01 01 04 20 scalar ... a1 44 03 42 00 point. */
	EVP_PKEY *other = pem_key_new("P-256");
	uint8_t *a = NULL, *b = NULL;
	int na = i2d_PrivateKey(pkey, &a), nb = i2d_PrivateKey(other, &b);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	(void)state;
	assert_int_equal(na, nb);
	assert_int_equal(121, na);
	memcpy(a + na - SIGN_POINT_SIZE, b + nb - SIGN_POINT_SIZE, SIGN_POINT_SIZE);
	assert_true(PEM_write_bio(bio, "EC PRIVATE KEY", "", a, na) > 0);
	len = BIO_get_mem_data(bio, &text);
	assert_private_refused(bytes_of(text, (size_t)len), "do not belong together");
	BIO_free(bio);
	OPENSSL_free(a);
	OPENSSL_free(b);
	EVP_PKEY_free(other);
}

static void
test_tampered(void **state)
{
	uint8_t der[SIGN_DER_MAX];
	struct sign_state other = state_signed;
	size_t len = 0;

	(void)state;
	assert_ok(sign_make(private_key, &state_signed, der, &len));
	assert_true(len <= SIGN_DER_MAX);
	assert_ok(sign_check(public_key, &state_signed, bytes_of(der, len)));
	for (size_t bit = 0; bit < len * 8; bit++) {
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_err(
		    IM_ERR_SIGNATURE, sign_check(public_key, &state_signed, bytes_of(der, len)));
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_err(
		    IM_ERR_SIGNATURE, sign_check(public_key, &state_signed, bytes_of(der, cut)));
	other.tx_id++;
	assert_err(IM_ERR_SIGNATURE, sign_check(public_key, &other, bytes_of(der, len)));
	other = state_signed;
	other.database = bytes_str("defaultdc");
	assert_err(IM_ERR_SIGNATURE, sign_check(public_key, &other, bytes_of(der, len)));
	other = state_signed;
	other.tx_hash.b[31] ^= 1;
	assert_err(IM_ERR_SIGNATURE, sign_check(public_key, &other, bytes_of(der, len)));
}

static void
test_points(void **state)
{
	struct sign_public_key *key = NULL;
	uint8_t point[SIGN_POINT_SIZE + 1], der[SIGN_DER_MAX];
	size_t len = 0;

	(void)state;
	sign_public_key_point(public_key, point);
	assert_ok(sign_public_key_of_point(bytes_of(point, SIGN_POINT_SIZE), &key));
	assert_ok(sign_make(private_key, &state_signed, der, &len));
	assert_ok(sign_check(key, &state_signed, bytes_of(der, len)));
	sign_public_key_free(key);
	assert_err(IM_ERR_SIGNATURE, sign_public_key_of_point(bytes_of(point, 64), &key));
	assert_err(
	    IM_ERR_SIGNATURE, sign_public_key_of_point(bytes_of(point, SIGN_POINT_SIZE + 1), &key));
	assert_err(IM_ERR_SIGNATURE, sign_public_key_of_point(bytes_of(NULL, 0), &key));
	for (size_t at = 0; at < SIGN_POINT_SIZE; at++) {
		point[at] ^= 1;
		assert_err(IM_ERR_SIGNATURE,
		    sign_public_key_of_point(bytes_of(point, SIGN_POINT_SIZE), &key));
		point[at] ^= 1;
	}
	memset(point + 1, 0, SIGN_POINT_SIZE - 1);
	assert_err(
	    IM_ERR_SIGNATURE, sign_public_key_of_point(bytes_of(point, SIGN_POINT_SIZE), &key));
}

static void
test_database_name(void **state)
{
	static const char name[SIGN_DATABASE_MAX + 1];
	struct sign_state s = {.database = bytes_of(name, sizeof name)};
	uint8_t der[SIGN_DER_MAX];
	struct buf payload;
	size_t len = 0;

	(void)state;
	buf_init(&payload, 4096);
	assert_err(IM_ERR_LIMIT, sign_payload(&s, &payload));
	assert_err(IM_ERR_LIMIT, sign_make(private_key, &s, der, &len));
	assert_err(IM_ERR_SIGNATURE, sign_check(public_key, &s, bytes_of(der, 70)));
	s.database.len--;
	assert_ok(sign_payload(&s, &payload));
	assert_int_equal(4 + SIGN_DATABASE_MAX + 40, payload.len);
	assert_ok(sign_make(private_key, &s, der, &len));
	assert_ok(sign_check(public_key, &s, bytes_of(der, len)));
	buf_free(&payload);
}

static void *
sign_in_thread(void *arg)
{
	uint8_t der[SIGN_DER_MAX];
	size_t len = 0;

	for (int i = 0; i < 20; i++) {
		if (sign_make(private_key, &state_signed, der, &len) != IM_OK ||
		    sign_check(public_key, &state_signed, bytes_of(der, len)) != IM_OK)
			return arg;
	}
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(0, pthread_create(&threads[i], NULL, sign_in_thread, private_key));
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_private_forms),
	    cmocka_unit_test(test_other_curves),
	    cmocka_unit_test(test_other_algorithms),
	    cmocka_unit_test(test_unusable_text),
	    cmocka_unit_test(test_parts_of_two_keys),
	    cmocka_unit_test(test_tampered),
	    cmocka_unit_test(test_points),
	    cmocka_unit_test(test_database_name),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
