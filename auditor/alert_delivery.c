/*
 * How attempts to deliver an alert ended. Neighbours: alert_post and alert_exec (say it), alert
 * (acts on it).
 */
#include "alert_delivery.h"

#include <stdarg.h>
#include <stdio.h>

enum alert_result
alert_outcome_set(struct alert_outcome *out, enum alert_result result, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->text, sizeof out->text, fmt, ap);
	va_end(ap);
	out->retry_after_ms = 0;
	out->result = result;
	return result;
}
