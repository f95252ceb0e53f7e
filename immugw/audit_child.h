#ifndef IMMUGW_AUDIT_CHILD_H
#define IMMUGW_AUDIT_CHILD_H

#include "util/metrics.h"
#include "util/options.h"

/*
 * The auditor that the gateway runs beside itself with --audit: a process of its own, which has
 * port 9476, is started again when it ends, and never outlives the gateway. Where the gateway logs
 * to a file it does, too.
 */
struct audit_child;

/*
 * Starts it by the options of the gateway. Without --audit *out is NULL and the result IM_OK.
 * IM_ERR_NOT_FOUND without a program, IM_ERR_CONFIG for options that contradict one another,
 * IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err audit_child_start(const struct options *o, struct audit_child **out);

/*
 * Shows in m whether it runs, how often it was started again, and, while it does not run, the
 * result of an audit that could not be made (-2). m goes before the child.
 */
void audit_child_add_metrics(struct audit_child *child, struct metrics *m);

/*
 * Passes SIGHUP or SIGUSR1 on to it: it reads keys and certificates again, and opens the log, which
 * it shares with the gateway. Its other settings are those of the gateway's start. NULL is
 * accepted.
 */
void audit_child_signal(struct audit_child *child, int number);

/* Ends it and waits for that. NULL is accepted. */
void audit_child_stop(struct audit_child *child);

#endif
