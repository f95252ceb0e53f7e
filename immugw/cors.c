/*
 * The headers for browsers. rest.c sends them.
 */
#include "cors.h"

#include <string.h>
#include <strings.h>

#include "routes.h"

/* How long a browser may remember the answer to a preflight. */
#define CORS_MAX_AGE_S 600

bool
cors_append(struct buf *headers, const struct cors *cors, const char *origin)
{
	size_t i;

	if (!origin || cors->origins_len == 0)
		return !origin;
	buf_append_str(headers, "Vary: Origin\r\n");
	for (i = 0; i < cors->origins_len; i++) {
		bool is_any = strcmp(cors->origins[i], "*") == 0;

		if (!is_any && strcasecmp(cors->origins[i], origin) != 0)
			continue;
		buf_printf(headers,
		    "Access-Control-Allow-Origin: %s\r\n"
		    "Access-Control-Expose-Headers: X-Request-Id, Retry-After\r\n",
		    is_any ? "*" : cors->origins[i]);
		return true;
	}
	return false;
}

void
cors_append_preflight(struct buf *headers, unsigned verbs)
{
	buf_append_str(headers, "Allow: ");
	route_append_allow(headers, verbs);
	buf_append_str(headers, "\r\nAccess-Control-Allow-Methods: ");
	route_append_allow(headers, verbs);
	buf_printf(headers,
	    "\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, Accept, X-Request-Id\r\n"
	    "Access-Control-Max-Age: %d\r\n",
	    CORS_MAX_AGE_S);
}
