#ifndef HOSTILE_ATTACKS_H
#define HOSTILE_ATTACKS_H

#include "honest.h"

/* A server, its honest client, and where the attacks stand. */
struct scene {
	struct target target;
	struct honest *honest;
	uint64_t random;
};

/*
 * One round of an attack, with count of whatever it is made of. It ends with all its connections
 * closed. False, and why on stderr, when the server did not behave as it should.
 */
typedef bool attack_round(struct scene *s, unsigned count);

/* attack_connections.c: connections that come and go, and that come and stay. */
attack_round attack_resets, attack_idle, attack_crowd, attack_descriptors;
/* attack_frames.c: what is not the protocol, or abuses it. */
attack_round attack_garbage, attack_noise, attack_cancels;
/* attack_waiting.c: peers that do not read, or hardly send. */
attack_round attack_unread_strangers, attack_unread_values, attack_unread_scans, attack_silent;
/* attack_logins.c: passwords and sessions. */
attack_round attack_guessing, attack_sessions;

/* Where attackers come from: addresses of their own, see peer_connect(). */
#define ATTACKER_HOSTS 0x100u

/* A token of the superadmin, who is hostile here; false when there is none. */
bool attacker_token(struct scene *s, char token[TOKEN_MAX]);

#endif
