#ifndef TESTS_CERTS_H
#define TESTS_CERTS_H

#include <stdbool.h>

/* Certificates of any kind, right and wrong, for tests. */

struct cert_spec {
	const char *name;        /* common name; NULL: none */
	const char *names;       /* alternative names: "DNS:localhost,IP:127.0.0.1"; NULL: none */
	const char *key_kind;    /* "P-256", "secp256k1", "RSA"...; NULL: P-256 */
	const char *signed_by;   /* DIR/THIS.pem and .key sign it; NULL: itself */
	long from_days, to_days; /* from now; both 0: from yesterday to tomorrow */
	bool is_authority;
};

/* Writes dir/file.pem and dir/file.key, replacing what is there. Fails the test when it cannot. */
void cert_make(const char *dir, const char *file, const struct cert_spec *spec);

#endif
