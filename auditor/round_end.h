#ifndef AUDITOR_ROUND_END_H
#define AUDITOR_ROUND_END_H

#include "round.h"

/*
 * What follows from a round: evidence, the record of an alarm, the new trusted state, an alert, a
 * line in the log, and the report.
 */

/* What the auditor remembers of a database between rounds, beside its files. */
struct round_memory {
	char name[REPORT_NAME_MAX + 1];
	bool is_known;    /* there is a trusted state of some transaction, or an alarm */
	uint32_t alerted; /* verdicts told to people since the last acknowledgement, as bits */
	struct trust_state verified; /* the newest state that passed all checks; id 0: none yet */
	int64_t verified_at;
	struct peer_proof *proof; /* that peers are shown; NULL: none. Under the report's lock. */
};

/*
 * Ends a round that has a verdict. memory is changed by nobody else meanwhile, but its verified
 * state only under the report's lock. is_quiet: neither evidence nor an alert, because the same
 * finding was told for another database; evidence is then the path of that one's file.
 */
struct round_ending {
	struct round_memory *memory;
	bool is_quiet;
	const char *other_server_id;    /* that answered in place of ours; NULL */
	char evidence[REPORT_PATH_MAX]; /* in and out */
};
void round_end(struct round *r, struct round_ending *ending);

/* Copies what a record remembers into the report's row of a database; under the report's lock. */
void round_show_record(struct report_database *d, const struct audit_record *record);

#endif
