/*
 * Base64 as clients of REST write it: either alphabet, padded or not. Neighbours: json_scalar.c
 * calls it; util/base64.h is the strict form of tokens and files.
 *
 * Invariants: what is decoded is what any encoder of either alphabet made of it; a last digit with
 * bits that belong to no byte is refused, since something was lost there.
 */
#include "json_internal.h"

#define BAD 0xff

/* The value of each character; + and - are 62, / and _ are 63. */
static const uint8_t digits[128] = {
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    62,
    BAD,
    62,
    BAD,
    63,
    52,
    53,
    54,
    55,
    56,
    57,
    58,
    59,
    60,
    61,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    BAD,
    BAD,
    BAD,
    BAD,
    63,
    BAD,
    26,
    27,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
    36,
    37,
    38,
    39,
    40,
    41,
    42,
    43,
    44,
    45,
    46,
    47,
    48,
    49,
    50,
    51,
    BAD,
    BAD,
    BAD,
    BAD,
    BAD,
};

static uint8_t
digit_of(uint8_t c)
{
	return c < sizeof digits ? digits[c] : BAD;
}

/* Whole groups of four digits; returns how many characters were taken. */
static size_t
decode_groups(struct bytes text, uint8_t *out)
{
	size_t i;

	for (i = 0; i + 4 <= text.len; i += 4, out += 3) {
		const uint8_t *p = text.data + i;
		uint32_t a, b, c, d;

		if ((p[0] | p[1] | p[2] | p[3]) & 0x80)
			break;
		a = digits[p[0]];
		b = digits[p[1]];
		c = digits[p[2]];
		d = digits[p[3]];
		if ((a | b | c | d) & 0xc0)
			break;
		a = a << 18 | b << 12 | c << 6 | d;
		out[0] = (uint8_t)(a >> 16);
		out[1] = (uint8_t)(a >> 8);
		out[2] = (uint8_t)a;
	}
	return i;
}

/* The number of digits before padding or the end; *fault is set when anything else stands there. */
static size_t
count_digits(struct bytes text, size_t *fault)
{
	size_t n = 0;

	while (n < text.len && digit_of(text.data[n]) != BAD)
		n++;
	*fault = n;
	return n;
}

/* Whether what follows the n digits of the last group is either nothing or exactly its padding. */
static bool
padding_fits(struct bytes rest, size_t n, size_t *fault)
{
	size_t i = n;

	if (n < 2)
		return false;
	while (i < rest.len && i < 4 && rest.data[i] == '=')
		i++;
	*fault = i;
	return rest.len == n || (i == 4 && rest.len == 4);
}

size_t
json_base64_decode(struct bytes text, uint8_t *out, size_t *fault)
{
	size_t taken = decode_groups(text, out), len = taken / 4 * 3, n;
	struct bytes rest = bytes_of(text.data + taken, text.len - taken);
	uint32_t v = 0;

	if (rest.len == 0)
		return len;
	n = count_digits(rest, fault);
	if (!padding_fits(rest, n, fault)) {
		*fault += taken;
		return SIZE_MAX;
	}
	for (size_t k = 0; k < 4; k++)
		v = v << 6 | (k < n ? digit_of(rest.data[k]) : 0);
	*fault = taken + n - 1;
	if (n == 2 ? v & 0xffff : v & 0xff)
		return SIZE_MAX;
	out[len] = (uint8_t)(v >> 16);
	if (n == 3)
		out[len + 1] = (uint8_t)(v >> 8);
	return len + n - 1;
}
