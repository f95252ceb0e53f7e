#ifndef CRYPTO_CHAIN_H
#define CRYPTO_CHAIN_H

/* A small history in memory, to make proofs from. All of it is in the arena but the tree. */
#include "crypto/ahtree_log.h"
#include "crypto/entry.h"
#include "crypto/proof.h"
#include "util/arena.h"

#define CHAIN_MAX 40
#define CHAIN_ENTRIES 3

struct chain_tx {
	struct tx_header header;
	struct tx_point point;
	struct entry_parts entries[CHAIN_ENTRIES];
	struct hash digests[CHAIN_ENTRIES];
};

struct chain {
	struct arena arena;
	struct ahtree_log log;
	struct chain_tx txs[CHAIN_MAX]; /* [0] is transaction 1 */
	size_t len;
};

void chain_init(struct chain *c);
void chain_free(struct chain *c);

/*
 * Appends one transaction with 1 .. CHAIN_ENTRIES entries and the given link; bl_tx_id is a size of
 * the tree that exists. Version 1 has metadata on some entries and transactions.
 */
void chain_append(struct chain *c, uint16_t version, uint64_t bl_tx_id);

struct proof_source chain_source(struct chain *c);
struct chain_tx *chain_tx(struct chain *c, uint64_t id);

#endif
