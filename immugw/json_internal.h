#ifndef IMMUGW_JSON_INTERNAL_H
#define IMMUGW_JSON_INTERNAL_H

#include "json.h"

/* What the files of the converter share; nobody else includes this. */

/* Where the reader is: in member field of a message, at item index of it if it is a list. */
struct json_frame {
	const ProtobufCFieldDescriptor *field;
	size_t index;
	bool is_item;
};

struct json_reader {
	const uint8_t *start, *at, *end;
	struct arena *arena;
	size_t left; /* of the budget of memory */
	size_t depth;
	struct json_frame frames[JSON_DEPTH_MAX];
	struct bytes
	    prefix; /* of every error's place, "" for a body; for json_set_field() the name */
	enum im_err err;
};

enum json_kind {
	JSON_KIND_STRING, /* text: what is between the quotes, escapes and all */
	JSON_KIND_NUMBER, /* text: its characters */
	JSON_KIND_BOOL,
	JSON_KIND_PLAIN /* text from a path or a query */
};

struct json_token {
	enum json_kind kind;
	bool has_escapes;
	bool value; /* of JSON_KIND_BOOL */
	struct bytes text;
};

/* Records an error at the place where the reader is; returns false. The first one counts. */
bool json_fail(struct json_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Memory from the arena within the budget; NULL with the error recorded. */
void *json_alloc(struct json_reader *r, size_t n);

/* The bytes that one scalar of that type takes in a message. */
size_t json_scalar_size(ProtobufCType type);

/*
 * Converts a token to the scalar at to, of json_scalar_size() bytes. False with the error recorded.
 */
bool json_scalar_read(
    struct json_reader *r, const ProtobufCFieldDescriptor *f, const struct json_token *t, void *to);

/*
 * The bytes of a string between its quotes with its escapes resolved, in the arena, followed by a
 * NUL. Refuses control characters, bad UTF-8, lone surrogates and NUL.
 */
bool json_text_read(struct json_reader *r, struct bytes raw, struct bytes *out);

/*
 * The packer takes -0 in a single field of floating point for 0 and leaves it out. If m has -0
 * there, this adds the field to the message once more, as one that the packer does not know, so
 * that its sign travels. False with the error recorded.
 */
bool json_keep_sign(struct json_reader *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);

/* How a text is no integer. */
enum json_integer_fault {
	JSON_INTEGER_FINE,
	JSON_INTEGER_NO_NUMBER, /* not a number as JSON writes it */
	JSON_INTEGER_FRACTION,  /* a number but not a whole one */
	JSON_INTEGER_TOO_LARGE  /* magnitude past 64 bits */
};

/* Exactly the integer that a JSON number denotes, as sign and magnitude. */
enum json_integer_fault json_integer_read(struct bytes text, bool *negative, uint64_t *magnitude);

/* Whether text is a number as JSON writes it. */
bool json_number_valid(struct bytes text);

/*
 * Decodes base64 of either alphabet, padded or not, to out, which has room for 3 bytes for each
 * begun 4 of text. Returns the length; on failure SIZE_MAX and in *fault the offset of the first
 * bad character, which is text.len when characters are missing.
 */
size_t json_base64_decode(struct bytes text, uint8_t *out, size_t *fault);

#endif
