/*
 * The clients of the crash test: content of a transaction by number, the writer, the checker.
 *
 * Neighbours: client_crash_test.c runs them against a server that it kills; they see the server
 * through client/immu.h only, and the folder of a stopped one through store/store.h.
 */
#include "client_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/immu.h"
#include "fault_vfs.h"
#include "store/store.h"

#define USER "immudb"
#define PASSWORD "immudb"
#define ENTRIES_MAX 4u
#define KEY_SIZE 12
#define VALUE_MAX 6000u
#define VALUE_HEAD 12u
#define IN_FLIGHT 24u
#define VERIFIED_EVERY 8u
#define CONNECT_DEADLINE_S 60
#define CONNECT_PAUSE_NS 3000000
/* Acknowledged transactions that each check reads again, of those before from_tx. */
#define REREAD 20u
#define ARENA_MAX (8u << 20)

/* ---- Content ---- */

struct content {
	char key[KEY_SIZE];
	uint8_t value[VALUE_MAX + 8];
	size_t value_len;
};

static unsigned
content_count(uint64_t number)
{
	return 1 + (unsigned)(number % ENTRIES_MAX);
}

static void
content_make(uint64_t number, unsigned e, struct content *c)
{
	uint64_t random = number * ENTRIES_MAX + e, r = fault_random(&random);

	snprintf(c->key, sizeof c->key, "c-%03u-%u", (unsigned)(number % 53), e);
	c->value_len = VALUE_HEAD + (r % 16 == 0 ? r / 16 % 5900 : r / 16 % 300);
	be64_put(c->value, number);
	be32_put(c->value + 8, e);
	for (size_t at = VALUE_HEAD; at < c->value_len; at += 8) {
		r = fault_random(&random);
		memcpy(c->value + at, &r, sizeof r);
	}
}

/* ---- Connecting ---- */

static void
pause_briefly(void)
{
	nanosleep(&(struct timespec){.tv_nsec = CONNECT_PAUSE_NS}, NULL);
}

/* A server that starts is not there at first. */
static enum im_err
connect_and_login(const struct client_side *c, struct immu **out)
{
	struct immu_options options = {
	    .unix_path = c->socket, .state_dir = c->state_dir, .max_in_flight = IN_FLIGHT};
	time_t deadline = time(NULL) + CONNECT_DEADLINE_S;
	enum im_err err;

	do {
		err = immu_connect(&options, out);
		if (err == IM_OK) {
			err = immu_login(*out, USER, PASSWORD, NULL);
			if (err == IM_OK)
				return IM_OK;
			immu_close(*out);
		}
		pause_briefly();
	} while (
	    (err == IM_ERR_UNREACHABLE || err == IM_ERR_CONNECTION_LOST) && time(NULL) < deadline);
	return err;
}

static bool
is_server_gone(enum im_err err)
{
	return err == IM_ERR_CONNECTION_LOST || err == IM_ERR_UNREACHABLE ||
	    err == IM_ERR_CANCELLED;
}

/* ---- Writing ---- */

/* One write under way. */
struct flight {
	struct workload_record *record;
	uint64_t number;
	enum im_err *err; /* of the writer: the first that failed */
};

static void
note_answer(const struct flight *f, const struct immu_result *result)
{
	uint64_t tx = result->header.id;

	if (result->err != IM_OK) {
		if (*f->err == IM_OK) {
			*f->err = result->err;
			if (!is_server_gone(result->err))
				fprintf(stderr, "write %llu: %s\n", (unsigned long long)f->number,
				    result->error_text);
		}
		return;
	}
	if (tx == 0 || tx > WORKLOAD_TXS_MAX) {
		*f->err = IM_ERR_LIMIT;
		return;
	}
	f->record->acks[tx].number = f->number;
	memcpy(f->record->acks[tx].alh.b, result->header.alh, HASH_SIZE);
	if (tx > f->record->acked_tx)
		f->record->acked_tx = tx;
}

static void
flight_done(void *arg, const struct immu_result *result)
{
	note_answer(arg, result);
	free(arg);
}

static enum im_err
submit(struct immu *conn, const struct client_side *c, enum im_err *first)
{
	static struct content contents[ENTRIES_MAX];
	uint64_t number = c->record->submitted + 1;
	struct immu_kv kvs[ENTRIES_MAX] = {0};
	struct immu_request request = {.op = IMMU_OP_SET,
	    .kvs = kvs,
	    .kvs_len = content_count(number),
	    .verified = number % VERIFIED_EVERY == 0};
	struct flight *f = malloc(sizeof *f);
	enum im_err err;

	if (!f)
		return IM_ERR_NOMEM;
	*f = (struct flight){c->record, number, first};
	for (unsigned e = 0; e < request.kvs_len; e++) {
		content_make(number, e, &contents[e]);
		kvs[e].key = immu_str(contents[e].key);
		kvs[e].value = (struct immu_bytes){contents[e].value, contents[e].value_len};
	}
	c->record->submitted = number;
	err = immu_submit(conn, &request, flight_done, f);
	while (err == IM_ERR_WOULD_BLOCK) {
		immu_poll(conn, -1);
		err = immu_submit(conn, &request, flight_done, f);
	}
	if (err != IM_OK)
		free(f);
	return err;
}

enum workload_exit
client_write(const struct client_side *c)
{
	enum im_err first = IM_OK, err;
	struct immu *conn;

	err = connect_and_login(c, &conn);
	if (err != IM_OK)
		return is_server_gone(err) ? WORKLOAD_REFUSED : WORKLOAD_WRONG;
	atomic_store(c->ready, true);
	while (err == IM_OK && first == IM_OK && c->record->submitted < WORKLOAD_TXS_MAX)
		err = submit(conn, c, &first);
	immu_wait(conn);
	immu_close(conn);
	if (err == IM_OK)
		err = first;
	if (is_server_gone(err))
		return WORKLOAD_OK;
	fprintf(stderr, "writing ended with %s\n", immu_error_name(err));
	return WORKLOAD_WRONG;
}

/* ---- Checking through the server ---- */

struct checker {
	const struct client_side *side;
	struct immu *conn;
	uint64_t last_number;
};

static bool
wrong(uint64_t tx, const char *what, enum im_err err)
{
	fprintf(stderr, "tx %llu: %s: %s\n", (unsigned long long)tx, what,
	    err == IM_OK ? "not as written" : immu_error_text(err));
	return false;
}

/* Which transaction of the work tx is, told by its first value. 0 when that cannot be read. */
static uint64_t
number_of(struct checker *k, uint64_t tx, const struct immu_tx_entry *first)
{
	struct immu_bytes key = {(const uint8_t *)first->raw_key.data + 1, first->raw_key.len - 1};
	struct immu_result *result;
	uint64_t number = 0;

	if (immu_verified_get(k->conn, key, &(struct immu_version){.at_tx = tx}, &result) != IM_OK)
		return 0;
	if (result->entries_len == 1 && result->entries[0].value.len >= VALUE_HEAD)
		number = be64_get(result->entries[0].value.data);
	immu_result_free(result);
	return number;
}

static bool
is_content(const struct immu_result *result, uint64_t number)
{
	static struct content c;

	if (result->tx_entries_len != content_count(number))
		return false;
	for (unsigned e = 0; e < result->tx_entries_len; e++) {
		const struct immu_tx_entry *entry = &result->tx_entries[e];
		const uint8_t zero = 0;
		struct bytes parts[2] = {bytes_of(&zero, 1)};
		struct hash hval;

		content_make(number, e, &c);
		parts[1] = bytes_of(c.value, c.value_len);
		hash_parts(parts, 2, &hval);
		if (memcmp(hval.b, entry->value_hash, HASH_SIZE) != 0 ||
		    entry->raw_key.len != strlen(c.key) + 1 ||
		    memcmp((const uint8_t *)entry->raw_key.data + 1, c.key, strlen(c.key)) != 0)
			return false;
	}
	return true;
}

/* Compares a transaction with the record; one that was not acknowledged goes into it. */
static bool
check_answer(struct checker *k, uint64_t tx, const struct immu_result *result)
{
	struct workload_record *r = k->side->record;
	struct workload_ack *ack = &r->acks[tx];
	bool known = tx <= r->acked_tx && ack->number > 0;
	uint64_t number;

	if (result->tx_entries_len == 0 || result->tx_entries[0].raw_key.len < 2)
		return wrong(tx, "entries", IM_OK);
	number = known ? ack->number : number_of(k, tx, &result->tx_entries[0]);
	if (number <= k->last_number || number > r->submitted)
		return wrong(tx, "order", IM_OK);
	if (!is_content(result, number))
		return wrong(tx, "content", IM_OK);
	if (known && memcmp(ack->alh.b, result->header.alh, HASH_SIZE) != 0)
		return wrong(tx, "hash", IM_OK);
	ack->number = number;
	memcpy(ack->alh.b, result->header.alh, HASH_SIZE);
	k->last_number = number;
	return true;
}

static bool
check_tx(struct checker *k, uint64_t tx)
{
	struct immu_result *result;
	enum im_err err = immu_verified_tx(k->conn, tx, &result);
	bool right;

	if (err != IM_OK)
		return wrong(tx, "reading", err);
	right = check_answer(k, tx, result);
	immu_result_free(result);
	return right;
}

static bool
check_state(struct checker *k, uint64_t *tx)
{
	struct immu_result *result;
	enum im_err err = immu_verified_state(k->conn, &result);

	if (err != IM_OK)
		return wrong(0, "state", err);
	*tx = result->state.tx;
	immu_result_free(result);
	if (*tx < k->side->record->acked_tx)
		return wrong(*tx, "the database ends here, more was acknowledged", IM_OK);
	return true;
}

static bool
check_all(struct checker *k, uint64_t from_tx)
{
	struct workload_record *r = k->side->record;
	uint64_t last = 0, back = from_tx > REREAD ? from_tx - REREAD : 1;
	bool right = check_state(k, &last);

	if (last > WORKLOAD_TXS_MAX)
		return wrong(last, "more than was written", IM_OK);
	k->last_number = back > 1 ? r->acks[back - 1].number : 0;
	for (uint64_t tx = back; right && tx <= last; tx++)
		right = check_tx(k, tx);
	if (right)
		r->acked_tx = last;
	return right;
}

enum workload_exit
client_check(const struct client_side *c, uint64_t from_tx)
{
	struct checker k = {.side = c};
	enum im_err err = connect_and_login(c, &k.conn);
	bool right;

	if (err != IM_OK) {
		wrong(0, "login", err);
		return WORKLOAD_WRONG;
	}
	right = check_all(&k, from_tx);
	err = immu_close(k.conn);
	if (err != IM_OK)
		right = wrong(0, "trusted state", err);
	return right ? WORKLOAD_OK : WORKLOAD_WRONG;
}

/* ---- Checking the folder ---- */

static int
report_fault(void *ctx, const struct store_fault *fault)
{
	(void)ctx;
	fprintf(stderr, "store_check: tx %llu: %s\n", (unsigned long long)fault->tx, fault->what);
	return 0;
}

static bool
prove_from(struct store *s, const struct workload_record *r, uint64_t tx)
{
	struct tx_point then = {tx, r->acks[tx].alh};
	struct tx_point now = {r->acked_tx, r->acks[r->acked_tx].alh};
	struct dual_proof proof;
	struct arena arena;
	enum im_err err;

	arena_init(&arena, ARENA_MAX);
	err = store_dual_proof(s, (struct store_span){then.id, now.id}, 0, &arena, &proof);
	if (err == IM_OK)
		err = proof_check_dual(&proof, &then, &now);
	arena_free(&arena);
	return err == IM_OK || wrong(tx, "proof to the present state", err);
}

enum workload_exit
client_check_folder(const struct client_side *c, const char *dir)
{
	struct store_options options = {.dir = dir, .name = "defaultdb", .header_version = 1};
	struct store_check check = {.from_tx = 1, .fault = report_fault};
	struct store_state state = {0};
	struct store *s;
	enum im_err err = store_open(&options, &s);
	bool right = err == IM_OK;

	if (!right) {
		wrong(0, "opening the folder", err);
		return WORKLOAD_WRONG;
	}
	store_state(s, &state);
	err = store_check(s, &check);
	if (err != IM_OK || check.faults > 0 || state.tx < c->record->acked_tx)
		right = wrong(state.tx, "the folder", err);
	for (uint64_t tx = 1; right && tx <= c->record->acked_tx; tx++)
		right = prove_from(s, c->record, tx);
	store_close(s);
	return right ? WORKLOAD_OK : WORKLOAD_WRONG;
}
