/*
 * Users and their permissions: looking them up, and the rows of one. meta.c owns the file; the
 * server's login and permission checks are the callers, and meta_change.c, which makes every
 * change.
 *
 * Invariants: a name in the table has passed meta_user_name_ok(); a permission of level none is an
 * absent row.
 */
#include "meta/meta_sql.h"

bool
meta_user_name_ok(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '_')
			return false;
	}
	return i >= 1 && i <= META_USER_MAX;
}

enum im_err
meta_level_check(enum meta_level level)
{
	switch (level) {
	case META_LEVEL_NONE:
	case META_LEVEL_READ:
	case META_LEVEL_READ_WRITE:
	case META_LEVEL_ADMIN:
	case META_LEVEL_SYSADMIN:
		return IM_OK;
	}
	return err_set(IM_ERR_ARGUMENT, "unrecognized permission");
}

enum im_err
meta_level_write(struct meta *m, const char *user, const char *database, enum meta_level level)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(
	    m, level == META_LEVEL_NONE ? META_SQL_LEVEL_DROP : META_SQL_LEVEL_PUT, &err);

	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(user));
	meta_bind(stmt, 2, bytes_str(database));
	if (level != META_LEVEL_NONE)
		sqlite3_bind_int(stmt, 3, (int)level);
	return meta_exec(m, stmt);
}

enum im_err
meta_user_write(struct meta *m, const struct meta_user *user)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_statement(m, META_SQL_USER_ADD, &err);

	if (!stmt)
		return err;
	meta_bind(stmt, 1, bytes_str(user->name));
	meta_bind(stmt, 2, bytes_str(user->hash));
	sqlite3_bind_int(stmt, 3, user->active);
	meta_bind(stmt, 4, bytes_str(user->created_by));
	sqlite3_bind_int64(stmt, 5, user->created_at_s);
	err = meta_exec(m, stmt);
	return err == IM_ERR_EXISTS ? IM_ERR_USER_EXISTS : err;
}

void
meta_user_read(sqlite3_stmt *stmt, struct meta_user *out)
{
	memset(out, 0, sizeof *out);
	meta_column(stmt, 0, out->name, sizeof out->name);
	meta_column(stmt, 1, out->hash, sizeof out->hash);
	out->active = sqlite3_column_int(stmt, 2) != 0;
	meta_column(stmt, 3, out->created_by, sizeof out->created_by);
	out->created_at_s = sqlite3_column_int64(stmt, 4);
}

enum im_err
meta_user_get(struct meta *m, struct bytes name, struct meta_user *out)
{
	enum im_err err;
	sqlite3_stmt *stmt;

	if (name.len > META_USER_MAX)
		return IM_ERR_NOT_FOUND;
	stmt = meta_lock(m, META_SQL_USER_GET, &err);
	if (stmt) {
		meta_bind(stmt, 1, name);
		err = meta_step(m, stmt);
	}
	if (err == IM_OK)
		meta_user_read(stmt, out);
	meta_unlock(m);
	return err;
}

enum im_err
meta_user_list(
    struct meta *m, enum im_err (*each)(void *arg, const struct meta_user *user), void *arg)
{
	struct meta_user user;
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, META_SQL_USER_LIST, &err);

	while (err == IM_OK) {
		err = meta_step(m, stmt);
		if (err != IM_OK) {
			err = err == IM_ERR_NOT_FOUND ? IM_OK : err;
			break;
		}
		meta_user_read(stmt, &user);
		err = each(arg, &user);
	}
	meta_unlock(m);
	explicit_bzero(&user, sizeof user);
	return err;
}

/* One number about a user. text is parameter 2, when not NULL. */
static enum im_err
meta_user_number(struct meta *m, enum meta_statement id, const char *const text[2], int64_t *out)
{
	enum im_err err;
	sqlite3_stmt *stmt = meta_lock(m, id, &err);
	int i;

	if (stmt) {
		for (i = 0; i < 2 && text[i]; i++)
			meta_bind(stmt, i + 1, bytes_str(text[i]));
		err = meta_step(m, stmt);
	}
	if (err == IM_OK)
		*out = sqlite3_column_int64(stmt, 0);
	meta_unlock(m);
	return err;
}

enum im_err
meta_permission(struct meta *m, const char *user, const char *database, enum meta_level *level)
{
	int64_t found = 0;
	enum im_err err =
	    meta_user_number(m, META_SQL_LEVEL_GET, (const char *[2]){user, database}, &found);

	*level = (enum meta_level)found;
	return err;
}

enum im_err
meta_user_count(struct meta *m, size_t *count)
{
	int64_t found = 0;
	enum im_err err =
	    meta_user_number(m, META_SQL_USER_COUNT, (const char *[2]){NULL, NULL}, &found);

	*count = (size_t)found;
	return err;
}
