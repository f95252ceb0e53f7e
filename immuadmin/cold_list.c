/* The lists of a manifest: files and states of databases. Neighbour: cold_manifest.c, the text. */
#include <inttypes.h>
#include <stdlib.h>

#include "cold_manifest.h"

#define FIRST_ROOM 64u
/* Names of all files, and what blocks round up to. */
#define NAMES_BYTES_MAX (512u * 1024 * 1024)

/*
 * Room for one more item of a list, at most max; returns where the items are then, NULL on failure.
 */
static void *
make_room(void *items, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : FIRST_ROOM;
	void *moved;

	if (count < *room)
		return items;
	moved = reallocarray(items, more, size);
	if (moved)
		*room = more;
	return moved;
}

void
cold_list_init(struct cold_list *l)
{
	*l = (struct cold_list){0};
	arena_init(&l->names, NAMES_BYTES_MAX);
}

void
cold_list_free(struct cold_list *l)
{
	free(l->items);
	arena_free(&l->names);
	cold_list_init(l);
}

enum im_err
cold_list_add(struct cold_list *l, const struct cold_file *file)
{
	struct cold_file *items;
	struct cold_file copy = *file;

	if (l->count == COLD_FILES_MAX)
		return err_set(IM_ERR_LIMIT, "more than %u files in a backup", COLD_FILES_MAX);
	items = (struct cold_file *)make_room(l->items, l->count, &l->room, sizeof *items);
	if (!items)
		return IM_ERR_NOMEM;
	l->items = items;
	copy.path = arena_str(&l->names, bytes_str(file->path));
	if (!copy.path)
		return IM_ERR_NOMEM;
	items[l->count++] = copy;
	return IM_OK;
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct cold_file *)a)->path, ((const struct cold_file *)b)->path);
}

enum im_err
cold_list_sort(struct cold_list *l)
{
	char shown[COLD_NAME_SHOWN];

	if (l->count)
		qsort(l->items, l->count, sizeof *l->items, compare_paths);
	for (size_t i = 1; i < l->count; i++)
		if (strcmp(l->items[i - 1].path, l->items[i].path) == 0)
			return err_set(IM_ERR_FORMAT, "%s is in the backup twice",
			    cold_name_show(bytes_str(l->items[i].path), shown));
	return IM_OK;
}

/* ---- States ---- */

void
cold_states_free(struct cold_states *s)
{
	free(s->items);
	*s = (struct cold_states){0};
}

/* A database is a folder of this name, and a word of a line. */
static bool
is_database_name(const char *name)
{
	if (!name[0] || name[0] == '.')
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == '/' || *name == 0x7f)
			return false;
	return true;
}

enum im_err
cold_states_add(struct cold_states *s, const struct cold_state *state)
{
	struct cold_state *items;

	if (!is_database_name(state->database))
		return err_set(IM_ERR_FORMAT, "a database without a proper name");
	if (s->count == COLD_STATES_MAX)
		return err_set(IM_ERR_LIMIT, "more than %u databases in a backup", COLD_STATES_MAX);
	items = (struct cold_state *)make_room(s->items, s->count, &s->room, sizeof *items);
	if (!items)
		return IM_ERR_NOMEM;
	s->items = items;
	items[s->count++] = *state;
	return IM_OK;
}

static const struct cold_state *
find_state(const struct cold_states *s, const char *database)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].database, database) == 0)
			return &s->items[i];
	return NULL;
}

static bool
is_same(const struct cold_state *a, const struct cold_state *b)
{
	return a->tx == b->tx && hash_equal(&a->alh, &b->alh);
}

void
cold_states_sign(struct cold_states *s, const struct cold_states *signed_states)
{
	for (size_t i = 0; i < s->count; i++) {
		struct cold_state *to = &s->items[i];
		const struct cold_state *from = find_state(signed_states, to->database);

		if (!from || !is_same(from, to))
			continue;
		memcpy(to->signature, from->signature, from->signature_len);
		to->signature_len = from->signature_len;
	}
}

enum im_err
cold_states_check(const struct cold_states *s, const struct sign_public_key *key)
{
	enum im_err err = IM_OK;

	for (size_t i = 0; err == IM_OK && i < s->count; i++) {
		const struct cold_state *is = &s->items[i];
		struct sign_state state = {bytes_str(is->database), is->tx, is->alh};

		if (is->signature_len == 0)
			return err_set(IM_ERR_SIGNATURE_MISSING,
			    "the state of database %s in the backup is not signed", is->database);
		err = sign_check(key, &state, bytes_of(is->signature, is->signature_len));
		if (err == IM_ERR_SIGNATURE)
			err = err_set(err,
			    "the state of database %s in the backup is not signed by that key",
			    is->database);
	}
	return err;
}

enum im_err
cold_states_compare(const struct cold_states *written, const struct cold_states *found)
{
	for (size_t i = 0; i < written->count; i++) {
		const struct cold_state *want = &written->items[i];
		const struct cold_state *is = find_state(found, want->database);

		if (!is)
			return err_set(IM_ERR_PROOF, "database %s is missing", want->database);
		if (!is_same(is, want))
			return err_set(IM_ERR_PROOF,
			    "database %s is not as it was saved: transaction %" PRIu64
			    " instead of %" PRIu64 "%s",
			    want->database, is->tx, want->tx,
			    is->tx == want->tx ? ", with another hash" : "");
	}
	for (size_t i = 0; i < found->count; i++)
		if (!find_state(written, found->items[i].database))
			return err_set(IM_ERR_PROOF, "database %s was not there when it was saved",
			    found->items[i].database);
	if (written->server[0] && strcmp(written->server, found->server) != 0)
		return err_set(IM_ERR_PROOF, "the backup is of server %s, its files are of %s",
		    written->server, found->server[0] ? found->server : "none");
	return IM_OK;
}
