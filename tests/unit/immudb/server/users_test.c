/*
 * Users over the wire: what is refused and with which words, what ends whose sessions, the journal.
 */
#include "user_calls.h"

#include <pthread.h>
#include <sqlite3.h>

#include "crypto/password.h"
#include "meta/meta_change.h"
#include "server/call.h"

#define BOTH_ROUNDS 8

static void
refusals_of_creating(void **state)
{
	struct fixture *f = *state;
	char longest[65];

	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	as_immudb(f);
	refused(create_user(f, "", 1, "defaultdb"), USER_EMPTY, INVALID_ARGUMENT,
	    "username can not be empty");
	refused(create_user(f, longest, 1, "defaultdb"), USER_NAME, INVALID_ARGUMENT, "63");
	refused(create_user(f, "a b", 1, "defaultdb"), USER_NAME, INVALID_ARGUMENT,
	    "username can only contain letters, digits and underscores");
	refused(create_user(f, "../x", 1, "defaultdb"), USER_NAME, INVALID_ARGUMENT, "username");
	refused(create_user(f, "x'; DROP TABLE users; --", 1, "defaultdb"), USER_NAME,
	    INVALID_ARGUMENT, "username");
	refused(create_user(f, "a", 0, "defaultdb"), BAD_PERMISSION, INVALID_ARGUMENT,
	    "unrecognized permission");
	refused(create_user(f, "a", 3, "defaultdb"), BAD_PERMISSION, INVALID_ARGUMENT, "unrec");
	refused(create_user(f, "a", 253, "defaultdb"), BAD_PERMISSION, INVALID_ARGUMENT, "unrec");
	refused(create_user(f, "a", 257, "defaultdb"), BAD_PERMISSION, INVALID_ARGUMENT, "unrec");
	refused(
	    create_user(f, "a", 255, "defaultdb"), BAD_PERMISSION, INVALID_ARGUMENT, "sysadmin");
	refused(create_user(f, "a", 1, "nosuch"), DATABASE_NOT_FOUND, NOT_FOUND,
	    "database nosuch does not exist");
	refused(create_user(f, "a", 1, "x' OR '1'='1"), DATABASE_NOT_FOUND, NOT_FOUND, "x' OR");
	refused(create_user(f, "a", 1, "systemdb"), DATABASE_ASSIGNED, INVALID_ARGUMENT,
	    "this database can not be assigned");
	refused(create_user(f, "immudb", 1, "defaultdb"), USER_EXISTS, ALREADY_EXISTS,
	    "user already exists");
	refused(create_user_with(f, "a", "Short-1", 1, ""), WEAK_PASSWORD, INVALID_ARGUMENT,
	    "password must have between 8 and 32 letters, digits and special characters of which at "
	    "least 1 uppercase letter, 1 digit and 1 special character");
	assert_int_equal(users(f)->n_users, 1);
}

static void
refusals_of_changing(void **state)
{
	struct fixture *f = *state;

	as_immudb(f);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	refused(permission(f, 7, "alice", "", 1), PERMISSION_ACTION, INVALID_ARGUMENT,
	    "action not recognized");
	refused(grant_level(f, "", "", 1), USER_EMPTY, INVALID_ARGUMENT, "can not be empty");
	refused(grant_level(f, "bob", "", 1), USER_NOT_FOUND, NOT_FOUND, "user bob not found");
	refused(grant_level(f, "immudb", "", 1), OWN_PERMISSION, INVALID_ARGUMENT,
	    "changing you own permissions is not allowed");
	refused(grant_level(f, "alice", "nosuch", 1), DATABASE_NOT_FOUND, NOT_FOUND, "nosuch");
	refused(
	    grant_level(f, "alice", "systemdb", 1), DATABASE_ASSIGNED, INVALID_ARGUMENT, "assig");
	refused(grant_level(f, "alice", "", 4), BAD_PERMISSION, INVALID_ARGUMENT, "unrecognized");
	refused(revoke_level(f, "alice", "", 2), PERMISSION_NOT_HELD, FAILED_PRECONDITION,
	    "does not hold this permission");
	refused(revoke_level(f, "alice", "*", 1), PERMISSION_NOT_HELD, FAILED_PRECONDITION, "hold");
	refused(set_active(f, "", false), USER_EMPTY, INVALID_ARGUMENT, "username");
	refused(set_active(f, "bob", false), USER_NOT_FOUND, NOT_FOUND, "user bob not found");
	refused(set_active(f, "immudb", false), OWN_STATUS, INVALID_ARGUMENT,
	    "changing your own status is not allowed");
	refused(change_password(f, "bob", "", GOOD_PASSWORD), USER_NOT_FOUND, NOT_FOUND, "bob");
	refused(change_password(f, "", "", GOOD_PASSWORD), USER_EMPTY, INVALID_ARGUMENT, "empty");
	refused(
	    change_password(f, "alice", "", "weak"), WEAK_PASSWORD, INVALID_ARGUMENT, "between");
	refused(change_password(f, "immudb", "wrong", GOOD_PASSWORD), OLD_PASSWORD,
	    PERMISSION_DENIED, "old password is incorrect");
	/* Nothing of that changed anything. */
	as(f, "alice", GOOD_PASSWORD);
	refused(create_user(f, "x", 1, ""), NOT_ADMIN, PERMISSION_DENIED,
	    "user is not system admin nor admin in any of the databases");
	assert_int_equal(users(f)->n_users, 1);
}

/* What an admin of one database may do to whom. */
static void
admins_of_a_database(void **state)
{
	struct fixture *f = *state;

	as_immudb(f);
	assert_int_equal(create_database(f, "other"), IM_OK);
	assert_int_equal(create_user(f, "adam", META_LEVEL_ADMIN, "defaultdb"), IM_OK);
	assert_int_equal(create_user(f, "stranger", META_LEVEL_READ, "other"), IM_OK);
	assert_int_equal(create_user(f, "root2", META_LEVEL_SYSADMIN, "*"), IM_OK);
	as(f, "adam", GOOD_PASSWORD);
	refused(create_user(f, "x", 1, "other"), DATABASE_ADMIN, PERMISSION_DENIED,
	    "you do not have permission on this database");
	refused(create_user(f, "x", 255, "*"), DATABASE_ADMIN, PERMISSION_DENIED, "this database");
	refused(
	    grant_level(f, "root2", "*", 1), DATABASE_ADMIN, PERMISSION_DENIED, "this database");
	refused(set_active(f, "stranger", false), NOT_CREATOR, PERMISSION_DENIED,
	    "user stranger was not found or it was not created by you");
	refused(set_active(f, "nobody", false), NOT_CREATOR, PERMISSION_DENIED, "created by you");
	refused(change_password(f, "root2", "", GOOD_PASSWORD), NOT_CREATOR, PERMISSION_DENIED, "");
	assert_int_equal(create_user(f, "mine", META_LEVEL_READ_WRITE, "defaultdb"), IM_OK);
	assert_int_equal(change_password(f, "mine", "", OTHER_PASSWORD), IM_OK);
	/* Any user can be let into one's own database. */
	assert_int_equal(grant_level(f, "stranger", "defaultdb", META_LEVEL_READ), IM_OK);
	/* Who has been given more elsewhere is no longer managed by who made it. */
	as_immudb(f);
	assert_int_equal(grant_level(f, "mine", "other", META_LEVEL_READ), IM_OK);
	as(f, "adam", GOOD_PASSWORD);
	refused(change_password(f, "mine", "", GOOD_PASSWORD), NOT_CREATOR, PERMISSION_DENIED, "");
	refused(set_active(f, "mine", false), NOT_CREATOR, PERMISSION_DENIED, "mine");
}

/* createdBy stays, a grant replaces and reactivates, a list shows it. */
static void
permissions_are_listed(void **state)
{
	struct fixture *f = *state;
	M(UserList) * list;

	as_immudb(f);
	assert_int_equal(create_user(f, "root2", META_LEVEL_SYSADMIN, "*"), IM_OK);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	as(f, "root2", GOOD_PASSWORD);
	assert_int_equal(set_active(f, "alice", false), IM_OK);
	assert_int_equal(login(f, "alice", GOOD_PASSWORD), IM_ERR_USER_INACTIVE);
	as(f, "root2", GOOD_PASSWORD);
	assert_int_equal(grant_level(f, "alice", "", META_LEVEL_READ_WRITE), IM_OK);
	assert_int_equal(change_password(f, "alice", "", OTHER_PASSWORD), IM_OK);
	list = users(f);
	assert_int_equal(list->n_users, 3);
	assert_data_equal(list->users[0]->user, "alice");
	assert_string_equal(list->users[0]->createdby, "immudb");
	assert_true(list->users[0]->active);
	assert_int_equal(list->users[0]->n_permissions, 1);
	assert_string_equal(list->users[0]->permissions[0]->database, "defaultdb");
	assert_int_equal(list->users[0]->permissions[0]->permission, META_LEVEL_READ_WRITE);
	as(f, "alice", OTHER_PASSWORD);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(users(f)->n_users, 1);
}

/* Every change ends the sessions of its user, on whatever connection. */
static void
sessions_die_with_rights(void **state)
{
	struct fixture *f = *state;
	char admin[64], alice[64];

	as_immudb(f);
	memcpy(admin, f->session, sizeof admin);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ_WRITE, ""), IM_OK);
	for (int change = 0; change < 4; change++) {
		as(f, "alice", change < 2 ? GOOD_PASSWORD : OTHER_PASSWORD);
		memcpy(alice, f->session, sizeof alice);
		assert_int_equal(set(f, "k", "v", NULL), IM_OK);
		memcpy(f->session, admin, sizeof admin);
		rpc_client_close(f->conn);
		connect_to(f);
		if (change == 0)
			assert_int_equal(grant_level(f, "alice", "", META_LEVEL_READ_WRITE), IM_OK);
		else if (change == 1)
			assert_int_equal(change_password(f, "alice", "", OTHER_PASSWORD), IM_OK);
		else if (change == 2)
			assert_int_equal(
			    revoke_level(f, "alice", "", META_LEVEL_READ_WRITE), IM_OK);
		else
			assert_int_equal(set_active(f, "alice", false), IM_OK);
		memcpy(f->session, alice, sizeof alice);
		assert_int_equal(set(f, "k", "w", NULL), IM_ERR_NOT_LOGGED_IN);
		memcpy(f->session, admin, sizeof admin);
		if (change == 2)
			assert_int_equal(grant_level(f, "alice", "", META_LEVEL_READ_WRITE), IM_OK);
	}
	/* One's own password: the answer comes, the session is gone. */
	assert_int_equal(change_password(f, "immudb", "immudb", GOOD_PASSWORD), IM_OK);
	assert_int_equal(ask(f, RPC_METHOD_KeepAlive, NULL, NULL), IM_ERR_NOT_LOGGED_IN);
	as(f, "immudb", GOOD_PASSWORD);
}

/* A call that is under way when its session ends is not answered any more. */
static void
calls_die_with_their_session(void **state)
{
	struct fixture *f = *state;
	struct session session = {.kind = SESSION_TOKEN};
	struct rpc_request request = {.session = bytes_of(NULL, 0)};
	struct call call = {.server = f->server, .request = &request};
	char text[SESSION_TEXT_MAX];

	strcpy(session.user, "alice");
	session.epoch = sessions_epoch(f->server->sessions);
	assert_int_equal(sessions_start(f->server->sessions, &session, "unix", text), IM_OK);
	request.session = bytes_str(text);
	assert_int_equal(sessions_find(f->server->sessions, request.session, &call.session), IM_OK);
	assert_int_equal(call_check_session(&call), IM_OK);
	sessions_end_user(f->server->sessions, "alice");
	assert_int_equal(call_check_session(&call), IM_ERR_NOT_LOGGED_IN);
	call.ends_session = true;
	assert_int_equal(call_check_session(&call), IM_OK);
}

static void
sessions_are_shown_and_ended(void **state)
{
	struct fixture *f = *state;
	M(EndSessionRequest) in = IMMUDB__SCHEMA__END_SESSION_REQUEST__INIT;
	M(SessionListResponse) *list = NULL;
	char admin[64], alice[64], id[32];

	as_immudb(f);
	memcpy(admin, f->session, sizeof admin);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	as(f, "alice", GOOD_PASSWORD);
	memcpy(alice, f->session, sizeof alice);
	assert_int_equal(ask(f, RPC_METHOD_SessionList, NULL, &list), IM_OK);
	assert_int_equal(list->n_sessions, 1);
	assert_true(list->sessions[0]->own);
	assert_string_equal(list->sessions[0]->user, "alice");
	assert_string_equal(list->sessions[0]->database, "defaultdb");
	assert_null(strstr(alice, list->sessions[0]->id));
	assert_true(list->sessions[0]->openedat <= list->sessions[0]->activeat);
	snprintf(id, sizeof id, "%s", list->sessions[0]->id);
	memcpy(f->session, admin, sizeof admin);
	assert_int_equal(ask(f, RPC_METHOD_SessionList, NULL, &list), IM_OK);
	assert_int_equal(list->n_sessions, 2);
	in.id = text_of("nosuch");
	refused(ask(f, RPC_METHOD_EndSession, &in.base, NULL), SESSION_NOT_FOUND, PERMISSION_DENIED,
	    "session not found");
	in.id = id;
	assert_int_equal(ask(f, RPC_METHOD_EndSession, &in.base, NULL), IM_OK);
	memcpy(f->session, alice, sizeof alice);
	assert_int_equal(ask(f, RPC_METHOD_KeepAlive, NULL, NULL), IM_ERR_NOT_LOGGED_IN);
}

/* Each attempt to log in runs the key derivation once, whoever it is. */
static void
unknown_users_cost_the_same(void **state)
{
	struct fixture *f = *state;
	uint64_t runs;

	as_immudb(f);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	assert_int_equal(set_active(f, "alice", false), IM_OK);
	runs = password_runs();
	assert_int_equal(login(f, "nobody", "x"), IM_ERR_CREDENTIALS);
	assert_int_equal(password_runs() - runs, 1);
	assert_int_equal(login(f, "immudb", "x"), IM_ERR_CREDENTIALS);
	assert_int_equal(password_runs() - runs, 2);
	assert_int_equal(login(f, "alice", GOOD_PASSWORD), IM_ERR_USER_INACTIVE);
	assert_int_equal(password_runs() - runs, 3);
	/* Who may not create users does not make the server hash. */
	as_immudb(f);
	assert_int_equal(create_user(f, "bob", META_LEVEL_READ, ""), IM_OK);
	as(f, "bob", GOOD_PASSWORD);
	runs = password_runs();
	assert_int_equal(create_user(f, "x", META_LEVEL_READ, ""), IM_ERR_NOT_ADMIN);
	assert_int_equal(change_password(f, "immudb", "", GOOD_PASSWORD), IM_ERR_NOT_ADMIN);
	assert_int_equal(password_runs(), runs);
}

/* Two sysadmins who deactivate each other at the same moment, over and over. */
struct rival {
	struct fixture f;
	const char *name, *other;
	pthread_barrier_t *barrier;
};

static void *
rival_run(void *arg)
{
	struct rival *r = arg;

	pthread_barrier_wait(r->barrier);
	(void)set_active(&r->f, r->other, false);
	return NULL;
}

static void
two_administrators_at_once(void **state)
{
	struct fixture *f = *state;
	struct meta_change off = {.kind = META_CHANGE_ACTIVE, .user = "immudb"};
	struct meta_change on = {.kind = META_CHANGE_ACTIVE, .active = true};
	struct rival rivals[2] = {{.name = "a", .other = "b"}, {.name = "b", .other = "a"}};
	pthread_barrier_t barrier;
	pthread_t threads[2];
	enum im_err first, second;
	struct meta_user user;
	int active;

	as_immudb(f);
	for (int i = 0; i < 2; i++)
		assert_int_equal(create_user(f, rivals[i].name, META_LEVEL_SYSADMIN, "*"), IM_OK);
	assert_int_equal(meta_user_change(f->server->meta, &off), IM_OK);
	pthread_barrier_init(&barrier, NULL, 2);
	for (int round = 0; round < BOTH_ROUNDS; round++) {
		for (int i = 0; i < 2; i++) {
			struct session session = {.kind = SESSION_TOKEN, .is_sysadmin = true};

			rivals[i].barrier = &barrier;
			rivals[i].f = *f;
			arena_init(&rivals[i].f.arena, ARENA_MAX);
			connect_to(&rivals[i].f);
			strcpy(session.user, rivals[i].name);
			on.user = rivals[i].name;
			assert_int_equal(meta_user_change(f->server->meta, &on), IM_OK);
			session.epoch = sessions_epoch(f->server->sessions);
			assert_int_equal(sessions_start(f->server->sessions, &session, "unix",
					     rivals[i].f.session),
			    IM_OK);
		}
		for (int i = 0; i < 2; i++)
			assert_int_equal(
			    pthread_create(&threads[i], NULL, rival_run, &rivals[i]), 0);
		active = 0;
		for (int i = 0; i < 2; i++) {
			pthread_join(threads[i], NULL);
			rpc_client_close(rivals[i].f.conn);
			arena_free(&rivals[i].f.arena);
		}
		for (int i = 0; i < 2; i++) {
			assert_int_equal(
			    meta_user_get(f->server->meta, bytes_str(rivals[i].name), &user),
			    IM_OK);
			active += user.active;
		}
		assert_int_equal(active, 1);
	}
	pthread_barrier_destroy(&barrier);
	/* The one left cannot go either. */
	off.user = "a";
	first = meta_user_change(f->server->meta, &off);
	off.user = "b";
	second = meta_user_change(f->server->meta, &off);
	assert_true((first == IM_ERR_LAST_SYSADMIN) != (second == IM_ERR_LAST_SYSADMIN));
}

/* ---- The journal ---- */

static void
journal_row(struct fixture *f, unsigned number, const char *const *parts)
{
	char key[64];
	M(KeyRequest) in;
	M(Entry) *out = NULL;

	snprintf(key, sizeof key, "journal/%020u", number);
	in = key_request(key);
	assert_int_equal(get(f, &in, &out), IM_OK);
	for (; *parts; parts++)
		if (!memmem(out->value.data, out->value.len, *parts, strlen(*parts)))
			fail_msg("%s: no %s in %.*s", key, *parts, (int)out->value.len,
			    (const char *)out->value.data);
	assert_null(memmem(out->value.data, out->value.len, GOOD_PASSWORD, strlen(GOOD_PASSWORD)));
	assert_null(memmem(out->value.data, out->value.len, "scrypt", 6));
}

#define row(n, ...) journal_row(f, n, (const char *[]){__VA_ARGS__, NULL})

static void
changes_are_journalled(void **state)
{
	struct fixture *f = *state;
	struct server_options options;
	M(KeyRequest) in;

	as_immudb(f);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_ERR_USER_EXISTS);
	assert_int_equal(grant_level(f, "alice", "*", META_LEVEL_ADMIN), IM_OK);
	assert_int_equal(revoke_level(f, "alice", "*", META_LEVEL_ADMIN), IM_OK);
	assert_int_equal(change_password(f, "alice", "", OTHER_PASSWORD), IM_OK);
	assert_int_equal(set_active(f, "alice", false), IM_OK);
	assert_int_equal(set_active(f, "alice", true), IM_OK);
	journal_login_failed(f->server->journal, bytes_str("ali\"ce"), "10.0.0.1:1");
	journal_login_failed(f->server->journal, bytes_str("ali\"ce"), "10.0.0.1:2");
	stop(f);
	options = options_of(f);
	start(f, &options);
	as_immudb(f);
	assert_int_equal(use(f, "systemdb"), IM_OK);
	assert_int_equal(journal_flush(f->server->journal), IM_OK);
	row(1, "\"actor\":\"(server)\"", "\"action\":\"create user\"", "\"user\":\"immudb\"",
	    "\"permission\":\"sysadmin\"");
	row(2, "{\"time\":\"2", "\"actor\":\"immudb\"", "\"address\":\"127.0.0.1:",
	    "\"action\":\"create user\",\"user\":\"alice\",\"database\":\"defaultdb\","
	    "\"permission\":\"read\",\"detail\":\"\"}");
	row(3, "\"action\":\"grant\"", "\"database\":\"*\"", "\"permission\":\"admin\"");
	row(4, "\"action\":\"revoke\"", "\"user\":\"alice\"");
	row(5, "\"action\":\"change password\"", "\"database\":\"\"");
	row(6, "\"action\":\"deactivate user\"");
	row(7, "\"action\":\"activate user\"");
	row(8, "\"action\":\"failed login\"", "\"user\":\"ali\\\"ce\"", "\"address\":\"10.0.0.1\"",
	    "\"detail\":\"first in a minute\"");
	row(9, "\"user\":\"ali\\\"ce\"", "\"detail\":\"1 more in that minute\"");
	in = key_request("journal/00000000000000000010");
	assert_int_equal(get(f, &in, NULL), IM_ERR_KEY_NOT_FOUND);
}

/* ---- Modes of the server ---- */

static void
maintenance(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	M(KeyRequest) in = key_request("k");

	start(f, &options);
	as_immudb(f);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	stop(f);
	options.maintenance = true;
	options.auth = false;
	start(f, &options);
	f->session[0] = '\0';
	assert_int_equal(get(f, &in, NULL), IM_OK);
	stop(f);
	options.auth = true;
	start(f, &options);
	refused(get(f, &in, NULL), NO_DATABASE, FAILED_PRECONDITION, "select a database first");
	assert_int_equal(users(f)->n_users, 2);
	refused(set(f, "k", "w", NULL), MAINTENANCE, INVALID_ARGUMENT,
	    "operation not allowed in maintenance mode");
	refused(create_database(f, "x"), MAINTENANCE, INVALID_ARGUMENT, "maintenance");
	/* What the rules are about is not what the values are about. */
	refused(create_user(f, "", 1, ""), USER_EMPTY, INVALID_ARGUMENT, "empty");
	refused(create_user(f, "a", 77, ""), BAD_PERMISSION, INVALID_ARGUMENT, "unrecognized");
	refused(change_password(f, "immudb", "", "weak"), WEAK_PASSWORD, INVALID_ARGUMENT, "8");
	refused(set_active(f, "immudb", false), LAST_SYSADMIN, FAILED_PRECONDITION, "last");
	assert_int_equal(change_password(f, "immudb", "", GOOD_PASSWORD), IM_OK);
	assert_int_equal(create_user(f, "bob", META_LEVEL_READ, ""), IM_OK);
	assert_int_equal(use(f, "defaultdb"), IM_OK);
	assert_int_equal(get(f, &in, NULL), IM_OK);
	assert_int_equal(set(f, "k", "w", NULL), IM_ERR_MAINTENANCE);
	/* A user who logs in has what is theirs, and no more. */
	as(f, "alice", GOOD_PASSWORD);
	assert_int_equal(get(f, &in, NULL), IM_OK);
	assert_int_equal(create_user(f, "eve", META_LEVEL_READ, ""), IM_ERR_NOT_ADMIN);
	stop(f);
	options.maintenance = false;
	start(f, &options);
	as(f, "immudb", GOOD_PASSWORD);
	assert_string_equal(users(f)->users[1]->createdby, "immudb");
}

static void
default_password_first(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);

	options.require_password_change = true;
	start(f, &options);
	as_immudb(f);
	refused(set(f, "k", "v", NULL), PASSWORD_CHANGE_NEEDED, FAILED_PRECONDITION,
	    "the default password must be changed first");
	refused(create_user(f, "a", 1, ""), PASSWORD_CHANGE_NEEDED, FAILED_PRECONDITION, "default");
	refused(use(f, "defaultdb"), PASSWORD_CHANGE_NEEDED, FAILED_PRECONDITION, "default");
	assert_int_equal(ask(f, RPC_METHOD_KeepAlive, NULL, NULL), IM_OK);
	assert_int_equal(change_password(f, "immudb", "immudb", GOOD_PASSWORD), IM_OK);
	as(f, "immudb", GOOD_PASSWORD);
	assert_int_equal(set(f, "k", "v", NULL), IM_OK);
}

static void
admin_password_by_force(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	struct server *none;

	start(f, &options);
	stop(f);
	options.force_admin_password = true;
	options.admin_password = "weak";
	assert_int_equal(server_start(&options, &none), IM_ERR_CONFIG);
	assert_non_null(strstr(err_detail(IM_ERR_CONFIG), "password must have"));
	options.admin_password = GOOD_PASSWORD;
	start(f, &options);
	as(f, "immudb", GOOD_PASSWORD);
	assert_false(server_has_default_password(f->server));
}

/* Without authentication only for a folder that has nothing to protect from each other. */
static void
without_authentication(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	struct server *none;

	options.auth = false;
	start(f, &options);
	f->session[0] = '\0';
	refused(create_user(f, "a", 1, ""), AUTH_NEEDED, FAILED_PRECONDITION,
	    "this command is available only with authentication on");
	refused(login(f, "immudb", "immudb"), AUTH_DISABLED, FAILED_PRECONDITION,
	    "server is running with authentication disabled");
	stop(f);
	options.auth = true;
	start(f, &options);
	as_immudb(f);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	stop(f);
	options.auth = false;
	assert_int_equal(server_start(&options, &none), IM_ERR_CONFIG);
}

/* ---- The metadata file ---- */

/* Another process that holds the file for too long: an error that says so, and nothing changed. */
static void
locked_file(void **state)
{
	struct fixture *f = *state;
	char path[160];
	sqlite3 *db;

	as_immudb(f);
	snprintf(path, sizeof path, "%s/%s", f->data, META_FILE_NAME);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	refused(create_user(f, "alice", 1, ""), LOCKED, UNAVAILABLE, "immudb.sqlite");
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(users(f)->n_users, 1);
	assert_int_equal(create_user(f, "alice", 1, ""), IM_OK);
}

int
main(void)
{
#define OWN_START(t) cmocka_unit_test_setup_teardown(t, fixture_make, fixture_remove)
	const struct CMUnitTest tests[] = {
	    STARTED(refusals_of_creating),
	    STARTED(refusals_of_changing),
	    STARTED(admins_of_a_database),
	    STARTED(permissions_are_listed),
	    STARTED(sessions_die_with_rights),
	    STARTED(calls_die_with_their_session),
	    STARTED(sessions_are_shown_and_ended),
	    STARTED(unknown_users_cost_the_same),
	    STARTED(two_administrators_at_once),
	    STARTED(changes_are_journalled),
	    OWN_START(maintenance),
	    OWN_START(default_password_first),
	    OWN_START(admin_password_by_force),
	    OWN_START(without_authentication),
	    STARTED(locked_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
