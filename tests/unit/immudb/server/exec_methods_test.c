/*
 * ExecAll over a loopback connection: one transaction of values, references and members of sorted
 * sets, in which operations see the ones before them; and all that it refuses, by text and status.
 */
#include "server_harness.h"

#include <pthread.h>

#define OPS_MAX 1100

/* A request that grows operation by operation. */
struct exec {
	M(ExecAllRequest) in;
	M(Op) ops[OPS_MAX];
	M(Op) * list[OPS_MAX];
	M(KeyValue) kvs[OPS_MAX];
	M(ReferenceRequest) refs[OPS_MAX];
	M(ZAddRequest) zadds[OPS_MAX];
};

static struct exec x;

static void
begin(void)
{
	immudb__schema__exec_all_request__init(&x.in);
	x.in.operations = x.list;
}

static size_t
next_op(M(Op__OperationCase) kind)
{
	size_t i = x.in.n_operations++;

	immudb__schema__op__init(&x.ops[i]);
	immudb__schema__key_value__init(&x.kvs[i]);
	immudb__schema__reference_request__init(&x.refs[i]);
	immudb__schema__zadd_request__init(&x.zadds[i]);
	x.ops[i].operation_case = kind;
	x.list[i] = &x.ops[i];
	return i;
}

static M(KeyValue) * add_kv(const char *key, const char *value)
{
	size_t i = next_op(IMMUDB__SCHEMA__OP__OPERATION_KV);

	x.ops[i].kv = &x.kvs[i];
	x.kvs[i].key = message_data(bytes_str(key));
	x.kvs[i].value = message_data(bytes_str(value));
	return &x.kvs[i];
}

static M(ReferenceRequest) * add_ref(const char *key, const char *target)
{
	size_t i = next_op(IMMUDB__SCHEMA__OP__OPERATION_REF);

	x.ops[i].ref = &x.refs[i];
	x.refs[i].key = message_data(bytes_str(key));
	x.refs[i].referencedkey = message_data(bytes_str(target));
	return &x.refs[i];
}

static M(ZAddRequest) * add_zadd(const char *set_name, double score, const char *key)
{
	size_t i = next_op(IMMUDB__SCHEMA__OP__OPERATION_Z_ADD);

	x.ops[i].zadd = &x.zadds[i];
	x.zadds[i].set = message_data(bytes_str(set_name));
	x.zadds[i].score = score;
	x.zadds[i].key = message_data(bytes_str(key));
	return &x.zadds[i];
}

static enum im_err
run(struct fixture *f, M(TxHeader) * *out)
{
	return ask(f, RPC_METHOD_ExecAll, &x.in.base, out);
}

static void
assert_run_refused(struct fixture *f, enum im_err expected, enum im_status status, const char *text)
{
	struct store_state before, after;

	store_state(store_of(f), &before);
	assert_int_equal(run(f, NULL), expected);
	assert_int_equal(f->status, status);
	assert_int_equal(strncmp(err_detail(expected), text, strlen(text)), 0);
	store_state(store_of(f), &after);
	assert_int_equal(before.tx, after.tx);
}

#define INVALID IM_STATUS_INVALID_ARGUMENT
#define FAILED IM_STATUS_FAILED_PRECONDITION
#define MISSING IM_STATUS_NOT_FOUND

static void
exec_is_one_transaction(void **state)
{
	struct fixture *f = *state;
	M(TxHeader) *header = NULL;
	M(KeyRequest) in = key_request("ref");
	M(Entry) *e = NULL;
	struct store_tx tx;
	struct raw_key member;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	begin();
	add_kv("k", "v");
	add_ref("ref", "k");
	add_zadd("set", 1.5, "k");
	x.in.nowait = true;
	assert_int_equal(run(f, &header), IM_OK);
	assert_int_equal(header->id, 1);
	assert_int_equal(header->nentries, 3);
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "v");
	assert_int_equal(e->referencedby->attx, 0);
	/* Entries stand in the order of the operations. */
	assert_int_equal(store_read_tx(store_of(f), 1, 0, &f->arena, &tx), IM_OK);
	assert_int_equal(tx.entries[0].key.data[1], 'k');
	assert_int_equal(tx.entries[1].key.data[1], 'r');
	assert_int_equal(raw_key_parse(tx.entries[2].key, &member), IM_OK);
	assert_int_equal(member.kind, RAW_KEY_ZADD);
	assert_true(member.score == 1.5 && member.at_tx == 0);
}

static void
exec_binds_to_itself(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("ref");
	M(Entry) *e = NULL;
	struct store_tx tx;
	struct raw_key member;
	M(KVMetadata) md = IMMUDB__SCHEMA__KVMETADATA__INIT;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "other", "v", NULL), IM_OK);
	begin();
	add_kv("k", "one");
	add_ref("ref", "k")->boundref = true;
	add_zadd("set", 1, "k")->boundref = true;
	/* Bound or not are different members. */
	add_zadd("set", 1, "k");
	assert_int_equal(run(f, NULL), IM_OK);
	assert_int_equal(set(f, "k", "two", NULL), IM_OK);
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "one");
	assert_int_equal(e->tx, 2);
	assert_int_equal(e->referencedby->attx, 2);
	assert_int_equal(store_read_tx(store_of(f), 2, 0, &f->arena, &tx), IM_OK);
	assert_int_equal(raw_key_parse(tx.entries[2].key, &member), IM_OK);
	assert_int_equal(member.at_tx, 2);
	assert_int_equal(raw_key_parse(tx.entries[3].key, &member), IM_OK);
	assert_int_equal(member.at_tx, 0);
	/* A key that this transaction does not set cannot be bound to it. */
	begin();
	add_ref("ref2", "other")->boundref = true;
	assert_run_refused(f, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found");
	begin();
	add_zadd("set", 1, "other")->boundref = true;
	assert_run_refused(f, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found");
	/* One that is not indexed can, and only so. */
	begin();
	md.nonindexable = true;
	add_kv("hidden", "h")->metadata = &md;
	add_ref("ref3", "hidden");
	assert_run_refused(f, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found");
	x.refs[1].boundref = true;
	assert_int_equal(run(f, NULL), IM_OK);
	in = key_request("ref3");
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "h");
}

static void
exec_sees_what_is_before(void **state)
{
	struct fixture *f = *state;
	M(KVMetadata) md = IMMUDB__SCHEMA__KVMETADATA__INIT;
	M(Expiration) expiration = IMMUDB__SCHEMA__EXPIRATION__INIT;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	/* Not what comes later. */
	begin();
	add_ref("ref", "k");
	add_kv("k", "v");
	assert_run_refused(f, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found");
	begin();
	add_zadd("set", 1, "k");
	add_kv("k", "v");
	assert_run_refused(f, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found");
	begin();
	add_kv("k", "v");
	add_ref("ref", "k");
	add_ref("ref2", "ref");
	assert_run_refused(
	    f, IM_ERR_REFERENCE_TARGET, FAILED, "referenced key cannot be a reference");
	begin();
	add_kv("k", "v");
	add_ref("ref", "k");
	add_zadd("set", 1, "ref");
	assert_run_refused(
	    f, IM_ERR_REFERENCE_TARGET, FAILED, "referenced key cannot be a reference");
	/* What is set as expired does not exist. */
	begin();
	expiration.expiresat = 1;
	md.expiration = &expiration;
	add_kv("k", "v")->metadata = &md;
	add_ref("ref", "k");
	assert_run_refused(f, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found");
	/* Stored keys count as well. */
	assert_int_equal(set(f, "stored", "v", NULL), IM_OK);
	begin();
	add_ref("ref", "stored");
	add_ref("old", "stored");
	x.refs[1].attx = 1;
	x.refs[1].boundref = true;
	add_zadd("set", 1, "stored");
	assert_int_equal(run(f, NULL), IM_OK);
	begin();
	add_ref("stored", "ref");
	assert_run_refused(
	    f, IM_ERR_REFERENCE_TARGET, FAILED, "referenced key cannot be a reference");
	begin();
	add_kv("new", "v");
	add_ref("stored", "new");
	assert_run_refused(
	    f, IM_ERR_REFERENCE_KEY, FAILED, "final key cannot be converted into a reference");
}

static void
exec_refusals(void **state)
{
	struct fixture *f = *state;
	char keys[OPS_MAX][8];

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	begin();
	assert_run_refused(f, IM_ERR_EMPTY_SET, INVALID, "empty set");
	next_op(IMMUDB__SCHEMA__OP__OPERATION__NOT_SET);
	assert_run_refused(f, IM_ERR_OPERATION, INVALID, "operation is not set");
	begin();
	add_kv("", "v");
	assert_run_refused(f, IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	begin();
	add_kv("k", "v");
	add_zadd("set", 0.0 / 0.0, "k");
	assert_run_refused(f, IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	begin();
	add_kv("k", "v");
	add_ref("ref", "k")->attx = 1;
	assert_run_refused(f, IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	x.refs[1].boundref = true;
	assert_run_refused(f, IM_ERR_TX_NOT_FOUND, MISSING, "tx not found");
	begin();
	for (size_t i = 0; i < TX_ENTRIES_MAX + 1; i++) {
		snprintf(keys[i], sizeof keys[i], "%zu", i);
		add_kv(keys[i], "v");
	}
	assert_run_refused(f, IM_ERR_TX_ENTRIES, INVALID, "max number of entries per tx exceeded");
	x.in.n_operations--;
	assert_int_equal(run(f, NULL), IM_OK);
}

static void
exec_duplicates(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	begin();
	add_kv("k", "v");
	add_kv("k", "w");
	assert_run_refused(f, IM_ERR_DUPLICATE_KEY, INVALID,
	    "duplicated keys are not supported in single batch transaction");
	begin();
	add_kv("k", "v");
	add_kv("ref", "v");
	add_ref("ref", "k");
	assert_run_refused(f, IM_ERR_DUPLICATE_KEY, INVALID,
	    "duplicated keys are not supported in single batch transaction");
	begin();
	add_kv("k", "v");
	add_ref("ref", "k");
	add_ref("ref", "k");
	assert_run_refused(f, IM_ERR_DUPLICATE_REFERENCE, INVALID,
	    "duplicated references insertions are not supported in single batch transaction");
	begin();
	add_kv("k", "v");
	add_zadd("set", 1, "k");
	add_zadd("set", 2, "k");
	add_zadd("set", 1, "k");
	assert_run_refused(f, IM_ERR_DUPLICATE_ZADD, INVALID,
	    "duplicated index inside zAdd insertions are not supported in single batch transaction");
	begin();
	add_kv("k", "v");
	add_zadd("set", 1, "k")->boundref = true;
	add_zadd("set", 1, "k")->boundref = true;
	assert_run_refused(f, IM_ERR_DUPLICATE_ZADD, INVALID,
	    "duplicated index inside zAdd insertions are not supported in single batch transaction");
}

/* Preconditions of the request and of the references in it, in the state before the transaction. */
static void
exec_preconditions(void **state)
{
	struct fixture *f = *state;
	M(Precondition) condition = IMMUDB__SCHEMA__PRECONDITION__INIT;
	M(Precondition__KeyMustExistPrecondition)
	must = IMMUDB__SCHEMA__PRECONDITION__KEY_MUST_EXIST_PRECONDITION__INIT;
	M(Precondition) * conditions[1] = {&condition};
	M(ReferenceRequest) * ref;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	must.key = message_data(bytes_str("k"));
	condition.precondition_case = IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_EXIST;
	condition.keymustexist = &must;
	begin();
	add_kv("k", "v");
	x.in.n_preconditions = 1;
	x.in.preconditions = conditions;
	assert_run_refused(
	    f, IM_ERR_PRECONDITION, FAILED, "precondition failed: key does not exist");
	x.in.n_preconditions = 0;
	ref = add_ref("ref", "k");
	ref->n_preconditions = 1;
	ref->preconditions = conditions;
	assert_run_refused(
	    f, IM_ERR_PRECONDITION, FAILED, "precondition failed: key does not exist");
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	x.in.n_preconditions = 1;
	assert_int_equal(run(f, NULL), IM_OK);
}

/* As many operations, and conditions, as a transaction takes. */
static void
exec_largest(void **state)
{
	struct fixture *f = *state;
	static char names[TX_ENTRIES_MAX][8];
	M(TxHeader) *header = NULL;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	begin();
	for (size_t i = 0; i < TX_ENTRIES_MAX; i++) {
		snprintf(names[i], sizeof names[i], "r%zu", i);
		if (i % 2)
			add_ref(names[i], "k");
		else
			add_zadd("set", (double)i, "k");
	}
	assert_int_equal(run(f, &header), IM_OK);
	assert_int_equal(header->nentries, TX_ENTRIES_MAX);
}

/* ---- Writes that need one another, sent without waiting ---- */

#define ROUNDS 60

/* Of each round: set, refer to it, add it to a set, delete it, and delete it again in vain. */
#define ROUND_CALLS 5

struct pipeline {
	enum im_err errs[ROUNDS * ROUND_CALLS];
	size_t started, done;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
};

struct pipeline_call {
	struct pipeline *all;
	size_t number;
};

static void
pipeline_answer(void *ctx, const struct rpc_answer *answer)
{
	struct pipeline_call *call = ctx;

	pthread_mutex_lock(&call->all->mutex);
	call->all->errs[call->number] = answer->err;
	call->all->done++;
	pthread_cond_signal(&call->all->changed);
	pthread_mutex_unlock(&call->all->mutex);
}

static struct pipeline pipeline = {
    .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
pipeline_send(struct fixture *f, uint16_t method, const ProtobufCMessage *request)
{
	static struct pipeline_call calls[ROUNDS * ROUND_CALLS];
	struct rpc_call call = {
	    .method = method, .session = bytes_str(f->session), .request = request};
	size_t i = pipeline.started++;

	calls[i] = (struct pipeline_call){&pipeline, i};
	assert_int_equal(rpc_call_start(f->conn, &call, pipeline_answer, &calls[i]), IM_OK);
}

static void
pipeline_round(struct fixture *f, int round)
{
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(SetRequest) set_request = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	M(ReferenceRequest) reference = IMMUDB__SCHEMA__REFERENCE_REQUEST__INIT;
	M(ZAddRequest) member = IMMUDB__SCHEMA__ZADD_REQUEST__INIT;
	M(DeleteKeysRequest) deletion = IMMUDB__SCHEMA__DELETE_KEYS_REQUEST__INIT;
	char key[16], ref[16];

	snprintf(key, sizeof key, "k%d", round);
	snprintf(ref, sizeof ref, "r%d", round);
	kv.key = reference.referencedkey = member.key = message_data(bytes_str(key));
	reference.key = message_data(bytes_str(ref));
	member.set = message_data(bytes_str("set"));
	set_request.kvs = kvs;
	deletion.keys = &kv.key;
	set_request.n_kvs = deletion.n_keys = 1;
	pipeline_send(f, RPC_METHOD_Set, &set_request.base);
	pipeline_send(f, RPC_METHOD_SetReference, &reference.base);
	pipeline_send(f, RPC_METHOD_ZAdd, &member.base);
	pipeline_send(f, RPC_METHOD_Delete, &deletion.base);
	pipeline_send(f, RPC_METHOD_Delete, &deletion.base);
}

static void
order_without_waiting(struct fixture *f, bool synced)
{
	struct server_options options = options_of(f);
	struct store_state newest;

	options.synced = synced;
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	pipeline.started = pipeline.done = 0;
	for (int i = 0; i < ROUNDS; i++)
		pipeline_round(f, i);
	pthread_mutex_lock(&pipeline.mutex);
	while (pipeline.done < pipeline.started)
		pthread_cond_wait(&pipeline.changed, &pipeline.mutex);
	pthread_mutex_unlock(&pipeline.mutex);
	for (size_t i = 0; i < pipeline.started; i++)
		assert_int_equal(pipeline.errs[i],
		    i % ROUND_CALLS == ROUND_CALLS - 1 ? IM_ERR_KEY_NOT_FOUND : IM_OK);
	store_state(store_of(f), &newest);
	assert_int_equal(newest.tx, ROUNDS * (ROUND_CALLS - 1));
}

static void
exec_order_without_waiting(void **state)
{
	order_without_waiting(*state, false);
}

static void
exec_order_without_waiting_synced(void **state)
{
	order_without_waiting(*state, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STARTED(exec_is_one_transaction),
	    STARTED(exec_binds_to_itself),
	    STARTED(exec_sees_what_is_before),
	    STARTED(exec_refusals),
	    STARTED(exec_duplicates),
	    STARTED(exec_preconditions),
	    STARTED(exec_largest),
	    FOLDER(exec_order_without_waiting),
	    FOLDER(exec_order_without_waiting_synced),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
