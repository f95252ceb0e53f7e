#ifndef SHOW_H
#define SHOW_H

#include "client/immu.h"
#include "util/output.h"

/* How results look; the same fields as text blocks and as JSON. */

/* One version of a key. verified is shown only if it is true. */
void show_entry(struct output *o, const struct immu_entry *entry, bool verified);

/* A state of a database. */
void show_state(struct output *o, const struct immu_state *state, bool verified);

static inline struct bytes
show_bytes(struct immu_bytes b)
{
	return bytes_of(b.data, b.len);
}

#endif
