#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <sys/types.h>
#include <time.h>

#include "util/bytes.h"

/*
 * What the programs of this folder share: clocks, keys that are the same in every run and on both
 * sides of a comparison, and command lines of the form --name VALUE. Not thread-safe.
 */

#define BENCH_KEY_BYTES 32u

/* Prints "PROGRAM: what: detail of err" and ends the program with 1. */
_Noreturn void bench_die(const char *what, enum im_err err);

/* The same with the text of errno. */
_Noreturn void bench_die_errno(const char *what);

/* Seconds of a clock. */
double bench_clock_s(clockid_t id);

/*
 * Processor seconds (user and system) of all threads of a process since it began: what /proc shows
 * as utime + stime, without the granularity of its ticks. 0 for pid 0.
 */
double bench_process_cpu_s(pid_t pid);

/* Key number i in random order: the same bytes in every run. */
void bench_key_random(uint64_t i, uint8_t key[BENCH_KEY_BYTES]);

/* Key number i of a space in which the order of numbers is the order of keys. */
void bench_key_ordered(uint64_t i, uint8_t key[BENCH_KEY_BYTES]);

/* The next number of a fixed sequence. */
uint64_t bench_random(uint64_t *state);

/* An option of a command line; exactly one of text and number is set. */
struct bench_option {
	const char *name; /* without the dashes */
	const char **text;
	uint64_t *number;
};

/*
 * Reads --name VALUE pairs by the table, which ends with a row without a name; ends with 2 on
 * others.
 */
void bench_options_read(const struct bench_option *table, int argc, char **argv);

/* Prints a figure as every program here does: name, value, unit. */
void bench_figure(const char *name, double value, const char *unit);

#endif
