/*
 * Installing a service and removing it. Neighbours: service_place (files that can be taken back),
 * service_account (the user), service_control (systemctl, stopping).
 *
 * Invariants: what must be so is checked before anything is written; what was written is taken back
 * when anything behind it fails; what is somebody else's is replaced on request only, and never
 * removed; data are removed on request only.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/service_internal.h"

#define INSTALL_STATE_MODE 0700
#define INSTALL_LOGS_MODE 0750
#define INSTALL_CONFIG_FOLDER_MODE 0755
#define INSTALL_CONFIG_MODE 0640
#define INSTALL_FILE_MODE 0644

/* As nobody but root may give files away, everything stays the caller's otherwise. */
static const struct service_owner install_caller = {(uid_t)-1, (gid_t)-1};

/* An installation that goes on. */
struct install {
	struct service_install *in;
	struct service_place place;
	const char *folder;                           /* where the programs will be */
	const char *copies[SERVICE_PROGRAMS_MAX + 1]; /* which are copied there; NULL-terminated */
	char own_folder[PATH_MAX];                    /* where we are */
	char unit_path[SERVICE_PATH_MAX], config_path[SERVICE_PATH_MAX];
	char manual_path[SERVICE_PATH_MAX]; /* "": none is written */
	struct service_owner user;          /* immu */
	struct buf unit;
};

static void
install_path(char out[SERVICE_PATH_MAX], const char *before, const char *name, const char *behind)
{
	assert(name);
	snprintf(out, SERVICE_PATH_MAX, "%s%s%s", before, name, behind);
}

static void
install_manual_path(char out[SERVICE_PATH_MAX], const struct service_def *def)
{
	install_path(out, SERVICE_MANUAL_FOLDER "/", def->programs[0], ".8");
}

/* ---- checks ---- */

/* Whether a folder is one where programs of the system are. */
static const char *
install_system_folder(const char *folder)
{
	static const char *const folders[] = {
	    "/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin"};

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (strcmp(folders[i], folder) == 0)
			return folders[i];
	return NULL;
}

/* Finds out where we are: programs stay where they are if that is a folder of the system. */
static enum im_err
install_find_folder(struct install *i)
{
	size_t root_len = strlen(i->place.root);
	ssize_t n = readlink("/proc/self/exe", i->own_folder, sizeof i->own_folder - 1);
	char *slash;

	if (n <= 0)
		return err_set_errno(IM_ERR_IO, "read", "/proc/self/exe");
	i->own_folder[n] = '\0';
	slash = strrchr(i->own_folder, '/');
	*slash = '\0';
	i->folder = strncmp(i->own_folder, i->place.root, root_len) == 0
	    ? install_system_folder(i->own_folder + root_len)
	    : NULL;
	i->in->program_is_copy = i->folder == NULL;
	if (!i->folder)
		i->folder = SERVICE_PROGRAM_FOLDER;
	return IM_OK;
}

/* Opens a program beside us; -1. Ourselves whatever we are called. */
static int
install_open_program(const struct install *i, size_t number)
{
	char path[PATH_MAX];
	struct stat st;
	int fd,
	    n = snprintf(path, sizeof path, "%s/%s", i->own_folder, i->in->def->programs[number]);

	if (n < 0 || (size_t)n >= sizeof path)
		return -1;
	fd = open(number == 0 ? "/proc/self/exe" : path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Which programs are to be copied, and which are not there. */
static void
install_choose_copies(struct install *i)
{
	size_t count = 0;
	int fd;

	for (size_t k = 0; i->in->def->programs[k]; k++) {
		fd = install_open_program(i, k);
		if (fd < 0)
			snprintf(
			    i->in->missing, sizeof i->in->missing, "%s", i->in->def->programs[k]);
		else if (i->in->program_is_copy)
			i->copies[count++] = i->in->def->programs[k];
		if (fd >= 0)
			close(fd);
	}
}

/* A unit that is there: ours is replaced, somebody else's only on request. */
static enum im_err
install_check_unit(struct install *i)
{
	char found[SERVICE_PATH_MAX], shown[PATH_MAX];
	struct buf unit;
	enum im_err err;

	buf_init(&unit, SERVICE_UNIT_MAX);
	err = service_unit_find(&i->place, i->in->def->name, found, &unit);
	if (!err && !service_unit_is_ours(buf_bytes(&unit)) && !i->in->force) {
		err = service_place_path(&i->place, found, shown);
		if (!err)
			err = err_set(IM_ERR_EXISTS,
			    "%s was not made by \"service install\", and is left alone without "
			    "--force: if it is a package's, put the settings into %s, and run "
			    "\"systemctl enable --now %s\"",
			    shown, i->config_path, i->in->def->name);
	}
	buf_free(&unit);
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

/*
 * Whether any unit of ours says that this path is a copy made for it, the service left out
 * excepted.
 */
static bool
install_is_copy(const struct service_place *p, const char *path, const struct service_def *left_out)
{
	char unit_path[SERVICE_PATH_MAX];
	struct buf unit;
	bool found = false;

	buf_init(&unit, SERVICE_UNIT_MAX);
	for (size_t k = 0; k < service_count && !found; k++) {
		buf_clear(&unit);
		install_path(unit_path, SERVICE_UNIT_FOLDER "/", service_table[k].name, ".service");
		found = &service_table[k] != left_out &&
		    !service_place_read(p, unit_path, SERVICE_UNIT_MAX, &unit) &&
		    service_unit_has_copy(buf_bytes(&unit), path);
	}
	buf_free(&unit);
	return found;
}

/* A program that is there: our copy is replaced, somebody else's only on request. */
static enum im_err
install_check_programs(struct install *i)
{
	char path[SERVICE_PATH_MAX], shown[PATH_MAX], folder[SERVICE_PATH_MAX];
	enum im_err err = IM_OK;

	install_path(folder, i->folder, "/", "");
	for (size_t k = 0; i->copies[k] && !err; k++) {
		install_path(path, folder, i->copies[k], "");
		err = service_place_has_file(&i->place, path);
		if (err == IM_ERR_NOT_FOUND) {
			err = IM_OK;
			continue;
		}
		if (err || i->in->force || install_is_copy(&i->place, path, NULL))
			continue;
		err = service_place_path(&i->place, path, shown);
		if (!err)
			err = err_set(IM_ERR_EXISTS,
			    "%s was not put there by \"service install\", and is left alone without "
			    "--force",
			    shown);
	}
	return err;
}

/* The manual page comes with a copied program, unless somebody else has put one there. */
static void
install_choose_manual(struct install *i)
{
	if (!i->in->program_is_copy || !i->in->manual.len)
		return;
	install_manual_path(i->manual_path, i->in->def);
	if (service_place_has_file(&i->place, i->manual_path) != IM_ERR_NOT_FOUND &&
	    !install_is_copy(&i->place, i->manual_path, NULL))
		i->manual_path[0] = '\0';
}

static enum im_err
install_check(struct install *i)
{
	enum im_err err = install_find_folder(i);

	install_path(i->unit_path, SERVICE_UNIT_FOLDER "/", i->in->def->name, ".service");
	install_path(i->config_path, SERVICE_CONFIG_FOLDER "/", i->in->def->programs[0], ".toml");
	if (!err)
		err = install_check_unit(i);
	if (err)
		return err;
	install_choose_copies(i);
	install_choose_manual(i);
	err = install_check_programs(i);
	if (!err)
		err = service_place_has_file(&i->place, i->config_path);
	i->in->config_is_kept = err == IM_OK;
	return err == IM_ERR_NOT_FOUND ? IM_OK : err;
}

/* ---- making ---- */

/* Files of all services: ours to write unless they are there. */
static enum im_err
install_shared_file(struct install *i, const char *path, struct bytes content)
{
	enum im_err err = service_place_has_file(&i->place, path);

	if (err != IM_ERR_NOT_FOUND)
		return err;
	return service_place_write(&i->place, path, content, INSTALL_FILE_MODE, install_caller);
}

static enum im_err
install_user(struct install *i)
{
	char user[SERVICE_USER_MAX];
	enum im_err err = install_shared_file(i, SERVICE_SYSUSERS_FILE, service_sysusers());

	i->user = install_caller;
	if (err || geteuid() != 0)
		return err;
	err = service_unit_value(buf_bytes(&i->unit), "User", user, sizeof user);
	if (!err)
		err = service_account_make(&i->place, user);
	return err ? err : service_account_find(&i->place, user, &i->user);
}

static enum im_err
install_folders(struct install *i)
{
	char path[SERVICE_PATH_MAX];
	enum im_err err = service_place_folder(
	    &i->place, SERVICE_CONFIG_FOLDER, INSTALL_CONFIG_FOLDER_MODE, install_caller, false);

	install_path(path, "/var/lib/", i->in->def->name, "");
	if (!err)
		err = service_place_folder(&i->place, path, INSTALL_STATE_MODE, i->user, true);
	install_path(path, "/var/log/", i->in->def->name, "");
	return err ? err : service_place_folder(&i->place, path, INSTALL_LOGS_MODE, i->user, true);
}

static enum im_err
install_programs(struct install *i)
{
	char path[SERVICE_PATH_MAX], folder[SERVICE_PATH_MAX];
	enum im_err err = IM_OK;
	size_t copied = 0;
	int fd;

	install_path(folder, i->folder, "/", "");
	for (size_t k = 0; i->in->def->programs[k] && i->copies[copied] && !err; k++) {
		if (i->in->def->programs[k] != i->copies[copied])
			continue;
		install_path(path, folder, i->copies[copied++], "");
		fd = install_open_program(i, k);
		if (fd < 0)
			return err_set_errno(IM_ERR_IO, "open", i->in->def->programs[k]);
		err = service_place_copy(&i->place, path, fd);
		close(fd);
	}
	return err;
}

/* The settings belong to root, and the service may read them. */
static enum im_err
install_config(struct install *i)
{
	struct service_owner owner = {(uid_t)-1, i->user.gid};

	if (i->in->config_is_kept)
		return IM_OK;
	return service_place_write(
	    &i->place, i->config_path, i->in->config, INSTALL_CONFIG_MODE, owner);
}

static enum im_err
install_enable(struct install *i)
{
	char path[SERVICE_PATH_MAX];
	enum im_err err;

	if (i->in->root) {
		install_path(path, SERVICE_WANTS_FOLDER "/", i->in->def->name, ".service");
		return service_place_link(&i->place, path, i->unit_path);
	}
	err = service_systemctl("daemon-reload", NULL);
	return err ? err : service_systemctl("enable", i->in->def->name);
}

static enum im_err
install_manual(struct install *i)
{
	if (!i->manual_path[0])
		return IM_OK;
	return service_place_write(
	    &i->place, i->manual_path, i->in->manual, INSTALL_FILE_MODE, install_caller);
}

/* The unit, with what is copied for it. */
static enum im_err
install_write_unit(struct install *i)
{
	char paths[SERVICE_PROGRAMS_MAX][SERVICE_PATH_MAX], folder[SERVICE_PATH_MAX];
	const char *copies[SERVICE_PROGRAMS_MAX + 2] = {NULL};
	size_t count = 0;

	install_path(folder, i->folder, "/", "");
	for (; i->copies[count]; count++) {
		install_path(paths[count], folder, i->copies[count], "");
		copies[count] = paths[count];
	}
	if (i->manual_path[0])
		copies[count] = i->manual_path;
	return service_unit_write(i->in->def, i->folder, copies, &i->unit);
}

static enum im_err
install_make(struct install *i)
{
	enum im_err err = install_write_unit(i);

	if (!err)
		err = install_user(i);
	/* What is killed behind this is found by its mark, and installed again. */
	if (!err)
		err = service_place_write(&i->place, i->unit_path, buf_bytes(&i->unit),
		    INSTALL_FILE_MODE, install_caller);
	if (!err)
		err = install_folders(i);
	if (!err)
		err = install_programs(i);
	if (!err)
		err = install_manual(i);
	if (!err)
		err = install_config(i);
	if (!err)
		err = install_shared_file(i, SERVICE_LOGROTATE_FILE, service_logrotate());
	return err ? err : install_enable(i);
}

/* Takes everything back; what went wrong stays what is told. */
static void
install_take_back(struct install *i, enum im_err err)
{
	char told[1024];

	snprintf(told, sizeof told, "%s", err_detail(err));
	service_place_undo(&i->place);
	if (!i->in->root)
		(void)service_systemctl("daemon-reload", NULL);
	(void)err_set(err, "%s", told);
}

/* Makes all of it, or takes it back; a signal that would end us in the middle waits. */
static enum im_err
install_whole(struct install *i)
{
	sigset_t wait, before;
	enum im_err err;

	sigemptyset(&wait);
	sigaddset(&wait, SIGINT);
	sigaddset(&wait, SIGTERM);
	sigaddset(&wait, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &wait, &before);
	err = install_make(i);
	if (err)
		install_take_back(i, err);
	else
		service_place_keep(&i->place);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

enum im_err
service_install(struct service_install *in)
{
	struct install i = {.in = in, .place = {.fd = -1}};
	mode_t umask_before = umask(0022);
	enum im_err err = service_may_change(in->root);

	buf_init(&i.unit, SERVICE_UNIT_MAX);
	if (!err)
		err = service_place_open(&i.place, in->root);
	if (!err)
		err = install_check(&i);
	if (!err)
		err = install_whole(&i);
	buf_free(&i.unit);
	service_place_close(&i.place);
	(void)umask(umask_before);
	return err;
}

/* ---- removing ---- */

static enum im_err
uninstall_check(const struct service_place *p, const struct service_def *def, struct buf *unit)
{
	char found[SERVICE_PATH_MAX], shown[PATH_MAX];
	enum im_err err = service_unit_find(p, def->name, found, unit);

	if (err || service_unit_is_ours(buf_bytes(unit)))
		return err;
	err = service_place_path(p, found, shown);
	return err ? err
		   : err_set(IM_ERR_EXISTS,
			 "%s was not made by \"service install\": whoever made it, the package "
			 "manager perhaps, is to remove it",
			 shown);
}

/* The copies that no other service needs. */
static enum im_err
uninstall_copies(
    const struct service_place *p, const struct service_def *def, const struct buf *unit)
{
	char path[SERVICE_PATH_MAX];
	enum im_err err = IM_OK;

	for (size_t k = 0; def->programs[k] && !err; k++) {
		install_path(path, SERVICE_PROGRAM_FOLDER "/", def->programs[k], "");
		if (service_unit_has_copy(buf_bytes(unit), path) && !install_is_copy(p, path, def))
			err = service_place_remove(p, path);
	}
	install_manual_path(path, def);
	if (!err && service_unit_has_copy(buf_bytes(unit), path))
		err = service_place_remove(p, path);
	return err;
}

/* Whether another service of ours is installed. */
static bool
uninstall_has_others(const struct service_place *p, const struct service_def *def)
{
	char path[SERVICE_PATH_MAX];
	struct buf unit;
	bool found = false;

	buf_init(&unit, SERVICE_UNIT_MAX);
	for (size_t k = 0; k < service_count && !found; k++) {
		buf_clear(&unit);
		found = &service_table[k] != def &&
		    !service_unit_find(p, service_table[k].name, path, &unit);
	}
	buf_free(&unit);
	return found;
}

/* A file of all services goes with the last one, unless it was changed or is somebody else's. */
static enum im_err
uninstall_shared_file(const struct service_place *p, const char *path, struct bytes content)
{
	struct buf present;
	enum im_err err = IM_OK;

	buf_init(&present, SERVICE_UNIT_MAX);
	if (!service_place_read(p, path, SERVICE_UNIT_MAX, &present) &&
	    present.len == content.len && memcmp(present.data, content.data, content.len) == 0)
		err = service_place_remove(p, path);
	buf_free(&present);
	return err;
}

static enum im_err
uninstall_files(
    const struct service_uninstall *un, const struct service_place *p, const struct buf *unit)
{
	char path[SERVICE_PATH_MAX];
	bool is_last = !uninstall_has_others(p, un->def);
	enum im_err err;

	install_path(path, SERVICE_WANTS_FOLDER "/", un->def->name, ".service");
	err = service_place_remove(p, path);
	if (!err)
		err = uninstall_copies(p, un->def, unit);
	/* The unit goes last: as long as it is there, all this can be done again. */
	install_path(path, SERVICE_UNIT_FOLDER "/", un->def->name, ".service");
	if (!err && is_last)
		err = uninstall_shared_file(p, SERVICE_LOGROTATE_FILE, service_logrotate());
	if (!err && is_last)
		err = uninstall_shared_file(p, SERVICE_SYSUSERS_FILE, service_sysusers());
	return err ? err : service_place_remove(p, path);
}

static enum im_err
uninstall_data(const struct service_uninstall *un, const struct service_place *p)
{
	char path[SERVICE_PATH_MAX];
	enum im_err err;

	install_path(path, "/var/lib/", un->def->name, "");
	err = service_place_remove_tree(p, path);
	install_path(path, "/var/log/", un->def->name, "");
	if (!err)
		err = service_place_remove_tree(p, path);
	install_path(path, SERVICE_CONFIG_FOLDER "/", un->def->programs[0], ".toml");
	if (!err)
		err = service_place_remove(p, path);
	service_place_remove_empty(p, SERVICE_CONFIG_FOLDER);
	return err;
}

static enum im_err
uninstall(const struct service_uninstall *un, const struct service_place *p, const struct buf *unit)
{
	enum im_err err = service_stop(un->def->name, un->root);

	if (!err && !un->root)
		err = service_systemctl("disable", un->def->name);
	if (!err && un->erase)
		err = uninstall_data(un, p);
	if (!err)
		err = uninstall_files(un, p, unit);
	if (!err && !un->root)
		err = service_systemctl("daemon-reload", NULL);
	return err;
}

/* Opens the root, and reads the unit if it is ours. */
static enum im_err
uninstall_open(const struct service_uninstall *un, struct service_place *place, struct buf *unit)
{
	enum im_err err = service_may_change(un->root);

	place->fd = -1;
	buf_init(unit, SERVICE_UNIT_MAX);
	if (!err)
		err = service_place_open(place, un->root);
	return err ? err : uninstall_check(place, un->def, unit);
}

enum im_err
service_uninstall_check(const struct service_uninstall *un, char data[PATH_MAX])
{
	char path[SERVICE_PATH_MAX];
	struct service_place place;
	struct buf unit;
	enum im_err err = uninstall_open(un, &place, &unit);

	install_path(path, "/var/lib/", un->def->name, "");
	if (!err)
		err = service_place_path(&place, path, data);
	buf_free(&unit);
	service_place_close(&place);
	return err;
}

enum im_err
service_uninstall(const struct service_uninstall *un)
{
	struct service_place place;
	struct buf unit;
	enum im_err err = uninstall_open(un, &place, &unit);

	if (!err)
		err = uninstall(un, &place, &unit);
	buf_free(&unit);
	service_place_close(&place);
	return err;
}
