/*
 * Unit files: writing them from templates, and reading what they say. Neighbours: service_table
 * (the templates), service_control (which starts by the command line of a unit where no systemd
 * does).
 *
 * Invariant: a command line is read as systemd reads it, or refused; never read differently.
 */
#include <ctype.h>
#include <string.h>

#include "util/service_internal.h"

#define UNIT_MARK "# Written by \"service install\"; \"service uninstall\" removes it.\n"
#define UNIT_COPY "# Copied for it: "
#define UNIT_FOLDER "@CMAKE_INSTALL_FULL_BINDIR@"
/* Marks that systemd takes before the path of a program. */
#define UNIT_EXEC_MARKS "@-:+!|"

/* ---- writing ---- */

enum im_err
service_unit_write(
    const struct service_def *def, const char *folder, const char *const *copies, struct buf *out)
{
	const unsigned char *at = def->unit, *end = def->unit + *def->unit_size, *found;

	buf_append_str(out, UNIT_MARK);
	for (; *copies; copies++)
		buf_printf(out, UNIT_COPY "%s\n", *copies);
	while ((found = (const unsigned char *)memmem(
		    at, (size_t)(end - at), UNIT_FOLDER, strlen(UNIT_FOLDER)))) {
		buf_append(out, at, (size_t)(found - at));
		buf_append_str(out, folder);
		at = found + strlen(UNIT_FOLDER);
	}
	buf_append(out, at, (size_t)(end - at));
	return out->err ? err_set(out->err, "%s", err_text(out->err)) : IM_OK;
}

/* ---- reading ---- */

/* Takes the next line off text, without its end; false when there is none. */
static bool
unit_next_line(struct bytes *text, struct bytes *line)
{
	const uint8_t *end;

	if (text->len == 0)
		return false;
	end = (const uint8_t *)memchr(text->data, '\n', text->len);
	*line = bytes_of(text->data, end ? (size_t)(end - text->data) : text->len);
	*text = bytes_of(text->data + line->len, text->len - line->len);
	if (end)
		*text = bytes_of(text->data + 1, text->len - 1);
	return true;
}

static bool
unit_is_text(struct bytes line, const char *text)
{
	return line.len == strlen(text) && memcmp(line.data, text, line.len) == 0;
}

static bool
unit_starts_with(struct bytes line, const char *text)
{
	return line.len >= strlen(text) && memcmp(line.data, text, strlen(text)) == 0;
}

bool
service_unit_is_ours(struct bytes unit)
{
	return unit_starts_with(unit, UNIT_MARK);
}

bool
service_unit_has_copy(struct bytes unit, const char *path)
{
	struct bytes line;

	if (!service_unit_is_ours(unit))
		return false;
	while (unit_next_line(&unit, &line) && unit_starts_with(line, "#"))
		if (unit_starts_with(line, UNIT_COPY) &&
		    unit_is_text(
			bytes_of(line.data + strlen(UNIT_COPY), line.len - strlen(UNIT_COPY)),
			path))
			return true;
	return false;
}

static struct bytes
unit_trim(struct bytes v)
{
	while (v.len && isspace(v.data[0]))
		v = bytes_of(v.data + 1, v.len - 1);
	while (v.len && isspace(v.data[v.len - 1]))
		v.len--;
	return v;
}

/* Whether a line is "key = value", and the value. */
static bool
unit_is_setting(struct bytes line, const char *key, struct bytes *value)
{
	const uint8_t *equals = line.len ? (const uint8_t *)memchr(line.data, '=', line.len) : NULL;
	size_t n;

	if (!equals)
		return false;
	n = (size_t)(equals - line.data);
	*value = unit_trim(bytes_of(equals + 1, line.len - n - 1));
	return unit_is_text(unit_trim(bytes_of(line.data, n)), key);
}

enum im_err
service_unit_value(struct bytes unit, const char *key, char *out, size_t size)
{
	struct bytes line, value, found = {NULL, 0};
	bool in_service = false;

	while (unit_next_line(&unit, &line)) {
		line = unit_trim(line);
		if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
			continue;
		if (line.data[0] == '[')
			in_service = unit_is_text(line, "[Service]");
		else if (in_service && unit_is_setting(line, key, &value))
			found = value;
		if (line.data[line.len - 1] == '\\')
			return err_set(
			    IM_ERR_FORMAT, "the unit has lines that go on in the next one");
	}
	if (found.len == 0)
		return err_set(IM_ERR_NOT_FOUND, "the unit has no %s", key);
	if (found.len >= size || memchr(found.data, 0, found.len))
		return err_set(IM_ERR_FORMAT, "%s of the unit is too long, or not text", key);
	memcpy(out, found.data, found.len);
	out[found.len] = '\0';
	return IM_OK;
}

/* ---- command lines ---- */

/* One character behind a backslash; '\0' for an escape that is not taken here. */
static char
exec_escape(char c)
{
	static const char from[] = "abfnrtvs\\\"'", to[] = "\a\b\f\n\r\t\v \\\"'";
	const char *at = c ? strchr(from, c) : NULL;

	return at ? to[at - from] : '\0';
}

/* One character of a word, at *in, to *out; false for what only the service manager knows. */
static bool
exec_character(const char **in, char **out)
{
	const char *at = *in;
	char c = *at++;

	if (c == '\\')
		c = exec_escape(*at++);
	else if (c == '%' && *at == '%')
		at++;
	else if (c == '%' || c == '$')
		return false;
	*in = at;
	*(*out)++ = c;
	return c != '\0';
}

/* One word from *in to *out, with its NUL. A quote begins and ends a whole word. */
static bool
exec_word(const char **in, char **out)
{
	const char *at = *in;
	char quote = *at == '"' || *at == '\'' ? *at++ : '\0';

	while (*at && (quote ? *at != quote : !isspace((unsigned char)*at)))
		if ((!quote && (*at == '"' || *at == '\'')) || !exec_character(&at, out))
			return false;
	if (quote && *at++ != quote)
		return false;
	if (*at && !isspace((unsigned char)*at))
		return false;
	*(*out)++ = '\0';
	*in = at;
	return true;
}

static bool
exec_split(const char *line, struct service_exec *out)
{
	char *to = out->text;

	out->count = 0;
	for (;;) {
		line += strspn(line, " \t");
		out->words[out->count] = NULL;
		if (!*line)
			return out->count && out->words[0][0] == '/';
		if (out->count == SERVICE_WORDS_MAX ||
		    (line[0] == ';' && (!line[1] || isspace((unsigned char)line[1]))))
			return false;
		out->words[out->count] = to;
		/*
		 * A word is never longer than what it is made of, with the blank or end behind it.
		 */
		if (!exec_word(&line, &to))
			return false;
		out->count++;
	}
}

enum im_err
service_unit_exec(struct bytes unit, struct service_exec *out)
{
	char line[SERVICE_LINE_MAX];
	enum im_err err = service_unit_value(unit, "ExecStart", line, sizeof line);

	if (!err && (strchr(UNIT_EXEC_MARKS, line[0]) || !exec_split(line, out)))
		err = err_set(IM_ERR_FORMAT,
		    "the command line of the unit cannot be run without systemd: %.200s", line);
	return err;
}

const char *
service_exec_flag(const struct service_exec *e, const char *flag)
{
	size_t len = strlen(flag);

	for (size_t i = 1; i < e->count; i++) {
		if (strcmp(e->words[i], flag) == 0)
			return i + 1 < e->count ? e->words[i + 1] : "";
		if (strncmp(e->words[i], flag, len) == 0 && e->words[i][len] == '=')
			return e->words[i] + len + 1;
	}
	return "";
}
