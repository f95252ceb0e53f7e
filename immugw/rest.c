/*
 * Requests and answers. Who may ask, which database is meant and what is proven is found out by
 * token_memo.c and verified.c; cors.c says what browsers may see; long_list.c answers in
 * pieces.
 *
 * Invariants:
 * 1. Every request is answered once, counted once and logged once, under the route's pattern: never
 *    with its path, which may hold a key.
 * 2. A token, a body or a query is in no log.
 */
#include "rest.h"

#include <stdio.h>
#include <string.h>

#include "cors.h"
#include "http_error.h"
#include "http_headers.h"
#include "large_answer.h"
#include "long_list.h"
#include "openapi.h"
#include "page.h"
#include "rest_request.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/version.h"
#include "util/xid.h"

#define REST_HEADERS_MAX 4096
#define REST_MESSAGE_MAX 4096
#define REST_JSON "application/json"
#define OPENAPI_PATH "/openapi.json"
#define REST_ID_MAX 64
#define REST_CODE_MAX 24 /* a number's digits and a NUL */
/* A decoded answer is larger than its packed form. */
#define REST_ARENA_FACTOR 8u
#define REST_ARENA_BASE ((size_t)16 * 1024 * 1024)
/* JSON of an answer: base64 adds a third, names the rest. */
#define REST_ANSWER_FACTOR 3u

/* A request on its way. */
struct work {
	struct rest *r;
	struct http_exchange *x;
	int64_t begin_ns;
	char id[REST_ID_MAX + 1];
	struct buf headers; /* of the answer */
	struct arena arena;
	struct route_match *match; /* filled by route_find() */
	struct buf body;
	size_t charged; /* of r->bodies */
	struct bytes token;
	enum im_status status; /* the server's, when it refused */
	const char *pattern;   /* of the route, for metrics and log */
};

/* ---- Answers ---- */

/* The headers as text, until more are added; NULL if they cannot be. */
static const char *
headers_text(struct work *w)
{
	if (!buf_append_u8(&w->headers, '\0'))
		return NULL;
	w->headers.len--;
	return (const char *)w->headers.data;
}

static void
answer(struct work *w, int status, const char *type, struct bytes body)
{
	const char *headers = headers_text(w);

	http_exchange_send(w->x, &(struct http_head){headers ? status : 500, type, headers}, body);
}

static void
answer_error(struct work *w, struct http_error e, struct bytes message)
{
	struct buf body;

	buf_init(&body, REST_MESSAGE_MAX * 8);
	http_error_append_body(&body, &e, message);
	if (e.retry_after_s)
		buf_printf(&w->headers, "Retry-After: %u\r\n", e.retry_after_s);
	if (e.http == 401)
		buf_append_str(&w->headers, "WWW-Authenticate: Bearer\r\n");
	answer(w, e.http, REST_JSON, buf_bytes(&body));
	buf_free(&body);
}

static void
answer_refusal(struct work *w, enum http_refusal refusal)
{
	answer_error(w, http_error_of_refusal(refusal), bytes_str(http_refusal_text(refusal)));
}

static void
answer_failure(struct work *w, enum im_err err)
{
	bool is_verified = w->match->route && (w->match->route->flags & ROUTE_VERIFIED);
	struct http_error e = http_error_of(err, w->status, is_verified);
	struct buf message;

	if (e.http == 409 && is_verified) {
		metric_inc(w->r->verification_failures);
		log_error(
		    "request %s: %s: verification failed: %s", w->id, w->pattern, err_detail(err));
	}
	buf_init(&message, REST_MESSAGE_MAX);
	http_error_append_message(&message, err, is_verified);
	answer_error(w, e, buf_bytes(&message));
	buf_free(&message);
}

static void
answer_message(struct work *w, const ProtobufCMessage *m)
{
	struct buf json;

	if (large_answer_send(w->x, headers_text(w), m, w->match->route->style))
		return;
	buf_init(&json, w->r->max_body * REST_ANSWER_FACTOR + REST_ARENA_BASE);
	json_write(&json, m, w->match->route->style);
	if (json.err == IM_OK)
		answer(w, 200, REST_JSON, buf_bytes(&json));
	else
		answer_failure(w, json.err);
	buf_free(&json);
}

/* ---- What came ---- */

/* The caller's name for the request if it is a harmless one, else one of ours. */
static void
take_id(struct work *w)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *given = http_exchange_header(w->x, "X-Request-Id");
	struct xid id;

	if (given && given[0] && strspn(given, allowed) == strlen(given) &&
	    strlen(given) <= REST_ID_MAX)
		snprintf(w->id, sizeof w->id, "%s", given);
	else if (xid_make(&id) == IM_OK)
		xid_format(&id, w->id);
	buf_append_str(&w->headers, "X-Request-Id: ");
	buf_append_str(&w->headers, w->id);
	buf_append_str(&w->headers, "\r\n");
}

static enum im_err
take_token(struct work *w)
{
	const char *given = http_exchange_header(w->x, "Authorization");

	return http_token_read(bytes_str(given ? given : ""), &w->token);
}

/* Takes its part of what bodies may hold together. */
static bool
charge_body(struct work *w)
{
	int64_t announced = http_exchange_body_length(w->x);
	size_t bytes = announced < 0 ? w->r->max_body : (size_t)announced;

	if (bytes > w->r->max_body)
		bytes = w->r->max_body;
	if (atomic_fetch_add(&w->r->bodies, bytes) + bytes > REST_BODIES_MAX) {
		atomic_fetch_sub(&w->r->bodies, bytes);
		return false;
	}
	w->charged = bytes;
	return true;
}

/*
 * Reads the body, which is JSON whatever its Content-Type says: few that use curl set one. False
 * when the request is answered already.
 */
static bool
take_body(struct work *w)
{
	const struct http_body_limit limit = {w->r->max_body, REST_BODY_TIMEOUT_MS};
	enum im_err err;

	if (w->match->route->verb != ROUTE_POST)
		return true;
	if (!charge_body(w)) {
		answer_refusal(w, HTTP_REFUSED_FULL);
		return false;
	}
	err = http_exchange_body(w->x, &limit, &w->body);
	metric_add(w->r->received, w->body.len);
	if (err == IM_ERR_TIMEOUT)
		answer_refusal(w, HTTP_REFUSED_SLOW_BODY);
	else if (err == IM_ERR_CONNECTION_LOST)
		answer_refusal(w, HTTP_REFUSED_SHORT_BODY);
	else if (err != IM_OK)
		answer_failure(w, err);
	return err == IM_OK;
}

/* ---- Calls ---- */

static enum im_err
call_verified(struct work *w, const struct session_token *session, const ProtobufCMessage *request)
{
	const struct verified_session who = {session->token, session->database};
	const struct verified_asked asked = {w->match->route, request};
	struct verified_outcome outcome;
	enum im_err err = verified_call(w->r->verified, &who, &asked, &w->arena, &outcome);

	if (err != IM_OK)
		return err;
	answer_message(w, outcome.message);
	immu_result_free(outcome.result);
	return IM_OK;
}

/* By the client's address, not by whoever stands between it and the gateway. */
static const struct rest_side *
side_of(const struct work *w)
{
	const char *peer = http_exchange_peer(w->x), *mapped = "::ffff:";

	if (strncmp(peer, mapped, strlen(mapped)) == 0)
		peer += strlen(mapped);
	return strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0 ? &w->r->local
									 : &w->r->others;
}

static enum im_err
call_plain(struct work *w, const struct session_token *session, const ProtobufCMessage *request)
{
	const struct upstream_call call = {.method = w->match->route->method,
	    .token = bytes_str(session->token),
	    .request = request};
	ProtobufCMessage *message;
	enum im_err err =
	    upstream_call(side_of(w)->upstream, &call, &w->arena, &message, &w->status);

	if (err == IM_OK)
		answer_message(w, message);
	return err;
}

static enum im_err
call_list(struct work *w, const struct session_token *session, const ProtobufCMessage *request)
{
	const struct long_list list = {.verified = w->r->verified,
	    .session = {session->token, session->database},
	    .route = w->match->route,
	    .request = request,
	    .x = w->x,
	    .headers = &w->headers};
	enum im_err err = IM_OK;

	if (atomic_fetch_add(&w->r->lists, 1) < REST_LISTS_MAX)
		err = long_list_answer(&list);
	else
		answer_refusal(w, HTTP_REFUSED_FULL);
	atomic_fetch_sub(&w->r->lists, 1);
	return err;
}

/*
 * Another session may do better: this one has ended, or its database was deleted, perhaps made
 * anew.
 */
static bool
is_session_stale(enum im_err err)
{
	return err == IM_ERR_NOT_LOGGED_IN || err == IM_ERR_TOKEN_EXPIRED ||
	    err == IM_ERR_DATABASE_NOT_FOUND;
}

static enum im_err
call_route(struct work *w, const ProtobufCMessage *request)
{
	const struct route *route = w->match->route;
	bool is_list = long_list_wanted(route, http_exchange_header(w->x, "Accept"));
	const struct session_wanted wanted = {
	    w->token, w->match->database, is_list || (route->flags & ROUTE_VERIFIED)};
	struct token_memo *sessions = side_of(w)->sessions;
	struct session_token session;
	enum im_err err;
	bool again = true;

	/* A session that the gateway remembered may be stale: once more, with a new one. */
	do {
		err = token_memo_find(sessions, &wanted, &session);
		if (err == IM_OK && is_list)
			err = call_list(w, &session, request);
		else if (err == IM_OK && (route->flags & ROUTE_VERIFIED))
			err = call_verified(w, &session, request);
		else if (err == IM_OK)
			err = call_plain(w, &session, request);
		if (is_session_stale(err))
			token_memo_forget(sessions, w->token);
	} while (is_session_stale(err) && w->match->database.len > 0 && again && !(again = false));
	if (err == IM_OK && route->method->id == RPC_METHOD_Logout) {
		token_memo_forget(w->r->local.sessions, w->token);
		token_memo_forget(w->r->others.sessions, w->token);
	}
	explicit_bzero(&session, sizeof session);
	return err;
}

/* ---- Requests ---- */

/* A route of the table: builds the message, calls, answers. */
static void
run_route(struct work *w)
{
	const struct route *route = w->match->route;
	ProtobufCMessage *request;
	enum im_err err;

	if (route->flags & ROUTE_ABSENT) {
		answer_refusal(w, HTTP_REFUSED_LACKING);
		return;
	}
	if (!take_body(w))
		return;
	err = take_token(w);
	if (err == IM_OK)
		err = rest_request_build(
		    w->match, http_exchange_query(w->x), buf_bytes(&w->body), &w->arena, &request);
	if (err == IM_OK)
		err = call_route(w, request);
	if (err != IM_OK)
		answer_failure(w, err);
}

/*
 * What the gateway answers by itself: the page and its document. The other paths of the table are
 * http_server.c's, which knows them as they are written there, without escapes.
 */
static void
run_local(struct work *w)
{
	const char *path = w->match->route->path;
	struct page_file file;

	if (page_find(path, &file)) {
		buf_printf(&w->headers, "Content-Security-Policy: %s\r\n", page_policy);
		answer(w, 200, file.content_type, file.content);
	} else if (strcmp(path, OPENAPI_PATH) == 0) {
		answer(w, 200, REST_JSON, buf_bytes(&w->r->openapi));
	} else {
		answer_refusal(w, HTTP_REFUSED_PATH);
	}
}

/* Finds the route and runs it. */
static void
run(struct work *w)
{
	const char *verb = http_exchange_method(w->x);
	enum route_result result = route_find(verb, http_exchange_path(w->x), w->match);

	w->pattern = result == ROUTE_FOUND ? w->match->route->path : "";
	if (strcmp(verb, "OPTIONS") == 0 && w->match->verbs) {
		cors_append_preflight(&w->headers, w->match->verbs);
		answer(w, 204, NULL, bytes_of(NULL, 0));
		return;
	}
	switch (result) {
	case ROUTE_FOUND:
		if (w->match->route->flags & ROUTE_LOCAL)
			run_local(w);
		else
			run_route(w);
		break;
	case ROUTE_NO_PATH:
		answer_refusal(w, HTTP_REFUSED_PATH);
		break;
	case ROUTE_NO_VERB:
		buf_append_str(&w->headers, "Allow: ");
		route_append_allow(&w->headers, w->match->verbs);
		buf_append_str(&w->headers, "\r\n");
		answer_refusal(w, HTTP_REFUSED_VERB);
		break;
	case ROUTE_BAD_PATH:
		answer_refusal(w, HTTP_REFUSED_BAD_PATH);
		break;
	case ROUTE_TOO_LONG:
		answer_refusal(w, HTTP_REFUSED_LONG_PATH);
		break;
	}
}

/* Counts and logs what was answered. */
static void
account(struct work *w)
{
	double seconds = (double)(clock_monotonic_ns() - w->begin_ns) / 1e9;
	int status = http_exchange_status(w->x);
	char code[REST_CODE_MAX];
	struct buf text;

	buf_init_in(&text, code, sizeof code);
	buf_append_decimal(&text, (uint64_t)status);
	buf_append_u8(&text, '\0');
	metric_inc(metric_series(w->r->requests, (const char *const[]){w->pattern, code}));
	metric_observe(metric_labelled(w->r->durations, w->pattern), seconds);
	metric_add(w->r->sent, http_exchange_sent(w->x));
	if (w->r->access_log)
		log_info("request %s from %s: %s %s %d %llu bytes %.3f ms", w->id,
		    http_exchange_peer(w->x), http_exchange_method(w->x),
		    w->pattern[0] ? w->pattern : "-", status,
		    (unsigned long long)http_exchange_sent(w->x), seconds * 1e3);
}

void
rest_handle(void *arg, struct http_exchange *x)
{
	struct rest *r = arg;
	struct route_match match;
	struct work w = {
	    .r = r, .x = x, .match = &match, .begin_ns = clock_monotonic_ns(), .pattern = ""};

	err_clear();
	metric_shift(r->in_flight, 1);
	buf_init(&w.headers, REST_HEADERS_MAX);
	buf_init(&w.body, r->max_body + 1);
	arena_init(&w.arena, REST_ARENA_BASE + REST_ARENA_FACTOR * r->max_body);
	take_id(&w);
	if (cors_append(&w.headers, &(struct cors){r->origins, r->origins_len},
		http_exchange_header(x, "Origin")))
		run(&w);
	else if (strcmp(http_exchange_method(x), "OPTIONS") == 0)
		answer_refusal(&w, HTTP_REFUSED_ORIGIN);
	else
		run(&w);
	account(&w);
	arena_wipe(&w.arena);
	buf_wipe(&w.body);
	buf_free(&w.headers);
	if (w.charged)
		atomic_fetch_sub(&r->bodies, w.charged);
	metric_shift(r->in_flight, -1);
}

void
rest_refused(int status, struct buf *body)
{
	const struct http_error e = {
	    .http = status, .code = status < 500 ? IM_STATUS_INVALID_ARGUMENT : IM_STATUS_INTERNAL};

	http_error_append_body(body, &e, bytes_str("not a request that can be served"));
}

/* ---- Life ---- */

enum im_err
rest_init(struct rest *r, struct metrics *metrics)
{
	r->requests = metrics_family(metrics,
	    &(struct metric_desc){.name = "immugw_http_requests_total",
		.help = "Requests by route and status.",
		.type = METRIC_COUNTER,
		.labels = {"route", "code"}});
	r->durations = metrics_family(metrics,
	    &(struct metric_desc){.name = "immugw_http_request_duration_seconds",
		.help = "Time from a request's head to the end of its answer.",
		.type = METRIC_HISTOGRAM,
		.labels = {"route"},
		.bounds = metric_latency_bounds,
		.bound_count = metric_latency_bound_count});
	r->in_flight = metric_single(metrics_family(metrics,
	    &(struct metric_desc){.name = "immugw_http_requests_in_flight",
		.help = "Requests being answered.",
		.type = METRIC_GAUGE}));
	r->received = metric_single(metrics_family(metrics,
	    &(struct metric_desc){.name = "immugw_http_received_bytes_total",
		.help = "Bytes of request bodies.",
		.type = METRIC_COUNTER}));
	r->sent = metric_single(metrics_family(metrics,
	    &(struct metric_desc){.name = "immugw_http_sent_bytes_total",
		.help = "Bytes of answers' bodies.",
		.type = METRIC_COUNTER}));
	r->verification_failures = metric_single(metrics_family(metrics,
	    &(struct metric_desc){.name = "immugw_verification_failures_total",
		.help =
		    "Verified requests answered with 409: what the server showed was not proven.",
		.type = METRIC_COUNTER}));
	buf_init(&r->openapi, OPENAPI_MAX);
	openapi_write(&r->openapi, IMMUDB_VERSION);
	return r->openapi.err;
}

void
rest_free(struct rest *r)
{
	buf_free(&r->openapi);
}
