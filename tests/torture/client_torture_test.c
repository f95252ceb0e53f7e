/*
 * The client library and immuclient without memory or descriptors, against a server that
 * has all of them. The library says so, keeps its trusted state, and does better afterwards; the
 * program ends with one line and exit code 1, or does its work.
 *
 *	client_torture_test IMMUDB IMMUCLIENT library|programs
 *
 * Neighbours: torture_server.c, torture_run.c.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "torture_server.h"

#define USER "immudb"
#define PASSWORD "immudb"
#define CONNECT_MS 20000
#define TOKEN_MAX 256
#define VALUE_BYTES 70000u
#define LIBRARY_PLACES 40u
#define PROGRAM_PLACES 4u
#define PROGRAM_DEADLINE_S 60
#define TEXT_MAX 4096
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct torture_server server;
static const char *immuclient;
static char private_path[SERVER_PATH_MAX], public_path[SERVER_PATH_MAX];
static char password_path[SERVER_PATH_MAX], token_path[SERVER_PATH_MAX];

/* ---- The server ---- */

static bool
write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool right = f && fputs(text, f) >= 0;

	return f && fclose(f) == 0 && right && chmod(path, 0600) == 0;
}

static bool
make_keys(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *private_file = fopen(private_path, "w"), *public_file = fopen(public_path, "w");
	bool right = key && private_file && public_file &&
	    PEM_write_PrivateKey(private_file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_PUBKEY(public_file, key) == 1;

	if (private_file)
		fclose(private_file);
	if (public_file)
		fclose(public_file);
	EVP_PKEY_free(key);
	return right && chmod(private_path, 0600) == 0;
}

/* In a process of its own, so that this one stays fit to fork: a session that all share. */
static int
log_in(void)
{
	struct immu *c = NULL;
	bool right;

	if (server_connect(&server, CONNECT_MS, &c) || immu_login(c, USER, PASSWORD, NULL))
		return 1;
	right = write_text(token_path, immu_token(c));
	immu_close(c);
	return !right;
}

static bool
prepare(const char *immudb)
{
	pid_t child;

	if (!server_prepare(&server, immudb))
		return false;
	snprintf(private_path, sizeof private_path, "%s/private.pem", server.dir);
	snprintf(public_path, sizeof public_path, "%s/public.pem", server.dir);
	snprintf(password_path, sizeof password_path, "%s/password", server.dir);
	snprintf(token_path, sizeof token_path, "%s/token", server.dir);
	server.key = private_path;
	server.pub_key = public_path;
	if (!make_keys() || !write_text(password_path, PASSWORD "\n") || !server_start(&server, -1))
		return false;
	child = scratch_fork();
	if (child == 0)
		_exit(log_in());
	return scratch_wait(child) == 0;
}

/* ---- The library ---- */

struct scene {
	struct immu *c;
	char token[TOKEN_MAX];
	char *value;
	bool acked_set;
	bool acked_safe;
	bool wrong;
};

static bool
complain(struct scene *s, const char *what, enum im_err err)
{
	fprintf(stderr, "%s: %s: %s\n", what, immu_error_name(err), immu_error_text(err));
	s->wrong = true;
	return false;
}

/* OpenSSL does not always tell that it had no memory from a key that is no key. */
static bool
is_clean(enum im_err err)
{
	if (err == IM_ERR_KEY_FILE && strstr(torture_site(), "libcrypto"))
		return true;
	return err == IM_OK || err == IM_ERR_NOMEM || err == IM_ERR_CONNECTION_LOST;
}

static enum im_err
do_connect(struct scene *s, struct immu_result **out)
{
	enum im_err err = IM_OK;

	(void)out;
	if (s->c)
		return IM_OK;
	err = server_connect(&server, CONNECT_MS, &s->c);
	if (err) {
		if (s->c)
			complain(s, "a connection that failed", err);
		return err;
	}
	return immu_resume(s->c, s->token, "defaultdb");
}

static enum im_err
do_set(struct scene *s, struct immu_result **out)
{
	struct immu_kv kvs[2] = {{.key = immu_str("set"), .value = {s->value, VALUE_BYTES}},
	    {.key = immu_str("other"), .value = immu_str("value")}};
	enum im_err err = immu_set(s->c, kvs, COUNT(kvs), out);

	s->acked_set = s->acked_set || !err;
	return err;
}

static enum im_err
do_safe_set(struct scene *s, struct immu_result **out)
{
	struct immu_kv kv = {.key = immu_str("safe"), .value = immu_str("value")};
	enum im_err err = immu_verified_set(s->c, &kv, 1, out);

	s->acked_safe = s->acked_safe || !err;
	return err;
}

/* Other scenes may have written it; an acknowledged one is there. */
static enum im_err
do_get(struct scene *s, struct immu_result **out)
{
	enum im_err err = immu_get(s->c, immu_str("set"), NULL, out);

	if (!err && (*out)->entries[0].value.len != VALUE_BYTES)
		return IM_ERR_DATA_LOSS;
	return err == IM_ERR_KEY_NOT_FOUND && !s->acked_set ? IM_OK : err;
}

static enum im_err
do_safe_get(struct scene *s, struct immu_result **out)
{
	enum im_err err = immu_verified_get(s->c, immu_str("safe"), NULL, out);

	if (!err && !(*out)->verified)
		return IM_ERR_PROOF;
	return err == IM_ERR_KEY_NOT_FOUND && !s->acked_safe ? IM_OK : err;
}

static enum im_err
do_get_all(struct scene *s, struct immu_result **out)
{
	struct immu_bytes keys[] = {immu_str("set"), immu_str("safe"), immu_str("absent")};

	return immu_get_all(s->c, keys, COUNT(keys), out);
}

static enum im_err
do_list(struct scene *s, struct immu_result **out)
{
	return immu_list(s->c, &(struct immu_scan){.prefix = immu_str("s")}, out);
}

static enum im_err
do_tx(struct scene *s, struct immu_result **out)
{
	enum im_err err = immu_verified_tx(s->c, 1, out);

	return err == IM_ERR_TX_NOT_FOUND && !s->acked_set ? IM_OK : err;
}

static enum im_err
do_state(struct scene *s, struct immu_result **out)
{
	return immu_verified_state(s->c, out);
}

static enum im_err
do_persist(struct scene *s, struct immu_result **out)
{
	(void)out;
	return immu_persist(s->c);
}

static enum im_err
do_info(struct scene *s, struct immu_result **out)
{
	return immu_server_info(s->c, out);
}

static const struct step {
	const char *name;
	enum im_err (*run)(struct scene *s, struct immu_result **out);
} steps[] = {{"set", do_set}, {"safeset", do_safe_set}, {"get", do_get}, {"safeget", do_safe_get},
    {"getall", do_get_all}, {"list", do_list}, {"tx", do_tx}, {"state", do_state},
    {"persist", do_persist}, {"info", do_info}};

static enum im_err
try_step(struct scene *s, const struct step *step)
{
	struct immu_result *result = NULL;
	enum im_err err = do_connect(s, NULL);

	if (!err)
		err = step->run(s, &result);
	else if (s->c)
		immu_close(s->c), s->c = NULL;
	if (err && result)
		complain(s, "a result with an error", err);
	immu_result_free(result);
	if (err == IM_ERR_CONNECTION_LOST && s->c) {
		immu_close(s->c);
		s->c = NULL;
	}
	return err;
}

static void
run_steps(struct scene *s)
{
	for (size_t i = 0; i < COUNT(steps) && !s->wrong; i++) {
		enum im_err err = try_step(s, &steps[i]);

		if (!is_clean(err))
			complain(s, steps[i].name, err);
		if (!err || torture_lasts())
			continue;
		/* What could not be sent may have cost the connection. */
		err = try_step(s, &steps[i]);
		if (err == IM_ERR_CONNECTION_LOST)
			err = try_step(s, &steps[i]);
		if (err)
			complain(s, steps[i].name, err);
	}
}

static void
close_cleanly(struct scene *s)
{
	enum im_err err = immu_close(s->c);

	s->c = NULL;
	if (!is_clean(err))
		complain(s, "close", err);
}

/* One client with a trusted state, or none yet, that is written and read again. */
static bool
run_client(const char *dir, bool has_state)
{
	struct scene s = {.value = calloc(1, VALUE_BYTES)};
	FILE *f = fopen(token_path, "r");
	enum im_err err;

	if (!s.value || !f || !fgets(s.token, sizeof s.token, f))
		return false;
	fclose(f);
	snprintf(server.states, sizeof server.states, "%s", dir);
	if (has_state) {
		run_steps(&s);
		close_cleanly(&s);
	}
	torture_begin();
	run_steps(&s);
	close_cleanly(&s);
	torture_end();
	for (size_t i = 0; i < COUNT(steps) && !s.wrong; i++) {
		err = try_step(&s, &steps[i]);
		if (err)
			complain(&s, steps[i].name, err);
	}
	close_cleanly(&s);
	free(s.value);
	return !s.wrong;
}

static bool
run_first_contact(const char *dir)
{
	return run_client(dir, false);
}

static bool
run_known(const char *dir)
{
	/* Most of what is asked for with a key is asked for by OpenSSL. */
	server.pub_key = NULL;
	return run_client(dir, true);
}

/* ---- The program ---- */

struct program_test {
	const char *name;
	const char *args[6];
	enum torture_kind kind;
	unsigned places;
};

static const struct program_test programs[] = {
    {"login", {"login", USER, "--password-file", password_path}, TORTURE_OWN, 4},
    {"set", {"set", "key", "value"}, TORTURE_OWN, PROGRAM_PLACES},
    {"safeset", {"safeset", "safe-key", "value"}, TORTURE_OWN, PROGRAM_PLACES},
    {"get", {"get", "key"}, TORTURE_MEMORY, 3 * PROGRAM_PLACES},
    {"safeget", {"safeget", "safe-key", "--output", "json"}, TORTURE_OWN, PROGRAM_PLACES},
    {"scan", {"scan"}, TORTURE_OWN, PROGRAM_PLACES},
    {"current", {"current"}, TORTURE_OWN, PROGRAM_PLACES},
    {"status", {"status"}, TORTURE_MEMORY, PROGRAM_PLACES},
    {"get without descriptors", {"get", "key"}, TORTURE_FILE, PROGRAM_PLACES},
    {"logout", {"logout"}, TORTURE_OWN, 3},
};

/* What the others need before. */
static const struct program_test login = {
    "login", {"login", USER, "--password-file", password_path}, TORTURE_OWN, 0};

static int
run_program(const struct program_test *t, int page_fd)
{
	const char *argv[16] = {immuclient, "--immudb-socket", server.socket, "--state-dir",
	    server.states, "--server-signing-pub-key", public_path};
	struct torture_program p = {
	    .argv = argv, .page_fd = page_fd, .out = server.out, .err = server.err};

	/* The server has its own hold of the files that were its output. */
	unlink(server.out);
	unlink(server.err);
	for (size_t i = 0, at = 7; i < COUNT(t->args) && t->args[i]; i++)
		argv[at++] = t->args[i];
	return torture_wait(torture_start(&p), PROGRAM_DEADLINE_S);
}

static bool
is_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) != 0 || st.st_size == 0;
}

/* It did its work, or it said why not, and nothing against the server. */
static bool
is_fair(int status)
{
	unsigned lines =
	    lines_with(server.err, "immuclient: ") + lines_with(server.err, "{\"error\"");

	if (status == IM_EXIT_OK)
		return !is_empty(server.out);
	return (status == IM_EXIT_ERROR || status == IM_EXIT_UNREACHABLE) && lines == 1;
}

static unsigned
run_program_places(const struct program_test *t, struct torture_control *page, int fd, bool lasting)
{
	struct torture_places p = torture_places(page->calls[t->kind], t->places, lasting);
	unsigned wrong = 0, tried = 0;
	uint64_t calls = p.last;
	char what[256];
	int status;

	for (uint64_t at = p.first; at <= p.last; at += p.step) {
		torture_rest(page);
		if (strcmp(t->args[0], "logout") == 0)
			run_program(&login, -1);
		torture_fail(page, t->kind, at, lasting ? UINT64_MAX : at);
		status = run_program(t, fd);
		tried += page->failed > 0;
		if (is_fair(status))
			continue;
		snprintf(what, sizeof what, "%s, call %llu%s: ended with %d", t->name,
		    (unsigned long long)at, lasting ? " and all that follow" : "", status);
		torture_complain(page, what, server.err);
		wrong++;
	}
	printf("%s: %s at %u of %llu calls, %u wrong\n", t->name,
	    lasting ? "all from there on fail" : "one failure", tried, (unsigned long long)calls,
	    wrong);
	fflush(stdout);
	return wrong;
}

static unsigned
run_program_test(const struct program_test *t, struct torture_control *page, int fd)
{
	unsigned wrong = 0;

	for (unsigned lasting = 0; lasting < 2; lasting++) {
		torture_fail(page, t->kind, 0, 0);
		if (run_program(&login, -1) != IM_EXIT_OK || run_program(t, fd) != IM_EXIT_OK) {
			torture_complain(page, t->name, server.err);
			return wrong + 1;
		}
		wrong += run_program_places(t, page, fd, lasting);
	}
	return wrong;
}

static int
run_programs(void)
{
	struct torture_control *page;
	unsigned wrong = 0;
	int fd;

	page = torture_page_new(&fd);
	for (size_t i = 0; page && i < COUNT(programs); i++) {
		wrong += run_program_test(&programs[i], page, fd);
	}
	return !page || wrong > 0;
}

int
main(int argc, char **argv)
{
	static const struct torture_scene scenes[] = {
	    {"first contact", LIBRARY_PLACES, run_first_contact},
	    {"known", LIBRARY_PLACES, run_known},
	};
	struct torture_control *page = torture_enter(argv);
	int status = 1;

	if (argc != 4 || !page)
		return 2;
	immuclient = argv[2];
	if (!prepare(argv[1]))
		fprintf(stderr, "the server did not start\n");
	else if (strcmp(argv[3], "library") == 0)
		status = torture_run(scenes, COUNT(scenes), NULL, page);
	else
		status = run_programs();
	if (server_stop(&server) != 0)
		status = 1;
	server_clean(&server);
	return status;
}
