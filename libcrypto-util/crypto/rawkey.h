#ifndef CRYPTO_RAWKEY_H
#define CRYPTO_RAWKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/bytes.h"
#include "util/err.h"

/*
 * Raw keys and raw values: what users set, reference and add to sorted sets, as the entries of a
 * transaction that are stored and hashed. All integers are big-endian.
 *
 *	operation                 raw key                                        raw value
 *	set key, value            00 key                                         00 value
 *	delete key                00 key                                         (empty)
 *	reference key -> target   00 key                                         01 u64(atTx) 00 target
 *	zadd set, score, key      01 u64(len set) set f64(score)                 (empty)
 *	                             u64(1 + len key) 00 key u64(atTx)
 *	SQL engine                02 ...                                         (its own)
 *	document engine           03 ...                                         (its own)
 *
 * atTx 0 means: the latest value at the time of reading. Empty user keys have an encoding; whether
 * they are allowed is the caller's matter.
 */
#define RAW_KEY_MAX 1024u
#define USER_KEY_MAX (RAW_KEY_MAX - 1)
#define RAW_VALUE_MAX (32u * 1024 * 1024)
#define USER_VALUE_MAX (RAW_VALUE_MAX - 1)
#define TX_ENTRIES_MAX 1024u

enum raw_key_kind {
	RAW_KEY_PLAIN = 0,    /* set, delete, reference */
	RAW_KEY_ZADD = 1,     /* member of a sorted set */
	RAW_KEY_SQL = 2,      /* opaque here */
	RAW_KEY_DOCUMENT = 3, /* opaque here */
};

/* The first byte of a raw value under a plain key. */
enum raw_value_kind {
	RAW_VALUE_PLAIN = 0,
	RAW_VALUE_REFERENCE = 1,
};

/* A parsed raw key; the views point into the bytes that were parsed. */
struct raw_key {
	enum raw_key_kind kind;
	struct bytes key; /* the user's key; for SQL and DOCUMENT all after the first byte */
	struct bytes set; /* ZADD only, as the next two */
	double score;
	uint64_t at_tx;
};

/* A parsed raw value of a plain key; the views point into the bytes that were parsed. */
struct raw_value {
	enum raw_value_kind kind;
	struct bytes value;  /* PLAIN only */
	struct bytes target; /* REFERENCE only: the user's key it points to */
	uint64_t at_tx;      /* REFERENCE only */
};

/* What identifies a member of a sorted set. */
struct zset_member {
	struct bytes set;
	double score;
	struct bytes key;
	uint64_t at_tx;
};

/*
 * raw_key_make: the raw key of a user's key, allocated from a.
 * IM_ERR_KEY_LENGTH (key longer than USER_KEY_MAX), IM_ERR_NOMEM.
 */
enum im_err raw_key_make(struct arena *a, struct bytes key, struct bytes *out);

/*
 * raw_key_make_zadd: the raw key of a member of a sorted set, allocated from a. Every score has an
 * encoding and -0 differs from 0; refuse NaN with zset_score_is_valid() before writing.
 * IM_ERR_KEY_LENGTH (the raw key would pass RAW_KEY_MAX), IM_ERR_NOMEM.
 */
enum im_err raw_key_make_zadd(struct arena *a, const struct zset_member *m, struct bytes *out);

/*
 * raw_key_parse: takes a raw key apart. Strict: IM_ERR_FORMAT for an empty or overlong key, an
 * unknown kind, or lengths that do not fit together exactly.
 */
enum im_err raw_key_parse(struct bytes raw, struct raw_key *out);

/* raw_value_make: the raw value of a user's value. IM_ERR_VALUE_LENGTH, IM_ERR_NOMEM. */
enum im_err raw_value_make(struct arena *a, struct bytes value, struct bytes *out);

/* raw_value_make_reference: the raw value of a reference. IM_ERR_KEY_LENGTH, IM_ERR_NOMEM. */
enum im_err
raw_value_make_reference(struct arena *a, struct bytes target, uint64_t at_tx, struct bytes *out);

/*
 * raw_value_parse: takes the raw value of a plain key apart. IM_ERR_FORMAT for an empty value (that
 * of a deleted key has no parts), an unknown kind, or a reference that is too short or too long.
 */
enum im_err raw_value_parse(struct bytes raw, struct raw_value *out);

/* False for NaN, which has no place in a numeric order. */
bool zset_score_is_valid(double score);

/*
 * The order-preserving form of a score: a bijection of all 64-bit patterns such that unsigned order
 * is numeric order, -0 just before 0. zset_score_of_order() is its inverse.
 */
uint64_t zset_order_of_score(double score);
double zset_score_of_order(uint64_t order);

/*
 * raw_key_to_index: turns a raw key into its index form, in place: the score of a sorted-set member
 * is replaced by its order-preserving form, everything else stays. A bijection of all byte strings
 * (what is not a well-formed sorted-set key is left alone), length kept, so that two index keys are
 * equal exactly when the raw keys are. raw_key_from_index() undoes it.
 */
void raw_key_to_index(uint8_t *key, size_t len);
void raw_key_from_index(uint8_t *key, size_t len);

/*
 * raw_key_make_zset_prefix: what the raw (and index) keys of all members of set begin with,
 * allocated from a. IM_ERR_KEY_LENGTH, IM_ERR_NOMEM.
 */
enum im_err raw_key_make_zset_prefix(struct arena *a, struct bytes set, struct bytes *out);

#endif
