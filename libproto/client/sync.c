/*
 * The calls that wait: each submits one request and polls until it is reported. Callbacks of other
 * requests run meanwhile.
 */
#include "client/client.h"

/* Waits until one more request may be in flight. */
static enum im_err
make_room(struct immu *c)
{
	enum im_err err = IM_OK;

	while (c->in_flight >= c->max_in_flight && !err)
		err = immu_poll(c, -1);
	return err;
}

enum im_err
call_begin(struct immu *c, const struct immu_request *request, struct waiter *waiter)
{
	struct call *call;
	enum im_err err;

	if (c->in_callback)
		return err_set(IM_ERR_ARGUMENT, "a callback must not wait");
	err = make_room(c);
	if (err)
		return err;
	call = call_new(c);
	if (!call)
		return err_set(IM_ERR_NOMEM, "out of memory");
	call->waiter = waiter;
	return call_submit(c, request, call);
}

enum im_err
call_await(struct immu *c, struct waiter *waiter, struct immu_result **out)
{
	enum im_err err, poll_err = IM_OK;

	*out = NULL;
	while (!waiter->finished)
		poll_err = immu_poll(c, -1);
	err = waiter->result->public.err;
	if (err)
		err_set(err, "%s", waiter->result->public.error_text);
	/* A state that cannot be written is told by immu_persist(); a forked one must not wait. */
	else if (err_exit_code(poll_err) == IM_EXIT_VERIFICATION)
		err = poll_err;
	if (err)
		immu_result_free(&waiter->result->public);
	else
		*out = &waiter->result->public;
	return err;
}

enum im_err
immu_run(struct immu *c, const struct immu_request *request, struct immu_result **out)
{
	struct waiter waiter = {0};
	enum im_err err = call_begin(c, request, &waiter);

	*out = NULL;
	return err ? err : call_await(c, &waiter, out);
}

enum im_err
immu_set(struct immu *c, const struct immu_kv *kvs, size_t kvs_len, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_SET, .kvs = kvs, .kvs_len = kvs_len};

	return immu_run(c, &request, out);
}

enum im_err
immu_verified_set(
    struct immu *c, const struct immu_kv *kvs, size_t kvs_len, struct immu_result **out)
{
	struct immu_request request = {
	    .op = IMMU_OP_SET, .verified = true, .kvs = kvs, .kvs_len = kvs_len};

	return immu_run(c, &request, out);
}

static enum im_err
get(struct immu *c, struct immu_request *request, const struct immu_version *version,
    struct immu_result **out)
{
	request->op = IMMU_OP_GET;
	request->keys_len = 1;
	if (version)
		request->version = *version;
	return immu_run(c, request, out);
}

enum im_err
immu_get(struct immu *c, struct immu_bytes key, const struct immu_version *version,
    struct immu_result **out)
{
	struct immu_request request = {.keys = &key};

	return get(c, &request, version, out);
}

enum im_err
immu_verified_get(struct immu *c, struct immu_bytes key, const struct immu_version *version,
    struct immu_result **out)
{
	struct immu_request request = {.keys = &key, .verified = true};

	return get(c, &request, version, out);
}

enum im_err
immu_get_all(
    struct immu *c, const struct immu_bytes *keys, size_t keys_len, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_GET_ALL, .keys = keys, .keys_len = keys_len};

	return immu_run(c, &request, out);
}

enum im_err
immu_list(struct immu *c, const struct immu_scan *scan, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_SCAN, .scan = *scan};

	return immu_run(c, &request, out);
}

enum im_err
immu_tx(struct immu *c, uint64_t tx, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_TX, .tx = tx};

	return immu_run(c, &request, out);
}

enum im_err
immu_verified_tx(struct immu *c, uint64_t tx, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_TX, .tx = tx, .verified = true};

	return immu_run(c, &request, out);
}

enum im_err
immu_set_reference(struct immu *c, const struct immu_reference *reference, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_REFERENCE, .reference = *reference};

	return immu_run(c, &request, out);
}

enum im_err
immu_verified_set_reference(
    struct immu *c, const struct immu_reference *reference, struct immu_result **out)
{
	struct immu_request request = {
	    .op = IMMU_OP_REFERENCE, .verified = true, .reference = *reference};

	return immu_run(c, &request, out);
}

enum im_err
immu_zadd(struct immu *c, const struct immu_zadd *zadd, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_ZADD, .zadd = *zadd};

	return immu_run(c, &request, out);
}

enum im_err
immu_verified_zadd(struct immu *c, const struct immu_zadd *zadd, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_ZADD, .verified = true, .zadd = *zadd};

	return immu_run(c, &request, out);
}

enum im_err
immu_exec_all(
    struct immu *c, const struct immu_write *writes, size_t writes_len, struct immu_result **out)
{
	struct immu_request request = {
	    .op = IMMU_OP_EXEC_ALL, .writes = writes, .writes_len = writes_len};

	return immu_run(c, &request, out);
}

enum im_err
immu_delete(
    struct immu *c, const struct immu_bytes *keys, size_t keys_len, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_DELETE, .keys = keys, .keys_len = keys_len};

	return immu_run(c, &request, out);
}

enum im_err
immu_zlist(struct immu *c, const struct immu_zscan *scan, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_ZSCAN, .zscan = *scan};

	return immu_run(c, &request, out);
}

enum im_err
immu_list_history(struct immu *c, const struct immu_history *history, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_HISTORY, .history = *history};

	return immu_run(c, &request, out);
}

enum im_err
immu_count(struct immu *c, struct immu_bytes prefix, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_COUNT, .scan.prefix = prefix};

	return immu_run(c, &request, out);
}

enum im_err
immu_count_all(struct immu *c, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_COUNT_ALL};

	return immu_run(c, &request, out);
}

enum im_err
immu_list_txs(struct immu *c, const struct immu_tx_scan *scan, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_TX_SCAN, .tx_scan = *scan};

	return immu_run(c, &request, out);
}

enum im_err
immu_current_state(struct immu *c, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_STATE};

	return immu_run(c, &request, out);
}

enum im_err
immu_verified_state(struct immu *c, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_STATE, .verified = true};

	return immu_run(c, &request, out);
}

enum im_err
immu_server_info(struct immu *c, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_SERVER_INFO};

	return immu_run(c, &request, out);
}

enum im_err
immu_health(struct immu *c, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_HEALTH};

	return immu_run(c, &request, out);
}

enum im_err
immu_database_health(struct immu *c, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_DATABASE_HEALTH};

	return immu_run(c, &request, out);
}

enum im_err
immu_export_tx(struct immu *c, uint64_t tx, struct immu_result **out)
{
	struct immu_request request = {.op = IMMU_OP_EXPORT_TX, .tx = tx};

	return immu_run(c, &request, out);
}
