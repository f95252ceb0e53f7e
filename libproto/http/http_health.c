/*
 * What every daemon shows over HTTP: metrics, liveness, readiness, version. http_server.c puts
 * these routes in front of the daemon's own.
 */
#include "http/http_health.h"

#include "util/metrics.h"
#include "util/text.h"
#include "util/version.h"

static void
http_health_metrics(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct http_health *h = arg;

	(void)request;
	response->content_type = "text/plain; version=0.0.4; charset=utf-8";
	if (metrics_render(h->metrics, &response->body) != IM_OK)
		response->status = 500;
}

/* The process answers: that is all that liveness says. */
static void
http_health_live(void *arg, const struct http_request *request, struct http_response *response)
{
	(void)arg;
	(void)request;
	buf_append_str(&response->body, "{\"status\":\"ok\"}\n");
}

static void
http_health_ready(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct http_health *h = arg;
	enum im_err err = h->ready ? h->ready(h->ready_arg) : IM_OK;

	(void)request;
	if (err == IM_OK) {
		buf_append_str(&response->body, "{\"status\":\"ready\"");
		if (h->ready_notes)
			h->ready_notes(h->ready_arg, &response->body);
		buf_append_str(&response->body, "}\n");
		return;
	}
	response->status = 503;
	buf_append_str(&response->body, "{\"status\":\"not ready\",\"reason\":");
	text_append_json(&response->body, bytes_str(err_detail(err)));
	buf_append_str(&response->body, "}\n");
}

static void
http_health_version(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct http_health *h = arg;

	(void)request;
	buf_append_str(&response->body, "{\"program\":");
	text_append_json(&response->body, bytes_str(h->program));
	buf_append_str(&response->body, ",\"version\":\"" IMMUDB_VERSION "\"");
	if (IMMUDB_COMMIT[0])
		buf_append_str(&response->body, ",\"commit\":\"" IMMUDB_COMMIT "\"");
	buf_append_str(&response->body, ",\"built_at\":\"" IMMUDB_BUILT_AT "\"}\n");
}

size_t
http_health_routes(struct http_health *health, struct http_route routes[HTTP_HEALTH_ROUTES])
{
	size_t n = 0;

	routes[n++] = (struct http_route){"GET", "/livez", http_health_live, health};
	routes[n++] = (struct http_route){"GET", "/readyz", http_health_ready, health};
	routes[n++] = (struct http_route){"GET", "/version", http_health_version, health};
	if (health->metrics)
		routes[n++] = (struct http_route){"GET", "/metrics", http_health_metrics, health};
	return n;
}
