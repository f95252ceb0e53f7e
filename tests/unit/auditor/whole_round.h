#ifndef TESTS_AUDITOR_WHOLE_ROUND_H
#define TESTS_AUDITOR_WHOLE_ROUND_H

#include "audit.h"
#include "proto/immudb.pb-c.h"
#include "report.h"

/* For tests of whole rounds against a server in memory that has one database. */

/* The server's answer to DatabaseListV2; it points to name, and holds until the next call. */
const ProtobufCMessage *whole_round_list(const char *name);

/*
 * A round of an auditor that was just started; the row that the database of that name has in the
 * report.
 */
const struct report_database *
whole_round_run(const struct audit_options *options, const char *name);

#endif
