/* Connections of a server that are read by threads of their own. */
#include "libproto/rpc/rpc_harness.h"

#include "rpc/batch.h"
#include "rpc/server_conn.h"

#define PARKED 4
#define BURST 4

/* How many links have a thread; *first is one of them. */
static unsigned
readers_count(struct harness *h, struct link **first)
{
	struct link_readers *r = &h->server->budget.readers;
	unsigned n;

	pthread_mutex_lock(&r->lock);
	n = r->count;
	*first = n ? r->links[0] : NULL;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static bool
readers_are(struct harness *h, unsigned n)
{
	struct link *first;

	return readers_count(h, &first) == n;
}

/* A server whose links a machine with other work does not bring out of their rhythm. */
static void
start_patient(struct harness *h, struct rpc_server_options o)
{
	harness_start(h, o);
	atomic_store(&h->server->budget.readers.pause_ns, HARNESS_WAIT_NS);
}

struct burst {
	atomic_size_t answered;
};

static void
burst_done(void *ctx, const struct rpc_answer *answer)
{
	assert_int_equal(answer->err, IM_OK);
	atomic_fetch_add(&((struct burst *)ctx)->answered, 1);
}

/* So many calls at once; all are answered. */
static bool
call_gets(struct rpc_client_conn *c, size_t n)
{
	uint8_t key[] = "key";
	Immudb__Schema__KeyRequest get = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	struct rpc_call call = {
	    .method = RPC_METHOD_Get, .session = bytes_str("good token"), .request = &get.base};
	struct burst burst = {0};

	get.key = (ProtobufCBinaryData){sizeof key, key};
	rpc_batch_begin();
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rpc_call_start(c, &call, burst_done, &burst), IM_OK);
	rpc_batch_end();
	WAIT_FOR(atomic_load(&burst.answered) == n);
	return true;
}

/* What a busy connection does. */
static bool
call_get(struct rpc_client_conn *c)
{
	return call_gets(c, BURST);
}

static struct rpc_client_conn *
connect_user(struct harness *h)
{
	struct rpc_client_conn *c = harness_connect(h, (struct rpc_client_options){0});

	harness_do_login(c);
	return c;
}

static void
test_a_busy_connection_has_a_thread(void **state)
{
	struct rpc_client_conn *c, *stranger;
	struct harness h;

	(void)state;
	start_patient(&h, (struct rpc_server_options){.readers = 2});
	stranger = harness_connect(&h, (struct rpc_client_options){0});
	for (int i = 0; i < 1000; i++) {
		struct rpc_call call = {.method = RPC_METHOD_Health};
		ProtobufCMessage *m;
		struct arena a;

		arena_init(&a, 1 << 20);
		assert_int_equal(rpc_call_wait(stranger, &call, &a, &m, NULL), IM_OK);
		arena_free(&a);
	}
	assert_true(readers_are(&h, 0));
	c = connect_user(&h);
	WAIT_FOR(call_get(c) && readers_are(&h, 1));
	for (int i = 0; i < 100; i++)
		call_get(c);
	/* One by one they are the pool's again. */
	WAIT_FOR(call_gets(c, 1) && readers_are(&h, 0));
	for (int i = 0; i < 200; i++) {
		call_gets(c, 1);
		assert_true(readers_are(&h, 0));
	}
	WAIT_FOR(call_get(c) && readers_are(&h, 1));
	rpc_client_close(c);
	WAIT_FOR(readers_are(&h, 0));
	rpc_client_close(stranger);
	harness_stop(&h);
}

static void
test_a_quiet_connection_lets_go(void **state)
{
	struct link *of_a, *of_b = NULL;
	struct rpc_client_conn *a, *b;
	struct harness h;

	(void)state;
	start_patient(&h, (struct rpc_server_options){.readers = 1});
	a = connect_user(&h);
	b = connect_user(&h);
	WAIT_FOR(call_get(a) && readers_count(&h, &of_a) == 1);
	WAIT_FOR(call_get(b) && readers_count(&h, &of_b) == 1 && of_b != of_a);
	for (int i = 0; i < 100; i++)
		call_get(a);
	rpc_client_close(a);
	rpc_client_close(b);
	harness_stop(&h);
}

struct crowd {
	struct harness *h;
	struct rpc_client_conn *c;
};

static void *
crowd_run(void *arg)
{
	struct crowd *w = (struct crowd *)arg;

	WAIT_FOR(call_get(w->c) && atomic_load(&w->h->server->budget.readers.crowded_ns) != 0);
	for (int i = 0; i < 200; i++)
		call_get(w->c);
	return NULL;
}

static void
test_a_crowd_has_none(void **state)
{
	struct harness h;
	struct crowd crowd[3];
	pthread_t threads[3];

	(void)state;
	start_patient(&h, (struct rpc_server_options){.readers = 1});
	for (int i = 0; i < 3; i++) {
		crowd[i] = (struct crowd){&h, connect_user(&h)};
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowd[i]), 0);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 3; i++)
		rpc_client_close(crowd[i].c);
	harness_stop(&h);
}

static void
parked_done(void *ctx, const struct rpc_answer *answer)
{
	assert_int_equal(answer->err, IM_OK);
	atomic_fetch_add((atomic_size_t *)ctx, 1);
}

static void
test_a_pause_gives_the_thread_back(void **state)
{
	Immudb__Schema__ScanRequest scan = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	const struct rpc_call call = {
	    .method = RPC_METHOD_Scan, .session = bytes_str("good token"), .request = &scan.base};
	atomic_size_t done = 0;
	struct rpc_client_conn *c;
	struct harness h;

	(void)state;
	start_patient(&h, (struct rpc_server_options){.readers = 1, .max_outstanding = PARKED});
	c = connect_user(&h);
	for (size_t round = 1; round <= 3; round++) {
		WAIT_FOR(call_get(c) && readers_are(&h, 1));
		for (size_t i = 0; i < PARKED; i++)
			assert_int_equal(rpc_call_start(c, &call, parked_done, &done), IM_OK);
		WAIT_FOR(harness_parked(&h) == PARKED && readers_are(&h, 0));
		assert_int_equal(harness_answer_parked(&h), PARKED);
		WAIT_FOR(atomic_load(&done) == round * PARKED);
	}
	call_get(c);
	rpc_client_close(c);
	harness_stop(&h);
}

static void
test_the_server_ends_first(void **state)
{
	struct rpc_client_conn *c;
	struct harness h;

	(void)state;
	start_patient(&h, (struct rpc_server_options){.readers = 1});
	c = connect_user(&h);
	WAIT_FOR(call_get(c) && readers_are(&h, 1));
	harness_stop(&h);
	WAIT_FOR(!rpc_client_is_usable(c));
	rpc_client_close(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_busy_connection_has_a_thread),
	    cmocka_unit_test(test_a_quiet_connection_lets_go),
	    cmocka_unit_test(test_a_crowd_has_none),
	    cmocka_unit_test(test_a_pause_gives_the_thread_back),
	    cmocka_unit_test(test_the_server_ends_first),
	};
	int failed = cmocka_run_group_tests(tests, harness_setup, harness_teardown);

	return failed +
	    cmocka_run_group_tests_name("tls", tests, harness_setup_tls, harness_teardown);
}
