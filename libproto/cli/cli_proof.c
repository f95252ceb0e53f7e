/*
 * What people see of an offline proof or evidence. Neighbours: client/immu_proof.h (the check),
 * show.c (entries), and the commands "verify" of immuclient and the auditor.
 */
#include "cli/cli_proof.h"

#include "cli/show.h"

static void
show_proof_state(struct output *o, const char *name, const struct immu_state *state)
{
	output_record_begin(o, name);
	output_u64(o, "tx", state->tx);
	output_hex(o, "hash", bytes_of(state->hash, IMMU_HASH_SIZE));
	output_record_end(o);
}

static void
show_content(struct output *o, const struct immu_proof_report *r)
{
	output_list_begin(o, "content", OUTPUT_BLOCKS, NULL);
	if (r->entry)
		show_entry(o, r->entry, false);
	for (size_t i = 0; i < r->tx_entries_len; i++)
		show_tx_entry(o, &r->tx_entries[i]);
	output_list_end(o);
}

static void
show_checks(struct output *o, const struct immu_proof_report *r)
{
	output_list_begin(o, "checks", OUTPUT_TABLE, "check(s)");
	for (size_t i = 0; i < r->checks_len; i++) {
		output_record_begin(o, NULL);
		output_string(o, "check", r->checks[i].name);
		output_string(o, "result", r->checks[i].err ? "failed" : "ok");
		output_string(o, "text", r->checks[i].text);
		output_record_end(o);
	}
	output_list_end(o);
}

static void
show_subject(struct output *o, const struct immu_proof_report *r)
{
	static const char *const kinds[] = {"", "entry", "transaction", "evidence"};

	output_string(o, "kind", kinds[r->kind]);
	output_string(o, "server", r->server_id);
	output_string(o, "database", r->database);
	output_string(o, "address", r->address);
	output_time(o, "written", r->written_at);
}

static void
show_report(struct output *o, const struct immu_proof_report *r)
{
	output_label_width(o, sizeof "trusted.hash: " - 1);
	output_record_begin(o, NULL);
	show_subject(o, r);
	show_proof_state(o, "trusted", &r->trusted);
	show_proof_state(o, "newer", &r->newer);
	output_bool(o, "signed", r->newer.is_signed);
	output_bool(o, "verified", !r->err);
	show_content(o, r);
	show_checks(o, r);
	output_record_end(o);
}

/* A state of evidence, and when it was there. */
static void
show_dated_state(struct output *o, const char *name, const struct immu_state *state, int64_t at)
{
	output_record_begin(o, name);
	output_u64(o, "tx", state->tx);
	output_hex(o, "hash", bytes_of(state->hash, IMMU_HASH_SIZE));
	output_bool(o, "signed", state->is_signed);
	if (at > 0)
		output_time(o, "at", at);
	output_record_end(o);
}

static void
show_evidence(struct output *o, const struct immu_proof_report *r)
{
	static const char *const worths[] = {"claim", "repeated", "signed"};
	const struct immu_evidence *e = r->evidence;

	output_label_width(o, sizeof "trusted.signed: " - 1);
	output_record_begin(o, NULL);
	show_subject(o, r);
	output_string(o, "verdict", e->verdict);
	output_string(o, "reason", e->reason);
	if (*e->restore)
		output_string(o, "restore", e->restore);
	show_dated_state(o, "trusted", &r->trusted, e->trusted_at);
	if (e->has_seen)
		show_dated_state(o, "seen", &e->seen, e->seen_at);
	if (*e->other_server_id)
		output_string(o, "other server", e->other_server_id);
	if (e->suspect_to > 0) {
		output_u64(o, "suspect from", e->suspect_from);
		output_u64(o, "suspect to", e->suspect_to);
	}
	output_bool(o, "holds", !r->err);
	if (!r->err) {
		output_string(o, "worth", worths[e->worth]);
		output_string(o, "worth text", e->worth_text);
	}
	show_checks(o, r);
	output_record_end(o);
}

enum im_err
cli_proof_verify(struct output *o, const char *path, const struct immu_proof_options *options)
{
	struct immu_proof_report *r = NULL;
	enum im_err err = immu_proof_check_file(path, options, &r);

	if (!r)
		return err;
	if (r->evidence)
		show_evidence(o, r);
	else if (r->kind)
		/* Of a file that is something else there is nothing to show but that. */
		show_report(o, r);
	for (size_t i = 0; !err && i < r->not_proven_len; i++)
		output_note(o, "not proven: %s", r->not_proven[i]);
	if (err)
		err = err_set(err, "%s: %s", path, r->error_text);
	immu_proof_report_free(r);
	return err;
}
