/*
 * The life of a daemon. Neighbours: daemon (signals, background, service manager), daemon_guard
 * (signals at start and stop), log, options; above are the main.c of immudb, the auditor and the
 * gateway.
 *
 * Invariants: what is wrong with the options is said before anything is done; nothing is left of a
 * start that failed; a reload that fails leaves what it was about as it was, and never ends the
 * daemon.
 */
#include "util/daemon_main.h"

#include <stdio.h>
#include <string.h>

#include "util/file.h"
#include "util/log.h"

#define MAIN_PATH_MAX 8192u
#define MAIN_TEXT_MAX 1024u
/*
 * An answer may take this part of the time after which the service manager wants to hear of us
 * again.
 */
#define MAIN_ANSWER_PART 2u

/* A daemon that runs. */
struct life {
	const struct daemon_main *d;
	const struct options *o; /* as it was started */
	struct options *fresh;   /* as of the last reload; NULL: none yet */
	void *context;
	struct buf logfile; /* NUL-terminated; empty: standard error */
};

void
daemon_main_fail(const char *name, enum im_err err)
{
	char text[MAIN_TEXT_MAX];

	snprintf(text, sizeof text, "%s", err_detail(err));
	fprintf(stderr, "%s: %s\n", name, text);
	if (log_path()[0])
		log_error("%s", text);
}

void
daemon_main_check(const struct options *o, struct options_check *to)
{
	const char *log = options_string(o, "logfile");

	if (log[0] && strcmp(log, options_string(o, "pidfile")) == 0)
		options_check_add(to, "pidfile", "is the log file as well: %s", log);
}

/* ---- The log ---- */

/* "NAME.log" in the daemon's folder, for a process whose standard error nobody will see. */
static enum im_err
life_default_logfile(struct life *l)
{
	char name[64];
	struct buf dir;
	enum im_err err;

	buf_init(&dir, MAIN_PATH_MAX);
	err = l->d->folder(l->o, &dir);
	snprintf(name, sizeof name, "%s.log", l->d->name);
	if (!err)
		err = file_make_folder((const char *)dir.data);
	if (!err)
		err = file_join(&l->logfile, (const char *)dir.data, name);
	buf_free(&dir);
	return err;
}

static enum im_err
life_open_log(struct life *l)
{
	const char *path = options_string(l->o, "logfile");
	enum im_err err;
	struct log_config config = {.program = l->d->name,
	    .path = path,
	    .level = (enum log_level)options_enum(l->o, "log-level"),
	    .format = (enum log_format)options_enum(l->o, "log-format")};

	if (path[0] || !daemon_is_detaching())
		return log_open(&config);
	err = life_default_logfile(l);
	if (err)
		return err;
	config.path = (const char *)l->logfile.data;
	printf("The log is in %s\n", config.path);
	return log_open(&config);
}

/* ---- Reload ---- */

struct comparison {
	const char *const *reloadable;
	bool of_reloadable; /* only these, or only the others */
};

static bool
comparison_is_reloadable(const struct comparison *c, const char *name)
{
	size_t i;

	if (strcmp(name, "log-level") == 0)
		return true;
	for (i = 0; c->reloadable && c->reloadable[i]; i++)
		if (strcmp(name, c->reloadable[i]) == 0)
			return true;
	return false;
}

static void
comparison_tell(void *arg, const char *name, const char *was, const char *is)
{
	const struct comparison *c = arg;

	if (comparison_is_reloadable(c, name) != c->of_reloadable)
		return;
	if (c->of_reloadable)
		log_info("%s is \"%s\" now; it was \"%s\"", name, is, was);
	else
		log_warn("%s stays \"%s\"; \"%s\" needs a restart", name, was, is);
}

/*
 * What has changed since the last reload, and what has changed since the start and is not in force.
 */
static void
life_compare(const struct life *l, const struct options *fresh)
{
	struct comparison c = {.reloadable = l->d->reloadable, .of_reloadable = true};

	options_each_change(l->fresh ? l->fresh : l->o, fresh, comparison_tell, &c);
	c.of_reloadable = false;
	options_each_change(l->o, fresh, comparison_tell, &c);
}

static void
life_reload(void *arg)
{
	struct options *fresh = NULL;
	struct life *l = arg;
	enum im_err err = options_reload(l->o, &fresh);

	if (!err)
		err = options_check(fresh);
	if (err) {
		log_error("nothing is reloaded: %s", err_detail(err));
		options_free(fresh);
		return;
	}
	log_set_level((enum log_level)options_enum(fresh, "log-level"));
	life_compare(l, fresh);
	err = l->d->reload ? l->d->reload(l->context, fresh) : IM_OK;
	if (err)
		log_error("not everything is reloaded: %s", err_detail(err));
	else
		log_info("reloaded: %s",
		    options_config_file(fresh) ? options_config_file(fresh)
					       : "no configuration file");
	options_free(l->fresh);
	l->fresh = fresh;
}

/* ---- From the first file to the last answer ---- */

/* Waits for the signal to stop; the service manager hears that we live as long as we answer. */
static int
life_wait(struct life *l)
{
	unsigned int period_ms = l->d->answers ? daemon_watchdog_ms() : 0;
	int number;

	if (!period_ms)
		return daemon_wait_stop(-1);
	while ((number = daemon_wait_stop((int)period_ms)) == 0)
		if (l->d->answers(l->context, period_ms / MAIN_ANSWER_PART))
			daemon_watchdog_alive();
		else
			log_error_limited(
			    "%s does not answer: the watchdog is not told", l->d->name);
	return number;
}

static int
life_serve(struct life *l)
{
	enum im_err err = daemon_guard_begin("starting", 0);
	int number;

	if (!err)
		err = l->d->start(l->context, l->o);
	daemon_guard_end();
	if (err) {
		daemon_main_fail(l->d->name, err);
		return IM_EXIT_ERROR;
	}
	if (l->d->started)
		l->d->started(l->context, l->o);
	daemon_on_reload(life_reload, l);
	daemon_on_reopen(l->d->reopened, l->context);
	daemon_ready();
	number = life_wait(l);
	log_info("Caught %s", number == SIGINT ? "SIGINT" : "SIGTERM");
	daemon_stopping();
	err = daemon_guard_begin(
	    "stopping", l->d->stop_max_ms ? l->d->stop_max_ms : DAEMON_STOP_MAX_MS);
	if (err)
		log_warn("%s", err_detail(err));
	l->d->stop(l->context);
	daemon_guard_end();
	log_info("Shutdown completed");
	return IM_EXIT_OK;
}

/* Where it will write. A folder that cannot be told is what start() has to say. */
static enum im_err
life_check_folder(const struct life *l)
{
	struct buf dir;
	enum im_err err = IM_OK;

	buf_init(&dir, MAIN_PATH_MAX);
	if (l->d->folder(l->o, &dir) == IM_OK)
		err = file_check_folder_owner((const char *)dir.data, l->d->owned);
	buf_free(&dir);
	return err;
}

/* Everything that stays until the end, before anything that serves. */
static enum im_err
life_prepare(struct life *l)
{
	enum im_err err = options_check(l->o);

	if (!err)
		err = life_check_folder(l);
	if (!err && options_bool(l->o, "detached"))
		err = daemon_detach(l->d->name);
	if (!err)
		err = daemon_init();
	if (!err)
		err = life_open_log(l);
	if (!err)
		err = daemon_pidfile_create(options_string(l->o, "pidfile"));
	return err;
}

int
daemon_main_run(const struct daemon_main *d, struct command_call *call, void *context)
{
	struct life l = {.d = d, .o = call->options, .context = context};
	enum im_err err;
	int code;

	buf_init(&l.logfile, MAIN_PATH_MAX);
	err = life_prepare(&l);
	if (err) {
		daemon_main_fail(d->name, err);
		code = (int)err_exit_code(err);
	} else {
		daemon_raise_nofile();
		code = life_serve(&l);
		daemon_pidfile_remove();
	}
	daemon_free();
	log_close();
	options_free(l.fresh);
	buf_free(&l.logfile);
	return code;
}
