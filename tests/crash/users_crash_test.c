/*
 * A process that changes users is killed again and again. After each start the metadata file and
 * the system database tell the same: every change that was made is in the journal once, under its
 * number, none that was not made is, and none that was acknowledged is lost.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "crypto/rawkey.h"
#include "meta/meta_change.h"
#include "scratch.h"
#include "server/journal.h"

#define KILLS 25
#define KILL_AFTER_MAX_US 100000
#define ARENA_MAX (16u << 20)

/* Shared with the child that is killed. */
struct progress {
	_Atomic uint64_t acknowledged; /* changes, counted from 1 */
	_Atomic bool is_busy;          /* this child has made one */
};

struct scene {
	char dir[SCRATCH_PATH_MAX];
	char database[SCRATCH_PATH_MAX + 16];
	struct progress *progress;
	struct meta *meta;
	struct store *store;
	struct journal *journal;
};

static bool
scene_fail(const char *what, uint64_t number)
{
	fprintf(stderr, "users_crash_test: %s (%" PRIu64 "): %s\n", what, number,
	    err_detail(IM_ERR_INTERNAL));
	return false;
}

static bool
scene_open(struct scene *s)
{
	struct store_options options = {.dir = s->database, .name = "systemdb"};

	if (meta_open(s->dir, &s->meta) != IM_OK || store_open(&options, &s->store) != IM_OK ||
	    journal_start(s->meta, s->store, &s->journal) != IM_OK)
		return scene_fail("cannot open", 0);
	return true;
}

static void
scene_close(struct scene *s)
{
	journal_stop(s->journal);
	store_close(s->store);
	meta_close(s->meta);
}

/* What change number i does: the first creates the user, the others move it between two levels. */
static enum meta_level
level_after(uint64_t i)
{
	return i % 2 ? META_LEVEL_READ : META_LEVEL_ADMIN;
}

static bool
scene_change(struct scene *s, uint64_t i)
{
	char detail[32];
	struct meta_action action = {.actor = "immudb", .action = "change", .detail = detail};
	struct meta_change change = {.kind = i == 1 ? META_CHANGE_CREATE : META_CHANGE_GRANT,
	    .user = "alice",
	    .database = META_ALL_DATABASES,
	    .level = level_after(i),
	    .hash = "none",
	    .active = true,
	    .created_by = "immudb",
	    .action = &action};

	snprintf(detail, sizeof detail, "change %" PRIu64 ".", i);
	if (meta_user_change(s->meta, &change) != IM_OK)
		return scene_fail("change failed", i);
	atomic_store(&s->progress->acknowledged, i);
	atomic_store(&s->progress->is_busy, true);
	journal_wake(s->journal);
	return true;
}

/* The child: changes until it is killed. */
static int
scene_work(struct scene *s)
{
	uint64_t i = atomic_load(&s->progress->acknowledged) + 1;

	if (!scene_open(s))
		return 1;
	while (scene_change(s, i))
		i++;
	return 1;
}

/* Whether the row of that number is there; *right: and tells of that change. */
static bool
scene_row(struct scene *s, uint64_t number, bool *right)
{
	char key[64], part[48];
	struct store_query q = {0};
	struct store_value v;
	struct arena a;
	bool found;

	snprintf(key, sizeof key, JOURNAL_KEY_PREFIX "%020" PRIu64, number);
	snprintf(part, sizeof part, "\"detail\":\"change %" PRIu64 ".\"", number);
	arena_init(&a, ARENA_MAX);
	found = raw_key_make(&a, bytes_str(key), &q.key) == IM_OK &&
	    store_get(s->store, &q, &a, &v) == IM_OK;
	*right = found && memmem(v.value.data, v.value.len, part, strlen(part));
	arena_free(&a);
	return found;
}

/* After a start: both sides agree, from row from on. *last is the number of changes made. */
static bool
scene_check(struct scene *s, uint64_t from, uint64_t *last)
{
	uint64_t acknowledged = atomic_load(&s->progress->acknowledged), n = from;
	enum meta_level level = META_LEVEL_NONE;
	bool right;

	if (!scene_open(s))
		return false;
	if (journal_flush(s->journal) != IM_OK)
		return scene_fail("not copied", 0);
	while (scene_row(s, n, &right)) {
		if (!right)
			return scene_fail("a row tells of another change", n);
		n++;
	}
	*last = n - 1;
	if (*last < acknowledged || *last > acknowledged + 1)
		return scene_fail("rows are missing or too many", *last);
	if (meta_permission(s->meta, "alice", "any", &level) != IM_OK ||
	    level != (*last ? level_after(*last) : META_LEVEL_NONE))
		return scene_fail("the journal tells of another level", *last);
	scene_close(s);
	return true;
}

/* A child that is killed at a random moment, every other one after its first change. */
static bool
scene_kill(struct scene *s, unsigned kill_number, uint64_t *random)
{
	bool started;
	pid_t child;

	atomic_store(&s->progress->is_busy, false);
	child = scratch_fork();
	if (child < 0)
		return scene_fail("cannot fork", kill_number);
	if (child == 0)
		_exit(scene_work(s));
	started = kill_number % 2 || scratch_await(child, &s->progress->is_busy);
	return (scratch_kill_after(child, KILL_AFTER_MAX_US, random) != 1 && started) ||
	    scene_fail("the child failed", kill_number);
}

static bool
scene_run(struct scene *s)
{
	uint64_t random = (uint64_t)time(NULL), last = 0;
	unsigned kills = scratch_kills(KILLS);

	for (unsigned i = 0; i < kills; i++) {
		if (!scene_kill(s, i, &random) || !scene_check(s, last + 1, &last))
			return false;
		atomic_store(&s->progress->acknowledged, last);
	}
	printf("%" PRIu64 " changes, %u kills\n", last, kills);
	return last > 0 ? true : scene_fail("nothing was changed", 0);
}

int
main(void)
{
	struct scene s = {.progress = mmap(NULL, sizeof *s.progress, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
	bool good;

	if (s.progress == MAP_FAILED || !scratch_make(s.dir))
		return EXIT_FAILURE;
	snprintf(s.database, sizeof s.database, "%s/systemdb", s.dir);
	good = scene_run(&s);
	if (good)
		scratch_remove(s.dir);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
