/*
 * SHA-256 in pieces, by OpenSSL. Neighbour: hash.h, for whole messages.
 *
 * Invariant: with a context that could be made, a digest of memory cannot fail; that it does is a
 * bug.
 */
#include "crypto/hash_stream.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct hash_stream {
	EVP_MD_CTX *context;
};

static void
hash_stream_begin(struct hash_stream *s)
{
	int done = EVP_DigestInit_ex(s->context, EVP_sha256(), NULL);

	assert(done == 1);
	(void)done;
}

struct hash_stream *
hash_stream_new(void)
{
	struct hash_stream *s = (struct hash_stream *)calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->context = EVP_MD_CTX_new();
	if (s->context) {
		hash_stream_begin(s);
		return s;
	}
	free(s);
	return NULL;
}

void
hash_stream_add(struct hash_stream *s, struct bytes piece)
{
	int done = EVP_DigestUpdate(s->context, piece.data, piece.len);

	assert(done == 1);
	(void)done;
}

void
hash_stream_end(struct hash_stream *s, struct hash *out)
{
	int done = EVP_DigestFinal_ex(s->context, out->b, NULL);

	assert(done == 1);
	(void)done;
	hash_stream_begin(s);
}

enum im_err
hash_stream_get(const struct hash_stream *s, struct hash *out)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool done = copy && EVP_MD_CTX_copy_ex(copy, s->context) == 1 &&
	    EVP_DigestFinal_ex(copy, out->b, NULL) == 1;

	EVP_MD_CTX_free(copy);
	return done ? IM_OK : err_set(IM_ERR_NOMEM, "%s", err_text(IM_ERR_NOMEM));
}

void
hash_stream_free(struct hash_stream *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->context);
	free(s);
}
