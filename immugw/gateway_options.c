/*
 * The option table of immugw and its sub-commands. util/options.h reads command line, environment
 * and configuration file by it; main.c runs what comes out.
 *
 * Invariant: every key of the sample configuration is in the table.
 */
#include "gateway_options.h"

#include "cli/tls_options.h"
#include "cors.h"
#include "upstream.h"
#include "util/daemon_main.h"
#include "util/service_command.h"
#include "util/version.h"

static const struct option_def gateway_option_table[] = {
    {.name = "dir",
	.type = OPTION_PATH,
	.help = "Folder for trusted states; $XDG_STATE_HOME/immudb or $HOME/.local/state/immudb if "
		"not set"},
    {.name = "address",
	.short_name = 'a',
	.type = OPTION_STRING,
	.default_text = "0.0.0.0",
	.help = "Address to serve on; :: is every address, IPv6 and IPv4"},
    {.name = "port",
	.short_name = 'p',
	.type = OPTION_INT,
	.default_text = "3323",
	.help = "Port to serve on; 0 takes a free one",
	.min = 0,
	.max = 65535},
    DAEMON_PIDFILE_ROW(NULL) DAEMON_DETACHED_ROW(NULL){.name = "threads",
	.type = OPTION_INT,
	.default_text = "64",
	.help = "Requests answered at the same time; further ones wait",
	.min = 4,
	.max = 1024},
    {.name = "https",
	.type = OPTION_BOOL,
	.default_text = "false",
	.group = "HTTPS",
	.help = "Serve HTTPS (TLS 1.3) in place of HTTP"},
    {.name = "https-certificate",
	.type = OPTION_PATH,
	.group = "HTTPS",
	.help = "PEM file with the certificate and those that lead to its authority"},
    {.name = "https-pkey",
	.type = OPTION_PATH,
	.group = "HTTPS",
	.help = "PEM file with the certificate's private key"},
    {.name = "https-clientcas",
	.type = OPTION_PATH,
	.group = "HTTPS",
	.help = "PEM file with the authorities that sign clients' certificates: nobody is served "
		"without one"},
    {.name = "cors-origins",
	.type = OPTION_LIST,
	.value_name = "ORIGIN",
	.help = "Pages of these origins may call from a browser, \"*\" of all; none if not set"},
    {.name = "immudb-address",
	.short_name = 'k',
	.type = OPTION_STRING,
	.default_text = "127.0.0.1",
	.group = "Server",
	.help = "Host name or IP address of the server"},
    {.name = "immudb-port",
	.short_name = 'j',
	.type = OPTION_INT,
	.default_text = "3322",
	.group = "Server",
	.help = "Port of the server",
	.min = 1,
	.max = 65535},
    {.name = "immudb-socket",
	.type = OPTION_PATH,
	.group = "Server",
	.help = "Unix socket of the server, in place of address and port"},
    {.name = "connections",
	.type = OPTION_INT,
	.default_text = "1",
	.group = "Server",
	.help = "Connections to the server that requests share; verified requests have their own",
	.min = 1,
	.max = UPSTREAM_CONNECTIONS_MAX},
    {.name = "timeout",
	.type = OPTION_DURATION,
	.default_text = "1m",
	.group = "Server",
	.help = "How long to wait for an answer of the server",
	.min = 1,
	.max = INT32_MAX},
    {.name = "max-recv-msg-size",
	.type = OPTION_SIZE,
	.default_text = "32MiB",
	.group = "Server",
	.help = "Largest request and answer, in bytes before they are JSON",
	.min = 16384,
	.max = 1 << 30},
    {.name = "server-signing-pub-key",
	.type = OPTION_PATH,
	.group = "Security",
	.help = "PEM file with the public key that must have signed every state"},
    TLS_OPTIONS{.name = "audit",
	.type = OPTION_BOOL,
	.default_text = "false",
	.group = "Audit",
	.help = "Run an auditor beside the gateway, in a process of its own"},
    {.name = "audit-interval",
	.type = OPTION_DURATION,
	.default_text = "5m",
	.group = "Audit",
	.help = "Time between the beginnings of two rounds",
	.min = 1000,
	.max = INT64_C(86400000)},
    {.name = "audit-username",
	.type = OPTION_STRING,
	.default_text = "immugwauditor",
	.group = "Audit",
	.help = "User to audit as; needs to read the databases, nothing more"},
    {.name = "audit-password",
	.type = OPTION_SECRET,
	.group = "Audit",
	.help = "Password of that user"},
    {.name = "audit-password-file",
	.type = OPTION_SECRET_FILE,
	.target = "audit-password",
	.group = "Audit",
	.help = "File whose first line is the password"},
    {.name = "audit-signature",
	.type = OPTION_ENUM,
	.default_text = "ignore",
	.choices = "ignore,validate",
	.group = "Audit",
	.help = "Whether the auditor checks signatures by server-signing-pub-key"},
    {.name = "audit-databases",
	.type = OPTION_LIST,
	.group = "Audit",
	.help = "Names or prefixes of databases; all that the user may read if not set"},
    {.name = "audit-monitoring-host",
	.type = OPTION_STRING,
	.default_text = "0.0.0.0",
	.group = "Audit",
	.help =
	    "Address of the auditor's metrics and status page; :: is every address, IPv6 and IPv4"},
    {.name = "audit-monitoring-port",
	.type = OPTION_INT,
	.default_text = "9476",
	.group = "Audit",
	.help = "Port of the auditor's metrics and status page; 0 switches them off",
	.min = 0,
	.max = 65535},
    {.name = "access-log",
	.type = OPTION_BOOL,
	.default_text = "false",
	.group = "Monitoring",
	.help = "A line in the log for each request: route, status, bytes, time"},
    DAEMON_LOG_ROWS("Monitoring")};

static const struct command gateway_commands[] = {
    SERVICE_COMMAND("Install"),
    {.name = "version", .summary = "Show the version", .run = program_version},
};

static const struct command gateway_root = {
    .name = "immugw",
    .summary = "REST gateway of the immutable database",
    .help =
	"Serves the database over HTTP and JSON in the foreground until SIGTERM or SIGINT. What is "
	"asked for under /db/verified/ is proven here before it is answered. /openapi.json describes "
	"every path, and the page at / lets one try them.\n\nSettings come from flags, from "
	"environment variables, and from /etc/immudb/immugw.toml (or immugw.yaml), in this order.",
    .examples = "immugw                                # port 3323, server at 127.0.0.1:3322\n"
		"immugw -k db.example.com -p 8080      # another server, another port\n"
		"immugw --cors-origins https://app.example.com\n"
		"immugw --audit --audit-username reader --audit-password-file FILE\n",
    .options = gateway_option_table,
    .option_count = sizeof gateway_option_table / sizeof *gateway_option_table,
    .commands = gateway_commands,
    .command_count = sizeof gateway_commands / sizeof *gateway_commands,
    .run = gateway_run,
};

/* HTTPS is on by its switch only, never because a path is set. */
static void
gateway_check_https(const struct options *o, struct options_check *to)
{
	if (!options_bool(o, "https"))
		return;
	if (!options_string(o, "https-certificate")[0])
		options_check_add(to, "https", "needs a certificate (https-certificate)");
	if (!options_string(o, "https-pkey")[0])
		options_check_add(to, "https", "needs the certificate's private key (https-pkey)");
}

static void
gateway_check(const struct options *o, struct options_check *to)
{
	size_t i, count;
	const char *const *origins = options_list(o, "cors-origins", &count);

	for (i = 0; i < count; i++)
		if (cors_check_origin(origins[i]) != IM_OK)
			options_check_add(to, "cors-origins", "%s", err_detail(IM_ERR_CONFIG));
	if (strcmp(options_string(o, "audit-signature"), "validate") == 0 &&
	    !options_string(o, "server-signing-pub-key")[0])
		options_check_add(to, "audit-signature",
		    "is validate, but server-signing-pub-key does not name the server's key");
	tls_options_check(o, to);
	gateway_check_https(o, to);
	daemon_main_check(o, to);
}

const struct program gateway_program = {.root = &gateway_root,
    .check = gateway_check,
    .env_prefix = "IMMUGW_",
    .version = IMMUDB_VERSION,
    .man_section = 8};

void
gateway_settings_get(const struct options *o, struct gateway_settings *out)
{
	*out = (struct gateway_settings){.address = options_string(o, "address"),
	    .port = (uint16_t)options_int(o, "port"),
	    .server_address = options_string(o, "immudb-address"),
	    .server_port = (uint16_t)options_int(o, "immudb-port"),
	    .server_socket = options_string(o, "immudb-socket"),
	    .timeout_ms = (unsigned int)options_duration_ms(o, "timeout"),
	    .max_message_bytes = (size_t)options_size(o, "max-recv-msg-size"),
	    .connections = (size_t)options_int(o, "connections"),
	    .dir = options_string(o, "dir"),
	    .pub_key_file = options_string(o, "server-signing-pub-key"),
	    .access_log = options_bool(o, "access-log"),
	    .threads = (size_t)options_int(o, "threads")};
	tls_options_get(o, &out->tls);
	out->https = options_bool(o, "https");
	out->https_files = (struct tls_files){.side = TLS_SERVER,
	    .certificate = options_string(o, "https-certificate"),
	    .key = options_string(o, "https-pkey"),
	    .authorities = options_string(o, "https-clientcas")};
	out->origins = options_list(o, "cors-origins", &out->origins_len);
}
