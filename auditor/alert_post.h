#ifndef AUDITOR_ALERT_POST_H
#define AUDITOR_ALERT_POST_H

#include "alert_delivery.h"

/*
 * The webhook: posts a body to a URL, http or https and nothing else, over a connection that is
 * verified, following no redirection. One thread at a time, but for alert_post_abort().
 */
struct alert_post;

/*
 * Reads the secret and checks the URL: IM_ERR_ARGUMENT for one that is not of these two schemes, or
 * has a user name or password in it; IM_ERR_CONFIG for a secret file that others may read, is empty
 * or missing; IM_ERR_NOMEM. What is in options is copied. curl_global_init() is called here: before
 * other threads.
 */
enum im_err alert_post_open(const struct alert_options *options, struct alert_post **out);

/* One attempt. */
enum alert_result
alert_post_send(struct alert_post *p, const char *id, struct bytes body, struct alert_outcome *out);

/* Makes the attempt that is under way, and all that follow, end at once. From any thread. */
void alert_post_abort(struct alert_post *p);

/* NULL is accepted. */
void alert_post_close(struct alert_post *p);

/*
 * What the signature header holds: "v1=" and the HMAC-SHA-256, in hex, of the timestamp header, a
 * full stop, and the body. Pure.
 */
#define ALERT_SIGNATURE_SIZE 68
char *alert_post_sign(
    struct bytes key, const char *timestamp, struct bytes body, char out[ALERT_SIGNATURE_SIZE]);

#endif
