/*
 * "immuadmin hot-backup": an archive of a database that is in use.
 *
 * Neighbours: immu_admin.h brings the stream, crypto/archive.h verifies it, archive_target.c writes
 * it, backup_manners.h keeps it out of the way.
 * Invariant: what is written has been verified here: the archive of a server that is damaged, or
 * that does not continue the archive's history, is never completed.
 */
#include "admin_commands.h"
#include "archive_source.h"
#include "archive_target.h"
#include "backup_manners.h"
#include "client/immu_admin.h"

struct backup {
	struct session *s;
	struct archive_reader *reader;
	struct archive_target *target;
	struct archive_header header; /* of the part */
	bool is_empty;                /* nothing was to be appended */
	struct backup_pace pace;
};

/* ---- What goes to the target, once it is verified ---- */

static enum im_err
write_header(void *ctx, const struct archive_header *h, struct bytes raw)
{
	struct backup *b = (struct backup *)ctx;

	b->header = *h;
	/* From now on it cannot be done once more. */
	b->s->may_login_again = false;
	return archive_target_write(b->target, raw);
}

static enum im_err
write_tx(void *ctx, const struct archive_tx *tx)
{
	return archive_target_write(((struct backup *)ctx)->target, tx->record);
}

static enum im_err
write_trailer(void *ctx, const struct archive_trailer *t, struct bytes raw)
{
	struct backup *b = (struct backup *)ctx;
	enum im_err err = archive_check_key(b->s, &b->header, t);

	return err ? err : archive_target_write(b->target, raw);
}

static enum im_err
take_part(void *arg, struct immu_bytes part)
{
	struct backup *b = (struct backup *)arg;
	enum im_err err = archive_reader_feed(b->reader, bytes_of(part.data, part.len));

	archive_show_progress(b->s, b->reader);
	if (!err)
		backup_pace_wait(&b->pace, part.len);
	return err;
}

/* ---- Where it begins ---- */

/* Reads the archive that is to be continued; the part begins behind its last transaction. */
static enum im_err
read_existing(struct backup *b, const char *path, uint64_t *from_tx)
{
	const struct archive_header *h;
	struct archive_status status;
	enum im_err err = archive_source_read(b->s, archive_target_fd(b->target), path, b->reader);

	if (err)
		return err;
	h = archive_reader_header(b->reader);
	if (strcmp(h->database, b->s->call->args[0]) != 0)
		return err_set(IM_ERR_ARGUMENT, "%s: an archive of database %s, not of %s", path,
		    h->database, b->s->call->args[0]);
	archive_reader_status(b->reader, &status);
	*from_tx = status.tx + 1;
	return archive_target_append_at(b->target, status.whole_bytes);
}

static enum im_err
select_database(struct session *s)
{
	enum im_err err = immu_use(s->c, s->call->args[0]);

	if (!err)
		s->is_own_session = true;
	return err;
}

/* ---- The command ---- */

static enum im_err
run_backup(struct backup *b, const char *path)
{
	struct archive_sink sink = {b, write_header, write_tx, write_trailer};
	uint64_t from_tx = (uint64_t)options_int(b->s->options, "start-tx");
	bool append = options_bool(b->s->options, "append");
	enum im_err err = append ? read_existing(b, path, &from_tx) : IM_OK;

	if (err)
		return err;
	archive_reader_make_digests(b->reader);
	archive_reader_set_sink(b->reader, &sink);
	err = select_database(b->s);
	if (!err)
		err = immu_hot_backup(b->s->c, from_tx, take_part, b);
	output_progress(b->s->out, "%s", "");
	if (!err)
		err = archive_reader_finish(b->reader);
	/* A part without transactions is not kept: the archive is as long as before. */
	b->is_empty = append && b->header.to_tx < b->header.from_tx;
	if (!err && !b->is_empty)
		err = archive_target_commit(b->target);
	return err;
}

static void
show_backup(const struct backup *b, const char *path)
{
	struct archive_status status;

	archive_reader_status(b->reader, &status);
	if (b->is_empty)
		output_message(b->s->out, "nothing to append: the archive has transaction %llu",
		    (unsigned long long)status.tx);
	else if (strcmp(path, "-") != 0)
		archive_show(b->s, b->reader);
	else
		output_note(b->s->out, "transactions %llu to %llu of database %s",
		    (unsigned long long)status.from_tx, (unsigned long long)status.tx,
		    b->header.database);
}

static enum im_err
hot_backup(struct session *s)
{
	const char *path = options_string(s->options, "output-file");
	bool append = options_bool(s->options, "append");
	struct archive_sink none = {0};
	struct backup b = {.s = s, .pace = {.rate = options_size(s->options, "rate")}};
	enum im_err err = backup_pace_check(b.pace.rate);

	if (err)
		return err;
	if (append && options_is_set(s->options, "start-tx"))
		return err_set(
		    IM_ERR_USAGE, "--append begins where the archive ends: no --start-tx");
	err = archive_target_open(
	    path, append ? ARCHIVE_TARGET_APPEND : ARCHIVE_TARGET_NEW, &b.target);
	if (!err)
		err = archive_reader_new(&none, &b.reader);
	if (!err)
		err = run_backup(&b, path);
	archive_target_close(b.target);
	if (!err)
		show_backup(&b, path);
	archive_reader_free(b.reader);
	return err;
}

int
command_hot_backup(struct command_call *call)
{
	/*
	 * Verifying takes processor time, which on the server's own machine clients come first for.
	 */
	backup_lower_priority((enum backup_priority)options_enum(call->options, "priority"));
	return session_run(call, SESSION_LOGGED_IN, hot_backup);
}
