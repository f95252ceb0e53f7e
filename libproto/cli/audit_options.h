#ifndef CLI_AUDIT_OPTIONS_H
#define CLI_AUDIT_OPTIONS_H

#include "util/daemon_main.h"

/*
 * The options of auditing, for the table of `auditor` and for that of `immuclient audit-mode`,
 * which hands what is set to the auditor under the same names: elements of an array of struct
 * option_def, the last one with its comma. The server's address and the key are options of each
 * program's own: immudb-address, immudb-port, immudb-socket, timeout, max-recv-msg-size,
 * server-signing-pub-key (several with commas).
 */
/* clang-format off */
#define AUDIT_OPTIONS \
    {.name = "audit-username", \
	.type = OPTION_STRING, \
	.group = "Audit", \
	.help = "user to audit as; needs to read the databases, nothing more"}, \
    {.name = "audit-password", \
	.type = OPTION_SECRET, \
	.group = "Audit", \
	.help = "password of that user"}, \
    {.name = "audit-password-file", \
	.type = OPTION_SECRET_FILE, \
	.target = "audit-password", \
	.group = "Audit", \
	.help = "file whose first line is the password"}, \
    {.name = "audit-databases", \
	.type = OPTION_LIST, \
	.group = "Audit", \
	.help = "names or prefixes of databases; all that the user may read if not set"}, \
    {.name = "audit-interval", \
	.type = OPTION_DURATION, \
	.default_text = "5m", \
	.env = "audit-agent-interval", \
	.min = 1000, \
	.max = INT64_C(86400000), \
	.group = "Audit", \
	.help = "time between the beginnings of two rounds; the first begins at once"}, \
    {.name = "audit-sample", \
	.type = OPTION_INT, \
	.default_text = "100", \
	.min = 0, \
	.max = 1000000, \
	.group = "Audit", \
	.help = "random entries of each database whose values are checked in a round"}, \
    {.name = "audit-newest", \
	.type = OPTION_INT, \
	.default_text = "100", \
	.min = 0, \
	.max = 1000000, \
	.group = "Audit", \
	.help = "newest entries of each database that are checked beside them"}, \
    {.name = "audit-sweep-period", \
	.type = OPTION_DURATION, \
	.default_text = "0", \
	.min = 0, \
	.max = INT64_C(2147483647), \
	.group = "Audit", \
	.help = "check every value of every database once in this time; 0: no full sweep"}, \
    {.name = "audit-sweep-rate", \
	.type = OPTION_INT, \
	.default_text = "0", \
	.min = 0, \
	.max = 10000000, \
	.group = "Audit", \
	.help = "entries a second that a full sweep reads at most; 0: what its period needs"}, \
    {.name = "audit-parallel", \
	.type = OPTION_INT, \
	.default_text = "4", \
	.min = 1, \
	.max = 64, \
	.group = "Audit", \
	.help = "databases that are checked at the same time"}, \
    {.name = "dir", \
	.type = OPTION_PATH, \
	.group = "Audit", \
	.help = \
	    "folder for trusted states, alarms, evidence and queued alerts; $XDG_STATE_HOME/immudb/auditor " \
	    "or $HOME/.local/state/immudb/auditor if not set"}, \
    {.name = "peer", \
	.type = OPTION_LIST, \
	.value_name = "ADDRESS:PORT", \
	.group = "Audit", \
	.help = "another auditor to compare notes with; may be given several times"}, \
    {.name = "peer-listen", \
	.type = OPTION_STRING, \
	.value_name = "ADDRESS:PORT", \
	.group = "Audit", \
	.help = "where other auditors may ask for the states that this one has verified"}, \
    {.name = "audit-notification-url", \
	.type = OPTION_STRING, \
	.value_name = "URL", \
	.group = "Alerts", \
	.help = "webhook to which alerts are posted as JSON: http or https"}, \
    {.name = "audit-notification-username", \
	.type = OPTION_STRING, \
	.group = "Alerts", \
	.help = "user name for the webhook (HTTP Basic); never part of the JSON"}, \
    {.name = "audit-notification-password", \
	.type = OPTION_SECRET, \
	.group = "Alerts", \
	.help = "password for the webhook"}, \
    {.name = "audit-notification-password-file", \
	.type = OPTION_SECRET_FILE, \
	.target = "audit-notification-password", \
	.group = "Alerts", \
	.help = "file whose first line is the password for the webhook"}, \
    {.name = "audit-notification-secret-file", \
	.type = OPTION_PATH, \
	.group = "Alerts", \
	.help = \
	    "file whose first line is the key of the signature header (HMAC-SHA-256); others than owner " \
	    "and group must not be able to read it"}, \
    {.name = "audit-notification-ca-file", \
	.type = OPTION_PATH, \
	.group = "Alerts", \
	.help = "PEM file with the authorities that may have signed the webhook's certificate; the " \
		"system's if not set"}, \
    {.name = "audit-notification-every-round", \
	.type = OPTION_BOOL, \
	.default_text = "false", \
	.group = "Alerts", \
	.help = "post the result of each comparison, not only alarms"}, \
    {.name = "alert-exec", \
	.type = OPTION_PATH, \
	.value_name = "PROGRAM", \
	.group = "Alerts", \
	.help = "program that is run for each alarm, with the JSON on its standard input"}, \
    {.name = "audit-monitoring-host", \
	.type = OPTION_STRING, \
	.default_text = "0.0.0.0", \
	.aliases = "prometheus-host", \
	.group = "Monitoring", \
	.help = "address of metrics, health and status page; :: is every address, IPv6 and IPv4"}, \
    {.name = "audit-monitoring-port", \
	.type = OPTION_INT, \
	.aliases = "prometheus-port", \
	.min = 0, \
	.max = 65535, \
	.group = "Monitoring", \
	.help = "port of metrics, health and status page; 0 switches them off; 9477 if not set, or " \
		"9476 in the gateway's profile"}, \
    {.name = "audit-monitoring-evidence", \
	.type = OPTION_BOOL, \
	.default_text = "false", \
	.group = "Monitoring", \
	.help = "let evidence be fetched from there, by whoever reaches it; it holds the entries in " \
		"question"}, \
    DAEMON_LOG_ROWS("Process") \
    DAEMON_PIDFILE_ROW("Process")
/* clang-format on */

#endif
