#ifndef AUDITOR_PEER_ADDRESS_H
#define AUDITOR_PEER_ADDRESS_H

#include "peers.h"

/* "ADDRESS:PORT": a host name, an IPv4 address, or an IPv6 address in brackets; a decimal port. */
struct peer_address {
	char text[PEERS_ADDRESS_MAX]; /* as given */
	char host[PEERS_ADDRESS_MAX]; /* without brackets */
	uint16_t port;
};

/*
 * Takes it apart. Port 0 is taken when it is to listen on. IM_ERR_ARGUMENT; the detail names the
 * text.
 */
enum im_err peer_address_parse(const char *text, bool is_to_listen, struct peer_address *out);

#endif
