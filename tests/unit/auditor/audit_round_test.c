/* Whole rounds against a server in memory that tells the lies of each test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "audit.h"
#include "audit_record.h"
#include "libproto/client/fake_wire.h"
#include "temp_dir.h"
#include "util/clock.h"
#include "whole_round.h"

#define SERVER "c9b1p4a5gk3s0h9o1q20"
#define WIRE_ARENA_MAX (256u << 20)
#define WAIT_NS (60 * CLOCK_NS_PER_S)

/* What the server does with answers, beside what its history makes it say. */
static struct lies {
	uint64_t withheld_to; /* values up to this transaction are left out */
	uint64_t altered;     /* a value of this transaction is another one */
	uint64_t unchained;   /* TxScan: this header names another one before it */
	bool bad_proofs;      /* consistency proofs have a wrong term */
	bool too_large;       /* no transaction fits a message with its values */
	bool bad_gets;        /* values behind keys are other ones */
	unsigned gets;        /* VerifiableGet so far */
	unsigned logouts;     /* of the session that logging in gave */
} lies;

/* Every answer goes through here: who holds it makes a round hang. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

struct fixture {
	struct fake_db db;
	struct report report;
	struct audit_options options;
	char dir[TEMP_DIR_MAX];
};

/* The raw value of an entry; empty for members of sets. */
static struct bytes
raw_value(struct fake_db *db, uint64_t tx, size_t i)
{
	const struct fake_tx *t = &db->txs[tx];
	struct bytes raw = {NULL, 0};

	if (t->targets[i].len > 0)
		assert_int_equal(
		    raw_value_make_reference(&wire.arena, t->targets[i], t->at_txs[i], &raw),
		    IM_OK);
	else if (t->raw_lens[i] > 0)
		assert_int_equal(raw_value_make(&wire.arena, t->values[i], &raw), IM_OK);
	return raw;
}

/* A transaction with its values, as far as the server gives them. */
static void
add_values(Immudb__Schema__Tx *m)
{
	uint64_t tx = m->header->id;

	for (size_t i = 0; i < m->n_entries; i++) {
		if (tx <= lies.withheld_to)
			continue;
		m->entries[i]->value = fake_bytes(&wire.arena, raw_value(wire.db, tx, i));
		if (tx == lies.altered && m->entries[i]->value.len > 1)
			m->entries[i]->value.data[1] ^= 1;
	}
}

static const ProtobufCMessage *
answer_tx(const Immudb__Schema__VerifiableTxRequest *m, enum im_err *err)
{
	bool values = m->entriesspec && m->entriesspec->kventriesspec &&
	    m->entriesspec->kventriesspec->action == IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE;
	Immudb__Schema__VerifiableTx *answer;

	if (m->provesincetx > wire.db->last || m->tx > wire.db->last)
		*err = IM_ERR_TX_NOT_FOUND;
	else if (values && lies.too_large)
		*err = IM_ERR_MESSAGE_SIZE;
	if (*err)
		return NULL;
	answer = fake_verifiable_tx(wire.db, &wire.arena, m->tx, m->provesincetx);
	if (values)
		add_values(answer->tx);
	if (lies.bad_proofs && answer->dualproof->n_consistencyproof > 0)
		answer->dualproof->consistencyproof[0].data[0] ^= 1;
	return &answer->base;
}

static const ProtobufCMessage *
answer_scan(const Immudb__Schema__TxScanRequest *m, enum im_err *err)
{
	bool values = m->entriesspec->kventriesspec &&
	    m->entriesspec->kventriesspec->action == IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE;
	Immudb__Schema__TxList *list =
	    FAKE_NEW(&wire.arena, Immudb__Schema__TxList, immudb__schema__tx_list__init);

	if (values && lies.too_large) {
		*err = IM_ERR_MESSAGE_SIZE;
		return NULL;
	}
	list->txs = arena_calloc(&wire.arena, m->limit, sizeof *list->txs);
	assert_non_null(list->txs);
	while (list->n_txs < m->limit) {
		uint64_t id = m->desc ? m->initialtx - list->n_txs : m->initialtx + list->n_txs;
		Immudb__Schema__Tx *tx;

		if (id == 0 || id > wire.db->last)
			break;
		tx = list->txs[list->n_txs++] = fake_tx_message(wire.db, &wire.arena, id);
		if (values)
			add_values(tx);
		if (id == lies.unchained)
			tx->header->prevalh.data[0] ^= 1;
	}
	return &list->base;
}

static const ProtobufCMessage *
answer(const struct rpc_call *call, enum im_err *err)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	switch (call->method) {
	case RPC_METHOD_VerifiableTxById:
		return answer_tx((const void *)call->request, err);
	case RPC_METHOD_TxScan:
		return answer_scan((const void *)call->request, err);
	case RPC_METHOD_DatabaseListV2:
		return whole_round_list(FAKE_NAME);
	case RPC_METHOD_Logout:
		lies.logouts += bytes_equal(call->session, bytes_str("token-1"));
		return NULL;
	default:
		return NULL;
	}
}

static void
lie(uint16_t method, ProtobufCMessage *m)
{
	Immudb__Schema__VerifiableEntry *e = (Immudb__Schema__VerifiableEntry *)m;

	if (method != RPC_METHOD_VerifiableGet)
		return;
	lies.gets++;
	if (lies.bad_gets)
		e->entry->value.data[0] ^= 1;
}

static void
grow(struct fixture *f, int transactions)
{
	char key[32], value[32];

	for (int i = 0; i < transactions; i++) {
		snprintf(key, sizeof key, "key%d", (int)f->db.last);
		snprintf(value, sizeof value, "value %d", (int)f->db.last);
		fake_db_set(&f->db, key, value);
	}
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	lies = (struct lies){0};
	temp_dir_make(f->dir);
	fake_db_init(&f->db);
	wire = (struct wire){
	    .db = &f->db, .server_id = SERVER, .automatic = true, .hook = answer, .lie = lie};
	arena_init(&wire.arena, WIRE_ARENA_MAX);
	assert_int_equal(report_init(&f->report, "db:3322", 60), IM_OK);
	f->options = (struct audit_options){.address = "db",
	    .port = 3322,
	    .username = "u",
	    .password = "p",
	    .state_dir = f->dir,
	    .sample = 1000,
	    .report = &f->report};
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	report_free(&f->report);
	arena_free(&wire.arena);
	fake_db_free(&f->db);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static const struct report_database *
run_round(struct fixture *f)
{
	return whole_round_run(&f->options, FAKE_NAME);
}

static void
an_honest_history_is_ok(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	grow(f, 20);
	f->options.sweep_period_ms = 3600000;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_FIRST_SEEN);
	assert_int_equal(d->swept, 20);
	grow(f, 20);
	fake_db_reference(&f->db, "r", "key3", 0);
	fake_db_zadd(&f->db, "set", 1.5, "key3");
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_OK);
	assert_int_equal(d->sampled, 20 + 42);
	/* The next pass waits for its period. */
	assert_int_equal(d->swept, 20);
}

static void
an_altered_value_is_found(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	grow(f, 50);
	run_round(f);
	lies.altered = 17;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_TAMPERED);
	assert_int_equal(d->suspect_from, 17);
	assert_int_equal(d->suspect_to, 17);
	assert_non_null(strstr(d->reason, "key16"));
}

/* By the sweep as well, which reads many at a time. */
static void
the_sweep_finds_it_too(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	grow(f, 150);
	f->options.sample = 0;
	f->options.sweep_period_ms = 1000;
	lies.altered = 117;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_TAMPERED);
	assert_int_equal(d->suspect_from, 117);
	assert_int_equal(d->suspect_to, 117);
	/* It goes on from what is proven. */
	assert_true(d->sweep_position > 1 && d->sweep_position <= 117);
}

/*
 * However short the time for a share is, it comes further; and with a rate not further than that
 * allows.
 */
static void
every_share_of_the_sweep_comes_further(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;
	uint64_t position = 1;

	grow(f, 150);
	f->options.sample = 0;
	f->options.interval_ms = 1;
	f->options.sweep_period_ms = 1;
	f->options.sweep_rate = 60;
	d = run_round(f);
	assert_int_equal(d->swept, 60);
	assert_int_equal(d->sweep_position, 61);
	f->options.sweep_rate = 0;
	for (int i = 0; i < 3 && position > 0; i++) {
		position = d->sweep_position;
		d = run_round(f);
		assert_true(d->sweep_position > position || d->sweep_position == 0);
		position = d->sweep_position;
	}
	assert_int_equal(position, 0);
}

static void
values_may_only_be_truncated_openly(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	grow(f, 30);
	f->options.sweep_period_ms = 1000;
	run_round(f);
	lies.withheld_to = 10;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_TAMPERED);
	assert_true(d->suspect_from >= 1 && d->suspect_from <= 10);
	/* The same with a transaction in the history that says so. */
	f->db.truncates = 10;
	grow(f, 1);
	grow(f, 5);
	d = run_round(f);
	assert_int_equal(d->latest, AUDIT_OK);
	/* It covers no more than it says. */
	lies.withheld_to = 11;
	assert_int_equal(run_round(f)->latest, AUDIT_TAMPERED);
}

static void
too_large_is_no_place_to_hide(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	grow(f, 5);
	fake_db_reference(&f->db, "r", "key3", 0);
	fake_db_zadd(&f->db, "set", 1.5, "key3");
	f->options.sweep_period_ms = 1000;
	lies.too_large = true;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_FIRST_SEEN);
	assert_int_equal(d->sampled, 6);
	assert_int_equal(d->swept, 6);
	assert_int_equal(lies.gets, 12);
	lies.bad_gets = true;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_TAMPERED);
	assert_int_equal(d->suspect_from, d->suspect_to);
}

/* The history is honest, but the proofs for it are not. */
static void
wrong_proofs_are_told_from_wrong_data(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	grow(f, 40);
	run_round(f);
	grow(f, 40);
	lies.bad_proofs = true;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_TAMPERED);
	assert_non_null(strstr(d->reason, "proofs that are wrong"));
}

static void
the_transaction_that_does_not_fit_is_found(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	grow(f, 40);
	run_round(f);
	grow(f, 40);
	lies.bad_proofs = true;
	lies.unchained = 55;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_TAMPERED);
	assert_int_equal(d->suspect_from, 55);
	assert_int_equal(d->suspect_to, 55);
}

/* Two histories with one beginning; older proven states narrow down where they part. */
static void
a_fork_is_narrowed_down(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;
	struct fake_db other;

	fake_db_init(&other);
	f->options.sample = 10;
	while (f->db.last < 60) {
		grow(f, 10);
		run_round(f);
	}
	for (uint64_t tx = 1; tx <= 100; tx++) {
		char key[32], value[32];

		snprintf(key, sizeof key, "key%d", (int)tx - 1);
		snprintf(value, sizeof value, tx <= 33 ? "value %d" : "other %d", (int)tx - 1);
		fake_db_set(&other, key, value);
	}
	wire.db = &other;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_FORKED);
	assert_int_equal(d->suspect_from, 31);
	assert_int_equal(d->suspect_to, 40);
	fake_db_free(&other);
}

/* Put back, and then grown again, but not as far as before. */
static void
a_rollback_that_goes_another_way_is_a_fork(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;
	struct fake_db other;
	int transactions = 0;

	fake_db_init(&other);
	while (f->db.last < 60) {
		grow(f, 10);
		run_round(f);
	}
	for (; transactions < 15; transactions++)
		fake_db_set(&other, "another", "history");
	wire.db = &other;
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_FORKED);
	assert_int_equal(d->suspect_from, 1);
	assert_int_equal(d->suspect_to, 10);
	fake_db_free(&other);
}

/* A damaged file of ours is an error; the round's session is for the other databases, too. */
static void
a_damaged_record_is_an_error(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;
	char path[TEMP_DIR_MAX + 64];
	FILE *file;

	grow(f, 5);
	run_round(f);
	assert_int_equal(lies.logouts, 1);
	snprintf(path, sizeof path, "%s/audit-" SERVER "-" FAKE_NAME, f->dir);
	file = fopen(path, "a");
	assert_non_null(file);
	assert_true(fputs("more\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_ERROR);
	assert_non_null(strstr(d->reason, "corrupted"));
	assert_int_equal(lies.logouts, 2);
}

static void
await_moving(const struct audit *audit, bool moving)
{
	int64_t end = clock_monotonic_ns() + WAIT_NS;

	while (audit_is_moving(audit) != moving)
		assert_true(clock_monotonic_ns() < end);
}

static void
a_round_that_hangs_is_seen(void **state)
{
	struct fixture *f = *state;
	struct audit *audit;

	grow(f, 5);
	f->options.interval_ms = 1000000;
	f->options.stall_ms = 1;
	pthread_mutex_lock(&gate);
	assert_int_equal(audit_start(&f->options, &audit), IM_OK);
	assert_true(audit_is_moving(audit));
	assert_int_equal(audit_begin(audit), IM_OK);
	await_moving(audit, false);
	pthread_mutex_unlock(&gate);
	/* The round has ended; the next one is far away. */
	await_moving(audit, true);
	audit_stop(audit);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(an_honest_history_is_ok),
	    T(an_altered_value_is_found),
	    T(the_sweep_finds_it_too),
	    T(every_share_of_the_sweep_comes_further),
	    T(values_may_only_be_truncated_openly),
	    T(too_large_is_no_place_to_hide),
	    T(wrong_proofs_are_told_from_wrong_data),
	    T(the_transaction_that_does_not_fit_is_found),
	    T(a_fork_is_narrowed_down),
	    T(a_rollback_that_goes_another_way_is_a_fork),
	    T(a_damaged_record_is_an_error),
	    T(a_round_that_hangs_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
