#ifndef TAMPER_PROXY_ANSWER_H
#define TAMPER_PROXY_ANSWER_H

#include "proxy_rule.h"
#include "util/bytes.h"

/*
 * What becomes of one whole answer of the server under the rules.
 */
#define STATES_MAX 16
#define BODY_MAX (64u << 20)
#define FIELDS_MAX 512

enum answer_fate {
	ANSWER_SEND,
	ANSWER_ERROR, /* the status and text of the rule in its place */
	ANSWER_HANG,
	ANSWER_GARBAGE,
	ANSWER_HALF,
	ANSWER_CLOSE,
	ANSWER_RESET
};

struct answer {
	const struct rpc_method *method;
	struct buf body; /* packed; altered in place */
	enum answer_fate fate;
	unsigned int delay_ms;
	uint16_t status;
	char text[RULE_TEXT_MAX];
};

/* An answer to CurrentState. */
struct seen_state {
	char database[129];
	struct buf latest, kept; /* packed */
};

struct tamper {
	struct rule rules[RULES_MAX];
	size_t rules_len;
	unsigned long hits; /* answers that were altered since the rules were cleared */
	struct seen_state states[STATES_MAX];
	size_t states_len;
	char *fields
	    [FIELDS_MAX]; /* "METHOD TYPE.FIELD OP" of everything that was answered, each once */
	size_t fields_len;
};

/* Applies the rules to an answer. */
void tamper_answer(struct tamper *t, struct answer *a);

/* The identity that the hello is to name; NULL for the server's own. Counts. */
const char *tamper_hello(struct tamper *t);

/* Keeps the latest state of every database for the rules that show it again. */
void tamper_remember(struct tamper *t);

void tamper_clear(struct tamper *t);
void tamper_forget_fields(struct tamper *t);
void tamper_free(struct tamper *t);

#endif
