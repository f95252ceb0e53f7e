#ifndef CLIENT_OFFLINE_CHECK_H
#define CLIENT_OFFLINE_CHECK_H

#include "client/immu_proof.h"
#include "client/offline_container.h"
#include "client/verify.h"

/*
 * Between offline_check.c, which reads files and checks proofs, and evidence_check.c, which does
 * what is particular to evidence. immu_proof.h is the public side.
 */
#define OFFLINE_CHECKS_MAX 16
#define OFFLINE_NOT_PROVEN_MAX 16

struct evidence_answers; /* of evidence_check.c */

/* A file while it is checked. */
struct offline_check {
	struct immu_proof_report public; /* first: immu_proof_report_free() casts back */
	struct arena arena;
	struct offline_container container;
	const struct immu_proof_options *options;
	struct sign_public_key **keys; /* any of which may have signed */
	size_t keys_len;
	struct immu_proof_step checks[OFFLINE_CHECKS_MAX];
	const char *not_proven[OFFLINE_NOT_PROVEN_MAX];
	/* What the sections hold. */
	struct tx_point trusted;
	struct tx_point middle; /* the newer of that and the reference's transaction */
	Immudb__Schema__Signature *signature;
	Immudb__Schema__VerifiableEntry via, entry;
	Immudb__Schema__VerifiableTx via_tx, tx;
	Immudb__Schema__Tx via_tx_content, tx_content;
	struct verify_outcome via_outcome, outcome;
	/* Of evidence. */
	struct immu_evidence evidence;
	struct tx_point seen;
	struct evidence_answers *answers;
	Immudb__Schema__Signature *trusted_signature, *seen_signature;
	Immudb__Schema__RestoreNotice *notice; /* NULL: there is none */
	struct restore_notice restore;
};

/* Says how one check ended and returns err; the name and what is to hold are constants. */
enum im_err
offline_note(struct offline_check *k, const char *name, const char *text, enum im_err err);
void offline_note_unproven(struct offline_check *k, const char *text);

/* A copy of a text that lives as long as the report. */
const char *offline_keep_text(struct offline_check *k, const char *text);

/*
 * Puts the section of that type into the report and in front of the detail of err, which it
 * returns.
 */
enum im_err offline_blame(struct offline_check *k, uint16_t type, enum im_err err);

/* What a section holds; empty if there is none. */
struct bytes offline_content(const struct offline_check *k, uint16_t type);

/* A text that can be shown; a transaction and its hash. IM_ERR_PROOF, IM_ERR_NOMEM. */
enum im_err offline_read_text(struct offline_check *k, uint16_t type, const char **out);
enum im_err offline_read_point(struct offline_check *k, uint16_t type, struct tx_point *out);

/* The message in a section; a section that is not there gives NULL. */
enum im_err offline_read_section(struct offline_check *k, const struct offline_section *section,
    const ProtobufCMessageDescriptor *type, void *out);

#define OFFLINE_READ(k, section_type, name, out) \
	offline_read_section((k), offline_find(&(k)->container, (section_type)), \
	    &immudb__schema__##name##__descriptor, (out))

/*
 * An entry or reference and its transaction, which out has room for: the four sections from type
 * on.
 */
enum im_err
offline_read_entry(struct offline_check *k, uint16_t type, Immudb__Schema__VerifiableEntry *out);

/* The sections of a transaction; out has room for its content. */
enum im_err offline_read_tx(struct offline_check *k, Immudb__Schema__VerifiableTx *out);

/*
 * Whether one of the keys has signed a state; there is at least one key. Errors of
 * verify_signature().
 */
enum im_err offline_check_signature(const struct offline_check *k, const struct tx_point *point,
    const Immudb__Schema__Signature *m);

/* A point in the form of the public interface. */
struct immu_state
offline_public_state(const struct offline_check *k, const struct tx_point *point, bool is_signed);

/* ---- evidence_check.c ---- */

/* Reads the sections of evidence. */
enum im_err evidence_read(struct offline_check *k);

/* Repeats the check; IM_ERR_PROOF when it does not fail as the verdict says. */
enum im_err evidence_check(struct offline_check *k);

/* What a reader of evidence might take for proven. */
void evidence_list_unproven(struct offline_check *k);

#endif
