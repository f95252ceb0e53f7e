#ifndef HOSTILE_TARGET_H
#define HOSTILE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "scratch.h"

/*
 * The server under attack: a real immudb in a folder of its own on a free loopback port, and what
 * the kernel says about it. One thread, but for target_gauge(), which is safe from any.
 */
struct target_options {
	const char *immudb;  /* the program */
	unsigned nofile;     /* limit of its descriptors; 0: that of this process */
	const char *args[4]; /* further options, up to the first NULL */
};

struct target {
	pid_t pid;
	uint16_t port;
	char dir[SCRATCH_PATH_MAX];
	char log[SCRATCH_PATH_MAX + 16];
};

/* What the server holds and has used. */
struct gauge {
	unsigned sockets, files, threads;
	size_t rss_kb;
	double cpu_s;
};

/* Starts it and waits until it is ready; false (and why on stderr) when that fails. */
bool target_start(const struct target_options *options, struct target *t);

/*
 * Stops it as an operator would and removes the folder; false unless it ended in time with status
 * 0.
 */
bool target_stop(struct target *t);

void target_gauge(const struct target *t, struct gauge *g);

/*
 * Waits until no more sockets and threads are there than at base, at most SETTLE_S; now is what
 * there is then. False, and why on stderr, when it does not come to that.
 */
#define SETTLE_S 30
bool target_settle(const struct target *t, const struct gauge *base, struct gauge *now);

/* Lines of the log that contain text, and how many more such lines they say were left out. */
void target_log_count(const struct target *t, const char *text, unsigned *lines, unsigned *more);

/* All lines of the log. */
unsigned target_log_lines(const struct target *t);

/* Says on stderr what is wrong. Always false. */
bool fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * normal, or a part of it under a sanitizer, which slows the server down. It also holds on to
 * memory: RSS says nothing then.
 */
unsigned amount(unsigned normal);

/* Whether now holds at most kb more memory than base; true under a sanitizer. */
bool rss_within(const struct gauge *base, const struct gauge *now, size_t kb);

/* Waits, at most SETTLE_S, until the server holds at most kb more memory than base. */
bool
target_settle_rss(const struct target *t, const struct gauge *base, size_t kb, struct gauge *now);

/* Prints what a scenario found: the figures of the server before and after. */
void report(const char *what, const struct gauge *before, const struct gauge *after);

#endif
