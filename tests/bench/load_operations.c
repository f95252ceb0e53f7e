/*
 * Requests of the load generator beyond Set, Get and Scan: rewriting one key, sorted sets, ExecAll,
 * deletion, histories. load_immudb.c sends them.
 */
#include "load.h"

#define M(Name) Immudb__Schema__##Name

static uint8_t set_name[] = "set";

static ProtobufCBinaryData
data_of(uint8_t *p, size_t len)
{
	return (ProtobufCBinaryData){len, p};
}

static double
random_score(struct load *l)
{
	return (double)(bench_random(&l->random) % LOAD_SCORES);
}

static void
request_rewrite(struct load *l, struct load_conn *c)
{
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * list[1] = {&kv};
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	uint8_t key[BENCH_KEY_BYTES];

	load_key_make(l, l->options.first, key);
	kv.key = data_of(key, sizeof key);
	kv.value = data_of(l->value, l->options.value_bytes);
	in.n_kvs = 1;
	in.kvs = list;
	load_immudb_put(c, RPC_METHOD_Set, &in.base);
}

static void
request_zadd(struct load *l, struct load_conn *c)
{
	M(ZAddRequest) in = IMMUDB__SCHEMA__ZADD_REQUEST__INIT;
	uint8_t key[BENCH_KEY_BYTES];

	load_key_make(l, l->next_key++, key);
	in.set = data_of(set_name, sizeof set_name - 1);
	in.score = random_score(l);
	in.key = data_of(key, sizeof key);
	load_immudb_put(c, RPC_METHOD_ZAdd, &in.base);
}

static void
request_delete(struct load *l, struct load_conn *c)
{
	M(DeleteKeysRequest) in = IMMUDB__SCHEMA__DELETE_KEYS_REQUEST__INIT;
	uint8_t key[BENCH_KEY_BYTES];
	ProtobufCBinaryData list[1] = {data_of(key, sizeof key)};

	load_key_make(l, l->next_key++, key);
	in.n_keys = 1;
	in.keys = list;
	load_immudb_put(c, RPC_METHOD_Delete, &in.base);
}

/* What one operation of an ExecAll is made of. */
struct exec_op {
	M(Op) base;
	M(KeyValue) kv;
	M(ReferenceRequest) reference;
	M(ZAddRequest) member;
	uint8_t key[BENCH_KEY_BYTES];
};

/* Operation number i, about the key that the last value was set for. */
static void
make_op(struct load *l, uint64_t i, uint8_t target[BENCH_KEY_BYTES], struct exec_op *op)
{
	immudb__schema__op__init(&op->base);
	immudb__schema__key_value__init(&op->kv);
	immudb__schema__reference_request__init(&op->reference);
	immudb__schema__zadd_request__init(&op->member);
	load_key_make(l, l->next_key++, op->key);
	if (i % 3 == 0) {
		op->base.operation_case = IMMUDB__SCHEMA__OP__OPERATION_KV;
		op->base.kv = &op->kv;
		op->kv.key = data_of(op->key, sizeof op->key);
		op->kv.value = data_of(l->value, l->options.value_bytes);
		memcpy(target, op->key, sizeof op->key);
	} else if (i % 3 == 1) {
		op->base.operation_case = IMMUDB__SCHEMA__OP__OPERATION_REF;
		op->base.ref = &op->reference;
		op->reference.key = data_of(op->key, sizeof op->key);
		op->reference.referencedkey = data_of(target, BENCH_KEY_BYTES);
	} else {
		op->base.operation_case = IMMUDB__SCHEMA__OP__OPERATION_Z_ADD;
		op->base.zadd = &op->member;
		memcpy(op->key, target, sizeof op->key);
		op->member.set = data_of(set_name, sizeof set_name - 1);
		op->member.score = random_score(l);
		op->member.key = data_of(op->key, sizeof op->key);
	}
}

static void
request_exec(struct load *l, struct load_conn *c)
{
	static struct exec_op ops[LOAD_ENTRIES_MAX];
	static uint8_t targets[LOAD_ENTRIES_MAX / 3 + 1][BENCH_KEY_BYTES];
	static M(Op) * list[LOAD_ENTRIES_MAX];
	M(ExecAllRequest) in = IMMUDB__SCHEMA__EXEC_ALL_REQUEST__INIT;

	for (uint64_t i = 0; i < l->options.entries; i++) {
		make_op(l, i, targets[i / 3], &ops[i]);
		list[i] = &ops[i].base;
	}
	in.n_operations = l->options.entries;
	in.operations = list;
	load_immudb_put(c, RPC_METHOD_ExecAll, &in.base);
}

static void
request_zscan(struct load *l, struct load_conn *c)
{
	M(Score) least = IMMUDB__SCHEMA__SCORE__INIT;
	M(ZScanRequest) in = IMMUDB__SCHEMA__ZSCAN_REQUEST__INIT;

	/* The lower half: so that a page finds enough behind it. */
	least.score = random_score(l) / 2;
	in.set = data_of(set_name, sizeof set_name - 1);
	in.minscore = &least;
	in.limit = l->options.entries;
	load_immudb_put(c, RPC_METHOD_ZScan, &in.base);
}

static void
request_history(struct load *l, struct load_conn *c)
{
	M(HistoryRequest) in = IMMUDB__SCHEMA__HISTORY_REQUEST__INIT;
	uint8_t key[BENCH_KEY_BYTES];

	load_key_make(l, l->options.first, key);
	in.key = data_of(key, sizeof key);
	in.limit = (int32_t)l->options.entries;
	load_immudb_put(c, RPC_METHOD_History, &in.base);
}

void
load_operation(struct load *l, struct load_conn *c)
{
	switch (l->options.op) {
	case LOAD_REWRITE:
		request_rewrite(l, c);
		break;
	case LOAD_ZADD:
		request_zadd(l, c);
		break;
	case LOAD_EXEC:
		request_exec(l, c);
		break;
	case LOAD_DELETE:
		request_delete(l, c);
		break;
	case LOAD_ZSCAN:
		request_zscan(l, c);
		break;
	default:
		request_history(l, c);
	}
}
