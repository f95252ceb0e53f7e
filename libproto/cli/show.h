#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "client/immu.h"
#include "util/output.h"

/*
 * How results look; the same fields as text blocks and as JSON. verified is shown only if it is
 * true. Each function prints one record, at the top level or in a list that is open.
 */

/* One version of a key, as get and scan find it; if through a reference, which. */
void show_entry(struct output *o, const struct immu_entry *entry, bool verified);

/* One version in the history of a key: a value, a reference, a deletion. */
void show_version(struct output *o, const struct immu_entry *entry);

/* A member of a sorted set with the value of its key. */
void show_member(struct output *o, const struct immu_zentry *member);

/* What a reference or a member of a sorted set was written as. */
void show_reference(
    struct output *o, const struct immu_reference *reference, uint64_t tx, bool verified);
void show_zadd(struct output *o, const struct immu_zadd *zadd, uint64_t tx, bool verified);

/* An entry of a transaction, as the transaction holds it. */
void show_tx_entry(struct output *o, const struct immu_tx_entry *entry);

/* The fields of a transaction in the record that is open. */
void show_header_fields(struct output *o, const struct immu_header *header);

/* A state of a database. */
void show_state(struct output *o, const struct immu_state *state, bool verified);

/* Marks, if there are any: as text one line, as JSON fields of their own. The record is open. */
void show_metadata_fields(struct output *o, const struct immu_metadata *md);

static inline struct bytes
show_bytes(struct immu_bytes b)
{
	return bytes_of(b.data, b.len);
}

#endif
