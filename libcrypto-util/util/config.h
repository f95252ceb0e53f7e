#ifndef UTIL_CONFIG_H
#define UTIL_CONFIG_H

#include "util/arena.h"

/*
 * What a configuration file says, whatever its language: a flat list of dotted keys and values, in
 * the order of the file. Made by toml_parse() and yaml_parse().
 */

/* Limits of both languages. */
#define CONFIG_MAX_BYTES (1024u * 1024)
#define CONFIG_MAX_ENTRIES 4096u
#define CONFIG_MAX_DEPTH 8u
#define CONFIG_MAX_KEY 256u
#define CONFIG_MAX_MEMORY (16u * 1024 * 1024)

enum config_type {
	CONFIG_STRING,
	CONFIG_INT,
	CONFIG_FLOAT,
	CONFIG_BOOL,
	CONFIG_ARRAY /* of strings; other scalars are given by their text */
};

struct config_entry {
	const char *key; /* "a.b"; a quoted part that holds a dot is refused */
	enum config_type type;
	const char *text; /* a scalar's value as text, decoded for strings; never holds a NUL */
	int64_t integer;  /* CONFIG_INT */
	double real;      /* CONFIG_FLOAT */
	bool boolean;     /* CONFIG_BOOL */
	const char *const *items; /* CONFIG_ARRAY */
	size_t item_count;
	unsigned line;   /* of the key, from 1 */
	unsigned column; /* of the key, in bytes, from 1 */
};

struct config_doc {
	struct arena arena; /* owns all text below */
	struct config_entry *entries;
	size_t count;
	size_t cap;
};

/* An empty document. */
void config_doc_init(struct config_doc *doc);

/* Releases everything, wiping it first: a configuration may hold secrets. */
void config_doc_free(struct config_doc *doc);

/* The entry of a key, or NULL. */
const struct config_entry *config_doc_find(const struct config_doc *doc, const char *key);

/* Whether a bare word is an integer, as both languages write it. */
enum config_number { CONFIG_NOT_A_NUMBER, CONFIG_NUMBER, CONFIG_OUT_OF_RANGE };

/*
 * Reads a decimal integer with an optional sign, or 0x, 0o, 0b digits; single underscores between
 * digits. Leading zeros are refused. For the parsers.
 */
enum config_number config_read_int(struct bytes word, int64_t *out);

/* Reads a decimal fraction with point or exponent or both, underscores as above. */
enum config_number config_read_float(struct bytes word, double *out);

/*
 * Whether a new key may stand beside those there are: not given before, not a table where there is
 * a value, nor the other way round. For the parsers.
 */
bool config_doc_may_add(const struct config_doc *doc, const char *key);

/*
 * Appends an entry, which the caller fills; NULL when a limit or memory is exhausted (IM_ERR_LIMIT,
 * IM_ERR_NOMEM as the thread's detail). For the parsers.
 */
struct config_entry *config_doc_add(struct config_doc *doc);

#endif
