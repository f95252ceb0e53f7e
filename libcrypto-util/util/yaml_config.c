/*
 * The YAML front of a configuration, by libyaml's events. Neighbours: config (what it fills),
 * options.
 *
 * Invariants: the walk keeps one frame for each open mapping, at most CONFIG_MAX_DEPTH; aliases,
 * the way to blow a small document up, are refused; error texts never repeat values.
 */
#include "util/yaml_config.h"

#include <stdio.h>
#include <strings.h>
#include <yaml.h>

#define YAML_FIRST_ITEMS 8u

struct yaml_walk {
	yaml_parser_t parser;
	yaml_event_t event;
	bool have_event;
	struct config_doc *doc;
	char key[CONFIG_MAX_KEY];
	size_t key_len;
};

/* Names the key that the fault is behind, if there is one. */
static enum im_err
yaml_fail_at(const struct yaml_walk *w, yaml_mark_t at, const char *what)
{
	return err_set(IM_ERR_CONFIG, "%zu:%zu: %s%s%s", at.line + 1, at.column + 1, w->key,
	    w->key_len ? ": " : "", what);
}

static enum im_err
yaml_fail(const struct yaml_walk *w, const char *what)
{
	return yaml_fail_at(w, w->event.start_mark, what);
}

/* Moves to the next event. libyaml's own texts name the syntax, not the content. */
static enum im_err
yaml_next(struct yaml_walk *w)
{
	if (w->have_event)
		yaml_event_delete(&w->event);
	w->have_event = yaml_parser_parse(&w->parser, &w->event) != 0;
	if (w->have_event)
		return IM_OK;
	memset(&w->event, 0, sizeof w->event);
	if (w->parser.error == YAML_MEMORY_ERROR)
		return err_set(IM_ERR_NOMEM, "out of memory");
	return yaml_fail_at(w, w->parser.problem_mark,
	    w->parser.problem ? w->parser.problem : "not well-formed YAML");
}

/* Checks what no scalar may have, and copies its text. */
static enum im_err
yaml_scalar_text(struct yaml_walk *w, const char **out)
{
	struct bytes v = bytes_of(w->event.data.scalar.value, w->event.data.scalar.length);

	if (w->event.data.scalar.anchor)
		return yaml_fail(w, "anchors are not supported");
	if (w->event.data.scalar.tag)
		return yaml_fail(w, "tags are not supported");
	if (v.len && memchr(v.data, 0, v.len))
		return yaml_fail(w, "NUL character in a string");
	*out = arena_str(&w->doc->arena, v);
	return *out ? IM_OK : err_set(IM_ERR_NOMEM, "out of memory");
}

static bool
yaml_is_any(const char *text, const char *a, const char *b, const char *c)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0 || strcmp(text, c) == 0;
}

/* Types a plain scalar by the core schema. What looks like nothing else is a string. */
static enum im_err
yaml_type_plain(struct yaml_walk *w, struct config_entry *e)
{
	struct bytes v = bytes_str(e->text);
	enum config_number is;

	if (yaml_is_any(e->text, "null", "Null", "NULL") || strcmp(e->text, "~") == 0) {
		e->text = "";
		return IM_OK;
	}
	if (yaml_is_any(e->text, "true", "True", "TRUE") ||
	    yaml_is_any(e->text, "false", "False", "FALSE")) {
		e->type = CONFIG_BOOL;
		e->boolean = strcasecmp(e->text, "true") == 0;
		e->text = e->boolean ? "true" : "false";
		return IM_OK;
	}
	if (strchr(e->text, '_') || strncmp(e->text, "0b", 2) == 0)
		return IM_OK;
	is = config_read_int(v, &e->integer);
	if (is == CONFIG_NUMBER)
		e->type = CONFIG_INT;
	if (is == CONFIG_NOT_A_NUMBER) {
		is = config_read_float(v, &e->real);
		if (is == CONFIG_NUMBER)
			e->type = CONFIG_FLOAT;
	}
	return is == CONFIG_OUT_OF_RANGE ? yaml_fail(w, "number out of range") : IM_OK;
}

/* A sequence of scalars, at its start event; ends at its end event. */
static enum im_err
yaml_sequence(struct yaml_walk *w, struct config_entry *e)
{
	const char **items = NULL, **grown;
	size_t cap = 0;
	enum im_err err;

	if (w->event.data.sequence_start.anchor || w->event.data.sequence_start.tag)
		return yaml_fail(w, "anchors and tags are not supported");
	e->type = CONFIG_ARRAY;
	for (;;) {
		err = yaml_next(w);
		if (err || w->event.type == YAML_SEQUENCE_END_EVENT)
			return err;
		if (w->event.type != YAML_SCALAR_EVENT)
			return yaml_fail(w, "expected a plain value in a list");
		if (e->item_count == CONFIG_MAX_ENTRIES)
			return yaml_fail(w, "too many values in a list");
		if (e->item_count == cap) {
			cap = cap ? cap * 2 : YAML_FIRST_ITEMS;
			grown = (const char **)arena_calloc(&w->doc->arena, cap, sizeof *grown);
			if (!grown)
				return err_set(IM_ERR_NOMEM, "out of memory");
			if (items)
				memcpy(grown, items, e->item_count * sizeof *grown);
			e->items = items = grown;
		}
		err = yaml_scalar_text(w, &items[e->item_count]);
		if (err)
			return err;
		e->item_count++;
	}
}

/* Appends the key that the event holds to the dotted key. */
static enum im_err
yaml_push_key(struct yaml_walk *w)
{
	struct bytes v = bytes_of(w->event.data.scalar.value, w->event.data.scalar.length);

	if (w->event.type != YAML_SCALAR_EVENT)
		return yaml_fail(w, "expected a key");
	if (w->event.data.scalar.anchor || w->event.data.scalar.tag)
		return yaml_fail(w, "anchors and tags are not supported");
	if (v.len == 0 || memchr(v.data, '.', v.len) || memchr(v.data, 0, v.len))
		return yaml_fail(w, "a key must not be empty nor hold a dot");
	if (w->key_len + v.len + 2 > sizeof w->key)
		return yaml_fail(w, "key is too long");
	if (w->key_len)
		w->key[w->key_len++] = '.';
	memcpy(w->key + w->key_len, v.data, v.len);
	w->key_len += v.len;
	w->key[w->key_len] = '\0';
	return IM_OK;
}

/* The value of the key at hand, a scalar or a sequence, as an entry. */
static enum im_err
yaml_entry(struct yaml_walk *w, yaml_mark_t key_at)
{
	struct config_entry *e;
	enum im_err err;

	if (!config_doc_may_add(w->doc, w->key))
		return yaml_fail_at(w, key_at, "key is given twice");
	e = config_doc_add(w->doc);
	if (!e)
		return yaml_fail_at(w, key_at, "too many keys");
	e->line = (unsigned)key_at.line + 1;
	e->column = (unsigned)key_at.column + 1;
	e->key = arena_str(&w->doc->arena, bytes_str(w->key));
	if (!e->key)
		err = err_set(IM_ERR_NOMEM, "out of memory");
	else if (w->event.type == YAML_SEQUENCE_START_EVENT)
		err = yaml_sequence(w, e);
	else
		err = yaml_scalar_text(w, &e->text);
	if (!err && w->event.type == YAML_SCALAR_EVENT &&
	    w->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		err = yaml_type_plain(w, e);
	if (err)
		w->doc->count--;
	return err;
}

/* Everything inside the outermost mapping, whose start event is at hand. */
static enum im_err
yaml_mapping(struct yaml_walk *w)
{
	size_t frames[CONFIG_MAX_DEPTH] = {0}, depth = 1;
	yaml_mark_t key_at;
	enum im_err err = IM_OK;

	while (!err && depth) {
		w->key_len = frames[depth - 1];
		w->key[w->key_len] = '\0';
		err = yaml_next(w);
		if (err)
			return err;
		if (w->event.type == YAML_MAPPING_END_EVENT) {
			depth--;
			continue;
		}
		key_at = w->event.start_mark;
		err = yaml_push_key(w);
		if (!err)
			err = yaml_next(w);
		if (err)
			return err;
		if (w->event.type == YAML_ALIAS_EVENT)
			return yaml_fail(w, "aliases are not supported");
		if (w->event.type != YAML_MAPPING_START_EVENT) {
			err = yaml_entry(w, key_at);
			continue;
		}
		if (w->event.data.mapping_start.anchor || w->event.data.mapping_start.tag)
			return yaml_fail(w, "anchors and tags are not supported");
		if (depth == CONFIG_MAX_DEPTH)
			return yaml_fail(w, "nested too deep");
		if (!config_doc_may_add(w->doc, w->key))
			return yaml_fail_at(w, key_at, "key is given twice");
		frames[depth++] = w->key_len;
	}
	return err;
}

/* The stream: nothing, or one document with one mapping (or nothing in it). */
static enum im_err
yaml_stream(struct yaml_walk *w)
{
	enum im_err err = yaml_next(w);

	if (!err)
		err = yaml_next(w);
	if (err || w->event.type == YAML_STREAM_END_EVENT)
		return err;
	err = yaml_next(w);
	if (err)
		return err;
	if (w->event.type == YAML_MAPPING_START_EVENT)
		err = w->event.data.mapping_start.anchor || w->event.data.mapping_start.tag
		    ? yaml_fail(w, "anchors and tags are not supported")
		    : yaml_mapping(w);
	else if (w->event.type != YAML_SCALAR_EVENT || w->event.data.scalar.length)
		err = yaml_fail(w, "expected lines of the form \"key: value\"");
	if (!err)
		err = yaml_next(w);
	if (!err)
		err = yaml_next(w);
	if (!err && w->event.type != YAML_STREAM_END_EVENT)
		err = yaml_fail(w, "more than one document");
	return err;
}

enum im_err
yaml_config_parse(struct bytes text, struct config_doc *doc)
{
	struct yaml_walk w = {.doc = doc};
	enum im_err err;

	if (text.len > CONFIG_MAX_BYTES)
		return err_set(IM_ERR_LIMIT, "1:1: larger than %u bytes", CONFIG_MAX_BYTES);
	if (!yaml_parser_initialize(&w.parser))
		return err_set(IM_ERR_NOMEM, "out of memory");
	yaml_parser_set_encoding(&w.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &w.parser, text.data ? text.data : (const unsigned char *)"", text.len);
	err = yaml_stream(&w);
	if (w.have_event)
		yaml_event_delete(&w.event);
	yaml_parser_delete(&w.parser);
	return err;
}
