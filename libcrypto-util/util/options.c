/*
 * Options: their values, whatever the source. Neighbours: options_args, options_sources (which
 * bring values), options_help and options_man (which describe them), program (which uses all of
 * it).
 *
 * Invariants: every value that is kept was checked against its definition; a source never replaces
 * what a higher one said; all text lies in one arena that is wiped when released; no error text
 * holds a secret.
 */
#include "util/options.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

#include "util/base64.h"
#include "util/clock.h"
#include "util/config.h"
#include "util/duration.h"
#include "util/file.h"
#include "util/options_internal.h"
#include "util/size.h"
#include "util/text.h"

#define OPTION_ENCODED "enc:"
#define OPTIONS_MAX_NAMES 65536u

const struct option_def option_builtins[OPTION_BUILTIN_COUNT] = {
    [OPTION_BUILTIN_HELP] = {.name = "help",
	.short_name = 'h',
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "Show this text and exit"},
    [OPTION_BUILTIN_VERSION] = {.name = "version",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "Show the version and exit"},
    [OPTION_BUILTIN_PRINT_CONFIG] = {.name = "print-config",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "Show every setting with its origin, and exit"},
    [OPTION_BUILTIN_CHECK_CONFIG] = {.name = "check-config",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY,
	.help = "Say everything that is wrong with environment and configuration file, and exit: "
		"with 0 if nothing is, 2 otherwise"},
    [OPTION_BUILTIN_PRINT_MAN] = {.name = "print-man",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY | OPTION_HIDDEN,
	.help = "Write the manual page and exit"},
    [OPTION_BUILTIN_PRINT_FILE_MAN] = {.name = "print-file-man",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY | OPTION_HIDDEN,
	.help = "Write the manual page of the configuration file and exit"},
    [OPTION_BUILTIN_PRINT_WORDS] = {.name = "print-words",
	.type = OPTION_BOOL,
	.flags = OPTION_FLAG_ONLY | OPTION_HIDDEN,
	.help = "Write the words that shells complete and exit"},
    [OPTION_BUILTIN_CONFIG] = {.name = "config",
	.type = OPTION_PATH,
	.value_name = "FILE",
	.help = "Read settings from this TOML or YAML file instead of the default one"},
};

bool
option_builtin_applies(const struct program *program, enum option_builtin which)
{
	if (which == OPTION_BUILTIN_VERSION)
		return program->version != NULL;
	return (which != OPTION_BUILTIN_CONFIG && which != OPTION_BUILTIN_PRINT_FILE_MAN) ||
	    !program->no_config;
}

const char *
options_text(struct options *o, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0)
		text = (char *)arena_alloc(&o->arena, (size_t)n + 1);
	if (!text)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}

/* Makes room for one more text and the NULL behind it. */
static bool
option_texts_grow(struct options *o, struct option_texts *list)
{
	size_t cap = list->cap ? list->cap * 2 : 8;
	const char **grown;

	if (list->count + 1 < list->cap)
		return true;
	grown = (const char **)arena_calloc(&o->arena, cap, sizeof *grown);
	if (!grown)
		return false;
	if (list->count)
		memcpy(grown, list->data, list->count * sizeof *grown);
	list->data = grown;
	list->cap = cap;
	return true;
}

enum im_err
option_texts_add(struct options *o, struct option_texts *list, const char *text)
{
	const char *copy = arena_str(&o->arena, bytes_str(text));

	if (!copy || !option_texts_grow(o, list))
		return err_set(IM_ERR_NOMEM, "out of memory");
	list->data[list->count++] = copy;
	return IM_OK;
}

enum im_err
options_warn(struct options *o, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return option_texts_add(o, &o->warnings, text);
}

bool
option_has_name(const struct option_def *def, const char *name)
{
	return strcmp(def->name, name) == 0 || text_list_has(def->aliases, name);
}

bool
option_env_name(
    const struct program *program, const struct option_def *def, char out[OPTIONS_MAX_NAME])
{
	int n = snprintf(out, OPTIONS_MAX_NAME, "%s%s",
	    program->env_prefix ? program->env_prefix : "", def->name);

	if (n < 0 || (size_t)n >= OPTIONS_MAX_NAME || !program->env_prefix)
		return false;
	for (char *p = out; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return true;
}

const char *
option_value_name(const struct option_def *def)
{
	static const char *const names[] = {[OPTION_BOOL] = "",
	    [OPTION_INT] = "NUMBER",
	    [OPTION_SIZE] = "BYTES",
	    [OPTION_DURATION] = "DURATION",
	    [OPTION_STRING] = "TEXT",
	    [OPTION_PATH] = "PATH",
	    [OPTION_ENUM] = "WORD",
	    [OPTION_SECRET] = "SECRET",
	    [OPTION_SECRET_FILE] = "FILE",
	    [OPTION_LIST] = "LIST"};

	return def->value_name ? def->value_name : names[def->type];
}

static enum im_err
option_parse_bool(const char *text, int64_t *out)
{
	static const char yes[] = "true,1,yes,on,t,y", no[] = "false,0,no,off,f,n";
	char word[8];
	size_t len = strlen(text);

	for (size_t i = 0; i < sizeof word; i++)
		word[i] = i < len ? (char)tolower((unsigned char)text[i]) : '\0';
	*out = len < sizeof word && text_list_has(yes, word);
	if (*out || (len < sizeof word && text_list_has(no, word)))
		return IM_OK;
	return err_set(IM_ERR_CONFIG, "neither true nor false");
}

static enum im_err
option_parse_int(const char *text, int64_t *out)
{
	switch (config_read_int(bytes_str(text), out)) {
	case CONFIG_NUMBER:
		return IM_OK;
	case CONFIG_OUT_OF_RANGE:
		return err_set(IM_ERR_CONFIG, "number out of range");
	default:
		return err_set(IM_ERR_CONFIG, "not an integer");
	}
}

static enum im_err
option_parse_duration(const char *text, int64_t *ms)
{
	int64_t ns = 0;
	enum im_err err = duration_parse(bytes_str(text), &ns);

	*ms = ns / CLOCK_NS_PER_MS;
	if (!err && ns % CLOCK_NS_PER_MS)
		return err_set(IM_ERR_CONFIG, "finer than a millisecond");
	return err ? err_set(IM_ERR_CONFIG, "%s", err_detail(err)) : IM_OK;
}

static enum im_err
option_parse_enum(const struct option_def *def, const char *text, int64_t *index)
{
	const char *at = def->choices;
	size_t len = strlen(text), n;

	for (*index = 0; at && *at; ++*index, at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		if (n == len && strncasecmp(at, text, n) == 0)
			return IM_OK;
	}
	return err_set(IM_ERR_CONFIG, "must be one of %s", def->choices);
}

static enum im_err
option_check_range(const struct option_def *def, int64_t v)
{
	char low[DURATION_TEXT_SIZE], high[DURATION_TEXT_SIZE];

	if ((def->min == 0 && def->max == 0) || (v >= def->min && v <= def->max))
		return IM_OK;
	if (def->type != OPTION_DURATION && def->max == INT64_MAX)
		return err_set(IM_ERR_CONFIG, "must be %" PRId64 " or more", def->min);
	if (def->type != OPTION_DURATION)
		return err_set(
		    IM_ERR_CONFIG, "must be from %" PRId64 " to %" PRId64, def->min, def->max);
	duration_format(def->min * CLOCK_NS_PER_MS, low);
	duration_format(def->max * CLOCK_NS_PER_MS, high);
	return err_set(IM_ERR_CONFIG, "must be from %s to %s", low, high);
}

/* Decodes an encoded secret, trims a plain one. The result lies in the arena. */
static enum im_err
option_parse_secret(struct options *o, const char *text, const char **out)
{
	struct bytes v = bytes_str(text);
	struct buf plain;
	enum im_err err = IM_OK;

	while (v.len && isspace(v.data[0]))
		v = bytes_of(v.data + 1, v.len - 1);
	while (v.len && isspace(v.data[v.len - 1]))
		v.len--;
	buf_init(&plain, OPTIONS_MAX_SECRET);
	buf_reserve(&plain, OPTIONS_MAX_SECRET);
	if (!bytes_has_prefix(v, bytes_str(OPTION_ENCODED)))
		buf_append_bytes(&plain, v);
	else if (base64_decode(BASE64_STD,
		     bytes_of(v.data + strlen(OPTION_ENCODED), v.len - strlen(OPTION_ENCODED)),
		     &plain) == IM_ERR_FORMAT)
		err = err_set(IM_ERR_CONFIG, "what follows " OPTION_ENCODED " is not base64");
	if (!err && plain.err)
		err = err_set(IM_ERR_CONFIG, "longer than %u bytes", OPTIONS_MAX_SECRET);
	else if (!err && plain.len && memchr(plain.data, 0, plain.len))
		err = err_set(IM_ERR_CONFIG, "holds a NUL byte");
	*out = err ? "" : arena_str(&o->arena, buf_bytes(&plain));
	buf_wipe(&plain);
	return err;
}

/* Splits at commas; blanks around a part are not part of it, empty parts do not count. */
static enum im_err
option_add_items(struct options *o, struct option_value *v, const char *text)
{
	struct option_texts list = {v->items, v->item_count, v->item_cap};
	enum im_err err = IM_OK;
	size_t n;

	for (; !err && *text; text += n + (text[n] == ',')) {
		struct bytes part = bytes_of(text, n = strcspn(text, ","));
		char *copy;

		while (part.len && isspace(part.data[0]))
			part = bytes_of(part.data + 1, part.len - 1);
		while (part.len && isspace(part.data[part.len - 1]))
			part.len--;
		copy = part.len ? arena_str(&o->arena, part) : NULL;
		if (part.len && !copy)
			err = err_set(IM_ERR_NOMEM, "out of memory");
		else if (copy)
			err = option_texts_add(o, &list, copy);
	}
	v->items = list.data;
	v->item_count = list.count;
	v->item_cap = list.cap;
	return err;
}

/* Checks text and fills the value's fields from it. */
static enum im_err
option_parse(struct options *o, struct option_value *v, const char *text)
{
	const struct option_def *def = v->def;
	enum im_err err = IM_OK;

	v->text = text;
	switch (def->type) {
	case OPTION_BOOL:
		return option_parse_bool(text, &v->integer);
	case OPTION_INT:
		err = option_parse_int(text, &v->integer);
		return err ? err : option_check_range(def, v->integer);
	case OPTION_SIZE:
		err = size_parse(bytes_str(text), &v->size);
		if (err)
			return err_set(IM_ERR_CONFIG, "%s", err_detail(err));
		if (v->size > INT64_MAX)
			return err_set(IM_ERR_CONFIG, "size is too large");
		return option_check_range(def, (int64_t)v->size);
	case OPTION_DURATION:
		err = option_parse_duration(text, &v->integer);
		return err ? err : option_check_range(def, v->integer);
	case OPTION_ENUM:
		return option_parse_enum(def, text, &v->integer);
	case OPTION_SECRET:
		return option_parse_secret(o, text, &v->text);
	case OPTION_LIST:
		return option_add_items(o, v, text);
	case OPTION_STRING:
	case OPTION_PATH:
	case OPTION_SECRET_FILE:
		break;
	}
	return IM_OK;
}

enum im_err
option_set(struct options *o, struct option_value *v, enum option_origin origin, const char *text,
    const char *where)
{
	struct option_value fresh = {.def = v->def, .active = v->active, .builtin = v->builtin};
	enum im_err err;

	/* A repeated flag adds to what the flags before it gave. */
	if (v->def->type == OPTION_LIST && origin == v->origin && origin == OPTION_FROM_FLAG)
		fresh = *v;
	text = arena_str(&o->arena, bytes_str(text));
	if (!text || !where)
		return err_set(IM_ERR_NOMEM, "out of memory");
	err = option_parse(o, &fresh, text);
	if (err)
		return err;
	if (!fresh.text)
		return err_set(IM_ERR_NOMEM, "out of memory");
	if (origin < v->origin)
		return IM_OK;
	fresh.origin = origin;
	fresh.where = where;
	*v = fresh;
	return IM_OK;
}

/* How many options a command and all below it have. */
static size_t
command_count_options(const struct command *c)
{
	size_t n = c->option_count;

	for (size_t i = 0; i < c->command_count; i++)
		n += command_count_options(&c->commands[i]);
	return n;
}

/* Commands may share a table: each of its options is there once. */
static bool
options_has_def(const struct options *o, const struct option_def *def)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->values[i].def == def)
			return true;
	return false;
}

static void
options_collect(struct options *o, const struct command *c)
{
	for (size_t i = 0; i < c->option_count; i++)
		if (!options_has_def(o, &c->options[i]))
			o->values[o->count++].def = &c->options[i];
	for (size_t i = 0; i < c->command_count; i++)
		options_collect(o, &c->commands[i]);
}

void
options_enter(struct options *o, const struct command *command)
{
	assert(o->depth < OPTIONS_MAX_DEPTH);
	o->chain[o->depth++] = command;
	for (size_t i = 0; i < o->count; i++)
		for (size_t k = 0; k < command->option_count; k++)
			if (o->values[i].def == &command->options[k])
				o->values[i].active = true;
}

/* Every value starts as its default. A bad default is a bug. */
static enum im_err
options_init(struct options *o)
{
	const struct program *p = o->program;
	enum im_err err = IM_OK;

	arena_init(&o->arena, OPTIONS_MAX_MEMORY);
	o->values = (struct option_value *)arena_calloc(
	    &o->arena, OPTION_BUILTIN_COUNT + command_count_options(p->root), sizeof *o->values);
	if (!o->values || !option_texts_grow(o, &o->args) || !option_texts_grow(o, &o->warnings))
		return err_set(IM_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < OPTION_BUILTIN_COUNT; i++) {
		o->values[i].def = &option_builtins[i];
		o->values[i].builtin = true;
		o->values[i].active = option_builtin_applies(p, (enum option_builtin)i);
	}
	o->count = OPTION_BUILTIN_COUNT;
	options_collect(o, p->root);
	for (size_t i = 0; i < o->count && !err; i++) {
		struct option_value *v = &o->values[i];

		v->text = "";
		v->where = "default";
		if (v->def->default_text && v->def->default_text[0])
			err =
			    option_set(o, v, OPTION_FROM_DEFAULT, v->def->default_text, "default");
		assert(err != IM_ERR_CONFIG);
	}
	options_enter(o, p->root);
	return err;
}

struct option_value *
options_find_active(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->values[i].active && strcmp(o->values[i].def->name, name) == 0)
			return &o->values[i];
	return NULL;
}

/* Gives a secret the content of its file, unless the secret itself came from a higher source. */
static enum im_err
options_read_secret(struct options *o, const struct option_value *v)
{
	struct option_value *target = options_find_active(o, v->def->target);
	struct buf line;
	enum im_err err;

	assert(target && target->def->type == OPTION_SECRET);
	if (!v->text[0] || v->spent || target->origin > v->origin)
		return IM_OK;
	if (target->origin == v->origin && v->origin != OPTION_FROM_DEFAULT)
		return err_set(IM_ERR_CONFIG, "%s and %s are both given (%s)", target->def->name,
		    v->def->name, v->where);
	buf_init(&line, OPTIONS_MAX_SECRET + 4);
	buf_reserve(&line, OPTIONS_MAX_SECRET + 4);
	err = file_read_line(v->text, OPTIONS_MAX_SECRET, &line);
	if (!err && !buf_append_u8(&line, 0))
		err = line.err;
	if (!err)
		err = option_set(o, target, v->origin, (const char *)line.data, v->where);
	buf_wipe(&line);
	if (err)
		return err_set(err == IM_ERR_NOMEM ? err : IM_ERR_CONFIG, "%s (%s): %s",
		    v->def->name, v->where, err_detail(err));
	return IM_OK;
}

enum im_err
options_read_secrets(struct options *o)
{
	enum im_err err = IM_OK;

	for (size_t i = 0; i < o->count && !err; i++)
		if (o->values[i].active && o->values[i].def->type == OPTION_SECRET_FILE)
			err = options_fault(o, options_read_secret(o, &o->values[i]));
	return err;
}

/* A command that only groups others was named alone: tells which there are. */
static enum im_err
options_no_command(const struct command *c)
{
	struct buf names;
	enum im_err err;

	buf_init(&names, OPTIONS_MAX_NAMES);
	for (size_t i = 0; i < c->command_count; i++)
		if (!c->commands[i].hidden)
			buf_printf(&names, "%s%s", names.len ? ", " : "", c->commands[i].name);
	err = err_set(IM_ERR_USAGE, "%s: which command? %.*s", c->name, (int)names.len,
	    names.len ? (const char *)names.data : "");
	buf_free(&names);
	return err;
}

/* Whether the command can run with what was given. */
static enum im_err
options_check_call(const struct options *o)
{
	const struct command *c = options_command(o);
	size_t n = o->args.count;

	if (!c->run)
		return options_no_command(c);
	if (n >= c->min_args && n <= c->max_args)
		return IM_OK;
	if (c->min_args == c->max_args)
		return err_set(
		    IM_ERR_USAGE, "%s: accepts %u arg(s), received %zu", c->name, c->min_args, n);
	if (n < c->min_args)
		return err_set(IM_ERR_USAGE, "%s: needs at least %u arg(s), received %zu", c->name,
		    c->min_args, n);
	return err_set(
	    IM_ERR_USAGE, "%s: accepts at most %u arg(s), received %zu", c->name, c->max_args, n);
}

enum im_err
options_new(const struct program *program, struct options **out)
{
	struct options *o = (struct options *)calloc(1, sizeof *o);
	enum im_err err;

	*out = o;
	if (!o)
		return err_set(IM_ERR_NOMEM, "out of memory");
	o->program = program;
	err = options_init(o);
	if (err) {
		options_free(o);
		*out = NULL;
	}
	return err;
}

enum im_err
options_load(
    const struct program *program, int argc, char **argv, char *const *env, struct options **out)
{
	enum im_err err = options_new(program, out);
	struct options *o = *out;
	bool flags_only;

	if (!err)
		err = options_read_args(o, argc, argv);
	if (err ||
	    (o->action != OPTIONS_RUN && o->action != OPTIONS_PRINT_CONFIG &&
		o->action != OPTIONS_CHECK_CONFIG))
		return err;
	flags_only = options_command(o)->flags_only;
	if (env && !flags_only)
		err = options_read_env(o, env);
	if (!err && !program->no_config &&
	    (!flags_only || o->values[OPTION_BUILTIN_CONFIG].text[0]))
		err = options_read_file(o);
	if (!err)
		err = options_read_secrets(o);
	if (!err && o->action == OPTIONS_RUN)
		err = options_check_call(o);
	return err;
}

/* What this line does not say is as it was said before; both have the same options in one order. */
static void
options_inherit(struct options *o, const struct options *earlier)
{
	assert(o->count == earlier->count);
	for (size_t i = 0; i < o->count; i++) {
		const struct option_value *from = &earlier->values[i];
		struct option_value *to = &o->values[i];
		bool active = to->active;

		if (to->builtin || to->origin != OPTION_FROM_DEFAULT ||
		    from->origin == OPTION_FROM_DEFAULT)
			continue;
		*to = *from;
		to->origin = OPTION_FROM_EARLIER;
		to->active = active;
	}
}

enum im_err
options_load_line(const struct options *earlier, int argc, char **argv, struct options **out)
{
	enum im_err err = options_new(earlier->program, out);
	struct options *o = *out;

	if (!err)
		err = options_read_args(o, argc, argv);
	if (err || o->action != OPTIONS_RUN)
		return err;
	err = options_read_secrets(o);
	options_inherit(o, earlier);
	return err ? err : options_check_call(o);
}

void
options_free(struct options *o)
{
	if (!o)
		return;
	arena_wipe(&o->arena);
	free(o);
}

enum options_action
options_action(const struct options *o)
{
	return o->action;
}

const struct command *
options_command(const struct options *o)
{
	return o->chain[o->depth - 1];
}

const char *const *
options_args(const struct options *o, size_t *count)
{
	*count = o->args.count;
	return o->args.data;
}

const char *const *
options_warnings(const struct options *o, size_t *count)
{
	*count = o->warnings.count;
	return o->warnings.data;
}

const char *
options_config_file(const struct options *o)
{
	return o->config_file;
}

/* The value behind a getter: a name or type that does not exist is a bug. */
static const struct option_value *
options_get(const struct options *o, const char *name, unsigned types)
{
	const struct option_value *v = options_find_active(o, name);

	assert(v && (types & 1u << v->def->type));
	return v;
}

#define OPTION_ANY_TYPE (~0u)

bool
options_bool(const struct options *o, const char *name)
{
	return options_get(o, name, 1u << OPTION_BOOL)->integer != 0;
}

int64_t
options_int(const struct options *o, const char *name)
{
	return options_get(o, name, 1u << OPTION_INT)->integer;
}

uint64_t
options_size(const struct options *o, const char *name)
{
	return options_get(o, name, 1u << OPTION_SIZE)->size;
}

int64_t
options_duration_ms(const struct options *o, const char *name)
{
	return options_get(o, name, 1u << OPTION_DURATION)->integer;
}

const char *
options_string(const struct options *o, const char *name)
{
	return options_get(o, name,
	    1u << OPTION_STRING | 1u << OPTION_PATH | 1u << OPTION_SECRET | 1u << OPTION_ENUM |
		1u << OPTION_SECRET_FILE)
	    ->text;
}

size_t
options_enum(const struct options *o, const char *name)
{
	return (size_t)options_get(o, name, 1u << OPTION_ENUM)->integer;
}

const char *const *
options_list(const struct options *o, const char *name, size_t *count)
{
	const struct option_value *v = options_get(o, name, 1u << OPTION_LIST);

	*count = v->item_count;
	return v->items;
}

bool
options_has(const struct options *o, const char *name)
{
	return options_find_active(o, name) != NULL;
}

bool
options_is_set(const struct options *o, const char *name)
{
	return options_get(o, name, OPTION_ANY_TYPE)->origin != OPTION_FROM_DEFAULT;
}

enum option_origin
options_origin(const struct options *o, const char *name)
{
	return options_get(o, name, OPTION_ANY_TYPE)->origin;
}
