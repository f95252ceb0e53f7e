/*
 * What is in a data folder, by "immudb verify". Neighbours: immudb_program.c runs it,
 * cold_manifest.c keeps the states.
 */
#include "cold_states.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "immudb_program.h"
#include "util/hex.h"

/* Databases have a record each and at most a hundred faults. */
#define OUTPUT_BYTES_MAX (64u * 1024 * 1024)
#define ERRORS_BYTES_MAX (64u * 1024)
#define FAULT_LOST "lost"

static const char *
string_of(struct json_object *record, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(record, name, &v) &&
		json_object_is_type(v, json_type_string)
	    ? json_object_get_string(v)
	    : NULL;
}

static enum im_err
malformed(void)
{
	return err_set(IM_ERR_FORMAT, "immudb verify answered what is not understood");
}

static enum im_err
read_fault(struct json_object *record)
{
	const char *what = string_of(record, "what"), *database = string_of(record, "database");
	const char *kind = string_of(record, "fault"), *file = string_of(record, "file");

	if (!kind || !what)
		return malformed();
	if (strcmp(kind, FAULT_LOST) != 0)
		return IM_OK;
	return err_set(IM_ERR_CORRUPT, "%s%s%s%s%s", database ? database : "", database ? ": " : "",
	    what, file ? ": " : "", file ? file : "");
}

static enum im_err
read_state(struct json_object *record, struct cold_states *out)
{
	const char *name = string_of(record, "database"), *alh = string_of(record, "alh");
	struct cold_state s = {.database = ""};
	struct json_object *tx;

	if (!name || strlen(name) > COLD_DATABASE_MAX || !alh ||
	    hex_decode(bytes_str(alh), s.alh.b, HASH_SIZE) != IM_OK ||
	    !json_object_object_get_ex(record, "transactions", &tx) ||
	    !json_object_is_type(tx, json_type_int) || json_object_get_int64(tx) < 0)
		return malformed();
	memcpy(s.database, name, strlen(name));
	s.tx = (uint64_t)json_object_get_int64(tx);
	return cold_states_add(out, &s);
}

static enum im_err
read_record(struct json_object *record, struct cold_states *out)
{
	const char *server;
	struct xid id;

	if (!json_object_is_type(record, json_type_object))
		return malformed();
	if (json_object_object_get_ex(record, "fault", NULL))
		return read_fault(record);
	if (json_object_object_get_ex(record, "database", NULL))
		return read_state(record, out);
	server = string_of(record, "server");
	if (!server || xid_parse(bytes_str(server), &id) != IM_OK)
		return malformed();
	xid_format(&id, out->server);
	return IM_OK;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(
	    ((const struct cold_state *)a)->database, ((const struct cold_state *)b)->database);
}

enum im_err
cold_states_parse(struct bytes json, struct cold_states *out)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *list = NULL;
	enum im_err err = tokener ? IM_OK : IM_ERR_NOMEM;

	if (err == IM_OK && json.len <= INT32_MAX)
		list = json_tokener_parse_ex(tokener, (const char *)json.data, (int)json.len);
	if (err == IM_OK && !json_object_is_type(list, json_type_array))
		err = malformed();
	for (size_t i = 0; err == IM_OK && i < json_object_array_length(list); i++)
		err = read_record(json_object_array_get_idx(list, i), out);
	if (err == IM_OK && out->count)
		qsort(out->items, out->count, sizeof *out->items, compare_names);
	json_object_put(list);
	if (tokener)
		json_tokener_free(tokener);
	return err;
}

/* The message of {"error": {"message": ...}}, or the text as it is. */
static enum im_err
report(struct buf *errors)
{
	struct json_object *all, *error = NULL;
	const char *text = NULL;
	enum im_err err = IM_ERR_IO;

	if (!buf_append_u8(errors, '\0'))
		return errors->err;
	all = json_tokener_parse((const char *)errors->data);
	if (json_object_is_type(all, json_type_object) &&
	    json_object_object_get_ex(all, "error", &error) &&
	    json_object_is_type(error, json_type_object))
		text = string_of(error, "message");
	err = err_set(err, "%s",
	    text                  ? text
		: errors->len > 1 ? (const char *)errors->data
				  : "immudb verify ended before it was done");
	json_object_put(all);
	return err;
}

enum im_err
cold_states_find(const char *dir, bool is_complete, struct cold_states *out)
{
	const char *args[] = {
	    "verify", "--output", "json", "--identity", is_complete ? "--" : "--states", dir, NULL};
	struct buf text, errors;
	struct immudb_run run = {args, &text, &errors, 0};
	enum im_err err;

	buf_init(&text, OUTPUT_BYTES_MAX);
	buf_init(&errors, ERRORS_BYTES_MAX);
	err = immudb_program_run(&run);
	if (err == IM_OK && run.code != IM_EXIT_OK && run.code != IM_EXIT_VERIFICATION)
		err = report(&errors);
	if (err == IM_OK)
		err = cold_states_parse(buf_bytes(&text), out);
	buf_free(&errors);
	buf_free(&text);
	return err;
}
