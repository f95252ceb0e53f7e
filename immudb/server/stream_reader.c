/*
 * Taking the messages of a stream apart, for the handlers of methods that write by stream.
 *
 * Invariant: nothing before at is looked at again, so that stream_next_raw() may overwrite it.
 */
#include "server/stream_reader.h"

#define STREAM_LENGTH_SIZE sizeof(uint64_t)

enum im_err
stream_next(struct stream_reader *r, struct bytes *out)
{
	size_t left = r->len - r->at;
	uint64_t len;

	if (left == 0)
		return IM_ERR_STREAM_MISSING;
	if (left < STREAM_LENGTH_SIZE)
		return IM_ERR_STREAM_SHORT;
	len = be64_get(r->data + r->at);
	if (len > left - STREAM_LENGTH_SIZE)
		return IM_ERR_STREAM_SHORT;
	*out = bytes_of(r->data + r->at + STREAM_LENGTH_SIZE, (size_t)len);
	r->at += STREAM_LENGTH_SIZE + (size_t)len;
	return IM_OK;
}

enum im_err
stream_next_raw(struct stream_reader *r, uint8_t prefix, struct bytes *out)
{
	uint8_t *length = r->data + r->at;
	enum im_err err = stream_next(r, out);

	if (err != IM_OK)
		return err;
	length[STREAM_LENGTH_SIZE - 1] = prefix;
	*out = bytes_of(length + STREAM_LENGTH_SIZE - 1, out->len + 1);
	return IM_OK;
}

enum im_err
stream_next_u64(struct stream_reader *r, uint64_t *out)
{
	struct bytes message;
	enum im_err err = stream_next(r, &message);

	if (err != IM_OK)
		return err;
	if (message.len != sizeof *out)
		return err_set(IM_ERR_ARGUMENT, "%s: a number has %zu bytes instead of %zu",
		    err_text(IM_ERR_ARGUMENT), message.len, sizeof *out);
	*out = be64_get(message.data);
	return IM_OK;
}
