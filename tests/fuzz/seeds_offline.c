/*
 * Seeds of offline proofs: files made of what the sample server answers, whole and as sections.
 */
#include <assert.h>

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
put(const char *name, const char *sections_name, struct offline_source *source)
{
	static const uint8_t no_time[8];
	struct offline_container container;
	struct offline_fault fault;
	struct immu_bytes made;
	struct buf file, parts;

	buf_init(&file, SEED_MAX);
	buf_init(&parts, SEED_MAX);
	source->server_id = "c9b1p4a5gk3s0h9o1q20";
	source->database = SAMPLE_DATABASE;
	source->address = "127.0.0.1:3322";
	assert(offline_make(source, &arena, &made) == IM_OK);
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

void
seed_offline(void)
{
	M(VerifiableTxRequest) tx = IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;
	struct offline_source source = {.kind = IMMU_PROOF_ENTRY};

	arena_init(&arena, ARENA_MAX);
	source.entry = get("k3", 0);
	source.trusted = trusted_of(source.entry->verifiabletx->dualproof);
	put("entry", "entry-sections", &source);
	source.via = get("ref", 0);
	source.entry = get("k1", source.via->entry->tx);
	put("reference", "reference-sections", &source);
	tx.tx = 2;
	tx.provesincetx = TRUSTED;
	source.kind = IMMU_PROOF_TX;
	source.tx = (M(VerifiableTx) *)ask(RPC_METHOD_VerifiableTxById, &tx.base);
	put("tx", "tx-sections", &source);
	arena_free(&arena);
}
