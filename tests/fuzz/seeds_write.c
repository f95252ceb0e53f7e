/*
 * Seeds of requests that write: every operation, every precondition, and streams of messages.
 */
#include <assert.h>

#include "rpc/method.h"
#include "seeds.h"

#define SEED_MAX (1u << 20)
#define M(Name) Immudb__Schema__##Name

static ProtobufCBinaryData
data_of(const char *s)
{
	return (ProtobufCBinaryData){strlen(s), (uint8_t *)(uintptr_t)s};
}

static void
put_request(const char *name, uint16_t id, const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	struct buf input;

	assert(rpc_method_find(id) && rpc_method_find(id)->request == m->descriptor);
	buf_init(&input, SEED_MAX);
	buf_append_be16(&input, id);
	protobuf_c_message_pack(m, buf_reserve(&input, size + 1));
	input.len += size;
	seed_put("request", name, -1, buf_bytes(&input));
	buf_free(&input);
}

/* A reference and a member, bound to a transaction or not. */
static M(ReferenceRequest) reference(const char *key, const char *target, uint64_t at_tx)
{
	M(ReferenceRequest) in = IMMUDB__SCHEMA__REFERENCE_REQUEST__INIT;

	in.key = data_of(key);
	in.referencedkey = data_of(target);
	in.attx = at_tx;
	in.boundref = at_tx != 0;
	return in;
}

static M(ZAddRequest) member(double score, const char *key, uint64_t at_tx)
{
	M(ZAddRequest) in = IMMUDB__SCHEMA__ZADD_REQUEST__INIT;

	in.set = data_of("set");
	in.score = score;
	in.key = data_of(key);
	in.attx = at_tx;
	in.boundref = at_tx != 0;
	return in;
}

static void
seed_single_writes(void)
{
	M(ReferenceRequest) ref = reference("ref9", "k1", 0), bound = reference("ref9", "k1", 2);
	M(ZAddRequest) zadd = member(-1.5, "k1", 0), bound_zadd = member(0.0 / 0.0, "k1", 2);
	M(VerifiableReferenceRequest)
	verified_ref = IMMUDB__SCHEMA__VERIFIABLE_REFERENCE_REQUEST__INIT;
	M(VerifiableZAddRequest) verified_zadd = IMMUDB__SCHEMA__VERIFIABLE_ZADD_REQUEST__INIT;
	M(DeleteKeysRequest) deletion = IMMUDB__SCHEMA__DELETE_KEYS_REQUEST__INIT;
	ProtobufCBinaryData keys[] = {data_of("k1"), data_of("none")};

	put_request("reference", RPC_METHOD_SetReference, &ref.base);
	verified_ref.referencerequest = &bound;
	verified_ref.provesincetx = 3;
	put_request("verified-reference", RPC_METHOD_VerifiableSetReference, &verified_ref.base);
	put_request("zadd", RPC_METHOD_ZAdd, &zadd.base);
	verified_zadd.zaddrequest = &bound_zadd;
	verified_zadd.provesincetx = 3;
	put_request("verified-zadd", RPC_METHOD_VerifiableZAdd, &verified_zadd.base);
	deletion.keys = keys;
	deletion.n_keys = sizeof keys / sizeof *keys;
	deletion.sincetx = 1;
	deletion.nowait = true;
	put_request("delete", RPC_METHOD_Delete, &deletion.base);
}

static void
seed_exec_all(void)
{
	M(Precondition__KeyMustExistPrecondition)
	must = IMMUDB__SCHEMA__PRECONDITION__KEY_MUST_EXIST_PRECONDITION__INIT;
	M(Precondition__KeyNotModifiedAfterTXPrecondition)
	unmodified = IMMUDB__SCHEMA__PRECONDITION__KEY_NOT_MODIFIED_AFTER_TXPRECONDITION__INIT;
	M(Precondition)
	conditions[] = {IMMUDB__SCHEMA__PRECONDITION__INIT, IMMUDB__SCHEMA__PRECONDITION__INIT};
	M(Precondition) * condition_list[] = {&conditions[0], &conditions[1]};
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(ReferenceRequest) ref = reference("ref9", "new", 0);
	M(ZAddRequest) zadd = member(2, "new", 0);
	M(Op)
	ops[] = {IMMUDB__SCHEMA__OP__INIT, IMMUDB__SCHEMA__OP__INIT, IMMUDB__SCHEMA__OP__INIT};
	M(Op) * list[] = {&ops[0], &ops[1], &ops[2]};
	M(ExecAllRequest) in = IMMUDB__SCHEMA__EXEC_ALL_REQUEST__INIT;

	kv.key = data_of("new");
	kv.value = data_of("value");
	ref.boundref = true;
	ops[0].operation_case = IMMUDB__SCHEMA__OP__OPERATION_KV;
	ops[0].kv = &kv;
	ops[1].operation_case = IMMUDB__SCHEMA__OP__OPERATION_REF;
	ops[1].ref = &ref;
	ops[2].operation_case = IMMUDB__SCHEMA__OP__OPERATION_Z_ADD;
	ops[2].zadd = &zadd;
	must.key = data_of("k1");
	unmodified.key = data_of("k3");
	unmodified.txid = 9;
	conditions[0].precondition_case = IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_EXIST;
	conditions[0].keymustexist = &must;
	conditions[1].precondition_case =
	    IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_NOT_MODIFIED_AFTER_TX;
	conditions[1].keynotmodifiedaftertx = &unmodified;
	in.n_operations = sizeof list / sizeof *list;
	in.operations = list;
	in.n_preconditions = sizeof condition_list / sizeof *condition_list;
	in.preconditions = condition_list;
	put_request("exec-all", RPC_METHOD_ExecAll, &in.base);
}

static void
put_message(struct buf *b, struct bytes message)
{
	buf_append_be64(b, message.len);
	buf_append_bytes(b, message);
}

static void
put_stream(const char *name, uint16_t id, struct buf *content)
{
	M(Chunk) in = IMMUDB__SCHEMA__CHUNK__INIT;

	in.content.data = content->data;
	in.content.len = content->len;
	put_request(name, id, &in.base);
	buf_clear(content);
}

static void
seed_streams(void)
{
	M(ZAddRequest) zadd = member(1, "new", 0);
	uint8_t packed[64], since[8] = {0, 0, 0, 0, 0, 0, 0, 3};
	struct buf b;

	buf_init(&b, SEED_MAX);
	put_message(&b, bytes_str("new"));
	put_message(&b, bytes_str("value"));
	put_message(&b, bytes_str("empty"));
	put_message(&b, bytes_of(NULL, 0));
	put_stream("stream-set", RPC_METHOD_StreamSet, &b);
	put_message(&b, bytes_of(since, sizeof since));
	put_message(&b, bytes_str("new"));
	put_message(&b, bytes_str("value"));
	put_stream("stream-verified-set", RPC_METHOD_StreamVerifiableSet, &b);
	put_message(&b, bytes_str("\1"));
	put_message(&b, bytes_str("new"));
	put_message(&b, bytes_str("value"));
	put_message(&b, bytes_str("\2"));
	put_message(&b, bytes_of(packed, immudb__schema__zadd_request__pack(&zadd, packed)));
	put_stream("stream-exec-all", RPC_METHOD_StreamExecAll, &b);
	buf_free(&b);
}

void
seed_writes(void)
{
	seed_single_writes();
	seed_exec_all();
	seed_streams();
}
