/* Commands about the server: current, status, info, health; and version. */
#include <stdio.h>

#include "cli/session.h"
#include "cli/show.h"
#include "commands.h"

static enum im_err
current(struct session *s)
{
	struct immu_result *r;
	enum im_err err = immu_verified_state(s->c, &r);

	if (err)
		return err;
	err = session_trust(s);
	if (!err)
		err = immu_persist(s->c);
	if (!err)
		show_state(s->out, &r->state, r->verified);
	immu_result_free(r);
	return err;
}

int
command_current(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, current);
}

static void
show_status(struct session *s, const struct immu_info *health, const struct immu_info *info)
{
	struct output *o = s->out;

	output_record_begin(o, NULL);
	output_label_width(o, sizeof "transactions: " - 1);
	output_string(o, "status", health->healthy ? "Health check OK" : "not in service");
	output_string(o, "version", info->version);
	output_string(o, "server", immu_server_id(s->c));
	output_time(o, "started", info->started_at);
	output_u64(o, "databases", info->databases);
	output_u64(o, "transactions", info->transactions);
	output_u64(o, "disk bytes", info->disk_bytes);
	output_record_end(o);
}

static enum im_err
status(struct session *s)
{
	struct immu_result *health = NULL, *info = NULL;
	enum im_err err = immu_health(s->c, &health);

	if (!err)
		err = immu_server_info(s->c, &info);
	if (!err)
		show_status(s, &health->info, &info->info);
	if (!err && !health->info.healthy)
		err = err_set(IM_ERR_BUSY, "the server is not in service");
	immu_result_free(info);
	immu_result_free(health);
	return err;
}

int
command_status(struct command_call *call)
{
	return session_run(call, SESSION_CONNECTED, status);
}

static enum im_err
info(struct session *s)
{
	struct immu_result *r;
	enum im_err err = immu_server_info(s->c, &r);

	if (err)
		return err;
	output_record_begin(s->out, NULL);
	output_string(s->out, "version", r->info.version);
	output_record_end(s->out);
	immu_result_free(r);
	return IM_OK;
}

int
command_info(struct command_call *call)
{
	return session_run(call, SESSION_CONNECTED, info);
}

static enum im_err
health(struct session *s)
{
	struct output *o = s->out;
	struct immu_result *r;
	enum im_err err = immu_database_health(s->c, &r);

	if (err)
		return err;
	output_label_width(o, sizeof "last request completed: " - 1);
	output_record_begin(o, NULL);
	output_u64(o, "pending requests", r->info.pending_requests);
	if (r->info.last_request_at_ms > 0)
		output_time(o, "last request completed", r->info.last_request_at_ms / 1000);
	output_record_end(o);
	immu_result_free(r);
	return IM_OK;
}

int
command_health(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, health);
}
