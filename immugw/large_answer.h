#ifndef IMMUGW_LARGE_ANSWER_H
#define IMMUGW_LARGE_ANSWER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "http/http_exchange.h"

/* A message that takes at least so many bytes is answered in pieces. */
#define LARGE_ANSWER_MIN ((size_t)1 << 20)

/*
 * Sends a large entry or list with status 200 as JSON in pieces, so that its JSON is never in
 * memory as a whole: the same text as json_write() makes, but for an entry's value, which comes
 * last. headers are whole lines. False when the message is not large or of another kind: then
 * nothing was sent. What cannot be sent to its end is broken off.
 */
bool large_answer_send(
    struct http_exchange *x, const char *headers, const ProtobufCMessage *m, unsigned style);

#endif
