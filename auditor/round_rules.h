#ifndef AUDITOR_ROUND_RULES_H
#define AUDITOR_ROUND_RULES_H

#include "crypto/entry.h"
#include "crypto/metadata.h"
#include "util/err.h"
#include "verdict.h"

/*
 * What a failure means. Pure tables, so that they can be read and tested as a whole:
 *
 *	what failed                                                      verdict
 *	the state is unsigned, a key is configured                       signature-missing
 *	the state is signed by none of the keys                          signature-wrong
 *	fewer transactions than were proven before                       rolled-back (announced: that)
 *	none at all, or the database is not there any more               emptied
 *	another hash for a proven transaction, in a history that is      forked
 *	consistent in itself; or a peer's proven state is not in ours
 *	a proof or a state that does not verify, is cut short, padded,   tampered
 *	or malformed; entries that do not hash to their header; a
 *	value that does not have its hash, or that is not given; a
 *	transaction that was proven and is not found; a state that is
 *	shown and then denied; data that the server itself reports as
 *	damaged
 *	no connection, connection lost, no answer in time, shutting down unreachable
 *	frames or messages that cannot be read; refused logins; every    error
 *	other error, ours too
 *
 * The line between malformed and unreadable: bytes that do not decode as the answer's message could
 * be anybody's noise; a message that decodes is the server's word, and everything in it counts.
 */

/* The verdict that an error of a check means. IM_OK is AUDIT_OK. */
enum audit_verdict round_rules_verdict(enum im_err err);

/* Whether a value that an answer leaves out has to be there. */
enum round_value {
	ROUND_VALUE_HERE,      /* it is, and has its hash */
	ROUND_VALUE_EMPTY,     /* it is the empty value, by its hash */
	ROUND_VALUE_EXPIRED,   /* the entry has expired: a server need not keep it */
	ROUND_VALUE_TRUNCATED, /* a proven transaction has truncated it */
	ROUND_VALUE_WITHHELD   /* it should be there and is not */
};

/* What is known of an entry whose value is looked at. */
struct round_value_facts {
	uint64_t tx;
	uint64_t truncated_to; /* transactions up to this one have lost their values; 0: none */
	int64_t now;           /* Unix seconds */
	size_t len;            /* of the value in the answer */
	struct hash hval;      /* as proven */
	struct kv_metadata metadata;
};

enum round_value round_rules_value(const struct round_value_facts *facts);

#endif
