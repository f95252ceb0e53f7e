/*
 * Where a request ends. Civetweb decides that leniently: it takes the first of two lengths, "2,50"
 * for 2, and leaves out headers behind a folded line or behind the last that it has room for. A
 * proxy that decides otherwise would let one client write the next one's request. http_server.c
 * asks first.
 */
#include "http/http_framing.h"

#include <string.h>
#include <strings.h>

static bool
is_digits(const char *text)
{
	return text[0] && text[strspn(text, "0123456789")] == '\0';
}

/*
 * Civetweb reads headers in place and stops without a word at what it takes for none. Each line
 * that it read ends in NUL; the next sign begins the empty line, or something was left out.
 */
static bool
is_last_line(const char *value)
{
	const char *next = value + strlen(value), *at;

	for (at = next; *at == '\0' || *at == ' ' || *at == '\t'; at++)
		if (*at == '\0')
			next = at + 1;
	return *next == '\r' || *next == '\n';
}

/*
 * "Content-Length : 2" is no header to some, who look for the name with the blank. Civetweb puts a
 * NUL where a name ends, and one over the colon when that is elsewhere.
 */
static bool
is_name_apart(const struct mg_header *h)
{
	const char *colon = h->name + strlen(h->name) + 1;

	return h->value > colon && memchr(colon, '\0', (size_t)(h->value - colon));
}

bool
http_framing_is_old(const struct mg_request_info *info)
{
	return !info->http_version || strcmp(info->http_version, "1.1") != 0;
}

bool
http_framing_is_sound(const struct mg_request_info *info)
{
	int lengths = 0, codings = 0;

	for (int i = 0; i < info->num_headers; i++) {
		const struct mg_header *h = &info->http_headers[i];

		if (is_name_apart(h))
			return false;
		if (strcasecmp(h->name, "Content-Length") == 0) {
			lengths++;
			if (!is_digits(h->value))
				return false;
		} else if (strcasecmp(h->name, "Transfer-Encoding") == 0) {
			codings++;
			if (strcasecmp(h->value, "chunked") != 0 || http_framing_is_old(info))
				return false;
		}
	}
	return lengths + codings <= 1 &&
	    (info->num_headers == 0 ||
		is_last_line(info->http_headers[info->num_headers - 1].value));
}

bool
http_framing_wants_continue(const struct mg_request_info *info)
{
	if (http_framing_is_old(info))
		return false;
	for (int i = 0; i < info->num_headers; i++)
		if (strcasecmp(info->http_headers[i].name, "Expect") == 0)
			return strcasecmp(info->http_headers[i].value, "100-continue") == 0;
	return false;
}
