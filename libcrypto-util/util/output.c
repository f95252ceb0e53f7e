/*
 * Results and messages of a command: what a field says, whatever the format. Neighbours:
 * output_text and output_json (the two renderers, one file each), text (escaping); used by every
 * command.
 *
 * Invariants: fields are given only while a record is open; frames are properly nested (asserted);
 * the first write error is kept and ends all writing; nothing a peer sent is used as a format.
 */
#include "util/output.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/base64.h"
#include "util/clock.h"
#include "util/hex.h"
#include "util/output_format.h"
#include "util/text.h"

#define OUTPUT_BUFFER_BYTES 65536u
#define OUTPUT_MAX_MESSAGE_BYTES 8192u

/* Whether fd is a terminal that knows control sequences. */
static bool
output_is_capable(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && term[0] && strcmp(term, "dumb") != 0;
}

static bool
output_colour_allowed(int fd)
{
	const char *no = getenv("NO_COLOR");

	return output_is_capable(fd) && (!no || !no[0]);
}

struct output *
output_new(enum output_format format, int out_fd, int err_fd, const char *program)
{
	struct output *o = (struct output *)calloc(1, sizeof *o);

	if (!o)
		return NULL;
	o->format = format;
	o->bytes_kind = OUTPUT_KIND_BYTES;
	o->ops = format == OUTPUT_JSON ? &output_json_ops : &output_text_ops;
	o->program = program;
	o->out_fd = out_fd;
	o->err_fd = err_fd;
	o->out_terminal = isatty(out_fd);
	o->err_terminal = isatty(err_fd);
	o->progress_allowed = output_is_capable(err_fd);
	o->out_colour = output_colour_allowed(out_fd);
	o->err_colour = output_colour_allowed(err_fd);
	o->label_width = OUTPUT_LABEL_WIDTH;
	/* Values may be large: the buffer is emptied at OUTPUT_BUFFER_BYTES, not capped there. */
	buf_init(&o->pending, OUTPUT_MAX_TABLE_BYTES);
	buf_init(&o->table, OUTPUT_MAX_TABLE_BYTES);
	buf_init(&o->columns, OUTPUT_MAX_TABLE_BYTES);
	return o;
}

static void
output_fail(struct output *o, enum im_err err, const char *why)
{
	if (o->err || o->reader_gone)
		return;
	o->err = err;
	snprintf(o->why, sizeof o->why, "%s", why);
}

/* Writes everything to a descriptor; 0 or an errno. A descriptor that must wait is waited for. */
static int
output_write_fd(int fd, struct bytes v)
{
	ssize_t n;

	while (v.len) {
		n = write(fd, v.data, v.len);
		if (n < 0 && errno == EINTR)
			continue;
		/* Whoever shares the terminal or pipe with us may have made it non-blocking. */
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			(void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
			continue;
		}
		if (n < 0)
			return errno;
		v = bytes_of(v.data + n, v.len - (size_t)n);
	}
	return 0;
}

static void
output_drain(struct output *o)
{
	int e;

	if (o->pending.err)
		output_fail(o, o->pending.err, "output too large");
	if (!output_is_broken(o)) {
		e = output_write_fd(o->out_fd, buf_bytes(&o->pending));
		if (e == EPIPE)
			o->reader_gone = true;
		else if (e)
			output_fail(o, e == ENOSPC ? IM_ERR_NO_SPACE : IM_ERR_IO, strerror(e));
	}
	buf_clear(&o->pending);
}

void
output_settle(struct output *o)
{
	if (o->pending.len >= OUTPUT_BUFFER_BYTES || o->pending.err ||
	    (o->out_terminal && o->depth == 0))
		output_drain(o);
}

enum im_err
output_flush(struct output *o)
{
	output_drain(o);
	return o->err ? err_set(o->err, "cannot write the output: %s", o->why) : IM_OK;
}

enum im_err
output_close(struct output *o)
{
	enum im_err err;

	assert(o->depth == 0);
	output_progress(o, "%s", "");
	err = output_flush(o);
	buf_free(&o->pending);
	buf_free(&o->table);
	buf_free(&o->columns);
	free(o);
	return err;
}

bool
output_is_broken(const struct output *o)
{
	return o->err || o->reader_gone;
}

bool
output_on_terminal(const struct output *o)
{
	return o->out_terminal;
}

bool
output_messages_on_terminal(const struct output *o)
{
	return o->err_terminal;
}

enum output_format
output_format(const struct output *o)
{
	return o->format;
}

void
output_label_width(struct output *o, unsigned columns)
{
	o->label_width = columns ? columns : OUTPUT_LABEL_WIDTH;
}

void
output_bytes_form(struct output *o, enum output_bytes_form form)
{
	static const enum output_kind kinds[] = {
	    OUTPUT_KIND_BYTES, OUTPUT_KIND_HEX, OUTPUT_KIND_BASE64};

	o->bytes_kind = kinds[form];
}

static struct output_frame *
output_push(struct output *o, enum output_frame_kind kind, const char *name)
{
	struct output_frame *f;

	assert(o->depth < OUTPUT_MAX_DEPTH);
	f = &o->frames[o->depth++];
	*f = (struct output_frame){.kind = kind, .name = name};
	return f;
}

void
output_record_begin(struct output *o, const char *name)
{
	struct output_frame *up = output_top(o);

	/* In a record everything has a name, in a list nothing has. */
	assert(!up || (up->kind == OUTPUT_FRAME_RECORD) == (name != NULL));
	output_push(o, OUTPUT_FRAME_RECORD, name);
	o->ops->record_begin(o, up);
}

void
output_record_end(struct output *o)
{
	assert(o->depth && output_top(o)->kind == OUTPUT_FRAME_RECORD);
	o->ops->record_end(o);
	o->depth--;
	if (o->depth)
		output_top(o)->count++;
	output_settle(o);
}

void
output_list_begin(struct output *o, const char *name, enum output_style style, const char *noun)
{
	struct output_frame *up = output_top(o), *f;

	assert(!up || (up->kind == OUTPUT_FRAME_RECORD && name));
	f = output_push(o, OUTPUT_FRAME_LIST, name);
	f->style = style;
	f->noun = noun ? noun : "row(s)";
	o->ops->list_begin(o, up);
}

void
output_list_end(struct output *o)
{
	assert(o->depth && output_top(o)->kind == OUTPUT_FRAME_LIST);
	o->ops->list_end(o);
	o->depth--;
	if (o->depth)
		output_top(o)->count++;
	output_settle(o);
}

static void
output_field(struct output *o, const char *name, enum output_kind kind, struct bytes v)
{
	assert(o->depth && output_top(o)->kind == OUTPUT_FRAME_RECORD);
	o->ops->field(o, name, kind, v);
	output_top(o)->count++;
	o->next_colour = OUTPUT_PLAIN;
	output_settle(o);
}

void
output_string(struct output *o, const char *name, const char *v)
{
	const struct output_frame *list = output_list(o);

	if (v)
		output_field(o, name, OUTPUT_KIND_BYTES, bytes_str(v));
	else if (o->format == OUTPUT_TEXT && list && list->style == OUTPUT_TABLE)
		output_field(o, name, OUTPUT_KIND_BYTES, bytes_of(NULL, 0)); /* keeps its column */
}

void
output_bytes(struct output *o, const char *name, struct bytes v)
{
	output_field(o, name, o->bytes_kind, v);
}

/* A field whose text is made by appending to a buffer. */
static void
output_made(struct output *o, const char *name, enum output_kind kind, struct buf *made)
{
	if (made->err)
		output_fail(o, made->err, "output too large");
	else
		output_field(o, name, kind, buf_bytes(made));
	buf_free(made);
}

void
output_hex(struct output *o, const char *name, struct bytes v)
{
	struct buf made;

	buf_init(&made, OUTPUT_MAX_TABLE_BYTES);
	hex_append(&made, v);
	output_made(o, name, OUTPUT_KIND_ASCII, &made);
}

void
output_base64(struct output *o, const char *name, struct bytes v)
{
	struct buf made;

	buf_init(&made, OUTPUT_MAX_TABLE_BYTES);
	base64_append(&made, BASE64_STD, v);
	output_made(o, name, OUTPUT_KIND_ASCII, &made);
}

void
output_u64(struct output *o, const char *name, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, v);
	output_field(o, name, OUTPUT_KIND_LITERAL, bytes_str(text));
}

void
output_i64(struct output *o, const char *name, int64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, v);
	output_field(o, name, OUTPUT_KIND_LITERAL, bytes_str(text));
}

void
output_double(struct output *o, const char *name, double v)
{
	struct buf made;
	bool finite = v - v == 0;

	buf_init(&made, 64);
	if (!finite && o->format == OUTPUT_JSON)
		buf_append_str(&made, "null");
	else
		text_append_double(&made, v);
	output_made(o, name, OUTPUT_KIND_LITERAL, &made);
}

void
output_bool(struct output *o, const char *name, bool v)
{
	output_field(o, name, OUTPUT_KIND_LITERAL, bytes_str(v ? "true" : "false"));
}

void
output_null(struct output *o, const char *name)
{
	output_field(
	    o, name, OUTPUT_KIND_LITERAL, bytes_str(o->format == OUTPUT_JSON ? "null" : ""));
}

void
output_time(struct output *o, const char *name, int64_t unix_s)
{
	char text[CLOCK_TEXT_SIZE];

	output_field(o, name, OUTPUT_KIND_ASCII, bytes_str(clock_format_s(unix_s, text)));
}

void
output_next_colour(struct output *o, enum output_colour colour)
{
	o->next_colour = colour;
}

void
output_value(struct output *o, struct bytes v)
{
	o->ops->value(o, o->bytes_kind, v);
	output_settle(o);
}

/* Formats into message, cut to its size; the result is a view of it. */
static struct bytes output_vformat(char message[OUTPUT_MAX_MESSAGE_BYTES], const char *fmt,
    va_list ap) __attribute__((format(printf, 2, 0)));

static struct bytes
output_vformat(char message[OUTPUT_MAX_MESSAGE_BYTES], const char *fmt, va_list ap)
{
	if (vsnprintf(message, OUTPUT_MAX_MESSAGE_BYTES, fmt, ap) < 0)
		message[0] = '\0';
	return bytes_str(message);
}

void
output_message(struct output *o, const char *fmt, ...)
{
	char message[OUTPUT_MAX_MESSAGE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)output_vformat(message, fmt, ap);
	va_end(ap);
	o->ops->message(o, bytes_str(message));
	output_settle(o);
}

const char *
output_colour_code(enum output_colour colour)
{
	static const char *const codes[] = {
	    "\033[0m", "\033[32m", "\033[33m", "\033[31m", "\033[1m"};

	return codes[colour];
}

static const char output_clear_line[] = "\r\033[K";

/* One line to stderr, behind the results so far, over the progress line. It needs no memory. */
static void
output_say(struct output *o, enum output_colour colour, struct bytes message)
{
	char memory[OUTPUT_MAX_MESSAGE_BYTES * 8];
	struct buf line;
	bool coloured = o->err_colour && colour != OUTPUT_PLAIN;

	output_drain(o);
	buf_init_in(&line, memory, sizeof memory);
	if (o->progress_shown)
		buf_append_str(&line, output_clear_line);
	o->progress_shown = false;
	if (coloured)
		buf_append_str(&line, output_colour_code(colour));
	text_append_printable(&line, message);
	if (coloured)
		buf_append_str(&line, output_colour_code(OUTPUT_PLAIN));
	buf_append_u8(&line, '\n');
	/* There is nowhere to report that stderr cannot be written. */
	(void)output_write_fd(o->err_fd, buf_bytes(&line));
}

void
output_note(struct output *o, const char *fmt, ...)
{
	char message[OUTPUT_MAX_MESSAGE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)output_vformat(message, fmt, ap);
	va_end(ap);
	output_say(o, OUTPUT_PLAIN, bytes_str(message));
}

void
output_warn(struct output *o, const char *fmt, ...)
{
	char message[OUTPUT_MAX_MESSAGE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)output_vformat(message, fmt, ap);
	va_end(ap);
	output_say(o, OUTPUT_YELLOW, bytes_str(message));
}

enum im_exit
output_error(struct output *o, enum im_err err)
{
	char memory[OUTPUT_MAX_MESSAGE_BYTES];
	struct buf line;

	buf_init_in(&line, memory, sizeof memory);
	if (o->format == OUTPUT_JSON) {
		buf_printf(&line, "{\"error\": {\"code\": \"%s\", \"name\": \"%s\", \"message\": ",
		    status_name(err_status(err)), err_name(err));
		text_append_json(&line, bytes_str(err_detail(err)));
		buf_append_str(&line, "}}");
	} else {
		buf_printf(&line, "%s: %s", o->program, err_detail(err));
	}
	output_say(o, o->format == OUTPUT_TEXT ? OUTPUT_RED : OUTPUT_PLAIN, buf_bytes(&line));
	return err_exit_code(err);
}

void
output_progress(struct output *o, const char *fmt, ...)
{
	char message[OUTPUT_MAX_MESSAGE_BYTES];
	struct buf line;
	va_list ap;

	if (!o->progress_allowed)
		return;
	va_start(ap, fmt);
	(void)output_vformat(message, fmt, ap);
	va_end(ap);
	if (!message[0] && !o->progress_shown)
		return;
	buf_init(&line, OUTPUT_MAX_MESSAGE_BYTES * 8);
	buf_append_str(&line, output_clear_line);
	text_append_printable(&line, bytes_str(message));
	(void)output_write_fd(o->err_fd, buf_bytes(&line));
	buf_free(&line);
	o->progress_shown = message[0] != '\0';
}
