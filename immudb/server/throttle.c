/*
 * Counting failed logins. auth_handlers.c asks before it spends work on a password and reports how
 * it went.
 *
 * Invariants: an entry is found by the SHA-256 of what it counts, so that names sent by a peer need
 * no memory of their own; entries that did not fail for THROTTLE_FORGET_NS are free.
 */
#include "server/throttle.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "util/clock.h"

#define THROTTLE_WAIT_MIN_NS CLOCK_NS_PER_S
#define THROTTLE_DOUBLINGS_MAX 6 /* 64 s, cut to a minute */
#define THROTTLE_WAIT_MAX_NS (60 * CLOCK_NS_PER_S)
#define THROTTLE_FORGET_NS (15 * 60 * CLOCK_NS_PER_S)
/* Entries looked at for one key: a small set, so that a look-up is quick in a table of any size. */
#define THROTTLE_WAYS 8
/* Of an IPv6 address: the network, in which one peer has all the addresses. */
#define THROTTLE_NET6_BYTES 8

struct throttle_entry {
	struct hash key;
	unsigned failures; /* 0: free */
	int64_t last_ns;   /* of the newest failure */
	int64_t open_ns;   /* no attempt before */
};

struct throttle {
	int64_t (*now_ns)(void);
	pthread_mutex_t mutex; /* covers entries */
	size_t sets;
	struct throttle_entry *entries; /* sets * THROTTLE_WAYS */
};

struct throttle *
throttle_new(size_t max, int64_t (*now_ns)(void))
{
	struct throttle *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->now_ns = now_ns ? now_ns : clock_monotonic_ns;
	t->sets = max / THROTTLE_WAYS ? max / THROTTLE_WAYS : 1;
	t->entries = calloc(t->sets * THROTTLE_WAYS, sizeof *t->entries);
	if (!t->entries) {
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->mutex, NULL);
	return t;
}

void
throttle_free(struct throttle *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->mutex);
	free(t->entries);
	free(t);
}

/* The address without its port; of an IPv6 address the network, whose bytes are left in net. */
static struct bytes
throttle_host(const char *address, uint8_t net[THROTTLE_NET6_BYTES])
{
	const char *colon = strrchr(address, ':');
	struct bytes host =
	    colon ? bytes_of(address, (size_t)(colon - address)) : bytes_str(address);
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr v6;

	if (host.len < 2 || host.data[0] != '[' || host.len - 2 >= sizeof text)
		return host;
	memcpy(text, host.data + 1, host.len - 2);
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return host;
	memcpy(net, &v6, THROTTLE_NET6_BYTES);
	return bytes_of(net, THROTTLE_NET6_BYTES);
}

/* What is counted: the address, with the user when there is one. */
static void
throttle_key(const char *address, const struct bytes *user, struct hash *out)
{
	uint8_t net[THROTTLE_NET6_BYTES];
	struct bytes parts[] = {bytes_str(user ? "user" : "host"), bytes_of("", 1),
	    throttle_host(address, net), bytes_of("", 1), user ? *user : bytes_of(NULL, 0)};

	hash_parts(parts, sizeof parts / sizeof *parts, out);
}

uint64_t
throttle_source(const char *address)
{
	struct hash key;
	uint64_t source;

	throttle_key(address, NULL, &key);
	memcpy(&source, key.b, sizeof source);
	return source ? source : 1;
}

/* Whether a should give way rather than b: free, else failed longer ago, else less often. */
static bool
throttle_yields(const struct throttle_entry *a, const struct throttle_entry *b)
{
	if (!a->failures || !b->failures)
		return b->failures > a->failures;
	return a->last_ns < b->last_ns || (a->last_ns == b->last_ns && a->failures < b->failures);
}

/* The entry of a key, or NULL. With make, one to be used for it: a free or the least recent one. */
static struct throttle_entry *
throttle_entry(struct throttle *t, const struct hash *key, int64_t now, bool make)
{
	struct throttle_entry *set, *oldest;
	uint64_t bits;
	size_t i;

	memcpy(&bits, key->b, sizeof bits);
	set = &t->entries[bits % t->sets * THROTTLE_WAYS];
	oldest = set;
	for (i = 0; i < THROTTLE_WAYS; i++) {
		struct throttle_entry *e = &set[i];

		if (e->failures && now - e->last_ns >= THROTTLE_FORGET_NS)
			e->failures = 0;
		if (e->failures && hash_equal(&e->key, key))
			return e;
		if (throttle_yields(e, oldest))
			oldest = e;
	}
	if (!make)
		return NULL;
	*oldest = (struct throttle_entry){.key = *key};
	return oldest;
}

enum im_err
throttle_check(struct throttle *t, struct bytes user, const char *address)
{
	int64_t now = t->now_ns();
	enum im_err err = IM_OK;
	struct hash keys[2];
	size_t i;

	throttle_key(address, &user, &keys[0]);
	throttle_key(address, NULL, &keys[1]);
	pthread_mutex_lock(&t->mutex);
	for (i = 0; i < 2; i++) {
		const struct throttle_entry *e = throttle_entry(t, &keys[i], now, false);

		if (e && now < e->open_ns)
			err = IM_ERR_THROTTLED;
	}
	pthread_mutex_unlock(&t->mutex);
	return err;
}

static void
throttle_count(struct throttle *t, const struct hash *key, int64_t now, unsigned free_failures)
{
	struct throttle_entry *e = throttle_entry(t, key, now, true);
	unsigned over;
	int64_t wait;

	e->last_ns = now;
	if (e->failures < free_failures + THROTTLE_DOUBLINGS_MAX)
		e->failures++;
	if (e->failures < free_failures)
		return;
	over = e->failures - free_failures;
	wait = THROTTLE_WAIT_MIN_NS << over;
	e->open_ns = now + (wait < THROTTLE_WAIT_MAX_NS ? wait : THROTTLE_WAIT_MAX_NS);
}

void
throttle_failed(struct throttle *t, struct bytes user, const char *address)
{
	int64_t now = t->now_ns();
	struct hash both, host;

	throttle_key(address, &user, &both);
	throttle_key(address, NULL, &host);
	pthread_mutex_lock(&t->mutex);
	throttle_count(t, &both, now, THROTTLE_FREE_USER);
	throttle_count(t, &host, now, THROTTLE_FREE_ADDRESS);
	pthread_mutex_unlock(&t->mutex);
}

void
throttle_succeeded(struct throttle *t, struct bytes user, const char *address)
{
	int64_t now = t->now_ns();
	struct throttle_entry *e;
	struct hash both;

	throttle_key(address, &user, &both);
	pthread_mutex_lock(&t->mutex);
	e = throttle_entry(t, &both, now, false);
	if (e)
		e->failures = 0;
	pthread_mutex_unlock(&t->mutex);
}
