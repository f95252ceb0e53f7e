/*
 * The listener that other auditors ask. Frames, limits and slow or hostile connections are the
 * business of rpc/rpc_server.c, with limits that suit a few auditors; here are the methods and the
 * claims.
 *
 * Invariants: nobody logs in here, so that a request never takes more than one short frame; what a
 * request costs is a walk over our states and an answer of at most PEER_ANSWERED_MAX; claims are
 * kept about databases that we audit only.
 */
#include "peer_service.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer_claims.h"
#include "peer_message.h"
#include "peer_proof.h"
#include "rpc/rpc_server.h"
#include "util/log.h"
#include "util/version.h"

#define SERVICE_MESSAGE_BYTES ((size_t)64 * 1024)
#define SERVICE_TOTAL_BYTES ((size_t)8 * 1024 * 1024)
#define SERVICE_OUTSTANDING 4
#define SERVICE_QUEUED_BYTES ((size_t)128 * 1024)
#define SERVICE_DRAIN_MS 100
#define SERVICE_TEXT_MAX 512

struct peer_service {
	const struct peers_options *options;
	struct rpc_server *server;
	pthread_mutex_t lock;
	struct peer_claims claims; /* under the lock, as the next ones */
	struct service_proof {
		struct peer_proof *proof;
		char host[PEERS_ADDRESS_MAX];
	} proofs[PEERS_PROOFS_KEPT];
	size_t proofs_len;
	atomic_uint_fast64_t answered, refused, given, dropped;
};

/* A request as it is answered. */
struct service_page {
	const char *server_id;
	struct peer_state *given; /* what we are told */
	size_t given_len;
	bool is_ours[PEER_GIVEN_MAX]; /* about a database that we audit */
	size_t offset, seen;
	struct peer_state *states; /* the answer, PEER_ANSWERED_MAX of room */
	size_t len;
};

static void
page_add(void *to, const struct peer_state *state)
{
	struct service_page *p = to;
	size_t at;

	if (state->tx == 0 || strcmp(state->server_id, p->server_id) != 0)
		return;
	for (size_t i = 0; i < p->given_len; i++)
		p->is_ours[i] |= strcmp(p->given[i].database, state->database) == 0;
	at = p->seen++;
	if (at >= p->offset && at < PEERS_STATES_MAX && p->len < PEER_ANSWERED_MAX)
		p->states[p->len++] = *state;
}

/* The host of "10.0.0.2:40312" or "[::1]:40312". */
static void
host_of(const struct rpc_peer *peer, char out[PEERS_ADDRESS_MAX])
{
	const char *colon = strrchr(peer->address, ':');
	size_t n = colon ? (size_t)(colon - peer->address) : strlen(peer->address);

	snprintf(out, PEERS_ADDRESS_MAX, "%.*s", (int)n, peer->address);
}

static void
service_keep(struct peer_service *s, const struct service_page *p, const struct rpc_peer *peer)
{
	char host[PEERS_ADDRESS_MAX];
	unsigned int dropped = 0;

	host_of(peer, host);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < p->given_len; i++)
		if (p->is_ours[i])
			dropped += peer_claims_add(&s->claims, host, &p->given[i]);
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_add(&s->given, p->given_len);
	atomic_fetch_add(&s->dropped, dropped);
	if (dropped > 0)
		log_warn_limited("peers: %s: more claims than there is room for", host);
}

/* Reads what the request gives. */
static enum im_err
service_read(
    const Immudb__Schema__ExchangeStatesRequest *m, struct arena *arena, struct service_page *p)
{
	if (!peer_message_is_identity(m->serverid))
		return err_set(IM_ERR_FORMAT, "%s: no server's identity", err_text(IM_ERR_FORMAT));
	if (m->n_states > PEER_GIVEN_MAX)
		return err_set(IM_ERR_LIMIT, "%s: more than %d states", err_text(IM_ERR_LIMIT),
		    PEER_GIVEN_MAX);
	*p = (struct service_page){
	    .server_id = m->serverid, .given_len = m->n_states, .offset = m->offset};
	p->states = arena_calloc(arena, PEER_ANSWERED_MAX, sizeof *p->states);
	p->given = arena_calloc(arena, PEER_GIVEN_MAX, sizeof *p->given);
	if (!p->states || !p->given)
		return err_set(IM_ERR_NOMEM, "out of memory");
	return peer_message_read(m->states, m->n_states, m->serverid, p->given);
}

/* Answers, or says why not; then the request is still there. */
static enum im_err
service_exchange(struct peer_service *s, struct rpc_request *req)
{
	Immudb__Schema__ExchangeStatesResponse answer =
	    IMMUDB__SCHEMA__EXCHANGE_STATES_RESPONSE__INIT;
	ProtobufCMessage *message;
	struct service_page page;
	enum im_err err = rpc_request_decode(req, &message);

	if (err == IM_OK)
		err = service_read(
		    (const Immudb__Schema__ExchangeStatesRequest *)message, &req->arena, &page);
	if (err != IM_OK)
		return err;
	s->options->each(s->options->arg, page_add, &page);
	service_keep(s, &page, req->peer);
	answer.n_states = page.len;
	answer.states = peer_message_write(&req->arena, page.states, page.len);
	if (page.len > 0 && !answer.states)
		return err_set(IM_ERR_NOMEM, "out of memory");
	atomic_fetch_add(&s->answered, 1);
	rpc_reply(req, &answer.base);
	return IM_OK;
}

/* ---- Contradictions. ---- */

/* A request for contradictions as it is answered. */
struct service_proofs {
	const char *server_id, *database; /* database: of what is given; NULL */
	size_t offset, seen;
	bool is_ours;
	struct arena *arena;
	Immudb__Schema__PeerContradiction *held;
};

static void
proofs_add(void *to, const struct peer_proof *proof)
{
	struct service_proofs *p = to;

	if (strcmp(proof->server_id, p->server_id) == 0 && p->seen++ == p->offset)
		p->held = peer_proof_message(proof, p->arena);
}

static void
proofs_look(void *to, const struct peer_state *state)
{
	struct service_proofs *p = to;

	p->is_ours |= strcmp(state->server_id, p->server_id) == 0 &&
	    strcmp(state->database, p->database) == 0;
}

/* Keeps a contradiction, or frees it. */
static void
proofs_keep(struct peer_service *s, struct peer_proof *proof, const struct rpc_peer *peer)
{
	char host[PEERS_ADDRESS_MAX];
	size_t of_one = 0;
	bool has_room;

	host_of(peer, host);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->proofs_len; i++)
		of_one += strcmp(s->proofs[i].host, host) == 0;
	has_room = s->proofs_len < PEERS_PROOFS_KEPT && of_one < PEERS_PROOFS_OF_ONE;
	if (has_room) {
		s->proofs[s->proofs_len].proof = proof;
		memcpy(s->proofs[s->proofs_len++].host, host, sizeof host);
	}
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_add(&s->given, 1);
	if (has_room)
		return;
	atomic_fetch_add(&s->dropped, 1);
	free(proof);
}

/* Answers, or says why not; then the request is still there. */
static enum im_err
service_contradictions(struct peer_service *s, struct rpc_request *req)
{
	Immudb__Schema__ExchangeContradictionsResponse answer =
	    IMMUDB__SCHEMA__EXCHANGE_CONTRADICTIONS_RESPONSE__INIT;
	const Immudb__Schema__ExchangeContradictionsRequest *m;
	struct service_proofs p = {.arena = &req->arena};
	struct peer_proof *given = NULL;
	ProtobufCMessage *message;
	enum im_err err = rpc_request_decode(req, &message);

	if (err != IM_OK)
		return err;
	m = (const Immudb__Schema__ExchangeContradictionsRequest *)message;
	if (!peer_message_is_identity(m->serverid))
		return err_set(IM_ERR_FORMAT, "%s: no server's identity", err_text(IM_ERR_FORMAT));
	if (m->given)
		err = peer_proof_keep(m->given, m->serverid, &given);
	if (err != IM_OK)
		return err;
	p.server_id = m->serverid;
	p.offset = m->offset;
	p.database = given ? given->database : "";
	s->options->each(s->options->arg, proofs_look, &p);
	if (given && p.is_ours)
		proofs_keep(s, given, req->peer);
	else
		free(given);
	if (s->options->each_proof && p.offset < PEERS_PROOFS_MAX)
		s->options->each_proof(s->options->arg, proofs_add, &p);
	answer.held = p.held;
	rpc_reply(req, &answer.base);
	return IM_OK;
}

static void
service_refuse(struct peer_service *s, struct rpc_request *req, enum im_err err)
{
	const char *fixed = err_text(err), *detail = err_detail(err);
	char text[SERVICE_TEXT_MAX];

	if (strncmp(detail, fixed, strlen(fixed)) == 0)
		snprintf(text, sizeof text, "%s", detail);
	else
		snprintf(text, sizeof text, "%s: %s", fixed, detail);
	atomic_fetch_add(&s->refused, 1);
	log_warn_limited("peers: %s: refused: %s", req->peer->address, text);
	rpc_fail(req, err, text);
}

static void
service_handle(void *ctx, struct rpc_request *req)
{
	struct peer_service *s = ctx;
	enum im_err err;

	err_clear();
	if (req->method->id == RPC_METHOD_ExchangeStates)
		err = service_exchange(s, req);
	else if (req->method->id == RPC_METHOD_ExchangeContradictions)
		err = service_contradictions(s, req);
	else
		err = err_set(IM_ERR_UNIMPLEMENTED, "%s: this is an auditor, not a server",
		    err_text(IM_ERR_UNIMPLEMENTED));
	if (err != IM_OK)
		service_refuse(s, req, err);
}

static enum im_err
service_listen(struct peer_service *s, const struct peer_address *listen)
{
	char url[PEERS_ADDRESS_MAX + 8];
	const char *urls[] = {url};
	struct rpc_server_options o = {.urls = urls,
	    .nurls = 1,
	    .version = "auditor " IMMUDB_VERSION,
	    .max_message_bytes = SERVICE_MESSAGE_BYTES,
	    .max_connections = PEERS_CONNECTIONS_MAX,
	    .max_outstanding = SERVICE_OUTSTANDING,
	    .max_queued_bytes = SERVICE_QUEUED_BYTES,
	    .max_total_bytes = SERVICE_TOTAL_BYTES,
	    .hello_timeout_ms = s->options->timeout_ms,
	    .frame_timeout_ms = s->options->timeout_ms,
	    .write_timeout_ms = s->options->timeout_ms,
	    .handle = service_handle,
	    .ctx = s};

	snprintf(url, sizeof url, "tcp://%s", listen->text);
	return rpc_server_start(&o, &s->server);
}

enum im_err
peer_service_start(const struct peers_options *options, const struct peer_address *listen,
    struct peer_service **out)
{
	struct peer_service *s = calloc(1, sizeof *s);
	enum im_err err;

	*out = NULL;
	if (!s || pthread_mutex_init(&s->lock, NULL) != 0) {
		free(s);
		return err_set(IM_ERR_NOMEM, "out of memory");
	}
	s->options = options;
	err = service_listen(s, listen);
	if (err == IM_OK)
		*out = s;
	else
		peer_service_stop(s);
	return err;
}

uint16_t
peer_service_port(const struct peer_service *s)
{
	return rpc_server_port(s->server, 0);
}

/* Gives a contradiction away, or frees it. */
static void
proof_give(struct service_proof *p, const char *server_id, const struct peers_taker *taker)
{
	if (taker->take_proof && strcmp(p->proof->server_id, server_id) == 0)
		taker->take_proof(taker->arg, p->host, p->proof);
	else
		free(p->proof);
}

void
peer_service_take(struct peer_service *s, const char *server_id, const struct peers_taker *taker)
{
	struct service_proof proofs[PEERS_PROOFS_KEPT];
	struct peer_claims claims;
	size_t len;

	pthread_mutex_lock(&s->lock);
	claims = s->claims;
	s->claims = (struct peer_claims){0};
	len = s->proofs_len;
	memcpy(proofs, s->proofs, len * sizeof *proofs);
	s->proofs_len = 0;
	pthread_mutex_unlock(&s->lock);
	peer_claims_each(&claims, server_id, taker->take, taker->arg);
	peer_claims_clear(&claims);
	for (size_t i = 0; i < len; i++)
		proof_give(&proofs[i], server_id, taker);
}

void
peer_service_count(struct peer_service *s, struct peers_counts *out)
{
	out->answered += atomic_load(&s->answered);
	out->refused += atomic_load(&s->refused);
	out->claims += atomic_load(&s->given);
	out->dropped += atomic_load(&s->dropped);
}

void
peer_service_stop(struct peer_service *s)
{
	if (!s)
		return;
	if (s->server) {
		rpc_server_stop(s->server, SERVICE_DRAIN_MS);
		rpc_server_free(s->server);
	}
	peer_claims_clear(&s->claims);
	while (s->proofs_len > 0)
		free(s->proofs[--s->proofs_len].proof);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
