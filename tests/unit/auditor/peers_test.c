/*
 * Auditors that exchange states over the loopback: honest ones, ones that are away, hostile ones on
 * either side. More of what can be sent to a listener is in the tests of rpc/.
 */
#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile_peer.h"
#include "peer_message.h"
#include "peer_states.h"
#include "rpc/client_conn.h"
#include "rpc/frame.h"
#include "temp_dir.h"
#include "util/log.h"

#define STATES_MAX 5000
#define CLAIMS_ROOM 5000
#define WAIT_MS 60000
/* For peers that never answer. */
#define SHORT_MS 200

/* An auditor as its peers see it, and what it heard. */
struct auditor {
	struct peers *peers;
	pthread_mutex_t lock;
	struct peer_state states[STATES_MAX];
	size_t len;
	char from[PEERS_ADDRESS_MAX]; /* of the last one heard */
	struct peer_state heard[CLAIMS_ROOM];
	size_t heard_len;
};

static struct auditor here, there, third;

static void
each(void *arg, void (*give)(void *to, const struct peer_state *state), void *to)
{
	struct auditor *a = arg;

	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->len; i++)
		give(to, &a->states[i]);
	pthread_mutex_unlock(&a->lock);
}

static void
hear(void *arg, const char *peer, const struct peer_state *state)
{
	struct auditor *a = arg;

	assert_true(a->heard_len < CLAIMS_ROOM);
	snprintf(a->from, sizeof a->from, "%s", peer);
	a->heard[a->heard_len++] = *state;
}

static void
know(struct auditor *a, const char *database, uint64_t tx)
{
	assert_true(a->len < STATES_MAX);
	a->states[a->len++] = state_of(database, tx);
}

/* Starts one that serves, and asks up to two ports. */
static void
start(struct auditor *a, unsigned int timeout_ms, uint16_t first, uint16_t second)
{
	char addresses[2][32];
	const char *peers[] = {addresses[0], addresses[1]};
	struct peers_options o = {.listen = "127.0.0.1:0",
	    .peers = peers,
	    .peers_len = second ? 2
		: first         ? 1
				: 0,
	    .timeout_ms = timeout_ms,
	    .each = each,
	    .arg = a};

	snprintf(addresses[0], sizeof addresses[0], "127.0.0.1:%u", first);
	snprintf(addresses[1], sizeof addresses[1], "127.0.0.1:%u", second);
	assert_int_equal(peers_start(&o, &a->peers), IM_OK);
	assert_true(peers_port(a->peers) > 0);
}

static void
reset(struct auditor *a)
{
	a->len = a->heard_len = 0;
	a->from[0] = '\0';
	a->peers = NULL;
}

static int
set_up(void **state)
{
	(void)state;
	reset(&here);
	reset(&there);
	reset(&third);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	peers_stop(here.peers);
	peers_stop(there.peers);
	peers_stop(third.peers);
	return 0;
}

static struct peers_counts
counts(struct auditor *a)
{
	struct peers_counts c;

	peers_counts(a->peers, &c);
	return c;
}

/* Both learn from one exchange: the one that asks at once, the other when it takes its claims. */
static void
both_learn(void **state)
{
	char address[32];

	(void)state;
	know(&here, "defaultdb", 10);
	know(&there, "other", 3);
	know(&there, "defaultdb", 11);
	start(&there, WAIT_MS, 0, 0);
	start(&here, WAIT_MS, peers_port(there.peers), 0);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 2);
	assert_state(&here.heard[0], &there.states[1]);
	assert_state(&here.heard[1], &there.states[0]);
	snprintf(address, sizeof address, "127.0.0.1:%u", peers_port(there.peers));
	assert_string_equal(here.from, address);
	peers_take_claims(
	    there.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &there});
	assert_int_equal(there.heard_len, 1);
	assert_state(&there.heard[0], &here.states[0]);
	assert_string_equal(there.from, "127.0.0.1");
	/* Given once. */
	peers_take_claims(
	    there.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &there});
	assert_int_equal(there.heard_len, 1);
	assert_int_equal(counts(&here).asked, 1);
	assert_int_equal(counts(&here).failed, 0);
	assert_int_equal(counts(&here).claims, 2);
	assert_int_equal(counts(&there).answered, 1);
	assert_int_equal(counts(&there).claims, 1);
	assert_int_equal(counts(&there).refused, 0);
}

/* Of other servers nothing is said. One who has proven nothing yet hears what others have. */
static void
one_server_at_a_time(void **state)
{
	(void)state;
	know(&here, "defaultdb", 10);
	know(&there, "defaultdb", 11);
	there.states[0].server_id[0] ^= 1;
	start(&there, WAIT_MS, 0, 0);
	start(&here, WAIT_MS, peers_port(there.peers), 0);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 0);
	peers_take_claims(
	    there.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &there});
	assert_int_equal(there.heard_len, 0);
	assert_int_equal(counts(&there).answered, 1);
	here.len = 0;
	there.states[0] = state_of("defaultdb", 11);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 1);
	assert_int_equal(counts(&here).failed, 0);
}

static void
know_many(struct auditor *a, size_t n, uint64_t tx)
{
	char name[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "db%zu", i);
		know(a, name, tx);
	}
}

/* More than one page both ways, and each state once. */
static void
many_databases(void **state)
{
	(void)state;
	know_many(&here, 2 * PEER_ANSWERED_MAX + 1, 10);
	know_many(&there, 2 * PEER_ANSWERED_MAX, 11);
	start(&there, WAIT_MS, 0, 0);
	start(&here, WAIT_MS, peers_port(there.peers), 0);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 2 * PEER_ANSWERED_MAX);
	for (size_t i = 0; i < here.heard_len; i++)
		assert_true(here.heard[i].tx == 11);
	peers_take_claims(
	    there.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &there});
	assert_int_equal(there.heard_len, 2 * PEER_ANSWERED_MAX);
}

/* Beyond the limit some are left out, and the exchange is good. */
static void
too_many_databases(void **state)
{
	(void)state;
	know_many(&here, PEERS_STATES_MAX + 10, 10);
	know_many(&there, PEERS_STATES_MAX + 10, 11);
	start(&there, WAIT_MS, 0, 0);
	start(&here, WAIT_MS, peers_port(there.peers), 0);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(counts(&here).failed, 0);
	assert_int_equal(here.heard_len, PEERS_STATES_MAX);
	peers_take_claims(
	    there.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &there});
	assert_int_equal(there.heard_len, PEERS_CLAIMS_MAX);
}

/*
 * One peer away does not keep another from being heard; it is counted, and heard when it is back.
 */
static void
one_is_away(void **state)
{
	uint16_t port;

	(void)state;
	know(&here, "defaultdb", 10);
	know(&there, "defaultdb", 11);
	know(&third, "defaultdb", 12);
	start(&there, WAIT_MS, 0, 0);
	start(&third, WAIT_MS, 0, 0);
	port = peers_port(there.peers);
	start(&here, WAIT_MS, port, peers_port(third.peers));
	peers_stop(there.peers);
	there.peers = NULL;
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 1);
	assert_true(here.heard[0].tx == 12);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 2);
	assert_int_equal(counts(&here).asked, 4);
	assert_int_equal(counts(&here).failed, 2);
}

/* How many lines of the log hold the text. */
static size_t
count_lines(const char *path, const char *text)
{
	FILE *f = fopen(path, "r");
	char line[1024];
	size_t n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

/* A peer that is of no use is named in the log once, and once when it is back. */
static void
said_once(void **state)
{
	struct hostile_peer *h = hostile_peer_start(HOSTILE_REFUSES);
	char dir[TEMP_DIR_MAX], path[TEMP_DIR_MAX + 8];

	(void)state;
	temp_dir_make(dir);
	snprintf(path, sizeof path, "%s/log", dir);
	know(&here, "defaultdb", 10);
	start(&here, WAIT_MS, hostile_peer_port(h), 0);
	assert_int_equal(
	    log_open(&(struct log_config){.path = path, .level = LOG_LEVEL_INFO}), IM_OK);
	for (int i = 0; i < 3; i++)
		peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	hostile_peer_become(h, HOSTILE_FOREIGN);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 0);
	hostile_peer_become(h, HOSTILE_REFORMED);
	for (int i = 0; i < 3; i++)
		peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	log_close();
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(here.heard_len, 3);
	assert_int_equal(count_lines(path, "cannot be compared with"), 1);
	assert_int_equal(count_lines(path, "answers again"), 1);
	hostile_peer_stop(h);
	temp_dir_remove(dir);
}

/* Whatever the peer does, the honest one is heard, and nothing is taken of the hostile one. */
static void
hostile_manner(enum hostile_manner manner)
{
	struct hostile_peer *h = hostile_peer_start(manner);
	/*
	 * Those that never answer may not be waited for long; a slow machine may not matter to the
	 * others.
	 */
	bool never =
	    manner == HOSTILE_SILENT || manner == HOSTILE_TRICKLES || manner == HOSTILE_HUGE;

	know(&here, "defaultdb", 10);
	know(&there, "defaultdb", 11);
	start(&there, WAIT_MS, 0, 0);
	start(&here, never ? SHORT_MS : WAIT_MS, hostile_peer_port(h),
	    never ? 0 : peers_port(there.peers));
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, never ? 0 : 1);
	assert_true(never || here.heard[0].tx == 11);
	assert_int_equal(counts(&here).failed, 1);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(counts(&here).failed, 2);
	hostile_peer_stop(h);
}

static void
hostile_peers(void **state)
{
	for (int manner = 0; manner < HOSTILE_MANNERS; manner++) {
		set_up(state);
		hostile_manner((enum hostile_manner)manner);
		tear_down(state);
	}
	set_up(state);
}

/* ---- What is sent to the listener. ---- */

static struct rpc_client_conn *
connect_to(struct auditor *a)
{
	struct rpc_client_options o = {.host = "127.0.0.1", .port = peers_port(a->peers)};
	struct rpc_client_conn *conn;

	assert_int_equal(rpc_client_connect(&o, &conn), IM_OK);
	return conn;
}

static enum im_err
call(struct rpc_client_conn *conn, uint16_t method, const ProtobufCMessage *request)
{
	struct rpc_call c = {.method = method, .request = request, .timeout_ms = WAIT_MS};
	ProtobufCMessage *answer;
	struct arena arena;
	enum im_err err;

	arena_init(&arena, 1 << 20);
	err = rpc_call_wait(conn, &c, &arena, &answer, NULL);
	arena_free(&arena);
	return err;
}

static void
other_methods_are_refused(void **state)
{
	struct rpc_client_conn *conn;

	(void)state;
	start(&here, WAIT_MS, 0, 0);
	conn = connect_to(&here);
	assert_string_equal(rpc_client_hello(conn)->server_id, "");
	assert_int_equal(call(conn, RPC_METHOD_Health, NULL), IM_ERR_UNIMPLEMENTED);
	assert_int_equal(call(conn, RPC_METHOD_CurrentState, NULL), IM_ERR_UNIMPLEMENTED);
	assert_int_equal(counts(&here).refused, 2);
	rpc_client_close(conn);
}

/* A request with something wrong is refused whole; the connection goes on. */
static void
malformed_requests(void **state)
{
	Immudb__Schema__ExchangeStatesRequest in = IMMUDB__SCHEMA__EXCHANGE_STATES_REQUEST__INIT;
	struct peer_state states[PEER_GIVEN_MAX + 1];
	struct rpc_client_conn *conn;
	struct arena arena;

	(void)state;
	know(&here, "defaultdb", 10);
	start(&here, WAIT_MS, 0, 0);
	conn = connect_to(&here);
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < PEER_GIVEN_MAX + 1; i++)
		states[i] = state_of("defaultdb", i + 1);
	in.states = peer_message_write(&arena, states, PEER_GIVEN_MAX + 1);
	assert_int_equal(call(conn, RPC_METHOD_ExchangeStates, &in.base), IM_ERR_FORMAT);
	in.serverid = (char *)(uintptr_t)SERVER_ID;
	in.n_states = PEER_GIVEN_MAX + 1;
	assert_int_equal(call(conn, RPC_METHOD_ExchangeStates, &in.base), IM_ERR_LIMIT);
	in.n_states = 2;
	in.states[1]->txid = 0;
	assert_int_equal(call(conn, RPC_METHOD_ExchangeStates, &in.base), IM_ERR_FORMAT);
	peers_take_claims(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 0);
	in.states[1]->txid = 2;
	in.offset = UINT32_MAX;
	assert_int_equal(call(conn, RPC_METHOD_ExchangeStates, &in.base), IM_OK);
	peers_take_claims(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 2);
	assert_int_equal(counts(&here).refused, 3);
	arena_free(&arena);
	rpc_client_close(conn);
}

/* Who only gives cannot make us keep more than the limit, nor anything that we do not audit. */
static void
floods_are_bounded(void **state)
{
	Immudb__Schema__ExchangeStatesRequest in = IMMUDB__SCHEMA__EXCHANGE_STATES_REQUEST__INIT;
	struct peer_state states[PEER_GIVEN_MAX];
	struct rpc_client_conn *conn;
	struct arena arena;

	(void)state;
	know(&here, "defaultdb", 10);
	start(&here, WAIT_MS, 0, 0);
	conn = connect_to(&here);
	in.serverid = (char *)(uintptr_t)SERVER_ID;
	in.n_states = PEER_GIVEN_MAX;
	for (uint64_t round = 0; round < 50; round++) {
		arena_init(&arena, 1 << 20);
		for (size_t i = 0; i < PEER_GIVEN_MAX; i++)
			states[i] = state_of(i % 2 ? "defaultdb" : "unknown", 100 * round + i + 1);
		in.states = peer_message_write(&arena, states, PEER_GIVEN_MAX);
		assert_int_equal(call(conn, RPC_METHOD_ExchangeStates, &in.base), IM_OK);
		arena_free(&arena);
	}
	rpc_client_close(conn);
	peers_take_claims(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, PEERS_CLAIMS_OF_ONE);
	assert_string_equal(here.heard[0].database, "defaultdb");
}

/* Strangers who hold all connections cannot keep an auditor from being answered. */
static void
strangers_give_way(void **state)
{
	struct rpc_client_conn *strangers[PEERS_CONNECTIONS_MAX + 8];
	size_t n = sizeof strangers / sizeof *strangers;

	(void)state;
	know(&here, "defaultdb", 10);
	know(&there, "defaultdb", 11);
	start(&there, WAIT_MS, 0, 0);
	for (size_t i = 0; i < n; i++)
		strangers[i] = connect_to(&there);
	start(&here, WAIT_MS, peers_port(there.peers), 0);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 1);
	for (size_t i = 0; i < n; i++)
		rpc_client_close(strangers[i]);
}

/* A plain connection to the listener, on which that was sent. */
static int
throw_at(struct auditor *a, struct bytes what)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons(peers_port(a->peers)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_true(what.len == 0 || send(fd, what.data, what.len, MSG_NOSIGNAL) > 0);
	return fd;
}

/* Waits until the other end has closed, whatever it says before. */
static void
wait_closed(int fd)
{
	struct timeval patience = {.tv_sec = WAIT_MS / 1000};
	char data[1024];
	ssize_t n;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	do
		n = recv(fd, data, sizeof data, 0);
	while (n > 0);
	assert_true(n == 0 || errno == ECONNRESET);
	close(fd);
}

/* A good hello and then a frame with the header alone: so long, and of that kind. */
static void
put_greeted(struct buf *b, uint8_t kind, uint8_t flags, uint32_t len)
{
	struct frame_client_hello hello = {.version_low = FRAME_VERSION,
	    .version_high = FRAME_VERSION,
	    .max_message_bytes = UINT32_MAX,
	    .window = UINT32_MAX,
	    .name = bytes_str("stranger")};
	uint8_t head[FRAME_HEADER_BYTES];

	buf_init(b, 4096);
	assert_true(frame_put_client_hello(b, &hello));
	frame_put_header(head, kind, flags, 1, len);
	assert_true(buf_append(b, head, sizeof head));
}

/* Garbage, frames that are too long, connections that say nothing or stop in a hello. */
static void
strangers_do_no_harm(void **state)
{
	struct buf longest;
	int silent[PEERS_CONNECTIONS_MAX], garbage, too_long;

	(void)state;
	know(&here, "defaultdb", 10);
	know(&there, "defaultdb", 11);
	start(&there, WAIT_MS, 0, 0);
	put_greeted(&longest, FRAME_REQUEST, 0, FRAME_PAYLOAD_MAX_BEFORE_LOGIN + 1);
	for (size_t i = 0; i < PEERS_CONNECTIONS_MAX; i++)
		silent[i] = throw_at(&there, bytes_of(longest.data, i % 7));
	garbage = throw_at(&there, bytes_str("GET /metrics HTTP/1.1\r\n\r\n"));
	too_long = throw_at(&there, buf_bytes(&longest));
	wait_closed(garbage);
	wait_closed(too_long);
	start(&here, WAIT_MS, peers_port(there.peers), 0);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 1);
	for (size_t i = 0; i < PEERS_CONNECTIONS_MAX; i++)
		close(silent[i]);
	buf_free(&longest);
}

/* A body in pieces is for those who are logged in, and nobody is here. */
static void
large_requests_are_refused(void **state)
{
	Immudb__Schema__ExchangeStatesRequest in = IMMUDB__SCHEMA__EXCHANGE_STATES_REQUEST__INIT;
	struct rpc_client_conn *conn;
	char *id = calloc(1, FRAME_PAYLOAD_MAX);

	(void)state;
	assert_non_null(id);
	memset(id, 'x', FRAME_PAYLOAD_MAX - 1);
	start(&here, WAIT_MS, 0, 0);
	conn = connect_to(&here);
	in.serverid = id;
	assert_int_equal(call(conn, RPC_METHOD_ExchangeStates, &in.base), IM_ERR_NOT_LOGGED_IN);
	id[1000] = '\0';
	assert_int_equal(call(conn, RPC_METHOD_ExchangeStates, &in.base), IM_ERR_FORMAT);
	rpc_client_close(conn);
	free(id);
}

/* ---- Starting. ---- */

static void
bad_options(void **state)
{
	const char *peers[PEERS_MAX + 1] = {"10.0.0.1"};
	struct peers_options o = {
	    .each = each, .arg = &here, .listen = "127.0.0.1", .peers = peers};
	char taken[32];
	struct peers *p;

	(void)state;
	assert_int_equal(peers_start(&o, &p), IM_ERR_ARGUMENT);
	assert_null(p);
	o.listen = NULL;
	o.peers_len = 1;
	assert_int_equal(peers_start(&o, &p), IM_ERR_ARGUMENT);
	assert_non_null(strstr(err_detail(IM_ERR_ARGUMENT), "10.0.0.1"));
	o.peers_len = PEERS_MAX + 1;
	assert_int_equal(peers_start(&o, &p), IM_ERR_ARGUMENT);
	start(&there, WAIT_MS, 0, 0);
	snprintf(taken, sizeof taken, "127.0.0.1:%u", peers_port(there.peers));
	o.listen = taken;
	o.peers_len = 0;
	assert_int_equal(peers_start(&o, &p), IM_ERR_LOCKED);
	/* Neither side: there is nothing to do, and that is fine. */
	o.listen = "";
	assert_int_equal(peers_start(&o, &here.peers), IM_OK);
	assert_int_equal(peers_port(here.peers), 0);
	peers_ask(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	peers_take_claims(here.peers, SERVER_ID, &(struct peers_taker){.take = hear, .arg = &here});
	assert_int_equal(here.heard_len, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(both_learn),
	    TEST(one_server_at_a_time),
	    TEST(many_databases),
	    TEST(too_many_databases),
	    TEST(one_is_away),
	    TEST(said_once),
	    TEST(hostile_peers),
	    TEST(other_methods_are_refused),
	    TEST(malformed_requests),
	    TEST(floods_are_bounded),
	    TEST(strangers_give_way),
	    TEST(strangers_do_no_harm),
	    TEST(large_requests_are_refused),
	    TEST(bad_options),
	};

	log_set_level(LOG_LEVEL_ERROR);
	pthread_mutex_init(&here.lock, NULL);
	pthread_mutex_init(&there.lock, NULL);
	pthread_mutex_init(&third.lock, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
