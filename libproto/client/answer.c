/*
 * What the server answered: messages become results, and verified ones go through verify.c first.
 *
 * Invariant: of a verified answer nothing goes into the result that was not proven, except what
 * immu.h names as not proven.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "client/client.h"

static struct immu_bytes
public_bytes(ProtobufCBinaryData data)
{
	return (struct immu_bytes){data.data, data.len};
}

static void
fill_entry(const Immudb__Schema__Entry *m, struct immu_entry *out)
{
	struct kv_metadata md;

	decode_metadata(m->metadata, &md);
	*out = (struct immu_entry){.tx = m->tx,
	    .revision = m->revision,
	    .key = public_bytes(m->key),
	    .value = public_bytes(m->value),
	    .metadata = decode_public_metadata(&md)};
}

static enum im_err
fill_entries(struct result *r, Immudb__Schema__Entry **entries, size_t len)
{
	struct immu_entry *out = arena_calloc(&r->arena, len, sizeof *out);

	if (len > 0 && !out)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < len; i++)
		fill_entry(entries[i], &out[i]);
	r->public.entries = out;
	r->public.entries_len = len;
	return IM_OK;
}

/* The entries of a transaction; value lengths come from the message, the rest was decoded. */
static enum im_err
fill_tx(struct result *r, const Immudb__Schema__Tx *m)
{
	size_t len = m->n_entries;
	struct immu_tx_entry *out = arena_calloc(&r->arena, len, sizeof *out);
	enum im_err err = IM_OK;

	if (len > 0 && !out)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < len && !err; i++) {
		struct entry_parts parts;
		struct kv_metadata md;

		err = decode_tx_entry(m->entries[i], &r->arena, &parts);
		if (err)
			break;
		decode_metadata(m->entries[i]->metadata, &md);
		out[i].raw_key = (struct immu_bytes){parts.key.data, parts.key.len};
		out[i].metadata = decode_public_metadata(&md);
		out[i].value_len = (uint32_t)m->entries[i]->vlen;
		memcpy(out[i].value_hash, parts.hval.b, HASH_SIZE);
	}
	r->public.tx_entries = out;
	r->public.tx_entries_len = len;
	return err;
}

static enum im_err
fill_header(struct call *call, const Immudb__Schema__TxHeader *m)
{
	struct tx_header header;
	enum im_err err = decode_header(m, &header);

	if (err)
		return err;
	decode_public_header(&header, &call->result->public.header);
	return IM_OK;
}

static enum im_err
fill_state(struct call *call, const struct trust_state *state)
{
	struct immu_state *out = &call->result->public.state;
	char *database = arena_str(&call->result->arena, bytes_str(immu_database(call->c)));

	if (!database)
		return err_set(IM_ERR_NOMEM, "out of memory");
	out->tx = state->point.id;
	memcpy(out->hash, state->point.alh.b, HASH_SIZE);
	out->database = database;
	out->is_signed = state->signature_len > 0;
	return IM_OK;
}

static struct verify_anchor
anchor_of(const struct call *call)
{
	return (struct verify_anchor){
	    .from = call->from, .database = immu_database(call->c), .key = call->c->key};
}

static enum im_err
take_set(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__TxHeader *header = (const Immudb__Schema__TxHeader *)m;
	enum im_err err = fill_header(call, header);

	if (!err && call->result->public.header.entries != call->written_len)
		err = err_set(IM_ERR_PROTOCOL, "%" PRIu32 " entries were written, not %zu",
		    call->result->public.header.entries, call->written_len);
	return err;
}

/*
 * Writes of one connection are committed in the order they were sent, whatever the order of the
 * answers. Without this check one transaction could answer for two equal writes. Of any two writes
 * the one answered last was in flight when the other one was, so bounds kept there are enough.
 */
static enum im_err
check_write_order(struct call *call)
{
	struct immu *c = call->c;
	uint64_t tx = call->outcome.header.id;

	if (tx <= call->write_after || tx >= call->write_before)
		return err_set(IM_ERR_PROOF,
		    "transaction %" PRIu64 " is out of order with the connection's other writes",
		    tx);
	for (struct call *earlier = call->prev; earlier; earlier = earlier->prev) {
		if (tx < earlier->write_before)
			earlier->write_before = tx;
	}
	for (struct call *later = call->next; later; later = later->next) {
		if (tx > later->write_after)
			later->write_after = tx;
	}
	if (tx > c->last_write_tx)
		c->last_write_tx = tx;
	return IM_OK;
}

static enum im_err
take_verified_set(struct call *call, const ProtobufCMessage *m)
{
	struct verify_anchor anchor = anchor_of(call);
	struct verify_written written = {call->written, call->written_len};
	enum im_err err = verify_set(&anchor, &written, (const Immudb__Schema__VerifiableTx *)m,
	    &call->result->arena, &call->outcome);

	if (!err)
		err = check_write_order(call);
	if (!err)
		decode_public_header(&call->outcome.header, &call->result->public.header);
	return err;
}

static enum im_err
take_get(struct call *call, const ProtobufCMessage *m)
{
	Immudb__Schema__Entry *entry = (Immudb__Schema__Entry *)(uintptr_t)m;

	return fill_entries(call->result, &entry, 1);
}

static enum im_err
take_verified_get(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__VerifiableEntry *answer = (const Immudb__Schema__VerifiableEntry *)m;
	struct verify_anchor anchor = anchor_of(call);
	struct verify_wanted wanted = {call->key, call->tx};
	enum im_err err =
	    verify_get(&anchor, &wanted, answer, &call->result->arena, &call->outcome);

	if (err)
		return err;
	decode_public_header(&call->outcome.header, &call->result->public.header);
	return fill_entries(call->result, (Immudb__Schema__Entry **)&answer->entry, 1);
}

static enum im_err
take_entries(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__Entries *answer = (const Immudb__Schema__Entries *)m;

	return fill_entries(call->result, answer->entries, answer->n_entries);
}

static enum im_err
take_tx(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__Tx *tx = (const Immudb__Schema__Tx *)m;
	enum im_err err = fill_header(call, tx->header);

	return err ? err : fill_tx(call->result, tx);
}

static enum im_err
take_verified_tx(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__VerifiableTx *answer = (const Immudb__Schema__VerifiableTx *)m;
	struct verify_anchor anchor = anchor_of(call);
	enum im_err err =
	    verify_tx(&anchor, call->tx, answer, &call->result->arena, &call->outcome);

	if (err)
		return err;
	decode_public_header(&call->outcome.header, &call->result->public.header);
	return fill_tx(call->result, answer->tx);
}

static enum im_err
take_state(struct call *call, const ProtobufCMessage *m)
{
	struct verify_anchor anchor = anchor_of(call);
	enum im_err err =
	    verify_state(&anchor, (const Immudb__Schema__ImmutableState *)m, &call->outcome.state);

	if (err)
		return err;
	call->outcome.point = call->outcome.state.point;
	return fill_state(call, &call->outcome.state);
}

static enum im_err
take_server_info(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__ServerInfoResponse *answer =
	    (const Immudb__Schema__ServerInfoResponse *)m;

	if (answer->numtransactions < 0 || answer->numdatabases < 0 ||
	    answer->databasesdisksize < 0)
		return err_set(IM_ERR_PROTOCOL, "the server's information is out of range");
	call->result->public.info = (struct immu_info){.version = answer->version,
	    .started_at = answer->startedat,
	    .transactions = (uint64_t)answer->numtransactions,
	    .databases = (uint32_t)answer->numdatabases,
	    .disk_bytes = (uint64_t)answer->databasesdisksize,
	    .healthy = true};
	return IM_OK;
}

static enum im_err
take_health(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__HealthResponse *answer = (const Immudb__Schema__HealthResponse *)m;

	call->result->public.info =
	    (struct immu_info){.version = answer->version, .healthy = answer->status};
	return IM_OK;
}

static enum im_err
take_export(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__Chunk *chunk = (const Immudb__Schema__Chunk *)m;

	call->result->public.exported = public_bytes(chunk->content);
	return IM_OK;
}

/* How to read the answer to an operation, plain and verified. */
struct answer_kind {
	const ProtobufCMessageDescriptor *type;
	enum im_err (*take)(struct call *call, const ProtobufCMessage *m);
};

#define TYPE(name) &immudb__schema__##name##__descriptor
static const struct answer_kind kinds[][2] = {
    [IMMU_OP_SET] = {{TYPE(tx_header), take_set}, {TYPE(verifiable_tx), take_verified_set}},
    [IMMU_OP_GET] = {{TYPE(entry), take_get}, {TYPE(verifiable_entry), take_verified_get}},
    [IMMU_OP_GET_ALL] = {{TYPE(entries), take_entries}},
    [IMMU_OP_SCAN] = {{TYPE(entries), take_entries}},
    [IMMU_OP_TX] = {{TYPE(tx), take_tx}, {TYPE(verifiable_tx), take_verified_tx}},
    [IMMU_OP_STATE] = {{TYPE(immutable_state), take_state}, {TYPE(immutable_state), take_state}},
    [IMMU_OP_SERVER_INFO] = {{TYPE(server_info_response), take_server_info}},
    [IMMU_OP_HEALTH] = {{TYPE(health_response), take_health}},
    [IMMU_OP_EXPORT_TX] = {{TYPE(chunk), take_export}},
};

enum im_err
answer_take(struct call *call)
{
	const struct answer_kind *kind = &kinds[call->op][call->verified];
	ProtobufCMessage *m;
	enum im_err err =
	    decode_message(kind->type, buf_bytes(&call->body), &call->result->arena, &m);

	if (!err)
		err = kind->take(call, m);
	/* Without a proof a malformed answer is a broken protocol, not a failed verification. */
	if (err == IM_ERR_PROOF && !call->verified)
		err = err_set(IM_ERR_PROTOCOL, "malformed answer");
	return err;
}
