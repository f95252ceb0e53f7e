/*
 * What is checked before a backup or a restore touches anything. Neighbours: admin_cold_backup.c,
 * admin_cold_restore.c.
 */
#include "cold_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/prompt.h"

#define STAMP_SIZE 32
#define NAMES_OF_A_SECOND 100

enum im_err
cold_place_name(const char *begin, const char *end, char out[PATH_MAX])
{
	time_t now = (time_t)clock_wall_s();
	char stamp[STAMP_SIZE], number[16] = "";
	struct stat st;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%d_%H-%M-%S", &tm);
	for (int i = 2; i < NAMES_OF_A_SECOND; i++) {
		if (snprintf(out, PATH_MAX, "%s%s%s%s", begin, stamp, number, end) >= PATH_MAX)
			return err_set(IM_ERR_ARGUMENT, "the path %s is too long", begin);
		if (lstat(out, &st) != 0 && errno == ENOENT)
			return IM_OK;
		snprintf(number, sizeof number, "_%d", i);
	}
	return err_set(IM_ERR_EXISTS, "%s is there already", out);
}

/* ---- The data folder ---- */

enum im_err
cold_place_check_owner(const char *path)
{
	return geteuid() == 0 ? IM_OK : file_check_owner(path);
}

/* The absolute path of what is not there yet, in a folder that is. */
static enum im_err
resolve_new(const char *path, char out[PATH_MAX])
{
	char copy[PATH_MAX], parent[PATH_MAX];
	size_t n = strlen(path);
	char *slash;

	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n >= sizeof copy)
		return err_set(IM_ERR_ARGUMENT, "the path of the data folder is too long");
	memcpy(copy, path, n);
	copy[n] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (!realpath(!slash ? "." : *copy ? copy : "/", parent))
		return err_set_errno(
		    IM_ERR_NOT_FOUND, "cannot find the folder for", slash ? copy : ".");
	n = (size_t)snprintf(out, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent,
	    slash ? slash + 1 : copy);
	return n < PATH_MAX ? IM_OK
			    : err_set(IM_ERR_ARGUMENT, "the path of the data folder is too long");
}

/*
 * A folder of something else must not be moved away because of a wrong path, nor get a lock file.
 */
static enum im_err
check_content(const char *dir)
{
	static const char *const ours[] = {"immudb.lock", "immudb.sqlite", "systemdb"};
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;
	bool is_ours = false, is_empty = true;
	DIR *d = opendir(dir);

	for (size_t i = 0; fd >= 0 && i < sizeof ours / sizeof *ours; i++)
		is_ours |= faccessat(fd, ours[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	while (d && is_empty && (e = readdir(d)) != NULL)
		is_empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (fd >= 0)
		close(fd);
	if (!d)
		return err_set_errno(IM_ERR_IO, "cannot read", dir);
	closedir(d);
	return is_ours || is_empty
	    ? IM_OK
	    : err_set(IM_ERR_ARGUMENT, "%s is not a data folder: there is no database in it", dir);
}

static enum im_err
check_not_here(const char *dir, const char *verb)
{
	char here[PATH_MAX];
	size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	if (!realpath(".", here))
		return err_set_errno(IM_ERR_IO, "cannot find", "the working folder");
	if (strncmp(here, dir, n) != 0 || (here[n] != '\0' && here[n] != '/'))
		return IM_OK;
	return err_set(IM_ERR_ARGUMENT,
	    "cannot %s the current directory, please specify a subdirectory, for example ./data",
	    verb);
}

enum im_err
cold_place_data(const struct session *s, bool must_exist, char out[PATH_MAX])
{
	const char *path = options_string(s->options, "dbdir");
	struct stat st;
	bool is_there = false;
	enum im_err err = IM_OK;

	if (!realpath(path, out)) {
		if (errno != ENOENT || must_exist)
			return err_set_errno(errno == ENOENT ? IM_ERR_NOT_FOUND : IM_ERR_IO,
			    "cannot find the data folder", path);
		err = resolve_new(path, out);
	} else if (stat(out, &st) != 0) {
		err = err_set_errno(IM_ERR_IO, "cannot look at", out);
	} else if (!S_ISDIR(st.st_mode)) {
		err = err_set(IM_ERR_ARGUMENT, "%s is not a directory", out);
	} else {
		is_there = true;
	}
	if (err == IM_OK)
		err = check_not_here(out, s->call->command->name);
	if (err == IM_OK)
		err = cold_place_check_owner(out);
	return err == IM_OK && is_there ? check_content(out) : err;
}

/* ---- This machine ---- */

static bool
same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (!b || a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		    ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 &&
	    memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		&((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
		sizeof(struct in6_addr)) == 0;
}

static bool
is_loopback(const struct sockaddr *a)
{
	const uint8_t *v4 =
	    (const uint8_t *)&((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr;

	if (a->sa_family == AF_INET)
		return v4[0] == IN_LOOPBACKNET;
	return a->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static bool
is_of_interface(const struct sockaddr *a, const struct ifaddrs *interfaces)
{
	for (; interfaces; interfaces = interfaces->ifa_next)
		if (same_address(a, interfaces->ifa_addr))
			return true;
	return false;
}

/* Whether all addresses of a name are of this machine. */
static bool
is_local(const char *host)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL, *a;
	struct ifaddrs *interfaces = NULL;
	bool local = true;

	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return false;
	if (getifaddrs(&interfaces) != 0)
		interfaces = NULL;
	for (a = list; a && local; a = a->ai_next)
		local = is_loopback(a->ai_addr) || is_of_interface(a->ai_addr, interfaces);
	freeifaddrs(interfaces);
	freeaddrinfo(list);
	return local;
}

enum im_err
cold_place_check_local(const struct session *s)
{
	const char *host = options_string(s->options, "immudb-address");

	if (*options_string(s->options, "immudb-socket") || is_local(host))
		return IM_OK;
	return err_set(IM_ERR_ARGUMENT,
	    "%s works on the machine of the server only, and %s is not an address of this one",
	    s->call->command->name, host);
}

enum im_err
cold_place_confirm(const struct session *s, const char *question)
{
	if (options_bool(s->options, "yes"))
		return IM_OK;
	if (!isatty(STDIN_FILENO))
		return err_set(IM_ERR_USAGE,
		    "there is nobody to ask: give --yes to %s without a question",
		    s->call->command->name);
	return prompt_confirm(question) ? IM_OK : err_set(IM_ERR_CANCELLED, "Canceled");
}
