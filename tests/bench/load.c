/*
 * The load generator: keeps a number of requests in flight on a number of connections for a while,
 * and prints what was answered. load_immudb.c and load_redis.c are the protocols.
 *
 *	bench_load --wire immudb|redis|echo --port PORT --op set|get|vset|vget|scan|rewrite|zadd|exec|
 *	    delete|zscan|history [--connections N]
 *	    [--in-flight N] [--entries N] [--value-bytes N] [--first KEY] [--keys N] [--ordered 1]
 *	    [--milliseconds MS] [--warm-milliseconds MS] [--count REQUESTS] [--answer-bytes N]
 *	    [--pid SERVER] [--authorities FILE]
 *
 * Prints one line of JSON: requests answered, seconds, processor seconds of the server and of the
 * client, bytes received.
 *
 * Invariant: a request is made for each one that was answered, until the time is over; then what is
 * in flight is waited for, so that the next measurement starts with an idle server.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define CONNECTIONS_MAX 10000u
#define IN_FLIGHT_MAX 1024u
#define OUT_BYTES_MAX ((size_t)1 << 30)
/* Without any answer for so long the server is taken for dead. */
#define STALL_MS 60000
/* Received at once under TLS, and more than a record of it. */
#define RAW_BYTES ((size_t)64 * 1024)
#define RECORD_BYTES ((size_t)17 * 1024)

static struct load load = {
    .options = {.wire = "immudb",
	.host = "127.0.0.1",
	.op_name = "get",
	.connections = 1,
	.in_flight = 1,
	.entries = 1,
	.value_bytes = 128,
	.keys = 1,
	.milliseconds = 1000,
	.warm_milliseconds = 100},
    .random = 1,
};

static const struct bench_option option_table[] = {
    {.name = "wire", .text = &load.options.wire},
    {.name = "host", .text = &load.options.host},
    {.name = "port", .number = &load.options.port},
    {.name = "op", .text = &load.options.op_name},
    {.name = "connections", .number = &load.options.connections},
    {.name = "in-flight", .number = &load.options.in_flight},
    {.name = "entries", .number = &load.options.entries},
    {.name = "value-bytes", .number = &load.options.value_bytes},
    {.name = "first", .number = &load.options.first},
    {.name = "keys", .number = &load.options.keys},
    {.name = "ordered", .number = &load.options.ordered},
    {.name = "milliseconds", .number = &load.options.milliseconds},
    {.name = "warm-milliseconds", .number = &load.options.warm_milliseconds},
    {.name = "count", .number = &load.options.count},
    {.name = "answer-bytes", .number = &load.options.answer_bytes},
    {.name = "pid", .number = &load.options.pid},
    {.name = "authorities", .text = &load.options.authorities},
    {0},
};

static const struct load_wire *const wires[] = {
    &load_wire_immudb, &load_wire_echo, &load_wire_redis};

static const char *const op_names[] = {
    [LOAD_SET] = "set",
    [LOAD_GET] = "get",
    [LOAD_VERIFIED_SET] = "vset",
    [LOAD_VERIFIED_GET] = "vget",
    [LOAD_SCAN] = "scan",
    [LOAD_REWRITE] = "rewrite",
    [LOAD_ZADD] = "zadd",
    [LOAD_EXEC] = "exec",
    [LOAD_DELETE] = "delete",
    [LOAD_ZSCAN] = "zscan",
    [LOAD_HISTORY] = "history",
};

/* How far a run has come. */
struct progress {
	uint64_t made, answered; /* requests */
	bool measuring, over;
	double start_s, end_s;
	double server_s, client_s; /* processor time at the start, then what was spent */
};

void
load_refused(const char *what, struct bytes text)
{
	fprintf(stderr, "bench_load: %s: %.*s\n", what, (int)text.len, (const char *)text.data);
	exit(1);
}

void
load_key_make(const struct load *l, uint64_t i, uint8_t key[BENCH_KEY_BYTES])
{
	if (l->options.ordered)
		bench_key_ordered(i, key);
	else
		bench_key_random(i, key);
}

void
load_key_pick(struct load *l, uint8_t key[BENCH_KEY_BYTES])
{
	load_key_make(l, l->options.first + bench_random(&l->random) % l->options.keys, key);
}

/* ---- Connections. ---- */

static void
send_all(int fd, struct bytes data)
{
	while (data.len > 0) {
		ssize_t n = send(fd, data.data, data.len, MSG_NOSIGNAL);

		if (n < 0)
			bench_die_errno("send");
		data = bytes_of(data.data + n, data.len - (size_t)n);
	}
}

void
load_send_all(struct load_conn *c, struct bytes data)
{
	enum im_err err;

	if (!c->tls) {
		send_all(c->fd, data);
		return;
	}
	err = tls_conn_send(c->tls, data);
	if (err != IM_OK)
		bench_die("tls", err);
	send_all(c->fd, buf_bytes(tls_conn_output(c->tls)));
	buf_clear(tls_conn_output(c->tls));
}

/* 0 when nothing is there; the server's end of the connection is the end of the program. */
static size_t
receive(int fd, void *to, size_t size)
{
	ssize_t n = recv(fd, to, size, 0);

	if (n == 0)
		load_refused("connection", bytes_str("closed by the server"));
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		bench_die_errno("receive");
	return (size_t)n;
}

/* Receives no more than there is room for when it is plaintext. */
static size_t
receive_tls(struct load_conn *c)
{
	static uint8_t raw[RAW_BYTES];
	size_t room = LOAD_IN_BYTES - c->in_len, n, len;
	struct bytes in;
	enum im_err err;

	if (room < 2 * RECORD_BYTES)
		load_refused("answer", bytes_str("too long"));
	room -= RECORD_BYTES;
	n = receive(c->fd, raw, room < sizeof raw ? room : sizeof raw);
	in = bytes_of(raw, n);
	err = tls_conn_receive(c->tls, &in, c->in + c->in_len, LOAD_IN_BYTES - c->in_len, &len);
	if (err != IM_OK)
		bench_die("tls", err);
	c->in_len += len;
	return n;
}

size_t
load_receive(struct load_conn *c)
{
	size_t n;

	if (c->tls)
		return receive_tls(c);
	n = receive(c->fd, c->in + c->in_len, LOAD_IN_BYTES - c->in_len);
	c->in_len += n;
	return n;
}

/* The handshake, on a socket that is still blocking. */
static void
conn_secure(struct load_conn *c)
{
	enum im_err err = tls_conn_new(load.tls, load.options.host, &c->tls);

	if (err == IM_OK)
		err = tls_conn_start(c->tls);
	if (err != IM_OK)
		bench_die("tls", err);
	while (!tls_conn_is_established(c->tls) || tls_conn_output(c->tls)->len > 0) {
		send_all(c->fd, buf_bytes(tls_conn_output(c->tls)));
		buf_clear(tls_conn_output(c->tls));
		if (!tls_conn_is_established(c->tls))
			receive_tls(c);
	}
}

static void
conn_open(struct load_conn *c, int epoll)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)load.options.port)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;

	buf_init(&c->out, OUT_BYTES_MAX);
	c->in = malloc(LOAD_IN_BYTES);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!c->in || c->fd < 0 || inet_pton(AF_INET, load.options.host, &to.sin_addr) != 1 ||
	    connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		bench_die_errno("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (load.tls)
		conn_secure(c);
	if (load.wire->greet)
		load.wire->greet(&load, c);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		bench_die_errno("connect");
}

/* Sends what the socket takes, and sees to it that the rest goes out, too. */
static void
conn_flush(struct load_conn *c, int epoll)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	struct buf *out = c->tls ? tls_conn_output(c->tls) : &c->out;
	bool left;

	if (c->tls && c->out.len > 0) {
		enum im_err err = tls_conn_send(c->tls, buf_bytes(&c->out));

		if (err != IM_OK)
			bench_die("tls", err);
		buf_clear(&c->out);
	}
	while (c->sent < out->len) {
		ssize_t n = send(c->fd, out->data + c->sent, out->len - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			bench_die_errno("send");
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	left = c->sent < out->len;
	if (!left) {
		buf_clear(out);
		c->sent = 0;
	}
	if (left == c->want_write)
		return;
	c->want_write = left;
	event.events |= left ? (uint32_t)EPOLLOUT : 0;
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
		bench_die_errno("epoll");
}

/* Keeps the requests of a connection in flight, unless it is time to stop. */
static void
conn_fill(struct load_conn *c, struct progress *p, int epoll)
{
	while (!p->over && c->in_flight < load.options.in_flight) {
		load.wire->request(&load, c);
		if (c->out.err != IM_OK)
			bench_die("request", c->out.err);
		c->in_flight++;
		p->made++;
		p->over = load.options.count > 0 && p->made == load.options.count;
	}
	conn_flush(c, epoll);
}

/* Takes what has come on a connection. */
static void
conn_read(struct load_conn *c, struct progress *p)
{
	uint64_t count = 0;
	size_t n = load_receive(c);
	size_t used = n ? load.wire->answers(&load, bytes_of(c->in, c->in_len), &count) : 0;

	c->in_len -= used;
	if (used && c->in_len)
		memmove(c->in, c->in + used, c->in_len);
	if (c->in_len == LOAD_IN_BYTES)
		load_refused("answer", bytes_str("too long"));
	if (count > c->in_flight)
		load_refused("answer", bytes_str("to no request"));
	c->in_flight -= count;
	p->answered += count;
	if (p->measuring && p->end_s == 0) {
		load.answers += count;
		load.answer_bytes += n;
	}
}

/* ---- The run. ---- */

/* Starts and ends the measurement when its time has come. */
static void
progress_check(struct progress *p, double began_s)
{
	const struct load_options *o = &load.options;
	double now = bench_clock_s(CLOCK_MONOTONIC);
	double warm = o->count ? 0 : (double)o->warm_milliseconds / 1e3;

	if (!p->measuring && now - began_s >= warm) {
		p->measuring = true;
		p->start_s = now;
		p->server_s = bench_process_cpu_s((pid_t)o->pid);
		p->client_s = bench_clock_s(CLOCK_PROCESS_CPUTIME_ID);
	}
	if (!p->measuring || p->end_s > 0)
		return;
	if (o->count ? p->answered == o->count
		     : now - p->start_s >= (double)o->milliseconds / 1e3) {
		p->over = true;
		p->end_s = now;
		p->server_s = bench_process_cpu_s((pid_t)o->pid) - p->server_s;
		p->client_s = bench_clock_s(CLOCK_PROCESS_CPUTIME_ID) - p->client_s;
	}
}

static void
run(struct load_conn *conns, int epoll, struct progress *p)
{
	struct epoll_event events[EVENTS];
	double began = bench_clock_s(CLOCK_MONOTONIC);

	progress_check(p, began);
	for (uint64_t i = 0; i < load.options.connections; i++)
		conn_fill(&conns[i], p, epoll);
	while (p->end_s == 0 || p->answered < p->made) {
		int n = epoll_wait(epoll, events, EVENTS, STALL_MS);

		if (n < 0)
			bench_die_errno("epoll");
		if (n == 0)
			load_refused("server", bytes_str("does not answer"));
		for (int i = 0; i < n; i++) {
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				conn_read(events[i].data.ptr, p);
			conn_fill(events[i].data.ptr, p, epoll);
		}
		progress_check(p, began);
	}
}

static void
find_names(void)
{
	struct load_options *o = &load.options;
	bool known = false;

	for (size_t i = 0; i < sizeof wires / sizeof *wires; i++)
		if (strcmp(wires[i]->name, o->wire) == 0)
			load.wire = wires[i];
	for (size_t i = 0; i < sizeof op_names / sizeof *op_names; i++) {
		if (strcmp(op_names[i], o->op_name) != 0)
			continue;
		o->op = (enum load_op)i;
		known = true;
	}
	if (!load.wire || !known)
		load_refused("--wire or --op", bytes_str("unknown name"));
	if (o->connections == 0 || o->connections > CONNECTIONS_MAX || o->in_flight == 0 ||
	    o->in_flight > IN_FLIGHT_MAX || o->entries == 0 || o->entries > LOAD_ENTRIES_MAX ||
	    o->value_bytes > LOAD_VALUE_BYTES_MAX || o->keys == 0 || o->port > UINT16_MAX)
		load_refused("options", bytes_str("a number is out of range"));
}

static void
use_tls(void)
{
	const struct tls_files files = {
	    .side = TLS_CLIENT, .authorities = load.options.authorities};
	enum im_err err = tls_context_new(&files, &load.tls);

	if (err != IM_OK)
		bench_die("tls", err);
}

int
main(int argc, char **argv)
{
	struct progress p = {0};
	struct load_conn *conns;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	bench_options_read(option_table, argc, argv);
	find_names();
	load.next_key = load.options.first;
	load.value = malloc(LOAD_VALUE_BYTES_MAX);
	conns = calloc(load.options.connections, sizeof *conns);
	if (!load.value || !conns || epoll < 0)
		bench_die_errno("memory");
	for (unsigned i = 0; i < LOAD_VALUE_BYTES_MAX; i++)
		load.value[i] = (uint8_t)bench_random(&load.random);
	if (load.options.authorities)
		use_tls();
	if (load.wire->prepare)
		load.wire->prepare(&load);
	for (uint64_t i = 0; i < load.options.connections; i++)
		conn_open(&conns[i], epoll);
	run(conns, epoll, &p);
	printf("{\"requests\": %" PRIu64 ", \"seconds\": %.6f, \"server_cpu_seconds\": %.6f, "
	       "\"client_cpu_seconds\": %.6f, \"bytes_received\": %" PRIu64 "}\n",
	    load.answers, p.end_s - p.start_s, p.server_s, p.client_s, load.answer_bytes);
	for (uint64_t i = 0; i < load.options.connections; i++) {
		close(conns[i].fd);
		tls_conn_free(conns[i].tls);
		buf_free(&conns[i].out);
		free(conns[i].in);
	}
	free(conns);
	tls_context_free(load.tls);
	free(load.value);
	close(epoll);
	return 0;
}
