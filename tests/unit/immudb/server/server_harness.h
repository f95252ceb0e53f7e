#ifndef TESTS_SERVER_HARNESS_H
#define TESTS_SERVER_HARNESS_H

/*
 * A whole server in this process with one client connection, for the tests of its methods: start
 * and stop, calls with a session, the engine behind the default database, checks of what is proven.
 */
#include "server/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/proof.h"
#include "crypto/rawkey.h"
#include "crypto/sign.h"
#include "rpc/client_conn.h"
#include "server/messages.h"
#include "server/server_state.h"
#include "temp_dir.h"
#include "util/file.h"
#include "util/log.h"

#define M(Name) Immudb__Schema__##Name
#define ARENA_MAX (256u << 20)

struct fixture {
	char dir[TEMP_DIR_MAX];
	char data[80];
	char key[80];
	struct server *server;
	struct rpc_client_conn *conn;
	struct arena arena;
	char session[64];
	/* Of the last call. */
	enum im_status status;
};

static const char test_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
			       "MHcCAQEEINa2+Rn5ypqHA0woBeeIzIi2kwJ95XPgB/0vP7qwmEImoAoGCCqGSM49\n"
			       "AwEHoUQDQgAEKnn3D/di1R0080E2EWvAwsit/rni1yVoq6E7aLcbXQdAaof1L6wO\n"
			       "AWGEBOi3UApGrQ2dW7gZAYVWR/Ri/4fqJA==\n"
			       "-----END EC PRIVATE KEY-----\n";

static inline struct server_options
options_of(const struct fixture *f)
{
	return (struct server_options){.dir = f->data,
	    .synced = false,
	    .address = "127.0.0.1",
	    .signing_key = f->key,
	    .admin_password = "immudb",
	    .auth = true,
	    .max_message_bytes = 8u << 20,
	    .max_sessions = 8,
	    .token_life_ms = 60000,
	    .session_idle_ms = 60000,
	    .histograms = true,
	    .metrics_address = ""};
}

static inline void
connect_to(struct fixture *f)
{
	struct rpc_client_options options = {
	    .host = "127.0.0.1", .port = server_port(f->server), .name = "server_methods_test"};

	assert_int_equal(rpc_client_connect(&options, &f->conn), IM_OK);
}

static inline void
start(struct fixture *f, const struct server_options *options)
{
	enum im_err err = server_start(options, &f->server);

	if (err != IM_OK)
		fail_msg("%s", err_detail(err));
	connect_to(f);
}

static inline void
stop(struct fixture *f)
{
	rpc_client_close(f->conn);
	f->conn = NULL;
	server_stop(f->server);
	f->server = NULL;
}

static inline int
fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	arena_init(&f->arena, ARENA_MAX);
	temp_dir_make(f->dir);
	snprintf(f->data, sizeof f->data, "%s/data", f->dir);
	snprintf(f->key, sizeof f->key, "%s/key.pem", f->dir);
	*state = f;
	return file_replace(f->key, bytes_str(test_key)) == IM_OK ? 0 : -1;
}

static inline int
fixture_remove(void **state)
{
	struct fixture *f = *state;

	if (f->server)
		stop(f);
	temp_dir_remove(f->dir);
	arena_free(&f->arena);
	free(f);
	return 0;
}

static inline int
fixture_started(void **state)
{
	struct server_options options;

	if (fixture_make(state) != 0)
		return -1;
	options = options_of(*state);
	start(*state, &options);
	return 0;
}

/*
 * Calls a method with the present session; the decoded answer goes to *out when that is not NULL.
 */
static inline enum im_err
ask(struct fixture *f, uint16_t method, const ProtobufCMessage *request, void *out)
{
	struct rpc_call call = {
	    .method = method, .session = bytes_str(f->session), .request = request};
	ProtobufCMessage *answer = NULL;
	enum im_err err = rpc_call_wait(f->conn, &call, &f->arena, &answer, &f->status);

	if (out)
		*(ProtobufCMessage **)out = answer;
	return err;
}

static inline enum im_err
login(struct fixture *f, const char *user, const char *password)
{
	M(LoginRequest) in = IMMUDB__SCHEMA__LOGIN_REQUEST__INIT;
	M(LoginResponse) *out = NULL;
	enum im_err err;

	in.user = message_data(bytes_str(user));
	in.password = message_data(bytes_str(password));
	f->session[0] = '\0';
	err = ask(f, RPC_METHOD_Login, &in.base, &out);
	if (err == IM_OK)
		snprintf(f->session, sizeof f->session, "%s", out->token);
	return err;
}

/* A server that takes the largest values, logged in. */
static inline int
fixture_large(void **state)
{
	struct server_options options;

	if (fixture_make(state) != 0)
		return -1;
	options = options_of(*state);
	options.max_message_bytes = 32u << 20;
	start(*state, &options);
	return login(*state, "immudb", "immudb") == IM_OK ? 0 : -1;
}

static inline enum im_err
open_session(struct fixture *f, const char *database)
{
	M(OpenSessionRequest) in = IMMUDB__SCHEMA__OPEN_SESSION_REQUEST__INIT;
	M(OpenSessionResponse) *out = NULL;
	enum im_err err;

	in.username = message_data(bytes_str("immudb"));
	in.password = message_data(bytes_str("immudb"));
	in.databasename = (char *)(uintptr_t)database;
	f->session[0] = '\0';
	err = ask(f, RPC_METHOD_OpenSession, &in.base, &out);
	if (err == IM_OK) {
		assert_int_equal(strlen(out->serveruuid), 20);
		assert_string_equal(out->serveruuid, rpc_client_hello(f->conn)->server_id);
		snprintf(f->session, sizeof f->session, "%s", out->sessionid);
	}
	return err;
}

static inline enum im_err
use(struct fixture *f, const char *database)
{
	M(Database) in = IMMUDB__SCHEMA__DATABASE__INIT;
	M(UseDatabaseReply) *out = NULL;
	enum im_err err;

	in.databasename = (char *)(uintptr_t)database;
	err = ask(f, RPC_METHOD_UseDatabase, &in.base, &out);
	if (err == IM_OK)
		snprintf(f->session, sizeof f->session, "%s", out->token);
	return err;
}

static inline enum im_err
set(struct fixture *f, const char *key, const char *value, M(TxHeader) * *out)
{
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[1] = {&kv};
	M(SetRequest) in = IMMUDB__SCHEMA__SET_REQUEST__INIT;

	kv.key = message_data(bytes_str(key));
	kv.value = message_data(bytes_str(value));
	in.n_kvs = 1;
	in.kvs = kvs;
	return ask(f, RPC_METHOD_Set, &in.base, out);
}

static inline enum im_err
get(struct fixture *f, const M(KeyRequest) * in, M(Entry) * *out)
{
	return ask(f, RPC_METHOD_Get, &in->base, out);
}

static inline M(KeyRequest) key_request(const char *key)
{
	M(KeyRequest) in = IMMUDB__SCHEMA__KEY_REQUEST__INIT;

	in.key = message_data(bytes_str(key));
	return in;
}

#define assert_data_equal(data, text) assert_true(bytes_equal(message_bytes(data), bytes_str(text)))

/* The engine of the default database, to write what no method writes. */
static inline struct store *
store_of(const struct fixture *f)
{
	return databases_default(f->server->databases)->store;
}

/* Changes one byte of the only place in the log that holds text. */
static inline void
damage_log(const struct fixture *f, const char *text)
{
	char path[160];
	struct buf log;
	uint8_t *at;

	snprintf(path, sizeof path, "%s/defaultdb/00000000.log", f->data);
	buf_init(&log, 16u << 20);
	assert_int_equal(file_read(path, 16u << 20, &log), IM_OK);
	at = memmem(log.data, log.len, text, strlen(text));
	assert_non_null(at);
	*at ^= 1;
	assert_int_equal(file_replace(path, buf_bytes(&log)), IM_OK);
	buf_free(&log);
}

/* ---- Proofs ---- */

static inline struct hash
hash_of(ProtobufCBinaryData v)
{
	struct hash h;

	assert_int_equal(v.len, HASH_SIZE);
	memcpy(h.b, v.data, HASH_SIZE);
	return h;
}

static inline struct tx_header
header_of(const M(TxHeader) * m)
{
	return (struct tx_header){.id = m->id,
	    .prev_alh = hash_of(m->prevalh),
	    .ts = m->ts,
	    .version = (uint16_t)m->version,
	    .nentries = (uint32_t)m->nentries,
	    .eh = hash_of(m->eh),
	    .bl_tx_id = m->bltxid,
	    .bl_root = hash_of(m->blroot)};
}

static inline struct hash_list
list_of(struct arena *a, size_t n, const ProtobufCBinaryData *items)
{
	struct hash_list list = {arena_calloc(a, n, sizeof(struct hash)), n};
	size_t i;

	for (i = 0; i < n; i++)
		list.items[i] = hash_of(items[i]);
	return list;
}

/* Checks proof and signature of an answer; returns the newer of the two points. */
static inline struct tx_point
check_verifiable(struct fixture *f, const M(VerifiableTx) * m, struct tx_point since)
{
	const M(DualProof) *d = m->dualproof;
	struct arena *a = &f->arena;
	struct dual_proof proof = {.source = header_of(d->sourcetxheader),
	    .target = header_of(d->targettxheader),
	    .inclusion = list_of(a, d->n_inclusionproof, d->inclusionproof),
	    .consistency = list_of(a, d->n_consistencyproof, d->consistencyproof),
	    .target_bl_tx_alh = hash_of(d->targetbltxalh),
	    .last_inclusion = list_of(a, d->n_lastinclusionproof, d->lastinclusionproof),
	    .linear = {d->linearproof->sourcetxid, d->linearproof->targettxid,
		list_of(a, d->linearproof->n_terms, d->linearproof->terms)}};
	struct tx_point from = {.id = proof.source.id}, to = {.id = proof.target.id};
	struct sign_public_key *key;
	struct sign_state signed_state;

	tx_header_alh(&proof.source, &from.alh);
	tx_header_alh(&proof.target, &to.alh);
	assert_int_equal(proof_check_dual(&proof, &from, &to), IM_OK);
	if (since.id == from.id)
		assert_true(hash_equal(&since.alh, &from.alh));
	else if (since.id == to.id)
		assert_true(hash_equal(&since.alh, &to.alh));
	else
		assert_int_equal(since.id, 0);
	assert_non_null(m->signature);
	assert_int_equal(
	    sign_public_key_of_point(message_bytes(m->signature->publickey), &key), IM_OK);
	signed_state = (struct sign_state){bytes_str("defaultdb"), to.id, to.alh};
	assert_int_equal(
	    sign_check(key, &signed_state, message_bytes(m->signature->signature)), IM_OK);
	signed_state.tx_id++;
	assert_int_equal(sign_check(key, &signed_state, message_bytes(m->signature->signature)),
	    IM_ERR_SIGNATURE);
	sign_public_key_free(key);
	return to;
}

#define STARTED(f) cmocka_unit_test_setup_teardown(f, fixture_started, fixture_remove)
#define FOLDER(f) cmocka_unit_test_setup_teardown(f, fixture_make, fixture_remove)

#endif
