/*
 * Commands about one key: set, get, their proven forms, restore, delete, history, and stored bytes.
 */
#include <stdio.h>
#include <string.h>

#include "cli/session.h"
#include "cli/show.h"
#include "client/immu_proof.h"
#include "commands.h"
#include "input.h"
#include "key_argument.h"

/* With --proof FILE a verified request keeps its proof; this writes it. */
static enum im_err
save_proof(struct session *s, const struct immu_result *r)
{
	const char *path = options_string(s->options, "proof");

	return *path ? immu_proof_save(r, path) : IM_OK;
}

static void
show_one(struct session *s, const struct immu_entry *entry, bool verified)
{
	if (options_bool(s->options, "value-only"))
		output_value(s->out, show_bytes(entry->value));
	else
		show_entry(s->out, entry, verified);
}

/* ---- Writing ---- */

/* A value that came from a file is not shown again, but how long it is. */
static void
show_written(struct session *s, const struct immu_entry *entry, const char *value, bool verified)
{
	if (options_bool(s->options, "value-only") || !input_is_file(s, value)) {
		show_one(s, entry, verified);
		return;
	}
	output_record_begin(s->out, NULL);
	output_u64(s->out, "tx", entry->tx);
	output_bytes(s->out, "key", show_bytes(entry->key));
	show_metadata_fields(s->out, &entry->metadata);
	output_u64(s->out, "bytes", entry->value.len);
	if (verified)
		output_bool(s->out, "verified", true);
	output_record_end(s->out);
}

static enum im_err
send_set(struct session *s, struct immu_kv *kv, const struct input_terms *terms, const char *value)
{
	bool safe = session_is_safe(s);
	struct immu_request request = {.op = IMMU_OP_SET,
	    .verified = safe,
	    .keep_proof = safe && *options_string(s->options, "proof"),
	    .kvs = kv,
	    .kvs_len = 1,
	    .preconditions = terms->conditions,
	    .preconditions_len = terms->conditions_len};
	struct immu_result *r;
	enum im_err err;

	kv->metadata = terms->metadata;
	err = session_ask(s, &request, &r);
	if (err)
		return err;
	if (safe)
		err = save_proof(s, r);
	if (!err) {
		struct immu_entry written = {.tx = r->header.id,
		    .key = kv->key,
		    .value = kv->value,
		    .metadata = kv->metadata};

		show_written(s, &written, value, r->verified);
	}
	immu_result_free(r);
	return err;
}

static enum im_err
set(struct session *s)
{
	const char *value = s->call->args[1];
	struct immu_kv kv = {0};
	struct input_terms terms;
	enum im_err err = input_key(s, s->call->args[0], &kv.key);

	if (!err)
		err = input_terms(s, kv.key, &terms);
	if (!err)
		err = input_value(s, value, &kv.value);
	return err ? err : send_set(s, &kv, &terms, value);
}

int
command_set(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, set);
}

static enum im_err
delete_keys(struct session *s)
{
	size_t n = s->call->arg_count;
	struct immu_bytes *keys = (struct immu_bytes *)arena_calloc(&s->memory, n, sizeof *keys);
	struct immu_request request = {.op = IMMU_OP_DELETE, .keys = keys, .keys_len = n};
	struct immu_result *r;
	enum im_err err = keys ? IM_OK : IM_ERR_NOMEM;

	for (size_t i = 0; i < n && !err; i++)
		err = input_key(s, s->call->args[i], &keys[i]);
	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	output_record_begin(s->out, NULL);
	output_u64(s->out, "tx", r->header.id);
	output_u64(s->out, "deleted", n);
	output_record_end(s->out);
	immu_result_free(r);
	return IM_OK;
}

int
command_delete(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, delete_keys);
}

/* ---- Reading ---- */

/* The key argument as a request: "KEY@REV", and --tx where the command has it. */
static enum im_err
version_asked(struct session *s, bool has_tx, struct immu_request *request, struct immu_bytes *key)
{
	struct immu_bytes typed;
	enum im_err err;
	char *text;

	key_argument_split(s->call->args[0], options_string(s->options, "revision-separator"),
	    &typed, &request->version);
	text = arena_str(&s->memory, show_bytes(typed));
	if (!text)
		return IM_ERR_NOMEM;
	if (has_tx)
		request->version.at_tx = (uint64_t)options_int(s->options, "tx");
	err = input_key(s, text, key);
	request->op = IMMU_OP_GET;
	request->keys = key;
	request->keys_len = 1;
	return err;
}

static enum im_err
get(struct session *s)
{
	bool safe = session_is_safe(s);
	struct immu_request request = {
	    .verified = safe, .keep_proof = safe && *options_string(s->options, "proof")};
	struct immu_bytes key;
	struct immu_result *r;
	enum im_err err = version_asked(s, true, &request, &key);

	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	if (safe)
		err = save_proof(s, r);
	if (!err)
		show_one(s, &r->entries[0], r->verified);
	immu_result_free(r);
	return err;
}

int
command_get(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, get);
}

/* Writes the value of an older version anew. */
static enum im_err
restore(struct session *s)
{
	static const char shown[] = "";
	struct immu_request request = {0};
	struct input_terms terms = {0};
	struct immu_bytes key;
	struct immu_result *old;
	struct immu_kv kv;
	enum im_err err = version_asked(s, false, &request, &key);

	if (!err && request.version.revision == 0)
		err = err_set(IM_ERR_USAGE, "restore needs a revision: KEY@REV");
	if (!err)
		err = session_ask(s, &request, &old);
	if (err)
		return err;
	kv = (struct immu_kv){.key = key, .value = old->entries[0].value};
	err = send_set(s, &kv, &terms, shown);
	immu_result_free(old);
	return err;
}

int
command_restore(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, restore);
}

/* ---- Stored bytes ---- */

/* Shows the entry with this raw key of a proven transaction, prefixes included. */
static enum im_err
show_stored(struct session *s, uint64_t tx, struct immu_bytes key)
{
	struct immu_request request = {.op = IMMU_OP_TX,
	    .verified = true,
	    .tx = tx,
	    .tx_spec = {true, IMMU_SHOW_VALUE, IMMU_SHOW_DIGEST, IMMU_SHOW_DIGEST}};
	struct immu_result *r;
	enum im_err err = session_ask(s, &request, &r);

	if (err)
		return err;
	err = err_set(
	    IM_ERR_KEY_NOT_FOUND, "transaction %llu does not hold the key", (unsigned long long)tx);
	for (size_t i = 0; i < r->tx_entries_len && err; i++) {
		const struct immu_tx_entry *e = &r->tx_entries[i];

		if ((e->kind != IMMU_KIND_VALUE && e->kind != IMMU_KIND_REFERENCE) ||
		    !bytes_equal(show_bytes(e->key), show_bytes(key)))
			continue;
		err = IM_OK;
		output_label_width(s->out, sizeof "raw value: " - 1);
		output_record_begin(s->out, NULL);
		output_u64(s->out, "tx", tx);
		output_hex(s->out, "raw key", show_bytes(e->raw_key));
		output_hex(s->out, "raw value", show_bytes(e->raw_value));
		show_metadata_fields(s->out, &e->metadata);
		output_hex(s->out, "hash", bytes_of(e->value_hash, IMMU_HASH_SIZE));
		output_bool(s->out, "verified", true);
		output_record_end(s->out);
	}
	immu_result_free(r);
	return err;
}

static enum im_err
rawsafeget(struct session *s)
{
	struct immu_request request = {.verified = true};
	struct immu_bytes key;
	struct immu_result *r;
	enum im_err err = version_asked(s, true, &request, &key);
	const struct immu_entry *e;

	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	e = &r->entries[0];
	err = show_stored(s, e->via ? e->via->tx : e->tx, key);
	immu_result_free(r);
	return err;
}

int
command_rawsafeget(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, rawsafeget);
}

static enum im_err
rawsafeset(struct session *s)
{
	struct immu_kv kv = {0};
	struct immu_request request = {
	    .op = IMMU_OP_SET, .verified = true, .kvs = &kv, .kvs_len = 1};
	struct immu_result *r;
	enum im_err err = input_key(s, s->call->args[0], &kv.key);

	if (!err)
		err = input_value(s, s->call->args[1], &kv.value);
	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	err = show_stored(s, r->header.id, kv.key);
	immu_result_free(r);
	return err;
}

int
command_rawsafeset(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, rawsafeset);
}
