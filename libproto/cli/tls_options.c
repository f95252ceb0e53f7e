/* From the option table to what tls/tls_client.h needs. */
#include "cli/tls_options.h"

void
tls_options_check(const struct options *o, struct options_check *to)
{
	if (options_bool(o, "mtls") &&
	    (!options_string(o, "certificate")[0] || !options_string(o, "pkey")[0]))
		options_check_add(
		    to, "mtls", "needs a certificate and its private key (certificate, pkey)");
}

void
tls_options_get(const struct options *o, struct tls_client *out)
{
	*out = (struct tls_client){.tls = options_bool(o, "tls"),
	    .mtls = options_bool(o, "mtls"),
	    .certificate = options_string(o, "certificate"),
	    .key = options_string(o, "pkey"),
	    .authorities = options_string(o, "clientcas"),
	    .name = options_string(o, "servername")};
}
