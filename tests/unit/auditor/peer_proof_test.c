/*
 * Contradictions among auditors: there and back, what is refused, what is none; and the exchange of
 * them between two auditors over a socket.
 */
#include "peer_proof.h"

#include "libproto/client/fake_db.h"
#include "libproto/client/fake_keys.h"
#include "peer_states.h"

#define ARENA_BYTES (16u << 20)
#define COMMON 3u
#define OLDER 5u
#define NEWER 9u

struct fixture {
	struct arena arena;
	struct fake_db here, there;
	struct sign_public_key *key, *other;
	struct peer_contradiction right;
};

/* A state as the server signs it. */
static struct peer_state
signed_state(const struct fake_db *db, uint64_t tx)
{
	struct tx_point point = fake_db_point(db, tx);
	struct peer_state s = {.server_id = SERVER_ID, .database = FAKE_NAME, .tx = tx};
	struct sign_state state = {bytes_str(FAKE_NAME), tx, point.alh};

	s.alh = point.alh;
	assert_int_equal(sign_make(db->key, &state, s.signature, &s.signature_len), IM_OK);
	return s;
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	arena_init(&f->arena, ARENA_BYTES);
	fake_db_init(&f->here);
	fake_db_init(&f->there);
	for (unsigned int i = 1; i <= NEWER; i++) {
		fake_db_set(&f->here, "k", "value");
		fake_db_set(&f->there, "k", i <= COMMON ? "value" : "another");
	}
	assert_int_equal(
	    sign_private_key_load(bytes_str(fake_private_pem), "test", &f->here.key), IM_OK);
	f->there.key = f->here.key;
	assert_int_equal(sign_public_key_load(bytes_str(fake_public_pem), "test", &f->key), IM_OK);
	assert_int_equal(
	    sign_public_key_load(bytes_str(fake_other_public_pem), "test", &f->other), IM_OK);
	f->right = (struct peer_contradiction){.older = signed_state(&f->here, OLDER),
	    .newer = signed_state(&f->there, NEWER),
	    .link = fake_verifiable_tx(&f->there, &f->arena, OLDER, NEWER)};
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	sign_public_key_free(f->other);
	sign_public_key_free(f->key);
	sign_private_key_free(f->here.key);
	fake_db_free(&f->there);
	fake_db_free(&f->here);
	arena_free(&f->arena);
	free(f);
	return 0;
}

/* Packed and taken apart again; then checked with the keys. */
static enum im_err
check_with(
    struct fixture *f, const struct peer_contradiction *c, const struct peer_proof_keys *keys)
{
	struct peer_contradiction back;
	struct peer_proof *proof = NULL;
	enum im_err err = peer_proof_make(c, &proof);

	if (!err)
		err = peer_proof_read(proof, &f->arena, &back);
	if (!err)
		err = peer_proof_check(&back, keys, &f->arena);
	free(proof);
	return err;
}

static enum im_err
check(struct fixture *f, const struct peer_contradiction *c)
{
	const struct sign_public_key *keys[] = {f->other, f->key};

	return check_with(f, c, &(struct peer_proof_keys){keys, 2});
}

static void
two_histories_are_shown(void **state)
{
	struct fixture *f = *state;
	const struct sign_public_key *other[] = {f->other};
	struct peer_proof *proof = NULL;
	struct peer_contradiction back;

	assert_int_equal(check(f, &f->right), IM_OK);
	assert_int_equal(
	    check_with(f, &f->right, &(struct peer_proof_keys){other, 1}), IM_ERR_SIGNATURE);
	assert_int_equal(
	    check_with(f, &f->right, &(struct peer_proof_keys){NULL, 0}), IM_ERR_SIGNATURE);
	assert_int_equal(peer_proof_make(&f->right, &proof), IM_OK);
	assert_string_equal(proof->database, FAKE_NAME);
	assert_int_equal(peer_proof_read(proof, &f->arena, &back), IM_OK);
	assert_state(&back.older, &f->right.older);
	assert_state(&back.newer, &f->right.newer);
	free(proof);
}

/* Whatever is changed, it shows nothing any more. */
static void
lies_show_nothing(void **state)
{
	struct fixture *f = *state;
	struct peer_contradiction c = f->right;
	Immudb__Schema__DualProof *proof = f->right.link->dualproof;

	/* One history. */
	c.older = signed_state(&f->there, OLDER);
	assert_int_equal(check(f, &c), IM_ERR_PROOF);
	/* A made-up state on either side, whose hash contradicts. */
	c = f->right;
	c.older.alh.b[0] ^= 1;
	assert_int_equal(check(f, &c), IM_ERR_SIGNATURE);
	c = f->right;
	c.newer.alh.b[0] ^= 1;
	assert_int_equal(check(f, &c), IM_ERR_SIGNATURE);
	c = f->right;
	c.newer.signature[c.newer.signature_len - 1] ^= 1;
	assert_int_equal(check(f, &c), IM_ERR_SIGNATURE);
	/* The signature of one database is none of another. */
	c = f->right;
	snprintf(c.older.database, sizeof c.older.database, "other");
	snprintf(c.newer.database, sizeof c.newer.database, "other");
	assert_int_equal(check(f, &c), IM_ERR_SIGNATURE);
	/* A link that does not hold, or is of the older one's own history. */
	c = f->right;
	c.link = fake_verifiable_tx(&f->here, &f->arena, OLDER, NEWER);
	assert_int_equal(check(f, &c), IM_ERR_PROOF);
	assert_true(proof->n_consistencyproof > 0);
	proof->consistencyproof[0].data[0] ^= 1;
	assert_int_equal(check(f, &f->right), IM_ERR_PROOF);
}

static void
malformed_ones_are_refused(void **state)
{
	struct fixture *f = *state;
	struct peer_contradiction c = f->right;
	Immudb__Schema__PeerContradiction *m;
	struct peer_proof *proof = NULL, *kept = NULL;

	c.older.signature_len = 0;
	assert_int_equal(check(f, &c), IM_ERR_FORMAT);
	c = f->right;
	snprintf(c.older.database, sizeof c.older.database, "other");
	assert_int_equal(check(f, &c), IM_ERR_FORMAT);
	c = f->right;
	c.older.tx = NEWER;
	assert_int_equal(check(f, &c), IM_ERR_FORMAT);
	c = f->right;
	c.older.tx = OLDER - 1;
	assert_int_equal(check(f, &c), IM_ERR_FORMAT);
	assert_int_equal(peer_proof_make(&f->right, &proof), IM_OK);
	m = peer_proof_message(proof, &f->arena);
	assert_non_null(m);
	assert_int_equal(peer_proof_keep(m, "another server", &kept), IM_ERR_FORMAT);
	m->proof = NULL;
	assert_int_equal(peer_proof_keep(m, SERVER_ID, &kept), IM_ERR_FORMAT);
	m->newer = NULL;
	assert_int_equal(peer_proof_keep(m, SERVER_ID, &kept), IM_ERR_FORMAT);
	assert_null(kept);
	free(proof);
}

/* One that is too long for a frame is neither made nor kept. */
static void
long_ones_are_refused(void **state)
{
	struct fixture *f = *state;
	static uint8_t hash[HASH_SIZE];
	Immudb__Schema__DualProof *proof = f->right.link->dualproof;
	ProtobufCBinaryData *terms;
	size_t n = PEER_PROOF_MAX / HASH_SIZE;
	struct peer_proof *out = NULL;

	terms = arena_calloc(&f->arena, n, sizeof *terms);
	assert_non_null(terms);
	for (size_t i = 0; i < n; i++)
		terms[i] = (ProtobufCBinaryData){HASH_SIZE, hash};
	proof->consistencyproof = terms;
	proof->n_consistencyproof = n;
	assert_int_equal(peer_proof_make(&f->right, &out), IM_ERR_LIMIT);
	assert_null(out);
}

/* ---- Between two auditors. ---- */

struct auditor {
	struct fixture *f;
	size_t holds, heard;
	char heard_of[PEERS_ADDRESS_MAX];
};

static void
each(void *arg, void (*give)(void *to, const struct peer_state *state), void *to)
{
	give(to, &((struct auditor *)arg)->f->right.older);
}

static void
each_proof(void *arg, void (*give)(void *to, const struct peer_proof *proof), void *to)
{
	struct auditor *a = arg;
	struct peer_proof *proof = NULL;

	assert_int_equal(peer_proof_make(&a->f->right, &proof), IM_OK);
	for (size_t i = 0; i < a->holds; i++)
		give(to, proof);
	free(proof);
}

static void
hear(void *arg, const char *peer, const struct peer_state *state)
{
	(void)arg;
	(void)peer;
	assert_int_equal(state->tx, OLDER);
}

static void
hear_proof(void *arg, const char *peer, struct peer_proof *proof)
{
	const struct sign_public_key *keys[1];
	struct auditor *a = arg;
	struct peer_contradiction c;

	keys[0] = a->f->key;
	assert_int_equal(peer_proof_read(proof, &a->f->arena, &c), IM_OK);
	assert_int_equal(
	    peer_proof_check(&c, &(struct peer_proof_keys){keys, 1}, &a->f->arena), IM_OK);
	snprintf(a->heard_of, sizeof a->heard_of, "%s", peer);
	a->heard++;
	free(proof);
}

/* Both hold some; each hears of the other's, as many as it may be given. */
static void
exchange(struct fixture *f, size_t asks, size_t answers)
{
	struct auditor here = {.f = f, .holds = asks}, there = {.f = f, .holds = answers};
	struct peers_options serving = {
	    .listen = "127.0.0.1:0", .each = each, .each_proof = each_proof, .arg = &there};
	struct peers_options asking = {
	    .each = each, .each_proof = each_proof, .arg = &here, .peers_len = 1};
	char address[PEERS_ADDRESS_MAX];
	const char *peers[] = {address};
	struct peers *server, *client;
	struct peers_counts counts;

	assert_int_equal(peers_start(&serving, &server), IM_OK);
	snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)peers_port(server));
	asking.peers = peers;
	assert_int_equal(peers_start(&asking, &client), IM_OK);
	peers_ask(client, SERVER_ID, &(struct peers_taker){hear, hear_proof, &here});
	peers_take_claims(server, SERVER_ID, &(struct peers_taker){hear, hear_proof, &there});
	peers_counts(client, &counts);
	assert_int_equal(counts.failed, 0);
	assert_int_equal(here.heard, answers < PEERS_PROOFS_MAX ? answers : PEERS_PROOFS_MAX);
	assert_int_equal(there.heard, asks < PEERS_PROOFS_OF_ONE ? asks : PEERS_PROOFS_OF_ONE);
	if (asks > 0)
		assert_string_equal(there.heard_of, "127.0.0.1");
	/* What is not taken is released; nothing is given twice. */
	peers_take_claims(server, SERVER_ID, &(struct peers_taker){hear, hear_proof, &there});
	assert_int_equal(there.heard, asks < PEERS_PROOFS_OF_ONE ? asks : PEERS_PROOFS_OF_ONE);
	peers_ask(client, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	peers_stop(client);
	peers_stop(server);
}

static void
both_ways(void **state)
{
	exchange(*state, 0, 0);
	exchange(*state, 1, 0);
	exchange(*state, 0, 1);
	exchange(*state, 2, 3);
	exchange(*state, PEERS_PROOFS_MAX + 2, PEERS_PROOFS_MAX + 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(two_histories_are_shown),
	    T(lies_show_nothing),
	    T(malformed_ones_are_refused),
	    T(long_ones_are_refused),
	    T(both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
