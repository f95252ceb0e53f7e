/*
 * ZScan: order of scores, bounds, where to start, pages, members that lead nowhere, bad requests.
 */
#include "engine_writes.h"

#include <math.h>

#define ZSCAN_INIT(name) \
	M(ZScanRequest) name = IMMUDB__SCHEMA__ZSCAN_REQUEST__INIT; \
	name.set = message_data(bytes_str("set"))

static int
fixture_logged_in(void **state)
{
	return fixture_started(state) == 0 && login(*state, "immudb", "immudb") == IM_OK ? 0 : -1;
}

static M(Score) score_of(double value)
{
	M(Score) s = IMMUDB__SCHEMA__SCORE__INIT;

	s.score = value;
	return s;
}

static M(ZEntries) * zscan(struct fixture *f, const M(ZScanRequest) * in)
{
	M(ZEntries) *out = NULL;

	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in->base, &out), IM_OK);
	return out;
}

/* Compares the keys of an answer with a text such as "a b c". */
static void
assert_keys(const M(ZEntries) * out, const char *expected)
{
	char keys[512] = "";

	for (size_t i = 0; i < out->n_entries; i++) {
		const M(ZEntry) *z = out->entries[i];

		snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%s%.*s", i ? " " : "",
		    (int)z->key.len, (const char *)z->key.data);
	}
	assert_string_equal(keys, expected);
}

/* Keys a to j under these scores, written in some other order. */
static void
write_scores(struct fixture *f)
{
	static const struct {
		const char *key;
		double score;
	} members[] = {{"f", 0.0}, {"b", -2.5}, {"j", (double)INFINITY}, {"d", -1e-300},
	    {"g", 1e-300}, {"a", -(double)INFINITY}, {"e", -0.0}, {"i", 7.5}, {"c", -1.0},
	    {"h", 1.0}};

	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		write_value(f, members[i].key, "v");
		write_member(f, "set", members[i].score, members[i].key);
	}
	/* Sets whose names begin alike. */
	write_member(f, "se", 0, "a");
	write_member(f, "set2", 0, "a");
	write_member(f, "sets", 0, "a");
}

static void
zscan_order(void **state)
{
	struct fixture *f = *state;
	M(ZEntries) * out;
	ZSCAN_INIT(in);

	assert_int_equal(zscan(f, &in)->n_entries, 0);
	write_scores(f);
	out = zscan(f, &in);
	assert_keys(out, "a b c d e f g h i j");
	assert_data_equal(out->entries[1]->set, "set");
	assert_true(out->entries[1]->score == -2.5);
	assert_true(signbit(out->entries[4]->score) && !signbit(out->entries[5]->score));
	assert_int_equal(out->entries[1]->attx, 0);
	assert_data_equal(out->entries[1]->entry->key, "b");
	assert_data_equal(out->entries[1]->entry->value, "v");
	assert_int_equal(out->entries[1]->entry->revision, 1);
	in.desc = true;
	assert_keys(zscan(f, &in), "j i h g f e d c b a");
	in.set = message_data(bytes_str("none"));
	assert_int_equal(zscan(f, &in)->n_entries, 0);
}

/* Members of one score: shorter keys first, then by their bytes, then by the transaction. */
static void
zscan_order_of_equals(void **state)
{
	struct fixture *f = *state;
	struct zset_member m = {bytes_str("set"), 1, bytes_str("b"), 0};
	struct store_entry e;
	M(ZEntries) * out;
	ZSCAN_INIT(in);

	write_value(f, "b", "one");
	write_value(f, "b", "two");
	write_value(f, "a", "v");
	write_value(f, "aa", "v");
	write_member(f, "set", 1, "b");
	write_member(f, "set", 1, "aa");
	write_member(f, "set", 1, "a");
	m.at_tx = 1;
	e = member_entry(f, &m);
	write_raw(f, &e, 1);
	/* Added again: still one member. */
	write_member(f, "set", 1, "a");
	out = zscan(f, &in);
	assert_keys(out, "a b b aa");
	assert_int_equal(out->entries[1]->attx, 0);
	assert_data_equal(out->entries[1]->entry->value, "two");
	assert_int_equal(out->entries[2]->attx, 1);
	assert_data_equal(out->entries[2]->entry->value, "one");
}

static void
zscan_bounds(void **state)
{
	struct fixture *f = *state;
	M(Score) min = score_of(-1), max = score_of(1);
	ZSCAN_INIT(in);

	write_scores(f);
	in.minscore = &min;
	assert_keys(zscan(f, &in), "c d e f g h i j");
	in.maxscore = &max;
	assert_keys(zscan(f, &in), "c d e f g h");
	in.desc = true;
	assert_keys(zscan(f, &in), "h g f e d c");
	in.minscore = NULL;
	assert_keys(zscan(f, &in), "h g f e d c b a");
	/* Either zero means both, whether least or greatest. */
	in.minscore = &min;
	min = score_of(0.0);
	max = score_of(-0.0);
	assert_keys(zscan(f, &in), "f e");
	in.desc = false;
	assert_keys(zscan(f, &in), "e f");
	min = score_of(-(double)INFINITY);
	max = score_of((double)INFINITY);
	assert_keys(zscan(f, &in), "a b c d e f g h i j");
	min = max;
	assert_keys(zscan(f, &in), "j");
	/* Nothing is between them. */
	min = score_of(2);
	max = score_of(1);
	assert_keys(zscan(f, &in), "");
	in.desc = true;
	assert_keys(zscan(f, &in), "");
}

static void
zscan_seek(void **state)
{
	struct fixture *f = *state;
	M(Score) min = score_of(-1), max = score_of(1);
	ZSCAN_INIT(in);

	write_scores(f);
	in.seekkey = message_data(bytes_str("f"));
	assert_keys(zscan(f, &in), "g h i j");
	in.inclusiveseek = true;
	assert_keys(zscan(f, &in), "f g h i j");
	in.desc = true;
	assert_keys(zscan(f, &in), "f e d c b a");
	in.inclusiveseek = false;
	assert_keys(zscan(f, &in), "e d c b a");
	/* Within bounds; the later start of the two counts. */
	in.minscore = &min;
	in.maxscore = &max;
	assert_keys(zscan(f, &in), "e d c");
	in.seekscore = 100;
	assert_keys(zscan(f, &in), "h g f e d c");
	in.desc = false;
	assert_keys(zscan(f, &in), "");
	in.seekscore = -100;
	assert_keys(zscan(f, &in), "c d e f g h");
	/* A member that is not there. */
	in.seekscore = 0.5;
	in.seekkey = message_data(bytes_str("nothing"));
	in.seekattx = 7;
	assert_keys(zscan(f, &in), "h");
}

static void
zscan_pages(void **state)
{
	struct fixture *f = *state;
	ZSCAN_INIT(in);

	write_scores(f);
	in.limit = 3;
	assert_keys(zscan(f, &in), "a b c");
	in.offset = 3;
	assert_keys(zscan(f, &in), "d e f");
	in.offset = 9;
	assert_keys(zscan(f, &in), "j");
	in.offset = 10;
	assert_keys(zscan(f, &in), "");
	in.offset = UINT64_MAX;
	assert_keys(zscan(f, &in), "");
	in.offset = 1;
	in.desc = true;
	assert_keys(zscan(f, &in), "i h g");
}

/* Members whose key is gone are not shown; one that is bound stays. */
static void
zscan_gone(void **state)
{
	struct fixture *f = *state;
	struct zset_member bound = {bytes_str("set"), 2, bytes_str("deleted"), 1};
	struct store_entry e = member_entry(f, &bound);
	M(ZEntries) * out;
	ZSCAN_INIT(in);

	write_value(f, "deleted", "v");
	write_expiring(f, "expired", "v", 1);
	write_value(f, "stays", "v");
	write_member(f, "set", 1, "deleted");
	write_raw(f, &e, 1);
	write_member(f, "set", 3, "expired");
	write_member(f, "set", 4, "missing");
	write_member(f, "set", 5, "stays");
	write_deletion(f, "deleted");
	out = zscan(f, &in);
	assert_keys(out, "deleted stays");
	assert_int_equal(out->entries[0]->attx, 1);
	assert_int_equal(out->entries[0]->entry->tx, 1);
}

/* What leads nowhere takes no memory of the answer, however many there are. */
static void
zscan_many_gone(void **state)
{
	struct fixture *f = *state;
	struct store_entry entries[1000];
	struct zset_member m = {.set = bytes_str("set")};
	char key[16];
	ZSCAN_INIT(in);

	for (size_t round = 0; round < 20; round++) {
		for (size_t i = 0; i < 1000; i++) {
			snprintf(key, sizeof key, "%zu-%zu", round, i);
			m.key = arena_copy(&f->arena, bytes_str(key));
			m.score = (double)i;
			entries[i] = member_entry(f, &m);
		}
		write_raw(f, entries, 1000);
	}
	write_value(f, "last", "v");
	write_member(f, "set", 1e6, "last");
	assert_keys(zscan(f, &in), "last");
}

static void
zscan_refusals(void **state)
{
	struct fixture *f = *state;
	M(Score) nan_score = score_of((double)NAN);
	M(ZScanRequest) in = IMMUDB__SCHEMA__ZSCAN_REQUEST__INIT, plain;
	static char long_set[1100];

	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_ARGUMENT);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	memset(long_set, 's', sizeof long_set - 1);
	in.set = message_data(bytes_str(long_set));
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_KEY_LENGTH);
	in.set = message_data(bytes_str("set"));
	plain = in;
	in.limit = 2501;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_RESULT_LIMIT);
	assert_int_equal(f->status, IM_STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(err_detail(IM_ERR_RESULT_LIMIT),
	    "result size limit exceeded: the specified limit (2501) is larger than the maximum allowed "
	    "one (2500)");
	in = plain;
	in.sincetx = 1;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_ARGUMENT);
	in = plain;
	in.minscore = &nan_score;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_ARGUMENT);
	in = plain;
	in.maxscore = &nan_score;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_ARGUMENT);
	in = plain;
	in.seekkey = message_data(bytes_str("k"));
	in.seekscore = (double)NAN;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_ARGUMENT);
	/* Where to start is never ignored. */
	in = plain;
	in.seekscore = 1;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_ARGUMENT);
	in = plain;
	in.seekattx = 1;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_ERR_ARGUMENT);
	in = plain;
	in.limit = 2500;
	in.nowait = true;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, NULL), IM_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_logged_in, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(zscan_order),
	    TEST(zscan_order_of_equals),
	    TEST(zscan_bounds),
	    TEST(zscan_seek),
	    TEST(zscan_pages),
	    TEST(zscan_gone),
	    TEST(zscan_many_gone),
	    TEST(zscan_refusals),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
