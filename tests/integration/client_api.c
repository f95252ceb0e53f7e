/*
 * The client library against a real server, through its public headers alone: every operation, and
 * what it refuses. client_api.bats starts the server.
 *
 *	client_api PORT PASSWORD STATE_FOLDER PUBLIC_KEY
 *
 * Ends with 0 when everything was as expected, or at the first thing that was not.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <immu.h>
#include <immu_proof.h>
#include <immu_trust.h>

#define MANY 2600 /* more than fits one page */
#define LARGE (20u << 20)

#define EXPECT(condition) expect((condition), __LINE__, #condition)
#define OK(call) expect_err((call), IM_OK, __LINE__, #call)
#define FAILS(code, call) expect_err((call), (code), __LINE__, #call)

static void
expect(bool holds, int line, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "client_api.c:%d: %s\n", line, what);
	exit(1);
}

static void
expect_err(enum im_err err, enum im_err wanted, int line, const char *what)
{
	if (err == wanted)
		return;
	fprintf(stderr, "client_api.c:%d: %s: %s (%s), not %s\n", line, what, immu_error_name(err),
	    immu_error_text(err), immu_error_name(wanted));
	exit(1);
}

static bool
is(struct immu_bytes b, const char *text)
{
	return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static uint64_t
set(struct immu *c, const char *key, const char *value)
{
	struct immu_kv kv = {.key = immu_str(key), .value = immu_str(value)};
	struct immu_result *r;
	uint64_t tx;

	OK(immu_set(c, &kv, 1, &r));
	tx = r->header.id;
	immu_result_free(r);
	return tx;
}

/* ---- References ---- */

static void
references(struct immu *c)
{
	struct immu_reference ref = {immu_str("ref"), immu_str("target"), 0};
	uint64_t first = set(c, "target", "one");
	struct immu_result *r;

	OK(immu_verified_set_reference(c, &ref, &r));
	EXPECT(r->verified && r->header.entries == 1);
	immu_result_free(r);
	set(c, "target", "two");
	OK(immu_verified_get(c, ref.key, NULL, &r));
	EXPECT(is(r->entries[0].value, "two") && is(r->entries[0].key, "target"));
	EXPECT(r->verified && is(r->entries[0].via->key, "ref") && r->entries[0].via->at_tx == 0);
	EXPECT(r->header.id == r->entries[0].tx);
	immu_result_free(r);
	ref.key = immu_str("bound");
	ref.at_tx = first;
	OK(immu_set_reference(c, &ref, &r));
	immu_result_free(r);
	OK(immu_verified_get(c, ref.key, NULL, &r));
	EXPECT(is(r->entries[0].value, "one") && r->entries[0].via->at_tx == first);
	immu_result_free(r);
	OK(immu_get(c, ref.key, NULL, &r));
	EXPECT(is(r->entries[0].value, "one") && r->entries[0].via != NULL);
	immu_result_free(r);
	ref = (struct immu_reference){immu_str("r2"), immu_str("ref"), 0};
	FAILS(IM_ERR_REFERENCE_TARGET, immu_set_reference(c, &ref, &r));
	ref = (struct immu_reference){immu_str("target"), immu_str("greeting"), 0};
	set(c, "greeting", "hello");
	FAILS(IM_ERR_REFERENCE_KEY, immu_verified_set_reference(c, &ref, &r));
	ref = (struct immu_reference){immu_str("r3"), immu_str("nosuch"), 0};
	FAILS(IM_ERR_KEY_NOT_FOUND, immu_set_reference(c, &ref, &r));
}

/* ---- Sorted sets ---- */

/* Adds up what a walk over a set sees. */
struct set_walk {
	double last;
	unsigned seen;
	unsigned stop_after;
};

static bool
see_member(void *arg, const struct immu_zentry *z)
{
	struct set_walk *walk = arg;

	EXPECT(walk->seen == 0 || z->score > walk->last ||
	    (z->score == walk->last && signbit(walk->last) && !signbit(z->score)));
	EXPECT(is(z->set, "set") && is(z->entry.value, "value"));
	walk->last = z->score;
	return ++walk->seen != walk->stop_after;
}

static void
sorted_sets(struct immu *c)
{
	static const double scores[] = {3.5, -2, 0, -0.0, -INFINITY, INFINITY, 1e-300};
	struct immu_zscan scan = {.set = immu_str("set")};
	struct set_walk walk = {0}, short_walk = {.stop_after = 2};
	struct immu_result *r;

	set(c, "member", "value");
	for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
		struct immu_zadd zadd = {immu_str("set"), scores[i], immu_str("member"), 0};

		OK(immu_verified_zadd(c, &zadd, &r));
		EXPECT(r->verified);
		immu_result_free(r);
	}
	OK(immu_each_z(c, &scan, see_member, &walk));
	EXPECT(walk.seen == 7);
	OK(immu_each_z(c, &scan, see_member, &short_walk));
	EXPECT(short_walk.seen == 2);
	scan.has_min_score = scan.has_max_score = true;
	scan.min_score = -2;
	scan.max_score = 0;
	OK(immu_zlist(c, &scan, &r));
	EXPECT(r->zentries_len == 3 && r->zentries[0].score == -2);
	immu_result_free(r);
	scan.limit = 1000000;
	FAILS(IM_ERR_RESULT_LIMIT, immu_zlist(c, &scan, &r));
}

/* ---- Many things at once, deletion, conditions ---- */

static void
exec_all(struct immu *c)
{
	struct immu_write writes[] = {
	    {.kind = IMMU_WRITE_KV, .kv = {.key = immu_str("e"), .value = immu_str("x")}},
	    {.kind = IMMU_WRITE_REFERENCE,
		.reference = {immu_str("er"), immu_str("e"), IMMU_THIS_TX}},
	    {.kind = IMMU_WRITE_ZADD, .zadd = {immu_str("es"), 1, immu_str("e"), IMMU_THIS_TX}}};
	struct immu_precondition must_not = {IMMU_KEY_MUST_NOT_EXIST, immu_str("e"), 0};
	struct immu_request request = {.op = IMMU_OP_EXEC_ALL,
	    .writes = writes,
	    .writes_len = 3,
	    .preconditions = &must_not,
	    .preconditions_len = 1};
	struct immu_request tx = {.op = IMMU_OP_TX,
	    .verified = true,
	    .tx_spec = {true, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE, IMMU_SHOW_NONE}};
	struct immu_result *r;

	OK(immu_run(c, &request, &r));
	EXPECT(r->header.entries == 3);
	tx.tx = r->header.id;
	immu_result_free(r);
	FAILS(IM_ERR_PRECONDITION, immu_run(c, &request, &r));
	OK(immu_run(c, &tx, &r));
	EXPECT(r->verified && r->tx_entries_len == 3);
	EXPECT(r->tx_entries[0].kind == IMMU_KIND_VALUE && is(r->tx_entries[0].value, "x"));
	EXPECT(r->tx_entries[1].kind == IMMU_KIND_REFERENCE && is(r->tx_entries[1].target, "e"));
	EXPECT(r->tx_entries[1].at_tx == tx.tx && is(r->tx_entries[1].key, "er"));
	EXPECT(r->tx_entries[2].kind == IMMU_KIND_ZADD && is(r->tx_entries[2].set, "es"));
	EXPECT(r->tx_entries[2].score == 1 && r->tx_entries[2].at_tx == tx.tx);
	immu_result_free(r);
	tx.verified = false;
	tx.tx_spec.kv = tx.tx_spec.z = IMMU_SHOW_RESOLVED;
	OK(immu_run(c, &tx, &r));
	EXPECT(r->entries_len == 2 && r->zentries_len == 1 && r->tx_entries_len == 0);
	EXPECT(is(r->entries[1].via->key, "er") && is(r->zentries[0].entry.value, "x"));
	immu_result_free(r);
}

static void
deletion_and_history(struct immu *c)
{
	struct immu_bytes keys[] = {immu_str("d")};
	struct immu_history history = {.key = immu_str("d")};
	struct immu_version second = {.revision = 2}, before = {.revision = -1};
	struct immu_result *r;

	set(c, "d", "one");
	set(c, "d", "two");
	OK(immu_get(c, keys[0], &before, &r));
	EXPECT(is(r->entries[0].value, "one"));
	immu_result_free(r);
	OK(immu_delete(c, keys, 1, &r));
	immu_result_free(r);
	FAILS(IM_ERR_KEY_NOT_FOUND, immu_get(c, keys[0], NULL, &r));
	FAILS(IM_ERR_KEY_NOT_FOUND, immu_verified_get(c, keys[0], NULL, &r));
	FAILS(IM_ERR_KEY_NOT_FOUND, immu_delete(c, keys, 1, &r));
	OK(immu_list_history(c, &history, &r));
	EXPECT(r->entries_len == 3 && r->entries[2].metadata.deleted);
	EXPECT(r->entries[1].revision == 2 && is(r->entries[1].value, "two"));
	immu_result_free(r);
	OK(immu_verified_get(c, keys[0], &second, &r));
	EXPECT(r->verified && is(r->entries[0].value, "two"));
	immu_result_free(r);
	history.key = immu_str("bound");
	OK(immu_list_history(c, &history, &r));
	EXPECT(r->entries_len == 1 && is(r->entries[0].key, "target") && r->entries[0].via->at_tx);
	immu_result_free(r);
	history.key = immu_str("nosuch");
	FAILS(IM_ERR_KEY_NOT_FOUND, immu_list_history(c, &history, &r));
}

static void
metadata(struct immu *c)
{
	struct immu_kv kvs[] = {{.key = immu_str("gone"),
				    .value = immu_str("v"),
				    .metadata = {.expires = true, .expires_at = 1}},
	    {.key = immu_str("later"),
		.value = immu_str("v"),
		.metadata = {.expires = true, .expires_at = 4102444800}},
	    {.key = immu_str("hidden"),
		.value = immu_str("v"),
		.metadata = {.non_indexable = true}}};
	struct immu_result *r;

	OK(immu_verified_set(c, kvs, 3, &r));
	immu_result_free(r);
	FAILS(IM_ERR_KEY_NOT_FOUND, immu_get(c, kvs[0].key, NULL, &r));
	FAILS(IM_ERR_KEY_NOT_FOUND, immu_get(c, kvs[2].key, NULL, &r));
	OK(immu_verified_get(c, kvs[1].key, NULL, &r));
	EXPECT(r->entries[0].metadata.expires && r->entries[0].metadata.expires_at == 4102444800);
	immu_result_free(r);
}

/* ---- Long lists ---- */

struct key_walk {
	unsigned seen;
	char last[32];
};

static bool
see_key(void *arg, const struct immu_entry *e)
{
	struct key_walk *walk = arg;
	char key[32];

	EXPECT(e->key.len < sizeof key);
	memcpy(key, e->key.data, e->key.len);
	key[e->key.len] = '\0';
	EXPECT(walk->seen == 0 || strcmp(key, walk->last) > 0);
	memcpy(walk->last, key, sizeof key);
	walk->seen++;
	return true;
}

struct tx_walk {
	uint64_t last;
	unsigned seen;
};

static bool
see_tx(void *arg, const struct immu_tx_view *tx)
{
	struct tx_walk *walk = arg;

	EXPECT(walk->seen == 0 || tx->header.id + 1 == walk->last);
	walk->last = tx->header.id;
	walk->seen++;
	return true;
}

static bool
see_version(void *arg, const struct immu_entry *e)
{
	uint64_t *revision = arg;

	EXPECT(e->revision == *revision + 1);
	*revision = e->revision;
	return true;
}

static void
count_done(void *arg, const struct immu_result *r)
{
	*(int *)arg += r->err == IM_OK;
}

/* Many writes on their way at a time. */
static void
write_versions(struct immu *c, int count)
{
	struct immu_kv kv = {.key = immu_str("versions"), .value = immu_str("v")};
	struct immu_request request = {.op = IMMU_OP_SET, .kvs = &kv, .kvs_len = 1};
	int done = 0;

	for (int i = 0; i < count; i++) {
		enum im_err err;

		while ((err = immu_submit(c, &request, count_done, &done)) == IM_ERR_WOULD_BLOCK)
			OK(immu_poll(c, -1));
		OK(err);
	}
	OK(immu_wait(c));
	EXPECT(done == count);
}

static void
long_lists(struct immu *c)
{
	static struct immu_kv kvs[MANY];
	static char keys[MANY][16];
	struct immu_scan scan = {.prefix = immu_str("many/")};
	struct immu_history history = {.key = immu_str("versions")};
	struct immu_tx_scan txs = {.descending = true};
	struct key_walk walk = {0}, limited = {0};
	struct tx_walk tx_walk = {0};
	struct immu_result *r;
	uint64_t revision = 0;

	for (int i = 0; i < MANY; i++) {
		snprintf(keys[i], sizeof keys[i], "many/%05d", i);
		kvs[i].key = immu_str(keys[i]);
		kvs[i].value = immu_str("v");
	}
	for (int i = 0; i < MANY; i += 1000) {
		size_t len = MANY - i < 1000 ? (size_t)(MANY - i) : 1000;

		OK(immu_set(c, kvs + i, len, &r));
		immu_result_free(r);
	}
	OK(immu_each(c, &scan, see_key, &walk));
	EXPECT(walk.seen == MANY);
	scan.limit = 1234;
	scan.offset = 10;
	OK(immu_each(c, &scan, see_key, &limited));
	EXPECT(limited.seen == 1234 && strcmp(limited.last, "many/01243") == 0);
	OK(immu_count(c, scan.prefix, &r));
	EXPECT(r->count == MANY);
	immu_result_free(r);
	OK(immu_count_all(c, &r));
	EXPECT(r->count > MANY);
	immu_result_free(r);
	write_versions(c, 1100);
	OK(immu_each_version(c, &history, see_version, &revision));
	EXPECT(revision == 1100);
	OK(immu_verified_state(c, &r));
	txs.initial_tx = r->state.tx;
	immu_result_free(r);
	OK(immu_each_tx(c, &txs, see_tx, &tx_walk));
	EXPECT(tx_walk.last == 1 && tx_walk.seen == txs.initial_tx);
}

/* ---- Large values ---- */

/* Bytes that can be made and checked again without keeping them. */
struct pattern {
	size_t at;
};

static uint8_t
pattern_byte(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static enum im_err
pattern_read(void *arg, void *to, size_t size, size_t *len)
{
	struct pattern *p = arg;
	uint8_t *out = to;

	for (*len = 0; *len < size && p->at < LARGE; p->at++)
		out[(*len)++] = pattern_byte(p->at);
	return IM_OK;
}

static enum im_err
pattern_write(void *arg, struct immu_bytes part)
{
	struct pattern *p = arg;
	const uint8_t *in = part.data;

	for (size_t i = 0; i < part.len; i++) {
		if (in[i] != pattern_byte(p->at++))
			return IM_ERR_CORRUPT;
	}
	return IM_OK;
}

static enum im_err
refuse(void *arg, struct immu_bytes part)
{
	(void)arg;
	(void)part;
	return IM_ERR_INTERRUPTED;
}

static void
large_values(struct immu *c)
{
	struct pattern from = {0}, to = {0}, proven = {0};
	struct immu_inflow in = {
	    .key = immu_str("large"), .verified = true, .read = pattern_read, .arg = &from};
	struct immu_outflow out = {.key = in.key, .write = pattern_write, .arg = &to};
	struct immu_result *r;

	OK(immu_set_from(c, &in, &r));
	immu_result_free(r);
	OK(immu_get_into(c, &out, &r));
	EXPECT(
	    to.at == LARGE && r->entries[0].value.len == LARGE && is(r->entries[0].key, "large"));
	immu_result_free(r);
	out.verified = true;
	out.arg = &proven;
	OK(immu_get_into(c, &out, &r));
	EXPECT(proven.at == LARGE && r->verified);
	immu_result_free(r);
	out.verified = false;
	out.write = refuse;
	FAILS(IM_ERR_INTERRUPTED, immu_get_into(c, &out, &r));
	out.key = immu_str("nosuch");
	FAILS(IM_ERR_KEY_NOT_FOUND, immu_get_into(c, &out, &r));
	OK(immu_get(c, immu_str("target"), NULL, &r));
	immu_result_free(r);
}

/* ---- Offline proofs and trust ---- */

static void
offline_proofs(struct immu *c, const char *folder, const char *key_file)
{
	struct immu_bytes keys[] = {immu_str("ref"), immu_str("e"), immu_str("later")};
	struct immu_proof_options options = {.pub_key_file = key_file, .database = "defaultdb"};
	struct immu_proof_report *report;
	struct immu_result *r;
	char path[512];

	snprintf(path, sizeof path, "%s/proof", folder);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct immu_request request = {.op = IMMU_OP_GET,
		    .verified = true,
		    .keep_proof = true,
		    .keys = &keys[i],
		    .keys_len = 1};

		OK(immu_run(c, &request, &r));
		OK(immu_proof_save(r, path));
		OK(immu_proof_check_file(path, &options, &report));
		EXPECT(report->signature_checked && report->entry->tx == r->entries[0].tx);
		EXPECT((report->entry->via != NULL) == (i == 0));
		immu_proof_report_free(report);
		((uint8_t *)(uintptr_t)r->proof.data)[r->proof.len / 2] ^= 1;
		FAILS(IM_ERR_PROOF, immu_proof_check(r->proof, &options, &report));
		EXPECT(report->section != NULL);
		immu_proof_report_free(report);
		immu_result_free(r);
	}
}

static bool
see_trusted(void *arg, const struct immu_trusted *t)
{
	unsigned *seen = arg;

	EXPECT(t->err == IM_OK);
	*seen += t->database ? 100 : 1;
	return true;
}

static void
trust(struct immu *c, const char *folder)
{
	struct immu_trust_name name = {folder, immu_server_id(c), "defaultdb"};
	unsigned seen = 0;

	OK(immu_persist(c));
	OK(immu_trust_each(folder, see_trusted, &seen));
	EXPECT(seen == 101);
	OK(immu_trust_show(&name, see_trusted, &seen));
	EXPECT(seen == 201);
}

int
main(int argc, char **argv)
{
	struct immu_options options = {0};
	struct immu_result *r;
	struct immu *c;

	EXPECT(argc == 5);
	options.port = (unsigned int)strtoul(argv[1], NULL, 10);
	options.state_dir = argv[3];
	options.pub_key_file = argv[4];
	OK(immu_connect(&options, &c));
	OK(immu_login(c, "immudb", argv[2], NULL));
	references(c);
	sorted_sets(c);
	exec_all(c);
	deletion_and_history(c);
	metadata(c);
	long_lists(c);
	large_values(c);
	offline_proofs(c, argv[3], argv[4]);
	OK(immu_database_health(c, &r));
	EXPECT(r->info.last_request_at_ms > 0);
	immu_result_free(r);
	trust(c, argv[3]);
	OK(immu_close(c));
	return 0;
}
