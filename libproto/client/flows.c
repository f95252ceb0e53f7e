/*
 * Large values: from a source into a write, and from a read into a sink.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/request.h"
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

/* Nothing of a value is given away before all of it is proven, so all of it is held. */
static enum im_err
get_verified(struct immu *c, const struct immu_outflow *flow, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_GET,
	    .verified = true,
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

/* The length of the next message of a stream, which must be there. */
static enum im_err
next_len(struct rpc_stream *s, uint64_t max, size_t *len)
{
	uint64_t n;
	enum im_err err = rpc_stream_next(s, &n);

	if (err == IM_ERR_NOT_FOUND)
		return err_set(IM_ERR_PROTOCOL, "the server's stream ends too early");
	if (!err && n > max)
		return err_set(IM_ERR_PROTOCOL, "the server's stream has a part of %llu bytes",
		    (unsigned long long)n);
	*len = (size_t)n;
	return err;
}

static enum im_err
take_key(struct rpc_stream *s, struct arena *arena, struct immu_entry *entry)
{
	size_t len;
	uint8_t *key;
	enum im_err err = next_len(s, USER_KEY_MAX, &len);

	if (err)
		return err;
	key = arena_alloc(arena, len + 1);
	if (!key)
		return err_set(IM_ERR_NOMEM, "out of memory");
	entry->key = (struct immu_bytes){key, len};
	return rpc_stream_read(s, key, len);
}

/* Passes the value on as it comes. */
static enum im_err
take_value(struct rpc_stream *s, const struct immu_outflow *flow, struct immu_entry *entry)
{
	size_t left;
	uint8_t *part;
	enum im_err err = next_len(s, USER_VALUE_MAX, &left);

	if (err)
		return err;
	part = malloc(FLOW_PART_BYTES);
	if (!part)
		return err_set(IM_ERR_NOMEM, "out of memory");
	entry->value.len = left;
	while (!err && left > 0) {
		size_t len = left < FLOW_PART_BYTES ? left : FLOW_PART_BYTES;

		err = rpc_stream_read(s, part, len);
		if (!err)
			err = flow->write(flow->arg, (struct immu_bytes){part, len});
		left -= len;
	}
	free(part);
	return err;
}

/* A value that nothing proves, as a stream. */
static enum im_err
get_streamed(struct immu *c, const struct immu_outflow *flow, struct result *r)
{
	struct immu_entry *entry = arena_calloc(&r->arena, 1, sizeof *entry);
	Immudb__Schema__KeyRequest m;
	struct rpc_stream *s = NULL;
	enum im_err err = request_fill_get(flow->key, &flow->version, &m);

	if (!err && !entry)
		err = err_set(IM_ERR_NOMEM, "out of memory");
	if (!err) {
		struct rpc_call call = client_rpc_call(c, RPC_METHOD_StreamGet, &m.base);

		err = rpc_stream_open(c->rpc, &call, &s);
	}
	if (!err)
		err = take_key(s, &r->arena, entry);
	if (!err)
		err = take_value(s, flow, entry);
	r->public.entries = entry;
	r->public.entries_len = 1;
	rpc_stream_close(s);
	return err;
}

enum im_err
immu_get_into(struct immu *c, const struct immu_outflow *flow, struct immu_result **out)
{
	struct result *r;
	enum im_err err;

	*out = NULL;
	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	if (flow->verified)
		return get_verified(c, flow, out);
	r = result_new(c);
	if (!r)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = get_streamed(c, flow, r);
	if (err)
		immu_result_free(&r->public);
	else
		*out = &r->public;
	return err;
}
