#ifndef CRYPTO_TESTING_H
#define CRYPTO_TESTING_H

/* What the tests of the crypto room share. cmocka.h needs the four headers before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "util/err.h"

#define assert_bytes_equal(a, b, n) assert_true(memcmp((a), (b), (n)) == 0)
#define assert_hash(want, got) assert_true(hash_equal((want), (got)))
#define assert_err(want, expr) assert_string_equal(err_name(want), err_name(expr))
#define assert_ok(expr) assert_err(IM_OK, expr)

/* A small reproducible generator (PCG-like); not for secrets. */
static inline uint32_t
random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static inline void
random_fill(uint64_t *state, void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)random_next(state);
}

#endif
