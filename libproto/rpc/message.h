#ifndef RPC_MESSAGE_H
#define RPC_MESSAGE_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "util/arena.h"
#include "util/bytes.h"

/*
 * Decoding of untrusted messages. The library that does it has no limits of its own, keeps unknown
 * fields, and takes a known field of a wrong wire type for an unknown one; so the bytes are walked
 * with the descriptor first, and memory comes from an arena within a budget.
 */

/* What decoding len bytes may take from an arena: generous for small bodies, 4-fold for large. */
size_t message_budget(size_t len);

/*
 * Walks the packed bytes of a message of type d. IM_ERR_FORMAT: does not parse, wrong wire type,
 * NUL byte or bad UTF-8 in a string. IM_ERR_UNIMPLEMENTED: a field that d does not have, when
 * strict. The detail names message and field.
 */
enum im_err message_check(const ProtobufCMessageDescriptor *d, struct bytes body, bool strict);

/*
 * message_check() and then decodes into the arena, taking at most message_budget() from it; nothing
 * needs to be freed but the arena. In addition IM_ERR_LIMIT when budget or arena is exhausted.
 */
enum im_err message_unpack(const ProtobufCMessageDescriptor *d, struct bytes body, bool strict,
    struct arena *arena, ProtobufCMessage **out);

/*
 * The packer takes -0 in a field of doubles for 0 and leaves it out. For value -0 this adds field
 * number field to the message once more, so that its sign travels; for any other value it does
 * nothing. At most one field of a message. False when the arena is exhausted. The bytes are in the
 * arena.
 */
bool message_keep_negative_zero(struct arena *a, ProtobufCMessage *m, uint32_t field, double value);

#endif
