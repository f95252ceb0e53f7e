/*
 * The option table of the auditor and its commands. Neighbours: cli/audit_options.h (the options
 * that `immuclient audit-mode` has as well), main.c (the daemon), auditor_commands.c.
 *
 * Invariant: what is wrong by itself, whatever the server says, is refused here, before anything
 * starts.
 */
#include "auditor_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auditor_commands.h"
#include "cli/audit_options.h"
#include "cli/cli_trust.h"
#include "cli/tls_options.h"
#include "client/trust_file.h"
#include "util/daemon_main.h"
#include "util/file.h"
#include "util/service_command.h"
#include "util/version.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OPTIONS_PATH_MAX 8192
#define OPTIONS_PORT_IMMUCLIENT 9477
#define OPTIONS_PORT_IMMUGW 9476

static const struct option_def auditor_option_table[] = {
    {.name = "immudb-address",
	.short_name = 'a',
	.type = OPTION_STRING,
	.default_text = "127.0.0.1",
	.group = "Server",
	.help = "host name or IP address of the server"},
    {.name = "immudb-port",
	.short_name = 'p',
	.type = OPTION_INT,
	.default_text = "3322",
	.min = 1,
	.max = 65535,
	.group = "Server",
	.help = "port of the server"},
    {.name = "immudb-socket",
	.type = OPTION_PATH,
	.group = "Server",
	.help = "unix socket of the server, in place of address and port"},
    TLS_OPTIONS{.name = "timeout",
	.type = OPTION_DURATION,
	.default_text = "1m",
	.min = 1,
	.max = INT32_MAX,
	.group = "Server",
	.help = "how long to wait for an answer"},
    {.name = "max-recv-msg-size",
	.type = OPTION_SIZE,
	.default_text = "32MiB",
	.min = 4096,
	.max = 1 << 30,
	.group = "Server",
	.help = "largest answer that is accepted"},
    {.name = "server-signing-pub-key",
	.type = OPTION_LIST,
	.value_name = "FILE",
	.group = "Server",
	.help =
	    "PEM file with a public key of the server: every state must be signed by one of those "
	    "given; several while a key is being replaced"},
    {.name = "profile",
	.type = OPTION_ENUM,
	.choices = "immuclient,immugw",
	.default_text = "immuclient",
	.group = "Monitoring",
	.help = "whose names the metrics have, and whose port is the default"},
    AUDIT_OPTIONS DAEMON_DETACHED_ROW("Process"){.name = "once",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.group = "Process",
	.help = "run one round, print the verdicts, and end: with 0 if nothing is wrong, 10 if "
		"something is, 5 if the server cannot be reached"},
    {.name = "rounds",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "1",
	.min = 1,
	.max = INT32_MAX,
	.group = "Process",
	.help = "with --once: so many rounds, one right after the other; the verdicts are those of "
		"the last one"},
    {.name = "output",
	.type = OPTION_ENUM,
	.choices = "text,json",
	.default_text = "text",
	.group = "Process",
	.help = "format of what commands print"},
};

#define SERVER_OPTION \
	{ \
		.name = "server", .type = OPTION_STRING, .flags = OPTION_FLAG_ONLY, \
		.value_name = "SERVER", \
		.help = "identity of the server, or an address at which it was seen; the " \
			"configured address if not set" \
	}

static const struct option_def server_options[] = {SERVER_OPTION};

static const struct option_def import_options[] = {
    {.name = "replace",
	.type = OPTION_ENUM,
	.flags = OPTION_FLAG_ONLY,
	.choices = "no,older,any",
	.default_text = "no",
	.help = "which state that is trusted already may be replaced"},
};

static const struct option_def ack_options[] = {
    {.name = "reason",
	.type = OPTION_STRING,
	.flags = OPTION_FLAG_ONLY,
	.value_name = "TEXT",
	.help = "why the alarm is no longer one; kept with your name and the time"},
    {.name = "server",
	.type = OPTION_STRING,
	.flags = OPTION_FLAG_ONLY,
	.value_name = "IDENTITY",
	.help = "identity of the server whose alarms are meant; all servers if not set"},
};

static const struct command trust_commands[] = {
    {.name = "list",
	.aliases = "ls",
	.summary = "list trusted states and the servers seen at addresses",
	.run = command_trust_list},
    {.name = "show",
	.args = "DATABASE",
	.summary = "show the trusted state of a database",
	.min_args = 1,
	.max_args = 1,
	.options = server_options,
	.option_count = COUNT(server_options),
	.run = command_trust_show},
    {.name = "export",
	.args = "DATABASE",
	.summary = "print the trusted state of a database, to be imported elsewhere",
	.min_args = 1,
	.max_args = 1,
	.options = server_options,
	.option_count = COUNT(server_options),
	.run = command_trust_export},
    {.name = "import",
	.args = "FILE|-",
	.summary = "trust a state that was exported",
	.min_args = 1,
	.max_args = 1,
	.options = import_options,
	.option_count = COUNT(import_options),
	.run = command_trust_import},
    {.name = "forget",
	.args = "[DATABASE]",
	.summary = "forget the state of a database, or else which server was seen at the address",
	.max_args = 1,
	.options = server_options,
	.option_count = COUNT(server_options),
	.run = command_trust_forget},
};

static const struct command auditor_commands[] = {
    SERVICE_COMMAND("install"),
    {.name = "status",
	.summary = "show what is trusted and which alarms nobody has acknowledged",
	.help =
	    "Reads the auditor's folder; no server and no running auditor is needed. Ends with 10 "
	    "when there is an alarm.",
	.run = command_status},
    {.name = "ack",
	.args = "[DATABASE]",
	.summary = "acknowledge the alarm of a database, or all of them",
	.help =
	    "The alarm ends, and who ended it, when and why is kept. What is trusted stays: when "
	    "the server rightly holds another history now, forget the old one as well (trust "
	    "forget), or the next round raises the alarm again. The record of a database that is "
	    "damaged begins anew.",
	.examples = "auditor ack defaultdb --reason \"restored from last night's backup\"",
	.max_args = 1,
	.options = ack_options,
	.option_count = COUNT(ack_options),
	.run = command_ack},
    {.name = "verify",
	.args = "FILE",
	.summary = "check evidence or a proof, with no server",
	.help =
	    "With --server-signing-pub-key both states of evidence must be signed by one of the "
	    "given keys; evidence of a fork then convinces everybody who trusts that key.",
	.examples = "auditor verify forked.proof --server-signing-pub-key server.pub",
	.min_args = 1,
	.max_args = 1,
	.run = command_verify},
    {.name = "trust",
	.summary = "the servers and states that this auditor trusts",
	.examples = "auditor trust list\n"
		    "auditor trust export defaultdb >before.state\n"
		    "auditor trust forget defaultdb    # a restore that is known to be right\n"
		    "auditor trust forget              # another server at the configured address",
	.commands = trust_commands,
	.command_count = COUNT(trust_commands)},
    {.name = "version", .summary = "show the version", .run = program_version},
};

static const struct command auditor_root = {
    .name = "auditor",
    .summary = "watches an immudb server from outside and raises an alarm when it lies",
    .help =
	"Runs in the foreground until SIGTERM or SIGINT. In each round it checks of every database "
	"that its history only grew and that values are what was written, and keeps evidence of what "
	"is not so. Run it on another host than the server, as a user who may only read.\n\nSettings "
	"come from flags, from environment variables, and from /etc/immudb/auditor.toml (or "
	"auditor.yaml), in this order.",
    .examples = "auditor -a db.example.org --audit-username watcher --audit-password-file pw\n"
		"auditor --server-signing-pub-key server.pub --audit-interval 30s\n"
		"auditor --once --output json         # one round, for scripts\n"
		"auditor status                       # alarms, from this auditor's folder",
    .options = auditor_option_table,
    .option_count = COUNT(auditor_option_table),
    .commands = auditor_commands,
    .command_count = COUNT(auditor_commands),
    .run = auditor_run,
};

static void
auditor_check(const struct options *o, struct options_check *to)
{
	const char *authorities = options_string(o, "audit-notification-ca-file");

	if (options_bool(o, "once") && options_bool(o, "detached") &&
	    options_origin(o, "detached") == OPTION_FROM_FLAG)
		options_check_add(to, "detached", "does not go with --once");
	if (authorities[0] && access(authorities, R_OK) != 0)
		options_check_add(
		    to, "audit-notification-ca-file", "%s: %s", authorities, strerror(errno));
	tls_options_check(o, to);
	daemon_main_check(o, to);
}

const struct program auditor_program = {.check = auditor_check,
    .root = &auditor_root,
    .env_prefix = "AUDITOR_",
    .version = IMMUDB_VERSION,
    .man_section = 8};

/* ---- What they come to ---- */

enum im_err
auditor_folder(const struct options *o, struct buf *out)
{
	const char *dir = options_string(o, "dir");
	struct buf state;
	enum im_err err;

	if (*dir) {
		buf_append(out, dir, strlen(dir) + 1);
		return out->err ? err_set(out->err, "dir: %s", err_text(out->err)) : IM_OK;
	}
	buf_init(&state, OPTIONS_PATH_MAX);
	err = file_state_folder(&state);
	if (!err)
		err = file_join(out, (const char *)state.data, "auditor");
	buf_free(&state);
	return err;
}

/* Names and prefixes of databases can only be made of what names are made of. */
static enum im_err
check_filters(const char *const *items, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!trust_file_is_database(items[i]))
			return err_set(IM_ERR_CONFIG,
			    "audit-databases: \"%s\" is no name or prefix of a database: lower-case "
			    "letters, digits, _ and -",
			    items[i]);
	return IM_OK;
}

static void
fill_audit(const struct options *o, struct auditor_settings *s)
{
	struct audit_options *a = &s->audit;

	*a = (struct audit_options){.address = options_string(o, "immudb-address"),
	    .port = (uint16_t)options_int(o, "immudb-port"),
	    .unix_path = options_string(o, "immudb-socket"),
	    .username = options_string(o, "audit-username"),
	    .password = options_string(o, "audit-password"),
	    .state_dir = s->dir,
	    .interval_ms =
		options_bool(o, "once") ? 0 : (unsigned)options_duration_ms(o, "audit-interval"),
	    .timeout_ms = (unsigned)options_duration_ms(o, "timeout"),
	    .max_message_bytes = (size_t)options_size(o, "max-recv-msg-size"),
	    .parallel = (unsigned)options_int(o, "audit-parallel"),
	    .sample = (unsigned)options_int(o, "audit-sample"),
	    .newest = (unsigned)options_int(o, "audit-newest"),
	    .sweep_period_ms = (unsigned)options_duration_ms(o, "audit-sweep-period"),
	    .sweep_rate = (unsigned)options_int(o, "audit-sweep-rate")};
	tls_options_get(o, &a->tls);
	a->databases = options_list(o, "audit-databases", &a->databases_len);
	a->pub_key_files = options_list(o, "server-signing-pub-key", &a->pub_key_files_len);
}

static void
fill_alert(const struct options *o, struct auditor_settings *s)
{
	s->alert = (struct alert_options){.queue_dir = (const char *)s->queue_text.data,
	    .url = options_string(o, "audit-notification-url"),
	    .username = options_string(o, "audit-notification-username"),
	    .password = options_string(o, "audit-notification-password"),
	    .secret_file = options_string(o, "audit-notification-secret-file"),
	    .ca_file = options_string(o, "audit-notification-ca-file"),
	    .exec = options_string(o, "alert-exec"),
	    .every_round = options_bool(o, "audit-notification-every-round")};
}

static void
fill_rest(const struct options *o, struct auditor_settings *s)
{
	bool is_immugw = options_enum(o, "profile") == 1;
	uint16_t port = is_immugw ? OPTIONS_PORT_IMMUGW : OPTIONS_PORT_IMMUCLIENT;

	if (options_is_set(o, "audit-monitoring-port"))
		port = (uint16_t)options_int(o, "audit-monitoring-port");
	s->peers = (struct peers_options){.listen = options_string(o, "peer-listen")};
	s->peers.peers = options_list(o, "peer", &s->peers.peers_len);
	s->web = (struct web_options){.address = options_string(o, "audit-monitoring-host"),
	    .port = port,
	    .profile = is_immugw ? "immugw" : "immuclient",
	    .evidence_dir = options_bool(o, "audit-monitoring-evidence")
		? (const char *)s->evidence_text.data
		: NULL};
}

enum im_err
auditor_settings_init(const struct options *o, struct auditor_settings *out)
{
	enum im_err err;

	*out = (struct auditor_settings){0};
	buf_init(&out->dir_text, OPTIONS_PATH_MAX);
	buf_init(&out->address_text, OPTIONS_PATH_MAX);
	buf_init(&out->evidence_text, OPTIONS_PATH_MAX);
	buf_init(&out->queue_text, OPTIONS_PATH_MAX);
	err = auditor_folder(o, &out->dir_text);
	out->dir = (const char *)out->dir_text.data;
	if (!err)
		err = cli_trust_address(o, &out->address_text);
	out->address = (const char *)out->address_text.data;
	if (!err)
		err = file_join(&out->evidence_text, out->dir, "evidence");
	if (!err)
		err = file_join(&out->queue_text, out->dir, "alerts");
	if (err)
		return err;
	fill_audit(o, out);
	fill_alert(o, out);
	fill_rest(o, out);
	return check_filters(out->audit.databases, out->audit.databases_len);
}

void
auditor_settings_free(struct auditor_settings *s)
{
	buf_free(&s->queue_text);
	buf_free(&s->evidence_text);
	buf_free(&s->address_text);
	buf_free(&s->dir_text);
}
