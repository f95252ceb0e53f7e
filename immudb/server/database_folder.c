/*
 * Folders of databases: naming, recognizing and removing them. databases.c decides when; store/
 * makes and fills them.
 *
 * Invariant: only what the metadata file names is ever removed; that is never a link, nor anything
 * outside the data folder.
 */
#include "server/database_folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"
#include "util/file.h"

/* What is kept of a long name when a number follows. */
#define FOLDER_STEM 120
#define FOLDER_NUMBER_MAX 9999u
/* Descriptors that walking a tree may use. */
#define FOLDER_WALK_FDS 16

enum im_err
database_folder_choose(const char *dir, const char *name, char out[META_DATABASE_MAX + 1])
{
	char path[VFS_PATH_MAX];
	struct stat st;
	unsigned i;
	enum im_err err;

	snprintf(out, META_DATABASE_MAX + 1, "%s", name);
	for (i = 1; i <= FOLDER_NUMBER_MAX; i++) {
		err = vfs_path(path, dir, out);
		if (err != IM_OK)
			return err;
		if (lstat(path, &st) != 0)
			return IM_OK;
		snprintf(out, META_DATABASE_MAX + 1, "%.*s_%u", FOLDER_STEM, name, i);
	}
	return err_set(IM_ERR_EXISTS, "no name left for a folder of database %s", name);
}

enum im_err
database_folder_is_marked(const char *dir, const char *folder, bool *marked)
{
	char path[VFS_PATH_MAX], marker[VFS_PATH_MAX] = "";
	enum im_err err = vfs_path(path, dir, folder);

	*marked = false;
	if (err == IM_OK)
		err = vfs_path(marker, path, STORE_MARKER_NAME);
	if (err != IM_OK)
		return err;
	*marked = access(marker, F_OK) == 0;
	if (*marked || errno == ENOENT || errno == ENOTDIR)
		return IM_OK;
	/* That it cannot be looked at does not mean that nothing is there. */
	err = errno == EACCES ? file_check_owner(path) : IM_OK;
	return err == IM_OK ? err_set_errno(IM_ERR_IO, "look at", marker) : err;
}

static int
folder_remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

enum im_err
database_folder_remove(const char *dir, const char *folder)
{
	char path[VFS_PATH_MAX];
	enum im_err err = vfs_path(path, dir, folder);

	if (err != IM_OK)
		return err;
	if (nftw(path, folder_remove_one, FOLDER_WALK_FDS, FTW_DEPTH | FTW_PHYS) != 0 &&
	    errno != ENOENT)
		return err_set_errno(IM_ERR_IO, "cannot remove", path);
	return file_sync_parent(path);
}
