#ifndef SERVER_SESSIONS_H
#define SERVER_SESSIONS_H

#include <stdbool.h>

#include "meta/meta.h"
#include "util/arena.h"
#include "util/bytes.h"

/*
 * Who is logged in. A session is known by a token of 32 random bytes, shown as base64url text; the
 * table holds only the token's SHA-256, in memory. A session is bound to a user, a database and the
 * user's permission on it, and ends by logout, by expiry, or with its user's rights.
 *
 * All functions are safe from any thread and never wait.
 */
struct sessions;
struct database;

/* What a client gets: Login gives a token, which lives a fixed time; OpenSession a session id,
 * which lives as long as it is used. */
enum session_kind { SESSION_TOKEN, SESSION_OPEN };

/*
 * Room for the text of either kind with its NUL: 43 characters, and for SESSION_OPEN the padding.
 */
#define SESSION_TEXT_MAX 45

struct sessions_options {
	size_t max;              /* sessions at once */
	int64_t token_life_ns;   /* of SESSION_TOKEN */
	int64_t idle_ns;         /* of SESSION_OPEN, without use */
	int64_t (*now_ns)(void); /* NULL: the monotonic clock */
};

/* What a session is bound to. */
struct session {
	enum session_kind kind;
	char user[META_USER_MAX + 1];
	struct database *database; /* borrowed; NULL when none is selected */
	enum meta_level level;     /* of user on database; META_LEVEL_NONE without database */
	bool is_sysadmin;          /* on all databases */
	bool must_change_password; /* before anything else */
	uint64_t epoch;            /* sessions_epoch() before the user's rights were read */
};

/* Room for the name of a session, which is not its token: 12 hexadecimal digits and NUL. */
#define SESSION_ID_SIZE 13
#define SESSION_ADDRESS_SIZE 64

/* A session as it is shown. */
struct session_info {
	char id[SESSION_ID_SIZE];
	char address[SESSION_ADDRESS_SIZE]; /* who started it */
	struct session session;
	int64_t opened_ns, used_ns; /* clock_monotonic_ns() */
};

/* A table without sessions; NULL without memory. Free with sessions_free(). */
struct sessions *sessions_new(const struct sessions_options *options);

/* Forgets all sessions. NULL is accepted. No other call may be running. */
void sessions_free(struct sessions *s);

/*
 * Goes up whenever somebody's rights change. Who reads rights to start a session reads this before,
 * so that a change in between is not missed.
 */
uint64_t sessions_epoch(const struct sessions *s);

/*
 * Starts a session of a client at address and writes its text. When there is no room the same
 * user's least recently used one ends, never another user's; IM_ERR_TOO_MANY_SESSIONS when the user
 * has none. Who has half of all sessions or more finds no room before the last eighth, which is
 * left to others. IM_ERR_ILLEGAL_STATE when the epoch is not that of the session: its user's rights
 * are to be read again. IM_ERR_NOMEM, IM_ERR_INTERNAL without random bytes.
 */
enum im_err sessions_start(struct sessions *s, const struct session *session, const char *address,
    char text[SESSION_TEXT_MAX]);

/*
 * Finds the session of a text and counts as its use. IM_ERR_NOT_LOGGED_IN for an empty or unknown
 * token, IM_ERR_SESSION_NOT_FOUND for an unknown or idle session id, IM_ERR_TOKEN_EXPIRED.
 */
enum im_err sessions_find(struct sessions *s, struct bytes text, struct session *out);

/* Binds a session to another database. Errors as sessions_find(). */
enum im_err sessions_rebind(
    struct sessions *s, struct bytes text, struct database *database, enum meta_level level);

/* Ends one session. Errors as sessions_find(). */
enum im_err sessions_end(struct sessions *s, struct bytes text);

/* Ends all sessions of a user: its password, permissions or activity changed. */
void sessions_end_user(struct sessions *s, const char *user);

/*
 * Whether a session found before is still there; does not count as its use. As long as nobody's
 * rights have changed since, this costs nothing. Errors as sessions_find().
 */
enum im_err sessions_check(struct sessions *s, struct bytes text, const struct session *found);

/*
 * Copies what is known of the sessions alive, of one user or (NULL) of all, into a, the oldest
 * first; own (SIZE_MAX: none) is the place of the session with that text. IM_ERR_NOMEM.
 */
struct session_list {
	struct session_info *items;
	size_t len, own;
};
enum im_err sessions_list(struct sessions *s, const char *user, struct bytes own, struct arena *a,
    struct session_list *out);

/*
 * Ends the session with that id, if it is one of that user (NULL: of anybody); *ended is what it
 * was. IM_ERR_SESSION_NOT_FOUND.
 */
enum im_err
sessions_end_id(struct sessions *s, const char *id, const char *user, struct session *ended);

/* Sessions alive. */
size_t sessions_count(struct sessions *s);

#endif
