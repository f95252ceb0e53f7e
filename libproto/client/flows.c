/*
 * Large values: from a source into a write, and from a read into a sink.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/client.h"
#include "crypto/rawkey.h"

/* Bytes asked of a source, and given to a sink, at a time. */
#define FLOW_PART_BYTES ((size_t)256 * 1024)

enum im_err
immu_read_fd(void *arg, void *to, size_t size, size_t *len)
{
	ssize_t n;

	do {
		n = read(*(const int *)arg, to, size);
	} while (n < 0 && errno == EINTR);
	*len = n > 0 ? (size_t)n : 0;
	return n < 0 ? err_set_errno(IM_ERR_IO, "read", "the value") : IM_OK;
}

enum im_err
immu_write_fd(void *arg, struct immu_bytes part)
{
	const uint8_t *from = part.data;
	size_t left = part.len;

	while (left > 0) {
		ssize_t n = write(*(const int *)arg, from, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(IM_ERR_IO, "write", "the value");
		from += n;
		left -= (size_t)n;
	}
	return IM_OK;
}

/* Everything that the source gives. */
static enum im_err
collect(const struct immu_inflow *flow, struct buf *value)
{
	size_t len = 1;
	enum im_err err = IM_OK;

	while (!err && len > 0) {
		uint8_t *to = buf_reserve(value, FLOW_PART_BYTES);

		if (!to)
			return err_set(value->err, "%s", err_text(value->err));
		len = 0;
		err = flow->read(flow->arg, to, FLOW_PART_BYTES, &len);
		if (!err && len > FLOW_PART_BYTES)
			return err_set(
			    IM_ERR_ARGUMENT, "the source gave more than it was asked for");
		value->len += len;
		if (!err && value->len > USER_VALUE_MAX)
			return err_set(IM_ERR_VALUE_LENGTH, "%s: the limit is %u bytes",
			    err_text(IM_ERR_VALUE_LENGTH), USER_VALUE_MAX);
	}
	return err;
}

enum im_err
immu_set_from(struct immu *c, const struct immu_inflow *flow, struct immu_result **out)
{
	struct immu_kv kv = {.key = flow->key, .metadata = flow->metadata};
	struct immu_request request = {
	    .op = IMMU_OP_SET, .verified = flow->verified, .kvs = &kv, .kvs_len = 1};
	struct buf value;
	enum im_err err;

	*out = NULL;
	buf_init(&value, USER_VALUE_MAX + 2 * FLOW_PART_BYTES);
	err = collect(flow, &value);
	if (!err) {
		kv.value = (struct immu_bytes){value.data, value.len};
		err = immu_run(c, &request, out);
	}
	buf_free(&value);
	return err;
}

static enum im_err
pour(const struct immu_outflow *flow, struct immu_bytes value)
{
	const uint8_t *from = value.data;
	enum im_err err = IM_OK;

	while (!err && value.len > 0) {
		size_t len = value.len < FLOW_PART_BYTES ? value.len : FLOW_PART_BYTES;

		err = flow->write(flow->arg, (struct immu_bytes){from, len});
		from += len;
		value.len -= len;
	}
	return err;
}

enum im_err
immu_get_into(struct immu *c, const struct immu_outflow *flow, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_GET,
	    .verified = flow->verified,
	    .keys = &flow->key,
	    .keys_len = 1,
	    .version = flow->version};
	struct immu_entry *entry;
	enum im_err err = immu_run(c, &request, out);

	if (err)
		return err;
	entry = (struct immu_entry *)(uintptr_t)(*out)->entries;
	err = pour(flow, entry->value);
	entry->value.data = NULL;
	if (err) {
		immu_result_free(*out);
		*out = NULL;
	}
	return err;
}
