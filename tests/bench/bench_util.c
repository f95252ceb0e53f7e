/*
 * Clocks, keys and command lines for the programs of this folder.
 */
#include "bench_util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void
bench_die(const char *what, enum im_err err)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, err_detail(err));
	exit(1);
}

void
bench_die_errno(const char *what)
{
	fprintf(
	    stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerrordesc_np(errno));
	exit(1);
}

double
bench_clock_s(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		bench_die_errno("clock");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double
bench_process_cpu_s(pid_t pid)
{
	clockid_t id;

	if (pid == 0)
		return 0;
	errno = clock_getcpuclockid(pid, &id);
	if (errno != 0)
		bench_die_errno("processor time");
	return bench_clock_s(id);
}

void
bench_key_random(uint64_t i, uint8_t key[BENCH_KEY_BYTES])
{
	uint64_t x = i;

	for (unsigned word = 0; word < BENCH_KEY_BYTES / 8; word++) {
		x += 0x9e3779b97f4a7c15u;
		x ^= x >> 30;
		x *= 0xbf58476d1ce4e5b9u;
		x ^= x >> 27;
		x *= 0x94d049bb133111ebu;
		x ^= x >> 31;
		be64_put(key + (size_t)word * 8, x);
	}
}

void
bench_key_ordered(uint64_t i, uint8_t key[BENCH_KEY_BYTES])
{
	static const char prefix[] = "ordered keys of bench/  ";

	_Static_assert(sizeof prefix - 1 == BENCH_KEY_BYTES - 8, "the number follows the prefix");
	memcpy(key, prefix, sizeof prefix - 1);
	be64_put(key + sizeof prefix - 1, i);
}

uint64_t
bench_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 20;
}

static const struct bench_option *
find_option(const struct bench_option *table, const char *arg)
{
	if (strncmp(arg, "--", 2) != 0)
		return NULL;
	while (table->name && strcmp(table->name, arg + 2) != 0)
		table++;
	return table->name ? table : NULL;
}

void
bench_options_read(const struct bench_option *table, int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		const struct bench_option *o = find_option(table, argv[i]);

		if (!o || i + 1 == argc) {
			fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, argv[i],
			    o ? "a value is missing" : "unknown option");
			exit(2);
		}
		if (o->text)
			*o->text = argv[i + 1];
		else
			*o->number = strtoull(argv[i + 1], NULL, 10);
	}
}

void
bench_figure(const char *name, double value, const char *unit)
{
	printf("%-28s %12.2f %s\n", name, value, unit);
	fflush(stdout);
}
