#ifndef SERVER_STREAM_READER_H
#define SERVER_STREAM_READER_H

#include <stdbool.h>

#include "util/bytes.h"
#include "util/err.h"

/*
 * The messages in the content of a stream: each is a u64 length and so many bytes (PROTOCOL.md,
 * section 8).
 */
struct stream_reader {
	uint8_t *data;
	size_t len;
	size_t at; /* of the next message */
};

static inline bool
stream_has_more(const struct stream_reader *r)
{
	return r->at < r->len;
}

/*
 * The next message, a view into the content. IM_ERR_STREAM_MISSING when there is none,
 * IM_ERR_STREAM_SHORT when its length does not fit what is there.
 */
enum im_err stream_next(struct stream_reader *r, struct bytes *out);

/*
 * The same with a prefix byte put before it, in the place of the length that was just read: the raw
 * form of a key or a value, without copying it.
 */
enum im_err stream_next_raw(struct stream_reader *r, uint8_t prefix, struct bytes *out);

/*
 * A message that is one big-endian number of 8 bytes. IM_ERR_ARGUMENT when it has another length.
 */
enum im_err stream_next_u64(struct stream_reader *r, uint64_t *out);

#endif
