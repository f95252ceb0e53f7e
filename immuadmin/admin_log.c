/*
 * "immuadmin log": the journal of administration, which the server keeps in its own immutable
 * database. Each entry is one JSON object under a numbered key; a verified reading proves each of
 * them.
 */
#include <string.h>

#include <json-c/json.h>

#include "admin_commands.h"
#include "cli/session.h"

#define JOURNAL_DATABASE "systemdb"
#define JOURNAL_PREFIX "journal/"
#define JSON_DEPTH 3

struct reading {
	struct session *s;
	bool verifies;
	uint64_t shown;
	enum im_err err;
};

/* The columns, in the names of the journal. */
static const char *const members[] = {
    "time", "actor", "address", "action", "user", "database", "permission", "detail"};

static struct json_object *
parse(struct bytes text)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *object = NULL;

	if (tokener)
		object = json_tokener_parse_ex(tokener, (const char *)text.data, (int)text.len);
	json_tokener_free(tokener);
	if (object && !json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return NULL;
	}
	return object;
}

/* The number behind the prefix of the key. */
static struct bytes
number_of(struct bytes key)
{
	size_t at = sizeof JOURNAL_PREFIX - 1;

	while (at + 1 < key.len && key.data[at] == '0')
		at++;
	return bytes_of(key.data + at, key.len - at);
}

static void
show(struct reading *r, const struct immu_entry *e, struct json_object *object)
{
	struct output *o = r->s->out;

	output_record_begin(o, NULL);
	output_bytes(o, "number", number_of(bytes_of(e->key.data, e->key.len)));
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		struct json_object *member = NULL;

		(void)json_object_object_get_ex(object, members[i], &member);
		output_string(o, members[i], member ? json_object_get_string(member) : "");
	}
	output_u64(o, "tx", e->tx);
	if (r->verifies)
		output_bool(o, "verified", true);
	output_record_end(o);
	r->shown++;
}

/* Reads the entry once more, with a proof, and compares. */
static enum im_err
prove(struct reading *r, const struct immu_entry *e)
{
	struct immu_request request = {.op = IMMU_OP_GET,
	    .verified = true,
	    .keys = &e->key,
	    .keys_len = 1,
	    .version = {.at_tx = e->tx}};
	struct immu_result *proven;
	enum im_err err = session_ask(r->s, &request, &proven);

	if (err)
		return err;
	if (!bytes_equal(bytes_of(proven->entries[0].value.data, proven->entries[0].value.len),
		bytes_of(e->value.data, e->value.len)))
		err = err_set(IM_ERR_PROOF, "the journal shows another entry than it proves");
	immu_result_free(proven);
	return err;
}

static bool
read_entry(void *arg, const struct immu_entry *e)
{
	struct reading *r = (struct reading *)arg;
	struct json_object *object = parse(bytes_of(e->value.data, e->value.len));

	if (e->key.len <= sizeof JOURNAL_PREFIX - 1 || !object)
		r->err = err_set(IM_ERR_FORMAT, "not an entry of the journal: transaction %llu",
		    (unsigned long long)e->tx);
	else if (r->verifies)
		r->err = prove(r, e);
	if (!r->err)
		show(r, e, object);
	json_object_put(object);
	return !r->err && !output_is_broken(r->s->out);
}

static enum im_err
journal_log(struct session *s)
{
	struct reading r = {.s = s, .verifies = options_bool(s->options, "verify")};
	struct immu_scan scan = {.prefix = immu_str(JOURNAL_PREFIX),
	    .descending = !options_bool(s->options, "oldest-first"),
	    .limit = (uint64_t)options_int(s->options, "limit")};
	enum im_err err = immu_use(s->c, JOURNAL_DATABASE);

	if (err)
		return err;
	s->is_own_session = true;
	output_list_begin(s->out, NULL, OUTPUT_TABLE, "entries");
	err = immu_each(s->c, &scan, read_entry, &r);
	output_list_end(s->out);
	return err ? err : r.err;
}

int
command_log(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, journal_log);
}
