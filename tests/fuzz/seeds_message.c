/*
 * Seeds of messages: requests of every kind, and what the sample server answers to them.
 */
#include <assert.h>
#include <stdio.h>

#include "client/immu.h"
#include "sample_server.h"
#include "sample_store.h"
#include "seeds.h"

#define SEED_MAX (1u << 20)
#define M(Name) Immudb__Schema__##Name
/* answer_fuzz.c: verified, signatures checked, the state trusted. */
#define HOW(verified, is_signed, trusted) ((verified) | (is_signed) << 1 | (trusted) << 2)

static struct buf body, answer, input;

static ProtobufCBinaryData
data_of(const char *s)
{
	return (ProtobufCBinaryData){strlen(s), (uint8_t *)(uintptr_t)s};
}

/* Writes the request as a seed and leaves its answer; false when the server refused it. */
static bool
ask(const char *name, uint16_t id, const ProtobufCMessage *m)
{
	const struct rpc_method *method = rpc_method_find(id);
	size_t size = protobuf_c_message_get_packed_size(m);

	assert(method && method->request == m->descriptor);
	buf_clear(&body);
	protobuf_c_message_pack(m, buf_reserve(&body, size + 1));
	body.len = size;
	buf_clear(&input);
	buf_append_be16(&input, id);
	buf_append_bytes(&input, buf_bytes(&body));
	seed_put("request", name, -1, buf_bytes(&input));
	return sample_server_ask(method, buf_bytes(&body), &answer) == IM_OK;
}

/* The last answer, as answer_fuzz.c takes it. */
static void
keep(const char *name, enum immu_op op, int how, uint64_t tx, const char *key)
{
	buf_clear(&input);
	buf_append_u8(&input, (uint8_t)how);
	buf_append_u8(&input, (uint8_t)tx);
	buf_append_u8(&input, (uint8_t)strlen(key));
	buf_append_str(&input, key);
	buf_append_bytes(&input, buf_bytes(&answer));
	assert(input.err == IM_OK);
	seed_put("answer", name, (int)op, buf_bytes(&input));
}

static void
seed_reads(void)
{
	M(KeyRequest) key = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	M(KeyListRequest) list = IMMUDB__SCHEMA__KEY_LIST_REQUEST__INIT;
	M(ScanRequest) scan = IMMUDB__SCHEMA__SCAN_REQUEST__INIT;
	ProtobufCBinaryData keys[] = {data_of("k1"), data_of("ref"), data_of("none")};

	key.key = data_of("k1");
	assert(ask("get", RPC_METHOD_Get, &key.base));
	keep("get", IMMU_OP_GET, 0, 0, "k1");
	key.atrevision = -1;
	ask("get-revision", RPC_METHOD_Get, &key.base);
	list.n_keys = sizeof keys / sizeof *keys;
	list.keys = keys;
	assert(ask("get-all", RPC_METHOD_GetAll, &list.base));
	keep("get-all", IMMU_OP_GET_ALL, 0, 0, "");
	scan.prefix = data_of("k");
	scan.limit = 5;
	assert(ask("scan", RPC_METHOD_Scan, &scan.base));
	keep("scan", IMMU_OP_SCAN, 0, 0, "");
	scan.seekkey = data_of("k9");
	scan.endkey = data_of("k2");
	scan.desc = scan.inclusiveend = true;
	scan.offset = 1;
	ask("scan-back", RPC_METHOD_Scan, &scan.base);
}

static void
seed_verified_gets(void)
{
	M(KeyRequest) key = IMMUDB__SCHEMA__KEY_REQUEST__INIT;
	M(VerifiableGetRequest) get = IMMUDB__SCHEMA__VERIFIABLE_GET_REQUEST__INIT;
	static const struct {
		const char *name, *key;
		uint64_t since;
	} gets[] = {{"verified-get", "k1", 3}, {"verified-get-old", "k3", 9},
	    {"verified-get-first", "later", 0}, {"verified-get-same", "k1", 9}};

	get.keyrequest = &key;
	for (size_t i = 0; i < sizeof gets / sizeof *gets; i++) {
		key.key = data_of(gets[i].key);
		get.provesincetx = gets[i].since;
		assert(ask(gets[i].name, RPC_METHOD_VerifiableGet, &get.base));
		keep(gets[i].name, IMMU_OP_GET, HOW(1, 1, (int)gets[i].since), 0, gets[i].key);
	}
}

static void
seed_transactions(void)
{
	M(TxRequest) tx = IMMUDB__SCHEMA__TX_REQUEST__INIT;
	M(VerifiableTxRequest) verified = IMMUDB__SCHEMA__VERIFIABLE_TX_REQUEST__INIT;

	tx.tx = 2;
	assert(ask("tx", RPC_METHOD_TxById, &tx.base));
	keep("tx", IMMU_OP_TX, 0, 2, "");
	verified.tx = 2;
	verified.provesincetx = 9;
	assert(ask("verified-tx", RPC_METHOD_VerifiableTxById, &verified.base));
	keep("verified-tx", IMMU_OP_TX, HOW(1, 1, 9), 2, "");
	verified.tx = 9;
	verified.provesincetx = 2;
	assert(ask("verified-tx-newer", RPC_METHOD_VerifiableTxById, &verified.base));
	keep("verified-tx-newer", IMMU_OP_TX, HOW(1, 0, 2), 9, "");
	/* It is also how a write of transaction 9 is answered. */
	keep("verified-set", IMMU_OP_SET, HOW(1, 1, 2), 8, "");
}

/* A write as it is asked for; it is refused, so its answer is that of reading a header. */
static void
seed_sets(void)
{
	M(KVMetadata) md = IMMUDB__SCHEMA__KVMETADATA__INIT;
	M(Expiration) expiration = IMMUDB__SCHEMA__EXPIRATION__INIT;
	M(KeyValue) kv = IMMUDB__SCHEMA__KEY_VALUE__INIT, second = IMMUDB__SCHEMA__KEY_VALUE__INIT;
	M(KeyValue) * kvs[] = {&kv, &second};
	M(SetRequest) set = IMMUDB__SCHEMA__SET_REQUEST__INIT;
	M(VerifiableSetRequest) verified = IMMUDB__SCHEMA__VERIFIABLE_SET_REQUEST__INIT;

	kv.key = data_of("new");
	kv.value = data_of("value");
	second.key = data_of("second");
	second.metadata = &md;
	md.nonindexable = true;
	md.expiration = &expiration;
	expiration.expiresat = SAMPLE_NOW + 5;
	set.kvs = kvs;
	set.n_kvs = sizeof kvs / sizeof *kvs;
	ask("set", RPC_METHOD_Set, &set.base);
	verified.setrequest = &set;
	verified.provesincetx = 3;
	ask("verified-set", RPC_METHOD_VerifiableSet, &verified.base);
}

/* The header of a transaction stands for the answer to an unverified write. */
static void
seed_header(void)
{
	M(TxRequest) request = IMMUDB__SCHEMA__TX_REQUEST__INIT;
	M(Tx) * tx;

	request.tx = 2;
	assert(ask("tx", RPC_METHOD_TxById, &request.base));
	tx = immudb__schema__tx__unpack(NULL, answer.len, answer.data);
	assert(tx && tx->header);
	buf_clear(&answer);
	answer.len = protobuf_c_message_pack(&tx->header->base, buf_reserve(&answer, SEED_MAX / 2));
	immudb__schema__tx__free_unpacked(tx, NULL);
	keep("set", IMMU_OP_SET, 0, 1, "");
}

static void
seed_server(void)
{
	M(Empty) empty = IMMUDB__SCHEMA__EMPTY__INIT;
	M(ServerInfoRequest) info = IMMUDB__SCHEMA__SERVER_INFO_REQUEST__INIT;
	M(LoginRequest) login = IMMUDB__SCHEMA__LOGIN_REQUEST__INIT;
	M(OpenSessionRequest) session = IMMUDB__SCHEMA__OPEN_SESSION_REQUEST__INIT;

	assert(ask("state", RPC_METHOD_CurrentState, &empty.base));
	keep("state", IMMU_OP_STATE, HOW(1, 1, 3), 0, "");
	assert(ask("health", RPC_METHOD_Health, &empty.base));
	keep("health", IMMU_OP_HEALTH, 0, 0, "");
	assert(ask("server-info", RPC_METHOD_ServerInfo, &info.base));
	keep("server-info", IMMU_OP_SERVER_INFO, 0, 0, "");
	login.user = data_of("immudb");
	login.password = data_of("immudb");
	ask("login", RPC_METHOD_Login, &login.base);
	session.username = data_of("immudb");
	session.password = data_of("immudb");
	session.databasename = (char *)(uintptr_t) "defaultdb";
	ask("open-session", RPC_METHOD_OpenSession, &session.base);
}

/* A contradiction between two states: of the right form, and showing nothing. */
static void
seed_contradiction(M(PeerState) * older, M(PeerState) * newer)
{
	M(ExchangeContradictionsRequest)
	request = IMMUDB__SCHEMA__EXCHANGE_CONTRADICTIONS_REQUEST__INIT;
	M(PeerContradiction) m = IMMUDB__SCHEMA__PEER_CONTRADICTION__INIT;
	M(TxHeader) header = IMMUDB__SCHEMA__TX_HEADER__INIT;
	M(DualProof) proof = IMMUDB__SCHEMA__DUAL_PROOF__INIT;

	older->signature = newer->signature;
	newer->database = older->database;
	header.id = older->txid;
	header.prevalh = header.eh = header.blroot = older->txhash;
	header.nentries = 1;
	proof.sourcetxheader = proof.targettxheader = &header;
	m.older = older;
	m.newer = newer;
	m.header = &header;
	m.proof = &proof;
	buf_clear(&body);
	body.len = immudb__schema__peer_contradiction__pack(&m, buf_reserve(&body, SEED_MAX / 2));
	seed_put("peer", "contradiction", 2, buf_bytes(&body));
	request.serverid = older->serverid;
	request.given = &m;
	assert(!ask("exchange-contradictions", RPC_METHOD_ExchangeContradictions, &request.base));
}

/* What auditors send each other, which a server refuses. */
static void
seed_exchange(void)
{
	M(ExchangeStatesRequest) request = IMMUDB__SCHEMA__EXCHANGE_STATES_REQUEST__INIT;
	M(PeerState) first = IMMUDB__SCHEMA__PEER_STATE__INIT, second = first;
	M(PeerState) * states[] = {&first, &second};
	M(ExchangeStatesResponse) out = IMMUDB__SCHEMA__EXCHANGE_STATES_RESPONSE__INIT;

	request.serverid = (char *)(uintptr_t) "c0ffee0123456789abcd";
	request.offset = 128;
	request.n_states = 2;
	request.states = states;
	first.serverid = second.serverid = request.serverid;
	first.database = (char *)(uintptr_t) "defaultdb";
	second.database = (char *)(uintptr_t) "other";
	first.txid = 7;
	second.txid = UINT64_MAX;
	first.txhash = second.txhash = data_of("0123456789abcdef0123456789abcdef");
	second.signature = data_of("0123456789");
	second.seenat = 1700000000;
	assert(!ask("exchange-states", RPC_METHOD_ExchangeStates, &request.base));
	out.n_states = request.n_states;
	out.states = states;
	buf_clear(&body);
	body.len =
	    immudb__schema__exchange_states_response__pack(&out, buf_reserve(&body, SEED_MAX / 2));
	seed_put("peer", "states", 0, buf_bytes(&body));
	seed_contradiction(&first, &second);
	seed_put("peer", "address", 1, bytes_str("[fe80::1%eth0]:9500"));
}

static void
seed_exports(void)
{
	M(ExportTxRequest) request = IMMUDB__SCHEMA__EXPORT_TX_REQUEST__INIT;
	M(Chunk) * chunk;
	char name[32];

	for (uint64_t tx = 2; tx <= 7; tx += tx == 2 ? 3 : 2) {
		request.tx = tx;
		assert(ask("export", RPC_METHOD_ExportTx, &request.base));
		keep("export", IMMU_OP_EXPORT_TX, 0, tx, "");
		chunk = immudb__schema__chunk__unpack(NULL, answer.len, answer.data);
		assert(chunk);
		for (int repair = 0; repair < 2; repair++) {
			snprintf(name, sizeof name, "tx-%d-%d", (int)tx, repair);
			seed_put("export", name, repair,
			    bytes_of(chunk->content.data, chunk->content.len));
		}
		immudb__schema__chunk__free_unpacked(chunk, NULL);
	}
}

void
seed_messages(void)
{
	assert(sample_server_start());
	buf_init(&body, SEED_MAX);
	buf_init(&answer, SEED_MAX);
	buf_init(&input, SEED_MAX);
	seed_reads();
	seed_verified_gets();
	seed_transactions();
	seed_sets();
	seed_header();
	seed_server();
	seed_exchange();
	seed_exports();
	buf_free(&input);
	buf_free(&answer);
	buf_free(&body);
}
