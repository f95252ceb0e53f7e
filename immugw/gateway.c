/*
 * Starting and stopping the gateway, and what it says about itself. rest.c answers requests.
 *
 * Invariant: what requests use lives longer than the HTTP server that carries them.
 */
#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>

#include "audit_child.h"
#include "http/http_server.h"
#include "rest.h"
#include "tls/tls_keeper.h"
#include "util/keyfile.h"
#include "util/log.h"
#include "util/version.h"

#define GATEWAY_KEEP_ALIVE_MS 15000
#define GATEWAY_CONNECT_TIMEOUT_MS 5000
#define GATEWAY_READY_TIMEOUT_MS 3000
#define GATEWAY_ARENA_MAX 65536
#define GATEWAY_TEXT_MAX 1024

struct gateway {
	struct gateway_settings settings;
	struct tls_context *tls;   /* with the server; NULL: without */
	struct tls_context *https; /* with clients; NULL: without */
	struct tls_keeper *keeper; /* of https */
	struct metrics *metrics;
	struct verified *verified;
	struct rest rest;
	struct http_server *http;
	struct metric *connections, *connected;
};

/* Ready: the server answers, soon enough for who asks. */
static enum im_err
gateway_ready(void *arg)
{
	struct gateway *g = arg;
	const struct upstream_call call = {
	    .method = rpc_method_find(RPC_METHOD_Health), .timeout_ms = GATEWAY_READY_TIMEOUT_MS};
	ProtobufCMessage *answer;
	enum im_status status;
	struct arena arena;
	enum im_err err;

	arena_init(&arena, GATEWAY_ARENA_MAX);
	err = upstream_call(g->rest.local.upstream, &call, &arena, &answer, &status);
	arena_free(&arena);
	return err;
}

static void
gateway_collect(void *arg)
{
	struct gateway *g = arg;
	uint64_t made, made_others;
	size_t up, up_others;

	upstream_counts(g->rest.local.upstream, &up, &made);
	upstream_counts(g->rest.others.upstream, &up_others, &made_others);
	metric_set(g->connections, (double)(up + up_others));
	metric_set(g->connected, (double)(made + made_others));
}

static enum im_err
gateway_add_metrics(struct gateway *g)
{
	enum im_err err;

	g->metrics = metrics_new();
	if (!g->metrics)
		return IM_ERR_NOMEM;
	g->connections = metric_single(metrics_family(g->metrics,
	    &(struct metric_desc){.name = "immugw_upstream_connections",
		.help = "Connections to the server that are up.",
		.type = METRIC_GAUGE}));
	g->connected = metric_single(metrics_family(g->metrics,
	    &(struct metric_desc){.name = "immugw_upstream_connections_made",
		.help = "Connections to the server made since the start.",
		.type = METRIC_GAUGE}));
	if (g->settings.auditor)
		audit_child_add_metrics(g->settings.auditor, g->metrics);
	err = metrics_add_process(g->metrics);
	return err == IM_OK ? metrics_on_collect(g->metrics, gateway_collect, g) : err;
}

/* A key that cannot be used is said at the start, not when the first request is to be proven. */
static enum im_err
gateway_check_key(const char *path)
{
	struct sign_public_key *key = NULL;
	enum im_err err = path[0] ? keyfile_load_public(path, &key) : IM_OK;

	sign_public_key_free(key);
	return err;
}

static enum im_err
gateway_open_side(
    const struct gateway *g, const struct rpc_client_options *rpc, struct rest_side *side)
{
	enum im_err err = upstream_new(rpc, g->settings.connections, &side->upstream);

	return err == IM_OK ? token_memo_new(side->upstream, &side->sessions) : err;
}

static void
gateway_close_side(struct rest_side *side)
{
	token_memo_free(side->sessions);
	upstream_free(side->upstream);
}

static enum im_err
gateway_open_server(struct gateway *g)
{
	const struct gateway_settings *o = &g->settings;
	struct rpc_client_options rpc = {.host = o->server_address,
	    .port = o->server_port,
	    .unix_path = o->server_socket[0] ? o->server_socket : NULL,
	    .connect_timeout_ms = GATEWAY_CONNECT_TIMEOUT_MS,
	    .call_timeout_ms = o->timeout_ms,
	    .max_message_bytes = o->max_message_bytes,
	    .tls_name = tls_client_name(&o->tls),
	    .name = "immugw " IMMUDB_VERSION};
	const struct immu_options client = {.address = o->server_address,
	    .port = o->server_port,
	    .unix_path = o->server_socket[0] ? o->server_socket : NULL,
	    .state_dir = o->dir[0] ? o->dir : NULL,
	    .pub_key_file = o->pub_key_file[0] ? o->pub_key_file : NULL,
	    .connect_timeout_ms = GATEWAY_CONNECT_TIMEOUT_MS,
	    .request_timeout_ms = o->timeout_ms,
	    .max_message_bytes = o->max_message_bytes,
	    .tls = o->tls.tls,
	    .mtls = o->tls.mtls,
	    .certificate = o->tls.certificate,
	    .pkey = o->tls.key,
	    .clientcas = o->tls.authorities,
	    .servername = o->tls.name};
	enum im_err err = gateway_check_key(o->pub_key_file);

	if (err == IM_OK)
		err = tls_client_context(&o->tls, &g->tls);
	rpc.tls = g->tls;
	if (err == IM_OK)
		err = gateway_open_side(g, &rpc, &g->rest.local);
	rpc.for_others = true;
	if (err == IM_OK)
		err = gateway_open_side(g, &rpc, &g->rest.others);
	if (err == IM_OK)
		err = verified_new(&client, &g->verified);
	return err;
}

/* The certificate for clients. */
static enum im_err
gateway_open_https(struct gateway *g)
{
	const struct tls_files *files = &g->settings.https_files;
	enum im_err err;

	if (!g->settings.https)
		return IM_OK;
	err = tls_context_new(files, &g->https);
	if (err != IM_OK)
		return err;
	if (tls_context_key_is_exposed(g->https))
		log_warn("private key %s can be read by everybody", files->key);
	return tls_keeper_start(
	    g->https, g->metrics, "immugw_tls_certificate_expiry_timestamp_seconds", &g->keeper);
}

static enum im_err
gateway_serve(struct gateway *g)
{
	const struct gateway_settings *o = &g->settings;
	const struct http_options http = {.address = o->address,
	    .port = o->port,
	    .ephemeral = o->port == 0,
	    .program = "immugw",
	    .metrics = g->metrics,
	    .ready = gateway_ready,
	    .ready_arg = g,
	    .handle = rest_handle,
	    .handle_arg = &g->rest,
	    .refused = rest_refused,
	    .threads = o->threads,
	    .keep_alive_ms = GATEWAY_KEEP_ALIVE_MS,
	    .tls = g->https};

	g->rest.verified = g->verified;
	/* Base64 makes a third more of a message, and names need room. */
	g->rest.max_body = o->max_message_bytes / 2 * 3;
	g->rest.origins = o->origins;
	g->rest.origins_len = o->origins_len;
	g->rest.access_log = o->access_log;
	return http_server_start(&http, &g->http);
}

enum im_err
gateway_start(const struct gateway_settings *settings, struct gateway **out)
{
	struct gateway *g = calloc(1, sizeof *g);
	enum im_err err;

	*out = NULL;
	if (!g)
		return IM_ERR_NOMEM;
	g->settings = *settings;
	err = gateway_open_server(g);
	if (err == IM_OK)
		err = gateway_add_metrics(g);
	if (err == IM_OK)
		err = rest_init(&g->rest, g->metrics);
	if (err == IM_OK)
		err = gateway_open_https(g);
	if (err == IM_OK)
		err = gateway_serve(g);
	if (err == IM_OK)
		*out = g;
	else
		gateway_stop(g);
	return err;
}

uint16_t
gateway_port(const struct gateway *g)
{
	return http_server_port(g->http);
}

bool
gateway_answers(const struct gateway *g, unsigned int timeout_ms)
{
	return http_server_answers(g->http, timeout_ms);
}

/* A part that failed is said at once when another one failed before it. */
static enum im_err
gateway_note(enum im_err before, enum im_err err, char text[GATEWAY_TEXT_MAX])
{
	if (err == IM_OK)
		return before;
	if (before != IM_OK)
		log_error("%s", text);
	snprintf(text, GATEWAY_TEXT_MAX, "%s", err_detail(err));
	return err;
}

enum im_err
gateway_reload(struct gateway *g)
{
	char text[GATEWAY_TEXT_MAX] = "";
	enum im_err err, key_err = gateway_check_key(g->settings.pub_key_file);

	err = gateway_note(IM_OK, key_err, text);
	err = gateway_note(err, g->tls ? tls_context_reload(g->tls) : IM_OK, text);
	err = gateway_note(err, g->keeper ? tls_keeper_reload(g->keeper) : IM_OK, text);
	if (key_err == IM_OK)
		verified_renew(g->verified);
	return err == IM_OK ? err : err_set(err, "%s", text);
}

void
gateway_stop(struct gateway *g)
{
	if (!g)
		return;
	http_server_stop(g->http);
	tls_keeper_stop(g->keeper);
	tls_context_free(g->https);
	verified_free(g->verified);
	if (g->metrics)
		metrics_free(g->metrics);
	gateway_close_side(&g->rest.local);
	gateway_close_side(&g->rest.others);
	tls_context_free(g->tls);
	rest_free(&g->rest);
	free(g);
}
