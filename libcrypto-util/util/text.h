#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include "util/bytes.h"

/* Text helpers: UTF-8, escaping for terminals and JSON, likeness of words. Pure. */

/*
 * The length of the well-formed UTF-8 character at the start of v (1 to 4), or 0 when there is
 * none: overlong forms, surrogates and values past U+10FFFF are not well-formed.
 */
size_t text_utf8_char(struct bytes v);

/* Whether all of v is well-formed UTF-8. The empty view is. */
bool text_utf8_valid(struct bytes v);

/*
 * Appends v so that no byte of it can steer a terminal or break a line: control characters (C0, DEL
 * and C1) become \n, \r, \t or \xNN, bytes that are not UTF-8 become \xNN. Everything else,
 * backslashes included, stays as it is.
 */
bool text_append_printable(struct buf *b, struct bytes v);

/*
 * Appends v as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the
 * result is valid whatever v is; a caller to whom they matter checks text_utf8_valid() first.
 */
bool text_append_json(struct buf *b, struct bytes v);

/* Appends the shortest decimal text that reads back as the same double; "NaN", "+Inf", "-Inf". */
bool text_append_double(struct buf *b, double v);

/* How many columns v takes on a terminal, counting one for each character. */
size_t text_columns(struct bytes v);

/*
 * The number of single-character insertions, deletions, changes and swaps of neighbours between two
 * words, ignoring case; words longer than 64 bytes are as far from everything as they are long.
 */
size_t text_distance(const char *a, const char *b);

/* Whether a comma-separated list such as "warn,warning" holds word. A NULL list holds nothing. */
bool text_list_has(const char *list, const char *word);

#endif
