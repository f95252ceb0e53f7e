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

static bool
is_name_char(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_port(struct bytes v)
{
	if (v.len == 0)
		return true;
	for (size_t i = 1; i < v.len; i++)
		if (v.data[i] < '0' || v.data[i] > '9')
			return false;
	return v.len > 1 && v.data[0] == ':';
}

static bool
is_made_of(struct bytes v, const char *signs)
{
	for (size_t i = 0; i < v.len; i++)
		if (!is_name_char(v.data[i]) && (v.data[i] == '\0' || !strchr(signs, v.data[i])))
			return false;
	return v.len > 0;
}

/* A host name or an address of version 4 or, in brackets, 6; with or without a port. */
static bool
is_host(struct bytes v)
{
	bool in_brackets = v.len > 0 && v.data[0] == '[';
	const uint8_t *end =
	    v.len ? (const uint8_t *)memchr(v.data, in_brackets ? ']' : ':', v.len) : NULL;
	size_t n = end ? (size_t)(end - v.data) : v.len;

	if (!in_brackets)
		return is_made_of(bytes_of(v.data, n), "-.") &&
		    is_port(bytes_of(v.data + n, v.len - n));
	return end && is_made_of(bytes_of(v.data + 1, n - 1), ":.") &&
	    is_port(bytes_of(end + 1, v.len - n - 1));
}

static bool
is_origin(struct bytes v)
{
	static const char *const schemes[] = {"https://", "http://"};

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		struct bytes scheme = bytes_str(schemes[i]);

		if (bytes_has_prefix(v, scheme))
			return is_host(bytes_of(v.data + scheme.len, v.len - scheme.len));
	}
	return false;
}

enum im_err
cors_check_origin(const char *origin)
{
	if (strcmp(origin, "*") == 0 || is_origin(bytes_str(origin)))
		return IM_OK;
	return err_set(
	    IM_ERR_CONFIG, "\"%s\" is no origin, such as https://app.example:8443", origin);
}
