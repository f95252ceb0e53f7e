/*
 * Administration of databases through a whole server: creating with good and bad names, listing, using,
 * unloading, deleting, settings, what others may do, and what a restart finds.
 */
#include "server_harness.h"

#include <pthread.h>

static enum im_err
create(struct fixture *f, const char *name, bool if_not_exists, M(CreateDatabaseResponse) * *out)
{
	M(CreateDatabaseRequest) in = IMMUDB__SCHEMA__CREATE_DATABASE_REQUEST__INIT;

	in.name = (char *)(uintptr_t)name;
	in.ifnotexists = if_not_exists;
	return ask(f, RPC_METHOD_CreateDatabaseV2, &in.base, out);
}

static M(DatabaseListResponseV2) * list(struct fixture *f)
{
	M(DatabaseListRequestV2) in = IMMUDB__SCHEMA__DATABASE_LIST_REQUEST_V2__INIT;
	M(DatabaseListResponseV2) *out = NULL;

	assert_int_equal(ask(f, RPC_METHOD_DatabaseListV2, &in.base, &out), IM_OK);
	return out;
}

static const M(DatabaseInfo) * listed(struct fixture *f, const char *name)
{
	M(DatabaseListResponseV2) *l = list(f);

	for (size_t i = 0; i < l->n_databases; i++)
		if (strcmp(l->databases[i]->name, name) == 0)
			return l->databases[i];
	return NULL;
}

static void
created_is_listed_and_used(void **state)
{
	struct fixture *f = *state;
	M(CreateDatabaseResponse) * out;
	M(DatabaseListResponseV2) * l;
	M(TxHeader) * header;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "team_2", false, &out), IM_OK);
	assert_string_equal(out->name, "team_2");
	assert_false(out->alreadyexisted);
	assert_int_equal(out->settings->writetxheaderversion->value, 1);
	assert_int_equal(create(f, "team_1", false, NULL), IM_OK);
	l = list(f);
	assert_int_equal(l->n_databases, 3);
	assert_string_equal(l->databases[0]->name, "defaultdb");
	assert_string_equal(l->databases[1]->name, "team_1");
	assert_string_equal(l->databases[2]->name, "team_2");
	assert_true(l->databases[1]->loaded);
	assert_string_equal(l->databases[1]->created_by, "immudb");
	assert_true(l->databases[1]->created_at > 1600000000);
	assert_int_equal(l->databases[1]->numtransactions, 0);
	assert_int_equal(use(f, "team_1"), IM_OK);
	assert_int_equal(set(f, "k", "v", &header), IM_OK);
	assert_int_equal(header->id, 1);
	assert_int_equal(listed(f, "team_1")->numtransactions, 1);
	assert_int_equal(listed(f, "team_2")->numtransactions, 0);
	assert_true(listed(f, "team_1")->disksize > 0);
}

static void
bad_names_are_refused(void **state)
{
	struct fixture *f = *state;
	char long_name[130];
	struct {
		const char *name;
		enum im_err err;
		const char *text;
	} rows[] = {
	    {"", IM_ERR_DATABASE_NAME, "database name length outside of limits"},
	    {long_name, IM_ERR_DATABASE_NAME, "database name length outside of limits"},
	    {"Team", IM_ERR_DATABASE_NAME, "provide a lowercase database name"},
	    {"a b", IM_ERR_DATABASE_NAME, "unrecognized character in database name"},
	    {"a\x7f", IM_ERR_DATABASE_NAME, "unrecognized character in database name"},
	    {"../up", IM_ERR_DATABASE_NAME, "punctuation marks and symbols are not allowed"},
	    {"..", IM_ERR_DATABASE_NAME, "punctuation marks and symbols are not allowed"},
	    {"a';drop--", IM_ERR_DATABASE_NAME, "punctuation marks and symbols are not allowed"},
	    {"systemdb", IM_ERR_DATABASE_RESERVED, "this database name is reserved"},
	    {"defaultdb", IM_ERR_DATABASE_RESERVED, "this database name is reserved"},
	    {"twice", IM_ERR_DATABASE_EXISTS, "database twice already exists"},
	};

	memset(long_name, 'a', 129);
	long_name[129] = '\0';
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, long_name + 1, false, NULL), IM_OK);
	assert_int_equal(create(f, "twice", false, NULL), IM_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum im_err err = create(f, rows[i].name, false, NULL);

		if (err != rows[i].err || !strstr(err_detail(err), rows[i].text))
			fail_msg("%s: %s", rows[i].name, err_detail(err));
		assert_int_equal(f->status, err_status(rows[i].err));
	}
	assert_int_equal(list(f)->n_databases, 3);
}

static void
existing_may_be_accepted(void **state)
{
	struct fixture *f = *state;
	M(CreateDatabaseResponse) * out;
	M(Database) old = IMMUDB__SCHEMA__DATABASE__INIT;
	M(DatabaseListResponse) * names;
	M(Empty) empty = IMMUDB__SCHEMA__EMPTY__INIT;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(create(f, "one", true, &out), IM_OK);
	assert_false(out->alreadyexisted);
	assert_int_equal(create(f, "one", true, &out), IM_OK);
	assert_true(out->alreadyexisted);
	old.databasename = (char *)(uintptr_t) "two";
	assert_int_equal(ask(f, RPC_METHOD_CreateDatabase, &old.base, NULL), IM_OK);
	assert_int_equal(
	    ask(f, RPC_METHOD_CreateDatabase, &old.base, NULL), IM_ERR_DATABASE_EXISTS);
	assert_int_equal(ask(f, RPC_METHOD_DatabaseList, &empty.base, &names), IM_OK);
	assert_int_equal(names->n_databases, 3);
	assert_string_equal(names->databases[2]->databasename, "two");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STARTED(created_is_listed_and_used),
	    STARTED(bad_names_are_refused),
	    STARTED(existing_may_be_accepted),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
