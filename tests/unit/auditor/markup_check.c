/* A strict little parser of pages; see the header. */
#include "markup_check.h"

#include <ctype.h>
#include <stdio.h>

#include "util/text.h"

#define DEPTH_MAX 32
#define NAME_BYTES 32
#define AROUND 60

struct parser {
	const char *at, *end;
	const char *error;
	char open[DEPTH_MAX][NAME_BYTES];
	size_t depth;
};

static void
fail(struct parser *p, const char *error)
{
	static char text[256];

	if (p->error)
		return;
	snprintf(text, sizeof text, "%s before: %.*s", error,
	    p->end - p->at > AROUND ? AROUND : (int)(p->end - p->at), p->at);
	p->error = text;
}

static bool
skip(struct parser *p, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(p->end - p->at) < len || memcmp(p->at, text, len) != 0)
		return false;
	p->at += len;
	return true;
}

static void
read_name(struct parser *p, char name[NAME_BYTES])
{
	size_t len = 0;

	while (p->at < p->end && len < NAME_BYTES - 1 &&
	    (isalnum((unsigned char)*p->at) || *p->at == '-' || *p->at == ':'))
		name[len++] = *p->at++;
	name[len] = '\0';
	if (len == 0)
		fail(p, "no name");
}

static void
read_entity(struct parser *p)
{
	static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
	size_t i;

	for (i = 0; i < sizeof known / sizeof *known; i++)
		if (skip(p, known[i]))
			return;
	fail(p, "a bare &");
}

static void
check_value(struct parser *p, const char *name, const char *value)
{
	if (strncmp(name, "on", 2) == 0 || strcmp(name, "style") == 0)
		fail(p, "an attribute that acts");
	if ((strcmp(name, "href") == 0 || strcmp(name, "src") == 0) && value[0] != '/' &&
	    value[0] != '?' && strncmp(value, "data:image/svg+xml,", 19) != 0)
		fail(p, "a link that leads elsewhere");
	if (strncmp(value, "//", 2) == 0)
		fail(p, "a link to another host");
}

static void
read_attribute(struct parser *p)
{
	char name[NAME_BYTES];
	const char *value;

	read_name(p, name);
	if (!skip(p, "=\"")) {
		fail(p, "an attribute without a quoted value");
		return;
	}
	value = p->at;
	while (p->at < p->end && *p->at != '"' && !p->error)
		if (*p->at == '&')
			read_entity(p);
		else if (*p->at == '<')
			fail(p, "< in an attribute");
		else
			p->at++;
	if (p->at == p->end)
		fail(p, "an open attribute");
	check_value(p, name, value);
	skip(p, "\"");
}

static void
read_tag(struct parser *p)
{
	char name[NAME_BYTES];

	if (skip(p, "</")) {
		read_name(p, name);
		if (p->depth == 0 || strcmp(p->open[p->depth - 1], name) != 0 || !skip(p, ">"))
			fail(p, "an end tag out of order");
		else
			p->depth--;
		return;
	}
	skip(p, "<");
	read_name(p, name);
	if (strcmp(name, "script") == 0)
		fail(p, "a script");
	while (!p->error && skip(p, " "))
		read_attribute(p);
	if (skip(p, "/>"))
		return;
	if (!skip(p, ">") || p->depth == DEPTH_MAX)
		fail(p, "an open tag");
	else
		memcpy(p->open[p->depth++], name, sizeof name);
}

static void
read_character(struct parser *p)
{
	size_t n = text_utf8_char(bytes_of(p->at, (size_t)(p->end - p->at)));

	if (n == 0 || (n == 1 && (*p->at == 0x7f || (*p->at < ' ' && *p->at != '\n'))))
		fail(p, "a character that may not stand there");
	p->at += n;
}

const char *
markup_check(struct bytes page)
{
	struct parser p = {
	    .at = (const char *)page.data, .end = (const char *)page.data + page.len};

	if (!skip(&p, "<!DOCTYPE html>\n"))
		fail(&p, "no document type");
	while (p.at < p.end && !p.error)
		if (*p.at == '<')
			read_tag(&p);
		else if (*p.at == '&')
			read_entity(&p);
		else
			read_character(&p);
	if (p.depth > 0)
		fail(&p, "an element is not closed");
	return p.error;
}
