/*
 * What the server says about itself and the selected database: Health, ServerInfo, DatabaseHealth,
 * CurrentState. And what it does not say: ExchangeStates,
 * ExchangeContradictions.
 */
#include "server/call.h"
#include "server/proving.h"
#include "util/clock.h"
#include "util/version.h"

enum im_err
handle_Health(struct call *c)
{
	Immudb__Schema__HealthResponse *out =
	    message_new(call_arena(c), &immudb__schema__health_response__descriptor);

	if (!out)
		return IM_ERR_NOMEM;
	out->status = true;
	out->version = (char *)(uintptr_t)IMMUDB_VERSION;
	c->answer = &out->base;
	return IM_OK;
}

enum im_err
handle_ServerInfo(struct call *c)
{
	Immudb__Schema__ServerInfoResponse *out =
	    message_new(call_arena(c), &immudb__schema__server_info_response__descriptor);
	struct database_info info;
	struct database *db = NULL;

	if (!out)
		return IM_ERR_NOMEM;
	out->version = (char *)(uintptr_t)IMMUDB_VERSION;
	out->startedat = c->server->started_s;
	while ((db = databases_next(c->server->databases, db)) != NULL) {
		database_info(db, &info);
		/* What clients wrote; how much is administered is not everybody's business. */
		if (!db->is_system)
			out->numtransactions += (int64_t)info.stats.tx;
		out->databasesdisksize += (int64_t)info.stats.disk_bytes;
		out->numdatabases++;
	}
	c->answer = &out->base;
	return IM_OK;
}

enum im_err
handle_DatabaseHealth(struct call *c)
{
	Immudb__Schema__DatabaseHealthResponse *out =
	    message_new(call_arena(c), &immudb__schema__database_health_response__descriptor);
	int64_t completed_ns = atomic_load(&c->database->completed_ns);
	struct timespec wall = clock_wall();
	int64_t ago_ns = clock_monotonic_ns() - completed_ns;

	if (!out)
		return IM_ERR_NOMEM;
	/* Not this one. */
	out->pendingrequests = database_pending(c->database) - 1;
	if (completed_ns)
		out->lastrequestcompletedat =
		    (wall.tv_sec * CLOCK_NS_PER_S + wall.tv_nsec - ago_ns) / CLOCK_NS_PER_MS;
	c->answer = &out->base;
	return IM_OK;
}

enum im_err
handle_CurrentState(struct call *c)
{
	Immudb__Schema__ImmutableState *out =
	    message_new(call_arena(c), &immudb__schema__immutable_state__descriptor);
	struct store_state *state = arena_alloc(call_arena(c), sizeof *state);

	if (!out || !state)
		return IM_ERR_NOMEM;
	store_state(c->database->store, state);
	out->db = c->database->name;
	out->txid = state->tx;
	out->txhash = message_hash(&state->alh);
	out->precommittedtxid = state->tx;
	out->precommittedtxhash = out->txhash;
	c->answer = &out->base;
	return proving_sign(c, state->tx, &state->alh, &out->signature);
}

/* Auditors answer this to each other (auditor/peers.c). */
enum im_err
handle_ExchangeStates(struct call *c)
{
	(void)c;
	return err_set(IM_ERR_UNIMPLEMENTED, "%s: auditors exchange states, not servers",
	    err_text(IM_ERR_UNIMPLEMENTED));
}

enum im_err
handle_ExchangeContradictions(struct call *c)
{
	return handle_ExchangeStates(c);
}
