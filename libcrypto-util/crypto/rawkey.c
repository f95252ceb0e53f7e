/*
 * Raw keys and values: made, and taken apart strictly.
 *
 * Neighbours: everything that reads or writes entries. The store keeps keys in index form, which
 * differs from the raw form in the score of sorted-set members only.
 *
 * Invariant: whether a key is a well-formed member of a sorted set does not depend on its score, so
 * that both directions of the index form agree on which keys they change.
 */
#include "crypto/rawkey.h"

#include <math.h>

#define PREFIX_SIZE 1
#define LENGTH_SIZE 8
#define SCORE_SIZE 8
#define TX_SIZE 8
/* All of a sorted-set key but set and key: two lengths, score, the key's own prefix, atTx. */
#define ZADD_FIXED (PREFIX_SIZE + LENGTH_SIZE + SCORE_SIZE + LENGTH_SIZE + PREFIX_SIZE + TX_SIZE)
#define ZADD_SET_OFFSET (PREFIX_SIZE + LENGTH_SIZE)
#define REFERENCE_FIXED (PREFIX_SIZE + TX_SIZE + PREFIX_SIZE)
#define SIGN_BIT (UINT64_C(1) << 63)

static enum im_err
raw_key_too_long(size_t len, size_t max)
{
	return err_set(
	    IM_ERR_KEY_LENGTH, "max key length exceeded: %zu bytes, at most %zu", len, max);
}

static uint8_t *
put(uint8_t *p, struct bytes v)
{
	if (v.len)
		memcpy(p, v.data, v.len);
	return p + v.len;
}

static uint8_t *
put_be64(uint8_t *p, uint64_t v)
{
	be64_put(p, v);
	return p + sizeof v;
}

static uint64_t
bits_of_score(double score)
{
	uint64_t bits;

	memcpy(&bits, &score, sizeof bits);
	return bits;
}

static double
score_of_bits(uint64_t bits)
{
	double score;

	memcpy(&score, &bits, sizeof score);
	return score;
}

enum im_err
raw_key_make(struct arena *a, struct bytes key, struct bytes *out)
{
	uint8_t *p;

	if (key.len > USER_KEY_MAX)
		return raw_key_too_long(key.len, USER_KEY_MAX);
	p = (uint8_t *)arena_alloc(a, PREFIX_SIZE + key.len);
	if (!p)
		return IM_ERR_NOMEM;
	p[0] = RAW_KEY_PLAIN;
	put(p + PREFIX_SIZE, key);
	*out = bytes_of(p, PREFIX_SIZE + key.len);
	return IM_OK;
}

enum im_err
raw_key_make_zadd(struct arena *a, const struct zset_member *m, struct bytes *out)
{
	uint8_t *start, *p;

	if (m->set.len > RAW_KEY_MAX || m->key.len > RAW_KEY_MAX ||
	    m->set.len + m->key.len > RAW_KEY_MAX - ZADD_FIXED)
		return err_set(IM_ERR_KEY_LENGTH,
		    "max key length exceeded: set and key have more than %zu bytes",
		    (size_t)(RAW_KEY_MAX - ZADD_FIXED));
	start = p = (uint8_t *)arena_alloc(a, ZADD_FIXED + m->set.len + m->key.len);
	if (!p)
		return IM_ERR_NOMEM;
	*p++ = RAW_KEY_ZADD;
	p = put_be64(p, m->set.len);
	p = put(p, m->set);
	p = put_be64(p, bits_of_score(m->score));
	p = put_be64(p, PREFIX_SIZE + m->key.len);
	*p++ = RAW_KEY_PLAIN;
	p = put(p, m->key);
	p = put_be64(p, m->at_tx);
	*out = bytes_of(start, (size_t)(p - start));
	return IM_OK;
}

enum im_err
raw_key_make_zset_prefix(struct arena *a, struct bytes set, struct bytes *out)
{
	uint8_t *p;

	if (set.len > RAW_KEY_MAX - ZADD_FIXED)
		return raw_key_too_long(set.len, RAW_KEY_MAX - ZADD_FIXED);
	p = (uint8_t *)arena_alloc(a, ZADD_SET_OFFSET + set.len);
	if (!p)
		return IM_ERR_NOMEM;
	p[0] = RAW_KEY_ZADD;
	put(put_be64(p + PREFIX_SIZE, set.len), set);
	*out = bytes_of(p, ZADD_SET_OFFSET + set.len);
	return IM_OK;
}

/* Everything after the first byte of a sorted-set key; false unless all lengths fit exactly. */
static bool
zadd_parse(struct reader *r, struct raw_key *out)
{
	uint64_t len;

	out->set = reader_bytes(r, reader_be64(r));
	out->score = score_of_bits(reader_be64(r));
	len = reader_be64(r);
	if (len == 0 || reader_u8(r) != RAW_KEY_PLAIN)
		return false;
	out->key = reader_bytes(r, len - PREFIX_SIZE);
	out->at_tx = reader_be64(r);
	return !r->failed && reader_left(r) == 0;
}

enum im_err
raw_key_parse(struct bytes raw, struct raw_key *out)
{
	struct reader r = reader_of(raw);
	struct raw_key key = {0};

	if (raw.len == 0 || raw.len > RAW_KEY_MAX)
		return err_set(IM_ERR_FORMAT, "raw key of %zu bytes", raw.len);
	key.kind = (enum raw_key_kind)reader_u8(&r);
	switch (key.kind) {
	case RAW_KEY_PLAIN:
	case RAW_KEY_SQL:
	case RAW_KEY_DOCUMENT:
		key.key = reader_bytes(&r, raw.len - PREFIX_SIZE);
		break;
	case RAW_KEY_ZADD:
		if (!zadd_parse(&r, &key))
			return err_set(IM_ERR_FORMAT, "malformed key of a sorted set");
		break;
	default:
		return err_set(IM_ERR_FORMAT, "raw key of unknown kind %u", raw.data[0]);
	}
	*out = key;
	return IM_OK;
}

enum im_err
raw_value_make(struct arena *a, struct bytes value, struct bytes *out)
{
	uint8_t *p;

	if (value.len > USER_VALUE_MAX)
		return err_set(IM_ERR_VALUE_LENGTH,
		    "max value length exceeded: %zu bytes, at most %zu", value.len,
		    (size_t)USER_VALUE_MAX);
	p = (uint8_t *)arena_alloc(a, PREFIX_SIZE + value.len);
	if (!p)
		return IM_ERR_NOMEM;
	p[0] = RAW_VALUE_PLAIN;
	put(p + PREFIX_SIZE, value);
	*out = bytes_of(p, PREFIX_SIZE + value.len);
	return IM_OK;
}

enum im_err
raw_value_make_reference(struct arena *a, struct bytes target, uint64_t at_tx, struct bytes *out)
{
	uint8_t *p;

	if (target.len > USER_KEY_MAX)
		return raw_key_too_long(target.len, USER_KEY_MAX);
	p = (uint8_t *)arena_alloc(a, REFERENCE_FIXED + target.len);
	if (!p)
		return IM_ERR_NOMEM;
	*out = bytes_of(p, REFERENCE_FIXED + target.len);
	*p++ = RAW_VALUE_REFERENCE;
	p = put_be64(p, at_tx);
	*p++ = RAW_KEY_PLAIN;
	put(p, target);
	return IM_OK;
}

enum im_err
raw_value_parse(struct bytes raw, struct raw_value *out)
{
	struct reader r = reader_of(raw);
	struct raw_value v = {0};

	if (raw.len == 0 || raw.len > RAW_VALUE_MAX)
		return err_set(IM_ERR_FORMAT, "raw value of %zu bytes", raw.len);
	v.kind = (enum raw_value_kind)reader_u8(&r);
	if (v.kind == RAW_VALUE_PLAIN) {
		v.value = reader_bytes(&r, raw.len - PREFIX_SIZE);
	} else if (v.kind == RAW_VALUE_REFERENCE) {
		v.at_tx = reader_be64(&r);
		if (reader_u8(&r) != RAW_KEY_PLAIN || r.failed)
			return err_set(IM_ERR_FORMAT, "malformed reference");
		v.target = reader_bytes(&r, reader_left(&r));
		if (v.target.len > USER_KEY_MAX)
			return err_set(
			    IM_ERR_FORMAT, "reference to a key of %zu bytes", v.target.len);
	} else {
		return err_set(IM_ERR_FORMAT, "raw value of unknown kind %u", raw.data[0]);
	}
	*out = v;
	return IM_OK;
}

bool
zset_score_is_valid(double score)
{
	return !isnan(score);
}

uint64_t
zset_order_of_score(double score)
{
	uint64_t bits = bits_of_score(score);

	return bits & SIGN_BIT ? ~bits : bits | SIGN_BIT;
}

double
zset_score_of_order(uint64_t order)
{
	return score_of_bits(order & SIGN_BIT ? order & ~SIGN_BIT : ~order);
}

/* Where the score of a well-formed sorted-set key is; NULL for any other key. */
static uint8_t *
zadd_score_at(uint8_t *key, size_t len)
{
	struct reader r = reader_of(bytes_of(key, len));
	struct raw_key parsed;

	if (len == 0 || reader_u8(&r) != RAW_KEY_ZADD || !zadd_parse(&r, &parsed))
		return NULL;
	return key + ZADD_SET_OFFSET + parsed.set.len;
}

void
raw_key_to_index(uint8_t *key, size_t len)
{
	uint8_t *score = zadd_score_at(key, len);

	if (score)
		be64_put(score, zset_order_of_score(score_of_bits(be64_get(score))));
}

void
raw_key_from_index(uint8_t *key, size_t len)
{
	uint8_t *score = zadd_score_at(key, len);

	if (score)
		be64_put(score, bits_of_score(zset_score_of_order(be64_get(score))));
}
