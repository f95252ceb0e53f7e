/*
 * The auditing daemon. util/daemon_main.h is the order of things; this file says what starts and
 * stops, and runs single rounds. auditor_options.c has the options, audit.h does the work, and
 * web.h, alert.h and peers.h tell others.
 *
 * Invariants: what cannot work however long one waits (a key, a filter, a port, another auditor in
 * the same folder) ends the start with one clear line; a server that is not there does not.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auditor_commands.h"
#include "auditor_options.h"
#include "util/daemon_main.h"
#include "util/duration.h"
#include "util/file.h"
#include "util/log.h"

#define MAIN_PATH_MAX 8192
/* What is queued is tried for so long at the end. */
#define MAIN_ALERTS_WAIT_MS 2000
#define MAIN_ALERTS_WAIT_ONCE_MS 10000
/* Answers are large and short-lived: their memory goes back to the system. */
#define MAIN_HEAP_BLOCK_MAX (256 * 1024)
#define MAIN_HEAP_FREE_MAX (1024 * 1024)

/* Everything that runs. */
struct auditor {
	const struct options *options;
	struct auditor_settings settings;
	struct report report;
	struct alerts *alerts;
	struct peers *peers;
	struct web *web;
	pthread_mutex_t lock; /* of audit, for whoever asks from a thread of peers */
	struct audit *audit;
	int folder_lock;
	bool has_report;
};

static const char *const main_owned[] = {AUDITOR_LOCK_NAME, NULL};

/* The folder, and that no other auditor has it. */
static enum im_err
main_take_folder(struct auditor *a)
{
	struct buf path;
	enum im_err err;

	buf_init(&path, MAIN_PATH_MAX);
	err = file_make_folder(a->settings.dir);
	if (!err)
		err = file_join(&path, a->settings.dir, AUDITOR_LOCK_NAME);
	if (!err)
		err = file_lock((const char *)path.data, false, &a->folder_lock);
	if (err == IM_ERR_LOCKED)
		err = err_set(IM_ERR_LOCKED, "another auditor works in %s", a->settings.dir);
	buf_free(&path);
	return err;
}

/* What we have verified, for peers; nothing before the audit runs and after it has ended. */
static void
main_each_verified(void *arg, void (*give)(void *to, const struct peer_state *state), void *to)
{
	struct auditor *a = arg;

	pthread_mutex_lock(&a->lock);
	if (a->audit)
		audit_each_verified(a->audit, give, to);
	pthread_mutex_unlock(&a->lock);
}

static void
main_each_proof(void *arg, void (*give)(void *to, const struct peer_proof *proof), void *to)
{
	struct auditor *a = arg;

	pthread_mutex_lock(&a->lock);
	if (a->audit)
		audit_each_proof(a->audit, give, to);
	pthread_mutex_unlock(&a->lock);
}

static enum im_err
main_start_audit(struct auditor *a)
{
	struct audit_options o = a->settings.audit;
	struct audit *audit = NULL;
	enum im_err err;

	o.report = &a->report;
	o.alerts = a->alerts;
	o.peers = a->peers;
	err = audit_start(&o, &audit);
	pthread_mutex_lock(&a->lock);
	a->audit = err ? NULL : audit;
	pthread_mutex_unlock(&a->lock);
	return err;
}

/* Starts all parts; with --once nobody listens. */
static enum im_err
main_start(struct auditor *a, bool once)
{
	struct peers_options peers = a->settings.peers;
	struct web_options web = a->settings.web;
	enum im_err err = alerts_start(&a->settings.alert, &a->alerts);

	peers.each = main_each_verified;
	peers.each_proof = main_each_proof;
	peers.arg = a;
	if (once)
		peers.listen = NULL;
	if (!err)
		err = peers_start(&peers, &a->peers);
	web.report = &a->report;
	web.alerts = a->alerts;
	web.peers = a->peers;
	if (!err)
		err = main_start_audit(a);
	/*
	 * After the alarms that are remembered have come into the report: no look at it may miss
	 * them.
	 */
	if (!err && !once)
		err = web_start(&web, &a->web);
	/* Nothing is looked at, and nobody is told anything, by an auditor that cannot start. */
	return err ? err : audit_begin(a->audit);
}

static enum im_err
main_reload(void *context, const struct options *o)
{
	struct auditor *a = context;

	(void)o;
	return audit_reload(a->audit);
}

static bool
main_answers(void *context, unsigned int timeout_ms)
{
	const struct auditor *a = context;

	return audit_is_moving(a->audit) && web_answers(a->web, timeout_ms);
}

static void
main_stop(struct auditor *a, unsigned int alerts_wait_ms)
{
	struct audit *audit;

	pthread_mutex_lock(&a->lock);
	audit = a->audit;
	a->audit = NULL;
	pthread_mutex_unlock(&a->lock);
	if (audit)
		audit_stop(audit);
	web_stop(a->web);
	if (a->peers)
		peers_stop(a->peers);
	alerts_stop(a->alerts, alerts_wait_ms);
}

static void
main_say_started(void *context, const struct options *o)
{
	char interval[DURATION_TEXT_SIZE];
	const struct auditor *a = context;
	const struct auditor_settings *s = &a->settings;
	const char *host = s->web.address[0] ? s->web.address : "0.0.0.0";
	bool has_colons = strchr(host, ':') != NULL;

	(void)o;
	duration_format((int64_t)s->audit.interval_ms * 1000000, interval);
	printf("Auditing %s every %s; what is remembered is in %s\n", s->address, interval, s->dir);
	if (a->web)
		printf("Beginning to serve on port %s%s%s:%u\n", has_colons ? "[" : "", host,
		    has_colons ? "]" : "", web_port(a->web));
	if (peers_port(a->peers) > 0)
		printf("Other auditors may ask on port %u\n", peers_port(a->peers));
	if (fflush(stdout) != 0)
		log_warn("cannot write to standard output: %s", strerror(errno));
	log_info("auditing %s every %s", s->address, interval);
}

/* The folder is ours, and what is found is remembered. */
static enum im_err
main_open(struct auditor *a)
{
	struct auditor_settings *s = &a->settings;
	enum im_err err = main_take_folder(a);

	if (!err)
		err = report_init(&a->report, s->address, (double)s->audit.interval_ms / 1000.0);
	a->has_report = !err;
	return err;
}

static void
main_close(struct auditor *a)
{
	if (a->has_report)
		report_free(&a->report);
	file_unlock(&a->folder_lock);
}

static enum im_err
main_start_daemon(void *context, const struct options *o)
{
	struct auditor *a = context;
	enum im_err err = main_open(a);

	(void)o;
	if (!err)
		err = main_start(a, false);
	if (err) {
		main_stop(a, 0);
		main_close(a);
	}
	return err;
}

static void
main_stop_daemon(void *context)
{
	struct auditor *a = context;

	main_stop(a, MAIN_ALERTS_WAIT_MS);
	main_close(a);
}

static enum im_err
main_folder(const struct options *o, struct buf *out)
{
	return auditor_folder(o, out);
}

static const struct daemon_main main_life = {.name = "auditor",
    .folder = main_folder,
    .owned = main_owned,
    .start = main_start_daemon,
    .started = main_say_started,
    .reload = main_reload,
    .answers = main_answers,
    .stop = main_stop_daemon};

/* One round or several, and what was found. */
static int
main_once(struct auditor *a)
{
	struct output *out = output_new((enum output_format)options_enum(a->options, "output"),
	    STDOUT_FILENO, STDERR_FILENO, "auditor");
	int64_t i, rounds = options_int(a->options, "rounds");
	enum audit_verdict worst = AUDIT_ERROR;
	enum im_err err = out ? IM_OK : err_set(IM_ERR_NOMEM, "%s", err_text(IM_ERR_NOMEM));
	int code;

	if (!err)
		err = main_start(a, true);
	for (i = 0; i < rounds && !err; i++)
		err = audit_run_round(a->audit, &worst);
	if (err)
		daemon_main_fail("auditor", err);
	main_stop(a, err ? 0 : MAIN_ALERTS_WAIT_ONCE_MS);
	code = err ? (int)err_exit_code(err) : (int)auditor_exit_code(worst);
	if (!err)
		auditor_show_round(out, &a->report);
	if (out) {
		err = output_flush(out);
		if (err && code == IM_EXIT_OK)
			code = (int)output_error(out, err);
		(void)output_close(out);
	}
	return code;
}

/* One round is interrupted as any command: files are replaced in one step. */
static int
main_run_once(struct auditor *a)
{
	const struct options *o = a->options;
	struct log_config log = {.program = "auditor",
	    .path = options_string(o, "logfile"),
	    .level = (enum log_level)options_enum(o, "log-level"),
	    .format = (enum log_format)options_enum(o, "log-format")};
	int code;
	enum im_err err = options_check(o);

	if (!err)
		err = file_check_folder_owner(a->settings.dir, main_owned);
	if (!err)
		err = log_open(&log);
	if (!err)
		err = daemon_pidfile_create(options_string(o, "pidfile"));
	if (!err)
		err = main_open(a);
	if (err) {
		daemon_main_fail("auditor", err);
		code = (int)err_exit_code(err);
	} else {
		daemon_raise_nofile();
		code = main_once(a);
	}
	main_close(a);
	daemon_pidfile_remove();
	log_close();
	return code;
}

int
auditor_run(struct command_call *call)
{
	struct auditor a = {
	    .options = call->options, .lock = PTHREAD_MUTEX_INITIALIZER, .folder_lock = -1};
	enum im_err err;
	int code;

	mallopt(M_MMAP_THRESHOLD, MAIN_HEAP_BLOCK_MAX);
	mallopt(M_TRIM_THRESHOLD, MAIN_HEAP_FREE_MAX);
	err = auditor_settings_init(call->options, &a.settings);
	if (err) {
		daemon_main_fail("auditor", err);
		code = (int)err_exit_code(err);
	} else if (options_bool(call->options, "once")) {
		code = main_run_once(&a);
	} else {
		code = daemon_main_run(&main_life, call, &a);
	}
	auditor_settings_free(&a.settings);
	return code;
}

int
main(int argc, char **argv)
{
	return program_main(&auditor_program, argc, argv, NULL);
}
