/*
 * The two clocks and the text of a time. Neighbours: log, output, xid, metrics.
 *
 * Invariant: no time zone and no locale is ever looked at.
 */
#include "util/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_YEAR_BASE 1900
#define CLOCK_YEAR_MAX 9999

int64_t
clock_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * CLOCK_NS_PER_S + t.tv_nsec;
}

struct timespec
clock_wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t;
}

int64_t
clock_wall_s(void)
{
	return clock_wall().tv_sec;
}

/* Writes the time without its zone; false when RFC 3339 cannot say it. */
static bool
clock_format_plain(int64_t unix_s, char out[CLOCK_TEXT_SIZE])
{
	time_t t = unix_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year < -CLOCK_YEAR_BASE ||
	    tm.tm_year > CLOCK_YEAR_MAX - CLOCK_YEAR_BASE) {
		snprintf(out, CLOCK_TEXT_SIZE, "@%" PRId64, unix_s);
		return false;
	}
	snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u",
	    (unsigned)(tm.tm_year + CLOCK_YEAR_BASE) % 10000u, (unsigned)tm.tm_mon % 12u + 1,
	    (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
	    (unsigned)tm.tm_sec % 100u);
	return true;
}

char *
clock_format_s(int64_t unix_s, char out[CLOCK_TEXT_SIZE])
{
	if (clock_format_plain(unix_s, out))
		strcat(out, "Z");
	return out;
}

char *
clock_format_ms(struct timespec at, char out[CLOCK_TEXT_SIZE])
{
	size_t len;

	if (clock_format_plain(at.tv_sec, out)) {
		len = strlen(out);
		snprintf(out + len, CLOCK_TEXT_SIZE - len, ".%03uZ",
		    (unsigned)(at.tv_nsec / CLOCK_NS_PER_MS) % 1000u);
	}
	return out;
}

bool
clock_parse_s(const char *text, int64_t *unix_s)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (!rest || *rest)
		return false;
	*unix_s = timegm(&tm);
	return true;
}
