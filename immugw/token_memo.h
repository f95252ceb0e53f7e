#ifndef IMMUGW_TOKEN_MEMO_H
#define IMMUGW_TOKEN_MEMO_H

#include "upstream.h"

/*
 * What the gateway remembers of tokens so as not to ask the server each time: the database that a
 * token has selected, and the token that stands for the same user in another database. Bounded;
 * everything in it can be asked for again. Tokens are wiped when they are forgotten. Any thread.
 */
struct token_memo;

#define TOKEN_MEMO_TOKEN_MAX 255
#define TOKEN_MEMO_DATABASE_MAX 128

enum im_err token_memo_new(struct upstream *upstream, struct token_memo **out);
void token_memo_free(struct token_memo *s);

/*
 * A token as NUL-terminated text, and the database that it has selected; "" if that is not known.
 */
struct session_token {
	char token[TOKEN_MEMO_TOKEN_MAX + 1];
	char database[TOKEN_MEMO_DATABASE_MAX + 1];
};

/*
 * The session for a request with that token: in the named database, or, if database is empty, in
 * the one that the token has selected, which is asked for only if wants_database. Errors of the
 * server: IM_ERR_NOT_LOGGED_IN, IM_ERR_NO_DATABASE, IM_ERR_DATABASE_NOT_FOUND,
 * IM_ERR_DATABASE_PERMISSION...; IM_ERR_ARGUMENT for a token that is none.
 */
struct session_wanted {
	struct bytes token;
	struct bytes database;
	bool wants_database;
};
enum im_err token_memo_find(
    struct token_memo *s, const struct session_wanted *wanted, struct session_token *out);

/* Forgets what came of a token: the server does not know it any more. */
void token_memo_forget(struct token_memo *s, struct bytes token);

#endif
