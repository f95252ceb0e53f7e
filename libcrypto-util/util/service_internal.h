#ifndef UTIL_SERVICE_INTERNAL_H
#define UTIL_SERVICE_INTERNAL_H

#include "util/bytes.h"
#include "util/service.h"

/*
 * Between service_table.c (what services there are), service_unit.c (unit files), service_place.c
 * (files under a root), service_account.c (the user), service_control.c (running),
 * service_install.c and service_command.c (the commands). Not for programs.
 */

#define SERVICE_PROGRAMS_MAX 2
#define SERVICE_WORDS_MAX 64u
#define SERVICE_LINE_MAX 8192u
#define SERVICE_UNIT_MAX (64u * 1024)
#define SERVICE_CONFIG_MAX (1024u * 1024)
#define SERVICE_USER_MAX 64u
#define SERVICE_PROGRAM_FOLDER "/usr/sbin"
#define SERVICE_MANUAL_FOLDER "/usr/share/man/man8"
#define SERVICE_UNIT_FOLDER "/etc/systemd/system"
#define SERVICE_WANTS_FOLDER SERVICE_UNIT_FOLDER "/multi-user.target.wants"
#define SERVICE_CONFIG_FOLDER "/etc/immudb"
#define SERVICE_SYSUSERS_FILE "/etc/sysusers.d/immu.conf"
#define SERVICE_LOGROTATE_FILE "/etc/logrotate.d/immudb"
#define SERVICE_NOT_ROOT \
	"you must have root user privileges. Possibly using 'sudo' command should help"

/* ---- what services there are ---- */

struct service_def {
	const char *name; /* of the unit, and of its folders below /var/lib and /var/log */
	/*
	 * The program, and one that it starts, which it looks for beside itself; NULL-terminated.
	 */
	const char *programs[SERVICE_PROGRAMS_MAX + 1];
	const char
	    *question; /* asked before an installation; yes is what is expected; NULL: none */
	const unsigned char *unit; /* template */
	const size_t *unit_size;
};

extern const struct service_def service_table[];
extern const size_t service_count;

/* The service of this name, or the one that this program is; NULL: none. */
const struct service_def *service_by_name(const char *name);
const struct service_def *service_by_program(const char *program);

/* Files that all services share. */
struct bytes service_sysusers(void);
struct bytes service_logrotate(void);

/* ---- unit files ---- */

/* A command line, split into words. */
struct service_exec {
	char text[SERVICE_LINE_MAX];
	const char
	    *words[SERVICE_WORDS_MAX + 1]; /* NULL-terminated; the first is an absolute path */
	size_t count;
};

/*
 * Appends the unit file of a service whose programs are in folder, with our mark, and with the
 * paths of what was copied for it (a NULL-terminated list).
 */
enum im_err service_unit_write(
    const struct service_def *def, const char *folder, const char *const *copies, struct buf *out);

/* Whether a unit file carries our mark. */
bool service_unit_is_ours(struct bytes unit);

/* Whether it carries our mark and says that this path is a copy, made for it. */
bool service_unit_has_copy(struct bytes unit, const char *path);

/*
 * The value of a setting of the section [Service], as the last line of that name has it, without
 * the blanks around it; NUL-terminated in out. IM_ERR_NOT_FOUND, IM_ERR_FORMAT for one that is
 * continued on another line, or too long.
 */
enum im_err service_unit_value(struct bytes unit, const char *key, char *out, size_t size);

/*
 * Splits the command line of ExecStart by the rules of systemd: blanks, quotes of both kinds,
 * escapes with backslashes, %% for %. IM_ERR_FORMAT for anything that depends on the service
 * manager: other specifiers, variables, marks before the path.
 */
enum im_err service_unit_exec(struct bytes unit, struct service_exec *out);

/* The word after the flag, or behind "flag="; "" without. */
const char *service_exec_flag(const struct service_exec *e, const char *flag);

/* ---- files under a root ---- */

#define SERVICE_UNDO_MAX 48
#define SERVICE_PATH_MAX 256u

/* To whom files belong; -1: to whom creates them. */
struct service_owner {
	uid_t uid;
	gid_t gid;
};

enum service_undo_kind { SERVICE_UNDO_FOLDER, SERVICE_UNDO_FILE, SERVICE_UNDO_REPLACED };

/*
 * A root and what was done there, so that it can be undone. Paths are absolute and mean what they
 * would mean if the root were "/"; links lead nowhere else. A file is never written through a link.
 */
struct service_place {
	int fd;
	char root[PATH_MAX]; /* absolute, without a slash at its end: "" is the system itself */
	size_t undo_count;
	struct {
		enum service_undo_kind kind;
		char path[SERVICE_PATH_MAX];
	} undo[SERVICE_UNDO_MAX];
};

/* Opens a root; NULL is "/". IM_ERR_IO. */
enum im_err service_place_open(struct service_place *p, const char *root);
void service_place_close(struct service_place *p);

/* A path as others see it. IM_ERR_LIMIT. */
enum im_err service_place_path(const struct service_place *p, const char *path, char out[PATH_MAX]);

/* As service_place_path(), and IM_ERR_ARGUMENT when that name leads out of the root by links. */
enum im_err
service_place_inside(const struct service_place *p, const char *path, char out[PATH_MAX]);

/* Opens the folder that a path lies in (O_PATH). IM_ERR_NOT_FOUND, IM_ERR_IO. */
enum im_err service_place_parent(const struct service_place *p, const char *path, int *fd);

/*
 * Makes a folder of this mode and owner, and missing ones above it (0755). One that is there is
 * left as it is; wants_owner: IM_ERR_ARGUMENT when it is another user's.
 */
enum im_err service_place_folder(struct service_place *p, const char *path, mode_t mode,
    struct service_owner owner, bool wants_owner);

/* Writes a file, in a folder that is made if it is missing, whole or not at all. */
enum im_err service_place_write(struct service_place *p, const char *path, struct bytes content,
    mode_t mode, struct service_owner owner);

/* The same with the content of an open file, mode 0755. */
enum im_err service_place_copy(struct service_place *p, const char *path, int from);

/* Makes a symbolic link; one that is there is left. */
enum im_err service_place_link(struct service_place *p, const char *path, const char *target);

/* Appends a file's content. IM_ERR_NOT_FOUND; IM_ERR_ARGUMENT for what is no regular file. */
enum im_err service_place_read(
    const struct service_place *p, const char *path, size_t max_bytes, struct buf *out);

/* IM_OK for a regular file, IM_ERR_NOT_FOUND, IM_ERR_ARGUMENT for a link or anything else. */
enum im_err service_place_has_file(const struct service_place *p, const char *path);

/* Removes a file or a link; one that is not there is no error. */
enum im_err service_place_remove(const struct service_place *p, const char *path);

/* Removes a folder if it is empty. */
void service_place_remove_empty(const struct service_place *p, const char *path);

/*
 * Removes a folder with all that is in it, and follows no link. IM_ERR_ARGUMENT when it is a link
 * itself, or another file system lies in it.
 */
enum im_err service_place_remove_tree(const struct service_place *p, const char *path);

/* Takes back all that was written since the place was opened or kept, the latest first. */
void service_place_undo(struct service_place *p);

/* What was written stays. */
void service_place_keep(struct service_place *p);

/* ---- the user ---- */

/* The numbers of a user in the root's own list of users. IM_ERR_NOT_FOUND, IM_ERR_IO. */
enum im_err
service_account_find(const struct service_place *p, const char *user, struct service_owner *out);

/*
 * Makes the user and group of a sysusers file that has been written, unless they are there: by
 * systemd-sysusers, or else useradd. IM_ERR_IO.
 */
enum im_err service_account_make(const struct service_place *p, const char *user);

/* ---- running ---- */

/* Whether systemd is what runs this system. */
bool service_systemd_runs(void);

/* Runs "systemctl VERB NAME.service" (without a name if it is NULL). IM_ERR_IO when it fails. */
enum im_err service_systemctl(const char *verb, const char *name);

/*
 * IM_OK when what changes services may be done: we are root and systemd runs, or there is a root.
 */
enum im_err service_may_change(const char *root);

/* Where the unit file of a service is, below the root, and its content. IM_ERR_NOT_FOUND. */
enum im_err service_unit_find(
    const struct service_place *p, const char *name, char path[SERVICE_PATH_MAX], struct buf *unit);

/* Runs a program to its end, its output on our standard error. IM_ERR_IO unless it ends with 0. */
enum im_err service_run_program(const char *const *argv);

/* ---- installing ---- */

struct service_install {
	const struct service_def *def;
	const char *root;     /* NULL: the system */
	bool force;           /* replace files that are somebody else's */
	struct bytes config;  /* what a new configuration file has */
	struct bytes manual;  /* page that comes with a copied program; may be empty */
	bool config_is_kept;  /* out: there was one */
	bool program_is_copy; /* out */
	char missing
	    [SERVICE_PATH_MAX]; /* out: a program that it may start and that is not there; or "" */
};

/*
 * Installs a service: user, folders, program, settings, unit, and makes it start with the system.
 * Started it is not. Everything or nothing, but for the user, who stays.
 */
enum im_err service_install(struct service_install *in);

struct service_uninstall {
	const struct service_def *def;
	const char *root;
	bool erase; /* data, logs and settings too */
};

/*
 * IM_OK when a service can be removed; IM_ERR_NOT_FOUND, IM_ERR_EXISTS when it was not
 * service_install() that installed it. data, as others see it.
 */
enum im_err service_uninstall_check(const struct service_uninstall *un, char data[PATH_MAX]);

/* Stops and removes a service that service_install() has installed. Errors as above. */
enum im_err service_uninstall(const struct service_uninstall *un);

#endif
