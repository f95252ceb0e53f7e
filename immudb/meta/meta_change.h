#ifndef META_META_CHANGE_H
#define META_META_CHANGE_H

#include "meta/meta_journal.h"

/*
 * Changes to users. What is true of both sides is read, the rule asked, the change made and its
 * journal row written in one transaction: administrators who work at the same time cannot undermine
 * a rule. Errors are those of meta.h and those named here.
 */

enum meta_change_kind {
	META_CHANGE_CREATE,   /* hash, active, created_by, database, level */
	META_CHANGE_PASSWORD, /* hash */
	META_CHANGE_GRANT,    /* database, level: replaces the one held there; activates the user */
	META_CHANGE_REVOKE,   /* database */
	META_CHANGE_ACTIVE    /* active */
};

/* What a rule decides on. */
struct meta_facts {
	bool by_user;                  /* otherwise what follows about the actor is empty */
	bool actor_exists;             /* found, and active */
	enum meta_level actor_level;   /* on the database of the change */
	enum meta_level actor_highest; /* on any */
	bool actor_covers; /* it administers every database that the user has a level on */
	bool user_exists;
	struct meta_user user;      /* before the change */
	enum meta_level user_level; /* the entry for exactly that database */
	bool database_exists;       /* META_ALL_DATABASES does */
	const struct meta_change *change;
};

struct meta_change {
	enum meta_change_kind kind;
	const char *actor; /* a user; NULL: nobody, the rule knows why */
	const char *user;
	const char *database; /* NULL with the kinds that have none */
	enum meta_level level;
	const char *hash;
	bool active;
	const char *created_by;
	const struct meta_action *action; /* what the journal says */
	/* May the change be made? Called in the transaction, must not call into meta. NULL: yes. */
	enum im_err (*allow)(void *arg, const struct meta_facts *facts);
	void *arg;
};

/*
 * Makes a change, or returns the error of its rule. IM_ERR_USER_NOT_FOUND, IM_ERR_USER_EXISTS,
 * IM_ERR_USER_NAME; IM_ERR_LAST_SYSADMIN when no active user would be sysadmin of all databases any
 * more; IM_ERR_ARGUMENT for an unknown level.
 */
enum im_err meta_user_change(struct meta *m, const struct meta_change *change);

/* The error of the change's rule as things are now, without making the change. */
enum im_err meta_user_change_ask(struct meta *m, const struct meta_change *change);

/* One permission of a user, or the user alone (database "") when there is none. */
struct meta_grant {
	struct meta_user user; /* without its hash */
	char database[META_DATABASE_MAX + 1];
	enum meta_level level;
};

/*
 * Calls each for every permission of every user, by user and database, until it returns anything
 * but IM_OK, which is then returned. each must not call into meta.
 */
enum im_err meta_grant_list(
    struct meta *m, enum im_err (*each)(void *arg, const struct meta_grant *grant), void *arg);

#endif
