/*
 * Streams that are under way when the rights of their user change: they end with the error of a
 * session that is gone, on every connection, before what is left of them is sent.
 */
#include "engine_writes.h"
#include "user_calls.h"

#define VALUE_BYTES ((size_t)8 << 20)
#define PIECE_BYTES ((size_t)64 << 10)
#define KEYS 150
#define KEY_VALUE_BYTES ((size_t)64 << 10)
#define CONNECTIONS 3

/* One who reads: a connection, a session, a stream that has begun. */
struct listener {
	struct fixture f;
	struct rpc_stream *scan, *get;
};

static void
reader_begin(struct fixture *owner, const char *session, struct listener *r)
{
	M(ScanRequest) all = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	M(KeyRequest) large = key_request("large");
	struct rpc_call scan = {.method = RPC_METHOD_StreamScan, .request = &all.base};
	struct rpc_call get = {.method = RPC_METHOD_StreamGet, .request = &large.base};
	uint64_t len;

	r->f = *owner;
	snprintf(r->f.session, sizeof r->f.session, "%s", session);
	connect_to(&r->f);
	all.prefix = message_data(bytes_str("m"));
	scan.session = get.session = bytes_str(r->f.session);
	assert_int_equal(rpc_stream_open(r->f.conn, &scan, &r->scan), IM_OK);
	assert_int_equal(rpc_stream_open(r->f.conn, &get, &r->get), IM_OK);
	assert_int_equal(rpc_stream_next(r->scan, &len), IM_OK);
	assert_int_equal(rpc_stream_next(r->get, &len), IM_OK);
}

static void
reader_end(struct listener *r)
{
	rpc_stream_close(r->scan);
	rpc_stream_close(r->get);
	rpc_client_close(r->f.conn);
}

/*
 * Reads on, from a first key that has been begun; how much came before the end, and with what it
 * ended.
 */
static enum im_err
read_on(struct rpc_stream *s, size_t *bytes)
{
	static uint8_t piece[PIECE_BYTES];
	uint64_t len = sizeof "large" - 1;
	enum im_err err = IM_OK;

	*bytes = 0;
	while (err == IM_OK) {
		size_t n = len < PIECE_BYTES ? (size_t)len : PIECE_BYTES;

		err = n > 0 ? rpc_stream_read(s, piece, n) : rpc_stream_next(s, &len);
		if (err == IM_OK && n > 0) {
			*bytes += n;
			len -= n;
		}
	}
	return err;
}

static void
fill(struct fixture *f)
{
	char *value = malloc(VALUE_BYTES + 1), key[16];

	assert_non_null(value);
	memset(value, 'v', VALUE_BYTES);
	value[VALUE_BYTES] = '\0';
	write_value(f, "large", value);
	value[KEY_VALUE_BYTES] = '\0';
	/* Keys as long as "large", see read_on(). */
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "m%04d", i);
		write_value(f, key, value);
	}
	free(value);
}

typedef enum im_err change_fn(struct fixture *f);

static enum im_err
change_level(struct fixture *f)
{
	return grant_level(f, "alice", "defaultdb", META_LEVEL_READ_WRITE);
}

static enum im_err
change_revoke(struct fixture *f)
{
	return revoke_level(f, "alice", "defaultdb", META_LEVEL_READ);
}

static enum im_err
change_deactivate(struct fixture *f)
{
	return set_active(f, "alice", false);
}

static enum im_err
change_own_password(struct fixture *f)
{
	return change_password(f, "alice", "", OTHER_PASSWORD);
}

/* Every session of alice, by its number. */
static enum im_err
change_end_sessions(struct fixture *f)
{
	M(EndSessionRequest) in = IMMUDB__SCHEMA__END_SESSION_REQUEST__INIT;
	M(SessionListResponse) *list = NULL;
	enum im_err err = ask(f, RPC_METHOD_SessionList, NULL, &list);

	for (size_t i = 0; err == IM_OK && i < list->n_sessions; i++) {
		if (strcmp(list->sessions[i]->user, "alice") != 0)
			continue;
		in.id = list->sessions[i]->id;
		err = ask(f, RPC_METHOD_EndSession, &in.base, NULL);
	}
	return err;
}

/* Two connections of one session and one of another; then the change; then what still comes. */
static void
streams_end(struct fixture *f, change_fn *change)
{
	struct listener readers[CONNECTIONS];
	char admin[64], sessions[2][64];
	size_t bytes;

	fill(f);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	memcpy(admin, f->session, sizeof admin);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(login(f, "alice", GOOD_PASSWORD), IM_OK);
		memcpy(sessions[i], f->session, sizeof sessions[i]);
	}
	memcpy(f->session, admin, sizeof admin);
	for (int i = 0; i < CONNECTIONS; i++)
		reader_begin(f, sessions[i / 2], &readers[i]);
	assert_int_equal(change(f), IM_OK);
	for (int i = 0; i < CONNECTIONS; i++) {
		assert_int_equal(read_on(readers[i].scan, &bytes), IM_ERR_NOT_LOGGED_IN);
		assert_int_equal(rpc_stream_status(readers[i].scan), IM_STATUS_UNAUTHENTICATED);
		assert_true(bytes < KEYS * KEY_VALUE_BYTES / 2);
		assert_int_equal(read_on(readers[i].get, &bytes), IM_ERR_NOT_LOGGED_IN);
		assert_true(bytes < VALUE_BYTES / 2);
		reader_end(&readers[i]);
	}
}

static void
level_changed(void **state)
{
	streams_end(*state, change_level);
}

static void
level_revoked(void **state)
{
	streams_end(*state, change_revoke);
}

static void
user_deactivated(void **state)
{
	streams_end(*state, change_deactivate);
}

static void
password_changed(void **state)
{
	streams_end(*state, change_own_password);
}

static void
session_ended(void **state)
{
	streams_end(*state, change_end_sessions);
}

/* Nobody else's stream is touched by it. */
static void
other_users_go_on(void **state)
{
	struct fixture *f = *state;
	struct listener reader;
	char admin[64];
	size_t bytes;

	fill(f);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	memcpy(admin, f->session, sizeof admin);
	assert_int_equal(create_user(f, "alice", META_LEVEL_READ, ""), IM_OK);
	assert_int_equal(create_user(f, "bob", META_LEVEL_READ, ""), IM_OK);
	assert_int_equal(login(f, "bob", GOOD_PASSWORD), IM_OK);
	reader_begin(f, f->session, &reader);
	memcpy(f->session, admin, sizeof admin);
	assert_int_equal(change_deactivate(f), IM_OK);
	assert_int_equal(read_on(reader.scan, &bytes), IM_ERR_NOT_FOUND);
	assert_true(bytes > KEYS * KEY_VALUE_BYTES);
	assert_int_equal(read_on(reader.get, &bytes), IM_ERR_NOT_FOUND);
	assert_true(bytes > VALUE_BYTES);
	reader_end(&reader);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_large, fixture_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(level_changed),
	    TEST(level_revoked),
	    TEST(user_deactivated),
	    TEST(password_changed),
	    TEST(session_ended),
	    TEST(other_users_go_on),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
