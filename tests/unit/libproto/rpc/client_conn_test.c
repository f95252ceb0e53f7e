/*
 * Both ends against each other, over every transport: pipelining, order, large bodies, limits,
 * ends.
 */
#include "libproto/rpc/rpc_harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "rpc/frame.h"

static struct rpc_client_conn *
connect_kind(struct harness *h, int kind)
{
	struct rpc_client_options o = {.name = "test"};

	if (kind == 0)
		o.host = "127.0.0.1", o.port = h->port_v4;
	else if (kind == 1 && h->port_v6 != 0)
		o.host = "::1", o.port = h->port_v6;
	else if (kind == 2)
		o.unix_path = h->path;
	else
		o.host = "localhost", o.port = h->port_v4;
	return harness_connect(h, o);
}

static void
assert_get(struct rpc_client_conn *c, const char *key)
{
	Immudb__Schema__KeyRequest req = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	struct rpc_call call = {.method = RPC_METHOD_Get, .request = &req.base};
	const Immudb__Schema__Entry *entry;
	ProtobufCMessage *m;
	struct arena a;

	req.key = (ProtobufCBinaryData){strlen(key), (uint8_t *)(uintptr_t)key};
	arena_init(&a, 1 << 20);
	assert_int_equal(rpc_call_wait(c, &call, &a, &m, NULL), IM_OK);
	entry = (const Immudb__Schema__Entry *)m;
	assert_int_equal(entry->value.len, strlen(key));
	assert_memory_equal(entry->value.data, key, strlen(key));
	arena_free(&a);
}

static void
test_every_transport(void **state)
{
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	for (int kind = 0; kind < 4; kind++) {
		struct rpc_client_conn *c = connect_kind(&h, kind);
		const struct rpc_hello_info *info = rpc_client_hello(c);

		assert_string_equal(info->version, "immudb 1.2.3");
		assert_string_equal(info->server_id, "cvt6pe1v0s5c73aabbcc");
		assert_string_equal(info->default_database, "defaultdb");
		assert_int_equal(info->max_message_bytes, 33 * 1024 * 1024);
		assert_get(c, "hello");
		assert_true(rpc_client_is_usable(c));
		rpc_client_close(c);
	}
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	assert_int_equal(harness_closed(&h), 4);
	if (h.port_v6 == 0)
		puts("SKIP CASE: a connection over IPv6: needs-ipv6, no loopback address");
	harness_stop(&h);
}

struct tally {
	pthread_mutex_t lock;
	size_t ok, failed;
	enum im_err last_err;
	uint64_t last_tx;
	bool in_order;
};

static void
tally_answer(void *ctx, const struct rpc_answer *answer)
{
	struct tally *t = (struct tally *)ctx;
	Immudb__Schema__Entry *e = NULL;

	if (answer->err == IM_OK)
		e = immudb__schema__entry__unpack(NULL, answer->body.len, answer->body.data);
	pthread_mutex_lock(&t->lock);
	if (answer->err == IM_OK)
		t->ok++;
	else
		t->failed++;
	t->last_err = answer->err;
	if (e) {
		t->in_order = t->in_order && e->tx == t->last_tx + 1;
		t->last_tx = e->tx;
		immudb__schema__entry__free_unpacked(e, NULL);
	}
	pthread_mutex_unlock(&t->lock);
}

static size_t
tally_done(struct tally *t)
{
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = t->ok + t->failed;
	pthread_mutex_unlock(&t->lock);
	return n;
}

static void
tally_init(struct tally *t)
{
	*t = (struct tally){.in_order = true};
	pthread_mutex_init(&t->lock, NULL);
}

static void
test_pipelining(void **state)
{
	Immudb__Schema__KeyRequest req = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	struct rpc_call call = {.method = RPC_METHOD_Get, .request = &req.base};
	struct rpc_client_conn *c;
	struct tally t;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	for (int kind = 0; kind < 3; kind++) {
		c = connect_kind(&h, kind);
		tally_init(&t);
		for (uint64_t i = 1; i <= 20000; i++) {
			char key[32];

			req.key.len = (size_t)snprintf(key, sizeof key, "key %zu", (size_t)i);
			req.key.data = (uint8_t *)key;
			req.attx = i;
			assert_int_equal(rpc_call_start(c, &call, tally_answer, &t), IM_OK);
		}
		WAIT_FOR(tally_done(&t) == 20000);
		assert_int_equal(t.ok, 20000);
		/*
		 * One connection's requests are handled in order, and these were answered at once.
		 */
		assert_true(t.in_order);
		rpc_client_close(c);
	}
	harness_stop(&h);
}

static void
test_out_of_order(void **state)
{
	struct rpc_call call = {.method = RPC_METHOD_Scan};
	struct rpc_client_conn *c;
	struct tally t;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	tally_init(&t);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rpc_call_start(c, &call, tally_answer, &t), IM_OK);
	WAIT_FOR(harness_parked(&h) == 100);
	/* Others overtake them. */
	assert_get(c, "overtakes");
	assert_int_equal(tally_done(&t), 0);
	harness_answer_parked(&h);
	WAIT_FOR(tally_done(&t) == 100);
	assert_int_equal(t.ok, 100);
	rpc_client_close(c);
	harness_stop(&h);
}

static enum im_err
do_set(struct rpc_client_conn *c, size_t value_len, const char *token, uint64_t *sum,
    enum im_status *status)
{
	Immudb__Schema__KeyValue kv = IMMUDB__SCHEMA__KEY_VALUE__INIT, *kvs[1] = {&kv};
	Immudb__Schema__SetRequest set = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	struct rpc_call call = {
	    .method = RPC_METHOD_Set, .request = &set.base, .session = bytes_str(token)};
	uint8_t *value = (uint8_t *)calloc(1, value_len + 1);
	ProtobufCMessage *m;
	struct arena a;
	enum im_err err;

	kv.key = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "k"};
	kv.value = (ProtobufCBinaryData){value_len, value};
	set.n_kvs = 1;
	set.kvs = kvs;
	arena_init(&a, 1 << 20);
	err = rpc_call_wait(c, &call, &a, &m, status);
	if (err == IM_OK)
		*sum = ((Immudb__Schema__TxHeader *)m)->id;
	free(value);
	arena_free(&a);
	return err;
}

static enum im_err
do_export(struct rpc_client_conn *c, size_t len, enum im_status *status)
{
	Immudb__Schema__ExportTxRequest req = IMMUDB__SCHEMA__EXPORT_TX_REQUEST__INIT;
	struct rpc_call call = {.method = RPC_METHOD_ExportTx, .request = &req.base};
	const Immudb__Schema__Chunk *chunk;
	ProtobufCMessage *m;
	struct arena a;
	enum im_err err;

	req.tx = len;
	arena_init(&a, 256 << 20);
	err = rpc_call_wait(c, &call, &a, &m, status);
	if (err == IM_OK) {
		chunk = (const Immudb__Schema__Chunk *)m;
		assert_int_equal(chunk->content.len, len);
		for (size_t i = 0; i < len; i++)
			if (chunk->content.data[i] != (uint8_t)i)
				fail();
	}
	arena_free(&a);
	return err;
}

static void
test_large_bodies(void **state)
{
	static const size_t sizes[] = {1, 16000, 16384, 65500, 65536, 65600, 1 << 20, 32 << 20};
	struct rpc_client_conn *c;
	uint64_t sum = 0;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	for (int kind = 0; kind < 3; kind++) {
		c = connect_kind(&h, kind);
		harness_do_login(c);
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			assert_int_equal(do_set(c, sizes[i], "", &sum, NULL), IM_OK);
			assert_int_equal(sum, sizes[i]);
			assert_int_equal(do_export(c, sizes[i], NULL), IM_OK);
		}
		rpc_client_close(c);
	}
	harness_stop(&h);
}

struct side_work {
	struct harness *h;
	struct rpc_client_conn *c;
	atomic_bool done;
};

static void *
side_large(void *arg)
{
	struct side_work *w = (struct side_work *)arg;
	uint64_t sum = 0;

	for (int i = 0; i < 4; i++) {
		if (do_set(w->c, 8 << 20, "", &sum, NULL) != IM_OK || sum != 8 << 20)
			abort();
		if (do_export(w->c, 8 << 20, NULL) != IM_OK)
			abort();
	}
	atomic_store(&w->done, true);
	return NULL;
}

/* Small calls go on while large ones are under way on the same connection. */
static void
test_interleaving(void **state)
{
	struct side_work w[3];
	pthread_t threads[3];
	struct rpc_client_conn *c;
	size_t calls = 0;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	harness_do_login(c);
	for (int i = 0; i < 3; i++) {
		w[i] = (struct side_work){.h = &h, .c = c};
		assert_int_equal(pthread_create(&threads[i], NULL, side_large, &w[i]), 0);
	}
	while (!atomic_load(&w[0].done) || !atomic_load(&w[1].done) || !atomic_load(&w[2].done)) {
		assert_get(c, "small");
		calls++;
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(calls > 0);
	rpc_client_close(c);
	harness_stop(&h);
}

static void
test_before_login(void **state)
{
	struct rpc_client_conn *c;
	enum im_status status;
	uint64_t sum = 0;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	assert_int_equal(do_set(c, 1 << 20, "", &sum, &status), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(status, IM_STATUS_UNAUTHENTICATED);
	assert_int_equal(do_set(c, 1 << 20, "bad token", &sum, &status), IM_ERR_NOT_LOGGED_IN);
	/* Small ones go, and the refused body left nothing behind. */
	assert_int_equal(do_set(c, 10000, "", &sum, &status), IM_OK);
	assert_int_equal(do_set(c, 1 << 20, "good token", &sum, &status), IM_OK);
	assert_int_equal(sum, 1 << 20);
	/* From now on the connection is trusted. */
	assert_int_equal(do_set(c, 1 << 20, "", &sum, &status), IM_OK);
	rpc_client_close(c);
	harness_stop(&h);
}

static void
test_too_large(void **state)
{
	struct rpc_client_options small = {.max_message_bytes = 1 << 20};
	struct rpc_client_conn *c;
	enum im_status status;
	uint64_t sum = 0;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.max_message_bytes = 4 << 20});
	c = harness_connect(&h, small);
	harness_do_login(c);
	assert_int_equal(do_set(c, 5 << 20, "", &sum, &status), IM_ERR_MESSAGE_SIZE);
	assert_int_equal(do_set(c, (5 << 20) - 100, "", &sum, &status), IM_OK);
	assert_int_equal(do_export(c, (2 << 20) - 100, &status), IM_OK);
	assert_int_equal(do_export(c, 2 << 20, &status), IM_ERR_MESSAGE_SIZE);
	assert_int_equal(status, IM_STATUS_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(err_detail(IM_ERR_MESSAGE_SIZE), "the client's limit is 2097152"));
	assert_int_equal(do_export(c, 5 << 20, &status), IM_ERR_MESSAGE_SIZE);
	assert_non_null(strstr(err_detail(IM_ERR_MESSAGE_SIZE), "the server's limit is 5242880"));
	assert_get(c, "still there");
	rpc_client_close(c);
	harness_stop(&h);
}

static void
test_errors(void **state)
{
	struct rpc_call call = {.method = RPC_METHOD_KeepAlive};
	struct rpc_client_conn *c;
	enum im_status status;
	ProtobufCMessage *m;
	struct arena a;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	arena_init(&a, 1 << 20);
	assert_int_equal(rpc_call_wait(c, &call, &a, &m, &status), IM_ERR_UNIMPLEMENTED);
	assert_int_equal(status, IM_STATUS_UNIMPLEMENTED);
	assert_null(m);
	call.method = 0x7777;
	assert_int_equal(rpc_call_wait(c, &call, &a, &m, &status), IM_ERR_UNKNOWN_METHOD);
	arena_free(&a);
	rpc_client_close(c);
	harness_stop(&h);
}

static void
test_err_of_text(void **state)
{
	(void)state;
	assert_int_equal(
	    rpc_err_of_text(IM_STATUS_NOT_FOUND, "key not found"), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(
	    rpc_err_of_text(IM_STATUS_NOT_FOUND, "key not found: expired"), IM_ERR_KEY_NOT_FOUND);
	assert_int_equal(rpc_err_of_text(IM_STATUS_NOT_FOUND, "key not founder"), IM_ERR_REMOTE);
	assert_int_equal(rpc_err_of_text(IM_STATUS_INTERNAL, "key not found"), IM_ERR_REMOTE);
	assert_int_equal(rpc_err_of_text(IM_STATUS_NOT_FOUND, ""), IM_ERR_REMOTE);
	assert_int_equal(rpc_err_of_text((enum im_status)99, "what"), IM_ERR_REMOTE);
	for (int i = IM_OK + 1; i < IM_ERR_COUNT; i++) {
		enum im_err found =
		    rpc_err_of_text(err_status((enum im_err)i), err_text((enum im_err)i));

		assert_string_equal(err_text(found), err_text((enum im_err)i));
	}
}

static void
test_timeout_and_cancel(void **state)
{
	struct rpc_call call = {.method = RPC_METHOD_Scan, .timeout_ms = 20};
	struct rpc_client_conn *c;
	ProtobufCMessage *m;
	struct arena a;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	arena_init(&a, 1 << 20);
	assert_int_equal(rpc_call_wait(c, &call, &a, &m, NULL), IM_ERR_TIMEOUT);
	WAIT_FOR(harness_parked(&h) == 1);
	WAIT_FOR(rpc_request_is_abandoned(h.parked[0]));
	assert_int_equal(h.parked[0]->deadline_ns - h.parked[0]->received_ns, 20 * CLOCK_NS_PER_MS);
	harness_answer_parked(&h);
	assert_get(c, "fine");
	arena_free(&a);
	rpc_client_close(c);
	harness_stop(&h);
}

/* A call with an early deadline ends before an older one with a late deadline. */
static void
test_deadlines_cross(void **state)
{
	struct rpc_call call = {.method = RPC_METHOD_Scan, .timeout_ms = 60000};
	struct rpc_client_conn *c;
	struct tally late, early;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	tally_init(&late);
	tally_init(&early);
	assert_int_equal(rpc_call_start(c, &call, tally_answer, &late), IM_OK);
	call.timeout_ms = 10;
	assert_int_equal(rpc_call_start(c, &call, tally_answer, &early), IM_OK);
	WAIT_FOR(tally_done(&early) == 1);
	assert_int_equal(early.last_err, IM_ERR_TIMEOUT);
	assert_int_equal(tally_done(&late), 0);
	WAIT_FOR(harness_parked(&h) == 2);
	harness_answer_parked(&h);
	WAIT_FOR(tally_done(&late) == 1);
	assert_int_equal(late.last_err, IM_OK);
	rpc_client_close(c);
	harness_stop(&h);
}

static void *
start_many(void *arg)
{
	struct side_work *w = (struct side_work *)arg;
	struct rpc_call call = {.method = RPC_METHOD_Scan};
	static struct tally t;

	tally_init(&t);
	for (int i = 0; i < 40; i++)
		if (rpc_call_start(w->c, &call, tally_answer, &t) != IM_OK)
			abort();
	while (tally_done(&t) < 40)
		sched_yield();
	atomic_store(&w->done, true);
	return NULL;
}

/* The caller is held back at the limit of calls in flight, and goes on when there is room. */
static void
test_back_pressure(void **state)
{
	struct rpc_client_options o = {.max_outstanding = 4};
	struct side_work w = {0};
	pthread_t thread;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){.max_outstanding = 8});
	w.c = harness_connect(&h, o);
	assert_int_equal(rpc_client_hello(w.c)->max_outstanding, 4);
	assert_int_equal(pthread_create(&thread, NULL, start_many, &w), 0);
	while (!atomic_load(&w.done)) {
		assert_true(harness_parked(&h) <= 4);
		harness_answer_parked(&h);
	}
	pthread_join(thread, NULL);
	rpc_client_close(w.c);
	harness_stop(&h);
}

static void
test_close_with_calls_in_flight(void **state)
{
	struct rpc_call call = {.method = RPC_METHOD_Scan};
	struct rpc_client_conn *c;
	struct tally t;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	tally_init(&t);
	for (int i = 0; i < 50; i++)
		assert_int_equal(rpc_call_start(c, &call, tally_answer, &t), IM_OK);
	rpc_client_close(c);
	assert_int_equal(tally_done(&t), 50);
	assert_int_equal(t.last_err, IM_ERR_CANCELLED);
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	harness_stop(&h);
}

static void *
stop_server(void *arg)
{
	struct side_work *w = (struct side_work *)arg;

	rpc_server_stop(w->h->server, 20000);
	atomic_store(&w->done, true);
	return NULL;
}

/* Stopping waits for what is outstanding, and takes nothing new. */
static void
test_stop_drains(void **state)
{
	struct rpc_call call = {.method = RPC_METHOD_Scan};
	struct side_work w = {0};
	struct rpc_client_conn *c;
	pthread_t thread;
	struct tally t;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	tally_init(&t);
	for (int i = 0; i < 10; i++)
		assert_int_equal(rpc_call_start(c, &call, tally_answer, &t), IM_OK);
	WAIT_FOR(harness_parked(&h) == 10);
	w.h = &h;
	assert_int_equal(pthread_create(&thread, NULL, stop_server, &w), 0);
	WAIT_FOR(!rpc_client_is_usable(c));
	assert_int_equal(rpc_call_start(c, &call, tally_answer, &t), IM_ERR_CONNECTION_LOST);
	assert_non_null(strstr(err_detail(IM_ERR_CONNECTION_LOST), "shutting down"));
	assert_false(atomic_load(&w.done));
	harness_answer_parked(&h);
	WAIT_FOR(tally_done(&t) == 10);
	assert_int_equal(t.ok, 10);
	pthread_join(thread, NULL);
	rpc_client_close(c);
	rpc_server_free(h.server);
}

/* What is not answered in time is cut off; the late answers go nowhere and harm nobody. */
static void
test_stop_cuts(void **state)
{
	struct rpc_call call = {.method = RPC_METHOD_Scan};
	struct rpc_client_conn *c;
	struct tally t;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = connect_kind(&h, 0);
	tally_init(&t);
	for (int i = 0; i < 10; i++)
		assert_int_equal(rpc_call_start(c, &call, tally_answer, &t), IM_OK);
	WAIT_FOR(harness_parked(&h) == 10);
	rpc_server_stop(h.server, 10);
	WAIT_FOR(tally_done(&t) == 10);
	assert_int_equal(t.last_err, IM_ERR_CONNECTION_LOST);
	assert_true(rpc_request_is_abandoned(h.parked[0]));
	assert_int_equal(harness_answer_parked(&h), 10);
	rpc_server_free(h.server);
	rpc_client_close(c);
}

static void
test_unreachable(void **state)
{
	struct rpc_client_options o = {.host = "127.0.0.1", .port = 1};
	struct rpc_client_conn *c;

	(void)state;
	assert_int_equal(rpc_client_connect(&o, &c), IM_ERR_UNREACHABLE);
	assert_non_null(strstr(err_detail(IM_ERR_UNREACHABLE), "127.0.0.1:1: "));
	o.host = "";
	assert_int_equal(rpc_client_connect(&o, &c), IM_ERR_ARGUMENT);
	o.unix_path = "/nonexistent/socket";
	assert_int_equal(rpc_client_connect(&o, &c), IM_ERR_UNREACHABLE);
	assert_non_null(strstr(err_detail(IM_ERR_UNREACHABLE), "/nonexistent/socket: "));
}

static void
test_bad_server_options(void **state)
{
	const char *urls[] = {"ftp://127.0.0.1:0"};
	struct rpc_server_options o = {.urls = urls, .nurls = 1, .handle = harness_handle};
	struct rpc_server *s;
	char url[64];
	struct harness h;

	(void)state;
	assert_int_equal(rpc_server_start(&o, &s), IM_ERR_ARGUMENT);
	o.nurls = 0;
	assert_int_equal(rpc_server_start(&o, &s), IM_ERR_ARGUMENT);
	harness_start(&h, (struct rpc_server_options){0});
	snprintf(url, sizeof url, "tcp://127.0.0.1:%u", h.port_v4);
	urls[0] = url;
	o.nurls = 1;
	assert_int_equal(rpc_server_start(&o, &s), IM_ERR_LOCKED);
	assert_non_null(strstr(err_detail(IM_ERR_LOCKED), url));
	harness_stop(&h);
}

/* A file that is no socket is left alone; a socket that nobody listens on any more is replaced. */
static void
test_socket_path(void **state)
{
	char url[160], path[128];
	const char *urls[] = {url};
	struct rpc_server_options o = {.urls = urls, .nurls = 1, .handle = harness_handle};
	struct rpc_server *s;
	struct harness h;
	struct stat st;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	snprintf(path, sizeof path, "%s/file", harness_dir);
	snprintf(url, sizeof url, "ipc://%s", path);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(rpc_server_start(&o, &s), IM_ERR_EXISTS);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(unlink(path), 0);
	/* In use. */
	snprintf(url, sizeof url, "ipc://%s", h.path);
	assert_int_equal(rpc_server_start(&o, &s), IM_ERR_LOCKED);
	harness_stop(&h);
}

/* A batch larger than what may be in flight does not wait for itself. */
static void
test_batch_beyond_the_limit(void **state)
{
	struct rpc_client_options o = {.max_outstanding = 4};
	struct rpc_call call = {.method = RPC_METHOD_Health};
	struct rpc_client_conn *c;
	struct tally t;
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	c = harness_connect(&h, o);
	tally_init(&t);
	rpc_batch_begin();
	for (int i = 0; i < 100; i++)
		assert_int_equal(rpc_call_start(c, &call, tally_answer, &t), IM_OK);
	rpc_batch_end();
	WAIT_FOR(tally_done(&t) == 100);
	rpc_client_close(c);
	harness_stop(&h);
}

struct chain {
	struct rpc_client_conn *c;
	atomic_int left;
	atomic_bool busy_seen;
};

static void
chain_answer(void *ctx, const struct rpc_answer *answer)
{
	struct chain *chain = (struct chain *)ctx;
	struct rpc_call call = {.method = RPC_METHOD_Health};
	enum im_err err;

	if (answer->err == IM_ERR_CANCELLED || atomic_fetch_sub(&chain->left, 1) <= 0)
		return;
	assert_int_equal(answer->err, IM_OK);
	/* One call for the answered one fits; beyond the limit nothing waits in a callback. */
	err = rpc_call_start(chain->c, &call, chain_answer, chain);
	assert_int_equal(err, IM_OK);
	err = rpc_call_start(chain->c, &call, chain_answer, chain);
	if (err == IM_ERR_BUSY)
		atomic_store(&chain->busy_seen, true);
}

static void
test_calls_from_callbacks(void **state)
{
	struct rpc_client_options o = {.max_outstanding = 2};
	struct rpc_call call = {.method = RPC_METHOD_Health};
	struct chain chain = {.left = 200};
	struct harness h;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	chain.c = harness_connect(&h, o);
	assert_int_equal(rpc_call_start(chain.c, &call, chain_answer, &chain), IM_OK);
	WAIT_FOR(atomic_load(&chain.left) < 0);
	assert_true(atomic_load(&chain.busy_seen));
	rpc_client_close(chain.c);
	harness_stop(&h);
}

static void
test_many_short_connections(void **state)
{
	struct harness h;
	size_t fds;

	(void)state;
	harness_start(&h, (struct rpc_server_options){0});
	rpc_client_close(connect_kind(&h, 0));
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	fds = harness_fds();
	for (int i = 0; i < 200; i++) {
		struct rpc_client_conn *c = connect_kind(&h, i % 3);

		assert_get(c, "once");
		rpc_client_close(c);
	}
	WAIT_FOR(rpc_server_connections(h.server) == 0);
	WAIT_FOR(harness_fds() <= fds);
	harness_stop(&h);
}

/* A server made by hand: takes one connection, says its piece, and holds on or hangs up. */
struct fake {
	pthread_t thread;
	int fd;
	uint16_t port;
	struct buf script;
	bool hold;
};

static void *
fake_serve(void *arg)
{
	struct fake *f = (struct fake *)arg;
	int fd = accept(f->fd, NULL, NULL);
	uint8_t sink[4096];

	if (fd < 0 || send(fd, f->script.data, f->script.len, MSG_NOSIGNAL) < 0)
		abort();
	/* To close with something unread would take back what was said. */
	if (!f->hold)
		shutdown(fd, SHUT_WR);
	while (recv(fd, sink, sizeof sink, 0) > 0)
		;
	close(fd);
	return NULL;
}

static void
fake_start(struct fake *f, bool hold)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof sa;

	f->hold = hold;
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(f->fd, 1), 0);
	assert_int_equal(getsockname(f->fd, (struct sockaddr *)&sa, &len), 0);
	f->port = ntohs(sa.sin_port);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_serve, f), 0);
}

static void
fake_end(struct fake *f)
{
	pthread_join(f->thread, NULL);
	close(f->fd);
	buf_free(&f->script);
}

/* What connecting to a server with this script ends with. */
static enum im_err
fake_connect(struct fake *f, bool hold)
{
	struct rpc_client_options o = {.host = "127.0.0.1", .connect_timeout_ms = 60000};
	struct rpc_client_conn *c;
	enum im_err err;

	if (hold && f->script.len == 0)
		o.connect_timeout_ms = 30;
	fake_start(f, hold);
	o.port = f->port;
	err = rpc_client_connect(&o, &c);
	rpc_client_close(err == IM_OK ? c : NULL);
	fake_end(f);
	return err;
}

static void
test_strange_servers(void **state)
{
	struct fake f = {0};

	(void)state;
	buf_init(&f.script, 4096);
	assert_int_equal(fake_connect(&f, false), IM_ERR_CONNECTION_LOST);
	assert_int_equal(fake_connect(&f, true), IM_ERR_TIMEOUT);
	buf_append_str(&f.script, "HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_int_equal(fake_connect(&f, true), IM_ERR_PROTOCOL);
	frame_put_error(&f.script, 0, IM_STATUS_RESOURCE_EXHAUSTED,
	    bytes_str("server is busy: too many connections"));
	assert_int_equal(fake_connect(&f, false), IM_ERR_BUSY);
	assert_non_null(strstr(err_detail(IM_ERR_BUSY), "too many connections"));
	frame_put_answer(&f.script, 1, false, 0, 0);
	assert_int_equal(fake_connect(&f, true), IM_ERR_PROTOCOL);
}

static void
fake_hello(struct buf *b)
{
	struct frame_server_hello h = {.version = FRAME_VERSION,
	    .max_message_bytes = 1 << 20,
	    .window = 1 << 20,
	    .frame_max_before_login = 16384,
	    .frame_max = 65536,
	    .max_outstanding = 1,
	    .version_text = bytes_str("fake")};

	frame_put_server_hello(b, &h);
}

static void
strange_answer_to_no_call(struct buf *b)
{
	frame_put_answer(b, 77, false, 0, 0);
}

static void
strange_large_answer_to_no_call(struct buf *b)
{
	frame_put_answer(b, 77, true, 5, 0);
}

static void
strange_error_to_no_call(struct buf *b)
{
	frame_put_error(b, 77, IM_STATUS_INTERNAL, bytes_str("what"));
}

static void
strange_request(struct buf *b)
{
	frame_put_empty(b, FRAME_CANCEL, 1);
}

static void
strange_answer_too_large(struct buf *b)
{
	frame_put_answer(b, 1, true, 1 << 30, 0);
}

/* Nobody is left waiting by a server that breaks the rules, or the line. */
static void
test_strange_answers(void **state)
{
	static void (*const scripts[])(struct buf *) = {strange_answer_to_no_call,
	    strange_large_answer_to_no_call, strange_error_to_no_call, strange_request,
	    strange_answer_too_large};
	struct rpc_call call = {.method = RPC_METHOD_Health};
	struct rpc_client_options o = {.host = "127.0.0.1"};
	struct rpc_client_conn *c;
	struct fake f = {0};
	ProtobufCMessage *m;
	struct arena a;
	enum im_err err;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < 2 * sizeof scripts / sizeof *scripts; i++) {
		buf_init(&f.script, 4096);
		fake_hello(&f.script);
		if (i % 2 == 0)
			scripts[i / 2](&f.script);
		fake_start(&f, i % 2 == 0);
		o.port = f.port;
		err = rpc_client_connect(&o, &c);
		if (err == IM_OK) {
			assert_int_equal(
			    rpc_call_wait(c, &call, &a, &m, NULL), IM_ERR_CONNECTION_LOST);
			rpc_client_close(c);
		}
		fake_end(&f);
	}
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_transport),
	    cmocka_unit_test(test_pipelining),
	    cmocka_unit_test(test_out_of_order),
	    cmocka_unit_test(test_large_bodies),
	    cmocka_unit_test(test_interleaving),
	    cmocka_unit_test(test_before_login),
	    cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_err_of_text),
	    cmocka_unit_test(test_timeout_and_cancel),
	    cmocka_unit_test(test_deadlines_cross),
	    cmocka_unit_test(test_back_pressure),
	    cmocka_unit_test(test_close_with_calls_in_flight),
	    cmocka_unit_test(test_stop_drains),
	    cmocka_unit_test(test_stop_cuts),
	    cmocka_unit_test(test_unreachable),
	    cmocka_unit_test(test_bad_server_options),
	    cmocka_unit_test(test_socket_path),
	    cmocka_unit_test(test_batch_beyond_the_limit),
	    cmocka_unit_test(test_calls_from_callbacks),
	    cmocka_unit_test(test_strange_servers),
	    cmocka_unit_test(test_strange_answers),
	    cmocka_unit_test(test_many_short_connections),
	};

	/* The same over TLS, but for what is about addresses and servers made by hand. */
	const struct CMUnitTest tls_tests[] = {
	    cmocka_unit_test(test_every_transport),
	    cmocka_unit_test(test_pipelining),
	    cmocka_unit_test(test_large_bodies),
	    cmocka_unit_test(test_interleaving),
	    cmocka_unit_test(test_before_login),
	    cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_timeout_and_cancel),
	    cmocka_unit_test(test_back_pressure),
	    cmocka_unit_test(test_close_with_calls_in_flight),
	    cmocka_unit_test(test_stop_drains),
	    cmocka_unit_test(test_stop_cuts),
	    cmocka_unit_test(test_batch_beyond_the_limit),
	    cmocka_unit_test(test_calls_from_callbacks),
	    cmocka_unit_test(test_many_short_connections),
	};
	int failed = cmocka_run_group_tests(tests, harness_setup, harness_teardown);

	return failed + cmocka_run_group_tests(tls_tests, harness_setup_tls, harness_teardown);
}
