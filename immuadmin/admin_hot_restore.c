/*
 * "immuadmin hot-restore": a database of a server in use, from an archive; or only the check of an
 * archive, which needs no server.
 *
 * Neighbours: archive_source.h reads, crypto/archive.h verifies, immu_admin.h brings it to the
 * server. Invariant: the archive is verified here on its way, so that one that is damaged is
 * refused with byte and transaction, and again by the server, which trusts nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "admin_commands.h"
#include "archive_source.h"
#include "client/immu_admin.h"

/* What goes to the server at a time. */
#define RESTORE_PART_BYTES ((size_t)1024 * 1024)

struct hot_restore {
	struct session *s;
	struct archive_reader *reader;
	int fd;
	const char *path;
	const char *database; /* where to; "" until the archive has told */
	bool is_begun;
	struct archive_header header;
	uint64_t offset;
	size_t len; /* of part */
	uint8_t part[RESTORE_PART_BYTES];
};

/* ---- Reading ---- */

static enum im_err
open_input(struct hot_restore *r)
{
	if (strcmp(r->path, "-") == 0) {
		r->fd = STDIN_FILENO;
		r->path = "stdin";
		if (isatty(r->fd))
			return err_set(
			    IM_ERR_USAGE, "an archive is not read from a terminal: give --input");
		return IM_OK;
	}
	r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		return err_set_errno(
		    errno == ENOENT ? IM_ERR_NOT_FOUND : IM_ERR_IO, "open", r->path);
	(void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return IM_OK;
}

static void
close_input(struct hot_restore *r)
{
	if (r->fd > STDIN_FILENO)
		(void)close(r->fd);
}

static enum im_err
note_header(void *ctx, const struct archive_header *h, struct bytes raw)
{
	(void)raw;
	((struct hot_restore *)ctx)->header = *h;
	return IM_OK;
}

static enum im_err
check_trailer(void *ctx, const struct archive_trailer *t, struct bytes raw)
{
	struct hot_restore *r = (struct hot_restore *)ctx;

	(void)raw;
	return archive_check_key(r->s, &r->header, t);
}

/* ---- Verifying only ---- */

static enum im_err
verify_input(struct hot_restore *r)
{
	struct archive_sink sink = {r, note_header, NULL, check_trailer};
	enum im_err err = archive_reader_new(&sink, &r->reader);

	if (!err)
		err = archive_source_read(r->s, r->fd, r->path, r->reader);
	if (!err && *r->database && strcmp(r->database, r->header.database) != 0)
		err = err_set(IM_ERR_ARGUMENT, "%s: an archive of database %s, not of %s", r->path,
		    r->header.database, r->database);
	return err;
}

static enum im_err
hot_verify(struct session *s)
{
	struct hot_restore r = {.s = s,
	    .fd = -1,
	    .path = options_string(s->options, "input"),
	    .database = s->call->arg_count > 0 ? s->call->args[0] : ""};
	enum im_err err = open_input(&r);

	if (!err)
		err = verify_input(&r);
	if (!err)
		archive_show(s, r.reader);
	archive_reader_free(r.reader);
	close_input(&r);
	return err;
}

/* ---- Restoring ---- */

static enum immu_restore_mode
mode_of(const struct session *s)
{
	if (options_bool(s->options, "append"))
		return IMMU_RESTORE_APPEND;
	return options_bool(s->options, "force") ? IMMU_RESTORE_REPLACE : IMMU_RESTORE_NEW;
}

static enum im_err
send_part(struct hot_restore *r)
{
	enum im_err err = IM_OK;

	if (r->len > 0)
		err = immu_restore_write(r->s->c, r->offset, (struct immu_bytes){r->part, r->len});
	r->offset += r->len;
	r->len = 0;
	return err;
}

/* Sends what is verified. */
static enum im_err
send_bytes(struct hot_restore *r, struct bytes raw)
{
	enum im_err err = IM_OK;

	while (!err && raw.len > 0) {
		size_t n = sizeof r->part - r->len < raw.len ? sizeof r->part - r->len : raw.len;

		memcpy(r->part + r->len, raw.data, n);
		r->len += n;
		raw = bytes_of(raw.data + n, raw.len - n);
		if (r->len == sizeof r->part)
			err = send_part(r);
	}
	return err;
}

/* The restore begins when the archive has said what it is. */
static enum im_err
send_header(void *ctx, const struct archive_header *h, struct bytes raw)
{
	struct hot_restore *r = (struct hot_restore *)ctx;
	enum im_err err = IM_OK;

	r->header = *h;
	if (!*r->database)
		r->database = r->header.database;
	if (!r->is_begun)
		err = immu_restore_begin(r->s->c, r->database, mode_of(r->s));
	if (!err) {
		r->is_begun = true;
		r->s->may_login_again = false;
	}
	if (err == IM_ERR_DATABASE_EXISTS)
		err = err_set(err,
		    "database %s already exists: --append continues it, --force replaces it",
		    r->database);
	return err ? err : send_bytes(r, raw);
}

static enum im_err
send_tx(void *ctx, const struct archive_tx *tx)
{
	return send_bytes((struct hot_restore *)ctx, tx->record);
}

static enum im_err
send_trailer(void *ctx, const struct archive_trailer *t, struct bytes raw)
{
	enum im_err err = check_trailer(ctx, t, raw);

	return err ? err : send_bytes((struct hot_restore *)ctx, raw);
}

static enum im_err
send_archive(struct hot_restore *r)
{
	struct archive_sink sink = {r, send_header, send_tx, send_trailer};
	struct immu_restored restored;
	enum im_err err = archive_reader_new(&sink, &r->reader);

	if (!err)
		err = archive_source_read(r->s, r->fd, r->path, r->reader);
	if (!err)
		err = send_part(r);
	if (options_bool(r->s->options, "progress-bar"))
		output_progress(r->s->out, "transactions are indexed");
	if (!err)
		err = immu_restore_finish(r->s->c, &restored);
	output_progress(r->s->out, "%s", "");
	return err;
}

/* With --verify the whole file is read before anything is asked of the server. */
static enum im_err
verify_first(struct hot_restore *r)
{
	enum im_err err;
	const char *database = r->database;

	if (!options_bool(r->s->options, "verify"))
		return IM_OK;
	if (lseek(r->fd, 0, SEEK_CUR) < 0)
		return err_set(IM_ERR_USAGE, "%s cannot be read twice: no --verify", r->path);
	r->database = "";
	err = verify_input(r);
	archive_reader_free(r->reader);
	r->reader = NULL;
	r->database = database;
	if (!err && lseek(r->fd, 0, SEEK_SET) < 0)
		err = err_set_errno(IM_ERR_IO, "seek", r->path);
	return err;
}

static enum im_err
restore_input(struct hot_restore *r)
{
	enum im_err err = open_input(r);

	if (!err)
		err = verify_first(r);
	if (!err)
		err = send_archive(r);
	if (!err && strcmp(r->database, r->header.database) != 0)
		output_note(r->s->out, "restored as database %s", r->database);
	if (!err)
		archive_show(r->s, r->reader);
	archive_reader_free(r->reader);
	close_input(r);
	return err;
}

static enum im_err
hot_restore(struct session *s)
{
	struct hot_restore *r = (struct hot_restore *)arena_calloc(&s->memory, 1, sizeof *r);

	if (!r)
		return err_set(IM_ERR_NOMEM, "out of memory");
	r->s = s;
	r->fd = -1;
	r->path = options_string(s->options, "input");
	r->database = s->call->arg_count > 0 ? s->call->args[0] : "";
	if (options_bool(s->options, "append") && options_bool(s->options, "force"))
		return err_set(IM_ERR_USAGE, "--append and --force contradict each other");
	return restore_input(r);
}

int
command_hot_restore(struct command_call *call)
{
	if (options_bool(call->options, "verify-only"))
		return session_run(call, SESSION_OFFLINE, hot_verify);
	return session_run(call, SESSION_LOGGED_IN, hot_restore);
}
