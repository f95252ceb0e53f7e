#ifndef IMMUGW_LONG_LIST_H
#define IMMUGW_LONG_LIST_H

#include "http/http_exchange.h"
#include "verified.h"

/*
 * Lists of any length, answered in pieces in little memory, one JSON object a line, to who asks for
 * application/x-ndjson: keys, members of a set, versions of a key, transactions. The gateway asks
 * the server for one page after the other; limit is that of the whole list, none if it is 0.
 */
#define LONG_LIST_TYPE "application/x-ndjson"

struct long_list {
	struct verified *verified;
	struct verified_session session;
	const struct route *route;
	const ProtobufCMessage *request;
	struct http_exchange *x;
	struct buf *headers; /* of the answer */
};

/* Whether that is what the header Accept (may be NULL) asks for, of a route that has such lists. */
bool long_list_wanted(const struct route *route, const char *accept);

/*
 * Answers. An error means that nothing is answered yet; an answer that cannot be finished is broken
 * off, so that the peer sees it.
 */
enum im_err long_list_answer(const struct long_list *list);

#endif
