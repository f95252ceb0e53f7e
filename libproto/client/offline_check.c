/*
 * Checking offline proof files: a function of the bytes and of what the reader trusts. The proofs
 * themselves are checked by verify.c, exactly as those of a live answer.
 *
 * Invariants: a report names the first thing that does not hold; nothing is said to hold that was
 * not checked; whatever of a file is not covered by a proof is in the list of what is not proven.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/answer_fill.h"
#include "client/immu_proof.h"
#include "client/offline_container.h"
#include "client/verify.h"
#include "rpc/message.h"
#include "util/keyfile.h"
#include "util/text.h"
#include "util/xid.h"

/* Besides what messages take: views, texts, digests. */
#define CHECK_ARENA_BASE (64u << 20)
#define CHECKS_MAX 16
#define NOT_PROVEN_MAX 16
#define TEXT_MAX_BYTES 4096
#define DATABASE_MAX_BYTES 128

/* A file while it is checked. */
struct check {
	struct immu_proof_report public; /* first: immu_proof_report_free() casts back */
	struct arena arena;
	struct offline_container container;
	const struct immu_proof_options *options;
	struct sign_public_key *key;
	struct immu_proof_step checks[CHECKS_MAX];
	const char *not_proven[NOT_PROVEN_MAX];
	/* What the sections hold. */
	struct tx_point trusted;
	struct tx_point middle; /* the newer of that and the reference's transaction */
	Immudb__Schema__Signature *signature;
	Immudb__Schema__VerifiableEntry via, entry;
	Immudb__Schema__VerifiableTx via_tx, tx;
	Immudb__Schema__Tx via_tx_content, tx_content;
	struct verify_outcome via_outcome, outcome;
};

/* ---- The report ---- */

static const char *
keep_text(struct check *k, const char *text)
{
	char *copy = arena_str(&k->arena, bytes_str(text));

	return copy ? copy : err_text(IM_ERR_NOMEM);
}

/* Says how one check ended; the name and what is to hold are constants. */
static enum im_err
note(struct check *k, const char *name, const char *text, enum im_err err)
{
	struct immu_proof_report *r = &k->public;

	if (r->checks_len < CHECKS_MAX)
		k->checks[r->checks_len++] = (struct immu_proof_step){name, text, err};
	return err;
}

static void
note_unproven(struct check *k, const char *text)
{
	if (k->public.not_proven_len < NOT_PROVEN_MAX)
		k->not_proven[k->public.not_proven_len++] = text;
}

/* Puts the fault into the report, with the detail of err behind its name. */
static enum im_err
blame_fault(struct check *k, const struct offline_fault *fault, enum im_err err)
{
	struct immu_proof_report *r = &k->public;
	char text[1024];

	if (!fault->name[0])
		return err;
	snprintf(text, sizeof text, "%s, at offset %" PRIu64 " of the file: %s", fault->name,
	    fault->offset, err_detail(err));
	r->section = keep_text(k, fault->name);
	r->offset = fault->offset;
	return err_set(err, "%s", text);
}

/* The same for the section of that type. */
static enum im_err
blame(struct check *k, uint16_t type, enum im_err err)
{
	const struct offline_section *section = offline_find(&k->container, type);
	struct offline_fault fault = {.name = ""};

	if (section)
		offline_name(section, &fault);
	return blame_fault(k, &fault, err);
}

/* ---- Reading sections ---- */

/* Which sections a kind of file has. */
enum presence { ABSENT, OPTIONAL, REQUIRED };

static const struct {
	uint16_t type;
	enum presence entry, tx; /* in IMMU_PROOF_ENTRY and IMMU_PROOF_TX */
} layout[] = {
    {OFFLINE_SERVER, REQUIRED, REQUIRED},
    {OFFLINE_DATABASE, REQUIRED, REQUIRED},
    {OFFLINE_ADDRESS, REQUIRED, REQUIRED},
    {OFFLINE_PROGRAM, REQUIRED, REQUIRED},
    {OFFLINE_WRITTEN, REQUIRED, REQUIRED},
    {OFFLINE_TRUSTED, REQUIRED, REQUIRED},
    {OFFLINE_SIGNATURE, OPTIONAL, OPTIONAL},
    {OFFLINE_REFERENCE, OPTIONAL, ABSENT},
    {OFFLINE_REFERENCE_HEADER, OPTIONAL, ABSENT},
    {OFFLINE_REFERENCE_INCLUSION, OPTIONAL, ABSENT},
    {OFFLINE_REFERENCE_HISTORY, OPTIONAL, ABSENT},
    {OFFLINE_ENTRY, REQUIRED, ABSENT},
    {OFFLINE_ENTRY_HEADER, REQUIRED, ABSENT},
    {OFFLINE_ENTRY_INCLUSION, REQUIRED, ABSENT},
    {OFFLINE_ENTRY_HISTORY, REQUIRED, ABSENT},
    {OFFLINE_TX_HEADER, ABSENT, REQUIRED},
    {OFFLINE_TX_HISTORY, ABSENT, REQUIRED},
    {OFFLINE_TX_ENTRY, ABSENT, OPTIONAL},
};

#define LAYOUT_LEN (sizeof layout / sizeof *layout)

static enum presence
presence_of(const struct check *k, size_t i)
{
	return k->container.kind == IMMU_PROOF_ENTRY ? layout[i].entry : layout[i].tx;
}

/* No section is there that does not belong to this kind of file. */
static enum im_err
check_known(struct check *k)
{
	for (size_t i = 0; i < k->container.len; i++) {
		const struct offline_section *section = &k->container.sections[i];
		struct offline_fault fault;
		size_t row = 0;

		while (row < LAYOUT_LEN && layout[row].type != section->type)
			row++;
		if (row < LAYOUT_LEN && presence_of(k, row) != ABSENT)
			continue;
		offline_name(section, &fault);
		return blame_fault(k, &fault,
		    err_set(IM_ERR_PROOF, "a section of type %#x does not belong here",
			(unsigned)section->type));
	}
	return IM_OK;
}

static enum im_err
check_layout(struct check *k)
{
	bool has_reference = offline_find(&k->container, OFFLINE_REFERENCE) != NULL;

	if (k->container.kind != IMMU_PROOF_ENTRY && k->container.kind != IMMU_PROOF_TX)
		return err_set(IM_ERR_VERSION,
		    "a file of kind %u is not a proof that this version can check",
		    (unsigned)k->container.kind);
	for (size_t i = 0; i < LAYOUT_LEN; i++) {
		uint16_t type = layout[i].type;
		bool is_reference = type >= OFFLINE_REFERENCE && type <= OFFLINE_REFERENCE_HISTORY;
		bool is_there = offline_find(&k->container, type) != NULL;

		if ((presence_of(k, i) == REQUIRED && !is_there) ||
		    (is_reference && is_there != has_reference))
			return err_set(IM_ERR_PROOF, "%s is missing", offline_type_name(type));
	}
	return check_known(k);
}

static struct bytes
content_of(const struct check *k, uint16_t type)
{
	const struct offline_section *section = offline_find(&k->container, type);

	return section ? section->content : bytes_of(NULL, 0);
}

/* A text that can be shown. */
static enum im_err
read_text(struct check *k, uint16_t type, const char **out)
{
	struct bytes content = content_of(k, type);
	char *text;

	if (content.len > TEXT_MAX_BYTES || memchr(content.data, '\0', content.len) ||
	    !text_utf8_valid(content))
		return blame(k, type, err_set(IM_ERR_PROOF, "not a text"));
	text = arena_str(&k->arena, content);
	if (!text)
		return err_set(IM_ERR_NOMEM, "out of memory");
	*out = text;
	return IM_OK;
}

static enum im_err
read_point(struct check *k, uint16_t type, struct tx_point *out)
{
	struct reader r = reader_of(content_of(k, type));
	struct hash empty = hash_empty();
	struct bytes alh;

	out->id = reader_be64(&r);
	alh = reader_bytes(&r, HASH_SIZE);
	if (r.failed || reader_left(&r) > 0)
		return blame(k, type, err_set(IM_ERR_PROOF, "not a transaction and its hash"));
	memcpy(out->alh.b, alh.data, HASH_SIZE);
	if (out->id == 0 && !hash_equal(&out->alh, &empty))
		return blame(k, type, err_set(IM_ERR_PROOF, "an empty database with a hash"));
	return IM_OK;
}

static enum im_err
read_subject(struct check *k)
{
	struct immu_proof_report *r = &k->public;
	struct reader written = reader_of(content_of(k, OFFLINE_WRITTEN));
	enum im_err err = read_text(k, OFFLINE_SERVER, &r->server_id);

	if (!err && strlen(r->server_id) != XID_TEXT_LEN)
		err =
		    blame(k, OFFLINE_SERVER, err_set(IM_ERR_PROOF, "not an identity of a server"));
	if (!err)
		err = read_text(k, OFFLINE_DATABASE, &r->database);
	if (!err && (!*r->database || strlen(r->database) > DATABASE_MAX_BYTES))
		err = blame(k, OFFLINE_DATABASE, err_set(IM_ERR_PROOF, "not a name of a database"));
	if (!err)
		err = read_text(k, OFFLINE_ADDRESS, &r->address);
	if (!err)
		err = read_text(k, OFFLINE_PROGRAM, &r->program);
	r->written_at = (int64_t)reader_be64(&written);
	if (!err && (written.failed || reader_left(&written) > 0))
		err = blame(k, OFFLINE_WRITTEN, err_set(IM_ERR_PROOF, "not a time"));
	return err ? err : read_point(k, OFFLINE_TRUSTED, &k->trusted);
}

/* True when packing the message gives the bytes that it was read from. */
static bool
is_canonical(const ProtobufCMessage *m, struct bytes packed)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *again = len == packed.len ? malloc(len + 1) : NULL;
	bool same = again && protobuf_c_message_pack(m, again) == len &&
	    (len == 0 || memcmp(again, packed.data, len) == 0);

	free(again);
	return same;
}

/* The message in a section; a section that is not there gives NULL. */
static enum im_err
read_section(struct check *k, const struct offline_section *section,
    const ProtobufCMessageDescriptor *type, void *out)
{
	ProtobufCMessage **m = out;
	struct offline_fault fault;
	enum im_err err;

	*m = NULL;
	if (!section)
		return IM_OK;
	err = message_unpack(type, section->content, true, &k->arena, m);
	if (!err && !is_canonical(*m, section->content))
		err = err_set(IM_ERR_FORMAT, "not packed in the one right way");
	if (!err || err == IM_ERR_NOMEM || err == IM_ERR_LIMIT)
		return err;
	offline_name(section, &fault);
	/* err_set() must not read the text that it replaces. */
	char why[256];
	snprintf(why, sizeof why, "%s", err_detail(err));
	return blame_fault(k, &fault, err_set(IM_ERR_PROOF, "%s", why));
}

#define READ(k, section_type, name, out) \
	read_section((k), offline_find(&(k)->container, (section_type)), \
	    &immudb__schema__##name##__descriptor, (out))

/* An entry or reference and its transaction: the four sections from type on. */
static enum im_err
read_entry(struct check *k, uint16_t type, Immudb__Schema__VerifiableEntry *entry)
{
	Immudb__Schema__VerifiableTx *tx = entry->verifiabletx;
	enum im_err err = READ(k, type, entry, &entry->entry);

	if (!err)
		err = READ(k, (uint16_t)(type + 1), tx_header, &tx->tx->header);
	if (!err)
		err = READ(k, (uint16_t)(type + 2), inclusion_proof, &entry->inclusionproof);
	return err ? err : READ(k, (uint16_t)(type + 3), dual_proof, &tx->dualproof);
}

static enum im_err
read_tx(struct check *k)
{
	Immudb__Schema__Tx *tx = &k->tx_content;
	enum im_err err = READ(k, OFFLINE_TX_HEADER, tx_header, &tx->header);

	if (!err)
		err = READ(k, OFFLINE_TX_HISTORY, dual_proof, &k->tx.dualproof);
	tx->entries = arena_calloc(&k->arena, k->container.len, sizeof(Immudb__Schema__TxEntry *));
	if (!tx->entries)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < k->container.len && !err; i++) {
		const struct offline_section *section = &k->container.sections[i];

		if (section->type == OFFLINE_TX_ENTRY)
			err = read_section(k, section, &immudb__schema__tx_entry__descriptor,
			    &tx->entries[tx->n_entries++]);
	}
	return err;
}

static void
init_messages(struct check *k)
{
	immudb__schema__verifiable_entry__init(&k->via);
	immudb__schema__verifiable_entry__init(&k->entry);
	immudb__schema__verifiable_tx__init(&k->via_tx);
	immudb__schema__verifiable_tx__init(&k->tx);
	immudb__schema__tx__init(&k->via_tx_content);
	immudb__schema__tx__init(&k->tx_content);
	k->via.verifiabletx = &k->via_tx;
	k->via_tx.tx = &k->via_tx_content;
	k->entry.verifiabletx = &k->tx;
	k->tx.tx = &k->tx_content;
}

static enum im_err
read_messages(struct check *k)
{
	enum im_err err = READ(k, OFFLINE_SIGNATURE, signature, &k->signature);

	k->tx.signature = k->signature;
	if (err)
		return err;
	if (k->container.kind == IMMU_PROOF_TX)
		return read_tx(k);
	err = read_entry(k, OFFLINE_REFERENCE, &k->via);
	return err ? err : read_entry(k, OFFLINE_ENTRY, &k->entry);
}

static enum im_err
read_file(struct check *k, struct bytes file)
{
	struct offline_fault fault;
	enum im_err err;

	if (file.len > IMMU_PROOF_MAX)
		return err_set(IM_ERR_LIMIT, "the file is longer than %u bytes", IMMU_PROOF_MAX);
	err = offline_parse(file, &k->arena, &k->container, &fault);
	if (err)
		return err == IM_ERR_NOMEM ? err : blame_fault(k, &fault, err);
	if (k->container.kind <= IMMU_PROOF_EVIDENCE)
		k->public.kind = (enum immu_proof_kind)k->container.kind;
	err = check_layout(k);
	if (!err)
		err = read_subject(k);
	return err ? err : read_messages(k);
}

/* ---- Proving ---- */

static struct verify_anchor
anchor_at(const struct check *k, const struct tx_point *from)
{
	return (struct verify_anchor){.from = *from, .database = k->public.database};
}

/* The reference is in a transaction that belongs to the trusted state; k->middle is the newer one. */
static enum im_err
prove_reference(struct check *k)
{
	struct verify_anchor anchor = anchor_at(k, &k->trusted);
	const Immudb__Schema__Reference *ref = k->via.entry->referencedby;
	enum im_err err = verify_history(&anchor, &k->via_tx, &k->arena, &k->via_outcome);

	note(k, "reference-history",
	    "The reference's transaction and the state that was trusted are of one history.", err);
	if (err)
		return blame(k, OFFLINE_REFERENCE_HISTORY, err);
	/* What would not be proven has no place in this section. */
	if (!ref || k->via.entry->value.len > 0 || k->via.entry->metadata ||
	    k->via.entry->revision > 0)
		err = err_set(IM_ERR_PROOF, "it is not a reference and nothing else");
	if (!err) {
		struct verify_wanted wanted = {.key = decode_bytes(ref->key)};

		err = verify_entry(&wanted, &k->via, &k->arena, &k->via_outcome);
	}
	note(k, "reference", "The reference is in its transaction and names the entry's key.", err);
	if (err)
		return blame(k, OFFLINE_REFERENCE, err);
	k->middle = k->via_outcome.state.point;
	decode_public_header(&k->via_outcome.header, &k->public.via_header);
	return IM_OK;
}

static enum im_err
prove_history(struct check *k)
{
	struct verify_anchor anchor = anchor_at(k, &k->middle);
	bool is_entry = k->container.kind == IMMU_PROOF_ENTRY;
	enum im_err err = verify_history(&anchor, &k->tx, &k->arena, &k->outcome);

	note(k, "history",
	    "The transaction and the state that was trusted are of one history, which was only "
	    "appended to.",
	    err);
	if (err)
		return blame(k, is_entry ? OFFLINE_ENTRY_HISTORY : OFFLINE_TX_HISTORY, err);
	decode_public_header(&k->outcome.header, &k->public.header);
	return IM_OK;
}

static enum im_err
prove_entry(struct check *k)
{
	const Immudb__Schema__Entry *m = k->entry.entry;
	const Immudb__Schema__Reference *ref = k->via.entry ? k->via.entry->referencedby : NULL;
	struct verify_wanted wanted = {.key = decode_bytes(m->key), .is_target = true};
	struct immu_entry *entry = arena_alloc(&k->arena, sizeof *entry);
	enum im_err err = entry ? IM_OK : err_set(IM_ERR_NOMEM, "out of memory");

	if (!err && ref) {
		wanted.key = k->via_outcome.target;
		wanted.at_tx = k->via_outcome.target_tx;
	}
	if (!err)
		err = verify_entry(&wanted, &k->entry, &k->arena, &k->outcome);
	note(k, "inclusion", "Key, value and metadata are in the transaction.", err);
	if (err)
		return blame(k, OFFLINE_ENTRY, err);
	err = fill_entry(&k->arena, m, ref, entry);
	k->public.entry = entry;
	return err;
}

static enum im_err
prove_entries(struct check *k)
{
	static const struct immu_tx_spec show = {
	    true, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE};
	struct fill_tx_entries list;
	enum im_err err = verify_entries(&k->tx_content, &k->arena, &k->outcome);

	note(k, "entries", "These are all entries of the transaction.", err);
	if (err)
		return blame(k, OFFLINE_TX_ENTRY, err);
	err = fill_tx_entries(&k->arena, &k->tx_content, &show, &list);
	k->public.tx_entries = list.items;
	k->public.tx_entries_len = list.len;
	return err;
}

static struct immu_state
public_state(const struct check *k, const struct tx_point *point, bool is_signed)
{
	struct immu_state out = {
	    .tx = point->id, .database = k->public.database, .is_signed = is_signed};

	memcpy(out.hash, point->alh.b, HASH_SIZE);
	return out;
}

static enum im_err
prove_signature(struct check *k)
{
	struct verify_anchor anchor = anchor_at(k, &k->trusted);
	struct trust_state state = {.point = k->outcome.state.point};
	enum im_err err;

	if (!k->key)
		return IM_OK;
	anchor.key = k->key;
	err = verify_signature(&anchor, k->signature, &state);
	note(k, "signature", "The newer state is signed by the given public key.", err);
	k->public.signature_checked = !err;
	return err ? blame(k, OFFLINE_SIGNATURE, err) : IM_OK;
}

/* ---- What the reader knows ---- */

static enum im_err
compare_names(struct check *k)
{
	const struct immu_proof_options *o = k->options;
	const struct immu_proof_report *r = &k->public;
	enum im_err err = IM_OK;

	if (o->server_id) {
		if (strcmp(o->server_id, r->server_id) != 0)
			err = err_set(IM_ERR_IDENTITY_CHANGED,
			    "the proof is of server %s, not of %s", r->server_id, o->server_id);
		note(k, "server", "The proof is of the server that was named.", err);
	}
	if (!err && o->database) {
		if (strcmp(o->database, r->database) != 0)
			err = err_set(IM_ERR_PROOF, "the proof is of database %s, not of %s",
			    r->database, o->database);
		note(k, "database", "The proof is of the database that was named.", err);
	}
	return err;
}

/* The reader's state must be one that the proof shows: trusted, in between, the content's or newest. */
static enum im_err
find_trusted(const struct check *k)
{
	const struct immu_proof_options *o = k->options;
	const struct tx_point *points[] = {&k->trusted, &k->middle, &k->outcome.point,
	    &k->via_outcome.point, &k->outcome.state.point};

	for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
		if (points[i]->id != o->trusted_tx)
			continue;
		if (memcmp(points[i]->alh.b, o->trusted_hash, HASH_SIZE) == 0)
			return IM_OK;
		return err_set(IM_ERR_STATE_FORKED,
		    "state %" PRIu64 " of the proof has another hash than the trusted one",
		    o->trusted_tx);
	}
	return err_set(IM_ERR_PROOF,
	    "the proof does not show state %" PRIu64 ", but %" PRIu64 " and %" PRIu64,
	    o->trusted_tx, k->trusted.id, k->outcome.state.point.id);
}

static enum im_err
compare_trusted(struct check *k)
{
	if (k->options->trusted_tx == 0)
		return IM_OK;
	return note(
	    k, "trusted", "The state that was given is of the same history.", find_trusted(k));
}

/* What a reader might take for proven. */
static void
list_unproven(struct check *k)
{
	bool is_entry = k->container.kind == IMMU_PROOF_ENTRY;
	const Immudb__Schema__Reference *ref = k->via.entry ? k->via.entry->referencedby : NULL;

	if (is_entry)
		note_unproven(k, "that this is the latest value of the key");
	if (ref && ref->attx == 0)
		note_unproven(k, "that the reference stood for this version of the key");
	if (ref && ref->revision > 0)
		note_unproven(k, "the revision of the reference");
	if (is_entry && k->entry.entry && k->entry.entry->revision > 0)
		note_unproven(k, "the revision of the entry");
	if (!is_entry)
		note_unproven(k, "the length of values that are not in the file");
	note_unproven(k, "where and when the file was written, and by which program");
	if (!k->public.signature_checked)
		note_unproven(k, "the name of the database");
	if (!k->public.signature_checked)
		note_unproven(k,
		    k->signature ? "that the server signed the newer state: no public key was given"
				 : "that the server vouches for the newer state: it is not signed");
	if (!k->public.signature_checked && k->options->trusted_tx == 0)
		note_unproven(k,
		    "that the states are those of the server: compare one of them with a state "
		    "that you trust, or give the public key");
	note_unproven(k, "the identity of the server: signatures do not cover it");
}

static enum im_err
check_file(struct check *k, struct bytes file)
{
	enum im_err err = read_file(k, file);

	note(k, "file", "The file is whole and well formed.", err);
	if (err)
		return err;
	k->middle = k->trusted;
	k->public.trusted = public_state(k, &k->trusted, false);
	k->public.newer = k->public.trusted;
	if (k->via.entry)
		err = prove_reference(k);
	if (!err)
		err = prove_history(k);
	if (err)
		return err;
	k->public.newer = public_state(k, &k->outcome.state.point, k->signature != NULL);
	err = k->container.kind == IMMU_PROOF_ENTRY ? prove_entry(k) : prove_entries(k);
	if (!err)
		err = prove_signature(k);
	if (!err)
		err = compare_names(k);
	if (!err)
		err = compare_trusted(k);
	if (!err)
		list_unproven(k);
	return err;
}

static struct check *
new_check(struct bytes file, const struct immu_proof_options *options)
{
	static const struct immu_proof_options nothing = {0};
	struct check *k = calloc(1, sizeof *k);
	struct immu_proof_report *r;

	if (!k)
		return NULL;
	arena_init(&k->arena, CHECK_ARENA_BASE + 2 * message_budget(file.len));
	k->options = options ? options : &nothing;
	init_messages(k);
	r = &k->public;
	r->error_text = err_text(IM_OK);
	r->server_id = r->database = r->address = r->program = "";
	r->trusted.database = r->newer.database = "";
	r->checks = k->checks;
	r->not_proven = k->not_proven;
	return k;
}

enum im_err
immu_proof_check(struct immu_bytes file, const struct immu_proof_options *options,
    struct immu_proof_report **out)
{
	struct bytes content = bytes_of(file.data, file.len);
	struct check *k = new_check(content, options);
	enum im_err err;

	*out = NULL;
	if (!k)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = k->options->pub_key_file && *k->options->pub_key_file
	    ? keyfile_load_public(k->options->pub_key_file, &k->key)
	    : IM_OK;
	if (!err)
		err = check_file(k, content);
	k->public.err = err;
	if (err)
		k->public.error_text = keep_text(k, err_detail(err));
	if (err == IM_ERR_NOMEM) {
		immu_proof_report_free(&k->public);
		return err;
	}
	*out = &k->public;
	return err;
}

void
immu_proof_report_free(struct immu_proof_report *report)
{
	struct check *k = (struct check *)report;

	if (!k)
		return;
	sign_public_key_free(k->key);
	arena_free(&k->arena);
	free(k);
}
