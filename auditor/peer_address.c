/*
 * Addresses of auditors, as options have them. Nothing is looked up here: rpc/client_dial.c does
 * that.
 */
#include "peer_address.h"

#include <stdio.h>

#define PORT_MAX 65535

/* A decimal number of 1 to 5 digits; -1 for anything else. */
static long
port_parse(const char *text)
{
	long port = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9' && i < 5; i++)
		port = port * 10 + (text[i] - '0');
	return i > 0 && text[i] == '\0' && port <= PORT_MAX ? port : -1;
}

static enum im_err
address_fault(const char *text)
{
	return err_set(
	    IM_ERR_ARGUMENT, "%s: not ADDRESS:PORT, such as 10.0.0.2:9500 or [::1]:9500", text);
}

enum im_err
peer_address_parse(const char *text, bool is_to_listen, struct peer_address *out)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t n = colon ? (size_t)(colon - text) : 0;
	long port = colon ? port_parse(colon + 1) : -1;

	if (n == 0 || strlen(text) >= sizeof out->text || port < 0 || (port == 0 && !is_to_listen))
		return address_fault(text);
	if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
		host++;
		n -= 2;
	} else if (memchr(host, ':', n)) {
		return address_fault(text);
	}
	if (memchr(host, '[', n) || memchr(host, ']', n) || memchr(host, '/', n))
		return address_fault(text);
	*out = (struct peer_address){.port = (uint16_t)port};
	snprintf(out->text, sizeof out->text, "%s", text);
	memcpy(out->host, host, n);
	return IM_OK;
}
