/*
 * Requests that write: set, reference, zadd, exec all, delete. Of verified ones the call keeps the
 * entries that the transaction must hold, as they are hashed.
 *
 * Invariant: what is kept is made from the public request alone, never from a message.
 */
#include "client/request.h"

#include "crypto/rawkey.h"
#include "rpc/message.h"

/*
 * Messages of one request: at most 1,024 operations and as many preconditions, without their data.
 */
#define SCRATCH_MAX (8u << 20)

static enum im_err
no_memory(void)
{
	return err_set(IM_ERR_NOMEM, "out of memory");
}

static enum im_err
check_count(size_t len)
{
	if (len == 0)
		return err_set(IM_ERR_NO_ENTRIES, "%s", err_text(IM_ERR_NO_ENTRIES));
	if (len > TX_ENTRIES_MAX)
		return err_set(IM_ERR_TX_ENTRIES, "%s: %zu, the limit is %u",
		    err_text(IM_ERR_TX_ENTRIES), len, TX_ENTRIES_MAX);
	return IM_OK;
}

static enum im_err
check_kv(const struct immu_kv *kv)
{
	enum im_err err = request_check_key(kv->key);

	if (err)
		return err;
	if (kv->value.len > USER_VALUE_MAX)
		return err_set(IM_ERR_VALUE_LENGTH, "%s: %zu bytes, the limit is %u",
		    err_text(IM_ERR_VALUE_LENGTH), kv->value.len, USER_VALUE_MAX);
	if (kv->metadata.deleted)
		return err_set(IM_ERR_ARGUMENT, "a value cannot be written as deleted");
	return IM_OK;
}

static enum im_err
check_reference(const struct immu_reference *ref, bool in_exec_all)
{
	enum im_err err = request_check_key(ref->key);

	if (!err)
		err = request_check_key(ref->target);
	if (err)
		return err;
	if (ref->at_tx == IMMU_THIS_TX && !in_exec_all)
		return err_set(IM_ERR_ARGUMENT,
		    "only one of several writes can be bound to its own transaction");
	return IM_OK;
}

static enum im_err
check_zadd(const struct immu_zadd *zadd, bool in_exec_all)
{
	enum im_err err = request_check_key(zadd->set);

	if (!err)
		err = request_check_key(zadd->key);
	if (err)
		return err;
	if (!zset_score_is_valid(zadd->score))
		return err_set(IM_ERR_ARGUMENT, "a score must be a number");
	if (zadd->at_tx == IMMU_THIS_TX && !in_exec_all)
		return err_set(IM_ERR_ARGUMENT,
		    "only one of several writes can be bound to its own transaction");
	return IM_OK;
}

/* ---- What the transaction will hold ---- */

static enum im_err
remember(struct call *call, size_t len)
{
	call->written_len = len;
	if (!call->verified)
		return IM_OK;
	call->written = arena_calloc(&call->result->arena, len, sizeof *call->written);
	return call->written ? IM_OK : no_memory();
}

static enum im_err
remember_kv(struct arena *arena, const struct immu_kv *kv, struct entry_parts *out)
{
	const struct immu_metadata *md = &kv->metadata;
	struct kv_metadata hashed = {
	    md->deleted, md->expires, md->expires ? md->expires_at : 0, md->non_indexable};
	struct bytes value[2] = {bytes_of("", 1), request_bytes(kv->value)};
	uint8_t encoded[KV_METADATA_MAX];
	size_t encoded_len = kv_metadata_encode(&hashed, encoded);
	enum im_err err = raw_key_make(arena, request_bytes(kv->key), &out->key);

	if (err)
		return err;
	out->md = arena_copy(arena, bytes_of(encoded, encoded_len));
	if (out->md.len != encoded_len)
		return no_memory();
	hash_parts(value, 2, &out->hval);
	return IM_OK;
}

static enum im_err
remember_reference(struct arena *arena, const struct immu_reference *ref, struct entry_parts *out)
{
	struct bytes value;
	enum im_err err = raw_key_make(arena, request_bytes(ref->key), &out->key);

	if (!err)
		err =
		    raw_value_make_reference(arena, request_bytes(ref->target), ref->at_tx, &value);
	if (err)
		return err;
	hash_sha256(value, &out->hval);
	return IM_OK;
}

static enum im_err
remember_zadd(struct arena *arena, const struct immu_zadd *zadd, struct entry_parts *out)
{
	struct zset_member member = {
	    request_bytes(zadd->set), zadd->score, request_bytes(zadd->key), zadd->at_tx};

	out->hval = hash_empty();
	return raw_key_make_zadd(arena, &member, &out->key);
}

/* ---- Messages; they borrow from the request, and come from the arena ---- */

static bool
has_metadata(const struct immu_metadata *md)
{
	return md->deleted || md->non_indexable || md->expires;
}

static Immudb__Schema__KVMetadata *
make_metadata(struct arena *arena, const struct immu_metadata *md)
{
	Immudb__Schema__KVMetadata *m = arena_alloc(arena, sizeof *m);

	if (!m)
		return NULL;
	immudb__schema__kvmetadata__init(m);
	m->deleted = md->deleted;
	m->nonindexable = md->non_indexable;
	if (!md->expires)
		return m;
	m->expiration = arena_alloc(arena, sizeof *m->expiration);
	if (!m->expiration)
		return NULL;
	immudb__schema__expiration__init(m->expiration);
	m->expiration->expiresat = md->expires_at;
	return m;
}

static Immudb__Schema__KeyValue *
make_kv(struct arena *arena, const struct immu_kv *kv)
{
	Immudb__Schema__KeyValue *m = arena_alloc(arena, sizeof *m);

	if (!m)
		return NULL;
	immudb__schema__key_value__init(m);
	m->key = request_binary(kv->key);
	m->value = request_binary(kv->value);
	if (!has_metadata(&kv->metadata))
		return m;
	m->metadata = make_metadata(arena, &kv->metadata);
	return m->metadata ? m : NULL;
}

static void
fill_reference(Immudb__Schema__ReferenceRequest *m, const struct immu_reference *ref)
{
	immudb__schema__reference_request__init(m);
	m->key = request_binary(ref->key);
	m->referencedkey = request_binary(ref->target);
	m->attx = ref->at_tx == IMMU_THIS_TX ? 0 : ref->at_tx;
	m->boundref = ref->at_tx != 0;
}

/* The number of ZAddRequest.score. */
#define ZADD_SCORE_FIELD 2

static enum im_err
fill_zadd(struct arena *arena, const struct immu_zadd *zadd, Immudb__Schema__ZAddRequest *m)
{
	immudb__schema__zadd_request__init(m);
	m->set = request_binary(zadd->set);
	m->score = zadd->score;
	m->key = request_binary(zadd->key);
	m->attx = zadd->at_tx == IMMU_THIS_TX ? 0 : zadd->at_tx;
	m->boundref = zadd->at_tx != 0;
	return message_keep_negative_zero(arena, &m->base, ZADD_SCORE_FIELD, zadd->score)
	    ? IM_OK
	    : no_memory();
}

typedef Immudb__Schema__Precondition__KeyMustExistPrecondition must_exist;
typedef Immudb__Schema__Precondition__KeyMustNotExistPrecondition must_not_exist;
typedef Immudb__Schema__Precondition__KeyNotModifiedAfterTXPrecondition not_modified;

/* A precondition and its one member. */
struct condition_message {
	Immudb__Schema__Precondition m;
	union {
		must_exist exist;
		must_not_exist not_exist;
		not_modified unmodified;
	} is;
};

static enum im_err
fill_condition(struct condition_message *out, const struct immu_precondition *p)
{
	enum im_err err = request_check_key(p->key);

	if (err)
		return err;
	immudb__schema__precondition__init(&out->m);
	switch (p->condition) {
	case IMMU_KEY_MUST_EXIST:
		immudb__schema__precondition__key_must_exist_precondition__init(&out->is.exist);
		out->is.exist.key = request_binary(p->key);
		out->m.precondition_case =
		    IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_EXIST;
		out->m.keymustexist = &out->is.exist;
		return IM_OK;
	case IMMU_KEY_MUST_NOT_EXIST:
		immudb__schema__precondition__key_must_not_exist_precondition__init(
		    &out->is.not_exist);
		out->is.not_exist.key = request_binary(p->key);
		out->m.precondition_case =
		    IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_NOT_EXIST;
		out->m.keymustnotexist = &out->is.not_exist;
		return IM_OK;
	case IMMU_KEY_NOT_MODIFIED_AFTER:
		immudb__schema__precondition__key_not_modified_after_txprecondition__init(
		    &out->is.unmodified);
		out->is.unmodified.key = request_binary(p->key);
		out->is.unmodified.txid = p->tx;
		out->m.precondition_case =
		    IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_NOT_MODIFIED_AFTER_TX;
		out->m.keynotmodifiedaftertx = &out->is.unmodified;
		return p->tx > 0 ? IM_OK
				 : err_set(IM_ERR_BAD_PRECONDITION,
				       "invalid precondition: invalid transaction ID");
	}
	return err_set(IM_ERR_BAD_PRECONDITION, "invalid precondition: no such condition");
}

/* The preconditions of a request as a message has them. */
struct conditions {
	Immudb__Schema__Precondition **items;
	size_t len;
};

static enum im_err
make_conditions(struct arena *arena, const struct immu_request *r, struct conditions *out)
{
	size_t len = r->preconditions_len;
	struct condition_message *messages;
	enum im_err err = IM_OK;

	*out = (struct conditions){NULL, len};
	if (len == 0)
		return IM_OK;
	if (len > TX_ENTRIES_MAX)
		return err_set(IM_ERR_BAD_PRECONDITION,
		    "invalid precondition: too many preconditions: %zu, the limit is %u", len,
		    TX_ENTRIES_MAX);
	messages = arena_calloc(arena, len, sizeof *messages);
	out->items = arena_calloc(arena, len, sizeof(Immudb__Schema__Precondition *));
	if (!messages || !out->items)
		return no_memory();
	for (size_t i = 0; i < len && !err; i++) {
		err = fill_condition(&messages[i], &r->preconditions[i]);
		out->items[i] = &messages[i].m;
	}
	return err;
}

/* ---- The senders ---- */

static enum im_err
send_set(struct call *call, const struct immu_request *r, struct arena *scratch)
{
	Immudb__Schema__SetRequest m = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	Immudb__Schema__VerifiableSetRequest verifiable =
	    IMMUDB__SCHEMA__VERIFIABLE_SET_REQUEST__INIT;
	struct conditions conditions;
	enum im_err err = make_conditions(scratch, r, &conditions);

	m.kvs = arena_calloc(scratch, r->kvs_len, sizeof(Immudb__Schema__KeyValue *));
	if (!err && !m.kvs)
		err = no_memory();
	for (size_t i = 0; i < r->kvs_len && !err; i++) {
		err = check_kv(&r->kvs[i]);
		if (!err && call->verified)
			err = remember_kv(&call->result->arena, &r->kvs[i], &call->written[i]);
		m.kvs[i] = make_kv(scratch, &r->kvs[i]);
		if (!err && !m.kvs[i])
			err = no_memory();
	}
	if (err)
		return err;
	m.n_kvs = r->kvs_len;
	m.nowait = r->no_wait;
	m.n_preconditions = conditions.len;
	m.preconditions = conditions.items;
	if (!call->verified)
		return request_start(call, RPC_METHOD_Set, &m.base);
	verifiable.setrequest = &m;
	verifiable.provesincetx = call->from.id;
	return request_start(call, RPC_METHOD_VerifiableSet, &verifiable.base);
}

enum im_err
request_send_set(struct call *call, const struct immu_request *r)
{
	struct arena scratch;
	enum im_err err = check_count(r->kvs_len);

	arena_init(&scratch, SCRATCH_MAX);
	if (!err)
		err = remember(call, r->kvs_len);
	if (!err)
		err = send_set(call, r, &scratch);
	arena_free(&scratch);
	return err;
}

enum im_err
request_send_reference(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__ReferenceRequest m;
	Immudb__Schema__VerifiableReferenceRequest verifiable =
	    IMMUDB__SCHEMA__VERIFIABLE_REFERENCE_REQUEST__INIT;
	struct conditions conditions;
	struct arena scratch;
	enum im_err err = check_reference(&r->reference, false);

	arena_init(&scratch, SCRATCH_MAX);
	if (!err)
		err = remember(call, 1);
	if (!err && call->verified)
		err = remember_reference(&call->result->arena, &r->reference, call->written);
	if (!err)
		err = make_conditions(&scratch, r, &conditions);
	if (err)
		goto out;
	fill_reference(&m, &r->reference);
	m.nowait = r->no_wait;
	m.n_preconditions = conditions.len;
	m.preconditions = conditions.items;
	verifiable.referencerequest = &m;
	verifiable.provesincetx = call->from.id;
	if (call->verified)
		err = request_start(call, RPC_METHOD_VerifiableSetReference, &verifiable.base);
	else
		err = request_start(call, RPC_METHOD_SetReference, &m.base);
out:
	arena_free(&scratch);
	return err;
}

enum im_err
request_send_zadd(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__ZAddRequest m;
	Immudb__Schema__VerifiableZAddRequest verifiable =
	    IMMUDB__SCHEMA__VERIFIABLE_ZADD_REQUEST__INIT;
	enum im_err err = check_zadd(&r->zadd, false);

	if (!err && r->preconditions_len > 0)
		err = err_set(IM_ERR_ARGUMENT, "a member is added without preconditions");
	if (!err)
		err = remember(call, 1);
	if (!err && call->verified)
		err = remember_zadd(&call->result->arena, &r->zadd, call->written);
	if (!err)
		err = fill_zadd(&call->result->arena, &r->zadd, &m);
	if (err)
		return err;
	m.nowait = r->no_wait;
	verifiable.zaddrequest = &m;
	verifiable.provesincetx = call->from.id;
	if (call->verified)
		return request_start(call, RPC_METHOD_VerifiableZAdd, &verifiable.base);
	return request_start(call, RPC_METHOD_ZAdd, &m.base);
}

/* One operation of many, and the message of its kind. */
struct op_message {
	Immudb__Schema__Op m;
	union {
		Immudb__Schema__ZAddRequest zadd;
		Immudb__Schema__ReferenceRequest reference;
	} is;
};

static enum im_err
fill_op(struct arena *arena, const struct immu_write *w, struct op_message *out)
{
	enum im_err err;

	immudb__schema__op__init(&out->m);
	switch (w->kind) {
	case IMMU_WRITE_KV:
		err = check_kv(&w->kv);
		out->m.operation_case = IMMUDB__SCHEMA__OP__OPERATION_KV;
		out->m.kv = make_kv(arena, &w->kv);
		return err || out->m.kv ? err : no_memory();
	case IMMU_WRITE_REFERENCE:
		fill_reference(&out->is.reference, &w->reference);
		out->m.operation_case = IMMUDB__SCHEMA__OP__OPERATION_REF;
		out->m.ref = &out->is.reference;
		return check_reference(&w->reference, true);
	case IMMU_WRITE_ZADD:
		err = fill_zadd(arena, &w->zadd, &out->is.zadd);
		out->m.operation_case = IMMUDB__SCHEMA__OP__OPERATION_Z_ADD;
		out->m.zadd = &out->is.zadd;
		return err ? err : check_zadd(&w->zadd, true);
	}
	return err_set(IM_ERR_ARGUMENT, "no such kind of write");
}

static enum im_err
send_exec_all(struct call *call, const struct immu_request *r, struct arena *scratch)
{
	Immudb__Schema__ExecAllRequest m = IMMUDB__SCHEMA__EXEC_ALL_REQUEST__INIT;
	struct op_message *ops = arena_calloc(scratch, r->writes_len, sizeof *ops);
	struct conditions conditions;
	enum im_err err = make_conditions(scratch, r, &conditions);

	m.operations = arena_calloc(scratch, r->writes_len, sizeof(Immudb__Schema__Op *));
	if (!err && (!ops || !m.operations))
		err = no_memory();
	for (size_t i = 0; i < r->writes_len && !err; i++) {
		err = fill_op(scratch, &r->writes[i], &ops[i]);
		m.operations[i] = &ops[i].m;
	}
	if (err)
		return err;
	m.n_operations = r->writes_len;
	m.nowait = r->no_wait;
	m.n_preconditions = conditions.len;
	m.preconditions = conditions.items;
	return request_start(call, RPC_METHOD_ExecAll, &m.base);
}

enum im_err
request_send_exec_all(struct call *call, const struct immu_request *r)
{
	struct arena scratch;
	enum im_err err = check_count(r->writes_len);

	arena_init(&scratch, SCRATCH_MAX);
	if (!err)
		err = remember(call, r->writes_len);
	if (!err)
		err = send_exec_all(call, r, &scratch);
	arena_free(&scratch);
	return err;
}

enum im_err
request_send_delete(struct call *call, const struct immu_request *r)
{
	Immudb__Schema__DeleteKeysRequest m = IMMUDB__SCHEMA__DELETE_KEYS_REQUEST__INIT;
	struct arena scratch;
	enum im_err err = request_check_keys(r->keys, r->keys_len);

	if (!err && r->preconditions_len > 0)
		err = err_set(IM_ERR_ARGUMENT, "keys are deleted without preconditions");
	if (!err)
		err = remember(call, r->keys_len);
	if (err)
		return err;
	arena_init(&scratch, SCRATCH_MAX);
	m.keys = request_keys(&scratch, r->keys, r->keys_len);
	m.n_keys = r->keys_len;
	m.sincetx = r->since_tx;
	m.nowait = r->no_wait;
	err = m.keys ? request_start(call, RPC_METHOD_Delete, &m.base) : no_memory();
	arena_free(&scratch);
	return err;
}
