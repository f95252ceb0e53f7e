/*
 * The server as a whole, over loopback connections: who may log in, what sessions may do, semantics
 * of the methods, proofs and signatures that hold, starts that must fail.
 */
#include "server_harness.h"

#include "util/clock.h"

#include <pthread.h>
#include <unistd.h>

/* ---- Login and sessions ---- */

static void
server_login(void **state)
{
	struct fixture *f = *state;
	M(LoginRequest) in = IMMUDB__SCHEMA__LOGIN_REQUEST__INIT;
	M(LoginResponse) *out = NULL;

	assert_true(server_has_default_password(f->server));
	assert_int_equal(login(f, "immudb", "wrong"), IM_ERR_CREDENTIALS);
	assert_int_equal(f->status, IM_STATUS_PERMISSION_DENIED);
	assert_int_equal(login(f, "nobody", "immudb"), IM_ERR_CREDENTIALS);
	assert_int_equal(login(f, "", ""), IM_ERR_CREDENTIALS);
	assert_int_equal(set(f, "k", "v", NULL), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(f->status, IM_STATUS_UNAUTHENTICATED);
	in.user = in.password = message_data(bytes_str("immudb"));
	assert_int_equal(ask(f, RPC_METHOD_Login, &in.base, &out), IM_OK);
	assert_true(out->warning.len > 0);
	snprintf(f->session, sizeof f->session, "%s", out->token);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_Logout, NULL, NULL), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(ask(f, RPC_METHOD_Logout, NULL, NULL), IM_ERR_NOT_LOGGED_IN);
}

static void
server_login_is_throttled(void **state)
{
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < 5; i++)
		assert_int_equal(login(f, "immudb", "wrong"), IM_ERR_CREDENTIALS);
	assert_int_equal(login(f, "immudb", "immudb"), IM_ERR_THROTTLED);
	assert_int_equal(f->status, IM_STATUS_RESOURCE_EXHAUSTED);
}

static void
server_sessions(void **state)
{
	struct fixture *f = *state;
	char token[64];

	assert_int_equal(open_session(f, "nosuch"), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(f->status, IM_STATUS_NOT_FOUND);
	assert_int_equal(open_session(f, "DefaultDB"), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_KeepAlive, NULL, NULL), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	strcpy(token, f->session);
	assert_int_equal(use(f, "systemdb"), IM_OK);
	assert_string_equal(token, f->session);
	assert_int_equal(set(f, "k", "v", NULL), IM_ERR_PERMISSION);
	assert_int_equal(use(f, "nosuch"), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(ask(f, RPC_METHOD_CurrentState, NULL, NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_CloseSession, NULL, NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_CurrentState, NULL, NULL), IM_ERR_SESSION_NOT_FOUND);
	/* A token stays bound; using another database gives another one. */
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	strcpy(token, f->session);
	assert_int_equal(use(f, "systemdb"), IM_OK);
	assert_string_not_equal(token, f->session);
	assert_int_equal(set(f, "k", "v", NULL), IM_ERR_PERMISSION);
	strcpy(f->session, token);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
}

static void
server_info(void **state)
{
	struct fixture *f = *state;
	M(HealthResponse) *health = NULL;
	M(ServerInfoResponse) *info = NULL;
	M(DatabaseHealthResponse) *database = NULL;
	int64_t before_ms = clock_wall_s() * 1000 - 1000;

	assert_int_equal(ask(f, RPC_METHOD_Health, NULL, &health), IM_OK);
	assert_true(health->status);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_ServerInfo, NULL, &info), IM_OK);
	assert_int_equal(info->numtransactions, 1);
	assert_int_equal(info->numdatabases, 2);
	assert_true(info->startedat > 0 && info->databasesdisksize > 0);
	assert_int_equal(ask(f, RPC_METHOD_DatabaseHealth, NULL, &database), IM_OK);
	assert_int_equal(database->pendingrequests, 0);
	assert_true(database->lastrequestcompletedat > before_ms);
	assert_true(database->lastrequestcompletedat <= clock_wall_s() * 1000 + 1000);
}

/* What is among auditors only, with a session and without. */
static void
states_are_not_exchanged(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, RPC_METHOD_ExchangeStates, NULL, NULL), IM_ERR_UNIMPLEMENTED);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_ExchangeStates, NULL, NULL), IM_ERR_UNIMPLEMENTED);
	assert_non_null(strstr(err_detail(IM_ERR_UNIMPLEMENTED), "auditors"));
}

/* ---- Keys and values ---- */

static void
server_get(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("k");
	M(TxHeader) *header = NULL;
	M(Entry) *e = NULL;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(get(f, &in, NULL), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(set(f, "k", "one", &header), IM_OK);
	assert_int_equal(header->id, 1);
	assert_int_equal(header->nentries, 1);
	assert_int_equal(header->prevalh.len, 32);
	assert_int_equal(set(f, "k", "two", NULL), IM_OK);
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "two");
	assert_data_equal(e->key, "k");
	assert_int_equal(e->tx, 2);
	assert_int_equal(e->revision, 2);
	assert_null(e->metadata);
	in.attx = 1;
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "one");
	assert_int_equal(e->revision, 0);
	in.sincetx = 1;
	assert_int_equal(get(f, &in, &e), IM_ERR_ARGUMENT);
	in.sincetx = 0;
	in.atrevision = 1;
	assert_int_equal(get(f, &in, &e), IM_ERR_ARGUMENT);
	in.attx = 0;
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "one");
	in.atrevision = -1;
	assert_int_equal(get(f, &in, &e), IM_OK);
	assert_data_equal(e->value, "one");
	in.atrevision = 3;
	assert_int_equal(get(f, &in, &e), IM_ERR_REVISION);
	in.atrevision = 0;
	in.sincetx = 2;
	assert_int_equal(get(f, &in, &e), IM_OK);
	in.sincetx = 3;
	assert_int_equal(get(f, &in, &e), IM_ERR_ARGUMENT);
	in = key_request("");
	assert_int_equal(get(f, &in, &e), IM_ERR_ARGUMENT);
}

static void
server_set_edges(void **state)
{
	struct fixture *f = *state;
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KVMetadata) md = IMMUDB__SCHEMA__KVMETADATA__INIT;
	M(Expiration) expiration = IMMUDB__SCHEMA__EXPIRATION__INIT;
	M(KeyValue) * kvs[1025];
	M(KeyRequest) key = key_request("k");
	static char long_key[1025];
	size_t i;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, NULL), IM_ERR_NO_ENTRIES);
	for (i = 0; i < 1025; i++)
		kvs[i] = &kv;
	in.kvs = kvs;
	in.n_kvs = 1025;
	kv.key = message_data(bytes_str("k"));
	assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, NULL), IM_ERR_TX_ENTRIES);
	in.n_kvs = 2;
	assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, NULL), IM_ERR_DUPLICATE_KEY);
	in.n_kvs = 1;
	assert_int_equal(set(f, "", "v", NULL), IM_ERR_ARGUMENT);
	memset(long_key, 'k', 1024);
	assert_int_equal(set(f, long_key, "v", NULL), IM_ERR_KEY_LENGTH);
	long_key[1023] = '\0';
	assert_int_equal(set(f, long_key, "", NULL), IM_OK);
	kv.metadata = &md;
	md.expiration = &expiration;
	expiration.expiresat = 1;
	assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, NULL), IM_OK);
	assert_int_equal(get(f, &key, NULL), IM_ERR_KEY_NOT_FOUND);
	expiration.expiresat = INT64_MAX;
	assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, NULL), IM_OK);
	assert_int_equal(get(f, &key, NULL), IM_OK);
	md.expiration = NULL;
	md.nonindexable = true;
	kv.key = message_data(bytes_str("hidden"));
	assert_int_equal(ask(f, RPC_METHOD_Set, &in.base, NULL), IM_OK);
	key = key_request("hidden");
	assert_int_equal(get(f, &key, NULL), IM_ERR_KEY_NOT_FOUND);
}

static void
server_get_all_and_scan(void **state)
{
	struct fixture *f = *state;
	M(KeyListRequest) keys = IMMUDB__SCHEMA__KEY_LIST_REQUEST__INIT;
	M(ScanRequest) in = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	M(Entries) *out = NULL;
	ProtobufCBinaryData list[20];
	char key[8];
	size_t i;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 0);
	for (i = 0; i < 20; i++) {
		snprintf(key, sizeof key, "a%02zu", i);
		assert_int_equal(set(f, key, "v", NULL), IM_OK);
		list[i] = message_data(bytes_str(i % 2 ? "a03" : "missing"));
	}
	assert_int_equal(set(f, "b", "v", NULL), IM_OK);
	keys.n_keys = 20;
	keys.keys = list;
	assert_int_equal(ask(f, RPC_METHOD_GetAll, &keys.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 10);
	in.prefix = message_data(bytes_str("a"));
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 20);
	assert_data_equal(out->entries[0]->key, "a00");
	in.desc = true;
	in.limit = 3;
	in.offset = 1;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 3);
	assert_data_equal(out->entries[0]->key, "a18");
	in = (M(ScanRequest))IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	in.seekkey = message_data(bytes_str("a05"));
	in.endkey = message_data(bytes_str("a08"));
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 2);
	in.inclusiveseek = in.inclusiveend = true;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 4);
	in.offset = 100;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 0);
	in.limit = 2501;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_ERR_RESULT_LIMIT);
}

/* ---- Order and damage ---- */

#define PIPELINED 200

struct pipelined {
	size_t done;
	uint64_t ids[PIPELINED];
	pthread_mutex_t mutex;
	pthread_cond_t all;
};

/* One of the answers: which request it belongs to is in what was written. */
struct pipelined_call {
	struct pipelined *all;
	size_t number;
};

static void
pipelined_answer(void *ctx, const struct rpc_answer *answer)
{
	struct pipelined_call *call = ctx;
	M(TxHeader) *header = immudb__schema__tx_header__unpack(
	    NULL, answer->err == IM_OK ? answer->body.len : 0, answer->body.data);

	pthread_mutex_lock(&call->all->mutex);
	call->all->ids[call->number] = header ? header->id : 0;
	if (++call->all->done == PIPELINED)
		pthread_cond_signal(&call->all->all);
	pthread_mutex_unlock(&call->all->mutex);
	if (header)
		immudb__schema__tx_header__free_unpacked(header, NULL);
}

/* Writes of one connection commit in the order in which they were sent. */
static void
server_writes_in_order(void **state)
{
	struct fixture *f = *state;
	struct pipelined all = {
	    .mutex = PTHREAD_MUTEX_INITIALIZER, .all = PTHREAD_COND_INITIALIZER};
	struct pipelined_call calls[PIPELINED];
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	struct rpc_call call = {.method = RPC_METHOD_Set, .request = &in.base};
	size_t i;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	call.session = bytes_str(f->session);
	kv.key = kv.value = message_data(bytes_str("same"));
	in.n_kvs = 1;
	in.kvs = kvs;
	for (i = 0; i < PIPELINED; i++) {
		calls[i] = (struct pipelined_call){&all, i};
		assert_int_equal(
		    rpc_call_start(f->conn, &call, pipelined_answer, &calls[i]), IM_OK);
	}
	pthread_mutex_lock(&all.mutex);
	while (all.done < PIPELINED)
		pthread_cond_wait(&all.all, &all.mutex);
	pthread_mutex_unlock(&all.mutex);
	for (i = 0; i < PIPELINED; i++)
		assert_int_equal(all.ids[i], i + 1);
}

static void
server_damaged_value(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	M(KeyRequest) key = key_request("broken");
	M(VerifiableGetRequest) in = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;
	M(VerifiableTxRequest) tx = IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;
	enum im_err err;

	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "broken", "a value to be damaged", NULL), IM_OK);
	assert_int_equal(set(f, "whole", "another value", NULL), IM_OK);
	stop(f);
	damage_log(f, "a value to be damaged");
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	/* Two errors have this text and status; a client cannot tell them apart. */
	err = get(f, &key, NULL);
	assert_int_equal(f->status, IM_STATUS_DATA_LOSS);
	assert_non_null(strstr(err_detail(err), "transaction 1"));
	assert_non_null(strstr(err_detail(err), "broken"));
	assert_non_null(strstr(err_detail(err), "00000000.log"));
	in.keyrequest = &key;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableGet, &in.base, NULL), err);
	assert_int_equal(f->status, IM_STATUS_DATA_LOSS);
	/* The transaction can be proven all the same, and so can other keys. */
	tx.tx = 1;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableTxById, &tx.base, NULL), IM_OK);
	key = key_request("whole");
	assert_int_equal(ask(f, RPC_METHOD_VerifiableGet, &in.base, NULL), IM_OK);
}

/* ---- Proofs ---- */

static void
server_state_is_signed(void **state)
{
	struct fixture *f = *state;
	M(ImmutableState) *out = NULL;
	struct sign_public_key *key;
	struct sign_state signed_state = {.database = bytes_str("defaultdb")};

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_CurrentState, NULL, &out), IM_OK);
	assert_string_equal(out->db, "defaultdb");
	assert_int_equal(out->txid, 0);
	signed_state.tx_hash = hash_of(out->txhash);
	assert_memory_equal(signed_state.tx_hash.b, hash_empty().b, HASH_SIZE);
	assert_int_equal(
	    sign_public_key_of_point(message_bytes(out->signature->publickey), &key), IM_OK);
	assert_int_equal(
	    sign_check(key, &signed_state, message_bytes(out->signature->signature)), IM_OK);
	sign_public_key_free(key);
}

static void
server_verifiable_set(void **state)
{
	struct fixture *f = *state;
	M(VerifiableSetRequest) in = IMMUDB__SCHEMA__VERIFIABLE_SET_REQUEST__INIT;
	M(SetRequest) request = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(VerifiableTx) *out = NULL;
	struct tx_point trusted = {0};
	size_t i;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_VerifiableSet, &in.base, NULL), IM_ERR_ARGUMENT);
	in.setrequest = &request;
	kv.key = message_data(bytes_str("k"));
	kv.value = message_data(bytes_str("value"));
	request.n_kvs = 1;
	request.kvs = kvs;
	for (i = 1; i <= 20; i++) {
		in.provesincetx = trusted.id;
		assert_int_equal(ask(f, RPC_METHOD_VerifiableSet, &in.base, &out), IM_OK);
		assert_int_equal(out->tx->header->id, i);
		assert_int_equal(out->tx->n_entries, 1);
		assert_int_equal(out->tx->entries[0]->vlen, 6);
		assert_data_equal(out->tx->entries[0]->value, "");
		trusted = check_verifiable(f, out, trusted);
	}
	/* Refused before anything is written. */
	in.provesincetx = 21;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableSet, &in.base, &out), IM_ERR_ILLEGAL_STATE);
	assert_int_equal(f->status, IM_STATUS_INVALID_ARGUMENT);
	in.provesincetx = 3;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableSet, &in.base, &out), IM_OK);
	assert_int_equal(out->tx->header->id, 21);
}

static void
server_verifiable_get(void **state)
{
	struct fixture *f = *state;
	M(VerifiableGetRequest) in = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;
	M(KeyRequest) key = key_request("k4");
	M(VerifiableEntry) *out = NULL;
	struct inclusion_proof proof;
	struct entry_parts parts;
	struct tx_header header;
	struct bytes raw;
	char name[8];
	size_t i;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	for (i = 1; i <= 9; i++) {
		snprintf(name, sizeof name, "k%zu", i);
		assert_int_equal(set(f, name, name, NULL), IM_OK);
	}
	assert_int_equal(ask(f, RPC_METHOD_VerifiableGet, &in.base, NULL), IM_ERR_ARGUMENT);
	in.keyrequest = &key;
	/* From nothing, from before, from the same and from after the transaction. */
	for (i = 0; i <= 9; i++) {
		in.provesincetx = i;
		assert_int_equal(ask(f, RPC_METHOD_VerifiableGet, &in.base, &out), IM_OK);
		check_verifiable(f, out->verifiabletx, (struct tx_point){0});
		assert_int_equal(
		    out->verifiabletx->dualproof->sourcetxheader->id, i == 0 || i > 4 ? 4 : i);
		assert_int_equal(out->verifiabletx->dualproof->targettxheader->id, i > 4 ? i : 4);
		header = header_of(out->verifiabletx->tx->header);
		assert_int_equal(raw_key_make(&f->arena, bytes_str("k4"), &parts.key), IM_OK);
		assert_int_equal(raw_value_make(&f->arena, bytes_str("k4"), &raw), IM_OK);
		parts.md = bytes_of(NULL, 0);
		hash_sha256(raw, &parts.hval);
		proof = (struct inclusion_proof){(uint32_t)out->inclusionproof->leaf,
		    (uint32_t)out->inclusionproof->width,
		    list_of(&f->arena, out->inclusionproof->n_terms, out->inclusionproof->terms)};
		assert_int_equal(proof_check_entry(&proof, &parts, &header), IM_OK);
		parts.hval.b[0] ^= 1;
		assert_int_equal(proof_check_entry(&proof, &parts, &header), IM_ERR_PROOF);
	}
	in.provesincetx = 10;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableGet, &in.base, &out), IM_ERR_ILLEGAL_STATE);
}

/* ---- Transactions ---- */

static void
server_tx_by_id(void **state)
{
	struct fixture *f = *state;
	M(TxRequest) in = IMMUDB__SCHEMA__TX_REQUEST__INIT;
	M(VerifiableTxRequest) vin = IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;
	M(EntriesSpec) spec = IMMUDB__SCHEMA__ENTRIES_SPEC__INIT;
	M(EntryTypeSpec) kv = IMMUDB__SCHEMA__ENTRY_TYPE_SPEC__INIT;
	M(VerifiableTx) *vout = NULL;
	M(Tx) *out = NULL;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "value", NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, NULL), IM_ERR_ARGUMENT);
	in.tx = 2;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, NULL), IM_ERR_TX_NOT_FOUND);
	in.tx = 1;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 1);
	assert_int_equal(out->entries[0]->value.len, 0);
	in.entriesspec = &spec;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 0);
	spec.kventriesspec = &kv;
	kv.action = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RAW_VALUE;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, &out), IM_OK);
	assert_int_equal(out->entries[0]->value.len, 6);
	kv.action = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RESOLVE;
	assert_int_equal(ask(f, RPC_METHOD_TxById, &in.base, &out), IM_OK);
	assert_int_equal(out->n_entries, 0);
	assert_int_equal(out->n_kventries, 1);
	assert_data_equal(out->kventries[0]->value, "value");
	kv.action = (M(EntryTypeAction))9;
	assert_int_not_equal(ask(f, RPC_METHOD_TxById, &in.base, &out), IM_OK);
	vin.tx = 1;
	assert_int_equal(ask(f, RPC_METHOD_VerifiableTxById, &vin.base, &vout), IM_OK);
	check_verifiable(f, vout, (struct tx_point){0});
	vin.provesincetx = 2;
	assert_int_equal(
	    ask(f, RPC_METHOD_VerifiableTxById, &vin.base, &vout), IM_ERR_ILLEGAL_STATE);
}

static void
server_export(void **state)
{
	struct fixture *f = *state;
	M(ExportTxRequest) in = IMMUDB__SCHEMA__EXPORT_TX_REQUEST__INIT;
	M(Chunk) *out = NULL;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "value", NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_ExportTx, &in.base, NULL), IM_ERR_ARGUMENT);
	in.tx = 2;
	assert_int_equal(ask(f, RPC_METHOD_ExportTx, &in.base, NULL), IM_ERR_TX_NOT_FOUND);
	in.tx = 1;
	assert_int_equal(ask(f, RPC_METHOD_ExportTx, &in.base, &out), IM_OK);
	assert_true(out->content.len > 8 + 128);
	assert_int_equal(be64_get(out->content.data), out->content.len - 8);
	assert_int_equal(out->n_metadata, 1);
	assert_string_equal(out->metadata[0]->key, "committed-txid-bin");
	assert_int_equal(be64_get(out->metadata[0]->value.data), 1);
}

/* ---- Starting ---- */

static void
assert_start_fails(const struct server_options *options, enum im_err expected, const char *word)
{
	struct server *server = NULL;
	enum im_err err = server_start(options, &server);

	assert_null(server);
	if (err != expected)
		fail_msg("%s: %s", err_name(err), err_detail(err));
	if (!strstr(err_detail(err), word))
		fail_msg("\"%s\" does not name %s", err_detail(err), word);
}

static void
server_start_refusals(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f), other;
	char path[128];

	other = options;
	other.signing_key = "/nonexistent/key.pem";
	assert_start_fails(&other, IM_ERR_KEY_FILE, "/nonexistent/key.pem");
	other = options;
	other.dbname = "Bad Name";
	assert_start_fails(&other, IM_ERR_DATABASE_NAME, "Bad Name");
	other.dbname = "systemdb";
	assert_start_fails(&other, IM_ERR_CONFIG, "systemdb");
	other = options;
	other.admin_password = "";
	assert_start_fails(&other, IM_ERR_CONFIG, "password");
	start(f, &options);
	/* The folder is in use, and so is the port. */
	assert_start_fails(&options, IM_ERR_LOCKED, f->data);
	snprintf(path, sizeof path, "%s/other", f->dir);
	other.admin_password = "immudb";
	other.dir = path;
	other.port = server_port(f->server);
	assert_start_fails(&other, IM_ERR_LOCKED, "127.0.0.1");
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "kept", "v", NULL), IM_OK);
	stop(f);
	other = options;
	other.dbname = "elsewhere";
	assert_start_fails(&other, IM_ERR_CONFIG, "elsewhere");
	/* Without its metadata the folder is not taken for a new one. */
	snprintf(path, sizeof path, "%s/immudb.sqlite", f->data);
	assert_int_equal(truncate(path, 0), 0);
	assert_start_fails(&options, IM_ERR_CORRUPT, "immudb.sqlite");
	assert_start_fails(&options, IM_ERR_CORRUPT, "immudb.sqlite");
}

static void
server_keeps_what_was_written(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	M(KeyRequest) in = key_request("k");
	char identity[32];

	options.dbname = "mine";
	start(f, &options);
	assert_string_equal(server_default_database(f->server), "mine");
	assert_string_equal(rpc_client_hello(f->conn)->default_database, "mine");
	snprintf(identity, sizeof identity, "%s", rpc_client_hello(f->conn)->server_id);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	stop(f);
	options.dbname = NULL;
	start(f, &options);
	assert_string_equal(server_default_database(f->server), "mine");
	assert_string_equal(rpc_client_hello(f->conn)->server_id, identity);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(get(f, &in, NULL), IM_OK);
}

static void
server_without_auth(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);

	options.auth = false;
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_ERR_AUTH_DISABLED);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_KeepAlive, NULL, NULL), IM_ERR_AUTH_NEEDED);
	assert_int_equal(ask(f, RPC_METHOD_Health, NULL, NULL), IM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STARTED(server_login),
	    STARTED(server_login_is_throttled),
	    STARTED(server_sessions),
	    STARTED(server_info),
	    STARTED(states_are_not_exchanged),
	    STARTED(server_get),
	    STARTED(server_set_edges),
	    STARTED(server_get_all_and_scan),
	    STARTED(server_writes_in_order),
	    FOLDER(server_damaged_value),
	    STARTED(server_state_is_signed),
	    STARTED(server_verifiable_set),
	    STARTED(server_verifiable_get),
	    STARTED(server_tx_by_id),
	    STARTED(server_export),
	    FOLDER(server_start_refusals),
	    FOLDER(server_keeps_what_was_written),
	    FOLDER(server_without_auth),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
