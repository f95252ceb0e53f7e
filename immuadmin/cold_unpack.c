/*
 * Reading a backup. Neighbours: cold_names.c decides which names are safe, cold_folder.c writes
 * below one folder and nowhere else, cold_tree.c reads a backup that is a folder.
 *
 * Invariants: only files and folders come out, whatever else an archive has ends the work; modes,
 * owners, times and attributes in it are not looked at; a warning of libarchive is an error.
 */
#include "cold_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cold_signals.h"
#include "cold_tree.h"
#include "util/file.h"

#define BLOCK_BYTES (256u * 1024)
#define PROGRESS_STEP (64u * 1024 * 1024)
/* By which the library says that it knows no such format. */
#define FORMAT_ERRNO EILSEQ

struct unpacking {
	const char *source;
	struct cold_folder *to;
	struct output *out;
	struct archive *archive;
	uint8_t *block;       /* of a folder */
	uint64_t done, shown; /* bytes */
};

static enum im_err
put_piece(struct unpacking *u, uint64_t offset, struct bytes piece)
{
	enum im_err err = cold_signals_check();

	u->done += piece.len;
	if (u->done - u->shown >= PROGRESS_STEP) {
		u->shown = u->done;
		output_progress(u->out, "%llu MiB", (unsigned long long)(u->done >> 20));
	}
	return err == IM_OK ? cold_folder_write(u->to, offset, piece) : err;
}

/* ---- An archive ---- */

static enum im_err
fail_archive(const struct unpacking *u)
{
	const char *text = archive_error_string(u->archive);
	char shown[COLD_NAME_SHOWN];

	if (archive_errno(u->archive) == FORMAT_ERRNO && u->done == 0 && !u->to->list.count)
		return err_set(IM_ERR_FORMAT,
		    "snapshot %s has unsupported format; supported formats: .tar.gz, .tar or none "
		    "(uncompressed)",
		    u->source);
	return err_set(IM_ERR_FORMAT, "%s cannot be read: %s", u->source,
	    text ? cold_name_show(bytes_str(text), shown) : "it is damaged");
}

static enum im_err
read_content(struct unpacking *u)
{
	const void *data;
	size_t len;
	la_int64_t offset;
	enum im_err err = IM_OK;
	int status = ARCHIVE_OK;

	while (err == IM_OK) {
		status = archive_read_data_block(u->archive, &data, &len, &offset);
		if (status != ARCHIVE_OK)
			break;
		err = offset < 0 ? IM_ERR_FORMAT
				 : put_piece(u, (uint64_t)offset, bytes_of(data, len));
	}
	if (err == IM_OK && status != ARCHIVE_EOF)
		err = fail_archive(u);
	return err;
}

static enum im_err
refuse(const char *path, const char *what)
{
	char shown[COLD_NAME_SHOWN];

	return err_set(IM_ERR_FORMAT, "unsafe entry in the backup: %s is %s",
	    cold_name_show(bytes_str(path), shown), what);
}

static enum im_err
read_file(struct unpacking *u, struct archive_entry *entry, const char *path)
{
	int64_t size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
	enum im_err err;

	if (size < 0 || !*path)
		return refuse(path, "a file without size or name");
	err = cold_folder_open(u->to, path, (uint64_t)size);
	if (err == IM_OK)
		err = read_content(u);
	return err == IM_OK ? cold_folder_close(u->to) : err;
}

static enum im_err
read_entry(struct unpacking *u, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);
	char path[COLD_PATH_MAX];
	enum im_err err = cold_name_clean(bytes_str(name ? name : ""), path);

	if (err != IM_OK)
		return err;
	if (archive_entry_hardlink(entry) || archive_entry_symlink(entry) ||
	    archive_entry_filetype(entry) == AE_IFLNK)
		return refuse(path, "a link");
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return read_file(u, entry, path);
	case AE_IFDIR:
		return *path ? cold_folder_make(u->to, path) : IM_OK;
	default:
		return refuse(path, "neither a file nor a folder");
	}
}

static enum im_err
read_entries(struct unpacking *u)
{
	struct archive_entry *entry;
	enum im_err err = IM_OK;
	int status = ARCHIVE_OK;

	while (err == IM_OK) {
		status = archive_read_next_header(u->archive, &entry);
		if (status != ARCHIVE_OK)
			break;
		err = cold_signals_check();
		if (err == IM_OK)
			err = read_entry(u, entry);
	}
	if (err == IM_OK && status != ARCHIVE_EOF)
		err = fail_archive(u);
	return err;
}

static enum im_err
unpack_archive(struct unpacking *u, int fd)
{
	enum im_err err;

	u->archive = archive_read_new();
	if (!u->archive)
		return IM_ERR_NOMEM;
	if (archive_read_support_filter_gzip(u->archive) != ARCHIVE_OK ||
	    archive_read_support_format_tar(u->archive) != ARCHIVE_OK ||
	    archive_read_open_fd(u->archive, fd, BLOCK_BYTES) != ARCHIVE_OK)
		err = fail_archive(u);
	else
		err = read_entries(u);
	archive_read_free(u->archive);
	return err;
}

/* ---- A folder ---- */

static enum im_err
on_folder(void *ctx, const char *path)
{
	struct unpacking *u = (struct unpacking *)ctx;

	return *path ? cold_folder_make(u->to, path) : IM_OK;
}

static enum im_err
on_file(void *ctx, const char *path, int fd, uint64_t size)
{
	struct unpacking *u = (struct unpacking *)ctx;
	enum im_err err = cold_folder_open(u->to, path, size);
	uint64_t at = 0;

	while (err == IM_OK && at < size) {
		ssize_t n = read(fd, u->block, BLOCK_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(IM_ERR_IO, "cannot read %s/%s: %s", u->source, path,
			    n < 0 ? strerror(errno) : "it gets shorter");
		err = put_piece(u, at, bytes_of(u->block, (size_t)n));
		at += (uint64_t)n;
	}
	return err == IM_OK ? cold_folder_close(u->to) : err;
}

static enum im_err
unpack_folder(struct unpacking *u)
{
	struct cold_tree tree = {on_folder, on_file, NULL, u};
	enum im_err err;

	u->block = (uint8_t *)malloc(BLOCK_BYTES);
	err = u->block ? cold_tree_walk(u->source, true, &tree) : IM_ERR_NOMEM;
	free(u->block);
	return err;
}

enum im_err
cold_unpack(const char *source, struct cold_folder *to, struct output *out)
{
	struct unpacking u = {.source = source, .to = to, .out = out};
	int fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum im_err err;
	struct stat st;

	if (fd < 0)
		return err_set_errno(
		    errno == ENOENT ? IM_ERR_NOT_FOUND : IM_ERR_IO, "cannot read", source);
	if (fstat(fd, &st) != 0)
		err = err_set_errno(IM_ERR_IO, "cannot read", source);
	else if (S_ISDIR(st.st_mode))
		err = unpack_folder(&u);
	else if (S_ISREG(st.st_mode))
		err = unpack_archive(&u, fd);
	else
		err = err_set(IM_ERR_FORMAT, "%s is neither a file nor a folder", source);
	close(fd);
	output_progress(out, "%s", "");
	return err == IM_OK ? cold_list_sort(&to->list) : err;
}

/* ---- What came out ---- */

/* Whether the folder has a database in it, or is one of ours in another way. */
static bool
has_database(const char *folder)
{
	static const char *const names[] = {"systemdb", "immudb.sqlite", COLD_MANIFEST_NAME};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, names[i]) < sizeof path &&
		    access(path, F_OK) == 0)
			return true;
	return false;
}

/* The only entry of a folder, if that is a folder. */
static bool
find_only_folder(const char *folder, char name[COLD_NAME_MAX + 1])
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	size_t count = 0;
	bool is_folder = false;

	while (d && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (++count == 1) {
			struct stat st;

			snprintf(name, COLD_NAME_MAX + 1, "%s", e->d_name);
			is_folder = fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISDIR(st.st_mode);
		}
	}
	if (d)
		closedir(d);
	return count == 1 && is_folder;
}

enum im_err
cold_unpack_root(const char *path, char root[COLD_PATH_MAX])
{
	char here[PATH_MAX], name[COLD_NAME_MAX + 1];
	size_t len = 0;

	root[0] = '\0';
	for (unsigned depth = 0; depth <= COLD_DEPTH_MAX; depth++) {
		if ((size_t)snprintf(here, sizeof here, "%s/%s", path, root) >= sizeof here)
			break;
		if (has_database(here))
			return IM_OK;
		if (!find_only_folder(here, name) || len + strlen(name) + 2 > COLD_PATH_MAX)
			break;
		len +=
		    (size_t)snprintf(root + len, COLD_PATH_MAX - len, "%s%s", len ? "/" : "", name);
	}
	return err_set(IM_ERR_FORMAT, "there is no data folder in the backup");
}

/* The files below root, by their path there, without those that mark a backup. */
static enum im_err
list_below(const struct cold_folder *f, const char *root, struct cold_list *out)
{
	size_t skip = strlen(root) + (*root != '\0');
	enum im_err err = IM_OK;

	for (size_t i = 0; err == IM_OK && i < f->list.count; i++) {
		struct cold_file file = f->list.items[i];

		if (file.is_folder || strlen(file.path) <= skip)
			continue;
		file.path += skip;
		if (strcmp(file.path, COLD_BEGIN_NAME) != 0 &&
		    strcmp(file.path, COLD_MANIFEST_NAME) != 0)
			err = cold_list_add(out, &file);
	}
	return err == IM_OK ? cold_list_sort(out) : err;
}

static enum im_err
check_against(
    const struct cold_folder *f, const char *root, struct bytes text, struct cold_manifest *m)
{
	struct cold_list list;
	enum im_err err = cold_manifest_read(text, m);

	cold_list_init(&list);
	if (err == IM_OK)
		err = list_below(f, root, &list);
	if (err == IM_OK)
		err = cold_manifest_check(m, &list);
	cold_list_free(&list);
	return err;
}

enum im_err
cold_unpack_check(
    const struct cold_folder *f, const char *root, struct cold_manifest *m, bool *has_manifest)
{
	char begin[PATH_MAX], manifest[PATH_MAX];
	struct buf text;
	bool has_begin;
	enum im_err err;

	snprintf(begin, sizeof begin, "%s/%s/" COLD_BEGIN_NAME, f->path, root);
	snprintf(manifest, sizeof manifest, "%s/%s/" COLD_MANIFEST_NAME, f->path, root);
	has_begin = access(begin, F_OK) == 0;
	buf_init(&text, COLD_MANIFEST_BYTES_MAX);
	err = file_read(manifest, COLD_MANIFEST_BYTES_MAX, &text);
	*has_manifest = err != IM_ERR_NOT_FOUND;
	if (err == IM_OK)
		err = check_against(f, root, buf_bytes(&text), m);
	else if (err == IM_ERR_NOT_FOUND)
		err = has_begin
		    ? err_set(IM_ERR_FORMAT, "the backup is cut off: it has no manifest")
		    : IM_OK;
	buf_free(&text);
	(void)unlink(begin);
	(void)unlink(manifest);
	return err;
}
