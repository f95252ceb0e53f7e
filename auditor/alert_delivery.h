#ifndef AUDITOR_ALERT_DELIVERY_H
#define AUDITOR_ALERT_DELIVERY_H

#include "alert.h"

/*
 * How an attempt to deliver an alert ended; alert_post.h and alert_exec.h are the two ways to try.
 */
enum alert_result {
	ALERT_DELIVERED,
	ALERT_FAILED,  /* may well work soon */
	ALERT_REFUSED, /* somebody has to change something: tried again after the longest pause */
	ALERT_ABORTED  /* because we are to stop */
};

#define ALERT_OUTCOME_TEXT_MAX 512

struct alert_outcome {
	enum alert_result result;
	unsigned int retry_after_ms;       /* asked for by the receiver; 0: it did not say */
	char text[ALERT_OUTCOME_TEXT_MAX]; /* what was wrong, for the log */
};

/* Fills an outcome and returns its result. */
enum alert_result alert_outcome_set(struct alert_outcome *out, enum alert_result result,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
