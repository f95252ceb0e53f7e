#ifndef STORE_RANGE_MEMO_H
#define STORE_RANGE_MEMO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "crypto/hash.h"

/*
 * Roots of the ragged ranges of the tree asked for last. Those of one size end at its right edge,
 * and every proof of that size needs the same few. What is in it never changes, because the tree
 * only grows. Any thread.
 */
#define RANGE_MEMO_SLOTS 128u

struct range_memo {
	pthread_mutex_t lock;
	struct range_memo_slot {
		uint64_t lo;
		uint64_t hi; /* 0: free */
		struct hash root;
	} slots[RANGE_MEMO_SLOTS];
};

void range_memo_init(struct range_memo *m);
void range_memo_free(struct range_memo *m);

/* Keeps the root of the leaves (lo, hi] in place of another one. */
void range_memo_put(struct range_memo *m, uint64_t lo, uint64_t hi, const struct hash *root);

/* The root of (lo, hi], lo < hi; false when it is not here. */
bool range_memo_get(struct range_memo *m, uint64_t lo, uint64_t hi, struct hash *root);

#endif
