/*
 * The report: plain data under one lock. Rounds (round.c) write it, web.c and peers.c read it; it
 * does no I/O and knows no clock.
 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum im_err
report_init(struct report *r, const char *address, double interval)
{
	*r = (struct report){
	    .server = {.interval = interval, .id = "unknown", .verdict = AUDIT_NOT_CHECKED}};
	if (pthread_mutex_init(&r->lock, NULL) != 0)
		return err_set(IM_ERR_NOMEM, "a lock");
	snprintf(r->server.address, sizeof r->server.address, "%s", address);
	return IM_OK;
}

void
report_free(struct report *r)
{
	size_t i;

	for (i = 0; i < r->databases_len; i++)
		free(r->databases[i]);
	free(r->databases);
	pthread_mutex_destroy(&r->lock);
}

void
report_lock(struct report *r)
{
	pthread_mutex_lock(&r->lock);
}

void
report_unlock(struct report *r)
{
	pthread_mutex_unlock(&r->lock);
}

/* Where a name stands or belongs. */
static size_t
report_find(const struct report *r, const char *name, bool *found)
{
	size_t low = 0, high = r->databases_len;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(r->databases[middle]->name, name);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct report_database *
report_database(struct report *r, const char *name)
{
	struct report_database **grown, *d;
	bool found;
	size_t at = report_find(r, name, &found);

	if (found)
		return r->databases[at];
	grown = realloc(r->databases, (r->databases_len + 1) * sizeof *grown);
	if (!grown)
		return NULL;
	r->databases = grown;
	d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	snprintf(d->name, sizeof d->name, "%s", name);
	d->verdict = d->latest = AUDIT_NOT_CHECKED;
	memmove(&r->databases[at + 1], &r->databases[at],
	    (r->databases_len - at) * sizeof(struct report_database *));
	r->databases[at] = d;
	r->databases_len++;
	return d;
}

const struct report_database *
report_find_database(const struct report *r, const char *name)
{
	bool found;
	size_t at = report_find(r, name, &found);

	return found ? r->databases[at] : NULL;
}

void
report_drop(struct report *r, const char *name)
{
	bool found;
	size_t at = report_find(r, name, &found);

	if (!found)
		return;
	free(r->databases[at]);
	r->databases_len--;
	memmove(&r->databases[at], &r->databases[at + 1],
	    (r->databases_len - at) * sizeof(struct report_database *));
}

/* Keeps the first and the last point and every second one between them. */
static void
report_thin_growth(struct report_database *d)
{
	size_t from, to = 1;

	for (from = 2; from < d->growth_len; from += 2)
		d->growth[to++] = d->growth[from];
	d->growth_len = to;
}

void
report_add_round(struct report_database *d, const struct report_round *round)
{
	if (d->last_len == REPORT_ROUNDS_KEPT)
		memmove(&d->last[0], &d->last[1], --d->last_len * sizeof d->last[0]);
	d->last[d->last_len++] = *round;
	d->rounds++;
	d->seconds += round->seconds;
	d->sampled += round->sampled;
	d->verdicts[round->verdict]++;
	d->latest = round->verdict;
	d->run_at = round->at + round->seconds;
	if (round->verdict != AUDIT_OK && round->verdict != AUDIT_FIRST_SEEN)
		return;
	d->last_success = d->run_at;
	if (d->growth_len == REPORT_GROWTH_KEPT)
		report_thin_growth(d);
	d->growth[d->growth_len++] = (struct report_growth){d->run_at, round->tx};
}

const struct report_database *
report_worst(const struct report *r, enum audit_verdict *verdict)
{
	const struct report_database *worst = NULL;
	size_t i;

	for (i = 0; i < r->databases_len; i++) {
		const struct report_database *d = r->databases[i];

		if (!worst ||
		    (d->verdict != worst->verdict &&
			audit_verdict_worse(d->verdict, worst->verdict) == d->verdict))
			worst = d;
	}
	*verdict =
	    audit_verdict_worse(worst ? worst->verdict : AUDIT_NOT_CHECKED, r->server.verdict);
	return worst;
}
