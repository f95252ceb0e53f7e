/*
 * Seeds of offline proofs and evidence: files made of what the sample server answers, whole and as
 * sections.
 */
#include <assert.h>

#include "client/evidence.h"
#include "client/offline.h"
#include "client/offline_container.h"
#include "sample_server.h"
#include "sample_store.h"
#include "seeds.h"

#define ARENA_MAX (16u << 20)
#define SEED_MAX (1u << 20)
#define M(Name) Immudb__Schema__##Name
/* The state that the reader trusts. */
#define TRUSTED SAMPLE_TXS

static struct arena arena;

static ProtobufCMessage *
ask(uint16_t id, const ProtobufCMessage *m)
{
	const struct rpc_method *method = rpc_method_find(id);
	struct buf body, answer;
	ProtobufCMessage *out;

	buf_init(&body, SEED_MAX);
	buf_init(&answer, SEED_MAX);
	body.len = protobuf_c_message_pack(
	    m, buf_reserve(&body, protobuf_c_message_get_packed_size(m) + 1));
	assert(sample_server_ask(method, buf_bytes(&body), &answer) == IM_OK);
	assert(decode_message(method->answer, buf_bytes(&answer), &arena, &out) == IM_OK);
	buf_free(&answer);
	buf_free(&body);
	return out;
}

static M(VerifiableEntry) * get(const char *name, uint64_t at_tx)
{
	M(KeyRequest) key = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	M(VerifiableGetRequest) m = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;

	key.key = (ProtobufCBinaryData){strlen(name), (uint8_t *)(uintptr_t)name};
	key.attx = at_tx;
	m.keyrequest = &key;
	m.provesincetx = TRUSTED;
	return (M(VerifiableEntry) *)ask(RPC_METHOD_VerifiableGet, &m.base);
}

/* The state that was trusted is in the answer: the newer end of its dual proof. */
static struct tx_point
trusted_of(const M(DualProof) * proof)
{
	struct tx_point point = {.id = TRUSTED};
	struct tx_header header;

	assert(decode_header(proof->targettxheader, &header) == IM_OK && header.id == TRUSTED);
	tx_header_alh(&header, &point.alh);
	return point;
}

/* Both forms of an input; without time and version, so that seeds are always the same. */
static void
put_file(const char *name, const char *sections_name, struct immu_bytes made)
{
	static const uint8_t no_time[8];
	struct offline_container container;
	struct offline_fault fault;
	struct buf file, parts;

	buf_init(&file, SEED_MAX);
	buf_init(&parts, SEED_MAX);
	assert(offline_parse(bytes_of(made.data, made.len), &arena, &container, &fault) == IM_OK);
	buf_append_u8(&file, TRUSTED);
	buf_append_u8(&parts, TRUSTED);
	buf_append_u8(&parts, (uint8_t)container.kind);
	offline_put_head(&file, container.kind, container.len);
	for (size_t i = 0; i < container.len; i++) {
		const struct offline_section *s = &container.sections[i];
		struct bytes content = s->content;

		if (s->type == OFFLINE_WRITTEN)
			content = bytes_of(no_time, sizeof no_time);
		if (s->type == OFFLINE_PROGRAM)
			content = bytes_str("make_seeds");
		offline_put(&file, s->type, content);
		buf_append_be16(&parts, s->type);
		buf_append_be16(&parts, (uint16_t)content.len);
		buf_append_bytes(&parts, content);
	}
	assert(!file.err && !parts.err);
	seed_put("offline", name, 0, buf_bytes(&file));
	seed_put("offline", sections_name, 1, buf_bytes(&parts));
	buf_free(&parts);
	buf_free(&file);
}

static void
put(const char *name, const char *sections_name, struct offline_source *source)
{
	struct immu_bytes made;

	source->server_id = "c9b1p4a5gk3s0h9o1q20";
	source->database = SAMPLE_DATABASE;
	source->address = "127.0.0.1:3322";
	assert(offline_make(source, &arena, &made) == IM_OK);
	put_file(name, sections_name, made);
}

static M(VerifiableTx) * get_tx(uint64_t id)
{
	M(VerifiableTxRequest) m = IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;

	m.tx = id;
	m.provesincetx = TRUSTED;
	return (M(VerifiableTx) *)ask(RPC_METHOD_VerifiableTxById, &m.base);
}

/* A fork, shown by a link; an entry and a transaction that fail; a state that is older. */
static void
put_evidence(const struct tx_point *newest)
{
	struct trust_state seen = {.point = *newest}, trusted = {.point = {.id = 2}};
	struct evidence_source source = {.verdict = "forked",
	    .reason = "expected one history, and there are two",
	    .server_id = "c9b1p4a5gk3s0h9o1q20",
	    .database = SAMPLE_DATABASE,
	    .address = "127.0.0.1:3322",
	    .program = "make_seeds",
	    .trusted = &trusted,
	    .trusted_at = 1,
	    .seen = &seen,
	    .seen_at = 2,
	    .other_server_id = "c9b1p4a5gk3s0h9o1q2g",
	    .suspect_from = 1,
	    .suspect_to = 2};
	struct immu_bytes made;

	memset(trusted.signature, 0x30, trusted.signature_len = 8);
	source.link = get_tx(2);
	assert(evidence_make(&source, &arena, &made) == IM_OK);
	put_file("evidence-link", "evidence-link-sections", made);
	source.link = NULL;
	source.verdict = "tampered";
	source.tx = get_tx(3);
	source.tx->tx->entries[0]->hvalue.data[0] ^= 1;
	source.entry = get("k3", 0);
	source.entry->entry->value.data[0] ^= 1;
	assert(evidence_make(&source, &arena, &made) == IM_OK);
	put_file("evidence-answers", "evidence-answers-sections", made);
	source.tx = NULL;
	source.entry = NULL;
	source.verdict = "rolled-back";
	source.trusted = &seen;
	source.seen = &trusted;
	assert(evidence_make(&source, &arena, &made) == IM_OK);
	put_file("evidence-states", "evidence-states-sections", made);
}

void
seed_offline(void)
{
	struct offline_source source = {.kind = IMMU_PROOF_ENTRY};

	arena_init(&arena, ARENA_MAX);
	source.entry = get("k3", 0);
	source.trusted = trusted_of(source.entry->verifiabletx->dualproof);
	put("entry", "entry-sections", &source);
	source.via = get("ref", 0);
	source.entry = get("k1", source.via->entry->tx);
	put("reference", "reference-sections", &source);
	source.kind = IMMU_PROOF_TX;
	source.tx = get_tx(2);
	put("tx", "tx-sections", &source);
	put_evidence(&source.trusted);
	arena_free(&arena);
}
