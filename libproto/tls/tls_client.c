/*
 * From the options of client programs to a context. What the files hold is tls_context.c's
 * business.
 *
 * Invariant: TLS is on by tls or mtls only, never because a path is set.
 */
#include "tls/tls_client.h"

static bool
is_given(const char *text)
{
	return text && text[0];
}

enum im_err
tls_client_context(const struct tls_client *o, struct tls_context **out)
{
	struct tls_files files = {.side = TLS_CLIENT, .authorities = o->authorities};

	*out = NULL;
	if (!o->tls && !o->mtls)
		return IM_OK;
	if (o->mtls && (!is_given(o->certificate) || !is_given(o->key)))
		return err_set(IM_ERR_CONFIG, "mtls needs a %s",
		    is_given(o->certificate) ? "private key (pkey)" : "certificate");
	if (o->mtls) {
		files.certificate = o->certificate;
		files.key = o->key;
	}
	return tls_context_new(&files, out);
}

const char *
tls_client_name(const struct tls_client *o)
{
	return is_given(o->name) ? o->name : NULL;
}
