/*
 * The command line of immuclient: options and commands as tables (util/options.h). The work is in
 * the files that commands.h names.
 */
#include "cli/audit_options.h"
#include "cli/cli_options.h"
#include "cli/cli_version.h"
#include "commands.h"
#include "util/service_command.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct option_def global_options[] = {
    CLI_OPTIONS{.name = "value-only",
	.type = OPTION_BOOL,
	.group = "Output",
	.help = "show values and nothing else"},
    {.name = "hex",
	.type = OPTION_BOOL,
	.group = "Output",
	.help = "keys and values are given and shown in hexadecimal digits"},
    {.name = "base64",
	.type = OPTION_BOOL,
	.group = "Output",
	.help = "keys and values are given and shown in base64"},
    {.name = "revision-separator",
	.type = OPTION_STRING,
	.default_text = "@",
	.group = "Output",
	.help = "what separates key and revision; empty: all of it is the key"},
};

/* Options of several commands. */
#define NUMBER_OPTION(the_name, the_help) \
	{ \
		.name = (the_name), .type = OPTION_INT, .flags = OPTION_FLAG_ONLY, \
		.default_text = "0", .min = 0, .max = INT64_MAX, .help = (the_help) \
	}
#define FLAG_OPTION(the_name, the_help) \
	{ \
		.name = (the_name), .type = OPTION_BOOL, .flags = OPTION_FLAG_ONLY, \
		.help = (the_help) \
	}
#define TEXT_OPTION(the_name, the_value, the_help) \
	{ \
		.name = (the_name), .type = OPTION_STRING, .flags = OPTION_FLAG_ONLY, \
		.value_name = (the_value), .help = (the_help) \
	}
#define PROOF_OPTION \
	{ \
		.name = "proof", .type = OPTION_PATH, .flags = OPTION_FLAG_ONLY, \
		.help = "write a proof to this file, for \"immuclient verify\"" \
	}
#define LITERAL_OPTION FLAG_OPTION("literal", "take VALUE as it is, also if it begins with @")
#define BOUND_OPTION \
	NUMBER_OPTION( \
	    "tx", "bind to the version that this transaction wrote; 0: follow the latest one")
#define SET_OPTIONS \
	LITERAL_OPTION, \
	    {.name = "expires-in", \
		.type = OPTION_DURATION, \
		.flags = OPTION_FLAG_ONLY, \
		.help = "how long the value is to be found"}, \
	    TEXT_OPTION("expires-at", "TIME", \
		"until when it is to be found: 2030-01-31T12:00:00Z, or Unix seconds"), \
	    FLAG_OPTION("non-indexable", "keep it out of the index: only the transaction has it"), \
	    FLAG_OPTION("if-exists", "only if the key exists"), \
	    FLAG_OPTION("if-not-exists", "only if the key does not exist"), \
	    NUMBER_OPTION( \
		"if-not-modified-after", "only if no later transaction than this changed the key")

static const struct option_def set_options[] = {SET_OPTIONS};
static const struct option_def safeset_options[] = {SET_OPTIONS, PROOF_OPTION};
static const struct option_def rawsafeset_options[] = {LITERAL_OPTION};

#define AT_TX_OPTION NUMBER_OPTION("tx", "the version that this transaction wrote; 0: the latest")

static const struct option_def get_options[] = {AT_TX_OPTION};
static const struct option_def safeget_options[] = {AT_TX_OPTION, PROOF_OPTION};
static const struct option_def bound_options[] = {BOUND_OPTION};
static const struct option_def safetx_options[] = {PROOF_OPTION};

#define PAGE_OPTIONS(what) \
	NUMBER_OPTION("limit", "show at most this many " what "; 0: all"), \
	    NUMBER_OPTION("offset", "leave out this many " what " first")

static const struct option_def scan_options[] = {
    PAGE_OPTIONS("keys"),
    FLAG_OPTION("desc", "from the last key to the first"),
    TEXT_OPTION("from", "KEY", "start after this key"),
    TEXT_OPTION("to", "KEY", "stop before this key"),
    FLAG_OPTION("inclusive", "--from and --to are part of the range"),
};

static const struct option_def zscan_options[] = {
    PAGE_OPTIONS("members"),
    FLAG_OPTION("desc", "from the highest score to the lowest"),
    TEXT_OPTION("min", "SCORE", "leave out lower scores"),
    TEXT_OPTION("max", "SCORE", "leave out higher scores"),
};

static const struct option_def history_options[] = {
    PAGE_OPTIONS("versions"),
    FLAG_OPTION("desc", "from the latest version to the first"),
};

static const struct option_def watch_options[] = {
    {.name = "interval",
	.type = OPTION_DURATION,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "1s",
	.min = 10,
	.max = 86400000,
	.help = "how long to wait before looking again"},
    NUMBER_OPTION("from-tx", "begin with this transaction; 0: with the next one"),
};

static const struct option_def export_options[] = {
    FLAG_OPTION("proofs", "add an offline proof to each row"),
    FLAG_OPTION("follow", "write references too, with the values that they stand for"),
};

#define SERVER_OPTION \
	TEXT_OPTION("server", "SERVER", \
	    "identity of the server, or an address at which it was seen; the configured address " \
	    "if not set")

static const struct option_def trust_options[] = {SERVER_OPTION};

static const struct option_def trust_import_options[] = {
    {.name = "replace",
	.type = OPTION_ENUM,
	.flags = OPTION_FLAG_ONLY,
	.choices = "no,older,any",
	.default_text = "no",
	.help = "which state that is trusted already may be replaced"},
};

static const struct option_def audit_options[] = {AUDIT_OPTIONS SERVICE_OPTIONS};

static const struct option_def verify_options[] = {
    TEXT_OPTION("server", "SERVER", "identity that the server must have"),
    TEXT_OPTION("state", "TX:HASH", "a state that is trusted; the proof must start or end with it"),
};

static const struct option_def import_options[] = {
    {.name = "format",
	.type = OPTION_ENUM,
	.flags = OPTION_FLAG_ONLY,
	.choices = "tsv,csv,jsonl",
	.default_text = "tsv",
	.help =
	    "tsv: KEY TAB VALUE, bytes as they are; csv: two fields, RFC 4180; jsonl: objects with "
	    "\"key\" and \"value\", or \"key_base64\" and \"value_base64\""},
    {.name = "on-error",
	.type = OPTION_ENUM,
	.flags = OPTION_FLAG_ONLY,
	.choices = "stop,skip",
	.default_text = "stop",
	.help = "what to do about a malformed row"},
    {.name = "from-line",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "1",
	.min = 1,
	.max = INT64_MAX,
	.help = "leave out the rows before this line"},
    {.name = "verified",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "prove each transaction"},
    {.name = "batch-size",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "1000",
	.min = 1,
	.max = 1024,
	.help = "rows in one transaction, at most"},
    {.name = "in-flight",
	.type = OPTION_INT,
	.flags = OPTION_FLAG_ONLY,
	.default_text = "32",
	.min = 1,
	.max = 256,
	.help = "transactions on their way at a time, at most"},
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
	.options = trust_options,
	.option_count = COUNT(trust_options),
	.run = command_trust_show},
    {.name = "export",
	.args = "DATABASE",
	.summary = "print the trusted state of a database, to be imported elsewhere",
	.min_args = 1,
	.max_args = 1,
	.options = trust_options,
	.option_count = COUNT(trust_options),
	.run = command_trust_export},
    {.name = "import",
	.args = "FILE|-",
	.summary = "trust a state that was exported",
	.min_args = 1,
	.max_args = 1,
	.options = trust_import_options,
	.option_count = COUNT(trust_import_options),
	.run = command_trust_import},
    {.name = "forget",
	.args = "[DATABASE]",
	.summary = "forget the state of a database, or else which server was seen at the address",
	.max_args = 1,
	.options = trust_options,
	.option_count = COUNT(trust_options),
	.run = command_trust_forget},
};

#define VALUE_HELP \
	"VALUE is taken byte for byte. @FILE stands for the content of a file, @- for the standard " \
	"input, @@ for a single @ at the beginning."

static const struct command commands[] = {
    {.name = "login",
	.aliases = "l",
	.args = "[USER]",
	.group = "Session",
	.summary = "log in and keep the session for the commands that follow",
	.help =
	    "The password is asked for on a terminal, else taken from --password-file or the first "
	    "line of the input.",
	.examples = "immuclient login immudb\n"
		    "immuclient login immudb --password-file secret.txt",
	.max_args = 1,
	.run = command_login},
    {.name = "logout",
	.aliases = "x",
	.group = "Session",
	.summary = "end the session",
	.run = command_logout},
    {.name = "use",
	.args = "DATABASE",
	.group = "Session",
	.summary = "use another database from now on",
	.examples = "immuclient use testdb",
	.min_args = 1,
	.max_args = 1,
	.run = command_use},
    {.name = "set",
	.aliases = "s",
	.args = "KEY VALUE",
	.group = "Keys",
	.summary = "write a key",
	.help = VALUE_HELP,
	.examples = "immuclient set greeting \"hello world\"\n"
		    "immuclient set logo @logo.png\n"
		    "immuclient set --if-not-exists lock mine",
	.min_args = 2,
	.max_args = 2,
	.options = set_options,
	.option_count = COUNT(set_options),
	.run = command_set},
    {.name = "safeset",
	.aliases = "ss",
	.args = "KEY VALUE",
	.group = "Keys",
	.summary = "write a key and prove that it was written",
	.help = VALUE_HELP,
	.examples = "immuclient safeset k0 v0",
	.min_args = 2,
	.max_args = 2,
	.options = safeset_options,
	.option_count = COUNT(safeset_options),
	.run = command_set},
    {.name = "get",
	.aliases = "g",
	.args = "KEY[@REV]",
	.group = "Keys",
	.summary = "read a key",
	.help = "REV is a revision, 1 the first; 0 is the latest, -1 the one before it.",
	.examples = "immuclient get greeting\n"
		    "immuclient get greeting@-1     # what it was before\n"
		    "immuclient --value-only get greeting >file",
	.min_args = 1,
	.max_args = 1,
	.options = get_options,
	.option_count = COUNT(get_options),
	.run = command_get},
    {.name = "safeget",
	.aliases = "sg",
	.args = "KEY[@REV]",
	.group = "Keys",
	.summary = "read a key and prove what was read",
	.help = "Proven are key, value, metadata and transaction, and that the transaction belongs "
		"to the history that was seen before; through a reference, both it and the value "
		"that it stands for. That it is the latest version, and the revision, are not.",
	.examples = "immuclient safeget k0\n"
		    "immuclient safeget k0 --proof k0.proof   # for somebody without the server",
	.min_args = 1,
	.max_args = 1,
	.options = safeget_options,
	.option_count = COUNT(safeget_options),
	.run = command_get},
    {.name = "delete",
	.aliases = "del",
	.args = "KEY...",
	.group = "Keys",
	.summary = "mark keys as deleted; their history stays",
	.min_args = 1,
	.max_args = COMMAND_ANY_ARGS,
	.run = command_delete},
    {.name = "restore",
	.args = "KEY@REV",
	.group = "Keys",
	.summary = "write an older version of a key anew",
	.examples = "immuclient restore greeting@1\n"
		    "immuclient restore greeting@-1",
	.min_args = 1,
	.max_args = 1,
	.run = command_restore},
    {.name = "history",
	.aliases = "h",
	.args = "KEY",
	.group = "Keys",
	.summary = "list the versions of a key",
	.examples = "immuclient history greeting --desc --limit 3",
	.min_args = 1,
	.max_args = 1,
	.options = history_options,
	.option_count = COUNT(history_options),
	.run = command_history},
    {.name = "scan",
	.aliases = "scn",
	.args = "[PREFIX]",
	.group = "Keys",
	.summary = "list the keys with a prefix, and their values",
	.examples = "immuclient scan user/\n"
		    "immuclient scan --desc --limit 10",
	.max_args = 1,
	.options = scan_options,
	.option_count = COUNT(scan_options),
	.run = command_scan},
    {.name = "count",
	.aliases = "cnt",
	.args = "[PREFIX]",
	.group = "Keys",
	.summary = "count the keys with a prefix",
	.max_args = 1,
	.run = command_count},
    {.name = "reference",
	.aliases = "r",
	.args = "REFKEY [KEY]",
	.group = "Keys",
	.summary = "let a key stand for another one",
	.help = "Without KEY the first line of the standard input is taken.",
	.examples = "immuclient reference newest greeting",
	.min_args = 1,
	.max_args = 2,
	.options = bound_options,
	.option_count = COUNT(bound_options),
	.run = command_reference},
    {.name = "safereference",
	.aliases = "sr",
	.args = "REFKEY [KEY]",
	.group = "Keys",
	.summary = "let a key stand for another one, and prove it",
	.min_args = 1,
	.max_args = 2,
	.options = bound_options,
	.option_count = COUNT(bound_options),
	.run = command_reference},
    {.name = "zadd",
	.aliases = "za",
	.args = "SET SCORE KEY",
	.group = "Keys",
	.summary = "add a key to a sorted set",
	.examples = "immuclient zadd ranking 17.5 alice\n"
		    "immuclient zadd ranking -- -1 bob",
	.min_args = 3,
	.max_args = 3,
	.options = bound_options,
	.option_count = COUNT(bound_options),
	.run = command_zadd},
    {.name = "safezadd",
	.aliases = "sza",
	.args = "SET SCORE KEY",
	.group = "Keys",
	.summary = "add a key to a sorted set, and prove it",
	.min_args = 3,
	.max_args = 3,
	.options = bound_options,
	.option_count = COUNT(bound_options),
	.run = command_zadd},
    {.name = "zscan",
	.aliases = "zscn",
	.args = "SET",
	.group = "Keys",
	.summary = "list a sorted set by score",
	.examples = "immuclient zscan ranking --desc --limit 10",
	.min_args = 1,
	.max_args = 1,
	.options = zscan_options,
	.option_count = COUNT(zscan_options),
	.run = command_zscan},
    {.name = "watch",
	.args = "[PREFIX]",
	.group = "Keys",
	.summary = "show what is written to keys with a prefix, until Ctrl-C",
	.max_args = 1,
	.options = watch_options,
	.option_count = COUNT(watch_options),
	.run = command_watch},
    {.name = "rawsafeget",
	.args = "KEY[@REV]",
	.group = "Keys",
	.summary = "show the stored bytes of a key in hex, with their prefixes, and prove them",
	.min_args = 1,
	.max_args = 1,
	.options = get_options,
	.option_count = COUNT(get_options),
	.run = command_rawsafeget},
    {.name = "rawsafeset",
	.args = "KEY VALUE",
	.group = "Keys",
	.summary = "write a key, and show and prove the stored bytes",
	.min_args = 2,
	.max_args = 2,
	.options = rawsafeset_options,
	.option_count = COUNT(rawsafeset_options),
	.run = command_rawsafeset},
    {.name = "tx",
	.args = "TX",
	.group = "Transactions",
	.summary = "show a transaction",
	.min_args = 1,
	.max_args = 1,
	.run = command_tx},
    {.name = "safetx",
	.aliases = "stx",
	.args = "TX",
	.group = "Transactions",
	.summary = "show a transaction and prove it",
	.min_args = 1,
	.max_args = 1,
	.options = safetx_options,
	.option_count = COUNT(safetx_options),
	.run = command_tx},
    {.name = "inspect",
	.args = "TX",
	.group = "Transactions",
	.summary = "show all that is hashed of a transaction, and the hashes as computed here",
	.min_args = 1,
	.max_args = 1,
	.run = command_inspect},
    {.name = "import",
	.args = "[FILE|-]",
	.group = "Keys",
	.summary = "write the rows of a file or of the input",
	.help =
	    "Rows are written in their order, many in one transaction; a key that repeats begins a new "
	    "transaction, so that every version is kept. When it stops early, the last line that was "
	    "acknowledged is shown: go on with the line after it by --from-line.",
	.examples = "immuclient import rows.tsv\n"
		    "dpkg-query -W -f='${Package}\\t${Version}\\n' | immuclient import -\n"
		    "immuclient import --format csv --from-line 2 table.csv  # no heading",
	.max_args = 1,
	.options = import_options,
	.option_count = COUNT(import_options),
	.run = command_import},
    {.name = "export",
	.args = "[PREFIX]",
	.group = "Keys",
	.summary = "write keys and values as JSON lines, for import",
	.help = "The latest version of each key. What is written meanwhile may be in or not.",
	.examples = "immuclient export >keys.jsonl\n"
		    "immuclient export user/ --proofs | gzip >users.jsonl.gz",
	.max_args = 1,
	.options = export_options,
	.option_count = COUNT(export_options),
	.run = command_export},
    {.name = "verify",
	.args = "FILE",
	.group = "Trust",
	.summary = "check a proof, with no server",
	.help =
	    "FILE is what --proof wrote, or an auditor's evidence. With --server-signing-pub-key the "
	    "state that the proof leads to must be signed by that key.",
	.examples = "immuclient verify k0.proof --server-signing-pub-key server.pub",
	.min_args = 1,
	.max_args = 1,
	.options = verify_options,
	.option_count = COUNT(verify_options),
	.run = command_verify},
    {.name = "trust",
	.group = "Trust",
	.summary = "the servers and states that this user trusts",
	.help =
	    "Verified commands remember the newest state of each database that was proven, and refuse "
	    "whatever does not extend it. After a server was restored from a backup, and you know that "
	    "this was right, forget the state of its databases; after it was set up anew, forget the "
	    "server at its address as well. Keep a copy from before (export) as evidence.",
	.examples = "immuclient trust list\n"
		    "immuclient trust export defaultdb >before.state\n"
		    "immuclient trust forget defaultdb    # a restore that is known to be right\n"
		    "immuclient trust forget              # another server at its address",
	.commands = trust_commands,
	.command_count = COUNT(trust_commands)},
    {.name = "audit-mode",
	.args = "[start|stop|restart|status|install|uninstall]",
	.group = "Trust",
	.summary = "run the auditor, which watches a server and raises an alarm when it lies",
	.help =
	    "Without a word behind it the auditor runs in the foreground until Ctrl-C; start runs it in "
	    "the background, with auditor.pid and auditor.log in its folder unless --pidfile and "
	    "--logfile say otherwise; stop, restart and status find it by that pid file. status ends "
	    "with 3 when none runs. install makes it a service of the system, with the settings given, "
	    "and uninstall removes that; from then on the other verbs mean the service unless --dir or "
	    "--pidfile name another auditor. Passwords are handed to it unseen. See \"auditor --help\" for "
	    "acknowledging alarms and looking at evidence.",
	.examples =
	    "immuclient audit-mode --audit-username watcher --audit-password-file pw\n"
	    "immuclient audit-mode start --audit-databases orders,users --audit-interval 1m\n"
	    "immuclient audit-mode status\n"
	    "immuclient audit-mode install --audit-username reader --audit-password-file pw",
	.max_args = 1,
	.options = audit_options,
	.option_count = COUNT(audit_options),
	.run = command_audit_mode},
    {.name = "current",
	.aliases = "crt",
	.group = "Server",
	.summary = "show the state of the database and prove that it extends the trusted one",
	.run = command_current},
    {.name = "status",
	.aliases = "p",
	.group = "Server",
	.summary = "show whether the server is in service; needs no login",
	.run = command_status},
    {.name = "health",
	.group = "Server",
	.summary = "show how busy the database is",
	.run = command_health},
    {.name = "info",
	.group = "Server",
	.summary = "show the version of the server; needs no login",
	.run = command_info},
    {.name = "it",
	.aliases = "cli-mode",
	.group = "Shell",
	.summary = "the interactive shell, which also begins when no command is given",
	.help =
	    "Words are separated by blanks; quote what holds blanks: 'as it is', \"with \\\" inside\". "
	    "A quote that is not closed goes on in the next line. Tab completes commands, flags and "
	    "keys, Ctrl-R searches the history, Ctrl-C drops a line, Ctrl-D leaves. From a pipe or "
	    "file commands are run until one fails.",
	.examples = "immuclient\n"
		    "immuclient it <commands.txt",
	.run = command_shell},
    {.name = "version", .group = "Server", .summary = "show the version", .run = cli_version},
};

const struct command immuclient_root = {
    .name = "immuclient",
    .summary = "writes, reads and proves the content of an immudb server",
    .examples = "immuclient login immudb        # as user immudb\n"
		"immuclient use testdb          # testdb for all following commands\n"
		"immuclient safeset k0 v0       # set a key and prove it\n"
		"immuclient safeget k0",
    .options = global_options,
    .option_count = COUNT(global_options),
    .commands = commands,
    .command_count = COUNT(commands),
    .run = command_shell,
};
