/*
 * Writing a copy of a data folder. Neighbours: cold_unpack.c and cold_pack.c hand over the files.
 *
 * Invariants: every path came through cold_name_clean(); a file is made with O_EXCL below a folder
 * that this process made and nobody else can enter, so that no link can lead elsewhere; room is
 * reserved before it is filled, so that a full disk shows early, and zeros need no writing; the
 * digest covers what was asked to be written, zeros included.
 */
#include "cold_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

#define BLOCK_BYTES 65536u
#define WALK_FDS 32

static const uint8_t zero_block[BLOCK_BYTES];

static enum im_err
fail(const struct cold_folder *f, const char *what, const char *path)
{
	int e = errno;
	enum im_err err = e == ENOSPC || e == EDQUOT || e == EFBIG ? IM_ERR_NO_SPACE : IM_ERR_IO;

	return err_set(err, "%s: %s/%s: %s", what, f->path, path, strerror(e));
}

enum im_err
cold_folder_begin(struct cold_folder *f, const char *path)
{
	*f = (struct cold_folder){.path = path, .fd = -1, .file_fd = -1};
	cold_list_init(&f->list);
	f->hash = hash_stream_new();
	if (!f->hash)
		return IM_ERR_NOMEM;
	if (mkdir(path, FOLDER_MODE_PRIVATE) != 0)
		return err_set_errno(errno == EEXIST ? IM_ERR_EXISTS
			: errno == ENOSPC            ? IM_ERR_NO_SPACE
						     : IM_ERR_IO,
		    "cannot make", path);
	f->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return f->fd < 0 ? err_set_errno(IM_ERR_IO, "cannot open", path) : IM_OK;
}

/* Makes the folders that path lies in. */
static enum im_err
make_parents(struct cold_folder *f, const char *path)
{
	char part[COLD_PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(part, path, (size_t)(slash - path));
		part[slash - path] = '\0';
		if (mkdirat(f->fd, part, FOLDER_MODE_PRIVATE) != 0 && errno != EEXIST)
			return fail(f, "cannot make", part);
	}
	return IM_OK;
}

/* One name for two files, or for a file and a folder. */
static enum im_err
twice(const char *path)
{
	char shown[COLD_NAME_SHOWN];

	return err_set(
	    IM_ERR_FORMAT, "%s is in the backup twice", cold_name_show(bytes_str(path), shown));
}

enum im_err
cold_folder_make(struct cold_folder *f, const char *path)
{
	struct cold_file entry = {.path = path, .is_folder = true};
	enum im_err err = make_parents(f, path);
	struct stat st;

	if (err == IM_OK && mkdirat(f->fd, path, FOLDER_MODE_PRIVATE) != 0) {
		if (errno != EEXIST)
			return fail(f, "cannot make", path);
		/* A file in it may have come first. */
		if (fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
			return twice(path);
	}
	return err == IM_OK ? cold_list_add(&f->list, &entry) : err;
}

enum im_err
cold_folder_open(struct cold_folder *f, const char *path, uint64_t size)
{
	enum im_err err = make_parents(f, path);
	int e;

	if (err != IM_OK)
		return err;
	f->file_fd = openat(
	    f->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE_PRIVATE);
	if (f->file_fd < 0)
		return errno == EEXIST || errno == ENOTDIR ? twice(path)
							   : fail(f, "cannot make", path);
	snprintf(f->file_path, sizeof f->file_path, "%s", path);
	f->file = (struct cold_file){.path = f->file_path, .size = size};
	f->at = 0;
	if (size > INT64_MAX)
		return err_set(IM_ERR_FORMAT, "%s/%s: a size that no file has", f->path, path);
	do
		e = size ? posix_fallocate(f->file_fd, 0, (off_t)size) : 0;
	while (e == EINTR);
	errno = e;
	if (e == ENOSPC || e == EDQUOT || e == EFBIG)
		return fail(f, "cannot write", path);
	f->is_reserved = e == 0;
	return IM_OK;
}

static enum im_err
write_all(struct cold_folder *f, struct bytes data)
{
	if (f->is_reserved && data.len <= BLOCK_BYTES &&
	    memcmp(data.data, zero_block, data.len) == 0) {
		f->at += data.len;
		return IM_OK;
	}
	while (data.len) {
		ssize_t n = pwrite(f->file_fd, data.data, data.len, (off_t)f->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(f, "cannot write", f->file_path);
		f->at += (uint64_t)n;
		data = bytes_of(data.data + n, data.len - (size_t)n);
	}
	return IM_OK;
}

/* Block by block, so that those of zeros are seen. */
static enum im_err
append(struct cold_folder *f, struct bytes data)
{
	enum im_err err = IM_OK;

	hash_stream_add(f->hash, data);
	while (err == IM_OK && data.len) {
		size_t n = data.len < BLOCK_BYTES ? data.len : BLOCK_BYTES;

		err = write_all(f, bytes_of(data.data, n));
		data = bytes_of(data.data + n, data.len - n);
	}
	return err;
}

static enum im_err
append_zeros(struct cold_folder *f, uint64_t to)
{
	enum im_err err = IM_OK;

	while (err == IM_OK && f->at < to) {
		uint64_t n = to - f->at < BLOCK_BYTES ? to - f->at : BLOCK_BYTES;

		err = append(f, bytes_of(zero_block, (size_t)n));
	}
	return err;
}

enum im_err
cold_folder_write(struct cold_folder *f, uint64_t offset, struct bytes data)
{
	enum im_err err;

	if (offset < f->at || offset > f->file.size || data.len > f->file.size - offset)
		return err_set(
		    IM_ERR_FORMAT, "%s/%s: more data than its size", f->path, f->file_path);
	err = append_zeros(f, offset);
	return err == IM_OK ? append(f, data) : err;
}

enum im_err
cold_folder_close(struct cold_folder *f)
{
	enum im_err err = append_zeros(f, f->file.size);

	hash_stream_end(f->hash, &f->file.digest);
	if (close(f->file_fd) != 0 && err == IM_OK)
		err = fail(f, "cannot write", f->file_path);
	f->file_fd = -1;
	return err == IM_OK ? cold_list_add(&f->list, &f->file) : err;
}

enum im_err
cold_folder_sync(struct cold_folder *f)
{
	if (syncfs(f->fd) != 0)
		return fail(f, "cannot sync", ".");
	return file_sync_parent(f->path);
}

void
cold_folder_end(struct cold_folder *f)
{
	if (f->file_fd >= 0)
		close(f->file_fd);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = f->file_fd = -1;
	hash_stream_free(f->hash);
	f->hash = NULL;
	cold_list_free(&f->list);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	(void)remove(path);
	return 0;
}

void
cold_folder_remove(const char *path)
{
	if (path)
		(void)nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static struct stat new_owner; /* nftw() hands nothing through */

static int
give_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)kind;
	(void)ftw;
	if (st->st_uid == new_owner.st_uid && st->st_gid == new_owner.st_gid)
		return 0;
	return lchown(path, new_owner.st_uid, new_owner.st_gid);
}

enum im_err
cold_folder_give(const char *path, const struct stat *owner)
{
	new_owner = *owner;
	if (nftw(path, give_one, WALK_FDS, FTW_PHYS | FTW_MOUNT) == 0)
		return IM_OK;
	return err_set_errno(IM_ERR_IO, "cannot give away", path);
}
