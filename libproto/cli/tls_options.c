/* From the option table to what tls/tls_client.h needs. */
#include "cli/tls_options.h"

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
