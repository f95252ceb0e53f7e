#ifndef SESSION_H
#define SESSION_H

#include "client/immu.h"
#include "util/arena.h"
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
	struct session_link *link;
	struct immu *c;       /* that of the link */
	struct arena memory;  /* of this command: decoded arguments, content of files */
	bool may_login_again; /* a command that must not be repeated clears it */
	bool is_own_session;  /* begun for this command only, because of --database or --username */
	bool keeps_stored;    /* the stored session is somebody else's, and stays */
};

/* Longest name of a database. */
#define SESSION_DATABASE_MAX 128

/*
 * A connection and who uses it: of one command, or of all commands of a shell. A shell gives its
 * own as the context of its commands.
 */
struct session_link {
	struct immu *c;      /* NULL: not connected */
	struct buf user;     /* who is logged in; NUL-terminated */
	struct buf database; /* of a shell: where it is, over all connections; NUL-terminated */
	bool is_shell;
	bool owns_session; /* begun for this shell only, because of --database */
	/* The first contact that was told of last, by the name of its database. */
	char told[SESSION_DATABASE_MAX + 1];
};

/*
 * A link that is not connected; session_link_close() releases it and says what immu_close() does.
 */
enum im_err session_link_init(struct session_link *link, bool is_shell);
enum im_err session_link_close(struct session_link *link);

enum session_need {
	SESSION_OFFLINE,   /* no server at all */
	SESSION_CONNECTED, /* the server is there */
	/*
	 * With the stored session, unless it is not that of --username; else by --username, and
	 * what is stored of another user stays.
	 */
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

/*
 * Connects by the options: for a SESSION_OFFLINE command that finds out by itself that it needs the
 * server.
 */
enum im_err session_connect(struct session *s);

/* Logs in as the user, with the password of the options or asked for, and stores the session. */
enum im_err session_login(struct session *s, const char *user, const char **warning);

/*
 * Sends a request and waits. Of a verified one the proven state is persisted before this returns: a
 * result may be shown only when a crash would not make us forget what proved it. Free *out with
 * immu_result_free(); NULL on failure.
 */
enum im_err
session_ask(struct session *s, const struct immu_request *request, struct immu_result **out);

/* Whether the command is the variant of its kind that proves what it does: "safe...". */
bool session_is_safe(const struct session *s);

/*
 * Logs in without a password, by the certificate of mtls. IM_ERR_UNIMPLEMENTED when a password is
 * configured, there is no certificate, or the server does not let users in by it.
 */
enum im_err session_login_by_certificate(struct session *s, const char *user, const char **warning);

/* The password of the options, else from the terminal or the input's first line. Wipe it. */
enum im_err session_password(struct session *s, struct buf *out);

/* session_login() with a password that is known. */
enum im_err
session_login_with(struct session *s, const char *user, const char *password, const char **warning);

/* Stores the connection's session for the next command. */
enum im_err session_store(struct session *s);

/* Removes the stored session. */
enum im_err session_forget(struct session *s);

/* Makes sure that the database's state is trusted, and says so if this is the first contact. */
enum im_err session_trust(struct session *s);

#endif
