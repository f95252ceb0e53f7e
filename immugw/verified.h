#ifndef IMMUGW_VERIFIED_H
#define IMMUGW_VERIFIED_H

#include <stdint.h>

#include "client/immu.h"
#include "util/arena.h"

#include "routes.h"

/*
 * Verified calls on behalf of those who ask the gateway: connections of the client library, one a
 * call at a time, kept for the next call with the same token; their trusted states, one for each
 * server and database, are in files that all of them share. Any thread.
 */
struct verified;

#define VERIFIED_IDLE_MAX 32 /* connections kept */

/* options: server, state folder, key; its strings are borrowed. IM_ERR_NOMEM, IM_ERR_INTERNAL. */
enum im_err verified_new(const struct immu_options *options, struct verified **out);

/* No call may be under way. Persists what is trusted. NULL is accepted. */
void verified_free(struct verified *v);

/* Whose call: the session, and the database that it has selected. */
struct verified_session {
	const char *token;
	const char *database;
};

/* What was proven. The message points into the result; release that with immu_result_free(). */
struct verified_outcome {
	ProtobufCMessage *message;
	struct immu_result *result;
};

/*
 * Makes the verified call that a request message of the route means, and of what was proven the
 * message that the route answers with, in the arena. Errors of the client library; nothing is
 * answered that is not proven. On failure there is nothing to release.
 */
struct verified_asked {
	const struct route *route;
	const ProtobufCMessage *message;
};
enum im_err verified_call(struct verified *v, const struct verified_session *session,
    const struct verified_asked *asked, struct arena *arena, struct verified_outcome *out);

/* A connection of the library, lent for some calls. */
struct verified_loan {
	struct immu *c;
	uint64_t generation; /* how often verified_renew() had been called when it was made */
};

/*
 * A connection with that session, for long lists. Give it back with verified_give(), with how its
 * calls ended.
 */
enum im_err verified_take(
    struct verified *v, const struct verified_session *session, struct verified_loan *out);
void verified_give(struct verified *v, const struct verified_loan *loan, enum im_err err);

/*
 * What is asked from here on goes over connections that are made anew, with the key and the
 * certificates that the files have now. Those that are in use come to the end of their calls.
 */
void verified_renew(struct verified *v);

#endif
