/*
 * What auditors read of each other. The first byte chooses: 0 is an answer with states, where what
 * is taken is written and read again as the same; 1 the text of an address; 2 a contradiction.
 */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "peer_address.h"
#include "peer_message.h"
#include "peer_proof.h"
#include "rpc/message.h"

#define SERVER_ID "c0ffee0123456789abcd"
#define MEMORY ((size_t)16 * 1024 * 1024)
#define STATES_MAX 1000

static void
check_state(const struct peer_state *s)
{
	assert(memchr(s->database, '\0', sizeof s->database) > (const void *)s->database);
	assert(strcmp(s->server_id, SERVER_ID) == 0);
	assert(s->tx > 0 && s->seen_at >= 0 && s->signature_len <= sizeof s->signature);
}

static enum im_err
read_states(struct bytes packed, struct arena *a, struct peer_state *out, size_t *n)
{
	ProtobufCMessage *message;
	Immudb__Schema__ExchangeStatesResponse *answer;
	enum im_err err = message_unpack(
	    &immudb__schema__exchange_states_response__descriptor, packed, true, a, &message);

	if (err != IM_OK)
		return err;
	answer = (Immudb__Schema__ExchangeStatesResponse *)message;
	if (answer->n_states > STATES_MAX)
		return IM_ERR_LIMIT;
	*n = answer->n_states;
	return peer_message_read(answer->states, answer->n_states, SERVER_ID, out);
}

static struct bytes
pack_states(struct arena *a, const struct peer_state *states, size_t n)
{
	Immudb__Schema__ExchangeStatesResponse out = IMMUDB__SCHEMA__EXCHANGE_STATES_RESPONSE__INIT;
	uint8_t *packed;

	out.states = peer_message_write(a, states, n);
	out.n_states = n;
	packed = arena_alloc(a, immudb__schema__exchange_states_response__get_packed_size(&out));
	assert(out.states && packed);
	return bytes_of(packed, immudb__schema__exchange_states_response__pack(&out, packed));
}

static void
check_again(struct arena *a, const struct peer_state *states, size_t n)
{
	struct peer_state *again = calloc(n, sizeof *again);
	struct bytes packed = pack_states(a, states, n);
	size_t n_again = 0;
	enum im_err err = again ? read_states(packed, a, again, &n_again) : IM_ERR_NOMEM;

	assert(err == IM_OK && n_again == n);
	assert(bytes_equal(pack_states(a, again, n), packed));
	free(again);
}

static void
check_message(struct bytes packed)
{
	struct peer_state *states = calloc(STATES_MAX, sizeof *states);
	struct arena a;
	size_t n = 0;

	assert(states);
	arena_init(&a, MEMORY);
	if (read_states(packed, &a, states, &n) == IM_OK && n > 0) {
		for (size_t i = 0; i < n; i++)
			check_state(&states[i]);
		check_again(&a, states, n);
	}
	arena_free(&a);
	free(states);
}

/* What is kept of a contradiction can be read again, and shows nothing to whoever has no key. */
static void
check_contradiction(struct bytes packed)
{
	static const struct peer_proof_keys none;
	struct peer_contradiction read;
	struct peer_proof *proof = NULL;
	ProtobufCMessage *m = NULL;
	struct arena a;

	arena_init(&a, MEMORY);
	if (message_unpack(&immudb__schema__peer_contradiction__descriptor, packed, true, &a, &m) ==
		IM_OK &&
	    peer_proof_keep((Immudb__Schema__PeerContradiction *)m, SERVER_ID, &proof) == IM_OK) {
		assert(proof->len <= PEER_PROOF_MAX && peer_proof_read(proof, &a, &read) == IM_OK);
		check_state(&read.older);
		check_state(&read.newer);
		assert(read.older.tx < read.newer.tx);
		assert(peer_proof_check(&read, &none, &a) == IM_ERR_SIGNATURE);
	}
	free(proof);
	arena_free(&a);
}

static void
check_address(struct bytes in)
{
	char *text = malloc(in.len + 1);
	struct peer_address address;

	assert(text);
	if (in.len > 0)
		memcpy(text, in.data, in.len);
	text[in.len] = '\0';
	if (peer_address_parse(text, false, &address) == IM_OK) {
		assert(strcmp(address.text, text) == 0 && address.port > 0);
		assert(address.host[0] != '\0' && strstr(text, address.host));
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);

	switch (fuzz_number(&in, 1)) {
	case 0:
		check_message(in);
		break;
	case 2:
		check_contradiction(in);
		break;
	default:
		check_address(in);
	}
	return 0;
}
