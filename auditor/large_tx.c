/*
 * Transactions too large for one answer, so that "too large" is no place to hide. For sample.c and
 * sweep.c.
 */
#include "large_tx.h"

#include <inttypes.h>
#include <stdio.h>

#include "content_check.h"
#include "crypto/rawkey.h"
#include "round.h"
#include "util/clock.h"

/* The value of one entry, by its key in its transaction, with its own proof. */
static enum im_err
check_value(struct round *r, uint64_t tx, struct bytes key)
{
	Immudb__Schema__KeyRequest want = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	Immudb__Schema__VerifiableGetRequest m = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;
	struct server_request ask = {
	    .method = RPC_METHOD_VerifiableGet, .token = r->token, .message = &m.base};
	struct verify_anchor anchor = round_anchor(r);
	struct verify_wanted wanted = {.key = key, .at_tx = tx};
	struct arena_mark mark = arena_mark(&r->scratch);
	struct verify_outcome outcome;
	ProtobufCMessage *answer;
	enum im_err err;

	want.key = (ProtobufCBinaryData){key.len, (uint8_t *)(uintptr_t)key.data};
	want.attx = tx;
	m.keyrequest = &want;
	m.provesincetx = r->seen.point.id;
	err = server_link_ask(r->link, &ask, &r->scratch, &answer);
	if (!err)
		err = verify_get(&anchor, &wanted, (const Immudb__Schema__VerifiableEntry *)answer,
		    &r->scratch, &outcome);
	r->checks++;
	arena_rewind(&r->scratch, &mark);
	if (err == IM_ERR_KEY_NOT_FOUND)
		return err_set(
		    IM_ERR_DATA_LOSS, "the server does not find an entry that it has proven");
	return err;
}

/* Whether the server gives the value of an entry under its key at all. */
static bool
has_value(const struct entry_parts *e, struct raw_key *key)
{
	struct hash empty = hash_empty();
	struct kv_metadata md;

	return raw_key_parse(e->key, key) == IM_OK && key->kind == RAW_KEY_PLAIN &&
	    kv_metadata_decode(e->md, &md) == IM_OK && !md.deleted && !md.non_indexable &&
	    !kv_metadata_is_expired(&md, clock_wall_s()) && !hash_equal(&e->hval, &empty);
}

enum im_err
large_tx_check(struct round *r, uint64_t tx, uint64_t *values)
{
	struct round_question q = {.tx = tx, .since = r->seen.point.id, .with_entries = true};
	struct verify_anchor anchor = round_anchor(r);
	Immudb__Schema__VerifiableTx *m;
	struct verify_outcome outcome;
	struct raw_key key;
	char why[REPORT_TEXT_MAX - 64];
	enum im_err err;

	arena_reset(&r->scratch, 0);
	err = round_ask(r, &q, &r->scratch, &m);
	r->checks++;
	if (!err)
		err = verify_tx(&anchor, tx, m, &r->scratch, &outcome);
	for (size_t i = 0; !err && i < m->tx->n_entries; i++) {
		if (!has_value(&outcome.entries[i], &key))
			continue;
		err = check_value(r, tx, key.key);
		*values += !err;
	}
	if (!err)
		return IM_OK;
	snprintf(why, sizeof why, "%s", err_detail(err));
	err_set(err, "transaction %" PRIu64 ": %s", tx, why);
	return round_note(r, err, tx, tx);
}
