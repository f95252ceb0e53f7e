/*
 * Numbers of JSON, and the integers they denote. Neighbour: json_scalar.c.
 *
 * Invariant: no floating point here. An integer comes from its digits alone, so that 64 bits are
 * exact whichever way they are written: 12, 1.2e1, 120e-1.
 */
#include "json_internal.h"

#define EXPONENT_MAX 1000000 /* past it a number is zero or too large anyway */
#define FAST_DIGITS 19       /* so many digits always fit 64 bits */

/* A number in its parts; the digits before and behind the point. */
struct number {
	bool negative;
	struct bytes whole, fraction;
	int64_t exponent;
};

static bool
is_digit(const uint8_t *p, const uint8_t *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static struct bytes
take_digits(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *start = *p;

	while (is_digit(*p, end))
		(*p)++;
	return bytes_of(start, (size_t)(*p - start));
}

static bool
take_exponent(const uint8_t **p, const uint8_t *end, int64_t *out)
{
	bool negative = false;
	struct bytes text;
	int64_t v = 0;

	if (*p < end && (**p == '+' || **p == '-'))
		negative = *(*p)++ == '-';
	text = take_digits(p, end);
	for (size_t i = 0; i < text.len && v < EXPONENT_MAX; i++)
		v = v * 10 + (text.data[i] - '0');
	*out = negative ? -v : v;
	return text.len > 0;
}

static bool
number_split(struct bytes text, struct number *n)
{
	const uint8_t *p = text.data, *end = p + text.len;

	*n = (struct number){.negative = text.len > 0 && *p == '-'};
	p += n->negative;
	n->whole = take_digits(&p, end);
	if (n->whole.len == 0 || (n->whole.len > 1 && n->whole.data[0] == '0'))
		return false;
	if (p < end && *p == '.') {
		p++;
		n->fraction = take_digits(&p, end);
		if (n->fraction.len == 0)
			return false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (!take_exponent(&p, end, &n->exponent))
			return false;
	}
	return p == end;
}

bool
json_number_valid(struct bytes text)
{
	struct number n;

	return text.len > 0 && number_split(text, &n);
}

static bool
all_zeros(struct bytes digits)
{
	for (size_t i = 0; i < digits.len; i++)
		if (digits.data[i] != '0')
			return false;
	return true;
}

static uint8_t
digit_at(const struct number *n, size_t i)
{
	if (i < n->whole.len)
		return (uint8_t)(n->whole.data[i] - '0');
	i -= n->whole.len;
	return i < n->fraction.len ? (uint8_t)(n->fraction.data[i] - '0') : 0;
}

/* The digits of n up to where its exponent puts the point; what is behind it must be zero. */
static enum json_integer_fault
number_to_integer(const struct number *n, uint64_t *magnitude)
{
	int64_t point = (int64_t)n->whole.len + n->exponent;
	size_t before = point > 0 ? (size_t)point : 0, count = n->whole.len + n->fraction.len;

	*magnitude = 0;
	if (all_zeros(n->whole) && all_zeros(n->fraction))
		return JSON_INTEGER_FINE;
	for (size_t i = before; i < count; i++)
		if (digit_at(n, i) != 0)
			return JSON_INTEGER_FRACTION;
	for (size_t i = 0; i < before; i++)
		if (__builtin_mul_overflow(*magnitude, (uint64_t)10, magnitude) ||
		    __builtin_add_overflow(*magnitude, digit_at(n, i), magnitude))
			return JSON_INTEGER_TOO_LARGE;
	return JSON_INTEGER_FINE;
}

/* Plain short digits, as nearly all integers are written. */
static bool
integer_read_fast(struct bytes text, uint64_t *magnitude)
{
	uint64_t v = 0;

	if (text.len == 0 || text.len > FAST_DIGITS || (text.data[0] == '0' && text.len > 1))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_digit(text.data + i, text.data + text.len))
			return false;
		v = v * 10 + (uint64_t)(text.data[i] - '0');
	}
	*magnitude = v;
	return true;
}

enum json_integer_fault
json_integer_read(struct bytes text, bool *negative, uint64_t *magnitude)
{
	struct number n;

	*negative = false;
	if (integer_read_fast(text, magnitude))
		return JSON_INTEGER_FINE;
	if (text.len == 0 || !number_split(text, &n))
		return JSON_INTEGER_NO_NUMBER;
	*negative = n.negative;
	return number_to_integer(&n, magnitude);
}
