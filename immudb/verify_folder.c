/*
 * Checking a data folder while no server uses it.
 *
 * Neighbours: store/ checks a database; vfs_shadow.c lets it open one without changing files;
 * daemon_options.c has the command.
 *
 * Invariants: nothing is written below the folder. The system database is opened first and stays
 * open to the end: its lock keeps a server from starting meanwhile, as that of a server keeps us
 * out.
 */
#include "verify_folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/databases.h"
#include "store/store.h"
#include "store/vfs_shadow.h"
#include "util/log.h"
#include "util/output.h"
#include "verify_metadata.h"

/* Faults of one database that are printed; all are counted. */
#define VERIFY_SHOWN_MAX 100u
/* Transactions between two looks at progress and output. */
#define VERIFY_STEP_TXS 20000u
#define VERIFY_LABEL_WIDTH 14u

struct verifying {
	struct output *out;
	const char *dir;
	struct vfs_shadow *shadow;
	struct store *system; /* kept open for its lock */
	bool faulty;          /* anywhere */
	bool states_only;     /* what opening a database checks, and no more */
	bool identity;        /* show the server's identity, too */
	struct verify_metadata metadata;
	/* Of the database that is being checked. */
	const char *name;
	uint64_t lost;
	uint64_t derived;
	bool torn_end;
};

/* A fault in the words of the output. */
struct finding {
	const char *kind;
	struct store_fault at;
};

static void
show_finding(struct verifying *v, const struct finding *f)
{
	output_record_begin(v->out, NULL);
	output_string(v->out, "database", v->name);
	output_string(v->out, "fault", f->kind);
	output_string(v->out, "what", f->at.what);
	if (f->at.file) {
		output_string(v->out, "file", f->at.file);
		output_u64(v->out, "offset", f->at.offset);
	}
	if (f->at.tx)
		output_u64(v->out, "tx", f->at.tx);
	if (f->at.key.len)
		output_hex(v->out, "raw key", f->at.key);
	/* The first byte of a raw key says what the key is for. */
	if (f->at.key.len > 1)
		output_bytes(v->out, "key", bytes_of(f->at.key.data + 1, f->at.key.len - 1));
	output_record_end(v->out);
}

static void
note_fault(struct verifying *v, const struct store_fault *fault)
{
	struct finding f = {fault->derived ? "can be rebuilt" : "lost", *fault};

	v->faulty = true;
	v->lost += !fault->derived;
	v->derived += fault->derived;
	if (v->lost + v->derived <= VERIFY_SHOWN_MAX)
		show_finding(v, &f);
}

static int
on_fault(void *ctx, const struct store_fault *fault)
{
	struct verifying *v = (struct verifying *)ctx;

	note_fault(v, fault);
	return output_is_broken(v->out);
}

static void
on_repair(void *ctx, enum store_repair kind, const char *text)
{
	struct verifying *v = (struct verifying *)ctx;
	struct store_fault fault = {.what = text, .derived = true};

	if (kind == STORE_REPAIR_DERIVED)
		note_fault(v, &fault);
	else
		v->torn_end = true;
}

/* ---- One database ---- */

static enum im_err
check_store(struct verifying *v, struct store *s)
{
	struct store_check check = {
	    .from_tx = 1, .max_txs = VERIFY_STEP_TXS, .fault = on_fault, .ctx = v};
	struct store_state state;
	enum im_err err = IM_OK;

	if (v->states_only)
		return IM_OK;
	store_state(s, &state);
	do {
		output_progress(v->out, "%s: transaction %llu of %llu", v->name,
		    (unsigned long long)check.from_tx, (unsigned long long)state.tx);
		err = store_check(s, &check);
	} while (err == IM_OK && check.from_tx <= state.tx && !output_is_broken(v->out));
	output_progress(v->out, "%s", "");
	return err;
}

static void
show_database(struct verifying *v, struct store *s)
{
	struct store_state state = {0};

	if (s)
		store_state(s, &state);
	output_record_begin(v->out, NULL);
	output_string(v->out, "database", v->name);
	output_next_colour(v->out,
	    v->lost          ? OUTPUT_RED
		: v->derived ? OUTPUT_YELLOW
			     : OUTPUT_GREEN);
	output_string(v->out, "result",
	    v->lost          ? "damaged"
		: v->derived ? "can be rebuilt"
			     : "whole");
	output_u64(v->out, "transactions", state.tx);
	output_hex(v->out, "alh", bytes_of(state.alh.b, sizeof state.alh.b));
	output_u64(v->out, "faults", v->lost + v->derived);
	if (v->torn_end)
		output_bool(v->out, "torn end", true);
	output_record_end(v->out);
}

static enum im_err
check_database(struct verifying *v, const char *path, const char *name)
{
	struct store_options options = {.dir = path,
	    .name = name,
	    .any_name = !v->metadata.is_known && strcmp(name, DATABASE_SYSTEM) != 0,
	    .vfs = vfs_shadow_table(v->shadow),
	    .repaired = on_repair,
	    .ctx = v};
	struct store *s = NULL;
	struct store_fault fault = {0};
	enum im_err err;

	v->name = name;
	v->lost = v->derived = 0;
	v->torn_end = false;
	err = store_open(&options, &s);
	if (err == IM_OK) {
		err = check_store(v, s);
	} else if (err == IM_ERR_CORRUPT) {
		fault.what = err_detail(err);
		note_fault(v, &fault);
		err = IM_OK;
	}
	if (err == IM_OK)
		show_database(v, s);
	if (err == IM_OK && s && strcmp(name, DATABASE_SYSTEM) == 0)
		v->system = s;
	else
		store_close(s);
	return err;
}

/* ---- The folder ---- */

static bool
is_there(const char *dir, const char *name)
{
	char path[VFS_PATH_MAX];

	return vfs_path(path, dir, name) == IM_OK && access(path, F_OK) == 0;
}

static int
is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* The system database first, then by name. */
static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	bool system_a = strcmp((*a)->d_name, DATABASE_SYSTEM) == 0;
	bool system_b = strcmp((*b)->d_name, DATABASE_SYSTEM) == 0;

	if (system_a != system_b)
		return system_a ? -1 : 1;
	return strcmp((*a)->d_name, (*b)->d_name);
}

/*
 * The name of the database in a folder; NULL when it is none of the server's: what a start removes
 * or finishes, which need not be whole, or what an operator keeps there. When nobody knows, all
 * are.
 */
static const char *
name_of(const struct verifying *v, const char *folder)
{
	const struct meta_database *database = verify_metadata_find(&v->metadata, folder);

	if (!v->metadata.is_known)
		return folder;
	if (!database)
		output_note(v->out,
		    "%s/%s is none of the server's databases and was not checked; give its path to do so",
		    v->dir, folder);
	return database && database->state == META_DATABASE_READY ? database->name : NULL;
}

static enum im_err
check_entry(struct verifying *v, const char *folder)
{
	char path[VFS_PATH_MAX];
	bool is_system = strcmp(folder, DATABASE_SYSTEM) == 0;
	enum im_err err = vfs_path(path, v->dir, folder);
	const char *name = err == IM_OK && !is_system ? name_of(v, folder) : folder;

	return err == IM_OK && name ? check_database(v, path, name) : err;
}

/* What a data folder has beside databases; a name of its own it has not. */
static void
on_metadata_fault(void *ctx, const char *what)
{
	struct verifying *v = (struct verifying *)ctx;
	struct store_fault fault = {.what = what};

	v->name = NULL;
	v->lost = v->derived = 0;
	note_fault(v, &fault);
}

/* The system database is locked before the metadata is read, and both before anything else is. */
static enum im_err
check_entries(struct verifying *v, struct dirent **entries, size_t n)
{
	size_t i = 0;
	enum im_err err = IM_OK;

	if (strcmp(entries[0]->d_name, DATABASE_SYSTEM) == 0)
		err = check_entry(v, entries[i++]->d_name);
	if (err == IM_OK)
		err = verify_metadata_read(v->dir, &v->metadata, on_metadata_fault, v);
	for (; err == IM_OK && i < n; i++)
		err = check_entry(v, entries[i]->d_name);
	return err;
}

static enum im_err
check_databases(struct verifying *v)
{
	struct dirent **entries = NULL;
	int n = scandir(v->dir, &entries, is_visible, compare_names);
	size_t count = 0;
	enum im_err err = IM_OK;

	if (n < 0)
		return err_set_errno(IM_ERR_IO, "cannot read", v->dir);
	for (int i = 0; i < n; i++) {
		if (verify_metadata_has_database(v->dir, entries[i]->d_name))
			entries[count++] = entries[i];
		else
			free(entries[i]);
	}
	if (count == 0)
		err = err_set(
		    IM_ERR_CONFIG, "%s: no data folder: there is no database in it", v->dir);
	else
		err = check_entries(v, entries, count);
	for (size_t i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return err;
}

static void
show_identity(struct verifying *v)
{
	if (!v->identity || !v->metadata.identity[0])
		return;
	output_record_begin(v->out, NULL);
	output_string(v->out, "server", v->metadata.identity);
	output_record_end(v->out);
}

static enum im_err
check_folder(struct verifying *v)
{
	const char *base = strrchr(v->dir, '/');
	enum im_err err;

	if (is_there(v->dir, STORE_MARKER_NAME))
		return check_database(v, v->dir, base && base[1] ? base + 1 : v->dir);
	err = check_databases(v);
	if (err == IM_OK)
		show_identity(v);
	return err;
}

int
verify_folder_run(struct command_call *call)
{
	struct verifying v = {.dir = call->args[0],
	    .states_only = options_bool(call->options, "states"),
	    .identity = options_bool(call->options, "identity"),
	    .out = output_new((enum output_format)options_enum(call->options, "output"),
		STDOUT_FILENO, STDERR_FILENO, "immudb"),
	    .shadow = vfs_shadow_new(NULL)};
	enum im_err err = v.out && v.shadow ? IM_OK : IM_ERR_NOMEM, closed;
	int code;

	if (!v.out) {
		fprintf(stderr, "immudb: %s\n", err_text(IM_ERR_NOMEM));
		vfs_shadow_free(v.shadow);
		return IM_EXIT_ERROR;
	}
	/* What the store warns of comes as faults. */
	log_set_level(LOG_LEVEL_ERROR);
	output_label_width(v.out, VERIFY_LABEL_WIDTH);
	output_list_begin(v.out, NULL, OUTPUT_BLOCKS, NULL);
	if (err == IM_OK)
		err = check_folder(&v);
	output_list_end(v.out);
	verify_metadata_free(&v.metadata);
	store_close(v.system);
	vfs_shadow_free(v.shadow);
	code = v.faulty ? IM_EXIT_VERIFICATION : IM_EXIT_OK;
	if (err != IM_OK) {
		(void)output_error(v.out, err);
		code = IM_EXIT_ERROR;
	}
	closed = output_close(v.out);
	return closed == IM_OK ? code : IM_EXIT_ERROR;
}
