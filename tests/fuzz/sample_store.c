/*
 * The database that targets and seeds share. Its transactions have between them: one and several
 * entries, a value that is not stored inline, every kind of entry metadata, a reference, members of
 * a sorted set, an overwritten and a deleted key.
 */
#include "sample_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/rawkey.h"

#define LONG_VALUE 4200u
#define ENTRIES_MAX 4u
#define ARENA_MAX (4u << 20)
#define CHECKPOINT_ENTRIES 64u

static int64_t
fixed_clock(void *ctx)
{
	(void)ctx;
	return SAMPLE_NOW;
}

/* Files in memory never fail, so that the engine has no reason to give up. */
static void
never_fatal(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
	abort();
}

void
sample_store_options(struct memory_vfs *files, struct store_options *options)
{
	options->vfs = memory_vfs_table(files);
	options->now = fixed_clock;
	options->fatal = never_fatal;
	options->header_version = 1;
	options->checkpoint_entries = CHECKPOINT_ENTRIES;
}

void
sample_store_mark(struct memory_vfs *files, const char *folder)
{
	char path[128];
	int n = snprintf(path, sizeof path, "%s/%s", folder, STORE_MARKER_NAME);

	assert(n > 0 && n < (int)sizeof path);
	memory_vfs_put(files, path, bytes_str("immudb database\nformat 1\nid " SAMPLE_ID_HEX "\n"));
}

enum im_err
sample_store_open(struct memory_vfs *files, struct store **out)
{
	struct store_options options = {.dir = SAMPLE_FOLDER, .name = "fuzz"};

	sample_store_mark(files, SAMPLE_FOLDER);
	sample_store_options(files, &options);
	return store_open(&options, out);
}

/* What a transaction is made of. */
struct sample {
	struct arena arena;
	struct store_entry entries[ENTRIES_MAX];
	size_t n;
};

static struct store_entry *
add_set(struct sample *s, const char *key, struct bytes value)
{
	struct store_entry *e = &s->entries[s->n++];

	*e = (struct store_entry){.bind = STORE_BIND_NONE};
	assert(raw_key_make(&s->arena, bytes_str(key), &e->key) == IM_OK);
	assert(raw_value_make(&s->arena, value, &e->value) == IM_OK);
	return e;
}

static void
add_reference(struct sample *s, const char *key, const char *target)
{
	struct store_entry *e = add_set(s, key, bytes_of("", 0));

	assert(raw_value_make_reference(&s->arena, bytes_str(target), 0, &e->value) == IM_OK);
}

static void
add_member(struct sample *s, double score, const char *key)
{
	struct zset_member member = {bytes_str("set"), score, bytes_str(key), 1};
	struct store_entry *e = &s->entries[s->n++];

	*e = (struct store_entry){.bind = STORE_BIND_NONE};
	assert(raw_key_make_zadd(&s->arena, &member, &e->key) == IM_OK);
}

/* The entries of transaction tx. */
static void
compose(struct sample *s, unsigned tx)
{
	uint8_t *text = arena_calloc(&s->arena, 1, LONG_VALUE);

	assert(text);
	memset(text, 'v', LONG_VALUE);
	switch (tx) {
	case 2:
		add_set(s, "k1", bytes_str("second"));
		add_set(s, "k2", bytes_str(""));
		add_set(s, "k3", bytes_str("three"));
		break;
	case 3:
		add_set(s, "long", bytes_of(text, LONG_VALUE));
		break;
	case 4:
		add_reference(s, "ref", "k1");
		break;
	case 5:
		add_member(s, 1.5, "k1");
		add_member(s, -2, "k2");
		break;
	case 6:
		add_set(s, "k2", bytes_str("gone"))->metadata.deleted = true;
		break;
	case 7:
		add_set(s, "later", bytes_str("expires"))->metadata =
		    (struct kv_metadata){.has_expiry = true, .expires_at = SAMPLE_NOW + 60};
		add_set(s, "never", bytes_str("hidden"))->metadata.non_indexable = true;
		break;
	default:
		add_set(s, "k1", bytes_of(text, tx));
		break;
	}
}

void
sample_store_fill(struct store *s, unsigned txs)
{
	for (unsigned tx = 1; tx <= txs; tx++) {
		struct sample sample = {.n = 0};
		struct store_write w = {.entries = sample.entries, .arena = &sample.arena};
		enum im_err err;

		arena_init(&sample.arena, ARENA_MAX);
		compose(&sample, tx);
		w.nentries = sample.n;
		err = store_write_wait(s, &w);
		assert(err == IM_OK && w.header.id == tx);
		arena_free(&sample.arena);
	}
}

enum im_err
sample_store_truth(struct arena *arena, struct store_tx truth[SAMPLE_TXS + 1])
{
	struct memory_vfs *files = memory_vfs_new();
	struct store *s;
	enum im_err err = sample_store_open(files, &s);

	if (!err) {
		sample_store_fill(s, SAMPLE_TXS);
		for (uint64_t tx = 1; tx <= SAMPLE_TXS && !err; tx++)
			err = store_read_tx(s, tx, 0, arena, &truth[tx]);
		store_close(s);
	}
	memory_vfs_free(files);
	return err;
}
