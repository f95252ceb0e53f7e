/*
 * The state folder by hand: what is in it, states taken out and brought in, and forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/immu_trust.h"
#include "client/trust_file.h"
#include "temp_dir.h"
#include "util/file.h"

#define SERVER "c9b1p4a5gk3s0h9o1q20"
#define OTHER_SERVER "c9b1p4a5gk3s0h9o1q2g"

struct world {
	char folder[TEMP_DIR_MAX];
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	temp_dir_make(w->folder);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	temp_dir_remove(w->folder);
	free(w);
	return 0;
}

/* Writes a state as the library does. */
static void
put_state(const struct world *w, const char *database, uint64_t tx)
{
	struct trust_name name = {w->folder, SERVER, database};
	struct trust_state s = {.point = {tx, {{(uint8_t)tx}}}, .signature_len = 3}, found;
	bool swapped;

	assert_int_equal(trust_file_swap(&name, NULL, &s, &found, &swapped), IM_OK);
	assert_true(swapped);
}

static void
put_pin(const struct world *w, const char *address)
{
	struct trust_address at = {w->folder, address};
	bool first;

	assert_int_equal(trust_file_pin(&at, SERVER, &first), IM_OK);
}

/* What a callback was given, as text. */
struct told {
	unsigned count;
	unsigned stop_after;
	char text[2048];
};

static bool
tell(void *arg, const struct immu_trusted *t)
{
	struct told *told = arg;
	size_t len = strlen(told->text);

	assert_non_null(t->path);
	assert_non_null(t->error_text);
	assert_true(t->err || t->changed_at > 0);
	snprintf(told->text + len, sizeof told->text - len, "%s %s %llu %d %s\n",
	    t->address ? t->address : "-", t->database ? t->database : "-",
	    (unsigned long long)t->tx, t->is_signed, immu_error_name(t->err));
	return ++told->count != told->stop_after;
}

static void
damage(const char *path)
{
	assert_int_equal(file_replace(path, bytes_str("damaged\n")), IM_OK);
}

static void
list_of_everything(void **state)
{
	struct world *w = *state;
	struct told told = {0};
	char path[TEMP_DIR_MAX + 128];

	assert_int_equal(immu_trust_each(w->folder, tell, &told), IM_OK);
	assert_int_equal(told.count, 0);
	assert_int_equal(immu_trust_each("/nonexistent/folder", tell, &told), IM_OK);
	put_state(w, "defaultdb", 7);
	put_state(w, "a-b", 0);
	put_pin(w, "localhost:3322");
	snprintf(path, sizeof path, "%s/state-" SERVER "-a_b", w->folder);
	damage(path);
	/* Not ours. */
	snprintf(path, sizeof path, "%s/state-" SERVER "-x.tmp", w->folder);
	damage(path);
	snprintf(path, sizeof path, "%s/token", w->folder);
	damage(path);
	assert_int_equal(immu_trust_each(w->folder, tell, &told), IM_OK);
	assert_string_equal(told.text,
	    "localhost:3322 - 0 0 IM_OK\n"
	    "- a-b 0 1 IM_OK\n"
	    "- a_b 0 0 IM_ERR_STATE_CORRUPT\n"
	    "- defaultdb 7 1 IM_OK\n");
	told = (struct told){.stop_after = 2};
	assert_int_equal(immu_trust_each(w->folder, tell, &told), IM_OK);
	assert_int_equal(told.count, 2);
}

static void
one_state(void **state)
{
	struct world *w = *state;
	struct immu_trust_name name = {w->folder, SERVER, "defaultdb"};
	struct told told = {0};
	char path[TEMP_DIR_MAX + 128];

	assert_int_equal(immu_trust_show(&name, tell, &told), IM_ERR_NOT_FOUND);
	put_state(w, "defaultdb", 7);
	assert_int_equal(immu_trust_show(&name, tell, &told), IM_OK);
	/* By the address at which the server is known, whatever its case. */
	name.server_id = "LocalHost:3322";
	assert_int_equal(immu_trust_show(&name, tell, &told), IM_ERR_NOT_FOUND);
	put_pin(w, "localhost:3322");
	assert_int_equal(immu_trust_show(&name, tell, &told), IM_OK);
	assert_int_equal(told.count, 2);
	name.database = "../etc";
	assert_int_equal(immu_trust_show(&name, tell, &told), IM_ERR_ARGUMENT);
	name.database = NULL;
	assert_int_equal(immu_trust_show(&name, tell, &told), IM_ERR_ARGUMENT);
	/* The file of another database under this one's name. */
	put_state(w, "other", 9);
	snprintf(path, sizeof path, "%s/state-" SERVER "-other", w->folder);
	{
		char to[TEMP_DIR_MAX + 128];

		snprintf(to, sizeof to, "%s/state-" SERVER "-defaultdb", w->folder);
		assert_int_equal(rename(path, to), 0);
	}
	name.database = "defaultdb";
	assert_int_equal(immu_trust_show(&name, tell, &told), IM_ERR_STATE_CORRUPT);
}

static void
out_and_in(void **state)
{
	struct world *w = *state;
	struct immu_trust_name name = {w->folder, SERVER, "defaultdb"};
	char other[TEMP_DIR_MAX], text[IMMU_TRUST_TEXT_MAX];
	struct immu_trust_import import = {.folder = other};
	struct told told = {0};
	size_t len;

	put_state(w, "defaultdb", 7);
	assert_int_equal(immu_trust_export(&name, text, &len), IM_OK);
	temp_dir_make(other);
	import.text = (struct immu_bytes){text, len};
	assert_int_equal(immu_trust_import(&import, tell, &told), IM_OK);
	assert_string_equal(told.text, "- defaultdb 7 1 IM_OK\n");
	/* The same once more changes nothing. */
	assert_int_equal(immu_trust_import(&import, NULL, NULL), IM_OK);
	for (size_t i = 0; i < len; i++) {
		text[i] ^= 1;
		assert_int_equal(immu_trust_import(&import, NULL, NULL), IM_ERR_STATE_CORRUPT);
		text[i] ^= 1;
	}
	import.text.len--;
	assert_int_equal(immu_trust_import(&import, NULL, NULL), IM_ERR_STATE_CORRUPT);
	import.text = (struct immu_bytes){"", 0};
	assert_int_equal(immu_trust_import(&import, NULL, NULL), IM_ERR_STATE_CORRUPT);
	temp_dir_remove(other);
}

/* The text of a state, from a folder of its own. */
static struct immu_bytes
text_of_state(uint64_t tx, uint8_t hash, char text[IMMU_TRUST_TEXT_MAX])
{
	struct trust_record record = {.server_id = SERVER,
	    .database = "defaultdb",
	    .state = {.point = {tx, {{hash}}}, .signature_len = 3}};
	struct buf b;
	struct immu_bytes out = {text, 0};

	buf_init(&b, IMMU_TRUST_TEXT_MAX);
	assert_int_equal(trust_file_encode(&record, &b), IM_OK);
	memcpy(text, b.data, b.len);
	out.len = b.len;
	buf_free(&b);
	return out;
}

static void
what_may_be_replaced(void **state)
{
	static const struct {
		uint64_t tx;
		uint8_t hash;
		enum immu_trust_replace replace;
		enum im_err err;
	} cases[] = {
	    {8, 8, IMMU_TRUST_KEEP, IM_ERR_EXISTS},
	    {6, 6, IMMU_TRUST_KEEP, IM_ERR_EXISTS},
	    {7, 9, IMMU_TRUST_KEEP, IM_ERR_STATE_FORKED},
	    {7, 9, IMMU_TRUST_NEWER, IM_ERR_STATE_FORKED},
	    {6, 6, IMMU_TRUST_NEWER, IM_ERR_STATE_OLDER},
	    {7, 7, IMMU_TRUST_KEEP, IM_OK},
	    {8, 8, IMMU_TRUST_NEWER, IM_OK},
	    {6, 6, IMMU_TRUST_ANY, IM_OK},
	    {6, 5, IMMU_TRUST_ANY, IM_OK},
	};
	struct world *w = *state;
	struct immu_trust_name name = {w->folder, SERVER, "defaultdb"};
	char path[TEMP_DIR_MAX + 128], text[IMMU_TRUST_TEXT_MAX];
	struct told told = {0};

	put_state(w, "defaultdb", 7);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct immu_trust_import import = {
		    w->folder, text_of_state(cases[i].tx, cases[i].hash, text), cases[i].replace};
		uint64_t expected = cases[i].err ? 7 : cases[i].tx;

		told = (struct told){0};
		if (immu_trust_import(&import, NULL, NULL) != cases[i].err)
			fail_msg("case %zu", i);
		assert_int_equal(immu_trust_show(&name, tell, &told), IM_OK);
		assert_int_equal(strtoull(told.text + strlen("- defaultdb "), NULL, 10), expected);
	}
	/* A damaged file is replaced only when any may be. */
	snprintf(path, sizeof path, "%s/state-" SERVER "-defaultdb", w->folder);
	damage(path);
	struct immu_trust_import import = {w->folder, text_of_state(9, 9, text), IMMU_TRUST_NEWER};
	assert_int_equal(immu_trust_import(&import, NULL, NULL), IM_ERR_STATE_CORRUPT);
	import.replace = IMMU_TRUST_ANY;
	assert_int_equal(immu_trust_import(&import, NULL, NULL), IM_OK);
}

static void
forgotten(void **state)
{
	struct world *w = *state;
	struct immu_trust_name name = {w->folder, SERVER, "defaultdb"};
	char path[TEMP_DIR_MAX + 128];
	struct told told = {0};

	put_state(w, "defaultdb", 7);
	put_state(w, "other", 8);
	put_pin(w, "localhost:3322");
	assert_int_equal(immu_trust_forget(&name), IM_OK);
	assert_int_equal(immu_trust_forget(&name), IM_ERR_NOT_FOUND);
	/* A damaged one, too. */
	snprintf(path, sizeof path, "%s/state-" SERVER "-other", w->folder);
	damage(path);
	name.database = "other";
	assert_int_equal(immu_trust_forget(&name), IM_OK);
	assert_int_equal(immu_trust_forget_address(w->folder, "otherhost:3322"), IM_ERR_NOT_FOUND);
	assert_int_equal(immu_trust_forget_address(w->folder, "LOCALHOST:3322"), IM_OK);
	assert_int_equal(immu_trust_each(w->folder, tell, &told), IM_OK);
	assert_int_equal(told.count, 0);
	name.folder = "/nonexistent/folder";
	assert_int_equal(immu_trust_forget(&name), IM_ERR_NOT_FOUND);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(list_of_everything),
	    TEST(one_state),
	    TEST(out_and_in),
	    TEST(what_may_be_replaced),
	    TEST(forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
