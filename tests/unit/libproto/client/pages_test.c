/*
 * Long lists: pages joined without a gap or a repetition, pages that are too large, early ends, and
 * servers whose pages go nowhere.
 */
#include "fake_world.h"

#include <stdio.h>

/* A list of numbers 0 .. len - 1, served as keys, members, versions or transactions. */
static struct {
	uint64_t len;
	uint64_t page_max; /* items above which an answer is too large; 0: none */
	uint64_t grows;    /* versions added behind each page */
	bool stands_still; /* every page is the first one */
	bool overflows;    /* one item more than asked for */
	bool nameless;     /* entries have no keys */
	unsigned requests;
	unsigned too_large;
} list;

static int
setup(void **state)
{
	struct world *w = world_new();

	fake_db_set(&w->db, "k", "v");
	memset(&list, 0, sizeof list);
	return world_connect(w, state);
}

/* ---- The server ---- */

static ProtobufCBinaryData
number_key(uint64_t n)
{
	char key[32];
	int len = snprintf(key, sizeof key, "key/%08llu", (unsigned long long)n);

	return fake_bytes(&wire.arena, bytes_of(key, (size_t)len));
}

static uint64_t
key_number(ProtobufCBinaryData key)
{
	char text[32] = "";

	assert_true(key.len < sizeof text);
	memcpy(text, key.data, key.len);
	return strtoull(text + strlen("key/"), NULL, 10);
}

/* Which items a page has: count of them from first on, upwards or downwards. */
struct span {
	uint64_t first, count;
	bool descending;
};

/* The page behind seek (UINT64_MAX: none), or NULL in *err when it is too large. */
static struct span
page_of(uint64_t seek, bool has_seek, bool descending, uint64_t limit)
{
	struct span s = {.descending = descending};

	if (list.stands_still)
		has_seek = false;
	if (descending) {
		s.first = has_seek ? seek - 1 : list.len - 1;
		s.count = has_seek ? seek : list.len;
	} else {
		s.first = has_seek ? seek + 1 : 0;
		s.count = list.len - s.first;
	}
	s.count = limit > 0 && s.count > limit ? limit : s.count;
	s.count += list.overflows;
	return s;
}

static uint64_t
item(const struct span *s, uint64_t i)
{
	return s->descending ? s->first - i : s->first + i;
}

static Immudb__Schema__Entry *
number_entry(uint64_t n)
{
	Immudb__Schema__Entry *e =
	    FAKE_NEW(&wire.arena, Immudb__Schema__Entry, immudb__schema__entry__init);

	e->tx = n + 1;
	e->revision = n + 1;
	if (!list.nameless)
		e->key = number_key(n);
	return e;
}

static const ProtobufCMessage *
entries_page(const struct span *s)
{
	Immudb__Schema__Entries *m =
	    FAKE_NEW(&wire.arena, Immudb__Schema__Entries, immudb__schema__entries__init);

	m->n_entries = s->count;
	m->entries = arena_calloc(&wire.arena, s->count + 1, sizeof(Immudb__Schema__Entry *));
	assert_non_null(m->entries);
	for (uint64_t i = 0; i < s->count; i++)
		m->entries[i] = number_entry(item(s, i));
	return &m->base;
}

/* Scores go through zero: item n has n / 3 - 10, three keys to a score. */
static const ProtobufCMessage *
members_page(const struct span *s)
{
	Immudb__Schema__ZEntries *m =
	    FAKE_NEW(&wire.arena, Immudb__Schema__ZEntries, immudb__schema__zentries__init);

	m->n_entries = s->count;
	m->entries = arena_calloc(&wire.arena, s->count + 1, sizeof(Immudb__Schema__ZEntry *));
	assert_non_null(m->entries);
	for (uint64_t i = 0; i < s->count; i++) {
		Immudb__Schema__ZEntry *z =
		    FAKE_NEW(&wire.arena, Immudb__Schema__ZEntry, immudb__schema__zentry__init);
		uint64_t n = item(s, i), third = n / 3;

		z->set = fake_bytes(&wire.arena, bytes_str("set"));
		z->key = number_key(n);
		z->score = (double)third - 10;
		z->entry = number_entry(n);
		m->entries[i] = z;
	}
	return &m->base;
}

static const ProtobufCMessage *
txs_page(const struct span *s)
{
	Immudb__Schema__TxList *m =
	    FAKE_NEW(&wire.arena, Immudb__Schema__TxList, immudb__schema__tx_list__init);

	m->n_txs = s->count;
	m->txs = arena_calloc(&wire.arena, s->count + 1, sizeof(Immudb__Schema__Tx *));
	assert_non_null(m->txs);
	for (uint64_t i = 0; i < s->count; i++) {
		struct tx_header h = wire.db->txs[1].header;

		h.id = item(s, i) + 1;
		m->txs[i] = FAKE_NEW(&wire.arena, Immudb__Schema__Tx, immudb__schema__tx__init);
		m->txs[i]->header = fake_header(&wire.arena, &h);
	}
	return &m->base;
}

static const ProtobufCMessage *
serve_scan(const Immudb__Schema__ScanRequest *m, struct span *s)
{
	assert_true(m->seekkey.len == 0 || (!m->inclusiveseek && m->offset == 0));
	*s = page_of(
	    m->seekkey.len > 0 ? key_number(m->seekkey) : 0, m->seekkey.len > 0, m->desc, m->limit);
	return entries_page(s);
}

static const ProtobufCMessage *
serve_history(const Immudb__Schema__HistoryRequest *m, struct span *s)
{
	uint64_t at = m->desc ? list.len - m->offset : m->offset;

	*s = page_of(m->desc ? at : at - 1, m->offset > 0, m->desc, (uint64_t)m->limit);
	list.len += list.grows;
	return entries_page(s);
}

/* The hook of the transport: every list there is. */
static const ProtobufCMessage *
serve(const struct rpc_call *call, enum im_err *err)
{
	const Immudb__Schema__ZScanRequest *z = (const Immudb__Schema__ZScanRequest *)call->request;
	const Immudb__Schema__TxScanRequest *t =
	    (const Immudb__Schema__TxScanRequest *)call->request;
	const ProtobufCMessage *m = NULL;
	struct span s = {0};

	switch (call->method) {
	case RPC_METHOD_Scan:
		m = serve_scan((const Immudb__Schema__ScanRequest *)call->request, &s);
		break;
	case RPC_METHOD_History:
		m = serve_history((const Immudb__Schema__HistoryRequest *)call->request, &s);
		break;
	case RPC_METHOD_ZScan:
		s = page_of(z->seekkey.len > 0 ? key_number(z->seekkey) : 0, z->seekkey.len > 0,
		    z->desc, z->limit);
		m = members_page(&s);
		break;
	case RPC_METHOD_TxScan:
		if (t->initialtx > list.len) {
			*err = IM_ERR_TX_NOT_FOUND;
			return NULL;
		}
		s = page_of(t->desc ? t->initialtx : t->initialtx - 2, t->desc || t->initialtx > 1,
		    t->desc, t->limit);
		m = txs_page(&s);
		break;
	default:
		return NULL;
	}
	if (++list.requests > 5000)
		fail_msg("the walk has no end");
	if (list.page_max > 0 && s.count > list.page_max) {
		list.too_large++;
		*err = IM_ERR_MESSAGE_SIZE;
		return NULL;
	}
	return m;
}

/* ---- The walks ---- */

struct seen {
	uint64_t next; /* number that should come */
	int step;      /* 1 or -1 */
	uint64_t count;
	uint64_t stop_after;
	struct immu *c; /* not NULL: asks something else in between */
};

static bool
see_number(struct seen *seen, uint64_t n)
{
	struct immu_result *r;

	if (n != seen->next)
		fail_msg(
		    "%llu came, not %llu", (unsigned long long)n, (unsigned long long)seen->next);
	seen->next += (uint64_t)(int64_t)seen->step;
	seen->count++;
	if (seen->c && seen->count % 500 == 0) {
		assert_int_equal(immu_verified_get(seen->c, immu_str("k"), NULL, &r), IM_OK);
		immu_result_free(r);
	}
	return seen->count != seen->stop_after;
}

static bool
see_entry(void *arg, const struct immu_entry *e)
{
	return see_number(arg, e->revision - 1);
}

static bool
see_any_entry(void *arg, const struct immu_entry *e)
{
	(void)arg;
	(void)e;
	return true;
}

static bool
see_zentry(void *arg, const struct immu_zentry *z)
{
	return see_number(arg, z->entry.revision - 1);
}

static bool
see_tx(void *arg, const struct immu_tx_view *tx)
{
	return see_number(arg, tx->header.id - 1);
}

/* All four lists, upwards or downwards, with the limit; each gives so many items. */
static void
walk_all(struct world *w, bool descending, uint64_t limit, uint64_t expected)
{
	struct immu_scan scan = {.descending = descending, .limit = limit};
	struct immu_zscan zscan = {
	    .set = immu_str("set"), .descending = descending, .limit = limit};
	struct immu_history history = {
	    .key = immu_str("k"), .descending = descending, .limit = limit};
	struct immu_tx_scan txs = {
	    .initial_tx = descending ? list.len : 1, .descending = descending, .limit = limit};
	struct seen start = {
	    .next = descending ? list.len - 1 : 0, .step = descending ? -1 : 1, .c = w->c};
	struct seen seen = start;

	assert_int_equal(immu_each(w->c, &scan, see_entry, &seen), IM_OK);
	assert_int_equal(seen.count, expected);
	seen = start;
	assert_int_equal(immu_each_z(w->c, &zscan, see_zentry, &seen), IM_OK);
	assert_int_equal(seen.count, expected);
	seen = start;
	assert_int_equal(immu_each_version(w->c, &history, see_entry, &seen), IM_OK);
	assert_int_equal(seen.count, expected);
	if (list.len > 0) {
		seen = start;
		assert_int_equal(immu_each_tx(w->c, &txs, see_tx, &seen), IM_OK);
		assert_int_equal(seen.count, expected);
	}
}

static void
every_length(void **state)
{
	static const uint64_t lens[] = {0, 1, 999, 1000, 1001, 2000, 2345};

	wire.hook = serve;
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		list.len = lens[i];
		walk_all(*state, false, 0, lens[i]);
		walk_all(*state, true, 0, lens[i]);
	}
	list.len = 2345;
	walk_all(*state, false, 1500, 1500);
	walk_all(*state, true, 7, 7);
}

static void
pages_too_large(void **state)
{
	struct world *w = *state;
	struct immu_scan scan = {0};
	struct seen seen = {.step = 1};

	wire.hook = serve;
	list.len = 600;
	list.page_max = 60;
	walk_all(w, false, 0, 600);
	assert_true(list.too_large > 0 && list.requests < 200);
	/* One item alone is too large: nothing helps. */
	list.page_max = 1;
	assert_int_equal(immu_each(w->c, &scan, see_entry, &seen), IM_OK);
	list.overflows = true;
	seen = (struct seen){.step = 1};
	assert_int_equal(immu_each(w->c, &scan, see_entry, &seen), IM_ERR_MESSAGE_SIZE);
}

static void
stopped_early(void **state)
{
	struct world *w = *state;
	struct immu_scan scan = {0};
	struct seen seen = {.step = 1, .stop_after = 1200};

	wire.hook = serve;
	list.len = 5000;
	assert_int_equal(immu_each(w->c, &scan, see_entry, &seen), IM_OK);
	assert_int_equal(seen.count, 1200);
	assert_true(list.requests <= 3);
}

/* Versions written during a walk from the end push others down; none is shown twice. */
static void
a_history_that_grows(void **state)
{
	struct world *w = *state;
	struct immu_history history = {.key = immu_str("k"), .descending = true};
	struct seen seen = {.next = 2499, .step = -1};

	wire.hook = serve;
	list.len = 2500;
	list.grows = 300;
	assert_int_equal(immu_each_version(w->c, &history, see_entry, &seen), IM_OK);
	assert_int_equal(seen.count, 2500);
}

static void
servers_that_go_in_circles(void **state)
{
	struct world *w = *state;
	struct immu_scan scan = {0};
	struct immu_zscan zscan = {.set = immu_str("set")};
	struct immu_history history = {.key = immu_str("k"), .descending = true};
	struct immu_tx_scan txs = {.initial_tx = 1};
	struct seen start = {.step = 1}, seen = start;

	wire.hook = serve;
	list.len = 3000;
	list.stands_still = true;
	assert_int_equal(immu_each(w->c, &scan, see_entry, &seen), IM_ERR_PROTOCOL);
	assert_int_equal(seen.count, 1000);
	seen = start;
	assert_int_equal(immu_each_z(w->c, &zscan, see_zentry, &seen), IM_ERR_PROTOCOL);
	seen = start;
	assert_int_equal(immu_each_tx(w->c, &txs, see_tx, &seen), IM_ERR_PROTOCOL);
	seen = (struct seen){.next = 2999, .step = -1};
	assert_int_equal(immu_each_version(w->c, &history, see_entry, &seen), IM_ERR_PROTOCOL);
	list.nameless = true;
	seen = start;
	assert_int_equal(immu_each(w->c, &scan, see_any_entry, &seen), IM_ERR_PROTOCOL);
	list.nameless = false;
	list.stands_still = false;
	list.overflows = true;
	seen = start;
	assert_int_equal(immu_each(w->c, &scan, see_entry, &seen), IM_ERR_PROTOCOL);
	assert_int_equal(seen.count, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_free)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_length),
	    TEST(pages_too_large),
	    TEST(stopped_early),
	    TEST(a_history_that_grows),
	    TEST(servers_that_go_in_circles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
