#ifndef RANDOM_MESSAGE_H
#define RANDOM_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "util/arena.h"

/*
 * Messages with content that is hard to convert: extremes of every type, both zeros, text of every
 * length of UTF-8, empty and missing things. The same seed makes the same messages.
 */
struct random_source {
	uint64_t state; /* not 0 */
};

uint64_t random_next(struct random_source *r);

/* A message of type d in the arena; fails the test when the arena is too small. */
ProtobufCMessage *
random_message(struct random_source *r, const ProtobufCMessageDescriptor *d, struct arena *a);

#endif
