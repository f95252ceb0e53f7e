/* One plain HTTP request of a client. Neighbour: http_server.c (the serving side). */
#include "http/http_get.h"

#include <civetweb.h>

#define ERROR_MAX 256
#define READ_BYTES 65536

static enum im_err
unreachable(const char *host, uint16_t port, const char *why)
{
	return err_set(IM_ERR_UNREACHABLE, "http://%s:%u: %s", host, port,
	    *why ? why : "the connection was closed");
}

static enum im_err
read_body(struct mg_connection *connection, struct buf *out)
{
	size_t start = out->len;

	for (;;) {
		uint8_t *to = buf_reserve(out, READ_BYTES);
		int n;

		if (!to)
			return out->err;
		n = mg_read(connection, to, READ_BYTES);
		if (n <= 0)
			return IM_OK;
		out->len += (size_t)n;
		if (out->len - start > HTTP_GET_MAX)
			return err_set(
			    IM_ERR_LIMIT, "the answer is longer than %u bytes", HTTP_GET_MAX);
	}
}

enum im_err
http_get(const char *host, uint16_t port, const char *path, int timeout_ms, struct buf *out)
{
	char why[ERROR_MAX] = "";
	struct mg_connection *connection = mg_connect_client(host, port, 0, why, sizeof why);
	const struct mg_response_info *info;
	enum im_err err;

	if (!connection)
		return unreachable(host, port, why);
	if (mg_printf(connection, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path,
		host) <= 0 ||
	    mg_get_response(connection, why, sizeof why, timeout_ms) < 0) {
		err = unreachable(host, port, why);
	} else {
		info = mg_get_response_info(connection);
		if (info && info->status_code == 200)
			err = read_body(connection, out);
		else
			err = err_set(IM_ERR_REMOTE, "http://%s:%u%s: status %d", host, port, path,
			    info ? info->status_code : 0);
	}
	mg_close_connection(connection);
	return err;
}
