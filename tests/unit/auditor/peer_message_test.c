/* States on the wire: there and back, and each thing that can be wrong with one. */
#include "peer_message.h"
#include "peer_states.h"

#define ARENA_BYTES (1u << 20)
#define STATES 3

struct fixture {
	struct arena arena;
	struct peer_state states[STATES], read[STATES];
	Immudb__Schema__PeerState **messages;
};

static int
set_up(void **state)
{
	static struct fixture f;

	arena_init(&f.arena, ARENA_BYTES);
	f.states[0] = state_of("defaultdb", 1);
	f.states[1] = state_of("other", 2);
	f.states[2] = state_of("long", UINT64_MAX);
	memset(f.states[2].database, 'x', REPORT_NAME_MAX);
	f.messages = peer_message_write(&f.arena, f.states, STATES);
	assert_non_null(f.messages);
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	arena_free(&((struct fixture *)*state)->arena);
	return 0;
}

static enum im_err
read_all(struct fixture *f)
{
	return peer_message_read(f->messages, STATES, SERVER_ID, f->read);
}

static void
there_and_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_all(f), IM_OK);
	for (size_t i = 0; i < STATES; i++)
		assert_state(&f->read[i], &f->states[i]);
	assert_int_equal(peer_message_read(NULL, 0, SERVER_ID, NULL), IM_OK);
	assert_null(peer_message_write(&f->arena, NULL, 0));
}

/* The largest request fits the frame of one who has not logged in, with the head in front of it. */
static void
fits_a_frame(void **state)
{
	struct fixture *f = *state;
	Immudb__Schema__ExchangeStatesRequest in = IMMUDB__SCHEMA__EXCHANGE_STATES_REQUEST__INIT;
	struct peer_state longest[PEER_GIVEN_MAX];
	char id[sizeof longest->server_id] = "";

	memset(id, 'i', sizeof id - 1);
	for (size_t i = 0; i < PEER_GIVEN_MAX; i++) {
		longest[i] = f->states[2];
		memcpy(longest[i].server_id, id, sizeof id);
		longest[i].signature_len = SIGN_DER_MAX;
		longest[i].seen_at = INT64_MAX;
	}
	in.serverid = id;
	in.offset = UINT32_MAX;
	in.n_states = PEER_GIVEN_MAX;
	in.states = peer_message_write(&f->arena, longest, PEER_GIVEN_MAX);
	assert_in_range(protobuf_c_message_get_packed_size(&in.base), 8192, 16384 - 300);
	assert_true(peer_message_is_identity(id));
}

/* Reads with one field wrong, which is put right again. */
#define ASSERT_REFUSED(field, wrong) \
	do { \
		__typeof__(field) right = field; \
		field = wrong; \
		assert_int_equal(read_all(f), IM_ERR_FORMAT); \
		field = right; \
		assert_int_equal(read_all(f), IM_OK); \
	} while (0)

static void
wrong_fields(void **state)
{
	struct fixture *f = *state;
	Immudb__Schema__PeerState *m = f->messages[1];
	char name[REPORT_NAME_MAX + 2] = "";
	uint8_t longer[SIGN_DER_MAX + 1] = {0};

	memset(name, 'x', sizeof name - 1);
	ASSERT_REFUSED(m->serverid, (char *)(uintptr_t) "another");
	ASSERT_REFUSED(m->serverid, (char *)(uintptr_t) "");
	ASSERT_REFUSED(m->database, (char *)(uintptr_t) "");
	ASSERT_REFUSED(m->database, (char *)(uintptr_t) "a\nb");
	ASSERT_REFUSED(m->database, (char *)(uintptr_t) "a\x7f");
	ASSERT_REFUSED(m->database, name);
	ASSERT_REFUSED(m->txid, 0);
	ASSERT_REFUSED(m->txhash.len, 31);
	ASSERT_REFUSED(m->txhash.len, 0);
	ASSERT_REFUSED(m->signature, ((ProtobufCBinaryData){sizeof longer, longer}));
	ASSERT_REFUSED(m->seenat, -1);
}

static void
identities(void **state)
{
	char longer[65] = "";

	(void)state;
	memset(longer, 'x', 64);
	assert_true(peer_message_is_identity(SERVER_ID));
	assert_true(peer_message_is_identity(longer + 1));
	assert_false(peer_message_is_identity(longer));
	assert_false(peer_message_is_identity(""));
	assert_false(peer_message_is_identity("a b"));
	assert_false(peer_message_is_identity("a\n"));
	assert_false(peer_message_is_identity("\xc3\xa4"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(there_and_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(fits_a_frame, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(wrong_fields, set_up, tear_down),
	    cmocka_unit_test(identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
