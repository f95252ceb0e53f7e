/*
 * Kills the real server and the real immuadmin at random moments of a backup or a restore, hot and
 * cold, and looks at what is left: the server starts, a database is the old one or the new one,
 * whole; a restore is announced exactly when it happened; folders of work are gone; an archive is
 * whole, as it was, or not there, and can be continued.
 *
 *	backup_crash_test BIN [SEED]
 *
 * BIN is the folder of the programs. IMMUDB_CRASH_KILLS says how often. Every process that is left
 * behind becomes a child of this one and is ended with it. The server is asked by its unix socket
 * only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/restore_notice.h"
#include "fault_vfs.h"
#include "meta/meta_restores.h"
#include "scratch.h"
#include "util/hex.h"

#define KILLS 12u
#define READY_DEADLINE_S 60
#define POLL_NS 200000
#define OUTPUT_MAX 65536
#define ARGS_MAX 24
#define PATH_SIZE (SCRATCH_PATH_MAX + 64)
#define ROWS 300u
#define VALUE_DIGITS 3000
/*
 * How long a command takes on a quiet machine; how many steps of its work can be seen, and how long
 * one takes.
 */
#define COMMAND_US 150000u
#define STEPS 4
#define STEP_US 160000u
#define STEP_HALVES 9
#define HASH_FACTOR 1099511628211u
#define NOTICES_MAX 1000

/* What is done while somebody is killed, in turns. */
enum kind { HOT_REPLACE, HOT_NEW, HOT_BACKUP, HOT_APPEND, COLD_BACKUP, COLD_RESTORE, KINDS };

static const char *const kind_names[KINDS] = {
    "hot-restore --force", "hot-restore", "hot-backup", "hot-backup --append", "backup", "restore"};

/* Who is killed. */
enum victim { ADMIN, SERVER, BOTH, VICTIMS };

/* A database as a check of the folder shows it. */
struct state {
	uint64_t tx; /* 0: there is none */
	char alh[2 * HASH_SIZE + 1];
};

struct notices {
	unsigned count;
	struct state from, to; /* of the newest */
};

struct crash {
	const char *bin;
	char dir[SCRATCH_PATH_MAX];
	char data[PATH_SIZE], socket[PATH_SIZE], log[PATH_SIZE], out[PATH_SIZE],
	    password[PATH_SIZE];
	pid_t server;
	uint64_t random;
	unsigned kills[KINDS], done[KINDS], replaced;
	/* What the folder holds. */
	struct state target;     /* of the database that is replaced */
	struct state version[2]; /* of the two that it is replaced by */
	struct notices notices;
	unsigned rows; /* written to the database that is backed up */
	bool has_base; /* an archive that can be continued */
};

/* ---- Children ---- */

static bool
fail(const struct crash *c, const char *what, const char *detail)
{
	char text[OUTPUT_MAX];
	FILE *f;
	size_t n;

	fprintf(stderr, "backup_crash_test: %s: %s\n", what, detail);
	for (int i = 0; i < 2; i++) {
		f = fopen(i ? c->log : c->out, "r");
		n = f ? fread(text, 1, sizeof text, f) : 0;
		fprintf(
		    stderr, "-- %s:\n%.*s\n", i ? "the server" : "the last command", (int)n, text);
		if (f)
			fclose(f);
	}
	return false;
}

static void
output_to(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
}

/* Starts a program of BIN with these arguments, the last one NULL; what it says goes to c->out. */
static pid_t
start(const struct crash *c, const char *program, ...)
{
	char path[PATH_SIZE];
	const char *argv[ARGS_MAX + 1] = {program};
	size_t n = 1;
	va_list args;
	pid_t child;

	va_start(args, program);
	while (n < ARGS_MAX && (argv[n] = va_arg(args, const char *)) != NULL)
		n++;
	va_end(args);
	snprintf(path, sizeof path, "%s/%s", c->bin, program);
	child = scratch_fork();
	if (child != 0)
		return child;
	output_to(c->out, O_TRUNC);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* The options by which immuadmin and immuclient reach the server. */
#define AT_SERVER(c) \
	"--immudb-socket", (c)->socket, "--username", "immudb", "--password-file", (c)->password

static bool
is_ready(const struct crash *c)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ready;

	memcpy(to.sun_path, c->socket, strnlen(c->socket, sizeof to.sun_path - 1));
	ready = fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
	if (fd >= 0)
		close(fd);
	return ready;
}

static bool
start_server(struct crash *c)
{
	time_t deadline = time(NULL) + READY_DEADLINE_S;
	char path[PATH_SIZE], pidfile[PATH_SIZE + 16];

	snprintf(path, sizeof path, "%s/immudb", c->bin);
	snprintf(pidfile, sizeof pidfile, "%s/immudb.pid", c->data);
	c->server = scratch_fork();
	if (c->server == 0) {
		output_to(c->log, O_APPEND);
		execl(path, "immudb", "--dir", c->data, "--address", "127.0.0.1", "--port", "0",
		    "--metrics-address", "127.0.0.1", "--metrics-port", "0", "--unix-socket",
		    c->socket, "--pidfile", pidfile, (char *)NULL);
		_exit(127);
	}
	while (!is_ready(c)) {
		if (time(NULL) > deadline || waitpid(c->server, NULL, WNOHANG) == c->server)
			return fail(c, "the server", "does not start");
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	}
	return true;
}

static bool
stop_server(struct crash *c)
{
	kill(c->server, SIGTERM);
	return scratch_wait(c->server) == 0 || fail(c, "the server", "does not stop cleanly");
}

/* Ends every child, also those that were left behind by one that was killed. */
static void
end_children(void)
{
	char path[64];
	struct dirent *e;
	int pid, parent;
	DIR *proc;
	FILE *f;

	while (waitpid(-1, NULL, WNOHANG) >= 0) {
		proc = opendir("/proc");
		while (proc && (e = readdir(proc)) != NULL) {
			snprintf(path, sizeof path, "/proc/%.16s/stat", e->d_name);
			f = strspn(e->d_name, "0123456789") ? fopen(path, "r") : NULL;
			if (f && fscanf(f, "%d %*s %*c %d", &pid, &parent) == 2 &&
			    parent == getpid())
				kill(pid, SIGKILL);
			if (f)
				fclose(f);
		}
		if (proc)
			closedir(proc);
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	}
}

static bool
expect(const struct crash *c, pid_t child, const char *what)
{
	char text[32];
	int status = scratch_wait(child);

	snprintf(text, sizeof text, "ended with %d", status);
	return status == 0 || fail(c, what, text);
}

/* ---- What is there ---- */

static const char *
path_of(const struct crash *c, const char *name)
{
	static char paths[4][2 * PATH_SIZE];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", c->dir, name);
	return path;
}

static bool
is_there(const struct crash *c, const char *name)
{
	return access(path_of(c, name), F_OK) == 0;
}

/* How many names of a folder have this part, "" being part of all; one of them goes to found. */
static unsigned
count_names(const char *folder, const char *part, char found[PATH_SIZE])
{
	DIR *d = opendir(folder);
	struct dirent *e;
	unsigned count = 0;

	while (d && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    !strstr(e->d_name, part))
			continue;
		count++;
		if (found)
			snprintf(found, PATH_SIZE, "%.*s", PATH_SIZE - 1, e->d_name);
	}
	if (d)
		closedir(d);
	return count;
}

/* A database in what "immudb verify" has said. */
static void
find_state(const char *text, const char *name, struct state *out)
{
	char word[64];
	const char *at;

	*out = (struct state){0};
	snprintf(word, sizeof word, "{\"database\": \"%s\", \"result\": \"whole\"", name);
	at = strstr(text, word);
	if (at)
		sscanf(at + strlen(word),
		    ", \"transactions\": %" SCNu64 ", \"alh\": \"%64[0-9a-f]\"", &out->tx,
		    out->alh);
}

static bool
read_output(const struct crash *c, char text[OUTPUT_MAX])
{
	FILE *f = fopen(c->out, "r");
	size_t n = f ? fread(text, 1, OUTPUT_MAX - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	return f != NULL;
}

/* Checks a folder completely. */
static bool
verify(const struct crash *c, const char *dir, char text[OUTPUT_MAX])
{
	return expect(c, start(c, "immudb", "verify", "--output", "json", dir, NULL), dir) &&
	    read_output(c, text);
}

static enum im_err
note_one(void *arg, const struct meta_restore *r)
{
	struct notices *n = (struct notices *)arg;

	if (n->count++ > 0)
		return IM_OK;
	n->from.tx = r->from.id;
	n->to.tx = r->to.id;
	hex_encode(hash_bytes(&r->from.alh), n->from.alh);
	hex_encode(hash_bytes(&r->to.alh), n->to.alh);
	return IM_OK;
}

static bool
read_notices(const struct crash *c, struct notices *out)
{
	struct meta_restore_query query = {.database = "target", .max = NOTICES_MAX};
	struct meta *m = NULL;
	enum im_err err = meta_open(c->data, &m);

	*out = (struct notices){0};
	if (err == IM_OK)
		err = meta_restore_list(m, &query, note_one, out);
	meta_close(m);
	return err == IM_OK || fail(c, "the announcements", err_detail(err));
}

static bool
same_state(const struct state *a, const struct state *b)
{
	return a->tx == b->tx && strcmp(a->alh, b->alh) == 0;
}

/* ---- What is done ---- */

static const struct state *
other_version(const struct crash *c)
{
	return &c->version[same_state(&c->target, &c->version[0])];
}

static const char *
other_name(const struct crash *c, const char *first, const char *second)
{
	return other_version(c) == &c->version[0] ? first : second;
}

/* Rows of a file for "immuclient import", each a transaction. */
static bool
write_rows(const struct crash *c, unsigned from, unsigned count, const char *word)
{
	FILE *f = fopen(path_of(c, "rows.tsv"), "w");

	for (unsigned i = from; f && i < from + count; i++)
		fprintf(f, "key%u\t%s%0*u\n", i, word, VALUE_DIGITS, i);
	return f && fclose(f) == 0;
}

static bool
import(const struct crash *c, const char *database, const char *name)
{
	return expect(c,
	    start(c, "immuclient", AT_SERVER(c), "--database", database, "import", "--format",
		"tsv", "--batch-size", "1", path_of(c, name), NULL),
	    "import");
}

static pid_t
start_kind(const struct crash *c, enum kind kind)
{
	switch (kind) {
	case HOT_REPLACE:
		return start(c, "immuadmin", AT_SERVER(c), "hot-restore", "target", "--force", "-i",
		    path_of(c, other_name(c, "a.archive", "b.archive")), NULL);
	case HOT_NEW:
		return start(c, "immuadmin", AT_SERVER(c), "hot-restore", "fresh", "-i",
		    path_of(c, "a.archive"), NULL);
	case HOT_BACKUP:
		return start(c, "immuadmin", AT_SERVER(c), "hot-backup", "defaultdb", "-o",
		    path_of(c, "new.archive"), NULL);
	case HOT_APPEND:
		return start(c, "immuadmin", AT_SERVER(c), "hot-backup", "defaultdb", "--append",
		    "-o", path_of(c, "base.archive"), NULL);
	case COLD_BACKUP:
		return start(c, "immuadmin", AT_SERVER(c), "backup", "--yes", "--dbdir", c->data,
		    "--to", path_of(c, "to"), NULL);
	case COLD_RESTORE:
		return start(c, "immuadmin", "restore", "--yes", "--dbdir", c->data,
		    path_of(c, other_name(c, "a.tar.gz", "b.tar.gz")), NULL);
	case KINDS:
		break;
	}
	return -1;
}

/* Before a turn: what it works on. */
static bool
prepare_kind(struct crash *c, enum kind kind)
{
	if (kind != COLD_RESTORE && !start_server(c))
		return false;
	if (kind != HOT_APPEND)
		return true;
	if (!c->has_base) {
		(void)unlink(path_of(c, "base.archive"));
		c->has_base = expect(c,
		    start(c, "immuadmin", AT_SERVER(c), "hot-backup", "defaultdb", "-o",
			path_of(c, "base.archive"), NULL),
		    "the archive to continue");
	}
	c->rows += ROWS / 4;
	return c->has_base && write_rows(c, c->rows, ROWS / 4, "more") &&
	    import(c, "defaultdb", "rows.tsv");
}

/* A sum over the names in a folder, which is another one when any of them comes or goes. */
static uint64_t
sum_names(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	uint64_t sum = 0, hash;

	while (d && (e = readdir(d)) != NULL) {
		hash = 0;
		for (const char *name = e->d_name; *name; name++)
			hash = hash * HASH_FACTOR + (unsigned char)*name;
		sum += hash;
	}
	if (d)
		closedir(d);
	return sum;
}

/* What is seen of a command's work: a number that changes with each step of it. */
static uint64_t
sign_of(const struct crash *c, enum kind kind)
{
	struct stat st = {0};

	if (kind == HOT_APPEND)
		return stat(path_of(c, "base.archive"), &st) == 0 ? (uint64_t)st.st_mtim.tv_nsec
								  : 0;
	if (kind == HOT_REPLACE || kind == HOT_NEW)
		return sum_names(c->data);
	return sum_names(kind == COLD_BACKUP ? path_of(c, "to") : c->dir);
}

/* A random moment: any, or one soon after so many steps were seen. */
static void
wait_moment(struct crash *c, enum kind kind, pid_t admin)
{
	unsigned steps = (unsigned)(fault_random(&c->random) % STEPS);
	uint64_t us = steps ? STEP_US >> fault_random(&c->random) % STEP_HALVES : COMMAND_US;
	uint64_t is, was = sign_of(c, kind);
	siginfo_t info = {0};

	for (; steps > 0 && info.si_pid != admin; was = is) {
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
		waitid(P_PID, (id_t)admin, &info, WEXITED | WNOHANG | WNOWAIT);
		is = sign_of(c, kind);
		steps -= is != was;
	}
	us = fault_random(&c->random) % us;
	nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

/* One command that is killed; *acknowledged: it had said that its work was done. */
static bool
run_kind(struct crash *c, enum kind kind, bool *acknowledged)
{
	enum victim victim = (enum victim)(fault_random(&c->random) % VICTIMS);
	bool with_server = kind != COLD_RESTORE && kind != COLD_BACKUP;
	pid_t admin = start_kind(c, kind);

	wait_moment(c, kind, admin);
	if (with_server && victim != ADMIN)
		kill(c->server, SIGKILL);
	if (!with_server || victim != SERVER)
		kill(admin, SIGKILL);
	*acknowledged = scratch_wait(admin) == 0;
	c->kills[kind]++;
	c->done[kind] += *acknowledged;
	/*
	 * A server that nobody killed stops as it should, or is killed in the middle of cleaning
	 * up.
	 */
	if (with_server && victim == ADMIN && fault_random(&c->random) % 2)
		return stop_server(c);
	end_children();
	return true;
}

/* ---- What is left ---- */

/* With a server that has started on what is left. */
static bool
check_running(struct crash *c, enum kind kind, bool acknowledged)
{
	char name[PATH_SIZE];
	bool is_fresh = count_names(c->data, "fresh", name) > 0;
	/* Three databases that stay, and files. */
	unsigned expected = 3 + is_fresh + count_names(c->data, "immudb.", NULL);

	if (count_names(c->data, "", NULL) != expected)
		return fail(c, kind_names[kind], "a folder of a restore is left");
	if (kind == HOT_NEW && acknowledged && !is_fresh)
		return fail(c, kind_names[kind], "what was acknowledged is not there");
	if (is_there(c, "new.archive") != (kind == HOT_BACKUP && acknowledged) &&
	    (acknowledged || kind != HOT_BACKUP))
		return fail(c, kind_names[kind], "no archive, or one too many");
	if (kind != HOT_APPEND)
		return true;
	/* It goes on wherever it was interrupted. */
	return expect(c,
		   start(c, "immuadmin", "hot-restore", "--verify-only", "-i",
		       path_of(c, "base.archive"), NULL),
		   "the archive that was continued") &&
	    expect(c,
		start(c, "immuadmin", AT_SERVER(c), "hot-backup", "defaultdb", "--append", "-o",
		    path_of(c, "base.archive"), NULL),
		"the archive cannot be continued");
}

/* What was restored as a new database is whole, and makes room for the next. */
static bool
check_fresh(struct crash *c, const char *text)
{
	struct state fresh;

	find_state(text, "fresh", &fresh);
	if (strstr(text, "none of the server's databases"))
		return fail(c, "hot-restore", "a folder of a restore is left");
	if (fresh.tx == 0)
		return true;
	if (!same_state(&fresh, &c->version[0]))
		return fail(c, "hot-restore", "the new database is not that of the archive");
	return start_server(c) &&
	    expect(c, start(c, "immuadmin", AT_SERVER(c), "database", "unload", "fresh", NULL),
		"unload") &&
	    expect(c,
		start(c, "immuadmin", AT_SERVER(c), "database", "delete", "fresh",
		    "--yes-i-know-what-i-am-doing", NULL),
		"delete") &&
	    stop_server(c);
}

/* The database is the old one or the new one, and a restore is announced when it is the new one. */
static bool
check_target(struct crash *c, enum kind kind, const char *text, bool acknowledged)
{
	const struct state *want = other_version(c);
	struct notices notices;
	struct state is;
	bool is_new;

	find_state(text, "target", &is);
	is_new = same_state(&is, want);
	if (!is_new && !same_state(&is, &c->target))
		return fail(
		    c, kind_names[kind], "the database is neither the old one nor the new one");
	if (is_new && kind != HOT_REPLACE && kind != COLD_RESTORE)
		return fail(c, kind_names[kind], "the database is another one");
	if (!is_new && acknowledged && (kind == HOT_REPLACE || kind == COLD_RESTORE))
		return fail(c, kind_names[kind], "what was acknowledged is not there");
	if (!read_notices(c, &notices))
		return false;
	if (!is_new && notices.count != c->notices.count)
		return fail(c, kind_names[kind], "a restore is announced that was not made");
	if (is_new && (!same_state(&notices.from, &c->target) || !same_state(&notices.to, want)))
		return fail(c, kind_names[kind], "a restore was made that is not announced");
	if (kind == HOT_REPLACE && notices.count != c->notices.count + is_new)
		return fail(c, kind_names[kind], "a restore is announced twice");
	c->replaced += is_new;
	c->target = is;
	c->notices = notices;
	return true;
}

/*
 * A backup that has its name can be restored; the next one removes what is left of one that has
 * not.
 */
static bool
check_cold_backup(const struct crash *c)
{
	char name[PATH_SIZE], *path = NULL;
	unsigned partial = count_names(path_of(c, "to"), ".partial", NULL);
	bool right = partial <= 1 || fail(c, "backup", "more than one piece is left");

	right = right &&
	    expect(c,
		start(c, "immuadmin", "backup", "--yes", "--dbdir", c->data, "--to",
		    path_of(c, "to"), NULL),
		"the next backup");
	if (right && count_names(path_of(c, "to"), ".partial", NULL) > 0)
		right = fail(c, "backup", "a piece is left");
	while (right && count_names(path_of(c, "to"), ".tar.gz", name) > 0) {
		if (asprintf(&path, "%s/to/%s", c->dir, name) < 0)
			return false;
		right = expect(c,
		    start(c, "immuadmin", "restore", "--dbdir", path_of(c, "again"), path, NULL),
		    "a backup cannot be restored");
		(void)unlink(path);
		free(path);
		scratch_remove(path_of(c, "again"));
	}
	return right;
}

/* The folders that were replaced are whole; the next restore finishes what was interrupted. */
static bool
check_cold_restore(struct crash *c, const char *wanted)
{
	char name[PATH_SIZE], text[OUTPUT_MAX];
	bool right;

	c->has_base = false;
	right = expect(c,
	    start(c, "immuadmin", "restore", "--yes", "--dbdir", c->data, path_of(c, wanted), NULL),
	    "the next restore");
	if (right && is_there(c, "data.restoring"))
		right = fail(c, "restore", "the folder of work is left");
	while (right && count_names(c->dir, "_bkp_before_", name) > 0) {
		right = verify(c, path_of(c, name), text);
		scratch_remove(path_of(c, name));
	}
	return right;
}

/* After a start: what the folder holds from here on, whatever was done to it before. */
static bool
learn(struct crash *c)
{
	char text[OUTPUT_MAX];

	if (!start_server(c) || !stop_server(c) || !verify(c, c->data, text))
		return false;
	find_state(text, "target", &c->target);
	return c->target.tx > 0 ? read_notices(c, &c->notices) : fail(c, "target", "is missing");
}

static bool
check(struct crash *c, enum kind kind, bool acknowledged)
{
	const char *wanted = other_name(c, "a.tar.gz", "b.tar.gz");
	char text[OUTPUT_MAX];
	bool right = start_server(c) && check_running(c, kind, acknowledged) && stop_server(c) &&
	    verify(c, c->data, text) && check_target(c, kind, text, acknowledged) &&
	    check_fresh(c, text);

	if (right && is_there(c, "new.archive")) {
		right = expect(c,
		    start(c, "immuadmin", "hot-restore", "--verify-only", "-i",
			path_of(c, "new.archive"), NULL),
		    "a half archive");
		(void)unlink(path_of(c, "new.archive"));
	}
	if (right && kind == COLD_BACKUP)
		right = check_cold_backup(c);
	if (right && kind == COLD_RESTORE)
		right = check_cold_restore(c, wanted) && learn(c);
	return right;
}

/* ---- The whole ---- */

static bool
prepare_paths(struct crash *c)
{
	FILE *f;

	if (!scratch_make(c->dir))
		return false;
	snprintf(c->data, sizeof c->data, "%s/data", c->dir);
	snprintf(c->socket, sizeof c->socket, "%s/socket", c->dir);
	snprintf(c->log, sizeof c->log, "%s/log", c->dir);
	snprintf(c->out, sizeof c->out, "%s/out", c->dir);
	snprintf(c->password, sizeof c->password, "%s/password", c->dir);
	f = fopen(c->password, "w");
	if (f)
		fputs("immudb\n", f);
	return f && fclose(f) == 0 && mkdir(path_of(c, "to"), 0700) == 0 &&
	    setenv("HOME", c->dir, 1) == 0 && setenv("XDG_STATE_HOME", c->dir, 1) == 0 &&
	    chdir(c->dir) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

/* A history for the database "target", as an archive. */
static bool
make_version(const struct crash *c, const char *word, const char *name)
{
	return expect(c, start(c, "immuadmin", AT_SERVER(c), "database", "create", word, NULL),
		   "create") &&
	    write_rows(c, 0, ROWS, word) && import(c, word, "rows.tsv") &&
	    expect(c,
		start(
		    c, "immuadmin", AT_SERVER(c), "hot-backup", word, "-o", path_of(c, name), NULL),
		"the first archive") &&
	    expect(c, start(c, "immuadmin", AT_SERVER(c), "database", "unload", word, NULL),
		"unload") &&
	    expect(c,
		start(c, "immuadmin", AT_SERVER(c), "database", "delete", word,
		    "--yes-i-know-what-i-am-doing", NULL),
		"delete");
}

/* A folder whose "target" is one of the versions, and a backup of it. */
static bool
make_folder(struct crash *c, unsigned i)
{
	char name[PATH_SIZE], *path = NULL;
	bool right = (i == 0 || start_server(c)) &&
	    expect(c,
		start(c, "immuadmin", AT_SERVER(c), "hot-restore", "target", "-i",
		    path_of(c, i ? "b.archive" : "a.archive"), i ? "--force" : NULL, NULL),
		"the first restore") &&
	    stop_server(c) &&
	    expect(c,
		start(c, "immuadmin", "backup", "--yes", "--dbdir", c->data, "--to",
		    path_of(c, "to"), NULL),
		"the first backup");

	right = right && count_names(path_of(c, "to"), ".tar.gz", name) == 1 &&
	    asprintf(&path, "%s/to/%s", c->dir, name) > 0 &&
	    rename(path, path_of(c, i ? "b.tar.gz" : "a.tar.gz")) == 0 && learn(c);
	free(path);
	c->version[i] = c->target;
	return right;
}

static bool
prepare(struct crash *c)
{
	return prepare_paths(c) && start_server(c) && make_version(c, "first", "a.archive") &&
	    make_version(c, "second", "b.archive") && write_rows(c, 0, ROWS, "x") &&
	    import(c, "defaultdb", "rows.tsv") && make_folder(c, 0) && make_folder(c, 1);
}

static bool
run(struct crash *c, unsigned kills)
{
	bool right = true, acknowledged = false;

	c->rows = ROWS;
	for (unsigned i = 0; right && i < kills; i++) {
		enum kind kind = (enum kind)(i % KINDS);

		right = prepare_kind(c, kind) && run_kind(c, kind, &acknowledged) &&
		    check(c, kind, acknowledged);
	}
	for (unsigned i = 0; i < KINDS; i++)
		printf("%s: %u kills, acknowledged before %u of them\n", kind_names[i], c->kills[i],
		    c->done[i]);
	printf("%u databases or folders were replaced\n", c->replaced);
	return right;
}

int
main(int argc, char **argv)
{
	struct crash c = {.bin = argc > 1 ? argv[1] : ""};
	unsigned kills = scratch_kills(KILLS);
	bool right;

	c.random = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	printf("seed %" PRIu64 ", %u kills\n", c.random, kills);
	fflush(stdout);
	right = argc > 1 && prepare(&c) && run(&c, kills);
	end_children();
	printf("%s\n", right ? "all is as promised" : "FAILED");
	if (c.dir[0] && right)
		scratch_remove(c.dir);
	return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
