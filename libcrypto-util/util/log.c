/*
 * The log. Neighbours: every daemon; text (escaping), clock (times), file (folders).
 *
 * Invariants: a line is put together first and leaves in one write(); the descriptor's number never
 * changes while a file is open (log_reopen() replaces what it refers to), so writers need no lock;
 * the configuration changes only in log_open() and log_close(), when no other thread logs.
 */
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/text.h"

#define LOG_MAX_MESSAGE 4096u
/* Every byte of a message may become \xNN or \u00NN. */
#define LOG_MAX_LINE (LOG_MAX_MESSAGE * 6 + 256)
#define LOG_MAX_PATH 4096u
#define LOG_MAX_PROGRAM 32u
#define LOG_LEVEL_UNSET (-1)

static const char *const log_names[] = {"error", "warn", "info", "debug"};
static const char *const log_labels[] = {"ERROR", "WARN", "INFO", "DEBUG"};

static struct {
	_Atomic int level;
	enum log_format format;
	int fd;
	char program[LOG_MAX_PROGRAM];
	char path[LOG_MAX_PATH]; /* empty: stderr */
} log_state = {.level = LOG_LEVEL_UNSET, .fd = STDERR_FILENO};

bool
log_level_parse(const char *word, enum log_level *out)
{
	for (unsigned i = 0; i <= LOG_LEVEL_DEBUG; i++)
		if (strcasecmp(word, log_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	if (strcasecmp(word, "warning") != 0)
		return false;
	*out = LOG_LEVEL_WARN;
	return true;
}

enum log_level
log_level_from_env(enum log_level fallback)
{
	const char *word = getenv("LOG_LEVEL");

	if (word)
		(void)log_level_parse(word, &fallback);
	return fallback;
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_state.level, (int)level, memory_order_relaxed);
}

bool
log_enabled(enum log_level level)
{
	int now = atomic_load_explicit(&log_state.level, memory_order_relaxed);

	if (now == LOG_LEVEL_UNSET) {
		now = (int)log_level_from_env(LOG_LEVEL_INFO);
		log_set_level((enum log_level)now);
	}
	return (int)level <= now;
}

static int
log_open_file(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, FILE_MODE_PRIVATE);
}

enum im_err
log_open(const struct log_config *config)
{
	const char *path = config->path ? config->path : "";
	int fd = STDERR_FILENO;
	enum im_err err;

	if (strlen(path) >= sizeof log_state.path)
		return err_set(IM_ERR_LIMIT, "log file: path too long");
	if (path[0]) {
		err = file_make_parent(path);
		if (err)
			return err;
		fd = log_open_file(path);
		if (fd < 0)
			return err_set_errno(IM_ERR_IO, "log file", path);
	}
	log_close();
	log_state.fd = fd;
	log_state.format = config->format;
	strcpy(log_state.path, path);
	snprintf(log_state.program, sizeof log_state.program, "%s",
	    config->program ? config->program : "");
	log_set_level(config->level);
	return IM_OK;
}

void
log_close(void)
{
	if (log_state.path[0])
		close(log_state.fd);
	log_state.fd = STDERR_FILENO;
	log_state.path[0] = '\0';
	log_state.program[0] = '\0';
	log_state.format = LOG_FORMAT_TEXT;
	atomic_store(&log_state.level, LOG_LEVEL_UNSET);
}

const char *
log_path(void)
{
	return log_state.path;
}

enum im_err
log_reopen(void)
{
	enum im_err err = IM_OK;
	int fd;

	if (!log_state.path[0])
		return IM_OK;
	fd = log_open_file(log_state.path);
	if (fd < 0)
		return err_set_errno(IM_ERR_IO, "log file", log_state.path);
	if (dup3(fd, log_state.fd, O_CLOEXEC) < 0)
		err = err_set_errno(IM_ERR_IO, "log file", log_state.path);
	close(fd);
	return err;
}

/* A log that cannot be written has nowhere to say so; the process goes on. */
static void
log_write_line(struct bytes line)
{
	ssize_t n;

	while (line.len) {
		n = write(log_state.fd, line.data, line.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		line = bytes_of(line.data + n, line.len - (size_t)n);
	}
}

static void
log_append_text(struct buf *b, enum log_level level, const char *at, struct bytes message)
{
	buf_printf(b, "%s %s ", at, log_labels[level]);
	if (log_state.program[0])
		buf_printf(b, "%s: ", log_state.program);
	text_append_printable(b, message);
	buf_append_u8(b, '\n');
}

static void
log_append_json(struct buf *b, enum log_level level, const char *at, struct bytes message)
{
	buf_printf(b, "{\"ts\":\"%s\",\"level\":\"%s\",\"program\":", at, log_names[level]);
	text_append_json(b, bytes_str(log_state.program));
	buf_append_str(b, ",\"message\":");
	text_append_json(b, message);
	buf_append_str(b, "}\n");
}

static void log_vwrite(enum log_level level, uint64_t suppressed, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void
log_vwrite(enum log_level level, uint64_t suppressed, const char *fmt, va_list ap)
{
	char message[LOG_MAX_MESSAGE], at[CLOCK_TEXT_SIZE], tail[64] = "";
	int n = vsnprintf(message, sizeof message, fmt, ap);
	size_t len = n < 0 ? 0 : (size_t)n, room = sizeof message - sizeof tail;
	char memory[LOG_MAX_LINE];
	struct buf line;

	if (suppressed)
		snprintf(tail, sizeof tail, " (and %llu more like this, not shown)",
		    (unsigned long long)suppressed);
	if (len > room) {
		len = room - 3;
		memcpy(message + len, "...", 4);
		len += 3;
	}
	strcpy(message + len, tail);
	clock_format_ms(clock_wall(), at);
	buf_init_in(&line, memory, sizeof memory);
	if (log_state.format == LOG_FORMAT_JSON)
		log_append_json(&line, level, at, bytes_str(message));
	else
		log_append_text(&line, level, at, bytes_str(message));
	log_write_line(buf_bytes(&line));
}

void
log_write(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_vwrite(level, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

bool
log_limit_pass(struct log_limit *limit, int64_t now_ns, uint64_t *suppressed)
{
	int64_t next = atomic_load(&limit->next_ns);

	if ((next && now_ns < next) ||
	    !atomic_compare_exchange_strong(
		&limit->next_ns, &next, now_ns + LOG_LIMIT_S * CLOCK_NS_PER_S)) {
		atomic_fetch_add(&limit->suppressed, 1);
		return false;
	}
	*suppressed = atomic_exchange(&limit->suppressed, 0);
	return true;
}

void
log_write_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	uint64_t suppressed = 0;
	va_list ap;

	if (!log_enabled(level) || !log_limit_pass(limit, clock_monotonic_ns(), &suppressed))
		return;
	va_start(ap, fmt);
	log_vwrite(level, suppressed, fmt, ap);
	va_end(ap);
	errno = saved;
}
