/*
 * Changes to users, each with its rule and its journal row in one transaction. meta_users.c has the
 * look-ups; server/permissions.c has the rules.
 *
 * Invariants:
 * 1. Once there was an active sysadmin there always is one.
 * 2. created_by is written once, when the user is.
 */
#include "meta/meta_change.h"

#include <stdio.h>

#include "meta/meta_sql.h"
#include "util/clock.h"

/*
 * One number about text[0] and text[1], where they are not NULL. 0 without a row. Handle is taken.
 */
static enum im_err
meta_change_number(struct meta *m, enum meta_statement id, const char *const text[2], int64_t *out)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, id, &err);

	*out = 0;
	if (!stmt)
		return err;
	for (int i = 0; i < 2 && text[i]; i++)
		meta_bind(stmt, i + 1, bytes_str(text[i]));
	err = meta_step(m, stmt);
	if (err == IM_OK)
		*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
meta_change_level(
    struct meta *m, enum meta_statement id, const char *const text[2], enum meta_level *out)
{
	int64_t found;
	enum im_err err = meta_change_number(m, id, text, &found);

	*out = (enum meta_level)found;
	return err;
}

static enum im_err
meta_change_flag(struct meta *m, enum meta_statement id, const char *const text[2], bool *out)
{
	int64_t found;
	enum im_err err = meta_change_number(m, id, text, &found);

	*out = found != 0;
	return err;
}

static enum im_err
meta_facts_user(struct meta *m, struct meta_facts *f)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, META_SQL_USER_GET, &err);

	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(f->change->user));
	err = meta_step(m, stmt);
	f->user_exists = err == IM_OK;
	if (err == IM_OK)
		meta_user_read(stmt, &f->user);
	sqlite3_reset(stmt);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

static enum im_err
meta_facts_actor(struct meta *m, struct meta_facts *f)
{
	const char *actor = f->change->actor, *user = f->change->user;
	const char *database = f->change->database ? f->change->database : "";
	enum im_err err;

	f->by_user = actor != NULL;
	if (!actor)
		return IM_OK;
	err = meta_change_flag(
	    m, META_SQL_USER_IS_ACTIVE, (const char *[2]){actor, NULL}, &f->actor_exists);
	if (err == IM_OK)
		err = meta_change_level(
		    m, META_SQL_LEVEL_GET, (const char *[2]){actor, database}, &f->actor_level);
	if (err == IM_OK)
		err = meta_change_level(
		    m, META_SQL_LEVEL_HIGHEST, (const char *[2]){actor, NULL}, &f->actor_highest);
	if (err == IM_OK)
		err = meta_change_flag(
		    m, META_SQL_LEVEL_COVERS, (const char *[2]){actor, user}, &f->actor_covers);
	return err;
}

static enum im_err
meta_facts_read(struct meta *m, const struct meta_change *change, struct meta_facts *f)
{
	const char *database = change->database ? change->database : "";
	enum im_err err;

	memset(f, 0, sizeof *f);
	f->change = change;
	err = meta_facts_user(m, f);
	if (err == IM_OK)
		err = meta_facts_actor(m, f);
	if (err == IM_OK)
		err = meta_change_level(m, META_SQL_LEVEL_ENTRY,
		    (const char *[2]){change->user, database}, &f->user_level);
	if (err == IM_OK)
		err = meta_change_flag(m, META_SQL_DATABASE_EXISTS,
		    (const char *[2]){database, NULL}, &f->database_exists);
	f->database_exists |= strcmp(database, META_ALL_DATABASES) == 0;
	return err;
}

/* Runs an UPDATE of the user's row. */
static enum im_err
meta_change_update(
    struct meta *m, enum meta_statement id, const struct meta_change *change, bool active)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, id, &err);

	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(change->user));
	if (id == META_SQL_USER_HASH)
		meta_bind(stmt, 2, bytes_str(change->hash));
	else
		sqlite3_bind_int(stmt, 2, active);
	return meta_exec(m, stmt);
}

static enum im_err
meta_change_create(struct meta *m, const struct meta_change *change)
{
	struct meta_user user = {.active = change->active, .created_at_s = clock_wall_s()};
	enum im_err err;

	snprintf(user.name, sizeof user.name, "%s", change->user);
	snprintf(user.hash, sizeof user.hash, "%s", change->hash);
	snprintf(user.created_by, sizeof user.created_by, "%s", change->created_by);
	err = meta_user_write(m, &user);
	if (err == IM_OK && change->level != META_LEVEL_NONE)
		err = meta_level_write(m, change->user, change->database, change->level);
	explicit_bzero(user.hash, sizeof user.hash);
	return err;
}

static enum im_err
meta_change_apply(struct meta *m, const struct meta_change *change)
{
	enum im_err err;

	switch (change->kind) {
	case META_CHANGE_CREATE:
		return meta_change_create(m, change);
	case META_CHANGE_PASSWORD:
		return meta_change_update(m, META_SQL_USER_HASH, change, false);
	case META_CHANGE_ACTIVE:
		return meta_change_update(m, META_SQL_USER_ACTIVE, change, change->active);
	case META_CHANGE_GRANT:
		err = meta_level_write(m, change->user, change->database, change->level);
		return err == IM_OK ? meta_change_update(m, META_SQL_USER_ACTIVE, change, true)
				    : err;
	case META_CHANGE_REVOKE:
		return meta_level_write(m, change->user, change->database, META_LEVEL_NONE);
	}
	return IM_ERR_ARGUMENT;
}

/* All of it, in a transaction. */
static enum im_err
meta_change_run(struct meta *m, const struct meta_change *change, struct meta_facts *facts)
{
	static const char *const none[2] = {NULL, NULL};
	bool had_sysadmin, has_sysadmin;
	enum im_err err = meta_facts_read(m, change, facts);

	if (err == IM_OK && change->allow)
		err = change->allow(change->arg, facts);
	if (err == IM_OK && change->kind != META_CHANGE_CREATE && !facts->user_exists)
		err = err_set(IM_ERR_USER_NOT_FOUND, "user %s not found", change->user);
	if (err == IM_OK)
		err = meta_change_flag(m, META_SQL_SYSADMIN_COUNT, none, &had_sysadmin);
	if (err == IM_OK)
		err = meta_change_apply(m, change);
	if (err == IM_OK)
		err = meta_change_flag(m, META_SQL_SYSADMIN_COUNT, none, &has_sysadmin);
	if (err == IM_OK && had_sysadmin && !has_sysadmin)
		err = IM_ERR_LAST_SYSADMIN;
	return err == IM_OK ? meta_journal_write(m, change->action) : err;
}

enum im_err
meta_user_change(struct meta *m, const struct meta_change *change)
{
	struct meta_facts facts;
	enum im_err err = meta_level_check(change->level);

	if (err != IM_OK)
		return err;
	if (change->kind == META_CHANGE_CREATE && !meta_user_name_ok(change->user))
		return IM_ERR_USER_NAME;
	pthread_mutex_lock(&m->mutex);
	err = meta_transaction_begin(m);
	if (err == IM_OK)
		err = meta_transaction_end(m, meta_change_run(m, change, &facts));
	meta_unlock(m);
	explicit_bzero(&facts.user, sizeof facts.user);
	return err;
}

enum im_err
meta_user_change_ask(struct meta *m, const struct meta_change *change)
{
	struct meta_facts facts;
	enum im_err err;

	pthread_mutex_lock(&m->mutex);
	err = meta_facts_read(m, change, &facts);
	if (err == IM_OK && change->allow)
		err = change->allow(change->arg, &facts);
	meta_unlock(m);
	explicit_bzero(&facts.user, sizeof facts.user);
	return err;
}

enum im_err
meta_grant_list(
    struct meta *m, enum im_err (*each)(void *arg, const struct meta_grant *grant), void *arg)
{
	struct meta_grant grant;
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_GRANT_LIST, &err);

	while (err == IM_OK) {
		err = meta_step(m, stmt);
		if (err != IM_OK)
			break;
		meta_user_read(stmt, &grant.user);
		meta_column(stmt, 5, grant.database, sizeof grant.database);
		grant.level = (enum meta_level)sqlite3_column_int(stmt, 6);
		err = each(arg, &grant);
	}
	meta_unlock(m);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}
