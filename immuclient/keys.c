/* Commands about keys and values: set, safeset, get, safeget, scan. */
#include "commands.h"
#include "key_argument.h"
#include "session.h"
#include "show.h"

/* Entries asked for at a time. */
#define SCAN_PAGE 1000u

/* A verified result may be shown only when a crash would not make us forget what proved it. */
static enum im_err
persist(struct session *s, bool verified)
{
	enum im_err err = verified ? session_trust(s) : IM_OK;

	return !err && verified ? immu_persist(s->c) : err;
}

static enum im_err
set_key(struct session *s, bool verified)
{
	struct immu_kv kv = {
	    .key = immu_str(s->call->args[0]), .value = immu_str(s->call->args[1])};
	struct immu_entry entry = {.key = kv.key, .value = kv.value};
	struct immu_result *r;
	enum im_err err =
	    verified ? immu_verified_set(s->c, &kv, 1, &r) : immu_set(s->c, &kv, 1, &r);

	if (err)
		return err;
	s->may_login_again = false;
	entry.tx = r->header.id;
	err = persist(s, verified);
	if (!err && options_bool(s->options, "value-only"))
		output_value(s->out, show_bytes(entry.value));
	else if (!err)
		show_entry(s->out, &entry, r->verified);
	immu_result_free(r);
	return err;
}

static enum im_err
set(struct session *s)
{
	return set_key(s, false);
}

static enum im_err
safeset(struct session *s)
{
	return set_key(s, true);
}

int
command_set(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, set);
}

int
command_safeset(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, safeset);
}

static void
show_one(struct session *s, const struct immu_entry *entry, bool verified)
{
	if (options_bool(s->options, "value-only"))
		output_value(s->out, show_bytes(entry->value));
	else
		show_entry(s->out, entry, verified);
}

static enum im_err
get_key(struct session *s, bool verified)
{
	struct immu_bytes key;
	struct immu_version version;
	struct immu_result *r;
	enum im_err err;

	key_argument_split(
	    s->call->args[0], options_string(s->options, "revision-separator"), &key, &version);
	version.at_tx = (uint64_t)options_int(s->options, "tx");
	err = verified ? immu_verified_get(s->c, key, &version, &r)
		       : immu_get(s->c, key, &version, &r);
	if (err)
		return err;
	err = persist(s, verified);
	if (!err)
		show_one(s, &r->entries[0], r->verified);
	immu_result_free(r);
	return err;
}

static enum im_err
get(struct session *s)
{
	return get_key(s, false);
}

static enum im_err
safeget(struct session *s)
{
	return get_key(s, true);
}

int
command_get(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, get);
}

int
command_safeget(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, safeget);
}

/* Shows one page and says where the next one starts; *last is the result to free. */
static enum im_err
scan_page(struct session *s, struct immu_scan *scan, uint64_t *shown, struct immu_result **last)
{
	struct immu_result *r;
	enum im_err err = immu_list(s->c, scan, &r);

	if (err)
		return err;
	if (*shown == 0 && r->entries_len > 0 && !options_bool(s->options, "value-only"))
		output_list_begin(s->out, NULL, OUTPUT_BLOCKS, NULL);
	for (size_t i = 0; i < r->entries_len; i++)
		show_one(s, &r->entries[i], false);
	*shown += r->entries_len;
	if (r->entries_len > 0)
		scan->seek = r->entries[r->entries_len - 1].key;
	scan->offset = 0;
	/* seek borrows from this result until the next one is there. */
	immu_result_free(*last);
	*last = r;
	return IM_OK;
}

static enum im_err
scan_all(struct session *s)
{
	uint64_t limit = (uint64_t)options_int(s->options, "limit");
	struct immu_scan scan = {.prefix = immu_str(s->call->arg_count ? s->call->args[0] : ""),
	    .descending = options_bool(s->options, "desc"),
	    .offset = (uint64_t)options_int(s->options, "offset")};
	struct immu_result *last = NULL;
	uint64_t shown = 0, before;
	enum im_err err;

	s->may_login_again = true;
	do {
		before = shown;
		scan.limit = SCAN_PAGE;
		if (limit > 0 && limit - shown < SCAN_PAGE)
			scan.limit = limit - shown;
		err = scan_page(s, &scan, &shown, &last);
		s->may_login_again = false;
	} while (
	    !err && shown - before == scan.limit && shown != limit && !output_is_broken(s->out));
	if (shown > 0 && !options_bool(s->options, "value-only"))
		output_list_end(s->out);
	if (!err && shown == 0 && output_format(s->out) == OUTPUT_JSON) {
		output_list_begin(s->out, NULL, OUTPUT_BLOCKS, NULL);
		output_list_end(s->out);
	} else if (!err && shown == 0) {
		output_message(s->out, "no entries");
	}
	immu_result_free(last);
	return err;
}

int
command_scan(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, scan_all);
}
