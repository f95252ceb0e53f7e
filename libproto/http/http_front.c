/*
 * The loop of the front: accepts, waits for what can be read or written, and gives up who takes too
 * long. What becomes of the bytes is http_front_conn.c's business; how the server inside knows
 * them, http_server.c's.
 *
 * Invariants: connections are made and freed in the loop's thread only, and freed behind the events
 * of one wait, which may name them; the loop wakes up by itself only while there are connections.
 */
#include "http/http_front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_front_conn.h"
#include "util/clock.h"
#include "util/log.h"

#define FRONT_EVENTS 64
#define FRONT_LISTEN_QUEUE 1024
/* How often deadlines are looked at. */
#define FRONT_TICK_MS 250
/* How long to wait before accepting again when descriptors or memory ran out. */
#define FRONT_RETRY_NS (CLOCK_NS_PER_S / 10)
/* How long the last words may take at the end. */
#define FRONT_STOP_NS (2 * CLOCK_NS_PER_S)
#define FRONT_PORT_TEXT 8

struct http_front {
	struct http_front_options options;
	int epoll;
	struct front_end listener, wake;
	uint16_t port;
	struct front_conn *conns, *dead;
	size_t count;
	int64_t accept_at_ns; /* not before; 0: at once */
	int64_t swept_ns;
	_Atomic bool deaf; /* accepts no more */
	_Atomic bool stopping;
	pthread_t thread;
};

/* ---- What is waited for. ---- */

static void
front_watch(struct http_front *f, struct front_end *end, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = end};

	if (end->fd < 0 || (end->is_added ? events == end->events : events == 0))
		return;
	epoll_ctl(f->epoll,
	    events == 0         ? EPOLL_CTL_DEL
		: end->is_added ? EPOLL_CTL_MOD
				: EPOLL_CTL_ADD,
	    end->fd, &ev);
	end->is_added = events != 0;
	end->events = events;
}

static void
front_watch_listener(struct http_front *f)
{
	bool listens =
	    !atomic_load(&f->deaf) && !f->accept_at_ns && f->count < f->options.connections;

	front_watch(f, &f->listener, listens ? EPOLLIN : 0);
}

/* ---- Connections. ---- */

static void
front_bury(struct http_front *f, struct front_conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		f->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->next = f->dead;
	f->dead = c;
	f->count--;
}

static void
front_free_dead(struct http_front *f)
{
	while (f->dead) {
		struct front_conn *c = f->dead;

		f->dead = c->next;
		front_conn_free(c);
	}
}

/* After something has happened to it. */
static void
front_settle(struct http_front *f, struct front_conn *c)
{
	if (c->dead) {
		front_bury(f, c);
		return;
	}
	front_watch(f, &c->outer, front_conn_wants(c, &c->outer));
	front_watch(f, &c->inner, front_conn_wants(c, &c->inner));
}

static void
front_sweep(struct http_front *f, int64_t now_ns)
{
	struct front_conn *next;

	f->swept_ns = now_ns;
	for (struct front_conn *c = f->conns; c; c = next) {
		next = c->next;
		if (c->deadline_ns == 0 || now_ns < c->deadline_ns)
			continue;
		c->dead = true;
		front_bury(f, c);
	}
}

/* The client's address as civetweb would write it. */
static void
front_describe(const struct sockaddr_storage *sa, char out[HTTP_FRONT_PEER_SIZE])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const void *address = sa->ss_family == AF_INET
	    ? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
	    : (const void *)&v6->sin6_addr;
	int family = sa->ss_family;

	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		address = v6->sin6_addr.s6_addr + 12;
		family = AF_INET;
	}
	if (!inet_ntop(family, address, out, HTTP_FRONT_PEER_SIZE))
		snprintf(out, HTTP_FRONT_PEER_SIZE, "unknown");
}

static void
front_add(struct http_front *f, int fd, const struct sockaddr_storage *sa, int64_t now_ns)
{
	char peer[HTTP_FRONT_PEER_SIZE];
	struct front_conn *c;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	front_describe(sa, peer);
	c = front_conn_new(&f->options, fd, peer, now_ns);
	if (!c) {
		log_warn_limited("http: no memory for a connection");
		close(fd);
		return;
	}
	c->next = f->conns;
	if (f->conns)
		f->conns->prev = c;
	f->conns = c;
	f->count++;
	front_settle(f, c);
}

static void
front_accept(struct http_front *f, int64_t now_ns)
{
	while (f->count < f->options.connections && !atomic_load(&f->deaf)) {
		struct sockaddr_storage sa = {0};
		socklen_t len = sizeof sa;
		int fd = accept4(
		    f->listener.fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			front_add(f, fd, &sa, now_ns);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		log_warn_limited("http: cannot accept a connection: %s", strerror(errno));
		f->accept_at_ns = now_ns + FRONT_RETRY_NS;
		return;
	}
}

/* ---- The loop. ---- */

static void
front_handle(struct http_front *f, const struct epoll_event *ev, int64_t now_ns)
{
	struct front_end *end = ev->data.ptr;
	uint64_t n;

	if (end == &f->wake)
		(void)!read(f->wake.fd, &n, sizeof n);
	else if (end == &f->listener)
		front_accept(f, now_ns);
	else if (!end->conn->dead) {
		front_conn_run(end->conn, end, ev->events, now_ns);
		front_settle(f, end->conn);
	}
}

/* Nobody waits for words of the server inside any more. */
static bool
front_is_done(const struct http_front *f)
{
	if (!atomic_load(&f->stopping))
		return false;
	for (const struct front_conn *c = f->conns; c; c = c->next)
		if (!front_conn_is_quiet(c) || (c->inner.fd >= 0 && !c->inner_ended))
			return false;
	return true;
}

static int
front_timeout_ms(const struct http_front *f)
{
	return f->count > 0 || f->accept_at_ns ? FRONT_TICK_MS : -1;
}

static void *
front_loop(void *arg)
{
	struct http_front *f = arg;
	struct epoll_event events[FRONT_EVENTS];
	int64_t now, stop_by = 0;
	int n;

	for (;;) {
		front_watch_listener(f);
		n = epoll_wait(f->epoll, events, FRONT_EVENTS, front_timeout_ms(f));
		now = clock_monotonic_ns();
		for (int i = 0; i < n; i++)
			front_handle(f, &events[i], now);
		if (now - f->swept_ns >= FRONT_TICK_MS * CLOCK_NS_PER_MS)
			front_sweep(f, now);
		front_free_dead(f);
		if (f->accept_at_ns && f->accept_at_ns <= now)
			f->accept_at_ns = 0;
		if (atomic_load(&f->stopping) && stop_by == 0)
			stop_by = now + FRONT_STOP_NS;
		if (front_is_done(f) || (stop_by && now > stop_by))
			return NULL;
	}
}

static void
front_wake(struct http_front *f)
{
	const uint64_t one = 1;

	(void)!write(f->wake.fd, &one, sizeof one);
}

/* ---- Start and stop. ---- */

/* Listens on the first of the addresses that can be had; the errno of the last one else. */
static int
front_listen_on(struct http_front *f, const struct addrinfo *found)
{
	int on = 1, off = 0, failed = EADDRNOTAVAIL;

	for (const struct addrinfo *a = found; a && f->listener.fd < 0; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0) {
			failed = errno;
			continue;
		}
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (a->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
		if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 &&
		    listen(fd, FRONT_LISTEN_QUEUE) == 0) {
			f->listener.fd = fd;
		} else {
			failed = errno;
			close(fd);
		}
	}
	return f->listener.fd >= 0 ? 0 : failed;
}

static enum im_err
front_listen(struct http_front *f)
{
	const char *name = f->options.address;
	bool all = !name || name[0] == '\0' || strcmp(name, "::") == 0;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
	struct sockaddr_in6 sa = {0};
	socklen_t len = sizeof sa;
	char port[FRONT_PORT_TEXT];
	int rc;

	snprintf(port, sizeof port, "%u", f->options.port);
	rc = getaddrinfo(all ? "::" : name, port, &hints, &found);
	if (rc != 0)
		return err_set(IM_ERR_ARGUMENT, "%s is no address to serve HTTP on: %s",
		    all ? "::" : name, gai_strerror(rc));
	rc = front_listen_on(f, found);
	freeaddrinfo(found);
	/* Where there is no IPv6 all of IPv4 is all there is. */
	if (rc == EAFNOSUPPORT && all && getaddrinfo("0.0.0.0", port, &hints, &found) == 0) {
		rc = front_listen_on(f, found);
		freeaddrinfo(found);
	}
	if (rc != 0)
		return err_set(IM_ERR_IO, "cannot serve HTTP on %s, port %s: %s", all ? "::" : name,
		    port, strerror(rc));
	/* The port is in the same place in both kinds of address. */
	getsockname(f->listener.fd, (struct sockaddr *)&sa, &len);
	f->port = ntohs(sa.sin6_port);
	return IM_OK;
}

static void
front_free(struct http_front *f)
{
	while (f->conns) {
		f->conns->dead = true;
		front_bury(f, f->conns);
	}
	front_free_dead(f);
	if (f->listener.fd >= 0)
		close(f->listener.fd);
	if (f->wake.fd >= 0)
		close(f->wake.fd);
	if (f->epoll >= 0)
		close(f->epoll);
	free(f);
}

enum im_err
http_front_start(const struct http_front_options *options, struct http_front **out)
{
	struct http_front *f = calloc(1, sizeof *f);
	enum im_err err;

	*out = NULL;
	if (!f)
		return IM_ERR_NOMEM;
	f->options = *options;
	f->listener = (struct front_end){.fd = -1};
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	f->wake = (struct front_end){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	err = f->epoll >= 0 && f->wake.fd >= 0 ? front_listen(f) : IM_ERR_NOMEM;
	if (err == IM_OK) {
		front_watch(f, &f->wake, EPOLLIN);
		if (pthread_create(&f->thread, NULL, front_loop, f) != 0)
			err = err_set(IM_ERR_NOMEM, "cannot start a thread");
	}
	if (err != IM_OK) {
		front_free(f);
		return err;
	}
	*out = f;
	return IM_OK;
}

uint16_t
http_front_port(const struct http_front *f)
{
	return f->port;
}

void
http_front_stop_listening(struct http_front *f)
{
	atomic_store(&f->deaf, true);
	front_wake(f);
}

void
http_front_stop(struct http_front *f)
{
	if (!f)
		return;
	atomic_store(&f->deaf, true);
	atomic_store(&f->stopping, true);
	front_wake(f);
	pthread_join(f->thread, NULL);
	front_free(f);
}
