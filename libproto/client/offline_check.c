/*
 * Checking offline proof files: a function of the bytes and of what the reader trusts. The proofs
 * themselves are checked by verify.c, exactly as those of a live answer; what is particular to
 * evidence is in evidence_check.c.
 *
 * Invariants: a report names the first thing that does not hold; nothing is said to hold that was
 * not checked; whatever of a file is not covered by a proof is in the list of what is not proven.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/answer_fill.h"
#include "client/offline_check.h"
#include "rpc/message.h"
#include "util/keyfile.h"
#include "util/text.h"
#include "util/xid.h"

/* Besides what messages take: views, texts, digests. */
#define CHECK_ARENA_BASE (64u << 20)
#define DATABASE_MAX_BYTES 128

/* ---- The report ---- */

const char *
offline_keep_text(struct offline_check *k, const char *text)
{
	char *copy = arena_str(&k->arena, bytes_str(text));

	return copy ? copy : err_text(IM_ERR_NOMEM);
}

/* Says how one check ended; the name and what is to hold are constants. */
enum im_err
offline_note(struct offline_check *k, const char *name, const char *text, enum im_err err)
{
	struct immu_proof_report *r = &k->public;

	if (r->checks_len < OFFLINE_CHECKS_MAX)
		k->checks[r->checks_len++] = (struct immu_proof_step){name, text, err};
	return err;
}

void
offline_note_unproven(struct offline_check *k, const char *text)
{
	if (k->public.not_proven_len < OFFLINE_NOT_PROVEN_MAX)
		k->not_proven[k->public.not_proven_len++] = text;
}

/* Puts the fault into the report, with the detail of err behind its name. */
static enum im_err
blame_fault(struct offline_check *k, const struct offline_fault *fault, enum im_err err)
{
	struct immu_proof_report *r = &k->public;
	char text[1024];

	if (!fault->name[0])
		return err;
	snprintf(text, sizeof text, "%s, at offset %" PRIu64 " of the file: %s", fault->name,
	    fault->offset, err_detail(err));
	r->section = offline_keep_text(k, fault->name);
	r->offset = fault->offset;
	return err_set(err, "%s", text);
}

/* The same for the section of that type. */
enum im_err
offline_blame(struct offline_check *k, uint16_t type, enum im_err err)
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
	enum presence entry, tx, evidence; /* by the kind of file */
} layout[] = {
    {OFFLINE_SERVER, REQUIRED, REQUIRED, REQUIRED},
    {OFFLINE_DATABASE, REQUIRED, REQUIRED, REQUIRED},
    {OFFLINE_ADDRESS, REQUIRED, REQUIRED, REQUIRED},
    {OFFLINE_PROGRAM, REQUIRED, REQUIRED, REQUIRED},
    {OFFLINE_WRITTEN, REQUIRED, REQUIRED, REQUIRED},
    {OFFLINE_TRUSTED, REQUIRED, REQUIRED, REQUIRED},
    {OFFLINE_SIGNATURE, OPTIONAL, OPTIONAL, ABSENT},
    {OFFLINE_REFERENCE, OPTIONAL, ABSENT, ABSENT},
    {OFFLINE_REFERENCE_HEADER, OPTIONAL, ABSENT, ABSENT},
    {OFFLINE_REFERENCE_INCLUSION, OPTIONAL, ABSENT, ABSENT},
    {OFFLINE_REFERENCE_HISTORY, OPTIONAL, ABSENT, ABSENT},
    {OFFLINE_ENTRY, REQUIRED, ABSENT, OPTIONAL},
    {OFFLINE_ENTRY_HEADER, REQUIRED, ABSENT, OPTIONAL},
    {OFFLINE_ENTRY_INCLUSION, REQUIRED, ABSENT, OPTIONAL},
    {OFFLINE_ENTRY_HISTORY, REQUIRED, ABSENT, OPTIONAL},
    {OFFLINE_TX_HEADER, ABSENT, REQUIRED, OPTIONAL},
    {OFFLINE_TX_HISTORY, ABSENT, REQUIRED, OPTIONAL},
    {OFFLINE_TX_ENTRY, ABSENT, OPTIONAL, OPTIONAL},
    {OFFLINE_VERDICT, ABSENT, ABSENT, REQUIRED},
    {OFFLINE_REASON, ABSENT, ABSENT, REQUIRED},
    {OFFLINE_TRUSTED_SIGNATURE, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_SEEN, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_SEEN_SIGNATURE, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_TRUSTED_AT, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_SEEN_AT, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_OTHER_SERVER, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_SUSPECTS, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_LINK_HEADER, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_LINK_HISTORY, ABSENT, ABSENT, OPTIONAL},
    {OFFLINE_NOTICE, ABSENT, ABSENT, OPTIONAL},
};

#define LAYOUT_LEN (sizeof layout / sizeof *layout)

static enum presence
presence_of(const struct offline_check *k, size_t i)
{
	switch (k->container.kind) {
	case IMMU_PROOF_ENTRY:
		return layout[i].entry;
	case IMMU_PROOF_TX:
		return layout[i].tx;
	default:
		return layout[i].evidence;
	}
}

/* No section is there that does not belong to this kind of file. */
static enum im_err
check_known(struct offline_check *k)
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
check_layout(struct offline_check *k)
{
	bool has_reference = offline_find(&k->container, OFFLINE_REFERENCE) != NULL;

	if (k->container.kind < IMMU_PROOF_ENTRY || k->container.kind > IMMU_PROOF_EVIDENCE)
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

struct bytes
offline_content(const struct offline_check *k, uint16_t type)
{
	const struct offline_section *section = offline_find(&k->container, type);

	return section ? section->content : bytes_of(NULL, 0);
}

/* A text that can be shown. */
enum im_err
offline_read_text(struct offline_check *k, uint16_t type, const char **out)
{
	struct bytes content = offline_content(k, type);
	char *text;

	if (content.len > OFFLINE_TEXT_MAX || memchr(content.data, '\0', content.len) ||
	    !text_utf8_valid(content))
		return offline_blame(k, type, err_set(IM_ERR_PROOF, "not a text"));
	text = arena_str(&k->arena, content);
	if (!text)
		return err_set(IM_ERR_NOMEM, "out of memory");
	*out = text;
	return IM_OK;
}

enum im_err
offline_read_point(struct offline_check *k, uint16_t type, struct tx_point *out)
{
	struct reader r = reader_of(offline_content(k, type));
	struct hash empty = hash_empty();
	struct bytes alh;

	out->id = reader_be64(&r);
	alh = reader_bytes(&r, HASH_SIZE);
	if (r.failed || reader_left(&r) > 0)
		return offline_blame(
		    k, type, err_set(IM_ERR_PROOF, "not a transaction and its hash"));
	memcpy(out->alh.b, alh.data, HASH_SIZE);
	if (out->id == 0 && !hash_equal(&out->alh, &empty))
		return offline_blame(
		    k, type, err_set(IM_ERR_PROOF, "an empty database with a hash"));
	return IM_OK;
}

static enum im_err
read_subject(struct offline_check *k)
{
	struct immu_proof_report *r = &k->public;
	struct reader written = reader_of(offline_content(k, OFFLINE_WRITTEN));
	enum im_err err = offline_read_text(k, OFFLINE_SERVER, &r->server_id);

	if (!err && strlen(r->server_id) != XID_TEXT_LEN)
		err = offline_blame(
		    k, OFFLINE_SERVER, err_set(IM_ERR_PROOF, "not an identity of a server"));
	if (!err)
		err = offline_read_text(k, OFFLINE_DATABASE, &r->database);
	if (!err && (!*r->database || strlen(r->database) > DATABASE_MAX_BYTES))
		err = offline_blame(
		    k, OFFLINE_DATABASE, err_set(IM_ERR_PROOF, "not a name of a database"));
	if (!err)
		err = offline_read_text(k, OFFLINE_ADDRESS, &r->address);
	if (!err)
		err = offline_read_text(k, OFFLINE_PROGRAM, &r->program);
	r->written_at = (int64_t)reader_be64(&written);
	if (!err && (written.failed || reader_left(&written) > 0))
		err = offline_blame(k, OFFLINE_WRITTEN, err_set(IM_ERR_PROOF, "not a time"));
	return err ? err : offline_read_point(k, OFFLINE_TRUSTED, &k->trusted);
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
enum im_err
offline_read_section(struct offline_check *k, const struct offline_section *section,
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

enum im_err
offline_read_entry(struct offline_check *k, uint16_t type, Immudb__Schema__VerifiableEntry *entry)
{
	Immudb__Schema__VerifiableTx *tx = entry->verifiabletx;
	enum im_err err = OFFLINE_READ(k, type, entry, &entry->entry);

	if (!err)
		err = OFFLINE_READ(k, (uint16_t)(type + 1), tx_header, &tx->tx->header);
	if (!err)
		err =
		    OFFLINE_READ(k, (uint16_t)(type + 2), inclusion_proof, &entry->inclusionproof);
	return err ? err : OFFLINE_READ(k, (uint16_t)(type + 3), dual_proof, &tx->dualproof);
}

enum im_err
offline_read_tx(struct offline_check *k, Immudb__Schema__VerifiableTx *out)
{
	Immudb__Schema__Tx *tx = out->tx;
	enum im_err err = OFFLINE_READ(k, OFFLINE_TX_HEADER, tx_header, &tx->header);

	if (!err)
		err = OFFLINE_READ(k, OFFLINE_TX_HISTORY, dual_proof, &out->dualproof);
	tx->entries = arena_calloc(&k->arena, k->container.len, sizeof(Immudb__Schema__TxEntry *));
	if (!tx->entries)
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < k->container.len && !err; i++) {
		const struct offline_section *section = &k->container.sections[i];

		if (section->type == OFFLINE_TX_ENTRY)
			err = offline_read_section(k, section,
			    &immudb__schema__tx_entry__descriptor, &tx->entries[tx->n_entries++]);
	}
	return err;
}

static void
init_messages(struct offline_check *k)
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
read_messages(struct offline_check *k)
{
	enum im_err err = OFFLINE_READ(k, OFFLINE_SIGNATURE, signature, &k->signature);

	k->tx.signature = k->signature;
	if (err)
		return err;
	if (k->container.kind == IMMU_PROOF_EVIDENCE)
		return evidence_read(k);
	if (k->container.kind == IMMU_PROOF_TX)
		return offline_read_tx(k, &k->tx);
	err = offline_read_entry(k, OFFLINE_REFERENCE, &k->via);
	return err ? err : offline_read_entry(k, OFFLINE_ENTRY, &k->entry);
}

static enum im_err
read_file(struct offline_check *k, struct bytes file)
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
anchor_at(const struct offline_check *k, const struct tx_point *from)
{
	return (struct verify_anchor){.from = *from, .database = k->public.database};
}

/*
 * The reference is in a transaction that belongs to the trusted state; k->middle is the newer one.
 */
static enum im_err
prove_reference(struct offline_check *k)
{
	struct verify_anchor anchor = anchor_at(k, &k->trusted);
	const Immudb__Schema__Reference *ref = k->via.entry->referencedby;
	enum im_err err = verify_history(&anchor, &k->via_tx, &k->arena, &k->via_outcome);

	offline_note(k, "reference-history",
	    "The reference's transaction and the state that was trusted are of one history.", err);
	if (err)
		return offline_blame(k, OFFLINE_REFERENCE_HISTORY, err);
	/* What would not be proven has no place in this section. */
	if (!ref || k->via.entry->tx == 0 || k->via.entry->value.len > 0 ||
	    k->via.entry->metadata || k->via.entry->revision > 0)
		err = err_set(IM_ERR_PROOF, "it is not a reference and nothing else");
	if (!err) {
		struct verify_wanted wanted = {.key = decode_bytes(ref->key)};

		err = verify_entry(&wanted, &k->via, &k->arena, &k->via_outcome);
	}
	offline_note(
	    k, "reference", "The reference is in its transaction and names the entry's key.", err);
	if (err)
		return offline_blame(k, OFFLINE_REFERENCE, err);
	k->middle = k->via_outcome.state.point;
	decode_public_header(&k->via_outcome.header, &k->public.via_header);
	return IM_OK;
}

static enum im_err
prove_history(struct offline_check *k)
{
	struct verify_anchor anchor = anchor_at(k, &k->middle);
	bool is_entry = k->container.kind == IMMU_PROOF_ENTRY;
	enum im_err err = verify_history(&anchor, &k->tx, &k->arena, &k->outcome);

	offline_note(k, "history",
	    "The transaction and the state that was trusted are of one history, which was only "
	    "appended to.",
	    err);
	if (err)
		return offline_blame(k, is_entry ? OFFLINE_ENTRY_HISTORY : OFFLINE_TX_HISTORY, err);
	decode_public_header(&k->outcome.header, &k->public.header);
	return IM_OK;
}

static enum im_err
prove_entry(struct offline_check *k)
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
	offline_note(k, "inclusion", "Key, value and metadata are in the transaction.", err);
	if (err)
		return offline_blame(k, OFFLINE_ENTRY, err);
	err = fill_entry(&k->arena, m, ref, entry);
	k->public.entry = entry;
	return err;
}

static enum im_err
prove_entries(struct offline_check *k)
{
	static const struct immu_tx_spec show = {
	    true, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE, IMMU_SHOW_VALUE};
	struct fill_tx_entries list;
	enum im_err err = verify_entries(&k->tx_content, &k->arena, &k->outcome);

	offline_note(k, "entries", "These are all entries of the transaction.", err);
	if (err)
		return offline_blame(k, OFFLINE_TX_ENTRY, err);
	err = fill_tx_entries(&k->arena, &k->tx_content, &show, &list);
	k->public.tx_entries = list.items;
	k->public.tx_entries_len = list.len;
	return err;
}

struct immu_state
offline_public_state(const struct offline_check *k, const struct tx_point *point, bool is_signed)
{
	struct immu_state out = {
	    .tx = point->id, .database = k->public.database, .is_signed = is_signed};

	memcpy(out.hash, point->alh.b, HASH_SIZE);
	return out;
}

enum im_err
offline_check_signature(
    const struct offline_check *k, const struct tx_point *point, const Immudb__Schema__Signature *m)
{
	struct verify_anchor anchor = anchor_at(k, &k->trusted);
	struct trust_state state = {.point = *point};
	enum im_err err = IM_ERR_SIGNATURE;

	for (size_t i = 0; i < k->keys_len && err == IM_ERR_SIGNATURE; i++) {
		anchor.key = k->keys[i];
		err = verify_signature(&anchor, m, &state);
	}
	return err;
}

static enum im_err
prove_signature(struct offline_check *k)
{
	enum im_err err;

	if (k->keys_len == 0)
		return IM_OK;
	err = offline_check_signature(k, &k->outcome.state.point, k->signature);
	offline_note(k, "signature", "The newer state is signed by the given public key.", err);
	k->public.signature_checked = !err;
	return err ? offline_blame(k, OFFLINE_SIGNATURE, err) : IM_OK;
}

/* ---- What the reader knows ---- */

static enum im_err
compare_names(struct offline_check *k)
{
	const struct immu_proof_options *o = k->options;
	const struct immu_proof_report *r = &k->public;
	enum im_err err = IM_OK;

	if (o->server_id) {
		if (strcmp(o->server_id, r->server_id) != 0)
			err = err_set(IM_ERR_IDENTITY_CHANGED,
			    "the proof is of server %s, not of %s", r->server_id, o->server_id);
		offline_note(k, "server", "The proof is of the server that was named.", err);
	}
	if (!err && o->database) {
		if (strcmp(o->database, r->database) != 0)
			err = err_set(IM_ERR_PROOF, "the proof is of database %s, not of %s",
			    r->database, o->database);
		offline_note(k, "database", "The proof is of the database that was named.", err);
	}
	return err;
}

/*
 * The reader's state must be one that the proof shows: trusted, in between, the content's or
 * newest.
 */
static enum im_err
find_trusted(const struct offline_check *k)
{
	const struct immu_proof_options *o = k->options;
	bool is_evidence = k->container.kind == IMMU_PROOF_EVIDENCE;
	const struct tx_point *newer = is_evidence ? &k->seen : &k->outcome.state.point;
	const struct tx_point *points[] = {
	    &k->trusted, newer, &k->middle, &k->outcome.point, &k->via_outcome.point};

	for (size_t i = 0; i < (is_evidence ? 2 : sizeof points / sizeof *points); i++) {
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
	    o->trusted_tx, k->trusted.id, newer->id);
}

static enum im_err
compare_trusted(struct offline_check *k)
{
	if (k->options->trusted_tx == 0)
		return IM_OK;
	return offline_note(
	    k, "trusted", "The state that was given is of the same history.", find_trusted(k));
}

/* What a reader might take for proven. */
static void
list_unproven(struct offline_check *k)
{
	bool is_entry = k->container.kind == IMMU_PROOF_ENTRY;
	const Immudb__Schema__Reference *ref = k->via.entry ? k->via.entry->referencedby : NULL;

	if (is_entry)
		offline_note_unproven(k, "that this is the latest value of the key");
	if (ref && ref->attx == 0)
		offline_note_unproven(k, "that the reference stood for this version of the key");
	if (ref && ref->revision > 0)
		offline_note_unproven(k, "the revision of the reference");
	if (is_entry && k->entry.entry && k->entry.entry->revision > 0)
		offline_note_unproven(k, "the revision of the entry");
	if (!is_entry)
		offline_note_unproven(k, "the length of values that are not in the file");
	offline_note_unproven(k, "where and when the file was written, and by which program");
	if (!k->public.signature_checked)
		offline_note_unproven(k, "the name of the database");
	if (!k->public.signature_checked)
		offline_note_unproven(k,
		    k->signature ? "that the server signed the newer state: no public key was given"
				 : "that the server vouches for the newer state: it is not signed");
	if (!k->public.signature_checked && k->options->trusted_tx == 0)
		offline_note_unproven(k,
		    "that the states are those of the server: compare one of them with a state "
		    "that you trust, or give the public key");
	offline_note_unproven(k, "the identity of the server: signatures do not cover it");
}

static enum im_err
prove_content(struct offline_check *k)
{
	enum im_err err = IM_OK;

	if (k->via.entry)
		err = prove_reference(k);
	if (!err)
		err = prove_history(k);
	if (err)
		return err;
	k->public.newer = offline_public_state(k, &k->outcome.state.point, k->signature != NULL);
	err = k->container.kind == IMMU_PROOF_ENTRY ? prove_entry(k) : prove_entries(k);
	return err ? err : prove_signature(k);
}

static enum im_err
check_file(struct offline_check *k, struct bytes file)
{
	enum im_err err = read_file(k, file);
	bool is_evidence = k->container.kind == IMMU_PROOF_EVIDENCE;

	offline_note(k, "file", "The file is whole and well formed.", err);
	if (err)
		return err;
	k->middle = k->trusted;
	k->public.trusted = offline_public_state(k, &k->trusted, k->trusted_signature != NULL);
	k->public.newer = k->public.trusted;
	err = is_evidence ? evidence_check(k) : prove_content(k);
	if (!err)
		err = compare_names(k);
	if (!err)
		err = compare_trusted(k);
	if (!err && is_evidence)
		evidence_list_unproven(k);
	else if (!err)
		list_unproven(k);
	return err;
}

/* The keys that may have signed. */
static enum im_err
load_keys(struct offline_check *k)
{
	const struct immu_proof_options *o = k->options;
	bool has_first = o->pub_key_file && *o->pub_key_file;
	size_t len = o->more_pub_key_files_len + has_first;
	enum im_err err = IM_OK;

	if (len == 0)
		return IM_OK;
	k->keys = calloc(len, sizeof(struct sign_public_key *));
	if (!k->keys)
		return err_set(IM_ERR_NOMEM, "out of memory");
	while (k->keys_len < len && !err) {
		const char *path = has_first && k->keys_len == 0
		    ? o->pub_key_file
		    : o->more_pub_key_files[k->keys_len - has_first];

		err = keyfile_load_public(path, &k->keys[k->keys_len]);
		k->keys_len += !err;
	}
	return err;
}

static struct offline_check *
new_check(struct bytes file, const struct immu_proof_options *options)
{
	static const struct immu_proof_options nothing = {0};
	struct offline_check *k = calloc(1, sizeof *k);
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
	struct offline_check *k = new_check(content, options);
	enum im_err err;

	*out = NULL;
	if (!k)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = load_keys(k);
	if (!err)
		err = check_file(k, content);
	k->public.err = err;
	if (err)
		k->public.error_text = offline_keep_text(k, err_detail(err));
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
	struct offline_check *k = (struct offline_check *)report;

	if (!k)
		return;
	for (size_t i = 0; i < k->keys_len; i++)
		sign_public_key_free(k->keys[i]);
	free(k->keys);
	arena_free(&k->arena);
	free(k);
}
