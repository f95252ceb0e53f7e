/*
 * The calling thread's batch: the connections that it has put output on and not yet written to.
 *
 * Invariants: a batch holds a reference on each link in it, and each link once; a link that finds
 * no room is written to at once.
 */
#include "rpc/batch.h"

#include <assert.h>

#include "rpc/link.h"

#define BATCH_LINKS 64
/* Different things to be done at the end of one batch. */
#define BATCH_ENDINGS 8

struct batch_ending {
	void (*fn)(void *ctx);
	void *ctx;
};

static _Thread_local struct {
	unsigned depth;
	unsigned count;
	unsigned endings_count;
	struct link *links[BATCH_LINKS];
	struct batch_ending endings[BATCH_ENDINGS];
} batch;

bool
rpc_batch_has_end(void (*fn)(void *ctx), void *ctx)
{
	for (unsigned i = 0; i < batch.endings_count; i++)
		if (batch.endings[i].fn == fn && batch.endings[i].ctx == ctx)
			return true;
	return false;
}

bool
rpc_batch_at_end(void (*fn)(void *ctx), void *ctx)
{
	if (rpc_batch_has_end(fn, ctx))
		return true;
	if (batch.depth == 0 || batch.endings_count == BATCH_ENDINGS)
		return false;
	batch.endings[batch.endings_count++] = (struct batch_ending){fn, ctx};
	return true;
}

/* What is done here may send on links of the batch, too. */
static void
batch_run_endings(void)
{
	while (batch.endings_count > 0) {
		struct batch_ending e = batch.endings[--batch.endings_count];

		e.fn(e.ctx);
	}
}

void
rpc_batch_flush(void)
{
	while (batch.count > 0) {
		struct link *l = batch.links[--batch.count];

		link_flush(l);
		link_unref(l);
	}
}

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
	batch_run_endings();
	/* A flush may close a link, whose owner may send on others: those go out at once. */
	batch.depth = 0;
	rpc_batch_flush();
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
