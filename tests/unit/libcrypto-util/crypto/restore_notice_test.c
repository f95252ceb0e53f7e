/*
 * Restore notices: every field is signed, no signature of a state is one of a notice, and which
 * states a notice speaks of.
 */
#include "crypto/restore_notice.h"

#include "pem.h"
#include "testing.h"

static struct restore_notice
example(void)
{
	struct restore_notice n = {.server_id = bytes_str("c0ffee00c0ffee00c0ff"),
	    .database = bytes_str("defaultdb"),
	    .from = {.id = 100},
	    .to = {.id = 60},
	    .at_ms = 1700000000123,
	    .actor = bytes_str("immudb")};

	memset(n.from.alh.b, 0xaa, HASH_SIZE);
	memset(n.to.alh.b, 0x55, HASH_SIZE);
	return n;
}

struct keys {
	struct sign_private_key *private_key;
	struct sign_public_key *public_key;
};

static void
keys_make(struct keys *k)
{
	EVP_PKEY *pkey = pem_key_new("P-256");
	struct buf pem;

	pem_sec1(pkey, false, &pem);
	assert_ok(sign_private_key_load(buf_bytes(&pem), "key.pem", &k->private_key));
	buf_free(&pem);
	pem_public(pkey, &pem);
	assert_ok(sign_public_key_load(buf_bytes(&pem), "key.pub", &k->public_key));
	buf_free(&pem);
	EVP_PKEY_free(pkey);
}

static void
keys_free(struct keys *k)
{
	sign_public_key_free(k->public_key);
	sign_private_key_free(k->private_key);
}

/* The bytes as the protocol's description gives them. */
static void
payload_is_as_documented(void **state)
{
	struct restore_notice n = example();
	struct buf out, expected;

	(void)state;
	buf_init(&out, 4096);
	buf_init(&expected, 4096);
	assert_int_equal(restore_notice_payload(&n, &out), IM_OK);
	buf_append_str(&expected, "immudb restore notice 1\n");
	buf_append_be32(&expected, 20);
	buf_append_str(&expected, "c0ffee00c0ffee00c0ff");
	buf_append_be32(&expected, 9);
	buf_append_str(&expected, "defaultdb");
	buf_append_be64(&expected, 100);
	buf_append_bytes(&expected, hash_bytes(&n.from.alh));
	buf_append_be64(&expected, 60);
	buf_append_bytes(&expected, hash_bytes(&n.to.alh));
	buf_append_be64(&expected, 1700000000123);
	buf_append_be32(&expected, 6);
	buf_append_str(&expected, "immudb");
	assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&expected)));
	buf_free(&expected);
	buf_free(&out);
}

static void
every_field_is_signed(void **state)
{
	struct restore_notice n = example(), changed[8];
	uint8_t der[SIGN_DER_MAX];
	struct keys k;
	size_t len;

	(void)state;
	keys_make(&k);
	assert_int_equal(restore_notice_sign(k.private_key, &n, der, &len), IM_OK);
	assert_int_equal(restore_notice_check(k.public_key, &n, bytes_of(der, len)), IM_OK);
	for (size_t i = 0; i < 8; i++)
		changed[i] = n;
	changed[0].server_id = bytes_str("c0ffee00c0ffee00c0fe");
	changed[1].database = bytes_str("defaultdc");
	changed[2].from.id++;
	changed[3].from.alh.b[31] ^= 1;
	changed[4].to.id--;
	changed[5].to.alh.b[0] ^= 1;
	changed[6].at_ms++;
	changed[7].actor = bytes_str("immudc");
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(
		    restore_notice_check(k.public_key, &changed[i], bytes_of(der, len)),
		    IM_ERR_SIGNATURE);
	/* The border between two texts, too. */
	changed[0] = n;
	changed[0].server_id = bytes_of(n.server_id.data, n.server_id.len - 1);
	assert_int_equal(
	    restore_notice_check(k.public_key, &changed[0], bytes_of(der, len)), IM_ERR_SIGNATURE);
	assert_int_equal(
	    restore_notice_check(k.public_key, &n, bytes_of(der, len - 1)), IM_ERR_SIGNATURE);
	assert_int_equal(
	    restore_notice_check(k.public_key, &n, bytes_of(der, 0)), IM_ERR_SIGNATURE);
	keys_free(&k);
}

/* A server that signs states for anybody must not thereby sign announcements. */
static void
states_are_no_notices(void **state)
{
	struct restore_notice n = example();
	struct sign_state s = {n.database, n.to.id, n.to.alh};
	uint8_t der[SIGN_DER_MAX];
	struct keys k;
	size_t len;

	(void)state;
	keys_make(&k);
	assert_int_equal(sign_make(k.private_key, &s, der, &len), IM_OK);
	assert_int_equal(
	    restore_notice_check(k.public_key, &n, bytes_of(der, len)), IM_ERR_SIGNATURE);
	assert_int_equal(restore_notice_sign(k.private_key, &n, der, &len), IM_OK);
	assert_int_equal(sign_check(k.public_key, &s, bytes_of(der, len)), IM_ERR_SIGNATURE);
	keys_free(&k);
}

static void
long_names_are_refused(void **state)
{
	static char name[SIGN_DATABASE_MAX + 2];
	struct restore_notice n = example();
	struct buf out;

	(void)state;
	memset(name, 'a', sizeof name - 1);
	buf_init(&out, 4096);
	n.actor = bytes_of(name, RESTORE_NOTICE_ACTOR_MAX);
	assert_int_equal(restore_notice_payload(&n, &out), IM_OK);
	n.actor = bytes_of(name, RESTORE_NOTICE_ACTOR_MAX + 1);
	assert_int_equal(restore_notice_payload(&n, &out), IM_ERR_LIMIT);
	n = example();
	n.database = bytes_str(name);
	assert_int_equal(restore_notice_payload(&n, &out), IM_ERR_LIMIT);
	buf_free(&out);
}

static void
what_it_covers(void **state)
{
	struct restore_notice n = example();
	struct tx_point at = {.id = 61};

	(void)state;
	assert_true(restore_notice_covers(&n, &at));
	at.id = 99;
	assert_true(restore_notice_covers(&n, &at));
	/* What was restored is still there; what came after it never was in that history. */
	at.id = 60;
	assert_false(restore_notice_covers(&n, &at));
	at.id = 101;
	assert_false(restore_notice_covers(&n, &at));
	at = n.from;
	assert_true(restore_notice_covers(&n, &at));
	at.alh.b[0] ^= 1;
	assert_false(restore_notice_covers(&n, &at));
	/* Nobody knows what was there. */
	n.from = (struct tx_point){0};
	assert_true(restore_notice_covers(&n, &at));
	at.id = 60;
	assert_false(restore_notice_covers(&n, &at));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(payload_is_as_documented),
	    cmocka_unit_test(every_field_is_signed),
	    cmocka_unit_test(states_are_no_notices),
	    cmocka_unit_test(long_names_are_refused),
	    cmocka_unit_test(what_it_covers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
