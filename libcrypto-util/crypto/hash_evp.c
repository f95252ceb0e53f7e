/*
 * SHA-256 by OpenSSL, for machines without SHA instructions.
 *
 * Fetching the algorithm and making a context cost several times what hashing a tree node does, so
 * the algorithm is fetched once a process and each thread keeps one context for its life. A process
 * that cannot have them cannot do anything useful and ends.
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash_impl.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t context_key;
static EVP_MD *algorithm;
static _Thread_local EVP_MD_CTX *context;

static void
die(const char *what)
{
	fprintf(stderr, "SHA-256 is not available: %s\n", what);
	abort();
}

static void
context_free(void *ctx)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)ctx);
	context = NULL;
}

static void
evp_init(void)
{
	algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!algorithm)
		die("OpenSSL has no SHA256");
	if (pthread_key_create(&context_key, context_free) != 0)
		die("no thread key");
}

static EVP_MD_CTX *
context_get(void)
{
	if (context)
		return context;
	pthread_once(&once, evp_init);
	context = EVP_MD_CTX_new();
	if (!context || pthread_setspecific(context_key, context) != 0)
		die("out of memory");
	return context;
}

static bool
evp_usable(void)
{
	return true;
}

static void
evp_parts(const struct bytes *parts, size_t n, struct hash *out)
{
	EVP_MD_CTX *ctx = context_get();
	int ok = EVP_DigestInit_ex2(ctx, algorithm, NULL);

	for (size_t i = 0; i < n && ok; i++)
		ok = parts[i].len == 0 || EVP_DigestUpdate(ctx, parts[i].data, parts[i].len);
	if (!ok || !EVP_DigestFinal_ex(ctx, out->b, NULL))
		die("OpenSSL failed");
}

static void
evp_many(const struct bytes *msgs, size_t n, struct hash *out)
{
	for (size_t i = 0; i < n; i++)
		evp_parts(&msgs[i], 1, &out[i]);
}

static void
evp_leaves(const struct hash *in, size_t n, struct hash *out)
{
	uint8_t msg[1 + HASH_SIZE] = {HASH_LEAF_PREFIX};
	struct bytes view = bytes_of(msg, sizeof msg);

	for (size_t i = 0; i < n; i++) {
		memcpy(msg + 1, in[i].b, HASH_SIZE);
		evp_parts(&view, 1, &out[i]);
	}
}

static void
evp_pairs(const struct hash *in, size_t npairs, struct hash *out)
{
	uint8_t msg[1 + 2 * HASH_SIZE] = {HASH_NODE_PREFIX};
	struct bytes view = bytes_of(msg, sizeof msg);

	for (size_t i = 0; i < npairs; i++) {
		memcpy(msg + 1, &in[2 * i], 2 * HASH_SIZE);
		evp_parts(&view, 1, &out[i]);
	}
}

const struct hash_impl hash_impl_evp = {
    .name = "openssl",
    .usable = evp_usable,
    .parts = evp_parts,
    .many = evp_many,
    .leaves = evp_leaves,
    .pairs = evp_pairs,
};
