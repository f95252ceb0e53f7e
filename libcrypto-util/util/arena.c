/*
 * Memory of one request: a chain of blocks that grow with use.
 *
 * Invariants: next points left free bytes of blocks[0]; used is the sum of all block sizes and
 * never passes cap; a request larger than a block gets a block of its own behind the newest one,
 * so that the free space of the newest is not lost.
 */
#include "util/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define ARENA_FIRST_BLOCK 4096u
#define ARENA_MAX_BLOCK (256u * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size;
	alignas(max_align_t) uint8_t data[];
};

void
arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena){.cap = cap};
}

void
arena_free(struct arena *a)
{
	struct arena_block *b = a->blocks, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	arena_init(a, a->cap);
}

void
arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->blocks; b; b = b->next)
		explicit_bzero(b->data, b->size);
	arena_free(a);
}

void
arena_reset(struct arena *a, size_t keep)
{
	struct arena_block *b = a->blocks, *next, *kept = NULL;

	for (; b; b = next) {
		next = b->next;
		if (!kept && b->size <= keep)
			kept = b;
		else
			free(b);
	}
	arena_init(a, a->cap);
	if (!kept)
		return;
	kept->next = NULL;
	a->blocks = kept;
	a->next = kept->data;
	a->left = a->used = kept->size;
}

struct arena_mark
arena_mark(const struct arena *a)
{
	return (struct arena_mark){a->blocks, a->blocks ? a->blocks->next : NULL, a->next, a->left};
}

/* Frees the blocks from b to before end. */
static void
arena_release(struct arena *a, struct arena_block *b, const struct arena_block *end)
{
	struct arena_block *next;

	for (; b != end; b = next) {
		next = b->next;
		a->used -= b->size;
		free(b);
	}
}

void
arena_rewind(struct arena *a, const struct arena_mark *mark)
{
	arena_release(a, a->blocks, mark->newest);
	a->blocks = mark->newest;
	if (a->blocks) {
		/* Blocks of their own were put in behind it. */
		arena_release(a, a->blocks->next, mark->behind);
		a->blocks->next = mark->behind;
	}
	a->next = mark->next;
	a->left = mark->left;
}

static struct arena_block *
arena_block_new(struct arena *a, size_t size)
{
	struct arena_block *b;

	if (size > a->cap - a->used)
		return NULL;
	b = (struct arena_block *)malloc(sizeof *b + size);
	if (!b)
		return NULL;
	b->size = size;
	a->used += size;
	return b;
}

static size_t
arena_block_size(const struct arena *a)
{
	size_t size = a->blocks ? a->blocks->size * 2 : ARENA_FIRST_BLOCK;
	size_t room = a->cap - a->used;

	size = size > ARENA_MAX_BLOCK ? ARENA_MAX_BLOCK : size;
	return size > room ? room : size;
}

static void *
arena_alloc_large(struct arena *a, size_t n)
{
	struct arena_block *b = arena_block_new(a, n);

	if (!b)
		return NULL;
	if (a->blocks) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b->next = NULL;
		a->blocks = b;
		a->left = 0;
	}
	return b->data;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b;
	void *p;

	if (n > SIZE_MAX - alignof(max_align_t))
		return NULL;
	n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (n == 0)
		n = alignof(max_align_t);
	if (n > a->left) {
		size_t size = arena_block_size(a) & ~(alignof(max_align_t) - 1);

		if (n > size / 4)
			return arena_alloc_large(a, n);
		b = arena_block_new(a, size);
		if (!b)
			return NULL;
		b->next = a->blocks;
		a->blocks = b;
		a->next = b->data;
		a->left = size;
	}
	p = a->next;
	a->next += n;
	a->left -= n;
	return p;
}

void *
arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t n;
	void *p;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	p = arena_alloc(a, n);
	if (p)
		memset(p, 0, n);
	return p;
}

struct bytes
arena_copy(struct arena *a, struct bytes v)
{
	uint8_t *p = v.len ? (uint8_t *)arena_alloc(a, v.len) : NULL;

	if (!p)
		return bytes_of(NULL, 0);
	memcpy(p, v.data, v.len);
	return bytes_of(p, v.len);
}

char *
arena_str(struct arena *a, struct bytes v)
{
	char *p = (char *)arena_alloc(a, v.len + 1);

	if (!p)
		return NULL;
	if (v.len)
		memcpy(p, v.data, v.len);
	p[v.len] = '\0';
	return p;
}
