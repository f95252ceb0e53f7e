/*
 * The permission matrix: every method of methods.def as every role on a database of its own, on
 * another one and on one that does not exist. A method without a row here fails the test.
 */
#include "user_calls.h"

#include "server/permissions.h"

enum role { NO_LOGIN, NO_RIGHTS, READ, READ_WRITE, ADMIN, SYSADMIN, ROLES, NOBODY = ROLES };
enum place { OWN, OTHER, MISSING, PLACES };

static const char *const role_names[ROLES] = {
    "no login", "no rights", "read", "readwrite", "admin", "sysadmin"};
static const char *const place_names[PLACES] = {"defaultdb", "other", "missing"};
static const uint32_t role_levels[ROLES] = {0, 0, 1, 2, 254, 255};

/* The least role that is let in, by place. */
struct row {
	uint16_t method;
	enum role least[PLACES];
};

/* On the selected database; one that cannot be selected lets nobody in. */
#define SELECTED(Name, role) \
	{ \
		RPC_METHOD_##Name, \
		{ \
			role, SYSADMIN, NOBODY \
		} \
	}
#define ALL(Name, role) \
	{ \
		RPC_METHOD_##Name, \
		{ \
			role, role, role \
		} \
	}
#define NAMED(Name) \
	{ \
		RPC_METHOD_##Name, \
		{ \
			ADMIN, SYSADMIN, SYSADMIN \
		} \
	}

static const struct row rows[] = {
    ALL(Login, NO_LOGIN),
    ALL(OpenSession, NO_LOGIN),
    ALL(Health, NO_LOGIN),
    ALL(ServerInfo, NO_LOGIN),
    ALL(ExchangeStates, NO_LOGIN),
    ALL(ExchangeContradictions, NO_LOGIN),
    ALL(KeepAlive, NO_RIGHTS),
    ALL(SessionList, NO_RIGHTS),
    ALL(EndSession, NO_RIGHTS),
    ALL(DatabaseList, NO_RIGHTS),
    ALL(DatabaseListV2, NO_RIGHTS),
    ALL(ListUsers, NO_RIGHTS),
    ALL(CreateDatabase, SYSADMIN),
    ALL(CreateDatabaseV2, SYSADMIN),
    ALL(BeginRestore, SYSADMIN),
    ALL(WriteRestore, SYSADMIN),
    ALL(FinishRestore, SYSADMIN),
    {RPC_METHOD_UseDatabase, {READ, SYSADMIN, NO_RIGHTS}},
    NAMED(CreateUser),
    NAMED(ChangePermission),
    /* Of somebody whom the sysadmin created. */
    ALL(ChangePassword, SYSADMIN),
    ALL(SetActiveUser, SYSADMIN),
    SELECTED(Set, READ_WRITE),
    SELECTED(VerifiableSet, READ_WRITE),
    SELECTED(Get, READ),
    SELECTED(VerifiableGet, READ),
    SELECTED(GetAll, READ),
    SELECTED(Scan, READ),
    SELECTED(ExecAll, READ_WRITE),
    SELECTED(Delete, READ_WRITE),
    SELECTED(SetReference, READ_WRITE),
    SELECTED(VerifiableSetReference, READ_WRITE),
    SELECTED(ZAdd, READ_WRITE),
    SELECTED(VerifiableZAdd, READ_WRITE),
    SELECTED(ZScan, READ),
    SELECTED(History, READ),
    SELECTED(Count, READ),
    SELECTED(CountAll, READ),
    SELECTED(CurrentState, READ),
    SELECTED(TxById, READ),
    SELECTED(VerifiableTxById, READ),
    SELECTED(TxScan, READ),
    SELECTED(RestoreNotices, READ),
    SELECTED(ExportTx, ADMIN),
    SELECTED(HotBackup, ADMIN),
    SELECTED(DatabaseHealth, READ),
    SELECTED(GetDatabaseSettingsV2, READ),
    SELECTED(FlushIndex, ADMIN),
    SELECTED(CompactIndex, ADMIN),
    SELECTED(StreamSet, READ_WRITE),
    SELECTED(StreamVerifiableSet, READ_WRITE),
    SELECTED(StreamExecAll, READ_WRITE),
    SELECTED(StreamGet, READ),
    SELECTED(StreamVerifiableGet, READ),
    SELECTED(StreamScan, READ),
    SELECTED(StreamZScan, READ),
    SELECTED(StreamHistory, READ),
    NAMED(ScrubDatabase),
    NAMED(StopScrub),
    NAMED(ScrubStatus),
    /* Last: they end what the others use. */
    NAMED(UpdateDatabaseV2),
    NAMED(LoadDatabase),
    NAMED(UnloadDatabase),
    NAMED(DeleteDatabase),
    ALL(Logout, NO_RIGHTS),
    ALL(CloseSession, NO_RIGHTS),
};

static const struct row *
row_of(const struct rpc_method *method)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].method == method->id)
			return &rows[i];
	return NULL;
}

/* Neither table leaves a method out, and they agree on what the selected database is needed for. */
static void
every_method_has_a_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < RPC_METHOD_COUNT; i++) {
		const struct rpc_method *m = &rpc_methods[i];
		const struct permission_rule *rule = permission_rule(m);

		if (rule->scope == PERMISSION_REFUSED)
			fail_msg("%s has no rule", m->name);
		if (!row_of(m))
			fail_msg("%s has no row in the matrix", m->name);
		assert_int_equal(
		    rule->scope == PERMISSION_SELECTED, !!(m->flags & RPC_NEEDS_DATABASE));
		assert_int_equal(rule->scope == PERMISSION_ANYONE, !!(m->flags & RPC_NO_LOGIN));
	}
	assert_int_equal(sizeof rows / sizeof *rows, RPC_METHOD_COUNT);
}

static void
fill_database(ProtobufCMessage *in, const char *database)
{
	const ProtobufCFieldDescriptor *field;
	static const char *const names[] = {"database", "databaseName", "name"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		field = protobuf_c_message_descriptor_get_field_by_name(in->descriptor, names[i]);
		if (field && field->type == PROTOBUF_C_TYPE_STRING)
			*(char **)((uint8_t *)in + field->offset) = text_of(database);
	}
}

/* Asks with what the rule looks at, and nothing else that could work. */
static enum im_err
ask_about(struct fixture *f, const struct rpc_method *method, const char *database)
{
	ProtobufCMessage *in = message_new(&f->arena, method->request);

	if (method->id == RPC_METHOD_CreateUser)
		return create_user_with(f, "newuser", "weak", 1, database);
	if (method->id == RPC_METHOD_ChangePermission)
		return revoke_level(f, "victim", database, 2);
	if (method->id == RPC_METHOD_ChangePassword)
		return change_password(f, "victim", "", "weak");
	if (method->id == RPC_METHOD_SetActiveUser)
		return set_active(f, "victim", true);
	if (method->id == RPC_METHOD_CreateDatabase || method->id == RPC_METHOD_CreateDatabaseV2)
		database = "CAPITALS";
	fill_database(in, database);
	return ask(f, method->id, in, NULL);
}

/* The error that a stream begins with, if it does. */
static enum im_err
ask_stream(struct fixture *f, const struct rpc_method *method)
{
	struct rpc_call call = {.method = method->id,
	    .session = bytes_str(f->session),
	    .request = message_new(&f->arena, method->request)};
	struct rpc_stream *s;
	uint64_t len;
	enum im_err err = rpc_stream_open(f->conn, &call, &s);

	assert_int_equal(err, IM_OK);
	err = rpc_stream_next(s, &len);
	rpc_stream_close(s);
	return err;
}

static bool
is_refusal(enum im_err err)
{
	return err == IM_ERR_PERMISSION || err == IM_ERR_DATABASE_PERMISSION ||
	    err == IM_ERR_DATABASE_ADMIN || err == IM_ERR_NOT_ADMIN || err == IM_ERR_NOT_CREATOR ||
	    err == IM_ERR_NOT_LOGGED_IN || err == IM_ERR_NO_DATABASE;
}

/* One call in a session of its own, so that it does not matter when the call ends it. */
static enum im_err
call_as(
    struct fixture *f, const char base[64], const struct rpc_method *method, const char *database)
{
	enum im_err err = IM_OK;

	memcpy(f->session, base, sizeof f->session);
	if (base[0] && method->flags & RPC_NEEDS_DATABASE)
		err = use(f, database);
	if (err == IM_ERR_DATABASE_NOT_FOUND)
		return IM_ERR_NO_DATABASE;
	if (err != IM_OK)
		return err;
	return method->flags & RPC_STREAM ? ask_stream(f, method) : ask_about(f, method, database);
}

static void
log_in_all(struct fixture *f, char tokens[ROLES][64])
{
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create_database(f, "other"), IM_OK);
	assert_int_equal(create_user(f, "victim", META_LEVEL_READ, "defaultdb"), IM_OK);
	for (size_t role = NO_RIGHTS; role < ROLES; role++) {
		char name[16], session[64];
		uint32_t level = role_levels[role] ? role_levels[role] : META_LEVEL_READ;

		snprintf(name, sizeof name, "role%zu", role);
		memcpy(session, f->session, sizeof session);
		assert_int_equal(
		    create_user(f, name, level, role == SYSADMIN ? "*" : "defaultdb"), IM_OK);
		if (role == NO_RIGHTS)
			assert_int_equal(revoke_level(f, name, "defaultdb", level), IM_OK);
		assert_int_equal(login(f, name, GOOD_PASSWORD), IM_OK);
		memcpy(tokens[role], f->session, sizeof tokens[role]);
		memcpy(f->session, session, sizeof session);
	}
}

static void
every_method_as_every_role(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	char tokens[ROLES][64] = {""};

	options.max_sessions = 10000;
	start(f, &options);
	log_in_all(f, tokens);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t place = 0; place < PLACES; place++)
			for (size_t role = 0; role < ROLES; role++) {
				const struct rpc_method *m = rpc_method_find(rows[i].method);
				bool allowed = role >= rows[i].least[place];
				enum im_err err = call_as(f, tokens[role], m, place_names[place]);

				if (err != IM_ERR_UNIMPLEMENTED && is_refusal(err) == allowed)
					fail_msg("%s as %s on %s: %s", m->name, role_names[role],
					    place_names[place], err_text(err));
				if (m->id == RPC_METHOD_Logout || m->id == RPC_METHOD_CloseSession)
					break;
			}
}

/* Who may read all databases still may not read the journal, and nobody writes there. */
static void
system_database(void **state)
{
	struct fixture *f = *state;
	M(KeyRequest) in = key_request("journal/00000000000000000001");
	char session[64];

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	memcpy(session, f->session, sizeof session);
	assert_int_equal(create_user(f, "most", META_LEVEL_ADMIN, "*"), IM_OK);
	assert_int_equal(use(f, "systemdb"), IM_OK);
	assert_int_equal(journal_flush(f->server->journal), IM_OK);
	assert_int_equal(get(f, &in, NULL), IM_OK);
	assert_int_equal(set(f, "journal/00000000000000000099", "v", NULL), IM_ERR_PERMISSION);
	assert_int_equal(login(f, "most", GOOD_PASSWORD), IM_OK);
	assert_int_equal(use(f, "systemdb"), IM_ERR_DATABASE_PERMISSION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_method_has_a_rule),
	    cmocka_unit_test_setup_teardown(
		every_method_as_every_role, fixture_make, fixture_remove),
	    STARTED(system_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
