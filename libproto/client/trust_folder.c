/*
 * The state folder looked at and changed by hand (immu_trust.h). trust_file.c knows the files; here
 * is which of them there are, and what may be done with them without a server.
 *
 * Invariant: a file is replaced or removed under the lock of its folder, after it was read under
 * that same lock.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/immu_trust.h"
#include "client/trust_file.h"
#include "util/file.h"

#define PATH_MAX_BYTES (TRUST_FILE_MAX * 4)
#define STATE_PREFIX "state-"
#define IDENTITY_PREFIX "identity-"
#define IDENTITY_DIGITS 32

/* The folder meant by a name; NUL-terminated in out. */
static enum im_err
folder_of(const char *folder, struct buf *out)
{
	if (!folder || !*folder)
		return file_state_folder(out);
	buf_append(out, folder, strlen(folder) + 1);
	return out->err ? err_set(out->err, "the state folder: %s", err_text(out->err)) : IM_OK;
}

/* An address as it is pinned: host names in lower case. Appends it and a NUL. */
static enum im_err
pinned_form(const char *address, struct buf *out)
{
	bool is_path = strncmp(address, "unix:", strlen("unix:")) == 0;

	for (const char *p = address; *p; p++)
		buf_append_u8(out, (uint8_t)(is_path ? *p : tolower((unsigned char)*p)));
	buf_append_u8(out, '\0');
	return out->err ? err_set(out->err, "the address: %s", err_text(out->err)) : IM_OK;
}

static const char *
text_of(const struct buf *b)
{
	return (const char *)b->data;
}

/* ---- One file ---- */

/* A file read for the public: everything that struct immu_trusted points to. */
struct found {
	struct immu_trusted public;
	struct trust_record record;
	struct buf text;
	struct buf address;
	struct buf error;
};

static void
found_init(struct found *f, const char *path)
{
	struct stat st;

	memset(f, 0, sizeof *f);
	buf_init(&f->text, TRUST_FILE_MAX);
	buf_init(&f->address, PATH_MAX_BYTES);
	buf_init(&f->error, PATH_MAX_BYTES);
	f->public.path = path;
	f->public.error_text = err_text(IM_OK);
	if (stat(path, &st) == 0)
		f->public.changed_at = st.st_mtime;
}

static void
found_free(struct found *f)
{
	buf_free(&f->error);
	buf_free(&f->address);
	buf_free(&f->text);
}

static void
found_fail(struct found *f, enum im_err err)
{
	f->public.err = err;
	buf_append_str(&f->error, err_detail(err));
	buf_append_u8(&f->error, '\0');
	f->public.error_text = f->error.err ? err_text(err) : text_of(&f->error);
}

/* Says what a state file holds; the names are those that its path was made of. */
static void
found_read_state(struct found *f, const char *server_id, const char *database)
{
	struct immu_trusted *t = &f->public;
	enum im_err err = trust_file_text(t->path, &f->text);

	t->server_id = server_id;
	t->database = database;
	if (!err)
		err = trust_file_decode(buf_bytes(&f->text), &f->record);
	if (!err &&
	    (strcmp(f->record.server_id, server_id) != 0 ||
		strcmp(f->record.database, database) != 0))
		err = err_set(IM_ERR_STATE_CORRUPT, "%s: %s: of another server or database",
		    err_text(IM_ERR_STATE_CORRUPT), t->path);
	if (err) {
		found_fail(f, err);
		return;
	}
	t->tx = f->record.state.point.id;
	memcpy(t->hash, f->record.state.point.alh.b, HASH_SIZE);
	t->is_signed = f->record.state.signature_len > 0;
}

static void
found_read_pin(struct found *f)
{
	struct immu_trusted *t = &f->public;
	enum im_err err = trust_file_text(t->path, &f->text);

	if (!err)
		err = trust_file_decode_pin(buf_bytes(&f->text), f->record.server_id, &f->address);
	if (err) {
		found_fail(f, err);
		return;
	}
	t->server_id = f->record.server_id;
	t->address = text_of(&f->address);
}

/* ---- The folder ---- */

/* Names of files, owned. */
struct names {
	char **items;
	size_t len, cap;
};

static enum im_err
names_add(struct names *n, const char *name)
{
	if (n->len == IMMU_TRUST_FILES_MAX)
		return err_set(
		    IM_ERR_LIMIT, "the state folder has more than %d files", IMMU_TRUST_FILES_MAX);
	if (n->len == n->cap) {
		size_t cap = n->cap ? 2 * n->cap : 16;
		char **items = realloc(n->items, cap * sizeof(char *));

		if (!items)
			return err_set(IM_ERR_NOMEM, "out of memory");
		n->items = items;
		n->cap = cap;
	}
	n->items[n->len] = strdup(name);
	if (!n->items[n->len])
		return err_set(IM_ERR_NOMEM, "out of memory");
	n->len++;
	return IM_OK;
}

static void
names_free(struct names *n)
{
	for (size_t i = 0; i < n->len; i++)
		free(n->items[i]);
	free(n->items);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "state-SERVER-DATABASE" taken apart; false for any other name. */
static bool
split_state_name(const char *name, char server_id[XID_TEXT_LEN + 1], const char **database)
{
	size_t prefix = strlen(STATE_PREFIX);

	if (strncmp(name, STATE_PREFIX, prefix) != 0 || strlen(name) <= prefix + XID_TEXT_LEN + 1 ||
	    name[prefix + XID_TEXT_LEN] != '-')
		return false;
	memcpy(server_id, name + prefix, XID_TEXT_LEN);
	server_id[XID_TEXT_LEN] = '\0';
	*database = name + prefix + XID_TEXT_LEN + 1;
	return trust_file_is_server_id(server_id) && trust_file_is_database(*database);
}

static bool
is_identity_name(const char *name)
{
	size_t prefix = strlen(IDENTITY_PREFIX);

	return strncmp(name, IDENTITY_PREFIX, prefix) == 0 &&
	    strlen(name) == prefix + IDENTITY_DIGITS &&
	    strspn(name + prefix, "0123456789abcdef") == IDENTITY_DIGITS;
}

/* The files of the folder that are ours, sorted: identities come before states. */
static enum im_err
list_folder(const char *folder, struct names *out)
{
	DIR *dir = opendir(folder);
	char server_id[XID_TEXT_LEN + 1];
	const char *database;
	struct dirent *e;
	enum im_err err = IM_OK;

	if (!dir && errno == ENOENT)
		return IM_OK;
	if (!dir)
		return err_set_errno(IM_ERR_IO, "open", folder);
	while (!err && (e = readdir(dir))) {
		if (is_identity_name(e->d_name) ||
		    split_state_name(e->d_name, server_id, &database))
			err = names_add(out, e->d_name);
	}
	closedir(dir);
	if (!err && out->len > 0)
		qsort(out->items, out->len, sizeof(char *), compare_names);
	return err;
}

/* Gives one file; false in *more to stop. */
static enum im_err
give_file(const char *folder, const char *name, immu_trusted_fn *fn, void *arg, bool *more)
{
	char server_id[XID_TEXT_LEN + 1];
	const char *database;
	struct found f;
	struct buf path;
	enum im_err err;

	buf_init(&path, PATH_MAX_BYTES);
	err = file_join(&path, folder, name);
	if (err)
		goto out;
	found_init(&f, text_of(&path));
	if (split_state_name(name, server_id, &database))
		found_read_state(&f, server_id, database);
	else
		found_read_pin(&f);
	/* One that was removed since the folder was read is not there. */
	if (f.public.err != IM_ERR_NOT_FOUND)
		*more = fn(arg, &f.public);
	found_free(&f);
out:
	buf_free(&path);
	return err;
}

enum im_err
immu_trust_each(const char *folder, immu_trusted_fn *fn, void *arg)
{
	struct names names = {0};
	struct buf path;
	bool more = true;
	enum im_err err;

	buf_init(&path, PATH_MAX_BYTES);
	err = folder_of(folder, &path);
	if (!err)
		err = list_folder(text_of(&path), &names);
	for (size_t i = 0; i < names.len && !err && more; i++)
		err = give_file(text_of(&path), names.items[i], fn, arg, &more);
	names_free(&names);
	buf_free(&path);
	return err;
}

/* ---- One state ---- */

/* Whose state is meant: everything resolved, and the path of its file. */
struct subject {
	struct buf folder;
	char server_id[XID_TEXT_LEN + 1];
	struct trust_name name;
	struct buf path;
};

/* The server that is pinned at an address. */
static enum im_err
find_pinned(struct subject *s, const char *address)
{
	struct trust_address at = {.folder = text_of(&s->folder)};
	struct found f;
	struct buf form, path;
	enum im_err err;

	buf_init(&form, PATH_MAX_BYTES);
	buf_init(&path, PATH_MAX_BYTES);
	err = pinned_form(address, &form);
	at.address = text_of(&form);
	if (!err)
		err = trust_file_identity_path(&at, &path);
	if (!err) {
		found_init(&f, text_of(&path));
		found_read_pin(&f);
		err = f.public.err;
		if (err == IM_ERR_NOT_FOUND)
			err_set(err, "no server is known at %s", address);
		else if (err)
			err_set(err, "%s", f.public.error_text);
		else
			memcpy(s->server_id, f.record.server_id, sizeof s->server_id);
		found_free(&f);
	}
	buf_free(&path);
	buf_free(&form);
	return err;
}

static enum im_err
subject_init(struct subject *s, const struct immu_trust_name *name)
{
	enum im_err err;

	memset(s, 0, sizeof *s);
	buf_init(&s->folder, PATH_MAX_BYTES);
	buf_init(&s->path, PATH_MAX_BYTES);
	if (!name->server_id || !name->database)
		return err_set(IM_ERR_ARGUMENT, "a server and a database must be named");
	err = folder_of(name->folder, &s->folder);
	if (!err && trust_file_is_server_id(name->server_id))
		memcpy(s->server_id, name->server_id, sizeof s->server_id);
	else if (!err)
		err = find_pinned(s, name->server_id);
	s->name = (struct trust_name){text_of(&s->folder), s->server_id, name->database};
	return err ? err : trust_file_state_path(&s->name, &s->path);
}

static void
subject_free(struct subject *s)
{
	buf_free(&s->path);
	buf_free(&s->folder);
}

/* The error of a file that was read, as the error of the call. */
static enum im_err
found_error(const struct found *f)
{
	if (f->public.err == IM_ERR_NOT_FOUND)
		return err_set(IM_ERR_NOT_FOUND, "no state of database %s of server %s is trusted",
		    f->public.database, f->public.server_id);
	return f->public.err ? err_set(f->public.err, "%s", f->public.error_text) : IM_OK;
}

enum im_err
immu_trust_show(const struct immu_trust_name *name, immu_trusted_fn *fn, void *arg)
{
	struct subject s;
	struct found f;
	enum im_err err = subject_init(&s, name);

	if (!err) {
		found_init(&f, text_of(&s.path));
		found_read_state(&f, s.server_id, name->database);
		err = found_error(&f);
		if (!err)
			fn(arg, &f.public);
		found_free(&f);
	}
	subject_free(&s);
	return err;
}

enum im_err
immu_trust_export(const struct immu_trust_name *name, char buffer[IMMU_TRUST_TEXT_MAX], size_t *len)
{
	struct subject s;
	struct found f;
	enum im_err err = subject_init(&s, name);

	*len = 0;
	if (!err) {
		found_init(&f, text_of(&s.path));
		found_read_state(&f, s.server_id, name->database);
		err = found_error(&f);
		if (!err) {
			memcpy(buffer, f.text.data, f.text.len);
			*len = f.text.len;
		}
		found_free(&f);
	}
	subject_free(&s);
	return err;
}

_Static_assert(TRUST_FILE_MAX <= IMMU_TRUST_TEXT_MAX, "a file fits the caller's buffer");

/* Whether a state may take the place of what was found. */
static enum im_err
check_replace(const struct found *old, const struct tx_point *point, enum immu_trust_replace how)
{
	const struct immu_trusted *t = &old->public;
	bool is_same_tx = !t->err && t->tx == point->id;
	bool is_same = is_same_tx && memcmp(t->hash, point->alh.b, HASH_SIZE) == 0;

	if (t->err == IM_ERR_NOT_FOUND || is_same || how == IMMU_TRUST_ANY)
		return IM_OK;
	if (t->err)
		return found_error(old);
	if (is_same_tx)
		return err_set(IM_ERR_STATE_FORKED,
		    "transaction %llu of %s is trusted with another hash",
		    (unsigned long long)t->tx, t->database);
	if (how == IMMU_TRUST_KEEP)
		return err_set(IM_ERR_EXISTS,
		    "another state of %s is trusted already, of transaction %llu", t->database,
		    (unsigned long long)t->tx);
	if (t->tx > point->id)
		return err_set(IM_ERR_STATE_OLDER,
		    "a newer state of %s is trusted already, of transaction %llu", t->database,
		    (unsigned long long)t->tx);
	return IM_OK;
}

/* Under the lock: replaces what is there if that is allowed. */
static enum im_err
replace_state(
    const char *path, const struct trust_record *record, const struct immu_trust_import *how)
{
	struct found old;
	struct buf text;
	enum im_err err;

	buf_init(&text, TRUST_FILE_MAX);
	found_init(&old, path);
	found_read_state(&old, record->server_id, record->database);
	err = check_replace(&old, &record->state.point, how->replace);
	if (!err)
		err = trust_file_encode(record, &text);
	if (!err)
		err = file_replace(path, buf_bytes(&text));
	found_free(&old);
	buf_free(&text);
	return err;
}

enum im_err
immu_trust_import(const struct immu_trust_import *import, immu_trusted_fn *fn, void *arg)
{
	struct trust_record record;
	struct immu_trust_name name = {import->folder, record.server_id, record.database};
	struct subject s;
	int lock = -1;
	enum im_err err = trust_file_decode(bytes_of(import->text.data, import->text.len), &record);

	if (err)
		return err;
	err = subject_init(&s, &name);
	if (!err)
		err = trust_file_lock(text_of(&s.folder), &lock);
	if (!err)
		err = replace_state(text_of(&s.path), &record, import);
	file_unlock(&lock);
	subject_free(&s);
	return err || !fn ? err : immu_trust_show(&name, fn, arg);
}

/* Removes a file for good; what names it in the error. */
static enum im_err
forget(const char *folder, const char *path, const char *what)
{
	struct stat st;
	int lock = -1;
	enum im_err err = IM_OK;

	/* Nothing is made, not even the folder, where there is nothing to forget. */
	if (stat(path, &st) != 0 && errno == ENOENT)
		return err_set(IM_ERR_NOT_FOUND, "nothing is known of %s", what);
	err = trust_file_lock(folder, &lock);
	if (!err && unlink(path) != 0)
		err = errno == ENOENT ? err_set(IM_ERR_NOT_FOUND, "nothing is known of %s", what)
				      : err_set_errno(IM_ERR_IO, "remove", path);
	if (!err)
		err = file_sync_parent(path);
	file_unlock(&lock);
	return err;
}

enum im_err
immu_trust_forget(const struct immu_trust_name *name)
{
	struct subject s;
	char what[TRUST_DATABASE_MAX + 64];
	enum im_err err = subject_init(&s, name);

	if (!err) {
		snprintf(
		    what, sizeof what, "database %s of server %s", name->database, s.server_id);
		err = forget(text_of(&s.folder), text_of(&s.path), what);
	}
	subject_free(&s);
	return err;
}

enum im_err
immu_trust_forget_address(const char *folder, const char *address)
{
	struct buf at, form, path;
	enum im_err err;

	buf_init(&at, PATH_MAX_BYTES);
	buf_init(&form, PATH_MAX_BYTES);
	buf_init(&path, PATH_MAX_BYTES);
	err = folder_of(folder, &at);
	if (!err)
		err = pinned_form(address, &form);
	if (!err)
		err = trust_file_identity_path(
		    &(struct trust_address){text_of(&at), text_of(&form)}, &path);
	if (!err)
		err = forget(text_of(&at), text_of(&path), text_of(&form));
	buf_free(&path);
	buf_free(&form);
	buf_free(&at);
	return err;
}
