/*
 * The auditor as a child: its command line from the gateway's options (cli/audit_command.h), its
 * life by util/supervise.h. main.c starts it before the gateway and stops it after.
 */
#include "audit_child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/audit_command.h"
#include "gateway_options.h"
#include "util/daemon.h"
#include "util/file.h"
#include "util/log.h"
#include "util/supervise.h"

#define CHILD_MEMORY_MAX (256 * 1024)
#define CHILD_PATH_MAX 4096
#define CHILD_FOLDER "auditor-immugw"
/* The value of an audit that could not be made. */
#define CHILD_RESULT_ERROR (-2)

struct audit_child {
	struct arena memory;
	struct supervise *process;
	const char *server_address;    /* as the auditor says it */
	struct metric_family *results; /* shown only while the auditor cannot say it itself */
};

/* Settings that the auditor has under the same names. */
static const char *const child_settings[] = {"immudb-address", "immudb-port", "immudb-socket",
    "tls", "mtls", "servername", "certificate", "pkey", "clientcas", "audit-interval",
    "audit-databases", "audit-password", "audit-monitoring-host", "audit-monitoring-port",
    "log-level", "log-format"};

static enum im_err
add_named(struct audit_command *c, const struct options *o, const char *name)
{
	const struct command *root = gateway_program.root;
	size_t i;

	for (i = 0; i < root->option_count; i++)
		if (strcmp(root->options[i].name, name) == 0)
			return audit_command_add_setting(c, o, &root->options[i]);
	return err_set(IM_ERR_INTERNAL, "there is no option %s", name);
}

/* Who audits: nobody in particular at a server without authentication. */
static enum im_err
add_user(struct audit_command *c, const struct options *o)
{
	if (!options_is_set(o, "audit-username") && !options_string(o, "audit-password")[0])
		return IM_OK;
	return audit_command_add(c, "audit-username", options_string(o, "audit-username"));
}

/* The key, if signatures are to be checked. */
static enum im_err
add_key(struct audit_command *c, const struct options *o)
{
	const char *key = options_string(o, "server-signing-pub-key");

	if (strcmp(options_string(o, "audit-signature"), "validate") != 0)
		return IM_OK;
	if (!key[0])
		return err_set(IM_ERR_CONFIG,
		    "audit-signature is validate: server-signing-pub-key must name the server's key");
	return audit_command_add(c, "server-signing-pub-key", key);
}

/* Its own folder, so that it does not share the states of another auditor of this user. */
static enum im_err
add_folder(struct audit_command *c, const struct options *o)
{
	const char *dir = options_string(o, "dir");
	enum im_err err = IM_OK;
	struct buf path;

	buf_init(&path, CHILD_PATH_MAX);
	if (dir[0])
		buf_append_str(&path, dir);
	else
		err = file_state_folder(&path);
	/* Ours ends with a NUL, file_state_folder()'s too. */
	while (path.len > 0 && path.data[path.len - 1] == '\0')
		path.len--;
	buf_printf(&path, "/%s", CHILD_FOLDER);
	buf_append_u8(&path, '\0');
	if (err == IM_OK)
		err = path.err;
	if (err == IM_OK)
		err = audit_command_add(c, "dir", (const char *)path.data);
	buf_free(&path);
	return err;
}

static enum im_err
child_command(struct audit_child *child, const struct options *o, struct audit_command *c)
{
	enum im_err err = audit_command_init(c, &child->memory, "immugw");
	size_t i;

	for (i = 0; err == IM_OK && i < sizeof child_settings / sizeof *child_settings; i++)
		err = add_named(c, o, child_settings[i]);
	if (err == IM_OK)
		err = add_user(c, o);
	if (err == IM_OK)
		err = add_key(c, o);
	/* Not the option: in the background there is a file without it. */
	if (err == IM_OK && log_path()[0])
		err = audit_command_add(c, "logfile", log_path());
	return err == IM_OK ? add_folder(c, o) : err;
}

static enum im_err
child_launch(struct audit_child *child, const struct options *o)
{
	struct supervise_input inputs[AUDIT_COMMAND_SECRETS_MAX];
	struct supervise_options so = {
	    .name = "auditor", .inputs = inputs, .is_mute = daemon_is_detaching()};
	struct audit_command c;
	enum im_err err = child_command(child, o, &c);

	if (err != IM_OK)
		return err;
	so.argv = c.argv;
	for (; so.inputs_len < c.secrets_len; so.inputs_len++)
		inputs[so.inputs_len] = (struct supervise_input){
		    AUDIT_COMMAND_FIRST_FD + (int)so.inputs_len, c.secrets[so.inputs_len]};
	return supervise_start(&so, &child->process);
}

/* The label that the auditor gives the server: "host:port" or "unix:PATH". */
static enum im_err
child_name_server(struct audit_child *child, const struct options *o)
{
	const char *socket = options_string(o, "immudb-socket");
	char *name = arena_alloc(&child->memory, CHILD_PATH_MAX);

	if (!name)
		return IM_ERR_NOMEM;
	if (socket[0])
		snprintf(name, CHILD_PATH_MAX, "unix:%s", socket);
	else
		snprintf(name, CHILD_PATH_MAX, "%s:%lld", options_string(o, "immudb-address"),
		    (long long)options_int(o, "immudb-port"));
	child->server_address = name;
	return IM_OK;
}

enum im_err
audit_child_start(const struct options *o, struct audit_child **out)
{
	struct audit_child *child;
	enum im_err err;

	*out = NULL;
	if (!options_bool(o, "audit"))
		return IM_OK;
	child = calloc(1, sizeof *child);
	if (!child)
		return IM_ERR_NOMEM;
	arena_init(&child->memory, CHILD_MEMORY_MAX);
	err = child_name_server(child, o);
	if (err == IM_OK)
		err = child_launch(child, o);
	if (err == IM_OK)
		*out = child;
	else
		audit_child_stop(child);
	return err;
}

static double
child_is_up(void *arg)
{
	struct audit_child *child = arg;
	struct supervise_state state;

	supervise_get_state(child->process, &state);
	return state.phase == SUPERVISE_RUNNING ? 1 : 0;
}

static double
child_restarts(void *arg)
{
	struct audit_child *child = arg;
	struct supervise_state state;

	supervise_get_state(child->process, &state);
	return (double)state.restarts;
}

/* While nobody audits, the result is an error, and not what it was before. */
static void
child_collect(void *arg)
{
	struct audit_child *child = arg;
	struct metric *result =
	    metric_series(child->results, (const char *const[]){child->server_address, "unknown"});

	if (child_is_up(child) > 0)
		metric_retire(result);
	else
		metric_set(result, CHILD_RESULT_ERROR);
}

static void
child_add_result(struct audit_child *child, struct metrics *m)
{
	child->results = metrics_family(m,
	    &(struct metric_desc){.name = "immugw_audit_result_per_server",
		.help = "Latest audit result (1 = ok, 0 = tampered); here only while there is no "
			"auditor to say it on its own port.",
		.type = METRIC_GAUGE,
		.labels = {"server_address", "server_id"}});
	if (metrics_on_collect(m, child_collect, child) != IM_OK)
		log_warn("the auditor's end would not be seen in the metrics");
}

void
audit_child_add_metrics(struct audit_child *child, struct metrics *m)
{
	child_add_result(child, m);
	metric_set_callback(metric_single(metrics_family(m,
				&(struct metric_desc){.name = "immugw_auditor_up",
				    .help = "Whether the auditor that the gateway runs is ready.",
				    .type = METRIC_GAUGE})),
	    child_is_up, child);
	metric_set_callback(metric_single(metrics_family(m,
				&(struct metric_desc){.name = "immugw_auditor_restarts_total",
				    .help = "Times that the auditor was started again.",
				    .type = METRIC_COUNTER})),
	    child_restarts, child);
}

void
audit_child_signal(struct audit_child *child, int number)
{
	if (child)
		supervise_signal(child->process, number);
}

void
audit_child_stop(struct audit_child *child)
{
	if (!child)
		return;
	supervise_stop(child->process);
	arena_wipe(&child->memory);
	free(child);
}
