/*
 * Vector files: reading JSON, and the kinds that are about one structure each. Histories are in
 * vectors_history.c.
 */
#include "vectors.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/ahtree_log.h"
#include "crypto/entry.h"
#include "crypto/htree.h"
#include "crypto/rawkey.h"
#include "crypto/sign.h"

void
vectors_fail(struct vectors *v, const char *what, const char *detail)
{
	v->failures++;
	printf("%s: %s: %s\n", v->file, what, detail ? detail : "");
}

void
vectors_check(struct vectors *v, bool ok, const char *what, const char *where)
{
	v->checks++;
	if (!ok)
		vectors_fail(v, what, where);
}

const char *
vectors_where(struct vectors *v, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return arena_str(&v->arena, bytes_str(text));
}

static void
malformed(struct vectors *v, const char *what, const char *text)
{
	v->malformed++;
	if (!v->quiet)
		vectors_fail(v, what, text);
}

struct json_object *
json_get(struct json_object *o, const char *key)
{
	return json_object_object_get(o, key);
}

uint64_t
json_u64(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_get(o, key));
}

int64_t
json_i64(struct json_object *o, const char *key)
{
	return json_object_get_int64(json_get(o, key));
}

size_t
json_len(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

struct json_object *
json_at(struct json_object *array, size_t i)
{
	return json_object_array_get_idx(array, i);
}

struct bytes
json_text(struct json_object *o, const char *key)
{
	struct json_object *text = json_get(o, key);

	if (!text)
		return bytes_of(NULL, 0);
	return bytes_of(json_object_get_string(text), (size_t)json_object_get_string_len(text));
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct bytes
vectors_hex(struct vectors *v, struct json_object *text)
{
	const char *s = text ? json_object_get_string(text) : "";
	size_t len = strlen(s);
	uint8_t *out = (uint8_t *)arena_alloc(&v->arena, len / 2 + 1);

	for (size_t i = 0; i + 1 < len; i += 2) {
		int hi = hex_digit(s[i]), lo = hex_digit(s[i + 1]);

		if (hi < 0 || lo < 0) {
			malformed(v, "not hex", s);
			return bytes_of(NULL, 0);
		}
		out[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	return bytes_of(out, len / 2);
}

struct bytes
vectors_hex_at(struct vectors *v, struct json_object *o, const char *key)
{
	return vectors_hex(v, json_get(o, key));
}

static struct hash
hash_of_hex(struct vectors *v, struct json_object *text)
{
	struct bytes b = vectors_hex(v, text);
	struct hash h = HASH_ZERO;

	if (b.len == HASH_SIZE)
		memcpy(h.b, b.data, HASH_SIZE);
	else if (b.len > 0)
		malformed(v, "not a hash", json_object_get_string(text));
	return h;
}

struct hash
vectors_hash_at(struct vectors *v, struct json_object *o, const char *key)
{
	return hash_of_hex(v, json_get(o, key));
}

struct hash_list
vectors_hashes(struct vectors *v, struct json_object *array)
{
	struct hash_list list = {.len = json_len(array)};

	list.items = (struct hash *)arena_calloc(&v->arena, list.len, sizeof(struct hash));
	for (size_t i = 0; i < list.len; i++)
		list.items[i] = hash_of_hex(v, json_at(array, i));
	return list;
}

bool
hash_list_equal(struct hash_list a, struct hash_list b)
{
	for (size_t i = 0; i < a.len && a.len == b.len; i++) {
		if (!hash_equal(&a.items[i], &b.items[i]))
			return false;
	}
	return a.len == b.len;
}

struct bytes
vectors_kv_metadata(struct vectors *v, struct json_object *o)
{
	struct kv_metadata md = {0};
	uint8_t out[KV_METADATA_MAX];

	if (o) {
		md.deleted = json_object_get_boolean(json_get(o, "deleted"));
		md.has_expiry = json_get(o, "expires_at") != NULL;
		md.expires_at = json_i64(o, "expires_at");
		md.non_indexable = json_object_get_boolean(json_get(o, "non_indexable"));
	}
	return arena_copy(&v->arena, bytes_of(out, kv_metadata_encode(&md, out)));
}

static struct tx_metadata
tx_metadata_of(struct vectors *v, struct json_object *o)
{
	struct tx_metadata md = {0};
	struct bytes extra;

	if (!o)
		return md;
	md.truncated_tx_id = json_u64(o, "truncated_tx_id");
	extra = vectors_hex_at(v, o, "extra");
	if (extra.len > TX_METADATA_EXTRA_MAX)
		malformed(v, "extra metadata too long", "");
	else
		md.extra_len = (uint16_t)extra.len;
	if (md.extra_len)
		memcpy(md.extra, extra.data, extra.len);
	return md;
}

static void
header_hash(struct vectors *v, struct json_object *o, const char *key, struct hash *out)
{
	if (json_get(o, key))
		*out = vectors_hash_at(v, o, key);
}

void
vectors_header(struct vectors *v, struct json_object *o, struct tx_header *out)
{
	if (json_get(o, "id"))
		out->id = json_u64(o, "id");
	if (json_get(o, "ts"))
		out->ts = json_i64(o, "ts");
	if (json_get(o, "version"))
		out->version = (uint16_t)json_u64(o, "version");
	if (json_get(o, "nentries"))
		out->nentries = (uint32_t)json_u64(o, "nentries");
	if (json_get(o, "bl_tx_id"))
		out->bl_tx_id = json_u64(o, "bl_tx_id");
	if (json_get(o, "md")) {
		struct tx_metadata md = tx_metadata_of(v, json_get(o, "md"));

		out->md_len = (uint16_t)tx_metadata_encode(&md, out->md);
	}
	header_hash(v, o, "prev_alh", &out->prev_alh);
	header_hash(v, o, "eh", &out->eh);
	header_hash(v, o, "bl_root", &out->bl_root);
}

/* The n-th made-up digest of a file: SHA-256(label || number). */
static struct hash
made_up(const char *label, const uint8_t *number, size_t size)
{
	struct bytes parts[2] = {bytes_str(label), bytes_of(number, size)};
	struct hash h;

	hash_parts(parts, 2, &h);
	return h;
}

static void
check_tree(struct vectors *v, struct json_object *tree)
{
	size_t width = json_u64(tree, "width");
	struct json_object *proofs = json_get(tree, "proofs");
	struct hash want = vectors_hash_at(v, tree, "root"), root;
	struct hash_list digests = {.len = width};
	struct hash *scratch = (struct hash *)arena_calloc(&v->arena, width, sizeof *scratch);

	digests.items = (struct hash *)arena_calloc(&v->arena, width, sizeof(struct hash));
	for (size_t i = 0; i < width; i++) {
		uint8_t number[4];

		be32_put(number, (uint32_t)i);
		digests.items[i] = made_up("htree", number, sizeof number);
	}
	htree_root(digests.items, width, scratch, &root);
	vectors_check(v, hash_equal(&root, &want), "root", vectors_where(v, "width %zu", width));
	for (size_t i = 0; i < json_len(proofs); i++) {
		struct json_object *p = json_at(proofs, i);
		size_t leaf = json_u64(p, "leaf");
		struct inclusion_proof made,
		    given = {
			(uint32_t)leaf, (uint32_t)width, vectors_hashes(v, json_get(p, "terms"))};
		const char *where = vectors_where(v, "leaf %zu of %zu", leaf, width);
		enum im_err err = htree_prove(digests, leaf, scratch, &v->arena, &made);

		vectors_check(v, err == IM_OK && hash_list_equal(made.terms, given.terms),
		    "inclusion proof made", where);
		vectors_check(v, htree_verify(&given, &digests.items[leaf], &root),
		    "inclusion proof given", where);
	}
}

void
vectors_check_htree(struct vectors *v, struct json_object *file)
{
	struct json_object *trees = json_get(file, "trees");

	for (size_t i = 0; i < json_len(trees); i++)
		check_tree(v, json_at(trees, i));
}

static void
check_ahtree_proof(struct vectors *v, struct ahtree_log *log, struct json_object *p, bool inclusion)
{
	struct ahtree_reader tree = ahtree_log_reader(log);
	uint64_t i = json_u64(p, "i"), j = json_u64(p, "j");
	struct hash_list given = vectors_hashes(v, json_get(p, "p")), made = {0};
	const char *where = vectors_where(v, "%s %lu of %lu",
	    inclusion ? "inclusion" : "consistency", (unsigned long)i, (unsigned long)j);
	struct hash first, root;
	uint8_t number[8];
	enum im_err err;
	bool holds;

	ahtree_log_root(log, j, &root);
	if (inclusion) {
		be64_put(number, i);
		first = made_up("ahtree", number, sizeof number);
		hash_leaf(&first, &first);
		err = ahtree_prove_inclusion(&tree, i, j, &v->arena, &made);
		holds = ahtree_verify_inclusion(given, i, j, &first, &root);
	} else {
		ahtree_log_root(log, i, &first);
		err = ahtree_prove_consistency(&tree, i, j, &v->arena, &made);
		holds = ahtree_verify_consistency(given, i, j, &first, &root);
	}
	vectors_check(v, err == IM_OK && hash_list_equal(made, given), "proof made", where);
	vectors_check(v, holds, "proof given", where);
	if (inclusion && i == j)
		vectors_check(v, ahtree_verify_last_inclusion(given, j, &first, &root),
		    "last inclusion", where);
}

static void
check_digest_log(struct vectors *v, const struct ahtree_log *log, struct json_object *file)
{
	struct bytes want = vectors_hex_at(v, file, "digest_log");

	vectors_check(v, bytes_equal(want, bytes_of(log->digests, log->len * sizeof *log->digests)),
	    "digest log", "");
	json_object_object_foreach(json_get(file, "digests_upto"), key, count)
	{
		uint64_t n = strtoull(key, NULL, 10);

		vectors_check(v, ahtree_log_digests(n) == json_object_get_uint64(count),
		    "digests up to", key);
	}
}

void
vectors_check_ahtree(struct vectors *v, struct json_object *file)
{
	struct json_object *roots = json_get(file, "roots");
	struct json_object *inclusion = json_get(file, "inclusion");
	struct json_object *consistency = json_get(file, "consistency");
	struct ahtree_log log;

	ahtree_log_init(&log);
	for (size_t i = 0; i < json_len(roots); i++) {
		struct hash want = hash_of_hex(v, json_at(roots, i)), payload, root;
		uint8_t number[8];

		be64_put(number, i + 1);
		payload = made_up("ahtree", number, sizeof number);
		if (ahtree_log_append(&log, &payload) != IM_OK)
			vectors_fail(v, "append", "");
		ahtree_log_root(&log, i + 1, &root);
		vectors_check(
		    v, hash_equal(&want, &root), "root", vectors_where(v, "size %zu", i + 1));
	}
	check_digest_log(v, &log, file);
	for (size_t i = 0; i < json_len(inclusion); i++)
		check_ahtree_proof(v, &log, json_at(inclusion, i), true);
	for (size_t i = 0; i < json_len(consistency); i++)
		check_ahtree_proof(v, &log, json_at(consistency, i), false);
	ahtree_log_free(&log);
}

static void
check_header_bytes(
    struct vectors *v, const struct tx_header *h, struct bytes want, const char *name)
{
	uint8_t made[TX_HEADER_MAX];
	struct tx_header decoded;
	size_t len = 0;

	vectors_check(v,
	    tx_header_encode(h, made, &len) == IM_OK && bytes_equal(bytes_of(made, len), want),
	    "serialised", name);
	vectors_check(v, tx_header_decode(want, &decoded) == IM_OK, "decoded", name);
	vectors_check(v,
	    tx_header_encode(&decoded, made, &len) == IM_OK &&
		bytes_equal(bytes_of(made, len), want),
	    "decoded and serialised", name);
}

void
vectors_check_headers(struct vectors *v, struct json_object *file)
{
	struct json_object *headers = json_get(file, "headers");

	for (size_t i = 0; i < json_len(headers); i++) {
		struct json_object *o = json_at(headers, i);
		const char *name = json_object_get_string(json_get(o, "name"));
		struct hash alh = vectors_hash_at(v, o, "alh"), made;
		struct hash inner = vectors_hash_at(v, o, "inner");
		struct tx_header h = {0};

		vectors_header(v, o, &h);
		vectors_check(v, tx_header_check(&h) == IM_OK, "valid", name);
		tx_header_alh(&h, &made);
		vectors_check(v, hash_equal(&alh, &made), "Alh", name);
		tx_header_inner(&h, &made);
		vectors_check(v, hash_equal(&inner, &made), "inner hash", name);
		if (json_get(o, "bytes"))
			check_header_bytes(v, &h, vectors_hex_at(v, o, "bytes"), name);
		if (json_get(o, "md_bytes"))
			vectors_check(v,
			    bytes_equal(bytes_of(h.md, h.md_len), vectors_hex_at(v, o, "md_bytes")),
			    "metadata", name);
	}
}

static void
check_kv_metadata(struct vectors *v, struct json_object *o)
{
	struct bytes want = vectors_hex_at(v, o, "bytes");
	const char *where = json_object_get_string(json_get(o, "bytes"));
	uint8_t again[KV_METADATA_MAX];
	struct kv_metadata md;

	vectors_check(v, bytes_equal(want, vectors_kv_metadata(v, json_get(o, "md"))),
	    "entry metadata", where);
	vectors_check(v,
	    kv_metadata_decode(want, &md) == IM_OK &&
		bytes_equal(want, bytes_of(again, kv_metadata_encode(&md, again))),
	    "entry metadata decoded", where);
}

static void
check_digest(struct vectors *v, struct json_object *o)
{
	const char *where = json_object_get_string(json_get(o, "v1"));
	struct hash hval = vectors_hash_at(v, o, "hval"), want = vectors_hash_at(v, o, "v1"), made;
	struct entry_parts e = {
	    .key = vectors_hex_at(v, o, "key"), .md = vectors_kv_metadata(v, json_get(o, "md"))};

	hash_sha256(vectors_hex_at(v, o, "value"), &e.hval);
	vectors_check(v, hash_equal(&hval, &e.hval), "value hash", where);
	vectors_check(v, entry_digest(1, &e, &made) == IM_OK && hash_equal(&want, &made),
	    "digest, version 1", where);
	if (!json_get(o, "v0")) {
		vectors_check(v, entry_digest(0, &e, &made) == IM_ERR_METADATA_UNSUPPORTED,
		    "refused in version 0", where);
		return;
	}
	want = vectors_hash_at(v, o, "v0");
	vectors_check(v, entry_digest(0, &e, &made) == IM_OK && hash_equal(&want, &made),
	    "digest, version 0", where);
}

void
vectors_check_entries(struct vectors *v, struct json_object *file)
{
	struct json_object *metadata = json_get(file, "kv_metadata");
	struct json_object *digests = json_get(file, "digests");

	for (size_t i = 0; i < json_len(metadata); i++)
		check_kv_metadata(v, json_at(metadata, i));
	for (size_t i = 0; i < json_len(digests); i++)
		check_digest(v, json_at(digests, i));
}

static void
check_set(struct vectors *v, struct json_object *o)
{
	struct bytes key = vectors_hex_at(v, o, "key"), value = vectors_hex_at(v, o, "value");
	struct bytes want_key = vectors_hex_at(v, o, "enc_key"), made;
	struct bytes want_value = vectors_hex_at(v, o, "enc_value");
	const char *where = json_object_get_string(json_get(o, "enc_key"));
	struct raw_key k;
	struct raw_value r;

	vectors_check(v,
	    raw_key_make(&v->arena, key, &made) == IM_OK && bytes_equal(made, want_key), "raw key",
	    where);
	vectors_check(v,
	    raw_value_make(&v->arena, value, &made) == IM_OK && bytes_equal(made, want_value),
	    "raw value", where);
	vectors_check(v,
	    raw_key_parse(want_key, &k) == IM_OK && k.kind == RAW_KEY_PLAIN &&
		bytes_equal(k.key, key),
	    "raw key parsed", where);
	vectors_check(v,
	    raw_value_parse(want_value, &r) == IM_OK && r.kind == RAW_VALUE_PLAIN &&
		bytes_equal(r.value, value),
	    "raw value parsed", where);
}

static void
check_reference(struct vectors *v, struct json_object *o)
{
	struct bytes target = vectors_hex_at(v, o, "referenced_key"), made;
	struct bytes want = vectors_hex_at(v, o, "enc_value");
	const char *where = json_object_get_string(json_get(o, "enc_value"));
	uint64_t at_tx = json_u64(o, "at_tx");
	struct raw_value r;

	vectors_check(v,
	    raw_value_make_reference(&v->arena, target, at_tx, &made) == IM_OK &&
		bytes_equal(made, want),
	    "reference", where);
	vectors_check(v,
	    raw_value_parse(want, &r) == IM_OK && r.kind == RAW_VALUE_REFERENCE &&
		bytes_equal(r.target, target) && r.at_tx == at_tx,
	    "reference parsed", where);
}

static void
check_zadd(struct vectors *v, struct json_object *o)
{
	struct bytes bits = vectors_hex_at(v, o, "score_bits"), made;
	struct bytes want = vectors_hex_at(v, o, "enc_key");
	uint64_t score_bits = bits.len == 8 ? be64_get(bits.data) : 0;
	struct zset_member m = {.set = vectors_hex_at(v, o, "set"),
	    .key = vectors_hex_at(v, o, "key"),
	    .at_tx = json_u64(o, "at_tx")};
	const char *where = json_object_get_string(json_get(o, "score"));
	struct hash digest, want_digest = vectors_hash_at(v, o, "digest_v1");
	struct entry_parts e = {.key = want, .hval = hash_empty()};
	struct raw_key k;

	memcpy(&m.score, &score_bits, sizeof m.score);
	vectors_check(v,
	    raw_key_make_zadd(&v->arena, &m, &made) == IM_OK && bytes_equal(made, want), "zadd",
	    where);
	vectors_check(v,
	    raw_key_parse(want, &k) == IM_OK && k.kind == RAW_KEY_ZADD &&
		bytes_equal(k.set, m.set) && bytes_equal(k.key, m.key) && k.at_tx == m.at_tx &&
		zset_order_of_score(k.score) == zset_order_of_score(m.score),
	    "zadd parsed", where);
	vectors_check(v, zset_score_is_valid(m.score) != isnan(m.score), "NaN", where);
	vectors_check(v, entry_digest(1, &e, &digest) == IM_OK && hash_equal(&digest, &want_digest),
	    "zadd digest", where);
}

void
vectors_check_encodings(struct vectors *v, struct json_object *file)
{
	struct json_object *set = json_get(file, "set"), *zadd = json_get(file, "zadd");
	struct json_object *reference = json_get(file, "reference");

	for (size_t i = 0; i < json_len(set); i++)
		check_set(v, json_at(set, i));
	for (size_t i = 0; i < json_len(reference); i++)
		check_reference(v, json_at(reference, i));
	for (size_t i = 0; i < json_len(zadd); i++)
		check_zadd(v, json_at(zadd, i));
}

struct signature_keys {
	struct sign_private_key *private_key;
	struct sign_public_key *public_key;
	struct sign_public_key *point_key;
};

static void
check_state(struct vectors *v, const struct signature_keys *keys, struct json_object *o)
{
	struct sign_state state = {.database = json_text(o, "db"),
	    .tx_id = json_u64(o, "tx_id"),
	    .tx_hash = vectors_hash_at(v, o, "tx_hash")};
	struct bytes der = vectors_hex_at(v, o, "signature");
	const char *where = vectors_where(v, "tx %lu", (unsigned long)state.tx_id);
	struct hash digest, want = vectors_hash_at(v, o, "payload_sha256");
	uint8_t made[SIGN_DER_MAX];
	size_t len = 0;
	struct buf payload;

	buf_init(&payload, SIGN_DATABASE_MAX + 64);
	sign_payload(&state, &payload);
	hash_sha256(buf_bytes(&payload), &digest);
	vectors_check(v,
	    bytes_equal(buf_bytes(&payload), vectors_hex_at(v, o, "payload")) &&
		hash_equal(&digest, &want),
	    "payload", where);
	buf_free(&payload);
	vectors_check(
	    v, sign_check(keys->public_key, &state, der) == IM_OK, "signature given", where);
	vectors_check(v,
	    sign_make(keys->private_key, &state, made, &len) == IM_OK &&
		sign_check(keys->point_key, &state, bytes_of(made, len)) == IM_OK,
	    "signature made", where);
	state.tx_id++;
	vectors_check(v, sign_check(keys->public_key, &state, der) == IM_ERR_SIGNATURE,
	    "signature of another state refused", where);
}

void
vectors_check_signature(struct vectors *v, struct json_object *file)
{
	struct json_object *states = json_get(file, "states");
	struct bytes point = vectors_hex_at(v, file, "public_key_uncompressed");
	uint8_t have[SIGN_POINT_SIZE];
	struct signature_keys keys = {0};
	bool ok = sign_private_key_load(
		      json_text(file, "private_key_pem"), v->file, &keys.private_key) == IM_OK &&
	    sign_public_key_load(json_text(file, "public_key_pem"), v->file, &keys.public_key) ==
		IM_OK &&
	    sign_public_key_of_point(point, &keys.point_key) == IM_OK;

	vectors_check(v, ok, "keys", err_detail(IM_ERR_KEY_FILE));
	if (ok) {
		sign_private_key_point(keys.private_key, have);
		vectors_check(v, bytes_equal(point, bytes_of(have, sizeof have)), "point",
		    "of the private key");
		sign_public_key_point(keys.public_key, have);
		vectors_check(v, bytes_equal(point, bytes_of(have, sizeof have)), "point",
		    "of the public key");
		for (size_t i = 0; i < json_len(states); i++)
			check_state(v, &keys, json_at(states, i));
	}
	sign_private_key_free(keys.private_key);
	sign_public_key_free(keys.public_key);
	sign_public_key_free(keys.point_key);
}
