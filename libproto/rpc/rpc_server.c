/*
 * The server as a whole: listeners, the list of connections, the reaper, and the end.
 *
 * Invariants: every connection in the list is in memory; one leaves the list only in the reaper,
 * which is the one place where streams and aios are freed, outside any callback of the transport;
 * locks are taken in the order server, link.
 */
#include "rpc/rpc_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rpc/server_conn.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/metrics.h"

#define DEFAULT_MESSAGE_BYTES ((size_t)32 * 1024 * 1024)
/* On top of the configured limit: what wraps the largest value in an answer with its proof. */
#define MESSAGE_SLACK_BYTES ((size_t)1024 * 1024)
#define MESSAGE_BYTES_MAX ((size_t)1024 * 1024 * 1024)
#define DEFAULT_CONNECTIONS 1024
/* Connections over the limit that are still told so, rather than just closed. */
#define SURPLUS_CONNECTIONS 64
/* With so many over the limit the next ones wait to be accepted until others are buried. */
#define CROWDED_CONNECTIONS 32
#define CROWDED_RETRY_MS 10
/* How many strangers are looked at for one that comes from where the newest comes from. */
#define DISPLACE_SEARCH 1024
#define DEFAULT_OUTSTANDING 1024
#define DEFAULT_QUEUED_BYTES ((size_t)4 * 1024 * 1024)
#define DEFAULT_TOTAL_BYTES ((size_t)1024 * 1024 * 1024)
#define DEFAULT_HELLO_MS 10000
#define DEFAULT_FRAME_MS 30000
#define DEFAULT_WRITE_MS 60000
#define DEFAULT_IDLE_BUFFER_MS 1000
#define DEFAULT_STREAM_STALL_MS 60000
#define READERS_PER_PROCESSOR 1u
/* How often streams are looked after. */
#define SWEEP_NS (CLOCK_NS_PER_S / 4)
/* Credit of each incoming body, and how many of the largest bodies may be under way each way. */
#define WINDOW_BYTES (1024u * 1024)
#define BODIES_UNDER_WAY 4
/* So long after a connection has ended free memory goes back to the system. */
#define TRIM_AFTER_MS 2000
/* One part in so many of the memory for all connections is kept for small requests. */
#define RESERVE_PART 8
/* With so many that wait for their turn the next ones wait in the kernel's queue. */
#define ADMISSION_WAITING 512
/* How long to wait before accepting again when descriptors or memory ran out. */
#define ACCEPT_RETRY_MS 100

/*
 * The kernel holds few connections that are not accepted yet and makes further peers wait for a
 * second or more: so many are accepted at once.
 */
#define ACCEPTS_AT_ONCE 16
/* How many may wait to be accepted (the kernel has a limit of its own, often 4,096), and among how
 * many descriptors the listening socket is looked for. */
#define LISTEN_QUEUE 4096
#define LISTEN_SEARCH_FDS 256

struct acceptor {
	struct listener *listener;
	nng_aio *aio;
	bool waiting; /* the aio sleeps before the next try; of the callback */
};

struct listener {
	struct rpc_server *server;
	nng_stream_listener *listener;
	struct acceptor acceptors[ACCEPTS_AT_ONCE];
	uint16_t port;
};

void
server_wake(struct rpc_server *s)
{
	pthread_mutex_lock(&s->lock);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void
server_conn_destroyed(struct rpc_server *s)
{
	pthread_mutex_lock(&s->lock);
	s->live--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void
server_conn_ended(struct server_conn *c)
{
	struct rpc_server *s = c->server;

	pthread_mutex_lock(&s->lock);
	c->reap_next = s->reap;
	s->reap = c;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* ---- Strangers: connections that have not logged in. ---- */

/* Locked. */
static void
strangers_add(struct rpc_server *s, struct server_conn *c)
{
	c->is_stranger = true;
	c->stranger_prev = s->strangers_last;
	if (s->strangers_last)
		s->strangers_last->stranger_next = c;
	else
		s->strangers = c;
	s->strangers_last = c;
}

/* Locked. */
static void
strangers_remove(struct rpc_server *s, struct server_conn *c)
{
	if (!c->is_stranger)
		return;
	c->is_stranger = false;
	if (c->stranger_prev)
		c->stranger_prev->stranger_next = c->stranger_next;
	else
		s->strangers = c->stranger_next;
	if (c->stranger_next)
		c->stranger_next->stranger_prev = c->stranger_prev;
	else
		s->strangers_last = c->stranger_prev;
	c->stranger_prev = c->stranger_next = NULL;
}

void
server_conn_known(struct server_conn *c)
{
	pthread_mutex_lock(&c->server->lock);
	strangers_remove(c->server, c);
	pthread_mutex_unlock(&c->server->lock);
}

/* ---- Reaping. ---- */

static void
server_bury(struct rpc_server *s, struct server_conn *c)
{
	link_teardown(&c->link);
	server_conn_finish(c);
	pthread_mutex_lock(&s->lock);
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	strangers_remove(s, c);
	admission_leave(&s->admission, &c->ticket);
	s->nconns--;
	metric_set(s->metrics.connections, (double)s->nconns);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	link_unref(&c->link);
}

/* ---- Streams that stand still. ---- */

/* Some connections with streams, each with a reference. Locked. */
static size_t
server_streaming(struct rpc_server *s, struct server_conn *out[RPC_STREAMS_MAX])
{
	size_t n = 0;

	for (struct server_conn *c = s->conns; c && n < RPC_STREAMS_MAX; c = c->next) {
		if (atomic_load_explicit(&c->link.streams, memory_order_relaxed) == 0)
			continue;
		link_ref(&c->link);
		out[n++] = c;
	}
	return n;
}

/* Locked; unlocks meanwhile. */
static void
server_sweep(struct rpc_server *s, int64_t now_ns)
{
	struct server_conn *conns[RPC_STREAMS_MAX];
	size_t n = server_streaming(s, conns);

	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < n; i++) {
		server_stream_sweep(
		    conns[i], now_ns - s->options.stream_stall_ms * CLOCK_NS_PER_MS);
		link_unref(&conns[i]->link);
	}
	pthread_mutex_lock(&s->lock);
}

/*
 * Locked; unlocked meanwhile. Gives free memory back to the system: what thousands of connections
 * have left is spread over the heap, and would stay.
 */
static void
server_trim(struct rpc_server *s)
{
	s->trim_ns = 0;
	pthread_mutex_unlock(&s->lock);
	malloc_trim(0);
	pthread_mutex_lock(&s->lock);
}

/* Locked; unlocked meanwhile. Those whose turn has come begin; only here do they also end. */
static void
server_admit_waiting(struct rpc_server *s)
{
	int64_t now = clock_monotonic_ns();
	struct admission_ticket *t;
	struct server_conn *c;

	while ((t = admission_next(&s->admission, now)) != NULL) {
		c = (struct server_conn *)(void *)((char *)t -
		    offsetof(struct server_conn, ticket));
		pthread_mutex_unlock(&s->lock);
		link_start(&c->link);
		pthread_mutex_lock(&s->lock);
	}
}

/* Locked. When the reaper has something to do besides burying; INT64_MAX when not. */
static int64_t
server_next_chore(const struct rpc_server *s)
{
	int64_t by = s->trim_ns ? s->trim_ns : INT64_MAX, due = admission_due_ns(&s->admission);

	if (due < by)
		by = due;
	if (atomic_load(&s->budget.streams) > 0 && s->swept_ns + SWEEP_NS < by)
		by = s->swept_ns + SWEEP_NS;
	return by;
}

/* Waits for something to do; meanwhile looks after streams and memory, if there is need. Locked. */
static void
server_reaper_wait(struct rpc_server *s)
{
	int64_t now = clock_monotonic_ns(), by;
	struct timespec ts;

	if (atomic_load(&s->budget.streams) == 0)
		s->swept_ns = now;
	by = server_next_chore(s);
	ts = (struct timespec){by / CLOCK_NS_PER_S, by % CLOCK_NS_PER_S};
	if (by == INT64_MAX) {
		pthread_cond_wait(&s->changed, &s->lock);
		return;
	}
	if (now < by && pthread_cond_timedwait(&s->changed, &s->lock, &ts) == 0)
		return;
	server_admit_waiting(s);
	now = clock_monotonic_ns();
	if (s->trim_ns && s->trim_ns <= now)
		server_trim(s);
	if (s->swept_ns + SWEEP_NS > now)
		return;
	s->swept_ns = now;
	server_sweep(s, now);
}

static void *
server_reap(void *arg)
{
	struct rpc_server *s = (struct rpc_server *)arg;
	struct server_conn *c;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->reap && !s->reaper_ends)
			server_reaper_wait(s);
		server_admit_waiting(s);
		c = s->reap;
		if (!c)
			break;
		s->reap = c->reap_next;
		pthread_mutex_unlock(&s->lock);
		server_bury(s, c);
		pthread_mutex_lock(&s->lock);
		if (s->trim_ns == 0)
			s->trim_ns = clock_monotonic_ns() + TRIM_AFTER_MS * CLOCK_NS_PER_MS;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void
server_end_reaper(struct rpc_server *s)
{
	pthread_mutex_lock(&s->lock);
	s->reaper_ends = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->reaper, NULL);
}

/* ---- Accepting. ---- */

/*
 * Locked. There are too many connections: one that has not logged in gives way to the newest, so
 * that strangers cannot keep others out: the oldest from the same place, or else the oldest of all.
 * Returned with a reference; NULL when all have logged in.
 */
static struct server_conn *
server_displace(struct rpc_server *s, const struct server_conn *newest)
{
	struct server_conn *c = s->strangers;

	for (unsigned i = 0; c && i < DISPLACE_SEARCH && c->host != newest->host; i++)
		c = c->stranger_next;
	if (!c || c->host != newest->host)
		c = s->strangers;
	if (c) {
		strangers_remove(s, c);
		link_ref(&c->link);
	}
	return c;
}

static void
server_close_displaced(struct rpc_server *s, struct server_conn *c)
{
	metric_inc(s->metrics.refused);
	log_warn_limited("rpc: %s: closed for a newer connection, because it has not logged in and "
			 "%zu are open",
	    c->peer.address, s->options.max_connections);
	link_close(&c->link);
	link_unref(&c->link);
}

static bool
server_is_crowded(struct rpc_server *s)
{
	bool crowded;

	pthread_mutex_lock(&s->lock);
	crowded = s->nconns > s->options.max_connections + CROWDED_CONNECTIONS ||
	    s->admission.waiting >= ADMISSION_WAITING;
	pthread_mutex_unlock(&s->lock);
	return crowded;
}

/* What becomes of a new connection; refused when there are so many that it is not even greeted. */
enum admittance { ADMIT_REFUSED, ADMIT_WAITS, ADMIT_BEGINS };

/* Puts it into the list, and among those that wait. From then on others may close and bury it. */
static enum admittance
server_admit(struct rpc_server *s, struct server_conn *c)
{
	struct server_conn *displaced = NULL;
	enum admittance admitted = ADMIT_REFUSED;

	pthread_mutex_lock(&s->lock);
	c->next = s->conns;
	if (s->conns)
		s->conns->prev = c;
	s->conns = c;
	s->live++;
	s->nconns++;
	if (s->nconns > s->options.max_connections)
		displaced = server_displace(s, c);
	c->surplus = s->nconns > s->options.max_connections && !displaced;
	if (!c->surplus)
		strangers_add(s, c);
	if (s->nconns <= s->options.max_connections + SURPLUS_CONNECTIONS &&
	    !atomic_load(&s->stopping))
		admitted = admission_enter(&s->admission, &c->ticket, c->host, clock_monotonic_ns())
		    ? ADMIT_BEGINS
		    : ADMIT_WAITS;
	/* The reaper sleeps until the first one's turn. */
	if (admitted == ADMIT_WAITS && s->admission.waiting == 1)
		pthread_cond_broadcast(&s->changed);
	metric_set(s->metrics.connections, (double)s->nconns);
	pthread_mutex_unlock(&s->lock);
	if (displaced)
		server_close_displaced(s, displaced);
	metric_inc(c->surplus ? s->metrics.refused : s->metrics.accepted);
	if (c->surplus)
		log_warn_limited("rpc: %s: refused: %zu connections are open", c->peer.address,
		    s->options.max_connections);
	return admitted;
}

/* It waits for its turn, in which the reaper starts it. */
static void
server_say_delayed(struct rpc_server *s, const struct server_conn *c)
{
	metric_inc(s->metrics.delayed);
	log_warn_limited("rpc: %s: waits to be served: more than %u connections a second",
	    c->peer.address, s->options.max_connection_rate);
}

static void
server_accepted(struct rpc_server *s, nng_stream *stream)
{
	struct server_conn *c;
	enum admittance admitted;

	if (server_conn_new(s, stream, &c) != IM_OK) {
		log_error_limited("rpc: no memory for a connection");
		nng_stream_close(stream);
		nng_stream_free(stream);
		return;
	}
	link_ref(&c->link);
	admitted = server_admit(s, c);
	if (admitted == ADMIT_REFUSED)
		link_close(&c->link);
	else if (admitted == ADMIT_BEGINS)
		link_start(&c->link);
	else
		server_say_delayed(s, c);
	link_unref(&c->link);
}

static void
acceptor_wait(struct acceptor *at, nng_duration ms)
{
	at->waiting = true;
	nng_sleep_aio(ms, at->aio);
}

static void
listener_accepted(void *arg)
{
	struct acceptor *at = (struct acceptor *)arg;
	struct rpc_server *s = at->listener->server;
	bool waited = at->waiting;
	int rv = nng_aio_result(at->aio);

	at->waiting = false;
	if (rv == NNG_ECLOSED || rv == NNG_ECANCELED || (rv != 0 && atomic_load(&s->stopping)))
		return;
	if (rv == 0 && !waited)
		server_accepted(s, (nng_stream *)nng_aio_get_output(at->aio, 0));
	if (rv != 0 && !waited) {
		log_warn_limited("rpc: cannot accept a connection: %s", nng_strerror(rv));
		acceptor_wait(at, ACCEPT_RETRY_MS);
	} else if (server_is_crowded(s)) {
		acceptor_wait(at, CROWDED_RETRY_MS);
	} else {
		nng_stream_listener_accept(at->listener->listener, at->aio);
	}
}

static enum im_err
listener_error(int rv, const char *what, const char *url)
{
	enum im_err err = rv == NNG_EADDRINUSE                              ? IM_ERR_LOCKED
	    : rv == NNG_ENOMEM                                              ? IM_ERR_NOMEM
	    : rv == NNG_EINVAL || rv == NNG_EADDRINVAL || rv == NNG_ENOTSUP ? IM_ERR_ARGUMENT
									    : IM_ERR_IO;

	return err_set(err, "cannot %s %s: %s", what, url, nng_strerror(rv));
}

/* The transport would silently remove whatever file has the name of its socket. */
static enum im_err
listener_check_path(const char *url)
{
	const char *path = url + strlen("ipc://");
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(IM_ERR_EXISTS, "cannot listen on %s: not a socket", url);
	return IM_OK;
}

/* Whether the descriptor is a TCP socket that listens on the port. */
static bool
socket_listens_on(int fd, uint16_t port)
{
	struct sockaddr_storage sa = {0};
	socklen_t sa_len = sizeof sa, len = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || !listens ||
	    getsockname(fd, (struct sockaddr *)&sa, &sa_len) != 0)
		return false;
	if (sa.ss_family == AF_INET)
		return ((const struct sockaddr_in *)&sa)->sin_port == htons(port);
	return sa.ss_family == AF_INET6 &&
	    ((const struct sockaddr_in6 *)&sa)->sin6_port == htons(port);
}

/*
 * The transport lets 128 connections wait to be accepted, and has neither an option for that nor
 * one that tells its descriptor. The next peer would wait for a second or more, and a burst is soon
 * that large; so the socket is looked for among the first descriptors, and listens again. Where it
 * is not found the short queue stays.
 */
static void
listener_deepen_queue(const struct listener *at)
{
	for (int fd = 0; fd < LISTEN_SEARCH_FDS; fd++)
		if (socket_listens_on(fd, at->port))
			(void)listen(fd, LISTEN_QUEUE);
}

static int
listener_alloc_acceptors(struct listener *at)
{
	int rv = 0;

	for (size_t i = 0; i < ACCEPTS_AT_ONCE && rv == 0; i++) {
		at->acceptors[i].listener = at;
		rv = nng_aio_alloc(&at->acceptors[i].aio, listener_accepted, &at->acceptors[i]);
	}
	return rv;
}

static enum im_err
listener_open(struct listener *at, const char *url)
{
	bool tcp = strncmp(url, "tcp://", 6) == 0;
	int rv, port = 0;

	if (!tcp && strncmp(url, "ipc://", 6) != 0)
		return err_set(
		    IM_ERR_ARGUMENT, "cannot listen on %s: unknown kind of address", url);
	if (!tcp && listener_check_path(url) != IM_OK)
		return IM_ERR_EXISTS;
	rv = nng_stream_listener_alloc(&at->listener, url);
	if (rv != 0)
		return listener_error(rv, "listen on", url);
	if (tcp) {
		nng_stream_listener_set_bool(at->listener, NNG_OPT_TCP_NODELAY, true);
		nng_stream_listener_set_bool(at->listener, NNG_OPT_TCP_KEEPALIVE, true);
	}
	rv = listener_alloc_acceptors(at);
	if (rv == 0)
		rv = nng_stream_listener_listen(at->listener);
	if (rv != 0)
		return listener_error(rv, "listen on", url);
	if (tcp && nng_stream_listener_get_int(at->listener, NNG_OPT_TCP_BOUND_PORT, &port) == 0)
		at->port = (uint16_t)port;
	if (at->port)
		listener_deepen_queue(at);
	return IM_OK;
}

static void
listener_accept(struct listener *at)
{
	for (size_t i = 0; i < ACCEPTS_AT_ONCE; i++)
		nng_stream_listener_accept(at->listener, at->acceptors[i].aio);
}

static void
listener_close(struct listener *at)
{
	if (at->listener)
		nng_stream_listener_close(at->listener);
	for (size_t i = 0; i < ACCEPTS_AT_ONCE && at->acceptors[i].aio; i++) {
		nng_aio_stop(at->acceptors[i].aio);
		nng_aio_free(at->acceptors[i].aio);
		at->acceptors[i].aio = NULL;
	}
	if (at->listener)
		nng_stream_listener_free(at->listener);
	at->listener = NULL;
}

static enum im_err
server_listen(struct rpc_server *s)
{
	enum im_err err = IM_OK;

	s->listeners = (struct listener *)calloc(s->options.nurls, sizeof *s->listeners);
	if (!s->listeners)
		return IM_ERR_NOMEM;
	for (; s->nlisteners < s->options.nurls && err == IM_OK; s->nlisteners++) {
		s->listeners[s->nlisteners].server = s;
		err = listener_open(&s->listeners[s->nlisteners], s->options.urls[s->nlisteners]);
	}
	return err;
}

/* ---- Start. ---- */

static unsigned
server_default_readers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return READERS_PER_PROCESSOR * (cpus < 1 ? 1 : (unsigned)cpus);
}

static void
server_set_limits(struct rpc_server *s)
{
	struct rpc_server_options *o = &s->options;

#define LIMIT(field, value) o->field = o->field ? o->field : (value)
	LIMIT(max_message_bytes, DEFAULT_MESSAGE_BYTES);
	LIMIT(max_connections, DEFAULT_CONNECTIONS);
	LIMIT(max_outstanding, DEFAULT_OUTSTANDING);
	LIMIT(max_queued_bytes, DEFAULT_QUEUED_BYTES);
	LIMIT(max_total_bytes, DEFAULT_TOTAL_BYTES);
	LIMIT(hello_timeout_ms, DEFAULT_HELLO_MS);
	LIMIT(frame_timeout_ms, DEFAULT_FRAME_MS);
	LIMIT(write_timeout_ms, DEFAULT_WRITE_MS);
	LIMIT(idle_buffer_ms, DEFAULT_IDLE_BUFFER_MS);
	LIMIT(stream_stall_ms, DEFAULT_STREAM_STALL_MS);
	LIMIT(readers, server_default_readers());
#undef LIMIT
	s->max_message = o->max_message_bytes + MESSAGE_SLACK_BYTES;
	s->budget.max = o->max_total_bytes;
	s->budget.reserve = o->max_total_bytes / RESERVE_PART;
	link_readers_init(&s->budget.readers, o->readers);
	s->limits = (struct link_limits){
	    .hello_timeout_ms = o->hello_timeout_ms,
	    .frame_timeout_ms = o->frame_timeout_ms,
	    .write_timeout_ms = o->write_timeout_ms,
	    .idle_buffer_ms = o->idle_buffer_ms,
	    .log_faults = true,
	    .window = WINDOW_BYTES,
	    .body_bytes = BODIES_UNDER_WAY * s->max_message,
	};
}

static double
server_held_bytes(void *arg)
{
	return (double)atomic_load(&((struct rpc_server *)arg)->budget.used);
}

static double
server_stream_count(void *arg)
{
	return (double)atomic_load(&((struct rpc_server *)arg)->budget.streams);
}

static struct metric *
server_metric(struct metrics *m, enum metric_type type, const char *name, const char *help)
{
	struct metric_desc desc = {.name = name, .help = help, .type = type};

	return m ? metric_single(metrics_family(m, &desc)) : NULL;
}

static void
server_add_metrics(struct rpc_server *s)
{
	struct metrics *m = s->options.metrics;

	s->metrics.connections =
	    server_metric(m, METRIC_GAUGE, "immudb_rpc_connections", "Open connections.");
	s->metrics.accepted = server_metric(
	    m, METRIC_COUNTER, "immudb_rpc_connections_accepted_total", "Connections accepted.");
	s->metrics.refused =
	    server_metric(m, METRIC_COUNTER, "immudb_rpc_connections_refused_total",
		"Connections refused or closed because of the limit.");
	s->metrics.delayed =
	    server_metric(m, METRIC_COUNTER, "immudb_rpc_connections_delayed_total",
		"Connections that waited for their turn, because too many came at once.");
	s->metrics.held = server_metric(
	    m, METRIC_GAUGE, "immudb_rpc_held_bytes", "Payload bytes held for all connections.");
	metric_set_callback(s->metrics.held, server_held_bytes, s);
	s->metrics.streams =
	    server_metric(m, METRIC_GAUGE, "immudb_rpc_streams", "Answers going out as streams.");
	metric_set_callback(s->metrics.streams, server_stream_count, s);
	s->limits.faults = server_metric(m, METRIC_COUNTER, "immudb_rpc_faults_total",
	    "Connections closed because of what the peer sent or failed to send.");
	s->limits.bytes_received =
	    server_metric(m, METRIC_COUNTER, "immudb_rpc_received_bytes_total", "Bytes received.");
	s->limits.bytes_sent =
	    server_metric(m, METRIC_COUNTER, "immudb_rpc_sent_bytes_total", "Bytes sent.");
}

static void
server_release(struct rpc_server *s)
{
	for (size_t i = 0; i < s->nlisteners; i++)
		listener_close(&s->listeners[i]);
	free(s->listeners);
	for (size_t i = 0; s->options.urls && i < s->options.nurls; i++)
		free((char *)s->options.urls[i]);
	free((void *)s->options.urls);
	free((char *)s->options.version);
	free((char *)s->options.server_id);
	free((char *)s->options.default_database);
	pthread_cond_destroy(&s->changed);
	link_readers_free(&s->budget.readers);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Copies the texts; what could not be copied is NULL. */
static enum im_err
server_copy_texts(struct rpc_server *s, const struct rpc_server_options *o)
{
	char **urls = (char **)calloc(o->nurls, sizeof *urls);
	bool ok = urls != NULL;

	s->options.urls = (const char *const *)urls;
	for (size_t i = 0; ok && i < o->nurls; i++) {
		urls[i] = strdup(o->urls[i]);
		ok = urls[i] != NULL;
	}
	s->options.version = strdup(o->version ? o->version : "");
	s->options.server_id = strdup(o->server_id ? o->server_id : "");
	s->options.default_database = strdup(o->default_database ? o->default_database : "");
	ok = ok && s->options.version && s->options.server_id && s->options.default_database;
	return ok ? IM_OK : IM_ERR_NOMEM;
}

static struct rpc_server *
server_new(const struct rpc_server_options *o)
{
	struct rpc_server *s = (struct rpc_server *)calloc(1, sizeof *s);
	pthread_condattr_t attr;
	uint64_t seed;

	if (!s)
		return NULL;
	s->options = *o;
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		seed = (uint64_t)clock_monotonic_ns();
	admission_init(&s->admission, o->max_connection_rate, seed);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	server_set_limits(s);
	return s;
}

enum im_err
rpc_server_start(const struct rpc_server_options *options, struct rpc_server **out)
{
	struct rpc_server *s;
	enum im_err err;

	*out = NULL;
	if (options->nurls == 0 || !options->handle ||
	    options->max_message_bytes > MESSAGE_BYTES_MAX)
		return err_set(IM_ERR_ARGUMENT, "bad server options");
	s = server_new(options);
	if (!s)
		return IM_ERR_NOMEM;
	err = server_copy_texts(s, options);
	if (err == IM_OK && pthread_create(&s->reaper, NULL, server_reap, s) != 0)
		err = err_set(IM_ERR_NOMEM, "cannot start a thread");
	if (err != IM_OK) {
		server_release(s);
		return err;
	}
	/* The last thing that can fail: who can connect will be served. */
	err = server_listen(s);
	if (err != IM_OK) {
		server_end_reaper(s);
		server_release(s);
		return err;
	}
	server_add_metrics(s);
	for (size_t i = 0; i < s->nlisteners; i++)
		listener_accept(&s->listeners[i]);
	*out = s;
	return IM_OK;
}

uint16_t
rpc_server_port(const struct rpc_server *s, size_t i)
{
	return i < s->nlisteners ? s->listeners[i].port : 0;
}

size_t
rpc_server_connections(struct rpc_server *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->nconns;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* ---- The end. ---- */

/* Locked. */
static bool
server_is_idle(struct rpc_server *s)
{
	for (struct server_conn *c = s->conns; c; c = c->next)
		if (!server_conn_is_idle(c))
			return false;
	return true;
}

static void
server_wait_idle(struct rpc_server *s, uint32_t drain_ms)
{
	int64_t by = clock_monotonic_ns() + drain_ms * CLOCK_NS_PER_MS;
	struct timespec ts = {by / CLOCK_NS_PER_S, by % CLOCK_NS_PER_S};
	int rv = 0;

	pthread_mutex_lock(&s->lock);
	while (rv == 0 && !server_is_idle(s))
		rv = pthread_cond_timedwait(&s->changed, &s->lock, &ts);
	pthread_mutex_unlock(&s->lock);
}

/* The next connection of a round, with a reference; NULL at its end. */
static struct server_conn *
server_next(struct rpc_server *s, unsigned round)
{
	struct server_conn *c;

	pthread_mutex_lock(&s->lock);
	for (c = s->conns; c && c->round == round; c = c->next)
		;
	if (c) {
		c->round = round;
		link_ref(&c->link);
	}
	pthread_mutex_unlock(&s->lock);
	return c;
}

/*
 * Does something to every connection. The lock is released meanwhile: what is done may end the
 * connection, which takes the lock.
 */
static void
server_for_each(struct rpc_server *s, unsigned round, void (*act)(struct server_conn *c))
{
	struct server_conn *c;

	while ((c = server_next(s, round)) != NULL) {
		act(c);
		link_unref(&c->link);
	}
}

static void
server_close_conn(struct server_conn *c)
{
	link_close(&c->link);
}

void
rpc_server_stop(struct rpc_server *s, uint32_t drain_ms)
{
	atomic_store(&s->stopping, true);
	for (size_t i = 0; i < s->nlisteners; i++)
		listener_close(&s->listeners[i]);
	server_for_each(s, 1, server_conn_goaway);
	server_wait_idle(s, drain_ms);
	server_for_each(s, 2, server_close_conn);
	pthread_mutex_lock(&s->lock);
	while (s->nconns > 0)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	server_end_reaper(s);
	metric_set_callback(s->metrics.held, NULL, NULL);
	metric_set_callback(s->metrics.streams, NULL, NULL);
}

void
rpc_server_free(struct rpc_server *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	while (s->live > 0)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	server_release(s);
}
