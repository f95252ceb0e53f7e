/*
 * Offline proofs: made from verified answers, checked without a server, and refused after any
 * change, whether or not the checksums were changed with it.
 */
#include "fake_world.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/immu_proof.h"
#include "client/offline_container.h"
#include "fake_keys.h"
#include "util/crc32c.h"
#include "util/file.h"

#define START 9

static char key_path[TEMP_DIR_MAX + 32], other_key_path[TEMP_DIR_MAX + 32];

static int
setup(void **state)
{
	struct world *w = world_new();

	snprintf(key_path, sizeof key_path, "%s/key.pem", w->folder);
	snprintf(other_key_path, sizeof other_key_path, "%s/other.pem", w->folder);
	assert_int_equal(file_replace(key_path, bytes_str(fake_public_pem)), IM_OK);
	assert_int_equal(file_replace(other_key_path, bytes_str(fake_other_public_pem)), IM_OK);
	assert_int_equal(
	    sign_private_key_load(bytes_str(fake_private_pem), "test", &w->db.key), IM_OK);
	for (int i = 0; i < START; i++)
		fake_db_set(&w->db, "k", "value");
	fake_db_reference(&w->db, "ref", "k", 0);
	fake_db_reference(&w->db, "bound", "k", 4);
	fake_db_append(&w->db,
	    (struct fake_kv[]){{.key = "a", .value = "1"},
		{.key = "b", .value = "%s\n", .metadata = {.non_indexable = true}},
		{.key = "c",
		    .value = "",
		    .metadata = {.has_expiry = true, .expires_at = 4102444800}}},
	    3);
	return world_connect(w, state);
}

/* ---- Making ---- */

static struct immu_result *
prove_key(struct world *w, const char *key)
{
	struct immu_bytes k = immu_str(key);
	struct immu_request request = {
	    .op = IMMU_OP_GET, .verified = true, .keep_proof = true, .keys = &k, .keys_len = 1};
	struct immu_result *r;

	assert_int_equal(immu_run(w->c, &request, &r), IM_OK);
	assert_true(r->verified && r->proof.len > 0);
	return r;
}

static struct immu_result *
prove_tx(struct world *w, uint64_t tx, enum immu_show kv)
{
	struct immu_request request = {.op = IMMU_OP_TX,
	    .verified = true,
	    .keep_proof = true,
	    .tx = tx,
	    .tx_spec = {true, kv, IMMU_SHOW_DIGEST, IMMU_SHOW_DIGEST}};
	struct immu_result *r;

	assert_int_equal(immu_run(w->c, &request, &r), IM_OK);
	return r;
}

static enum im_err
check(struct immu_bytes file, const struct immu_proof_options *o)
{
	struct immu_proof_report *report;
	enum im_err err = immu_proof_check(file, o, &report);

	assert_non_null(report);
	assert_int_equal(report->err, err);
	assert_non_null(report->error_text);
	immu_proof_report_free(report);
	return err;
}

static bool
says_unproven(const struct immu_proof_report *report, const char *text)
{
	size_t i = 0;

	while (i < report->not_proven_len && strcmp(report->not_proven[i], text) != 0)
		i++;
	return i < report->not_proven_len;
}

/* ---- Honest files ---- */

static void
an_entry(void **state)
{
	struct world *w = *state;
	struct immu_result *r = prove_key(w, "k");
	struct immu_proof_options o = {.pub_key_file = key_path,
	    .server_id = SERVER,
	    .database = FAKE_NAME,
	    .trusted_tx = w->db.last};
	struct immu_proof_report *report;

	memcpy(o.trusted_hash, w->db.txs[w->db.last].alh.b, HASH_SIZE);
	assert_int_equal(immu_proof_check(r->proof, &o, &report), IM_OK);
	assert_true(report->kind == IMMU_PROOF_ENTRY && report->signature_checked);
	assert_string_equal(report->server_id, SERVER);
	assert_string_equal(report->database, FAKE_NAME);
	assert_string_equal(report->address, "127.0.0.1:3322");
	assert_int_equal(report->newer.tx, w->db.last);
	assert_int_equal(report->header.id, START);
	assert_int_equal(report->via_header.id, 0);
	assert_int_equal(report->entry->value.len, strlen("value"));
	assert_memory_equal(report->entry->value.data, "value", strlen("value"));
	for (size_t i = 0; i < report->checks_len; i++)
		assert_int_equal(report->checks[i].err, IM_OK);
	assert_true(report->checks_len == 7 && report->not_proven_len >= 3);
	immu_proof_report_free(report);
	immu_result_free(r);
}

/* What is not a proof has no kind that a reader could take for one. */
static void
kinds_that_are_none(void **state)
{
	struct world *w = *state;
	struct immu_result *r = prove_key(w, "k");
	uint8_t head[64];
	struct immu_proof_report *report;

	assert_int_equal(immu_proof_check(immu_str("a text, and no proof at all"), NULL, &report),
	    IM_ERR_FORMAT);
	assert_int_equal(report->kind, 0);
	immu_proof_report_free(report);
	memcpy(head, r->proof.data, sizeof head);
	be16_put(head + 10, 0x3a3a);
	be32_put(head + OFFLINE_HEAD_SIZE - OFFLINE_SUM_SIZE,
	    crc32c(0, head, OFFLINE_HEAD_SIZE - OFFLINE_SUM_SIZE));
	assert_int_not_equal(
	    immu_proof_check((struct immu_bytes){head, sizeof head}, NULL, &report), IM_OK);
	assert_int_equal(report->kind, 0);
	immu_proof_report_free(report);
	immu_result_free(r);
}

static void
behind_a_reference(void **state)
{
	struct world *w = *state;
	const char *keys[] = {"ref", "bound"};
	uint64_t txs[] = {START, 4};

	for (int i = 0; i < 2; i++) {
		struct immu_result *r = prove_key(w, keys[i]);
		struct immu_proof_options o = {.pub_key_file = key_path};
		struct immu_proof_report *report;

		assert_int_equal(r->header.id, txs[i]);
		assert_int_equal(r->entries[0].via->tx, START + 1 + i);
		assert_int_equal(immu_proof_check(r->proof, &o, &report), IM_OK);
		assert_int_equal(report->entry->tx, txs[i]);
		assert_int_equal(report->via_header.id, START + 1 + i);
		assert_int_equal(report->entry->via->at_tx, i == 0 ? 0 : 4);
		assert_memory_equal(report->entry->via->key.data, keys[i], strlen(keys[i]));
		assert_memory_equal(report->entry->key.data, "k", 1);
		assert_true(report->entry->via->revision > 0);
		assert_true(says_unproven(report, "the revision of the reference"));
		assert_int_equal(i == 0,
		    says_unproven(report, "that the reference stood for this version of the key"));
		assert_false(says_unproven(report, "the name of the database"));
		immu_proof_report_free(report);
		/* The signature is what covers the name. */
		assert_int_equal(immu_proof_check(r->proof, NULL, &report), IM_OK);
		assert_true(says_unproven(report, "the name of the database"));
		immu_proof_report_free(report);
		immu_result_free(r);
	}
}

static void
a_transaction(void **state)
{
	struct world *w = *state;
	struct immu_result *r = prove_tx(w, w->db.last, IMMU_SHOW_DIGEST);
	struct immu_proof_report *report;

	assert_int_equal(immu_proof_check(r->proof, NULL, &report), IM_OK);
	assert_true(report->kind == IMMU_PROOF_TX && !report->signature_checked);
	assert_int_equal(report->tx_entries_len, 3);
	assert_memory_equal(report->tx_entries[1].key.data, "b", 1);
	assert_true(report->tx_entries[1].metadata.non_indexable);
	immu_proof_report_free(report);
	immu_result_free(r);
}

static void
a_write(void **state)
{
	struct world *w = *state;
	struct immu_request request = {.op = IMMU_OP_ZADD,
	    .verified = true,
	    .keep_proof = true,
	    .zadd = {immu_str("set"), -0.0, immu_str("k"), 0}};
	struct immu_result *r;
	struct immu_proof_report *report;

	assert_int_equal(immu_run(w->c, &request, &r), IM_OK);
	assert_int_equal(immu_proof_check(r->proof, NULL, &report), IM_OK);
	assert_int_equal(report->header.id, w->db.last);
	assert_int_equal(report->trusted.tx, w->db.last - 1);
	assert_int_equal(report->tx_entries[0].kind, IMMU_KIND_ZADD);
	assert_memory_equal(report->tx_entries[0].set.data, "set", 3);
	immu_proof_report_free(report);
	immu_result_free(r);
}

static void
saved_and_read(void **state)
{
	struct world *w = *state;
	struct immu_result *r = prove_key(w, "k"), *plain;
	struct immu_proof_report *report;
	struct stat st;
	char path[TEMP_DIR_MAX + 32];

	snprintf(path, sizeof path, "%s/proof", w->folder);
	/* What is not a file is written into, not renamed away. */
	assert_int_equal(symlink("/dev/full", path), 0);
	assert_int_equal(immu_proof_save(r, path), IM_ERR_IO);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(immu_proof_save(r, path), IM_OK);
	assert_int_equal(immu_proof_check_file(path, NULL, &report), IM_OK);
	assert_memory_equal(report->entry->value.data, "value", 5);
	immu_proof_report_free(report);
	assert_int_equal(
	    immu_proof_check_file("/nonexistent/proof", NULL, &report), IM_ERR_NOT_FOUND);
	assert_null(report);
	assert_int_equal(immu_get(w->c, immu_str("k"), NULL, &plain), IM_ERR_UNIMPLEMENTED);
	immu_result_free(r);
	assert_int_equal(immu_verified_get(w->c, immu_str("k"), NULL, &r), IM_OK);
	assert_int_equal(immu_proof_save(r, path), IM_ERR_ARGUMENT);
	immu_result_free(r);
}

static void
what_the_reader_knows(void **state)
{
	struct world *w = *state;
	struct immu_result *r = prove_key(w, "k");
	struct immu_proof_options o = {.pub_key_file = other_key_path};

	assert_int_equal(check(r->proof, &o), IM_ERR_SIGNATURE);
	o = (struct immu_proof_options){.pub_key_file = "/nonexistent"};
	assert_int_equal(check(r->proof, &o), IM_ERR_KEY_FILE);
	o = (struct immu_proof_options){.server_id = "c9b1p4a5gk3s0h9o1q2g"};
	assert_int_equal(check(r->proof, &o), IM_ERR_IDENTITY_CHANGED);
	o = (struct immu_proof_options){.database = "other"};
	assert_int_equal(check(r->proof, &o), IM_ERR_PROOF);
	o = (struct immu_proof_options){.trusted_tx = 3};
	assert_int_equal(check(r->proof, &o), IM_ERR_PROOF);
	o = (struct immu_proof_options){.trusted_tx = w->db.last};
	assert_int_equal(check(r->proof, &o), IM_ERR_STATE_FORKED);
	/* The transaction of the entry will do as well. */
	o = (struct immu_proof_options){.trusted_tx = START};
	memcpy(o.trusted_hash, w->db.txs[START].alh.b, HASH_SIZE);
	assert_int_equal(check(r->proof, &o), IM_OK);
	immu_result_free(r);

	sign_private_key_free(w->db.key);
	w->db.key = NULL;
	r = prove_key(w, "k");
	o = (struct immu_proof_options){.pub_key_file = key_path};
	assert_int_equal(check(r->proof, &o), IM_ERR_SIGNATURE_MISSING);
	assert_int_equal(check(r->proof, NULL), IM_OK);
	immu_result_free(r);
}

/* ---- Damaged files ---- */

/*
 * The section that a byte of a file belongs to: where its head begins; 0 for the head of the file.
 */
static uint64_t
section_of(const struct offline_container *container, size_t at)
{
	uint64_t offset = 0;

	for (size_t i = 0; i < container->len; i++) {
		if (container->sections[i].offset <= at)
			offset = container->sections[i].offset;
	}
	return offset;
}

/* Each changed byte is found, and what it belongs to is named. */
static void
every_byte(struct world *w, struct immu_bytes file)
{
	struct arena arena;
	struct offline_container container;
	struct offline_fault fault;
	uint8_t *copy = malloc(file.len);

	(void)w;
	assert_non_null(copy);
	arena_init(&arena, 1u << 20);
	assert_int_equal(
	    offline_parse(bytes_of(file.data, file.len), &arena, &container, &fault), IM_OK);
	memcpy(copy, file.data, file.len);
	for (size_t i = 0; i < file.len; i++) {
		struct immu_proof_report *report;
		enum im_err err;

		copy[i] ^= (uint8_t)(1u << i % 8);
		err = immu_proof_check((struct immu_bytes){copy, file.len}, NULL, &report);
		assert_true(err == IM_ERR_PROOF || (err == IM_ERR_FORMAT && i < 8));
		if (report->offset != section_of(&container, i))
			fail_msg("byte %zu: %s", i, report->error_text);
		assert_true(report->section && report->checks_len == 1);
		assert_non_null(strstr(report->error_text, report->section));
		immu_proof_report_free(report);
		copy[i] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t len = 0; len < file.len; len++)
		assert_true(check((struct immu_bytes){copy, len}, NULL) != IM_OK);
	arena_free(&arena);
	free(copy);
}

static void
every_byte_of_an_entry(void **state)
{
	struct immu_result *r = prove_key(*state, "ref");

	every_byte(*state, r->proof);
	immu_result_free(r);
}

static void
every_byte_of_a_transaction(void **state)
{
	struct world *w = *state;
	struct immu_result *r = prove_tx(w, w->db.last, IMMU_SHOW_DIGEST);

	every_byte(w, r->proof);
	immu_result_free(r);
}

/* ---- Forged files: the checksums are right ---- */

/* The file with other sections, and sums that fit. */
static void
build(const struct offline_container *container, struct buf *out)
{
	buf_clear(out);
	offline_put_head(out, container->kind, container->len);
	for (size_t i = 0; i < container->len; i++)
		offline_put(out, container->sections[i].type, container->sections[i].content);
	assert_int_equal(out->err, IM_OK);
}

/* Sections that nothing proves; a reader is told so. */
static bool
is_unproven(uint16_t type)
{
	return type == OFFLINE_SERVER || type == OFFLINE_ADDRESS || type == OFFLINE_PROGRAM ||
	    type == OFFLINE_WRITTEN;
}

/* What is said to be proven is what the honest file says. */
static void
expect_same(const struct immu_proof_report *a, const struct immu_proof_report *b)
{
	const struct immu_entry *x = a->entry, *y = b->entry;

	assert_int_equal(a->kind, b->kind);
	assert_string_equal(a->database, b->database);
	assert_memory_equal(a->header.alh, b->header.alh, HASH_SIZE);
	assert_memory_equal(a->via_header.alh, b->via_header.alh, HASH_SIZE);
	assert_memory_equal(a->newer.hash, b->newer.hash, HASH_SIZE);
	assert_memory_equal(a->trusted.hash, b->trusted.hash, HASH_SIZE);
	assert_int_equal(a->tx_entries_len, b->tx_entries_len);
	for (size_t i = 0; i < a->tx_entries_len; i++) {
		assert_int_equal(a->tx_entries[i].key.len, b->tx_entries[i].key.len);
		assert_memory_equal(
		    a->tx_entries[i].value_hash, b->tx_entries[i].value_hash, HASH_SIZE);
	}
	if (!x)
		return;
	assert_true(x->tx == y->tx && x->key.len == y->key.len && x->value.len == y->value.len);
	assert_memory_equal(x->key.data, y->key.data, x->key.len);
	assert_memory_equal(x->value.data, y->value.data, x->value.len);
	assert_memory_equal(&x->metadata, &y->metadata, sizeof x->metadata);
	assert_int_equal(x->via != NULL, y->via != NULL);
}

/* Every byte of every section, changed together with its sum. */
static void
every_forged_byte(struct immu_bytes file)
{
	struct immu_proof_options o = {.pub_key_file = key_path};
	struct immu_proof_report *honest, *report;
	struct offline_container container;
	struct offline_section *sections;
	struct offline_fault fault;
	struct arena arena;
	struct buf forged;
	size_t believed = 0;

	buf_init(&forged, IMMU_PROOF_MAX);
	arena_init(&arena, 1u << 20);
	assert_int_equal(immu_proof_check(file, &o, &honest), IM_OK);
	assert_int_equal(
	    offline_parse(bytes_of(file.data, file.len), &arena, &container, &fault), IM_OK);
	sections = (struct offline_section *)(uintptr_t)container.sections;
	for (size_t s = 0; s < container.len; s++) {
		struct bytes content = fake_copy(&arena, sections[s].content);

		sections[s].content = content;
		for (size_t i = 0; i < content.len && !is_unproven(sections[s].type); i++) {
			((uint8_t *)(uintptr_t)content.data)[i] ^= (uint8_t)(1u << i % 8);
			build(&container, &forged);
			if (!immu_proof_check(
				(struct immu_bytes){forged.data, forged.len}, &o, &report)) {
				expect_same(report, honest);
				believed++;
			} else {
				assert_true(report->section && report->checks_len > 0);
			}
			immu_proof_report_free(report);
			((uint8_t *)(uintptr_t)content.data)[i] ^= (uint8_t)(1u << i % 8);
		}
	}
	/* Revisions, lengths of values, and the public key beside a signature. */
	assert_true(believed > 0 && believed < 80);
	immu_proof_report_free(honest);
	arena_free(&arena);
	buf_free(&forged);
}

static void
every_forged_byte_of_an_entry(void **state)
{
	struct immu_result *r = prove_key(*state, "bound");

	every_forged_byte(r->proof);
	immu_result_free(r);
}

static void
every_forged_byte_of_a_transaction(void **state)
{
	struct world *w = *state;
	struct immu_result *r = prove_tx(w, w->db.last, IMMU_SHOW_DIGEST);

	every_forged_byte(r->proof);
	immu_result_free(r);
}

/* Of a reference that is bound to nothing: whatever entry it is shown for, it says which. */
static void
a_reference_without_its_transaction(void **state)
{
	struct immu_result *r = prove_key(*state, "ref");
	struct arena arena;
	struct offline_container container;
	struct offline_fault fault;
	struct offline_section *section;
	struct buf forged;

	buf_init(&forged, IMMU_PROOF_MAX);
	arena_init(&arena, 1u << 20);
	assert_int_equal(
	    offline_parse(bytes_of(r->proof.data, r->proof.len), &arena, &container, &fault),
	    IM_OK);
	section = (struct offline_section *)(uintptr_t)offline_find(&container, OFFLINE_REFERENCE);
	/* The first field, a number of one byte. */
	assert_true(section->content.data[0] == 0x08 && section->content.data[1] == START);
	section->content = bytes_of(section->content.data + 2, section->content.len - 2);
	build(&container, &forged);
	assert_int_equal(check((struct immu_bytes){forged.data, forged.len}, NULL), IM_ERR_PROOF);
	arena_free(&arena);
	buf_free(&forged);
	immu_result_free(r);
}

/* Sections left out, of another proof, or not of this kind. */
static void
other_sections(void **state)
{
	struct world *w = *state;
	struct immu_result *r = prove_key(w, "ref"), *other = prove_key(w, "a");
	struct immu_proof_options o = {.pub_key_file = key_path};
	struct offline_container a, b;
	struct offline_section *sections, kept;
	struct offline_fault fault;
	struct arena arena;
	struct buf forged;

	buf_init(&forged, IMMU_PROOF_MAX);
	arena_init(&arena, 1u << 20);
	assert_int_equal(
	    offline_parse(bytes_of(r->proof.data, r->proof.len), &arena, &a, &fault), IM_OK);
	assert_int_equal(
	    offline_parse(bytes_of(other->proof.data, other->proof.len), &arena, &b, &fault),
	    IM_OK);
	sections = (struct offline_section *)(uintptr_t)a.sections;
	for (size_t i = 0; i < a.len; i++) {
		struct offline_container less = {a.kind, sections, a.len - 1};

		kept = sections[i];
		memmove(&sections[i], &sections[i + 1], (a.len - 1 - i) * sizeof kept);
		build(&less, &forged);
		assert_true(check((struct immu_bytes){forged.data, forged.len}, &o) != IM_OK);
		memmove(&sections[i + 1], &sections[i], (a.len - 1 - i) * sizeof kept);
		sections[i] = kept;
		if (kept.type >= OFFLINE_ENTRY && offline_find(&b, kept.type)) {
			sections[i].content = offline_find(&b, kept.type)->content;
			build(&a, &forged);
			assert_int_equal(
			    check((struct immu_bytes){forged.data, forged.len}, &o), IM_ERR_PROOF);
			sections[i] = kept;
		}
	}
	a.kind = IMMU_PROOF_TX;
	build(&a, &forged);
	assert_int_equal(check((struct immu_bytes){forged.data, forged.len}, &o), IM_ERR_PROOF);
	a.kind = IMMU_PROOF_EVIDENCE;
	build(&a, &forged);
	assert_int_equal(check((struct immu_bytes){forged.data, forged.len}, &o), IM_ERR_PROOF);
	a.kind = IMMU_PROOF_EVIDENCE + 1;
	build(&a, &forged);
	assert_int_equal(check((struct immu_bytes){forged.data, forged.len}, &o), IM_ERR_VERSION);
	arena_free(&arena);
	buf_free(&forged);
	immu_result_free(other);
	immu_result_free(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_free)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_entry),
	    TEST(behind_a_reference),
	    TEST(kinds_that_are_none),
	    TEST(a_transaction),
	    TEST(a_write),
	    TEST(saved_and_read),
	    TEST(what_the_reader_knows),
	    TEST(every_byte_of_an_entry),
	    TEST(every_byte_of_a_transaction),
	    TEST(every_forged_byte_of_an_entry),
	    TEST(every_forged_byte_of_a_transaction),
	    TEST(a_reference_without_its_transaction),
	    TEST(other_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
