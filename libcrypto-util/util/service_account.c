/*
 * The user of the services. Neighbours: service_install (when it is made), service_control (whom a
 * daemon runs as).
 *
 * Invariant: numbers come from the root's own list of users, never from that of the system around
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/service_internal.h"

#define ACCOUNT_LIST "/etc/passwd"
#define ACCOUNT_LINE_MAX 4096

enum im_err
service_account_find(const struct service_place *p, const char *user, struct service_owner *out)
{
	char memory[ACCOUNT_LINE_MAX];
	struct passwd entry, *found = NULL;
	int parent, fd, e;
	FILE *list;
	enum im_err err = service_place_parent(p, ACCOUNT_LIST, &parent);

	if (err)
		return err;
	fd = openat(parent, "passwd", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	e = errno;
	close(parent);
	list = fd < 0 ? NULL : fdopen(fd, "re");
	if (!list) {
		if (fd >= 0)
			close(fd);
		return err_set(e == ENOENT ? IM_ERR_NOT_FOUND : IM_ERR_IO, "%s%s: %s", p->root,
		    ACCOUNT_LIST, strerror(e));
	}
	/* A line that is too long is somebody else's, too. */
	do
		e = fgetpwent_r(list, &entry, memory, sizeof memory, &found);
	while (e == ERANGE || (e == 0 && strcmp(entry.pw_name, user) != 0));
	if (e == 0)
		*out = (struct service_owner){entry.pw_uid, entry.pw_gid};
	(void)fclose(list);
	return e == 0 ? IM_OK : err_set(IM_ERR_NOT_FOUND, "there is no user %s", user);
}

/* Runs the tool that makes users of a sysusers file; IM_ERR_NOT_FOUND where there is none. */
static enum im_err
account_by_sysusers(const struct service_place *p, const char *file)
{
	char root[PATH_MAX + 8], path[PATH_MAX];
	const char *argv[] = {"/usr/bin/systemd-sysusers", root, path, NULL};
	enum im_err err = service_place_inside(p, file, path);

	snprintf(root, sizeof root, "--root=%s", p->root[0] ? p->root : "/");
	if (!err && access(argv[0], X_OK) != 0)
		return IM_ERR_NOT_FOUND;
	return err ? err : service_run_program(argv);
}

static enum im_err
account_by_useradd(const struct service_place *p, const char *user)
{
	const char *argv[] = {"/usr/sbin/useradd", "--prefix", p->root[0] ? p->root : "/",
	    "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/immudb",
	    "--shell", "/usr/sbin/nologin", user, NULL};

	return service_run_program(argv);
}

enum im_err
service_account_make(const struct service_place *p, const char *user)
{
	struct service_owner owner;
	enum im_err err = service_account_find(p, user, &owner);

	if (err != IM_ERR_NOT_FOUND)
		return err;
	err = account_by_sysusers(p, SERVICE_SYSUSERS_FILE);
	return err == IM_ERR_NOT_FOUND ? account_by_useradd(p, user) : err;
}
