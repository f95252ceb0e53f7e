/*
 * Reading a folder file by file. Neighbours: cold_pack.c saves a data folder, cold_unpack.c reads a
 * backup that is a folder.
 *
 * Invariants: every file is opened below the folder it was found in, and no link is followed, so
 * that what is read is in the folder even when somebody changes it meanwhile; what is opened is
 * looked at, not what had the name before.
 */
#include "cold_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cold_manifest.h"

#define SERVER_LOCK_NAME "immudb.lock"

struct walking {
	const struct cold_tree *tree;
	const char *dir;
	bool is_backup;
};

static enum im_err walk_folder(const struct walking *w, int fd, const char *path);

static enum im_err
fail(const struct walking *w, const char *path)
{
	return err_set(IM_ERR_IO, "cannot read %s/%s: %s", w->dir, path, strerror(errno));
}

static bool
is_left_out(const struct walking *w, const char *path)
{
	static const char *const names[] = {
	    SERVER_LOCK_NAME, COLD_BEGIN_NAME, COLD_MANIFEST_NAME, "lost+found"};

	for (size_t i = 0; !w->is_backup && i < sizeof names / sizeof *names; i++)
		if (strcmp(path, names[i]) == 0)
			return true;
	return false;
}

static enum im_err
refuse(const struct walking *w, const char *path, mode_t mode)
{
	return err_set(IM_ERR_FORMAT, "%s/%s is %s: only files and folders can be in a backup",
	    w->dir, path,
	    S_ISLNK(mode)        ? "a link"
		: S_ISFIFO(mode) ? "a pipe"
				 : "a device");
}

/* A file or folder that is open; closes it. */
static enum im_err
visit_open(const struct walking *w, int fd, const char *path)
{
	const struct cold_tree *t = w->tree;
	enum im_err err = IM_OK;
	struct stat st;

	if (fstat(fd, &st) != 0)
		err = fail(w, path);
	else if (S_ISDIR(st.st_mode))
		err = t->folder ? t->folder(t->ctx, path) : IM_OK;
	else if (!S_ISREG(st.st_mode))
		err = refuse(w, path, st.st_mode);
	else if (t->file)
		err = t->file(t->ctx, path, fd, (uint64_t)st.st_size);
	if (err == IM_OK && S_ISDIR(st.st_mode))
		return walk_folder(w, fd, path);
	close(fd);
	return err;
}

static enum im_err
visit(const struct walking *w, int folder, const char *name, const char *path)
{
	struct stat st;
	int fd;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return fail(w, path);
	if (S_ISSOCK(st.st_mode) || is_left_out(w, path)) {
		if (w->tree->left_out)
			w->tree->left_out(w->tree->ctx, path);
		return IM_OK;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return refuse(w, path, st.st_mode);
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? fail(w, path) : visit_open(w, fd, path);
}

static int
is_entry(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum im_err
visit_name(const struct walking *w, int folder, const char *path, const char *name)
{
	char joined[COLD_PATH_MAX + COLD_NAME_MAX + 2], clean[COLD_PATH_MAX];
	enum im_err err;

	snprintf(joined, sizeof joined, "%s%s%s", path, *path ? "/" : "", name);
	err = cold_name_clean(bytes_str(joined), clean);
	return err == IM_OK ? visit(w, folder, name, clean) : err;
}

/* Closes fd. */
static enum im_err
walk_folder(const struct walking *w, int fd, const char *path)
{
	struct dirent **names = NULL;
	int n = scandirat(fd, ".", &names, is_entry, compare_names);
	enum im_err err = n < 0 ? fail(w, path) : IM_OK;

	for (int i = 0; i < n; i++) {
		if (err == IM_OK)
			err = visit_name(w, fd, path, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	close(fd);
	return err;
}

enum im_err
cold_tree_walk(const char *dir, bool is_backup, const struct cold_tree *tree)
{
	struct walking w = {tree, dir, is_backup};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set_errno(IM_ERR_IO, "cannot read", dir);
	/* cppcheck-suppress resourceLeak; walk_folder() closes it. */
	return walk_folder(&w, fd, "");
}
