/*
 * Removing files below a root. Neighbours: service_place (making them).
 *
 * Invariants: everything is removed by its name in a folder that is open, so that nobody who may
 * write there can have us remove something elsewhere; no link is followed and no other file system
 * entered.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/service_internal.h"

#define REMOVE_DEPTH_MAX 32

static const char *
remove_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

static enum im_err
remove_error(const struct service_place *p, const char *path)
{
	char shown[PATH_MAX];
	int e = errno;
	enum im_err err = service_place_path(p, path, shown);

	errno = e;
	return err ? err : err_set_errno(IM_ERR_IO, "remove", shown);
}

enum im_err
service_place_remove(const struct service_place *p, const char *path)
{
	int parent;
	enum im_err err = service_place_parent(p, path, &parent);

	if (err)
		return err == IM_ERR_NOT_FOUND ? IM_OK : err;
	if (unlinkat(parent, remove_name(path), 0) != 0 && errno != ENOENT)
		err = remove_error(p, path);
	close(parent);
	return err;
}

void
service_place_remove_empty(const struct service_place *p, const char *path)
{
	int parent;

	if (service_place_parent(p, path, &parent))
		return;
	(void)unlinkat(parent, remove_name(path), AT_REMOVEDIR);
	close(parent);
}

static bool remove_content(int fd, dev_t device, unsigned int depth);

/* Removes an entry of a folder; false with errno. */
static bool
remove_entry(int folder, const char *name, dev_t device, unsigned int depth)
{
	int fd;
	bool done;

	if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return false;
	fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* Takes the descriptor. */
	done = remove_content(fd, device, depth + 1);
	return done && unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

/* Removes what is in an open folder, whose descriptor is closed; false with errno. */
static bool
remove_content(int fd, dev_t device, unsigned int depth)
{
	struct stat st;
	struct dirent *entry;
	bool done = true;
	DIR *list;
	int e = 0;

	if (depth > REMOVE_DEPTH_MAX || fstat(fd, &st) != 0 || st.st_dev != device) {
		e = depth > REMOVE_DEPTH_MAX ? ELOOP : EXDEV;
		close(fd);
		errno = e;
		return false;
	}
	list = fdopendir(fd);
	if (!list) {
		close(fd);
		return false;
	}
	while (done && (entry = readdir(list)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			done = remove_entry(fd, entry->d_name, device, depth);
	e = errno;
	closedir(list);
	errno = e;
	return done;
}

enum im_err
service_place_remove_tree(const struct service_place *p, const char *path)
{
	char shown[PATH_MAX];
	struct stat st;
	int parent, fd;
	enum im_err err = service_place_parent(p, path, &parent);

	if (err)
		return err == IM_ERR_NOT_FOUND ? IM_OK : err;
	fd = openat(parent, remove_name(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		err = IM_OK;
	else if (fd < 0 && (errno == ELOOP || errno == ENOTDIR) &&
	    !service_place_path(p, path, shown))
		err = err_set(
		    IM_ERR_ARGUMENT, "%s is no folder, or a link to one, and is left alone", shown);
	else if (fd < 0 || fstat(fd, &st) != 0)
		err = remove_error(p, path);
	else if (!remove_content(fd, st.st_dev, 0) ||
	    /* Somebody else's file system stays mounted, empty. */
	    (unlinkat(parent, remove_name(path), AT_REMOVEDIR) != 0 && errno != EBUSY))
		err = remove_error(p, path);
	close(parent);
	return err;
}
