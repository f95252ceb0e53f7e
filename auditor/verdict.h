#ifndef AUDITOR_VERDICT_H
#define AUDITOR_VERDICT_H

#include <stdbool.h>

/* What an auditor says of a database. verdict.def is the table. */
enum audit_verdict {
#define X(name, word, metric, is_tamper, text) AUDIT_##name,
#include "verdict.def"
#undef X
	AUDIT_VERDICTS
};

struct audit_verdict_info {
	const char *word; /* in files, metrics, JSON and on the status page */
	int metric;       /* 1 ok, 0 tampered, -1 not checked, -2 error */
	bool is_tamper;
	const char *text; /* a sentence without its full stop */
};

/* The row of a verdict. */
const struct audit_verdict_info *audit_verdict_info(enum audit_verdict verdict);

/* The verdict of a word; AUDIT_VERDICTS for a word that is none. */
enum audit_verdict audit_verdict_parse(const char *word);

/*
 * The worse of two: tampered over error over not checked over ok by their metric value (0, -2, -1,
 * 1); of two with one value the later row.
 */
enum audit_verdict audit_verdict_worse(enum audit_verdict a, enum audit_verdict b);

#endif
