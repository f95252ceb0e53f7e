/*
 * The pump of TLS. First byte: 0 the input is what a server hears first, 1 what a client does, 2
 * what a server hears once a handshake is complete. Second byte: how many bytes at a time, less
 * one. Nothing that was not encrypted for us comes out as plaintext, and what we say to it is
 * bounded.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"
#include "tls/tls.h"

#define PATH_BYTES 256

static struct tls_context *server, *client;

/* Contexts of a certificate made for this process; the files are gone at once. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char dir[] = "/tmp/tls_fuzz.XXXXXX", certificate[PATH_BYTES], key[PATH_BYTES];
	struct tls_files files = {.side = TLS_SERVER, .certificate = certificate, .key = key};

	(void)argc;
	(void)argv;
	fuzz_quiet();
	assert(mkdtemp(dir));
	snprintf(certificate, sizeof certificate, "%s/own.pem", dir);
	snprintf(key, sizeof key, "%s/own.key", dir);
	assert(tls_make_certificate(certificate, key, 1) == IM_OK);
	assert(tls_context_new(&files, &server) == IM_OK);
	files = (struct tls_files){.side = TLS_CLIENT, .authorities = certificate};
	assert(tls_context_new(&files, &client) == IM_OK);
	unlink(certificate);
	unlink(key);
	rmdir(dir);
	return 0;
}

/* Carries what one end says to the other. */
static void
carry(struct tls_conn *from, struct tls_conn *to)
{
	struct buf *out = tls_conn_output(from);
	struct bytes in = buf_bytes(out);
	uint8_t plain[64];
	size_t len;

	assert(tls_conn_receive(to, &in, plain, sizeof plain, &len) == IM_OK);
	assert(len == 0 && in.len == 0);
	buf_clear(out);
}

/* A server whose handshake with an honest client is complete. */
static struct tls_conn *
established(void)
{
	struct tls_conn *honest, *t;

	assert(tls_conn_new(client, "localhost", &honest) == IM_OK);
	assert(tls_conn_new(server, NULL, &t) == IM_OK);
	assert(tls_conn_start(honest) == IM_OK);
	while (!tls_conn_is_established(t)) {
		carry(honest, t);
		carry(t, honest);
	}
	tls_conn_free(honest);
	return t;
}

static struct tls_conn *
begin(unsigned kind)
{
	struct tls_conn *t;

	if (kind == 2)
		return established();
	assert(
	    tls_conn_new(kind == 1 ? client : server, kind == 1 ? "localhost" : NULL, &t) == IM_OK);
	assert(tls_conn_start(t) == IM_OK);
	buf_clear(tls_conn_output(t));
	return t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size), part;
	unsigned kind = (unsigned)fuzz_number(&in, 1) % 3;
	size_t step = (size_t)fuzz_number(&in, 1) + 1, len;
	struct tls_conn *t = begin(kind);
	enum im_err err = IM_OK;
	uint8_t plain[64];

	while (in.len > 0 && err == IM_OK && !tls_conn_is_closed(t)) {
		part = fuzz_take(&in, step);
		err = tls_conn_receive(t, &part, plain, sizeof plain, &len);
		assert(len == 0);
		assert(err == IM_OK || err == IM_ERR_TLS);
		assert(err != IM_OK || part.len == 0);
		assert(tls_conn_output(t)->len <= TLS_REPLIES_MAX + step);
	}
	assert(kind == 2 || !tls_conn_is_established(t));
	assert(!tls_conn_is_closed(t));
	assert(!tls_conn_has_plaintext(t));
	if (err == IM_OK && (kind != 2 || tls_conn_is_mid_record(t)))
		assert(tls_conn_end(t) == IM_ERR_TLS);
	tls_conn_free(t);
	return 0;
}
