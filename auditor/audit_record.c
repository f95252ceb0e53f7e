/*
 * The files of records, and what is done to a record without any file. Neighbours:
 * audit_record_text.c (the text of a file), client/trust_file.h (the folder's lock, and which names
 * may be in a file's name); rounds, `auditor ack` and `auditor status` use them.
 *
 * Invariant: a file is only replaced under the lock of its folder, by a record that was read under
 * that same lock, so that an acknowledgement and a round never undo one another.
 */
#include "audit_record.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_record_text.h"
#include "client/trust_file.h"
#include "util/file.h"

#define RECORD_PREFIX "audit-"
#define RECORD_PATH_MAX 8192

/* ---- One file ---- */

static enum im_err
record_path(const struct audit_record_name *name, struct buf *out)
{
	char file[16 + XID_TEXT_LEN + TRUST_DATABASE_MAX];

	if (!trust_file_is_server_id(name->server_id))
		return err_set(IM_ERR_ARGUMENT, "bad server id");
	if (!trust_file_is_database(name->database))
		return err_set(IM_ERR_ARGUMENT, "bad database name");
	snprintf(file, sizeof file, RECORD_PREFIX "%s-%s", name->server_id, name->database);
	return file_join(out, name->folder, file);
}

/* Reads the text of a file and what it says; a file that is not there says nothing. */
static enum im_err
read_file(const char *path, const struct audit_record_name *name, struct buf *text,
    struct audit_record *out)
{
	enum im_err err = file_read(path, AUDIT_RECORD_FILE_MAX, text);

	*out = (struct audit_record){0};
	if (err == IM_ERR_NOT_FOUND)
		return IM_OK;
	if (!err)
		err = audit_record_decode(name, buf_bytes(text), out);
	if (err == IM_ERR_STATE_CORRUPT || err == IM_ERR_LIMIT)
		return err_set(IM_ERR_STATE_CORRUPT,
		    "%s: %s: damaged, or written for another server or database",
		    err_text(IM_ERR_STATE_CORRUPT), path);
	return err;
}

enum im_err
audit_record_read(const struct audit_record_name *name, struct audit_record *out)
{
	struct buf path, text;
	enum im_err err;

	*out = (struct audit_record){0};
	buf_init(&path, RECORD_PATH_MAX);
	buf_init(&text, AUDIT_RECORD_FILE_MAX);
	err = record_path(name, &path);
	if (!err)
		err = read_file((const char *)path.data, name, &text, out);
	buf_free(&text);
	buf_free(&path);
	return err;
}

/* Replaces the file if it does not hold this already. */
static enum im_err
write_file(const char *path, const struct audit_record_name *name, const struct buf *before,
    const struct audit_record *record)
{
	struct buf text;
	enum im_err err;

	buf_init(&text, AUDIT_RECORD_FILE_MAX);
	err = audit_record_encode(name, record, &text);
	if (err)
		err = err_set(err, "%s: %s", path, err_text(err));
	else if (!bytes_equal(buf_bytes(before), buf_bytes(&text)))
		err = file_replace(path, buf_bytes(&text));
	buf_free(&text);
	return err;
}

/* Under the lock: what the record becomes, given how reading it went. */
typedef enum im_err record_step(void *arg, enum im_err found, struct audit_record *record);

static enum im_err
replace_record(const struct audit_record_name *name, record_step *step, void *arg)
{
	struct buf path, text;
	struct audit_record record;
	int lock = -1;
	enum im_err err;

	buf_init(&path, RECORD_PATH_MAX);
	buf_init(&text, AUDIT_RECORD_FILE_MAX);
	err = record_path(name, &path);
	if (!err)
		err = trust_file_lock(name->folder, &lock);
	if (err)
		goto out;
	err = read_file((const char *)path.data, name, &text, &record);
	err = step(arg, err, &record);
	if (!err)
		err = write_file((const char *)path.data, name, &text, &record);
out:
	file_unlock(&lock);
	buf_free(&text);
	buf_free(&path);
	return err;
}

struct record_update {
	audit_record_change *change;
	void *arg;
};

static enum im_err
step_update(void *arg, enum im_err found, struct audit_record *record)
{
	const struct record_update *u = arg;

	return found ? found : u->change(u->arg, record);
}

enum im_err
audit_record_update(const struct audit_record_name *name, audit_record_change *change, void *arg)
{
	struct record_update u = {change, arg};

	return replace_record(name, step_update, &u);
}

/* ---- A record ---- */

/* The place of a transaction among the points. */
static size_t
find_point(const struct audit_record *record, uint64_t tx)
{
	size_t i = record->points_len;

	while (i > 0 && record->points[i - 1].tx >= tx)
		i--;
	return i;
}

static void
remove_point(struct audit_record *record, size_t at)
{
	memmove(&record->points[at], &record->points[at + 1],
	    (--record->points_len - at) * sizeof record->points[0]);
}

/* The point in between that is missed least: the one whose neighbours are closest together. */
static size_t
most_crowded(const struct audit_record *record)
{
	const struct audit_record_point *p = record->points;
	size_t i, best = 1;

	for (i = 2; i + 1 < record->points_len; i++) {
		if (p[i + 1].tx - p[i - 1].tx < p[best + 1].tx - p[best - 1].tx)
			best = i;
	}
	return best;
}

void
audit_record_add_point(struct audit_record *record, const struct audit_record_point *point)
{
	size_t at = find_point(record, point->tx);

	if (at < record->points_len && record->points[at].tx == point->tx)
		return;
	if (record->points_len == AUDIT_RECORD_POINTS_MAX) {
		remove_point(record, most_crowded(record));
		at = find_point(record, point->tx);
	}
	memmove(&record->points[at + 1], &record->points[at],
	    (record->points_len++ - at) * sizeof record->points[0]);
	record->points[at] = *point;
}

static void
add_ack(struct audit_record *record, const struct audit_record_ack *ack, enum audit_verdict verdict)
{
	if (record->acks_len == AUDIT_RECORD_ACKS_MAX)
		memmove(&record->acks[0], &record->acks[1],
		    --record->acks_len * sizeof record->acks[0]);
	record->acks[record->acks_len] = *ack;
	record->acks[record->acks_len++].verdict = verdict;
}

enum im_err
audit_record_acknowledge(struct audit_record *record, const struct audit_record_ack *ack)
{
	if (!record->has_alarm)
		return err_set(IM_ERR_NOT_FOUND, "there is no alarm to acknowledge");
	add_ack(record, ack, record->verdict);
	record->has_alarm = false;
	record->verdict = AUDIT_OK;
	record->since = 0;
	record->reason[0] = record->evidence[0] = '\0';
	record->suspect_from = record->suspect_to = 0;
	return IM_OK;
}

static enum im_err
step_renew(void *arg, enum im_err found, struct audit_record *record)
{
	if (!found)
		return err_set(IM_ERR_NOT_FOUND, "the record is not damaged");
	if (found != IM_ERR_STATE_CORRUPT)
		return found;
	*record = (struct audit_record){0};
	add_ack(record, arg, AUDIT_ERROR);
	return IM_OK;
}

enum im_err
audit_record_renew(const struct audit_record_name *name, const struct audit_record_ack *ack)
{
	struct audit_record_ack copy = *ack;

	return replace_record(name, step_renew, &copy);
}

/* ---- The folder ---- */

/* "audit-SERVER-DATABASE" taken apart; false for any other name. */
static bool
split_name(const char *file, char server_id[XID_TEXT_LEN + 1], const char **database)
{
	size_t prefix = strlen(RECORD_PREFIX);

	if (strncmp(file, RECORD_PREFIX, prefix) != 0 ||
	    strlen(file) <= prefix + XID_TEXT_LEN + 1 || file[prefix + XID_TEXT_LEN] != '-')
		return false;
	memcpy(server_id, file + prefix, XID_TEXT_LEN);
	server_id[XID_TEXT_LEN] = '\0';
	*database = file + prefix + XID_TEXT_LEN + 1;
	return trust_file_is_server_id(server_id) && trust_file_is_database(*database);
}

static int
is_record(const struct dirent *e)
{
	char server_id[XID_TEXT_LEN + 1];
	const char *database;

	return split_name(e->d_name, server_id, &database);
}

/* Byte order, whatever the locale. */
static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool
give_record(const char *folder, const char *file, audit_record_fn *fn, void *arg)
{
	char server_id[XID_TEXT_LEN + 1];
	struct audit_record_name name = {.folder = folder, .server_id = server_id};
	struct audit_record record;
	enum im_err err;

	if (!split_name(file, server_id, &name.database))
		return true;
	err = audit_record_read(&name, &record);
	return fn(arg, &name, err ? NULL : &record, err);
}

enum im_err
audit_record_each(const char *folder, audit_record_fn *fn, void *arg)
{
	struct dirent **files;
	bool more = true;
	int i, n = scandir(folder, &files, is_record, compare_names);

	if (n < 0)
		return errno == ENOENT ? IM_OK : err_set_errno(IM_ERR_IO, "open", folder);
	for (i = 0; i < n; i++) {
		if (more)
			more = give_record(folder, files[i]->d_name, fn, arg);
		free(files[i]);
	}
	free(files);
	return IM_OK;
}
