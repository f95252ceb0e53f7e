/* The store of claims: what it keeps, and what strangers can do to it. */
#include "peer_claims.h"
#include "peer_states.h"

struct taken {
	size_t len;
	char hosts[64][PEERS_ADDRESS_MAX];
	struct peer_state states[64];
};

static void
take(void *arg, const char *peer, const struct peer_state *state)
{
	struct taken *t = arg;

	assert_true(t->len < 64);
	snprintf(t->hosts[t->len], PEERS_ADDRESS_MAX, "%s", peer);
	t->states[t->len++] = *state;
}

static void
add(struct peer_claims *c, const char *host, const char *database, uint64_t tx)
{
	struct peer_state s = state_of(database, tx);

	assert_int_equal(peer_claims_add(c, host, &s), 0);
}

/* The same said again is one claim; what differs in anything is another. */
static void
keeps_what_differs(void **state)
{
	struct peer_claims c = {0};
	struct taken t = {0};
	struct peer_state s = state_of("defaultdb", 7), want;

	(void)state;
	add(&c, "10.0.0.1", "defaultdb", 7);
	add(&c, "10.0.0.1", "defaultdb", 7);
	add(&c, "10.0.0.2", "defaultdb", 7);
	add(&c, "10.0.0.1", "other", 7);
	s.alh.b[31] ^= 1;
	assert_int_equal(peer_claims_add(&c, "10.0.0.1", &s), 0);
	snprintf(s.server_id, sizeof s.server_id, "another");
	assert_int_equal(peer_claims_add(&c, "10.0.0.1", &s), 0);
	peer_claims_each(&c, SERVER_ID, take, &t);
	assert_int_equal(t.len, 4);
	assert_int_equal(c.len, 5);
	want = state_of("defaultdb", 7);
	assert_state(&t.states[0], &want);
	assert_string_equal(t.hosts[0], "10.0.0.1");
	want = state_of("other", 7);
	assert_state(&t.states[1], &want);
	assert_string_equal(t.hosts[3], "10.0.0.2");
	peer_claims_clear(&c);
	t.len = 0;
	peer_claims_each(&c, SERVER_ID, take, &t);
	assert_int_equal(t.len, 0);
}

/* Of one host about one database only the last few. */
static void
keeps_the_last_of_a_database(void **state)
{
	struct peer_claims c = {0};
	struct taken t = {0};

	(void)state;
	add(&c, "10.0.0.1", "other", 1);
	for (uint64_t tx = 1; tx <= 100; tx++)
		add(&c, "10.0.0.1", "defaultdb", tx);
	peer_claims_each(&c, SERVER_ID, take, &t);
	assert_int_equal(t.len, 1 + PEERS_CLAIMS_OF_ONE);
	assert_string_equal(t.states[0].database, "other");
	for (size_t i = 1; i < t.len; i++)
		assert_true(t.states[i].tx == 100 - PEERS_CLAIMS_OF_ONE + i);
	peer_claims_clear(&c);
}

/* Who says too much loses its own oldest claims, not those of others. */
static void
one_cannot_displace_others(void **state)
{
	struct peer_claims c = {0};
	struct taken t = {0};
	char database[REPORT_NAME_MAX];
	struct peer_state s;
	size_t lost = 0;

	(void)state;
	add(&c, "10.0.0.1", "defaultdb", 7);
	for (size_t i = 0; i < PEERS_CLAIMS_MAX + 1000; i++) {
		snprintf(database, sizeof database, "db%zu", i);
		s = state_of(database, i + 1);
		lost += peer_claims_add(&c, "10.0.0.66", &s);
	}
	assert_int_equal(c.len, PEERS_CLAIMS_MAX);
	assert_int_equal(lost, 1001);
	s = state_of("other", 8);
	assert_int_equal(peer_claims_add(&c, "10.0.0.1", &s), 1);
	assert_int_equal(c.senders_len, 2);
	/* Only those of the first one. */
	c.senders_len = 1;
	peer_claims_each(&c, SERVER_ID, take, &t);
	c.senders_len = 2;
	assert_int_equal(t.len, 2);
	peer_claims_clear(&c);
}

static void
hosts_are_bounded(void **state)
{
	struct peer_claims c = {0};
	struct peer_state s = state_of("defaultdb", 7);
	char host[32];

	(void)state;
	for (unsigned int i = 0; i < PEERS_SENDERS_MAX; i++) {
		snprintf(host, sizeof host, "10.0.0.%u", i);
		assert_int_equal(peer_claims_add(&c, host, &s), 0);
	}
	assert_int_equal(peer_claims_add(&c, "10.0.1.1", &s), 1);
	assert_int_equal(c.len, PEERS_SENDERS_MAX);
	add(&c, "10.0.0.0", "defaultdb", 8);
	peer_claims_clear(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_what_differs),
	    cmocka_unit_test(keeps_the_last_of_a_database),
	    cmocka_unit_test(one_cannot_displace_others),
	    cmocka_unit_test(hosts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
