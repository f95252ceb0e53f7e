/*
 * Keys, sets, scores and values of the model test.
 *
 * Neighbours: model_state.c keeps them by their numbers.
 */
#include "sample_data.h"

#include <math.h>
#include <string.h>

#include "fault_vfs.h"

#define KEY_MAX 1023u
#define LITERAL(text) \
	{ \
		text, sizeof(text) - 1 \
	}

static uint64_t random_state;

void
sample_seed(uint64_t seed)
{
	random_state = seed;
}

uint64_t
sample_draw(uint64_t below)
{
	return fault_random(&random_state) % below;
}

bool
sample_once_in(unsigned times)
{
	return sample_draw(times) == 0;
}

/* ---- Keys and sets ---- */

static struct immu_bytes
run_of(char c, size_t len)
{
	static char many[2][KEY_MAX + 1];
	char *p = many[c == 'L' ? 0 : 1];

	memset(p, c, KEY_MAX + 1);
	return (struct immu_bytes){p, len};
}

struct immu_bytes
sample_key(unsigned number)
{
	static const struct immu_bytes keys[] = {LITERAL("a"), LITERAL("a\0"), LITERAL("a\0b"),
	    LITERAL("ab"), LITERAL("\xff"), LITERAL("\xff\xff"), LITERAL("\n"), LITERAL("%s%n%d"),
	    LITERAL("\x1b[31m\a"), LITERAL("\xc3("), LITERAL("\0"), LITERAL("key"),
	    LITERAL("key\xff"), LITERAL("k"), LITERAL("\xed\xa0\x80")};
	size_t literals = sizeof keys / sizeof *keys;

	if (number < literals)
		return keys[number];
	switch (number - literals) {
	case 0:
		return run_of('L', KEY_MAX);
	case 1:
		return run_of('L', KEY_MAX - 1);
	case 2:
		/* With a short set it just fits a member, with a long one it does not. */
		return run_of('M', 987);
	case 3:
		return run_of('L', KEY_MAX + 1);
	default:
		return (struct immu_bytes){"", 0};
	}
}

struct immu_bytes
sample_set(unsigned number)
{
	static const struct immu_bytes sets[SAMPLE_SETS] = {LITERAL("s"), LITERAL("s\0"),
	    LITERAL("ss"), LITERAL("%n\n\xff"), LITERAL("\x1b a set with a name of some length")};

	return sets[number];
}

struct immu_bytes
sample_bound(void)
{
	static const struct immu_bytes others[] = {LITERAL("\0\0"), LITERAL("aa"), LITERAL("b"),
	    LITERAL("ke"), LITERAL("l"), LITERAL("\xff\xff\xff"), LITERAL("\xfe")};

	if (sample_once_in(2))
		return (struct immu_bytes){"", 0};
	if (sample_once_in(2))
		return sample_key((unsigned)sample_draw(SAMPLE_KEYS));
	return others[sample_draw(sizeof others / sizeof *others)];
}

double
sample_score(unsigned number)
{
	static const double scores[] = {
	    -INFINITY, -1e308, -2.5, -1, -5e-324, -0.0, 0.0, 5e-324, 1, 2.5, 1e300, INFINITY, NAN};

	return scores[number];
}

/* ---- Values ---- */

static uint64_t
mixed(uint64_t a, uint64_t b)
{
	uint64_t state = a * 0x9e3779b97f4a7c15u + b;

	return fault_random(&state);
}

size_t
sample_value_size(uint64_t number)
{
	uint64_t r = mixed(number, 1);

	if (number & SAMPLE_LARGEST)
		return 32u * 1024 * 1024 - 1;
	if (number & SAMPLE_LARGE)
		return 60000 + r / 8 % 1000000;
	switch (r % 32) {
	case 0:
	case 1:
		return 0;
	case 2:
		return 1;
	/* Around the size from which values are stored apart. */
	case 3:
		return 4094 + r / 32 % 4;
	/* Around a frame. */
	case 4:
		return 65535 + r / 32 % 3 - 1;
	default:
		return 8 + r / 32 % 60;
	}
}

void
sample_value_fill(uint64_t number, size_t from, void *to, size_t len)
{
	static const char *const texts[] = {
	    "%s%n%d%", "\x1b[2J\r\n\t", "\xc3(\xff\xfe\n\xed\xa0", "\0\0\0\0\0\0\0"};
	unsigned char *p = to;

	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t block = (from + at) / sizeof(uint64_t), r = mixed(number, block);
		size_t n = len - at < sizeof r ? len - at : sizeof r;

		if (block == 1)
			memcpy(&r, texts[number % 4], sizeof r);
		memcpy(p + at, &r, n);
	}
}

/* ---- Order ---- */

int
sample_compare(struct immu_bytes a, struct immu_bytes b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool
sample_equal(struct immu_bytes a, struct immu_bytes b)
{
	return sample_compare(a, b) == 0;
}

bool
sample_begins(struct immu_bytes a, struct immu_bytes prefix)
{
	return a.len >= prefix.len &&
	    (prefix.len == 0 || memcmp(a.data, prefix.data, prefix.len) == 0);
}
