/*
 * "immuadmin database scrub": begins the check of a database in service, shows how far it is and
 * what it finds. The server does the work, and goes on without us unless it is told to stop.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin_commands.h"
#include "cli/session.h"
#include "client/immu_admin.h"

#define LOOK_NS 300000000L
#define LABEL_WIDTH 16u

static volatile sig_atomic_t is_interrupted;
/* The scrub that was awaited has found some. */
static bool has_faults;

static void
on_signal(int number)
{
	(void)number;
	is_interrupted = 1;
}

/* ---- All databases ---- */

static bool
list_scrub(void *arg, const struct immu_scrub_info *i)
{
	struct output *o = (struct output *)arg;

	output_record_begin(o, NULL);
	output_string(o, "database", i->database);
	output_string(o, "state", i->state);
	output_u64(o, "next transaction", i->next_tx);
	output_u64(o, "last transaction", i->last_tx);
	output_u64(o, "faults", i->lost + i->derived);
	if (i->finished_at)
		output_time(o, "finished", i->finished_at);
	else if (output_format(o) == OUTPUT_JSON)
		output_null(o, "finished");
	else
		output_string(o, "finished", "-");
	output_u64(o, "transactions", i->finished_transactions);
	output_u64(o, "lost", i->finished_lost);
	output_u64(o, "rebuilt", i->finished_derived);
	output_record_end(o);
	return !output_is_broken(o);
}

static enum im_err
scrub_list(struct session *s)
{
	enum im_err err;

	output_list_begin(s->out, NULL, OUTPUT_TABLE, "database(s)");
	err = immu_each_scrub(s->c, NULL, list_scrub, s->out);
	output_list_end(s->out);
	return err;
}

/* ---- One ---- */

static void
show_fault(struct output *o, const char *database, const struct immu_scrub_fault *f)
{
	output_record_begin(o, NULL);
	output_string(o, "database", database);
	output_string(o, "fault", f->derived ? "can be rebuilt" : "lost");
	output_string(o, "what", f->what);
	if (*f->file) {
		output_string(o, "file", f->file);
		output_u64(o, "offset", f->offset);
	}
	if (f->tx)
		output_u64(o, "tx", f->tx);
	if (f->raw_key_len)
		output_hex(o, "raw key", bytes_of(f->raw_key, f->raw_key_len));
	/* The first byte of a raw key says what the key is for. */
	if (f->raw_key_len > 1)
		output_bytes(o, "key", bytes_of(f->raw_key + 1, f->raw_key_len - 1));
	output_record_end(o);
}

static void
show_result(struct output *o, const struct immu_scrub_info *i)
{
	output_record_begin(o, NULL);
	output_string(o, "database", i->database);
	output_next_colour(o,
	    i->lost || strcmp(i->state, "failed") == 0 ? OUTPUT_RED
		: i->derived                           ? OUTPUT_YELLOW
						       : OUTPUT_GREEN);
	output_string(o, "result",
	    strcmp(i->state, "finished") != 0 ? i->state
		: i->lost                     ? "damaged"
		: i->derived                  ? "rebuilt"
					      : "whole");
	if (*i->error)
		output_string(o, "error", i->error);
	output_u64(o, "transactions", i->next_tx - (i->next_tx > 0));
	output_u64(o, "bytes", i->bytes);
	output_u64(o, "lost", i->lost);
	output_u64(o, "can be rebuilt", i->derived);
	output_time(o, "began", i->began_at);
	if (i->ended_at)
		output_time(o, "ended", i->ended_at);
	output_record_end(o);
}

/* What was seen at one look. */
struct look {
	struct output *out;
	bool is_over;
	bool failed;
	uint64_t faults;
	char error[256];
};

static bool
look_at(void *arg, const struct immu_scrub_info *i)
{
	struct look *l = (struct look *)arg;

	l->is_over = strcmp(i->state, "waiting") != 0 && strcmp(i->state, "running") != 0;
	l->failed = strcmp(i->state, "finished") != 0;
	l->faults = i->lost + i->derived;
	snprintf(l->error, sizeof l->error, "%s", *i->error ? i->error : i->state);
	if (!l->is_over) {
		output_progress(l->out, "%s: %s, transaction %llu of %llu, %llu fault(s)",
		    i->database, i->state, (unsigned long long)i->next_tx,
		    (unsigned long long)i->last_tx, (unsigned long long)l->faults);
		return true;
	}
	output_progress(l->out, "%s", "");
	output_label_width(l->out, LABEL_WIDTH);
	output_list_begin(l->out, NULL, OUTPUT_BLOCKS, NULL);
	for (size_t k = 0; k < i->faults_len; k++)
		show_fault(l->out, i->database, &i->faults[k]);
	show_result(l->out, i);
	output_list_end(l->out);
	return true;
}

static enum im_err
scrub_await(struct session *s, const char *name)
{
	const struct timespec pause = {0, LOOK_NS};
	struct look l = {.out = s->out};
	enum im_err err = IM_OK;

	while (!err && !l.is_over && !is_interrupted) {
		err = immu_each_scrub(s->c, name, look_at, &l);
		if (!err && !l.is_over)
			(void)nanosleep(&pause, NULL);
	}
	output_progress(s->out, "%s", "");
	if (err)
		return err;
	if (!l.is_over) {
		err = immu_scrub_stop(s->c, name);
		return err && err != IM_ERR_NOT_FOUND
		    ? err
		    : err_set(IM_ERR_INTERRUPTED, "interrupted: the scrub is stopped");
	}
	if (l.failed)
		return err_set(IM_ERR_INTERNAL, "the scrub did not finish: %s", l.error);
	has_faults = l.faults > 0;
	return IM_OK;
}

static enum im_err
scrub_one(struct session *s, const char *name)
{
	const struct sigaction action = {.sa_handler = on_signal};
	enum im_err err = immu_scrub_begin(s->c, name, (uint64_t)options_size(s->options, "rate"));

	if (err)
		return err;
	if (options_bool(s->options, "no-wait")) {
		output_message(s->out, "scrub of database %s begun", name);
		return IM_OK;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return scrub_await(s, name);
}

static enum im_err
scrub(struct session *s)
{
	const char *name = s->call->arg_count > 0 ? s->call->args[0] : NULL;
	bool stop = options_bool(s->options, "stop");
	enum im_err err;

	if (!name && (stop || options_bool(s->options, "no-wait")))
		return err_set(IM_ERR_USAGE, "name the database");
	if (!name)
		return scrub_list(s);
	if (!stop)
		return scrub_one(s, name);
	err = immu_scrub_stop(s->c, name);
	if (!err)
		output_message(s->out, "scrub of database %s stopped", name);
	return err;
}

int
command_database_scrub(struct command_call *call)
{
	int code = session_run(call, SESSION_LOGGED_IN, scrub);

	return code == IM_EXIT_OK && has_faults ? IM_EXIT_VERIFICATION : code;
}
