/*
 * Announced restores, in whole rounds against a server in memory: one notice makes a finding
 * milder, and every other one leaves it as it is.
 */
#include "announced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <unistd.h>

#include <cmocka.h>

#include "client/immu_proof.h"
#include "libproto/client/fake_keys.h"
#include "libproto/client/fake_wire.h"
#include "temp_dir.h"
#include "util/clock.h"
#include "util/file.h"
#include "whole_round.h"

#define SERVER "c9b1p4a5gk3s0h9o1q20"
#define WIRE_ARENA_MAX (256u << 20)
#define COMMON 15u
#define TRUSTED 60u
#define NOTICES_MAX (ANNOUNCED_NOTICES_MAX + 1)

/* Of a key that no auditor has. */
static const char foreign_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEINa2+Rn5ypqHA0woBeeIzIi2kwJ95XPgB/0vP7qwmEImoAoGCCqGSM49\n"
    "AwEHoUQDQgAEKnn3D/di1R0080E2EWvAwsit/rni1yVoq6E7aLcbXQdAaof1L6wO\n"
    "AWGEBOi3UApGrQ2dW7gZAYVWR/Ri/4fqJA==\n"
    "-----END EC PRIVATE KEY-----\n";

/* What the server says of restores, with all that the message points to. */
static struct announcing {
	size_t len;
	Immudb__Schema__RestoreNotices list;
	Immudb__Schema__RestoreNotice *pointers[NOTICES_MAX], items[NOTICES_MAX];
	Immudb__Schema__Signature signatures[NOTICES_MAX];
	struct restore_notice notices[NOTICES_MAX];
	uint8_t der[NOTICES_MAX][SIGN_DER_MAX];
	unsigned int asked;
	uint64_t asked_tx;
} said;

struct fixture {
	struct fake_db db, restored;
	struct report report;
	struct audit_options options;
	const char *keys[1];
	char dir[TEMP_DIR_MAX], key[TEMP_DIR_MAX + 16];
	struct restore_notice right;
};

/* Every transaction that is asked for without values, and the notices. */
static const ProtobufCMessage *
answer(const struct rpc_call *call, enum im_err *err)
{
	if (call->method == RPC_METHOD_RestoreNotices) {
		said.asked++;
		said.asked_tx = ((const Immudb__Schema__RestoreNoticesRequest *)call->request)->tx;
		if (said.len == 0)
			*err = IM_ERR_UNIMPLEMENTED;
		return said.len ? &said.list.base : NULL;
	}
	if (call->method != RPC_METHOD_DatabaseListV2)
		return NULL;
	return whole_round_list(FAKE_NAME);
}

/* One more notice, signed by the key unless that is NULL. */
static Immudb__Schema__RestoreNotice *
say(const struct restore_notice *notice, const struct sign_private_key *key)
{
	size_t i = said.len++, len;
	Immudb__Schema__RestoreNotice *m = said.pointers[i] = &said.items[i];

	said.notices[i] = *notice;
	notice = &said.notices[i];
	immudb__schema__restore_notice__init(m);
	m->serverid = (char *)(uintptr_t)notice->server_id.data;
	m->database = (char *)(uintptr_t)notice->database.data;
	m->actor = (char *)(uintptr_t)notice->actor.data;
	m->fromtx = notice->from.id;
	if (m->fromtx > 0)
		m->fromhash = fake_bytes(&wire.arena, hash_bytes(&notice->from.alh));
	m->totx = notice->to.id;
	m->tohash = fake_bytes(&wire.arena, hash_bytes(&notice->to.alh));
	m->at = notice->at_ms;
	if (key) {
		assert_int_equal(restore_notice_sign(key, notice, said.der[i], &len), IM_OK);
		immudb__schema__signature__init(&said.signatures[i]);
		said.signatures[i].signature = (ProtobufCBinaryData){len, said.der[i]};
		m->signature = &said.signatures[i];
	}
	immudb__schema__restore_notices__init(&said.list);
	said.list.notices = said.pointers;
	said.list.n_notices = said.len;
	return m;
}

static void
say_nothing(void)
{
	said.len = 0;
}

static const struct report_database *
run_round(struct fixture *f)
{
	return whole_round_run(&f->options, FAKE_NAME);
}

static void
grow(struct fake_db *db, const char *key, uint64_t to)
{
	while (db->last < to)
		fake_db_set(db, key, "value");
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	memset(&said, 0, sizeof said);
	temp_dir_make(f->dir);
	snprintf(f->key, sizeof f->key, "%s/key.pem", f->dir);
	assert_int_equal(file_replace(f->key, bytes_str(fake_public_pem)), IM_OK);
	f->keys[0] = f->key;
	fake_db_init(&f->db);
	fake_db_init(&f->restored);
	assert_int_equal(
	    sign_private_key_load(bytes_str(fake_private_pem), "test", &f->db.key), IM_OK);
	f->restored.key = f->db.key;
	wire = (struct wire){.db = &f->db, .server_id = SERVER, .automatic = true, .hook = answer};
	arena_init(&wire.arena, WIRE_ARENA_MAX);
	assert_int_equal(report_init(&f->report, "db:3322", 60), IM_OK);
	f->options = (struct audit_options){.address = "db",
	    .port = 3322,
	    .username = "u",
	    .password = "p",
	    .state_dir = f->dir,
	    .pub_key_files = f->keys,
	    .pub_key_files_len = 1,
	    .report = &f->report};
	grow(&f->db, "a", COMMON);
	grow(&f->restored, "a", COMMON);
	grow(&f->db, "a", TRUSTED);
	f->right = (struct restore_notice){.server_id = bytes_str(SERVER),
	    .database = bytes_str(FAKE_NAME),
	    .from = fake_db_point(&f->db, TRUSTED),
	    .to = fake_db_point(&f->restored, COMMON),
	    .at_ms = clock_wall_s() * 1000,
	    .actor = bytes_str("alice\n")};
	assert_int_equal(run_round(f)->verdict, AUDIT_FIRST_SEEN);
	assert_int_equal(said.asked, 0);
	wire.db = &f->restored;
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	report_free(&f->report);
	sign_private_key_free(f->db.key);
	arena_free(&wire.arena);
	fake_db_free(&f->restored);
	fake_db_free(&f->db);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

/* The alarm's evidence holds, and says of the restore what it should. */
static void
check_evidence(struct fixture *f, const struct report_database *d, bool has_notice)
{
	struct immu_proof_options o = {.pub_key_file = f->key};
	struct immu_proof_report *r;
	enum im_err err = immu_proof_check_file(d->evidence, &o, &r);

	if (err)
		fail_msg("%s: %s", d->evidence, r ? r->error_text : "not there");
	assert_string_equal(r->evidence->verdict, audit_verdict_info(d->verdict)->word);
	assert_int_equal(*r->evidence->restore != '\0', has_notice);
	immu_proof_report_free(r);
}

static enum im_err
end_alarm(void *arg, struct audit_record *record)
{
	return audit_record_acknowledge(record, arg);
}

/* The operator has seen to it: the alarm is acknowledged, and the next state will be trusted. */
static void
acknowledge(struct fixture *f)
{
	struct trust_name name = {f->dir, SERVER, FAKE_NAME};
	struct audit_record_name record = {f->dir, SERVER, FAKE_NAME};
	struct audit_record_ack ack = {.at = clock_wall_s(), .who = "me", .reason = "restored"};
	struct buf path;

	assert_int_equal(audit_record_update(&record, end_alarm, &ack), IM_OK);
	buf_init(&path, 4096);
	assert_int_equal(trust_file_state_path(&name, &path), IM_OK);
	assert_int_equal(unlink((const char *)path.data), 0);
	buf_free(&path);
}

static void
a_notice_is_believed(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	say(&f->right, f->db.key);
	d = run_round(f);
	assert_int_equal(said.asked_tx, TRUSTED);
	assert_int_equal(d->verdict, AUDIT_ROLLED_BACK_ANNOUNCED);
	assert_int_equal(audit_verdict_info(d->verdict)->metric, 0);
	assert_int_equal(d->suspect_from, COMMON + 1);
	assert_int_equal(d->suspect_to, TRUSTED);
	/* Whoever it was cannot write lines of the log. */
	assert_non_null(strstr(d->reason, "has announced that alice\\n restored"));
	check_evidence(f, d, true);
	/* Nothing is trusted by it: the alarm goes on, also over what is added. */
	grow(&f->restored, "b", COMMON + 5);
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_ROLLED_BACK_ANNOUNCED);
	assert_int_equal(d->latest, AUDIT_ROLLED_BACK_ANNOUNCED);
	/* Past what was there before, it would be a fork. */
	grow(&f->restored, "b", TRUSTED + 5);
	assert_int_equal(run_round(f)->latest, AUDIT_ROLLED_BACK_ANNOUNCED);
	say_nothing();
	d = run_round(f);
	assert_int_equal(d->latest, AUDIT_FORKED);
}

/*
 * A history that has grown past what was trusted: the evidence has to show that it is another one.
 */
static void
grown_past_what_was(void **state)
{
	struct fixture *f = *state;
	const struct report_database *d;

	say(&f->right, f->db.key);
	grow(&f->restored, "b", TRUSTED + 5);
	d = run_round(f);
	assert_int_equal(d->verdict, AUDIT_ROLLED_BACK_ANNOUNCED);
	check_evidence(f, d, true);
}

/* What was there before is not always known. */
static void
an_unknown_past(void **state)
{
	struct fixture *f = *state;

	f->right.from = (struct tx_point){0};
	say(&f->right, f->db.key);
	assert_int_equal(run_round(f)->verdict, AUDIT_ROLLED_BACK_ANNOUNCED);
}

/* One that is as it should be, behind others. */
static void
the_right_one_is_found(void **state)
{
	struct fixture *f = *state;
	struct restore_notice other = f->right;

	other.database = bytes_str("other");
	for (size_t i = 0; i + 1 < ANNOUNCED_NOTICES_MAX; i++)
		say(&other, f->db.key);
	say(&f->right, f->db.key);
	assert_int_equal(run_round(f)->verdict, AUDIT_ROLLED_BACK_ANNOUNCED);
}

/* A round leaves the verdict as it is and says why. */
static void
check_refused(struct fixture *f, const char *why)
{
	struct audit_record_name record = {f->dir, SERVER, FAKE_NAME};
	struct audit_record_ack ack = {.at = clock_wall_s(), .who = "me", .reason = "a test"};
	const struct report_database *d;

	/* An alarm that goes on keeps its reason. */
	(void)audit_record_update(&record, end_alarm, &ack);
	d = run_round(f);
	assert_int_equal(d->latest, AUDIT_ROLLED_BACK);
	if (!strstr(d->reason, why))
		fail_msg("%s: not in: %s", why, d->reason);
	say_nothing();
}

static void
others_are_not_believed(void **state)
{
	struct fixture *f = *state;
	struct restore_notice n = f->right;
	struct fake_db foreign;

	/* The first of them has evidence that holds, and shows what was said. */
	n.server_id = bytes_str("c9b1p4a5gk3s0h9o1q2g");
	say(&n, f->db.key);
	check_refused(f, "which does not count: it is of another server or database");
	check_evidence(f, report_database(&f->report, FAKE_NAME), true);
	n = f->right;
	n.database = bytes_str("other");
	say(&n, f->db.key);
	check_refused(f, "another server or database");
	say(&f->right, NULL);
	check_refused(f, "not signed by a configured public key");
	say(&f->right, f->db.key)->at++;
	check_refused(f, "not signed by a configured public key");
	fake_db_init(&foreign);
	assert_int_equal(
	    sign_private_key_load(bytes_str(foreign_pem), "test", &foreign.key), IM_OK);
	say(&f->right, foreign.key);
	check_refused(f, "not signed by a configured public key");
	sign_private_key_free(foreign.key);
	fake_db_free(&foreign);
	/* An earlier restore: what was trusted came later. */
	n = f->right;
	n.from = fake_db_point(&f->db, TRUSTED - 1);
	say(&n, f->db.key);
	check_refused(f, "it is about other transactions");
	n = f->right;
	n.from.alh.b[0] ^= 1;
	say(&n, f->db.key);
	check_refused(f, "it is about other transactions");
	n = f->right;
	n.to = fake_db_point(&f->db, COMMON + 1);
	say(&n, f->db.key);
	check_refused(f, "not what was restored");
	n = f->right;
	n.to.alh.b[0] ^= 1;
	say(&n, f->db.key);
	check_refused(f, "not what was restored");
	n = f->right;
	n.at_ms -= (ANNOUNCED_SKEW_S + 60) * INT64_C(1000);
	say(&n, f->db.key);
	check_refused(f, "before the transactions that are gone");
	/* What is no notice at all, and one too many. */
	say(&f->right, f->db.key)->tohash.len--;
	assert_int_equal(run_round(f)->latest, AUDIT_ROLLED_BACK);
	say_nothing();
	n = f->right;
	n.database = bytes_str("other");
	for (size_t i = 0; i < ANNOUNCED_NOTICES_MAX; i++)
		say(&n, f->db.key);
	say(&f->right, f->db.key);
	check_refused(f, "another server or database");
	assert_int_equal(run_round(f)->latest, AUDIT_ROLLED_BACK);
}

/* Who answers could have written it; with a key it counts. */
static void
nothing_counts_without_a_key(void **state)
{
	struct fixture *f = *state;

	f->options.pub_key_files_len = 0;
	say(&f->right, f->db.key);
	check_refused(f, "no public key is configured");
	f->options.pub_key_files_len = 1;
	say(&f->right, f->db.key);
	assert_int_equal(run_round(f)->latest, AUDIT_ROLLED_BACK_ANNOUNCED);
}

/*
 * After an acknowledgement the next round goes on, and the old notice is good for nothing any more.
 */
static void
a_notice_is_good_once(void **state)
{
	struct fixture *f = *state;
	struct fake_db again;

	f->right.from = (struct tx_point){0};
	f->right.at_ms += 60000; /* by a clock that is ahead of ours */
	say(&f->right, f->db.key);
	assert_int_equal(run_round(f)->verdict, AUDIT_ROLLED_BACK_ANNOUNCED);
	acknowledge(f);
	grow(&f->restored, "b", COMMON + 10);
	assert_int_equal(run_round(f)->verdict, AUDIT_FIRST_SEEN);
	grow(&f->restored, "b", COMMON + 20);
	assert_int_equal(run_round(f)->verdict, AUDIT_OK);
	fake_db_init(&again);
	again.key = f->db.key;
	grow(&again, "a", COMMON);
	wire.db = &again;
	check_refused(f, "it has explained another restore already");
	/* The same restore announced anew is another notice. */
	f->right.at_ms++;
	say(&f->right, f->db.key);
	assert_int_equal(run_round(f)->latest, AUDIT_ROLLED_BACK_ANNOUNCED);
	fake_db_free(&again);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_notice_is_believed),
	    T(grown_past_what_was),
	    T(an_unknown_past),
	    T(the_right_one_is_found),
	    T(others_are_not_believed),
	    T(nothing_counts_without_a_key),
	    T(a_notice_is_good_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
