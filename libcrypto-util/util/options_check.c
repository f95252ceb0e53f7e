/*
 * Options as a whole: whether they go together, what is wrong with all of them, and how they change
 * when the file is read again. Neighbours: options (values), options_sources (which find faults),
 * daemon_main.
 *
 * Invariant: no text holds a secret.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "util/options_internal.h"

#define CHECK_TEXT_MAX 1024u
#define CHECK_FILE_PREFIX "file "

struct options_check {
	const struct options *o;
	void (*say)(void *arg, const char *fault);
	void *arg;
	size_t count;
};

enum im_err
options_fault(struct options *o, enum im_err err)
{
	if (!err || err == IM_ERR_NOMEM || o->action != OPTIONS_CHECK_CONFIG)
		return err;
	return option_texts_add(o, &o->faults, err_detail(err));
}

/* Whether a source ends with the option's name, as flags do. */
static bool
check_names(const char *where, const char *name)
{
	size_t len = strlen(where), n = strlen(name);

	return len >= n && strcmp(where + len - n, name) == 0;
}

void
options_check_add(struct options_check *to, const char *name, const char *fmt, ...)
{
	const struct option_value *v = options_find_active(to->o, name);
	const char *where = v ? v->where : "";
	char fault[CHECK_TEXT_MAX], text[CHECK_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* As faults of a file's line have it: "PATH:LINE: KEY: ...". */
	if (strncmp(where, CHECK_FILE_PREFIX, strlen(CHECK_FILE_PREFIX)) == 0)
		where += strlen(CHECK_FILE_PREFIX);
	if (v && v->origin != OPTION_FROM_DEFAULT)
		snprintf(fault, sizeof fault, "%s%s%s: %s", where,
		    check_names(where, name) ? "" : ": ", check_names(where, name) ? "" : name,
		    text);
	else
		snprintf(fault, sizeof fault, "%s: %s", name, text);
	to->count++;
	to->say(to->arg, fault);
}

/* Keeps the first fault. */
static void
check_keep(void *arg, const char *fault)
{
	char *first = arg;

	if (!first[0])
		snprintf(first, CHECK_TEXT_MAX, "%s", fault);
}

enum im_err
options_check(const struct options *o)
{
	char first[CHECK_TEXT_MAX] = "";
	struct options_check to = {.o = o, .say = check_keep, .arg = first};

	if (o->program->check)
		o->program->check(o, &to);
	return to.count ? err_set(IM_ERR_CONFIG, "%s", first) : IM_OK;
}

bool
options_check_all(const struct options *o, void (*say)(void *arg, const char *fault), void *arg)
{
	struct options_check to = {.o = o, .say = say, .arg = arg};

	for (size_t i = 0; i < o->faults.count; i++)
		say(arg, o->faults.data[i]);
	/*
	 * Values that could not be read are their defaults now, which says nothing of the others.
	 */
	if (!o->faults.count && o->program->check)
		o->program->check(o, &to);
	return !o->faults.count && !to.count;
}

/* Whether it can be read only once: a pipe, a terminal, what a shell makes of <(...). */
static bool
reload_is_spent(const struct option_value *file)
{
	struct stat st;

	return file->spent || (stat(file->text, &st) == 0 && !S_ISREG(st.st_mode));
}

/* A secret that was read from a file is read again, if that can be. */
static bool
reload_reads_again(const struct options *o, const struct option_value *v)
{
	for (size_t i = 0; i < o->count && v->def->type == OPTION_SECRET; i++)
		if (o->values[i].def->type == OPTION_SECRET_FILE &&
		    strcmp(o->values[i].def->target, v->def->name) == 0 &&
		    o->values[i].where == v->where)
			return !reload_is_spent(&o->values[i]);
	return false;
}

/* Command line and environment as they were; both have the same options in one order. */
static void
reload_keep(struct options *o, const struct options *earlier)
{
	for (size_t i = 1; i < earlier->depth; i++)
		options_enter(o, earlier->chain[i]);
	for (size_t i = 0; i < o->count; i++) {
		const struct option_value *from = &earlier->values[i];

		if (from->origin <= OPTION_FROM_FILE || reload_reads_again(earlier, from))
			continue;
		o->values[i] = *from;
		if (from->def->type == OPTION_SECRET_FILE)
			o->values[i].spent = reload_is_spent(from);
	}
}

enum im_err
options_reload(const struct options *earlier, struct options **out)
{
	enum im_err err = options_new(earlier->program, out);
	struct options *o = *out;

	if (err)
		return err;
	reload_keep(o, earlier);
	if (!o->program->no_config)
		err = options_read_file(o);
	return err ? err : options_read_secrets(o);
}

/* A value as text; of a list, its parts with commas. */
static const char *
change_text(const struct option_value *v, struct buf *out)
{
	buf_clear(out);
	if (v->def->type != OPTION_LIST)
		buf_append_str(out, v->text);
	for (size_t i = 0; i < v->item_count; i++)
		buf_printf(out, "%s%s", i ? "," : "", v->items[i]);
	return buf_append_u8(out, '\0') ? (const char *)out->data : "";
}

void
options_each_change(const struct options *before, const struct options *after,
    void (*tell)(void *arg, const char *name, const char *was, const char *is), void *arg)
{
	struct buf a, b;

	buf_init(&a, OPTIONS_MAX_MEMORY);
	buf_init(&b, OPTIONS_MAX_MEMORY);
	for (size_t i = 0; i < before->count && i < after->count; i++) {
		const struct option_value *v = &before->values[i];
		const char *was = change_text(v, &a), *is = change_text(&after->values[i], &b);

		if (!v->active || strcmp(was, is) == 0)
			continue;
		if (v->def->type == OPTION_SECRET)
			was = is = "***";
		tell(arg, v->def->name, was, is);
	}
	buf_wipe(&a);
	buf_wipe(&b);
}
