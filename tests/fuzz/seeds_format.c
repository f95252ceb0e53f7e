/*
 * Seeds of what has no database behind it: configuration, import rows, frames, encodings, keys, the
 * files of clients.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/session_file.h"
#include "client/trust_file.h"
#include "crypto/header.h"
#include "crypto/rawkey.h"
#include "crypto/sign.h"
#include "rpc/frame.h"
#include "rpc/method.h"
#include "sample_key.h"
#include "seeds.h"
#include "util/base64.h"
#include "util/file.h"

#define SEED_MAX (1u << 20)
/* As in state_fuzz.c. */
#define SERVER "cf2u7q8e2bo0ub3v1v40"
#define DATABASE "defaultdb"
#define ADDRESS "127.0.0.1:3322"

/* A seed that is text: what it is, its first byte, its name. */
struct text_seed {
	const char *target;
	int first;
	const char *name;
	const char *text;
};

static const struct text_seed texts[] = {
    {"config", 0, "toml-flat", "dir = \"data\"\nport = 3_322\nauth = true\nratio = 1.5e-3\n"},
    {"config", 0, "toml-tables",
	"# c\n[a]\nb.\"c d\" = 'x\\y' # c\n[a.e]\nf = [ 1, \"two\",\n 0x3, ]\n"},
    {"config", 0, "toml-strings", "s = \"\\u00e9\\U0001F600\\t\\\"\"\n\"k\" = ''\n"},
    {"config", 0, "toml-numbers", "a=-1\nb=0o17\nc=0b1\nd=9223372036854775807\ne=inf\nf=1e9\n"},
    {"config", 0, "toml-refused", "a = 1\na = 2\n[[t]]\nd = 1979-05-27\nx = {y=1}\n"},
    {"config", 1, "yaml-flat", "dir: data\nport: 3322\nauth: true\nratio: 1.5\nnone: ~\n"},
    {"config", 1, "yaml-nested", "a:\n  b: 'x'\n  c: [1, two, \"3\"]\n  d:\n    - e\n    - 0x1f\n"},
    {"config", 1, "yaml-refused", "a: &x 1\nb: *x\nc: !!str 2\n--- \nd: {e: {f: [g, [h]]}}\n"},
    {"config", 2, "duration", "1h30m0.5s250ms"},
    {"config", 3, "size", "32MiB"},
    {"config", 4, "base64", "AAEC/+8="},
    {"config", 5, "base64url", "AAEC_-8"},
    {"config", 6, "hex", "00ffA5"},
    {"import", 0, "tsv", "k1\tv1\n\nk2\tv\t2\nno tab\nlast\tv"},
    {"import", 1, "csv", "k1,v1\r\n\"k,2\",\"v\"\"2\nline\"\nbad\"q,v\none\na,b,c\n\"open,x\n"},
    {"import", 0x0e, "jsonl",
	"{\"key\":\"k\",\"value\":\"v\"}\n{\"key_base64\":\"azI=\",\"value_base64\":\"AAE=\"}\n"
	"{\"key\":\"\\u00e9\",\"value\":\"\"}\n{\"key\":1}\n[]\n{\"key\":\"k\"\n"},
    {"key", 0, "sec1", SAMPLE_PRIVATE_KEY},
    {"key", 0, "sec1-parameters",
	"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" SAMPLE_PRIVATE_KEY},
    {"key", 1, "public", SAMPLE_PUBLIC_KEY},
};

static void
seed_buf(const char *target, const char *name, int first, struct buf *b)
{
	assert(b->err == IM_OK);
	seed_put(target, name, first, buf_bytes(b));
	buf_clear(b);
}

/* ---- Frames ---- */

static void
seed_calls(struct buf *b)
{
	struct frame_request r = {.method = RPC_METHOD_Get, .session = bytes_str("token")};
	struct bytes body = bytes_str("body");

	frame_put_request(b, 1, false, &r, body.len);
	buf_append_bytes(b, body);
	frame_put_answer(b, 1, false, 0, body.len);
	buf_append_bytes(b, body);
	seed_buf("frame", "call", -1, b);
	r.total = 8;
	frame_put_request(b, 2, true, &r, body.len);
	buf_append_bytes(b, body);
	frame_put_data(b, 2, body);
	frame_put_credit(b, 2, 4);
	frame_put_empty(b, FRAME_END, 2);
	frame_put_answer(b, 2, true, 8, body.len);
	buf_append_bytes(b, body);
	seed_buf("frame", "long-call", -1, b);
}

static void
seed_frames(struct buf *b)
{
	frame_put_client_hello(
	    b, &(struct frame_client_hello){1, 1, 1u << 25, 65536, bytes_str("client"), true});
	seed_buf("frame", "client-hello", -1, b);
	frame_put_server_hello(b,
	    &(struct frame_server_hello){1, 1u << 25, 65536, 16384, 65536, 1024, bytes_str("1.0"),
		bytes_str(SERVER), bytes_str(DATABASE)});
	seed_buf("frame", "server-hello", -1, b);
	seed_calls(b);
	frame_put_error(b, 3, IM_STATUS_NOT_FOUND, bytes_str("key not found"));
	frame_put_empty(b, FRAME_CANCEL, 3);
	frame_put_goaway(b, bytes_str("bye"));
	seed_buf("frame", "ends", -1, b);
}

/* ---- Encodings ---- */

static void
seed_metadata(void)
{
	struct kv_metadata kv = {true, true, 1700000000, true};
	struct tx_metadata tx = {.truncated_tx_id = 7, .extra_len = 3, .extra = "abc"};
	struct tx_header h = {
	    .id = 2, .ts = 1700000000, .version = 1, .nentries = 3, .bl_tx_id = 1};
	uint8_t form[TX_HEADER_MAX];
	size_t len = kv_metadata_encode(&kv, form);

	seed_put("metadata", "kv", 0, bytes_of(form, len));
	len = tx_metadata_encode(&tx, form);
	seed_put("metadata", "tx", 1, bytes_of(form, len));
	assert(tx_header_encode(&h, form, &len) == IM_OK);
	seed_put("metadata", "header", 2, bytes_of(form, len));
	h.md_len = (uint16_t)tx_metadata_encode(&tx, h.md);
	assert(tx_header_encode(&h, form, &len) == IM_OK);
	seed_put("metadata", "header-metadata", 2, bytes_of(form, len));
	h.version = h.md_len = 0;
	assert(tx_header_encode(&h, form, &len) == IM_OK);
	seed_put("metadata", "header-0", 2, bytes_of(form, len));
}

static void
seed_raw(void)
{
	struct zset_member member = {bytes_str("set"), -1.5, bytes_str("key"), 3};
	struct bytes raw;
	struct arena a;

	arena_init(&a, SEED_MAX);
	assert(raw_key_make(&a, bytes_str("key"), &raw) == IM_OK);
	seed_put("metadata", "key", 3, raw);
	assert(raw_key_make_zadd(&a, &member, &raw) == IM_OK);
	seed_put("metadata", "member", 3, raw);
	assert(raw_value_make(&a, bytes_str("value"), &raw) == IM_OK);
	seed_put("metadata", "value", 4, raw);
	assert(raw_value_make_reference(&a, bytes_str("target"), 5, &raw) == IM_OK);
	seed_put("metadata", "reference", 4, raw);
	arena_free(&a);
}

/* What proof_fuzz.c takes: which proof, from, to, edits. */
static void
seed_proofs(void)
{
	static const uint8_t proofs[][11] = {{0, 2, 20}, {0, 13, 22, 4, 0, 0, 1},
	    {0, 5, 23, 15, 3, 0, 0}, {0, 17, 19, 7, 3, 0, 9}, {1, 3, 11}, {1, 1, 9, 0, 1, 2, 3},
	    {2, 5, 1}, {2, 2, 2, 5, 0, 0, 1}, {3, 1, 8}, {3, 1, 8, 0, 3, 1, 1}, {4, 5, 21},
	    {0, 14, 23, 31, 0, 0, 0, 7, 1, 0, 0}};
	char name[32];

	for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++) {
		snprintf(name, sizeof name, "%zu", i);
		seed_put("proof", name, -1, bytes_of(proofs[i], sizeof *proofs));
	}
}

/* ---- Keys ---- */

/* The bytes inside the armour of a PEM text. */
static void
seed_armoured(const char *name, int first, const char *pem)
{
	struct buf text, der;

	buf_init(&text, SEED_MAX);
	buf_init(&der, SEED_MAX);
	for (const char *p = strchr(pem, '\n'); p && p[1] != '-'; p = strchr(p + 1, '\n'))
		buf_append(&text, p + 1, strcspn(p + 1, "\n"));
	assert(base64_decode(BASE64_STD, buf_bytes(&text), &der) == IM_OK);
	seed_buf("key", name, first, &der);
	buf_free(&der);
	buf_free(&text);
}

static void
seed_keys(void)
{
	/* PKCS#8 around a SEC1 key: version, algorithm and curve, the length of the key. */
	static const uint8_t pkcs8[] = {0x30, 0x81, 0x93, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07,
	    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	    0x03, 0x01, 0x07, 0x04, 0x79};
	struct sign_state state = {bytes_str(DATABASE), 7, HASH_ZERO};
	uint8_t point[SIGN_POINT_SIZE], der[SIGN_DER_MAX];
	struct sign_private_key *key;
	size_t len;

	assert(sign_private_key_load(bytes_str(SAMPLE_PRIVATE_KEY), "sample", &key) == IM_OK);
	sign_private_key_point(key, point);
	seed_put("key", "point", 2, bytes_of(point, sizeof point));
	assert(sign_make(key, &state, der, &len) == IM_OK);
	seed_put("key", "signature", 3, bytes_of(der, len));
	sign_private_key_free(key);
	seed_armoured("sec1-der", 4, SAMPLE_PRIVATE_KEY);
	seed_armoured("public-der", 6, SAMPLE_PUBLIC_KEY);
	seed_put("key", "pkcs8-head", 5, bytes_of(pkcs8, sizeof pkcs8));
}

/* ---- Files of clients ---- */

static void
seed_file(const char *name, int first, const char *folder, const char *file)
{
	char path[512];
	struct buf content;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	buf_init(&content, SEED_MAX);
	assert(file_read(path, SEED_MAX, &content) == IM_OK);
	seed_buf("state", name, first, &content);
	buf_free(&content);
	unlink(path);
}

static void
seed_state(const char *folder)
{
	struct trust_name name = {folder, SERVER, DATABASE};
	struct trust_state state = {.point.id = 42}, found;
	bool swapped;

	assert(trust_file_swap(&name, NULL, &state, &found, &swapped) == IM_OK && swapped);
	seed_file("unsigned", 0, folder, "state-" SERVER "-" DATABASE);
	state.signature_len = SIGN_DER_MAX;
	assert(trust_file_swap(&name, NULL, &state, &found, &swapped) == IM_OK && swapped);
	seed_file("signed", 0x80, folder, "state-" SERVER "-" DATABASE);
}

/* The identity is made by hand: the name of its file is a hash. */
static void
seed_files(void)
{
	char folder[] = "/tmp/make_seeds.XXXXXX", path[64];
	struct session_record r;

	assert(mkdtemp(folder));
	seed_state(folder);
	seed_put("state", "identity", 0x81,
	    bytes_str("immudb-server-identity 1\naddress " ADDRESS "\nserver " SERVER
		      "\nsum 0000000000000000000000000000000000000000000000000000000000000000\n"));
	snprintf(path, sizeof path, "%s/session", folder);
	session_record_init(&r);
	assert(session_record_set(&r, ADDRESS, "immudb", DATABASE, "token") == IM_OK);
	assert(session_record_write(path, &r) == IM_OK);
	session_record_free(&r);
	seed_file("session", 2, folder, "session");
	snprintf(path, sizeof path, "%s/lock", folder);
	unlink(path);
	rmdir(folder);
}

void
seed_formats(void)
{
	struct buf b;

	buf_init(&b, SEED_MAX);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		seed_put(texts[i].target, texts[i].name, texts[i].first, bytes_str(texts[i].text));
	seed_frames(&b);
	seed_metadata();
	seed_raw();
	seed_proofs();
	seed_keys();
	seed_files();
	buf_free(&b);
}
