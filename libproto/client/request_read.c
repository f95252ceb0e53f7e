/*
 * Requests that read: by key, by range, by set, by transaction. Of verified ones the call keeps the
 * key or transaction that was asked for.
 */
#include <stdlib.h>

#include "client/request.h"
#include "crypto/rawkey.h"
#include "rpc/message.h"

/* The number of ZScanRequest.seekScore. */
#define ZSCAN_SEEK_SCORE_FIELD 3

enum im_err
request_fill_get(
    struct immu_bytes key, const struct immu_version *version, Immudb__Schema__KeyRequest *m)
{
	enum im_err err = request_check_key(key);

	if (err)
		return err;
	if ((version->at_tx > 0) + (version->since_tx > 0) + (version->revision != 0) > 1)
		return err_set(
		    IM_ERR_ARGUMENT, "only one of tx, since tx and revision can be given");
	immudb__schema__key_request__init(m);
	m->key = request_binary(key);
	m->attx = version->at_tx;
	m->sincetx = version->since_tx;
	m->atrevision = version->revision;
	return IM_OK;
}

enum im_err
request_send_get(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__KeyRequest m;
	Immudb__Schema__VerifiableGetRequest verifiable =
	    IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;
	enum im_err err;

	if (r->keys_len != 1)
		return err_set(IM_ERR_ARGUMENT, "one key is read at a time");
	err = request_fill_get(r->keys[0], &r->version, &m);
	if (err)
		return err;
	call->tx = r->version.at_tx;
	call->key = arena_copy(&call->result->arena, request_bytes(r->keys[0]));
	if (call->key.len != r->keys[0].len)
		return err_set(IM_ERR_NOMEM, "out of memory");
	m.nowait = r->no_wait;
	verifiable.keyrequest = &m;
	verifiable.provesincetx = call->from.id;
	if (call->verified)
		return request_start(call, RPC_METHOD_VerifiableGet, &verifiable.base);
	return request_start(call, RPC_METHOD_Get, &m.base);
}

enum im_err
request_send_get_all(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__KeyListRequest m = IMMUDB__SCHEMA__KEY_LIST_REQUEST__INIT;
	enum im_err err = r->keys_len > 0 ? IM_OK : err_set(IM_ERR_ARGUMENT, "no keys");

	for (size_t i = 0; i < r->keys_len && !err; i++)
		err = request_check_key(r->keys[i]);
	if (err)
		return err;
	m.keys = calloc(r->keys_len, sizeof *m.keys);
	if (!m.keys)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < r->keys_len; i++)
		m.keys[i] = request_binary(r->keys[i]);
	m.n_keys = r->keys_len;
	m.sincetx = r->since_tx;
	err = request_start(call, RPC_METHOD_GetAll, &m.base);
	free(m.keys);
	return err;
}

enum im_err
request_send_scan(struct call *call, const struct immu_request *r)
{
	const struct immu_scan *scan = &r->scan;
	Immudb__Schema__ScanRequest m = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;

	m.prefix = request_binary(scan->prefix);
	m.seekkey = request_binary(scan->seek);
	m.endkey = request_binary(scan->end);
	m.inclusiveseek = scan->inclusive_seek;
	m.inclusiveend = scan->inclusive_end;
	m.desc = scan->descending;
	m.limit = scan->limit;
	m.offset = scan->offset;
	m.sincetx = scan->since_tx;
	m.nowait = r->no_wait;
	return request_start(call, RPC_METHOD_Scan, &m.base);
}

enum im_err
request_send_zscan(struct call *call, const struct immu_request *r)
{
	const struct immu_zscan *scan = &r->zscan;
	Immudb__Schema__ZScanRequest m = IMMUDB__SCHEMA__ZSCAN_REQUEST__INIT;
	Immudb__Schema__Score min = IMMUDB__SCHEMA__SCORE__INIT;
	Immudb__Schema__Score max = IMMUDB__SCHEMA__SCORE__INIT;
	enum im_err err = request_check_key(scan->set);

	if (err)
		return err;
	if (!zset_score_is_valid(scan->seek_score) ||
	    (scan->has_min_score && !zset_score_is_valid(scan->min_score)) ||
	    (scan->has_max_score && !zset_score_is_valid(scan->max_score)))
		return err_set(IM_ERR_ARGUMENT, "a score must be a number");
	min.score = scan->min_score;
	max.score = scan->max_score;
	m.set = request_binary(scan->set);
	m.seekkey = request_binary(scan->seek_key);
	m.seekscore = scan->seek_score;
	m.seekattx = scan->seek_at_tx;
	m.inclusiveseek = scan->inclusive_seek;
	m.desc = scan->descending;
	m.minscore = scan->has_min_score ? &min : NULL;
	m.maxscore = scan->has_max_score ? &max : NULL;
	m.limit = scan->limit;
	m.offset = scan->offset;
	m.sincetx = scan->since_tx;
	m.nowait = r->no_wait;
	if (!message_keep_negative_zero(
		&call->result->arena, &m.base, ZSCAN_SEEK_SCORE_FIELD, scan->seek_score))
		return err_set(IM_ERR_NOMEM, "out of memory");
	return request_start(call, RPC_METHOD_ZScan, &m.base);
}

enum im_err
request_send_history(struct call *call, const struct immu_request *r)
{
	const struct immu_history *history = &r->history;
	Immudb__Schema__HistoryRequest m = IMMUDB__SCHEMA__HISTORY_REQUEST__INIT;
	enum im_err err = request_check_key(history->key);

	if (err)
		return err;
	if (history->limit > INT32_MAX)
		return err_set(IM_ERR_RESULT_LIMIT, "%s: %llu", err_text(IM_ERR_RESULT_LIMIT),
		    (unsigned long long)history->limit);
	m.key = request_binary(history->key);
	m.offset = history->offset;
	m.limit = (int32_t)history->limit;
	m.desc = history->descending;
	m.sincetx = history->since_tx;
	return request_start(call, RPC_METHOD_History, &m.base);
}

enum im_err
request_send_count(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__KeyPrefix m = IMMUDB__SCHEMA__KEY_PREFIX__INIT;

	m.prefix = request_binary(r->scan.prefix);
	return request_start(call, RPC_METHOD_Count, &m.base);
}

/* The specification of a message and its parts. */
struct spec_message {
	Immudb__Schema__EntriesSpec m;
	Immudb__Schema__EntryTypeSpec kv, z, other;
};

static Immudb__Schema__EntryTypeAction
action_of(enum immu_show show)
{
	static const Immudb__Schema__EntryTypeAction actions[] = {
	    [IMMU_SHOW_NONE] = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__EXCLUDE,
	    [IMMU_SHOW_DIGEST] = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__ONLY_DIGEST,
	    [IMMU_SHOW_VALUE] = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE,
	    [IMMU_SHOW_RESOLVED] = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RESOLVE,
	};

	return actions[show];
}

static enum im_err
check_spec(const struct immu_tx_spec *spec, bool verified)
{
	const enum immu_show most = IMMU_SHOW_RESOLVED;

	if (!spec->is_set)
		return IM_OK;
	if (spec->kv > most || spec->z > most || spec->other >= most)
		return err_set(IM_ERR_ARGUMENT, "entries of a kind cannot be shown like that");
	if (verified && (spec->kv == most || spec->z == most))
		return err_set(
		    IM_ERR_ARGUMENT, "there is no proof of resolved entries; ask for each key");
	return IM_OK;
}

/*
 * What to ask of the server: what was asked for, but of a verified transaction every entry, because
 * only all of them together can be hashed. NULL: no specification.
 */
static Immudb__Schema__EntriesSpec *
fill_spec(struct spec_message *out, const struct immu_tx_spec *spec, bool verified)
{
	struct immu_tx_spec all = *spec;

	if (!spec->is_set)
		return NULL;
	if (verified) {
		all.kv = spec->kv == IMMU_SHOW_VALUE ? IMMU_SHOW_VALUE : IMMU_SHOW_DIGEST;
		all.z = IMMU_SHOW_DIGEST; /* their values are empty */
		all.other = spec->other == IMMU_SHOW_VALUE ? IMMU_SHOW_VALUE : IMMU_SHOW_DIGEST;
	}
	if (verified && all.kv == IMMU_SHOW_DIGEST && all.other == IMMU_SHOW_DIGEST)
		return NULL;
	immudb__schema__entries_spec__init(&out->m);
	immudb__schema__entry_type_spec__init(&out->kv);
	immudb__schema__entry_type_spec__init(&out->z);
	immudb__schema__entry_type_spec__init(&out->other);
	out->kv.action = action_of(all.kv);
	out->z.action = action_of(all.z);
	out->other.action = action_of(all.other);
	out->m.kventriesspec = &out->kv;
	out->m.zentriesspec = &out->z;
	out->m.sqlentriesspec = &out->other;
	return &out->m;
}

enum im_err
request_send_tx(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__TxRequest m = IMMUDB__SCHEMA__TX_REQUEST__INIT;
	Immudb__Schema__VerifiableTxRequest verifiable =
	    IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;
	struct spec_message spec;
	enum im_err err = check_spec(&r->tx_spec, r->verified);

	if (err)
		return err;
	if (r->tx == 0)
		return err_set(IM_ERR_ARGUMENT, "tx id cannot be 0 (should be bigger than 0)");
	call->tx = r->tx;
	call->spec = r->tx_spec;
	m.tx = r->tx;
	m.entriesspec = fill_spec(&spec, &r->tx_spec, r->verified);
	m.sincetx = r->since_tx;
	m.nowait = r->no_wait;
	verifiable.tx = r->tx;
	verifiable.provesincetx = call->from.id;
	verifiable.entriesspec = m.entriesspec;
	verifiable.sincetx = r->since_tx;
	verifiable.nowait = r->no_wait;
	if (call->verified)
		return request_start(call, RPC_METHOD_VerifiableTxById, &verifiable.base);
	return request_start(call, RPC_METHOD_TxById, &m.base);
}

enum im_err
request_send_tx_scan(struct call *call, const struct immu_request *r)
{
	const struct immu_tx_scan *scan = &r->tx_scan;
	Immudb__Schema__TxScanRequest m = IMMUDB__SCHEMA__TX_SCAN_REQUEST__INIT;
	struct spec_message spec;
	enum im_err err = check_spec(&scan->spec, false);

	if (err)
		return err;
	if (scan->initial_tx == 0)
		return err_set(IM_ERR_ARGUMENT, "tx id cannot be 0 (should be bigger than 0)");
	if (scan->limit > UINT32_MAX)
		return err_set(IM_ERR_RESULT_LIMIT, "%s: %llu", err_text(IM_ERR_RESULT_LIMIT),
		    (unsigned long long)scan->limit);
	call->spec = scan->spec;
	m.initialtx = scan->initial_tx;
	m.limit = (uint32_t)scan->limit;
	m.desc = scan->descending;
	m.entriesspec = fill_spec(&spec, &scan->spec, false);
	m.sincetx = scan->since_tx;
	m.nowait = r->no_wait;
	return request_start(call, RPC_METHOD_TxScan, &m.base);
}

enum im_err
request_send_export(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__ExportTxRequest m = IMMUDB__SCHEMA__EXPORT_TX_REQUEST__INIT;

	if (r->tx == 0)
		return err_set(IM_ERR_ARGUMENT, "tx id cannot be 0 (should be bigger than 0)");
	call->tx = r->tx;
	m.tx = r->tx;
	return request_start(call, RPC_METHOD_ExportTx, &m.base);
}
