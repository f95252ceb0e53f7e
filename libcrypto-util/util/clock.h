#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * Time. Timers and sessions run on the monotonic clock; the wall clock is only for what people and
 * other machines read. Every function is safe from any thread and touches no time zone.
 */

#define CLOCK_NS_PER_US INT64_C(1000)
#define CLOCK_NS_PER_MS INT64_C(1000000)
#define CLOCK_NS_PER_S INT64_C(1000000000)

/* Room for every text of clock_format_*(), NUL included. */
#define CLOCK_TEXT_SIZE 40

/* Nanoseconds of the monotonic clock; the zero point is arbitrary. */
int64_t clock_monotonic_ns(void);

/* Seconds since 1970 of the wall clock. */
int64_t clock_wall_s(void);

/* Wall clock with nanoseconds. */
struct timespec clock_wall(void);

/*
 * Writes the RFC 3339 UTC text of a time in seconds since 1970, such as "2024-02-29T12:00:00Z".
 * A time outside the years 0 to 9999, which RFC 3339 cannot say, is written as "@" and the number
 * of seconds. Returns out.
 */
char *clock_format_s(int64_t unix_s, char out[CLOCK_TEXT_SIZE]);

/* As clock_format_s(), with milliseconds: "2024-02-29T12:00:00.123Z". Returns out. */
char *clock_format_ms(struct timespec at, char out[CLOCK_TEXT_SIZE]);

/*
 * Reads a time as clock_format_s() writes it, "2024-02-29T12:00:00Z", into seconds since 1970.
 * False for anything else.
 */
bool clock_parse_s(const char *text, int64_t *unix_s);

#endif
