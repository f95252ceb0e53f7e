/*
 * Restores are announced: signed and journalled once, live and at the next start; given to who asks
 * for a transaction that they may have taken back, and to nobody else.
 */
#include "server/restores.h"

#include "server_harness.h"

#define JOURNAL_ROWS_MAX 100

static struct restores_new
example(void)
{
	struct restores_new new = {.database = "defaultdb",
	    .from = {.id = 100},
	    .to = {.id = 60},
	    .actor = "(local) root"};

	memset(new.from.alh.b, 0xaa, HASH_SIZE);
	memset(new.to.alh.b, 0x55, HASH_SIZE);
	return new;
}

static M(RestoreNotices) * notices(struct fixture *f, uint64_t tx)
{
	M(RestoreNoticesRequest) in = IMMUDB__SCHEMA__RESTORE_NOTICES_REQUEST__INIT;
	M(RestoreNotices) *out = NULL;

	in.tx = tx;
	assert_int_equal(ask(f, RPC_METHOD_RestoreNotices, &in.base, &out), IM_OK);
	return out;
}

/* The notice as its message has it. */
static struct restore_notice
notice_of(const M(RestoreNotice) * m)
{
	struct restore_notice n = {.server_id = bytes_str(m->serverid),
	    .database = bytes_str(m->database),
	    .from.id = m->fromtx,
	    .to.id = m->totx,
	    .at_ms = m->at,
	    .actor = bytes_str(m->actor)};

	if (m->fromtx > 0) {
		assert_int_equal(m->fromhash.len, HASH_SIZE);
		memcpy(n.from.alh.b, m->fromhash.data, HASH_SIZE);
	}
	assert_int_equal(m->tohash.len, HASH_SIZE);
	memcpy(n.to.alh.b, m->tohash.data, HASH_SIZE);
	return n;
}

static enum im_err
check_signed(const M(RestoreNotice) * m)
{
	struct restore_notice n = notice_of(m);
	struct sign_public_key *key = NULL;
	enum im_err err;

	assert_non_null(m->signature);
	assert_int_equal(
	    sign_public_key_of_point(message_bytes(m->signature->publickey), &key), IM_OK);
	err = restore_notice_check(key, &n, message_bytes(m->signature->signature));
	sign_public_key_free(key);
	return err;
}

/* Rows of the journal that tell of restores; the last one's value. */
static size_t
journalled(struct fixture *f, char *last, size_t size)
{
	M(ScanRequest) in = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	M(Entries) *out = NULL;
	size_t n = 0;

	assert_int_equal(journal_flush(f->server->journal), IM_OK);
	assert_int_equal(use(f, DATABASE_SYSTEM), IM_OK);
	in.prefix = message_data(bytes_str(JOURNAL_KEY_PREFIX));
	in.limit = JOURNAL_ROWS_MAX;
	assert_int_equal(ask(f, RPC_METHOD_Scan, &in.base, &out), IM_OK);
	for (size_t i = 0; i < out->n_entries; i++) {
		struct bytes value = message_bytes(out->entries[i]->value);

		if (!memmem(value.data, value.len, JOURNAL_RESTORE, strlen(JOURNAL_RESTORE)))
			continue;
		snprintf(last, size, "%.*s", (int)value.len, (const char *)value.data);
		n++;
	}
	assert_int_equal(use(f, "defaultdb"), IM_OK);
	return n;
}

/* As a restore does that the server makes itself. */
static enum im_err
announce(struct server *s, const struct restores_new *new)
{
	enum im_err err = restores_leave(s->meta, new);

	return err == IM_OK ? restores_take(s) : err;
}

static void
live_restores(void **state)
{
	struct fixture *f = *state;
	struct restores_new new = example();
	char row[META_JOURNAL_ENTRY_MAX];
	M(RestoreNotices) * out;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(notices(f, 0)->n_notices, 0);
	new.actor = "alice";
	assert_int_equal(announce(f->server, &new), IM_OK);
	out = notices(f, 80);
	assert_int_equal(out->n_notices, 1);
	assert_int_equal(check_signed(out->notices[0]), IM_OK);
	assert_string_equal(out->notices[0]->serverid, f->server->identity);
	assert_string_equal(out->notices[0]->actor, "alice");
	out->notices[0]->totx++;
	assert_int_equal(check_signed(out->notices[0]), IM_ERR_SIGNATURE);
	assert_int_equal(journalled(f, row, sizeof row), 1);
	assert_non_null(strstr(row, "\"actor\":\"alice\""));
	assert_non_null(strstr(row, "\"database\":\"defaultdb\""));
	assert_non_null(strstr(row, "from tx 100 aaaa"));
	assert_non_null(strstr(row, "5555 at 2"));
	assert_non_null(strstr(row, ", signature 30"));
	/* Nothing was cut off. */
	assert_string_equal(row + strlen(row) - 2, "\"}");
	/* Nothing was taken back; no such database. */
	new.to = new.from;
	assert_int_equal(announce(f->server, &new), IM_OK);
	assert_int_equal(notices(f, 0)->n_notices, 1);
	new = example();
	new.database = "nodb";
	assert_int_equal(announce(f->server, &new), IM_ERR_DATABASE_NOT_FOUND);
	assert_int_equal(journalled(f, row, sizeof row), 1);
}

static void
who_asks_for_what(void **state)
{
	struct fixture *f = *state;
	struct restores_new new = example();
	M(RestoreNotices) * out;

	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	assert_int_equal(announce(f->server, &new), IM_OK);
	assert_int_equal(notices(f, 60)->n_notices, 0);
	assert_int_equal(notices(f, 61)->n_notices, 1);
	assert_int_equal(notices(f, 100)->n_notices, 1);
	assert_int_equal(notices(f, 101)->n_notices, 0);
	assert_int_equal(notices(f, UINT64_MAX)->n_notices, 0);
	new.from = (struct tx_point){0};
	assert_int_equal(announce(f->server, &new), IM_OK);
	out = notices(f, UINT64_MAX);
	assert_int_equal(out->n_notices, 1);
	assert_int_equal(out->notices[0]->fromtx, 0);
	assert_int_equal(out->notices[0]->fromhash.len, 0);
	assert_int_equal(check_signed(out->notices[0]), IM_OK);
	/* The newest ones, as many as fit. */
	for (size_t i = 0; i < RESTORES_ANSWER_MAX; i++) {
		new.to.id = 61 + i;
		assert_int_equal(announce(f->server, &new), IM_OK);
	}
	out = notices(f, 0);
	assert_int_equal(out->n_notices, RESTORES_ANSWER_MAX);
	assert_int_equal(out->notices[0]->totx, 60 + RESTORES_ANSWER_MAX);
	/* Another database's are not for who reads this one; and nobody reads without a login. */
	assert_int_equal(use(f, DATABASE_SYSTEM), IM_OK);
	assert_int_equal(notices(f, 0)->n_notices, 0);
	f->session[0] = '\0';
	assert_int_equal(ask(f, RPC_METHOD_RestoreNotices, NULL, NULL), IM_ERR_NOT_LOGGED_IN);
}

/* Writes a restore into the folder as the command does. */
static void
leave(const struct fixture *f, const struct restores_new *new)
{
	struct meta *m = NULL;

	assert_int_equal(meta_open(f->data, &m), IM_OK);
	assert_int_equal(restores_leave(m, new), IM_OK);
	meta_close(m);
}

static void
cold_restores(void **state)
{
	struct fixture *f = *state;
	struct server_options options = options_of(f);
	struct restores_new new = example();
	char row[META_JOURNAL_ENTRY_MAX];
	M(RestoreNotices) * out;
	int64_t at;

	stop(f);
	leave(f, &new);
	leave(f, &new);
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	out = notices(f, 0);
	assert_int_equal(out->n_notices, 1);
	assert_int_equal(check_signed(out->notices[0]), IM_OK);
	at = out->notices[0]->at;
	assert_int_equal(journalled(f, row, sizeof row), 1);
	assert_non_null(strstr(row, "\"actor\":\"(local) root\""));
	stop(f);
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	out = notices(f, 0);
	assert_int_equal(out->n_notices, 1);
	assert_true(out->notices[0]->at == at);
	assert_int_equal(journalled(f, row, sizeof row), 1);
	/* Without a key it says so, and is as good as it can be. */
	stop(f);
	new.from.id++;
	leave(f, &new);
	options.signing_key = "";
	start(f, &options);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	out = notices(f, 0);
	assert_int_equal(out->n_notices, 2);
	assert_null(out->notices[0]->signature);
	assert_int_equal(check_signed(out->notices[1]), IM_OK);
	assert_int_equal(journalled(f, row, sizeof row), 2);
	assert_non_null(strstr(row, "not signed"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(live_restores, fixture_started, fixture_remove),
	    cmocka_unit_test_setup_teardown(who_asks_for_what, fixture_started, fixture_remove),
	    cmocka_unit_test_setup_teardown(cold_restores, fixture_started, fixture_remove),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
