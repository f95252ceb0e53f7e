/*
 * The HTTP server of the tests of alerts. A socket of its own, so that what is tested is seen as
 * another implementation sees it. Invariant: the thread owns the connection; the list of requests
 * is under the lock.
 */
#include "webhook_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WEBHOOK_DAY_S 86400
#define WEBHOOK_PATH_MAX 256

struct webhook_server {
	int listen_fd, stop_fd;
	uint16_t port;
	SSL_CTX *tls;
	struct webhook_answer answers[WEBHOOK_ANSWERS_MAX];
	size_t answers_len, answered;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct webhook_request *requests;
	size_t len, connections;
};

struct connection {
	int fd;
	SSL *ssl;
};

/* Waits until a descriptor can be read; false when the server is to stop. */
static bool
wait_readable(const struct webhook_server *s, int fd)
{
	struct pollfd wait[2] = {
	    {.fd = fd, .events = POLLIN}, {.fd = s->stop_fd, .events = POLLIN}};

	while (poll(wait, 2, -1) < 0 && errno == EINTR)
		continue;
	return wait[1].revents == 0;
}

static ssize_t
connection_read(struct webhook_server *s, struct connection *c, char *to, size_t size)
{
	if ((!c->ssl || SSL_pending(c->ssl) == 0) && !wait_readable(s, c->fd))
		return -1;
	return c->ssl ? SSL_read(c->ssl, to, (int)size) : read(c->fd, to, size);
}

static void
connection_write(struct connection *c, const char *text)
{
	size_t len = strlen(text);

	if (c->ssl)
		(void)SSL_write(c->ssl, text, (int)len);
	else
		(void)send(c->fd, text, len, MSG_NOSIGNAL);
}

static size_t
body_length(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at ? (size_t)atol(at + strlen("\r\nContent-Length:")) : 0;
}

/* Reads one request; false when the connection ends before. */
static bool
read_request(struct webhook_server *s, struct connection *c, struct webhook_request *out)
{
	size_t len = 0, head, want;
	char *end = NULL;
	ssize_t n;

	memset(out, 0, sizeof *out);
	while (!end && len < sizeof out->head - 1) {
		n = connection_read(s, c, out->head + len, sizeof out->head - 1 - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		end = strstr(out->head, "\r\n\r\n");
	}
	head = end ? (size_t)(end - out->head) + 4 : len;
	want = body_length(out->head);
	memcpy(out->body, out->head + head, len - head);
	memset(out->head + head, 0, len - head);
	for (len -= head; len < want && len < sizeof out->body - 1; len += (size_t)n) {
		n = connection_read(s, c, out->body + len, sizeof out->body - 1 - len);
		if (n <= 0)
			return false;
	}
	return true;
}

static void
answer(struct webhook_server *s, struct connection *c)
{
	const struct webhook_answer *a = &s->answers[s->answered];
	char text[512], byte;

	if (s->answered + 1 < s->answers_len)
		s->answered++;
	if (a->status == 0) {
		/* Until the other side gives up. */
		(void)connection_read(s, c, &byte, 1);
		return;
	}
	snprintf(text, sizeof text, "HTTP/1.1 %d Test\r\n%s%sContent-Length: %d\r\n\r\n%s",
	    a->status, a->header ? a->header : "", a->header ? "\r\n" : "",
	    a->status == 204 ? 0 : 6, a->status == 204 ? "" : "answer");
	connection_write(c, text);
}

static void
serve(struct webhook_server *s, struct connection *c)
{
	struct webhook_request request;

	if (!read_request(s, c, &request))
		return;
	pthread_mutex_lock(&s->lock);
	if (s->len < WEBHOOK_REQUESTS_MAX)
		s->requests[s->len++] = request;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	answer(s, c);
}

static void
serve_connection(struct webhook_server *s, int fd)
{
	struct connection c = {fd, NULL};

	pthread_mutex_lock(&s->lock);
	s->connections++;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (s->tls) {
		c.ssl = SSL_new(s->tls);
		if (c.ssl && SSL_set_fd(c.ssl, fd) == 1 && SSL_accept(c.ssl) == 1)
			serve(s, &c);
		SSL_free(c.ssl);
	} else {
		serve(s, &c);
	}
	close(fd);
}

static void *
webhook_main(void *arg)
{
	struct webhook_server *s = (struct webhook_server *)arg;
	int fd;

	while (wait_readable(s, s->listen_fd)) {
		fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve_connection(s, fd);
	}
	return NULL;
}

/* A socket on a loopback port, 0 for a free one; *port is which. */
static int
bind_port(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t len = sizeof at;
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

int
webhook_reserve(uint16_t *port)
{
	*port = 0;
	return bind_port(port);
}

static SSL_CTX *
load_tls(const char *folder)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	char path[WEBHOOK_PATH_MAX];

	assert_non_null(tls);
	snprintf(path, sizeof path, "%s/cert.pem", folder);
	assert_int_equal(SSL_CTX_use_certificate_file(tls, path, SSL_FILETYPE_PEM), 1);
	snprintf(path, sizeof path, "%s/key.pem", folder);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM), 1);
	return tls;
}

struct webhook_server *
webhook_start(
    uint16_t port, const struct webhook_answer *answers, size_t answers_len, const char *tls_folder)
{
	struct webhook_server *s = (struct webhook_server *)calloc(1, sizeof *s);

	assert_non_null(s);
	assert_in_range(answers_len, 1, WEBHOOK_ANSWERS_MAX);
	memcpy(s->answers, answers, answers_len * sizeof *answers);
	s->answers_len = answers_len;
	s->requests = (struct webhook_request *)calloc(WEBHOOK_REQUESTS_MAX, sizeof *s->requests);
	assert_non_null(s->requests);
	s->tls = tls_folder ? load_tls(tls_folder) : NULL;
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(s->stop_fd >= 0);
	s->port = port;
	s->listen_fd = bind_port(&s->port);
	assert_int_equal(listen(s->listen_fd, 16), 0);
	assert_int_equal(pthread_mutex_init(&s->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&s->changed, NULL), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, webhook_main, s), 0);
	return s;
}

uint16_t
webhook_port(const struct webhook_server *s)
{
	return s->port;
}

const struct webhook_request *
webhook_await(struct webhook_server *s, size_t n)
{
	struct timespec end;
	int e = 0;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WEBHOOK_DEADLINE_MS / 1000;
	pthread_mutex_lock(&s->lock);
	while (!e && s->len <= n)
		e = pthread_cond_timedwait(&s->changed, &s->lock, &end);
	len = s->len;
	pthread_mutex_unlock(&s->lock);
	assert_true(len > n);
	return &s->requests[n];
}

size_t
webhook_count(struct webhook_server *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->len;
	pthread_mutex_unlock(&s->lock);
	return n;
}

size_t
webhook_connections(struct webhook_server *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->connections;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void
webhook_stop(struct webhook_server *s)
{
	uint64_t one = 1;

	assert_int_equal(write(s->stop_fd, &one, sizeof one), sizeof one);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	close(s->listen_fd);
	close(s->stop_fd);
	SSL_CTX_free(s->tls);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->requests);
	free(s);
}

static FILE *
create(const char *folder, const char *name)
{
	char path[WEBHOOK_PATH_MAX];
	FILE *to;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	to = fopen(path, "w");
	assert_non_null(to);
	return to;
}

void
webhook_make_certificate(const char *folder, const char *subject_alt_name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_EXTENSION *names =
	    X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, subject_alt_name);
	FILE *to;

	assert_non_null(key);
	assert_non_null(cert);
	assert_non_null(names);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -WEBHOOK_DAY_S));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), WEBHOOK_DAY_S));
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
			     (const unsigned char *)"test", -1, -1, 0),
	    1);
	assert_int_equal(X509_set_issuer_name(cert, X509_get_subject_name(cert)), 1);
	assert_int_equal(X509_add_ext(cert, names, -1), 1);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	to = create(folder, "key.pem");
	assert_int_equal(PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(to), 0);
	to = create(folder, "cert.pem");
	assert_int_equal(PEM_write_X509(to, cert), 1);
	assert_int_equal(fclose(to), 0);
	X509_EXTENSION_free(names);
	X509_free(cert);
	EVP_PKEY_free(key);
}
