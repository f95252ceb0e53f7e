/*
 * One round of the auditor over all databases of a server, and what it cost.
 *
 *	bench_audit --port PORT --states FOLDER [--sample N] [--newest N] [--sweep 1]
 *
 * --sweep reads every value. Prints the lines "round_ms", from the connection to the end;
 * "database_ms", of the slowest database alone; "databases" and "entries" that were checked;
 * "entries_per_s" and, by the auditor's own processor time, "entries_per_cpu_s"; "rss_mb", the most
 * that it had resident. Ends with 1 when something was found wrong.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "audit.h"
#include "bench_util.h"

#define TIMEOUT_MS 60000u
#define SWEEP_PERIOD_MS 1000u
#define BYTES_PER_MB 1e6

static void
print_costs(const struct report *report, double seconds, double cpu_seconds)
{
	double slowest = 0, entries = 0;
	struct rusage usage;

	for (size_t i = 0; i < report->databases_len; i++) {
		const struct report_database *d = report->databases[i];

		entries += (double)(d->sampled + d->swept);
		if (d->last_len > 0 && d->last[d->last_len - 1].seconds > slowest)
			slowest = d->last[d->last_len - 1].seconds;
	}
	getrusage(RUSAGE_SELF, &usage);
	bench_figure("round_ms", seconds * 1e3, "ms");
	bench_figure("database_ms", slowest * 1e3, "ms");
	bench_figure("databases", (double)report->databases_len, "");
	bench_figure("entries", entries, "");
	bench_figure("entries_per_s", slowest > 0 ? entries / slowest : 0, "/s");
	bench_figure("entries_per_cpu_s", cpu_seconds > 0 ? entries / cpu_seconds : 0, "/s");
	bench_figure("rss_mb", (double)usage.ru_maxrss * 1024 / BYTES_PER_MB, "MB");
}

/* One round; its worst verdict must be a good one. */
static void
run(const struct audit_options *options)
{
	enum audit_verdict worst;
	struct audit *audit;
	double began, cpu;
	enum im_err err = audit_start(options, &audit);

	if (err)
		bench_die("start", err);
	cpu = bench_process_cpu_s(getpid());
	began = bench_clock_s(CLOCK_MONOTONIC);
	err = audit_run_round(audit, &worst);
	if (err)
		bench_die("round", err);
	if (worst != AUDIT_OK && worst != AUDIT_FIRST_SEEN)
		bench_die(audit_verdict_info(worst)->word, IM_ERR_PROOF);
	print_costs(options->report, bench_clock_s(CLOCK_MONOTONIC) - began,
	    bench_process_cpu_s(getpid()) - cpu);
	audit_stop(audit);
}

int
main(int argc, char **argv)
{
	const char *states = NULL;
	uint64_t port = 0, sample = 0, newest = 0, sweep = 0;
	const struct bench_option table[] = {{"port", NULL, &port}, {"states", &states, NULL},
	    {"sample", NULL, &sample}, {"newest", NULL, &newest}, {"sweep", NULL, &sweep},
	    {NULL, NULL, NULL}};
	struct report report;
	struct audit_options options = {.address = "127.0.0.1",
	    .username = "immudb",
	    .password = "immudb",
	    .timeout_ms = TIMEOUT_MS,
	    .report = &report};
	enum im_err err;

	bench_options_read(table, argc, argv);
	if (!states)
		bench_die("--states", IM_ERR_ARGUMENT);
	options.port = (uint16_t)port;
	options.state_dir = states;
	options.sample = (unsigned int)sample;
	options.newest = (unsigned int)newest;
	options.sweep_period_ms = sweep ? SWEEP_PERIOD_MS : 0;
	err = report_init(&report, "bench", 0);
	if (err)
		bench_die("report", err);
	run(&options);
	report_free(&report);
	return 0;
}
