/*
 * The content of one transaction, for samples and for the sweep. verify.c hashes; here is what a
 * value that is missing means, and which entry it is that does not fit.
 */
#include "content_check.h"

#include <inttypes.h>
#include <stdio.h>

#include "crypto/rawkey.h"
#include "util/text.h"

#define KEY_SHOWN_MAX 64

/* The key of an entry as users know it, printable, cut when it is long. */
static const char *
key_text(const Immudb__Schema__TxEntry *m, char *memory, size_t size)
{
	struct bytes key = decode_bytes(m->key);
	struct buf out;

	if (key.len > 1 && key.data[0] == RAW_KEY_PLAIN)
		key = bytes_of(key.data + 1, key.len - 1);
	if (key.len > KEY_SHOWN_MAX)
		key.len = KEY_SHOWN_MAX;
	buf_init_in(&out, memory, size);
	text_append_printable(&out, key);
	buf_append_u8(&out, '\0');
	return memory;
}

/* Room for a key of which every byte is escaped. */
#define KEY_TEXT_MAX (8 * KEY_SHOWN_MAX)

/* Names the entry whose value is not the one that was hashed, when it is that. */
static enum im_err
explain(const Immudb__Schema__Tx *m, uint64_t id, enum im_err err)
{
	char key[KEY_TEXT_MAX];
	struct hash hash;

	for (size_t i = 0; err == IM_ERR_PROOF && i < m->n_entries; i++) {
		const Immudb__Schema__TxEntry *e = m->entries[i];

		if (e->value.len == 0 || e->hvalue.len != HASH_SIZE)
			continue;
		hash_sha256(decode_bytes(e->value), &hash);
		if (memcmp(hash.b, e->hvalue.data, HASH_SIZE) != 0)
			return err_set(IM_ERR_PROOF,
			    "the value of key %s in transaction %" PRIu64
			    " does not have the hash that was proven for it",
			    key_text(e, key, sizeof key), id);
	}
	return err;
}

enum im_err
content_check(const Immudb__Schema__Tx *m, const struct tx_rules *rules, struct arena *arena,
    struct verify_outcome *out, struct tx_checked *checked)
{
	enum im_err err = verify_entries(m, arena, out);
	char key[KEY_TEXT_MAX];

	*checked = (struct tx_checked){0};
	if (err)
		return explain(m, out->header.id, err);
	for (size_t i = 0; rules->with_values && i < m->n_entries; i++) {
		struct round_value_facts facts = {.tx = out->header.id,
		    .truncated_to = rules->truncated_to,
		    .now = rules->now,
		    .len = m->entries[i]->value.len,
		    .hval = out->entries[i].hval};
		enum round_value value;

		decode_metadata(m->entries[i]->metadata, &facts.metadata);
		value = round_rules_value(&facts);
		if (value == ROUND_VALUE_WITHHELD) {
			checked->is_withheld = true;
			return err_set(IM_ERR_DATA_LOSS,
			    "the value of key %s in transaction %" PRIu64
			    " is missing in the answer",
			    key_text(m->entries[i], key, sizeof key), out->header.id);
		}
		checked->values += value == ROUND_VALUE_HERE || value == ROUND_VALUE_EMPTY;
	}
	return IM_OK;
}
