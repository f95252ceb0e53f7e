#ifndef CLI_TLS_OPTIONS_H
#define CLI_TLS_OPTIONS_H

#include "tls/tls_client.h"
#include "util/options.h"

/*
 * The options of TLS towards the server, for the table of a program: elements of an array of struct
 * option_def, the last one with its comma.
 */
/* clang-format off */
#define TLS_OPTIONS \
    {.name = "tls", \
	.type = OPTION_BOOL, \
	.default_text = "false", \
	.group = "TLS", \
	.help = "speak TLS, and check the server's certificate"}, \
    {.name = "mtls", \
	.short_name = 'm', \
	.type = OPTION_BOOL, \
	.default_text = "false", \
	.group = "TLS", \
	.help = "mutual TLS: the server checks a certificate of ours, too"}, \
    {.name = "servername", \
	.type = OPTION_STRING, \
	.group = "TLS", \
	.help = "name or address in the server's certificate; what it is connected by if not set"}, \
    {.name = "certificate", \
	.type = OPTION_PATH, \
	.group = "TLS", \
	.help = "PEM file with our certificate and those that lead to its authority; only used with " \
		"mtls"}, \
    {.name = "pkey", \
	.type = OPTION_PATH, \
	.group = "TLS", \
	.help = "PEM file with the certificate's private key; only used with mtls"}, \
    {.name = "clientcas", \
	.type = OPTION_PATH, \
	.group = "TLS", \
	.help = "PEM file with the authorities that may have signed the server's certificate, or with " \
		"that certificate itself; the system's authorities if not set"},
/* clang-format on */

/* Says what of them does not go together; of a program's check. */
void tls_options_check(const struct options *o, struct options_check *to);

/* What the options say; its strings are theirs. */
void tls_options_get(const struct options *o, struct tls_client *out);

#endif
