/*
 * Large values, written from a source and read into a sink.
 *
 * Neighbours: sample_data.c makes the bytes; model_state.c judges the write as any other.
 */
#include <signal.h>
#include <string.h>

#include "model_run.h"

/* The most that one answer holds. */
#define ANSWER_MAX ((size_t)33 << 20)

/* Bytes of a value as they come and go. A source gives parts of uneven sizes. */
struct flow {
	struct run *r;
	uint64_t number;
	size_t at;
	size_t size;
};

static enum im_err
give(void *arg, void *to, size_t size, size_t *len)
{
	struct flow *f = arg;
	size_t part = (1 + (size_t)sample_draw(9000)) * sizeof(uint64_t);

	if (part > size)
		part = size / sizeof(uint64_t) * sizeof(uint64_t);
	if (part > f->size - f->at)
		part = f->size - f->at;
	sample_value_fill(f->number, f->at, to, part);
	f->at += part;
	*len = part;
	return IM_OK;
}

/* Compares from the block of 8 bytes on that the part begins in. */
static enum im_err
take(void *arg, struct immu_bytes part)
{
	struct flow *f = arg;
	uint8_t expected[4096 + sizeof(uint64_t)];

	if (part.len > f->size - f->at)
		run_wrong(f->r, "a stream goes on behind %zu bytes", f->size);
	for (size_t done = 0; done < part.len;) {
		size_t skew = f->at % sizeof(uint64_t), len = part.len - done;

		if (len > sizeof expected - skew)
			len = sizeof expected - skew;
		sample_value_fill(f->number, f->at - skew, expected, skew + len);
		if (memcmp((const uint8_t *)part.data + done, expected + skew, len) != 0)
			run_wrong(f->r, "a stream has other bytes before %zu", f->at + len);
		f->at += len;
		done += len;
	}
	return IM_OK;
}

static void
stream_write(struct run *r, const struct model_entry *e, bool verified)
{
	struct model_write w = {.op = IMMU_OP_SET, .entries = {*e}, .len = 1};
	struct flow f = {r, e->value, 0, sample_value_size(e->value)};
	struct immu_inflow flow = {sample_key(e->key), e->metadata, verified, give, &f};
	struct immu_result *result;
	struct model_faults faults;
	enum im_err err;

	model_judge(&r->m, &w, &faults);
	err = immu_set_from(r->c, &flow, &result);
	run_expect(r, "streamed write", err, &faults);
	if (err != IM_OK)
		return;
	model_apply(&r->m, &w);
	r->done++;
	if (result->header.id != r->m.tx || result->verified != verified)
		run_wrong(r, "a streamed write was answered with transaction %llu",
		    (unsigned long long)result->header.id);
	immu_result_free(result);
}

void
stream_write_random(struct run *r)
{
	struct model_entry e = {.kind = MODEL_VALUE,
	    .key = (unsigned)sample_draw(SAMPLE_KEYS),
	    .value = SAMPLE_LARGE + r->m.tx};

	e.metadata.non_indexable = sample_once_in(5);
	stream_write(r, &e, sample_once_in(2));
}

static void
stream_read(struct run *r, unsigned key, uint64_t at_tx, bool verified)
{
	struct model_shown shown;
	struct model_faults faults = {.len = 0};
	enum im_err expected = model_resolve(&r->m, model_version(&r->m, key, at_tx), &shown);
	struct flow f = {.r = r};
	struct immu_outflow flow = {sample_key(key), {.at_tx = at_tx}, verified, take, &f};
	struct immu_result *result;
	enum im_err err;

	if (expected != IM_OK)
		model_fault(&faults, expected);
	else
		f = (struct flow){r, shown.entry->value, 0, sample_value_size(shown.entry->value)};
	err = immu_get_into(r->c, &flow, &result);
	run_expect(r, "streamed read", err, &faults);
	if (err != IM_OK)
		return;
	if (f.at != f.size || result->entries[0].value.len != f.size ||
	    result->verified != verified)
		run_wrong(r, "a stream of %zu bytes instead of %zu", f.at, f.size);
	read_compare_bytes(r, "streamed key", result->entries[0].key, sample_key(shown.entry->key));
	immu_result_free(result);
}

void
stream_read_random(struct run *r)
{
	unsigned key = (unsigned)sample_draw(SAMPLE_KEYS);
	const struct model_entry *newest = model_version(&r->m, key, 0);
	uint64_t at_tx = newest && sample_once_in(3) ? newest->tx : 0;

	stream_read(r, key, at_tx, sample_once_in(2));
}

void
stream_long_history(struct run *r)
{
	struct model_entry e = {.kind = MODEL_VALUE, .key = (unsigned)sample_draw(SAMPLE_KEYS)};
	struct immu_history history = {.key = sample_key(e.key)};
	struct model_faults faults = {.len = 0};
	struct immu_result *result;

	for (size_t total = 0; total <= ANSWER_MAX; total += sample_value_size(e.value)) {
		e.value = SAMPLE_LARGE + r->m.tx;
		stream_write(r, &e, false);
	}
	model_fault(&faults, IM_ERR_MESSAGE_SIZE);
	run_expect(r, "a large page", immu_list_history(r->c, &history, &result), &faults);
	list_versions_all(r, e.key);
	tx_all(r);
}

void
stream_largest(struct run *r)
{
	struct model_entry e = {.kind = MODEL_VALUE, .value = SAMPLE_LARGEST + r->m.tx};

	/* Found by its transaction only, so that lists do not get too large. */
	e.metadata.non_indexable = true;
	stream_write(r, &e, true);
	run_restart(r, SIGKILL);
	stream_read(r, e.key, r->m.tx, false);
	stream_read(r, e.key, r->m.tx, true);
}
