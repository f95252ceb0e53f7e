/*
 * Evidence of a server's fault: which sections there are. Neighbours: offline_sections.c (packs
 * them), evidence_check.c (reads and judges them), PROOF_FORMAT.md.
 *
 * Invariant: whatever a hostile server has answered, a file comes out that can be read again: what
 * does not fit, or takes too much memory, is left out, least important first, and the two states
 * always fit.
 */
#include "client/evidence.h"

#include "client/offline_sections.h"
#include "util/clock.h"
#include "util/text.h"

/* What is packed, and the table of sections. */
#define EVIDENCE_ARENA_MAX (2ull * IMMU_PROOF_MAX)

/* What is left out of a file. */
enum evidence_cut { CUT_NOTHING, CUT_TX_ENTRIES, CUT_ANSWERS, CUT_MESSAGES, CUTS };

/* A text that can be shown, cut where a character begins. */
static void
add_text(struct offline_sections *s, uint16_t type, const char *text)
{
	struct buf shown;
	struct bytes copy;
	size_t len;

	buf_init(&shown, 4 * strlen(text) + 1);
	text_append_printable(&shown, bytes_str(text));
	len = shown.len < OFFLINE_TEXT_MAX ? shown.len : OFFLINE_TEXT_MAX;
	while (len > 0 && len < shown.len && (shown.data[len] & 0xc0) == 0x80)
		len--;
	copy = arena_copy(s->arena, bytes_of(shown.data, len));
	if (shown.err || copy.len != len)
		s->err = s->err ? s->err : IM_ERR_NOMEM;
	else
		offline_add(s, type, copy);
	buf_free(&shown);
}

static void
add_tx(struct offline_sections *s, const Immudb__Schema__VerifiableTx *m, bool with_entries)
{
	if (!m)
		return;
	if (m->tx && m->tx->header)
		offline_add_message(s, OFFLINE_TX_HEADER, &m->tx->header->base);
	if (m->dualproof)
		offline_add_message(s, OFFLINE_TX_HISTORY, &m->dualproof->base);
	for (size_t i = 0; with_entries && m->tx && i < m->tx->n_entries; i++)
		offline_add_message(s, OFFLINE_TX_ENTRY, &m->tx->entries[i]->base);
}

static void
add_entry(struct offline_sections *s, const Immudb__Schema__VerifiableEntry *m)
{
	const Immudb__Schema__VerifiableTx *tx = m ? m->verifiabletx : NULL;

	if (m && m->entry)
		offline_add_message(s, OFFLINE_ENTRY, &m->entry->base);
	if (tx && tx->tx && tx->tx->header)
		offline_add_message(s, OFFLINE_ENTRY_HEADER, &tx->tx->header->base);
	if (m && m->inclusionproof)
		offline_add_message(s, OFFLINE_ENTRY_INCLUSION, &m->inclusionproof->base);
	if (tx && tx->dualproof)
		offline_add_message(s, OFFLINE_ENTRY_HISTORY, &tx->dualproof->base);
}

static void
add_link(struct offline_sections *s, const Immudb__Schema__VerifiableTx *m)
{
	if (!m || !m->tx || !m->tx->header || !m->dualproof)
		return;
	offline_add_message(s, OFFLINE_LINK_HEADER, &m->tx->header->base);
	offline_add_message(s, OFFLINE_LINK_HISTORY, &m->dualproof->base);
}

static void
add_signature(struct offline_sections *s, uint16_t type, const struct trust_state *state)
{
	Immudb__Schema__Signature m = IMMUDB__SCHEMA__SIGNATURE__INIT;

	if (!state || state->signature_len == 0)
		return;
	m.signature =
	    (ProtobufCBinaryData){state->signature_len, (uint8_t *)(uintptr_t)state->signature};
	offline_add_message(s, type, &m.base);
}

static void
add_suspects(struct offline_sections *s, const struct evidence_source *source)
{
	uint8_t range[16];
	struct bytes copy;

	if (source->suspect_from == 0 && source->suspect_to == 0)
		return;
	be64_put(range, source->suspect_from);
	be64_put(range + 8, source->suspect_to);
	copy = arena_copy(s->arena, bytes_of(range, sizeof range));
	if (copy.len == 0)
		s->err = s->err ? s->err : IM_ERR_NOMEM;
	else
		offline_add(s, OFFLINE_SUSPECTS, copy);
}

/* What was found: verdict, both states, times. */
static void
add_finding(struct offline_sections *s, const struct evidence_source *source)
{
	add_text(s, OFFLINE_VERDICT, source->verdict);
	add_text(s, OFFLINE_REASON, source->reason ? source->reason : "");
	add_signature(s, OFFLINE_TRUSTED_SIGNATURE, source->trusted);
	if (source->seen)
		offline_add_point(s, OFFLINE_SEEN, &source->seen->point);
	add_signature(s, OFFLINE_SEEN_SIGNATURE, source->seen);
	if (source->trusted_at > 0)
		offline_add_time(s, OFFLINE_TRUSTED_AT, source->trusted_at);
	if (source->seen_at > 0)
		offline_add_time(s, OFFLINE_SEEN_AT, source->seen_at);
	if (source->other_server_id && *source->other_server_id)
		add_text(s, OFFLINE_OTHER_SERVER, source->other_server_id);
	add_suspects(s, source);
}

static void
collect(struct offline_sections *s, const struct evidence_source *source, enum evidence_cut cut)
{
	static const struct tx_point nothing = {0};

	offline_add(s, OFFLINE_SERVER, bytes_str(source->server_id));
	offline_add(s, OFFLINE_DATABASE, bytes_str(source->database));
	add_text(s, OFFLINE_ADDRESS, source->address ? source->address : "");
	add_text(s, OFFLINE_PROGRAM, source->program ? source->program : "");
	offline_add_time(s, OFFLINE_WRITTEN, clock_wall_s());
	offline_add_point(s, OFFLINE_TRUSTED, source->trusted ? &source->trusted->point : &nothing);
	if (cut < CUT_ANSWERS) {
		add_entry(s, source->entry);
		add_tx(s, source->tx, cut < CUT_TX_ENTRIES);
	}
	add_finding(s, source);
	if (cut < CUT_MESSAGES)
		add_link(s, source->link);
	if (source->notice)
		offline_add_message(s, OFFLINE_NOTICE, &source->notice->base);
}

/*
 * IM_ERR_LIMIT when a checker cannot read the file, for want of the memory that it takes for one.
 */
static enum im_err
check_readable(const struct immu_bytes *file)
{
	struct immu_proof_report *r;
	enum im_err err = immu_proof_check(*file, NULL, &r);

	immu_proof_report_free(r);
	return err == IM_ERR_LIMIT || err == IM_ERR_NOMEM ? IM_ERR_LIMIT : IM_OK;
}

static enum im_err
make_cut(const struct evidence_source *source, enum evidence_cut cut, struct arena *arena,
    struct immu_bytes *out)
{
	struct arena own;
	struct offline_sections *s;
	enum im_err err;

	arena_init(&own, EVIDENCE_ARENA_MAX);
	s = arena_calloc(&own, 1, sizeof *s);
	err = s ? IM_OK : IM_ERR_NOMEM;
	if (!err) {
		s->arena = &own;
		collect(s, source, cut);
		err = s->err;
	}
	if (!err)
		err = offline_assemble(s, IMMU_PROOF_EVIDENCE, arena, out);
	arena_free(&own);
	return err ? err : check_readable(out);
}

enum im_err
evidence_make(const struct evidence_source *source, struct arena *arena, struct immu_bytes *out)
{
	enum im_err err = IM_ERR_LIMIT;
	int cut;

	if (!source->verdict || !*source->verdict || !trust_file_is_server_id(source->server_id) ||
	    !trust_file_is_database(source->database))
		return err_set(
		    IM_ERR_ARGUMENT, "evidence of nothing: no verdict, server or database");
	for (cut = CUT_NOTHING; cut < CUTS && (err == IM_ERR_LIMIT || err == IM_ERR_NOMEM); cut++)
		err = make_cut(source, (enum evidence_cut)cut, arena, out);
	return err ? err_set(err, "the evidence: %s", err_text(err)) : IM_OK;
}
