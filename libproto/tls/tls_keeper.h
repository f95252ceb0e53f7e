#ifndef TLS_TLS_KEEPER_H
#define TLS_TLS_KEEPER_H

#include "tls/tls.h"

struct metrics;

/*
 * Looks after the certificate of a daemon: warns in the log when it is about to expire, at the
 * start and once a day, shows when it does as a metric, and reads the files again when told to.
 */
struct tls_keeper;

/*
 * Begins. The context must outlive it, metrics as well; name is the metric's, a static string.
 * IM_ERR_NOMEM.
 */
enum im_err tls_keeper_start(
    struct tls_context *c, struct metrics *m, const char *name, struct tls_keeper **out);

/*
 * Reads the files again and logs the new fingerprint. The errors of tls_context_reload():
 * everything stays as it was. Any thread.
 */
enum im_err tls_keeper_reload(struct tls_keeper *k);

/* Ends its thread. The metric keeps its last value. NULL is fine. */
void tls_keeper_stop(struct tls_keeper *k);

#endif
