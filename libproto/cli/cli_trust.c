/*
 * What people see of a folder of trusted states, and do to it. Neighbours: client/immu_trust.h (the
 * files), and the command tables of immuclient and the auditor.
 */
#include "cli/cli_trust.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"

enum im_err
cli_trust_address(const struct options *o, struct buf *out)
{
	const char *path = options_string(o, "immudb-socket");
	const char *host = options_string(o, "immudb-address");

	if (*path)
		buf_printf(out, "unix:%s", path);
	else
		buf_printf(out, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host,
		    (int)options_int(o, "immudb-port"));
	buf_append_u8(out, '\0');
	return out->err ? err_set(out->err, "the server's address: %s", err_text(out->err)) : IM_OK;
}

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

enum im_err
cli_trust_list(struct output *o, const char *folder)
{
	enum im_err err;

	output_list_begin(o, NULL, OUTPUT_TABLE, "trusted state(s) and server(s)");
	err = immu_trust_each(folder, list_trusted, o);
	output_list_end(o);
	return err;
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

enum im_err
cli_trust_show(struct output *o, const struct immu_trust_name *name)
{
	return immu_trust_show(name, show_trusted, o);
}

enum im_err
cli_trust_export(const struct immu_trust_name *name)
{
	char text[IMMU_TRUST_TEXT_MAX];
	size_t len;
	enum im_err err = immu_trust_export(name, text, &len);

	if (err)
		return err;
	/* Exact, because their checksum covers each of them. */
	if (fwrite(text, 1, len, stdout) != len)
		return err_set_errno(IM_ERR_IO, "write", "the output");
	return IM_OK;
}

enum im_err
cli_trust_import(struct output *o, const struct cli_trust_import *import)
{
	struct immu_trust_import how = {.folder = import->folder, .replace = import->replace};
	struct buf text;
	enum im_err err;

	buf_init(&text, IMMU_TRUST_TEXT_MAX);
	err = strcmp(import->path, "-") == 0
	    ? file_read_open(STDIN_FILENO, "standard input", IMMU_TRUST_TEXT_MAX, &text)
	    : file_read(import->path, IMMU_TRUST_TEXT_MAX, &text);
	how.text = (struct immu_bytes){text.data, text.len};
	if (!err)
		err = immu_trust_import(&how, show_trusted, o);
	buf_free(&text);
	return err;
}

enum im_err
cli_trust_forget(struct output *o, const struct immu_trust_name *name)
{
	enum im_err err;

	if (name->database) {
		err = immu_trust_forget(name);
		if (!err)
			output_message(o, "the state of %s is forgotten", name->database);
		return err;
	}
	err = immu_trust_forget_address(name->folder, name->server_id);
	if (!err)
		output_message(o, "the server at %s is forgotten", name->server_id);
	return err;
}
