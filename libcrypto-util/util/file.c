/*
 * Small files, made durable in one step; locks; where states live. Neighbours: options, log,
 * daemon, the client library's trusted state.
 *
 * Invariants: a file is never seen half-written; no descriptor outlives its function except a
 * lock's, and none is inherited by a child; what is read is bounded before it is kept.
 */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_READ_STEP 65536u
#define FILE_MAX_PATH 4096u

static enum im_err
file_errno(const char *what, const char *path)
{
	enum im_err err = IM_ERR_IO;

	if (errno == ENOENT)
		err = IM_ERR_NOT_FOUND;
	else if (errno == ENOSPC || errno == EDQUOT)
		err = IM_ERR_NO_SPACE;
	return err_set_errno(err, what, path);
}

/* Reads into out up to max_bytes, or up to the first line end when line is wanted. */
static enum im_err
file_read_fd(int fd, const char *path, size_t max_bytes, bool line, struct buf *out)
{
	size_t start = out->len;
	uint8_t beyond;

	for (;;) {
		size_t left = max_bytes - (out->len - start);
		size_t want = left < FILE_READ_STEP ? left : FILE_READ_STEP;
		/* With all room used, one more byte tells too much from just enough. */
		uint8_t *p = want ? buf_reserve(out, want) : &beyond;
		ssize_t n;

		if (!p)
			return err_set(out->err, "%s: %s", path,
			    out->err == IM_ERR_NOMEM ? "out of memory" : "too large");
		n = read(fd, p, want ? want : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_errno("read", path);
		if (n == 0)
			return IM_OK;
		if (!want)
			return err_set(IM_ERR_LIMIT, "%s: larger than %zu bytes", path, max_bytes);
		out->len += (size_t)n;
		if (line && memchr(p, '\n', (size_t)n))
			return IM_OK;
	}
}

static enum im_err
file_read_mode(const char *path, size_t max_bytes, bool line, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum im_err err;

	if (fd < 0)
		return file_errno("open", path);
	err = file_read_fd(fd, path, max_bytes, line, out);
	close(fd);
	return err;
}

enum im_err
file_read(const char *path, size_t max_bytes, struct buf *out)
{
	return file_read_mode(path, max_bytes, false, out);
}

enum im_err
file_read_open(int fd, const char *name, size_t max_bytes, struct buf *out)
{
	return file_read_fd(fd, name, max_bytes, false, out);
}

enum im_err
file_read_line(const char *path, size_t max_bytes, struct buf *out)
{
	size_t start = out->len, len;
	const uint8_t *first, *end;
	/* A line end may follow the longest line. */
	enum im_err err = file_read_mode(path, max_bytes + 2, true, out);

	if (err == IM_ERR_LIMIT)
		return err_set(err, "%s: line longer than %zu bytes", path, max_bytes);
	if (err)
		return err;
	first = out->data + start;
	len = out->len - start;
	end = len ? (const uint8_t *)memchr(first, '\n', len) : NULL;
	len = end ? (size_t)(end - first) : len;
	if (len && first[len - 1] == '\r')
		len--;
	explicit_bzero(out->data + start + len, out->len - start - len);
	out->len = start + len;
	if (len > max_bytes)
		return err_set(IM_ERR_LIMIT, "%s: line longer than %zu bytes", path, max_bytes);
	if (len == 0)
		return err_set(IM_ERR_FORMAT, "%s: the first line is empty", path);
	if (memchr(first, 0, len))
		return err_set(IM_ERR_FORMAT, "%s: the first line holds a NUL byte", path);
	return IM_OK;
}

static enum im_err
file_write_all(int fd, const char *path, struct bytes content)
{
	while (content.len) {
		ssize_t n = write(fd, content.data, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_errno("write", path);
		content = bytes_of(content.data + n, content.len - (size_t)n);
	}
	if (fsync(fd) != 0)
		return file_errno("fsync", path);
	return IM_OK;
}

/* What is neither a file nor a link to one must not be renamed away: /dev/null is everybody's. */
static enum im_err
check_replaceable(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return IM_OK;
	return err_set(IM_ERR_IO, "%s: not a regular file", path);
}

enum im_err
file_replace(const char *path, struct bytes content)
{
	char temp[FILE_MAX_PATH];
	enum im_err err = check_replaceable(path);
	int fd, n;

	if (err)
		return err;
	n = snprintf(temp, sizeof temp, "%s.XXXXXX", path);
	if (n < 0 || (size_t)n >= sizeof temp)
		return err_set(IM_ERR_LIMIT, "%s: path too long", path);
	/* The mode is 0600 from birth. */
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return file_errno("create", path);
	err = file_write_all(fd, temp, content);
	if (close(fd) != 0 && !err)
		err = file_errno("close", temp);
	if (!err && rename(temp, path) != 0)
		err = file_errno("rename", path);
	if (err)
		unlink(temp);
	return err ? err : file_sync_parent(path);
}

enum im_err
file_make_folder(const char *path)
{
	char part[FILE_MAX_PATH];
	size_t len = strlen(path);
	struct stat st;
	int failed;

	if (len == 0 || len >= sizeof part)
		return err_set(IM_ERR_LIMIT, "%s: path empty or too long", path);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		part[i] = '\0';
		failed = mkdir(part, FOLDER_MODE_PRIVATE) != 0 ? errno : 0;
		if (failed && failed != EEXIST && (stat(part, &st) != 0 || !S_ISDIR(st.st_mode))) {
			errno = failed;
			return file_errno("create folder", part);
		}
		part[i] = path[i];
	}
	if (stat(path, &st) != 0)
		return file_errno("stat", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(IM_ERR_IO, "%s: not a folder", path);
	return IM_OK;
}

/* Copies the folder part of path, "." when it has none. */
static enum im_err
file_parent(const char *path, char out[FILE_MAX_PATH])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len >= FILE_MAX_PATH)
		return err_set(IM_ERR_LIMIT, "%s: path too long", path);
	memcpy(out, path, len);
	out[len] = '\0';
	if (len == 0)
		memcpy(out, slash ? "/" : ".", 2);
	return IM_OK;
}

enum im_err
file_make_parent(const char *path)
{
	char parent[FILE_MAX_PATH];
	enum im_err err = file_parent(path, parent);

	return err ? err : file_make_folder(parent);
}

enum im_err
file_sync_parent(const char *path)
{
	char parent[FILE_MAX_PATH];
	enum im_err err = file_parent(path, parent);
	int fd;

	if (err)
		return err;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return file_errno("open", parent);
	if (fsync(fd) != 0)
		err = file_errno("fsync", parent);
	close(fd);
	return err;
}

enum im_err
file_lock(const char *path, bool wait, int *fd)
{
	int r;

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE_PRIVATE);
	if (*fd < 0)
		return file_errno("open", path);
	do
		r = flock(*fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
	while (r != 0 && errno == EINTR);
	if (r == 0)
		return IM_OK;
	r = errno;
	file_unlock(fd);
	errno = r;
	if (r == EWOULDBLOCK)
		return err_set(IM_ERR_LOCKED, "%s: in use by another process", path);
	return file_errno("lock", path);
}

void
file_unlock(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- Whose it is ---- */

#define FILE_OWNER_TEXT \
	"wrong owner of %s: it has to be user id %ld, which runs this, and is user id %ld"

enum im_err
file_check_owner(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? IM_OK : file_errno("stat", path);
	if (st.st_uid == geteuid())
		return IM_OK;
	return err_set(IM_ERR_PERMISSION, FILE_OWNER_TEXT, path, (long)geteuid(), (long)st.st_uid);
}

static enum im_err
wrong_owner(const char *path, const struct stat *st, const char *folder)
{
	return err_set(IM_ERR_PERMISSION,
	    FILE_OWNER_TEXT ": run it as that user, or give it the folder: chown -R %ld %s", path,
	    (long)geteuid(), (long)st->st_uid, (long)geteuid(), folder);
}

/* The files by these names that are there; *found is whether there are any. */
static enum im_err
check_names(const char *folder, const char *const *names, bool *found)
{
	char path[FILE_MAX_PATH];
	struct stat st;
	int n;

	for (; *names; names++) {
		n = snprintf(path, sizeof path, "%s/%s", folder, *names);
		if (n < 0 || (size_t)n >= sizeof path)
			return err_set(IM_ERR_LIMIT, "%s: path too long", folder);
		if (lstat(path, &st) != 0)
			continue;
		*found = true;
		if (st.st_uid != geteuid())
			return wrong_owner(path, &st, folder);
	}
	return IM_OK;
}

enum im_err
file_check_folder_owner(const char *folder, const char *const *names)
{
	bool in_use = false, is_root = geteuid() == 0;
	struct stat st;
	enum im_err err;

	if (stat(folder, &st) != 0)
		return errno == ENOENT ? IM_OK : file_errno("stat", folder);
	/* Who owns neither is shown the folder, which is the one to be given away. */
	err = check_names(folder, names, &in_use);
	if (st.st_uid == geteuid() || (err == IM_OK && in_use && is_root))
		return err;
	if (is_root || faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
		return wrong_owner(folder, &st, folder);
	return err;
}

enum im_err
file_join(struct buf *out, const char *folder, const char *name)
{
	size_t len = strlen(folder);

	buf_append(out, folder, len);
	if (len && folder[len - 1] != '/')
		buf_append_u8(out, '/');
	buf_append_str(out, name);
	if (buf_append_u8(out, 0))
		out->len--;
	return out->err;
}

enum im_err
file_state_folder(struct buf *out)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && state[0] == '/')
		return file_join(out, state, "immudb");
	if (home && home[0] == '/')
		return file_join(out, home, ".local/state/immudb");
	return err_set(IM_ERR_CONFIG, "neither XDG_STATE_HOME nor HOME is set to an absolute path");
}
