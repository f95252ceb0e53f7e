#ifndef IMMUGW_JSON_H
#define IMMUGW_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "util/arena.h"
#include "util/bytes.h"

/*
 * The one converter between JSON and messages, driven by the descriptors, after the JSON mapping of
 * proto3 (protobuf.dev, "ProtoJSON format"). No floating point lies between an integer and its
 * text. Pure: any thread, nothing shared.
 *
 * Reading is strict. Unknown and repeated members, two members of one oneof, wrong types, numbers
 * out of range, bad base64, bad UTF-8, lone surrogates, NUL in a string and text after the end are
 * refused with IM_ERR_JSON, whose detail names the place: "KVs[3].value: illegal base64 data at
 * input byte 7". No detail repeats a value: it may be a password.
 *
 * What is accepted: a member's lowerCamelCase name, its name in the schema and the name that
 * version 0.9 had for it; null for an absent member; integers as numbers or strings, also written
 * 1e3 or 5.0; bytes as base64 of either alphabet, padded or not; enums by name or number; "NaN",
 * "Infinity" and "-Infinity" for floating point.
 */

#define JSON_TEXT_MAX (64u * 1024 * 1024) /* longest text that is read */
#define JSON_DEPTH_MAX 16                 /* messages inside one another */

/* How a message is written; or-ed. */
enum json_style {
	JSON_STRINGS = 0,  /* 64-bit integers as strings, enums by name, lowerCamelCase names */
	JSON_NUMBERS = 1,  /* 64-bit integers and enums as numbers, names as in the schema */
	JSON_NAMES_0_9 = 2 /* the names of version 0.9 where they differ, as "metadata" of a Tx */
};

/*
 * Reads one object into a message of type d. Message and content are in the arena; at most
 * message_budget(text.len) of it is taken. Views of the message never point into text. IM_ERR_JSON,
 * IM_ERR_BODY_SIZE (text longer than JSON_TEXT_MAX, or the budget or the arena exhausted). *out is
 * NULL on failure. -0 survives packing.
 */
enum im_err json_read(const ProtobufCMessageDescriptor *d, struct bytes text, struct arena *a,
    ProtobufCMessage **out);

/*
 * Sets one scalar field of m from plain text, as it stands in a path or a query after decoding:
 * numbers in decimal, "true" or "false" (or 1, 0), bytes as base64, enums by name or number. name
 * may lead into sub-messages ("entriesSpec.kvEntriesSpec.action"), which are made when missing. A
 * field that already has another value is refused. IM_ERR_JSON, its detail begins with the name;
 * IM_ERR_BODY_SIZE when the arena is exhausted.
 */
enum im_err
json_set_field(ProtobufCMessage *m, struct bytes name, struct bytes text, struct arena *a);

/*
 * The field of that name: lowerCamelCase, as in the schema, or of version 0.9. NULL when there is
 * none.
 */
const ProtobufCFieldDescriptor *
json_find_field(const ProtobufCMessageDescriptor *d, struct bytes name);

/*
 * Appends the name that a field of d is written with in that style. At most JSON_NAME_MAX bytes.
 */
#define JSON_NAME_MAX 64
void json_append_field_name(struct buf *out, const ProtobufCMessageDescriptor *d,
    const ProtobufCFieldDescriptor *f, unsigned style);

/* The name that version 0.9 had for the field, if it had another one; otherwise NULL. */
const char *json_old_name(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f);

/*
 * Appends a message as one JSON object without blanks; members in the order of their numbers, those
 * that have their default value left out. Failure is out->err.
 */
void json_write(struct buf *out, const ProtobufCMessage *m, unsigned style);

/*
 * An answer whose only member is a list, item by item: json_list_begin(), json_list_add() for each,
 * json_list_end() make what json_write() makes of the whole. Between the calls the caller may take
 * away what is in the buffer, so that a long list needs little memory. Failure is out->err.
 */
struct json_list {
	struct buf *out;
	const char *name; /* of the list; borrowed */
	unsigned style;
	bool is_open; /* an item was written */
};

void json_list_begin(struct json_list *l, struct buf *out, const char *name, unsigned style);
void json_list_add(struct json_list *l, const ProtobufCMessage *item);
void json_list_end(struct json_list *l);

/*
 * A string of base64 in pieces, for values that are not held in memory as a whole: begin writes the
 * quote, end the padding and the quote. The caller may take away what is in the buffer in between.
 */
struct json_base64 {
	struct buf *out;
	uint8_t rest[2]; /* bytes that do not fill a group of three yet */
	size_t rest_len;
};

void json_base64_begin(struct json_base64 *s, struct buf *out);
void json_base64_add(struct json_base64 *s, struct bytes piece);
void json_base64_end(struct json_base64 *s);

#endif
