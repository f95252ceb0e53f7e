/*
 * The option table of immudb and its sub-commands. util/options.h reads command line, environment
 * and configuration file by it; main.c runs what comes out.
 *
 * Invariant: every key of the sample configuration is in the table.
 */
#include "daemon_options.h"

#include "announce_restore.h"
#include "server/databases.h"
#include "server/scrub.h"
#include "util/daemon_main.h"
#include "util/service_command.h"
#include "util/version.h"
#include "verify_folder.h"

#define DAEMON_MESSAGE_MIN 16384
#define DAEMON_MESSAGE_MAX (INT64_C(1) << 30)
#define DAEMON_MINUTE_MS INT64_C(60000)
#define DAEMON_SECOND_MS 1000

static const struct option_def daemon_option_table[] = {
    {.name = "dir", .type = OPTION_PATH, .default_text = "./data", .help = "Data folder"},
    {.name = "address",
	.short_name = 'a',
	.type = OPTION_STRING,
	.default_text = "0.0.0.0",
	.help = "Address to listen on; :: is every address, IPv6 and IPv4"},
    {.name = "port",
	.short_name = 'p',
	.type = OPTION_INT,
	.default_text = "3322",
	.help = "Port to listen on; 0 takes a free one",
	.min = 0,
	.max = 65535},
    {.name = "network",
	.type = OPTION_ENUM,
	.default_text = "tcp",
	.choices = "tcp",
	.help = "Kind of network to listen on"},
    {.name = "unix-socket",
	.type = OPTION_PATH,
	.help = "Listen on this unix socket, too",
	.value_name = "PATH"},
    {.name = "dbname",
	.type = OPTION_STRING,
	.help = "Name of the first database of a new data folder (defaultdb when not given); of an "
		"old one it must be the name that it has"},
    {.name = "synced",
	.type = OPTION_BOOL,
	.default_text = "true",
	.help =
	    "Answer a write only after it is on disk; otherwise the disk is synced every second"},
    {.name = "max-recv-msg-size",
	.type = OPTION_SIZE,
	.default_text = "33554432",
	.help = "Largest request and answer, in bytes",
	.min = DAEMON_MESSAGE_MIN,
	.max = DAEMON_MESSAGE_MAX},
    DAEMON_PIDFILE_ROW(NULL) DAEMON_DETACHED_ROW(NULL){.name = "auth",
	.short_name = 's',
	.type = OPTION_BOOL,
	.default_text = "true",
	.help = "Ask for login; without it only local clients are served",
	.group = "Security"},
    {.name = "devmode",
	.type = OPTION_BOOL,
	.default_text = "false",
	.help = "Development mode: remote clients may use a server without login, and the default "
		"password",
	.group = "Security"},
    {.name = "admin-password",
	.type = OPTION_SECRET,
	.default_text = SERVER_ADMIN_PASSWORD,
	.help = "Password of the superadmin immudb; used once, for a new data folder",
	.group = "Security"},
    {.name = "admin-password-file",
	.type = OPTION_SECRET_FILE,
	.target = "admin-password",
	.help = "File whose first line is the superadmin's password",
	.group = "Security"},
    {.name = "force-admin-password",
	.type = OPTION_BOOL,
	.default_text = "false",
	.help = "Give the superadmin the password of admin-password at this start, whatever it was",
	.group = "Security"},
    {.name = "require-password-change",
	.type = OPTION_BOOL,
	.default_text = "false",
	.help = "With the default password the superadmin may do nothing but change it",
	.group = "Security"},
    {.name = "signingKey",
	.type = OPTION_PATH,
	.aliases = "signing-key",
	.env = "IMMUDB_SIGNING_KEY",
	.help = "Private key (PEM, ECDSA P-256) to sign states with",
	.group = "Security"},
    {.name = "token-expiry-time",
	.type = OPTION_INT,
	.default_text = "1440",
	.value_name = "MINUTES",
	.help = "How long a login token is valid",
	.group = "Security",
	.min = 1,
	.max = 525600},
    {.name = "session-timeout",
	.type = OPTION_DURATION,
	.default_text = "2m",
	.help = "How long a session lives without being used",
	.group = "Security",
	.min = 1000,
	.max = INT64_C(86400000)},
    {.name = "max-sessions",
	.type = OPTION_INT,
	.default_text = "10000",
	.help = "Sessions and tokens alive at the same time",
	.group = "Security",
	.min = 1,
	.max = 1000000},
    {.name = "max-connection-rate",
	.type = OPTION_INT,
	.default_text = "4000",
	.value_name = "N",
	.help = "New connections a second; more wait their turn, by address (0: any number)",
	.group = "Security",
	.min = 0,
	.max = 1000000},
    {.name = "max-active-databases",
	.type = OPTION_INT,
	.default_text = "100",
	.help = "Databases open at the same time; others are opened when they are used",
	.min = 3,
	.max = DATABASES_MAX},
    {.name = "scrub-interval",
	.type = OPTION_DURATION,
	.default_text = "7d",
	.help =
	    "How often each database is checked completely while it is in service; 0 leaves it to "
	    "\"immuadmin database scrub\"",
	.group = "Monitoring",
	.min = 0,
	.max = INT64_C(365) * 86400000},
    {.name = "scrub-rate",
	.type = OPTION_SIZE,
	.default_text = "16777216",
	.help = "Bytes a second that such a check reads at most",
	.group = "Monitoring",
	.min = SCRUB_RATE_MIN,
	.max = INT64_MAX},
    {.name = "tls",
	.type = OPTION_BOOL,
	.default_text = "false",
	.help = "TLS 1.3: clients check the server's certificate",
	.group = "TLS"},
    {.name = "mtls",
	.short_name = 'm',
	.type = OPTION_BOOL,
	.default_text = "false",
	.help = "Mutual TLS: clients must show a certificate, too",
	.group = "TLS"},
    {.name = "certificate",
	.type = OPTION_PATH,
	.help = "PEM file with the server's certificate and those that lead to its authority; only "
		"used with tls or mtls",
	.group = "TLS"},
    {.name = "pkey",
	.type = OPTION_PATH,
	.help = "PEM file with the certificate's private key; only used with tls or mtls",
	.group = "TLS"},
    {.name = "clientcas",
	.type = OPTION_PATH,
	.help =
	    "PEM file with the authorities that sign clients' certificates; only used with mtls",
	.group = "TLS"},
    {.name = "auto-cert",
	.type = OPTION_BOOL,
	.default_text = "false",
	.help = "Make a certificate that signs itself, in the data folder, and use it",
	.group = "TLS"},
    {.name = "client-cert-user",
	.type = OPTION_ENUM,
	.default_text = "off",
	.choices = "off,cn,san",
	.help = "The user that a client's certificate names, by common name or DNS name, logs in "
		"without password, and nobody else over that connection; needs mtls",
	.group = "TLS"},
    {.name = "maintenance",
	.type = OPTION_BOOL,
	.default_text = "false",
	.help = "Maintenance mode: local clients only, who read and repair users without login",
	.group = "Security"},
    {.name = "metrics-address",
	.type = OPTION_STRING,
	.help =
	    "Address of the HTTP server for metrics and health; that of the server when not given",
	.group = "Monitoring"},
    {.name = "metrics-port",
	.type = OPTION_INT,
	.default_text = "9497",
	.aliases = "metrics-server-port",
	.help = "Port of the HTTP server for metrics and health; 0 switches it off",
	.group = "Monitoring",
	.min = 0,
	.max = 65535},
    {.name = "access-log",
	.type = OPTION_BOOL,
	.default_text = "false",
	.aliases = "log-access",
	.help = "A line in the log for each request: method, user, database, client, result, time",
	.group = "Monitoring"},
    {.name = "no-histograms",
	.type = OPTION_BOOL,
	.default_text = "false",
	.help = "Leave out the latency histograms of the metrics",
	.group = "Monitoring"},
    DAEMON_LOG_ROWS("Monitoring")};

static const struct option_def daemon_verify_options[] = {
    {.name = "output",
	.type = OPTION_ENUM,
	.flags = OPTION_FLAG_ONLY,
	.choices = "text,json",
	.default_text = "text",
	.help = "Form of the result"},
    /* For backups, which need to know what is there and not yet whether it is whole. */
    {.name = "states",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY | OPTION_HIDDEN,
	.help = "Only what opening a database checks"},
    {.name = "identity",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY | OPTION_HIDDEN,
	.help = "Show the server's identity, too"},
};

static const struct command daemon_commands[] = {
    {.name = "verify",
	.args = "DIR",
	.summary = "Check a data folder that no server uses, completely",
	.help =
	    "Recomputes every transaction of every database from the log and compares checksums, "
	    "hashes, chain, tree, offsets and index. DIR is a data folder or the folder of one "
	    "database. Nothing is written into it. Says of each fault file, offset, transaction and "
	    "key, and whether it is lost or can be rebuilt: then the next start of the server or the "
	    "next read does so. Exit code 0: whole; 10: faults found; 1: cannot be checked.",
	.min_args = 1,
	.max_args = 1,
	.options = daemon_verify_options,
	.option_count = sizeof daemon_verify_options / sizeof *daemon_verify_options,
	.run = verify_folder_run},
    SERVICE_COMMAND("Install"),
    {.name = "announce-restore",
	.hidden = true,
	.summary = "Write into a stopped data folder that a database was restored",
	.help = "The next start of the server signs and journals it, and tells auditors that ask "
		"why the database is not what it was. The same announcement given again changes "
		"nothing.",
	.options = announce_restore_options,
	.option_count = ANNOUNCE_RESTORE_OPTIONS,
	.run = announce_restore_run},
    {.name = "version", .summary = "Show the version", .run = program_version},
};

static const struct command daemon_root = {
    .name = "immudb",
    .summary = "Tamper-evident, immutable key-value database",
    .help =
	"Runs the storage daemon in the foreground until SIGTERM or SIGINT. The first user is "
	"immudb with the password immudb; until that is changed it can log in from this machine "
	"only.\n\nSettings come from flags, from environment variables, and from "
	"/etc/immudb/immudb.toml (or immudb.yaml), in this order.",
    .examples = "immudb                                # data in ./data, port 3322\n"
		"immudb -d --dir /var/lib/immudb       # in the background\n"
		"immudb --signingKey private.key       # with signed states\n",
    .options = daemon_option_table,
    .option_count = sizeof daemon_option_table / sizeof *daemon_option_table,
    .commands = daemon_commands,
    .command_count = sizeof daemon_commands / sizeof *daemon_commands,
    .run = daemon_run,
};

static void
daemon_check(const struct options *o, struct options_check *to)
{
	struct server_options so;
	const char *option;

	daemon_server_options(o, &so);
	if (server_check_options(&so, &option) != IM_OK)
		options_check_add(to, option, "%s", err_detail(IM_ERR_CONFIG));
	if (options_duration_ms(o, "scrub-interval") > 0 && so.scrub_interval_s == 0)
		options_check_add(to, "scrub-interval", "is 0 or a second or more");
	if (options_int(o, "port") != 0 && options_int(o, "port") == options_int(o, "metrics-port"))
		options_check_add(to, "metrics-port", "is the port of the server as well");
	daemon_main_check(o, to);
}

const struct program daemon_program = {.root = &daemon_root,
    .check = daemon_check,
    .env_prefix = "IMMUDB_",
    .version = IMMUDB_VERSION,
    .man_section = 8};

void
daemon_server_options(const struct options *o, struct server_options *out)
{
	*out = (struct server_options){
	    .dir = options_string(o, "dir"),
	    .dbname = options_is_set(o, "dbname") ? options_string(o, "dbname") : NULL,
	    .synced = options_bool(o, "synced"),
	    .address = options_string(o, "address"),
	    .port = (uint16_t)options_int(o, "port"),
	    .unix_path = options_string(o, "unix-socket"),
	    .signing_key = options_string(o, "signingKey"),
	    .admin_password = options_string(o, "admin-password"),
	    .force_admin_password = options_bool(o, "force-admin-password"),
	    .require_password_change = options_bool(o, "require-password-change"),
	    .access_log = options_bool(o, "access-log"),
	    .maintenance = options_bool(o, "maintenance"),
	    .auth = options_bool(o, "auth"),
	    .devmode = options_bool(o, "devmode"),
	    .max_message_bytes = (size_t)options_size(o, "max-recv-msg-size"),
	    .max_sessions = (size_t)options_int(o, "max-sessions"),
	    .max_connection_rate = (uint32_t)options_int(o, "max-connection-rate"),
	    .max_active_databases = (size_t)options_int(o, "max-active-databases"),
	    .token_life_ms = options_int(o, "token-expiry-time") * DAEMON_MINUTE_MS,
	    .session_idle_ms = options_duration_ms(o, "session-timeout"),
	    .scrub_interval_s = options_duration_ms(o, "scrub-interval") / DAEMON_SECOND_MS,
	    .scrub_rate = (uint64_t)options_size(o, "scrub-rate"),
	    .histograms = !options_bool(o, "no-histograms"),
	    .metrics_address = options_string(o, "metrics-address"),
	    .metrics_port = (uint16_t)options_int(o, "metrics-port"),
	    .tls = options_bool(o, "tls"),
	    .mtls = options_bool(o, "mtls"),
	    .auto_cert = options_bool(o, "auto-cert"),
	    .certificate = options_string(o, "certificate"),
	    .pkey = options_string(o, "pkey"),
	    .clientcas = options_string(o, "clientcas"),
	    .client_cert_user = (enum server_cert_user)options_enum(o, "client-cert-user"),
	};
}
