#ifndef SERVER_UNIMPLEMENTED_H
#define SERVER_UNIMPLEMENTED_H

#include "rpc/method.h"
#include "util/err.h"

/*
 * Fields that requests may have but that are not acted upon yet. Ignoring one would be a wrong
 * answer, so a request that sets one is refused.
 */
struct unimplemented_field {
	const char *message; /* by the names of immudb.proto */
	const char *field;
};

/* The table. */
extern const struct unimplemented_field unimplemented_fields[];
extern const size_t unimplemented_field_count;

/*
 * Looks through a decoded request, sub-messages included. IM_OK, or IM_ERR_UNIMPLEMENTED with
 * "not implemented: MESSAGE.FIELD" as the detail, for the first field of the table that is set to
 * anything but its default. IM_ERR_FORMAT for a message nested deeper than any of ours. Pure.
 */
enum im_err unimplemented_check(const ProtobufCMessage *message);

#endif
