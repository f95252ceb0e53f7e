/* What clients take from the daemon's file. Neighbours: util/options_sources.c (which reads it). */
#include "cli/cli_fallback.h"

/* Where a daemon listens on every address, it is reached on this machine by loopback. */
static const char *const listen_meanings[] = {"0.0.0.0", "127.0.0.1", "::", "::1", NULL};

static const struct options_fallback_key server_keys[] = {
    {.key = "address", .option = "immudb-address", .meanings = listen_meanings},
    {.key = "port", .option = "immudb-port"},
    {.key = "tls", .option = "tls"},
    {.key = "mtls", .option = "mtls"},
    {.key = "certificate", .option = "certificate"},
    {.key = "pkey", .option = "pkey"},
    {.key = "clientcas", .option = "clientcas"},
};

const struct options_fallback cli_server_file = {.program = "immudb",
    .keys = server_keys,
    .key_count = sizeof server_keys / sizeof *server_keys};
