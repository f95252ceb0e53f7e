/*
 * Numbers of bytes in text. Neighbours: options, and whoever prints a size.
 *
 * Invariant: size_parse(size_format_exact(n)) == n for every n.
 */
#include "util/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#define SIZE_KIB UINT64_C(1024)

static const struct size_unit {
	const char *name;
	uint64_t bytes;
} size_units[] = {
    {"B", 1},
    {"K", SIZE_KIB},
    {"KiB", SIZE_KIB},
    {"KB", 1000},
    {"M", SIZE_KIB *SIZE_KIB},
    {"MiB", SIZE_KIB *SIZE_KIB},
    {"MB", 1000000},
    {"G", SIZE_KIB *SIZE_KIB *SIZE_KIB},
    {"GiB", SIZE_KIB *SIZE_KIB *SIZE_KIB},
    {"GB", 1000000000},
    {"T", SIZE_KIB *SIZE_KIB *SIZE_KIB *SIZE_KIB},
    {"TiB", SIZE_KIB *SIZE_KIB *SIZE_KIB *SIZE_KIB},
    {"TB", UINT64_C(1000000000000)},
};

static uint64_t
size_unit_bytes(struct bytes name)
{
	if (name.len == 0)
		return 1;
	for (size_t i = 0; i < sizeof size_units / sizeof *size_units; i++)
		if (strlen(size_units[i].name) == name.len &&
		    strncasecmp(size_units[i].name, (const char *)name.data, name.len) == 0)
			return size_units[i].bytes;
	return 0;
}

enum im_err
size_parse(struct bytes text, uint64_t *size_bytes)
{
	uint64_t n = 0, unit;
	size_t at = 0;

	for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, text.data[at] - '0', &n))
			return err_set(IM_ERR_LIMIT, "size is too large");
	unit = at ? size_unit_bytes(bytes_of(text.data + at, text.len - at)) : 0;
	if (!unit)
		return err_set(IM_ERR_FORMAT, "not a size (examples: 4096, 64KiB, 32MiB, 1GiB)");
	if (__builtin_mul_overflow(n, unit, &n))
		return err_set(IM_ERR_LIMIT, "size is too large");
	*size_bytes = n;
	return IM_OK;
}

char *
size_format_exact(uint64_t size_bytes, char out[SIZE_TEXT_SIZE])
{
	static const char *const names[] = {"", "KiB", "MiB", "GiB", "TiB"};
	size_t k = 0;

	while (size_bytes && size_bytes % SIZE_KIB == 0 && k < 4) {
		size_bytes /= SIZE_KIB;
		k++;
	}
	snprintf(out, SIZE_TEXT_SIZE, "%" PRIu64 "%s", size_bytes, names[k]);
	return out;
}

char *
size_format_short(uint64_t size_bytes, char out[SIZE_TEXT_SIZE])
{
	static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)size_bytes / (double)SIZE_KIB;
	size_t k = 0;

	if (size_bytes < SIZE_KIB) {
		snprintf(out, SIZE_TEXT_SIZE, "%" PRIu64 " B", size_bytes);
		return out;
	}
	/* 1023.95 would be shown as 1024.0: that is the next unit's 1.0. */
	for (; v >= 1023.95 && k < 5; k++)
		v /= (double)SIZE_KIB;
	snprintf(out, SIZE_TEXT_SIZE, "%.1f %s", v, names[k]);
	return out;
}
