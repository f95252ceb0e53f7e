#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

/*
 * The log of a process: levelled lines on stderr or in a file, as text
 *
 *	2024-02-29T12:00:00.123Z INFO immudb: message
 *
 * or JSON, one object a line with ts, level, program and message. Each line leaves in one write(),
 * so that lines of several threads and processes never mix. Control characters and bytes that are
 * not UTF-8 are escaped: what a peer sent can neither forge a line nor steer a terminal.
 * Secrets never go in here. Every function but log_open() and log_close() is safe from any thread.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_config {
	const char *program; /* copied; at most 31 bytes are kept */
	const char *path;    /* copied; NULL or "" is stderr */
	enum log_level level;
	enum log_format format;
};

/*
 * Starts logging as configured; before it, and after log_close(), the log is on stderr as text, at
 * the level of the environment variable LOG_LEVEL, or info. A missing folder of the file is made
 * (0700), the file is made with mode 0600 and appended to. On failure (IM_ERR_IO, IM_ERR_LIMIT for
 * a path too long) the former log goes on. Call it before threads start.
 */
enum im_err log_open(const struct log_config *config);

/* Closes the log file, if any; the log is on stderr again. When no other thread logs. */
void log_close(void);

/* Opens the log file again under its name, after it was moved away (SIGHUP). Nothing on stderr. */
enum im_err log_reopen(void);

/*
 * The path of the log file; "" while the log is on stderr. Valid until the next log_open() or
 * log_close().
 */
const char *log_path(void);

/* Reads "error", "warn" (or "warning"), "info", "debug", in any case; false for another word. */
bool log_level_parse(const char *word, enum log_level *out);

/* The level in the environment variable LOG_LEVEL, or fallback when it is unset or not a level. */
enum log_level log_level_from_env(enum log_level fallback);

void log_set_level(enum log_level level);

/* Whether lines of this level are written. */
bool log_enabled(enum log_level level);

/* Writes one line, unless the level is off. errno is left as it was. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) \
	do { \
		if (log_enabled(LOG_LEVEL_DEBUG)) \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

/*
 * Lines that a peer can provoke: each call site writes at most one line every LOG_LIMIT_S seconds,
 * and the next one says how many were left out.
 */
#define LOG_LIMIT_S 10

struct log_limit {
	_Atomic int64_t next_ns;     /* monotonic; no line before it */
	_Atomic uint64_t suppressed; /* lines left out since the last one */
};

/*
 * Whether a line may be written at now_ns; if so no other before now_ns + LOG_LIMIT_S, and
 * *suppressed is how many were refused since the last. Of several threads at once, one wins.
 */
bool log_limit_pass(struct log_limit *limit, int64_t now_ns, uint64_t *suppressed);

void log_write_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_limited(level, ...) \
	do { \
		static struct log_limit log_limit_here; \
		log_write_limited(&log_limit_here, level, __VA_ARGS__); \
	} while (0)
#define log_error_limited(...) log_limited(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn_limited(...) log_limited(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info_limited(...) log_limited(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
