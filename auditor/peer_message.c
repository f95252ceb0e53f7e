/*
 * States on the wire. The decoder (rpc/message.h) has already refused what does not parse, texts
 * that are not UTF-8 and unknown fields; here is what the fields must hold.
 *
 * Invariants: a struct peer_state that leaves here has NUL-terminated texts without control
 * characters, a transaction other than 0 and a signature within its room.
 */
#include "peer_message.h"

bool
peer_message_is_identity(const char *text)
{
	size_t n = strlen(text), i = 0;

	while (i < n && text[i] > ' ' && text[i] < 0x7f)
		i++;
	return n > 0 && i == n && n < sizeof((struct peer_state *)NULL)->server_id;
}

static bool
is_database(const char *text)
{
	size_t n = strlen(text), i = 0;

	while (i < n && (unsigned char)text[i] >= ' ' && text[i] != 0x7f)
		i++;
	return n > 0 && i == n && n <= REPORT_NAME_MAX;
}

/* What is wrong with a state; NULL if nothing. */
static const char *
state_fault(const Immudb__Schema__PeerState *m, const char *server_id)
{
	if (strcmp(m->serverid, server_id) != 0)
		return "of another server";
	if (!is_database(m->database))
		return "no name of a database";
	if (m->txid == 0)
		return "without a transaction";
	if (m->txhash.len != HASH_SIZE)
		return "the hash has not 32 bytes";
	if (m->signature.len > SIGN_DER_MAX)
		return "the signature is too long";
	return m->seenat < 0 ? "seen before 1970" : NULL;
}

static void
state_read(const Immudb__Schema__PeerState *m, struct peer_state *out)
{
	*out = (struct peer_state){
	    .tx = m->txid, .signature_len = m->signature.len, .seen_at = m->seenat};
	/* state_fault() has seen that they fit. */
	memcpy(out->server_id, m->serverid, strlen(m->serverid));
	memcpy(out->database, m->database, strlen(m->database));
	memcpy(out->alh.b, m->txhash.data, HASH_SIZE);
	if (m->signature.len > 0)
		memcpy(out->signature, m->signature.data, m->signature.len);
}

enum im_err
peer_message_read(Immudb__Schema__PeerState *const *states, size_t n, const char *server_id,
    struct peer_state *out)
{
	for (size_t i = 0; i < n; i++) {
		const char *fault = state_fault(states[i], server_id);

		if (fault)
			return err_set(
			    IM_ERR_FORMAT, "%s: state %zu: %s", err_text(IM_ERR_FORMAT), i, fault);
		state_read(states[i], &out[i]);
	}
	return IM_OK;
}

/* Messages have no const: the packer only reads them. */
static void
state_write(const struct peer_state *s, Immudb__Schema__PeerState *m)
{
	immudb__schema__peer_state__init(m);
	m->serverid = (char *)(uintptr_t)s->server_id;
	m->database = (char *)(uintptr_t)s->database;
	m->txid = s->tx;
	m->txhash = (ProtobufCBinaryData){HASH_SIZE, (uint8_t *)(uintptr_t)s->alh.b};
	m->signature = (ProtobufCBinaryData){s->signature_len, (uint8_t *)(uintptr_t)s->signature};
	m->seenat = s->seen_at;
}

Immudb__Schema__PeerState **
peer_message_write(struct arena *arena, const struct peer_state *states, size_t n)
{
	Immudb__Schema__PeerState **list, *messages;

	if (n == 0)
		return NULL;
	list = arena_calloc(arena, n, sizeof(Immudb__Schema__PeerState *));
	messages = arena_calloc(arena, n, sizeof *messages);
	if (!list || !messages)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		state_write(&states[i], &messages[i]);
		list[i] = &messages[i];
	}
	return list;
}
