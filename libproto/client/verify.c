/*
 * What the client library believes, and why: the checks of every verified answer. Neighbours:
 * decode.c takes messages apart, crypto/proof.h checks proofs, trust.c keeps the trusted state.
 *
 * Invariants: an outcome is filled only when every check has passed; its state is never older than
 * the anchor; and each thing that the caller shows was either compared with what was asked or
 * hashed into a root that the history proof covers.
 */
#include "client/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "crypto/rawkey.h"

enum im_err
verify_signature(
    const struct verify_anchor *anchor, const Immudb__Schema__Signature *m, struct trust_state *out)
{
	struct sign_state state = {bytes_str(anchor->database), out->point.id, out->point.alh};
	enum im_err err;

	out->signature_len = 0;
	if (m && m->signature.len <= SIGN_DER_MAX && m->signature.len > 0) {
		memcpy(out->signature, m->signature.data, m->signature.len);
		out->signature_len = m->signature.len;
	}
	if (!anchor->key)
		return IM_OK;
	if (!m || m->signature.len == 0)
		return err_set(IM_ERR_SIGNATURE_MISSING,
		    "state %" PRIu64 " of %s is not signed but a public key is configured",
		    out->point.id, anchor->database);
	err = sign_check(anchor->key, &state, decode_bytes(m->signature));
	if (err == IM_ERR_NOMEM)
		return err;
	if (err)
		return err_set(IM_ERR_SIGNATURE,
		    "the signature of state %" PRIu64
		    " of %s doesn't match the provided public key",
		    out->point.id, anchor->database);
	return IM_OK;
}

enum im_err
verify_state(const struct verify_anchor *anchor, const Immudb__Schema__ImmutableState *m,
    struct trust_state *out)
{
	const struct tx_point *from = &anchor->from;
	struct hash empty = hash_empty();
	enum im_err err;

	*out = (struct trust_state){.point = {.id = m->txid}};
	if (strcmp(m->db, anchor->database) != 0)
		return err_set(IM_ERR_PROOF, "the state is of another database");
	err = decode_hash("the state's hash", m->txhash, &out->point.alh);
	if (err)
		return err;
	if (out->point.id == 0 && !hash_equal(&out->point.alh, &empty))
		return err_set(IM_ERR_PROOF, "an empty database with a hash");
	err = verify_signature(anchor, m->signature, out);
	if (err)
		return err;
	if (out->point.id < from->id)
		return err_set(IM_ERR_STATE_OLDER,
		    "server state %" PRIu64 " of %s is older than the client's %" PRIu64,
		    out->point.id, anchor->database, from->id);
	if (from->id > 0 && out->point.id == from->id && !hash_equal(&out->point.alh, &from->alh))
		return err_set(IM_ERR_STATE_FORKED,
		    "state %" PRIu64 " of %s has another hash than the trusted one", from->id,
		    anchor->database);
	return IM_OK;
}

/* The root of the tree whose last-inclusion proof for the next leaf has these terms. */
static struct hash
fold_edge(struct hash_list terms)
{
	struct hash root = HASH_ZERO;

	if (terms.len > 0)
		root = terms.items[0];
	for (size_t i = 1; i < terms.len; i++)
		hash_node(&terms.items[i], &root, &root);
	return root;
}

enum im_err
verify_history(const struct verify_anchor *anchor, const Immudb__Schema__VerifiableTx *m,
    struct arena *arena, struct verify_outcome *out)
{
	struct dual_proof proof;
	bool is_newer;
	enum im_err err;

	if (!m->tx)
		return err_set(IM_ERR_PROOF, "the transaction is missing");
	out->entries = NULL;
	out->is_reference = false;
	err = decode_header(m->tx->header, &out->header);
	if (err)
		return err;
	out->point.id = out->header.id;
	tx_header_alh(&out->header, &out->point.alh);
	err = decode_dual_proof(m->dualproof, arena, &proof);
	if (err)
		return err;
	is_newer = out->point.id >= anchor->from.id;
	/* Without an anchor the header must at least agree with its own tree. */
	if (anchor->from.id == 0)
		err = proof_check_dual(&proof, &out->point, &out->point);
	else if (is_newer)
		err = proof_check_dual(&proof, &anchor->from, &out->point);
	else
		err = proof_check_dual(&proof, &out->point, &anchor->from);
	if (err)
		return err;
	out->newest = proof.target;
	out->state.point = is_newer ? out->point : anchor->from;
	out->before_alh = proof.target_bl_tx_alh;
	out->before_root = fold_edge(proof.last_inclusion);
	return verify_signature(anchor, m->signature, &out->state);
}

enum im_err
verify_entries(const Immudb__Schema__Tx *m, struct arena *arena, struct verify_outcome *out)
{
	size_t n = m->n_entries;
	struct hash *digests = arena_calloc(arena, n, sizeof *digests);
	struct hash root;
	enum im_err err = IM_OK;

	if (n != out->header.nentries)
		return err_set(IM_ERR_PROOF, "%zu entries where the header says %" PRIu32, n,
		    out->header.nentries);
	out->entries = arena_calloc(arena, n, sizeof *out->entries);
	if (n > 0 && (!digests || !out->entries))
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < n && !err; i++)
		err = decode_tx_entry(m->entries[i], arena, &out->entries[i]);
	if (!err && entry_digests(out->header.version, out->entries, n, digests))
		err = err_set(IM_ERR_PROOF, "an entry cannot be hashed");
	if (err)
		return err;
	htree_root(digests, n, digests, &root);
	if (!hash_equal(&root, &out->header.eh))
		return err_set(IM_ERR_PROOF,
		    "the entries of transaction %" PRIu64 " do not hash to its header",
		    out->header.id);
	return IM_OK;
}

enum im_err
verify_tx(const struct verify_anchor *anchor, uint64_t id, const Immudb__Schema__VerifiableTx *m,
    struct arena *arena, struct verify_outcome *out)
{
	enum im_err err = verify_history(anchor, m, arena, out);

	if (err)
		return err;
	if (out->header.id != id)
		return err_set(IM_ERR_PROOF, "transaction %" PRIu64 " was answered for %" PRIu64,
		    out->header.id, id);
	return verify_entries(m->tx, arena, out);
}

enum im_err
verify_link(const struct verify_anchor *anchor, const struct tx_point *point,
    const Immudb__Schema__VerifiableTx *m, struct arena *arena, struct verify_outcome *out)
{
	char why[256];
	enum im_err err = verify_history(anchor, m, arena, out);

	out->entries = NULL;
	if (!err && out->point.id == point->id && hash_equal(&out->point.alh, &point->alh))
		return IM_OK;
	if (!err)
		err = err_set(IM_ERR_PROOF, "it has another hash");
	if (err != IM_ERR_PROOF)
		return err;
	snprintf(why, sizeof why, "%s", err_detail(err));
	return err_set(IM_ERR_STATE_FORKED,
	    "transaction %" PRIu64 " is not shown to be of one history with %" PRIu64 " of %s: %s",
	    point->id, anchor->from.id, anchor->database, why);
}

static bool
is_same_entry(const struct entry_parts *a, const struct entry_parts *b)
{
	return bytes_equal(a->key, b->key) && bytes_equal(a->md, b->md) &&
	    hash_equal(&a->hval, &b->hval);
}

enum im_err
verify_set(const struct verify_anchor *anchor, const struct verify_written *written,
    const Immudb__Schema__VerifiableTx *m, struct arena *arena, struct verify_outcome *out)
{
	enum im_err err = verify_history(anchor, m, arena, out);

	if (err)
		return err;
	if (out->header.id <= anchor->from.id)
		return err_set(IM_ERR_PROOF, "transaction %" PRIu64 " was there before the write",
		    out->header.id);
	err = verify_entries(m->tx, arena, out);
	if (err)
		return err;
	if (out->header.nentries != written->len)
		return err_set(IM_ERR_PROOF, "%" PRIu32 " entries were written, not %zu",
		    out->header.nentries, written->len);
	for (size_t i = 0; i < written->len; i++) {
		if (!is_same_entry(&out->entries[i], &written->entries[i]))
			return err_set(IM_ERR_PROOF, "entry %zu was not written as asked", i + 1);
	}
	return IM_OK;
}

/* The key is the one asked for and was written in this transaction; everything but its hash. */
static enum im_err
check_wanted(const struct verify_wanted *wanted, const Immudb__Schema__Entry *entry, uint64_t tx)
{
	const Immudb__Schema__Reference *ref = entry->referencedby;
	const Immudb__Schema__KVMetadata *md = ref ? ref->metadata : entry->metadata;
	uint64_t entry_tx = ref ? ref->tx : entry->tx;

	if (ref && wanted->is_target)
		return err_set(IM_ERR_PROOF, "a reference stands for another reference");
	if (!bytes_equal(decode_bytes(ref ? ref->key : entry->key), wanted->key))
		return err_set(IM_ERR_PROOF, "another key was answered");
	if (entry_tx != tx || (wanted->at_tx > 0 && entry_tx != wanted->at_tx))
		return err_set(IM_ERR_PROOF, "the entry of another transaction was answered");
	if (entry->expired || (md && md->deleted))
		return err_set(IM_ERR_PROOF, "a deleted or expired entry was answered");
	if (ref && ref->attx > 0 && entry->tx != ref->attx)
		return err_set(IM_ERR_PROOF,
		    "the reference is bound to transaction %" PRIu64
		    " and the value of another one was answered",
		    ref->attx);
	return IM_OK;
}

/* The entry as it is hashed: key and value, or reference and what it stands for. */
static enum im_err
make_parts(const Immudb__Schema__Entry *m, struct arena *arena, struct entry_parts *out)
{
	const Immudb__Schema__Reference *ref = m->referencedby;
	struct bytes value_parts[2] = {bytes_of("", 1), decode_bytes(m->value)}; /* 00 || value */
	struct kv_metadata md;
	uint8_t encoded[KV_METADATA_MAX];
	struct bytes view, reference;
	enum im_err err = raw_key_make(arena, decode_bytes(ref ? ref->key : m->key), &out->key);

	if (!err && ref)
		err = raw_value_make_reference(arena, decode_bytes(m->key), ref->attx, &reference);
	if (err)
		return err;
	if (ref)
		hash_sha256(reference, &out->hval);
	else
		hash_parts(value_parts, 2, &out->hval);
	decode_metadata(ref ? ref->metadata : m->metadata, &md);
	view = bytes_of(encoded, kv_metadata_encode(&md, encoded));
	out->md = arena_copy(arena, view);
	return out->md.len == view.len ? IM_OK : err_set(IM_ERR_NOMEM, "out of memory");
}

/* The entry is hashed into the transaction of out. */
static enum im_err
verify_included(
    const Immudb__Schema__VerifiableEntry *m, struct arena *arena, const struct verify_outcome *out)
{
	struct inclusion_proof proof;
	struct entry_parts parts;
	enum im_err err = decode_inclusion(m->inclusionproof, arena, &proof);

	if (!err)
		err = make_parts(m->entry, arena, &parts);
	return err ? err : proof_check_entry(&proof, &parts, &out->header);
}

enum im_err
verify_entry(const struct verify_wanted *wanted, const Immudb__Schema__VerifiableEntry *m,
    struct arena *arena, struct verify_outcome *out)
{
	const Immudb__Schema__Entry *entry = m->entry;
	enum im_err err = check_wanted(wanted, entry, out->header.id);

	if (!err)
		err = verify_included(m, arena, out);
	if (err)
		return err;
	out->is_reference = entry->referencedby != NULL;
	out->target = decode_bytes(entry->key);
	out->target_tx = entry->tx;
	return IM_OK;
}

enum im_err
verify_get(const struct verify_anchor *anchor, const struct verify_wanted *wanted,
    const Immudb__Schema__VerifiableEntry *m, struct arena *arena, struct verify_outcome *out)
{
	enum im_err err;

	if (!m->entry || !m->verifiabletx)
		return err_set(IM_ERR_PROOF, "the entry or its transaction is missing");
	err = verify_history(anchor, m->verifiabletx, arena, out);
	if (!err)
		err = verify_entry(wanted, m, arena, out);
	/* A server may leave the other entries out; if it sends them, they must be right. */
	if (!err && m->verifiabletx->tx->n_entries > 0)
		err = verify_entries(m->verifiabletx->tx, arena, out);
	return err;
}

bool
verify_follows(const struct tx_header *previous, const struct verify_outcome *next)
{
	const struct tx_header *h = &next->newest;
	struct hash alh;

	if (h->id != previous->id + 1 || h->id != next->point.id || h->bl_tx_id != previous->id ||
	    previous->bl_tx_id != previous->id - 1)
		return false;
	tx_header_alh(previous, &alh);
	return hash_equal(&h->prev_alh, &alh) && hash_equal(&next->before_alh, &alh) &&
	    hash_equal(&next->before_root, &previous->bl_root);
}
