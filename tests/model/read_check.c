/*
 * Reads by key, and how an entry is compared with the model.
 *
 * Neighbours: list_check.c, tx_check.c and stream_check.c compare with what is here.
 */
#include <string.h>

#include "model_run.h"

#define GET_ALL_MAX 12u

/* ---- Comparing ---- */

void
read_compare_bytes(
    const struct run *r, const char *what, struct immu_bytes got, struct immu_bytes expected)
{
	if (!sample_equal(got, expected))
		run_wrong(r, "%s of %zu bytes instead of %zu bytes", what, got.len, expected.len);
}

void
read_compare_value(const struct run *r, struct immu_bytes got, uint64_t number)
{
	uint8_t part[4096];

	if (got.len != sample_value_size(number))
		run_wrong(
		    r, "a value of %zu bytes instead of %zu", got.len, sample_value_size(number));
	for (size_t at = 0; at < got.len; at += sizeof part) {
		size_t len = got.len - at < sizeof part ? got.len - at : sizeof part;

		sample_value_fill(number, at, part, len);
		if (memcmp((const uint8_t *)got.data + at, part, len) != 0)
			run_wrong(r, "another value of %zu bytes", got.len);
	}
}

void
read_compare_metadata(
    const struct run *r, const struct immu_metadata *got, const struct immu_metadata *expected)
{
	if (got->deleted != expected->deleted || got->non_indexable != expected->non_indexable ||
	    got->expires != expected->expires ||
	    (got->expires && got->expires_at != expected->expires_at))
		run_wrong(r, "other metadata");
}

static void
compare_revision(const struct run *r, uint64_t got, uint64_t expected, bool loose)
{
	if (got != expected && !(loose && got == 0))
		run_wrong(r, "revision %llu instead of %llu", (unsigned long long)got,
		    (unsigned long long)expected);
}

static void
compare_via(const struct run *r, const struct immu_via *got, const struct model_entry *expected)
{
	if (!got != !expected)
		run_wrong(r, got ? "an unexpected reference" : "no reference");
	if (!got)
		return;
	read_compare_bytes(r, "referring key", got->key, sample_key(expected->key));
	read_compare_metadata(r, &got->metadata, &expected->metadata);
	if (got->tx != expected->tx || got->at_tx != expected->at_tx)
		run_wrong(r, "a reference of transaction %llu, bound to %llu",
		    (unsigned long long)got->tx, (unsigned long long)got->at_tx);
}

void
read_compare(const struct run *r, const struct immu_entry *got, const struct model_shown *expected,
    bool loose)
{
	const struct model_entry *e = expected->entry;

	read_compare_bytes(r, "key", got->key, sample_key(e->key));
	if (got->tx != e->tx || got->expired)
		run_wrong(r, "a version of transaction %llu instead of %llu%s",
		    (unsigned long long)got->tx, (unsigned long long)e->tx,
		    got->expired ? ", expired" : "");
	read_compare_metadata(r, &got->metadata, &e->metadata);
	read_compare_value(r, got->value, e->value);
	/* A version that is read by its transaction need not say which one it is. */
	compare_revision(
	    r, got->revision, expected->revision, loose || (expected->via && expected->via->at_tx));
	compare_via(r, got->via, expected->via);
	if (got->via)
		compare_revision(r, got->via->revision, expected->via_revision, loose);
}

void
read_compare_version(
    const struct run *r, const struct immu_entry *got, const struct model_entry *e, bool loose)
{
	bool is_reference = e->kind == MODEL_REFERENCE;
	uint64_t revision = model_revision(&r->m, e);

	read_compare_bytes(r, "key", got->key, sample_key(is_reference ? e->target : e->key));
	if (got->tx != e->tx || got->expired != model_is_expired(e))
		run_wrong(r, "a version of transaction %llu instead of %llu",
		    (unsigned long long)got->tx, (unsigned long long)e->tx);
	read_compare_metadata(r, &got->metadata, &e->metadata);
	compare_revision(r, got->revision, revision, loose);
	compare_via(r, got->via, is_reference ? e : NULL);
	if (got->via)
		compare_revision(r, got->via->revision, revision, loose);
	if (e->kind == MODEL_VALUE && !model_is_expired(e))
		read_compare_value(r, got->value, e->value);
	else if (got->value.len > 0)
		run_wrong(r, "a value of %zu bytes where there is none", got->value.len);
}

/* ---- Get ---- */

uint64_t
read_since(const struct run *r, struct model_faults *faults)
{
	uint64_t since = 0;

	if (sample_once_in(5))
		since = sample_draw(r->m.tx + 2);
	if (since > r->m.tx)
		model_fault(faults, IM_ERR_ARGUMENT);
	return since;
}

/* The version that a revision number means; NULL: none. */
static const struct model_entry *
version_by_revision(const struct model *m, unsigned key, int64_t revision)
{
	const struct model_history *h = &m->keys[key];
	int64_t at = revision > 0 ? revision : (int64_t)h->len + revision;

	return at >= 1 && at <= (int64_t)h->len ? &h->items[at - 1] : NULL;
}

static enum im_err
expect_get(const struct run *r, unsigned key, const struct immu_version *v, struct model_shown *out)
{
	const struct model_entry *e = model_version(&r->m, key, v->at_tx);

	*out = (struct model_shown){NULL, 0, NULL, 0};
	if (v->at_tx > r->m.tx)
		return IM_ERR_TX_NOT_FOUND;
	if (v->revision && e && !version_by_revision(&r->m, key, v->revision))
		return IM_ERR_REVISION;
	if (v->revision)
		e = version_by_revision(&r->m, key, v->revision);
	return model_resolve(&r->m, e, out);
}

static void
get_and_compare(struct run *r, unsigned key, const struct immu_version *v, bool verified)
{
	struct immu_request request = {.op = IMMU_OP_GET, .verified = verified, .version = *v};
	struct immu_bytes name = sample_key(key);
	struct model_faults faults = {.len = 0};
	struct immu_result *result;
	struct model_shown shown;
	enum im_err err, expected = expect_get(r, key, v, &shown);

	request.keys = &name;
	request.keys_len = 1;
	request.no_wait = sample_once_in(3);
	if (v->since_tx > r->m.tx)
		model_fault(&faults, IM_ERR_ARGUMENT);
	else if (expected != IM_OK)
		model_fault(&faults, expected);
	err = immu_run(r->c, &request, &result);
	run_expect(r, "get", err, &faults);
	if (err != IM_OK)
		return;
	if (result->entries_len != 1 || result->verified != verified || !shown.entry)
		run_wrong(r, "get showed %zu entries", result->entries_len);
	/* Behind a proven reference the key is read by its transaction, which tells no revision. */
	read_compare(
	    r, &result->entries[0], &shown, v->at_tx != 0 || (verified && shown.via != NULL));
	if (verified && result->header.id != shown.entry->tx)
		run_wrong(r, "a proof of transaction %llu", (unsigned long long)result->header.id);
	immu_result_free(result);
}

static void
get_random(struct run *r)
{
	unsigned key = (unsigned)sample_draw(SAMPLE_KEYS);
	struct immu_version v = {0};
	int64_t versions = (int64_t)r->m.keys[key].len;

	switch (sample_draw(4)) {
	case 0:
		v.at_tx = 1 + sample_draw(r->m.tx + 2);
		/* Half of them hit. */
		if (versions > 0 && sample_once_in(2))
			v.at_tx = r->m.keys[key].items[sample_draw((uint64_t)versions)].tx;
		break;
	case 1:
		v.revision = (int64_t)sample_draw(2 * (uint64_t)versions + 4) - versions - 1;
		break;
	case 2:
		v.since_tx = sample_draw(r->m.tx + 2);
		break;
	default:
		break;
	}
	get_and_compare(r, key, &v, sample_once_in(3));
}

static void
get_all_random(struct run *r)
{
	struct immu_request request = {.op = IMMU_OP_GET_ALL};
	struct immu_bytes names[GET_ALL_MAX];
	unsigned keys[GET_ALL_MAX];
	struct model_faults faults = {.len = 0};
	struct immu_result *result;
	struct model_shown shown;
	size_t n = 0;
	enum im_err err;

	request.keys = names;
	request.keys_len = 1 + sample_draw(GET_ALL_MAX);
	request.since_tx = read_since(r, &faults);
	for (size_t i = 0; i < request.keys_len; i++) {
		keys[i] = (unsigned)sample_draw(SAMPLE_KEYS);
		names[i] = sample_key(keys[i]);
	}
	err = immu_run(r->c, &request, &result);
	run_expect(r, "get all", err, &faults);
	if (err != IM_OK)
		return;
	for (size_t i = 0; i < request.keys_len; i++) {
		if (model_resolve(&r->m, model_version(&r->m, keys[i], 0), &shown) != IM_OK)
			continue;
		if (n == result->entries_len)
			run_wrong(r, "get all showed %zu entries", n);
		read_compare(r, &result->entries[n++], &shown, false);
	}
	if (n != result->entries_len)
		run_wrong(r, "get all showed %zu entries", result->entries_len);
	immu_result_free(result);
}

/* ---- Anything ---- */

void
read_random(struct run *r)
{
	static void (*const reads[])(struct run * r) = {get_random, get_random, get_all_random,
	    list_keys_random, list_keys_random, list_members_random, list_members_random,
	    list_versions_random, count_random, tx_random, tx_random, tx_scan_random,
	    stream_read_random};

	reads[sample_draw(sizeof reads / sizeof *reads)](r);
}

void
read_all(struct run *r)
{
	static const struct immu_version newest = {0};

	for (unsigned key = 0; key < SAMPLE_KEYS; key++) {
		get_and_compare(r, key, &newest, key % 2);
		list_versions_all(r, key);
	}
	list_keys_all(r);
	for (unsigned set = 0; set < SAMPLE_SETS; set++)
		list_members_all(r, set);
	tx_all(r);
}
