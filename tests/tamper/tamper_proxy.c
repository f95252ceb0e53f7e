/*
 * A proxy that stands between an auditor and a server and lies, by rules (proxy_rule.h) that it
 * reads from standard input, one a line. Each line is answered by one: "ok", or "error: " and why.
 * Other lines:
 *
 *	clear		no rules any more
 *	upstream PORT	new connections are passed on to this port
 *	remember	the state last shown of every database is what "stale" and "other" will show
 *	hits		is answered by "hits N": answers altered since the last clear
 *	fields		is answered by "fields N" and N lines "METHOD TYPE.FIELD OP": every field that was
 *			answered since it was last asked for, with an operation that alters it
 *
 * usage: tamper_proxy UPSTREAM-PORT		prints "port N", the port that it listens on
 *
 * All is on the loopback, in one thread. It ends when its input does, so that it never outlives the
 * test.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy_link.h"
#include "util/clock.h"

#define LINKS_MAX 64
#define LISTEN_BACKLOG 64
#define INPUT_MAX 4096
/* While something is held back; else it waits for as long as it takes. */
#define POLL_HELD_MS 5
/* Standard input, the listening socket, then two for each connection. */
#define POLL_FIRST_LINK 2

struct proxy {
	int listen_fd;
	uint16_t upstream;
	struct tamper tamper;
	struct link *links[LINKS_MAX];
	size_t links_len;
	char input[INPUT_MAX];
	size_t input_len;
};

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* ---- Connections. ---- */

static void
proxy_listen(struct proxy *p)
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof at;

	p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->listen_fd < 0 || bind(p->listen_fd, (struct sockaddr *)&at, sizeof at) != 0 ||
	    listen(p->listen_fd, LISTEN_BACKLOG) != 0 ||
	    getsockname(p->listen_fd, (struct sockaddr *)&at, &len) != 0)
		die("tamper_proxy: listen");
	printf("port %u\n", ntohs(at.sin_port));
	fflush(stdout);
}

static int
proxy_connect(uint16_t port)
{
	struct sockaddr_in to = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
proxy_accept(struct proxy *p)
{
	int one = 1, server,
	    client = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client < 0)
		return;
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	server = p->links_len < LINKS_MAX ? proxy_connect(p->upstream) : -1;
	if (server < 0) {
		close(client);
		return;
	}
	p->links[p->links_len] = link_new(client, server);
	if (!p->links[p->links_len++])
		die("tamper_proxy: connection");
}

/* ---- Commands. ---- */

static void
proxy_add_rule(struct tamper *t, char *line)
{
	const char *problem = "too many rules";

	if (t->rules_len == RULES_MAX || !rule_parse(line, &t->rules[t->rules_len], &problem)) {
		printf("error: %s\n", problem);
		return;
	}
	t->rules_len++;
	puts("ok");
}

static void
proxy_show_fields(struct tamper *t)
{
	size_t i;

	printf("fields %zu\n", t->fields_len);
	for (i = 0; i < t->fields_len; i++)
		puts(t->fields[i]);
	tamper_forget_fields(t);
}

static void
proxy_command(struct proxy *p, char *line)
{
	if (strcmp(line, "hits") == 0) {
		printf("hits %lu\n", p->tamper.hits);
	} else if (strcmp(line, "fields") == 0) {
		proxy_show_fields(&p->tamper);
	} else if (strcmp(line, "clear") == 0) {
		tamper_clear(&p->tamper);
		puts("ok");
	} else if (strcmp(line, "remember") == 0) {
		tamper_remember(&p->tamper);
		puts("ok");
	} else if (strncmp(line, "upstream ", strlen("upstream ")) == 0) {
		p->upstream = (uint16_t)strtoul(line + strlen("upstream "), NULL, 10);
		puts("ok");
	} else {
		proxy_add_rule(&p->tamper, line);
	}
	fflush(stdout);
}

/* Reads commands; false when there will be none any more. */
static bool
proxy_input(struct proxy *p)
{
	ssize_t n = read(STDIN_FILENO, p->input + p->input_len, sizeof p->input - p->input_len);
	char *line = p->input, *end;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	p->input_len += (size_t)n;
	while ((end = memchr(line, '\n', p->input_len - (size_t)(line - p->input)))) {
		*end = 0;
		proxy_command(p, line);
		line = end + 1;
	}
	p->input_len -= (size_t)(line - p->input);
	memmove(p->input, line, p->input_len);
	return p->input_len < sizeof p->input;
}

/* ---- The loop. ---- */

static bool
proxy_holds_back(const struct proxy *p, int64_t now_ms)
{
	size_t i;

	for (i = 0; i < p->links_len; i++)
		if (p->links[i]->hold_until_ms > now_ms && p->links[i]->hold_until_ms != INT64_MAX)
			return true;
	return false;
}

static void
proxy_run_links(struct proxy *p, const struct pollfd *polled, int64_t now_ms)
{
	size_t i, n = p->links_len, kept = 0;

	for (i = 0; i < n; i++) {
		struct link *l = p->links[i];

		link_run(l, &p->tamper, now_ms, polled + 2 * i);
		if (l->is_over)
			link_free(l);
		else
			p->links[kept++] = l;
	}
	p->links_len = kept;
}

static bool
proxy_turn(struct proxy *p)
{
	struct pollfd fds[POLL_FIRST_LINK + 2 * LINKS_MAX] = {
	    {.fd = STDIN_FILENO, .events = POLLIN}, {.fd = p->listen_fd, .events = POLLIN}};
	int64_t now_ms = clock_monotonic_ns() / CLOCK_NS_PER_MS;
	size_t i;

	for (i = 0; i < p->links_len; i++)
		link_poll(p->links[i], now_ms, fds + POLL_FIRST_LINK + 2 * i);
	if (poll(fds, POLL_FIRST_LINK + 2 * p->links_len,
		proxy_holds_back(p, now_ms) ? POLL_HELD_MS : -1) < 0)
		return errno == EINTR;
	if (fds[0].revents && !proxy_input(p))
		return false;
	proxy_run_links(p, fds + POLL_FIRST_LINK, clock_monotonic_ns() / CLOCK_NS_PER_MS);
	if (fds[1].revents)
		proxy_accept(p);
	return true;
}

int
main(int argc, char **argv)
{
	static struct proxy p;

	if (argc != 2) {
		fprintf(stderr, "usage: tamper_proxy UPSTREAM-PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	p.upstream = (uint16_t)strtoul(argv[1], NULL, 10);
	proxy_listen(&p);
	while (proxy_turn(&p))
		continue;
	while (p.links_len > 0)
		link_free(p.links[--p.links_len]);
	tamper_free(&p.tamper);
	return 0;
}
