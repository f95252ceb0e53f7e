/* The file of a stored session; session.c decides when it is used. */
#include "cli/session_file.h"

#include "util/file.h"

#define TITLE "immuclient-session 1"
#define FIELD_MAX_BYTES 4096

void
session_record_init(struct session_record *r)
{
	buf_init(&r->address, FIELD_MAX_BYTES);
	buf_init(&r->user, FIELD_MAX_BYTES);
	buf_init(&r->database, FIELD_MAX_BYTES);
	buf_init(&r->token, FIELD_MAX_BYTES);
}

void
session_record_free(struct session_record *r)
{
	buf_free(&r->address);
	buf_free(&r->user);
	buf_free(&r->database);
	buf_wipe(&r->token);
}

static enum im_err
set_field(struct buf *field, struct bytes value)
{
	buf_wipe(field);
	if (value.len > 0 &&
	    (memchr(value.data, '\n', value.len) || memchr(value.data, '\0', value.len)))
		return err_set(IM_ERR_FORMAT, "a line end in a session's field");
	buf_append_bytes(field, value);
	buf_append_u8(field, '\0');
	return field->err;
}

enum im_err
session_record_set(struct session_record *r, const char *address, const char *user,
    const char *database, const char *token)
{
	enum im_err err = set_field(&r->address, bytes_str(address));

	if (!err)
		err = set_field(&r->user, bytes_str(user));
	if (!err)
		err = set_field(&r->database, bytes_str(database));
	if (!err)
		err = set_field(&r->token, bytes_str(token));
	return err;
}

enum im_err
session_record_write(const char *path, const struct session_record *r)
{
	struct buf text;
	enum im_err err = file_make_parent(path);

	if (err)
		return err;
	buf_init(&text, SESSION_FILE_MAX * 2);
	buf_printf(&text, TITLE "\naddress %s\nuser %s\ndatabase %s\ntoken %s\n",
	    (const char *)r->address.data, (const char *)r->user.data,
	    (const char *)r->database.data, (const char *)r->token.data);
	err = text.err ? text.err : file_replace(path, buf_bytes(&text));
	buf_wipe(&text);
	return err;
}

/* Takes the line "NAME VALUE\n" from the reader. */
static enum im_err
read_field(struct reader *r, const char *name, struct buf *out)
{
	size_t name_len = strlen(name);
	struct bytes rest = bytes_of(r->data + r->pos, reader_left(r));
	const uint8_t *end = rest.len ? memchr(rest.data, '\n', rest.len) : NULL;
	struct bytes line;

	if (!end)
		return IM_ERR_FORMAT;
	line = reader_bytes(r, (size_t)(end - rest.data) + 1);
	if (line.len < name_len + 2 || memcmp(line.data, name, name_len) != 0 ||
	    line.data[name_len] != ' ')
		return IM_ERR_FORMAT;
	return set_field(out, bytes_of(line.data + name_len + 1, line.len - name_len - 2));
}

static enum im_err
parse_record(struct bytes text, struct session_record *out)
{
	struct bytes title = bytes_str(TITLE "\n");
	struct reader r = reader_of(text);
	enum im_err err = IM_OK;

	if (!bytes_equal(reader_bytes(&r, title.len), title))
		return IM_ERR_FORMAT;
	err = read_field(&r, "address", &out->address);
	if (!err)
		err = read_field(&r, "user", &out->user);
	if (!err)
		err = read_field(&r, "database", &out->database);
	if (!err)
		err = read_field(&r, "token", &out->token);
	if (!err && reader_left(&r) > 0)
		err = IM_ERR_FORMAT;
	return err;
}

enum im_err
session_record_read(const char *path, struct session_record *out)
{
	struct buf text;
	enum im_err err;

	buf_init(&text, SESSION_FILE_MAX);
	err = file_read(path, SESSION_FILE_MAX, &text);
	if (!err)
		err = parse_record(buf_bytes(&text), out);
	if (err == IM_ERR_FORMAT || err == IM_ERR_LIMIT)
		err =
		    err_set(IM_ERR_FORMAT, "%s is not a stored session; please login again", path);
	buf_wipe(&text);
	return err;
}
