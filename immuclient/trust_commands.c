/* "immuclient trust": the states that this user trusts, without asking any server. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"
#include "client/immu_trust.h"
#include "commands.h"
#include "show.h"
#include "util/file.h"

/* ---- list and show ---- */

static bool
list_trusted(void *arg, const struct immu_trusted *t)
{
	struct output *o = (struct output *)arg;

	output_record_begin(o, NULL);
	output_string(o, "server", t->server_id ? t->server_id : "");
	output_string(o, "database", t->database ? t->database : "");
	output_string(o, "address", t->address ? t->address : "");
	if (t->database && !t->err)
		output_u64(o, "tx", t->tx);
	else
		output_null(o, "tx");
	output_string(o, "state", t->err ? t->error_text : t->is_signed ? "signed" : "ok");
	output_time(o, "changed", t->changed_at);
	output_record_end(o);
	return true;
}

static enum im_err
trust_list(struct session *s)
{
	enum im_err err;

	output_list_begin(s->out, NULL, OUTPUT_TABLE, "trusted state(s) and server(s)");
	err = immu_trust_each(options_string(s->options, "state-dir"), list_trusted, s->out);
	output_list_end(s->out);
	return err;
}

int
command_trust_list(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_list);
}

static bool
show_trusted(void *arg, const struct immu_trusted *t)
{
	struct output *o = (struct output *)arg;

	output_label_width(o, sizeof "database:  " - 1);
	output_record_begin(o, NULL);
	output_string(o, "server", t->server_id);
	output_string(o, "database", t->database);
	output_u64(o, "txID", t->tx);
	output_hex(o, "hash", bytes_of(t->hash, IMMU_HASH_SIZE));
	if (t->is_signed)
		output_bool(o, "signed", true);
	output_time(o, "changed", t->changed_at);
	output_string(o, "file", t->path);
	output_record_end(o);
	return true;
}

/* DATABASE of --server: an identity, or an address; by default the address of the options. */
static enum im_err
name_of(struct session *s, struct immu_trust_name *name)
{
	const char *server = options_string(s->options, "server");
	struct buf address;
	enum im_err err = IM_OK;

	buf_init(&address, FILENAME_MAX);
	if (*server) {
		buf_append_str(&address, server);
	} else if (*options_string(s->options, "immudb-socket")) {
		buf_printf(&address, "unix:%s", options_string(s->options, "immudb-socket"));
	} else {
		buf_printf(&address, "%s:%d", options_string(s->options, "immudb-address"),
		    (int)options_int(s->options, "immudb-port"));
	}
	*name = (struct immu_trust_name){.folder = options_string(s->options, "state-dir"),
	    .server_id = arena_str(&s->memory, buf_bytes(&address)),
	    .database = s->call->arg_count > 0 ? s->call->args[0] : NULL};
	if (address.err || !name->server_id)
		err = IM_ERR_NOMEM;
	buf_free(&address);
	return err;
}

static enum im_err
trust_show(struct session *s)
{
	struct immu_trust_name name;
	enum im_err err = name_of(s, &name);

	return err ? err : immu_trust_show(&name, show_trusted, s->out);
}

int
command_trust_show(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_show);
}

/* ---- export and import ---- */

static enum im_err
trust_export(struct session *s)
{
	char text[IMMU_TRUST_TEXT_MAX];
	struct immu_trust_name name;
	size_t len;
	enum im_err err = name_of(s, &name);

	if (!err)
		err = immu_trust_export(&name, text, &len);
	if (err)
		return err;
	/* The exact bytes, whatever --output says: their checksum covers each of them. */
	if (fwrite(text, 1, len, stdout) != len)
		return err_set_errno(IM_ERR_IO, "write", "the output");
	return IM_OK;
}

int
command_trust_export(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_export);
}

static enum im_err
trust_import(struct session *s)
{
	const char *path = s->call->args[0];
	struct immu_trust_import import = {.folder = options_string(s->options, "state-dir"),
	    .replace = (enum immu_trust_replace)options_enum(s->options, "replace")};
	struct buf text;
	enum im_err err;

	buf_init(&text, IMMU_TRUST_TEXT_MAX);
	err = strcmp(path, "-") == 0
	    ? file_read_open(STDIN_FILENO, "standard input", IMMU_TRUST_TEXT_MAX, &text)
	    : file_read(path, IMMU_TRUST_TEXT_MAX, &text);
	import.text = (struct immu_bytes){text.data, text.len};
	if (!err)
		err = immu_trust_import(&import, show_trusted, s->out);
	buf_free(&text);
	return err;
}

int
command_trust_import(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_import);
}

/* ---- forget ---- */

static enum im_err
trust_forget(struct session *s)
{
	struct immu_trust_name name;
	enum im_err err = name_of(s, &name);

	if (err)
		return err;
	if (name.database) {
		err = immu_trust_forget(&name);
		if (!err)
			output_message(s->out, "the state of %s is forgotten", name.database);
		return err;
	}
	err = immu_trust_forget_address(name.folder, name.server_id);
	if (!err)
		output_message(s->out, "the server at %s is forgotten", name.server_id);
	return err;
}

int
command_trust_forget(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, trust_forget);
}
