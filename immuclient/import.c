/*
 * "immuclient import": rows of a file become transactions, many of them on their way at a time.
 * Neighbours: import_parse.c (rows), import_batch.c (transactions and their order).
 *
 * Invariants: rows are written in the order of the input; after a failure or a signal nothing more
 * is sent, what is on its way is waited for, and the line told is the last one before which every
 * row was acknowledged or reported as skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/session.h"
#include "commands.h"
#include "crypto/rawkey.h"
#include "import_batch.h"
#include "interrupt.h"
#include "util/clock.h"

#define READ_BYTES (256u << 10)
/* How long to wait at a time, so that signals are seen. */
#define WAIT_MS 100
#define PROGRESS_EVERY_MS 200

struct import {
	struct session *s;
	struct import_parser parser;
	struct import_ring ring;
	const char *name; /* of the input, for messages */
	int fd;
	bool stop_on_error;
	bool is_verified;
	uint64_t from_line;
	uint64_t skipped;
	int64_t started_ns;
	int64_t progress_ns;
	enum im_err err; /* why it ended early */
	char *error_text;
	uint8_t block[READ_BYTES];
};

/* Keeps the first failure. */
static void
fail(struct import *im, enum im_err err, const char *text)
{
	if (im->err)
		return;
	im->err = err;
	im->error_text = strdup(text);
}

static bool
is_ending(const struct import *im)
{
	return im->err || interrupt_count() > 0;
}

static double
seconds_since(int64_t start_ns)
{
	return (double)(clock_monotonic_ns() - start_ns) / (double)CLOCK_NS_PER_S;
}

static void
show_progress(struct import *im)
{
	int64_t now = clock_monotonic_ns();
	double seconds = seconds_since(im->started_ns);

	if (now - im->progress_ns < PROGRESS_EVERY_MS * CLOCK_NS_PER_MS)
		return;
	im->progress_ns = now;
	output_progress(im->s->out, "%" PRIu64 " rows, %.0f rows/s, line %" PRIu64, im->ring.rows,
	    seconds > 0 ? (double)im->ring.rows / seconds : 0, im->ring.last_line);
}

/* ---- Sending ---- */

/* The arguments of a batch's callback. The ring has no more batches than in-flight is allowed. */
struct ticket {
	struct import *im;
	struct import_batch *batch;
};

static void
on_done(void *arg, const struct immu_result *r)
{
	struct ticket *ticket = arg;
	struct import *im = ticket->im;
	struct import_batch *b = ticket->batch;
	char text[1024];

	free(ticket);
	if (!r->err) {
		import_ring_acknowledge(&im->ring, b);
		return;
	}
	snprintf(text, sizeof text, "%s: lines %" PRIu64 " to %" PRIu64 ": %s", im->name,
	    b->first_line, b->last_line, r->error_text);
	fail(im, r->err, text);
}

/* Waits a moment for answers. */
static void
await_answers(struct import *im, int timeout_ms)
{
	enum im_err err = immu_poll(im->s->c, timeout_ms);

	if (err)
		fail(im, err, immu_error_text(err));
	show_progress(im);
}

static void
send_batch(struct import *im)
{
	struct import_batch *b = import_ring_filling(&im->ring);
	struct ticket *ticket;
	enum im_err err;

	if (!b || b->len == 0)
		return;
	ticket = malloc(sizeof *ticket);
	if (!ticket) {
		fail(im, IM_ERR_NOMEM, "out of memory");
		return;
	}
	*ticket = (struct ticket){im, b};
	struct immu_request request = {.op = IMMU_OP_SET,
	    .verified = im->is_verified,
	    .kvs = import_batch_kvs(b),
	    .kvs_len = b->len};
	import_ring_send(&im->ring);
	err = immu_submit(im->s->c, &request, on_done, ticket);
	if (err) {
		free(ticket);
		fail(im, err, immu_error_text(err));
	}
	await_answers(im, 0);
}

/* The batch to fill, after waiting for a free one; NULL when the import is ending. */
static struct import_batch *
await_batch(struct import *im)
{
	while (!is_ending(im) && !import_ring_filling(&im->ring))
		await_answers(im, WAIT_MS);
	return is_ending(im) ? NULL : import_ring_filling(&im->ring);
}

/* ---- Reading ---- */

/* Reports a malformed row, and ends the import unless such rows are skipped. */
static void
refuse_row(struct import *im, const struct import_row *row, enum im_err err)
{
	char text[1024];

	if (row->first_line < im->from_line)
		return;
	snprintf(text, sizeof text, "%s: line %" PRIu64 ": %s", im->name, row->first_line,
	    err_detail(err));
	if (im->stop_on_error) {
		fail(im, err, text);
		return;
	}
	im->skipped++;
	output_warn(im->s->out, "%s", text);
}

/* What the server would refuse, so that the line can be named. */
static enum im_err
check_row(const struct import_row *row)
{
	if (row->key.len > USER_KEY_MAX)
		return err_set(
		    IM_ERR_KEY_LENGTH, "%s: %zu bytes", err_text(IM_ERR_KEY_LENGTH), row->key.len);
	if (row->value.len > USER_VALUE_MAX)
		return err_set(IM_ERR_VALUE_LENGTH, "%s: %zu bytes", err_text(IM_ERR_VALUE_LENGTH),
		    row->value.len);
	return IM_OK;
}

static void
take_row(struct import *im, const struct import_row *row)
{
	enum import_add added = IMPORT_REFUSED;
	enum im_err err = check_row(row);

	if (row->first_line < im->from_line)
		return;
	if (err) {
		refuse_row(im, row, err);
		return;
	}
	while (added == IMPORT_REFUSED) {
		struct import_batch *b = await_batch(im);

		if (!b)
			return;
		added = import_batch_add(b, row);
		if (added == IMPORT_REFUSED)
			send_batch(im);
	}
	if (added == IMPORT_NO_MEMORY)
		fail(im, IM_ERR_NOMEM, "out of memory");
}

static bool
is_input_ready(const struct import *im, int timeout_ms)
{
	struct pollfd p = {.fd = im->fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) > 0;
}

/* Waits for input. While there is none, what has been read is sent, and answers are taken. */
static void
await_input(struct import *im)
{
	if (is_input_ready(im, 0))
		return;
	send_batch(im);
	while (!is_ending(im) && !is_input_ready(im, immu_in_flight(im->s->c) ? 0 : WAIT_MS)) {
		if (immu_in_flight(im->s->c) > 0)
			await_answers(im, WAIT_MS / 10);
	}
}

static void
read_input(struct import *im)
{
	ssize_t n;
	enum im_err err = IM_OK;

	await_input(im);
	if (is_ending(im))
		return;
	n = read(im->fd, im->block, sizeof im->block);
	if (n > 0)
		err = import_parser_feed(&im->parser, bytes_of(im->block, (size_t)n));
	else if (n == 0)
		import_parser_finish(&im->parser);
	else if (errno != EINTR && errno != EAGAIN)
		err = err_set_errno(IM_ERR_IO, "read", im->name);
	if (err)
		fail(im, err, err_detail(err));
}

static void
import_rows(struct import *im)
{
	struct import_row row;

	while (!is_ending(im)) {
		enum im_err err = import_parser_next(&im->parser, &row);

		if (err == IM_ERR_NOT_FOUND)
			break;
		if (err == IM_ERR_WOULD_BLOCK)
			read_input(im);
		else if (err)
			refuse_row(im, &row, err);
		else
			take_row(im, &row);
	}
}

/* Rows before a malformed one are still written; after a signal or a failed batch nothing is. */
static bool
may_send_rest(const struct import *im)
{
	bool is_row_error = im->err == IM_ERR_FORMAT || im->err == IM_ERR_LIMIT ||
	    im->err == IM_ERR_KEY_LENGTH || im->err == IM_ERR_VALUE_LENGTH;

	return interrupt_count() == 0 && (!im->err || is_row_error);
}

static void
finish_sending(struct import *im)
{
	unsigned signals_before = interrupt_count();

	if (may_send_rest(im)) {
		while (!import_ring_filling(&im->ring) && immu_in_flight(im->s->c) > 0)
			await_answers(im, WAIT_MS);
		send_batch(im);
	}
	while (immu_in_flight(im->s->c) > 0 && interrupt_count() <= signals_before + 1)
		await_answers(im, WAIT_MS);
	output_progress(im->s->out, "%s", "");
}

/* ---- The command ---- */

static void
show_summary(struct import *im)
{
	struct output *o = im->s->out;
	const struct import_ring *ring = &im->ring;
	double seconds = seconds_since(im->started_ns);
	double rate = seconds > 0 ? (double)ring->rows / seconds : 0;
	const char *rows = ring->rows == 1 ? "row" : "rows";

	if (output_format(o) == OUTPUT_JSON) {
		output_record_begin(o, NULL);
		output_u64(o, "rows", ring->rows);
		output_u64(o, "transactions", ring->finished);
		output_u64(o, "skipped", im->skipped);
		output_u64(o, "last_line", ring->last_line);
		output_bool(o, "complete", !is_ending(im));
		output_double(o, "seconds", seconds);
		output_record_end(o);
		return;
	}

	/* Numbers that are not lines would be mistaken for one by whoever wants to go on. */
	if (is_ending(im) && ring->last_line == 0)
		output_message(o, "no row was imported");
	else if (is_ending(im))
		output_message(o, "%" PRIu64 " %s imported, last acknowledged line %" PRIu64,
		    ring->rows, rows, ring->last_line);
	else if (im->skipped > 0)
		output_message(o,
		    "%" PRIu64 " %s imported, %" PRIu64 " skipped, in %.2f s (%.0f rows/s)",
		    ring->rows, rows, im->skipped, seconds, rate);
	else
		output_message(o, "%" PRIu64 " %s imported in %.2f s (%.0f rows/s)", ring->rows,
		    rows, seconds, rate);
}

static enum im_err
open_input(struct import *im)
{
	const char *path = im->s->call->arg_count > 0 ? im->s->call->args[0] : "-";

	im->name = path;
	if (strcmp(path, "-") == 0) {
		im->name = "input";
		im->fd = dup(STDIN_FILENO);
	} else {
		im->fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return im->fd < 0 ? err_set_errno(IM_ERR_IO, "open", im->name) : IM_OK;
}

static void
run_import(struct import *im)
{
	enum im_err err = IM_OK;

	interrupt_catch();
	im->started_ns = im->progress_ns = clock_monotonic_ns();
	import_rows(im);
	finish_sending(im);
	if (im->is_verified)
		err = immu_persist(im->s->c);
	if (err)
		fail(im, err, immu_error_text(err));
	show_summary(im);
	/* After a second signal answers are still awaited by requests that know us. */
	if (immu_in_flight(im->s->c) > 0) {
		(void)immu_close(im->s->c);
		im->s->link->c = im->s->c = NULL;
	}
}

/* How it ended, for the command's exit code. */
static enum im_err
outcome(const struct import *im)
{
	if (interrupt_count() > 0)
		return err_set(IM_ERR_INTERRUPTED, "interrupted");
	return im->err ? err_set(im->err, "%s", im->error_text ? im->error_text : "") : IM_OK;
}

static struct import *
new_import(struct session *s)
{
	const struct options *o = s->options;
	struct import *im = calloc(1, sizeof *im);

	if (!im)
		return NULL;
	im->s = s;
	im->fd = -1;
	im->stop_on_error = options_enum(o, "on-error") == 0;
	im->is_verified = options_bool(o, "verified");
	im->from_line = (uint64_t)options_int(o, "from-line");
	import_parser_init(&im->parser, (enum import_format)options_enum(o, "format"));
	return im;
}

static void
free_import(struct import *im)
{
	if (im->fd >= 0)
		close(im->fd);
	import_ring_free(&im->ring);
	import_parser_free(&im->parser);
	free(im->error_text);
	free(im);
}

/* An expired session is found before the first row is sent. */
static enum im_err
check_session(struct session *s)
{
	struct immu_result *r;
	enum im_err err = immu_current_state(s->c, &r);

	immu_result_free(r);
	return err;
}

static enum im_err
import_command(struct session *s)
{
	struct import *im = new_import(s);
	enum im_err err;

	if (!im)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = open_input(im);
	if (!err)
		err = import_ring_init(&im->ring, (size_t)options_int(s->options, "in-flight"),
		    (size_t)options_int(s->options, "batch-size"));
	if (!err)
		err = check_session(s);
	if (!err) {
		s->may_login_again = false;
		run_import(im);
		err = outcome(im);
	}
	free_import(im);
	return err;
}

int
command_import(struct command_call *call)
{
	return session_run(call, SESSION_LOGGED_IN, import_command);
}
