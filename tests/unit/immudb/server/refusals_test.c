/*
 * What is refused to clients, with which words and which status: logins, sessions, the choice of a
 * database, and names of databases; users_test.c has what is about users. And two administrators
 * who change one user at the same time.
 */
#include "user_calls.h"

#include <pthread.h>

#include "util/clock.h"

#define DEADLINE_S 60
#define CHANGES 20

static void
refusals_of_logins(void **state)
{
	struct fixture *f = *state;

	refused(login(f, "nobody", "x"), CREDENTIALS, PERMISSION_DENIED,
	    "invalid user name or password");
	refused(login(f, "immudb", "x"), CREDENTIALS, PERMISSION_DENIED, "invalid user name");
	refused(login(f, "", ""), CREDENTIALS, PERMISSION_DENIED, "invalid user name");
	refused(ask(f, RPC_METHOD_KeepAlive, NULL, NULL), NOT_LOGGED_IN, UNAUTHENTICATED,
	    "not logged in");
	refused(
	    ask(f, RPC_METHOD_Logout, NULL, NULL), NOT_LOGGED_IN, UNAUTHENTICATED, "not logged in");
	refused(set(f, "k", "v", NULL), NOT_LOGGED_IN, UNAUTHENTICATED, "not logged in");
	strcpy(f->session, "no token");
	refused(set(f, "k", "v", NULL), NOT_LOGGED_IN, UNAUTHENTICATED, "not logged in");
	refused(open_session(f, "nosuch"), DATABASE_NOT_FOUND, NOT_FOUND, "nosuch does not exist");
	assert_int_equal(open_session(f, "defaultdb"), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_CloseSession, NULL, NULL), IM_OK);
	refused(ask(f, RPC_METHOD_KeepAlive, NULL, NULL), SESSION_NOT_FOUND, PERMISSION_DENIED,
	    "session not found");
	as_immudb(f);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	assert_int_equal(set_active(f, "alice", false), IM_OK);
	refused(login(f, "alice", GOOD_PASSWORD), USER_INACTIVE, PERMISSION_DENIED,
	    "user is not active");
}

static void
refusals_of_guessing(void **state)
{
	struct fixture *f = *state;
	enum im_err err = IM_ERR_CREDENTIALS;
	int guesses = 0;

	while (err == IM_ERR_CREDENTIALS && guesses++ < 100)
		err = login(f, "alice", "x");
	refused(err, THROTTLED, RESOURCE_EXHAUSTED, "too many failed logins, try again later");
}

static void
refusals_of_old_tokens(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_S * CLOCK_NS_PER_S;
	enum im_err err = IM_OK;

	options.token_life_ms = 1;
	start(f, &options);
	as_immudb(f);
	while (err == IM_OK && clock_monotonic_ns() < deadline_ns)
		err = ask(f, RPC_METHOD_KeepAlive, NULL, NULL);
	refused(err, TOKEN_EXPIRED, PERMISSION_DENIED, "token has expired");
}

static void
refusals_of_databases(void **state)
{
	static const struct {
		const char *name, *text;
	} names[] = {
	    {"", "database name length outside of limits"},
	    {"Capital", "provide a lowercase database name"},
	    {"two words", "unrecognized character in database name"},
	    {"t\xc3\xa4st", "unrecognized character in database name"},
	    {"../up", "punctuation marks and symbols are not allowed in database name"},
	    {"a;drop", "punctuation marks and symbols are not allowed in database name"},
	};
	struct fixture *f = *state;
	char longest[META_DATABASE_MAX + 2];

	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	as_immudb(f);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		refused(create_database(f, names[i].name), DATABASE_NAME, INVALID_ARGUMENT,
		    names[i].text);
	refused(create_database(f, longest), DATABASE_NAME, INVALID_ARGUMENT,
	    "length outside of limits");
	longest[META_DATABASE_MAX] = '\0';
	assert_int_equal(create_database(f, longest), IM_OK);
	refused(create_database(f, "systemdb"), DATABASE_RESERVED, INVALID_ARGUMENT,
	    "this database name is reserved");
	assert_int_equal(create_database(f, "other"), IM_OK);
	refused(create_database(f, "other"), DATABASE_EXISTS, ALREADY_EXISTS,
	    "database other already exists");
	refused(use(f, "nosuch"), DATABASE_NOT_FOUND, NOT_FOUND, "nosuch does not exist");
	/* A token of a login that has several to choose from has none yet. */
	as_immudb(f);
	refused(set(f, "k", "v", NULL), NO_DATABASE, FAILED_PRECONDITION,
	    "please select a database first");
}

static void
refusals_of_permission(void **state)
{
	struct fixture *f = *state;

	as_immudb(f);
	assert_int_equal(create_user(f, "reader", META_LEVEL_READ, "defaultdb"), IM_OK);
	assert_int_equal(create_user(f, "adam", META_LEVEL_ADMIN, "defaultdb"), IM_OK);
	assert_int_equal(set_active(f, "reader", false), IM_OK);
	as(f, "adam", GOOD_PASSWORD);
	/* That would wake all that the user has, whom somebody else has put to sleep. */
	refused(grant_level(f, "reader", "defaultdb", META_LEVEL_READ), USER_DEACTIVATED,
	    FAILED_PRECONDITION, "user reader is not active");
	refused(create_user(f, "root2", META_LEVEL_SYSADMIN, "*"), DATABASE_ADMIN,
	    PERMISSION_DENIED, "you do not have permission on this database");
	refused(create_database(f, "x"), PERMISSION, PERMISSION_DENIED,
	    "you do not have permission for this operation");
	refused(use(f, "systemdb"), DATABASE_PERMISSION, PERMISSION_DENIED,
	    "Logged in user does not have permission on this database");
	as_immudb(f);
	assert_int_equal(create_database(f, "other"), IM_OK);
	assert_int_equal(set_active(f, "reader", true), IM_OK);
	as(f, "reader", GOOD_PASSWORD);
	refused(use(f, "other"), DATABASE_PERMISSION, PERMISSION_DENIED, "Logged in user does not");
	assert_int_equal(use(f, "defaultdb"), IM_OK);
	refused(set(f, "k", "v", NULL), PERMISSION, PERMISSION_DENIED,
	    "you do not have permission for this operation");
}

/* One of two administrators, who gives one level over and over. */
struct rival {
	struct fixture f;
	pthread_t thread;
	pthread_barrier_t *barrier;
	uint32_t level;
	unsigned done;
};

static void *
rival_run(void *arg)
{
	struct rival *r = arg;

	pthread_barrier_wait(r->barrier);
	for (int i = 0; i < CHANGES; i++)
		r->done += grant_level(&r->f, "alice", "", r->level) == IM_OK;
	return NULL;
}

/* The level that the journal told of last, and how many rows there are about it. */
static unsigned
journal_levels(struct fixture *f, enum meta_level *last)
{
	unsigned rows = 0;

	assert_int_equal(journal_flush(f->server->journal), IM_OK);
	assert_int_equal(use(f, "systemdb"), IM_OK);
	for (unsigned i = 1;; i++) {
		char key[64];
		M(Entry) *out = NULL;
		M(KeyRequest) in;

		snprintf(key, sizeof key, JOURNAL_KEY_PREFIX "%020u", i);
		in = key_request(key);
		if (get(f, &in, &out) != IM_OK)
			return rows;
		if (!memmem(out->value.data, out->value.len, "\"grant\"", 7))
			continue;
		rows++;
		*last = memmem(out->value.data, out->value.len, "\"readwrite\"", 11)
		    ? META_LEVEL_READ_WRITE
		    : META_LEVEL_READ;
	}
}

/*
 * What two write at the same time is written one after the other, and the journal says in which
 * order.
 */
static void
one_user_changed_by_two(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[2] = {{.level = META_LEVEL_READ}, {.level = META_LEVEL_READ_WRITE}};
	enum meta_level level = META_LEVEL_NONE, told = META_LEVEL_NONE;
	pthread_barrier_t barrier;

	as_immudb(f);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 2; i++) {
		rivals[i].barrier = &barrier;
		rivals[i].f = *f;
		arena_init(&rivals[i].f.arena, ARENA_MAX);
		connect_to(&rivals[i].f);
		assert_int_equal(pthread_create(&rivals[i].thread, NULL, rival_run, &rivals[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(rivals[i].thread, NULL);
		assert_int_equal(rivals[i].done, CHANGES);
		rpc_client_close(rivals[i].f.conn);
		arena_free(&rivals[i].f.arena);
	}
	pthread_barrier_destroy(&barrier);
	assert_int_equal(journal_levels(f, &told), 2 * CHANGES);
	assert_int_equal(meta_permission(f->server->meta, "alice", "defaultdb", &level), IM_OK);
	assert_int_equal(level, told);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STARTED(refusals_of_logins),
	    STARTED(refusals_of_guessing),
	    FOLDER(refusals_of_old_tokens),
	    STARTED(refusals_of_databases),
	    STARTED(refusals_of_permission),
	    STARTED(one_user_changed_by_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
