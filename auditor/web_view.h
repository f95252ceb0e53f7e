#ifndef AUDITOR_WEB_VIEW_H
#define AUDITOR_WEB_VIEW_H

#include "alert.h"
#include "peers.h"
#include "report.h"

/*
 * Private to the web_*.c files: what one answer is made from, and the makers. All makers are pure:
 * they read the view, whose report the caller has locked, and append to out.
 */
struct web_view {
	const char *profile;
	const char *program;
	double now; /* Unix seconds */
	const struct report *report;
	bool has_evidence; /* files of the evidence folder may be fetched */
	struct alert_counts alerts;
	struct peers_counts peers;
	double refresh_seconds; /* pages come again by themselves; 0: not */
};

/* The audit's part of /metrics (web_metrics.c). */
void web_make_metrics(const struct web_view *view, struct buf *out);

/* /lastaudit (web_json.c). */
void web_make_json(const struct web_view *view, struct buf *out);

/* The status page (web_page.c), and that of one database (web_database.c). */
void web_make_page(const struct web_view *view, struct buf *out);
void
web_make_database(const struct web_view *view, const struct report_database *d, struct buf *out);

/*
 * The number that stands for a state: -2 when the verdict is an error, -1 for a state that is not
 * known (NULL: there is no database), else its transaction.
 */
struct web_roots {
	bool is_tx; /* else value is negative and tx is 0 */
	int value;
	uint64_t tx;
};
struct web_roots web_root(const struct report_state *state, enum audit_verdict verdict);

/* When a database was last looked at; the auditor's start when it never was or is NULL. */
double web_run_at(const struct report *report, const struct report_database *d);

#endif
