#ifndef IMMU_PROOF_H
#define IMMU_PROOF_H

/*
 * Offline proofs: one self-contained file that shows to anyone, without the server, that an entry
 * or a transaction is in the history of a database. PROOF_FORMAT.md describes the file. A verified
 * get, set, reference, zadd or transaction makes one when keep_proof is set (struct immu_request);
 * its bytes are result->proof.
 *
 * What a proof is worth depends on what its reader knows. It leads from the content to a state of
 * the database. Whoever has the server's public key sees that the server has signed that state;
 * whoever trusts a state himself sees that the content belongs to it. Without either it only shows
 * that the content, its transaction and the two states fit together.
 */
#include "immu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Longest file that is read. */
#define IMMU_PROOF_MAX (96u << 20)

/* What a file proves; the numbers are those of the file. */
enum immu_proof_kind {
	IMMU_PROOF_ENTRY = 1,   /* one entry, and the reference it was found through */
	IMMU_PROOF_TX = 2,      /* all entries of a transaction */
	IMMU_PROOF_EVIDENCE = 3 /* what a server answered that does not verify */
};

/* What to compare a proof with; all zero: with nothing but itself. */
struct immu_proof_options {
	const char *pub_key_file; /* PEM public key that must have signed the newer state */
	/* Further keys, after a rotation: any of them may have signed instead. */
	const char *const *more_pub_key_files;
	size_t more_pub_key_files_len;
	const char *server_id; /* must be the server's; NULL: any */
	const char *database;  /* must be the database; NULL: any */
	uint64_t trusted_tx; /* a state that the reader trusts; one of the proof's two must be it */
	uint8_t trusted_hash[IMMU_HASH_SIZE]; /* meaningful if trusted_tx > 0 */
};

/* One thing that was checked, in the order checked. */
struct immu_proof_step {
	const char
	    *name; /* short and stable: "file", "entries", "inclusion", "history", "signature"... */
	const char *text; /* a sentence for people */
	enum im_err err;  /* IM_OK: it holds */
};

/* What evidence is worth to its reader, the least first. */
enum immu_evidence_worth {
	IMMU_EVIDENCE_CLAIM,    /* the word of who wrote it: nothing in it can be checked again */
	IMMU_EVIDENCE_REPEATED, /* what was recorded fails as the verdict says, but is not signed */
	IMMU_EVIDENCE_SIGNED    /* the server has signed two states that contradict, by that key */
};

/* What IMMU_PROOF_EVIDENCE says. */
struct immu_evidence {
	const char *verdict; /* one word */
	const char *reason;
	const char *other_server_id; /* that the server showed; "" */
	bool has_seen;
	struct immu_state seen; /* that the server showed */
	int64_t trusted_at;     /* when the trusted state was proven, Unix seconds; 0: not said */
	int64_t seen_at;
	uint64_t suspect_from, suspect_to; /* transactions in question; 0: not said */
	enum immu_evidence_worth worth;
	const char *worth_text; /* a sentence */
	const char *restore;    /* what the server said of a restore, a sentence; "": nothing */
};

/* What a file says and how far it holds. Everything lives until immu_proof_report_free(). */
struct immu_proof_report {
	enum im_err err;        /* IM_OK: everything that was asked for holds */
	const char *error_text; /* never NULL; names the section and what it belongs to */
	const char *section; /* where it fails: "inclusion proof of the entry"; NULL if nowhere */
	uint64_t offset;     /* of that section in the file */
	const struct immu_proof_step *checks;
	size_t checks_len;
	const char *const
	    *not_proven; /* sentences: what the file says or may seem to say without proof */
	size_t not_proven_len;
	/* What the file says; of a file that does not hold as far as it could be read. */
	enum immu_proof_kind kind;
	const char *server_id; /* "" if unknown, as the next ones */
	const char *database;
	const char *address;       /* where the server was reached; not proven */
	const char *program;       /* that wrote the file; not proven */
	int64_t written_at;        /* Unix seconds; not proven */
	struct immu_state trusted; /* what the writer trusted before; tx 0: nothing */
	/*
	 * The state that the proof leads to and that may be signed; of evidence, what the server
	 * showed.
	 */
	struct immu_state newer;
	bool signature_checked;    /* by a public key of the options; of evidence, of both states */
	struct immu_header header; /* of the transaction that holds the entry */
	struct immu_header via_header;          /* of the reference's; id 0: no reference */
	const struct immu_entry *entry;         /* of IMMU_PROOF_ENTRY */
	const struct immu_tx_entry *tx_entries; /* of IMMU_PROOF_TX */
	size_t tx_entries_len;
	const struct immu_evidence
	    *evidence; /* of IMMU_PROOF_EVIDENCE, once it is read, else NULL */
};

/*
 * Checks a file; evidence holds when what it records fails as its verdict says. Always gives a
 * report, which also tells what fails (the only exception is IM_ERR_NOMEM, with *out NULL), and
 * returns its err: IM_ERR_PROOF (damaged, or does not hold), IM_ERR_FORMAT (not such a file at
 * all), IM_ERR_VERSION (also of a verdict that is not known), IM_ERR_LIMIT,
 * IM_ERR_SIGNATURE_MISSING, IM_ERR_SIGNATURE, IM_ERR_KEY_FILE, IM_ERR_STATE_FORKED (not the state
 * that the reader trusts), IM_ERR_IDENTITY_CHANGED (another server), IM_ERR_ARGUMENT. No option: a
 * function of the bytes alone. Threads: any.
 */
enum im_err immu_proof_check(struct immu_bytes file, const struct immu_proof_options *options,
    struct immu_proof_report **out);

/* Reads a file and checks it. In addition IM_ERR_IO, IM_ERR_NOT_FOUND; then *out is NULL. */
enum im_err immu_proof_check_file(
    const char *path, const struct immu_proof_options *options, struct immu_proof_report **out);

/* Releases a report. NULL is accepted. */
void immu_proof_report_free(struct immu_proof_report *report);

/*
 * Writes result->proof to a file in one durable step, mode 0600; what is a pipe, a device or a link
 * is written into instead. IM_ERR_ARGUMENT if there is none.
 */
enum im_err immu_proof_save(const struct immu_result *result, const char *path);

#ifdef __cplusplus
}
#endif

#endif
