#ifndef TESTS_PEER_STATES_H
#define TESTS_PEER_STATES_H

/* States for the tests of the exchange among auditors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "peers.h"

#define SERVER_ID "c0ffee0123456789abcd"

/* A state whose hash is made of the number; signed when the number is odd. */
static inline struct peer_state
state_of(const char *database, uint64_t tx)
{
	struct peer_state s = {
	    .server_id = SERVER_ID, .tx = tx, .seen_at = 1700000000 + (int64_t)tx};

	snprintf(s.database, sizeof s.database, "%s", database);
	memset(s.alh.b, (int)tx, sizeof s.alh.b);
	if (tx % 2 == 0)
		return s;
	s.signature_len = 70;
	memset(s.signature, (int)tx + 1, s.signature_len);
	return s;
}

static inline void
assert_state(const struct peer_state *a, const struct peer_state *b)
{
	assert_string_equal(a->server_id, b->server_id);
	assert_string_equal(a->database, b->database);
	assert_true(a->tx == b->tx);
	assert_true(hash_equal(&a->alh, &b->alh));
	assert_true(bytes_equal(
	    bytes_of(a->signature, a->signature_len), bytes_of(b->signature, b->signature_len)));
	assert_true(a->seen_at == b->seen_at);
}

#endif
