/*
 * Lengths of time in text. Neighbours: options, and whoever prints a duration.
 *
 * Invariant: duration_parse(duration_format(d)) == d for every d from 0 to INT64_MAX.
 */
#include "util/duration.h"

#include <inttypes.h>
#include <stdio.h>

#define DURATION_NS_PER_S UINT64_C(1000000000)

/*
 * From the longest; a unit that begins like another stands before it where it matters for parsing.
 */
static const struct duration_unit {
	const char *name;
	uint64_t ns;
} duration_units[] = {
    {"d", 86400 * DURATION_NS_PER_S},
    {"h", 3600 * DURATION_NS_PER_S},
    {"ms", 1000000},
    {"m", 60 * DURATION_NS_PER_S},
    {"s", DURATION_NS_PER_S},
    {"us", 1000},
    {"ns", 1},
};

#define DURATION_UNITS (sizeof duration_units / sizeof *duration_units)

static bool
duration_is_digit(struct reader *r)
{
	return reader_left(r) && r->data[r->pos] >= '0' && r->data[r->pos] <= '9';
}

/* The unit that the rest begins with; seconds at the end of a text that is one number. */
static uint64_t
duration_take_unit(struct reader *r, bool alone)
{
	struct bytes rest = bytes_of(r->data + r->pos, reader_left(r));

	if (rest.len == 0)
		return alone ? DURATION_NS_PER_S : 0;
	for (size_t i = 0; i < DURATION_UNITS; i++) {
		struct bytes name = bytes_str(duration_units[i].name);

		if (bytes_has_prefix(rest, name)) {
			reader_bytes(r, name.len);
			return duration_units[i].ns;
		}
	}
	return 0;
}

/* One number and its unit. Digits after the point count down to the nanosecond, no further. */
static enum im_err
duration_take(struct reader *r, bool first, uint64_t *ns)
{
	uint64_t whole = 0, fraction = 0, scale = 1, unit;
	size_t digits = 0;

	for (; duration_is_digit(r); digits++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, reader_u8(r) - '0', &whole))
			return IM_ERR_LIMIT;
	if (digits && reader_left(r) && r->data[r->pos] == '.') {
		reader_u8(r);
		for (digits = 0; duration_is_digit(r); digits++) {
			uint64_t d = (uint64_t)reader_u8(r) - '0';

			if (scale < DURATION_NS_PER_S) {
				fraction = fraction * 10 + d;
				scale *= 10;
			}
		}
	}
	unit = digits ? duration_take_unit(r, first) : 0;
	if (!unit)
		return IM_ERR_FORMAT;
	if (__builtin_mul_overflow(whole, unit, &whole))
		return IM_ERR_LIMIT;
	fraction = (uint64_t)((__uint128_t)fraction * unit / scale);
	return __builtin_add_overflow(whole, fraction, ns) ? IM_ERR_LIMIT : IM_OK;
}

enum im_err
duration_parse(struct bytes text, int64_t *ns)
{
	struct reader r = reader_of(text);
	enum im_err err = text.len ? IM_OK : IM_ERR_FORMAT;
	uint64_t sum = 0, part = 0;

	for (bool first = true; !err && reader_left(&r); first = false) {
		err = duration_take(&r, first, &part);
		if (!err && (__builtin_add_overflow(sum, part, &sum) || sum > INT64_MAX))
			err = IM_ERR_LIMIT;
	}
	if (err == IM_ERR_LIMIT)
		return err_set(err, "duration is too long");
	if (err)
		return err_set(err, "not a duration (examples: 10s, 5m, 1h30m, 250ms)");
	*ns = (int64_t)sum;
	return IM_OK;
}

char *
duration_format(int64_t ns, char out[DURATION_TEXT_SIZE])
{
	static const size_t order[] = {1, 3, 4, 2, 5, 6}; /* h m s ms us ns: as people write it */
	uint64_t left = ns < 0 ? 0 : (uint64_t)ns;
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		const struct duration_unit *u = &duration_units[order[i]];

		if (left / u->ns == 0)
			continue;
		at += (size_t)snprintf(
		    out + at, DURATION_TEXT_SIZE - at, "%" PRIu64 "%s", left / u->ns, u->name);
		left %= u->ns;
	}
	if (at == 0)
		snprintf(out, DURATION_TEXT_SIZE, "0s");
	return out;
}
