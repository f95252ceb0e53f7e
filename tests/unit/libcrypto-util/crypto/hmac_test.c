/* The cases of RFC 4231, in one piece and in several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hmac.h"
#include "util/hex.h"

static void
expect_mac(struct bytes key, struct bytes data, const char *want)
{
	char got[2 * HASH_SIZE + 1];
	struct bytes parts[3] = {{data.data, data.len / 2}, {NULL, 0},
	    {data.data + data.len / 2, data.len - data.len / 2}};
	struct hash mac;

	hmac_sha256(key, &data, 1, &mac);
	hex_encode(hash_bytes(&mac), got);
	assert_string_equal(got, want);
	hmac_sha256(key, parts, 3, &mac);
	hex_encode(hash_bytes(&mac), got);
	assert_string_equal(got, want);
}

static void
rfc_4231(void **state)
{
	uint8_t key[131], data[50];

	(void)state;
	memset(key, 0x0b, sizeof key);
	expect_mac(bytes_of(key, 20), bytes_str("Hi There"),
	    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	expect_mac(bytes_str("Jefe"), bytes_str("what do ya want for nothing?"),
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	memset(data, 0xdd, sizeof data);
	expect_mac(bytes_of(key, 20), bytes_of(data, sizeof data),
	    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	/* Longer than a block: the key is hashed first. */
	expect_mac(bytes_of(key, sizeof key),
	    bytes_str("Test Using Larger Than Block-Size Key - Hash Key First"),
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void
key_and_data_matter(void **state)
{
	struct bytes data = bytes_str("data");
	struct hash a, b;

	(void)state;
	hmac_sha256(bytes_str("key"), &data, 1, &a);
	hmac_sha256(bytes_str("kez"), &data, 1, &b);
	assert_false(hash_equal(&a, &b));
	data = bytes_str("datb");
	hmac_sha256(bytes_str("key"), &data, 1, &b);
	assert_false(hash_equal(&a, &b));
	/* An empty key and no part at all. */
	hmac_sha256(bytes_of(NULL, 0), NULL, 0, &a);
	assert_false(hash_is_zero(&a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc_4231),
	    cmocka_unit_test(key_and_data_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
