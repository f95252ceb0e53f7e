/*
 * "immuclient export": the latest versions of keys as JSON lines, which "immuclient import --format
 * jsonl" reads. Neighbours: import_parse.c (the same members), client/immu_proof.h.
 */
#include <inttypes.h>
#include <unistd.h>

#include "cli/session.h"
#include "cli/show.h"
#include "commands.h"
#include "input.h"
#include "interrupt.h"

struct exporting {
	struct session *s;
	struct output *lines;
	bool with_proofs;
	bool follow; /* write the values of references */
	uint64_t rows;
	uint64_t references; /* left out */
	enum im_err err;
};

static void
write_row(struct exporting *x, const struct immu_entry *e, struct immu_bytes proof)
{
	output_record_begin(x->lines, NULL);
	output_bytes(x->lines, "key", show_bytes(e->via ? e->via->key : e->key));
	output_bytes(x->lines, "value", show_bytes(e->value));
	output_u64(x->lines, "tx", e->tx);
	if (e->metadata.expires)
		output_time(x->lines, "expires_at", e->metadata.expires_at);
	if (proof.len > 0)
		output_base64(x->lines, "proof_base64", show_bytes(proof));
	output_record_end(x->lines);
}

/* A row of what is proven of this very version, whatever the list said of it, with the proof. */
static enum im_err
export_proven(struct exporting *x, const struct immu_entry *e)
{
	struct immu_bytes key = e->via ? e->via->key : e->key;
	struct immu_request request = {.op = IMMU_OP_GET,
	    .verified = true,
	    .keep_proof = true,
	    .keys = &key,
	    .keys_len = 1,
	    .version = {.at_tx = e->via ? e->via->tx : e->tx}};
	struct immu_result *r;
	enum im_err err = session_ask(x->s, &request, &r);

	if (err)
		return err;
	write_row(x, &r->entries[0], r->proof);
	immu_result_free(r);
	return IM_OK;
}

static bool
export_entry(void *arg, const struct immu_entry *e)
{
	struct exporting *x = (struct exporting *)arg;

	x->s->may_login_again = false;
	if (e->via && !x->follow) {
		x->references++;
		return true;
	}
	if (x->with_proofs)
		x->err = export_proven(x, e);
	else
		write_row(x, e, (struct immu_bytes){NULL, 0});
	if (x->err)
		return false;
	x->rows++;
	output_progress(x->s->out, "%" PRIu64 " rows", x->rows);
	return interrupt_count() == 0 && !output_is_broken(x->lines);
}

static enum im_err
export_range(struct exporting *x)
{
	struct immu_scan scan = {0};
	enum im_err err = IM_OK;

	if (x->s->call->arg_count > 0)
		err = input_key(x->s, x->s->call->args[0], &scan.prefix);
	if (!err)
		err = immu_each(x->s->c, &scan, export_entry, x);
	output_progress(x->s->out, "%s", "");
	if (!err)
		err = x->err;
	if (!err && interrupt_count() > 0)
		err = err_set(IM_ERR_INTERRUPTED, "interrupted after %" PRIu64 " rows", x->rows);
	if (x->references > 0)
		output_note(x->s->out,
		    "%" PRIu64 " reference(s) left out; --follow writes the values they stand for",
		    x->references);
	return err;
}

static enum im_err
export_keys(struct session *s)
{
	struct exporting x = {.s = s,
	    .lines = output_new(OUTPUT_JSON, STDOUT_FILENO, STDERR_FILENO, "immuclient"),
	    .with_proofs = options_bool(s->options, "proofs"),
	    .follow = options_bool(s->options, "follow")};
	enum im_err err, flush_err;

	if (!x.lines)
		return IM_ERR_NOMEM;
	interrupt_catch();
	err = export_range(&x);
	if (!s->link->is_shell)
		interrupt_release();
	flush_err = output_close(x.lines);
	return err ? err : flush_err;
}

int
command_export(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, export_keys);
}
