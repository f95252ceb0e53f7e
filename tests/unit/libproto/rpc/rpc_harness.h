#ifndef TESTS_RPC_HARNESS_H
#define TESTS_RPC_HARNESS_H

/*
 * A server in this process whose methods do what tests need:
 *
 *	Login      answers a token and marks the connection as logged in
 *	Health     answers at once
 *	Get        answers the key as key and value at once
 *	Set        answers the number of entries and, as id, the bytes of all values
 *	ExportTx   answers a chunk of tx bytes, each (uint8_t)i
 *	Scan       is parked until harness_answer_parked()
 *	StreamScan answers a stream of limit bytes, each harness_stream_byte(i), and then fails when desc
 *	others     fail with IM_ERR_UNIMPLEMENTED
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/client_conn.h"
#include "rpc/rpc_server.h"
#include "temp_dir.h"
#include "util/clock.h"
#include "util/log.h"

#define HARNESS_PARKED_MAX 4096
#define HARNESS_WAIT_NS (60 * CLOCK_NS_PER_S)

struct harness {
	struct rpc_server *server;
	char path[96];             /* of the unix socket */
	uint16_t port_v4, port_v6; /* the latter 0 on a machine without IPv6 */
	pthread_mutex_t lock;
	struct rpc_request *parked[HARNESS_PARKED_MAX];
	size_t nparked;
	size_t handled, closed;
	_Atomic uint64_t streamed; /* bytes put into streams */
	atomic_size_t streams;     /* under way */
};

/* What StreamScan has still to do; in the arena of the request. */
struct harness_stream {
	struct harness *h;
	uint64_t at, total;
	bool fails;
	struct bytes rest; /* of piece */
	uint8_t piece[1000];
};

/* Polls until the condition holds; fails the test when it never does. */
#define WAIT_FOR(condition) \
	do { \
		int64_t wait_by = clock_monotonic_ns() + HARNESS_WAIT_NS; \
		while (!(condition)) { \
			assert_true(clock_monotonic_ns() < wait_by); \
			sched_yield(); \
		} \
	} while (0)

static inline size_t
harness_parked(struct harness *h)
{
	size_t n;

	pthread_mutex_lock(&h->lock);
	n = h->nparked;
	pthread_mutex_unlock(&h->lock);
	return n;
}

static inline size_t
harness_closed(struct harness *h)
{
	size_t n;

	pthread_mutex_lock(&h->lock);
	n = h->closed;
	pthread_mutex_unlock(&h->lock);
	return n;
}

static inline size_t
harness_handled(struct harness *h)
{
	size_t n;

	pthread_mutex_lock(&h->lock);
	n = h->handled;
	pthread_mutex_unlock(&h->lock);
	return n;
}

static inline void
harness_get(struct rpc_request *req, const ProtobufCMessage *m)
{
	const Immudb__Schema__KeyRequest *key = (const Immudb__Schema__KeyRequest *)m;
	Immudb__Schema__Entry entry = IMMUDB__SCHEMA__ENTRY__INIT;

	entry.key = key->key;
	entry.value = key->key;
	entry.tx = key->attx;
	rpc_reply(req, &entry.base);
}

static inline void
harness_set(struct rpc_request *req, const ProtobufCMessage *m)
{
	const Immudb__Schema__SetRequest *set = (const Immudb__Schema__SetRequest *)m;
	Immudb__Schema__TxHeader header = IMMUDB__SCHEMA__TX_HEADER__INIT;

	header.nentries = (int32_t)set->n_kvs;
	for (size_t i = 0; i < set->n_kvs; i++)
		header.id += set->kvs[i]->value.len;
	rpc_reply(req, &header.base);
}

static inline void
harness_export(struct rpc_request *req, const ProtobufCMessage *m)
{
	const Immudb__Schema__ExportTxRequest *export = (const Immudb__Schema__ExportTxRequest *)m;
	Immudb__Schema__Chunk chunk = IMMUDB__SCHEMA__CHUNK__INIT;
	uint8_t *data = (uint8_t *)malloc(export->tx + 1);

	for (size_t i = 0; i < export->tx; i++)
		data[i] = (uint8_t)i;
	chunk.content = (ProtobufCBinaryData){export->tx, data};
	rpc_reply(req, &chunk.base);
	free(data);
}

static inline uint8_t
harness_stream_byte(uint64_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

static inline void
harness_stream_fill(struct harness_stream *s)
{
	size_t n = s->total - s->at < sizeof s->piece ? s->total - s->at : sizeof s->piece;

	for (size_t i = 0; i < n; i++)
		s->piece[i] = harness_stream_byte(s->at + i);
	s->at += n;
	s->rest = bytes_of(s->piece, n);
}

static inline void
harness_stream_run(struct rpc_request *req)
{
	struct harness_stream *s = (struct harness_stream *)req->user;
	enum im_err err = IM_OK;

	while (err == IM_OK && (s->rest.len > 0 || s->at < s->total)) {
		size_t had;

		if (s->rest.len == 0)
			harness_stream_fill(s);
		had = s->rest.len;
		/* A stream that would block is not ours any more when this returns. */
		atomic_fetch_add(&s->h->streamed, had);
		err = rpc_stream_put(req, &s->rest);
		if (err == IM_ERR_WOULD_BLOCK)
			return;
	}
	atomic_fetch_sub(&s->h->streams, 1);
	if (err == IM_OK && s->fails)
		err = IM_ERR_DATA_LOSS;
	if (err != IM_OK)
		rpc_fail(req, err, NULL);
	else
		rpc_stream_end(req);
}

static inline void
harness_stream(struct harness *h, struct rpc_request *req, const ProtobufCMessage *m)
{
	const Immudb__Schema__ScanRequest *scan = (const Immudb__Schema__ScanRequest *)m;
	struct harness_stream *s = (struct harness_stream *)arena_calloc(&req->arena, 1, sizeof *s);
	enum im_err err = rpc_stream_begin(req, harness_stream_run);

	if (err != IM_OK) {
		rpc_fail(req, err, err_detail(err));
		return;
	}
	s->h = h;
	s->total = scan->limit;
	s->fails = scan->desc;
	req->user = s;
	atomic_fetch_add(&h->streams, 1);
	harness_stream_run(req);
}

static inline void
harness_login(struct rpc_request *req, void *ctx)
{
	Immudb__Schema__LoginResponse login = IMMUDB__SCHEMA__LOGIN_RESPONSE__INIT;

	login.token = (char *)(uintptr_t) "good token";
	assert_null(rpc_request_conn_user(req));
	rpc_request_set_conn_user(req, ctx);
	rpc_request_set_authenticated(req);
	rpc_reply(req, &login.base);
}

static inline void
harness_handle(void *ctx, struct rpc_request *req)
{
	struct harness *h = (struct harness *)ctx;
	Immudb__Schema__HealthResponse health = IMMUDB__SCHEMA__HEALTH_RESPONSE__INIT;
	ProtobufCMessage *m;
	enum im_err err = rpc_request_decode(req, &m);

	pthread_mutex_lock(&h->lock);
	h->handled++;
	if (err == IM_OK && req->method->index == RPC_INDEX_Scan) {
		assert_true(h->nparked < HARNESS_PARKED_MAX);
		h->parked[h->nparked++] = req;
		req = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	if (!req)
		return;
	if (err != IM_OK)
		rpc_fail(req, err, err_detail(err));
	else if (req->method->index == RPC_INDEX_Health)
		rpc_reply(req, &health.base);
	else if (req->method->index == RPC_INDEX_Get)
		harness_get(req, m);
	else if (req->method->index == RPC_INDEX_Set)
		harness_set(req, m);
	else if (req->method->index == RPC_INDEX_ExportTx)
		harness_export(req, m);
	else if (req->method->index == RPC_INDEX_Login)
		harness_login(req, ctx);
	else if (req->method->index == RPC_INDEX_StreamScan)
		harness_stream(h, req, m);
	else
		rpc_fail(req, IM_ERR_UNIMPLEMENTED, NULL);
}

static inline enum im_err
harness_authenticate(
    void *ctx, struct bytes session, const struct rpc_method *method, const struct rpc_peer *peer)
{
	(void)ctx;
	(void)method;
	assert_true(peer->is_loopback);
	return bytes_equal(session, bytes_str("good token"))
	    ? IM_OK
	    : err_set(IM_ERR_NOT_LOGGED_IN, "%s", err_text(IM_ERR_NOT_LOGGED_IN));
}

static inline void
harness_conn_closed(void *ctx, void *conn_user)
{
	struct harness *h = (struct harness *)ctx;

	assert_true(conn_user == NULL || conn_user == h);
	pthread_mutex_lock(&h->lock);
	h->closed++;
	pthread_mutex_unlock(&h->lock);
}

/* Answers the parked requests, the last first. Returns how many there were. */
static inline size_t
harness_answer_parked(struct harness *h)
{
	Immudb__Schema__Entries entries = IMMUDB__SCHEMA__ENTRIES__INIT;
	size_t n = 0;

	rpc_batch_begin();
	for (;;) {
		struct rpc_request *req = NULL;

		pthread_mutex_lock(&h->lock);
		if (h->nparked > 0)
			req = h->parked[--h->nparked];
		pthread_mutex_unlock(&h->lock);
		if (!req)
			break;
		rpc_reply(req, &entries.base);
		n++;
	}
	rpc_batch_end();
	return n;
}

/* Where the unix sockets are: one for each server that a test program starts. */
static char harness_dir[TEMP_DIR_MAX];
static unsigned harness_sockets;
/* Of groups that harness_setup_tls() sets up: every connection over TCP speaks TLS. */
static struct tls_context *harness_tls_server, *harness_tls_client;

/* Fixtures of the group. */
static inline int
harness_setup(void **state)
{
	(void)state;
	temp_dir_make(harness_dir);
	return 0;
}

static inline int
harness_setup_tls(void **state)
{
	char certificate[TEMP_DIR_MAX + 16], key[TEMP_DIR_MAX + 16];
	struct tls_files files = {.side = TLS_SERVER, .certificate = certificate, .key = key};

	harness_setup(state);
	snprintf(certificate, sizeof certificate, "%s/own.pem", harness_dir);
	snprintf(key, sizeof key, "%s/own.key", harness_dir);
	assert_int_equal(tls_make_certificate(certificate, key, 1), IM_OK);
	assert_int_equal(tls_context_new(&files, &harness_tls_server), IM_OK);
	files = (struct tls_files){.side = TLS_CLIENT, .authorities = certificate};
	assert_int_equal(tls_context_new(&files, &harness_tls_client), IM_OK);
	return 0;
}

static inline int
harness_teardown(void **state)
{
	(void)state;
	tls_context_free(harness_tls_server);
	tls_context_free(harness_tls_client);
	harness_tls_server = harness_tls_client = NULL;
	temp_dir_remove(harness_dir);
	return 0;
}

static inline bool
harness_has_v6(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&any, sizeof any) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

/*
 * Starts the server on v4, a unix socket and, if there is one, v6; limits are taken from o, the
 * rest is filled in.
 */
static inline void
harness_start(struct harness *h, struct rpc_server_options o)
{
	char ipc[128];
	const char *urls[] = {"tcp://127.0.0.1:0", ipc, "tcp://[::1]:0"};

	*h = (struct harness){0};
	pthread_mutex_init(&h->lock, NULL);
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(h->path, sizeof h->path, "%s/socket%u", harness_dir, ++harness_sockets);
	snprintf(ipc, sizeof ipc, "ipc://%s", h->path);
	o.urls = urls;
	o.nurls = harness_has_v6() ? 3 : 2;
	o.version = "immudb 1.2.3";
	o.server_id = "cvt6pe1v0s5c73aabbcc";
	o.default_database = "defaultdb";
	o.handle = harness_handle;
	o.authenticate = harness_authenticate;
	o.closed = harness_conn_closed;
	o.ctx = h;
	if (!o.tls)
		o.tls = harness_tls_server;
	assert_int_equal(rpc_server_start(&o, &h->server), IM_OK);
	h->port_v4 = rpc_server_port(h->server, 0);
	h->port_v6 = o.nurls > 2 ? rpc_server_port(h->server, 2) : 0;
	assert_true(h->port_v4 != 0 && (h->port_v6 != 0) == (o.nurls > 2));
	assert_int_equal(rpc_server_port(h->server, 1), 0);
}

static inline void
harness_stop(struct harness *h)
{
	rpc_server_stop(h->server, 5000);
	harness_answer_parked(h);
	rpc_server_free(h->server);
	pthread_mutex_destroy(&h->lock);
}

/* Descriptors that this process has open. */
static inline size_t
harness_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline struct rpc_client_conn *
harness_connect(struct harness *h, struct rpc_client_options o)
{
	struct rpc_client_conn *c;
	enum im_err err;

	if (!o.host && !o.unix_path) {
		o.host = "127.0.0.1";
		o.port = h->port_v4;
	}
	if (!o.tls)
		o.tls = harness_tls_client;
	err = rpc_client_connect(&o, &c);
	if (err != IM_OK)
		print_error("%s\n", err_detail(err));
	assert_int_equal(err, IM_OK);
	return c;
}

static inline void
harness_do_login(struct rpc_client_conn *c)
{
	struct rpc_call call = {.method = RPC_METHOD_Login};
	ProtobufCMessage *m;
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_int_equal(rpc_call_wait(c, &call, &a, &m, NULL), IM_OK);
	arena_free(&a);
}

#endif
