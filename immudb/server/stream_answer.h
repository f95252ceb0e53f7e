#ifndef SERVER_STREAM_ANSWER_H
#define SERVER_STREAM_ANSWER_H

#include "server/call.h"

/*
 * An answer that is a stream of messages (PROTOCOL.md, section 8), made in the read pool entry by
 * entry as the client takes them: while it takes none, no thread is held, and no more than one
 * entry.
 */

/* Messages of one entry, at most. */
#define STREAM_MESSAGES_MAX 5u

/* Lives in the arena of its call. */
struct stream_answer {
	struct call *call;
	/*
	 * Adds the messages of the next entry with stream_answer_add(); what it takes from the
	 * arena of the call is given back before the next time. IM_ERR_NOT_FOUND at the end, or
	 * what the call ends with.
	 */
	enum im_err (*next)(struct stream_answer *s);
	/* Releases what the stream holds besides the arena; once, in any case. NULL: nothing. */
	void (*close)(struct stream_answer *s);
	struct workers *pool; /* where it goes on; NULL: the read pool */

	/*
	 * Private: what of the present entry is still to be sent, each message behind its length.
	 */
	struct arena_mark mark;
	struct bytes parts[2 * STREAM_MESSAGES_MAX];
	uint8_t lengths[STREAM_MESSAGES_MAX][sizeof(uint64_t)];
	size_t nparts, part;
	size_t entry_bytes, charged;
};

/*
 * Starts to answer with the stream, in a pool: returns CALL_PENDING, or the error that nothing has
 * begun because of; then it is closed.
 */
enum im_err stream_answer_start(struct call *c, struct stream_answer *s);

/* One more message of the present entry; it stays in the arena or lives longer. */
void stream_answer_add(struct stream_answer *s, struct bytes message);

#endif
