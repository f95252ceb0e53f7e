/*
 * The superadmin when the server starts: made in a new folder, given another password if that was
 * asked for, and looked at, because as long as it has the password that everybody knows it may log
 * in from this machine only. Neighbours: server.c (the order of things), meta/ (users),
 * crypto/password.h.
 *
 * Invariant: a password that may not be is refused before any user is made.
 */
#include <string.h>

#include "crypto/password.h"
#include "meta/meta_change.h"
#include "server/server_state.h"
#include "util/log.h"

/*
 * Whether the superadmin may get the password of the options; the known one is for the first start.
 */
static enum im_err
admin_check_password(const struct server *s, bool first)
{
	const char *password = s->options.admin_password;

	if (!password || !password[0])
		return err_set(IM_ERR_CONFIG, "Admin password cannot be empty");
	if (first && strcmp(password, SERVER_ADMIN_PASSWORD) == 0)
		return IM_OK;
	if (password_check_choice(bytes_str(password)) != IM_OK)
		return err_set(IM_ERR_CONFIG, "admin-password: %s", err_text(IM_ERR_WEAK_PASSWORD));
	return IM_OK;
}

/* The first user in a folder that has none, or with another password. */
static enum im_err
admin_set(struct server *s, bool first, const char *hash)
{
	struct meta_action action = {.actor = JOURNAL_ACTOR_SERVER,
	    .action = first ? JOURNAL_CREATE_USER : JOURNAL_CHANGE_PASSWORD,
	    .user = SERVER_ADMIN,
	    .database = first ? META_ALL_DATABASES : NULL,
	    .permission = first ? "sysadmin" : NULL,
	    .detail = first ? "first start" : "force-admin-password"};
	struct meta_change change = {.kind = first ? META_CHANGE_CREATE : META_CHANGE_PASSWORD,
	    .user = SERVER_ADMIN,
	    .database = META_ALL_DATABASES,
	    .level = first ? META_LEVEL_SYSADMIN : META_LEVEL_NONE,
	    .hash = hash,
	    .active = true,
	    .created_by = SERVER_ADMIN,
	    .action = &action};
	enum im_err err = meta_user_change(s->meta, &change);

	if (err == IM_OK)
		log_info(first ? "Admin user %s successfully created"
			       : "Password of admin user %s replaced",
		    SERVER_ADMIN);
	return err;
}

/* The password of the options in place of the one it has, unless that is the same. */
static enum im_err
admin_force(struct server *s, const struct meta_user *admin)
{
	char hash[META_HASH_MAX];
	enum im_err err = password_check(bytes_str(s->options.admin_password), admin->hash);

	if (err != IM_ERR_CREDENTIALS)
		return err;
	err = admin_check_password(s, false);
	if (err == IM_OK)
		err = password_hash(bytes_str(s->options.admin_password), hash);
	if (err == IM_OK)
		err = admin_set(s, false, hash);
	explicit_bzero(hash, sizeof hash);
	s->default_password = false;
	return err;
}

/* Finds out whether the password is the known one, and replaces it if that was asked for. */
static enum im_err
admin_look(struct server *s)
{
	struct meta_user admin;
	enum im_err err = meta_user_get(s->meta, bytes_str(SERVER_ADMIN), &admin);

	if (err != IM_OK)
		return err == IM_ERR_NOT_FOUND ? IM_OK : err;
	err = password_check(bytes_str(SERVER_ADMIN_PASSWORD), admin.hash);
	s->default_password = err == IM_OK;
	if (s->options.force_admin_password && (err == IM_OK || err == IM_ERR_CREDENTIALS))
		err = admin_force(s, &admin);
	explicit_bzero(admin.hash, sizeof admin.hash);
	return err == IM_ERR_CREDENTIALS ? IM_OK : err;
}

static void *
admin_hash(void *arg)
{
	struct server_admin *a = arg;

	a->err = password_hash(bytes_str(a->password), a->hash);
	return NULL;
}

enum im_err
server_admin_begin(struct server *s, struct server_admin *a)
{
	size_t count = 0;
	enum im_err err = meta_user_count(s->meta, &count);

	if (err == IM_OK && !s->options.auth && !s->options.maintenance && count > 1)
		err = err_set(IM_ERR_CONFIG, "auth should be on: there are other users");
	a->is_first = err == IM_OK && count == 0;
	if (!a->is_first)
		return err;
	a->password = s->options.admin_password;
	err = admin_check_password(s, true);
	if (err != IM_OK)
		return err;
	err = password_prepare();
	if (err != IM_OK)
		return err;
	a->is_hashing = pthread_create(&a->thread, NULL, admin_hash, a) == 0;
	if (!a->is_hashing)
		admin_hash(a);
	return IM_OK;
}

enum im_err
server_admin_end(struct server *s, struct server_admin *a, enum im_err err)
{
	if (a->is_hashing)
		pthread_join(a->thread, NULL);
	if (err == IM_OK)
		err = a->err;
	if (err == IM_OK && a->is_first) {
		err = admin_set(s, true, a->hash);
		/* Known without asking the hash. */
		s->default_password = strcmp(a->password, SERVER_ADMIN_PASSWORD) == 0;
	} else if (err == IM_OK) {
		err = admin_look(s);
	}
	explicit_bzero(a->hash, sizeof a->hash);
	return err;
}
