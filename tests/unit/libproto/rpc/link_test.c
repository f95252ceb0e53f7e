/* A link that somebody else has closed before its owner starts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <nng/nng.h>

#include "rpc/link.h"

#define LISTEN_URL "tcp://127.0.0.1:0"
#define URL_MAX 64

struct ends {
	struct link link;
	int ended;
};

static void
ends_ended(struct link *l)
{
	((struct ends *)l)->ended++;
}

static void
ends_destroy(struct link *l)
{
	(void)l;
}

static enum im_err
ends_frame(struct link *l, const struct frame *f)
{
	(void)l;
	(void)f;
	return IM_OK;
}

static const struct link_ops ends_ops = {
    .frame = ends_frame, .ended = ends_ended, .destroy = ends_destroy};

/* A stream to a listener that accepts nothing: the kernel has connected it all the same. */
static nng_stream *
stream_connect(nng_stream_listener **listener)
{
	nng_stream_dialer *dialer;
	nng_stream *stream;
	char url[URL_MAX];
	nng_aio *aio;
	int port;

	assert_int_equal(nng_stream_listener_alloc(listener, LISTEN_URL), 0);
	assert_int_equal(nng_stream_listener_listen(*listener), 0);
	assert_int_equal(nng_stream_listener_get_int(*listener, NNG_OPT_TCP_BOUND_PORT, &port), 0);
	snprintf(url, sizeof url, "tcp://127.0.0.1:%d", port);
	assert_int_equal(nng_aio_alloc(&aio, NULL, NULL), 0);
	assert_int_equal(nng_stream_dialer_alloc(&dialer, url), 0);
	nng_stream_dialer_dial(dialer, aio);
	nng_aio_wait(aio);
	assert_int_equal(nng_aio_result(aio), 0);
	stream = (nng_stream *)nng_aio_get_output(aio, 0);
	nng_aio_free(aio);
	nng_stream_dialer_free(dialer);
	return stream;
}

static void
test_start_after_the_end(void **state)
{
	static const struct link_limits limits = {.hello_timeout_ms = 1000};
	struct link_budget budget = {.max = 1 << 20};
	nng_stream_listener *listener;
	struct ends e = {0};

	(void)state;
	assert_int_equal(
	    link_init(&e.link, stream_connect(&listener), &ends_ops, &limits, &budget), IM_OK);
	link_ref(&e.link);
	link_close(&e.link);
	assert_int_equal(e.ended, 1);
	link_teardown(&e.link);
	/* What is freed may not be touched: the transport would fall over a NULL. */
	e.link.read_aio = NULL;
	link_start(&e.link);
	assert_int_equal(e.ended, 1);
	link_unref(&e.link);
	link_unref(&e.link);
	nng_stream_listener_free(listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_start_after_the_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
