/*
 * SHA-256: picks an implementation of hash_impl.h at first use and hands everything to it.
 *
 * Invariant: chosen is NULL until the first use, then always a usable implementation. Two threads
 * that race at first use choose the same one.
 */
#include "crypto/hash.h"

#include <stdatomic.h>

#include "crypto/hash_impl.h"

static _Atomic(const struct hash_impl *) chosen;

static const struct hash_impl *
hash_impl_best(void)
{
#ifdef __x86_64__
	if (hash_impl_shani.usable())
		return &hash_impl_shani;
#endif
	return &hash_impl_openssl;
}

static const struct hash_impl *
hash_impl_get(void)
{
	const struct hash_impl *impl = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (!impl) {
		impl = hash_impl_best();
		atomic_store_explicit(&chosen, impl, memory_order_relaxed);
	}
	return impl;
}

bool
hash_path_use(enum hash_path path)
{
	const struct hash_impl *impl = NULL;

	switch (path) {
	case HASH_PATH_AUTO:
		impl = hash_impl_best();
		break;
	case HASH_PATH_OPENSSL:
		impl = &hash_impl_openssl;
		break;
	case HASH_PATH_SHANI:
#ifdef __x86_64__
		impl = &hash_impl_shani;
#endif
		break;
	}
	if (!impl || !impl->usable())
		return false;
	atomic_store_explicit(&chosen, impl, memory_order_relaxed);
	return true;
}

const char *
hash_path_name(void)
{
	return hash_impl_get()->name;
}

struct hash
hash_empty(void)
{
	return (struct hash){{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
	    0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4,
	    0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}};
}

void
hash_sha256(struct bytes msg, struct hash *out)
{
	hash_impl_get()->parts(&msg, 1, out);
}

void
hash_parts(const struct bytes *parts, size_t n, struct hash *out)
{
	hash_impl_get()->parts(parts, n, out);
}

void
hash_many(const struct bytes *msgs, size_t n, struct hash *out)
{
	hash_impl_get()->many(msgs, n, out);
}

void
hash_leaf(const struct hash *in, struct hash *out)
{
	hash_impl_get()->leaves(in, 1, out);
}

void
hash_node(const struct hash *left, const struct hash *right, struct hash *out)
{
	struct hash pair[2] = {*left, *right};

	hash_impl_get()->pairs(pair, 1, out);
}

void
hash_leaves(const struct hash *in, size_t n, struct hash *out)
{
	hash_impl_get()->leaves(in, n, out);
}

void
hash_pairs(const struct hash *in, size_t npairs, struct hash *out)
{
	hash_impl_get()->pairs(in, npairs, out);
}
