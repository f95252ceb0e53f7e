/* Key files: found, readable by all, too large, not there. */
#include "util/keyfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "temp_dir.h"

static const char private_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIE4zNn01SN9MSRjgce/St+P5wZJ8FwZCOuVjxQXZd9phoAoGCCqGSM49\n"
    "AwEHoUQDQgAEPSIZ7zS4JoiCRBUwBFkL+EhpFnFJQRF9yj5JvpE61wO+iygMAoj0\n"
    "8eY+IAGK1PsNu+CQAlH5Iq0X4L6ZECakPg==\n"
    "-----END EC PRIVATE KEY-----\n";

static char folder[TEMP_DIR_MAX];
static char path[TEMP_DIR_MAX + 8];

static int
setup(void **state)
{
	(void)state;
	temp_dir_make(folder);
	snprintf(path, sizeof path, "%s/key.pem", folder);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	temp_dir_remove(folder);
	return 0;
}

static void
write_key(const char *text, size_t padding, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	for (size_t i = 0; i < padding; i++)
		fputc('\n', f);
	assert_int_equal(0, fclose(f));
	assert_int_equal(0, chmod(path, mode));
}

static void
test_private(void **state)
{
	static const struct {
		mode_t mode;
		bool world_readable;
	} cases[] = {{0600, false}, {0640, false}, {0644, true}, {0604, true}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sign_private_key *key = NULL;
		bool world_readable = !cases[i].world_readable;

		write_key(private_pem, 0, cases[i].mode);
		assert_int_equal(IM_OK, keyfile_load_private(path, &world_readable, &key));
		assert_true(world_readable == cases[i].world_readable);
		sign_private_key_free(key);
	}
}

static void
assert_private_refused(const char *name, const char *reason)
{
	struct sign_private_key *key = NULL;
	bool world_readable;

	err_clear();
	assert_int_equal(IM_ERR_KEY_FILE, keyfile_load_private(name, &world_readable, &key));
	assert_null(key);
	assert_non_null(strstr(err_detail(IM_ERR_KEY_FILE), name));
	if (!strstr(err_detail(IM_ERR_KEY_FILE), reason))
		fail_msg("expected %s, got: %s", reason, err_detail(IM_ERR_KEY_FILE));
}

static void
test_refused(void **state)
{
	struct sign_public_key *key = NULL;

	(void)state;
	unlink(path);
	assert_private_refused(path, "No such file");
	assert_private_refused(folder, "Is a directory");
	write_key("", 0, 0600);
	assert_private_refused(path, "no key in PEM form");
	write_key(private_pem, KEYFILE_MAX_BYTES * 2, 0600);
	assert_private_refused(path, "too large");
	write_key(private_pem, 0, 0600);
	assert_int_equal(IM_ERR_KEY_FILE, keyfile_load_public(path, &key));
	unlink(path);
	assert_int_equal(IM_ERR_KEY_FILE, keyfile_load_public(path, &key));
	assert_null(key);
}

static void
test_public(void **state)
{
	static const char pem[] =
	    "-----BEGIN PUBLIC KEY-----\n"
	    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPSIZ7zS4JoiCRBUwBFkL+EhpFnFJ\n"
	    "QRF9yj5JvpE61wO+iygMAoj08eY+IAGK1PsNu+CQAlH5Iq0X4L6ZECakPg==\n"
	    "-----END PUBLIC KEY-----\n";
	struct sign_public_key *key = NULL;

	(void)state;
	write_key(pem, 0, 0644);
	assert_int_equal(IM_OK, keyfile_load_public(path, &key));
	sign_public_key_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_private),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_public),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
