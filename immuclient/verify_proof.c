/* "immuclient verify": checks an offline proof, with no server. */
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "client/immu_proof.h"
#include "commands.h"
#include "show.h"
#include "util/hex.h"

/* "TX:HASH" */
static enum im_err
parse_state(const char *text, struct immu_proof_options *out)
{
	char *colon;

	if (!*text)
		return IM_OK;
	out->trusted_tx = strtoull(text, &colon, 10);
	if (out->trusted_tx == 0 || *colon != ':' || text[0] < '0' || text[0] > '9' ||
	    hex_decode(bytes_str(colon + 1), out->trusted_hash, IMMU_HASH_SIZE) != IM_OK)
		return err_set(IM_ERR_USAGE,
		    "--state: \"%s\" is not TX:HASH, a number and 64 hexadecimal digits", text);
	return IM_OK;
}

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
show_report(struct output *o, const struct immu_proof_report *r)
{
	static const char *const kinds[] = {"", "entry", "transaction", "evidence"};

	output_label_width(o, sizeof "trusted.hash: " - 1);
	output_record_begin(o, NULL);
	output_string(o, "kind", kinds[r->kind]);
	output_string(o, "server", r->server_id);
	output_string(o, "database", r->database);
	output_string(o, "address", r->address);
	output_time(o, "written", r->written_at);
	show_proof_state(o, "trusted", &r->trusted);
	show_proof_state(o, "newer", &r->newer);
	output_bool(o, "signed", r->newer.is_signed);
	output_bool(o, "verified", !r->err);
	show_content(o, r);
	output_list_begin(o, "checks", OUTPUT_TABLE, "check(s)");
	for (size_t i = 0; i < r->checks_len; i++) {
		output_record_begin(o, NULL);
		output_string(o, "check", r->checks[i].name);
		output_string(o, "result", r->checks[i].err ? "failed" : "ok");
		output_string(o, "text", r->checks[i].text);
		output_record_end(o);
	}
	output_list_end(o);
	output_record_end(o);
}

static enum im_err
verify(struct session *s)
{
	const char *database = options_string(s->options, "database");
	const char *server = options_string(s->options, "server");
	struct immu_proof_options options = {
	    .pub_key_file = options_string(s->options, "server-signing-pub-key"),
	    .server_id = *server ? server : NULL,
	    .database = *database ? database : NULL};
	struct immu_proof_report *r = NULL;
	enum im_err err = parse_state(options_string(s->options, "state"), &options);

	if (!*options.pub_key_file)
		options.pub_key_file = NULL;
	if (err)
		return err;
	err = immu_proof_check_file(s->call->args[0], &options, &r);
	if (!r)
		return err;
	show_report(s->out, r);
	for (size_t i = 0; !err && i < r->not_proven_len; i++)
		output_note(s->out, "not proven: %s", r->not_proven[i]);
	if (err)
		err = err_set(err, "%s: %s", s->call->args[0], r->error_text);
	immu_proof_report_free(r);
	return err;
}

int
command_verify(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, verify);
}
