#ifndef AUDITOR_ALERT_EXEC_H
#define AUDITOR_ALERT_EXEC_H

#include "alert_delivery.h"

/*
 * The alert program: run once for each attempt, without arguments and without a shell, the JSON on
 * its standard input, ALERT_ID in its environment beside PATH, HOME, USER, LOGNAME, LANG, LC_ALL,
 * TZ and TMPDIR; no other descriptor or variable of the auditor reaches it. Exit code 0 is success.
 * One thread at a time, but for alert_exec_abort().
 */
struct alert_exec;

/*
 * IM_ERR_ARGUMENT for what is no executable file; a relative path means the working folder of now.
 */
enum im_err alert_exec_open(const struct alert_options *options, struct alert_exec **out);

/*
 * One attempt: waits until the program has ended; when its time is over or we are to stop, it and
 * its process group are killed.
 */
enum alert_result
alert_exec_send(struct alert_exec *e, const char *id, struct bytes body, struct alert_outcome *out);

/* Makes the attempt that is under way, and all that follow, end at once. From any thread. */
void alert_exec_abort(struct alert_exec *e);

/* NULL is accepted. */
void alert_exec_close(struct alert_exec *e);

#endif
