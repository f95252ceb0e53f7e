#ifndef FAKE_WORLD_H
#define FAKE_WORLD_H

/*
 * A client that is logged in to a fake_db over fake_wire.h, with a folder of its own for what it
 * trusts. A test fills the database between world_new() and world_connect().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_wire.h"
#include "temp_dir.h"

#define SERVER "c9b1p4a5gk3s0h9o1q20"
#define WIRE_ARENA_MAX (256u << 20)

struct world {
	struct fake_db db;
	char folder[TEMP_DIR_MAX];
	struct immu *c;
};

static inline struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	temp_dir_make(w->folder);
	fake_db_init(&w->db);
	return w;
}

/* The last step of a fixture that sets up. */
static inline int
world_connect(struct world *w, void **state)
{
	struct immu_options o = {.state_dir = w->folder};

	wire = (struct wire){.db = &w->db, .server_id = SERVER, .automatic = true};
	arena_init(&wire.arena, WIRE_ARENA_MAX);
	assert_int_equal(immu_connect(&o, &w->c), IM_OK);
	assert_int_equal(immu_login(w->c, "immudb", "immudb", NULL), IM_OK);
	*state = w;
	return 0;
}

/* Nothing may be under way any more. */
static inline int
world_free(void **state)
{
	struct world *w = *state;

	assert_int_equal(immu_in_flight(w->c), 0);
	wire.hook = NULL;
	wire.lie = NULL;
	assert_int_equal(immu_close(w->c), IM_OK);
	temp_dir_remove(w->folder);
	arena_free(&wire.arena);
	sign_private_key_free(w->db.key);
	fake_db_free(&w->db);
	free(w);
	return 0;
}

static inline bool
shows(struct immu_bytes b, const char *text)
{
	return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

#endif
