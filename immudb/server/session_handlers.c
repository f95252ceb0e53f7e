/*
 * Sessions seen from outside: SessionList, EndSession. sessions.c has the table, auth_handlers.c
 * starts sessions and ends one's own.
 *
 * Invariant: what is shown of a session does not let anybody use it.
 */
#include "server/call.h"
#include "util/clock.h"

/* Whose sessions the caller may see and end: NULL for all. */
static const char *
session_owner(const struct call *c)
{
	return c->session.is_sysadmin ? NULL : c->session.user;
}

static Immudb__Schema__SessionInfo *
session_message(struct call *c, const struct session_info *info)
{
	Immudb__Schema__SessionInfo *m =
	    message_new(call_arena(c), &immudb__schema__session_info__descriptor);
	int64_t now_ns = clock_monotonic_ns(), now_s = clock_wall_s();
	const struct session *session = &info->session;

	if (!m)
		return NULL;
	/* The items live as long as the answer. */
	m->id = (char *)(uintptr_t)info->id;
	m->user = (char *)(uintptr_t)session->user;
	m->database = session->database ? session->database->name : (char *)(uintptr_t) "";
	m->address = (char *)(uintptr_t)info->address;
	m->openedat = now_s - (now_ns - info->opened_ns) / CLOCK_NS_PER_S;
	m->activeat = now_s - (now_ns - info->used_ns) / CLOCK_NS_PER_S;
	return m;
}

enum im_err
handle_SessionList(struct call *c)
{
	Immudb__Schema__SessionListResponse *out =
	    message_new(call_arena(c), &immudb__schema__session_list_response__descriptor);
	struct session_list list;
	enum im_err err;

	if (!out)
		return IM_ERR_NOMEM;
	err = sessions_list(
	    c->server->sessions, session_owner(c), c->request->session, call_arena(c), &list);
	if (err != IM_OK)
		return err;
	out->sessions = arena_calloc(call_arena(c), list.len, sizeof *out->sessions);
	if (list.len && !out->sessions)
		return IM_ERR_NOMEM;
	for (size_t i = 0; i < list.len; i++) {
		out->sessions[i] = session_message(c, &list.items[i]);
		if (!out->sessions[i])
			return IM_ERR_NOMEM;
		out->sessions[i]->own = i == list.own;
	}
	out->n_sessions = list.len;
	c->answer = &out->base;
	return IM_OK;
}

enum im_err
handle_EndSession(struct call *c)
{
	const Immudb__Schema__EndSessionRequest *in = (const void *)c->in;
	struct meta_action action = journal_action(c, JOURNAL_END_SESSION);
	struct session ended;
	enum im_err err;

	if (!c->may_block)
		return IM_ERR_WOULD_BLOCK;
	err = sessions_end_id(c->server->sessions, in->id, session_owner(c), &ended);
	if (err != IM_OK)
		return err;
	c->ends_session = strcmp(ended.user, c->session.user) == 0;
	action.user = ended.user;
	action.detail = in->id;
	err = journal_add(c->server->journal, &action);
	return err == IM_OK ? call_answer_empty(c) : err;
}
