/*
 * The auditor's options: what they come to, the two profiles, the names that the overview page and
 * the predecessors have, and what is refused before anything starts.
 */
#include "auditor_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auditor_commands.h"
#include "util/log.h"

#define ARGS_MAX 24

int
auditor_run(struct command_call *call)
{
	(void)call;
	return IM_EXIT_OK;
}

/* Loads a command line of words, with an empty environment. */
static enum im_err
load(const char *const *words, struct options **out)
{
	static char *const env[] = {NULL};
	char *argv[ARGS_MAX + 1] = {strdup("auditor")};
	enum im_err err;
	int argc = 1, i;

	for (i = 0; words[i] && argc < ARGS_MAX; i++)
		argv[argc++] = strdup(words[i]);
	err = options_load(&auditor_program, argc, argv, env, out);
	for (i = 0; i < argc; i++)
		free(argv[i]);
	return err;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Loads words, makes the settings, and leaves both to the caller, who ends them with done(). */
static enum im_err
make(const char *const *words, struct options **o, struct auditor_settings *s)
{
	assert_int_equal(load(words, o), IM_OK);
	return auditor_settings_init(*o, s);
}

static void
done(struct options *o, struct auditor_settings *s)
{
	auditor_settings_free(s);
	options_free(o);
}

static void
defaults(void **state)
{
	struct auditor_settings s;
	struct options *o;

	(void)state;
	assert_int_equal(make(WORDS("--audit-username", "u"), &o, &s), IM_OK);
	assert_string_equal(s.address, "127.0.0.1:3322");
	assert_string_equal(s.dir, "/state/immudb/auditor");
	assert_null(s.web.evidence_dir);
	assert_string_equal(s.alert.queue_dir, "/state/immudb/auditor/alerts");
	assert_int_equal(s.audit.interval_ms, 5 * 60 * 1000);
	assert_int_equal(s.audit.sample, 100);
	assert_int_equal(s.audit.parallel, 4);
	assert_int_equal(s.audit.databases_len, 0);
	assert_int_equal(s.audit.pub_key_files_len, 0);
	assert_string_equal(s.audit.state_dir, s.dir);
	assert_string_equal(s.web.profile, "immuclient");
	assert_int_equal(s.web.port, 9477);
	assert_string_equal(s.web.address, "0.0.0.0");
	assert_int_equal(options_enum(o, "log-level"), LOG_LEVEL_INFO);
	done(o, &s);
}

static void
profiles_and_ports(void **state)
{
	struct auditor_settings s;
	struct options *o;

	(void)state;
	assert_int_equal(make(WORDS("--profile", "immugw"), &o, &s), IM_OK);
	assert_string_equal(s.web.profile, "immugw");
	assert_int_equal(s.web.port, 9476);
	done(o, &s);
	assert_int_equal(
	    make(WORDS("--profile", "immugw", "--prometheus-port", "1", "--prometheus-host", "::"),
		&o, &s),
	    IM_OK);
	assert_int_equal(s.web.port, 1);
	assert_string_equal(s.web.address, "::");
	done(o, &s);
	assert_int_equal(make(WORDS("--audit-monitoring-port", "0"), &o, &s), IM_OK);
	assert_int_equal(s.web.port, 0);
	done(o, &s);
}

/* The line of the overview page, and lists in both forms. */
static void
as_on_the_page(void **state)
{
	struct auditor_settings s;
	struct options *o;

	(void)state;
	assert_int_equal(make(WORDS("--audit-databases", "defaultdb", "--audit-password", "immudb",
				  "--audit-username", "immudb", "--server-signing-pub-key",
				  "./test/signer/ec1.pub"),
			     &o, &s),
	    IM_OK);
	assert_string_equal(s.audit.databases[0], "defaultdb");
	assert_string_equal(s.audit.password, "immudb");
	assert_string_equal(s.audit.pub_key_files[0], "./test/signer/ec1.pub");
	done(o, &s);
	assert_int_equal(
	    make(WORDS("--server-signing-pub-key", "a,b", "--server-signing-pub-key", "c", "--peer",
		     "x:1", "--peer", "y:2", "--audit-password", "enc:aW1tdWRi"),
		&o, &s),
	    IM_OK);
	assert_int_equal(s.audit.pub_key_files_len, 3);
	assert_string_equal(s.audit.pub_key_files[2], "c");
	assert_int_equal(s.peers.peers_len, 2);
	assert_string_equal(s.audit.password, "immudb");
	done(o, &s);
}

static void
addresses(void **state)
{
	struct auditor_settings s;
	struct options *o;

	(void)state;
	assert_int_equal(
	    make(
		WORDS("-a", "::1", "-p", "1", "--dir", "x", "--audit-monitoring-evidence"), &o, &s),
	    IM_OK);
	assert_string_equal(s.address, "[::1]:1");
	assert_string_equal(s.dir, "x");
	assert_string_equal(s.web.evidence_dir, "x/evidence");
	done(o, &s);
	assert_int_equal(make(WORDS("--immudb-socket", "/run/immudb"), &o, &s), IM_OK);
	assert_string_equal(s.address, "unix:/run/immudb");
	assert_string_equal(s.audit.unix_path, "/run/immudb");
	done(o, &s);
}

static void
bad_filters(void **state)
{
	static const char *const bad[] = {"Default", "default*", "../x", "a b", "a%"};
	struct auditor_settings s;
	struct options *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(make(WORDS("--audit-databases", bad[i]), &o, &s), IM_ERR_CONFIG);
		assert_non_null(strstr(err_detail(IM_ERR_CONFIG), bad[i]));
		done(o, &s);
	}
	assert_int_equal(make(WORDS("--audit-databases", "a-1,b_2"), &o, &s), IM_OK);
	assert_int_equal(s.audit.databases_len, 2);
	done(o, &s);
}

static void
one_round_has_no_interval(void **state)
{
	struct auditor_settings s;
	struct options *o;

	(void)state;
	assert_int_equal(make(WORDS("--once", "--audit-interval", "10s"), &o, &s), IM_OK);
	assert_int_equal(s.audit.interval_ms, 0);
	done(o, &s);
	assert_int_equal(load(WORDS("--audit-interval", "0"), &o), IM_ERR_USAGE);
	options_free(o);
}

static void
exit_codes(void **state)
{
	int v;

	(void)state;
	assert_int_equal(auditor_exit_code(AUDIT_OK), IM_EXIT_OK);
	assert_int_equal(auditor_exit_code(AUDIT_FIRST_SEEN), IM_EXIT_OK);
	assert_int_equal(auditor_exit_code(AUDIT_UNREACHABLE), IM_EXIT_UNREACHABLE);
	assert_int_equal(auditor_exit_code(AUDIT_ERROR), IM_EXIT_ERROR);
	assert_int_equal(auditor_exit_code(AUDIT_NOT_CHECKED), IM_EXIT_ERROR);
	for (v = 0; v < AUDIT_VERDICTS; v++)
		assert_int_equal(auditor_exit_code((enum audit_verdict)v) == IM_EXIT_VERIFICATION,
		    audit_verdict_info((enum audit_verdict)v)->metric == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(profiles_and_ports),
	    cmocka_unit_test(as_on_the_page),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(bad_filters),
	    cmocka_unit_test(one_round_has_no_interval),
	    cmocka_unit_test(exit_codes),
	};

	setenv("XDG_STATE_HOME", "/state", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
