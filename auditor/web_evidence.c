/*
 * Files of the evidence folder, for those who fetch them over HTTP: the one place where a name from
 * the network meets the file system. Neighbours: web.c.
 *
 * Invariants: a name is one path component and is opened relative to the folder; no link is
 * followed; what is not a plain file is not there.
 */
#include "web_evidence.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

static const char name_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

bool
web_evidence_is_name(const char *name)
{
	const char *at;

	if (name[0] == '\0' || name[0] == '.' || strlen(name) > NAME_MAX)
		return false;
	for (at = name; *at; at++)
		if (!strchr(name_characters, *at))
			return false;
	return true;
}

/* Opens a plain file of a folder, or -1. A pipe would wait for a writer without O_NONBLOCK. */
static int
open_in(const char *folder, const char *name)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat st;

	if (dir < 0)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	close(dir);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

enum im_err
web_evidence_read(const char *folder, const char *name, struct buf *out)
{
	enum im_err err;
	int fd = web_evidence_is_name(name) ? open_in(folder, name) : -1;

	if (fd < 0)
		return err_set(IM_ERR_NOT_FOUND, "no such evidence");
	err = file_read_open(fd, name, WEB_EVIDENCE_MAX, out);
	close(fd);
	return err;
}
