/*
 * Writing a configuration file from the options of a program. Neighbours: options_help (how values
 * look), options_sources (which reads such files), service_command (which installs one).
 *
 * Invariant: what is written is read back as the same values, whatever the working folder is then.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "util/base64.h"
#include "util/options_internal.h"
#include "util/text.h"

#define FILE_COLUMNS 100u

/* A text as comments, wrapped between words. */
static void
file_add_comment(const char *text, struct buf *out)
{
	size_t column = 1, n;

	buf_append_u8(out, '#');
	while (*text) {
		n = strcspn(text, " ");
		if (column + 1 + n > FILE_COLUMNS) {
			buf_append_str(out, "\n#");
			column = 1;
		}
		buf_append_u8(out, ' ');
		buf_append(out, text, n);
		column += 1 + n;
		text += n + (text[n] == ' ');
	}
	buf_append_u8(out, '\n');
}

/* What a setting means, and the words that it may have. */
static void
file_add_help(const struct option_def *def, struct buf *out)
{
	struct buf text;

	buf_init(&text, OPTIONS_MAX_MEMORY);
	buf_printf(&text, "%s.", def->help);
	for (const char *p = def->choices; p && *p; p += strcspn(p, ",") + (strchr(p, ',') != NULL))
		buf_printf(&text, "%s%.*s", p == def->choices ? " One of " : ", ",
		    (int)strcspn(p, ","), p);
	if (def->choices)
		buf_append_u8(&text, '.');
	if (buf_append_u8(&text, 0))
		file_add_comment((const char *)text.data, out);
	buf_free(&text);
}

/* A path that means the same from every folder. */
static enum im_err
file_add_path(const char *path, struct buf *out)
{
	char folder[PATH_MAX];
	struct buf whole;
	enum im_err err = IM_OK;

	buf_init(&whole, OPTIONS_MAX_MEMORY);
	if (path[0] && path[0] != '/') {
		if (!getcwd(folder, sizeof folder))
			err = err_set_errno(IM_ERR_IO, "working folder", path);
		else
			buf_printf(&whole, "%s/", folder);
	}
	buf_append_str(&whole, path);
	if (!err && !text_utf8_valid(buf_bytes(&whole)))
		err = err_set(
		    IM_ERR_ARGUMENT, "a path that is not UTF-8 cannot be in a file of settings");
	if (!err)
		text_append_json(out, buf_bytes(&whole));
	buf_free(&whole);
	return err;
}

/* Encoded, so that any byte is read back as it is. */
static void
file_add_secret(const char *secret, struct buf *out)
{
	buf_append_str(out, secret[0] ? "\"enc:" : "\"");
	base64_append(out, BASE64_STD, bytes_str(secret));
	buf_append_u8(out, '"');
}

static enum im_err
file_add_list(const struct option_value *v, struct buf *out)
{
	bool is_paths = v->def->value_name && strcmp(v->def->value_name, "FILE") == 0;
	enum im_err err = IM_OK;

	buf_append_u8(out, '[');
	for (size_t i = 0; i < v->item_count && !err; i++) {
		buf_append_str(out, i ? ", " : "");
		if (is_paths)
			err = file_add_path(v->items[i], out);
		else
			text_append_json(out, bytes_str(v->items[i]));
	}
	buf_append_u8(out, ']');
	return err;
}

static enum im_err
file_add_option(const struct option_value *v, struct buf *out)
{
	bool is_set = v->origin != OPTION_FROM_DEFAULT;

	buf_append_u8(out, '\n');
	file_add_help(v->def, out);
	buf_printf(out, "%s%s = ", is_set ? "" : "# ", v->def->name);
	if (v->def->type == OPTION_SECRET)
		file_add_secret(is_set ? v->text : "", out);
	else if (is_set && v->def->type == OPTION_PATH)
		return file_add_path(v->text, out);
	else if (v->def->type == OPTION_LIST)
		return file_add_list(v, out);
	else
		option_value_append(v, out);
	return IM_OK;
}

/* What a secret's file held is in the secret. */
static bool
file_takes(const struct option_def *def, const char *const *left_out)
{
	if (def->type == OPTION_SECRET_FILE || (def->flags & (OPTION_FLAG_ONLY | OPTION_HIDDEN)))
		return false;
	for (; *left_out; left_out++)
		if (strcmp(*left_out, def->name) == 0)
			return false;
	return true;
}

static const struct option_value *
file_value(const struct options *o, const struct option_def *def)
{
	size_t i = 0;

	while (o->values[i].def != def)
		i++;
	return &o->values[i];
}

enum im_err
options_write_file(const struct options *o, const char *const *left_out, struct buf *out)
{
	const struct command *root = o->program->root;
	enum im_err err = IM_OK;

	buf_printf(out,
	    "# Settings of %s. A line with a \"#\" in front has the default; take that away to change it.\n",
	    root->name);
	for (size_t i = 0; i < root->option_count && !err; i++) {
		if (!file_takes(&root->options[i], left_out))
			continue;
		err = file_add_option(file_value(o, &root->options[i]), out);
		buf_append_u8(out, '\n');
	}
	if (!err && out->err)
		err = err_set(out->err, "%s", err_text(out->err));
	return err;
}
