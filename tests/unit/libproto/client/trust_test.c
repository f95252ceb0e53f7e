/*
 * When a proven result is reported: pipelines in and out of order, forks between results, between
 * processes and over time, and everything that the files of the state folder can do to us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "client/trust_file.h"
#include "fake_wire.h"
#include "temp_dir.h"
#include "util/file.h"

#define SERVER "c9b1p4a5gk3s0h9o1q20"
#define OTHER_SERVER "c9b1p4a5gk3s0h9o1q2g"
/* Transactions in the database at first. */
#define START 10

struct world {
	struct fake_db db;
	struct fake_db fork; /* another transaction START + 1, and on */
	char folder[TEMP_DIR_MAX];
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	temp_dir_make(w->folder);
	fake_db_init(&w->db);
	fake_db_init(&w->fork);
	for (int i = 0; i < START; i++) {
		fake_db_set(&w->db, "k", "v");
		fake_db_set(&w->fork, "k", "v");
	}
	fake_db_set(&w->fork, "k", "fork");
	wire = (struct wire){.db = &w->db, .server_id = SERVER, .automatic = true};
	arena_init(&wire.arena, 256u << 20);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	temp_dir_remove(w->folder);
	assert_int_equal(wire.waiting_len, 0);
	arena_free(&wire.arena);
	fake_db_free(&w->db);
	fake_db_free(&w->fork);
	free(w);
	return 0;
}

static struct immu *
connect_to(const struct world *w)
{
	struct immu *c;
	struct immu_options o = {.state_dir = w->folder};

	assert_int_equal(immu_connect(&o, &c), IM_OK);
	assert_int_equal(immu_login(c, "immudb", "immudb", NULL), IM_OK);
	assert_string_equal(immu_database(c), FAKE_NAME);
	assert_string_equal(immu_token(c), "token-2");
	return c;
}

static uint64_t
trusted(const struct immu *c)
{
	struct immu_state s;

	return immu_trusted_state(c, &s) ? s.tx : 0;
}

/* The state in the file, by a connection of its own that asks nothing. */
static enum im_err
read_file(const struct world *w, struct trust_state *s)
{
	return trust_file_read(&(struct trust_name){w->folder, SERVER, FAKE_NAME}, s);
}

static enum im_err
set_one(struct immu *c, const char *key, const char *value)
{
	struct immu_kv kv = {.key = immu_str(key), .value = immu_str(value)};
	struct immu_result *r;
	enum im_err err = immu_verified_set(c, &kv, 1, &r);

	if (!err)
		assert_true(r->verified && r->header.id == wire.db->last);
	immu_result_free(r);
	return err;
}

static enum im_err
get_one(struct immu *c, const char *key, const char *value)
{
	struct immu_result *r;
	enum im_err err = immu_verified_get(c, immu_str(key), NULL, &r);

	if (!err) {
		assert_true(r->verified && r->entries_len == 1);
		assert_int_equal(r->entries[0].value.len, strlen(value));
		assert_memory_equal(r->entries[0].value.data, value, strlen(value));
	}
	immu_result_free(r);
	return err;
}

/* ---- Requests in flight ---- */

/* What callbacks were told. */
struct told {
	unsigned ok;
	unsigned failed;
	enum im_err err; /* of the last failure */
	uint64_t last_tx;
	struct immu *c;
	enum im_err poll_err; /* of polling inside a callback */
};

static void
done(void *arg, const struct immu_result *r)
{
	struct told *told = arg;

	if (r->err) {
		told->failed++;
		told->err = r->err;
		return;
	}
	assert_true(r->verified);
	told->ok++;
	told->last_tx = r->header.id;
	/* A result is never reported before the trusted state has reached it. */
	assert_true(r->header.id <= trusted(told->c));
	told->poll_err = immu_poll(told->c, 0);
}

static void
submit_set(struct told *told, const char *value)
{
	struct immu_kv kv = {.key = immu_str("k"), .value = immu_str(value)};
	struct immu_request r = {.op = IMMU_OP_SET, .verified = true, .kvs = &kv, .kvs_len = 1};

	assert_int_equal(immu_submit(told->c, &r, done, told), IM_OK);
}

static void
submit_tx(struct told *told, uint64_t tx)
{
	struct immu_request r = {.op = IMMU_OP_TX, .verified = true, .tx = tx};

	assert_int_equal(immu_submit(told->c, &r, done, told), IM_OK);
}

/* A client alone writes a long pipeline: every answer follows the one before, none needs a link. */
static void
pipeline_of_writes(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};

	wire.automatic = false;
	for (int i = 0; i < 50; i++)
		submit_set(&told, "x");
	assert_int_equal(immu_in_flight(told.c), 50);
	while (wire.waiting_len > 0) {
		wire_deliver(0);
		assert_int_equal(immu_poll(told.c, 0), IM_OK);
	}
	assert_int_equal(told.ok, 50);
	assert_int_equal(told.poll_err, IM_ERR_ARGUMENT);
	assert_int_equal(wire.links, 0);
	assert_true(trusted(told.c) == START + 50);
	assert_int_equal(immu_close(told.c), IM_OK);
}

/* From an empty database, where there is no state to prove from. */
static void
pipeline_from_nothing(void **state)
{
	struct world *w = *state;
	struct told told = {0};
	struct fake_db empty;

	fake_db_init(&empty);
	wire.db = &empty;
	told.c = connect_to(w);
	wire.automatic = false;
	for (int i = 0; i < 5; i++)
		submit_set(&told, "x");
	while (wire.waiting_len > 0)
		wire_deliver(0);
	assert_int_equal(immu_wait(told.c), IM_OK);
	assert_int_equal(told.ok, 5);
	assert_int_equal(wire.links, 0);
	assert_true(trusted(told.c) == 5);
	assert_int_equal(immu_close(told.c), IM_OK);
	fake_db_free(&empty);
}

/* Polls, delivering what comes up, until nothing is in flight. */
static void
pump(struct immu *c)
{
	for (int rounds = 0; immu_in_flight(c) > 0; rounds++) {
		assert_true(rounds < 100);
		while (wire.waiting_len > 0)
			wire_deliver(wire.waiting_len - 1);
		assert_int_equal(immu_poll(c, 0), IM_OK);
	}
}

/*
 * Proven from one state, answered in any order: held until linked. The transactions are far apart,
 * so that none follows another.
 */
static void
answers_out_of_order(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};

	assert_int_equal(get_one(told.c, "k", "v"), IM_OK);
	for (int i = 0; i < 40; i++)
		fake_db_set(&w->db, "k", "w");
	wire.automatic = false;
	for (uint64_t tx = START + 2; tx < START + 40; tx += 4)
		submit_tx(&told, tx);
	/* One from before the trusted state needs nothing. */
	submit_tx(&told, 3);
	wire.links = 0;
	pump(told.c);
	assert_int_equal(told.ok, 11);
	assert_int_equal(told.failed, 0);
	/* One link for each of the ten, but for the first one and the one that moved the state. */
	assert_in_range(wire.links, 8, 10);
	assert_true(trusted(told.c) == START + 38);
	assert_int_equal(immu_close(told.c), IM_OK);
}

/* Writes of our own and of others: the state moves while links are on their way. */
static void
writes_between(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};

	assert_int_equal(get_one(told.c, "k", "v"), IM_OK);
	for (int i = 0; i < 20; i++)
		fake_db_set(&w->db, "k", "w");
	wire.automatic = false;
	submit_set(&told, "a");
	fake_db_set(&w->db, "k", "of somebody else");
	submit_set(&told, "b");
	submit_tx(&told, START + 5);
	submit_set(&told, "c");
	wire_deliver(2);
	assert_int_equal(immu_poll(told.c, 0), IM_OK);
	assert_true(trusted(told.c) == START + 5);
	/* Asks for the link from START + 5 to the first write, and meanwhile gets the others. */
	wire_deliver(0);
	assert_int_equal(immu_poll(told.c, 0), IM_OK);
	assert_int_equal(wire.waiting_len, 3);
	wire_deliver(0);
	wire_deliver(0);
	assert_int_equal(immu_poll(told.c, 0), IM_OK);
	assert_int_equal(told.ok, 1);
	pump(told.c);
	assert_int_equal(told.ok, 4);
	assert_true(trusted(told.c) == START + 24);
	assert_int_equal(immu_close(told.c), IM_OK);
}

/*
 * Two branches that both extend the trusted state: the second result is not reported as verified.
 */
static void
fork_between_results(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};

	assert_int_equal(get_one(told.c, "k", "v"), IM_OK);
	for (int i = 0; i < 4; i++) {
		fake_db_set(&w->db, "k", "w");
		fake_db_set(&w->fork, "k", "w");
	}
	wire.automatic = false;
	submit_tx(&told, START + 1);
	wire.db = &w->fork;
	submit_tx(&told, START + 2);
	submit_tx(&told, START + 4);
	wire_deliver(0);
	assert_int_equal(immu_poll(told.c, 0), IM_OK);
	assert_int_equal(told.ok, 1);
	wire_deliver_all();
	wire.automatic = true;
	assert_int_equal(immu_wait(told.c), IM_OK);
	assert_int_equal(told.ok, 1);
	assert_int_equal(told.failed, 2);
	assert_int_equal(told.err, IM_ERR_STATE_FORKED);
	assert_true(trusted(told.c) == START + 1);
	wire.db = &w->db;
	assert_int_equal(get_one(told.c, "k", "v"), IM_ERR_STATE_FORKED);
	assert_int_equal(immu_close(told.c), IM_ERR_STATE_FORKED);
}

/* The same transaction with two hashes, in one pipeline. */
static void
fork_at_one_transaction(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};

	assert_int_equal(get_one(told.c, "k", "v"), IM_OK);
	fake_db_set(&w->db, "k", "w");
	wire.automatic = false;
	submit_tx(&told, START + 1);
	wire.db = &w->fork;
	submit_tx(&told, START + 1);
	wire_deliver_all();
	wire.automatic = true;
	assert_int_equal(immu_wait(told.c), IM_OK);
	assert_int_equal(told.ok, 1);
	assert_int_equal(told.err, IM_ERR_STATE_FORKED);
	assert_int_equal(immu_close(told.c), IM_ERR_STATE_FORKED);
}

/* Writes commit in order, but their answers may come in any. */
static void
writes_answered_in_reverse(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};

	assert_int_equal(get_one(told.c, "k", "v"), IM_OK);
	wire.automatic = false;
	for (int i = 0; i < 20; i++)
		submit_set(&told, "same");
	pump(told.c);
	assert_int_equal(told.ok, 20);
	assert_true(trusted(told.c) == START + 20);
	assert_int_equal(immu_close(told.c), IM_OK);
}

/* Two answers that were exchanged: equal writes, so that nothing else tells them apart. */
static void
writes_committed_out_of_order(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};
	rpc_answer_cb *cb;
	void *ctx;

	assert_int_equal(get_one(told.c, "k", "v"), IM_OK);
	wire.automatic = false;
	submit_set(&told, "same");
	submit_set(&told, "same");
	cb = wire.waiting[0].cb;
	ctx = wire.waiting[0].ctx;
	wire.waiting[0].cb = wire.waiting[1].cb;
	wire.waiting[0].ctx = wire.waiting[1].ctx;
	wire.waiting[1].cb = cb;
	wire.waiting[1].ctx = ctx;
	wire_deliver_all();
	assert_int_equal(immu_wait(told.c), IM_OK);
	assert_int_equal(told.failed, 1);
	assert_int_equal(told.err, IM_ERR_PROOF);
	assert_int_equal(immu_close(told.c), IM_OK);
}

/* One transaction cannot be the answer to two equal writes. */
static void
one_transaction_for_two_writes(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};

	assert_int_equal(get_one(told.c, "k", "v"), IM_OK);
	wire.automatic = false;
	submit_set(&told, "same");
	wire.repeats_writes = true;
	submit_set(&told, "same");
	wire_deliver_all();
	assert_int_equal(immu_wait(told.c), IM_OK);
	assert_int_equal(told.ok, 1);
	assert_int_equal(told.failed, 1);
	assert_int_equal(told.err, IM_ERR_PROOF);
	assert_int_equal(immu_close(told.c), IM_OK);
}

static void
close_cancels(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};

	assert_int_equal(get_one(told.c, "k", "v"), IM_OK);
	wire.automatic = false;
	submit_set(&told, "x");
	submit_tx(&told, 2);
	assert_int_equal(immu_close(told.c), IM_OK);
	assert_int_equal(told.failed, 2);
	assert_int_equal(told.err, IM_ERR_CANCELLED);
}

/* ---- Trust over time and between processes ---- */

static void
first_contact_is_told(void **state)
{
	struct world *w = *state;
	struct immu *c = connect_to(w);
	struct trust_state s;

	assert_int_equal(get_one(c, "k", "v"), IM_OK);
	assert_true(immu_first_contact(c));
	/* Written at once. */
	assert_int_equal(read_file(w, &s), IM_OK);
	assert_true(s.point.id == START);
	assert_int_equal(set_one(c, "k", "2"), IM_OK);
	assert_int_equal(immu_close(c), IM_OK);
	assert_int_equal(read_file(w, &s), IM_OK);
	assert_true(s.point.id == START + 1);
	c = connect_to(w);
	assert_int_equal(get_one(c, "k", "2"), IM_OK);
	assert_false(immu_first_contact(c));
	assert_int_equal(immu_close(c), IM_OK);
}

/* Processes that started from one state and wrote at the same time end with the newest one. */
static void
states_are_merged(void **state)
{
	struct world *w = *state;
	struct immu *c[4];
	struct trust_state s;

	for (size_t i = 0; i < 4; i++) {
		c[i] = connect_to(w);
		assert_int_equal(get_one(c[i], "k", "v"), IM_OK);
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(set_one(c[i], "own", "x"), IM_OK);
	/* The second one is written first, then an older and two newer ones. */
	assert_int_equal(immu_persist(c[1]), IM_OK);
	assert_int_equal(immu_persist(c[0]), IM_OK);
	assert_int_equal(read_file(w, &s), IM_OK);
	assert_true(s.point.id == START + 2);
	assert_true(trusted(c[0]) == START + 2);
	assert_int_equal(immu_close(c[3]), IM_OK);
	assert_int_equal(immu_close(c[2]), IM_OK);
	assert_int_equal(read_file(w, &s), IM_OK);
	assert_true(s.point.id == START + 4);
	assert_int_equal(set_one(c[0], "k", "y"), IM_OK);
	assert_int_equal(immu_close(c[0]), IM_OK);
	assert_int_equal(immu_close(c[1]), IM_OK);
	assert_int_equal(read_file(w, &s), IM_OK);
	assert_true(s.point.id == START + 5);
}

/* Two processes are shown two branches: whoever persists last is told, and the file is kept. */
static void
fork_between_processes(void **state)
{
	struct world *w = *state;
	struct immu *a = connect_to(w), *b = connect_to(w);
	struct trust_state before, after;

	assert_int_equal(get_one(a, "k", "v"), IM_OK);
	assert_int_equal(get_one(b, "k", "v"), IM_OK);
	assert_int_equal(set_one(a, "k", "a"), IM_OK);
	wire.db = &w->fork;
	assert_int_equal(set_one(b, "k", "b"), IM_OK);
	assert_int_equal(immu_persist(a), IM_OK);
	assert_int_equal(read_file(w, &before), IM_OK);
	assert_int_equal(immu_persist(b), IM_ERR_STATE_FORKED);
	assert_int_equal(read_file(w, &after), IM_OK);
	assert_true(after.point.id == before.point.id);
	assert_true(hash_equal(&after.point.alh, &before.point.alh));
	assert_int_equal(immu_close(a), IM_OK);
	assert_int_equal(immu_close(b), IM_ERR_STATE_FORKED);
}

/* Somebody restored an old copy of the server. */
static void
server_went_back(void **state)
{
	struct world *w = *state;
	struct immu *c = connect_to(w);
	struct immu_result *r;

	assert_int_equal(get_one(c, "k", "v"), IM_OK);
	assert_int_equal(immu_close(c), IM_OK);
	w->db.last = START - 3;
	c = connect_to(w);
	assert_int_equal(get_one(c, "k", "v"), IM_ERR_STATE_OLDER);
	assert_int_equal(set_one(c, "k", "v"), IM_ERR_STATE_OLDER);
	assert_int_equal(immu_verified_state(c, &r), IM_ERR_STATE_OLDER);
	assert_int_equal(immu_close(c), IM_OK);
	w->db.last = START;
}

static void
state_is_proven(void **state)
{
	struct world *w = *state;
	struct immu *c = connect_to(w);
	struct immu_result *r;

	assert_int_equal(get_one(c, "k", "v"), IM_OK);
	assert_int_equal(immu_verified_state(c, &r), IM_OK);
	assert_true(r->verified && r->state.tx == START);
	immu_result_free(r);
	for (int i = 0; i < 5; i++)
		fake_db_set(&w->db, "k", "w");
	assert_int_equal(immu_verified_state(c, &r), IM_OK);
	assert_true(r->verified && r->state.tx == START + 5 && trusted(c) == START + 5);
	immu_result_free(r);
	/* The next write directly follows it. */
	assert_int_equal(set_one(c, "k", "z"), IM_OK);
	wire.db = &w->fork;
	for (int i = 0; i < 10; i++)
		fake_db_set(&w->fork, "k", "w");
	assert_int_equal(immu_verified_state(c, &r), IM_ERR_STATE_FORKED);
	assert_null(r);
	assert_int_equal(immu_close(c), IM_ERR_STATE_FORKED);
}

static void
damaged_state_file(void **state)
{
	struct world *w = *state;
	struct immu *c = connect_to(w);
	char path[256];

	assert_int_equal(get_one(c, "k", "v"), IM_OK);
	assert_int_equal(immu_close(c), IM_OK);
	snprintf(path, sizeof path, "%s/state-%s-%s", w->folder, SERVER, FAKE_NAME);
	assert_int_equal(file_replace(path, bytes_str("")), IM_OK);
	c = connect_to(w);
	assert_int_equal(get_one(c, "k", "v"), IM_ERR_STATE_CORRUPT);
	assert_int_equal(set_one(c, "k", "v"), IM_ERR_STATE_CORRUPT);
	assert_int_equal(immu_close(c), IM_OK);
}

static void
another_server(void **state)
{
	struct world *w = *state;
	struct immu_options o = {.state_dir = w->folder};
	struct immu *c = connect_to(w);

	assert_int_equal(immu_close(c), IM_OK);
	wire.server_id = OTHER_SERVER;
	assert_int_equal(immu_connect(&o, &c), IM_ERR_IDENTITY_CHANGED);
	assert_null(c);
	o.port = 3399;
	assert_int_equal(immu_connect(&o, &c), IM_OK);
	assert_int_equal(immu_close(c), IM_OK);
}

static void
unsigned_server(void **state)
{
	static const char pem[] =
	    "-----BEGIN PUBLIC KEY-----\n"
	    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPSIZ7zS4JoiCRBUwBFkL+EhpFnFJ\n"
	    "QRF9yj5JvpE61wO+iygMAoj08eY+IAGK1PsNu+CQAlH5Iq0X4L6ZECakPg==\n"
	    "-----END PUBLIC KEY-----\n";
	struct world *w = *state;
	struct immu *c = connect_to(w);
	char path[256];
	struct immu_options o = {.state_dir = w->folder, .pub_key_file = path};
	struct trust_state s;

	assert_int_equal(immu_close(c), IM_OK);
	snprintf(path, sizeof path, "%s/key.pem", w->folder);
	assert_int_equal(immu_connect(&o, &c), IM_ERR_KEY_FILE);
	assert_int_equal(file_replace(path, bytes_str(pem)), IM_OK);
	assert_int_equal(immu_connect(&o, &c), IM_OK);
	assert_int_equal(immu_login(c, "immudb", "immudb", NULL), IM_OK);
	assert_int_equal(get_one(c, "k", "v"), IM_ERR_SIGNATURE_MISSING);
	/* It was not trusted on first use either. */
	assert_int_equal(read_file(w, &s), IM_ERR_NOT_FOUND);
	assert_int_equal(immu_close(c), IM_OK);
}

/* A user without access to the default database is logged in, but must choose one. */
static void
no_database(void **state)
{
	struct world *w = *state;
	struct immu_options o = {.state_dir = w->folder};
	struct immu *c;

	wire.refuses_database = true;
	assert_int_equal(immu_connect(&o, &c), IM_OK);
	assert_int_equal(get_one(c, "k", "v"), IM_ERR_NO_DATABASE);
	assert_int_equal(immu_login(c, "immudb", "immudb", NULL), IM_OK);
	assert_string_equal(immu_database(c), "");
	assert_string_equal(immu_token(c), "token-1");
	assert_int_equal(get_one(c, "k", "v"), IM_ERR_NO_DATABASE);
	assert_int_equal(immu_use(c, "other"), IM_ERR_DATABASE_PERMISSION);
	assert_int_equal(immu_close(c), IM_OK);
	/* One that was asked for by name must be there. */
	o.database = FAKE_NAME;
	assert_int_equal(immu_connect(&o, &c), IM_OK);
	assert_int_equal(immu_login(c, "immudb", "immudb", NULL), IM_ERR_DATABASE_PERMISSION);
	assert_int_equal(immu_close(c), IM_OK);
}

static void
logout_ends_trust(void **state)
{
	struct world *w = *state;
	struct immu *c = connect_to(w);
	struct trust_state s;

	assert_int_equal(set_one(c, "k", "v"), IM_OK);
	assert_int_equal(immu_logout(c), IM_OK);
	assert_string_equal(immu_token(c), "");
	assert_int_equal(read_file(w, &s), IM_OK);
	assert_true(s.point.id == START + 1);
	assert_int_equal(set_one(c, "k", "v"), IM_ERR_NO_DATABASE);
	assert_int_equal(immu_close(c), IM_OK);
}

static void
bad_requests(void **state)
{
	struct world *w = *state;
	struct told told = {.c = connect_to(w)};
	static const char long_key[1024];
	struct immu_kv kvs[2] = {{.key = {long_key, 1024}}, {.key = {long_key, 1023}}};
	struct immu_request r = {.op = IMMU_OP_SCAN, .verified = true};
	struct immu_result *out;

	assert_int_equal(immu_set(told.c, kvs, 0, &out), IM_ERR_NO_ENTRIES);
	assert_int_equal(immu_set(told.c, kvs, 1, &out), IM_ERR_KEY_LENGTH);
	assert_int_equal(immu_set(told.c, kvs, 1025, &out), IM_ERR_TX_ENTRIES);
	assert_int_equal(immu_set(told.c, kvs + 1, 1, &out), IM_OK);
	immu_result_free(out);
	assert_int_equal(immu_get(told.c, immu_str(""), NULL, &out), IM_ERR_NULL_KEY);
	assert_int_equal(immu_tx(told.c, 0, &out), IM_ERR_ARGUMENT);
	assert_int_equal(immu_submit(told.c, &r, done, &told), IM_ERR_ARGUMENT);
	wire.automatic = false;
	for (int i = 0; i < IMMU_DEFAULT_IN_FLIGHT; i++)
		submit_tx(&told, 1);
	r.op = IMMU_OP_STATE;
	assert_int_equal(immu_submit(told.c, &r, done, &told), IM_ERR_WOULD_BLOCK);
	wire_deliver_all();
	assert_int_equal(immu_wait(told.c), IM_OK);
	assert_int_equal(told.ok, IMMU_DEFAULT_IN_FLIGHT);
	assert_int_equal(immu_close(told.c), IM_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(pipeline_of_writes),
	    TEST(pipeline_from_nothing),
	    TEST(answers_out_of_order),
	    TEST(writes_between),
	    TEST(fork_between_results),
	    TEST(fork_at_one_transaction),
	    TEST(writes_answered_in_reverse),
	    TEST(writes_committed_out_of_order),
	    TEST(one_transaction_for_two_writes),
	    TEST(close_cancels),
	    TEST(first_contact_is_told),
	    TEST(states_are_merged),
	    TEST(fork_between_processes),
	    TEST(server_went_back),
	    TEST(state_is_proven),
	    TEST(damaged_state_file),
	    TEST(another_server),
	    TEST(unsigned_server),
	    TEST(no_database),
	    TEST(logout_ends_trust),
	    TEST(bad_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
