/* The content of a transaction: what hashes to its header passes, anything else is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "content_check.h"

#include <string.h>

#include "crypto/htree.h"

#define ENTRIES 3

/* A transaction of three entries, and its header. */
struct fixture {
	struct arena arena;
	Immudb__Schema__Tx tx;
	Immudb__Schema__TxEntry entries[ENTRIES], *list[ENTRIES];
	Immudb__Schema__KVMetadata metadata;
	Immudb__Schema__Expiration expiration;
	struct hash hashes[ENTRIES];
	uint8_t keys[ENTRIES][3];
	uint8_t values[ENTRIES][4];
	struct verify_outcome outcome;
	struct tx_rules rules;
	struct tx_checked checked;
};

static void
make_header(struct fixture *f)
{
	struct entry_parts parts[ENTRIES];
	struct hash digests[ENTRIES];

	for (size_t i = 0; i < ENTRIES; i++)
		assert_int_equal(decode_tx_entry(f->list[i], &f->arena, &parts[i]), IM_OK);
	f->outcome.header = (struct tx_header){.id = 9, .version = 1, .nentries = ENTRIES};
	assert_int_equal(entry_digests(1, parts, ENTRIES, digests), IM_OK);
	htree_root(digests, ENTRIES, digests, &f->outcome.header.eh);
}

static void
set_up(struct fixture *f)
{
	*f = (struct fixture){.rules = {.now = 1000, .with_values = true}};
	arena_init(&f->arena, 1 << 20);
	immudb__schema__tx__init(&f->tx);
	immudb__schema__kvmetadata__init(&f->metadata);
	immudb__schema__expiration__init(&f->expiration);
	f->expiration.expiresat = 500;
	f->metadata.expiration = &f->expiration;
	f->tx.n_entries = ENTRIES;
	f->tx.entries = f->list;
	for (size_t i = 0; i < ENTRIES; i++) {
		Immudb__Schema__TxEntry *e = f->list[i] = &f->entries[i];

		immudb__schema__tx_entry__init(e);
		memcpy(f->keys[i], (uint8_t[]){0, 'k', (uint8_t)('0' + i)}, 3);
		memcpy(f->values[i], (uint8_t[]){0, 'v', (uint8_t)i, 7}, 4);
		hash_sha256(bytes_of(f->values[i], 4), &f->hashes[i]);
		e->key = (ProtobufCBinaryData){3, f->keys[i]};
		e->value = (ProtobufCBinaryData){4, f->values[i]};
		e->hvalue = (ProtobufCBinaryData){HASH_SIZE, f->hashes[i].b};
		e->vlen = 4;
	}
	/* The last one has expired. */
	f->entries[2].metadata = &f->metadata;
	make_header(f);
}

static enum im_err
check(struct fixture *f)
{
	return content_check(&f->tx, &f->rules, &f->arena, &f->outcome, &f->checked);
}

static void
what_fits_passes(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	assert_int_equal(check(&f), IM_OK);
	assert_int_equal(f.checked.values, ENTRIES);
	arena_free(&f.arena);
}

static void
an_altered_value_is_named(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	f.values[1][2] ^= 1;
	assert_int_equal(check(&f), IM_ERR_PROOF);
	assert_non_null(strstr(err_detail(IM_ERR_PROOF), "key k1 in transaction 9"));
	arena_free(&f.arena);
}

static void
whatever_is_hashed_may_not_change(void **state)
{
	struct fixture f;

	(void)state;
	for (int what = 0; what < 5; what++) {
		set_up(&f);
		if (what == 0)
			f.keys[0][1] ^= 1;
		else if (what == 1)
			f.metadata.deleted = true;
		else if (what == 2)
			f.tx.n_entries--;
		else if (what == 3)
			f.outcome.header.eh.b[31] ^= 1;
		else
			f.entries[1].hvalue.len--;
		assert_int_equal(check(&f), IM_ERR_PROOF);
		arena_free(&f.arena);
	}
}

static void
a_value_that_is_left_out_is_told(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	f.entries[0].value.len = 0;
	assert_int_equal(check(&f), IM_ERR_DATA_LOSS);
	assert_true(f.checked.is_withheld);
	assert_non_null(strstr(err_detail(IM_ERR_DATA_LOSS), "key k0 in transaction 9"));
	f.rules.truncated_to = 9;
	assert_int_equal(check(&f), IM_OK);
	assert_int_equal(f.checked.values, ENTRIES - 1);
	arena_free(&f.arena);
}

static void
an_expired_value_need_not_be_there(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	f.entries[2].value.len = 0;
	assert_int_equal(check(&f), IM_OK);
	f.rules.now = 499;
	assert_int_equal(check(&f), IM_ERR_DATA_LOSS);
	arena_free(&f.arena);
}

static void
values_that_were_not_asked_for_are_not_missed(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	f.rules.with_values = false;
	for (size_t i = 0; i < ENTRIES; i++)
		f.entries[i].value.len = 0;
	assert_int_equal(check(&f), IM_OK);
	assert_int_equal(f.checked.values, 0);
	arena_free(&f.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_fits_passes),
	    cmocka_unit_test(an_altered_value_is_named),
	    cmocka_unit_test(whatever_is_hashed_may_not_change),
	    cmocka_unit_test(a_value_that_is_left_out_is_told),
	    cmocka_unit_test(an_expired_value_need_not_be_there),
	    cmocka_unit_test(values_that_were_not_asked_for_are_not_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
