/*
 * The commands of the auditor that need no server. Neighbours: audit_record.h and
 * client/immu_trust.h (the folder), libproto/cli (what other programs show alike), main.c (the
 * daemon and --once).
 */
#include "auditor_commands.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit_record.h"
#include "auditor_options.h"
#include "cli/cli_proof.h"
#include "cli/cli_trust.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/xid.h"

#define COMMANDS_PATH_MAX 8192
#define COMMANDS_USER_MAX 4096 /* of the system's entry about a user */

/* A command while it runs. */
struct work {
	const struct command_call *call;
	const struct options *options;
	struct output *out;
	const char *folder;
	enum im_exit code; /* of a command that succeeded */
};

/* Runs a command with an output and the folder; prints the error if there is one. */
static int
run_work(struct command_call *call, enum im_err (*f)(struct work *w))
{
	struct work w = {.call = call, .options = call->options, .code = IM_EXIT_OK};
	struct buf folder;
	enum im_err err;
	int code;

	w.out = output_new((enum output_format)options_enum(call->options, "output"), STDOUT_FILENO,
	    STDERR_FILENO, "auditor");
	if (!w.out) {
		fprintf(stderr, "auditor: %s\n", err_text(IM_ERR_NOMEM));
		return IM_EXIT_ERROR;
	}
	buf_init(&folder, COMMANDS_PATH_MAX);
	err = auditor_folder(call->options, &folder);
	w.folder = (const char *)folder.data;
	if (!err)
		err = f(&w);
	code = err ? (int)output_error(w.out, err) : (int)w.code;
	err = output_flush(w.out);
	if (err && code == IM_EXIT_OK)
		code = (int)output_error(w.out, err);
	(void)output_close(w.out);
	buf_free(&folder);
	return code;
}

/*
 * Whoever changes something has to be who runs the auditor: files that root makes could not be
 * opened by it any more.
 */
static enum im_err
check_is_ours(const struct work *w)
{
	static const char *const names[] = {AUDITOR_LOCK_NAME, NULL};

	return file_check_folder_owner(w->folder, names);
}

/* ---- status ---- */

/* A database of a server: what is trusted of it, and its record. */
struct status_row {
	char server_id[XID_TEXT_LEN + 1];
	char database[REPORT_NAME_MAX + 1];
	bool is_trusted;
	uint64_t tx;
	int64_t changed_at;
	enum im_err err; /* a damaged file */
	char error_text[REPORT_TEXT_MAX];
	bool has_alarm;
	enum audit_verdict verdict;
	int64_t since;
	char reason[REPORT_TEXT_MAX], evidence[REPORT_PATH_MAX];
	uint64_t suspect_from, suspect_to;
	struct audit_record_ack acks[AUDIT_RECORD_ACKS_MAX]; /* oldest first */
	size_t acks_len;
};

struct status_rows {
	struct status_row *items;
	size_t len;
	enum im_err err;
};

/* The row of a database, made if it is missing; NULL without memory. */
static struct status_row *
find_row(struct status_rows *rows, const char *server_id, const char *database)
{
	struct status_row *grown, *row;
	size_t i;

	for (i = 0; i < rows->len; i++) {
		row = &rows->items[i];
		if (strcmp(row->server_id, server_id) == 0 && strcmp(row->database, database) == 0)
			return row;
	}
	grown = realloc(rows->items, (rows->len + 1) * sizeof *grown);
	if (!grown) {
		rows->err = err_set(IM_ERR_NOMEM, "out of memory");
		return NULL;
	}
	rows->items = grown;
	row = &rows->items[rows->len++];
	*row = (struct status_row){0};
	snprintf(row->server_id, sizeof row->server_id, "%s", server_id);
	snprintf(row->database, sizeof row->database, "%s", database);
	return row;
}

static void
damage_row(struct status_row *row, enum im_err err, const char *text)
{
	row->err = err;
	snprintf(row->error_text, sizeof row->error_text, "%s", text);
}

static bool
take_trusted(void *arg, const struct immu_trusted *t)
{
	struct status_row *row;

	if (!t->database)
		return true;
	row = find_row(arg, t->server_id, t->database);
	if (!row)
		return false;
	row->is_trusted = !t->err;
	row->tx = t->tx;
	row->changed_at = t->changed_at;
	if (t->err)
		damage_row(row, t->err, t->error_text);
	return true;
}

static bool
take_record(void *arg, const struct audit_record_name *name, const struct audit_record *record,
    enum im_err err)
{
	struct status_row *row = find_row(arg, name->server_id, name->database);

	if (!row)
		return false;
	if (err) {
		damage_row(row, err, err_detail(err));
		return true;
	}
	row->has_alarm = record->has_alarm;
	row->verdict = record->verdict;
	row->since = record->since;
	row->suspect_from = record->suspect_from;
	row->suspect_to = record->suspect_to;
	snprintf(row->reason, sizeof row->reason, "%s", record->reason);
	snprintf(row->evidence, sizeof row->evidence, "%s", record->evidence);
	memcpy(row->acks, record->acks, sizeof row->acks);
	row->acks_len = record->acks_len;
	return true;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct status_row *left = a, *right = b;
	int order = strcmp(left->server_id, right->server_id);

	return order ? order : strcmp(left->database, right->database);
}

static const char *
row_alarm(const struct status_row *row)
{
	if (row->err)
		return audit_verdict_info(AUDIT_ERROR)->word;
	return row->has_alarm ? audit_verdict_info(row->verdict)->word : "none";
}

static void
show_ack_fields(struct output *o, const struct audit_record_ack *ack)
{
	output_string(o, "verdict", audit_verdict_info(ack->verdict)->word);
	output_string(o, "by", ack->who);
	output_time(o, "at", ack->at);
	output_string(o, "reason", ack->reason);
}

/* As JSON all that are kept, oldest first; as text the last one. */
static void
show_acks(struct output *o, const struct status_row *row)
{
	size_t i;

	if (output_format(o) == OUTPUT_JSON) {
		output_list_begin(o, "acknowledged", OUTPUT_BLOCKS, NULL);
		for (i = 0; i < row->acks_len; i++) {
			output_record_begin(o, NULL);
			show_ack_fields(o, &row->acks[i]);
			output_record_end(o);
		}
		output_list_end(o);
	} else if (row->acks_len > 0) {
		output_record_begin(o, "acknowledged");
		show_ack_fields(o, &row->acks[row->acks_len - 1]);
		output_record_end(o);
	}
}

/* A block rather than a row of a table: reasons and paths are long. */
static void
show_row(struct output *o, const struct status_row *row)
{
	output_record_begin(o, NULL);
	output_string(o, "database", row->database);
	output_string(o, "server", row->server_id);
	if (row->is_trusted) {
		output_u64(o, "trusted tx", row->tx);
		output_time(o, "changed", row->changed_at);
	}
	output_next_colour(o, row->err || row->has_alarm ? OUTPUT_RED : OUTPUT_GREEN);
	output_string(o, "alarm", row_alarm(row));
	if (row->err)
		output_string(o, "reason", row->error_text);
	if (row->has_alarm && !row->err) {
		output_time(o, "since", row->since);
		output_string(o, "reason", row->reason);
		if (row->suspect_to > 0) {
			output_u64(o, "suspect from", row->suspect_from);
			output_u64(o, "suspect to", row->suspect_to);
		}
		if (*row->evidence)
			output_string(o, "evidence", row->evidence);
	}
	show_acks(o, row);
	output_record_end(o);
}

static enum im_err
show_status(struct work *w)
{
	struct status_rows rows = {0};
	enum im_err err = immu_trust_each(w->folder, take_trusted, &rows);
	size_t i;

	if (!err)
		err = audit_record_each(w->folder, take_record, &rows);
	if (!err)
		err = rows.err;
	if (!err && rows.len > 0)
		qsort(rows.items, rows.len, sizeof *rows.items, compare_rows);
	if (!err) {
		output_label_width(w->out, sizeof "acknowledged.verdict: " - 1);
		output_list_begin(w->out, NULL, OUTPUT_BLOCKS, NULL);
		for (i = 0; i < rows.len; i++) {
			show_row(w->out, &rows.items[i]);
			if (rows.items[i].err || rows.items[i].has_alarm)
				w->code = IM_EXIT_VERIFICATION;
		}
		output_list_end(w->out);
		if (rows.len == 0)
			output_note(w->out, "nothing is known yet in %s", w->folder);
	}
	free(rows.items);
	return err;
}

int
command_status(struct command_call *call)
{
	return run_work(call, show_status);
}

/* ---- ack ---- */

/* Which alarms are meant, how they are acknowledged, and how many were. */
struct ack_all {
	struct work *work;
	const char *server_id, *database; /* NULL: any */
	struct audit_record_ack ack;
	size_t len;
	enum im_err err;
};

/* "ann@host"; with sudo who is behind it, too. */
static void
say_who(char *out, size_t size)
{
	const char *behind = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	char host[64] = "", memory[COMMANDS_USER_MAX];
	struct passwd entry, *user = NULL;

	if (getpwuid_r(getuid(), &entry, memory, sizeof memory, &user) != 0)
		user = NULL;
	if (gethostname(host, sizeof host - 1) != 0)
		host[0] = '\0';
	snprintf(out, size, "%s%s%s@%s", behind ? behind : "", behind ? " as " : "",
	    user ? user->pw_name : "unknown", host);
}

static enum im_err
acknowledge(void *arg, struct audit_record *record)
{
	return audit_record_acknowledge(record, arg);
}

static bool
ack_one(void *arg, const struct audit_record_name *name, const struct audit_record *record,
    enum im_err err)
{
	struct ack_all *all = arg;

	if ((all->server_id && strcmp(all->server_id, name->server_id) != 0) ||
	    (all->database && strcmp(all->database, name->database) != 0) ||
	    (record && !record->has_alarm))
		return true;
	if (err == IM_ERR_STATE_CORRUPT)
		err = audit_record_renew(name, &all->ack);
	else if (!err)
		err = audit_record_update(name, acknowledge, &all->ack);
	/* A round, or another person, may have been quicker. */
	if (err == IM_ERR_NOT_FOUND)
		return true;
	all->err = err;
	all->len += !err;
	if (!err)
		output_message(all->work->out, "the alarm of %s is acknowledged", name->database);
	return !err;
}

static enum im_err
ack_alarms(struct work *w)
{
	const char *reason = options_string(w->options, "reason");
	const char *server = options_string(w->options, "server");
	struct ack_all all = {.work = w,
	    .server_id = *server ? server : NULL,
	    .database = w->call->arg_count > 0 ? w->call->args[0] : NULL,
	    .ack = {.at = clock_wall_s()}};
	enum im_err err;

	if (!*reason)
		return err_set(IM_ERR_USAGE, "--reason TEXT is needed: it is kept with the alarm");
	if (strlen(reason) >= sizeof all.ack.reason)
		return err_set(
		    IM_ERR_USAGE, "--reason: more than %zu bytes", sizeof all.ack.reason - 1);
	snprintf(all.ack.reason, sizeof all.ack.reason, "%s", reason);
	say_who(all.ack.who, sizeof all.ack.who);
	err = check_is_ours(w);
	if (!err)
		err = audit_record_each(w->folder, ack_one, &all);
	if (!err)
		err = all.err;
	if (err || all.len > 0)
		return err;
	return all.database ? err_set(IM_ERR_NOT_FOUND, "there is no alarm of %s", all.database)
			    : err_set(IM_ERR_NOT_FOUND, "there is no alarm");
}

int
command_ack(struct command_call *call)
{
	return run_work(call, ack_alarms);
}

/* ---- verify ---- */

static enum im_err
verify_file(struct work *w)
{
	struct immu_proof_options options = {0};

	options.more_pub_key_files =
	    options_list(w->options, "server-signing-pub-key", &options.more_pub_key_files_len);
	return cli_proof_verify(w->out, w->call->args[0], &options);
}

int
command_verify(struct command_call *call)
{
	return run_work(call, verify_file);
}

/* ---- trust ---- */

static enum im_err
list_trust(struct work *w)
{
	return cli_trust_list(w->out, w->folder);
}

int
command_trust_list(struct command_call *call)
{
	return run_work(call, list_trust);
}

/* Does something to DATABASE of --server, by default of the server at the configured address. */
static enum im_err
with_name(struct work *w, enum im_err (*f)(struct output *o, const struct immu_trust_name *name))
{
	struct immu_trust_name name = {.folder = w->folder,
	    .server_id = options_string(w->options, "server"),
	    .database = w->call->arg_count > 0 ? w->call->args[0] : NULL};
	struct buf address;
	enum im_err err = IM_OK;

	buf_init(&address, COMMANDS_PATH_MAX);
	if (!*name.server_id) {
		err = cli_trust_address(w->options, &address);
		name.server_id = (const char *)address.data;
	}
	if (!err)
		err = f(w->out, &name);
	buf_free(&address);
	return err;
}

static enum im_err
show_trust(struct work *w)
{
	return with_name(w, cli_trust_show);
}

int
command_trust_show(struct command_call *call)
{
	return run_work(call, show_trust);
}

static enum im_err
export_name(struct output *o, const struct immu_trust_name *name)
{
	(void)o;
	return cli_trust_export(name);
}

static enum im_err
export_trust(struct work *w)
{
	return with_name(w, export_name);
}

int
command_trust_export(struct command_call *call)
{
	return run_work(call, export_trust);
}

static enum im_err
import_trust(struct work *w)
{
	struct cli_trust_import import = {.folder = w->folder,
	    .path = w->call->args[0],
	    .replace = (enum immu_trust_replace)options_enum(w->options, "replace")};
	enum im_err err = check_is_ours(w);

	return err ? err : cli_trust_import(w->out, &import);
}

int
command_trust_import(struct command_call *call)
{
	return run_work(call, import_trust);
}

static enum im_err
forget_trust(struct work *w)
{
	enum im_err err = check_is_ours(w);

	return err ? err : with_name(w, cli_trust_forget);
}

int
command_trust_forget(struct command_call *call)
{
	return run_work(call, forget_trust);
}

/* ---- a round ---- */

enum im_exit
auditor_exit_code(enum audit_verdict verdict)
{
	if (audit_verdict_info(verdict)->is_tamper)
		return IM_EXIT_VERIFICATION;
	if (verdict == AUDIT_UNREACHABLE)
		return IM_EXIT_UNREACHABLE;
	return verdict == AUDIT_OK || verdict == AUDIT_FIRST_SEEN ? IM_EXIT_OK : IM_EXIT_ERROR;
}

static void
show_verdict(struct output *o, enum audit_verdict verdict)
{
	enum im_exit code = auditor_exit_code(verdict);

	output_next_colour(o,
	    code == IM_EXIT_OK                 ? OUTPUT_GREEN
		: code == IM_EXIT_VERIFICATION ? OUTPUT_RED
					       : OUTPUT_YELLOW);
	output_string(o, "verdict", audit_verdict_info(verdict)->word);
}

static void
show_database(struct output *o, const struct report *r, const struct report_database *d)
{
	output_record_begin(o, NULL);
	output_string(o, "database", d->name);
	output_string(o, "server", r->server.id);
	show_verdict(o, d->verdict);
	if (*d->reason)
		output_string(o, "reason", d->reason);
	if (d->previous.is_known)
		output_u64(o, "trusted tx", d->previous.tx);
	if (d->current.is_known)
		output_u64(o, "seen tx", d->current.tx);
	output_u64(o, "checked entries", d->sampled);
	if (d->suspect_to > 0) {
		output_u64(o, "suspect from", d->suspect_from);
		output_u64(o, "suspect to", d->suspect_to);
	}
	if (*d->evidence)
		output_string(o, "evidence", d->evidence);
	output_record_end(o);
}

void
auditor_show_round(struct output *o, const struct report *r)
{
	enum audit_verdict verdict;
	const struct report_database *worst = report_worst(r, &verdict);
	size_t i;

	output_label_width(o, sizeof "checked entries: " - 1);
	output_list_begin(o, NULL, OUTPUT_BLOCKS, NULL);
	if (!worst || verdict != worst->verdict) {
		output_record_begin(o, NULL);
		output_string(o, "server", r->server.address);
		show_verdict(o, r->server.verdict);
		if (*r->server.reason)
			output_string(o, "reason", r->server.reason);
		output_record_end(o);
	}
	for (i = 0; i < r->databases_len; i++)
		show_database(o, r, r->databases[i]);
	output_list_end(o);
}
