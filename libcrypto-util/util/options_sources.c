/*
 * Options from the environment and from a configuration file. Neighbours: options (values), toml
 * and yaml_config (readers).
 *
 * Invariants: a file's key that no command knows is an error, with file and line; a variable that
 * none knows is only a warning, because containers put their own there; an empty value is no value.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"
#include "util/options_internal.h"
#include "util/text.h"
#include "util/toml.h"
#include "util/yaml_config.h"

/* The value of a variable in env, or NULL when it is not there or empty. */
static const char *
env_get(char *const *env, const char *name, size_t len)
{
	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return (*env)[len + 1] ? *env + len + 1 : NULL;
	return NULL;
}

/* Whether a text is the address of a service as Kubernetes puts it into variables. */
static bool
env_is_service_address(const char *text)
{
	static const char *const schemes[] = {"tcp://", "udp://", "sctp://"};

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

/* Takes one variable's value for an option. */
static enum im_err
env_take(struct options *o, struct option_value *v, const char *name, const char *text)
{
	enum im_err err;

	if (v->def->type == OPTION_INT && env_is_service_address(text))
		return options_warn(o,
		    "environment %s: ignored: an address, set by the container platform, where a "
		    "number belongs",
		    name);
	err = option_set(o, v, OPTION_FROM_ENV, text, options_text(o, "environment %s", name));
	if (!err || err == IM_ERR_NOMEM)
		return err;
	if (v->def->type == OPTION_SECRET)
		return err_set(
		    IM_ERR_CONFIG, "environment %s: invalid value: %s", name, err_detail(err));
	return err_set(IM_ERR_CONFIG, "environment %s: invalid value \"%.64s\": %s", name, text,
	    err_detail(err));
}

/* The first of an option's variables that is set gives the value. */
static enum im_err
env_read_option(struct options *o, struct option_value *v, char *const *env)
{
	char name[OPTIONS_MAX_NAME];
	const char *at = v->def->env, *text = NULL;
	size_t n;

	if (option_env_name(o->program, v->def, name))
		text = env_get(env, name, strlen(name));
	for (; !text && at && *at; at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		if (n >= sizeof name)
			continue;
		memcpy(name, at, n);
		name[n] = '\0';
		text = env_get(env, name, n);
	}
	return text ? env_take(o, v, name, text) : IM_OK;
}

static bool
env_is_known(const struct options *o, const char *name)
{
	char rule[OPTIONS_MAX_NAME];

	for (size_t i = 0; i < o->count; i++) {
		const struct option_def *def = o->values[i].def;

		if (def->flags & OPTION_FLAG_ONLY)
			continue;
		if (text_list_has(def->env, name) ||
		    (option_env_name(o->program, def, rule) && strcmp(rule, name) == 0))
			return true;
	}
	return false;
}

/* Whether the rest of a name, behind the prefix, is one that Kubernetes makes of a service. */
static bool
env_is_service_name(const char *rest)
{
	const char *port = strstr(rest, "PORT_");

	if (strstr(rest, "SERVICE_HOST") || strstr(rest, "SERVICE_PORT"))
		return true;
	return port && isdigit((unsigned char)port[5]);
}

static enum im_err
env_warn_unknown(struct options *o, char *const *env)
{
	const char *prefix = o->program->env_prefix;
	char name[OPTIONS_MAX_NAME];
	enum im_err err = IM_OK;

	for (; prefix && *env && !err; env++) {
		size_t n = strcspn(*env, "=");

		if (strncmp(*env, prefix, strlen(prefix)) != 0 || n >= sizeof name)
			continue;
		memcpy(name, *env, n);
		name[n] = '\0';
		if (!env_is_known(o, name) && !env_is_service_name(name + strlen(prefix)))
			err = options_warn(o, "environment %s: ignored: no such setting", name);
	}
	return err;
}

enum im_err
options_read_env(struct options *o, char *const *env)
{
	enum im_err err = IM_OK;

	for (size_t i = 0; i < o->count && !err; i++)
		if (o->values[i].active && !(o->values[i].def->flags & OPTION_FLAG_ONLY))
			err = options_fault(o, env_read_option(o, &o->values[i], env));
	return err ? err : env_warn_unknown(o, env);
}

/* The text that an entry gives to an option of this type. */
static const char *
file_entry_text(struct options *o, const struct option_def *def, const struct config_entry *e)
{
	bool number =
	    def->type == OPTION_INT || def->type == OPTION_SIZE || def->type == OPTION_DURATION;

	if (e->type == CONFIG_INT && number)
		return options_text(o, "%" PRId64, e->integer);
	return e->text;
}

/* An array for a list, each item as it stands. */
static enum im_err
file_take_array(
    struct options *o, struct option_value *v, const struct config_entry *e, const char *where)
{
	struct option_texts list = {0};
	enum im_err err = IM_OK;

	if (v->def->type != OPTION_LIST)
		return err_set(IM_ERR_CONFIG, "expected one value, not a list");
	for (size_t i = 0; i < e->item_count && !err; i++)
		if (e->items[i][0])
			err = option_texts_add(o, &list, e->items[i]);
	if (err || list.count == 0 || v->origin > OPTION_FROM_FILE)
		return err;
	v->items = list.data;
	v->item_count = list.count;
	v->item_cap = list.cap;
	v->origin = OPTION_FROM_FILE;
	v->where = where;
	return IM_OK;
}

static enum im_err
file_take(struct options *o, struct option_value *v, const struct config_entry *e)
{
	const char *where = options_text(o, "file %s:%u", o->config_file, e->line), *text;

	if (!where)
		return err_set(IM_ERR_NOMEM, "out of memory");
	if (e->type == CONFIG_ARRAY)
		return file_take_array(o, v, e, where);
	text = file_entry_text(o, v->def, e);
	if (!text)
		return err_set(IM_ERR_NOMEM, "out of memory");
	return text[0] ? option_set(o, v, OPTION_FROM_FILE, text, where) : IM_OK;
}

static enum im_err
file_bad_value(const struct options *o, const struct option_def *def, const struct config_entry *e,
    enum im_err err)
{
	if (err == IM_ERR_NOMEM)
		return err;
	if (def->type == OPTION_SECRET || e->type == CONFIG_ARRAY)
		return err_set(IM_ERR_CONFIG, "%s:%u: %s: invalid value: %s", o->config_file,
		    e->line, e->key, err_detail(err));
	return err_set(IM_ERR_CONFIG, "%s:%u: %s: invalid value \"%.64s\": %s", o->config_file,
	    e->line, e->key, e->text, err_detail(err));
}

/* Gives an entry to every option of that name, in whatever command; *known unless there is none. */
static enum im_err
file_take_named(struct options *o, const char *name, const struct config_entry *e, bool *known)
{
	enum im_err err;

	for (size_t i = 0; i < o->count; i++) {
		struct option_value *v = &o->values[i];

		if (!option_has_name(v->def, name) || (v->def->flags & OPTION_FLAG_ONLY) ||
		    v->builtin)
			continue;
		*known = true;
		err = file_take(o, v, e);
		if (err)
			return file_bad_value(o, v->def, e, err);
	}
	return IM_OK;
}

/* A secret that everybody can read is worth a word. */
static enum im_err
file_warn_readable(struct options *o, const struct config_entry *e)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->values[i].def->type == OPTION_SECRET &&
		    option_has_name(o->values[i].def, e->key) && e->text && e->text[0])
			return options_warn(o,
			    "%s:%u: %s: the file can be read by every user of this machine",
			    o->config_file, e->line, e->key);
	return IM_OK;
}

static enum im_err
file_take_entry(struct options *o, const struct config_entry *e, bool readable_by_all)
{
	bool known = false;
	enum im_err err = file_take_named(o, e->key, e, &known);

	if (!err && !known)
		err = err_set(
		    IM_ERR_CONFIG, "%s:%u: unknown key %s", o->config_file, e->line, e->key);
	return err || !readable_by_all ? err : file_warn_readable(o, e);
}

/* An entry of another program's file; most do not concern us. */
static enum im_err
file_take_foreign(struct options *o, const struct config_entry *e)
{
	const struct options_fallback *f = o->program->fallback;
	struct config_entry meant = *e;
	bool known = false;
	size_t i;

	for (i = 0; i < f->key_count; i++) {
		const char *const *m = f->keys[i].meanings;

		if (strcmp(f->keys[i].key, e->key) != 0)
			continue;
		for (; m && *m; m += 2)
			if (e->type == CONFIG_STRING && strcmp(m[0], e->text) == 0)
				meant.text = m[1];
		return file_take_named(o, f->keys[i].option, &meant, &known);
	}
	return IM_OK;
}

static bool
file_has_extension(const char *path, const char *extension)
{
	size_t n = strlen(path), k = strlen(extension);

	return n > k && strcmp(path + n - k, extension) == 0;
}

static enum im_err
file_parse(const char *path, struct bytes text, struct config_doc *doc)
{
	enum im_err err;

	if (file_has_extension(path, ".toml"))
		err = toml_parse(text, doc);
	else if (file_has_extension(path, ".yaml") || file_has_extension(path, ".yml"))
		err = yaml_config_parse(text, doc);
	else
		return err_set(IM_ERR_CONFIG, "%s: must end in .toml, .yaml or .yml", path);
	return err ? err_set(IM_ERR_CONFIG, "%s:%s", path, err_detail(err)) : IM_OK;
}

static enum im_err
file_read_config(struct options *o)
{
	struct config_doc doc;
	struct buf text;
	struct stat st;
	bool readable_by_all = stat(o->config_file, &st) == 0 && (st.st_mode & S_IROTH);
	enum im_err err;

	buf_init(&text, CONFIG_MAX_BYTES);
	config_doc_init(&doc);
	err = file_read(o->config_file, CONFIG_MAX_BYTES, &text);
	if (err)
		err = err_set(IM_ERR_CONFIG, "%s", err_detail(err));
	else
		err = file_parse(o->config_file, buf_bytes(&text), &doc);
	err = options_fault(o, err);
	for (size_t i = 0; i < doc.count && !err; i++)
		err = options_fault(o,
		    o->is_fallback ? file_take_foreign(o, &doc.entries[i])
				   : file_take_entry(o, &doc.entries[i], readable_by_all));
	config_doc_free(&doc);
	buf_wipe(&text);
	return err;
}

/*
 * Finds a program's file in the folder: its path in o->config_file, NULL there if there is none
 * that access() grants what is wanted of.
 */
static enum im_err
file_find(struct options *o, const char *name, int wanted)
{
	static const char *const extensions[] = {"toml", "yaml"};
	const struct program *p = o->program;
	const char *folder = p->config_folder ? p->config_folder : OPTIONS_DEFAULT_FOLDER;

	for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
		o->config_file = options_text(o, "%s/%s.%s", folder, name, extensions[i]);
		if (!o->config_file)
			return err_set(IM_ERR_NOMEM, "out of memory");
		if (access(o->config_file, wanted) == 0)
			return IM_OK;
	}
	o->config_file = NULL;
	return IM_OK;
}

enum im_err
options_read_file(struct options *o)
{
	const struct program *p = o->program;
	const char *named = o->values[OPTION_BUILTIN_CONFIG].text;
	enum im_err err = IM_OK;

	/*
	 * One that is there but cannot be read is an error, not silence; another program's is not.
	 */
	if (named[0])
		o->config_file = named;
	else
		err = file_find(o, p->root->name, F_OK);
	if (!err && !o->config_file && p->fallback) {
		err = file_find(o, p->fallback->program, R_OK);
		o->is_fallback = o->config_file != NULL;
	}
	return err || !o->config_file ? err : file_read_config(o);
}
