/*
 * Claims of peers that asked us. peer_service.c puts them in after it has checked that they are
 * about what we audit; peers.c takes all of them at once and gives them to the round.
 *
 * Invariants: len is the sum of the senders' claims and never above PEERS_CLAIMS_MAX; a sender's
 * claims stand in the order they came.
 */
#include "peer_claims.h"

#include <stdio.h>
#include <stdlib.h>

struct peer_sender {
	char host[PEERS_ADDRESS_MAX];
	struct peer_state *claims;
	size_t len, cap;
};

static struct peer_sender *
sender_find(struct peer_claims *c, const char *host)
{
	for (size_t i = 0; i < c->senders_len; i++)
		if (strcmp(c->senders[i].host, host) == 0)
			return &c->senders[i];
	return NULL;
}

/* The sender, made if missing; NULL when there are too many, or no memory. */
static struct peer_sender *
sender_get(struct peer_claims *c, const char *host)
{
	struct peer_sender *s = sender_find(c, host);

	if (s || c->senders_len == PEERS_SENDERS_MAX)
		return s;
	if (!c->senders)
		c->senders = calloc(PEERS_SENDERS_MAX, sizeof *c->senders);
	if (!c->senders)
		return NULL;
	s = &c->senders[c->senders_len++];
	snprintf(s->host, sizeof s->host, "%s", host);
	return s;
}

static bool
claims_equal(const struct peer_state *a, const struct peer_state *b)
{
	return a->tx == b->tx && hash_equal(&a->alh, &b->alh) &&
	    bytes_equal(bytes_of(a->signature, a->signature_len),
		bytes_of(b->signature, b->signature_len)) &&
	    strcmp(a->server_id, b->server_id) == 0 && strcmp(a->database, b->database) == 0;
}

static bool
claims_same_database(const struct peer_state *a, const struct peer_state *b)
{
	return strcmp(a->database, b->database) == 0 && strcmp(a->server_id, b->server_id) == 0;
}

static void
sender_remove(struct peer_claims *c, struct peer_sender *s, size_t at)
{
	memmove(&s->claims[at], &s->claims[at + 1], (s->len - at - 1) * sizeof *s->claims);
	s->len--;
	c->len--;
}

static bool
sender_append(struct peer_claims *c, struct peer_sender *s, const struct peer_state *state)
{
	size_t cap = s->cap ? 2 * s->cap : 8;
	struct peer_state *grown;

	if (s->len == s->cap) {
		grown = realloc(s->claims, cap * sizeof *grown);
		if (!grown)
			return false;
		s->claims = grown;
		s->cap = cap;
	}
	s->claims[s->len++] = *state;
	c->len++;
	return true;
}

/*
 * Whether the sender has said it already; if not, there is room for it beside what it said before.
 */
static bool
sender_has(struct peer_claims *c, struct peer_sender *s, const struct peer_state *state)
{
	size_t same = 0, oldest = 0;

	for (size_t i = s->len; i-- > 0;) {
		if (claims_equal(&s->claims[i], state))
			return true;
		if (claims_same_database(&s->claims[i], state)) {
			same++;
			oldest = i;
		}
	}
	if (same == PEERS_CLAIMS_OF_ONE)
		sender_remove(c, s, oldest);
	return false;
}

/* The one with the most claims loses its oldest. */
static void
claims_make_room(struct peer_claims *c)
{
	struct peer_sender *most = &c->senders[0];

	for (size_t i = 1; i < c->senders_len; i++)
		if (c->senders[i].len > most->len)
			most = &c->senders[i];
	sender_remove(c, most, 0);
}

unsigned int
peer_claims_add(struct peer_claims *c, const char *host, const struct peer_state *state)
{
	struct peer_sender *s = sender_get(c, host);
	bool full;

	if (!s)
		return 1;
	if (sender_has(c, s, state))
		return 0;
	full = c->len == PEERS_CLAIMS_MAX;
	if (full)
		claims_make_room(c);
	return sender_append(c, s, state) ? full : 1;
}

void
peer_claims_each(const struct peer_claims *c, const char *server_id, peers_take *take, void *arg)
{
	for (size_t i = 0; i < c->senders_len; i++)
		for (size_t j = 0; j < c->senders[i].len; j++)
			if (strcmp(c->senders[i].claims[j].server_id, server_id) == 0)
				take(arg, c->senders[i].host, &c->senders[i].claims[j]);
}

void
peer_claims_clear(struct peer_claims *c)
{
	for (size_t i = 0; i < c->senders_len; i++)
		free(c->senders[i].claims);
	free(c->senders);
	*c = (struct peer_claims){0};
}
