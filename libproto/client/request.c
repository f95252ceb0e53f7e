/*
 * What is asked of the server, by operation. request_write.c and request_read.c turn the public
 * request into a message; this file picks the one, and asks for the proofs that link states.
 *
 * Limits that the server would refuse anyway are checked here first, so that a caller learns which
 * key it was.
 */
#include "client/request.h"

#include <stdlib.h>

#include "crypto/rawkey.h"

enum im_err
request_start(struct call *call, enum rpc_method_id method, const ProtobufCMessage *message)
{
	struct rpc_call rpc_call = client_rpc_call(call->c, method, message);

	return rpc_call_start(call->c->rpc, &rpc_call, call_answered, call);
}

enum im_err
request_check_key(struct immu_bytes key)
{
	if (key.len == 0)
		return err_set(IM_ERR_NULL_KEY, "%s", err_text(IM_ERR_NULL_KEY));
	if (key.len > USER_KEY_MAX)
		return err_set(IM_ERR_KEY_LENGTH, "%s: %zu bytes, the limit is %u",
		    err_text(IM_ERR_KEY_LENGTH), key.len, USER_KEY_MAX);
	return IM_OK;
}

enum im_err
request_check_keys(const struct immu_bytes *keys, size_t len)
{
	enum im_err err = IM_OK;

	if (len == 0)
		return err_set(IM_ERR_ARGUMENT, "no keys");
	if (len > TX_ENTRIES_MAX)
		return err_set(IM_ERR_TX_ENTRIES, "%s: %zu keys, the limit is %u",
		    err_text(IM_ERR_TX_ENTRIES), len, TX_ENTRIES_MAX);
	for (size_t i = 0; i < len && !err; i++)
		err = request_check_key(keys[i]);
	return err;
}

ProtobufCBinaryData *
request_keys(struct arena *arena, const struct immu_bytes *keys, size_t len)
{
	ProtobufCBinaryData *out = arena_calloc(arena, len, sizeof *out);

	for (size_t i = 0; out && i < len; i++)
		out[i] = request_binary(keys[i]);
	return out;
}

static enum im_err
send_state(struct call *call, const struct immu_request *r)
{
	(void)r;
	return request_start(call, RPC_METHOD_CurrentState, NULL);
}

static enum im_err
send_server_info(struct call *call, const struct immu_request *r)
{
	(void)r;
	return request_start(call, RPC_METHOD_ServerInfo, NULL);
}

static enum im_err
send_health(struct call *call, const struct immu_request *r)
{
	(void)r;
	return request_start(call, RPC_METHOD_Health, NULL);
}

static enum im_err
send_database_health(struct call *call, const struct immu_request *r)
{
	(void)r;
	return request_start(call, RPC_METHOD_DatabaseHealth, NULL);
}

static enum im_err
send_count_all(struct call *call, const struct immu_request *r)
{
	(void)r;
	return request_start(call, RPC_METHOD_CountAll, NULL);
}

static const struct {
	request_sender *send;
	bool can_verify; /* there is a verified form */
	bool can_prove;  /* of which an offline proof can be kept */
} operations[] = {
    [IMMU_OP_SET] = {request_send_set, true, true},
    [IMMU_OP_GET] = {request_send_get, true, true},
    [IMMU_OP_GET_ALL] = {request_send_get_all},
    [IMMU_OP_SCAN] = {request_send_scan},
    [IMMU_OP_TX] = {request_send_tx, true, true},
    [IMMU_OP_STATE] = {send_state, true},
    [IMMU_OP_SERVER_INFO] = {send_server_info},
    [IMMU_OP_HEALTH] = {send_health},
    [IMMU_OP_EXPORT_TX] = {request_send_export},
    [IMMU_OP_REFERENCE] = {request_send_reference, true, true},
    [IMMU_OP_ZADD] = {request_send_zadd, true, true},
    [IMMU_OP_EXEC_ALL] = {request_send_exec_all},
    [IMMU_OP_DELETE] = {request_send_delete},
    [IMMU_OP_ZSCAN] = {request_send_zscan},
    [IMMU_OP_HISTORY] = {request_send_history},
    [IMMU_OP_COUNT] = {request_send_count},
    [IMMU_OP_COUNT_ALL] = {send_count_all},
    [IMMU_OP_TX_SCAN] = {request_send_tx_scan},
    [IMMU_OP_DATABASE_HEALTH] = {send_database_health},
};

#define OPERATIONS (sizeof operations / sizeof *operations)

enum im_err
request_send(struct call *call, const struct immu_request *request)
{
	if ((size_t)request->op >= OPERATIONS)
		return err_set(IM_ERR_ARGUMENT, "no such operation");
	if (request->verified && !operations[request->op].can_verify)
		return err_set(IM_ERR_ARGUMENT, "this operation has no proof");
	if (request->keep_proof && !(request->verified && operations[request->op].can_prove))
		return err_set(IM_ERR_ARGUMENT, "there is no proof to keep of this operation");
	return operations[request->op].send(call, request);
}

void
request_fill_link(Immudb__Schema__VerifiableTxRequest *m, const struct tx_point *older,
    const struct tx_point *newer)
{
	/* A specification that names no kind of entries leaves all of them out. */
	static Immudb__Schema__EntriesSpec no_entries = IMMUDB__SCHEMA__ENTRIES_SPEC__INIT;

	immudb__schema__verifiable_tx_request__init(m);
	m->entriesspec = &no_entries;
	m->tx = older->id == 0 ? newer->id : older->id;
	m->provesincetx = older->id == 0 ? 0 : newer->id;
}

/* Forgets the answer that was there, before another one is asked for. */
static void
forget_answer(struct call *call)
{
	buf_clear(&call->body);
	free(call->text);
	call->text = NULL;
}

enum im_err
request_send_link(struct call *call, const struct tx_point *older, const struct tx_point *newer)
{
	Immudb__Schema__VerifiableTxRequest m;

	forget_answer(call);
	request_fill_link(&m, older, newer);
	return request_start(call, RPC_METHOD_VerifiableTxById, &m.base);
}

enum im_err
request_send_target(struct call *call)
{
	Immudb__Schema__KeyRequest key = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	Immudb__Schema__VerifiableGetRequest m = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;

	forget_answer(call);
	key.key = (ProtobufCBinaryData){call->key.len, (uint8_t *)(uintptr_t)call->key.data};
	key.attx = call->tx;
	m.keyrequest = &key;
	m.provesincetx = call->from.id;
	return request_start(call, RPC_METHOD_VerifiableGet, &m.base);
}
