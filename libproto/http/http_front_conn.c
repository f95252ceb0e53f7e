/*
 * A connection of the front: bytes from the client through TLS to the server inside, and back. No
 * loop and no waiting here: http_front.c says what can be read or written.
 *
 *	waiting for the first words --(some came)--> introduced, carrying --(server inside ends)-->
 *	draining: the rest goes out, TLS says that it closes, the client hangs up --> dead
 *
 * Invariants: an end is read only while the queue to the other one is short, so that a queue never
 * holds more than FRONT_QUEUE_MAX and what one read adds; the introduction is the first thing that
 * the server inside gets, and its answer never reaches the client.
 */
#include "http/http_front_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

/* With so much on its way to one end the other one is not read. */
#define FRONT_QUEUE_MAX ((size_t)64 * 1024)
/* A read and what TLS makes of it, on top of that. */
#define FRONT_QUEUE_CAP (4 * FRONT_QUEUE_MAX)
#define FRONT_READ_BYTES 16384
/* Until a client has sent something that can be read; handshake included. */
#define FRONT_FIRST_WORDS_NS (10 * CLOCK_NS_PER_S)
/* How long a client may take nothing of what is sent to it. */
#define FRONT_STALL_NS (60 * CLOCK_NS_PER_S)
/* How long it may take to hang up at the end. */
#define FRONT_DRAIN_NS (1 * CLOCK_NS_PER_S)

/* For who speaks HTTP without TLS where it is needed. */
static const char front_not_tls[] = "{\"error\":\"this port speaks HTTPS only\"}\n";

/* ---- Queues. ---- */

static size_t
queue_len(const struct front_queue *q)
{
	return q->bytes.len - q->sent;
}

static bool
queue_add(struct front_conn *c, struct front_queue *q, struct bytes data)
{
	if (!buf_append_bytes(&q->bytes, data))
		c->dead = true;
	return !c->dead;
}

/*
 * Nobody takes what is in a queue any more. The server inside may refuse a request before it has
 * read all of it: its answer is worth reading.
 */
static void
conn_lose(struct front_conn *c, struct front_queue *q)
{
	if (q == &c->to_outer) {
		c->dead = true;
		return;
	}
	buf_clear(&q->bytes);
	q->sent = 0;
	c->inner_shut = true;
}

/* Writes what the socket takes. */
static void
queue_send(struct front_conn *c, struct front_queue *q, int fd)
{
	ssize_t n;

	while (queue_len(q) > 0) {
		n = send(fd, q->bytes.data + q->sent, queue_len(q), MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			conn_lose(c, q);
			return;
		}
		q->sent += (size_t)n;
	}
	buf_clear(&q->bytes);
	q->sent = 0;
}

/* ---- TLS. ---- */

/* What TLS has for the client. */
static void
conn_take_output(struct front_conn *c)
{
	struct buf *out = tls_conn_output(c->tls);

	queue_add(c, &c->to_outer, buf_bytes(out));
	buf_clear(out);
}

/* Nothing more comes from inside, or is wanted. */
static void
conn_end_inner(struct front_conn *c)
{
	if (c->inner.fd >= 0)
		close(c->inner.fd);
	c->inner.fd = -1;
	c->inner.is_added = false;
	c->inner_ended = c->inner_shut = true;
	buf_clear(&c->to_inner.bytes);
	c->to_inner.sent = 0;
}

/* The client is at fault: it is told as far as it can be, and nothing else of it is looked at. */
static void
conn_refuse(struct front_conn *c)
{
	log_info_limited("https: %s: %s", c->peer, err_detail(IM_ERR_TLS));
	if (tls_conn_is_foreign(c->tls)) {
		buf_clear(tls_conn_output(c->tls));
		buf_printf(&c->to_outer.bytes,
		    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		    strlen(front_not_tls), front_not_tls);
	}
	conn_end_inner(c);
}

static void
conn_decrypt(struct front_conn *c, struct bytes in)
{
	uint8_t plain[FRONT_READ_BYTES];
	enum im_err err;
	size_t len;

	do {
		err = tls_conn_receive(c->tls, &in, plain, sizeof plain, &len);
		queue_add(c, &c->to_inner, bytes_of(plain, len));
	} while (err == IM_OK && !c->dead && !tls_conn_is_closed(c->tls) &&
	    (in.len > 0 || tls_conn_has_plaintext(c->tls)));
	if (err != IM_OK)
		conn_refuse(c);
	conn_take_output(c);
	if (tls_conn_is_closed(c->tls))
		c->outer_ended = true;
}

/* ---- Reading. ---- */

/* Bytes read, 0 for the end, however it came, -1 for none now. */
static ssize_t
conn_read(int fd, uint8_t data[FRONT_READ_BYTES])
{
	ssize_t n;

	do
		n = recv(fd, data, FRONT_READ_BYTES, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 && errno != EAGAIN ? 0 : n;
}

static void
conn_read_outer(struct front_conn *c)
{
	uint8_t data[FRONT_READ_BYTES];
	ssize_t n = conn_read(c->outer.fd, data);

	if (n < 0)
		return;
	if (n == 0) {
		/*
		 * A request that was cut off is the server inside's business: it sees the end, too.
		 */
		c->outer_ended = true;
	} else if (c->inner_shut) {
		/* Nobody reads it any more. */
	} else if (c->tls) {
		conn_decrypt(c, bytes_of(data, (size_t)n));
	} else {
		queue_add(c, &c->to_inner, bytes_of(data, (size_t)n));
	}
}

/* Takes the answer to the introduction off the front of data; false if it is another one. */
static bool
conn_take_answer(struct front_conn *c, struct bytes *data)
{
	const char *rest = HTTP_FRONT_ANSWER + c->answered;
	size_t len = strlen(rest);

	len = data->len < len ? data->len : len;
	if (memcmp(rest, data->data, len) != 0) {
		log_error_limited("http: the server inside does not know the front");
		c->dead = true;
		return false;
	}
	c->answered += len;
	*data = bytes_of(data->data + len, data->len - len);
	return true;
}

static void
conn_read_inner(struct front_conn *c)
{
	uint8_t data[FRONT_READ_BYTES];
	ssize_t n = conn_read(c->inner.fd, data);
	struct bytes plain = bytes_of(data, n > 0 ? (size_t)n : 0);

	if (n < 0)
		return;
	if (n == 0) {
		conn_end_inner(c);
		if (c->tls) {
			tls_conn_close(c->tls);
			conn_take_output(c);
		}
		return;
	}
	if (!conn_take_answer(c, &plain) || plain.len == 0)
		return;
	if (!c->tls) {
		queue_add(c, &c->to_outer, plain);
		return;
	}
	if (tls_conn_send(c->tls, plain) != IM_OK)
		c->dead = true;
	conn_take_output(c);
}

/* ---- The server inside. ---- */

/* Connects and says who comes; what the client has said follows. */
static void
conn_introduce(struct front_conn *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(c->options->inner_port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct buf words = c->to_inner.bytes;
	int on = 1;

	c->introduced = true;
	c->inner.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->inner.fd < 0 ||
	    (connect(c->inner.fd, (const struct sockaddr *)&to, sizeof to) != 0 &&
		errno != EINPROGRESS)) {
		log_warn_limited("http: cannot connect to the server inside: %s", strerror(errno));
		c->dead = true;
		return;
	}
	setsockopt(c->inner.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	buf_init(&c->to_inner.bytes, FRONT_QUEUE_CAP);
	buf_printf(&c->to_inner.bytes,
	    "GET " HTTP_FRONT_PATH " HTTP/1.1\r\nHost: localhost\r\n" HTTP_FRONT_SECRET_HEADER
	    ": %s\r\n" HTTP_FRONT_PEER_HEADER ": %s\r\n\r\n",
	    c->options->secret, c->peer);
	queue_add(c, &c->to_inner, buf_bytes(&words));
	buf_free(&words);
}

/* ---- What follows. ---- */

/* Nothing more comes from an end: the other one is told when it has everything. */
static void
conn_pass_ends(struct front_conn *c, int64_t now_ns)
{
	if (c->outer_ended && !c->introduced)
		conn_end_inner(c);
	if (c->outer_ended && !c->inner_shut && queue_len(&c->to_inner) == 0) {
		shutdown(c->inner.fd, SHUT_WR);
		c->inner_shut = true;
	}
	if (c->inner_ended && !c->outer_shut && queue_len(&c->to_outer) == 0) {
		shutdown(c->outer.fd, SHUT_WR);
		c->outer_shut = true;
		c->deadline_ns = now_ns + FRONT_DRAIN_NS;
	}
	if (c->outer_shut && c->outer_ended)
		c->dead = true;
}

static void
conn_set_deadline(struct front_conn *c, int64_t now_ns, bool moved)
{
	if (c->outer_shut || !c->introduced)
		return;
	if (queue_len(&c->to_outer) == 0)
		c->deadline_ns = 0;
	else if (moved || c->deadline_ns == 0)
		c->deadline_ns = now_ns + FRONT_STALL_NS;
}

static bool
conn_reads_outer(const struct front_conn *c)
{
	return !c->outer_ended && queue_len(&c->to_inner) < FRONT_QUEUE_MAX;
}

static bool
conn_reads_inner(const struct front_conn *c)
{
	return c->inner.fd >= 0 && !c->inner_ended && queue_len(&c->to_outer) < FRONT_QUEUE_MAX;
}

void
front_conn_run(struct front_conn *c, struct front_end *end, uint32_t events, int64_t now_ns)
{
	size_t waiting = queue_len(&c->to_outer);

	if ((events & ~(uint32_t)EPOLLOUT) && end == &c->outer && conn_reads_outer(c))
		conn_read_outer(c);
	if ((events & ~(uint32_t)EPOLLOUT) && end == &c->inner && conn_reads_inner(c))
		conn_read_inner(c);
	if (!c->dead && !c->introduced && queue_len(&c->to_inner) > 0)
		conn_introduce(c);
	if (!c->dead && !c->inner_shut && c->inner.fd >= 0)
		queue_send(c, &c->to_inner, c->inner.fd);
	if (!c->dead)
		queue_send(c, &c->to_outer, c->outer.fd);
	if (c->dead)
		return;
	conn_pass_ends(c, now_ns);
	conn_set_deadline(c, now_ns, queue_len(&c->to_outer) < waiting);
}

uint32_t
front_conn_wants(const struct front_conn *c, const struct front_end *end)
{
	const struct front_queue *q = end == &c->outer ? &c->to_outer : &c->to_inner;
	bool reads = end == &c->outer ? conn_reads_outer(c) : conn_reads_inner(c);

	return (reads ? EPOLLIN : 0u) | (queue_len(q) > 0 ? EPOLLOUT : 0u);
}

bool
front_conn_is_quiet(const struct front_conn *c)
{
	return queue_len(&c->to_outer) == 0;
}

/* ---- Birth and end. ---- */

struct front_conn *
front_conn_new(const struct http_front_options *options, int fd, const char *peer, int64_t now_ns)
{
	struct front_conn *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	if (options->tls &&
	    (tls_conn_new(options->tls, NULL, &c->tls) != IM_OK ||
		tls_conn_start(c->tls) != IM_OK)) {
		tls_conn_free(c->tls);
		free(c);
		return NULL;
	}
	c->options = options;
	c->outer = (struct front_end){.conn = c, .fd = fd};
	c->inner = (struct front_end){.conn = c, .fd = -1};
	c->deadline_ns = now_ns + FRONT_FIRST_WORDS_NS;
	strncpy(c->peer, peer, sizeof c->peer - 1);
	buf_init(&c->to_outer.bytes, FRONT_QUEUE_CAP);
	buf_init(&c->to_inner.bytes, FRONT_QUEUE_CAP);
	return c;
}

void
front_conn_free(struct front_conn *c)
{
	close(c->outer.fd);
	if (c->inner.fd >= 0)
		close(c->inner.fd);
	tls_conn_free(c->tls);
	buf_free(&c->to_outer.bytes);
	buf_free(&c->to_inner.bytes);
	free(c);
}
