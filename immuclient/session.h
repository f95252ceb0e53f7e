#ifndef SESSION_H
#define SESSION_H

#include "client/immu.h"
#include "util/options.h"
#include "util/output.h"

/*
 * What every command needs: a connection by the options, the session that login stored, and an
 * output. The session file lies in the state folder, one for each server address, mode 0600.
 */
struct session {
	const struct command_call *call;
	const struct options *options;
	struct output *out;
	struct immu *c;
	struct buf user;      /* who is logged in; NUL-terminated */
	bool may_login_again; /* a command that must not be repeated clears it */
	bool is_own_session;  /* begun for this command only, because of --database */
};

enum session_need {
	SESSION_CONNECTED, /* the server is there */
	/* With the stored session, unless it is not that of --username; else by --username. */
	SESSION_LOGGED_IN
};

/* The work of a command. Prints its result only when it succeeds. */
typedef enum im_err session_work(struct session *s);

/*
 * Runs a command: connects, goes on with the stored session where needed, does the work, persists
 * the trusted state, prints the error if there is one, and returns the exit code. When the session
 * has expired and credentials are configured, it logs in again and repeats the work once.
 */
int session_run(struct command_call *call, enum session_need need, session_work *work);

/* Logs in as the user, with the password of the options or asked for, and stores the session. */
enum im_err session_login(struct session *s, const char *user, const char **warning);

/* Stores the connection's session for the next command. */
enum im_err session_store(struct session *s);

/* Removes the stored session. */
enum im_err session_forget(struct session *s);

/* Makes sure that the database's state is trusted, and says so if this is the first contact. */
enum im_err session_trust(struct session *s);

#endif
