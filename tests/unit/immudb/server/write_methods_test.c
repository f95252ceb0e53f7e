/*
 * Methods that write, over a loopback connection: every rule with its text and status. Deletion,
 * expiry, preconditions, references, sorted sets; what ExecAll adds is in exec_methods_test.c.
 */
#include "server_harness.h"

#include <math.h>
#include <pthread.h>

#include "crypto/entry.h"
#include "crypto/htree.h"

/* The error of the last call as a client sees it: code, status and text. */
static void
assert_refused(struct fixture *f, enum im_err err, enum im_err expected, enum im_status status,
    const char *text)
{
	assert_int_equal(err, expected);
	assert_int_equal(f->status, status);
	if (strncmp(err_detail(err), text, strlen(text)) != 0)
		fail_msg("\"%s\" instead of \"%s\"", err_detail(err), text);
}

#define INVALID IM_STATUS_INVALID_ARGUMENT
#define FAILED IM_STATUS_FAILED_PRECONDITION

static enum im_err
set_md(struct fixture *f, const char *key, M(KVMetadata) * md)
{
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;

	kv.key = message_data(bytes_str(key));
	kv.value = message_data(bytes_str("v"));
	kv.metadata = md;
	in.n_kvs = 1;
	in.kvs = kvs;
	return ask(f, RPC_METHOD_Set, &in.base, NULL);
}

static enum im_err
set_expired(struct fixture *f, const char *key)
{
	M(KVMetadata) md = IMMUDB__SCHEMA__KVMETADATA__INIT;
	M(Expiration) expiration = IMMUDB__SCHEMA__EXPIRATION__INIT;

	expiration.expiresat = 1;
	md.expiration = &expiration;
	return set_md(f, key, &md);
}

static enum im_err
delete_key(struct fixture *f, const char *key, M(TxHeader) * *out)
{
	M(DeleteKeysRequest) in = IMMUDB__SCHEMA__DELETE_KEYS_REQUEST__INIT;
	ProtobufCBinaryData keys[1] = {message_data(bytes_str(key))};

	in.n_keys = 1;
	in.keys = keys;
	return ask(f, RPC_METHOD_Delete, &in.base, out);
}

static M(ReferenceRequest) reference_request(const char *key, const char *target)
{
	M(ReferenceRequest) in = IMMUDB__SCHEMA__REFERENCE_REQUEST__INIT;

	in.key = message_data(bytes_str(key));
	in.referencedkey = message_data(bytes_str(target));
	return in;
}

static enum im_err
refer(struct fixture *f, const char *key, const char *target)
{
	M(ReferenceRequest) in = reference_request(key, target);

	return ask(f, RPC_METHOD_SetReference, &in.base, NULL);
}

static enum im_err
refer_bound(struct fixture *f, const char *key, const char *target, uint64_t tx)
{
	M(ReferenceRequest) in = reference_request(key, target);

	in.attx = tx;
	in.boundref = true;
	return ask(f, RPC_METHOD_SetReference, &in.base, NULL);
}

static M(ZAddRequest) zadd_request(const char *set_name, double score, const char *key)
{
	M(ZAddRequest) in = IMMUDB__SCHEMA__ZADD_REQUEST__INIT;

	in.set = message_data(bytes_str(set_name));
	in.score = score;
	in.key = message_data(bytes_str(key));
	return in;
}

static enum im_err
zadd(struct fixture *f, const char *set_name, double score, const char *key)
{
	M(ZAddRequest) in = zadd_request(set_name, score, key);

	return ask(f, RPC_METHOD_ZAdd, &in.base, NULL);
}

/* The value that Get gives for a key, or its error. */
static void
assert_value(struct fixture *f, const char *key, const char *value)
{
	M(KeyRequest) in = key_request(key);
	M(Entry) *e = NULL;

	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, value);
}

static void
assert_missing(struct fixture *f, const char *key)
{
	M(KeyRequest) in = key_request(key);

	assert_refused(
	    f, get(f, &in, NULL), IM_ERR_KEY_NOT_FOUND, IM_STATUS_NOT_FOUND, "key not found");
}

/* ---- Setting ---- */

static void
write_set_rules(void **state)
{
	struct fixture *f = *state;
	static char long_key[USER_KEY_MAX + 2];
	static M(KeyValue) * kvs[TX_ENTRIES_MAX + 1];
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(TxHeader) *header = NULL;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_refused(f, ask(f, RPC_METHOD_Set, &in.base, NULL), IM_ERR_NO_ENTRIES, INVALID,
	    "no entries provided");
	assert_refused(f, set(f, "", "v", NULL), IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	memset(long_key, 'k', USER_KEY_MAX + 1);
	assert_refused(
	    f, set(f, long_key, "v", NULL), IM_ERR_KEY_LENGTH, INVALID, "max key length exceeded");
	kv.key = message_data(bytes_str("k"));
	for (size_t i = 0; i <= TX_ENTRIES_MAX; i++)
		kvs[i] = &kv;
	in.kvs = kvs;
	in.n_kvs = 2;
	assert_refused(f, ask(f, RPC_METHOD_Set, &in.base, NULL), IM_ERR_DUPLICATE_KEY, INVALID,
	    "duplicated keys are not supported in single batch transaction");
	in.n_kvs = TX_ENTRIES_MAX + 1;
	assert_refused(f, ask(f, RPC_METHOD_Set, &in.base, NULL), IM_ERR_TX_ENTRIES, INVALID,
	    "max number of entries per tx exceeded");
	in.n_kvs = 1;
	in.nowait = true;
	assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, &header), IM_OK);
	assert_int_equal(header->id, 1);
	assert_value(f, "k", "");
}

/* Bytes that mean something to a terminal, a formatter or a text library mean nothing here. */
static void
write_any_bytes(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} all[] = {{"\0", 1}, {"a\0b", 3}, {"line\nline", 9}, {"%s%n%d", 6}, {"\x1b[31m", 5},
	    {"\xff\xfe\xc0\x80", 4}, {" ", 1}, {"\0\1\2\3", 4}};
	struct fixture *f = *state;
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	M(KeyRequest) key = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	M(ZAddRequest) member = IMMUDB__SCHEMA__ZADD_REQUEST__INIT;
	M(DeleteKeysRequest) deletion = IMMUDB__SCHEMA__DELETE_KEYS_REQUEST__INIT;
	M(Entry) *e = NULL;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	in.n_kvs = deletion.n_keys = 1;
	in.kvs = kvs;
	deletion.keys = &kv.key;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct bytes data = bytes_of((const uint8_t *)all[i].data, all[i].len);

		kv.key = kv.value = key.key = member.set = member.key = message_data(data);
		assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, NULL), IM_OK);
		assert_int_equal(get(f, &key, &e), IM_OK);
		assert_true(bytes_equal(message_bytes(e->key), data));
		assert_true(bytes_equal(message_bytes(e->value), data));
		assert_int_equal(ask(f, RPC_METHOD_ZAdd, &member.base, NULL), IM_OK);
		assert_int_equal(ask(f, RPC_METHOD_Delete, &deletion.base, NULL), IM_OK);
		assert_int_equal(
		    ask(f, RPC_METHOD_Delete, &deletion.base, NULL), IM_ERR_KEY_NOT_FOUND);
	}
}

/* ---- Deleting and expiry ---- */

static void
write_delete(void **state)
{
	struct fixture *f = *state;
	M(DeleteKeysRequest) in = IMMUDB__SCHEMA__DELETE_KEYS_REQUEST__INIT;
	ProtobufCBinaryData keys[2] = {message_data(bytes_str("k")), message_data(bytes_str("k"))};
	M(TxHeader) *header = NULL;
	struct store_query q = {.key = bytes_str("?"), .flags = STORE_WITH_HIDDEN};
	uint8_t raw[2] = {RAW_KEY_PLAIN, 'k'};
	struct store_value v;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_refused(f, ask(f, RPC_METHOD_Delete, &in.base, NULL), IM_ERR_NO_ENTRIES, INVALID,
	    "no entries provided");
	assert_refused(f, delete_key(f, "", NULL), IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	assert_refused(f, delete_key(f, "k", NULL), IM_ERR_KEY_NOT_FOUND, IM_STATUS_NOT_FOUND,
	    "key not found");
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	in.keys = keys;
	in.n_keys = 2;
	assert_refused(f, ask(f, RPC_METHOD_Delete, &in.base, NULL), IM_ERR_DUPLICATE_KEY, INVALID,
	    "duplicated keys are not supported in single batch transaction");
	/* All or nothing. */
	keys[1] = message_data(bytes_str("missing"));
	assert_int_equal(ask(f, RPC_METHOD_Delete, &in.base, NULL), IM_ERR_KEY_NOT_FOUND);
	assert_value(f, "k", "v");
	in.n_keys = 1;
	in.sincetx = 2;
	assert_refused(f, ask(f, RPC_METHOD_Delete, &in.base, NULL), IM_ERR_ARGUMENT, INVALID,
	    "illegal arguments");
	in.sincetx = 1;
	in.nowait = true;
	assert_int_equal(ask(f, RPC_METHOD_Delete, &in.base, &header), IM_OK);
	assert_int_equal(header->id, 2);
	assert_missing(f, "k");
	assert_int_equal(delete_key(f, "k", NULL), IM_ERR_KEY_NOT_FOUND);
	/* The raw value is empty: not even a prefix. */
	q.key = bytes_of(raw, 2);
	assert_int_equal(store_get(store_of(f), &q, &f->arena, &v), IM_OK);
	assert_true(v.metadata.deleted && v.value_len == 0);
	/* Setting brings it back. */
	assert_int_equal(set(f, "k", "again", NULL), IM_OK);
	assert_value(f, "k", "again");
}

static void
write_metadata(void **state)
{
	struct fixture *f = *state;
	M(KVMetadata) md = IMMUDB__SCHEMA__KVMETADATA__INIT;
	M(KeyRequest) at = key_request("hidden");
	M(Entry) *e = NULL;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set_expired(f, "gone"), IM_OK);
	assert_missing(f, "gone");
	/* Expired counts as not existing, also for deletion. */
	assert_int_equal(delete_key(f, "gone", NULL), IM_ERR_KEY_NOT_FOUND);
	md.deleted = true;
	assert_refused(f, set_md(f, "k", &md), IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	md.deleted = false;
	md.nonindexable = true;
	assert_int_equal(set_md(f, "hidden", &md), IM_OK);
	assert_missing(f, "hidden");
	assert_int_equal(delete_key(f, "hidden", NULL), IM_ERR_KEY_NOT_FOUND);
	at.attx = 2;
	assert_int_equal(get(f, &at, &e), IM_OK);
	assert_true(e->metadata->nonindexable);
	/* What is found by its transaction only can be pointed to so only. */
	assert_int_equal(refer(f, "ref", "hidden"), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(refer_bound(f, "ref", "hidden", 1), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(refer_bound(f, "ref", "hidden", 2), IM_OK);
	assert_value(f, "ref", "v");
}

/* ---- Preconditions ---- */

struct condition {
	M(Precondition) base;
	M(Precondition__KeyMustExistPrecondition) must;
	M(Precondition__KeyMustNotExistPrecondition) must_not;
	M(Precondition__KeyNotModifiedAfterTXPrecondition) unmodified;
};

static void
condition_make(struct condition *c, M(Precondition__PreconditionCase) kind, const char *key)
{
	immudb__schema__precondition__init(&c->base);
	immudb__schema__precondition__key_must_exist_precondition__init(&c->must);
	immudb__schema__precondition__key_must_not_exist_precondition__init(&c->must_not);
	immudb__schema__precondition__key_not_modified_after_txprecondition__init(&c->unmodified);
	c->base.precondition_case = kind;
	c->must.key = c->must_not.key = c->unmodified.key = message_data(bytes_str(key));
	if (kind == IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_EXIST)
		c->base.keymustexist = &c->must;
	else if (kind == IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_NOT_EXIST)
		c->base.keymustnotexist = &c->must_not;
	else
		c->base.keynotmodifiedaftertx = &c->unmodified;
}

#define MUST IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_EXIST
#define MUST_NOT IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_MUST_NOT_EXIST
#define UNMODIFIED IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_KEY_NOT_MODIFIED_AFTER_TX

static enum im_err
set_if(struct fixture *f, const char *key, M(Precondition) * condition)
{
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(Precondition) * conditions[1] = {condition};
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;

	kv.key = message_data(bytes_str(key));
	in.n_kvs = 1;
	in.kvs = kvs;
	in.n_preconditions = 1;
	in.preconditions = conditions;
	return ask(f, RPC_METHOD_Set, &in.base, NULL);
}

static void
write_preconditions(void **state)
{
	struct fixture *f = *state;
	struct condition c;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	condition_make(&c, MUST, "k");
	assert_refused(f, set_if(f, "k", &c.base), IM_ERR_PRECONDITION, FAILED,
	    "precondition failed: key does not exist");
	condition_make(&c, MUST_NOT, "k");
	assert_int_equal(set_if(f, "k", &c.base), IM_OK);
	assert_refused(f, set_if(f, "k", &c.base), IM_ERR_PRECONDITION, FAILED,
	    "precondition failed: key already exists");
	condition_make(&c, MUST, "k");
	assert_int_equal(set_if(f, "k", &c.base), IM_OK);
	condition_make(&c, UNMODIFIED, "k");
	c.unmodified.txid = 1;
	assert_refused(f, set_if(f, "k", &c.base), IM_ERR_PRECONDITION, FAILED,
	    "precondition failed: key modified after given transaction");
	c.unmodified.txid = 2;
	assert_int_equal(set_if(f, "k", &c.base), IM_OK);
	/* Deleted and expired count as not existing, but deleting is modifying. */
	assert_int_equal(delete_key(f, "k", NULL), IM_OK);
	condition_make(&c, MUST, "k");
	assert_int_equal(set_if(f, "x", &c.base), IM_ERR_PRECONDITION);
	condition_make(&c, UNMODIFIED, "k");
	c.unmodified.txid = 3;
	assert_int_equal(set_if(f, "x", &c.base), IM_ERR_PRECONDITION);
	assert_int_equal(set_expired(f, "old"), IM_OK);
	condition_make(&c, MUST_NOT, "old");
	assert_int_equal(set_if(f, "x", &c.base), IM_OK);
}

static void
write_bad_preconditions(void **state)
{
	struct fixture *f = *state;
	static char long_key[USER_KEY_MAX + 2];
	M(Precondition) none = IMMUDB__SCHEMA__PRECONDITION__INIT;
	static M(Precondition) * many[TX_ENTRIES_MAX + 1];
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	struct condition c;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_refused(f, set_if(f, "k", &none), IM_ERR_BAD_PRECONDITION, INVALID,
	    "invalid precondition: null");
	condition_make(&c, MUST, "");
	assert_refused(f, set_if(f, "k", &c.base), IM_ERR_BAD_PRECONDITION, INVALID,
	    "invalid precondition: null key");
	memset(long_key, 'k', USER_KEY_MAX + 1);
	condition_make(&c, MUST_NOT, long_key);
	assert_refused(f, set_if(f, "k", &c.base), IM_ERR_BAD_PRECONDITION, INVALID,
	    "invalid precondition: max key length exceeded");
	condition_make(&c, UNMODIFIED, "k");
	assert_refused(f, set_if(f, "k", &c.base), IM_ERR_BAD_PRECONDITION, INVALID,
	    "invalid precondition: invalid transaction ID");
	condition_make(&c, MUST_NOT, "k");
	for (size_t i = 0; i <= TX_ENTRIES_MAX; i++)
		many[i] = &c.base;
	kv.key = message_data(bytes_str("k"));
	in.n_kvs = 1;
	in.kvs = kvs;
	in.preconditions = many;
	in.n_preconditions = TX_ENTRIES_MAX + 1;
	assert_refused(f, ask(f, RPC_METHOD_Set, &in.base, NULL), IM_ERR_BAD_PRECONDITION, INVALID,
	    "invalid precondition: too many preconditions");
	in.n_preconditions = TX_ENTRIES_MAX;
	assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, NULL), IM_OK);
}

/* Two connections race for each of many keys that must not exist: exactly one gets each. */
#define RACE_KEYS 100

struct racer {
	struct fixture f;
	bool won[RACE_KEYS];
};

static void *
race(void *arg)
{
	struct racer *r = arg;
	struct condition c;
	char key[16];

	for (int i = 0; i < RACE_KEYS; i++) {
		enum im_err err;

		snprintf(key, sizeof key, "race%d", i);
		condition_make(&c, MUST_NOT, key);
		err = set_if(&r->f, key, &c.base);
		assert_true(err == IM_OK || err == IM_ERR_PRECONDITION);
		r->won[i] = err == IM_OK;
	}
	return NULL;
}

static void
write_race_has_one_winner(void **state)
{
	struct fixture *f = *state;
	static struct racer racers[2];
	struct store_state newest;
	pthread_t threads[2];

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	for (int i = 0; i < 2; i++) {
		racers[i].f = *f;
		arena_init(&racers[i].f.arena, ARENA_MAX);
		connect_to(&racers[i].f);
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		rpc_client_close(racers[i].f.conn);
		arena_free(&racers[i].f.arena);
	}
	for (int i = 0; i < RACE_KEYS; i++)
		assert_true(racers[0].won[i] != racers[1].won[i]);
	store_state(store_of(f), &newest);
	assert_int_equal(newest.tx, RACE_KEYS);
}

/* ---- References ---- */

static void
write_reference(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("ref");
	M(Entry) *e = NULL;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_refused(
	    f, refer(f, "ref", "k"), IM_ERR_KEY_NOT_FOUND, IM_STATUS_NOT_FOUND, "key not found");
	assert_int_equal(set(f, "k", "one", NULL), IM_OK);
	assert_refused(f, refer(f, "", "k"), IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	assert_refused(f, refer(f, "ref", ""), IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	assert_int_equal(refer(f, "ref", "k"), IM_OK);
	assert_int_equal(set(f, "k", "two", NULL), IM_OK);
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "two");
	assert_data_equal(e->key, "k");
	assert_data_equal(e->referencedby->key, "ref");
	assert_int_equal(e->referencedby->tx, 2);
	assert_int_equal(e->referencedby->attx, 0);
	assert_refused(f, refer(f, "other", "ref"), IM_ERR_REFERENCE_TARGET, FAILED,
	    "referenced key cannot be a reference");
	assert_int_equal(set(f, "k2", "v", NULL), IM_OK);
	assert_refused(f, refer(f, "k2", "k"), IM_ERR_REFERENCE_KEY, FAILED,
	    "final key cannot be converted into a reference");
	assert_refused(f, refer(f, "k", "k"), IM_ERR_REFERENCE_KEY, FAILED,
	    "final key cannot be converted into a reference");
	/* A reference can be pointed elsewhere, overwritten with a value, deleted. */
	assert_int_equal(refer(f, "ref", "k2"), IM_OK);
	assert_value(f, "ref", "v");
	assert_int_equal(delete_key(f, "ref", NULL), IM_OK);
	assert_missing(f, "ref");
	assert_value(f, "k2", "v");
	assert_int_equal(refer(f, "ref", "k"), IM_OK);
	assert_int_equal(set(f, "ref", "plain", NULL), IM_OK);
	assert_value(f, "ref", "plain");
	assert_int_equal(refer(f, "ref", "k"), IM_ERR_REFERENCE_KEY);
	/* A deleted key is no target, and may become a reference. */
	assert_int_equal(delete_key(f, "k2", NULL), IM_OK);
	assert_int_equal(refer(f, "ref2", "k2"), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(refer(f, "k2", "k"), IM_OK);
	assert_int_equal(set_expired(f, "old"), IM_OK);
	assert_int_equal(refer(f, "ref2", "old"), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(refer(f, "old", "k"), IM_OK);
}

static void
write_bound_reference(void **state)
{
	struct fixture *f = *state;
	M(ReferenceRequest) in = reference_request("ref", "k");

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "one", NULL), IM_OK);
	assert_int_equal(set(f, "k", "two", NULL), IM_OK);
	assert_int_equal(set(f, "x", "x", NULL), IM_OK);
	in.attx = 1;
	assert_refused(f, ask(f, RPC_METHOD_SetReference, &in.base, NULL), IM_ERR_ARGUMENT, INVALID,
	    "illegal arguments");
	in.attx = 0;
	in.boundref = true;
	assert_refused(f, ask(f, RPC_METHOD_SetReference, &in.base, NULL), IM_ERR_ARGUMENT, INVALID,
	    "illegal arguments");
	/* Transactions without the key, and none at all. */
	assert_refused(f, refer_bound(f, "ref", "k", 3), IM_ERR_KEY_NOT_FOUND, IM_STATUS_NOT_FOUND,
	    "key not found");
	assert_refused(f, refer_bound(f, "ref", "k", 4), IM_ERR_TX_NOT_FOUND, IM_STATUS_NOT_FOUND,
	    "tx not found");
	assert_int_equal(refer_bound(f, "ref", "k", UINT64_MAX), IM_ERR_TX_NOT_FOUND);
	assert_missing(f, "ref");
	assert_int_equal(refer_bound(f, "ref", "k", 1), IM_OK);
	assert_value(f, "ref", "one");
	/* What was a reference in that transaction is no target either. */
	assert_refused(f, refer_bound(f, "ref2", "ref", 4), IM_ERR_REFERENCE_TARGET, FAILED,
	    "referenced key cannot be a reference");
	/* The version that is bound outlives the key. */
	assert_int_equal(delete_key(f, "k", NULL), IM_OK);
	assert_value(f, "ref", "one");
	assert_int_equal(refer_bound(f, "ref2", "k", 2), IM_OK);
	assert_value(f, "ref2", "two");
	assert_int_equal(refer_bound(f, "ref3", "k", 5), IM_ERR_KEY_NOT_FOUND);
}

static void
write_reference_preconditions(void **state)
{
	struct fixture *f = *state;
	M(ReferenceRequest) in = reference_request("ref", "k");
	M(Precondition) * conditions[1];
	struct condition c;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	condition_make(&c, MUST_NOT, "ref");
	conditions[0] = &c.base;
	in.n_preconditions = 1;
	in.preconditions = conditions;
	in.nowait = true;
	assert_int_equal(ask(f, RPC_METHOD_SetReference, &in.base, NULL), IM_OK);
	assert_refused(f, ask(f, RPC_METHOD_SetReference, &in.base, NULL), IM_ERR_PRECONDITION,
	    FAILED, "precondition failed: key already exists");
	/* The rules of references come first. */
	in.key = message_data(bytes_str("k"));
	assert_int_equal(ask(f, RPC_METHOD_SetReference, &in.base, NULL), IM_ERR_REFERENCE_KEY);
}

/*
 * One connection sets keys while another makes them references: where both are done, the reference
 * came first and was overwritten.
 */
static void *
race_setting(void *arg)
{
	struct racer *r = arg;
	char key[16];

	for (int i = 0; i < RACE_KEYS; i++) {
		snprintf(key, sizeof key, "race%d", i);
		assert_int_equal(set(&r->f, key, "plain", NULL), IM_OK);
	}
	return NULL;
}

static void *
race_referring(void *arg)
{
	struct racer *r = arg;
	char key[16];

	for (int i = 0; i < RACE_KEYS; i++) {
		enum im_err err;

		snprintf(key, sizeof key, "race%d", i);
		err = refer(&r->f, key, "k");
		assert_true(err == IM_OK || err == IM_ERR_REFERENCE_KEY);
		r->won[i] = err == IM_OK;
	}
	return NULL;
}

static void
write_race_of_reference_and_value(void **state)
{
	struct fixture *f = *state;
	static struct racer racers[2];
	struct store_state newest;
	pthread_t threads[2];
	char key[16];

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	for (int i = 0; i < 2; i++) {
		racers[i].f = *f;
		arena_init(&racers[i].f.arena, ARENA_MAX);
		connect_to(&racers[i].f);
		assert_int_equal(pthread_create(&threads[i], NULL,
				     i ? race_referring : race_setting, &racers[i]),
		    0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		rpc_client_close(racers[i].f.conn);
		arena_free(&racers[i].f.arena);
	}
	store_state(store_of(f), &newest);
	for (int i = 0; i < RACE_KEYS; i++) {
		snprintf(key, sizeof key, "race%d", i);
		assert_value(f, key, "plain");
		newest.tx -= racers[1].won[i];
	}
	assert_int_equal(newest.tx, RACE_KEYS + 1);
}

/*
 * References are known for what they are after the index was rebuilt from the log, and from disk.
 */
static void
write_reference_after_restart(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);

	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(refer(f, "ref", "k"), IM_OK);
	for (int i = 0; i < 2; i++) {
		stop(f);
		start(f, &options);
		assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
		assert_int_equal(refer(f, "ref2", "ref"), IM_ERR_REFERENCE_TARGET);
		assert_int_equal(refer(f, "ref", "k"), IM_OK);
		assert_int_equal(refer(f, "k", "k"), IM_ERR_REFERENCE_KEY);
	}
}

/* ---- Sorted sets ---- */

static void
write_zadd(void **state)
{
	struct fixture *f = *state;
	M(ZAddRequest) in = zadd_request("set", 1, "k");
	static char long_name[RAW_KEY_MAX + 1];

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_refused(
	    f, zadd(f, "set", 1, "k"), IM_ERR_KEY_NOT_FOUND, IM_STATUS_NOT_FOUND, "key not found");
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(refer(f, "ref", "k"), IM_OK);
	assert_refused(f, zadd(f, "", 1, "k"), IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	assert_refused(f, zadd(f, "set", 1, ""), IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	assert_refused(f, zadd(f, "set", (double)NAN, "k"), IM_ERR_ARGUMENT, INVALID,
	    "illegal arguments: the score is not a number");
	assert_refused(
	    f, zadd(f, "set", -(double)NAN, "k"), IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	assert_refused(f, zadd(f, "set", 1, "ref"), IM_ERR_REFERENCE_TARGET, FAILED,
	    "referenced key cannot be a reference");
	assert_int_equal(zadd(f, "set", 1, "k"), IM_OK);
	/* The same again is a new version, another score another member. */
	assert_int_equal(zadd(f, "set", 1, "k"), IM_OK);
	assert_int_equal(zadd(f, "set", -1.5, "k"), IM_OK);
	assert_int_equal(zadd(f, "set", -0.0, "k"), IM_OK);
	assert_int_equal(zadd(f, "set", (double)INFINITY, "k"), IM_OK);
	assert_int_equal(zadd(f, "set", -(double)INFINITY, "k"), IM_OK);
	memset(long_name, 's', RAW_KEY_MAX);
	assert_refused(
	    f, zadd(f, long_name, 1, "k"), IM_ERR_KEY_LENGTH, INVALID, "max key length exceeded");
	/* 1 + 8 + set + 8 + 8 + 1 + key + 8 bytes are what a raw key has room for. */
	long_name[RAW_KEY_MAX - 34] = '\0';
	assert_int_equal(zadd(f, long_name, 1, "k"), IM_ERR_KEY_LENGTH);
	long_name[RAW_KEY_MAX - 35] = '\0';
	assert_int_equal(zadd(f, long_name, 1, "k"), IM_OK);
	in.boundref = true;
	assert_refused(f, ask(f, RPC_METHOD_ZAdd, &in.base, NULL), IM_ERR_ARGUMENT, INVALID,
	    "illegal arguments");
	in.attx = 1;
	assert_int_equal(ask(f, RPC_METHOD_ZAdd, &in.base, NULL), IM_OK);
	in.attx = 3;
	assert_refused(f, ask(f, RPC_METHOD_ZAdd, &in.base, NULL), IM_ERR_KEY_NOT_FOUND,
	    IM_STATUS_NOT_FOUND, "key not found");
	in.attx = 1000;
	assert_refused(f, ask(f, RPC_METHOD_ZAdd, &in.base, NULL), IM_ERR_TX_NOT_FOUND,
	    IM_STATUS_NOT_FOUND, "tx not found");
	in.boundref = false;
	assert_int_equal(ask(f, RPC_METHOD_ZAdd, &in.base, NULL), IM_ERR_ARGUMENT);
	assert_int_equal(set_expired(f, "old"), IM_OK);
	assert_int_equal(zadd(f, "set", 1, "old"), IM_ERR_KEY_NOT_FOUND);
}

/* ---- Verified forms ---- */

/*
 * Recomputes the entries' tree from what the answer says, and proves that it holds the raw entry.
 */
static void
check_entry_is_in(const M(Tx) * tx, struct bytes raw_key, struct bytes raw_value)
{
	struct entry_parts parts = {.key = raw_key};
	struct hash digest, root;

	hash_sha256(raw_value, &parts.hval);
	assert_int_equal(tx->n_entries, 1);
	assert_null(tx->entries[0]->metadata);
	assert_true(bytes_equal(message_bytes(tx->entries[0]->key), raw_key));
	assert_int_equal(tx->entries[0]->vlen, raw_value.len);
	assert_int_equal(entry_digest((uint16_t)tx->header->version, &parts, &digest), IM_OK);
	htree_root(&digest, 1, &digest, &root);
	assert_memory_equal(root.b, tx->header->eh.data, HASH_SIZE);
}

static void
write_verifiable_reference(void **state)
{
	struct fixture *f = *state;
	M(VerifiableReferenceRequest) in = IMMUDB__SCHEMA__VERIFIABLE_REFERENCE_REQUEST__INIT;
	M(ReferenceRequest) request = reference_request("ref", "k");
	M(VerifiableTx) *out = NULL;
	struct tx_point trusted = {0};
	struct bytes key, value;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_refused(f, ask(f, RPC_METHOD_VerifiableSetReference, &in.base, NULL),
	    IM_ERR_ARGUMENT, INVALID, "illegal arguments");
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	in.referencerequest = &request;
	in.provesincetx = 2;
	assert_refused(f, ask(f, RPC_METHOD_VerifiableSetReference, &in.base, NULL),
	    IM_ERR_ILLEGAL_STATE, INVALID, "illegal state");
	for (uint64_t at_tx = 0; at_tx < 2; at_tx++) {
		request.attx = at_tx;
		request.boundref = at_tx != 0;
		in.provesincetx = trusted.id;
		assert_int_equal(ask(f, RPC_METHOD_VerifiableSetReference, &in.base, &out), IM_OK);
		trusted = check_verifiable(f, out, trusted);
		assert_int_equal(trusted.id, 2 + at_tx);
		assert_int_equal(raw_key_make(&f->arena, bytes_str("ref"), &key), IM_OK);
		assert_int_equal(
		    raw_value_make_reference(&f->arena, bytes_str("k"), at_tx, &value), IM_OK);
		check_entry_is_in(out->tx, key, value);
	}
	request.referencedkey = message_data(bytes_str("ref"));
	request.attx = 0;
	request.boundref = false;
	assert_int_equal(
	    ask(f, RPC_METHOD_VerifiableSetReference, &in.base, NULL), IM_ERR_REFERENCE_TARGET);
}

static void
write_verifiable_zadd(void **state)
{
	struct fixture *f = *state;
	M(VerifiableZAddRequest) in = IMMUDB__SCHEMA__VERIFIABLE_ZADD_REQUEST__INIT;
	M(ZAddRequest) request = zadd_request("set", -2.5, "k");
	struct zset_member member = {bytes_str("set"), -2.5, bytes_str("k"), 0};
	M(VerifiableTx) *out = NULL;
	struct tx_point trusted = {0};
	struct bytes key;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_refused(f, ask(f, RPC_METHOD_VerifiableZAdd, &in.base, NULL), IM_ERR_ARGUMENT,
	    INVALID, "illegal arguments");
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	in.zaddrequest = &request;
	in.provesincetx = 2;
	assert_refused(f, ask(f, RPC_METHOD_VerifiableZAdd, &in.base, NULL), IM_ERR_ILLEGAL_STATE,
	    INVALID, "illegal state");
	for (uint64_t at_tx = 0; at_tx < 2; at_tx++) {
		request.attx = member.at_tx = at_tx;
		request.boundref = at_tx != 0;
		in.provesincetx = trusted.id;
		assert_int_equal(ask(f, RPC_METHOD_VerifiableZAdd, &in.base, &out), IM_OK);
		trusted = check_verifiable(f, out, trusted);
		assert_int_equal(raw_key_make_zadd(&f->arena, &member, &key), IM_OK);
		check_entry_is_in(out->tx, key, bytes_of(NULL, 0));
	}
	request.score = (double)NAN;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableZAdd, &in.base, NULL), IM_ERR_ARGUMENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STARTED(write_set_rules),
	    STARTED(write_any_bytes),
	    STARTED(write_delete),
	    STARTED(write_metadata),
	    STARTED(write_preconditions),
	    STARTED(write_bad_preconditions),
	    STARTED(write_race_has_one_winner),
	    STARTED(write_reference),
	    STARTED(write_bound_reference),
	    STARTED(write_reference_preconditions),
	    STARTED(write_race_of_reference_and_value),
	    FOLDER(write_reference_after_restart),
	    STARTED(write_zadd),
	    STARTED(write_verifiable_reference),
	    STARTED(write_verifiable_zadd),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
