/* Password hashes: the text form, right and wrong passwords, damaged and hostile encodings. */
#include "crypto/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* RFC 7914 parameters small enough for a quick test; made with Python's hashlib.scrypt. */
#define SMALL_PASSWORD "correct horse"
#define SMALL_HASH \
	"$scrypt$ln=4,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8"

static void
password_round_trip(void **state)
{
	char encoded[PASSWORD_ENCODED_MAX], again[PASSWORD_ENCODED_MAX];

	(void)state;
	assert_int_equal(password_hash(bytes_str("immudb"), encoded), IM_OK);
	assert_int_equal(strncmp(encoded, "$scrypt$ln=15,r=8,p=1$", 22), 0);
	assert_int_equal(password_check(bytes_str("immudb"), encoded), IM_OK);
	assert_int_equal(password_check(bytes_str("immudB"), encoded), IM_ERR_CREDENTIALS);
	assert_int_equal(password_hash(bytes_str("immudb"), again), IM_OK);
	assert_string_not_equal(encoded, again);
}

static void
password_known_answer(void **state)
{
	(void)state;
	assert_int_equal(password_check(bytes_str(SMALL_PASSWORD), SMALL_HASH), IM_OK);
	assert_int_equal(password_check(bytes_str(""), SMALL_HASH), IM_ERR_CREDENTIALS);
	assert_int_equal(
	    password_check(bytes_str("correct horse "), SMALL_HASH), IM_ERR_CREDENTIALS);
}

static void
password_empty_and_binary(void **state)
{
	char encoded[PASSWORD_ENCODED_MAX];
	struct bytes binary = bytes_of("a\0b", 3);

	(void)state;
	assert_int_equal(password_hash(bytes_of(NULL, 0), encoded), IM_OK);
	assert_int_equal(password_check(bytes_of(NULL, 0), encoded), IM_OK);
	assert_int_equal(password_check(bytes_str("x"), encoded), IM_ERR_CREDENTIALS);
	assert_int_equal(password_hash(binary, encoded), IM_OK);
	assert_int_equal(password_check(binary, encoded), IM_OK);
	assert_int_equal(password_check(bytes_str("a"), encoded), IM_ERR_CREDENTIALS);
}

static void
password_too_long(void **state)
{
	static const uint8_t data[PASSWORD_LEN_MAX + 1];
	char encoded[PASSWORD_ENCODED_MAX];

	(void)state;
	assert_int_equal(password_hash(bytes_of(data, sizeof data), encoded), IM_ERR_LIMIT);
	assert_int_equal(
	    password_check(bytes_of(data, sizeof data), SMALL_HASH), IM_ERR_CREDENTIALS);
}

static void
password_bad_encodings(void **state)
{
	static const char *const bad[] = {"", "immudb", "$scrypt$", "$scrypt$ln=4,r=8,p=1$",
	    "$scrypt$ln=4,r=8,p=1$AAECAwQFBgcICQoLDA0ODw",
	    "$scrypt$ln=4,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$",
	    "$scrypt$ln=4,r=8,p=1$AAECAwQFBgcICQoLDA0ODw==$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8",
	    "$scrypt$ln=0,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8",
	    "$scrypt$ln=22,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8",
	    "$scrypt$ln=99,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8",
	    "$scrypt$ln=4,r=0,p=1$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8",
	    "$scrypt$ln=4,r=8,p=0$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8",
	    "$scrypt$ln=4,r=8,p=17$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8",
	    "$scrypt$ln=4,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8x",
	    "$scrypt$ln=4,r=8,p=1$AA*CAwQFBgcICQoLDA0ODw$Q7EcH175P/kcU7JE2HRU+qTRrq/BS6UbCRYPdBaC5y8"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(password_check(bytes_str(SMALL_PASSWORD), bad[i]), IM_ERR_FORMAT);
}

/* Each changed character of the hash part is another hash, or none. */
static void
password_tampered_hash(void **state)
{
	char encoded[sizeof SMALL_HASH];
	size_t i;

	(void)state;
	for (i = 21; i < sizeof SMALL_HASH - 2; i++) {
		memcpy(encoded, SMALL_HASH, sizeof encoded);
		encoded[i] = encoded[i] == 'A' ? 'B' : 'A';
		assert_int_not_equal(password_check(bytes_str(SMALL_PASSWORD), encoded), IM_OK);
	}
}

static void
password_dummy_never_succeeds(void **state)
{
	(void)state;
	assert_int_equal(password_check_dummy(bytes_str("immudb")), IM_ERR_CREDENTIALS);
}

/* What may be chosen, and that every derivation is counted. */
static void
password_choice(void **state)
{
	static const char *const good[] = {
	    "Abcdef1!", "A1!aaaaa", "PASSWORD_1", "Abcdefghijklmnopqrstuvwxyz12345!"};
	static const char *const bad[] = {"", "immudb", "Abcde1!",
	    "Abcdefghijklmnopqrstuvwxyz123456!", "abcdef1!", "Abcdefg!", "Abcdefg1", "Abcdef 1!",
	    "Abcdef1!\n", "Abcdef1\xc3\xa4"};
	char encoded[PASSWORD_ENCODED_MAX];
	uint64_t runs;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(password_check_choice(bytes_str(good[i])), IM_OK);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(password_check_choice(bytes_str(bad[i])), IM_ERR_WEAK_PASSWORD);
	assert_int_equal(password_check_choice(bytes_of("Abcdef1!\0", 9)), IM_ERR_WEAK_PASSWORD);
	runs = password_runs();
	assert_int_equal(password_hash(bytes_str("x"), encoded), IM_OK);
	assert_int_equal(password_check(bytes_str("y"), encoded), IM_ERR_CREDENTIALS);
	assert_int_equal(password_check_dummy(bytes_str("y")), IM_ERR_CREDENTIALS);
	assert_int_equal(password_runs() - runs, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(password_choice),
	    cmocka_unit_test(password_round_trip),
	    cmocka_unit_test(password_known_answer),
	    cmocka_unit_test(password_empty_and_binary),
	    cmocka_unit_test(password_too_long),
	    cmocka_unit_test(password_bad_encodings),
	    cmocka_unit_test(password_tampered_hash),
	    cmocka_unit_test(password_dummy_never_succeeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
