#ifndef INPUT_H
#define INPUT_H

#include "cli/session.h"
#include "crypto/rawkey.h"

/*
 * Keys and values as the user gives them. With --hex or --base64 arguments are decoded; otherwise
 * they are taken byte for byte. What is returned lives as long as the session's memory.
 */

/* A value may be as long as the server takes; what is longer is refused before it is sent. */
#define INPUT_VALUE_MAX (RAW_VALUE_MAX - 1u)

/* An argument that is a key, or any other name of the server's. IM_ERR_USAGE, IM_ERR_NOMEM. */
enum im_err input_key(struct session *s, const char *text, struct immu_bytes *out);

/*
 * A value. "@FILE" is the content of a file, "@-" that of the standard input, "@@TEXT" is "@TEXT";
 * with --literal, a leading "@" means nothing. IM_ERR_USAGE, IM_ERR_NOT_FOUND, IM_ERR_IO,
 * IM_ERR_VALUE_LENGTH, IM_ERR_NOMEM.
 */
enum im_err input_value(struct session *s, const char *text, struct immu_bytes *out);

/* The first line of the standard input, as a key. IM_ERR_USAGE when that is a terminal. */
enum im_err input_line(struct session *s, struct immu_bytes *out);

/* Whether a value argument stands for content that is not in the argument itself. */
bool input_is_file(const struct session *s, const char *text);

/*
 * What the options --expires-in, --expires-at and --non-indexable say, and the conditions of
 * --if-exists, --if-not-exists and --if-not-modified-after on the key. IM_ERR_USAGE.
 */
struct input_terms {
	struct immu_metadata metadata;
	struct immu_precondition conditions[3];
	size_t conditions_len;
};

enum im_err input_terms(struct session *s, struct immu_bytes key, struct input_terms *out);

/* A whole number > 0 that names a transaction. IM_ERR_USAGE. */
enum im_err input_tx(const char *text, uint64_t *out);

/* A score: a finite decimal number. IM_ERR_USAGE. */
enum im_err input_score(const char *text, double *out);

#endif
