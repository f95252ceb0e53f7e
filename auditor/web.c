/*
 * The auditor over HTTP: routes, and for each answer a view of the report, looked at under its
 * lock. Neighbours: libproto/http (the server), web_metrics.c, web_json.c, web_page.c,
 * web_database.c (what is answered), web_evidence.c (files).
 *
 * Invariants: nothing here changes anything; a route of this table reads the report only between
 * report_lock() and report_unlock(), and neither files nor other locks meanwhile.
 */
#include "web.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/metrics.h"
#include "web_evidence.h"
#include "web_html.h"
#include "web_view.h"

#define WEB_ROUTES 5
#define WEB_POLICY_MAX 1024
#define WEB_NAME_MAX (NAME_MAX + 64)
#define WEB_REFRESH_SECONDS 30
#define WEB_REFRESH_QUERY "refresh=30"

struct web {
	struct http_server *http;
	struct http_route routes[WEB_ROUTES];
	struct metrics *process; /* figures of the process, behind those of the audit */
	struct buf policy;       /* the content security policy, NUL-terminated */
	char *profile, *program, *evidence_dir;
	struct report *report;
	struct alerts *alerts;
	struct peers *peers;
};

static double
web_now(void)
{
	struct timespec now = clock_wall();

	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A view of now; the report is still to be locked. */
static struct web_view
web_view(const struct web *w)
{
	struct web_view view = {.profile = w->profile,
	    .program = w->program,
	    .now = web_now(),
	    .report = w->report,
	    .has_evidence = w->evidence_dir != NULL};

	if (w->alerts)
		alerts_counts(w->alerts, &view.alerts);
	if (w->peers)
		peers_counts(w->peers, &view.peers);
	return view;
}

static void
web_metrics(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct web *w = arg;
	struct web_view view = web_view(w);

	(void)request;
	response->content_type = "text/plain; version=0.0.4; charset=utf-8";
	report_lock(w->report);
	web_make_metrics(&view, &response->body);
	report_unlock(w->report);
	metrics_render(w->process, &response->body);
}

static void
web_last_audit(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct web *w = arg;
	struct web_view view = web_view(w);

	(void)request;
	report_lock(w->report);
	web_make_json(&view, &response->body);
	report_unlock(w->report);
}

/* What every page has: its type, and headers that let a browser do nothing but show it. */
static struct web_view
web_begin_page(
    const struct web *w, const struct http_request *request, struct http_response *response)
{
	struct web_view view = web_view(w);

	response->content_type = "text/html; charset=utf-8";
	http_response_header(response, "Content-Security-Policy", (const char *)w->policy.data);
	http_response_header(response, "Referrer-Policy", "no-referrer");
	if (strcmp(request->query, WEB_REFRESH_QUERY) == 0)
		view.refresh_seconds = WEB_REFRESH_SECONDS;
	return view;
}

static void
web_page(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct web *w = arg;
	struct web_view view = web_begin_page(w, request, response);

	report_lock(w->report);
	web_make_page(&view, &response->body);
	report_unlock(w->report);
}

static void
web_not_found(struct http_response *response)
{
	response->status = 404;
	response->content_type = "application/json";
	buf_clear(&response->body);
	buf_append_str(&response->body, "{\"error\":\"Not Found\"}\n");
}

static void
web_database(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct web *w = arg;
	struct web_view view = web_begin_page(w, request, response);
	const struct report_database *d;

	report_lock(w->report);
	d = report_find_database(w->report, request->rest);
	if (d)
		web_make_database(&view, d, &response->body);
	report_unlock(w->report);
	if (!d)
		web_not_found(response);
}

static void
web_evidence(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct web *w = arg;
	char disposition[WEB_NAME_MAX];
	enum im_err err;

	if (!w->evidence_dir) {
		web_not_found(response);
		return;
	}
	err = web_evidence_read(w->evidence_dir, request->rest, &response->body);
	if (err == IM_ERR_NOT_FOUND) {
		web_not_found(response);
		return;
	}
	if (err != IM_OK)
		response->body.err = err;
	response->content_type = "application/octet-stream";
	snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"", request->rest);
	http_response_header(response, "Content-Disposition", disposition);
	http_response_header(response, "Content-Security-Policy", "sandbox; default-src 'none'");
}

/* Ready once a round has ended: what it found is no matter of readiness. */
static enum im_err
web_ready(void *arg)
{
	const struct web *w = arg;
	uint64_t rounds;

	report_lock(w->report);
	rounds = w->report->server.rounds;
	report_unlock(w->report);
	return rounds ? IM_OK : err_set(IM_ERR_UNREACHABLE, "the first round has not ended yet");
}

static void
web_set_routes(struct web *w)
{
	const struct http_route routes[WEB_ROUTES] = {
	    {"GET", "/", web_page, w},
	    {"GET", "/database/*", web_database, w},
	    {"GET", "/metrics", web_metrics, w},
	    {"GET", "/lastaudit", web_last_audit, w},
	    {"GET", "/evidence/*", web_evidence, w},
	};

	memcpy(w->routes, routes, sizeof routes);
}

static enum im_err
web_make(const struct web_options *o, struct web *w)
{
	buf_init(&w->policy, WEB_POLICY_MAX);
	html_security_policy(&w->policy);
	buf_append_u8(&w->policy, '\0');
	w->profile = strdup(o->profile);
	w->program = strdup(o->program ? o->program : "auditor");
	w->evidence_dir = o->evidence_dir ? strdup(o->evidence_dir) : NULL;
	w->process = metrics_new();
	w->report = o->report;
	w->alerts = o->alerts;
	w->peers = o->peers;
	web_set_routes(w);
	if (!w->profile || !w->program || (o->evidence_dir && !w->evidence_dir) || !w->process ||
	    w->policy.err != IM_OK)
		return IM_ERR_NOMEM;
	return metrics_add_process(w->process);
}

enum im_err
web_start(const struct web_options *options, struct web **out)
{
	struct web *w;
	enum im_err err;

	*out = NULL;
	if (options->port == 0 && !options->ephemeral)
		return IM_OK;
	w = calloc(1, sizeof *w);
	if (!w)
		return IM_ERR_NOMEM;
	err = web_make(options, w);
	if (err == IM_OK) {
		const struct http_options http = {.address = options->address,
		    .port = options->port,
		    .ephemeral = options->ephemeral,
		    .program = w->program,
		    .ready = web_ready,
		    .ready_arg = w,
		    .routes = w->routes,
		    .route_count = WEB_ROUTES};

		err = http_server_start(&http, &w->http);
	}
	if (err != IM_OK) {
		web_stop(w);
		return err;
	}
	*out = w;
	return IM_OK;
}

bool
web_answers(const struct web *web, unsigned int timeout_ms)
{
	return !web || http_server_answers(web->http, timeout_ms);
}

uint16_t
web_port(const struct web *web)
{
	return web ? http_server_port(web->http) : 0;
}

void
web_stop(struct web *web)
{
	if (!web)
		return;
	http_server_stop(web->http);
	metrics_free(web->process);
	buf_free(&web->policy);
	free(web->profile);
	free(web->program);
	free(web->evidence_dir);
	free(web);
}
