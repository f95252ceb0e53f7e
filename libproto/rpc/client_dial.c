/*
 * Finding the server: names are looked up here, not by the transport, because it would try only the
 * first address of a name, and "localhost" has two.
 *
 * Invariants: addresses are tried in the order of the system's resolver; what is reported is why
 * the last one failed.
 */
#include "rpc/client_dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nng/supplemental/util/platform.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"

#define DIAL_TEXT_MAX 300

/* One attempt at one url. */
static enum im_err
dial_url(const char *url, int64_t deadline_ns, nng_stream **stream)
{
	int64_t left_ms = (deadline_ns - clock_monotonic_ns()) / CLOCK_NS_PER_MS;
	nng_stream_dialer *dialer = NULL;
	nng_aio *aio = NULL;
	int rv = nng_stream_dialer_alloc(&dialer, url);

	if (rv == 0)
		rv = nng_aio_alloc(&aio, NULL, NULL);
	if (rv == 0) {
		if (strncmp(url, "tcp://", 6) == 0) {
			nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true);
			nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
		}
		nng_aio_set_timeout(aio, left_ms < 1 ? 1 : (nng_duration)left_ms);
		nng_stream_dialer_dial(dialer, aio);
		nng_aio_wait(aio);
		rv = nng_aio_result(aio);
	}
	if (rv == 0)
		*stream = (nng_stream *)nng_aio_get_output(aio, 0);
	if (aio)
		nng_aio_free(aio);
	if (dialer) {
		nng_stream_dialer_close(dialer);
		nng_stream_dialer_free(dialer);
	}
	if (rv == 0)
		return IM_OK;
	return err_set(rv == NNG_ETIMEDOUT                 ? IM_ERR_TIMEOUT
		: rv == NNG_ENOMEM                         ? IM_ERR_NOMEM
		: rv == NNG_EADDRINVAL || rv == NNG_EINVAL ? IM_ERR_ARGUMENT
							   : IM_ERR_UNREACHABLE,
	    "%s: %s", url + 6, nng_strerror(rv));
}

static enum im_err
dial_resolve(const struct rpc_client_options *o, struct addrinfo **list)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	int rv = getaddrinfo(o->host, NULL, &hints, list);

	if (rv == EAI_NONAME) {
		hints.ai_flags = 0;
		rv = getaddrinfo(o->host, NULL, &hints, list);
	}
	if (rv == 0)
		return IM_OK;
	return err_set(IM_ERR_UNREACHABLE, "%s: %s", o->host,
	    rv == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(rv));
}

/* The url of one address; false for a family that is not ours. */
static bool
dial_format(const struct addrinfo *a, uint16_t port, char url[DIAL_TEXT_MAX])
{
	char text[INET6_ADDRSTRLEN];

	if (a->ai_family == AF_INET) {
		inet_ntop(
		    AF_INET, &((struct sockaddr_in *)a->ai_addr)->sin_addr, text, sizeof text);
		snprintf(url, DIAL_TEXT_MAX, "tcp://%s:%u", text, port);
		return true;
	}
	if (a->ai_family != AF_INET6)
		return false;
	inet_ntop(AF_INET6, &((struct sockaddr_in6 *)a->ai_addr)->sin6_addr, text, sizeof text);
	snprintf(url, DIAL_TEXT_MAX, "tcp://[%s]:%u", text, port);
	return true;
}

static enum im_err
dial_tcp(const struct rpc_client_options *o, uint32_t timeout_ms, int64_t *deadline_ns,
    nng_stream **stream, char url[DIAL_TEXT_MAX])
{
	struct addrinfo *list = NULL;
	enum im_err err;

	if (!o->host || !*o->host || o->port == 0)
		return err_set(IM_ERR_ARGUMENT, "no server address");
	err = dial_resolve(o, &list);
	if (err != IM_OK)
		return err;
	*deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	err = err_set(IM_ERR_UNREACHABLE, "%s: has no address", o->host);
	for (struct addrinfo *a = list; a && err != IM_OK; a = a->ai_next)
		if (dial_format(a, o->port, url))
			err = dial_url(url, *deadline_ns, stream);
	freeaddrinfo(list);
	return err;
}

enum im_err
client_dial(const struct rpc_client_options *options, uint32_t timeout_ms, int64_t *deadline_ns,
    nng_stream **stream, char **address)
{
	char url[DIAL_TEXT_MAX];
	enum im_err err;
	int n;

	if (options->unix_path) {
		*deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
		n = snprintf(url, sizeof url, "ipc://%s", options->unix_path);
		err = n >= (int)sizeof url
		    ? err_set(IM_ERR_ARGUMENT, "%s: path too long", options->unix_path)
		    : dial_url(url, *deadline_ns, stream);
	} else {
		err = dial_tcp(options, timeout_ms, deadline_ns, stream, url);
	}
	if (err != IM_OK)
		return err;
	*address = strdup(url + strlen("tcp://"));
	if (*address)
		return IM_OK;
	nng_stream_close(*stream);
	nng_stream_free(*stream);
	return IM_ERR_NOMEM;
}
