#ifndef AUDITOR_ALERT_JSON_H
#define AUDITOR_ALERT_JSON_H

#include "alert.h"

#define ALERT_BODY_MAX 65536u

/*
 * Appends the JSON of an alert and a newline (ALERTS.md has the fields); id is that of the alert.
 * False and out->err set on failure. Pure, but for the name of this host.
 */
bool alert_json_append(struct buf *out, const struct alert *alert, const char *id);

#endif
