/*
 * What the reading methods refuse, over a loopback connection: every rule in one table, with its
 * text and status. What they answer is in the tests of the single methods; the rules of writing are
 * in write_methods_test.c and exec_methods_test.c.
 */
#include "server_harness.h"

#include <math.h>

#include "engine_writes.h"

#define INVALID IM_STATUS_INVALID_ARGUMENT
#define MISSING IM_STATUS_NOT_FOUND
#define EXHAUSTED IM_STATUS_RESOURCE_EXHAUSTED

/* One byte more than a user's key may have. */
static char long_key[USER_KEY_MAX + 2];

/* The fields that a request is made of: those that its message has. */
struct rule {
	const char *what;
	uint16_t method;
	const char *key; /* key, set or prefix */
	uint64_t tx;     /* atTx, tx or initialTx */
	uint64_t since;  /* sinceTx, or of verifiable requests proveSinceTx */
	int64_t number;  /* atRevision or limit */
	enum im_err err;
	enum im_status status;
	const char *text;
};

#define SINCE "illegal arguments: sinceTx is newer than the newest transaction"
#define LIMIT \
	"result size limit exceeded: the specified limit (2501) is larger than the maximum " \
	"allowed one (2500)"
#define LENGTH "max key length exceeded"
#define RESOLUTION "max key resolution limit reached. It may be due to cyclic references"

/* Transactions: 1 k, 2 and 3 gone, 4 old, 5 to 7 a reference to what is a reference now. */
#define NEWEST 7u

static const struct rule rules[] = {
    {"empty key", RPC_METHOD_Get, "", 0, 0, 0, IM_ERR_ARGUMENT, INVALID, "illegal arguments"},
    {"long key", RPC_METHOD_Get, long_key, 0, 0, 0, IM_ERR_KEY_LENGTH, INVALID, LENGTH},
    {"missing", RPC_METHOD_Get, "none", 0, 0, 0, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found"},
    {"deleted", RPC_METHOD_Get, "gone", 0, 0, 0, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found"},
    {"deleted then", RPC_METHOD_Get, "gone", 3, 0, 0, IM_ERR_KEY_NOT_FOUND, MISSING,
	"key not found"},
    {"expired", RPC_METHOD_Get, "old", 0, 0, 0, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found"},
    {"expired then", RPC_METHOD_Get, "old", 4, 0, 0, IM_ERR_KEY_NOT_FOUND, MISSING,
	"key not found"},
    {"two references", RPC_METHOD_Get, "ref", 0, 0, 0, IM_ERR_RESOLUTION,
	IM_STATUS_FAILED_PRECONDITION, RESOLUTION},
    {"no such tx", RPC_METHOD_Get, "k", NEWEST + 1, 0, 0, IM_ERR_TX_NOT_FOUND, MISSING,
	"tx not found"},
    {"other tx", RPC_METHOD_Get, "k", 2, 0, 0, IM_ERR_KEY_NOT_FOUND, MISSING, "key not found"},
    {"tx and since", RPC_METHOD_Get, "k", 1, 1, 0, IM_ERR_ARGUMENT, INVALID,
	"illegal arguments: AtTx and SinceTx exclude each other"},
    {"tx and revision", RPC_METHOD_Get, "k", 1, 0, 1, IM_ERR_ARGUMENT, INVALID,
	"illegal arguments: AtRevision should not be specified when AtTx is used"},
    {"since", RPC_METHOD_Get, "k", 0, NEWEST + 1, 0, IM_ERR_ARGUMENT, INVALID, SINCE},
    {"revision", RPC_METHOD_Get, "k", 0, 0, 2, IM_ERR_REVISION, INVALID,
	"invalid key revision number"},
    {"revision back", RPC_METHOD_Get, "k", 0, 0, -1, IM_ERR_REVISION, INVALID,
	"invalid key revision number"},
    {"least revision", RPC_METHOD_Get, "k", 0, 0, INT64_MIN, IM_ERR_REVISION, INVALID,
	"invalid key revision number"},
    {"deleted revision", RPC_METHOD_Get, "gone", 0, 0, 2, IM_ERR_KEY_NOT_FOUND, MISSING,
	"key not found"},
    {"revision of none", RPC_METHOD_Get, "none", 0, 0, 1, IM_ERR_KEY_NOT_FOUND, MISSING,
	"key not found"},
    {"proof since", RPC_METHOD_VerifiableGet, "k", 0, NEWEST + 1, 0, IM_ERR_ILLEGAL_STATE, INVALID,
	"illegal state"},
    {"proven missing", RPC_METHOD_VerifiableGet, "none", 0, 0, 0, IM_ERR_KEY_NOT_FOUND, MISSING,
	"key not found"},
    {"empty key", RPC_METHOD_GetAll, "", 0, 0, 0, IM_ERR_ARGUMENT, INVALID, "illegal arguments"},
    {"long key", RPC_METHOD_GetAll, long_key, 0, 0, 0, IM_ERR_KEY_LENGTH, INVALID, LENGTH},
    {"since", RPC_METHOD_GetAll, "k", 0, NEWEST + 1, 0, IM_ERR_ARGUMENT, INVALID, SINCE},
    {"long prefix", RPC_METHOD_Scan, long_key, 0, 0, 0, IM_ERR_KEY_LENGTH, INVALID, LENGTH},
    {"limit", RPC_METHOD_Scan, "k", 0, 0, 2501, IM_ERR_RESULT_LIMIT, EXHAUSTED, LIMIT},
    {"since", RPC_METHOD_Scan, "k", 0, NEWEST + 1, 0, IM_ERR_ARGUMENT, INVALID, SINCE},
    {"empty set", RPC_METHOD_ZScan, "", 0, 0, 0, IM_ERR_ARGUMENT, INVALID, "illegal arguments"},
    {"long set", RPC_METHOD_ZScan, long_key, 0, 0, 0, IM_ERR_KEY_LENGTH, INVALID, LENGTH},
    {"limit", RPC_METHOD_ZScan, "set", 0, 0, 2501, IM_ERR_RESULT_LIMIT, EXHAUSTED, LIMIT},
    {"since", RPC_METHOD_ZScan, "set", 0, NEWEST + 1, 0, IM_ERR_ARGUMENT, INVALID, SINCE},
    {"empty key", RPC_METHOD_History, "", 0, 0, 0, IM_ERR_ARGUMENT, INVALID, "illegal arguments"},
    {"long key", RPC_METHOD_History, long_key, 0, 0, 0, IM_ERR_KEY_LENGTH, INVALID, LENGTH},
    {"missing", RPC_METHOD_History, "none", 0, 0, 0, IM_ERR_KEY_NOT_FOUND, MISSING,
	"key not found"},
    {"limit", RPC_METHOD_History, "k", 0, 0, 2501, IM_ERR_RESULT_LIMIT, EXHAUSTED, LIMIT},
    {"negative limit", RPC_METHOD_History, "k", 0, 0, -1, IM_ERR_ARGUMENT, INVALID,
	"illegal arguments: negative limit"},
    {"since", RPC_METHOD_History, "k", 0, NEWEST + 1, 0, IM_ERR_ARGUMENT, INVALID, SINCE},
    {"long prefix", RPC_METHOD_Count, long_key, 0, 0, 0, IM_ERR_KEY_LENGTH, INVALID, LENGTH},
    {"tx 0", RPC_METHOD_TxById, NULL, 0, 0, 0, IM_ERR_ARGUMENT, INVALID, "illegal arguments"},
    {"no such tx", RPC_METHOD_TxById, NULL, NEWEST + 1, 0, 0, IM_ERR_TX_NOT_FOUND, MISSING,
	"tx not found"},
    {"greatest tx", RPC_METHOD_TxById, NULL, UINT64_MAX, 0, 0, IM_ERR_TX_NOT_FOUND, MISSING,
	"tx not found"},
    {"since", RPC_METHOD_TxById, NULL, 1, NEWEST + 1, 0, IM_ERR_ARGUMENT, INVALID, SINCE},
    {"tx 0", RPC_METHOD_VerifiableTxById, NULL, 0, 0, 0, IM_ERR_ARGUMENT, INVALID,
	"illegal arguments"},
    {"no such tx", RPC_METHOD_VerifiableTxById, NULL, NEWEST + 1, 0, 0, IM_ERR_TX_NOT_FOUND,
	MISSING, "tx not found"},
    {"proof since", RPC_METHOD_VerifiableTxById, NULL, 1, NEWEST + 1, 0, IM_ERR_ILLEGAL_STATE,
	INVALID, "illegal state"},
    {"tx 0", RPC_METHOD_TxScan, NULL, 0, 0, 0, IM_ERR_ARGUMENT, INVALID,
	"illegal arguments: InitialTx must be greater than 0"},
    {"limit", RPC_METHOD_TxScan, NULL, 1, 0, 2501, IM_ERR_RESULT_LIMIT, EXHAUSTED, LIMIT},
    {"since", RPC_METHOD_TxScan, NULL, 1, NEWEST + 1, 0, IM_ERR_ARGUMENT, INVALID, SINCE},
};

/* ---- Requests ---- */

/* Sets a field of a message, if it has one of that name, whatever its type. */
static void
set_field(ProtobufCMessage *m, const char *name, const void *value)
{
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	uint8_t *at = (uint8_t *)m;

	if (!field)
		return;
	switch (field->type) {
	case PROTOBUF_C_TYPE_BYTES:
		memcpy(at + field->offset, value, sizeof(ProtobufCBinaryData));
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		memcpy(at + field->offset, value, sizeof(uint64_t));
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT32:
		memcpy(at + field->offset, value, sizeof(uint32_t));
		break;
	default:
		fail_msg("no test for the type of %s", name);
	}
}

static ProtobufCBinaryData
key_of(const struct rule *r)
{
	return message_data(bytes_str(r->key ? r->key : ""));
}

static void
fill(ProtobufCMessage *m, const struct rule *r)
{
	static const char *const keys[] = {"key", "set", "prefix"};
	static const char *const txs[] = {"atTx", "tx", "initialTx"};
	ProtobufCBinaryData key = key_of(r);

	for (size_t i = 0; i < 3; i++) {
		set_field(m, keys[i], &key);
		set_field(m, txs[i], &r->tx);
	}
	set_field(m, "sinceTx", &r->since);
	set_field(m, "atRevision", &r->number);
	set_field(m, "limit", &r->number);
}

static enum im_err
ask_verifiable(struct fixture *f, const struct rule *r)
{
	M(VerifiableGetRequest) in = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;
	M(VerifiableTxRequest) tx = IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;
	M(KeyRequest) key = IMMUDB__SCHEMA__KEY_REQUEST__INIT;

	if (r->method == RPC_METHOD_VerifiableTxById) {
		tx.tx = r->tx;
		tx.provesincetx = r->since;
		return ask(f, r->method, &tx.base, NULL);
	}
	key.key = key_of(r);
	in.keyrequest = &key;
	in.provesincetx = r->since;
	return ask(f, r->method, &in.base, NULL);
}

static enum im_err
ask_rule(struct fixture *f, const struct rule *r)
{
	const struct rpc_method *method = rpc_method_find(r->method);
	ProtobufCBinaryData key = key_of(r);
	M(KeyListRequest) list = IMMUDB__SCHEMA__KEY_LIST_REQUEST__INIT;
	ProtobufCMessage *in;

	if (r->method == RPC_METHOD_VerifiableGet || r->method == RPC_METHOD_VerifiableTxById)
		return ask_verifiable(f, r);
	if (r->method == RPC_METHOD_GetAll) {
		list.n_keys = 1;
		list.keys = &key;
		list.sincetx = r->since;
		return ask(f, r->method, &list.base, NULL);
	}
	in = message_new(&f->arena, method->request);
	assert_non_null(in);
	fill(in, r);
	return ask(f, r->method, in, NULL);
}

static void
prepare(struct fixture *f)
{
	memset(long_key, 'k', sizeof long_key - 1);
	assert_int_equal(login(f, "immudb", "immudb"), IM_OK);
	write_value(f, "k", "v");
	write_value(f, "gone", "v");
	write_deletion(f, "gone");
	write_expiring(f, "old", "v", 1);
	write_value(f, "mid", "v");
	write_reference(f, "ref", "mid", 0);
	assert_int_equal(write_reference(f, "mid", "k", 0), NEWEST);
}

static void
assert_refused(struct fixture *f, const char *what, enum im_err err, const struct rule *r)
{
	if (err != r->err || f->status != r->status)
		fail_msg("%s: \"%s\", status %d", what, err_text(err), (int)f->status);
	/* Some go on with the numbers that are wrong. */
	if (strncmp(err_detail(err), r->text, strlen(r->text)) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", what, err_detail(err), r->text);
}

static void
read_every_rule(void **state)
{
	struct fixture *f = *state;
	char what[96];

	prepare(f);
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		snprintf(what, sizeof what, "%s, %s", rpc_method_find(rules[i].method)->name,
		    rules[i].what);
		assert_refused(f, what, ask_rule(f, &rules[i]), &rules[i]);
	}
}

/* The bounds of scans, which have their own fields. */
static void
read_bounds(void **state)
{
	struct fixture *f = *state;
	M(ScanRequest) scan = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	M(ZScanRequest) zscan = IMMUDB__SCHEMA__ZSCAN_REQUEST__INIT;
	M(Score) score = IMMUDB__SCHEMA__SCORE__INIT;
	const struct rule length = {.err = IM_ERR_KEY_LENGTH, .status = INVALID, .text = LENGTH};
	struct rule wrong = {.err = IM_ERR_ARGUMENT, .status = INVALID};

	prepare(f);
	scan.seekkey = message_data(bytes_str(long_key));
	assert_refused(f, "seek", ask(f, RPC_METHOD_Scan, &scan.base, NULL), &length);
	scan.seekkey = message_data(bytes_str(""));
	scan.endkey = message_data(bytes_str(long_key));
	assert_refused(f, "end", ask(f, RPC_METHOD_Scan, &scan.base, NULL), &length);
	zscan.set = message_data(bytes_str("set"));
	wrong.text = "illegal arguments: a score is not a number";
	score.score = (double)NAN;
	zscan.minscore = &score;
	assert_refused(f, "min", ask(f, RPC_METHOD_ZScan, &zscan.base, NULL), &wrong);
	zscan.minscore = NULL;
	zscan.maxscore = &score;
	assert_refused(f, "max", ask(f, RPC_METHOD_ZScan, &zscan.base, NULL), &wrong);
	zscan.maxscore = NULL;
	zscan.seekkey = message_data(bytes_str("k"));
	zscan.seekscore = -(double)NAN;
	assert_refused(f, "seek", ask(f, RPC_METHOD_ZScan, &zscan.base, NULL), &wrong);
	zscan.seekkey = message_data(bytes_str(""));
	zscan.seekscore = 1;
	wrong.text = "illegal arguments: SeekScore and SeekAtTx need a SeekKey";
	assert_refused(f, "no key", ask(f, RPC_METHOD_ZScan, &zscan.base, NULL), &wrong);
	zscan.seekscore = 0;
	zscan.seekattx = 1;
	assert_refused(f, "no key", ask(f, RPC_METHOD_ZScan, &zscan.base, NULL), &wrong);
	zscan.seekattx = 0;
	assert_int_equal(ask(f, RPC_METHOD_ZScan, &zscan.base, NULL), IM_OK);
}

/* How entries are to be shown: an action that does not exist, and one that nothing does. */
static void
read_bad_specifications(void **state)
{
	struct fixture *f = *state;
	M(TxRequest) in = IMMUDB__SCHEMA__TX_REQUEST__INIT;
	M(EntriesSpec) spec = IMMUDB__SCHEMA__ENTRIES_SPEC__INIT;
	M(EntryTypeSpec) type = IMMUDB__SCHEMA__ENTRY_TYPE_SPEC__INIT;
	const struct rule unknown = {.err = IM_ERR_ARGUMENT,
	    .status = INVALID,
	    .text = "illegal arguments: unknown action of an entries specification"};
	const struct rule undone = {.err = IM_ERR_UNIMPLEMENTED,
	    .status = IM_STATUS_UNIMPLEMENTED,
	    .text = "not implemented: RESOLVE of EntriesSpec.sqlEntriesSpec"};

	prepare(f);
	in.tx = 1;
	in.entriesspec = &spec;
	spec.kventriesspec = &type;
	type.action = (M(EntryTypeAction))9;
	assert_refused(f, "action", ask(f, RPC_METHOD_TxById, &in.base, NULL), &unknown);
	spec.kventriesspec = NULL;
	spec.zentriesspec = &type;
	assert_refused(f, "action", ask(f, RPC_METHOD_TxById, &in.base, NULL), &unknown);
	spec.zentriesspec = NULL;
	spec.sqlentriesspec = &type;
	type.action = IMMUDB__SCHEMA__ENTRY_TYPE_ACTION__RESOLVE;
	assert_refused(f, "action", ask(f, RPC_METHOD_TxById, &in.base, NULL), &undone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STARTED(read_every_rule),
	    STARTED(read_bounds),
	    STARTED(read_bad_specifications),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
