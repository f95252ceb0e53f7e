#ifndef UTIL_OUTPUT_H
#define UTIL_OUTPUT_H

#include "util/bytes.h"

/*
 * What a command prints: results on stdout as text or JSON, messages on stderr. A command describes
 * its result (records of named fields, lists of records) once, and the format chosen by --output
 * renders it. One owner at a time.
 *
 * Text. A record is one line a field, "name:" padded to the record's label width, then the value.
 * Records of a list have a blank line between them; a table is aligned, numbered, and headed by
 * its caption. Values go out byte for byte, unless stdout is a terminal: then control characters
 * and bytes that are not UTF-8 are escaped as \xNN.
 *
 * JSON. A top-level record is one object on one line, a list or table an array of objects with one
 * object a line. Names are the field names with blanks turned into underscores. Integers are
 * exact. Byte fields that are valid UTF-8 are strings; others are given, in standard base64, under
 * the name with "_base64" added, and the plain name is then absent. Doubles that JSON cannot say
 * are null.
 */
enum output_format { OUTPUT_TEXT, OUTPUT_JSON };

enum output_style {
	OUTPUT_BLOCKS, /* text: a block of lines for each record */
	OUTPUT_TABLE   /* text: a row for each record, columns named by the first one's fields */
};

/* How byte fields are shown; see output_bytes_form(). */
enum output_bytes_form { OUTPUT_BYTES_PLAIN, OUTPUT_BYTES_HEX, OUTPUT_BYTES_BASE64 };

enum output_colour { OUTPUT_PLAIN, OUTPUT_GREEN, OUTPUT_YELLOW, OUTPUT_RED, OUTPUT_BOLD };

#define OUTPUT_LABEL_WIDTH 10
#define OUTPUT_MAX_DEPTH 8
/* A table is held in memory until its columns are known. */
#define OUTPUT_MAX_TABLE_BYTES (256u * 1024 * 1024)

struct output;

/*
 * An output on the descriptors out_fd (results) and err_fd (messages), which stay the caller's.
 * Whether they are terminals, NO_COLOR and TERM=dumb are looked at here. program names us in error
 * messages and must outlive the output. NULL without memory. Programs ignore SIGPIPE.
 */
struct output *output_new(enum output_format format, int out_fd, int err_fd, const char *program);

/*
 * Writes what is buffered and says whether all of it reached its place: IM_ERR_IO (or
 * IM_ERR_NO_SPACE, IM_ERR_NOMEM, IM_ERR_LIMIT) when not, with the reason as detail. A reader that
 * closed the pipe is no error.
 */
enum im_err output_flush(struct output *o);

/* output_flush(), then closes out_fd's content for good (fsync is not implied) and frees o. */
enum im_err output_close(struct output *o);

/* Whether more output is pointless: the reader is gone or writing failed. Long loops stop on it. */
bool output_is_broken(const struct output *o);

/* Whether results, or messages, go to a terminal. */
bool output_on_terminal(const struct output *o);
bool output_messages_on_terminal(const struct output *o);

enum output_format output_format(const struct output *o);

/*
 * A record. At the top level, in a list (name is then NULL), or inside another record under name
 * (text: its fields are shown with the name in front, "name.field").
 */
void output_record_begin(struct output *o, const char *name);
void output_record_end(struct output *o);

/* The width to which "name:" is padded in text from here on; 0 is OUTPUT_LABEL_WIDTH. */
void output_label_width(struct output *o, unsigned columns);

/*
 * Byte fields and values alone, from here on: as they are, or in lower-case hex, or in standard
 * base64. JSON then says so in the name: "key_hex", "value_base64".
 */
void output_bytes_form(struct output *o, enum output_bytes_form form);

/*
 * A list of records, at the top level (name NULL) or in a record. noun is for the table's caption,
 * "3 user(s):"; NULL gives "row(s)". An empty table prints nothing as text.
 */
void
output_list_begin(struct output *o, const char *name, enum output_style style, const char *noun);
void output_list_end(struct output *o);

/* Fields of the record that is open. Strings are NUL-terminated; NULL leaves the field out. */
void output_string(struct output *o, const char *name, const char *v);
void output_bytes(struct output *o, const char *name, struct bytes v);
void output_hex(struct output *o, const char *name, struct bytes v);
void output_base64(struct output *o, const char *name, struct bytes v);
void output_u64(struct output *o, const char *name, uint64_t v);
void output_i64(struct output *o, const char *name, int64_t v);
void output_double(struct output *o, const char *name, double v);
void output_bool(struct output *o, const char *name, bool v);
void output_null(struct output *o, const char *name);

/* A time in seconds since 1970, as RFC 3339 UTC. */
void output_time(struct output *o, const char *name, int64_t unix_s);

/* Colours the value of the next field, where colour is allowed. */
void output_next_colour(struct output *o, enum output_colour colour);

/*
 * A value alone and a newline, as --value-only prints it; JSON: {"value": ...} by the rule for
 * bytes.
 */
void output_value(struct output *o, struct bytes v);

/* A result that is a sentence: text, the line; JSON, {"message": "..."}. */
void output_message(struct output *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line on stderr, escaped: nothing but progress and advice; not part of the result. */
void output_note(struct output *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void output_warn(struct output *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The thread's error on stderr: text, "PROGRAM: detail"; JSON,
 * {"error": {"code": "NotFound", "name": "IM_ERR_KEY_NOT_FOUND", "message": "..."}}.
 * Results written so far go out first. Returns the exit code of the error.
 */
enum im_exit output_error(struct output *o, enum im_err err);

/*
 * A progress line on stderr, rewritten in place; only when stderr is a terminal and not a dumb
 * one. An empty text clears it; every other message clears it first.
 */
void output_progress(struct output *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
