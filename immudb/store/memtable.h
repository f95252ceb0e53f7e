#ifndef STORE_MEMTABLE_H
#define STORE_MEMTABLE_H

#include "store/index.h"

/*
 * The versions not yet in a run: a skip list in the order of the index. One writer adds while any
 * number of readers walk without locks. Nodes are never moved nor freed before the table is.
 *
 * What the writer adds while a reader walks is of transactions that the reader must not see; a walk
 * may or may not meet it, and the reader passes over it by its transaction.
 */
struct memtable;
struct memtable_node;

/* An empty table with one reference; expected_entries sizes its filter. IM_ERR_NOMEM. */
enum im_err memtable_create(size_t expected_entries, struct memtable **out);

void memtable_ref(struct memtable *t);

/* Gives a reference back; the last one frees the table. NULL is allowed. */
void memtable_unref(struct memtable *t);

/* Writer. As index_reserve() and index_insert(). */
enum im_err memtable_reserve(struct memtable *t, size_t n, size_t key_bytes);
enum im_err memtable_insert(struct memtable *t, const struct index_entry *entries, size_t n);

/* How many versions it holds, and how much memory it has. Any thread. */
size_t memtable_count(const struct memtable *t);
size_t memtable_bytes(const struct memtable *t);

/* The smallest log position in the table. When nobody writes. */
uint64_t memtable_pos_min(const struct memtable *t);

/* False when no version of the key with this bloom_hash() was added. Any thread. */
bool memtable_may_have(const struct memtable *t, uint64_t hash);

/* The first node at or behind a place (index_key.h), or NULL. Any thread, as all below. */
const struct memtable_node *memtable_seek(const struct memtable *t, struct bytes key, uint64_t tx);

/* The last node before a place, or NULL. */
const struct memtable_node *
memtable_seek_before(const struct memtable *t, struct bytes key, uint64_t tx);

/* The ends of the table, or NULL when it is empty. */
const struct memtable_node *memtable_first(const struct memtable *t);
const struct memtable_node *memtable_last(const struct memtable *t);

/* The neighbours of a node, or NULL. */
const struct memtable_node *memtable_next(const struct memtable_node *node);
const struct memtable_node *
memtable_prev(const struct memtable *t, const struct memtable_node *node);

/* The version in a node; revision is its ordinal among the key's versions in this table. */
void memtable_entry(const struct memtable_node *node, struct index_entry *out);

#endif
