/*
 * What the disk gives: appends of so many bytes with an fdatasync after each, for a while. Prints
 * one line of JSON like the load generator.
 *
 *	bench_disk --file PATH [--bytes N] [--prepared MIB] [--milliseconds MS]
 *
 * With --prepared the file is written and synced once before, as the server does with its log, so
 * that a sync need not change the file's metadata; the file is then written over from its start,
 * around and around.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_util.h"

#define MIB ((uint64_t)1024 * 1024)
#define BYTES_MAX (64 * MIB)

static const char *path;
static uint64_t bytes = 4096, prepared_mib, milliseconds = 1000;

static const struct bench_option option_table[] = {
    {.name = "file", .text = &path},
    {.name = "bytes", .number = &bytes},
    {.name = "prepared", .number = &prepared_mib},
    {.name = "milliseconds", .number = &milliseconds},
    {0},
};

static void
put(int fd, const uint8_t *data, uint64_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n <= 0)
			bench_die_errno("write");
		data += n;
		len -= (uint64_t)n;
		at += (uint64_t)n;
	}
}

int
main(int argc, char **argv)
{
	uint64_t size, count = 0, at = 0;
	double start, now, cpu;
	uint8_t *data;
	int fd;

	bench_options_read(option_table, argc, argv);
	if (!path || bytes == 0 || bytes > BYTES_MAX || prepared_mib > UINT32_MAX) {
		fprintf(stderr, "bench_disk: bad options\n");
		return 2;
	}
	size = prepared_mib * MIB;
	data = calloc(1, bytes > MIB ? bytes : MIB);
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (!data || fd < 0)
		bench_die_errno("open");
	for (at = 0; at < size; at += MIB)
		put(fd, data, MIB, at);
	if (fsync(fd) != 0)
		bench_die_errno("sync");
	at = 0;
	start = bench_clock_s(CLOCK_MONOTONIC);
	cpu = bench_clock_s(CLOCK_PROCESS_CPUTIME_ID);
	do {
		be64_put(data, count);
		at = size && at + bytes > size ? 0 : at;
		put(fd, data, bytes, at);
		if (fdatasync(fd) != 0)
			bench_die_errno("sync");
		at += bytes;
		count++;
		now = bench_clock_s(CLOCK_MONOTONIC);
	} while (now - start < (double)milliseconds / 1e3);
	printf("{\"requests\": %" PRIu64 ", \"seconds\": %.6f, \"server_cpu_seconds\": %.6f}\n",
	    count, now - start, bench_clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	close(fd);
	unlink(path);
	free(data);
	return 0;
}
