/* Files become settings, or one line that says why not; a reload exchanges all or nothing. */
#include "libproto/tls/certs.h"

#include "temp_dir.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tls/tls.h"
#include "tls/tls_client.h"
#include "util/file.h"

static const char *dir;

static const char *
path_of(const char *file)
{
	static char paths[8][TEMP_DIR_MAX + 32];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof paths[0], "%s/%s", dir, file);
	return path;
}

static void
write_text(const char *file, const char *text)
{
	assert_int_equal(file_replace(path_of(file), bytes_str(text)), IM_OK);
}

/* What a context of these files says; it is freed. */
static enum im_err
load(const char *certificate, const char *key, const char *authorities)
{
	struct tls_files files = {.side = TLS_SERVER,
	    .certificate = certificate ? path_of(certificate) : NULL,
	    .key = key ? path_of(key) : NULL,
	    .authorities = authorities ? path_of(authorities) : NULL};
	struct tls_context *c = NULL;
	enum im_err err = tls_context_new(&files, &c);

	assert_true((err == IM_OK) == (c != NULL));
	tls_context_free(c);
	return err;
}

static void
refused(const char *certificate, const char *key, const char *authorities, const char *said)
{
	const char *detail;

	assert_int_equal(load(certificate, key, authorities), IM_ERR_CERTIFICATE);
	detail = err_detail(IM_ERR_CERTIFICATE);
	if (!strstr(detail, said))
		fail_msg("\"%s\" does not say \"%s\"", detail, said);
	assert_null(strchr(detail, '\n'));
}

static int
setup(void **state)
{
	const struct cert_spec ca = {.name = "ca", .is_authority = true};
	const struct cert_spec good = {
	    .name = "localhost", .names = "DNS:localhost", .signed_by = "ca", .to_days = 10};

	temp_dir_setup(state);
	dir = (const char *)*state;
	cert_make(dir, "ca", &ca);
	cert_make(dir, "good", &good);
	return 0;
}

static void
key_kinds(void **state)
{
	static const char *const good[] = {"P-256", "P-384", "P-521", "RSA", "ED25519"};
	struct cert_spec spec = {.name = "kind"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		spec.key_kind = good[i];
		cert_make(dir, "kind", &spec);
		assert_int_equal(load("kind.pem", "kind.key", "ca.pem"), IM_OK);
	}
	spec.key_kind = "secp256k1";
	cert_make(dir, "kind", &spec);
	refused("kind.pem", "kind.key", NULL, "secp256k1");
	spec.key_kind = "RSA-1024";
	cert_make(dir, "kind", &spec);
	refused("kind.pem", "kind.key", NULL, "kind.pem: ee key too small");
}

static void
unusable_files(void **state)
{
	struct cert_spec spec = {.name = "late", .from_days = -20, .to_days = -10};

	(void)state;
	refused("missing.pem", "good.key", NULL, "missing.pem");
	refused("good.pem", "missing.key", NULL, "missing.key");
	refused("good.pem", "good.key", "missing-ca.pem", "missing-ca.pem");
	refused(NULL, NULL, NULL, "needs a certificate");
	refused("good.pem", NULL, NULL, "certificate without a private key");
	write_text("empty", "");
	write_text("text", "no certificate at all\n");
	refused("empty", "good.key", NULL, "no certificate in it");
	refused("good.key", "good.key", NULL, "no certificate in it");
	refused("good.pem", "text", NULL, "no private key in it");
	refused("good.pem", "good.pem", NULL, "no private key in it");
	refused("good.pem", "good.key", "text", "no certificate in it");
	refused("good.pem", "ca.key", NULL, "does not belong to the certificate");
	cert_make(dir, "late", &spec);
	refused("late.pem", "late.key", NULL, "expired on 20");
	refused("good.pem", "good.key", "late.pem", "expired, all of them");
	spec = (struct cert_spec){.name = "early", .from_days = 10, .to_days = 20};
	cert_make(dir, "early", &spec);
	refused("early.pem", "early.key", NULL, "not valid before 20");
	write_text("encrypted.key",
	    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhKWbM5fnUUFgICCAAw\n"
	    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEGHPhBxgYzSMWkSRCo4BvvcEgZBw\n"
	    "-----END ENCRYPTED PRIVATE KEY-----\n");
	refused("good.pem", "encrypted.key", NULL, "encrypted.key");
}

/* The file `to`: what is in the one, and behind it the other, damaged in its middle. */
static void
write_damaged_pair(const char *one, const char *other, const char *to)
{
	struct buf text;
	size_t len;

	buf_init(&text, 65536);
	assert_int_equal(file_read(path_of(one), 32768, &text), IM_OK);
	len = text.len;
	assert_int_equal(file_read(path_of(other), 32768, &text), IM_OK);
	text.data[len + (text.len - len) / 2] = '!';
	assert_int_equal(file_replace(path_of(to), buf_bytes(&text)), IM_OK);
	buf_free(&text);
}

/* A chain or a list of authorities that can be read in part is not taken in part. */
static void
damage_behind_the_first(void **state)
{
	(void)state;
	write_damaged_pair("good.pem", "ca.pem", "chain.pem");
	refused("chain.pem", "good.key", NULL, "chain.pem: a certificate in it is damaged");
	refused("good.pem", "good.key", "chain.pem", "chain.pem: a certificate in it is damaged");
}

static void
expiry_and_fingerprint(void **state)
{
	struct tls_files files = {
	    .side = TLS_SERVER, .certificate = path_of("good.pem"), .key = path_of("good.key")};
	char print[TLS_FINGERPRINT_SIZE];
	struct tls_context *c;
	int64_t days;

	(void)state;
	assert_int_equal(tls_context_new(&files, &c), IM_OK);
	days = (tls_context_expires_s(c) - (int64_t)time(NULL) + 3600) / 86400;
	assert_int_equal(days, 10);
	tls_context_fingerprint(c, print);
	assert_int_equal(strlen(print), TLS_FINGERPRINT_SIZE - 1);
	assert_int_equal(strspn(print, "0123456789ABCDEF:"), TLS_FINGERPRINT_SIZE - 1);
	assert_int_equal(chmod(path_of("good.key"), 0644), 0);
	assert_int_equal(tls_context_reload(c), IM_OK);
	assert_true(tls_context_key_is_exposed(c));
	assert_int_equal(chmod(path_of("good.key"), 0600), 0);
	assert_int_equal(tls_context_reload(c), IM_OK);
	assert_false(tls_context_key_is_exposed(c));
	tls_context_free(c);
}

/* One of those who make connections while the files are read again. */
struct user {
	struct tls_context *c;
	atomic_bool stop;
	atomic_uint made;
};

static void *
use_context(void *arg)
{
	struct user *u = (struct user *)arg;

	while (!atomic_load(&u->stop)) {
		char print[TLS_FINGERPRINT_SIZE];
		struct tls_conn *t;

		if (tls_conn_new(u->c, NULL, &t) != IM_OK)
			abort();
		tls_context_fingerprint(u->c, print);
		tls_conn_free(t);
		atomic_fetch_add(&u->made, 1);
	}
	return NULL;
}

static void
reload_under_use(void **state)
{
	struct cert_spec spec = {.name = "turn", .to_days = 5};
	struct tls_files files = {
	    .side = TLS_SERVER, .certificate = path_of("turn.pem"), .key = path_of("turn.key")};
	char before[TLS_FINGERPRINT_SIZE], after[TLS_FINGERPRINT_SIZE];
	struct user u = {0};
	pthread_t threads[2];

	(void)state;
	cert_make(dir, "turn", &spec);
	assert_int_equal(tls_context_new(&files, &u.c), IM_OK);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_context, &u), 0);
	for (unsigned i = 0; i < 20 || atomic_load(&u.made) < 20; i++) {
		tls_context_fingerprint(u.c, before);
		cert_make(dir, "turn", &spec);
		assert_int_equal(tls_context_reload(u.c), IM_OK);
		tls_context_fingerprint(u.c, after);
		assert_string_not_equal(before, after);
		/* Half of an exchange of files, or a bad one, changes nothing. */
		write_text("turn.key", "nothing");
		assert_int_equal(tls_context_reload(u.c), IM_ERR_CERTIFICATE);
		tls_context_fingerprint(u.c, before);
		assert_string_equal(before, after);
	}
	atomic_store(&u.stop, true);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	tls_context_free(u.c);
}

static void
own_making(void **state)
{
	char certificate[TEMP_DIR_MAX + 32], key[TEMP_DIR_MAX + 32];
	struct stat st;

	(void)state;
	snprintf(certificate, sizeof certificate, "%s/own.pem", dir);
	snprintf(key, sizeof key, "%s/own.key", dir);
	assert_int_equal(tls_make_certificate(certificate, key, 10), IM_OK);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(load("own.pem", "own.key", NULL), IM_OK);
	assert_int_equal(tls_make_certificate(certificate, key, 10), IM_ERR_EXISTS);
	/* The key of before is not replaced either. */
	assert_int_equal(unlink(certificate), 0);
	assert_int_equal(tls_make_certificate(certificate, key, 10), IM_ERR_EXISTS);
	assert_int_equal(unlink(key), 0);
	assert_int_equal(mkdir(certificate, 0700), 0);
	assert_int_equal(tls_make_certificate(certificate, key, 10), IM_ERR_EXISTS);
	assert_int_not_equal(stat(key, &st), 0);
	assert_int_not_equal(tls_make_certificate("/nowhere/a", "/nowhere/b", 10), IM_OK);
}

static void
client_options(void **state)
{
	struct tls_context *c;
	struct tls_client o = {
	    .certificate = "nowhere", .key = "nowhere", .authorities = "nowhere"};

	(void)state;
	/* A path alone switches nothing on, and is not looked at. */
	assert_int_equal(tls_client_context(&o, &c), IM_OK);
	assert_null(c);
	o = (struct tls_client){
	    .tls = true, .certificate = "nowhere", .authorities = path_of("ca.pem")};
	assert_int_equal(tls_client_context(&o, &c), IM_OK);
	assert_non_null(c);
	tls_context_free(c);
	o.mtls = true;
	assert_int_equal(tls_client_context(&o, &c), IM_ERR_CONFIG);
	o.key = path_of("good.key");
	assert_int_equal(tls_client_context(&o, &c), IM_ERR_CERTIFICATE);
	o.certificate = path_of("good.pem");
	assert_int_equal(tls_client_context(&o, &c), IM_OK);
	tls_context_free(c);
	assert_null(tls_client_name(&o));
	o.name = "";
	assert_null(tls_client_name(&o));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(key_kinds),
	    cmocka_unit_test(unusable_files),
	    cmocka_unit_test(damage_behind_the_first),
	    cmocka_unit_test(expiry_and_fingerprint),
	    cmocka_unit_test(reload_under_use),
	    cmocka_unit_test(own_making),
	    cmocka_unit_test(client_options),
	};

	return cmocka_run_group_tests(tests, setup, temp_dir_teardown);
}
