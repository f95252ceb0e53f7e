/* Commands about databases. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin_commands.h"
#include "cli/session.h"
#include "client/immu_admin.h"
#include "util/prompt.h"

#define QUESTION_MAX 512

struct listing {
	struct output *out;
	const char *current;
};

static bool
list_database(void *arg, const struct immu_database_info *d)
{
	const struct listing *l = (const struct listing *)arg;
	struct output *o = l->out;
	bool is_current = strcmp(d->name, l->current) == 0;

	output_record_begin(o, NULL);
	if (output_format(o) == OUTPUT_JSON) {
		output_string(o, "name", d->name);
		output_bool(o, "current", is_current);
	} else {
		char name[160];

		snprintf(name, sizeof name, "%s%s", is_current ? "*" : "", d->name);
		output_string(o, "Database Name", name);
	}
	output_string(o, "status", d->loaded ? "loaded" : "unloaded");
	output_u64(o, "transactions", d->transactions);
	output_u64(o, "disk bytes", d->disk_bytes);
	output_bool(o, "synced", d->settings.synced);
	output_u64(o, "header version", d->settings.header_version);
	output_string(o, "created by", d->created_by);
	output_time(o, "created at", d->created_at);
	output_record_end(o);
	return !output_is_broken(o);
}

static enum im_err
database_list(struct session *s)
{
	struct listing l = {s->out, immu_database(s->c)};
	enum im_err err;

	output_list_begin(s->out, NULL, OUTPUT_TABLE, "database(s)");
	err = immu_each_database(s->c, list_database, &l);
	output_list_end(s->out);
	return err;
}

int
command_database_list(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_list);
}

/* ---- Create and update ---- */

static enum im_err
settings_of(const struct session *s, struct immu_settings_change *out)
{
	const struct options *o = s->options;
	const char *synced = options_string(o, "synced");

	*out =
	    (struct immu_settings_change){.has_header_version = options_is_set(o, "header-version"),
		.has_synced = *synced,
		.to = {(unsigned)options_int(o, "header-version"), strcmp(synced, "true") == 0}};
	return IM_OK;
}

static enum im_err
database_create(struct session *s)
{
	const char *name = s->call->args[0];
	struct immu_settings_change settings;
	enum im_err err = settings_of(s, &settings);

	if (!err)
		err = immu_create_database(s->c, name, &settings);
	if (!err)
		output_message(s->out, "database %s created", name);
	return err;
}

int
command_database_create(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_create);
}

static enum im_err
database_update(struct session *s)
{
	const char *name = s->call->args[0];
	struct immu_settings_change settings;
	enum im_err err = settings_of(s, &settings);

	if (!err && !settings.has_header_version && !settings.has_synced)
		err = err_set(IM_ERR_USAGE, "nothing to change: --header-version or --synced");
	if (!err)
		err = immu_update_database(s->c, name, &settings);
	if (!err)
		output_message(
		    s->out, "database %s updated; its settings hold once it is loaded again", name);
	return err;
}

int
command_database_update(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_update);
}

/* ---- Use, load, unload, delete ---- */

static enum im_err
database_use(struct session *s)
{
	const char *name = s->call->args[0];
	enum im_err err = immu_use(s->c, name);

	if (!err)
		err = session_store(s);
	if (err)
		return err;
	s->is_own_session = s->link->owns_session = false;
	output_message(s->out, "Now using %s", name);
	return IM_OK;
}

int
command_database_use(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_use);
}

static enum im_err
database_load(struct session *s)
{
	enum im_err err = immu_load_database(s->c, s->call->args[0]);

	if (!err)
		output_message(s->out, "database %s loaded", s->call->args[0]);
	return err;
}

int
command_database_load(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_load);
}

static enum im_err
database_unload(struct session *s)
{
	enum im_err err = immu_unload_database(s->c, s->call->args[0]);

	if (!err)
		output_message(s->out, "database %s unloaded", s->call->args[0]);
	return err;
}

int
command_database_unload(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_unload);
}

/* Deleting is for ever: the name has to be typed once more, or the option given. */
static enum im_err
confirm_delete(const struct session *s, const char *name)
{
	char question[QUESTION_MAX];
	struct buf typed;
	enum im_err err;

	if (options_bool(s->options, "yes-i-know-what-i-am-doing"))
		return IM_OK;
	if (!isatty(STDIN_FILENO))
		return err_set(IM_ERR_USAGE,
		    "deleting a database cannot be undone: give --yes-i-know-what-i-am-doing");
	snprintf(question, sizeof question,
	    "Deleting database %s cannot be undone. Type its name to go on: ", name);
	buf_init(&typed, PROMPT_MAX_BYTES);
	err = prompt_line(question, &typed);
	if (!err && !bytes_equal(buf_bytes(&typed), bytes_str(name)))
		err = err_set(IM_ERR_CANCELLED, "Canceled");
	buf_free(&typed);
	return err;
}

static enum im_err
database_delete(struct session *s)
{
	const char *name = s->call->args[0];
	enum im_err err = confirm_delete(s, name);

	if (!err)
		err = immu_delete_database(s->c, name);
	if (!err)
		output_message(s->out, "database %s deleted", name);
	return err;
}

int
command_database_delete(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_delete);
}

/* ---- The index of the selected database ---- */

static enum im_err
database_flush(struct session *s)
{
	enum im_err err = immu_flush_index(s->c);

	if (!err)
		output_message(s->out, "Database index successfully flushed");
	return err;
}

int
command_database_flush(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_flush);
}

static enum im_err
database_compact(struct session *s)
{
	enum im_err err;

	if (s->call->arg_count > 0 && strcmp(s->call->args[0], immu_database(s->c)) != 0) {
		err = immu_use(s->c, s->call->args[0]);
		if (err)
			return err;
		s->is_own_session = true;
	}
	err = immu_compact_index(s->c);
	if (!err)
		output_message(s->out, "Database index successfully cleaned");
	return err;
}

int
command_database_compact(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, database_compact);
}
