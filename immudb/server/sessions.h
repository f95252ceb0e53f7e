#ifndef SERVER_SESSIONS_H
#define SERVER_SESSIONS_H

#include "meta/meta.h"
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

/* What a client gets: Login gives a token, which lives a fixed time; OpenSession a session id, which
 * lives as long as it is used. */
enum session_kind { SESSION_TOKEN, SESSION_OPEN };

/* Room for the text of either kind with its NUL: 43 characters, and for SESSION_OPEN the padding. */
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
};

/* A table without sessions; NULL without memory. Free with sessions_free(). */
struct sessions *sessions_new(const struct sessions_options *options);

/* Forgets all sessions. NULL is accepted. No other call may be running. */
void sessions_free(struct sessions *s);

/*
 * Starts a session and writes its text. When max are alive and one user has more than half of them,
 * that user's least recently used one ends, so that nobody can keep others out; otherwise
 * IM_ERR_TOO_MANY_SESSIONS. IM_ERR_NOMEM, IM_ERR_INTERNAL without random bytes.
 */
enum im_err
sessions_start(struct sessions *s, const struct session *session, char text[SESSION_TEXT_MAX]);

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

/* Sessions alive. */
size_t sessions_count(struct sessions *s);

#endif
