/*
 * The calling thread's batch: the connections that it has put output on and not yet written to.
 *
 * Invariants: a batch holds a reference on each link in it, and each link once; a link that finds no
 * room is written to at once.
 */
#include "rpc/batch.h"

#include <assert.h>

#include "rpc/link.h"

#define BATCH_LINKS 64

static _Thread_local struct {
	unsigned depth;
	unsigned count;
	struct link *links[BATCH_LINKS];
} batch;

void
rpc_batch_begin(void)
{
	batch.depth++;
}

void
rpc_batch_end(void)
{
	assert(batch.depth > 0);
	if (batch.depth > 1) {
		batch.depth--;
		return;
	}
	/* A flush may close a link, whose owner may send on others: those go out at once. */
	batch.depth = 0;
	while (batch.count > 0) {
		struct link *l = batch.links[--batch.count];

		link_flush(l);
		link_unref(l);
	}
}

bool
batch_add(struct link *l)
{
	if (batch.depth == 0)
		return false;
	for (unsigned i = batch.count; i > 0; i--)
		if (batch.links[i - 1] == l)
			return true;
	if (batch.count == BATCH_LINKS)
		return false;
	link_ref(l);
	batch.links[batch.count++] = l;
	return true;
}
