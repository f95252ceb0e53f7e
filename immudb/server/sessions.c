/*
 * The table of sessions: a hash table keyed by the SHA-256 of the token. dispatch.c looks every
 * request's token up here; auth_handlers.c starts and ends sessions.
 *
 * Invariants:
 * 1. The token itself is nowhere in memory after sessions_start(): a dump of the table lets nobody
 * in.
 * 2. Buckets are chosen by bits of that digest, which a client cannot steer.
 * 3. Entries past their time are not alive, whether or not they have been removed yet; an expired
 *    token stays for SESSION_KEEP_NS, so that its owner is told why it no longer works.
 */
#include "server/sessions.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "crypto/hash.h"
#include "util/base64.h"
#include "util/clock.h"
#include "util/hex.h"
#include "util/log.h"

#define SESSION_TOKEN_LEN 32
/* How long an expired session is remembered, and how often the table is swept. */
#define SESSION_KEEP_NS (60 * CLOCK_NS_PER_S)
#define SESSION_BUCKETS_MIN 64
/* One part in so many is kept for users who have few sessions. */
#define SESSION_RESERVE 8

struct session_entry {
	struct session_entry *next; /* in its bucket */
	struct hash digest;
	struct session session;
	char id[SESSION_ID_SIZE];
	char address[SESSION_ADDRESS_SIZE];
	int64_t expires_ns;
	int64_t opened_ns, used_ns;
};

struct sessions {
	struct sessions_options options;
	pthread_mutex_t mutex; /* covers all below */
	struct session_entry **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;        /* entries, expired ones included */
	int64_t sweep_ns;    /* when to look for expired entries again */
	/* Written under the mutex. */
	_Atomic uint64_t epoch;
};

static struct session_entry **
sessions_bucket(struct sessions *s, const struct hash *digest)
{
	uint64_t bits;

	memcpy(&bits, digest->b, sizeof bits);
	return &s->buckets[bits & (s->bucket_count - 1)];
}

struct sessions *
sessions_new(const struct sessions_options *options)
{
	struct sessions *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->options = *options;
	if (!s->options.now_ns)
		s->options.now_ns = clock_monotonic_ns;
	s->bucket_count = SESSION_BUCKETS_MIN;
	while (s->bucket_count < options->max)
		s->bucket_count *= 2;
	s->buckets = calloc(s->bucket_count, sizeof(struct session_entry *));
	if (!s->buckets) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->mutex, NULL);
	return s;
}

/* Removes the entries that gone says yes to. The mutex is held. */
static void
sessions_remove(struct sessions *s, bool (*gone)(const struct session_entry *e, const void *arg),
    const void *arg)
{
	size_t i;

	for (i = 0; i < s->bucket_count; i++) {
		struct session_entry **link = &s->buckets[i];

		while (*link) {
			struct session_entry *e = *link;

			if (!gone(e, arg)) {
				link = &e->next;
				continue;
			}
			*link = e->next;
			free(e);
			s->count--;
		}
	}
}

static bool
session_any(const struct session_entry *e, const void *arg)
{
	(void)e;
	(void)arg;
	return true;
}

/* arg is the time at or before which entries must have expired. */
static bool
session_expired_by(const struct session_entry *e, const void *arg)
{
	const int64_t *time_ns = arg;

	return e->expires_ns <= *time_ns;
}

static bool
session_of_user(const struct session_entry *e, const void *arg)
{
	return strcmp(e->session.user, arg) == 0;
}

void
sessions_free(struct sessions *s)
{
	if (!s)
		return;
	sessions_remove(s, session_any, NULL);
	pthread_mutex_destroy(&s->mutex);
	free(s->buckets);
	free(s);
}

/* Removes what has been expired for a while; when the table is full, all that has expired. */
static void
sessions_sweep(struct sessions *s, int64_t now)
{
	int64_t until = s->count >= s->options.max ? now : now - SESSION_KEEP_NS;

	if (s->count < s->options.max && now < s->sweep_ns)
		return;
	sessions_remove(s, session_expired_by, &until);
	s->sweep_ns = now + SESSION_KEEP_NS;
}

/* The link to the user's least recently used session; *count is how many there are. */
static struct session_entry **
sessions_least_used(struct sessions *s, const char *user, size_t *count)
{
	struct session_entry **found = NULL, **link;
	size_t i;

	*count = 0;
	for (i = 0; i < s->bucket_count; i++)
		for (link = &s->buckets[i]; *link; link = &(*link)->next) {
			if (strcmp((*link)->session.user, user) != 0)
				continue;
			++*count;
			if (!found || (*link)->used_ns < (*found)->used_ns)
				found = link;
		}
	return found;
}

/* Sessions that are left to users who have less than half of all; none in a table of one. */
static size_t
sessions_reserve(const struct sessions *s)
{
	return s->options.max > 1 ? (s->options.max + SESSION_RESERVE - 1) / SESSION_RESERVE : 0;
}

/*
 * Whether there is a place for one more session of the user, who may lose one for it. Mutex is
 * held.
 */
static bool
sessions_make_room(struct sessions *s, const char *user)
{
	size_t room = s->count < s->options.max ? s->options.max - s->count : 0, count;
	struct session_entry **link, *gone;

	if (room > sessions_reserve(s))
		return true;
	link = sessions_least_used(s, user, &count);
	if (room > 0 && count < s->options.max - count)
		return true;
	if (!link)
		return false;
	log_warn_limited("user %s has %zu of %zu sessions: the least used one ends", user, count,
	    s->options.max);
	gone = *link;
	*link = gone->next;
	free(gone);
	s->count--;
	return true;
}

/*
 * A session id ends in the padding of base64 and a token does not: so an unknown one can be told.
 */
static bool
session_text_is_open(struct bytes text)
{
	return text.len == SESSION_TEXT_MAX - 1 && text.data[text.len - 1] == '=';
}

static enum im_err
session_make_text(enum session_kind kind, char text[SESSION_TEXT_MAX])
{
	uint8_t token[SESSION_TOKEN_LEN];
	enum im_err err;
	struct buf b;

	if (getrandom(token, sizeof token, 0) != (ssize_t)sizeof token)
		return err_set(IM_ERR_INTERNAL, "no random bytes available");
	buf_init(&b, SESSION_TEXT_MAX);
	base64_append(&b, BASE64_URL, bytes_of(token, sizeof token));
	if (kind == SESSION_OPEN)
		buf_append_u8(&b, '=');
	buf_append_u8(&b, '\0');
	err = b.err;
	if (err == IM_OK)
		memcpy(text, b.data, b.len);
	buf_wipe(&b);
	explicit_bzero(token, sizeof token);
	return err;
}

static int64_t
session_expiry(const struct sessions *s, enum session_kind kind, int64_t now)
{
	return now + (kind == SESSION_OPEN ? s->options.idle_ns : s->options.token_life_ns);
}

/* A new entry, in no bucket yet, and its text. */
static enum im_err
session_make(const struct session *session, const char *address, char text[SESSION_TEXT_MAX],
    struct session_entry **out)
{
	struct session_entry *e = calloc(1, sizeof *e);
	uint8_t id[(SESSION_ID_SIZE - 1) / 2];
	enum im_err err = e ? session_make_text(session->kind, text) : IM_ERR_NOMEM;

	if (err == IM_OK && getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
		err = err_set(IM_ERR_INTERNAL, "no random bytes available");
	if (err != IM_OK) {
		free(e);
		return err;
	}
	hash_sha256(bytes_str(text), &e->digest);
	hex_encode(bytes_of(id, sizeof id), e->id);
	snprintf(e->address, sizeof e->address, "%s", address);
	e->session = *session;
	*out = e;
	return IM_OK;
}

uint64_t
sessions_epoch(const struct sessions *s)
{
	return atomic_load(&s->epoch);
}

enum im_err
sessions_start(struct sessions *s, const struct session *session, const char *address,
    char text[SESSION_TEXT_MAX])
{
	int64_t now = s->options.now_ns();
	struct session_entry *e = NULL, **bucket;
	enum im_err err = session_make(session, address, text, &e);

	if (err != IM_OK)
		return err;
	e->expires_ns = session_expiry(s, session->kind, now);
	e->opened_ns = e->used_ns = now;
	pthread_mutex_lock(&s->mutex);
	sessions_sweep(s, now);
	if (session->epoch != s->epoch)
		err = IM_ERR_ILLEGAL_STATE;
	else if (!sessions_make_room(s, session->user))
		err = IM_ERR_TOO_MANY_SESSIONS;
	if (err == IM_OK) {
		bucket = sessions_bucket(s, &e->digest);
		e->next = *bucket;
		*bucket = e;
		s->count++;
		e = NULL;
	} else {
		explicit_bzero(text, SESSION_TEXT_MAX);
	}
	pthread_mutex_unlock(&s->mutex);
	free(e);
	return err;
}

/* The link to the live entry of a text; NULL and *err when there is none. The mutex is held. */
static struct session_entry **
sessions_lookup(struct sessions *s, struct bytes text, int64_t now, enum im_err *err)
{
	struct session_entry **link;
	struct hash digest;

	*err = session_text_is_open(text) ? IM_ERR_SESSION_NOT_FOUND : IM_ERR_NOT_LOGGED_IN;
	if (text.len >= SESSION_TEXT_MAX || text.len == 0)
		return NULL;
	hash_sha256(text, &digest);
	for (link = sessions_bucket(s, &digest); *link; link = &(*link)->next)
		if (hash_equal(&(*link)->digest, &digest))
			break;
	if (!*link)
		return NULL;
	if ((*link)->expires_ns <= now) {
		if ((*link)->session.kind == SESSION_TOKEN)
			*err = IM_ERR_TOKEN_EXPIRED;
		return NULL;
	}
	*err = IM_OK;
	return link;
}

enum im_err
sessions_find(struct sessions *s, struct bytes text, struct session *out)
{
	int64_t now = s->options.now_ns();
	struct session_entry **link;
	enum im_err err;

	pthread_mutex_lock(&s->mutex);
	link = sessions_lookup(s, text, now, &err);
	if (link) {
		*out = (*link)->session;
		out->epoch = s->epoch;
		(*link)->used_ns = now;
		if (out->kind == SESSION_OPEN)
			(*link)->expires_ns = session_expiry(s, SESSION_OPEN, now);
	}
	pthread_mutex_unlock(&s->mutex);
	return err;
}

enum im_err
sessions_rebind(
    struct sessions *s, struct bytes text, struct database *database, enum meta_level level)
{
	int64_t now = s->options.now_ns();
	struct session_entry **link;
	enum im_err err;

	pthread_mutex_lock(&s->mutex);
	link = sessions_lookup(s, text, now, &err);
	if (link) {
		(*link)->session.database = database;
		(*link)->session.level = level;
	}
	pthread_mutex_unlock(&s->mutex);
	return err;
}

enum im_err
sessions_end(struct sessions *s, struct bytes text)
{
	int64_t now = s->options.now_ns();
	struct session_entry **link, *gone = NULL;
	enum im_err err;

	pthread_mutex_lock(&s->mutex);
	link = sessions_lookup(s, text, now, &err);
	if (link) {
		gone = *link;
		*link = gone->next;
		s->count--;
	}
	pthread_mutex_unlock(&s->mutex);
	free(gone);
	return err;
}

void
sessions_end_user(struct sessions *s, const char *user)
{
	pthread_mutex_lock(&s->mutex);
	s->epoch++;
	sessions_remove(s, session_of_user, user);
	pthread_mutex_unlock(&s->mutex);
}

enum im_err
sessions_check(struct sessions *s, struct bytes text, const struct session *found)
{
	int64_t now;
	enum im_err err;

	if (found->epoch == atomic_load(&s->epoch))
		return IM_OK;
	now = s->options.now_ns();
	pthread_mutex_lock(&s->mutex);
	sessions_lookup(s, text, now, &err);
	pthread_mutex_unlock(&s->mutex);
	return err;
}

/* One more for the list. The mutex is held. */
static void
sessions_show(const struct session_entry *e, struct session_info *out)
{
	*out = (struct session_info){
	    .session = e->session, .opened_ns = e->opened_ns, .used_ns = e->used_ns};
	memcpy(out->id, e->id, sizeof out->id);
	memcpy(out->address, e->address, sizeof out->address);
}

/* The oldest first. */
static int
sessions_compare(const void *a, const void *b)
{
	const struct session_info *x = a, *y = b;

	if (x->opened_ns != y->opened_ns)
		return x->opened_ns < y->opened_ns ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* In order; own is the id of one of them, or "". */
static void
sessions_sort(struct session_list *list, const char *own)
{
	list->own = SIZE_MAX;
	if (!list->items)
		return;
	qsort(list->items, list->len, sizeof *list->items, sessions_compare);
	for (size_t i = 0; i < list->len; i++)
		if (strcmp(list->items[i].id, own) == 0)
			list->own = i;
}

enum im_err
sessions_list(struct sessions *s, const char *user, struct bytes own, struct arena *a,
    struct session_list *out)
{
	int64_t now = s->options.now_ns();
	const struct session_entry *e;
	char own_id[SESSION_ID_SIZE] = "";
	enum im_err err = IM_OK;
	struct hash digest;

	hash_sha256(own, &digest);
	*out = (struct session_list){0};
	pthread_mutex_lock(&s->mutex);
	out->items = arena_calloc(a, s->count, sizeof *out->items);
	if (s->count && !out->items)
		err = IM_ERR_NOMEM;
	for (size_t i = 0; err == IM_OK && i < s->bucket_count; i++)
		for (e = s->buckets[i]; e; e = e->next) {
			if (e->expires_ns <= now || (user && !session_of_user(e, user)))
				continue;
			if (hash_equal(&e->digest, &digest))
				memcpy(own_id, e->id, sizeof own_id);
			sessions_show(e, &out->items[out->len++]);
		}
	pthread_mutex_unlock(&s->mutex);
	sessions_sort(out, own_id);
	return err;
}

/* The link to the entry with that id. The mutex is held. */
static struct session_entry **
sessions_lookup_id(struct sessions *s, const char *id)
{
	struct session_entry **link;

	for (size_t i = 0; i < s->bucket_count; i++)
		for (link = &s->buckets[i]; *link; link = &(*link)->next)
			if (strcmp((*link)->id, id) == 0)
				return link;
	return NULL;
}

enum im_err
sessions_end_id(struct sessions *s, const char *id, const char *user, struct session *ended)
{
	int64_t now = s->options.now_ns();
	struct session_entry **link, *gone = NULL;
	bool found;

	pthread_mutex_lock(&s->mutex);
	link = sessions_lookup_id(s, id);
	if (link && (*link)->expires_ns > now && (!user || session_of_user(*link, user))) {
		gone = *link;
		*link = gone->next;
		s->count--;
		s->epoch++;
		*ended = gone->session;
	}
	pthread_mutex_unlock(&s->mutex);
	found = gone != NULL;
	free(gone);
	return found ? IM_OK : IM_ERR_SESSION_NOT_FOUND;
}

size_t
sessions_count(struct sessions *s)
{
	int64_t now = s->options.now_ns();
	const struct session_entry *e;
	size_t i, alive = 0;

	pthread_mutex_lock(&s->mutex);
	sessions_sweep(s, now);
	for (i = 0; i < s->bucket_count; i++)
		for (e = s->buckets[i]; e; e = e->next)
			alive += e->expires_ns > now;
	pthread_mutex_unlock(&s->mutex);
	return alive;
}
