/*
 * Files of trusted states and identities: round trips, compare and swap, and every kind of damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/trust_file.h"
#include "temp_dir.h"
#include "util/file.h"

#define SERVER "c9b1p4a5gk3s0h9o1q20"
#define OTHER_SERVER "c9b1p4a5gk3s0h9o1q2g"

struct folder {
	char root[TEMP_DIR_MAX];
	char path[80]; /* missing at first */
	struct trust_name name;
};

static int
setup(void **state)
{
	struct folder *f = calloc(1, sizeof *f);

	assert_non_null(f);
	temp_dir_make(f->root);
	snprintf(f->path, sizeof f->path, "%s/a/b", f->root);
	f->name = (struct trust_name){f->path, SERVER, "defaultdb"};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct folder *f = *state;

	temp_dir_remove(f->root);
	free(f);
	return 0;
}

static struct trust_state
make_state(uint64_t id, uint8_t fill)
{
	struct trust_state s = {.point.id = id};

	memset(s.point.alh.b, fill, HASH_SIZE);
	return s;
}

static void
state_path(const struct folder *f, char path[256])
{
	snprintf(path, 256, "%s/state-%s-%s", f->path, SERVER, f->name.database);
}

/* Writes a state whatever is there. */
static void
write_state(struct folder *f, const struct trust_state *s)
{
	struct trust_state found;
	bool swapped;
	char path[256];

	state_path(f, path);
	unlink(path);
	assert_int_equal(trust_file_swap(&f->name, NULL, s, &found, &swapped), IM_OK);
	assert_true(swapped);
}

static void
round_trip(void **state)
{
	struct folder *f = *state;
	struct trust_state s = make_state(UINT64_MAX, 0xa5), read;
	struct stat st;
	char path[256];

	assert_int_equal(trust_file_read(&f->name, &read), IM_ERR_NOT_FOUND);
	s.signature_len = 71;
	memset(s.signature, 0x30, s.signature_len);
	write_state(f, &s);
	assert_int_equal(trust_file_read(&f->name, &read), IM_OK);
	assert_true(read.point.id == s.point.id);
	assert_true(hash_equal(&read.point.alh, &s.point.alh));
	assert_int_equal(read.signature_len, 71);
	assert_memory_equal(read.signature, s.signature, 71);
	state_path(f, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void
swap_compares(void **state)
{
	struct folder *f = *state;
	struct trust_state one = make_state(1, 1), two = make_state(2, 2), fork = make_state(1, 9);
	struct trust_state found;
	bool swapped;

	write_state(f, &one);
	assert_int_equal(trust_file_swap(&f->name, NULL, &two, &found, &swapped), IM_OK);
	assert_false(swapped);
	assert_true(found.point.id == 1);
	assert_int_equal(trust_file_swap(&f->name, &fork, &two, &found, &swapped), IM_OK);
	assert_false(swapped);
	assert_int_equal(trust_file_swap(&f->name, &one, &two, &found, &swapped), IM_OK);
	assert_true(swapped);
	assert_int_equal(trust_file_swap(&f->name, &one, &two, &found, &swapped), IM_OK);
	assert_false(swapped);
	assert_true(found.point.id == 2);
	assert_int_equal(trust_file_read(&f->name, &found), IM_OK);
	assert_true(found.point.id == 2);
}

/* Each changed, missing or added byte, and a file of another server or database, is noticed. */
static void
damage_is_noticed(void **state)
{
	struct folder *f = *state;
	struct trust_state s = make_state(77, 7), found;
	struct trust_name other = f->name;
	struct buf text;
	bool swapped;
	char path[256], other_path[256];

	write_state(f, &s);
	state_path(f, path);
	buf_init(&text, TRUST_FILE_MAX);
	assert_int_equal(file_read(path, TRUST_FILE_MAX, &text), IM_OK);
	for (size_t i = 0; i < text.len; i++) {
		text.data[i] ^= 1;
		assert_int_equal(file_replace(path, buf_bytes(&text)), IM_OK);
		assert_int_equal(trust_file_read(&f->name, &found), IM_ERR_STATE_CORRUPT);
		text.data[i] ^= 1;
	}
	for (size_t len = 0; len < text.len; len += 7) {
		assert_int_equal(file_replace(path, bytes_of(text.data, len)), IM_OK);
		assert_int_equal(trust_file_read(&f->name, &found), IM_ERR_STATE_CORRUPT);
		assert_int_equal(
		    trust_file_swap(&f->name, &s, &s, &found, &swapped), IM_ERR_STATE_CORRUPT);
		assert_false(swapped);
	}
	buf_append_u8(&text, '\n');
	assert_int_equal(file_replace(path, buf_bytes(&text)), IM_OK);
	assert_int_equal(trust_file_read(&f->name, &found), IM_ERR_STATE_CORRUPT);
	text.len--;
	other.database = "other";
	f->name.database = "other";
	state_path(f, other_path);
	assert_int_equal(file_replace(other_path, buf_bytes(&text)), IM_OK);
	assert_int_equal(trust_file_read(&other, &found), IM_ERR_STATE_CORRUPT);
	buf_free(&text);
}

static void
names_stay_in_the_folder(void **state)
{
	struct folder *f = *state;
	struct trust_state found;

	f->name.database = "../x";
	assert_int_equal(trust_file_read(&f->name, &found), IM_ERR_ARGUMENT);
	f->name.database = "";
	assert_int_equal(trust_file_read(&f->name, &found), IM_ERR_ARGUMENT);
	f->name.database = "defaultdb";
	f->name.server_id = "../../../../../../ab";
	assert_int_equal(trust_file_read(&f->name, &found), IM_ERR_ARGUMENT);
}

static void
identity_is_pinned(void **state)
{
	struct folder *f = *state;
	struct trust_address address = {f->path, "127.0.0.1:3322"};
	struct trust_address other = {f->path, "127.0.0.1:3323"};
	bool first;

	assert_int_equal(trust_file_pin(&address, SERVER, &first), IM_OK);
	assert_true(first);
	assert_int_equal(trust_file_pin(&address, SERVER, &first), IM_OK);
	assert_false(first);
	assert_int_equal(trust_file_pin(&address, OTHER_SERVER, &first), IM_ERR_IDENTITY_CHANGED);
	assert_false(first);
	assert_int_equal(trust_file_pin(&other, OTHER_SERVER, &first), IM_OK);
	assert_true(first);
	assert_int_equal(trust_file_pin(&address, "not-an-id", &first), IM_ERR_PROTOCOL);
}

static void
damaged_identity(void **state)
{
	struct folder *f = *state;
	struct trust_address address = {f->path, "db.example:3322"};
	bool first;
	char command[256];

	assert_int_equal(trust_file_pin(&address, SERVER, &first), IM_OK);
	snprintf(command, sizeof command, "sed -i 's/%s/%s/' '%s'/identity-*", SERVER, OTHER_SERVER,
	    f->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(trust_file_pin(&address, SERVER, &first), IM_ERR_STATE_CORRUPT);
	assert_int_equal(trust_file_pin(&address, OTHER_SERVER, &first), IM_ERR_STATE_CORRUPT);
	snprintf(command, sizeof command, "for f in '%s'/identity-*; do : >\"$f\"; done", f->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(trust_file_pin(&address, SERVER, &first), IM_ERR_STATE_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
	    cmocka_unit_test_setup_teardown(swap_compares, setup, teardown),
	    cmocka_unit_test_setup_teardown(damage_is_noticed, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_stay_in_the_folder, setup, teardown),
	    cmocka_unit_test_setup_teardown(identity_is_pinned, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_identity, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
