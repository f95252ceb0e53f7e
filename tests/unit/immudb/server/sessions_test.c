/* Sessions: tokens and session ids, expiry of both kinds, limits, ends, rebinding. */
#include "server/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)
#define TOKEN_LIFE (60 * SECOND)
#define IDLE (10 * SECOND)
#define LISTED 16

static int64_t fake_now;

static int64_t
fake_clock(void)
{
	return fake_now;
}

static int
table_make(void **state)
{
	struct sessions_options options = {3, TOKEN_LIFE, IDLE, fake_clock};

	fake_now = 5 * SECOND;
	*state = sessions_new(&options);
	return *state ? 0 : -1;
}

static int
table_remove(void **state)
{
	sessions_free(*state);
	return 0;
}

static struct session
session_of(const char *user, enum session_kind kind)
{
	struct session session = {.kind = kind, .level = META_LEVEL_READ};

	strcpy(session.user, user);
	session.database = (struct database *)(void *)&fake_now;
	return session;
}

static void
start(struct sessions *s, const char *user, enum session_kind kind, char text[SESSION_TEXT_MAX])
{
	struct session session = session_of(user, kind);

	assert_int_equal(sessions_start(s, &session, "127.0.0.1:1", text), IM_OK);
}

static enum im_err
find(struct sessions *s, const char *text)
{
	struct session out;

	return sessions_find(s, bytes_str(text), &out);
}

static void
sessions_are_found_by_text(void **state)
{
	char token[SESSION_TEXT_MAX], id[SESSION_TEXT_MAX];
	struct session out;

	start(*state, "alice", SESSION_TOKEN, token);
	start(*state, "bob", SESSION_OPEN, id);
	assert_int_equal(strlen(token), 43);
	assert_int_equal(strlen(id), 44);
	assert_int_equal(id[43], '=');
	assert_int_equal(sessions_find(*state, bytes_str(token), &out), IM_OK);
	assert_string_equal(out.user, "alice");
	assert_ptr_equal(out.database, &fake_now);
	assert_int_equal(out.level, META_LEVEL_READ);
	assert_int_equal(sessions_find(*state, bytes_str(id), &out), IM_OK);
	assert_string_equal(out.user, "bob");
	assert_int_equal(sessions_count(*state), 2);
}

static void
sessions_unknown(void **state)
{
	char token[SESSION_TEXT_MAX], id[SESSION_TEXT_MAX];
	struct session out;
	size_t i;

	start(*state, "alice", SESSION_TOKEN, token);
	start(*state, "alice", SESSION_OPEN, id);
	assert_int_equal(find(*state, ""), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(find(*state, "x"), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(sessions_find(*state, bytes_of(token, 42), &out), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(sessions_find(*state, bytes_of(NULL, 0), &out), IM_ERR_NOT_LOGGED_IN);
	for (i = 0; i < 43; i++) {
		token[i] ^= 1;
		assert_int_equal(find(*state, token), IM_ERR_NOT_LOGGED_IN);
		token[i] ^= 1;
		id[i] ^= 1;
		assert_int_equal(find(*state, id), IM_ERR_SESSION_NOT_FOUND);
		id[i] ^= 1;
	}
	assert_int_equal(find(*state, token), IM_OK);
}

static void
sessions_token_expires_although_used(void **state)
{
	char token[SESSION_TEXT_MAX];

	start(*state, "alice", SESSION_TOKEN, token);
	fake_now += TOKEN_LIFE - 1;
	assert_int_equal(find(*state, token), IM_OK);
	fake_now += 1;
	assert_int_equal(find(*state, token), IM_ERR_TOKEN_EXPIRED);
	assert_int_equal(sessions_end(*state, bytes_str(token)), IM_ERR_TOKEN_EXPIRED);
	assert_int_equal(sessions_count(*state), 0);
	/* Long after that it is forgotten. */
	fake_now += 200 * SECOND;
	assert_int_equal(sessions_count(*state), 0);
	assert_int_equal(find(*state, token), IM_ERR_NOT_LOGGED_IN);
}

static void
sessions_open_lives_while_used(void **state)
{
	char id[SESSION_TEXT_MAX];
	size_t i;

	start(*state, "alice", SESSION_OPEN, id);
	for (i = 0; i < 20; i++) {
		fake_now += IDLE - 1;
		assert_int_equal(find(*state, id), IM_OK);
	}
	fake_now += IDLE;
	assert_int_equal(find(*state, id), IM_ERR_SESSION_NOT_FOUND);
}

static void
sessions_limit(void **state)
{
	char a[SESSION_TEXT_MAX], b[SESSION_TEXT_MAX], c[SESSION_TEXT_MAX], d[SESSION_TEXT_MAX];
	struct session session = session_of("d", SESSION_TOKEN),
		       another = session_of("e", SESSION_TOKEN);

	start(*state, "a", SESSION_OPEN, a);
	start(*state, "b", SESSION_TOKEN, b);
	start(*state, "c", SESSION_TOKEN, c);
	assert_int_equal(
	    sessions_start(*state, &session, "127.0.0.1:1", d), IM_ERR_TOO_MANY_SESSIONS);
	assert_string_equal(d, "");
	/* An expired session makes room at once. */
	fake_now += IDLE;
	assert_int_equal(sessions_start(*state, &session, "127.0.0.1:1", d), IM_OK);
	assert_int_equal(
	    sessions_start(*state, &another, "127.0.0.1:1", a), IM_ERR_TOO_MANY_SESSIONS);
	assert_int_equal(sessions_end(*state, bytes_str(b)), IM_OK);
	assert_int_equal(find(*state, b), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(sessions_end(*state, bytes_str(b)), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(sessions_start(*state, &another, "127.0.0.1:1", a), IM_OK);
}

/*
 * Who has half of the table loses a session of their own before the last eighth, never another's.
 */
static void
sessions_of_a_hog_give_way(void **state)
{
	char a[SESSION_TEXT_MAX], b[SESSION_TEXT_MAX], c[SESSION_TEXT_MAX], d[SESSION_TEXT_MAX];
	struct session another = session_of("c", SESSION_TOKEN);

	start(*state, "hog", SESSION_TOKEN, a);
	start(*state, "hog", SESSION_TOKEN, b);
	fake_now += 1;
	assert_int_equal(find(*state, a), IM_OK);
	start(*state, "hog", SESSION_TOKEN, c);
	assert_int_equal(find(*state, a), IM_OK);
	assert_int_equal(find(*state, b), IM_ERR_NOT_LOGGED_IN);
	start(*state, "b", SESSION_TOKEN, b);
	assert_int_equal(sessions_count(*state), 3);
	/* The table is full: who has a session exchanges it, who has none is refused. */
	assert_int_equal(sessions_start(*state, &another, "unix", d), IM_ERR_TOO_MANY_SESSIONS);
	start(*state, "b", SESSION_TOKEN, d);
	assert_int_equal(find(*state, b), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(find(*state, a), IM_OK);
	assert_int_equal(find(*state, c), IM_OK);
	assert_int_equal(find(*state, d), IM_OK);
}

/*
 * Rights that changed while somebody logged in are read again; sessions found before are looked at.
 */
static void
sessions_know_of_changed_rights(void **state)
{
	char a[SESSION_TEXT_MAX], b[SESSION_TEXT_MAX];
	struct session session = session_of("alice", SESSION_TOKEN), out, other;

	start(*state, "alice", SESSION_TOKEN, a);
	start(*state, "bob", SESSION_TOKEN, b);
	assert_int_equal(sessions_find(*state, bytes_str(a), &out), IM_OK);
	assert_int_equal(sessions_find(*state, bytes_str(b), &other), IM_OK);
	assert_int_equal(sessions_check(*state, bytes_str(a), &out), IM_OK);
	sessions_end_user(*state, "alice");
	assert_int_equal(sessions_check(*state, bytes_str(a), &out), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(sessions_check(*state, bytes_str(b), &other), IM_OK);
	assert_int_equal(sessions_start(*state, &session, "unix", a), IM_ERR_ILLEGAL_STATE);
	session.epoch = sessions_epoch(*state);
	assert_int_equal(sessions_start(*state, &session, "unix", a), IM_OK);
}

static void
sessions_are_listed_and_ended_by_id(void **state)
{
	char a[SESSION_TEXT_MAX], b[SESSION_TEXT_MAX], id[SESSION_ID_SIZE];
	struct session_list list;
	struct session ended;
	struct arena arena;

	arena_init(&arena, 1u << 20);
	start(*state, "alice", SESSION_OPEN, a);
	start(*state, "bob", SESSION_TOKEN, b);
	assert_int_equal(sessions_list(*state, NULL, bytes_str(b), &arena, &list), IM_OK);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[list.own].session.user, "bob");
	assert_int_equal(sessions_list(*state, "alice", bytes_str(b), &arena, &list), IM_OK);
	assert_int_equal(list.len, 1);
	assert_true(list.own == SIZE_MAX);
	assert_string_equal(list.items[0].address, "127.0.0.1:1");
	assert_null(strstr(a, list.items[0].id));
	memcpy(id, list.items[0].id, sizeof id);
	assert_int_equal(sessions_end_id(*state, id, "bob", &ended), IM_ERR_SESSION_NOT_FOUND);
	assert_int_equal(sessions_end_id(*state, "", NULL, &ended), IM_ERR_SESSION_NOT_FOUND);
	assert_int_equal(sessions_end_id(*state, id, "alice", &ended), IM_OK);
	assert_string_equal(ended.user, "alice");
	assert_int_equal(find(*state, a), IM_ERR_SESSION_NOT_FOUND);
	assert_int_equal(find(*state, b), IM_OK);
	arena_free(&arena);
}

/* By age, whatever bucket they are in. */
static void
sessions_are_listed_in_order(void **state)
{
	struct sessions_options options = {2 * LISTED, TOKEN_LIFE, IDLE, fake_clock};
	struct sessions *s = sessions_new(&options);
	char text[SESSION_TEXT_MAX];
	struct session_list list;
	struct arena arena;

	(void)state;
	assert_non_null(s);
	arena_init(&arena, 1u << 20);
	for (size_t i = 0; i < LISTED; i++, fake_now++)
		start(s, "alice", SESSION_TOKEN, text);
	assert_int_equal(sessions_list(s, NULL, bytes_str(text), &arena, &list), IM_OK);
	assert_int_equal(list.len, LISTED);
	assert_int_equal(list.own, LISTED - 1);
	for (size_t i = 0; i + 1 < LISTED; i++)
		assert_true(list.items[i].opened_ns < list.items[i + 1].opened_ns);
	arena_free(&arena);
	sessions_free(s);
}

static void
sessions_end_with_their_user(void **state)
{
	char a[SESSION_TEXT_MAX], b[SESSION_TEXT_MAX], c[SESSION_TEXT_MAX];

	start(*state, "alice", SESSION_OPEN, a);
	start(*state, "alice", SESSION_TOKEN, b);
	start(*state, "alice2", SESSION_TOKEN, c);
	sessions_end_user(*state, "alice");
	assert_int_equal(find(*state, a), IM_ERR_SESSION_NOT_FOUND);
	assert_int_equal(find(*state, b), IM_ERR_NOT_LOGGED_IN);
	assert_int_equal(find(*state, c), IM_OK);
}

static void
sessions_are_rebound(void **state)
{
	char a[SESSION_TEXT_MAX], b[SESSION_TEXT_MAX];
	struct session out;

	start(*state, "alice", SESSION_OPEN, a);
	start(*state, "alice", SESSION_OPEN, b);
	assert_int_equal(sessions_rebind(*state, bytes_str(a), NULL, META_LEVEL_ADMIN), IM_OK);
	assert_int_equal(sessions_find(*state, bytes_str(a), &out), IM_OK);
	assert_null(out.database);
	assert_int_equal(out.level, META_LEVEL_ADMIN);
	assert_int_equal(sessions_find(*state, bytes_str(b), &out), IM_OK);
	assert_ptr_equal(out.database, &fake_now);
	assert_int_equal(
	    sessions_rebind(*state, bytes_str("x"), NULL, META_LEVEL_ADMIN), IM_ERR_NOT_LOGGED_IN);
}

#define SESSIONS_TEST(f) cmocka_unit_test_setup_teardown(f, table_make, table_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SESSIONS_TEST(sessions_are_found_by_text),
	    SESSIONS_TEST(sessions_unknown),
	    SESSIONS_TEST(sessions_token_expires_although_used),
	    SESSIONS_TEST(sessions_open_lives_while_used),
	    SESSIONS_TEST(sessions_limit),
	    SESSIONS_TEST(sessions_of_a_hog_give_way),
	    SESSIONS_TEST(sessions_know_of_changed_rights),
	    SESSIONS_TEST(sessions_are_listed_and_ended_by_id),
	    SESSIONS_TEST(sessions_are_listed_in_order),
	    SESSIONS_TEST(sessions_end_with_their_user),
	    SESSIONS_TEST(sessions_are_rebound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
