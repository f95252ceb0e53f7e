/*
 * Operations of a transaction as entries and conditions: keys with values, deletions, references,
 * members of sorted sets, and the client's preconditions.
 *
 * Neighbours: writing.c queues what is made here; crypto/rawkey.h has the raw forms; the store
 * evaluates the conditions when the transaction's turn has come, so that nothing is read here.
 * Invariants:
 * 1. A reference, or a member of a set, points to a key that is plain in the state just before the
 *    transaction, or that an operation before it in the same transaction sets.
 * 2. An entry that is bound to its own transaction points to a key that this transaction sets.
 */
#include <assert.h>

#include "server/writing.h"
#include "util/clock.h"
#include "util/crc32c.h"

/* Slots of the table of keys: a power of two, at least twice the entries. */
#define WRITING_SLOTS 2048u
/* Stands for the id that is not known yet; no transaction has it. */
#define WRITING_OWN_TX UINT64_MAX

static_assert(WRITING_SLOTS >= 2 * TX_ENTRIES_MAX, "the table must stay half empty");

/* ---- The keys of one transaction ---- */

enum im_err
writing_share(struct writing *w)
{
	w->by_key = arena_calloc(call_arena(w->call), WRITING_SLOTS, sizeof *w->by_key);
	return w->by_key ? IM_OK : IM_ERR_NOMEM;
}

/* The slot of a raw key: that of the entry which has it, or an empty one. */
static uint16_t *
writing_slot(const struct writing *w, struct bytes raw_key)
{
	uint32_t at = crc32c(0, raw_key.data, raw_key.len) % WRITING_SLOTS;

	while (w->by_key[at] && !bytes_equal(w->entries[w->by_key[at] - 1].key, raw_key))
		at = (at + 1) % WRITING_SLOTS;
	return &w->by_key[at];
}

/*
 * The entry of an earlier operation on that raw key; NULL when there is none, or nothing is shared.
 */
static const struct store_entry *
writing_find(const struct writing *w, struct bytes raw_key)
{
	uint16_t number = w->by_key ? *writing_slot(w, raw_key) : 0;

	return number ? &w->entries[number - 1] : NULL;
}

static bool
entry_is_reference(const struct store_entry *e)
{
	return e->key.data[0] == RAW_KEY_PLAIN && e->value.len > 0 &&
	    e->value.data[0] == RAW_VALUE_REFERENCE;
}

/* How equal keys are called depends on what they are keys of. */
static enum im_err
duplicate_of(const struct store_entry *a, const struct store_entry *b)
{
	if (a->key.data[0] == RAW_KEY_ZADD)
		return IM_ERR_DUPLICATE_ZADD;
	return entry_is_reference(a) && entry_is_reference(b) ? IM_ERR_DUPLICATE_REFERENCE
							      : IM_ERR_DUPLICATE_KEY;
}

static enum im_err
writing_push(struct writing *w, const struct store_entry *e)
{
	const struct store_entry *equal = writing_find(w, e->key);

	if (equal)
		return duplicate_of(equal, e);
	assert(w->entries && w->nentries < w->entries_max);
	if (w->by_key)
		*writing_slot(w, e->key) = (uint16_t)(w->nentries + 1);
	w->entries[w->nentries++] = *e;
	return IM_OK;
}

static void
writing_require(
    struct writing *w, enum store_condition_kind kind, struct bytes raw_key, uint64_t tx)
{
	assert(w->conditions && w->nconditions < w->conditions_max);
	w->conditions[w->nconditions++] = (struct store_condition){kind, raw_key, tx};
}

/* The raw form of a key that must not be empty. */
static enum im_err
writing_key(struct writing *w, struct bytes key, struct bytes *out)
{
	return key.len ? raw_key_make(call_arena(w->call), key, out) : IM_ERR_ARGUMENT;
}

/* ---- Keys with values ---- */

enum im_err
writing_add_raw(struct writing *w, struct bytes raw_key, struct bytes raw_value)
{
	struct store_entry e = {.key = raw_key, .value = raw_value};

	/* The prefix alone. */
	return raw_key.len > 1 ? writing_push(w, &e) : IM_ERR_ARGUMENT;
}

enum im_err
writing_add_kv(struct writing *w, const Immudb__Schema__KeyValue *kv)
{
	struct store_entry e = {.metadata = message_to_kv_metadata(kv->metadata)};
	enum im_err err = writing_key(w, message_bytes(kv->key), &e.key);

	/* A deleted entry with a value would be one that nothing shows and no client can verify. */
	if (err == IM_OK && e.metadata.deleted)
		err = err_set(
		    IM_ERR_ARGUMENT, "%s: a key is deleted with Delete", err_text(IM_ERR_ARGUMENT));
	if (err == IM_OK)
		err = raw_value_make(call_arena(w->call), message_bytes(kv->value), &e.value);
	return err == IM_OK ? writing_push(w, &e) : err;
}

enum im_err
writing_add_deletion(struct writing *w, struct bytes key)
{
	struct store_entry e = {.metadata = {.deleted = true}};
	enum im_err err = writing_key(w, key, &e.key);

	if (err == IM_OK)
		err = writing_push(w, &e);
	if (err == IM_OK)
		writing_require(w, STORE_KEY_PRESENT, e.key, 0);
	return err;
}

/* ---- What points to a key ---- */

/* The key that a reference or a member of a set points to, and the version of it. */
struct target {
	struct bytes key; /* the user's */
	uint64_t at_tx;   /* 0: the newest, or with bound the one of this transaction */
	bool bound;
};

/* Bound to the transaction that is being made; only among shared operations. */
static bool
target_is_own(const struct target *t)
{
	return t->bound && t->at_tx == 0;
}

/* Whether an earlier operation sets the key, so that a later one can point to it. */
static enum im_err
target_set_here(const struct target *t, const struct store_entry *here, bool *found)
{
	*found = false;
	/* An entry that is not indexed is found by its transaction only. */
	if (!here || t->at_tx || (here->metadata.non_indexable && !t->bound))
		return IM_OK;
	if (entry_is_reference(here))
		return IM_ERR_REFERENCE_TARGET;
	if (kv_metadata_is_expired(&here->metadata, clock_wall_s()))
		return IM_ERR_KEY_NOT_FOUND;
	*found = true;
	return IM_OK;
}

static enum im_err
writing_require_target(struct writing *w, const struct target *t)
{
	struct bytes raw_key;
	enum im_err err;
	bool here = false;

	if (w->by_key ? t->at_tx && !t->bound : t->bound != (t->at_tx != 0))
		return err_set(IM_ERR_ARGUMENT, "%s: atTx and boundRef do not fit together",
		    err_text(IM_ERR_ARGUMENT));
	err = writing_key(w, t->key, &raw_key);
	if (err == IM_OK)
		err = target_set_here(t, writing_find(w, raw_key), &here);
	if (err != IM_OK || here)
		return err;
	if (target_is_own(t))
		return IM_ERR_KEY_NOT_FOUND;
	writing_require(w, STORE_KEY_PLAIN, raw_key, t->at_tx);
	return IM_OK;
}

enum im_err
writing_add_reference(struct writing *w, const Immudb__Schema__ReferenceRequest *in)
{
	struct target t = {message_bytes(in->referencedkey), in->attx, in->boundref};
	struct store_entry e = {.bind = target_is_own(&t) ? STORE_BIND_VALUE : STORE_BIND_NONE};
	enum im_err err = writing_key(w, message_bytes(in->key), &e.key);

	if (err == IM_OK)
		err = writing_require_target(w, &t);
	if (err == IM_OK)
		err = raw_value_make_reference(call_arena(w->call), t.key, t.at_tx, &e.value);
	if (err == IM_OK)
		err = writing_push(w, &e);
	if (err != IM_OK)
		return err;
	writing_require(w, STORE_KEY_NOT_PLAIN, e.key, 0);
	return writing_add_preconditions(w, in->n_preconditions, in->preconditions);
}

enum im_err
writing_add_member(struct writing *w, const Immudb__Schema__ZAddRequest *in)
{
	struct target t = {message_bytes(in->key), in->attx, in->boundref};
	struct zset_member m = {.set = message_bytes(in->set),
	    .score = in->score,
	    .key = t.key,
	    .at_tx = target_is_own(&t) ? WRITING_OWN_TX : t.at_tx};
	struct store_entry e = {.bind = target_is_own(&t) ? STORE_BIND_KEY : STORE_BIND_NONE};
	enum im_err err;

	if (m.set.len == 0 || m.key.len == 0)
		return IM_ERR_ARGUMENT;
	if (!zset_score_is_valid(m.score))
		return err_set(
		    IM_ERR_ARGUMENT, "%s: the score is not a number", err_text(IM_ERR_ARGUMENT));
	err = writing_require_target(w, &t);
	if (err == IM_OK)
		err = raw_key_make_zadd(call_arena(w->call), &m, &e.key);
	return err == IM_OK ? writing_push(w, &e) : err;
}

/* ---- Preconditions ---- */

#define CASE(name) IMMUDB__SCHEMA__PRECONDITION__PRECONDITION_##name

static enum im_err
bad_precondition(const char *what)
{
	return err_set(IM_ERR_BAD_PRECONDITION, "%s: %s", err_text(IM_ERR_BAD_PRECONDITION), what);
}

static enum im_err
precondition_make(
    struct writing *w, const Immudb__Schema__Precondition *in, struct store_condition *out)
{
	ProtobufCBinaryData key;

	*out = (struct store_condition){.tx = 0};
	switch (in->precondition_case) {
	case CASE(KEY_MUST_EXIST):
		out->kind = STORE_KEY_MUST_EXIST;
		key = in->keymustexist->key;
		break;
	case CASE(KEY_MUST_NOT_EXIST):
		out->kind = STORE_KEY_MUST_NOT_EXIST;
		key = in->keymustnotexist->key;
		break;
	case CASE(KEY_NOT_MODIFIED_AFTER_TX):
		out->kind = STORE_KEY_NOT_MODIFIED_AFTER_TX;
		key = in->keynotmodifiedaftertx->key;
		out->tx = in->keynotmodifiedaftertx->txid;
		if (out->tx == 0)
			return bad_precondition("invalid transaction ID");
		break;
	default:
		return bad_precondition("null");
	}
	if (key.len == 0)
		return bad_precondition("null key");
	if (key.len > USER_KEY_MAX)
		return bad_precondition("max key length exceeded");
	return raw_key_make(call_arena(w->call), message_bytes(key), &out->key);
}

enum im_err
writing_add_preconditions(struct writing *w, size_t n, Immudb__Schema__Precondition *const *items)
{
	struct store_condition made;
	enum im_err err = IM_OK;

	for (size_t i = 0; i < n && err == IM_OK; i++) {
		err = precondition_make(w, items[i], &made);
		if (err == IM_OK)
			writing_require(w, made.kind, made.key, made.tx);
	}
	return err;
}
