/*
 * What the server answered: messages become results, and verified ones go through verify.c first.
 *
 * Invariant: of a verified answer nothing goes into the result that was not proven, except what
 * immu.h names as not proven.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "client/answer_fill.h"
#include "client/client.h"
#include "client/offline.h"

static enum im_err
set_entries(struct result *r, Immudb__Schema__Entry **entries, size_t len)
{
	struct fill_entries list;
	enum im_err err = fill_entries(&r->arena, entries, len, &list);

	r->public.entries = list.items;
	r->public.entries_len = list.len;
	return err;
}

static enum im_err
set_zentries(struct result *r, Immudb__Schema__ZEntry **zentries, size_t len)
{
	struct fill_zentries list;
	enum im_err err = fill_zentries(&r->arena, zentries, len, &list);

	r->public.zentries = list.items;
	r->public.zentries_len = list.len;
	return err;
}

static enum im_err
set_tx_entries(struct call *call, const Immudb__Schema__Tx *m)
{
	struct result *r = call->result;
	struct fill_tx_entries list;
	enum im_err err = fill_tx_entries(&r->arena, m, &call->spec, &list);

	r->public.tx_entries = list.items;
	r->public.tx_entries_len = list.len;
	return err;
}

static enum im_err
set_header(const Immudb__Schema__TxHeader *m, struct immu_header *out)
{
	struct tx_header header;
	enum im_err err = decode_header(m, &header);

	if (!err)
		decode_public_header(&header, out);
	return err;
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
	out->signature_len = state->signature_len;
	memcpy(out->signature, state->signature, state->signature_len);
	return IM_OK;
}

static struct verify_anchor
anchor_of(const struct call *call)
{
	return (struct verify_anchor){
	    .from = call->from, .database = immu_database(call->c), .key = call->c->key};
}

/* The offline proof of an answer, if it was asked for. */
static enum im_err
keep_proof(struct call *call, const struct offline_source *source)
{
	struct offline_source s = *source;
	struct immu *c = call->c;

	if (!call->keep_proof)
		return IM_OK;
	s.server_id = immu_server_id(c);
	s.database = immu_database(c);
	s.address = c->address.len > 0 ? (const char *)c->address.data : "";
	s.trusted = call->via ? call->via_from : call->from;
	s.via = call->via;
	return offline_make(&s, &call->result->arena, &call->result->public.proof);
}

static enum im_err
take_write(struct call *call, const ProtobufCMessage *m)
{
	struct immu_header *header = &call->result->public.header;
	enum im_err err = set_header((const Immudb__Schema__TxHeader *)m, header);

	if (!err && header->entries != call->written_len)
		err = err_set(IM_ERR_PROTOCOL, "%" PRIu32 " entries were written, not %zu",
		    header->entries, call->written_len);
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
take_verified_write(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__VerifiableTx *answer = (const Immudb__Schema__VerifiableTx *)m;
	struct offline_source proof = {.kind = IMMU_PROOF_TX, .tx = answer};
	struct verify_anchor anchor = anchor_of(call);
	struct verify_written written = {call->written, call->written_len};
	enum im_err err =
	    verify_set(&anchor, &written, answer, &call->result->arena, &call->outcome);

	if (!err)
		err = check_write_order(call);
	if (err)
		return err;
	decode_public_header(&call->outcome.header, &call->result->public.header);
	return keep_proof(call, &proof);
}

static enum im_err
take_get(struct call *call, const ProtobufCMessage *m)
{
	Immudb__Schema__Entry *entry = (Immudb__Schema__Entry *)(uintptr_t)m;

	return set_entries(call->result, &entry, 1);
}

/* A proven value, perhaps of the key that a proven reference stands for. */
static enum im_err
take_value(struct call *call, const Immudb__Schema__VerifiableEntry *answer)
{
	struct result *r = call->result;
	struct offline_source proof = {.kind = IMMU_PROOF_ENTRY, .entry = answer};
	struct immu_entry *entry = arena_alloc(&r->arena, sizeof *entry);
	enum im_err err = entry ? IM_OK : err_set(IM_ERR_NOMEM, "out of memory");

	if (!err)
		err = fill_entry(&r->arena, answer->entry,
		    call->via ? call->via->entry->referencedby : NULL, entry);
	if (err)
		return err;
	r->public.entries = entry;
	r->public.entries_len = 1;
	decode_public_header(&call->outcome.header, &r->public.header);
	return keep_proof(call, &proof);
}

static enum im_err
take_verified_get(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__VerifiableEntry *answer = (const Immudb__Schema__VerifiableEntry *)m;
	struct verify_anchor anchor = anchor_of(call);
	struct verify_wanted wanted = {call->key, call->tx, call->via != NULL};
	enum im_err err =
	    verify_get(&anchor, &wanted, answer, &call->result->arena, &call->outcome);

	if (err)
		return err;
	if (!call->outcome.is_reference)
		return take_value(call, answer);
	call->via = answer;
	return IM_OK;
}

static enum im_err
take_entries(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__Entries *answer = (const Immudb__Schema__Entries *)m;

	return set_entries(call->result, answer->entries, answer->n_entries);
}

static enum im_err
take_zentries(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__ZEntries *answer = (const Immudb__Schema__ZEntries *)m;

	return set_zentries(call->result, answer->entries, answer->n_entries);
}

static enum im_err
take_count(struct call *call, const ProtobufCMessage *m)
{
	call->result->public.count = ((const Immudb__Schema__EntryCount *)m)->count;
	return IM_OK;
}

/* A transaction and those of its entries that were asked for. */
static enum im_err
fill_tx_view(struct call *call, const Immudb__Schema__Tx *m, struct immu_tx_view *out)
{
	struct arena *arena = &call->result->arena;
	struct fill_tx_entries tx_entries;
	struct fill_entries entries;
	struct fill_zentries zentries;
	enum im_err err = set_header(m->header, &out->header);

	if (!err)
		err = fill_tx_entries(arena, m, &call->spec, &tx_entries);
	if (!err)
		err = fill_entries(arena, m->kventries, m->n_kventries, &entries);
	if (!err)
		err = fill_zentries(arena, m->zentries, m->n_zentries, &zentries);
	if (err)
		return err;
	out->tx_entries = tx_entries.items;
	out->tx_entries_len = tx_entries.len;
	out->entries = entries.items;
	out->entries_len = entries.len;
	out->zentries = zentries.items;
	out->zentries_len = zentries.len;
	return IM_OK;
}

static enum im_err
take_tx(struct call *call, const ProtobufCMessage *m)
{
	struct immu_result *r = &call->result->public;
	struct immu_tx_view view;
	enum im_err err = fill_tx_view(call, (const Immudb__Schema__Tx *)m, &view);

	if (err)
		return err;
	r->header = view.header;
	r->tx_entries = view.tx_entries;
	r->tx_entries_len = view.tx_entries_len;
	r->entries = view.entries;
	r->entries_len = view.entries_len;
	r->zentries = view.zentries;
	r->zentries_len = view.zentries_len;
	return IM_OK;
}

static enum im_err
take_verified_tx(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__VerifiableTx *answer = (const Immudb__Schema__VerifiableTx *)m;
	struct offline_source proof = {.kind = IMMU_PROOF_TX, .tx = answer};
	struct verify_anchor anchor = anchor_of(call);
	enum im_err err =
	    verify_tx(&anchor, call->tx, answer, &call->result->arena, &call->outcome);

	if (!err)
		err = set_tx_entries(call, answer->tx);
	if (err)
		return err;
	decode_public_header(&call->outcome.header, &call->result->public.header);
	return keep_proof(call, &proof);
}

static enum im_err
take_txs(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__TxList *answer = (const Immudb__Schema__TxList *)m;
	struct result *r = call->result;
	struct immu_tx_view *txs = arena_calloc(&r->arena, answer->n_txs, sizeof *txs);
	enum im_err err = IM_OK;

	if (answer->n_txs > 0 && !txs)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < answer->n_txs && !err; i++)
		err = fill_tx_view(call, answer->txs[i], &txs[i]);
	r->public.txs = txs;
	r->public.txs_len = answer->n_txs;
	return err;
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
take_database_health(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__DatabaseHealthResponse *answer =
	    (const Immudb__Schema__DatabaseHealthResponse *)m;

	call->result->public.info = (struct immu_info){.version = "",
	    .healthy = true,
	    .pending_requests = answer->pendingrequests,
	    .last_request_at_ms = answer->lastrequestcompletedat};
	return IM_OK;
}

static enum im_err
take_export(struct call *call, const ProtobufCMessage *m)
{
	const Immudb__Schema__Chunk *chunk = (const Immudb__Schema__Chunk *)m;

	call->result->public.exported = fill_bytes(chunk->content);
	return IM_OK;
}

/* How to read the answer to an operation, plain and verified. */
struct answer_kind {
	const ProtobufCMessageDescriptor *type;
	enum im_err (*take)(struct call *call, const ProtobufCMessage *m);
};

#define TYPE(name) &immudb__schema__##name##__descriptor
static const struct answer_kind kinds[][2] = {
    [IMMU_OP_SET] = {{TYPE(tx_header), take_write}, {TYPE(verifiable_tx), take_verified_write}},
    [IMMU_OP_GET] = {{TYPE(entry), take_get}, {TYPE(verifiable_entry), take_verified_get}},
    [IMMU_OP_GET_ALL] = {{TYPE(entries), take_entries}},
    [IMMU_OP_SCAN] = {{TYPE(entries), take_entries}},
    [IMMU_OP_TX] = {{TYPE(tx), take_tx}, {TYPE(verifiable_tx), take_verified_tx}},
    [IMMU_OP_STATE] = {{TYPE(immutable_state), take_state}, {TYPE(immutable_state), take_state}},
    [IMMU_OP_SERVER_INFO] = {{TYPE(server_info_response), take_server_info}},
    [IMMU_OP_HEALTH] = {{TYPE(health_response), take_health}},
    [IMMU_OP_EXPORT_TX] = {{TYPE(chunk), take_export}},
    [IMMU_OP_REFERENCE] = {{TYPE(tx_header), take_write},
	{TYPE(verifiable_tx), take_verified_write}},
    [IMMU_OP_ZADD] = {{TYPE(tx_header), take_write}, {TYPE(verifiable_tx), take_verified_write}},
    [IMMU_OP_EXEC_ALL] = {{TYPE(tx_header), take_write}},
    [IMMU_OP_DELETE] = {{TYPE(tx_header), take_write}},
    [IMMU_OP_ZSCAN] = {{TYPE(zentries), take_zentries}},
    [IMMU_OP_HISTORY] = {{TYPE(entries), take_entries}},
    [IMMU_OP_COUNT] = {{TYPE(entry_count), take_count}},
    [IMMU_OP_COUNT_ALL] = {{TYPE(entry_count), take_count}},
    [IMMU_OP_TX_SCAN] = {{TYPE(tx_list), take_txs}},
    [IMMU_OP_DATABASE_HEALTH] = {{TYPE(database_health_response), take_database_health}},
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
