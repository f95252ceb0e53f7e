/*
 * The databases of a round. audit.c puts in what the server lists and what is trusted, and walks
 * what is left.
 */
#include "selection.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"

/* How much of a list of names a message shows. */
#define NAMES_SHOWN_MAX 512

bool
selection_accepts(const char *const *filters, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++)
		if (strncmp(name, filters[i], strlen(filters[i])) == 0)
			return true;
	return len == 0;
}

/* Where a name stands or belongs. */
static size_t
find(const struct selection *s, const char *name)
{
	size_t low = 0, high = s->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s->items[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
selection_has(const struct selection *s, const char *name)
{
	size_t at = find(s, name);

	return at < s->len && strcmp(s->items[at].name, name) == 0;
}

static bool
grow(struct selection *s)
{
	size_t cap = s->cap ? 2 * s->cap : 16;
	struct selection_item *items = realloc(s->items, cap * sizeof *items);

	if (!items)
		return false;
	s->items = items;
	s->cap = cap;
	return true;
}

enum im_err
selection_add(struct selection *s, const char *name)
{
	size_t len = strlen(name), at = find(s, name);

	if (len == 0 || len > REPORT_NAME_MAX)
		return IM_OK;
	if (at < s->len && strcmp(s->items[at].name, name) == 0)
		return IM_OK;
	if (s->len == SELECTION_MAX)
		return err_set(IM_ERR_LIMIT, "more than %d databases", SELECTION_MAX);
	if (s->len == s->cap && !grow(s))
		return err_set(IM_ERR_NOMEM, "out of memory");
	memmove(&s->items[at + 1], &s->items[at], (s->len - at) * sizeof *s->items);
	memcpy(s->items[at].name, name, len + 1);
	s->len++;
	return IM_OK;
}

/* "; there are: a, b", or that there are none. */
static void
append_names(const struct selection *s, struct buf *out)
{
	if (s->len == 0)
		buf_append_str(out, "; there are no databases that the user may read");
	for (size_t i = 0; i < s->len && out->len < NAMES_SHOWN_MAX - REPORT_NAME_MAX; i++)
		buf_printf(out, "%s%s", i == 0 ? "; there are: " : ", ", s->items[i].name);
	buf_append_u8(out, '\0');
}

/* The first filter that selects none of them; NULL when each selects some. */
static const char *
idle_filter(const struct selection *s, const char *const *filters, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool selects = false;

		for (size_t k = 0; k < s->len && !selects; k++)
			selects = selection_accepts(&filters[i], 1, s->items[k].name);
		if (!selects)
			return filters[i];
	}
	return NULL;
}

enum im_err
selection_apply(struct selection *s, const char *const *filters, size_t len)
{
	const char *idle = idle_filter(s, filters, len);
	char memory[NAMES_SHOWN_MAX];
	enum im_err err = IM_OK;
	struct buf names;
	size_t kept = 0;

	buf_init_in(&names, memory, sizeof memory);
	append_names(s, &names);
	if (idle)
		err = err_set(
		    IM_ERR_NOT_FOUND, "no database is called %s or begins with it%s", idle, memory);
	else if (s->len == 0)
		err = err_set(IM_ERR_NOT_FOUND, "no databases to audit%s", memory);
	for (size_t i = 0; i < s->len; i++)
		if (selection_accepts(filters, len, s->items[i].name))
			s->items[kept++] = s->items[i];
	s->len = kept;
	return err;
}

void
selection_free(struct selection *s)
{
	free(s->items);
	*s = (struct selection){0};
}
