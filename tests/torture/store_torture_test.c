/*
 * The engine without memory: one scene per way of using it. Each call that asks for memory fails in
 * turn; the call of the engine in which that happens says so and may be made again, and afterwards
 * the database holds exactly what was acknowledged.
 *
 * Neighbours: torture_run.c runs the scenes; store/store.h is what is tested.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"
#include "torture_run.h"
#include "util/log.h"

#define TXS 24u
#define ARENA_MAX (16u << 20)
#define KEY_MAX 32
#define VALUE_MAX 9000u
/* Few, so that runs are written and merged within the scene. */
#define CHECKPOINT_ENTRIES 16u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A database and what it acknowledged. */
struct scene {
	const char *dir;
	struct store *store;
	struct hash alhs[4 * TXS + 1];
	uint64_t acked;
	bool wrong;
};

/* What may come of a call while memory is short. */
static bool
is_clean(enum im_err err)
{
	return err == IM_OK || err == IM_ERR_NOMEM;
}

static bool
complain(struct scene *s, const char *what, enum im_err err)
{
	fprintf(stderr, "%s: %s: %s\n", what, err_name(err), err_detail(err));
	s->wrong = true;
	return false;
}

/* Judges a call; true when it is to be made again: a single failure is over by now. */
static bool
try_again(struct scene *s, const char *what, enum im_err err, unsigned tries)
{
	if (!is_clean(err) || (err != IM_OK && tries > 0 && !torture_lasts())) {
		complain(s, what, err);
		return false;
	}
	return err != IM_OK && tries == 0 && !torture_lasts();
}

static void
end_process(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "fatal: %s\n", text);
	_Exit(9);
}

static bool
open_store(struct scene *s)
{
	struct store_options options = {.dir = s->dir,
	    .name = "torture",
	    .header_version = 1,
	    .checkpoint_entries = CHECKPOINT_ENTRIES,
	    .fatal = end_process};
	unsigned tries = 0;
	enum im_err err;

	do
		err = store_open(&options, &s->store);
	while (try_again(s, "open", err, tries++));
	return err == IM_OK;
}

/* ---- Writing ---- */

/* What transaction number i of the scene writes. */
struct content {
	uint8_t keys[3][KEY_MAX];
	uint8_t value[VALUE_MAX];
	struct store_entry entries[3];
	struct store_condition conditions[2];
	struct store_write write;
};

static struct bytes
content_key(uint8_t key[KEY_MAX], uint64_t i, unsigned e)
{
	int n = snprintf((char *)key + 1, KEY_MAX - 1, "key-%llu-%u", (unsigned long long)i % 7, e);

	key[0] = 0;
	return bytes_of(key, (size_t)n + 1);
}

static void
content_make(struct content *c, uint64_t i)
{
	memset(c, 0, sizeof *c);
	memset(c->value + 1, (int)('a' + i % 26), sizeof c->value - 1);
	for (unsigned e = 0; e < COUNT(c->entries); e++) {
		c->entries[e].key = content_key(c->keys[e], i, e);
		c->entries[e].value = bytes_of(c->value, e == 0 ? sizeof c->value - i : 20 + i);
	}
	c->entries[1].metadata.deleted = i % 5 == 4;
	if (c->entries[1].metadata.deleted)
		c->entries[1].value = (struct bytes){NULL, 0};
	if (i % 3 == 1)
		c->entries[2].bind = STORE_BIND_VALUE;
	c->entries[2].metadata.has_expiry = i % 6 == 2;
	c->entries[2].metadata.expires_at = 1;
	/* Key 0 is there from transaction 7 on, and no key has another prefix. */
	c->conditions[0] =
	    (struct store_condition){.kind = STORE_KEY_MUST_NOT_EXIST, .key = bytes_str("absent")};
	c->conditions[1] = (struct store_condition){
	    .kind = i > 7 ? STORE_KEY_MUST_EXIST : STORE_KEY_NOT_MODIFIED_AFTER_TX,
	    .key = c->entries[0].key,
	    .tx = i > 7 ? 0 : 1000};
	c->write = (struct store_write){.entries = c->entries,
	    .nentries = COUNT(c->entries),
	    .conditions = c->conditions,
	    .nconditions = i % 2 ? COUNT(c->conditions) : 0};
}

static void
write_one(struct scene *s, uint64_t i)
{
	static struct content c;
	struct arena arena;
	unsigned tries = 0;
	enum im_err err;

	arena_init(&arena, ARENA_MAX);
	do {
		arena_free(&arena);
		content_make(&c, i);
		c.write.arena = &arena;
		err = store_write_wait(s->store, &c.write);
		if (err == IM_OK) {
			if (c.write.header.id != s->acked + 1)
				complain(s, "a write that was refused is there", err);
			s->acked = c.write.header.id;
			s->alhs[s->acked] = c.write.alh;
		}
	} while (try_again(s, "write", err, tries++));
	arena_free(&arena);
}

/* ---- Reading ---- */

static enum im_err
walk(struct store_cursor *c, struct arena *arena)
{
	struct store_value v;
	enum im_err err;

	do
		err = store_cursor_next(c, arena, &v);
	while (err == IM_OK);
	store_cursor_close(c);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
read_scan(struct scene *s, struct arena *arena)
{
	struct store_cursor *c;
	enum im_err err = store_scan(s->store, &(struct store_range){.desc = s->acked % 2}, &c);

	return err ? err : walk(c, arena);
}

static enum im_err
read_history(struct scene *s, struct arena *arena)
{
	uint8_t key[KEY_MAX];
	struct store_versions q = {.key = content_key(key, 1, 0)};
	struct store_cursor *c;
	enum im_err err = store_history(s->store, &q, &c);

	if (err == IM_ERR_KEY_NOT_FOUND)
		return IM_OK;
	return err ? err : walk(c, arena);
}

static enum im_err
read_key(struct scene *s, struct arena *arena, int64_t revision)
{
	uint8_t key[KEY_MAX];
	struct store_query q = {.key = content_key(key, 1, 0), .revision = revision};
	struct store_value v;
	enum im_err err = store_get(s->store, &q, arena, &v);

	return err == IM_ERR_KEY_NOT_FOUND || err == IM_ERR_REVISION ? IM_OK : err;
}

static enum im_err
read_newest(struct scene *s, struct arena *arena)
{
	return read_key(s, arena, 0);
}

static enum im_err
read_revision(struct scene *s, struct arena *arena)
{
	return read_key(s, arena, 2);
}

static enum im_err
read_tx(struct scene *s, struct arena *arena)
{
	struct store_tx tx;

	return s->acked ? store_read_tx(s->store, s->acked, 0, arena, &tx) : IM_OK;
}

static enum im_err
read_proof(struct scene *s, struct arena *arena)
{
	struct dual_proof proof;
	struct store_span span = {1, s->acked};

	return s->acked ? store_dual_proof(s->store, span, 0, arena, &proof) : IM_OK;
}

static enum im_err
read_check(struct scene *s, struct arena *arena)
{
	struct store_check check = {.from_tx = 1};
	enum im_err err = store_check(s->store, &check);

	(void)arena;
	return err == IM_OK && check.faults > 0 ? IM_ERR_DATA_LOSS : err;
}

static const struct {
	const char *name;
	enum im_err (*read)(struct scene *s, struct arena *arena);
} readers[] = {{"scan", read_scan}, {"history", read_history}, {"get", read_newest},
    {"get revision", read_revision}, {"read_tx", read_tx}, {"dual_proof", read_proof},
    {"check", read_check}};

static void
read_all(struct scene *s)
{
	for (size_t i = 0; i < COUNT(readers); i++) {
		struct arena arena;
		unsigned tries = 0;
		enum im_err err;

		arena_init(&arena, ARENA_MAX);
		do {
			arena_free(&arena);
			err = readers[i].read(s, &arena);
		} while (try_again(s, readers[i].name, err, tries++));
		arena_free(&arena);
	}
}

/* ---- What is left ---- */

static void
check_contents(struct scene *s)
{
	struct store_state state;
	struct store_stats stats;
	struct arena arena;
	struct store_tx tx;
	enum im_err err;

	store_state(s->store, &state);
	store_stats(s->store, &stats);
	if (state.tx != s->acked || stats.read_only)
		complain(s, stats.read_only ? "read-only" : "other transactions", IM_ERR_CORRUPT);
	for (uint64_t id = 1; id <= s->acked && !s->wrong; id++) {
		arena_init(&arena, ARENA_MAX);
		err = store_read_tx(s->store, id, 0, &arena, &tx);
		if (err != IM_OK || !hash_equal(&tx.alh, &s->alhs[id]))
			complain(s, "an acknowledged transaction", err);
		arena_free(&arena);
	}
}

/* With memory again: all of it is there, whole, and more can be written. */
static bool
check_rest(struct scene *s)
{
	torture_end();
	if (!open_store(s))
		return false;
	check_contents(s);
	read_all(s);
	write_one(s, 1);
	check_contents(s);
	store_close(s->store);
	return !s->wrong;
}

/* ---- Scenes ---- */

static void
work(struct scene *s)
{
	if (s->wrong || !open_store(s))
		return;
	for (uint64_t i = 1; i <= TXS && !s->wrong; i++) {
		write_one(s, i);
		if (i % 8 == 0)
			read_all(s);
	}
	store_close(s->store);
}

/* From nothing. */
static bool
run_new(const char *dir)
{
	char path[512];
	struct scene s = {.dir = path};

	snprintf(path, sizeof path, "%s/db", dir);
	torture_begin();
	work(&s);
	return !s.wrong && check_rest(&s);
}

/* A database that is there, with runs. */
static bool
run_again(const char *dir)
{
	char path[512];
	struct scene s = {.dir = path};

	snprintf(path, sizeof path, "%s/db", dir);
	work(&s);
	torture_begin();
	work(&s);
	return !s.wrong && check_rest(&s);
}

/* What is derived from the log is gone and is made anew. */
static bool
run_rebuild(const char *dir)
{
	char path[512], command[1200];
	struct scene s = {.dir = path};

	snprintf(path, sizeof path, "%s/db", dir);
	work(&s);
	snprintf(command, sizeof command,
	    "cd %s && ls -d */ * | grep -v -e log -e immudb | xargs rm -rf", path);
	if (s.wrong || system(command) != 0)
		return false;
	torture_begin();
	if (open_store(&s)) {
		read_all(&s);
		store_close(s.store);
	}
	return !s.wrong && check_rest(&s);
}

int
main(int argc, char **argv)
{
	static const struct torture_scene scenes[] = {
	    {"new", 40, run_new},
	    {"again", 40, run_again},
	    {"rebuild", 30, run_rebuild},
	};
	struct torture_control *page = torture_enter(argv);

	return page ? torture_run(scenes, COUNT(scenes), argc > 1 ? argv[1] : NULL, page) : 1;
}
