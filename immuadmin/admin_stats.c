/*
 * "immuadmin stats": what the server's metrics say, as text, JSON, as they are, or as a screen that
 * refreshes. Neighbours: stats_sample.c (the numbers), libproto/http (the request).
 *
 * Invariant: the terminal is as before however the screen ends.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "admin_commands.h"
#include "cli/session.h"
#include "http/http_get.h"
#include "stats_sample.h"
#include "util/clock.h"
#include "util/text.h"

#define TIMEOUT_MS 3000
#define SAMPLE_MEMORY (4u * 1024 * 1024)
#define SCREEN_MAX (256u * 1024)
#define BAR_WIDTH 24

static enum im_err
fetch(struct session *s, struct buf *out)
{
	return http_get(options_string(s->options, "immudb-address"),
	    (uint16_t)options_int(s->options, "metrics-port"), "/metrics", TIMEOUT_MS, out);
}

/* ---- Once ---- */

/* Two decimals are what people read. */
static double
rounded(double v)
{
	return (double)(int64_t)(v * 100 + 0.5) / 100;
}

static void
show_methods(struct output *o, const struct stats_sample *sample)
{
	output_list_begin(o, "methods", OUTPUT_TABLE, "method(s) called");
	for (size_t i = 0; i < sample->methods_len; i++) {
		const struct stats_method *m = &sample->methods[i];

		output_record_begin(o, NULL);
		output_string(o, "method", m->name);
		output_u64(o, "calls", (uint64_t)m->count);
		output_u64(o, "average us",
		    m->count > 0 ? (uint64_t)(m->seconds / m->count * 1e6 + 0.5) : 0);
		output_record_end(o);
	}
	output_list_end(o);
}

static void
show_databases(struct output *o, const struct stats_sample *sample)
{
	output_list_begin(o, "databases", OUTPUT_TABLE, "database(s)");
	for (size_t i = 0; i < sample->databases_len; i++) {
		const struct stats_database *d = &sample->databases[i];

		output_record_begin(o, NULL);
		output_string(o, "database", d->name);
		output_u64(o, "transactions", (uint64_t)d->transactions);
		output_u64(o, "size bytes", (uint64_t)d->size_bytes);
		output_u64(o, "log bytes", (uint64_t)d->log_bytes);
		output_u64(o, "index runs", (uint64_t)d->index_runs);
		output_record_end(o);
	}
	output_list_end(o);
}

static enum im_err
show_once(struct session *s, struct bytes text)
{
	struct stats_sample sample;
	struct output *o = s->out;
	enum im_err err = stats_sample_parse(text, &s->memory, &sample);

	if (err)
		return err;
	output_label_width(o, sizeof "received bytes: " - 1);
	output_record_begin(o, NULL);
	output_double(o, "uptime hours", rounded(sample.uptime_hours));
	output_u64(o, "sessions", (uint64_t)sample.sessions);
	output_u64(o, "connections", (uint64_t)sample.connections);
	output_u64(o, "in flight", (uint64_t)sample.in_flight);
	output_u64(o, "received bytes", (uint64_t)sample.received_bytes);
	output_u64(o, "sent bytes", (uint64_t)sample.sent_bytes);
	output_double(o, "cpu seconds", rounded(sample.cpu_seconds));
	output_u64(o, "memory bytes", (uint64_t)sample.resident_bytes);
	output_u64(o, "open files", (uint64_t)sample.open_files);
	show_databases(o, &sample);
	show_methods(o, &sample);
	output_record_end(o);
	return IM_OK;
}

static enum im_err
stats_once(struct session *s, bool raw)
{
	struct buf text;
	enum im_err err;

	buf_init(&text, HTTP_GET_MAX);
	err = fetch(s, &text);
	if (!err && raw && fwrite(text.data, 1, text.len, stdout) != text.len)
		err = err_set_errno(IM_ERR_IO, "write", "the output");
	else if (!err && !raw)
		err = show_once(s, buf_bytes(&text));
	buf_free(&text);
	return err;
}

/* ---- The screen ---- */

struct screen {
	struct session *s;
	struct arena arenas[2]; /* of the last two samples, in turn */
	struct stats_sample samples[2];
	int64_t taken_ns[2];
	unsigned turn;
	bool has_last;
};

static struct termios terminal_before;
static volatile sig_atomic_t is_over;

static void
on_signal(int number)
{
	(void)number;
	is_over = 1;
}

static void
say(const char *text)
{
	/* Nobody to tell when this fails. */
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		is_over = 1;
}

static bool
screen_open(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal_before) != 0)
		return false;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	raw = terminal_before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	say("\033[?1049h\033[?25l");
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void
screen_close(void)
{
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	say("\033[?25h\033[?1049l");
}

static void
append_bytes_text(struct buf *b, double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
		bytes /= 1024;
	buf_printf(b, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void
append_bar(struct buf *b, double share)
{
	int full = (int)(share * BAR_WIDTH + 0.5);

	for (int i = 0; i < BAR_WIDTH; i++)
		buf_append_str(b, i < full ? "#" : ".");
}

/* What a counter grew by in a second. */
static double
rate(double now, double last, double seconds)
{
	return seconds > 0 && now >= last ? (now - last) / seconds : 0;
}

static void
draw_head(struct buf *b, const struct screen *v, double seconds)
{
	const struct stats_sample *now = &v->samples[v->turn], *last = &v->samples[!v->turn];

	buf_printf(b, "\033[1mimmudb %s:%d\033[0m   up %.1f h   q, Esc or Ctrl-C leaves\r\n\r\n",
	    options_string(v->s->options, "immudb-address"),
	    (int)options_int(v->s->options, "immudb-port"), now->uptime_hours);
	buf_printf(b, "Clients   %.0f connections, %.0f sessions, %.0f requests in flight\r\n",
	    now->connections, now->sessions, now->in_flight);
	buf_append_str(b, "Network   in ");
	append_bytes_text(b, rate(now->received_bytes, last->received_bytes, seconds));
	buf_append_str(b, "/s, out ");
	append_bytes_text(b, rate(now->sent_bytes, last->sent_bytes, seconds));
	buf_append_str(b, "/s\r\nProcess   ");
	append_bytes_text(b, now->resident_bytes);
	buf_printf(b, " of memory, %.0f %% of a processor, %.0f open files\r\n\r\n",
	    100 * rate(now->cpu_seconds, last->cpu_seconds, seconds), now->open_files);
}

static void
draw_databases(struct buf *b, const struct stats_sample *now, size_t rows)
{
	buf_printf(
	    b, "\033[1m%-24s %14s %12s %12s\033[0m\r\n", "Database", "Transactions", "Size", "Log");
	for (size_t i = 0; i < now->databases_len && i < rows; i++) {
		const struct stats_database *d = &now->databases[i];
		size_t start;

		buf_printf(b, "%-24.24s %14.0f ", d->name, d->transactions);
		for (int k = 0; k < 2; k++) {
			start = b->len;
			append_bytes_text(b, k ? d->log_bytes : d->size_bytes);
			for (size_t n = b->len - start; n < 13; n++)
				buf_append_u8(b, ' ');
		}
		buf_append_str(b, "\r\n");
	}
	buf_append_str(b, "\r\n");
}

static double
method_rate(const struct screen *v, const struct stats_method *m, double seconds)
{
	const struct stats_method *last = stats_method_find(&v->samples[!v->turn], m->name);

	return v->has_last ? rate(m->count, last ? last->count : 0, seconds) : 0;
}

/* The average of the calls since the last sample, in microseconds. */
static double
method_average_us(const struct screen *v, const struct stats_method *m)
{
	const struct stats_method *last = stats_method_find(&v->samples[!v->turn], m->name);
	double count = m->count - (v->has_last && last ? last->count : 0);
	double seconds = m->seconds - (v->has_last && last ? last->seconds : 0);

	return count > 0 ? seconds / count * 1e6 : 0;
}

static void
draw_methods(struct buf *b, const struct screen *v, double seconds, size_t rows)
{
	const struct stats_sample *now = &v->samples[v->turn];
	double highest = 1;

	buf_printf(b, "\033[1m%-24s %12s %12s %12s\033[0m\r\n", "Method", "Calls", "Calls/s",
	    "Average us");
	for (size_t i = 0; i < now->methods_len; i++) {
		double r = method_rate(v, &now->methods[i], seconds);

		highest = r > highest ? r : highest;
	}
	for (size_t i = 0; i < now->methods_len && i < rows; i++) {
		const struct stats_method *m = &now->methods[i];
		double r = method_rate(v, m, seconds);

		buf_printf(b, "%-24.24s %12.0f %12.1f %12.0f  ", m->name, m->count, r,
		    method_average_us(v, m));
		append_bar(b, r / highest);
		buf_append_str(b, "\r\n");
	}
}

static void
draw(const struct screen *v)
{
	struct winsize size = {.ws_row = 24};
	double seconds = (double)(v->taken_ns[v->turn] - v->taken_ns[!v->turn]) / 1e9;
	const struct stats_sample *now = &v->samples[v->turn];
	size_t rows, databases;
	struct buf b;

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	rows = size.ws_row > 10 ? size.ws_row - 10u : 1;
	databases = now->databases_len < rows / 2 ? now->databases_len : rows / 2;
	buf_init(&b, SCREEN_MAX);
	buf_append_str(&b, "\033[H\033[2J");
	draw_head(&b, v, v->has_last ? seconds : 0);
	draw_databases(&b, now, databases);
	draw_methods(&b, v, v->has_last ? seconds : 0, rows - databases);
	buf_append_u8(&b, '\0');
	if (!b.err)
		say((const char *)b.data);
	buf_free(&b);
}

/* Waits for the next refresh; a key may end it all. */
static void
wait_for_key(int64_t interval_ms)
{
	struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
	char c;

	if (poll(&keys, 1, (int)interval_ms) <= 0)
		return;
	if (read(STDIN_FILENO, &c, 1) != 1 || c == 'q' || c == 'Q' || c == '\033')
		is_over = 1;
}

static enum im_err
refresh(struct screen *v)
{
	struct buf text;
	enum im_err err;

	buf_init(&text, HTTP_GET_MAX);
	err = fetch(v->s, &text);
	if (!err) {
		v->has_last = v->taken_ns[v->turn] != 0;
		v->turn = !v->turn;
		arena_reset(&v->arenas[v->turn], SAMPLE_MEMORY);
		v->taken_ns[v->turn] = clock_monotonic_ns();
		err =
		    stats_sample_parse(buf_bytes(&text), &v->arenas[v->turn], &v->samples[v->turn]);
	}
	buf_free(&text);
	return err;
}

static enum im_err
stats_screen(struct session *s)
{
	struct screen v = {.s = s};
	enum im_err err;

	arena_init(&v.arenas[0], SAMPLE_MEMORY);
	arena_init(&v.arenas[1], SAMPLE_MEMORY);
	err = refresh(&v);
	if (!err && !screen_open())
		err = err_set_errno(IM_ERR_IO, "terminal", "stdin");
	if (!err) {
		while (!err && !is_over) {
			draw(&v);
			wait_for_key(options_duration_ms(s->options, "interval"));
			if (!is_over)
				err = refresh(&v);
		}
		screen_close();
	}
	arena_free(&v.arenas[0]);
	arena_free(&v.arenas[1]);
	return err;
}

static enum im_err
stats(struct session *s)
{
	bool raw = options_bool(s->options, "raw"), text = options_bool(s->options, "text");

	if (raw || text || output_format(s->out) == OUTPUT_JSON || !output_on_terminal(s->out) ||
	    !isatty(STDIN_FILENO))
		return stats_once(s, raw);
	return stats_screen(s);
}

int
command_stats(struct command_call *call)
{
	return session_run(call, SESSION_OFFLINE, stats);
}
