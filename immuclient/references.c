/*
 * Commands that make keys findable under another name or score: reference, zadd; and proven forms.
 */
#include "cli/session.h"
#include "cli/show.h"
#include "commands.h"
#include "input.h"

static enum im_err
reference(struct session *s)
{
	struct immu_request request = {.op = IMMU_OP_REFERENCE, .verified = session_is_safe(s)};
	struct immu_reference *to = &request.reference;
	struct immu_result *r;
	enum im_err err = input_key(s, s->call->args[0], &to->key);

	to->at_tx = (uint64_t)options_int(s->options, "tx");
	/* The referenced key may come from the input, as it did in older versions. */
	if (!err && s->call->arg_count > 1)
		err = input_key(s, s->call->args[1], &to->target);
	else if (!err)
		err = input_line(s, &to->target);
	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	show_reference(s->out, to, r->header.id, r->verified);
	immu_result_free(r);
	return IM_OK;
}

int
command_reference(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, reference);
}

static enum im_err
zadd(struct session *s)
{
	struct immu_request request = {.op = IMMU_OP_ZADD, .verified = session_is_safe(s)};
	struct immu_zadd *member = &request.zadd;
	struct immu_result *r;
	enum im_err err = input_key(s, s->call->args[0], &member->set);

	member->at_tx = (uint64_t)options_int(s->options, "tx");
	if (!err)
		err = input_score(s->call->args[1], &member->score);
	if (!err)
		err = input_key(s, s->call->args[2], &member->key);
	if (!err)
		err = session_ask(s, &request, &r);
	if (err)
		return err;
	show_zadd(s->out, member, r->header.id, r->verified);
	immu_result_free(r);
	return IM_OK;
}

int
command_zadd(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, zadd);
}
