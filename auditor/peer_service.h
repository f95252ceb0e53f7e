#ifndef AUDITOR_PEER_SERVICE_H
#define AUDITOR_PEER_SERVICE_H

#include "peer_address.h"

/*
 * What other auditors ask us: a listener that answers the methods among auditors and nothing else,
 * and keeps what it was told until it is taken. Anybody may connect.
 */
struct peer_service;

/* Borrows options (each, arg, timeout_ms) until it is stopped. Errors of peers_start(). */
enum im_err peer_service_start(const struct peers_options *options,
    const struct peer_address *listen, struct peer_service **out);

uint16_t peer_service_port(const struct peer_service *s);

/* Of peers_take_claims(). */
void
peer_service_take(struct peer_service *s, const char *server_id, const struct peers_taker *taker);

/* Adds its part: answered, refused, claims, dropped. */
void peer_service_count(struct peer_service *s, struct peers_counts *out);

/* NULL is fine. */
void peer_service_stop(struct peer_service *s);

#endif
