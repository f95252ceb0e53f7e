#ifndef AUDITOR_ROUND_H
#define AUDITOR_ROUND_H

#include "audit.h"
#include "audit_record.h"
#include "claims.h"
#include "client/evidence.h"
#include "client/verify.h"
#include "server_link.h"

/*
 * The round of one database: a list of checks (the table in round.c), run in order until one of
 * them finds something. What is proven only counts when all of them have passed.
 *
 *	recall --> select --> state --> direction --> history --> claims --> sample --> sweep
 *	   |          |         |           |            |           |          |         |
 *	   +----------+---------+-----------+------------+-----------+----------+---------+
 *	                             | something is wrong                       | all passed
 *	                             v                                          v
 *	                    judge, locate (locate.c)                       ok, first-seen
 *	                             |                                          |
 *	                             +------------> round_end() <---------------+
 *	                     evidence, record, trusted state, alert, log, report
 */

/* What all databases of a round share. Constant while it runs. */
struct round_env {
	const struct audit_options *options;
	const struct sign_public_key *const *keys;
	size_t keys_len;
	const char *server_id;
	const char *address;
	/*
	 * Of a server without authentication: the one database that it serves. NULL: one logs in.
	 */
	const char *open_database;
	const struct claims *claims; /* of peers; NULL: none */
	const atomic_bool *stop;
	atomic_int_least64_t
	    *moved_ns;           /* who waits on purpose sets it to the time; NULL: nobody asks */
	uint64_t number;         /* of the round, from 1 */
	int64_t sweep_budget_ns; /* how long one database's share of the sweep may take; 0: any */
};

/* What a round has found wrong. Messages live in the round's arena. */
struct finding {
	enum audit_verdict verdict;
	char reason[REPORT_TEXT_MAX];
	uint64_t suspect_from, suspect_to;        /* 0: not known */
	const Immudb__Schema__VerifiableTx *tx;   /* an answer that does not verify */
	const Immudb__Schema__VerifiableTx *link; /* that holds, and contradicts what is trusted */
	const struct trust_state *against;        /* what it contradicts; NULL: the trusted state */
	/* What contradicts that, when it is not what the server has shown us. */
	const struct trust_state *instead;
	/* What the server says of a restore; announced.h. */
	const Immudb__Schema__RestoreNotice *notice;
	int64_t notice_at_ms; /* when it was made, if it counts; 0: it does not */
};

struct round {
	const struct round_env *env;
	struct server_link *link; /* NULL: nothing can be asked */
	const char *database;
	const char *login;    /* token of the session that selects databases; borrowed */
	char token[256];      /* of the session on this database; "": none */
	struct arena arena;   /* of what evidence is made of */
	struct arena scratch; /* of one answer */
	struct trust_name name;
	struct trust_state trusted;
	bool has_trusted;
	struct audit_record record;
	bool has_record;         /* record was read */
	struct trust_state seen; /* the server's state, its signature checked */
	bool has_seen;
	const struct sign_public_key *signer; /* whose key the signature has; NULL: not checked */
	struct tx_header seen_header;         /* proven with the history; id 0: not known */
	uint64_t checks, sampled, swept;
	uint64_t truncated_to;   /* by a proven transaction, as far as we have seen */
	uint64_t sweep_position; /* what the record is to say after this round */
	int64_t sweep_started_at, sweep_finished_at;
	struct finding finding;
	double started_at, ended_at;
};

/* A round of a database; the strings of env and database outlive it. NULL without memory. */
struct round *
round_new(const struct round_env *env, struct server_link *link, const char *database);
void round_free(struct round *r);

/*
 * Runs the checks. token is that of a session that may select databases. *r->finding then has the
 * verdict; IM_ERR_CANCELLED when the auditor stops, and nothing is to be said of the database.
 */
enum im_err round_run(struct round *r, const char *token);

/* The wall clock, as the report has it. */
double round_clock_s(void);

/* ---- For the checks. ---- */

/* Where the answers of this round's database are to be trusted from: the state it has shown. */
struct verify_anchor round_anchor(const struct round *r);

/* Asks for a transaction of the history that the state belongs to. */
struct round_question {
	uint64_t tx;
	uint64_t since;    /* the state's transaction; 0: a proof from the transaction to itself */
	bool with_values;  /* all entries with their values; else none */
	bool with_entries; /* all entries, without values */
};

/* The message of a question; both outlive the request. */
void
round_fill_question(Immudb__Schema__VerifiableTxRequest *m, const struct round_question *question);

/* Asks and waits; the answer comes from the arena. */
enum im_err round_ask(struct round *r, const struct round_question *question, struct arena *arena,
    Immudb__Schema__VerifiableTx **out);

/* The specification that asks for every entry of every kind, with or without values. */
Immudb__Schema__EntriesSpec *round_all_entries(bool with_values);

/* Says that another transaction came than the one that was asked for; IM_ERR_PROOF. */
enum im_err round_wrong_tx(uint64_t answered, uint64_t asked);

/*
 * Notes what is wrong; the first note of a round counts. from and to may be 0. Returns err, so that
 * a check can end with it; its detail is the reason.
 */
enum im_err round_note(struct round *r, enum im_err err, uint64_t from, uint64_t to);

#endif
