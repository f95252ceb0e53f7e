/*
 * The option table of immudb: the sample configuration as printed, names and their aliases, what is
 * refused when switched on.
 */
#include "daemon_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "temp_dir.h"
#include "util/file.h"
#include "util/log.h"

#define ARGS_MAX 16

/* The file of the overview page. */
static const char sample[] =
    "dir = \"./data\"\n"
    "network = \"tcp\"\n"
    "address = \"0.0.0.0\"\n"
    "port = 3322\n"
    "dbname = \"immudb\"\n"
    "pidfile = \"\"\n"
    "logfile = \"\"\n"
    "mtls = false\n"
    "detached = false\n"
    "auth = true\n"
    "no-histograms = false\n"
    "pkey = \"./tools/mtls/3_application/private/localhost.key.pem\"\n"
    "certificate = \"./tools/mtls/3_application/certs/localhost.cert.pem\"\n"
    "clientcas = \"./tools/mtls/2_intermediate/certs/ca-chain.cert.pem\"\n"
    "devmode = true\n"
    "admin-password = \"immudb\" # this password is only used once to initialize immudb\n"
    "maintenance = false\n"
    "signingKey = \"\"\n";

int
daemon_run(struct command_call *call)
{
	(void)call;
	return IM_EXIT_OK;
}

/* Loads a command line of words and an environment of "NAME=VALUE" texts. */
static enum im_err
load(const char *const *words, char *const *env, struct options **out)
{
	char *argv[ARGS_MAX + 1] = {strdup("immudb")};
	enum im_err err;
	int argc = 1, i;

	for (i = 0; words[i] && argc < ARGS_MAX; i++)
		argv[argc++] = strdup(words[i]);
	err = options_load(&daemon_program, argc, argv, env, out);
	for (i = 0; i < argc; i++)
		free(argv[i]);
	return err;
}

static struct options *
load_ok(const char *const *words, char *const *env)
{
	struct options *o = NULL;
	enum im_err err = load(words, env, &o);

	if (err != IM_OK)
		fail_msg("%s", err_detail(err));
	return o;
}

static void
defaults(void **state)
{
	struct options *o = load_ok((const char *[]){NULL}, NULL);
	struct server_options so;

	(void)state;
	daemon_server_options(o, &so);
	assert_string_equal(so.dir, "./data");
	assert_string_equal(so.address, "0.0.0.0");
	assert_int_equal(so.port, 3322);
	assert_null(so.dbname);
	assert_true(so.synced);
	assert_true(so.auth);
	assert_false(so.devmode);
	assert_true(so.histograms);
	assert_string_equal(so.admin_password, "immudb");
	assert_string_equal(so.signing_key, "");
	assert_int_equal(so.max_message_bytes, 33554432);
	assert_int_equal(so.metrics_port, 9497);
	assert_int_equal(so.token_life_ms, 1440 * 60000);
	assert_int_equal(so.session_idle_ms, 120000);
	assert_int_equal(options_check(o), IM_OK);
	assert_int_equal(options_enum(o, "log-level"), LOG_LEVEL_INFO);
	assert_int_equal(options_enum(o, "log-format"), LOG_FORMAT_TEXT);
	options_free(o);
}

static void
sample_file(void **state)
{
	char path[TEMP_DIR_MAX + 16];
	struct server_options so;
	struct options *o;

	snprintf(path, sizeof path, "%s/immudb.toml", (const char *)*state);
	assert_int_equal(file_replace(path, bytes_str(sample)), IM_OK);
	o = load_ok((const char *[]){"--config", path, NULL}, NULL);
	assert_int_equal(options_check(o), IM_OK);
	daemon_server_options(o, &so);
	assert_string_equal(so.dbname, "immudb");
	assert_true(so.devmode);
	assert_string_equal(so.signing_key, "");
	options_free(o);
}

static void
names(void **state)
{
	char *env[] = {strdup("IMMUDB_SIGNING_KEY=from-env.key"), strdup("LOG_LEVEL=debug"), NULL};
	struct server_options so;
	struct options *o = load_ok((const char *[]){NULL}, env);

	(void)state;
	daemon_server_options(o, &so);
	assert_string_equal(so.signing_key, "from-env.key");
	assert_int_equal(options_enum(o, "log-level"), LOG_LEVEL_DEBUG);
	options_free(o);
	o = load_ok(
	    (const char *[]){"--signing-key", "a.key", "-a", "::1", "-p", "1", "-s=false",
		"--metrics-port=0", "--no-histograms", "--synced=false", "--dbname", "db", NULL},
	    NULL);
	daemon_server_options(o, &so);
	assert_string_equal(so.signing_key, "a.key");
	assert_string_equal(so.address, "::1");
	assert_int_equal(so.port, 1);
	assert_false(so.auth);
	assert_int_equal(so.metrics_port, 0);
	assert_false(so.histograms);
	assert_false(so.synced);
	assert_string_equal(so.dbname, "db");
	options_free(o);
	free(env[0]);
	free(env[1]);
}

/* What lacks something or contradicts itself is refused, and the option is named. */
static void
contradictions(void **state)
{
	static const struct {
		const char *args[8], *said;
	} bad[] = {{{"--mtls"}, "mtls"}, {{"-m"}, "mtls"}, {{"--tls"}, "tls"},
	    {{"--tls", "--certificate", "c"}, "pkey"},
	    {{"--mtls", "--certificate", "c", "--pkey", "k"}, "clientcas"},
	    {{"--auto-cert"}, "auto-cert"},
	    {{"--tls", "--auto-cert", "--certificate", "c"}, "auto-cert"},
	    {{"--tls", "--auto-cert", "--client-cert-user", "cn"}, "client-cert-user"},
	    {{"--mtls", "--auto-cert", "--clientcas", "a", "--client-cert-user=san",
		 "--auth=false"},
		"client-cert-user"}};
	static const char *const good[][8] = {{"--certificate", "c", "--pkey", "k"},
	    {"--tls", "--certificate", "c", "--pkey", "k"}, {"--tls", "--auto-cert"},
	    {"--mtls", "--auto-cert", "--clientcas", "a", "--client-cert-user=cn"}};
	struct options *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		o = load_ok(bad[i].args, NULL);
		assert_int_equal(options_check(o), IM_ERR_CONFIG);
		assert_non_null(strstr(err_detail(IM_ERR_CONFIG), bad[i].said));
		options_free(o);
	}
	for (i = 0; i < sizeof good / sizeof *good; i++) {
		o = load_ok(good[i], NULL);
		assert_int_equal(options_check(o), IM_OK);
		options_free(o);
	}
}

static void
refused(void **state)
{
	static const char *const bad[][3] = {{"--port", "65536"}, {"--port", "-1"},
	    {"--max-recv-msg-size", "1"}, {"--network", "udp"}, {"--log-level", "loud"},
	    {"--metrics-port", "x"}, {"--no-such-option"}, {"--session-timeout", "0"}};
	struct options *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		o = NULL;
		assert_int_equal(load(bad[i], NULL, &o), IM_ERR_USAGE);
		options_free(o);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test_setup_teardown(sample_file, temp_dir_setup, temp_dir_teardown),
	    cmocka_unit_test(names),
	    cmocka_unit_test(contradictions),
	    cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
