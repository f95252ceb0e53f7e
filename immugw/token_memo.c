/*
 * The memory of tokens: a set-associative table. What a lookup does not find is asked of the server
 * by upstream.c; rest.c is the only user.
 *
 * Invariant: an entry is only what the server said of exactly this token, and not older than
 * TOKEN_MEMO_LIFE_NS: a permission that was taken away is the server's to enforce, with the token
 * itself.
 */
#include "token_memo.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/crc32c.h"

#define TOKEN_MEMO_SETS 256u
#define TOKEN_MEMO_WAYS 4u
#define TOKEN_MEMO_LIFE_NS (300 * CLOCK_NS_PER_S)
#define TOKEN_MEMO_ARENA_MAX 65536

/* For the token of a client and a database (or none): the session to use. */
struct memo {
	char token[TOKEN_MEMO_TOKEN_MAX + 1];
	char asked[TOKEN_MEMO_DATABASE_MAX + 1];
	struct session_token found;
	int64_t at_ns; /* 0: free */
};

struct set {
	pthread_mutex_t lock;
	struct memo *ways; /* TOKEN_MEMO_WAYS; NULL until the first */
	unsigned next;
};

struct token_memo {
	struct upstream *upstream;
	struct set sets[TOKEN_MEMO_SETS];
};

enum im_err
token_memo_new(struct upstream *upstream, struct token_memo **out)
{
	struct token_memo *s = calloc(1, sizeof *s);
	size_t i;

	*out = s;
	if (!s)
		return IM_ERR_NOMEM;
	s->upstream = upstream;
	for (i = 0; i < TOKEN_MEMO_SETS; i++)
		pthread_mutex_init(&s->sets[i].lock, NULL);
	return IM_OK;
}

void
token_memo_free(struct token_memo *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < TOKEN_MEMO_SETS; i++) {
		if (s->sets[i].ways)
			explicit_bzero(s->sets[i].ways, TOKEN_MEMO_WAYS * sizeof *s->sets[i].ways);
		free(s->sets[i].ways);
		pthread_mutex_destroy(&s->sets[i].lock);
	}
	free(s);
}

/* All that came of a token is in one set. */
static struct set *
set_of(struct token_memo *s, const char *token)
{
	return &s->sets[crc32c(0, token, strlen(token)) % TOKEN_MEMO_SETS];
}

static bool
memo_find(struct set *set, const char *token, const char *asked, struct session_token *out)
{
	bool found = false;
	size_t i;

	pthread_mutex_lock(&set->lock);
	for (i = 0; set->ways && i < TOKEN_MEMO_WAYS && !found; i++) {
		const struct memo *m = &set->ways[i];

		found = m->at_ns && clock_monotonic_ns() - m->at_ns < TOKEN_MEMO_LIFE_NS &&
		    strcmp(m->token, token) == 0 && strcmp(m->asked, asked) == 0;
		if (found)
			*out = m->found;
	}
	pthread_mutex_unlock(&set->lock);
	return found;
}

static void
memo_put(struct set *set, const char *token, const char *asked, const struct session_token *found)
{
	struct memo *m;

	pthread_mutex_lock(&set->lock);
	if (!set->ways)
		set->ways = calloc(TOKEN_MEMO_WAYS, sizeof *set->ways);
	if (set->ways) {
		m = &set->ways[set->next++ % TOKEN_MEMO_WAYS];
		snprintf(m->token, sizeof m->token, "%s", token);
		snprintf(m->asked, sizeof m->asked, "%s", asked);
		m->found = *found;
		m->at_ns = clock_monotonic_ns();
	}
	pthread_mutex_unlock(&set->lock);
}

/* Copies bytes as text; false if they are too long or hold a NUL. */
static bool
copy_text(struct bytes from, char *to, size_t size)
{
	if (from.len >= size || (from.len > 0 && memchr(from.data, 0, from.len)))
		return false;
	if (from.len > 0)
		memcpy(to, from.data, from.len);
	to[from.len] = '\0';
	return true;
}

void
token_memo_forget(struct token_memo *s, struct bytes token)
{
	char text[TOKEN_MEMO_TOKEN_MAX + 1];
	struct set *set;
	size_t i;

	if (!copy_text(token, text, sizeof text))
		return;
	set = set_of(s, text);
	pthread_mutex_lock(&set->lock);
	for (i = 0; set->ways && i < TOKEN_MEMO_WAYS; i++)
		if (strcmp(set->ways[i].token, text) == 0)
			explicit_bzero(&set->ways[i], sizeof set->ways[i]);
	pthread_mutex_unlock(&set->lock);
	explicit_bzero(text, sizeof text);
}

/* Asks the server for a session in a database. */
static enum im_err
ask_use(struct token_memo *s, const char *token, const char *database, struct session_token *out)
{
	Immudb__Schema__Database request = IMMUDB__SCHEMA__DATABASE__INIT;
	const struct upstream_call call = {.method = rpc_method_find(RPC_METHOD_UseDatabase),
	    .token = bytes_str(token),
	    .request = &request.base};
	Immudb__Schema__UseDatabaseReply *reply;
	ProtobufCMessage *answer;
	enum im_status status;
	struct arena arena;
	enum im_err err;

	request.databasename = (char *)(uintptr_t)database;
	arena_init(&arena, TOKEN_MEMO_ARENA_MAX);
	err = upstream_call(s->upstream, &call, &arena, &answer, &status);
	if (err == IM_OK) {
		reply = (Immudb__Schema__UseDatabaseReply *)(void *)answer;
		if (strlen(reply->token) > TOKEN_MEMO_TOKEN_MAX)
			err =
			    err_set(IM_ERR_PROTOCOL, "a token of %zu bytes", strlen(reply->token));
		snprintf(out->token, sizeof out->token, "%s", reply->token);
		snprintf(out->database, sizeof out->database, "%s", database);
	}
	arena_wipe(&arena);
	return err;
}

/* Asks the server which database a token has selected. */
static enum im_err
ask_selected(struct token_memo *s, const char *token, struct session_token *out)
{
	const struct upstream_call call = {
	    .method = rpc_method_find(RPC_METHOD_CurrentState), .token = bytes_str(token)};
	ProtobufCMessage *answer;
	enum im_status status;
	struct arena arena;
	enum im_err err;
	const char *name;

	arena_init(&arena, TOKEN_MEMO_ARENA_MAX);
	err = upstream_call(s->upstream, &call, &arena, &answer, &status);
	if (err == IM_OK) {
		name = ((Immudb__Schema__ImmutableState *)(void *)answer)->db;
		if (strlen(name) > TOKEN_MEMO_DATABASE_MAX)
			err = err_set(
			    IM_ERR_PROTOCOL, "a database's name of %zu bytes", strlen(name));
		snprintf(out->token, sizeof out->token, "%s", token);
		snprintf(out->database, sizeof out->database, "%s", name);
	}
	arena_free(&arena);
	return err;
}

/*
 * A token that another one stands for must still be valid itself, and must not grow old meanwhile.
 */
static enum im_err
keep_alive(struct token_memo *s, struct bytes token)
{
	const struct upstream_call call = {
	    .method = rpc_method_find(RPC_METHOD_KeepAlive), .token = token};
	ProtobufCMessage *answer;
	enum im_status status;
	struct arena arena;
	enum im_err err;

	arena_init(&arena, TOKEN_MEMO_ARENA_MAX);
	err = upstream_call(s->upstream, &call, &arena, &answer, &status);
	arena_free(&arena);
	if (err != IM_OK)
		token_memo_forget(s, token);
	return err;
}

enum im_err
token_memo_find(
    struct token_memo *s, const struct session_wanted *wanted, struct session_token *out)
{
	char token[TOKEN_MEMO_TOKEN_MAX + 1], asked[TOKEN_MEMO_DATABASE_MAX + 1];
	enum im_err err;
	struct set *set;

	*out = (struct session_token){.database = ""};
	if (!copy_text(wanted->token, token, sizeof token))
		return err_set(IM_ERR_NOT_LOGGED_IN, "not a token");
	if (!copy_text(wanted->database, asked, sizeof asked))
		return err_set(
		    IM_ERR_DATABASE_NOT_FOUND, "%s", err_text(IM_ERR_DATABASE_NOT_FOUND));
	if (!asked[0] && !wanted->wants_database) {
		memcpy(out->token, token, sizeof token);
		return IM_OK;
	}
	set = set_of(s, token);
	if (memo_find(set, token, asked, out))
		return asked[0] ? keep_alive(s, wanted->token) : IM_OK;
	err = asked[0] ? ask_use(s, token, asked, out) : ask_selected(s, token, out);
	if (err == IM_OK)
		memo_put(set, token, asked, out);
	explicit_bzero(token, sizeof token);
	return err;
}
