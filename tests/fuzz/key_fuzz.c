/*
 * Keys and signatures. First byte: 0 a private key as PEM, 1 a public one, 2 a point, 3 a
 * signature, and for 4 to 6 the input is what stands inside the PEM armour of SEC1, PKCS#8 and
 * public keys. A key that loads works: what it signs holds under its own point and not for another
 * state.
 */
#include <assert.h>

#include "crypto/sign.h"
#include "fuzz.h"
#include "sample_key.h"
#include "util/base64.h"

#define PEM_MAX (128u << 10)

static const struct sign_state state = {.database = {(const uint8_t *)"defaultdb", 9}, .tx_id = 7};
static const struct sign_state other = {.database = {(const uint8_t *)"defaultdb", 9}, .tx_id = 8};

static struct sign_public_key *sample;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	assert(sign_public_key_load(bytes_str(SAMPLE_PUBLIC_KEY), "sample", &sample) == IM_OK);
	return 0;
}

static void
check_public(struct sign_public_key *key)
{
	uint8_t point[SIGN_POINT_SIZE], again[SIGN_POINT_SIZE];
	struct sign_public_key *same;

	sign_public_key_point(key, point);
	assert(sign_public_key_of_point(bytes_of(point, sizeof point), &same) == IM_OK);
	sign_public_key_point(same, again);
	assert(memcmp(point, again, sizeof point) == 0);
	sign_public_key_free(same);
	sign_public_key_free(key);
}

static void
check_private(struct sign_private_key *key)
{
	uint8_t point[SIGN_POINT_SIZE], der[SIGN_DER_MAX];
	struct sign_public_key *public;
	size_t len;

	sign_private_key_point(key, point);
	assert(sign_public_key_of_point(bytes_of(point, sizeof point), &public) == IM_OK);
	assert(sign_make(key, &state, der, &len) == IM_OK && len <= sizeof der);
	assert(sign_check(public, &state, bytes_of(der, len)) == IM_OK);
	assert(sign_check(public, &other, bytes_of(der, len)) == IM_ERR_SIGNATURE);
	sign_public_key_free(public);
	sign_private_key_free(key);
}

static void
load_private(struct bytes pem)
{
	struct sign_private_key *key;
	enum im_err err = sign_private_key_load(pem, "fuzz", &key);

	assert(err == IM_OK || err == IM_ERR_KEY_FILE);
	if (err == IM_OK)
		check_private(key);
}

static void
load_public(struct bytes pem)
{
	struct sign_public_key *key;
	enum im_err err = sign_public_key_load(pem, "fuzz", &key);

	assert(err == IM_OK || err == IM_ERR_KEY_FILE);
	if (err == IM_OK)
		check_public(key);
}

static void
load_point(struct bytes point)
{
	uint8_t again[SIGN_POINT_SIZE];
	struct sign_public_key *key;
	enum im_err err = sign_public_key_of_point(point, &key);

	assert(err == IM_OK || err == IM_ERR_SIGNATURE);
	if (err != IM_OK)
		return;
	sign_public_key_point(key, again);
	assert(bytes_equal(point, bytes_of(again, sizeof again)));
	check_public(key);
}

/* The sample's signature of the other state does not exist: nobody knows its private key here. */
static void
check_signature(struct bytes der)
{
	enum im_err err = sign_check(sample, &state, der);

	assert(err == IM_OK || err == IM_ERR_SIGNATURE);
	assert(err != IM_OK || der.len <= SIGN_DER_MAX);
	assert(sign_check(sample, &other, der) == IM_ERR_SIGNATURE);
}

static void
load_der(struct bytes der, const char *label, void (*load)(struct bytes pem))
{
	struct buf pem, text;

	buf_init(&pem, PEM_MAX);
	buf_init(&text, PEM_MAX);
	base64_append(&text, BASE64_STD, der);
	buf_printf(&pem, "-----BEGIN %s-----\n", label);
	for (size_t i = 0; i < text.len; i += 64) {
		buf_append(&pem, text.data + i, text.len - i < 64 ? text.len - i : 64);
		buf_append_u8(&pem, '\n');
	}
	buf_printf(&pem, "-----END %s-----\n", label);
	if (!pem.err)
		load(buf_bytes(&pem));
	buf_free(&text);
	buf_free(&pem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);

	switch (fuzz_number(&in, 1)) {
	case 0:
		load_private(in);
		break;
	case 1:
		load_public(in);
		break;
	case 2:
		load_point(in);
		break;
	case 3:
		check_signature(in);
		break;
	case 4:
		load_der(in, "EC PRIVATE KEY", load_private);
		break;
	case 5:
		load_der(in, "PRIVATE KEY", load_private);
		break;
	default:
		load_der(in, "PUBLIC KEY", load_public);
		break;
	}
	return 0;
}
