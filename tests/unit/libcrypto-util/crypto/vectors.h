#ifndef CRYPTO_VECTORS_H
#define CRYPTO_VECTORS_H

/*
 * Reading vector files and checking them; one function a kind of file. A check that fails is
 * printed and counted, and the rest goes on. Missing keys read as zero or empty, as the files leave
 * out what is not there.
 */
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"
#include "crypto/header.h"
#include "crypto/metadata.h"
#include "util/arena.h"
#include "util/bytes.h"
#include "util/err.h"

#define VECTORS_ARENA_MAX (512u * 1024 * 1024)

struct vectors {
	const char *file;
	struct arena arena;
	size_t checks;
	size_t failures;
	size_t malformed; /* texts that are not what they should be, each also a failure */
	bool quiet;       /* malformed texts are expected: count, do not fail */
};

/* Counts a failed check and prints it. */
void vectors_fail(struct vectors *v, const char *what, const char *detail);

/* Counts a check, and a failure when ok is false. where names the case within the file. */
void vectors_check(struct vectors *v, bool ok, const char *what, const char *where);

/* A text for where, such as "dual 3 -> 7"; from the arena. */
const char *
vectors_where(struct vectors *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct json_object *json_get(struct json_object *o, const char *key);
uint64_t json_u64(struct json_object *o, const char *key);
int64_t json_i64(struct json_object *o, const char *key);
size_t json_len(struct json_object *array);
struct json_object *json_at(struct json_object *array, size_t i);
struct bytes json_text(struct json_object *o, const char *key);

/* Hex text as bytes, hashes and lists of hashes, from the arena. Bad hex is a failure and empty. */
struct bytes vectors_hex(struct vectors *v, struct json_object *text);
struct bytes vectors_hex_at(struct vectors *v, struct json_object *o, const char *key);
struct hash vectors_hash_at(struct vectors *v, struct json_object *o, const char *key);
struct hash_list vectors_hashes(struct vectors *v, struct json_object *array);
bool hash_list_equal(struct hash_list a, struct hash_list b);

/*
 * Metadata objects as the files have them, encoded. A header takes the fields that o has and keeps
 * the others.
 */
struct bytes vectors_kv_metadata(struct vectors *v, struct json_object *o);
void vectors_header(struct vectors *v, struct json_object *o, struct tx_header *out);

void vectors_check_htree(struct vectors *v, struct json_object *file);
void vectors_check_ahtree(struct vectors *v, struct json_object *file);
void vectors_check_headers(struct vectors *v, struct json_object *file);
void vectors_check_entries(struct vectors *v, struct json_object *file);
void vectors_check_encodings(struct vectors *v, struct json_object *file);
void vectors_check_history(struct vectors *v, struct json_object *file);
void vectors_check_signature(struct vectors *v, struct json_object *file);

#endif
