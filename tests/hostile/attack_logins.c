/*
 * Passwords guessed without end, and sessions begun without end.
 */
#include <stdio.h>

#include "attacks.h"

#define BYTES_MAX ((size_t)1024 * 1024)
/* Guesses that are under way at the same time, on so many connections. */
#define GUESSING_PEERS 16u
#define GUESSES_AT_ONCE 16u
/* Guesses of one address that may cost the work of a password: those that are free, and the few
 * that were under way or came when the door was open again. */
#define GUESSES_WORKED_MAX 140u
#define GUESSER (ATTACKER_HOSTS + 77)
#define SESSIONS_AT_ONCE 100u

struct guessing {
	struct peer peers[GUESSING_PEERS];
	unsigned worked, refused, busy;
	unsigned number;
};

/* Half of the guesses are for the superadmin, half for users that do not exist. */
static bool
guess_send(struct guessing *g, struct peer *p)
{
	struct buf b, body;
	char user[32];
	bool ok;

	buf_init(&b, BYTES_MAX);
	for (unsigned i = 0; i < GUESSES_AT_ONCE; i++) {
		buf_init(&body, BYTES_MAX);
		snprintf(user, sizeof user, i % 2 ? "user%u" : "immudb", g->number++);
		body_login(&body, user, "guess");
		put_request(&b, ++p->last_id,
		    &(struct frame_request){.method = RPC_METHOD_Login, .body = buf_bytes(&body)});
		buf_free(&body);
	}
	ok = peer_send(p, &b);
	buf_free(&b);
	return ok;
}

static bool
guess_answers(struct guessing *g, struct peer *p)
{
	struct frame_error e;
	struct frame f;

	for (unsigned i = 0; i < GUESSES_AT_ONCE; i++) {
		if (peer_next(p, &f, PEER_WAIT_MS) != PEER_FRAME || f.kind != FRAME_ERROR ||
		    frame_read_error(&f, &e) != IM_OK)
			return fail("a guess is not answered with an error");
		if (bytes_equal(e.text, bytes_str(err_text(IM_ERR_CREDENTIALS))))
			g->worked++;
		else if (bytes_equal(e.text, bytes_str(err_text(IM_ERR_THROTTLED))))
			g->refused++;
		else if (bytes_equal(e.text, bytes_str(err_text(IM_ERR_BUSY))))
			g->busy++;
		else
			return fail(
			    "a guess ended with %.*s", (int)e.text.len, (const char *)e.text.data);
	}
	return true;
}

/* Somebody else logs in while the guesses wait for their turn. */
static bool
other_logs_in(struct scene *s)
{
	char token[TOKEN_MAX];
	struct peer p;
	int status = -1;

	if (peer_greet(&p, &s->target, PEER_HOME))
		status = peer_login(&p, "immudb", "immudb", token);
	peer_close(&p);
	return status == 0 || fail("another's login ended with %d", status);
}

static bool
guess_once(struct scene *s, struct guessing *g)
{
	bool ok = true;

	for (unsigned i = 0; ok && i < GUESSING_PEERS; i++)
		ok = guess_send(g, &g->peers[i]);
	ok = ok && other_logs_in(s);
	for (unsigned i = 0; ok && i < GUESSING_PEERS; i++)
		ok = guess_answers(g, &g->peers[i]);
	return ok;
}

bool
attack_guessing(struct scene *s, unsigned count)
{
	struct guessing g = {0};
	bool ok = true;

	for (unsigned i = 0; ok && i < GUESSING_PEERS; i++)
		ok = peer_greet(&g.peers[i], &s->target, GUESSER);
	while (ok && g.number < count)
		ok = guess_once(s, &g);
	for (unsigned i = 0; i < GUESSING_PEERS; i++)
		peer_close(&g.peers[i]);
	printf("%u guesses: %u were tried, %u refused, %u were too many\n", g.number, g.worked,
	    g.refused, g.busy);
	if (ok && g.worked > GUESSES_WORKED_MAX)
		return fail("%u guesses of one address were tried", g.worked);
	return ok;
}

/* ---- Sessions. ---- */

/* Each UseDatabase with a token gives another one, and none is ever given back. */
bool
attack_sessions(struct scene *s, unsigned count)
{
	char token[TOKEN_MAX];
	struct frame_request r = {.method = RPC_METHOD_UseDatabase};
	struct buf body, answer;
	struct peer p;
	int status = 0;

	if (!attacker_token(s, token) || !peer_greet(&p, &s->target, ATTACKER_HOSTS))
		return false;
	buf_init(&body, BYTES_MAX);
	buf_init(&answer, BYTES_MAX);
	put_field(&body, 1, bytes_str("defaultdb"));
	r.session = bytes_str(token);
	r.body = buf_bytes(&body);
	for (unsigned i = 0; i < count && status >= 0; i++)
		status = peer_call(&p, &r, &answer);
	buf_free(&body);
	buf_free(&answer);
	peer_close(&p);
	return status >= 0 && other_logs_in(s);
}
