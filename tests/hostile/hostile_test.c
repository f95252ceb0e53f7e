/*
 * One attack on a real server, in rounds, with an honest client beside it. After each round the
 * server must hold what it held before, and the honest client must have been served all the time.
 *
 *	hostile_test IMMUDB ATTACK
 *
 * Neighbours: attack_*.c are the attacks, target.c the server, honest.c the client.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attacks.h"
#include "util/clock.h"
#include "workload.h"

/* The attacking thread stands for other machines: their processor time must not be the server's. */
#define ATTACKER_NICE 19
#define DESCRIPTORS_WANTED 16384u
#define HONEST_QUIET_CALLS 500u
#define HONEST_CALLS_AFTER 64u
/* Under an attack the honest client's 99th percentile is at most so many times what it was, ... */
#define P99_FACTOR 10u
/* ... or this, for on a busy machine a figure of microseconds says little. */
#define P99_ENOUGH_US 100000u
/* Lines that an attack may put into the log, for each ten seconds that it takes. */
#define LOG_LINES_PER_LIMIT 12u
#define LOG_LIMIT_SECONDS 10

struct attack {
	const char *name;
	attack_round *round;
	unsigned warm, count; /* of the first round, and of each further one */
	size_t rss_kb;        /* that may be left of them all */
	const char *logged;   /* what the log must say about it; NULL for nothing */
	bool counted;    /* and that there were more, because rounds take longer than the limit */
	unsigned nofile; /* limit of the server's descriptors; 0: as it is */
	const char *args[4];
};

static const struct attack attacks[] = {
    {.name = "resets", .round = attack_resets, .warm = 10000, .count = 40000, .rss_kb = 65536},
    {.name = "idle", .round = attack_idle, .warm = 5000, .count = 10000, .rss_kb = 65536},
    {.name = "crowd",
	.round = attack_crowd,
	.warm = 400,
	.count = 800,
	.rss_kb = 16384,
	.logged = "closed for a newer connection",
	.nofile = 512},
    {.name = "descriptors",
	.round = attack_descriptors,
	.warm = 200,
	.count = 400,
	.rss_kb = 16384,
	.logged = "cannot accept"},
    {.name = "garbage",
	.round = attack_garbage,
	.warm = 66,
	.count = 660,
	.rss_kb = 16384,
	.logged = "closing the connection"},
    {.name = "noise",
	.round = attack_noise,
	.warm = 1000,
	.count = 4000,
	.rss_kb = 16384,
	.logged = "closing the connection"},
    {.name = "cancels", .round = attack_cancels, .warm = 20000, .count = 100000, .rss_kb = 16384},
    {.name = "strangers",
	.round = attack_unread_strangers,
	.warm = 40,
	.count = 40,
	.rss_kb = 16384},
    {.name = "values", .round = attack_unread_values, .warm = 10, .count = 10, .rss_kb = 32768},
    {.name = "scans", .round = attack_unread_scans, .warm = 40, .count = 40, .rss_kb = 32768},
    {.name = "silent",
	.round = attack_silent,
	.warm = 400,
	.count = 800,
	.rss_kb = 16384,
	.logged = "no hello",
	.counted = true},
    {.name = "guessing",
	.round = attack_guessing,
	.warm = 256,
	.count = 2048,
	.rss_kb = 16384,
	.logged = "failed login"},
    {.name = "sessions",
	.round = attack_sessions,
	.warm = 6000,
	.count = 6000,
	.rss_kb = 16384,
	.args = {"--max-sessions", "5000"}},
};

/* A round, what the server holds after it, and how the honest client fared. */
static bool
run_round(struct scene *s, const struct attack *a, unsigned count, const struct gauge *base)
{
	int64_t begin = clock_monotonic_ns();
	struct gauge now;
	double seconds;

	honest_mark(s->honest);
	if (!a->round(s, count) || !honest_wait(s->honest, HONEST_CALLS_AFTER))
		return false;
	seconds = (double)(clock_monotonic_ns() - begin) / 1e9;
	printf("%s: %u in %.2f s; honest calls %u, p99 %u us\n", a->name, count, seconds,
	    honest_calls(s->honest), honest_p99_us(s->honest));
	if (!target_settle(&s->target, base, &now) ||
	    !target_settle_rss(&s->target, base, a->rss_kb, &now))
		return false;
	report(a->name, base, &now);
	return true;
}

static bool
check_honest(struct scene *s, uint32_t quiet_us)
{
	uint32_t p99 = honest_p99_us(s->honest), allowed = quiet_us * P99_FACTOR;

	allowed = allowed > P99_ENOUGH_US ? allowed : P99_ENOUGH_US;
	return p99 <= allowed ||
	    fail("the honest client's p99 is %u us, %u us without attack", p99, quiet_us);
}

/* Each event is said, and none for each packet. */
static bool
check_log(struct scene *s, const struct attack *a, unsigned before, double seconds)
{
	unsigned added = target_log_lines(&s->target) - before, lines, more;
	unsigned allowed = LOG_LINES_PER_LIMIT * (1 + (unsigned)(seconds / LOG_LIMIT_SECONDS));

	if (added > allowed)
		return fail("%u lines in the log", added);
	if (!a->logged)
		return true;
	target_log_count(&s->target, a->logged, &lines, &more);
	if (lines == 0 || (a->counted && more == 0))
		return fail("the log does not say, or not how often: %s", a->logged);
	return true;
}

/* What fills a server with a limit of its own must fill it in every build. */
static unsigned
count_for(const struct attack *a, unsigned normal)
{
	return a->nofile ? normal : amount(normal);
}

static bool
run_attack(struct scene *s, const struct attack *a)
{
	unsigned log_lines = target_log_lines(&s->target);
	int64_t begin = clock_monotonic_ns();
	struct gauge base;
	uint32_t quiet_us;
	bool ok;

	honest_mark(s->honest);
	if (!honest_wait(s->honest, HONEST_QUIET_CALLS))
		return false;
	quiet_us = honest_p99_us(s->honest);
	printf("%s: honest calls without attack: p99 %u us\n", a->name, quiet_us);
	/* What the server holds while the honest client has a connection. */
	atomic_store(&s->honest->stays, true);
	if (!honest_wait(s->honest, HONEST_CALLS_AFTER))
		return false;
	target_gauge(&s->target, &base);
	atomic_store(&s->honest->stays, false);
	ok = run_round(s, a, count_for(a, a->warm), &base);
	for (unsigned i = 0; ok && i < workload_effort(); i++)
		ok = run_round(s, a, count_for(a, a->count), &base) && check_honest(s, quiet_us);
	if (!ok)
		return false;
	return check_log(s, a, log_lines, (double)(clock_monotonic_ns() - begin) / 1e9);
}

/* Thousands of connections need as many descriptors here; root may have more than it was left. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_max < DESCRIPTORS_WANTED &&
	    setrlimit(RLIMIT_NOFILE, &(struct rlimit){DESCRIPTORS_WANTED, DESCRIPTORS_WANTED}) == 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool
run_scene(const char *immudb, const struct attack *a)
{
	struct target_options options = {.immudb = immudb, .nofile = a->nofile};
	struct scene s = {.random = 1};
	bool ok;

	memcpy(options.args, a->args, sizeof options.args);
	s.honest = calloc(1, sizeof *s.honest);
	if (!s.honest || !target_start(&options, &s.target))
		return false;
	ok = honest_start(s.honest, &s.target);
	if (ok) {
		setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), ATTACKER_NICE);
		ok = run_attack(&s, a);
		ok = honest_stop(s.honest) && ok;
	}
	ok = target_stop(&s.target) && ok;
	free(s.honest);
	return ok;
}

int
main(int argc, char **argv)
{
	const struct attack *end = attacks + sizeof attacks / sizeof *attacks, *a = attacks;

	while (argc == 3 && a < end && strcmp(a->name, argv[2]) != 0)
		a++;
	if (argc != 3 || a == end) {
		fail("usage: hostile_test IMMUDB ATTACK");
		return 2;
	}
	raise_limit();
	return run_scene(argv[1], a) ? 0 : 1;
}
