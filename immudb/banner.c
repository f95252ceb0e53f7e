/*
 * The text that immudb prints when it has started. main.c collects the values.
 */
#include "banner.h"

#include "server/server.h"

#define BANNER_LINE "%-17s: "

static const char banner_logo[] = "  _                         _ _\n"
				  " (_)_ __  _ __  _  _  __| | |__\n"
				  " | | '  \\| '  \\| || |/ _` | '_ \\\n"
				  " |_|_|_|_|_|_|_|\\_,_|\\__,_|_.__/\n"
				  "\n";

static void
banner_text(struct buf *out, const char *label, const char *value)
{
	if (value && value[0])
		buf_printf(out, BANNER_LINE "%s\n", label, value);
}

static void
banner_bool(struct buf *out, const char *label, bool value)
{
	banner_text(out, label, value ? "true" : "false");
}

/* Brackets keep the port apart from an IPv6 address. */
static void
banner_address(
    struct buf *out, const char *label, const char *address, uint16_t port, const char *path)
{
	bool v6 = strchr(address, ':') && address[0] != '[';

	buf_printf(out, BANNER_LINE "%s%s%s:%u%s\n", label, v6 ? "[" : "", address, v6 ? "]" : "",
	    (unsigned)port, path);
}

void
banner_write(const struct banner *b, struct buf *out)
{
	buf_append_str(out, banner_logo);
	buf_append_str(out, "================ Config ================\n");
	banner_text(out, "Data dir", b->dir);
	banner_address(out, "Address", b->address, b->port, "");
	banner_text(out, "Unix socket", b->unix_path);
	if (b->metrics_port)
		banner_address(
		    out, "Metrics address", b->metrics_address, b->metrics_port, "/metrics");
	banner_text(out, "Config file", b->config_file);
	banner_text(out, "PID file", b->pidfile);
	banner_text(out, "Log file", b->logfile);
	banner_bool(out, "MTLS enabled", b->mtls);
	banner_text(out, "TLS certificate", b->fingerprint);
	buf_printf(out, BANNER_LINE "%zu\n", "Max recv msg size", b->max_message_bytes);
	banner_bool(out, "Auth enabled", b->auth);
	banner_bool(out, "Dev mode", b->devmode);
	banner_text(out, "Default database", b->database);
	banner_bool(out, "Maintenance mode", false);
	banner_bool(out, "Synced mode", b->synced);
	banner_bool(out, "Signed states", b->signing);
	if (b->default_password) {
		buf_append_str(out,
		    "----------------------------------------\n"
		    "Superadmin default credentials\n");
		banner_text(out, "   Username", SERVER_ADMIN);
		banner_text(out, "   Password", SERVER_ADMIN_PASSWORD);
	}
	buf_append_str(out, "========================================\n");
}
