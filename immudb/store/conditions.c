/*
 * Conditions of a transaction: what must be true of keys for it to be written.
 *
 * Neighbours: prepare.c asks ahead, in the thread that brings the transaction; commit.c asks again
 * when something was written since, and decides. The index answers; the log is read only for a
 * version of a given transaction that is not indexed.
 * Invariant: a transaction is written only if its conditions hold in the state just before it.
 */
#include "crypto/rawkey.h"
#include "store/engine.h"

static enum im_err
check_condition(const struct store_condition *c)
{
	if (c->key.len == 0)
		return err_set(IM_ERR_BAD_PRECONDITION, "invalid precondition: null key");
	if (c->key.len > RAW_KEY_MAX)
		return err_set(
		    IM_ERR_BAD_PRECONDITION, "invalid precondition: max key length exceeded");
	if (c->kind == STORE_KEY_NOT_MODIFIED_AFTER_TX && c->tx == 0)
		return err_set(
		    IM_ERR_BAD_PRECONDITION, "invalid precondition: invalid transaction ID");
	return IM_OK;
}

enum im_err
engine_validate_conditions(const struct store_write *w)
{
	enum im_err err = IM_OK;

	if (w->nconditions > STORE_CONDITIONS_MAX)
		return err_set(
		    IM_ERR_BAD_PRECONDITION, "invalid precondition: too many preconditions");
	for (size_t i = 0; i < w->nconditions && err == IM_OK; i++)
		err = check_condition(&w->conditions[i]);
	return err;
}

bool
engine_is_refusal(enum im_err err)
{
	return err == IM_ERR_PRECONDITION || err == IM_ERR_KEY_NOT_FOUND ||
	    err == IM_ERR_TX_NOT_FOUND || err == IM_ERR_REFERENCE_TARGET ||
	    err == IM_ERR_REFERENCE_KEY;
}

/* ---- Evaluating ---- */

/* What the index says of a key. */
struct finding {
	bool found;     /* there is a version, perhaps a hidden one */
	bool exists;    /* and it is neither deleted nor expired */
	bool reference; /* and it is a reference */
	uint64_t tx;
};

/*
 * A refusal by what the operation needs; nothing that was said before in this thread goes with it.
 */
static enum im_err
refuse(enum im_err err)
{
	return err_set(err, "%s", err_text(err));
}

static enum im_err
condition_failed(const char *what)
{
	return err_set(IM_ERR_PRECONDITION, "precondition failed: %s", what);
}

static enum im_err
judge(enum store_condition_kind kind, uint64_t tx, const struct finding *f)
{
	switch (kind) {
	case STORE_KEY_MUST_EXIST:
		return f->exists ? IM_OK : condition_failed("key does not exist");
	case STORE_KEY_MUST_NOT_EXIST:
		return f->exists ? condition_failed("key already exists") : IM_OK;
	case STORE_KEY_NOT_MODIFIED_AFTER_TX:
		return f->found && f->tx > tx
		    ? condition_failed("key modified after given transaction")
		    : IM_OK;
	case STORE_KEY_PRESENT:
		return f->exists ? IM_OK : refuse(IM_ERR_KEY_NOT_FOUND);
	case STORE_KEY_PLAIN:
		if (!f->exists)
			return refuse(IM_ERR_KEY_NOT_FOUND);
		return f->reference ? refuse(IM_ERR_REFERENCE_TARGET) : IM_OK;
	case STORE_KEY_NOT_PLAIN:
		return f->exists && !f->reference ? refuse(IM_ERR_REFERENCE_KEY) : IM_OK;
	}
	return IM_ERR_BAD_PRECONDITION;
}

static enum im_err
find(struct store *s, struct bytes raw_key, const struct index_read *how, struct finding *out)
{
	uint8_t key[RAW_KEY_MAX];
	struct index_entry e;
	enum im_err err;

	memcpy(key, raw_key.data, raw_key.len);
	raw_key_to_index(key, raw_key.len);
	err = index_get(s->index, bytes_of(key, raw_key.len), how, &e);
	if (err == IM_ERR_KEY_NOT_FOUND)
		*out = (struct finding){0};
	else if (err == IM_OK)
		*out = (struct finding){.found = true,
		    .exists = !engine_is_hidden(s, &e),
		    .reference = e.flags & INDEX_REFERENCE,
		    .tx = e.tx};
	return err == IM_ERR_KEY_NOT_FOUND ? IM_OK : err;
}

/*
 * The version that one transaction wrote without its being indexed. A reference is short: the value
 * is read only when it may be one.
 */
static enum im_err
find_in_tx(struct store *s, const struct store_condition *c, bool nowait, struct finding *out)
{
	struct store_query q = {.key = c->key,
	    .at_tx = c->tx,
	    .flags = STORE_NO_VALUE | (nowait ? (unsigned)STORE_NOWAIT : 0)};
	struct store_value v;
	struct arena a;
	enum im_err err;

	*out = (struct finding){.tx = c->tx};
	arena_init(&a, STORE_TX_BYTES_MAX);
	err = store_get(s, &q, &a, &v);
	q.flags &= ~(unsigned)STORE_NO_VALUE;
	if (err == IM_OK && v.value_len <= RECORD_INLINE_MAX)
		err = store_get(s, &q, &a, &v);
	if (err == IM_OK) {
		out->found = out->exists = true;
		out->reference = engine_value_flags(v.key, v.value) & INDEX_REFERENCE;
	}
	arena_free(&a);
	return err == IM_ERR_KEY_NOT_FOUND || err == IM_ERR_TX_NOT_FOUND ? IM_OK : err;
}

/*
 * Whether a condition that held at the snapshot since still does because nothing was written to its
 * key: looks at what is in memory only, nearly always.
 */
static enum im_err
is_unchanged(
    struct store *s, const struct store_condition *c, uint64_t since, uint64_t as_of, bool *out)
{
	const struct index_read how = {.as_of = as_of, .no_revision = true, .since = since};
	struct finding f;
	enum im_err err;

	/* The version of one transaction does not change. */
	if (c->kind == STORE_KEY_PLAIN && c->tx) {
		*out = true;
		return IM_OK;
	}
	err = find(s, c->key, &how, &f);
	*out = err == IM_OK && !f.found;
	return err;
}

/* newest is the newest transaction that there is, for those that name one. */
static enum im_err
evaluate(
    struct store *s, const struct store_condition *c, const struct index_read *how, uint64_t newest)
{
	bool at_tx = c->kind == STORE_KEY_PLAIN && c->tx;
	struct index_read at = *how;
	struct finding f;
	enum im_err err;

	if (at_tx && c->tx > newest)
		return refuse(IM_ERR_TX_NOT_FOUND);
	if (at_tx)
		at.as_of = c->tx;
	err = find(s, c->key, &at, &f);
	if (err == IM_OK && at_tx && f.tx != c->tx)
		err = find_in_tx(s, c, how->nowait, &f);
	return err == IM_OK ? judge(c->kind, c->tx, &f) : err;
}

enum im_err
engine_check_conditions(struct store *s, const struct store_write *w, uint64_t as_of)
{
	struct index_read how = {.as_of = as_of, .no_revision = true};
	uint64_t newest = as_of < s->last_tx ? as_of : s->last_tx;
	uint64_t since = w->prepared->snapshot;
	enum im_err err = IM_OK;

	for (size_t i = 0; i < w->nconditions && err == IM_OK; i++) {
		bool unchanged = false;

		if (since != ENGINE_NO_SNAPSHOT)
			err = is_unchanged(s, &w->conditions[i], since, as_of, &unchanged);
		if (err == IM_OK && !unchanged)
			err = evaluate(s, &w->conditions[i], &how, newest);
	}
	return err;
}

void
engine_check_ahead(struct store *s, struct store_write *w)
{
	uint64_t published = atomic_load_explicit(&s->published, memory_order_acquire);
	struct index_read how = {.as_of = published, .nowait = true, .no_revision = true};
	enum im_err err = IM_OK;

	for (size_t i = 0; i < w->nconditions && err == IM_OK; i++)
		err = evaluate(s, &w->conditions[i], &how, published);
	w->prepared->snapshot = err == IM_OK ? published : ENGINE_NO_SNAPSHOT;
	w->prepared->cold = err == IM_ERR_WOULD_BLOCK;
}
