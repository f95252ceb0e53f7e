/* Reports to show. See the header. */
#include "web_sample.h"

#include <assert.h>
#include <stdio.h>

#define INTERVAL 300.0
#define DAY 86400.0

const char *const web_sample_names[SAMPLES] = {
    "empty", "unreachable", "first-seen", "ok", "grown", "alarm", "many", "crowd", "hostile"};

static struct report_state
state_of(uint64_t tx)
{
	struct report_state state = {.is_known = true, .tx = tx, .is_signed = true};
	size_t i;

	for (i = 0; i < HASH_SIZE && tx > 0; i++)
		state.alh.b[i] = (uint8_t)(tx * 37 + i * 11);
	return state;
}

/*
 * Rounds at the interval over a history that grew from 1 to tx, a little unevenly; the last one is
 * `ago` rounds before the newest of the server.
 */
static struct report_database *
add_past(struct report *r, const char *name, uint64_t tx, size_t rounds, unsigned ago)
{
	struct report_database *d = report_database(r, name);
	double end = r->server.run_at - ago * INTERVAL;
	size_t i;

	assert(d);
	for (i = 0; i < rounds; i++) {
		double part = (double)(i + 1) / (double)rounds;
		double bent = part * part * (1.4 - .4 * part);
		struct report_round round = {.at = end - (double)(rounds - 1 - i) * INTERVAL - .21,
		    .seconds = .21,
		    .verdict = i ? AUDIT_OK : AUDIT_FIRST_SEEN,
		    .tx = 1 + (uint64_t)((double)(tx - 1) * bent + .5),
		    .sampled = tx < 200 ? tx : 200};

		report_add_round(d, &round);
		d->checks += round.sampled + 1;
	}
	d->verdict = d->latest;
	d->since = rounds ? d->last[0].at : 0;
	d->current = state_of(tx);
	d->previous = rounds > 1 ? state_of(tx) : (struct report_state){.is_known = false};
	d->swept = tx * 3;
	d->sweep_position = tx > 1000 ? tx / 3 : 0;
	return d;
}

static struct report_database *
add_database(struct report *r, const char *name, uint64_t tx, size_t rounds)
{
	return add_past(r, name, tx, rounds, 0);
}

/* A round that ended badly, and what it says. */
static void
spoil(struct report_database *d, enum audit_verdict verdict, const char *reason, double now)
{
	const struct report_round round = {
	    .at = now - 40, .seconds = .05, .verdict = verdict, .tx = d->current.tx};

	report_add_round(d, &round);
	d->verdict = verdict;
	d->since = round.at;
	if (reason != d->reason)
		snprintf(d->reason, sizeof d->reason, "%s", reason);
}

/* An alarm three rounds old with its evidence. */
static void
roll_back(struct report *r, const char *name, double now)
{
	const uint64_t tx = 48211;
	struct report_database *d = add_past(r, name, tx, 800, 3);

	d->current = state_of(tx - 311);
	spoil(d, AUDIT_ROLLED_BACK,
	    "expected transaction 48,211 or a later one, which was proven before; the server shows "
	    "transaction 47,900 as its newest, and says nothing of a restore",
	    now - 2 * INTERVAL);
	spoil(d, AUDIT_ROLLED_BACK, d->reason, now - INTERVAL);
	spoil(d, AUDIT_ROLLED_BACK, d->reason, now);
	d->since = now - 2 * INTERVAL - 40;
	d->previous = state_of(tx);
	d->suspect_from = tx - 310;
	d->suspect_to = tx;
	snprintf(d->evidence, sizeof d->evidence,
	    "/var/lib/immudb/auditor/evidence/br8eugq036tfln0ct6o0-payments-20240229T120000Z-rolled-back.proof");
}

static void
add_server(struct report *r, const char *id, uint64_t rounds, double now)
{
	snprintf(r->server.id, sizeof r->server.id, "%s", id);
	r->server.started_at = now - DAY * 3;
	r->server.run_at = now - 40;
	r->server.round_seconds = .64;
	r->server.next_at = r->server.run_at + INTERVAL;
	r->server.rounds = rounds;
	r->server.verdict = rounds > 1 ? AUDIT_OK : AUDIT_FIRST_SEEN;
}

static void
make_unreachable(struct report *r, double now)
{
	add_server(r, "unknown", 7, now);
	r->server.verdict = AUDIT_UNREACHABLE;
	snprintf(r->server.reason, sizeof r->server.reason,
	    "127.0.0.1:3322: connection refused; tried again in 40 s");
}

/* What the overview page shows: two transactions, seen once or more often. */
static void
make_printed(struct report *r, bool is_first, double now)
{
	struct report_database *d;

	add_server(r, "br8eugq036tfln0ct6o0", is_first ? 1 : 2, now);
	d = add_database(r, "defaultdb", 2, is_first ? 1 : 2);
	d->run_at = is_first ? 1.5907565337454605e+09 : 1.590757033502689e+09;
}

static void
make_grown(struct report *r, double now)
{
	add_server(r, "br8eugq036tfln0ct6o0", 864, now);
	add_database(r, "defaultdb", 1250, 800);
	add_database(r, "payments", 48211, 800);
	add_database(r, "sensors_north", 10000000, 864);
}

static void
make_alarm(struct report *r, double now)
{
	add_server(r, "br8eugq036tfln0ct6o0", 864, now);
	add_database(r, "defaultdb", 1250, 800);
	roll_back(r, "payments", now);
	spoil(add_past(r, "sensors_north", 10000000, 864, 1), AUDIT_ERROR,
	    "the proof for the newest transaction did not arrive within 10 s", now);
}

static void
make_many(struct report *r, unsigned count, double now)
{
	char name[32];
	unsigned i;

	add_server(r, "br8eugq036tfln0ct6o0", 864, now);
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof name, "tenant_%03u", i);
		add_database(r, name, 3 + i * i * 131u, 5 + i % 40);
	}
	roll_back(r, "payments", now);
	spoil(add_past(r, "ledger", 4410, 90, 1), AUDIT_FORKED,
	    "two histories: transaction 4,410 has one hash here and another at the auditor "
	    "10.0.0.9:9500, and both are signed",
	    now);
	spoil(add_past(r, "tenant_x", 977, 30, 1), AUDIT_ERROR, "the answer is not a proof", now);
	report_database(r, "tenant_new");
}

static void
make_hostile(struct report *r, double now)
{
	static const char *const names[] = {"<script>alert(1)</script>", "a\"onmouseover=\"x", "..",
	    "quote'tick", "new\nline\\n", "\xe2\x80\xaegnp.exe",
	    "bad\xff\xfe"
	    "bytes",
	    "\x1b[31mred", "&lt;",
	    "very_long_name_very_long_name_very_long_name_very_long_name_"
	    "very_long_name_very_long_name_very_long_name_very_long_name_very"};
	size_t i;

	add_server(r, "\"><img src=x>", 9, now);
	snprintf(r->server.address, sizeof r->server.address, "</title><script>x</script>:3322");
	for (i = 0; i < sizeof names / sizeof *names; i++)
		spoil(add_database(r, names[i], 5, 3), AUDIT_TAMPERED,
		    "</p><script>document.title='x'</script><!-- ]]> {{7*7}} \x01\xc2\x85\xff",
		    now);
	snprintf(
	    report_database(r, "..")->evidence, REPORT_PATH_MAX, "/evidence/\"><script>x</script>");
	snprintf(report_database(r, "&lt;")->evidence, REPORT_PATH_MAX,
	    "/var/evidence/a&b<c>'d%%2e.immuproof");
}

void
web_sample_make(struct report *r, enum web_sample sample, double now)
{
	enum im_err err = report_init(r, "127.0.0.1:3322", INTERVAL);

	assert(err == IM_OK);
	r->server.started_at = now - 2;
	switch (sample) {
	case SAMPLE_UNREACHABLE:
		make_unreachable(r, now);
		break;
	case SAMPLE_FIRST_SEEN:
	case SAMPLE_OK:
		make_printed(r, sample == SAMPLE_FIRST_SEEN, now);
		break;
	case SAMPLE_GROWN:
		make_grown(r, now);
		break;
	case SAMPLE_ALARM:
		make_alarm(r, now);
		break;
	case SAMPLE_MANY:
		make_many(r, 26, now);
		break;
	case SAMPLE_CROWD:
		make_many(r, 296, now);
		break;
	case SAMPLE_HOSTILE:
		make_hostile(r, now);
		break;
	default:
		break;
	}
}
