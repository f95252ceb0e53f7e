#ifndef UTIL_ARENA_H
#define UTIL_ARENA_H

#include <stddef.h>

#include "util/bytes.h"

/*
 * Memory of one request: many small allocations, one release. A hard byte cap bounds what a hostile
 * message can make a decoder allocate. Not thread-safe; one owner at a time.
 */
struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	uint8_t *next;              /* free space of the newest block */
	size_t left;
	size_t used; /* bytes asked of the system, never above cap */
	size_t cap;
};

/* An empty arena that takes at most cap bytes from the system. Allocates nothing yet. */
void arena_init(struct arena *a, size_t cap);

/* Releases everything that came from the arena. It is empty and usable again with the same cap. */
void arena_free(struct arena *a);

/* Like arena_free(), and wipes the memory first; for secrets. */
void arena_wipe(struct arena *a);

/*
 * Empties the arena like arena_free() but keeps one block of at most keep bytes if it has one, so
 * that the next small use asks the system for nothing. Contents are gone.
 */
void arena_reset(struct arena *a, size_t keep);

/* A place in the life of an arena; only for arena_rewind(). */
struct arena_mark {
	struct arena_block *newest, *behind;
	uint8_t *next;
	size_t left;
};

/* What the arena holds now. */
struct arena_mark arena_mark(const struct arena *a);

/*
 * Releases everything that came from the arena since the mark was taken. Marks taken after it are
 * void; it may be used again.
 */
void arena_rewind(struct arena *a, const struct arena_mark *mark);

/* n bytes, aligned for any type, not cleared; NULL when memory or the cap is exhausted. */
void *arena_alloc(struct arena *a, size_t n);

/*
 * count objects of size bytes, cleared; NULL when memory or the cap is exhausted, or on overflow.
 */
void *arena_calloc(struct arena *a, size_t count, size_t size);

/* A copy of v inside the arena; data is NULL (and len 0) on exhaustion or when v is empty. */
struct bytes arena_copy(struct arena *a, struct bytes v);

/* A NUL-terminated copy of v inside the arena; NULL on exhaustion. */
char *arena_str(struct arena *a, struct bytes v);

#endif
