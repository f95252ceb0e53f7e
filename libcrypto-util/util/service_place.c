/*
 * Files below a root, made so that they can be taken back. Neighbours: service_install (what is
 * made), service_remove (trees), service_control (which reads and starts what lies there).
 *
 * Invariants: every path is resolved by the kernel with the root as "/", so that no link leads out
 * of it; a file is replaced in one step and the one before is kept until the whole work is done;
 * nothing is written through a link, and what is neither file nor folder is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/file.h"
#include "util/service_internal.h"

#define PLACE_FOLDER_MODE 0755
#define PLACE_PROGRAM_MODE 0755
#define PLACE_COPY_STEP 65536u

/* ---- the root ---- */

enum im_err
service_place_open(struct service_place *p, const char *root)
{
	*p = (struct service_place){.fd = -1};
	if (!root)
		root = "/";
	if (!realpath(root, p->root))
		return err_set_errno(IM_ERR_IO, "root", root);
	p->fd = open(p->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->fd < 0)
		return err_set_errno(IM_ERR_IO, "root", root);
	if (strcmp(p->root, "/") == 0)
		p->root[0] = '\0';
	return IM_OK;
}

void
service_place_close(struct service_place *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

enum im_err
service_place_path(const struct service_place *p, const char *path, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s%s", p->root, path);

	return n > 0 && n < PATH_MAX ? IM_OK : err_set(IM_ERR_LIMIT, "%s: path too long", path);
}

static enum im_err
place_error(const struct service_place *p, const char *what, const char *path)
{
	char shown[PATH_MAX];
	int e = errno;
	enum im_err err = service_place_path(p, path, shown);

	if (err)
		return err;
	if (e == ENOSYS)
		return err_set(IM_ERR_IO, "the kernel is too old: services need Linux 5.6");
	errno = e;
	err = e == ENOENT                ? IM_ERR_NOT_FOUND
	    : e == ENOSPC || e == EDQUOT ? IM_ERR_NO_SPACE
					 : IM_ERR_IO;
	return err_set_errno(err, what, shown);
}

/* Opens a path with the root as "/"; -1 and errno. */
static int
place_open_at(const struct service_place *p, const char *path, uint64_t flags)
{
	struct open_how how = {
	    .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

	/* Resolved from the root's own descriptor, "." is the root itself. */
	while (*path == '/')
		path++;
	return (int)syscall(SYS_openat2, p->fd, *path ? path : ".", &how, sizeof how);
}

static int
place_open_folder(const struct service_place *p, const char *path)
{
	return place_open_at(p, path, O_PATH | O_DIRECTORY);
}

static const char *
place_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* The folder that a path lies in; false when the path is too long. */
static bool
place_folder_of(const char *path, char out[SERVICE_PATH_MAX])
{
	size_t len = (size_t)(place_name(path) - path);

	if (strlen(path) >= SERVICE_PATH_MAX)
		return false;
	memcpy(out, path, len);
	out[len] = '\0';
	return true;
}

enum im_err
service_place_parent(const struct service_place *p, const char *path, int *fd)
{
	char folder[SERVICE_PATH_MAX];

	*fd = -1;
	if (!place_folder_of(path, folder))
		return err_set(IM_ERR_LIMIT, "%s: path too long", path);
	*fd = place_open_folder(p, folder);
	return *fd < 0 ? place_error(p, "open", folder) : IM_OK;
}

enum im_err
service_place_inside(const struct service_place *p, const char *path, char out[PATH_MAX])
{
	struct stat within, outside;
	enum im_err err = service_place_path(p, path, out);
	int fd = err ? -1 : place_open_at(p, path, O_PATH);
	bool same;

	if (err)
		return err;
	if (fd < 0)
		return place_error(p, "open", path);
	same = fstat(fd, &within) == 0 && stat(out, &outside) == 0 &&
	    within.st_dev == outside.st_dev && within.st_ino == outside.st_ino;
	close(fd);
	return same ? IM_OK : err_set(IM_ERR_ARGUMENT, "%s leads out of the root by a link", out);
}

/* ---- taking back ---- */

/* The name that a file has while its replacement may be taken back. */
static bool
place_kept_name(const char *path, char out[SERVICE_PATH_MAX])
{
	int n = snprintf(out, SERVICE_PATH_MAX, ".%s.before", place_name(path));

	return n > 0 && (size_t)n < SERVICE_PATH_MAX;
}

static enum im_err
place_note(struct service_place *p, enum service_undo_kind kind, const char *path)
{
	if (p->undo_count == SERVICE_UNDO_MAX || strlen(path) >= SERVICE_PATH_MAX)
		return err_set(IM_ERR_LIMIT, "too much to take back");
	p->undo[p->undo_count].kind = kind;
	strcpy(p->undo[p->undo_count++].path, path);
	return IM_OK;
}

static void
place_take_back(struct service_place *p, enum service_undo_kind kind, const char *path)
{
	char kept[SERVICE_PATH_MAX];
	int fd;

	if (service_place_parent(p, path, &fd))
		return;
	if (kind == SERVICE_UNDO_FOLDER)
		(void)unlinkat(fd, place_name(path), AT_REMOVEDIR);
	else if (kind == SERVICE_UNDO_FILE)
		(void)unlinkat(fd, place_name(path), 0);
	else if (place_kept_name(path, kept))
		(void)renameat(fd, kept, fd, place_name(path));
	close(fd);
}

void
service_place_undo(struct service_place *p)
{
	while (p->undo_count) {
		p->undo_count--;
		place_take_back(p, p->undo[p->undo_count].kind, p->undo[p->undo_count].path);
	}
}

void
service_place_keep(struct service_place *p)
{
	char kept[SERVICE_PATH_MAX];
	int fd;

	for (; p->undo_count; p->undo_count--) {
		const char *path = p->undo[p->undo_count - 1].path;

		if (p->undo[p->undo_count - 1].kind != SERVICE_UNDO_REPLACED ||
		    service_place_parent(p, path, &fd))
			continue;
		if (place_kept_name(path, kept))
			(void)unlinkat(fd, kept, 0);
		close(fd);
	}
}

/* ---- folders ---- */

static enum im_err
place_dress(int fd, mode_t mode, struct service_owner owner)
{
	if (fchown(fd, owner.uid, owner.gid) != 0 || fchmod(fd, mode) != 0)
		return IM_ERR_IO;
	return IM_OK;
}

/* Makes one folder that is not there; its parent is. */
static enum im_err
place_make_folder(
    struct service_place *p, const char *path, mode_t mode, struct service_owner owner)
{
	int parent, fd = -1;
	enum im_err err = service_place_parent(p, path, &parent);

	if (err)
		return err;
	/* Nobody gets in before it belongs to its owner. */
	if (mkdirat(parent, place_name(path), 0700) != 0)
		err = place_error(p, "create folder", path);
	if (!err)
		err = place_note(p, SERVICE_UNDO_FOLDER, path);
	if (!err) {
		fd = openat(
		    parent, place_name(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || place_dress(fd, mode, owner) != IM_OK)
			err = place_error(p, "give owner and mode to", path);
	}
	if (fd >= 0)
		close(fd);
	close(parent);
	return err;
}

static enum im_err
place_check_owner(
    const struct service_place *p, const char *path, int fd, struct service_owner owner)
{
	char shown[PATH_MAX];
	struct stat st;

	if (owner.uid == (uid_t)-1)
		return IM_OK;
	if (fstat(fd, &st) != 0)
		return place_error(p, "stat", path);
	if (st.st_uid == owner.uid || service_place_path(p, path, shown))
		return IM_OK;
	return err_set(IM_ERR_ARGUMENT,
	    "%s belongs to uid %ld, but the service runs as uid %ld: chown -R %ld:%ld it first",
	    shown, (long)st.st_uid, (long)owner.uid, (long)owner.uid, (long)owner.gid);
}

enum im_err
service_place_folder(struct service_place *p, const char *path, mode_t mode,
    struct service_owner owner, bool wants_owner)
{
	static const struct service_owner nobody = {(uid_t)-1, (gid_t)-1};
	char above[SERVICE_PATH_MAX];
	size_t len;
	int fd = place_open_folder(p, path);
	enum im_err err = IM_OK;

	if (fd >= 0) {
		err = wants_owner ? place_check_owner(p, path, fd, owner) : IM_OK;
		close(fd);
		return err;
	}
	if (errno != ENOENT)
		return place_error(p, "open", path);
	if (!place_folder_of(path, above))
		return err_set(IM_ERR_LIMIT, "%s: path too long", path);
	len = strlen(above);
	if (len > 1) {
		above[len - 1] = '\0';
		/* No deeper than the path has slashes. */
		err = service_place_folder(p, above, PLACE_FOLDER_MODE, nobody, false);
	}
	return err ? err : place_make_folder(p, path, mode, owner);
}

/* ---- files ---- */

static enum im_err
place_check_file(const struct service_place *p, int parent, const char *path)
{
	char shown[PATH_MAX];
	struct stat st;
	enum im_err err = service_place_path(p, path, shown);

	if (err)
		return err;
	if (fstatat(parent, place_name(path), &st, AT_SYMLINK_NOFOLLOW) != 0)
		return place_error(p, "stat", path);
	if (S_ISLNK(st.st_mode))
		return err_set(
		    IM_ERR_ARGUMENT, "%s is a symbolic link, which is left alone", shown);
	if (!S_ISREG(st.st_mode))
		return err_set(IM_ERR_ARGUMENT, "%s is no regular file", shown);
	return IM_OK;
}

enum im_err
service_place_has_file(const struct service_place *p, const char *path)
{
	int parent;
	enum im_err err = service_place_parent(p, path, &parent);

	if (err)
		return err;
	err = place_check_file(p, parent, path);
	close(parent);
	return err;
}

/* Puts a finished file of another name into its place, and notes how to take that back. */
static enum im_err
place_rename(struct service_place *p, int parent, const char *from, const char *path)
{
	char kept[SERVICE_PATH_MAX];
	enum im_err err = place_check_file(p, parent, path);
	bool is_new = err == IM_ERR_NOT_FOUND;

	if (err && !is_new)
		return err;
	if (!place_kept_name(path, kept))
		return err_set(IM_ERR_LIMIT, "%s: name too long", path);
	err = place_note(p, is_new ? SERVICE_UNDO_FILE : SERVICE_UNDO_REPLACED, path);
	if (err)
		return err;
	if (!is_new) {
		(void)unlinkat(parent, kept, 0);
		if (linkat(parent, place_name(path), parent, kept, 0) != 0)
			err = place_error(p, "keep a copy of", path);
	}
	if (!err && renameat(parent, from, parent, place_name(path)) != 0)
		err = place_error(p, "write", path);
	/* Nothing was replaced, so there is nothing to be put back. */
	if (err)
		p->undo_count--;
	return err;
}

static enum im_err
place_write_all(int fd, struct bytes content)
{
	while (content.len) {
		ssize_t n = write(fd, content.data, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return IM_ERR_IO;
		content = bytes_of(content.data + n, content.len - (size_t)n);
	}
	return IM_OK;
}

static enum im_err
place_write_copy(int to, int from)
{
	uint8_t step[PLACE_COPY_STEP];
	ssize_t n;

	for (;;) {
		n = read(from, step, sizeof step);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? IM_OK : IM_ERR_IO;
		if (place_write_all(to, bytes_of(step, (size_t)n)) != IM_OK)
			return IM_ERR_IO;
	}
}

/* What a new file is made of: content, or another file. */
struct place_source {
	struct bytes content;
	int from; /* -1: content */
	mode_t mode;
	struct service_owner owner;
};

static enum im_err
place_fill(int fd, const struct place_source *source)
{
	enum im_err err = source->from < 0 ? place_write_all(fd, source->content)
					   : place_write_copy(fd, source->from);

	if (!err)
		err = place_dress(fd, source->mode, source->owner);
	return err || fsync(fd) != 0 ? IM_ERR_IO : IM_OK;
}

static enum im_err
place_write(struct service_place *p, const char *path, const struct place_source *source)
{
	char folder[SERVICE_PATH_MAX], temp[SERVICE_PATH_MAX];
	const struct service_owner nobody = {(uid_t)-1, (gid_t)-1};
	int parent = -1, fd;
	enum im_err err;

	if (!place_folder_of(path, folder) ||
	    snprintf(temp, sizeof temp, ".%s.new", place_name(path)) >= (int)sizeof temp)
		return err_set(IM_ERR_LIMIT, "%s: path too long", path);
	folder[strlen(folder) - 1] = '\0';
	err = service_place_folder(p, folder, PLACE_FOLDER_MODE, nobody, false);
	if (!err)
		err = service_place_parent(p, path, &parent);
	if (err)
		return err;
	(void)unlinkat(parent, temp, 0);
	fd = openat(parent, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || place_fill(fd, source) != IM_OK)
		err = place_error(p, "write", path);
	if (fd >= 0 && close(fd) != 0 && !err)
		err = place_error(p, "write", path);
	if (!err)
		err = place_rename(p, parent, temp, path);
	if (err)
		(void)unlinkat(parent, temp, 0);
	close(parent);
	return err;
}

enum im_err
service_place_write(struct service_place *p, const char *path, struct bytes content, mode_t mode,
    struct service_owner owner)
{
	return place_write(p, path, &(struct place_source){content, -1, mode, owner});
}

enum im_err
service_place_copy(struct service_place *p, const char *path, int from)
{
	const struct service_owner nobody = {(uid_t)-1, (gid_t)-1};

	return place_write(
	    p, path, &(struct place_source){{NULL, 0}, from, PLACE_PROGRAM_MODE, nobody});
}

enum im_err
service_place_link(struct service_place *p, const char *path, const char *target)
{
	const struct service_owner nobody = {(uid_t)-1, (gid_t)-1};
	char folder[SERVICE_PATH_MAX];
	int parent = -1;
	enum im_err err;

	if (!place_folder_of(path, folder))
		return err_set(IM_ERR_LIMIT, "%s: path too long", path);
	folder[strlen(folder) - 1] = '\0';
	err = service_place_folder(p, folder, PLACE_FOLDER_MODE, nobody, false);
	if (!err)
		err = service_place_parent(p, path, &parent);
	if (err)
		return err;
	if (symlinkat(target, parent, place_name(path)) == 0)
		err = place_note(p, SERVICE_UNDO_FILE, path);
	else if (errno != EEXIST)
		err = place_error(p, "link", path);
	close(parent);
	return err;
}

enum im_err
service_place_read(
    const struct service_place *p, const char *path, size_t max_bytes, struct buf *out)
{
	int parent, fd;
	enum im_err err = service_place_parent(p, path, &parent);

	if (err)
		return err;
	err = place_check_file(p, parent, path);
	if (!err) {
		fd = openat(
		    parent, place_name(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		err = fd < 0 ? place_error(p, "open", path)
			     : file_read_open(fd, path, max_bytes, out);
		if (fd >= 0)
			close(fd);
	}
	close(parent);
	return err;
}
