/* Commands that list or count keys: scan, zscan, history, count. They hold a page at a time. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/session.h"
#include "cli/show.h"
#include "commands.h"
#include "input.h"

/* A list that is being printed. It begins with its first record, so that an error comes alone. */
struct listing {
	struct session *s;
	uint64_t shown;
	bool values_only;
};

static struct listing
listing_of(struct session *s)
{
	return (struct listing){.s = s, .values_only = options_bool(s->options, "value-only")};
}

/* Before each record. What was printed cannot be taken back: from now on nothing is repeated. */
static void
listing_next(struct listing *l)
{
	if (l->shown++ > 0)
		return;
	l->s->may_login_again = false;
	if (!l->values_only)
		output_list_begin(l->s->out, NULL, OUTPUT_BLOCKS, NULL);
}

static enum im_err
listing_end(struct listing *l, enum im_err err, const char *nothing)
{
	struct output *o = l->s->out;

	if (l->shown > 0 && !l->values_only)
		output_list_end(o);
	if (err || l->shown > 0 || l->values_only)
		return err;
	if (output_format(o) == OUTPUT_JSON) {
		output_list_begin(o, NULL, OUTPUT_BLOCKS, NULL);
		output_list_end(o);
	} else {
		output_message(o, "%s", nothing);
	}
	return IM_OK;
}

static bool
list_entry(void *arg, const struct immu_entry *entry)
{
	struct listing *l = (struct listing *)arg;

	listing_next(l);
	if (l->values_only)
		output_value(l->s->out, show_bytes(entry->value));
	else
		show_entry(l->s->out, entry, false);
	return !output_is_broken(l->s->out);
}

static bool
list_version(void *arg, const struct immu_entry *entry)
{
	struct listing *l = (struct listing *)arg;

	listing_next(l);
	if (l->values_only)
		output_value(l->s->out, show_bytes(entry->value));
	else
		show_version(l->s->out, entry);
	return !output_is_broken(l->s->out);
}

static bool
list_member(void *arg, const struct immu_zentry *member)
{
	struct listing *l = (struct listing *)arg;

	listing_next(l);
	if (l->values_only)
		output_value(l->s->out, show_bytes(member->entry.value));
	else
		show_member(l->s->out, member);
	return !output_is_broken(l->s->out);
}

static enum im_err
scan(struct session *s)
{
	struct listing l = listing_of(s);
	struct immu_scan scan = {.descending = options_bool(s->options, "desc"),
	    .inclusive_seek = options_bool(s->options, "inclusive"),
	    .inclusive_end = options_bool(s->options, "inclusive"),
	    .offset = (uint64_t)options_int(s->options, "offset"),
	    .limit = (uint64_t)options_int(s->options, "limit")};
	enum im_err err = IM_OK;

	if (s->call->arg_count > 0)
		err = input_key(s, s->call->args[0], &scan.prefix);
	if (!err)
		err = input_key(s, options_string(s->options, "from"), &scan.seek);
	if (!err)
		err = input_key(s, options_string(s->options, "to"), &scan.end);
	if (!err)
		err = immu_each(s->c, &scan, list_entry, &l);
	return listing_end(&l, err, "no entries");
}

int
command_scan(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, scan);
}

static enum im_err
zscan(struct session *s)
{
	const char *min = options_string(s->options, "min");
	const char *max = options_string(s->options, "max");
	struct listing l = listing_of(s);
	struct immu_zscan scan = {.descending = options_bool(s->options, "desc"),
	    .has_min_score = *min,
	    .has_max_score = *max,
	    .offset = (uint64_t)options_int(s->options, "offset"),
	    .limit = (uint64_t)options_int(s->options, "limit")};
	enum im_err err = input_key(s, s->call->args[0], &scan.set);

	if (!err && *min)
		err = input_score(min, &scan.min_score);
	if (!err && *max)
		err = input_score(max, &scan.max_score);
	if (!err)
		err = immu_each_z(s->c, &scan, list_member, &l);
	return listing_end(&l, err, "no entries");
}

int
command_zscan(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, zscan);
}

static enum im_err
history(struct session *s)
{
	struct listing l = listing_of(s);
	struct immu_history history = {.descending = options_bool(s->options, "desc"),
	    .offset = (uint64_t)options_int(s->options, "offset"),
	    .limit = (uint64_t)options_int(s->options, "limit")};
	enum im_err err = input_key(s, s->call->args[0], &history.key);

	if (!err)
		err = immu_each_version(s->c, &history, list_version, &l);
	return listing_end(&l, err, "No item found");
}

int
command_history(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, history);
}

static enum im_err
count(struct session *s)
{
	struct immu_request request = {
	    .op = s->call->arg_count > 0 ? IMMU_OP_COUNT : IMMU_OP_COUNT_ALL};
	struct immu_result *r;
	enum im_err err = IM_OK;

	if (s->call->arg_count > 0)
		err = input_key(s, s->call->args[0], &request.scan.prefix);
	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	if (output_format(s->out) == OUTPUT_JSON) {
		output_record_begin(s->out, NULL);
		output_u64(s->out, "count", r->count);
		output_record_end(s->out);
	} else {
		output_message(s->out, "%" PRIu64, r->count);
	}
	immu_result_free(r);
	return IM_OK;
}

int
command_count(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, count);
}
