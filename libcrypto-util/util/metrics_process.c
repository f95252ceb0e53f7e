/*
 * What the process uses of the machine, read from /proc when metrics are shown. Neighbour: metrics.
 *
 * Invariant: a figure that cannot be read is shown as 0; nothing here can fail a rendering.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/metrics.h"

#define PROCESS_TEXT_SIZE 4096u
/* Fields of /proc/PID/stat, counted from the state, which follows the name in parentheses. */
#define PROCESS_STAT_THREADS 17
#define PROCESS_STAT_START 19

/* Reads a small file of /proc; an empty text when it cannot. */
static void
process_read(const char *path, char text[PROCESS_TEXT_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, PROCESS_TEXT_SIZE - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* The nth number, from 0, of a blank-separated text. */
static double
process_number(const char *text, int n)
{
	for (; text && n > 0; n--) {
		text = strchr(text, ' ');
		text = text ? text + 1 : NULL;
	}
	return text ? strtod(text, NULL) : 0;
}

static double
process_stat(int field)
{
	char text[PROCESS_TEXT_SIZE];
	const char *end;

	process_read("/proc/self/stat", text);
	/* The name may hold anything, parentheses too: the last one ends it. */
	end = strrchr(text, ')');
	return end && end[1] ? process_number(end + 2, field) : 0;
}

static double
process_cpu(void *arg)
{
	struct rusage u;

	(void)arg;
	if (getrusage(RUSAGE_SELF, &u) != 0)
		return 0;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* arg points to the field of /proc/self/statm: 0 all, 1 resident. */
static double
process_memory(void *arg)
{
	char text[PROCESS_TEXT_SIZE];

	process_read("/proc/self/statm", text);
	return process_number(text, *(const int *)arg) * (double)sysconf(_SC_PAGESIZE);
}

static double
process_open_fds(void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = -3; /* ".", ".." and the folder's own descriptor */

	(void)arg;
	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static double
process_max_fds(void *arg)
{
	struct rlimit limit;

	(void)arg;
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : 0;
}

static double
process_threads(void *arg)
{
	(void)arg;
	return process_stat(PROCESS_STAT_THREADS);
}

/* Seconds since 1970: the present, less how long ago the process began on the boot clock. */
static double
process_start(void)
{
	struct timespec wall = clock_wall(), boot;
	double since_boot = process_stat(PROCESS_STAT_START) / (double)sysconf(_SC_CLK_TCK);

	if (clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
		return (double)wall.tv_sec;
	return (double)(wall.tv_sec - boot.tv_sec) + (double)(wall.tv_nsec - boot.tv_nsec) / 1e9 +
	    since_boot;
}

enum im_err
metrics_add_process(struct metrics *m)
{
	static int all = 0, resident = 1;
	static const struct {
		const char *name, *help;
		enum metric_type type;
		double (*read)(void *arg);
		void *arg;
	} table[] = {
	    {"process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
		METRIC_COUNTER, process_cpu, NULL},
	    {"process_open_fds", "Number of open file descriptors.", METRIC_GAUGE, process_open_fds,
		NULL},
	    {"process_max_fds", "Maximum number of open file descriptors.", METRIC_GAUGE,
		process_max_fds, NULL},
	    {"process_virtual_memory_bytes", "Virtual memory size in bytes.", METRIC_GAUGE,
		process_memory, &all},
	    {"process_resident_memory_bytes", "Resident memory size in bytes.", METRIC_GAUGE,
		process_memory, &resident},
	    {"process_threads", "Number of threads.", METRIC_GAUGE, process_threads, NULL},
	    {"process_start_time_seconds", "Start time of the process in seconds since 1970.",
		METRIC_GAUGE, NULL, NULL},
	};
	struct metric *s = NULL;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct metric_desc d = {
		    .name = table[i].name, .help = table[i].help, .type = table[i].type};

		s = metric_single(metrics_family(m, &d));
		if (!s)
			return err_set(IM_ERR_NOMEM, "out of memory");
		metric_set_callback(s, table[i].read, table[i].arg);
	}
	/* The last one does not change: it is read once. */
	metric_set(s, process_start());
	return IM_OK;
}
