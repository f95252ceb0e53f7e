#ifndef TAMPER_PROXY_RULE_H
#define TAMPER_PROXY_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy_change.h"
#include "rpc/method.h"

/*
 * What the proxy does to answers, as rules; one a line:
 *
 *	change METHOD PATH OP [ARG]	alters a field of the answer's message (proxy_change.h)
 *	answer METHOD ACTION [ARG]	does something else with the whole answer (enum rule_action)
 *	hello ID			the server's hello names this identity
 *
 * METHOD is a name of methods.def or *. A change or an answer may end with conditions, each a word
 * and a number: "tx N": only in what belongs to transaction N; "after N": not the first N answers
 * that the rule is for; "times N": at most that many. Rules apply in the order in which they were
 * given.
 */

#define RULES_MAX 16
#define RULE_TEXT_MAX 256

enum rule_kind { RULE_CHANGE, RULE_ANSWER, RULE_HELLO };

enum rule_action {
	RULE_STATUS,  /* ARG: an error of that status; ARG2: its text, _ for blanks */
	RULE_HANG,    /* nothing more is said on this connection */
	RULE_SLOW,    /* ARG: the answer waits so many milliseconds */
	RULE_GARBAGE, /* bytes that are no frames */
	RULE_HALF,    /* half the frame, then the end */
	RULE_CLOSE,   /* the end of the connection */
	RULE_RESET,   /* its reset */
	RULE_STALE,   /* of CurrentState: the state that was remembered for the same database */
	RULE_OTHER,   /* of CurrentState: ARG: the state that was remembered for another one */
	RULE_SIGN /* ARG: signed anew by the key in this file; VerifiableTx for the database ARG2 */
};

struct rule {
	enum rule_kind kind;
	const struct rpc_method *method; /* NULL: any */
	enum rule_action action;
	struct change change;
	uint64_t number; /* status, milliseconds */
	char text[RULE_TEXT_MAX], more[RULE_TEXT_MAX];
	unsigned long after, times; /* times 0: always */
	unsigned long seen;         /* answers that the rule is for */
	unsigned long hits;         /* that it has altered */
};

/* Reads a line (and alters it); false, and why in *problem, when it is none. */
bool rule_parse(char *line, struct rule *out, const char **problem);

/* Whether the rule is for this answer; counts it. */
bool rule_takes(struct rule *r, const struct rpc_method *method);

#endif
