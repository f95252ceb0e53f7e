/*
 * One exchange with one peer, from our end. peer_service.c is the other end; peers.c runs this in a
 * thread for each peer.
 *
 * Invariants: no more than PEERS_STATES_MAX states are held of either side, whatever the peer
 * sends; every page either gives some of ours or must bring a full page of theirs, so that the
 * exchange ends. The same holds for contradictions, one a page, and PEERS_PROOFS_MAX of them.
 */
#include "peer_exchange.h"

#include <stdlib.h>

#include "peer_message.h"
#include "peer_proof.h"
#include "rpc/client_conn.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/version.h"

/* Of an answer, packed; the connection adds 1 MiB. And decoded. */
#define ANSWER_BYTES ((size_t)64 * 1024)
#define ANSWER_MEMORY ((size_t)512 * 1024)

struct states {
	struct peer_state *items;
	size_t len, cap;
};

struct exchange {
	struct peer_exchange *x;
	struct rpc_client_conn *conn;
	int64_t deadline_ns;
	struct states ours, theirs;
	size_t given;  /* of ours */
	bool failed;   /* no memory for ours */
	bool left_out; /* we have more than may be given */
	bool is_older; /* it knows nothing of contradictions */
};

static bool
states_add(struct states *s, const struct peer_state *state)
{
	size_t cap = s->cap ? 2 * s->cap : 16;
	struct peer_state *grown;

	if (s->len == s->cap) {
		grown = realloc(s->items, cap * sizeof *grown);
		if (!grown)
			return false;
		s->items = grown;
		s->cap = cap;
	}
	s->items[s->len++] = *state;
	return true;
}

/* ---- Ours. ---- */

static void
ours_add(void *to, const struct peer_state *state)
{
	struct exchange *e = to;

	if (state->tx == 0 || strcmp(state->server_id, e->x->server_id) != 0)
		return;
	if (e->ours.len == PEERS_STATES_MAX)
		e->left_out = true;
	else if (!states_add(&e->ours, state))
		e->failed = true;
}

static enum im_err
ours_collect(struct exchange *e)
{
	const struct peers_options *o = e->x->options;

	o->each(o->arg, ours_add, e);
	if (e->left_out)
		log_warn_limited(
		    "peers: only the first %d databases are compared with peers", PEERS_STATES_MAX);
	return e->failed ? err_set(IM_ERR_NOMEM, "out of memory") : IM_OK;
}

/* ---- Theirs. ---- */

static enum im_err
theirs_read(struct exchange *e, const Immudb__Schema__ExchangeStatesResponse *answer)
{
	struct peer_state page[PEER_ANSWERED_MAX];
	enum im_err err;

	if (answer->n_states > PEER_ANSWERED_MAX ||
	    e->theirs.len + answer->n_states > PEERS_STATES_MAX)
		return err_set(IM_ERR_LIMIT, "%s: too many states", err_text(IM_ERR_LIMIT));
	err = peer_message_read(answer->states, answer->n_states, e->x->server_id, page);
	for (size_t i = 0; err == IM_OK && i < answer->n_states; i++)
		if (!states_add(&e->theirs, &page[i]))
			err = err_set(IM_ERR_NOMEM, "out of memory");
	return err;
}

static int
theirs_compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct peer_state *)a)->database, ((const struct peer_state *)b)->database);
}

/* Hands over what was heard, one state of each database. */
static void
theirs_hand_over(struct exchange *e)
{
	struct peer_state *items = e->theirs.items;
	size_t n = 0;

	if (e->theirs.len > 0)
		qsort(items, e->theirs.len, sizeof *items, theirs_compare);
	for (size_t i = 0; i < e->theirs.len; i++)
		if (n == 0 || theirs_compare(&items[n - 1], &items[i]) != 0)
			items[n++] = items[i];
	e->x->theirs = items;
	e->x->theirs_len = n;
	e->theirs = (struct states){0};
}

/* ---- Pages. ---- */

static uint32_t
exchange_left_ms(const struct exchange *e)
{
	int64_t left = (e->deadline_ns - clock_monotonic_ns()) / CLOCK_NS_PER_MS;

	return left < 1 ? 1 : (uint32_t)left;
}

static enum im_err
exchange_call(struct exchange *e, struct arena *arena, ProtobufCMessage **answer)
{
	Immudb__Schema__ExchangeStatesRequest request =
	    IMMUDB__SCHEMA__EXCHANGE_STATES_REQUEST__INIT;
	struct rpc_call call = {.method = RPC_METHOD_ExchangeStates,
	    .request = &request.base,
	    .timeout_ms = exchange_left_ms(e)};
	size_t n = e->ours.len - e->given;

	if (n > PEER_GIVEN_MAX)
		n = PEER_GIVEN_MAX;
	request.serverid = (char *)(uintptr_t)e->x->server_id;
	request.offset = (uint32_t)e->theirs.len;
	request.n_states = n;
	request.states = peer_message_write(arena, e->ours.items + e->given, n);
	if (n > 0 && !request.states)
		return err_set(IM_ERR_NOMEM, "out of memory");
	e->given += n;
	return rpc_call_wait(e->conn, &call, arena, answer, NULL);
}

static enum im_err
exchange_page(struct exchange *e, bool *more)
{
	const Immudb__Schema__ExchangeStatesResponse *answer;
	ProtobufCMessage *message = NULL;
	struct arena arena;
	enum im_err err;

	arena_init(&arena, ANSWER_MEMORY);
	err = exchange_call(e, &arena, &message);
	if (err == IM_OK) {
		answer = (const Immudb__Schema__ExchangeStatesResponse *)message;
		*more = answer->n_states == PEER_ANSWERED_MAX || e->given < e->ours.len;
		err = theirs_read(e, answer);
	}
	arena_free(&arena);
	return err;
}

/* ---- Contradictions. ---- */

/* Ours, while they are given. */
struct proofs {
	const char *server_id;
	struct peer_proof *items[PEERS_PROOFS_MAX];
	size_t len;
};

static void
proofs_add(void *to, const struct peer_proof *proof)
{
	struct proofs *p = to;
	size_t size = sizeof *proof + proof->len;

	if (p->len == PEERS_PROOFS_MAX || strcmp(proof->server_id, p->server_id) != 0)
		return;
	p->items[p->len] = malloc(size);
	if (p->items[p->len])
		memcpy(p->items[p->len++], proof, size);
}

/* One request: gives one of ours, if there is one left, and takes one of theirs. */
static enum im_err
proofs_page(struct exchange *e, const struct peer_proof *ours, bool *more)
{
	Immudb__Schema__ExchangeContradictionsRequest request =
	    IMMUDB__SCHEMA__EXCHANGE_CONTRADICTIONS_REQUEST__INIT;
	const Immudb__Schema__ExchangeContradictionsResponse *answer;
	struct rpc_call call = {.method = RPC_METHOD_ExchangeContradictions,
	    .request = &request.base,
	    .timeout_ms = exchange_left_ms(e)};
	ProtobufCMessage *message = NULL;
	enum im_status status = IM_STATUS_OK;
	struct arena arena;
	enum im_err err;

	arena_init(&arena, ANSWER_MEMORY);
	request.serverid = (char *)(uintptr_t)e->x->server_id;
	request.offset = (uint32_t)e->x->proofs_len;
	if (ours)
		request.given = peer_proof_message(ours, &arena);
	err = rpc_call_wait(e->conn, &call, &arena, &message, &status);
	answer = (const Immudb__Schema__ExchangeContradictionsResponse *)message;
	/* It may be an older program. */
	e->is_older = err != IM_OK && status == IM_STATUS_UNIMPLEMENTED;
	*more = err == IM_OK && answer->held;
	if (*more && e->x->proofs_len == PEERS_PROOFS_MAX)
		err = err_set(IM_ERR_LIMIT, "%s: too many contradictions", err_text(IM_ERR_LIMIT));
	else if (*more)
		err =
		    peer_proof_keep(answer->held, e->x->server_id, &e->x->proofs[e->x->proofs_len]);
	e->x->proofs_len += *more && err == IM_OK;
	arena_free(&arena);
	return err;
}

static enum im_err
exchange_proofs(struct exchange *e)
{
	struct proofs ours = {.server_id = e->x->server_id};
	bool more = true;
	enum im_err err = IM_OK;

	if (e->x->options->each_proof)
		e->x->options->each_proof(e->x->options->arg, proofs_add, &ours);
	for (size_t i = 0; err == IM_OK && (more || i < ours.len); i++)
		err = proofs_page(e, i < ours.len ? ours.items[i] : NULL, &more);
	for (size_t i = 0; i < ours.len; i++)
		free(ours.items[i]);
	return e->is_older ? IM_OK : err;
}

static enum im_err
exchange_connected(struct exchange *e)
{
	bool more = true;
	enum im_err err = IM_OK;

	while (err == IM_OK && more)
		err = exchange_page(e, &more);
	if (err == IM_OK)
		err = exchange_proofs(e);
	if (err == IM_OK)
		theirs_hand_over(e);
	while (err != IM_OK && e->x->proofs_len > 0)
		free(e->x->proofs[--e->x->proofs_len]);
	return err;
}

enum im_err
peer_exchange_run(struct peer_exchange *x)
{
	struct exchange e = {
	    .x = x, .deadline_ns = clock_monotonic_ns() + x->options->timeout_ms * CLOCK_NS_PER_MS};
	struct rpc_client_options options = {.host = x->address->host,
	    .port = x->address->port,
	    .connect_timeout_ms = x->options->timeout_ms,
	    .max_message_bytes = ANSWER_BYTES,
	    .name = "auditor " IMMUDB_VERSION};
	enum im_err err;

	x->theirs = NULL;
	x->theirs_len = x->proofs_len = 0;
	err = ours_collect(&e);
	if (err == IM_OK)
		err = rpc_client_connect(&options, &e.conn);
	if (err == IM_OK)
		err = exchange_connected(&e);
	rpc_client_close(e.conn);
	free(e.ours.items);
	free(e.theirs.items);
	return err;
}
