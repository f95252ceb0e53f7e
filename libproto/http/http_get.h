#ifndef HTTP_HTTP_GET_H
#define HTTP_HTTP_GET_H

#include "util/bytes.h"

/* Longest body that is taken. */
#define HTTP_GET_MAX (64u * 1024 * 1024)

/*
 * Gets http://HOST:PORT/path and appends the body to out. Waits timeout_ms at most.
 * IM_ERR_UNREACHABLE (nobody listens, or it ended early), IM_ERR_REMOTE (a status other than 200),
 * IM_ERR_LIMIT, IM_ERR_NOMEM. Threads: any.
 */
enum im_err
http_get(const char *host, uint16_t port, const char *path, int timeout_ms, struct buf *out);

#endif
