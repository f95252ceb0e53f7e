/*
 * Seeds of the gateway's requests and of its JSON: the examples of every path, and texts that are
 * hard to read right.
 */
#include <assert.h>
#include <stdio.h>

#include "openapi.h"
#include "seeds.h"

#define SEED_MAX (1u << 16)
#define NAME_MAX_BYTES 128
/* As in json_fuzz.c. */
#define ANSWER_BIT 4
#define PACKED_BIT 8

struct json_seed {
	const char *name;
	uint16_t id;
	int first;
	const char *text;
};

static const struct json_seed jsons[] = {
    {"numbers", RPC_METHOD_Scan, 1,
	"{\"limit\":18446744073709551615,\"offset\":\"1.5e1\",\"sinceTx\":-0}"},
    {"numbers-refused", RPC_METHOD_Scan, 0, "{\"limit\":1e999999999999}"},
    {"doubles", RPC_METHOD_ZScan, 0,
	"{\"seekScore\":-0.0,\"minScore\":{\"score\":\"NaN\"},\"maxScore\":{\"score\":5e-324}}"},
    {"floats", RPC_METHOD_FlushIndex, 0, "{\"cleanupPercentage\":0.1}"},
    {"floats-negative-zero", RPC_METHOD_FlushIndex, 0, "{\"cleanupPercentage\":-0}"},
    {"strings", RPC_METHOD_UseDatabase, 2,
	"{\"databasename\":\"\\ud83d\\ude00\\u20ac\\/\xc3\xa9\"}"},
    {"surrogate-refused", RPC_METHOD_UseDatabase, 0, "{\"databaseName\":\"\\ud800\\u0041\"}"},
    {"base64", RPC_METHOD_GetAll, 0, "{\"keys\":[\"_-8\",\"\\/+8=\",\"\",\"YQ\"]}"},
    {"base64-refused", RPC_METHOD_GetAll, 0, "{\"keys\":[\"YWJjYW*=\"]}"},
    {"choice-refused", RPC_METHOD_ExecAll, 0, "{\"Operations\":[{\"kv\":{},\"ref\":{}}]}"},
    {"enum", RPC_METHOD_ChangePermission, 0, "{\"action\":1,\"permission\":\"254\"}"},
    {"null", RPC_METHOD_Set, 0, " {\"KVs\" : null , \"noWait\":null}\r\n"},
    {"preconditions", RPC_METHOD_Set, 0,
	"{\"KVs\":[{\"key\":\"YQ==\",\"metadata\":{\"expiration\":{\"expiresAt\":\"-5\"}}}],"
	"\"preconditions\":[{\"keyNotModifiedAfterTX\":{\"key\":\"YQ==\",\"txID\":3}}]}"},
    {"answer-tx", RPC_METHOD_TxById, 6,
	"{\"metadata\":{\"id\":\"1\",\"ts\":\"-9223372036854775808\",\"nentries\":1},"
	"\"entries\":[{\"key\":\"AGE=\",\"vLen\":2}]}"},
    {"answer-databases", RPC_METHOD_DatabaseListV2, 5,
	"{\"databases\":[{\"name\":\"a\",\"created_at\":5,\"createdBy\":\"x\"}]}"},
};

static const char *const requests[][2] = {
    {"query", "GET /db/get/_-8%3D?atTx=5&noWait=true\n"},
    {"query-nested", "GET /db/tx/7?entriesSpec.kvEntriesSpec.action=RESOLVE\n"},
    {"escapes", "GET /db/get/a%2Fb%252F+\n"},
    {"dots", "GET /db/get/%2e%2e\n"},
    {"nul", "GET /db/get/%00\n"},
    {"verb", "PUT /db/set\n"},
    {"old", "GET /v1/immurestproxy/db/use/defaultdb\n"},
};

/* The same messages as they come from a server. */
static void
seed_packed(const struct json_seed *seed)
{
	const struct rpc_method *method = rpc_method_find(seed->id);
	char name[NAME_MAX_BYTES];
	ProtobufCMessage *m;
	struct arena a;
	struct buf input;
	size_t size;

	arena_init(&a, SEED_MAX * 16);
	if (json_read(seed->first & ANSWER_BIT ? method->answer : method->request,
		bytes_str(seed->text), &a, &m) == IM_OK) {
		size = protobuf_c_message_get_packed_size(m);
		buf_init(&input, SEED_MAX);
		buf_append_be16(&input, seed->id);
		assert(buf_reserve(&input, size + 1));
		input.len += protobuf_c_message_pack(m, input.data + input.len);
		snprintf(name, sizeof name, "packed-%s", seed->name);
		seed_put("json", name, seed->first | PACKED_BIT, buf_bytes(&input));
		buf_free(&input);
	}
	arena_free(&a);
}

static void
seed_jsons(void)
{
	struct buf input;

	for (size_t i = 0; i < sizeof jsons / sizeof *jsons; i++) {
		buf_init(&input, SEED_MAX);
		buf_append_be16(&input, jsons[i].id);
		buf_append_str(&input, jsons[i].text);
		assert(input.err == IM_OK);
		seed_put("json", jsons[i].name, jsons[i].first, buf_bytes(&input));
		buf_free(&input);
		seed_packed(&jsons[i]);
	}
}

static void
append_path(const struct route *r, struct buf *out)
{
	for (const char *p = r->path; *p; p++) {
		const char *close = *p == '{' ? strchr(p, '}') : NULL;

		if (!close) {
			buf_append_u8(out, (uint8_t)*p);
			continue;
		}
		buf_append_str(
		    out, openapi_example_field(r, bytes_of(p + 1, (size_t)(close - p - 1))));
		p = close;
	}
}

static void
seed_route(const struct route *r)
{
	const char *body = openapi_example_body(r);
	char name[NAME_MAX_BYTES];
	struct buf input;
	size_t n;

	buf_init(&input, SEED_MAX);
	buf_append_str(&input, r->verb == ROUTE_POST ? "POST " : "GET ");
	append_path(r, &input);
	buf_append_u8(&input, '\n');
	buf_append_str(&input, body ? body : "");
	assert(input.err == IM_OK);
	snprintf(name, sizeof name, "path%s", r->path);
	for (n = 0; name[n]; n++)
		if (strchr("/{}.", name[n]))
			name[n] = '-';
	seed_put("rest", name, -1, buf_bytes(&input));
	buf_free(&input);
}

void
seed_rest(void)
{
	seed_jsons();
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		seed_put("rest", requests[i][0], -1, bytes_str(requests[i][1]));
	for (size_t i = 0; i < route_count; i++)
		if (routes[i].method && !(routes[i].flags & ROUTE_DATABASE))
			seed_route(&routes[i]);
}
