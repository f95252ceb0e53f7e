/*
 * The table of verdicts and the order among them. Everything that shows or counts verdicts (web.c,
 * alert.c, evidence) goes by this table.
 */
#include "verdict.h"

#include <string.h>

static const struct audit_verdict_info verdicts[AUDIT_VERDICTS] = {
#define X(name, word, metric, is_tamper, text) {word, metric, is_tamper, text},
#include "verdict.def"
#undef X
};

const struct audit_verdict_info *
audit_verdict_info(enum audit_verdict verdict)
{
	return &verdicts[verdict];
}

enum audit_verdict
audit_verdict_parse(const char *word)
{
	int v;

	for (v = 0; v < AUDIT_VERDICTS; v++)
		if (strcmp(verdicts[v].word, word) == 0)
			break;
	return (enum audit_verdict)v;
}

/* How bad a metric value is: 1, -1, -2, 0. */
static int
verdict_rank(int metric)
{
	return metric == 1 ? 0 : metric == -1 ? 1 : metric == -2 ? 2 : 3;
}

enum audit_verdict
audit_verdict_worse(enum audit_verdict a, enum audit_verdict b)
{
	int left = verdict_rank(verdicts[a].metric), right = verdict_rank(verdicts[b].metric);

	if (left != right)
		return left > right ? a : b;
	return a > b ? a : b;
}
