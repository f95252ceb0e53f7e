/*
 * The language of the rules (proxy_rule.h). tamper_proxy.c gives lines and keeps the rules.
 */
#include "proxy_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned args;
} rule_actions[] = {
    [RULE_STATUS] = {"status", 2},
    [RULE_HANG] = {"hang", 0},
    [RULE_SLOW] = {"slow", 1},
    [RULE_GARBAGE] = {"garbage", 0},
    [RULE_HALF] = {"half", 0},
    [RULE_CLOSE] = {"close", 0},
    [RULE_RESET] = {"reset", 0},
    [RULE_STALE] = {"stale", 0},
    [RULE_OTHER] = {"other", 1},
    [RULE_SIGN] = {"sign", 2},
};

/* The next word of a line; NULL at its end. */
static char *
rule_word(char **rest)
{
	return strtok_r(NULL, " \t\n", rest);
}

static bool
rule_refuse(const char **problem, const char *why)
{
	*problem = why;
	return false;
}

static bool
rule_keep(char *to, size_t size, const char *word)
{
	return word && (size_t)snprintf(to, size, "%s", word) < size;
}

static bool
rule_method(struct rule *r, const char *word)
{
	if (!word)
		return false;
	r->method = rpc_method_find_name(word);
	return r->method || strcmp(word, "*") == 0;
}

/* What a change or an answer may end with. */
static bool
rule_conditions(char **rest, struct rule *r, const char **problem)
{
	char *word, *number;

	while ((word = rule_word(rest))) {
		number = rule_word(rest);
		if (!number)
			return rule_refuse(problem, "a condition without its number");
		if (strcmp(word, "tx") == 0)
			r->change.tx = strtoull(number, NULL, 10);
		else if (strcmp(word, "after") == 0)
			r->after = strtoul(number, NULL, 10);
		else if (strcmp(word, "times") == 0)
			r->times = strtoul(number, NULL, 10);
		else
			return rule_refuse(problem, "no such condition");
	}
	return true;
}

static bool
rule_parse_change(char **rest, struct rule *r, const char **problem)
{
	struct change *c = &r->change;
	char *op;

	if (!rule_keep(c->path, sizeof c->path, rule_word(rest)) || !strchr(c->path, '.'))
		return rule_refuse(problem, "no path");
	op = rule_word(rest);
	if (!op || !change_op_find(op, &c->op))
		return rule_refuse(problem, "no such operation");
	if (change_op_has_arg(c->op) && !rule_keep(c->arg, sizeof c->arg, rule_word(rest)))
		return rule_refuse(problem, "no argument");
	return rule_conditions(rest, r, problem);
}

static bool
rule_parse_answer(char **rest, struct rule *r, const char **problem)
{
	const char *name = rule_word(rest);
	size_t i, n = sizeof rule_actions / sizeof *rule_actions;

	for (i = 0; name && i < n; i++)
		if (strcmp(rule_actions[i].name, name) == 0)
			break;
	if (!name || i == n)
		return rule_refuse(problem, "no such action");
	r->action = (enum rule_action)i;
	if (rule_actions[i].args > 0 && !rule_keep(r->text, sizeof r->text, rule_word(rest)))
		return rule_refuse(problem, "no argument");
	if (rule_actions[i].args > 1 && !rule_keep(r->more, sizeof r->more, rule_word(rest)))
		return rule_refuse(problem, "no second argument");
	r->number = strtoull(r->text, NULL, 10);
	return rule_conditions(rest, r, problem);
}

bool
rule_parse(char *line, struct rule *out, const char **problem)
{
	char *rest, *kind = strtok_r(line, " \t\n", &rest);

	*out = (struct rule){0};
	if (!kind)
		return rule_refuse(problem, "an empty line");
	if (strcmp(kind, "hello") == 0) {
		out->kind = RULE_HELLO;
		return rule_keep(out->text, sizeof out->text, rule_word(&rest)) ||
		    rule_refuse(problem, "no identity");
	}
	out->kind = strcmp(kind, "change") == 0 ? RULE_CHANGE : RULE_ANSWER;
	if (out->kind == RULE_ANSWER && strcmp(kind, "answer") != 0)
		return rule_refuse(problem, "no such rule");
	if (!rule_method(out, rule_word(&rest)))
		return rule_refuse(problem, "no such method");
	return out->kind == RULE_CHANGE ? rule_parse_change(&rest, out, problem)
					: rule_parse_answer(&rest, out, problem);
}

bool
rule_takes(struct rule *r, const struct rpc_method *method)
{
	if (r->kind == RULE_HELLO || (r->method && r->method != method))
		return false;
	r->seen++;
	return r->seen > r->after && (r->times == 0 || r->hits < r->times);
}
