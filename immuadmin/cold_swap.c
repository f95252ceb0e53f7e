/*
 * Putting a folder in the place of another. Neighbour: admin_cold_restore.c makes the new one.
 *
 *	nothing -> TARGET.restoring (cold_swap_begin) -> with a record (write_record) -> exchanged: TARGET is the
 *	new folder, the work has the old one (exchange) -> the old one is called KEPT -> nothing (cold_swap_end)
 *
 * Invariants: the folder of work is locked as long as its process lives; the exchange is one step
 * of the file system; the record, which is on the disk before it, tells by the old folder's number
 * on which side of that step a killed process was: cold_swap_recover() goes on from there.
 */
#include "cold_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "cold_folder.h"
#include "util/file.h"

#define FRESH_NAME "new"
#define RECORD_NAME "record"
#define RECORD_BYTES_MAX (4 * PATH_MAX)

/* What the record says. */
struct record {
	uintmax_t device, number; /* of the old folder; 0: there was none */
	char moved[PATH_MAX];     /* where it is after the exchange */
	char kept[PATH_MAX];
};

static enum im_err
join(char out[PATH_MAX], const char *folder, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);

	return n > 0 && n < PATH_MAX ? IM_OK
				     : err_set(IM_ERR_ARGUMENT, "%s: path too long", folder);
}

static enum im_err
append(char out[PATH_MAX], const char *path, const char *suffix)
{
	int n = snprintf(out, PATH_MAX, "%s%s", path, suffix);

	return n > 0 && n < PATH_MAX ? IM_OK : err_set(IM_ERR_ARGUMENT, "%s: path too long", path);
}

/* ---- The record ---- */

static enum im_err
write_record(const struct cold_swap *w, const char *moved)
{
	char path[PATH_MAX];
	struct buf text;
	enum im_err err = join(path, w->stage, RECORD_NAME);

	buf_init(&text, RECORD_BYTES_MAX);
	buf_printf(&text, "old %ju %ju\nmoved %s\nkept %s\n",
	    w->has_old ? (uintmax_t)w->old.st_dev : 0, w->has_old ? (uintmax_t)w->old.st_ino : 0,
	    moved, w->kept);
	if (err == IM_OK)
		err = text.err;
	if (err == IM_OK)
		err = file_replace(path, buf_bytes(&text));
	buf_free(&text);
	return err;
}

/* Copies the rest of the line that begins with word; false when it is not there. */
static bool
find_line(const char *text, const char *word, char out[PATH_MAX])
{
	const char *line = strstr(text, word);
	size_t n;

	if (!line)
		return false;
	line += strlen(word);
	n = strcspn(line, "\n");
	if (n == 0 || n >= PATH_MAX || line[n] != '\n')
		return false;
	memcpy(out, line, n);
	out[n] = '\0';
	return true;
}

/* IM_ERR_NOT_FOUND when there is none, IM_ERR_FORMAT when it is not one of ours. */
static enum im_err
read_record(const char *stage, struct record *r)
{
	char path[PATH_MAX];
	struct buf text;
	const char *s;
	enum im_err err = join(path, stage, RECORD_NAME);

	buf_init(&text, RECORD_BYTES_MAX + 1);
	if (err == IM_OK)
		err = file_read(path, RECORD_BYTES_MAX, &text);
	buf_append_u8(&text, '\0');
	if (err == IM_OK)
		err = text.err;
	s = (const char *)text.data;
	if (err == IM_OK &&
	    (sscanf(s, "old %ju %ju\n", &r->device, &r->number) != 2 ||
		!find_line(s, "\nmoved ", r->moved) || !find_line(s, "\nkept ", r->kept)))
		err = err_set(IM_ERR_FORMAT, "%s is not the record of a restore", path);
	buf_free(&text);
	return err;
}

/* The record goes last: what is left by a kill in between can still be told. */
static void
remove_work(const char *stage)
{
	char path[PATH_MAX];

	if (join(path, stage, FRESH_NAME) == IM_OK)
		cold_folder_remove(path);
	cold_folder_remove(stage);
}

/* ---- After a kill ---- */

/* Whether path is the old folder of the record. */
static bool
is_old(const struct record *r, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == r->device && st.st_ino == r->number;
}

static enum im_err
give_name(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0 &&
	    (errno != EINVAL || rename(from, to) != 0))
		return err_set_errno(IM_ERR_IO, "cannot make", to);
	return file_sync_parent(to);
}

/*
 * Whether the killed swap had replaced the target; the old folder gets its name if it has not yet.
 */
static enum im_err
finish(const struct record *r, bool *is_done)
{
	enum im_err err = IM_OK;

	if (r->number == 0) {
		*is_done = access(r->moved, F_OK) != 0;
		return IM_OK;
	}
	if (is_old(r, r->moved))
		err = give_name(r->moved, r->kept);
	*is_done = is_old(r, r->kept);
	return err;
}

static void
tell_recovered(const char *target, const struct record *r, struct output *out)
{
	if (!r)
		output_note(
		    out, "a restore was killed before it replaced %s, which is as it was", target);
	else if (r->number)
		output_note(out,
		    "a restore was killed after it had replaced %s; what was there before is %s",
		    target, r->kept);
	else
		output_note(out, "a restore was killed after it had made %s", target);
}

/* What is in the folder of work is of a killed swap. */
static enum im_err
recover_locked(const char *stage, const char *target, struct output *out)
{
	struct record r;
	bool is_done = false;
	enum im_err err;

	/* Nothing was done yet, or all is done. */
	if (rmdir(stage) == 0)
		return IM_OK;
	err = read_record(stage, &r);
	if (err == IM_OK)
		err = finish(&r, &is_done);
	else if (err == IM_ERR_NOT_FOUND)
		err = IM_OK;
	if (err != IM_OK)
		return err;
	tell_recovered(target, is_done ? &r : NULL, out);
	remove_work(stage);
	return IM_OK;
}

/* Locks the folder of work; a descriptor that is closed by the caller. */
static enum im_err
lock_stage(const char *stage, const char *target, int *fd)
{
	*fd = open(stage, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0)
		return errno == ENOENT ? IM_ERR_NOT_FOUND
				       : err_set_errno(IM_ERR_IO, "cannot open", stage);
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return IM_OK;
	close(*fd);
	*fd = -1;
	return err_set(IM_ERR_LOCKED, "another restore of %s is at work", target);
}

enum im_err
cold_swap_recover(const char *target, struct output *out)
{
	char stage[PATH_MAX];
	int fd = -1;
	enum im_err err = append(stage, target, COLD_STAGE_SUFFIX);

	if (err == IM_OK)
		err = lock_stage(stage, target, &fd);
	if (err == IM_ERR_NOT_FOUND)
		return IM_OK;
	if (err != IM_OK)
		return err;
	err = recover_locked(stage, target, out);
	close(fd);
	return err;
}

/* ---- The swap ---- */

/* Whether the target can be exchanged at all is found out before any work. */
static enum im_err
check_target(struct cold_swap *w)
{
	char parent[PATH_MAX];
	struct stat above;
	char *slash;

	w->has_old = lstat(w->target, &w->old) == 0;
	if (!w->has_old)
		return errno == ENOENT ? IM_OK
				       : err_set_errno(IM_ERR_IO, "cannot look at", w->target);
	snprintf(parent, sizeof parent, "%s", w->target);
	slash = strrchr(parent, '/');
	slash[slash == parent] = '\0';
	if (stat(parent, &above) != 0)
		return err_set_errno(IM_ERR_IO, "cannot look at", parent);
	if (above.st_dev != w->old.st_dev)
		return err_set(IM_ERR_CONFIG,
		    "%s is a mount point, which cannot be replaced: restore to a folder in it",
		    w->target);
	if (access(w->kept, F_OK) == 0)
		return err_set(IM_ERR_EXISTS, "%s is there already", w->kept);
	return IM_OK;
}

/* Whether the file system can exchange folders: tried with two empty ones. */
static enum im_err
try_exchange(const struct cold_swap *w)
{
	char a[PATH_MAX], b[PATH_MAX];
	enum im_err err = join(a, w->stage, "a");

	if (err == IM_OK)
		err = join(b, w->stage, "b");
	if (err == IM_OK &&
	    (mkdir(a, FOLDER_MODE_PRIVATE) != 0 || mkdir(b, FOLDER_MODE_PRIVATE) != 0))
		err = err_set_errno(
		    errno == ENOSPC ? IM_ERR_NO_SPACE : IM_ERR_IO, "cannot write in", w->stage);
	if (err == IM_OK && renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) != 0)
		err = err_set(IM_ERR_CONFIG,
		    "the file system of %s cannot exchange two folders in one step: rename that folder "
		    "and restore again",
		    w->target);
	(void)rmdir(a);
	(void)rmdir(b);
	return err;
}

enum im_err
cold_swap_begin(struct cold_swap *w, const char *target, const char *kept, struct output *out)
{
	enum im_err err = cold_swap_recover(target, out);

	*w = (struct cold_swap){.target = target, .stage_fd = -1};
	if (err == IM_OK)
		err = append(w->kept, kept, "");
	if (err == IM_OK)
		err = check_target(w);
	if (err == IM_OK)
		err = append(w->stage, target, COLD_STAGE_SUFFIX);
	if (err != IM_OK)
		return err;
	if (mkdir(w->stage, FOLDER_MODE_PRIVATE) != 0)
		return err_set_errno(
		    errno == ENOSPC ? IM_ERR_NO_SPACE : IM_ERR_IO, "cannot make", w->stage);
	err = lock_stage(w->stage, target, &w->stage_fd);
	if (err == IM_OK)
		err = join(w->fresh, w->stage, FRESH_NAME);
	return err == IM_OK && w->has_old ? try_exchange(w) : err;
}

static enum im_err
fail_exchange(const struct cold_swap *w, const char *from)
{
	return err_set(IM_ERR_IO, "error renaming %s to %s during restore: %s", from, w->target,
	    strerror(errno));
}

/* The target was not there. */
static enum im_err
put_new(const struct cold_swap *w, const char *from)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, w->target, RENAME_NOREPLACE) != 0 &&
	    (errno != EINVAL || rename(from, w->target) != 0))
		return fail_exchange(w, from);
	return file_sync_parent(w->target);
}

/* The target changes places with the new folder, and is renamed. */
static enum im_err
exchange(struct cold_swap *w, const char *from)
{
	enum im_err err;

	if (renameat2(AT_FDCWD, from, AT_FDCWD, w->target, RENAME_EXCHANGE) != 0)
		return fail_exchange(w, from);
	w->has_old_inside = true;
	err = file_sync_parent(w->target);
	if (err == IM_OK)
		err = give_name(from, w->kept);
	if (err == IM_OK || renameat2(AT_FDCWD, from, AT_FDCWD, w->target, RENAME_EXCHANGE) == 0)
		w->has_old_inside = false;
	return err;
}

enum im_err
cold_swap_run(struct cold_swap *w, const char *root)
{
	char from[PATH_MAX];
	enum im_err err = *root ? join(from, w->fresh, root) : append(from, w->fresh, "");

	if (err == IM_OK)
		err = write_record(w, from);
	if (err != IM_OK)
		return err;
	return w->has_old ? exchange(w, from) : put_new(w, from);
}

void
cold_swap_end(struct cold_swap *w)
{
	if (w->stage_fd < 0)
		return;
	/* What could neither be put back nor renamed is dealt with by the next swap. */
	if (!w->has_old_inside)
		remove_work(w->stage);
	close(w->stage_fd);
	w->stage_fd = -1;
}
