/*
 * Auditors compare notes: a thread for each peer that is asked (peer_exchange.c), and the service
 * that others ask (peer_service.c). The round (round.h) calls in here and does the comparing.
 *
 * A peer is IDLE until peers_ask() makes it WANTED; its thread makes it BUSY, and DONE when the
 * exchange has ended; peers_ask() takes the result and makes it IDLE again. One that is still BUSY
 * when the time is over is made LATE: its thread then throws the result away and makes it IDLE.
 *
 * Invariants: state, err, text, theirs and proofs of a peer are under the lock; away belongs to
 * peers_ask().
 */
#include "peers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer_exchange.h"
#include "peer_service.h"
#include "util/clock.h"
#include "util/log.h"

#define DEFAULT_TIMEOUT_MS 5000
#define PEER_TEXT_MAX 512

enum peer_asking { PEER_IDLE, PEER_WANTED, PEER_BUSY, PEER_LATE, PEER_DONE };

struct peer {
	struct peers *peers;
	struct peer_address address;
	pthread_t thread;
	enum peer_asking asking;
	enum im_err err; /* of a DONE one, with text and theirs */
	char text[PEER_TEXT_MAX];
	struct peer_state *theirs;
	size_t theirs_len;
	struct peer_proof *proofs[PEERS_PROOFS_MAX];
	size_t proofs_len;
	bool away; /* the log says so */
};

struct peers {
	struct peers_options options; /* each, each_proof, arg, timeout_ms */
	struct peer_service *service; /* NULL: none */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ends;
	char server_id[64]; /* that is asked about */
	struct peers_counts counts;
	struct peer peers[PEERS_MAX];
	size_t len;
};

/* ---- The thread of a peer. ---- */

static void
proofs_free(struct peer_proof **proofs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(proofs[i]);
}

/* Locked, but while the exchange runs. */
static void
peer_exchange(struct peer *peer)
{
	struct peers *p = peer->peers;
	char server_id[sizeof p->server_id];
	struct peer_exchange x = {
	    .address = &peer->address, .options = &p->options, .server_id = server_id};
	enum im_err err;

	memcpy(server_id, p->server_id, sizeof server_id);
	peer->asking = PEER_BUSY;
	pthread_mutex_unlock(&p->lock);
	err_clear();
	err = peer_exchange_run(&x);
	pthread_mutex_lock(&p->lock);
	if (peer->asking == PEER_LATE) {
		free(x.theirs);
		proofs_free(x.proofs, x.proofs_len);
		peer->asking = PEER_IDLE;
		return;
	}
	peer->asking = PEER_DONE;
	peer->err = err;
	snprintf(peer->text, sizeof peer->text, "%s", err_detail(err));
	peer->theirs = x.theirs;
	peer->theirs_len = x.theirs_len;
	memcpy(peer->proofs, x.proofs, sizeof peer->proofs);
	peer->proofs_len = x.proofs_len;
}

static void *
peer_run(void *arg)
{
	struct peer *peer = arg;
	struct peers *p = peer->peers;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (peer->asking != PEER_WANTED && !p->ends)
			pthread_cond_wait(&p->changed, &p->lock);
		if (p->ends)
			break;
		peer_exchange(peer);
		pthread_cond_broadcast(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- Asking. ---- */

/* Locked. */
static bool
peers_all_said(const struct peers *p)
{
	for (size_t i = 0; i < p->len; i++)
		if (p->peers[i].asking == PEER_WANTED || p->peers[i].asking == PEER_BUSY)
			return false;
	return true;
}

/* Waits for the answers. Locked. */
static void
peers_wait(struct peers *p)
{
	int64_t by = clock_monotonic_ns() + p->options.timeout_ms * CLOCK_NS_PER_MS;
	struct timespec ts = {by / CLOCK_NS_PER_S, by % CLOCK_NS_PER_S};
	int rv = 0;

	while (rv == 0 && !peers_all_said(p))
		rv = pthread_cond_timedwait(&p->changed, &p->lock, &ts);
}

/*
 * What the peer has said, out of the lock's reach; it is ready to be asked again, or late. Locked.
 */
static struct peer
peer_collect(struct peer *peer)
{
	struct peer said = *peer;

	if (peer->asking == PEER_DONE) {
		peer->theirs = NULL;
		peer->theirs_len = peer->proofs_len = 0;
		peer->asking = PEER_IDLE;
		return said;
	}
	if (peer->asking == PEER_WANTED)
		peer->asking = PEER_IDLE;
	else if (peer->asking == PEER_BUSY)
		peer->asking = PEER_LATE;
	said.err = IM_ERR_TIMEOUT;
	snprintf(said.text, sizeof said.text, "no answer in time");
	said.theirs = NULL;
	said.theirs_len = said.proofs_len = 0;
	return said;
}

/* Says once that a peer is away, or answers nonsense, and once that it is back. */
static void
peer_note(struct peer *peer, const struct peer *said)
{
	bool away = said->err != IM_OK;

	if (away && !peer->away)
		log_warn("peers: %s cannot be compared with: %s", peer->address.text, said->text);
	else if (!away && peer->away)
		log_info("peers: %s answers again", peer->address.text);
	peer->away = away;
}

/* One that is still at work for an earlier call stays with that. Locked. */
static void
peers_want(struct peers *p, const char *server_id)
{
	snprintf(p->server_id, sizeof p->server_id, "%s", server_id);
	for (size_t i = 0; i < p->len; i++)
		if (p->peers[i].asking == PEER_IDLE)
			p->peers[i].asking = PEER_WANTED;
	p->counts.asked += p->len;
	pthread_cond_broadcast(&p->changed);
}

/* Gives what a peer has said to whoever asked. */
static void
peers_give(struct peer *said, const struct peers_taker *taker)
{
	for (size_t i = 0; i < said->theirs_len; i++)
		taker->take(taker->arg, said->address.text, &said->theirs[i]);
	free(said->theirs);
	if (!taker->take_proof)
		proofs_free(said->proofs, said->proofs_len);
	for (size_t i = 0; taker->take_proof && i < said->proofs_len; i++)
		taker->take_proof(taker->arg, said->address.text, said->proofs[i]);
}

void
peers_ask(struct peers *p, const char *server_id, const struct peers_taker *taker)
{
	struct peer said;

	if (p->len == 0)
		return;
	pthread_mutex_lock(&p->lock);
	peers_want(p, server_id);
	peers_wait(p);
	for (size_t i = 0; i < p->len; i++) {
		said = peer_collect(&p->peers[i]);
		p->counts.failed += said.err != IM_OK;
		p->counts.claims += said.theirs_len;
		pthread_mutex_unlock(&p->lock);
		peer_note(&p->peers[i], &said);
		peers_give(&said, taker);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
}

void
peers_take_claims(struct peers *p, const char *server_id, const struct peers_taker *taker)
{
	if (p->service)
		peer_service_take(p->service, server_id, taker);
}

void
peers_counts(struct peers *p, struct peers_counts *out)
{
	pthread_mutex_lock(&p->lock);
	*out = p->counts;
	pthread_mutex_unlock(&p->lock);
	if (p->service)
		peer_service_count(p->service, out);
}

/* ---- Start and end. ---- */

static struct peers *
peers_new(const struct peers_options *o)
{
	struct peers *p = calloc(1, sizeof *p);
	pthread_condattr_t attr;

	if (!p)
		return NULL;
	p->options = (struct peers_options){.each = o->each,
	    .each_proof = o->each_proof,
	    .arg = o->arg,
	    .timeout_ms = o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS};
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	return p;
}

static enum im_err
peers_add(struct peers *p, const char *address)
{
	struct peer *peer = &p->peers[p->len];
	enum im_err err = peer_address_parse(address, false, &peer->address);

	if (err != IM_OK)
		return err;
	peer->peers = p;
	if (pthread_create(&peer->thread, NULL, peer_run, peer) != 0)
		return err_set(IM_ERR_NOMEM, "%s: cannot start a thread", address);
	p->len++;
	return IM_OK;
}

static enum im_err
peers_serve(struct peers *p, const char *listen)
{
	struct peer_address address;
	enum im_err err;

	if (!listen || !*listen)
		return IM_OK;
	err = peer_address_parse(listen, true, &address);
	return err == IM_OK ? peer_service_start(&p->options, &address, &p->service) : err;
}

enum im_err
peers_start(const struct peers_options *options, struct peers **out)
{
	struct peers *p;
	enum im_err err = IM_OK;

	*out = NULL;
	if (options->peers_len > PEERS_MAX)
		return err_set(IM_ERR_ARGUMENT, "more than %d peers", PEERS_MAX);
	p = peers_new(options);
	if (!p)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < options->peers_len && err == IM_OK; i++)
		err = peers_add(p, options->peers[i]);
	if (err == IM_OK)
		err = peers_serve(p, options->listen);
	if (err == IM_OK)
		*out = p;
	else
		peers_stop(p);
	return err;
}

uint16_t
peers_port(const struct peers *p)
{
	return p->service ? peer_service_port(p->service) : 0;
}

void
peers_stop(struct peers *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ends = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->len; i++) {
		pthread_join(p->peers[i].thread, NULL);
		free(p->peers[i].theirs);
		proofs_free(p->peers[i].proofs, p->peers[i].proofs_len);
	}
	peer_service_stop(p->service);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
