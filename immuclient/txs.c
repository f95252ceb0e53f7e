/* Commands about transactions: tx, safetx, inspect. */
#include <string.h>

#include "cli/session.h"
#include "cli/show.h"
#include "client/immu_proof.h"
#include "commands.h"
#include "crypto/entry.h"
#include "crypto/header.h"
#include "crypto/htree.h"
#include "crypto/metadata.h"
#include "input.h"

static enum im_err
tx(struct session *s)
{
	bool safe = session_is_safe(s);
	const char *proof = safe ? options_string(s->options, "proof") : "";
	struct immu_request request = {.op = IMMU_OP_TX,
	    .verified = safe,
	    .keep_proof = *proof,
	    .tx_spec = {true, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE, IMMU_SHOW_DIGEST}};
	struct output *o = s->out;
	struct immu_result *r;
	enum im_err err = input_tx(s->call->args[0], &request.tx);

	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	if (*proof)
		err = immu_proof_save(r, proof);
	if (!err) {
		output_record_begin(o, NULL);
		show_header_fields(o, &r->header);
		if (r->verified)
			output_bool(o, "verified", true);
		output_list_begin(o, "content", OUTPUT_BLOCKS, NULL);
		for (size_t i = 0; i < r->tx_entries_len && !output_is_broken(o); i++)
			show_tx_entry(o, &r->tx_entries[i]);
		output_list_end(o);
		output_record_end(o);
	}
	immu_result_free(r);
	return err;
}

int
command_tx(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, tx);
}

/* ---- inspect: everything that is hashed, and the hashes as computed here ---- */

static enum im_err
entry_digest_of(uint16_t version, const struct immu_tx_entry *e, struct hash *out)
{
	uint8_t encoded[KV_METADATA_MAX];
	struct kv_metadata md = {.deleted = e->metadata.deleted,
	    .non_indexable = e->metadata.non_indexable,
	    .has_expiry = e->metadata.expires,
	    .expires_at = e->metadata.expires_at};
	struct entry_parts parts = {.key = show_bytes(e->raw_key),
	    .md = bytes_of(encoded, kv_metadata_encode(&md, encoded))};

	memcpy(parts.hval.b, e->value_hash, HASH_SIZE);
	return entry_digest(version, &parts, out);
}

static void
hex_field(struct output *o, const char *name, const uint8_t hash[IMMU_HASH_SIZE])
{
	output_hex(o, name, bytes_of(hash, IMMU_HASH_SIZE));
}

static void
inspect_header(struct output *o, const struct immu_header *h, const struct hash *root)
{
	output_u64(o, "tx", h->id);
	output_time(o, "time", h->ts);
	output_u64(o, "version", h->version);
	output_u64(o, "entries", h->entries);
	hex_field(o, "previous hash", h->prev_alh);
	hex_field(o, "entries root", root->b);
	output_u64(o, "linked tx", h->bl_tx_id);
	hex_field(o, "linked root", h->bl_root);
	hex_field(o, "hash", h->alh);
	output_bool(o, "verified", true);
}

static void
inspect_entry(struct output *o, const struct immu_tx_entry *e, const struct hash *digest)
{
	output_record_begin(o, NULL);
	output_hex(o, "raw key", show_bytes(e->raw_key));
	show_metadata_fields(o, &e->metadata);
	if (e->has_value)
		output_hex(o, "raw value", show_bytes(e->raw_value));
	hex_field(o, "value hash", e->value_hash);
	hex_field(o, "digest", digest->b);
	output_record_end(o);
}

static enum im_err
inspect_result(struct session *s, const struct immu_result *r)
{
	size_t n = r->tx_entries_len;
	struct hash *digests = (struct hash *)arena_calloc(&s->memory, n, sizeof *digests);
	struct hash *scratch = (struct hash *)arena_calloc(&s->memory, n, sizeof *scratch);
	struct output *o = s->out;
	struct hash root;
	enum im_err err = digests && scratch ? IM_OK : IM_ERR_NOMEM;

	for (size_t i = 0; i < n && !err; i++)
		err = entry_digest_of(r->header.version, &r->tx_entries[i], &digests[i]);
	if (err)
		return err;
	htree_root(digests, n, scratch, &root);
	if (memcmp(root.b, r->header.eh, HASH_SIZE) != 0)
		return err_set(IM_ERR_PROOF,
		    "the entries of transaction %llu do not hash to its root",
		    (unsigned long long)r->header.id);
	output_label_width(o, sizeof "previous hash: " - 1);
	output_record_begin(o, NULL);
	inspect_header(o, &r->header, &root);
	output_list_begin(o, "content", OUTPUT_BLOCKS, NULL);
	for (size_t i = 0; i < n && !output_is_broken(o); i++)
		inspect_entry(o, &r->tx_entries[i], &digests[i]);
	output_list_end(o);
	output_record_end(o);
	return IM_OK;
}

static enum im_err
inspect(struct session *s)
{
	struct immu_request request = {.op = IMMU_OP_TX,
	    .verified = true,
	    .tx_spec = {true, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE}};
	struct immu_result *r;
	enum im_err err = input_tx(s->call->args[0], &request.tx);

	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	err = inspect_result(s, r);
	immu_result_free(r);
	return err;
}

int
command_inspect(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, inspect);
}
