/*
 * What is asked of the server: public requests become messages, and of verified ones a call keeps
 * what the answer will be compared with (verify.h).
 *
 * Limits that the server would refuse anyway are checked here first, so that a caller learns which
 * key it was.
 */
#include <stdlib.h>

#include "client/client.h"
#include "crypto/rawkey.h"

static ProtobufCBinaryData
binary(struct immu_bytes b)
{
	/* protobuf-c does not write through this pointer. */
	return (ProtobufCBinaryData){b.len, (uint8_t *)(uintptr_t)b.data};
}

static enum im_err
check_key(struct immu_bytes key)
{
	if (key.len == 0)
		return err_set(IM_ERR_NULL_KEY, "%s", err_text(IM_ERR_NULL_KEY));
	if (key.len > USER_KEY_MAX)
		return err_set(IM_ERR_KEY_LENGTH, "%s: %zu bytes, the limit is %u",
		    err_text(IM_ERR_KEY_LENGTH), key.len, USER_KEY_MAX);
	return IM_OK;
}

static enum im_err
check_kvs(const struct immu_kv *kvs, size_t len)
{
	enum im_err err = IM_OK;

	if (len == 0)
		return err_set(IM_ERR_NO_ENTRIES, "%s", err_text(IM_ERR_NO_ENTRIES));
	if (len > TX_ENTRIES_MAX)
		return err_set(IM_ERR_TX_ENTRIES, "%s: %zu, the limit is %u",
		    err_text(IM_ERR_TX_ENTRIES), len, TX_ENTRIES_MAX);
	for (size_t i = 0; i < len && !err; i++) {
		err = check_key(kvs[i].key);
		if (!err && kvs[i].value.len > USER_VALUE_MAX)
			err = err_set(IM_ERR_VALUE_LENGTH, "%s: %zu bytes, the limit is %u",
			    err_text(IM_ERR_VALUE_LENGTH), kvs[i].value.len, USER_VALUE_MAX);
	}
	return err;
}

/* Starts the transport's request; its answer goes to the call. */
static enum im_err
start(struct call *call, enum rpc_method_id method, const ProtobufCMessage *message)
{
	struct rpc_call rpc_call = client_rpc_call(call->c, method, message);

	return rpc_call_start(call->c->rpc, &rpc_call, call_answered, call);
}

/* The messages of a list of entries to write; they borrow from kvs. */
struct kv_messages {
	Immudb__Schema__KeyValue kv;
	Immudb__Schema__KVMetadata metadata;
	Immudb__Schema__Expiration expiration;
};

static bool
has_metadata(const struct immu_metadata *md)
{
	return md->deleted || md->non_indexable || md->expires;
}

static void
fill_kv(struct kv_messages *m, const struct immu_kv *kv)
{
	const struct immu_metadata *md = &kv->metadata;

	immudb__schema__key_value__init(&m->kv);
	immudb__schema__kvmetadata__init(&m->metadata);
	immudb__schema__expiration__init(&m->expiration);
	m->kv.key = binary(kv->key);
	m->kv.value = binary(kv->value);
	m->metadata.deleted = md->deleted;
	m->metadata.nonindexable = md->non_indexable;
	m->expiration.expiresat = md->expires_at;
	if (md->expires)
		m->metadata.expiration = &m->expiration;
	if (has_metadata(md))
		m->kv.metadata = &m->metadata;
}

/* Keeps what will be in the transaction: raw keys, metadata and value hashes. */
static enum im_err
remember_written(struct call *call, const struct immu_kv *kvs, size_t len)
{
	struct arena *arena = &call->result->arena;

	call->written = arena_calloc(arena, len, sizeof *call->written);
	call->written_len = len;
	if (!call->written)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < len; i++) {
		const struct immu_metadata *md = &kvs[i].metadata;
		struct kv_metadata hashed = {
		    md->deleted, md->expires, md->expires ? md->expires_at : 0, md->non_indexable};
		struct bytes value[2] = {
		    bytes_of("", 1), bytes_of(kvs[i].value.data, kvs[i].value.len)};
		uint8_t encoded[KV_METADATA_MAX];
		size_t encoded_len = kv_metadata_encode(&hashed, encoded);
		enum im_err err = raw_key_make(
		    arena, bytes_of(kvs[i].key.data, kvs[i].key.len), &call->written[i].key);

		if (err)
			return err;
		call->written[i].md = arena_copy(arena, bytes_of(encoded, encoded_len));
		if (call->written[i].md.len != encoded_len)
			return err_set(IM_ERR_NOMEM, "out of memory");
		hash_parts(value, 2, &call->written[i].hval);
	}
	return IM_OK;
}

static enum im_err
send_set(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__SetRequest m;
	Immudb__Schema__VerifiableSetRequest verifiable;
	struct kv_messages *kvs = NULL;
	Immudb__Schema__KeyValue **pointers = NULL;
	enum im_err err = check_kvs(r->kvs, r->kvs_len);

	call->written_len = r->kvs_len;
	if (!err && call->verified)
		err = remember_written(call, r->kvs, r->kvs_len);
	if (err)
		return err;
	kvs = calloc(r->kvs_len, sizeof *kvs);
	pointers = calloc(r->kvs_len, sizeof *pointers);
	if (!kvs || !pointers) {
		err = err_set(IM_ERR_NOMEM, "out of memory");
		goto out;
	}
	for (size_t i = 0; i < r->kvs_len; i++) {
		fill_kv(&kvs[i], &r->kvs[i]);
		pointers[i] = &kvs[i].kv;
	}
	immudb__schema__set_request__init(&m);
	m.n_kvs = r->kvs_len;
	m.kvs = pointers;
	immudb__schema__verifiable_set_request__init(&verifiable);
	verifiable.setrequest = &m;
	verifiable.provesincetx = call->from.id;
	if (call->verified)
		err = start(call, RPC_METHOD_VerifiableSet, &verifiable.base);
	else
		err = start(call, RPC_METHOD_Set, &m.base);
out:
	free(pointers);
	free(kvs);
	return err;
}

static enum im_err
send_get(struct call *call, const struct immu_request *r)
{
	const struct immu_version *version = &r->version;
	Immudb__Schema__KeyRequest m;
	Immudb__Schema__VerifiableGetRequest verifiable;
	enum im_err err = r->keys_len == 1 ? check_key(r->keys[0]) : IM_ERR_ARGUMENT;

	if (err)
		return err;
	if ((version->at_tx > 0) + (version->since_tx > 0) + (version->revision != 0) > 1)
		return err_set(
		    IM_ERR_ARGUMENT, "only one of tx, since tx and revision can be given");
	call->tx = version->at_tx;
	call->key = arena_copy(&call->result->arena, bytes_of(r->keys[0].data, r->keys[0].len));
	if (call->key.len != r->keys[0].len)
		return err_set(IM_ERR_NOMEM, "out of memory");
	immudb__schema__key_request__init(&m);
	m.key = binary(r->keys[0]);
	m.attx = version->at_tx;
	m.sincetx = version->since_tx;
	m.atrevision = version->revision;
	immudb__schema__verifiable_get_request__init(&verifiable);
	verifiable.keyrequest = &m;
	verifiable.provesincetx = call->from.id;
	if (call->verified)
		return start(call, RPC_METHOD_VerifiableGet, &verifiable.base);
	return start(call, RPC_METHOD_Get, &m.base);
}

static enum im_err
send_get_all(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__KeyListRequest m;
	ProtobufCBinaryData *keys;
	enum im_err err = r->keys_len > 0 ? IM_OK : err_set(IM_ERR_ARGUMENT, "no keys");

	for (size_t i = 0; i < r->keys_len && !err; i++)
		err = check_key(r->keys[i]);
	if (err)
		return err;
	keys = calloc(r->keys_len, sizeof *keys);
	if (!keys)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < r->keys_len; i++)
		keys[i] = binary(r->keys[i]);
	immudb__schema__key_list_request__init(&m);
	m.n_keys = r->keys_len;
	m.keys = keys;
	err = start(call, RPC_METHOD_GetAll, &m.base);
	free(keys);
	return err;
}

static enum im_err
send_scan(struct call *call, const struct immu_request *r)
{
	const struct immu_scan *scan = &r->scan;
	Immudb__Schema__ScanRequest m;

	immudb__schema__scan_request__init(&m);
	m.prefix = binary(scan->prefix);
	m.seekkey = binary(scan->seek);
	m.endkey = binary(scan->end);
	m.inclusiveseek = scan->inclusive_seek;
	m.inclusiveend = scan->inclusive_end;
	m.desc = scan->descending;
	m.limit = scan->limit;
	m.offset = scan->offset;
	m.sincetx = scan->since_tx;
	return start(call, RPC_METHOD_Scan, &m.base);
}

static enum im_err
send_tx(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__TxRequest m;
	Immudb__Schema__VerifiableTxRequest verifiable;

	if (r->tx == 0)
		return err_set(IM_ERR_ARGUMENT, "tx id cannot be 0 (should be bigger than 0)");
	call->tx = r->tx;
	immudb__schema__tx_request__init(&m);
	m.tx = r->tx;
	immudb__schema__verifiable_tx_request__init(&verifiable);
	verifiable.tx = r->tx;
	verifiable.provesincetx = call->from.id;
	if (call->verified)
		return start(call, RPC_METHOD_VerifiableTxById, &verifiable.base);
	return start(call, RPC_METHOD_TxById, &m.base);
}

static enum im_err
send_export(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__ExportTxRequest m;

	if (r->tx == 0)
		return err_set(IM_ERR_ARGUMENT, "tx id cannot be 0 (should be bigger than 0)");
	call->tx = r->tx;
	immudb__schema__export_tx_request__init(&m);
	m.tx = r->tx;
	return start(call, RPC_METHOD_ExportTx, &m.base);
}

enum im_err
request_send(struct call *call, const struct immu_request *request)
{
	bool can_verify = request->op == IMMU_OP_SET || request->op == IMMU_OP_GET ||
	    request->op == IMMU_OP_TX || request->op == IMMU_OP_STATE;

	if (request->verified && !can_verify)
		return err_set(IM_ERR_ARGUMENT, "this operation has no proof");
	switch (request->op) {
	case IMMU_OP_SET:
		return send_set(call, request);
	case IMMU_OP_GET:
		return send_get(call, request);
	case IMMU_OP_GET_ALL:
		return send_get_all(call, request);
	case IMMU_OP_SCAN:
		return send_scan(call, request);
	case IMMU_OP_TX:
		return send_tx(call, request);
	case IMMU_OP_STATE:
		return start(call, RPC_METHOD_CurrentState, NULL);
	case IMMU_OP_SERVER_INFO:
		return start(call, RPC_METHOD_ServerInfo, NULL);
	case IMMU_OP_HEALTH:
		return start(call, RPC_METHOD_Health, NULL);
	case IMMU_OP_EXPORT_TX:
		return send_export(call, request);
	default:
		return err_set(IM_ERR_ARGUMENT, "no such operation");
	}
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

enum im_err
request_send_link(struct call *call, const struct tx_point *older, const struct tx_point *newer)
{
	Immudb__Schema__VerifiableTxRequest m;

	buf_clear(&call->body);
	free(call->text);
	call->text = NULL;
	request_fill_link(&m, older, newer);
	return start(call, RPC_METHOD_VerifiableTxById, &m.base);
}
