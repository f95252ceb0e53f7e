#ifndef AUDITOR_PEER_MESSAGE_H
#define AUDITOR_PEER_MESSAGE_H

#include "peers.h"
#include "proto/immudb.pb-c.h"
#include "util/arena.h"

/*
 * States on the wire: the messages of ExchangeStates (PROTOCOL.md, section 8) and struct
 * peer_state, both ways, and what is refused. Pure, but for the arena.
 */

/*
 * States of one request and of one answer: both fit one frame, the first one also without a login.
 */
#define PEER_GIVEN_MAX 32
#define PEER_ANSWERED_MAX 128

/* Whether a text may be the identity of a server: 1 to 63 printable ASCII characters, no space. */
bool peer_message_is_identity(const char *text);

/*
 * Reads n states of that server into out, which has room for n. IM_ERR_FORMAT when one of them is
 * not as PROTOCOL.md says, or is of another server; the detail says what is wrong with it.
 */
enum im_err peer_message_read(Immudb__Schema__PeerState *const *states, size_t n,
    const char *server_id, struct peer_state *out);

/*
 * Messages for n states, in the arena; they borrow from states. NULL when the arena is exhausted,
 * or n is 0.
 */
Immudb__Schema__PeerState **
peer_message_write(struct arena *arena, const struct peer_state *states, size_t n);

#endif
