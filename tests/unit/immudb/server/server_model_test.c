/*
 * The server against a simple model: long random sequences of all writes, right and wrong ones,
 * with restarts in between; every outcome, and everything that can be read, is compared.
 */
#include "server_harness.h"

#define KEYS 8
#define SETS 2
#define SCORES 4
#define VERSIONS_MAX 512
#define MEMBERS_MAX 512
#define OPS_MAX 6
#define STEPS 400
#define STEPS_TO_RESTART 130

enum kind { PLAIN, REFERENCE, DELETED };

/* One version of a key. */
struct version {
	uint64_t tx;
	enum kind kind;
	bool expired;
	unsigned value;  /* PLAIN */
	unsigned target; /* REFERENCE */
	uint64_t at_tx;  /* REFERENCE */
};

struct member {
	unsigned set;
	double score;
	unsigned key;
	uint64_t at_tx;
};

struct model {
	struct version versions[KEYS][VERSIONS_MAX];
	size_t counts[KEYS];
	struct member members[MEMBERS_MAX];
	size_t nmembers;
	uint64_t tx;
	uint64_t random;
	unsigned written;
};

enum op_kind { OP_KV, OP_REF, OP_ZADD, OP_DELETE };

struct op {
	enum op_kind kind;
	unsigned key;    /* what is written; of OP_ZADD what the member points to */
	unsigned target; /* OP_REF */
	uint64_t at_tx;
	bool bound;
	bool expired;   /* OP_KV */
	unsigned value; /* OP_KV */
	unsigned set;
	double score;
};

/* One request. */
struct attempt {
	struct op ops[OPS_MAX];
	size_t nops;
	bool shared; /* ExecAll */
	/* A precondition on a key: 0 none, 1 must exist, 2 must not, 3 not modified after tx. */
	unsigned condition;
	unsigned condition_key;
	uint64_t condition_tx;
};

static struct model m;

static unsigned
draw(unsigned below)
{
	m.random ^= m.random << 13;
	m.random ^= m.random >> 7;
	m.random ^= m.random << 17;
	return (unsigned)(m.random % below);
}

/* ---- What the model says ---- */

static const struct version *
version_of(unsigned key, uint64_t at_tx)
{
	for (size_t i = m.counts[key]; i-- > 0;)
		if (!at_tx || m.versions[key][i].tx == at_tx)
			return &m.versions[key][i];
	return NULL;
}

static bool
exists(const struct version *v)
{
	return v && v->kind != DELETED && !v->expired;
}

/* What a read of a key shows, following a reference one step. */
static enum im_err
resolve(unsigned key, uint64_t at_tx, const struct version **out)
{
	const struct version *v = version_of(key, at_tx);

	if (!exists(v))
		return IM_ERR_KEY_NOT_FOUND;
	if (v->kind == REFERENCE)
		v = version_of(v->target, v->at_tx);
	if (!exists(v))
		return IM_ERR_KEY_NOT_FOUND;
	*out = v;
	return v->kind == REFERENCE ? IM_ERR_RESOLUTION : IM_OK;
}

static unsigned
points_to(const struct op *op)
{
	return op->kind == OP_REF ? op->target : op->key;
}

/* The operation before number i that writes the key itself. */
static const struct op *
written_before(const struct attempt *a, size_t i, unsigned key)
{
	for (size_t j = 0; j < i; j++)
		if (a->ops[j].kind != OP_ZADD && a->ops[j].key == key)
			return &a->ops[j];
	return NULL;
}

static bool
same_member(const struct op *a, const struct op *b)
{
	return a->kind == OP_ZADD && b->kind == OP_ZADD && a->set == b->set && a->key == b->key &&
	    a->score == b->score && a->at_tx == b->at_tx && a->bound == b->bound;
}

static enum im_err
expect_no_duplicate(const struct attempt *a, size_t i)
{
	const struct op *op = &a->ops[i], *before;

	if (op->kind == OP_ZADD) {
		for (size_t j = 0; j < i; j++)
			if (same_member(&a->ops[j], op))
				return IM_ERR_DUPLICATE_ZADD;
		return IM_OK;
	}
	before = written_before(a, i, op->key);
	if (!before)
		return IM_OK;
	return before->kind == OP_REF && op->kind == OP_REF ? IM_ERR_DUPLICATE_REFERENCE
							    : IM_ERR_DUPLICATE_KEY;
}

/* Whether the request itself gives what operation i points to. */
static enum im_err
expect_target_here(const struct attempt *a, size_t i, bool *here)
{
	const struct op *op = &a->ops[i];
	const struct op *before = a->shared ? written_before(a, i, points_to(op)) : NULL;

	*here = false;
	if (a->shared ? op->at_tx && !op->bound : op->bound != (op->at_tx != 0))
		return IM_ERR_ARGUMENT;
	if (before && !op->at_tx) {
		if (before->kind == OP_REF)
			return IM_ERR_REFERENCE_TARGET;
		*here = !before->expired;
		return before->expired ? IM_ERR_KEY_NOT_FOUND : IM_OK;
	}
	return op->bound && !op->at_tx ? IM_ERR_KEY_NOT_FOUND : IM_OK;
}

/* What can be said of a request without looking at what is stored. */
static enum im_err
expect_of_request(const struct attempt *a, bool here[OPS_MAX])
{
	enum im_err err = IM_OK;

	for (size_t i = 0; i < a->nops && err == IM_OK; i++) {
		here[i] = true;
		if (a->ops[i].kind == OP_REF || a->ops[i].kind == OP_ZADD)
			err = expect_target_here(a, i, &here[i]);
		if (err == IM_OK)
			err = expect_no_duplicate(a, i);
	}
	return err;
}

static enum im_err
expect_target_stored(const struct op *op)
{
	const struct version *v = version_of(points_to(op), op->at_tx);

	if (op->at_tx > m.tx)
		return IM_ERR_TX_NOT_FOUND;
	if (!exists(v))
		return IM_ERR_KEY_NOT_FOUND;
	return v->kind == REFERENCE ? IM_ERR_REFERENCE_TARGET : IM_OK;
}

static enum im_err
expect_of_stored(const struct op *op, bool here)
{
	const struct version *v = version_of(op->key, 0);
	enum im_err err;

	if (op->kind == OP_DELETE)
		return exists(v) ? IM_OK : IM_ERR_KEY_NOT_FOUND;
	err = here ? IM_OK : expect_target_stored(op);
	if (err == IM_OK && op->kind == OP_REF && exists(v) && v->kind == PLAIN)
		return IM_ERR_REFERENCE_KEY;
	return err;
}

static enum im_err
expect_condition(const struct attempt *a)
{
	const struct version *v = version_of(a->condition_key, 0);
	bool holds = a->condition == 0 || (a->condition == 1 && exists(v)) ||
	    (a->condition == 2 && !exists(v)) ||
	    (a->condition == 3 && (!v || v->tx <= a->condition_tx));

	return holds ? IM_OK : IM_ERR_PRECONDITION;
}

static enum im_err
expect(const struct attempt *a)
{
	bool here[OPS_MAX];
	enum im_err err = expect_of_request(a, here);

	for (size_t i = 0; i < a->nops && err == IM_OK; i++)
		err = expect_of_stored(&a->ops[i], here[i]);
	return err == IM_OK ? expect_condition(a) : err;
}

static void
model_add_member(const struct op *op)
{
	struct member new = {op->set, op->score, op->key, op->at_tx};

	if (op->bound && !op->at_tx)
		new.at_tx = m.tx;
	for (size_t i = 0; i < m.nmembers; i++)
		if (m.members[i].set == new.set &&
		    m.members[i].score == new.score &&m.members[i].key ==
			new.key &&m.members[i].at_tx == new.at_tx)
			return;
	assert_true(m.nmembers < MEMBERS_MAX);
	m.members[m.nmembers++] = new;
}

static void
model_apply(const struct attempt *a)
{
	m.tx++;
	for (size_t i = 0; i < a->nops; i++) {
		const struct op *op = &a->ops[i];
		struct version v = {.tx = m.tx, .expired = op->expired, .value = op->value};

		if (op->kind == OP_ZADD) {
			model_add_member(op);
			continue;
		}
		v.kind = op->kind == OP_KV ? PLAIN : op->kind == OP_REF ? REFERENCE : DELETED;
		v.target = op->target;
		v.at_tx = op->kind == OP_REF && op->bound && !op->at_tx ? m.tx : op->at_tx;
		assert_true(m.counts[op->key] < VERSIONS_MAX);
		m.versions[op->key][m.counts[op->key]++] = v;
	}
}

/* ---- Requests ---- */

static ProtobufCBinaryData
text_of(struct fixture *f, const char *prefix, unsigned n)
{
	char text[24];

	snprintf(text, sizeof text, "%s%u", prefix, n);
	return message_data(arena_copy(&f->arena, bytes_str(text)));
}

static void *
message_of(struct fixture *f, const ProtobufCMessageDescriptor *d)
{
	void *message = message_new(&f->arena, d);

	assert_non_null(message);
	return message;
}

#define NEW(type) message_of(f, &immudb__schema__##type##__descriptor)

static M(KeyValue) * kv_of(struct fixture *f, const struct op *op)
{
	M(KeyValue) *kv = NEW(key_value);

	kv->key = text_of(f, "k", op->key);
	kv->value = text_of(f, "v", op->value);
	if (op->expired) {
		kv->metadata = NEW(kvmetadata);
		kv->metadata->expiration = NEW(expiration);
		kv->metadata->expiration->expiresat = 1;
	}
	return kv;
}

static M(ReferenceRequest) * ref_of(struct fixture *f, const struct op *op)
{
	M(ReferenceRequest) *in = NEW(reference_request);

	in->key = text_of(f, "k", op->key);
	in->referencedkey = text_of(f, "k", op->target);
	in->attx = op->at_tx;
	in->boundref = op->bound;
	return in;
}

static M(ZAddRequest) * zadd_of(struct fixture *f, const struct op *op)
{
	M(ZAddRequest) *in = NEW(zadd_request);

	in->set = text_of(f, "s", op->set);
	in->score = op->score;
	in->key = text_of(f, "k", op->key);
	in->attx = op->at_tx;
	in->boundref = op->bound;
	return in;
}

static M(Precondition) * *conditions_of(struct fixture *f, const struct attempt *a, size_t *n)
{
	M(Precondition) **list = arena_calloc(&f->arena, 1, sizeof *list);
	ProtobufCBinaryData key = text_of(f, "k", a->condition_key);
	M(Precondition) *p = NEW(precondition);

	*n = a->condition != 0;
	list[0] = p;
	p->precondition_case = (M(Precondition__PreconditionCase))a->condition;
	if (a->condition == 1) {
		p->keymustexist = NEW(precondition__key_must_exist_precondition);
		p->keymustexist->key = key;
	} else if (a->condition == 2) {
		p->keymustnotexist = NEW(precondition__key_must_not_exist_precondition);
		p->keymustnotexist->key = key;
	} else if (a->condition == 3) {
		p->keynotmodifiedaftertx = NEW(precondition__key_not_modified_after_txprecondition);
		p->keynotmodifiedaftertx->key = key;
		p->keynotmodifiedaftertx->txid = a->condition_tx;
	}
	return list;
}

static enum im_err
send_exec(struct fixture *f, const struct attempt *a)
{
	M(ExecAllRequest) *in = NEW(exec_all_request);

	in->operations = arena_calloc(&f->arena, a->nops, sizeof(M(Op) *));
	in->preconditions = conditions_of(f, a, &in->n_preconditions);
	for (size_t i = 0; i < a->nops; i++) {
		const struct op *op = &a->ops[i];
		M(Op) *out = NEW(op);

		in->operations[in->n_operations++] = out;
		if (op->kind == OP_KV) {
			out->operation_case = IMMUDB__SCHEMA__OP__OPERATION_KV;
			out->kv = kv_of(f, op);
		} else if (op->kind == OP_REF) {
			out->operation_case = IMMUDB__SCHEMA__OP__OPERATION_REF;
			out->ref = ref_of(f, op);
		} else {
			out->operation_case = IMMUDB__SCHEMA__OP__OPERATION_Z_ADD;
			out->zadd = zadd_of(f, op);
		}
	}
	return ask(f, RPC_METHOD_ExecAll, &in->base, NULL);
}

static enum im_err
send_set(struct fixture *f, const struct attempt *a)
{
	M(SetRequest) *in = NEW(set_request);

	in->kvs = arena_calloc(&f->arena, a->nops, sizeof(M(KeyValue) *));
	in->preconditions = conditions_of(f, a, &in->n_preconditions);
	for (; in->n_kvs < a->nops; in->n_kvs++)
		in->kvs[in->n_kvs] = kv_of(f, &a->ops[in->n_kvs]);
	return ask(f, RPC_METHOD_Set, &in->base, NULL);
}

static enum im_err
send_delete(struct fixture *f, const struct attempt *a)
{
	M(DeleteKeysRequest) *in = NEW(delete_keys_request);

	in->keys = arena_calloc(&f->arena, a->nops, sizeof *in->keys);
	for (; in->n_keys < a->nops; in->n_keys++)
		in->keys[in->n_keys] = text_of(f, "k", a->ops[in->n_keys].key);
	return ask(f, RPC_METHOD_Delete, &in->base, NULL);
}

static enum im_err
send_reference(struct fixture *f, const struct attempt *a)
{
	M(ReferenceRequest) *in = ref_of(f, &a->ops[0]);

	in->preconditions = conditions_of(f, a, &in->n_preconditions);
	return ask(f, RPC_METHOD_SetReference, &in->base, NULL);
}

static enum im_err
send_attempt(struct fixture *f, const struct attempt *a)
{
	if (a->shared)
		return send_exec(f, a);
	switch (a->ops[0].kind) {
	case OP_KV:
		return send_set(f, a);
	case OP_DELETE:
		return send_delete(f, a);
	case OP_REF:
		return send_reference(f, a);
	default:
		return ask(f, RPC_METHOD_ZAdd, &zadd_of(f, &a->ops[0])->base, NULL);
	}
}

/* ---- What is tried ---- */

static struct op
draw_op(enum op_kind kind)
{
	static const double scores[SCORES] = {-1.5, 0, 1, 2.25};
	struct op op = {.kind = kind, .key = draw(KEYS), .target = draw(KEYS)};

	if (kind == OP_KV) {
		op.value = ++m.written;
		op.expired = draw(8) == 0;
	} else if (kind != OP_DELETE) {
		op.bound = draw(3) == 0;
		op.at_tx = op.bound || draw(20) == 0 ? draw((unsigned)m.tx + 3) : 0;
		/* Half of them hit. */
		if (op.bound && draw(2) && m.counts[points_to(&op)])
			op.at_tx =
			    m.versions[points_to(&op)][draw((unsigned)m.counts[points_to(&op)])].tx;
		op.set = draw(SETS);
		op.score = scores[draw(SCORES)];
	}
	return op;
}

static struct attempt
draw_attempt(void)
{
	struct attempt a = {.shared = draw(3) == 0};
	enum op_kind kind = (enum op_kind)draw(4);

	a.nops = a.shared                        ? 1 + draw(OPS_MAX)
	    : kind == OP_KV || kind == OP_DELETE ? 1 + draw(2)
						 : 1;
	for (size_t i = 0; i < a.nops; i++) {
		a.ops[i] = draw_op(a.shared ? (enum op_kind)draw(3) : kind);
		/* In a list much points to what is set in it. */
		if (a.shared && i > 0 && a.ops[i].kind == OP_REF && draw(2))
			a.ops[i].target = a.ops[0].key;
		if (a.shared && a.ops[i].bound && draw(2))
			a.ops[i].at_tx = 0;
	}
	if (draw(4) == 0 && (a.shared || kind == OP_KV || kind == OP_REF)) {
		a.condition = 1 + draw(3);
		a.condition_key = draw(KEYS);
		a.condition_tx = 1 + draw((unsigned)m.tx + 1);
	}
	return a;
}

/* ---- What is read ---- */

static void
compare_get(struct fixture *f, unsigned key)
{
	M(KeyRequest) in = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	const struct version *v = NULL, *own = version_of(key, 0);
	enum im_err err = resolve(key, 0, &v);
	M(Entry) *e = NULL;
	ProtobufCBinaryData value;

	in.key = text_of(f, "k", key);
	assert_int_equal(get(f, &in, &e), err);
	if (err != IM_OK)
		return;
	value = text_of(f, "v", v->value);
	assert_true(bytes_equal(message_bytes(e->value), message_bytes(value)));
	assert_int_equal(e->tx, v->tx);
	assert_int_equal(e->referencedby != NULL, own->kind == REFERENCE);
	if (e->referencedby) {
		assert_int_equal(e->referencedby->tx, own->tx);
		assert_int_equal(e->referencedby->attx, own->at_tx);
		assert_int_equal(e->referencedby->revision, m.counts[key]);
	} else {
		assert_int_equal(e->revision, m.counts[key]);
	}
}

static void
compare_history(struct fixture *f, unsigned key)
{
	M(HistoryRequest) in = IMMUDB__SCHEMA__HISTORY_REQUEST__INIT;
	M(Entries) *out = NULL;
	enum im_err err;

	in.key = text_of(f, "k", key);
	err = ask(f, RPC_METHOD_History, &in.base, &out);
	assert_int_equal(err, m.counts[key] ? IM_OK : IM_ERR_KEY_NOT_FOUND);
	if (err != IM_OK)
		return;
	assert_int_equal(out->n_entries, m.counts[key]);
	for (size_t i = 0; i < out->n_entries; i++) {
		const struct version *v = &m.versions[key][i];
		const M(Entry) *e = out->entries[i];

		assert_int_equal(e->tx, v->tx);
		assert_int_equal(e->revision, i + 1);
		assert_int_equal(e->metadata && e->metadata->deleted, v->kind == DELETED);
		assert_int_equal(e->expired, v->expired);
		assert_int_equal(e->referencedby != NULL, v->kind == REFERENCE);
	}
}

static int
member_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->at_tx > y->at_tx) - (x->at_tx < y->at_tx);
}

static void
compare_set(struct fixture *f, unsigned set_number)
{
	M(ZScanRequest) in = IMMUDB__SCHEMA__ZSCAN_REQUEST__INIT;
	M(ZEntries) *out = NULL;
	size_t n = 0;

	in.set = text_of(f, "s", set_number);
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &in.base, &out), IM_OK);
	qsort(m.members, m.nmembers, sizeof *m.members, member_order);
	for (size_t i = 0; i < m.nmembers; i++) {
		const struct member *want = &m.members[i];
		const struct version *v;
		ProtobufCBinaryData value;

		if (want->set != set_number || resolve(want->key, want->at_tx, &v) != IM_OK)
			continue;
		assert_true(n < out->n_entries);
		value = text_of(f, "v", v->value);
		assert_true(out->entries[n]->score == want->score);
		assert_int_equal(out->entries[n]->attx, want->at_tx);
		assert_true(bytes_equal(
		    message_bytes(out->entries[n]->entry->value), message_bytes(value)));
		n++;
	}
	assert_int_equal(out->n_entries, n);
}

static void
compare_count(struct fixture *f)
{
	M(EntryCount) *out = NULL;
	size_t n = 0;

	for (unsigned key = 0; key < KEYS; key++)
		n += exists(version_of(key, 0));
	assert_int_equal(ask(f, RPC_METHOD_CountAll, NULL, &out), IM_OK);
	assert_int_equal(out->count, n);
}

static void
compare_all(struct fixture *f)
{
	struct store_state state;

	store_state(store_of(f), &state);
	assert_int_equal(state.tx, m.tx);
	for (unsigned key = 0; key < KEYS; key++) {
		compare_get(f, key);
		compare_history(f, key);
	}
	for (unsigned i = 0; i < SETS; i++)
		compare_set(f, i);
	compare_count(f);
}

static void
restart(struct fixture *f, const struct server_options *options)
{
	if (f->server)
		stop(f);
	start(f, options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
}

static void
run_model(struct fixture *f, uint64_t seed)
{
	struct server_options options = options_of(f);
	unsigned done = 0;

	m = (struct model){.random = seed};
	restart(f, &options);
	for (int step = 0; step < STEPS; step++) {
		struct attempt a = draw_attempt();
		enum im_err expected = expect(&a), err = send_attempt(f, &a);

		if (err != expected)
			fail_msg("seed %d, step %d: \"%s\" instead of \"%s\"", (int)seed, step,
			    err_text(err), err_text(expected));
		if (err == IM_OK)
			model_apply(&a);
		done += err == IM_OK;
		compare_get(f, draw(KEYS));
		if (step % 10 == 0)
			compare_all(f);
		if (step % STEPS_TO_RESTART == STEPS_TO_RESTART - 1)
			restart(f, &options);
		arena_reset(&f->arena, 0);
	}
	compare_all(f);
	/* Neither all nor nothing must have been refused. */
	assert_in_range(done, STEPS / 4, STEPS * 3 / 4);
}

static void
model_first(void **state)
{
	run_model(*state, 1);
}

static void
model_second(void **state)
{
	run_model(*state, 0x9e3779b97f4a7c15);
}

static void
model_third(void **state)
{
	run_model(*state, 0xdeadbeefcafe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FOLDER(model_first),
	    FOLDER(model_second),
	    FOLDER(model_third),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
