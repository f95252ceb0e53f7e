/*
 * One exchange with one peer, from our end. peer_service.c is the other end; peers.c runs this in a
 * thread for each peer.
 *
 * Invariants: memory is bounded by the number of our own states, whatever the peer sends; every page
 * either gives some of ours or must bring a full page of theirs, of which so many are taken, so that the
 * exchange ends.
 */
#include "peer_exchange.h"

#include <stdlib.h>

#include "peer_message.h"
#include "rpc/client_conn.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/version.h"

/* Of an answer, packed; the connection adds 1 MiB. And decoded. */
#define ANSWER_BYTES ((size_t)64 * 1024)
#define ANSWER_MEMORY ((size_t)512 * 1024)

struct exchange {
	struct peer_exchange *x;
	struct rpc_client_conn *conn;
	int64_t deadline_ns;
	struct peer_state *ours; /* sorted by database */
	size_t ours_len, ours_cap;
	bool failed;               /* no memory for ours */
	bool left_out;             /* we have more than may be given */
	size_t given;              /* of ours */
	size_t heard;              /* of theirs */
	struct peer_state *theirs; /* as ours; tx 0: none */
};

/* ---- Ours. ---- */

static bool
ours_grow(struct exchange *e)
{
	size_t cap = e->ours_cap ? 2 * e->ours_cap : 16;
	struct peer_state *grown;

	if (e->ours_len < e->ours_cap)
		return true;
	grown = realloc(e->ours, cap * sizeof *grown);
	if (!grown)
		return false;
	e->ours = grown;
	e->ours_cap = cap;
	return true;
}

static void
ours_add(void *to, const struct peer_state *state)
{
	struct exchange *e = to;

	if (state->tx == 0 || strcmp(state->server_id, e->x->server_id) != 0)
		return;
	if (e->ours_len == PEERS_STATES_MAX)
		e->left_out = true;
	else if (ours_grow(e))
		e->ours[e->ours_len++] = *state;
	else
		e->failed = true;
}

static int
ours_compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct peer_state *)a)->database, ((const struct peer_state *)b)->database);
}

static enum im_err
ours_collect(struct exchange *e)
{
	const struct peers_options *o = e->x->options;

	o->each(o->arg, ours_add, e);
	if (e->left_out)
		log_warn_limited(
		    "peers: only the first %d databases are compared with peers", PEERS_STATES_MAX);
	if (e->ours_len == 0)
		return e->failed ? err_set(IM_ERR_NOMEM, "out of memory") : IM_OK;
	qsort(e->ours, e->ours_len, sizeof *e->ours, ours_compare);
	e->theirs = calloc(e->ours_len, sizeof *e->theirs);
	if (e->failed || !e->theirs)
		return err_set(IM_ERR_NOMEM, "out of memory");
	return IM_OK;
}

/* ---- Theirs. ---- */

static void
theirs_add(struct exchange *e, const struct peer_state *state)
{
	const struct peer_state *own =
	    bsearch(state, e->ours, e->ours_len, sizeof *e->ours, ours_compare);

	if (own)
		e->theirs[own - e->ours] = *state;
}

static enum im_err
theirs_read(struct exchange *e, const Immudb__Schema__ExchangeStatesResponse *answer)
{
	struct peer_state *page;
	enum im_err err;

	if (answer->n_states > PEER_ANSWERED_MAX || e->heard + answer->n_states > PEERS_STATES_MAX)
		return err_set(IM_ERR_LIMIT, "%s: too many states", err_text(IM_ERR_LIMIT));
	if (answer->n_states == 0)
		return IM_OK;
	page = calloc(answer->n_states, sizeof *page);
	if (!page)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = peer_message_read(answer->states, answer->n_states, e->x->server_id, page);
	for (size_t i = 0; err == IM_OK && i < answer->n_states; i++)
		theirs_add(e, &page[i]);
	e->heard += answer->n_states;
	free(page);
	return err;
}

/* Moves what was heard to the front and hands it over. */
static void
theirs_hand_over(struct exchange *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->ours_len; i++)
		if (e->theirs[i].tx != 0)
			e->theirs[n++] = e->theirs[i];
	e->x->theirs = e->theirs;
	e->x->theirs_len = n;
	e->theirs = NULL;
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
	size_t n = e->ours_len - e->given;

	if (n > PEER_GIVEN_MAX)
		n = PEER_GIVEN_MAX;
	request.serverid = (char *)(uintptr_t)e->x->server_id;
	request.offset = (uint32_t)e->heard;
	request.n_states = n;
	request.states = peer_message_write(arena, &e->ours[e->given], n);
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
		*more = answer->n_states == PEER_ANSWERED_MAX || e->given < e->ours_len;
		err = theirs_read(e, answer);
	}
	arena_free(&arena);
	return err;
}

static enum im_err
exchange_connected(struct exchange *e)
{
	bool more = true;
	enum im_err err = IM_OK;

	while (err == IM_OK && more)
		err = exchange_page(e, &more);
	if (err == IM_OK)
		theirs_hand_over(e);
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
	x->theirs_len = 0;
	err = ours_collect(&e);
	if (err == IM_OK && e.ours_len > 0) {
		err = rpc_client_connect(&options, &e.conn);
		if (err == IM_OK)
			err = exchange_connected(&e);
		rpc_client_close(e.conn);
	}
	free(e.ours);
	free(e.theirs);
	return err;
}
