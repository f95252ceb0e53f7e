/*
 * Answers to reads in the form that callers see; values behind references, proven or lied about;
 * large values through sinks.
 */
#include "fake_world.h"

#include <unistd.h>

#define FIRST 1
#define LATEST 3

/* k at 1 and 3, unbound reference 4, bound one 5, member 6, reference to a reference 7. */
static int
setup(void **state)
{
	struct world *w = world_new();

	fake_db_set(&w->db, "k", "old");
	fake_db_set(&w->db, "x", "other");
	fake_db_set(&w->db, "k", "new");
	fake_db_reference(&w->db, "ref", "k", 0);
	fake_db_reference(&w->db, "bound", "k", FIRST);
	fake_db_zadd(&w->db, "set", 2.5, "k");
	fake_db_reference(&w->db, "twice", "ref", 0);
	return world_connect(w, state);
}

/* ---- Behind references ---- */

static void
values_behind_references(void **state)
{
	struct world *w = *state;
	struct immu_version at = {.at_tx = 4}, wrong = {.at_tx = 5};
	struct immu_result *r;

	assert_int_equal(immu_verified_get(w->c, immu_str("ref"), NULL, &r), IM_OK);
	assert_true(r->verified && r->entries_len == 1 && r->header.id == LATEST);
	assert_true(shows(r->entries[0].value, "new") && shows(r->entries[0].key, "k"));
	assert_true(r->entries[0].tx == LATEST && shows(r->entries[0].via->key, "ref"));
	assert_true(r->entries[0].via->tx == 4 && r->entries[0].via->at_tx == 0);
	immu_result_free(r);
	assert_int_equal(immu_verified_get(w->c, immu_str("bound"), NULL, &r), IM_OK);
	assert_true(shows(r->entries[0].value, "old") && r->entries[0].via->at_tx == FIRST);
	immu_result_free(r);
	assert_int_equal(immu_verified_get(w->c, immu_str("ref"), &at, &r), IM_OK);
	immu_result_free(r);
	assert_int_equal(
	    immu_verified_get(w->c, immu_str("ref"), &wrong, &r), IM_ERR_KEY_NOT_FOUND);
	/* A server may not follow two references, however well it proves each. */
	assert_int_equal(immu_verified_get(w->c, immu_str("twice"), NULL, &r), IM_ERR_PROOF);
}

static unsigned gets;
static int lie_number;

/* One lie for each part of the two answers. */
static void
lie_about_reference(uint16_t method, ProtobufCMessage *answer)
{
	Immudb__Schema__Entry *e = ((Immudb__Schema__VerifiableEntry *)answer)->entry;
	static uint8_t other[] = "x";

	if (method != RPC_METHOD_VerifiableGet)
		return;
	gets++;
	switch (lie_number * 10 + (int)gets) {
	case 11: /* stands for another key */
		e->key = (ProtobufCBinaryData){1, other};
		break;
	case 21: /* the other key's value is another version's */
		e->tx = FIRST;
		break;
	case 32: /* another value */
		e->value.data[0] ^= 1;
		break;
	case 42: /* the value of another transaction */
		e->tx = FIRST;
		break;
	case 51: /* no reference at all */
		e->referencedby = NULL;
		break;
	case 61: /* bound to something else */
		e->referencedby->attx ^= 1;
		break;
	case 71: /* of another transaction */
		e->referencedby->tx++;
		break;
	case 82: /* the value of another key, well proven */
		e->key = (ProtobufCBinaryData){1, other};
		break;
	case 91: /* marked as deleted */
		e->referencedby->metadata =
		    fake_metadata(&wire.arena, &(struct kv_metadata){.deleted = true});
		break;
	default:
		break;
	}
}

static void
lies_about_references(void **state)
{
	struct world *w = *state;
	struct immu_result *r;

	wire.lie = lie_about_reference;
	for (lie_number = 0; lie_number <= 9; lie_number++) {
		/* Which version an unbound reference shows is not proven: number 2 is no lie. */
		bool is_honest = lie_number == 0 || lie_number == 2;
		enum im_err err;

		gets = 0;
		err = immu_verified_get(w->c, immu_str("ref"), NULL, &r);
		if (err != (is_honest ? IM_OK : IM_ERR_PROOF))
			fail_msg("lie %d: %s", lie_number, immu_error_name(err));
		immu_result_free(r);
	}
}

struct told {
	unsigned ok, failed;
};

static void
count(void *arg, const struct immu_result *r)
{
	struct told *told = arg;

	if (r->err)
		told->failed++;
	else
		told->ok += r->verified && r->entries_len == 1 && shows(r->entries[0].value, "new");
}

/* Many at a time, between writes, answered in reverse: each goes on behind its reference. */
static void
references_in_a_pipeline(void **state)
{
	struct world *w = *state;
	struct immu_bytes key = immu_str("ref");
	struct immu_kv kv = {.key = immu_str("y"), .value = immu_str("z")};
	struct immu_request get = {
	    .op = IMMU_OP_GET, .verified = true, .keys = &key, .keys_len = 1};
	struct immu_request set = {.op = IMMU_OP_SET, .verified = true, .kvs = &kv, .kvs_len = 1};
	struct told gets_told = {0}, sets_told = {0};

	assert_int_equal(immu_trust(w->c), IM_OK);
	wire.automatic = false;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(immu_submit(w->c, &get, count, &gets_told), IM_OK);
		assert_int_equal(immu_submit(w->c, &set, count, &sets_told), IM_OK);
	}
	while (immu_in_flight(w->c) > 0) {
		assert_true(wire.waiting_len > 0);
		wire_deliver(wire.waiting_len - 1);
		assert_int_equal(immu_poll(w->c, 0), IM_OK);
	}
	assert_int_equal(gets_told.ok, 20);
	assert_int_equal(gets_told.failed + sets_told.failed, 0);
}

/* ---- Transactions ---- */

/* Gives the values of entries as RAW_VALUE does. */
static const ProtobufCMessage *
serve_values(const struct rpc_call *call, enum im_err *err)
{
	const Immudb__Schema__VerifiableTxRequest *q =
	    (const Immudb__Schema__VerifiableTxRequest *)call->request;
	Immudb__Schema__VerifiableTx *m;
	struct fake_tx *tx;

	if (call->method != RPC_METHOD_VerifiableTxById || !q->entriesspec)
		return NULL;
	(void)err;
	assert_int_equal(
	    q->entriesspec->kventriesspec->action, IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE);
	m = fake_verifiable_tx(wire.db, &wire.arena, q->tx, q->provesincetx);
	tx = &wire.db->txs[q->tx];
	for (size_t i = 0; i < m->tx->n_entries; i++) {
		struct bytes raw = {0};

		if (tx->targets[i].len > 0)
			assert_int_equal(raw_value_make_reference(
					     &wire.arena, tx->targets[i], tx->at_txs[i], &raw),
			    IM_OK);
		else if (tx->raw_lens[i] > 0)
			assert_int_equal(raw_value_make(&wire.arena, tx->values[i], &raw), IM_OK);
		m->tx->entries[i]->value = fake_bytes(&wire.arena, raw);
	}
	return &m->base;
}

static struct immu_result *
read_tx(struct world *w, uint64_t tx, const struct immu_tx_spec *spec, enum im_err err)
{
	struct immu_request request = {
	    .op = IMMU_OP_TX, .verified = true, .tx = tx, .tx_spec = *spec};
	struct immu_result *r;

	assert_int_equal(immu_run(w->c, &request, &r), err);
	return r;
}

static void
entries_of_transactions(void **state)
{
	struct world *w = *state;
	struct immu_tx_spec values = {true, IMMU_SHOW_VALUE, IMMU_SHOW_DIGEST, IMMU_SHOW_NONE};
	struct immu_tx_spec nothing = {.is_set = true}, digests = {0};
	struct immu_tx_spec resolved = {.is_set = true, .kv = IMMU_SHOW_RESOLVED};
	struct immu_result *r;

	wire.hook = serve_values;
	r = read_tx(w, 1, &values, IM_OK);
	assert_true(r->tx_entries[0].kind == IMMU_KIND_VALUE && r->tx_entries[0].has_value);
	assert_true(shows(r->tx_entries[0].value, "old") && shows(r->tx_entries[0].key, "k"));
	assert_true(r->tx_entries[0].raw_value.len == 4 && r->tx_entries[0].value_len == 4);
	immu_result_free(r);
	r = read_tx(w, 5, &values, IM_OK);
	assert_int_equal(r->tx_entries[0].kind, IMMU_KIND_REFERENCE);
	assert_true(shows(r->tx_entries[0].target, "k") && r->tx_entries[0].at_tx == FIRST);
	immu_result_free(r);
	r = read_tx(w, 6, &values, IM_OK);
	assert_int_equal(r->tx_entries[0].kind, IMMU_KIND_ZADD);
	assert_true(shows(r->tx_entries[0].set, "set") && r->tx_entries[0].score == 2.5);
	immu_result_free(r);
	r = read_tx(w, 1, &digests, IM_OK);
	assert_true(r->tx_entries[0].kind == IMMU_KIND_KEY && !r->tx_entries[0].has_value);
	immu_result_free(r);
	/* Nothing is shown, but all of it is proven. */
	r = read_tx(w, 1, &nothing, IM_OK);
	assert_true(r->tx_entries_len == 0 && r->header.entries == 1);
	immu_result_free(r);
	assert_null(read_tx(w, 1, &resolved, IM_ERR_ARGUMENT));
}

static void
lie_about_value(uint16_t method, ProtobufCMessage *answer)
{
	Immudb__Schema__VerifiableTx *m = (Immudb__Schema__VerifiableTx *)answer;

	if (method != RPC_METHOD_VerifiableTxById)
		return;
	if (lie_number == 0)
		m->tx->entries[0]->value.data[1] ^= 1;
	else if (lie_number == 1)
		m->tx->entries[0]->vlen++;
	else
		m->tx->entries[0]->hvalue.data[0] ^= 1;
}

static void
lies_about_transactions(void **state)
{
	struct immu_tx_spec values = {true, IMMU_SHOW_VALUE, IMMU_SHOW_DIGEST, IMMU_SHOW_NONE};
	struct immu_tx_spec nothing = {.is_set = true};

	wire.hook = serve_values;
	wire.lie = lie_about_value;
	for (lie_number = 0; lie_number < 3; lie_number++)
		assert_null(read_tx(*state, 1, &values, IM_ERR_PROOF));
	lie_number = 2;
	assert_null(read_tx(*state, 1, &nothing, IM_ERR_PROOF));
}

/* ---- Large values ---- */

static enum im_err
collect(void *arg, struct immu_bytes part)
{
	return buf_append(arg, part.data, part.len) ? IM_OK : IM_ERR_NOMEM;
}

static enum im_err
stop(void *arg, struct immu_bytes part)
{
	(void)arg;
	(void)part;
	return IM_ERR_INTERRUPTED;
}

static void
cut_stream(struct buf *bytes, enum im_err *err)
{
	(void)err;
	bytes->len -= lie_number == 0 ? 1 : bytes->len - 3;
}

static void
long_stream(struct buf *bytes, enum im_err *err)
{
	(void)err;
	be64_put(bytes->data, UINT64_MAX);
}

static void
values_into_sinks(void **state)
{
	struct world *w = *state;
	struct buf got;
	struct immu_outflow flow = {.key = immu_str("k"), .write = collect, .arg = &got};
	struct immu_result *r;

	buf_init(&got, 1024);
	for (int verified = 0; verified < 2; verified++) {
		flow.verified = verified;
		flow.write = collect;
		buf_clear(&got);
		assert_int_equal(immu_get_into(w->c, &flow, &r), IM_OK);
		assert_true(bytes_equal(buf_bytes(&got), bytes_str("new")));
		assert_true(r->entries[0].value.len == 3 && !r->entries[0].value.data);
		assert_true(r->verified == flow.verified && shows(r->entries[0].key, "k"));
		immu_result_free(r);
		flow.write = stop;
		assert_int_equal(immu_get_into(w->c, &flow, &r), IM_ERR_INTERRUPTED);
		assert_null(r);
		flow.key = immu_str("nosuch");
		assert_int_equal(immu_get_into(w->c, &flow, &r), IM_ERR_KEY_NOT_FOUND);
		flow.key = immu_str("k");
	}
	/* A proven value is given to nobody before it is proven. */
	buf_clear(&got);
	flow.write = collect;
	wire.lie = lie_about_reference;
	lie_number = 3;
	gets = 1;
	assert_int_equal(immu_get_into(w->c, &flow, &r), IM_ERR_PROOF);
	assert_int_equal(got.len, 0);
	flow.verified = false;
	for (lie_number = 0; lie_number < 2; lie_number++) {
		wire.stream_lie = cut_stream;
		assert_int_equal(immu_get_into(w->c, &flow, &r), IM_ERR_PROTOCOL);
	}
	wire.stream_lie = long_stream;
	assert_int_equal(immu_get_into(w->c, &flow, &r), IM_ERR_PROTOCOL);
	buf_free(&got);
}

/* A source of so many bytes, that fails at the end if it is to. */
struct source {
	size_t left;
	enum im_err err;
};

static enum im_err
give(void *arg, void *to, size_t size, size_t *len)
{
	struct source *s = arg;

	*len = s->left < size ? s->left : size;
	memset(to, 'v', *len);
	s->left -= *len;
	return s->left == 0 ? s->err : IM_OK;
}

static void
values_from_sources(void **state)
{
	struct world *w = *state;
	struct source source = {100000, IM_OK};
	struct immu_inflow flow = {
	    .key = immu_str("large"), .verified = true, .read = give, .arg = &source};
	struct immu_result *r;
	uint64_t last;
	int fds[2];

	assert_int_equal(immu_set_from(w->c, &flow, &r), IM_OK);
	assert_true(r->verified && w->db.txs[w->db.last].values[0].len == 100000);
	immu_result_free(r);
	last = w->db.last;
	source = (struct source){5, IM_ERR_IO};
	assert_int_equal(immu_set_from(w->c, &flow, &r), IM_ERR_IO);
	source = (struct source){40u << 20, IM_OK};
	assert_int_equal(immu_set_from(w->c, &flow, &r), IM_ERR_VALUE_LENGTH);
	assert_true(w->db.last == last);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(immu_write_fd(&fds[1], immu_str("piped")), IM_OK);
	close(fds[1]);
	flow.read = immu_read_fd;
	flow.arg = &fds[0];
	assert_int_equal(immu_set_from(w->c, &flow, &r), IM_OK);
	immu_result_free(r);
	assert_true(bytes_equal(w->db.txs[w->db.last].values[0], bytes_str("piped")));
	close(fds[0]);
	assert_int_equal(immu_set_from(w->c, &flow, &r), IM_ERR_IO);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_free)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(values_behind_references),
	    TEST(lies_about_references),
	    TEST(references_in_a_pipeline),
	    TEST(entries_of_transactions),
	    TEST(lies_about_transactions),
	    TEST(values_into_sinks),
	    TEST(values_from_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
