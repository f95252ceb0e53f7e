/*
 * Writing a backup. Neighbours: cold_tree.c reads the data folder, cold_folder.c writes a copy that
 * is a folder, libarchive one that is an archive.
 *
 * Invariants: a backup has another name until it is whole and on the disk; the process that writes
 * holds a lock on it, so that what is left of a dead one can be told from the work of a living one;
 * the digest of a file is of the bytes that went into the backup.
 */
#include "cold_pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cold_folder.h"
#include "cold_signals.h"
#include "cold_tree.h"
#include "util/clock.h"
#include "util/file.h"

#define BLOCK_BYTES (256u * 1024)
/* The server waits; a better level is slower by far and saves little of what is mostly hashes. */
#define GZIP_LEVEL "gzip:compression-level=1"
#define BEGIN_TEXT "immudb backup 1\n"
#define PROGRESS_STEP (64u * 1024 * 1024)

struct packing {
	const struct cold_pack *p;
	char partial[PATH_MAX];
	const char *prefix; /* in an archive */
	struct archive *archive;
	struct cold_folder folder;
	bool as_folder;
	int fd; /* of what is written, locked */
	struct hash_stream *hash;
	uint8_t *block;
	uint64_t done, shown; /* bytes */
};

static enum im_err
fail_archive(const struct packing *k)
{
	int e = archive_errno(k->archive);
	const char *text = archive_error_string(k->archive);
	bool is_full = e == ENOSPC || e == EDQUOT || e == EFBIG;

	return err_set(is_full ? IM_ERR_NO_SPACE : IM_ERR_IO, "cannot write %s: %s", k->partial,
	    is_full || !text ? strerror(e) : text);
}

/* ---- One file ---- */

static enum im_err
begin_entry(struct packing *k, const char *path, uint64_t size, mode_t type)
{
	char name[PATH_MAX + COLD_PATH_MAX];
	struct archive_entry *entry = archive_entry_new();
	int status;

	if (!entry)
		return IM_ERR_NOMEM;
	snprintf(name, sizeof name, "%s%s%s", k->prefix, *path ? "/" : "", path);
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, type == AE_IFDIR ? FOLDER_MODE_PRIVATE : FILE_MODE_PRIVATE);
	archive_entry_set_size(entry, (int64_t)size);
	archive_entry_set_mtime(entry, (time_t)clock_wall_s(), 0);
	archive_entry_set_uid(entry, (int64_t)geteuid());
	archive_entry_set_gid(entry, (int64_t)getegid());
	status = archive_write_header(k->archive, entry);
	archive_entry_free(entry);
	return status == ARCHIVE_OK ? IM_OK : fail_archive(k);
}

/* A piece of the file that is being written. */
static enum im_err
put_piece(struct packing *k, struct bytes piece)
{
	enum im_err err = cold_signals_check();

	if (err != IM_OK)
		return err;
	k->done += piece.len;
	if (k->done - k->shown >= PROGRESS_STEP) {
		k->shown = k->done;
		output_progress(k->p->out, "%llu MiB", (unsigned long long)(k->done >> 20));
	}
	if (k->as_folder)
		return cold_folder_write(&k->folder, k->folder.at, piece);
	hash_stream_add(k->hash, piece);
	return archive_write_data(k->archive, piece.data, piece.len) == (la_ssize_t)piece.len
	    ? IM_OK
	    : fail_archive(k);
}

static enum im_err
begin_file(struct packing *k, const char *path, uint64_t size)
{
	return k->as_folder ? cold_folder_open(&k->folder, path, size)
			    : begin_entry(k, path, size, AE_IFREG);
}

/* Ends a file, which is in the manifest from here on. */
static enum im_err
end_file(struct packing *k, const char *path, uint64_t size)
{
	struct cold_file f = {.path = path, .size = size};

	if (k->as_folder) {
		enum im_err err = cold_folder_close(&k->folder);

		f.digest = k->folder.file.digest;
		return err == IM_OK ? cold_list_add(&k->p->manifest->files, &f) : err;
	}
	hash_stream_end(k->hash, &f.digest);
	return cold_list_add(&k->p->manifest->files, &f);
}

static enum im_err
copy_content(struct packing *k, int fd, const char *path, uint64_t size)
{
	enum im_err err = IM_OK;
	uint64_t left = size;

	while (err == IM_OK && left) {
		ssize_t n = read(fd, k->block, left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(
			    IM_ERR_IO, "cannot read %s/%s: %s", k->p->dir, path, strerror(errno));
		if (n == 0)
			return err_set(IM_ERR_IO,
			    "%s/%s gets shorter while it is read: is it in use?", k->p->dir, path);
		err = put_piece(k, bytes_of(k->block, (size_t)n));
		left -= (uint64_t)n;
	}
	return err;
}

static enum im_err
on_file(void *ctx, const char *path, int fd, uint64_t size)
{
	struct packing *k = (struct packing *)ctx;
	enum im_err err = begin_file(k, path, size);

	if (err == IM_OK)
		err = copy_content(k, fd, path, size);
	return err == IM_OK ? end_file(k, path, size) : err;
}

static enum im_err
on_folder(void *ctx, const char *path)
{
	struct packing *k = (struct packing *)ctx;

	if (k->as_folder)
		return *path ? cold_folder_make(&k->folder, path) : IM_OK;
	return begin_entry(k, path, 0, AE_IFDIR);
}

static void
on_left_out(void *ctx, const char *path)
{
	struct packing *k = (struct packing *)ctx;

	if (strcmp(path, "lost+found") == 0)
		output_note(k->p->out, "%s/%s is not in the backup", k->p->dir, path);
}

/* A small file of our own, which is not in the manifest. */
static enum im_err
put_text(struct packing *k, const char *path, struct bytes text)
{
	enum im_err err = begin_file(k, path, text.len);

	if (err == IM_OK)
		err = put_piece(k, text);
	if (err == IM_OK && k->as_folder)
		err = cold_folder_close(&k->folder);
	return err;
}

static enum im_err
put_manifest(struct packing *k)
{
	struct buf text;
	enum im_err err = cold_list_sort(&k->p->manifest->files);

	buf_init(&text, COLD_MANIFEST_BYTES_MAX);
	if (err == IM_OK)
		err = cold_manifest_write(k->p->manifest, &text);
	if (err == IM_OK)
		err = put_text(k, COLD_MANIFEST_NAME, buf_bytes(&text));
	buf_free(&text);
	return err;
}

static enum im_err
put_all(struct packing *k)
{
	struct cold_tree tree = {on_folder, on_file, on_left_out, k};
	struct hash ignored;
	enum im_err err = k->as_folder ? IM_OK : begin_entry(k, "", 0, AE_IFDIR);

	if (err == IM_OK)
		err = put_text(k, COLD_BEGIN_NAME, bytes_str(BEGIN_TEXT));
	/* The digest of an archive's next file begins here. */
	hash_stream_end(k->hash, &ignored);
	if (err == IM_OK)
		err = cold_tree_walk(k->p->dir, false, &tree);
	return err == IM_OK ? put_manifest(k) : err;
}

/* ---- The whole ---- */

static enum im_err
open_archive(struct packing *k)
{
	k->fd = open(
	    k->partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE_PRIVATE);
	if (k->fd < 0)
		return err_set_errno(
		    errno == ENOSPC ? IM_ERR_NO_SPACE : IM_ERR_IO, "cannot make", k->partial);
	if (flock(k->fd, LOCK_EX | LOCK_NB) != 0)
		return err_set_errno(IM_ERR_IO, "cannot lock", k->partial);
	k->archive = archive_write_new();
	if (!k->archive)
		return IM_ERR_NOMEM;
	if (archive_write_set_format_pax_restricted(k->archive) != ARCHIVE_OK ||
	    archive_write_add_filter_gzip(k->archive) != ARCHIVE_OK ||
	    archive_write_set_options(k->archive, GZIP_LEVEL) != ARCHIVE_OK ||
	    archive_write_open_fd(k->archive, k->fd) != ARCHIVE_OK)
		return fail_archive(k);
	return IM_OK;
}

static enum im_err
close_archive(struct packing *k)
{
	if (archive_write_close(k->archive) != ARCHIVE_OK)
		return fail_archive(k);
	if (fsync(k->fd) != 0)
		return err_set_errno(
		    errno == ENOSPC ? IM_ERR_NO_SPACE : IM_ERR_IO, "cannot sync", k->partial);
	return IM_OK;
}

static enum im_err
open_folder(struct packing *k)
{
	enum im_err err = cold_folder_begin(&k->folder, k->partial);

	if (err == IM_OK && flock(k->folder.fd, LOCK_EX | LOCK_NB) != 0)
		err = err_set_errno(IM_ERR_IO, "cannot lock", k->partial);
	return err;
}

static enum im_err
write_partial(struct packing *k)
{
	enum im_err err = k->as_folder ? open_folder(k) : open_archive(k);

	if (err == IM_OK)
		err = put_all(k);
	if (err == IM_OK)
		err = k->as_folder ? cold_folder_sync(&k->folder) : close_archive(k);
	return err == IM_OK ? cold_signals_check() : err;
}

static enum im_err
rename_partial(const struct packing *k)
{
	if (renameat2(AT_FDCWD, k->partial, AT_FDCWD, k->p->target, RENAME_NOREPLACE) != 0 &&
	    (errno != EINVAL || rename(k->partial, k->p->target) != 0))
		return err_set_errno(IM_ERR_IO, "cannot make", k->p->target);
	return file_sync_parent(k->p->target);
}

enum im_err
cold_pack(const struct cold_pack *p, bool as_folder)
{
	const char *slash = strrchr(p->dir, '/');
	struct packing k = {.p = p,
	    .as_folder = as_folder,
	    .prefix = slash ? slash + 1 : p->dir,
	    .fd = -1,
	    .folder = {.fd = -1, .file_fd = -1},
	    .hash = hash_stream_new(),
	    .block = (uint8_t *)malloc(BLOCK_BYTES)};
	enum im_err err = k.hash && k.block ? IM_OK : IM_ERR_NOMEM;
	bool is_new = false;

	if ((size_t)snprintf(k.partial, sizeof k.partial, "%s" COLD_PARTIAL_SUFFIX, p->target) >=
	    sizeof k.partial)
		err = err_set(IM_ERR_ARGUMENT, "the path of the backup is too long");
	if (err == IM_OK) {
		err = write_partial(&k);
		is_new = k.fd >= 0 || k.folder.fd >= 0;
	}
	if (err == IM_OK)
		err = rename_partial(&k);
	output_progress(p->out, "%s", "");
	if (err != IM_OK && is_new)
		cold_folder_remove(k.partial);
	if (k.archive)
		archive_write_free(k.archive);
	if (k.fd >= 0)
		close(k.fd);
	cold_folder_end(&k.folder);
	hash_stream_free(k.hash);
	free(k.block);
	return err;
}

/* ---- What a kill left ---- */

static bool
is_abandoned(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool is_free = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return is_free;
}

size_t
cold_pack_clean(const char *folder, const char *base, struct output *out)
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	char path[PATH_MAX];
	size_t count = 0;

	while (d && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name), end = sizeof COLD_PARTIAL_SUFFIX - 1;

		if (len <= end || strncmp(e->d_name, base, strlen(base)) != 0 ||
		    strcmp(e->d_name + len - end, COLD_PARTIAL_SUFFIX) != 0 ||
		    (size_t)snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >=
			sizeof path ||
		    !is_abandoned(path))
			continue;
		cold_folder_remove(path);
		count++;
		output_note(out, "removed %s, which a backup left that was killed", path);
	}
	if (d)
		closedir(d);
	return count;
}
