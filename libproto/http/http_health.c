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

/* The same figures as JSON, made from the text. */
static void
http_health_vars(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct http_health *h = arg;
	struct http_response text = {.status = 200};

	buf_init(&text.headers, response->headers.max);
	buf_init(&text.body, response->body.max);
	h->text.handle(h->text.arg, request, &text);
	if (text.body.err != IM_OK)
		response->body.err = text.body.err;
	else if (metrics_text_to_json(buf_bytes(&text.body), h->program, &response->body) != IM_OK)
		response->body.err = IM_ERR_INTERNAL;
	buf_free(&text.headers);
	buf_free(&text.body);
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

/* That which the server would answer /metrics with. */
static struct http_route
http_health_text(struct http_health *health, const struct http_route *own, size_t n)
{
	if (health->metrics)
		return (struct http_route){"GET", "/metrics", http_health_metrics, health};
	for (size_t i = 0; i < n; i++)
		if (strcmp(own[i].path, "/metrics") == 0)
			return own[i];
	return (struct http_route){0};
}

size_t
http_health_routes(struct http_health *health, const struct http_route *own, size_t own_count,
    struct http_route routes[HTTP_HEALTH_ROUTES])
{
	size_t n = 0;

	routes[n++] = (struct http_route){"GET", "/livez", http_health_live, health};
	routes[n++] = (struct http_route){"GET", "/readyz", http_health_ready, health};
	routes[n++] = (struct http_route){"GET", "/version", http_health_version, health};
	health->text = http_health_text(health, own, own_count);
	if (health->text.handle)
		routes[n++] = (struct http_route){"GET", "/debug/vars", http_health_vars, health};
	if (health->metrics)
		routes[n++] = health->text;
	return n;
}
