/*
 * The OpenAPI document: paths, their parameters, bodies and answers. Neighbours: routes.def is what
 * is described, openapi_schema.c describes the messages; the page at / is made from the document in
 * the browser.
 *
 * Invariants: nothing here depends on anything but the tables; what is not in routes.def is not in
 * the document. Paths whose function is missing are left out.
 */
#include "openapi.h"

#include "long_list.h"
#include "openapi_internal.h"
#include "util/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum when { ALWAYS, WITH_METHOD, WITH_LOGIN, WITH_BODY, WITH_CONFLICT };

/* The errors that an operation documents. */
static const struct {
	int http;
	enum when when;
	const char *text;
} errors[] = {
    {400, WITH_METHOD, "The request is wrong; the message names the place."},
    {401, WITH_LOGIN, "No token, or one that is not valid."},
    {403, WITH_METHOD, "Not permitted, or the token has expired."},
    {404, WITH_METHOD, "There is no such key, transaction, user or database."},
    {409, WITH_CONFLICT,
	"On verified paths: the proof failed, what the server says must not be believed. "
	"Elsewhere: it exists already."},
    {413, WITH_BODY, "The body is too large."},
    {429, WITH_METHOD, "The server is busy; Retry-After says when to come back."},
    {500, WITH_METHOD, "The server failed."},
    {501, WITH_METHOD, "A field that is not implemented was set."},
    {503, ALWAYS, "The server is away; Retry-After says when to come back."},
    {504, WITH_METHOD, "The server did not answer in time."},
};

static const char *const example_bodies[RPC_METHOD_COUNT] = {
#define EXAMPLE(Method, ...) [RPC_INDEX_##Method] = #__VA_ARGS__,
#include "examples.def"
#undef EXAMPLE
};

const char *
openapi_example_body(const struct route *route)
{
	if (route->verb != ROUTE_POST || !route->method)
		return NULL;
	return example_bodies[route->method->index];
}

/* Databases that a path creates, loads or deletes are not the one that holds the data. */
static const char *
example_database(const struct route *route)
{
	bool is_data = route->flags & ROUTE_DATABASE ||
	    (route->method && route->method->id == RPC_METHOD_UseDatabase);

	return is_data ? "defaultdb" : "exampledb";
}

const char *
openapi_example_field(const struct route *route, struct bytes name)
{
	if (bytes_equal(name, bytes_str("key")))
		return "aGVsbG8=";
	if (bytes_equal(name, bytes_str("prefix")))
		return "aGVs";
	if (bytes_equal(name, bytes_str("tx")))
		return "1";
	if (bytes_equal(name, bytes_str("databaseName")) ||
	    bytes_equal(name, bytes_str("database")) || bytes_equal(name, bytes_str("name")))
		return example_database(route);
	return NULL;
}

static void
append_text(struct openapi *o, const char *text)
{
	buf_append_str(o->out, text);
}

/* A name in braces of a path; *at is behind it afterwards. False when there is none left. */
static bool
next_name(const char **at, struct bytes *name)
{
	const char *open = strchr(*at, '{'), *close = open ? strchr(open, '}') : NULL;

	if (!close)
		return false;
	*name = bytes_of(open + 1, (size_t)(close - open - 1));
	*at = close + 1;
	return true;
}

static bool
path_has(const char *path, const char *name)
{
	struct bytes found;

	while (next_name(&path, &found))
		if (bytes_equal(found, bytes_str(name)))
			return true;
	return false;
}

/* Parameters. */

static void
append_path_parameters(struct openapi *o, const struct route *r, bool *first)
{
	const ProtobufCFieldDescriptor *f;
	const char *at = r->path;
	struct bytes name;

	while (next_name(&at, &name)) {
		f = r->method ? json_find_field(r->method->request, name) : NULL;
		append_text(o, *first ? "" : ",");
		*first = false;
		append_text(o, "{\"name\":");
		text_append_json(o->out, name);
		append_text(o, ",\"in\":\"path\",\"required\":true,\"schema\":");
		if (f)
			openapi_append_value(o, f, OPENAPI_REQUEST);
		else
			append_text(o, "{\"type\":\"string\"}");
		append_text(o, ",\"example\":");
		text_append_json(o->out, bytes_str(openapi_example_field(r, name)));
		append_text(o, "}");
	}
}

static void
append_query_parameter(
    struct openapi *o, const ProtobufCFieldDescriptor *f, const char *name, bool *first)
{
	append_text(o, *first ? "" : ",");
	*first = false;
	append_text(o, "{\"name\":");
	text_append_json(o->out, bytes_str(name));
	append_text(o, ",\"in\":\"query\",\"schema\":");
	openapi_append_value(o, f, OPENAPI_REQUEST);
	append_text(o, "}");
}

/* The scalar fields of a message, those inside it with their path of names. */
static void
append_query_fields(struct openapi *o, const ProtobufCMessageDescriptor *d, const char *path,
    const char *prefix, bool *first)
{
	char name[4 * JSON_NAME_MAX];
	struct buf b;

	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		buf_init_in(&b, name, sizeof name);
		buf_append_str(&b, prefix);
		json_append_field_name(&b, d, f, JSON_STRINGS);
		buf_append_u8(&b, '\0');
		if (f->label == PROTOBUF_C_LABEL_REPEATED || path_has(path, name))
			continue;
		if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
			append_query_parameter(o, f, name, first);
			continue;
		}
		b.len--;
		buf_append(&b, ".", sizeof ".");
		append_query_fields(
		    o, (const ProtobufCMessageDescriptor *)f->descriptor, path, name, first);
	}
}

static void
append_parameters(struct openapi *o, const struct route *r)
{
	bool first = true;

	append_text(o, ",\"parameters\":[");
	append_path_parameters(o, r, &first);
	if (r->verb == ROUTE_GET && r->method)
		append_query_fields(o, r->method->request, r->path, "", &first);
	append_text(o, "]");
}

/* Bodies and answers. */

static void
append_body(struct openapi *o, const struct route *r)
{
	const char *example = openapi_example_body(r);

	if (r->verb != ROUTE_POST || !r->method)
		return;
	append_text(o, ",\n \"requestBody\":{\"content\":{\"application/json\":{\"schema\":");
	openapi_append_ref(o, r->method->request, OPENAPI_REQUEST);
	if (example) {
		append_text(o, ",\"example\":");
		append_text(o, example);
	}
	append_text(o, "}}}");
}

static const char *
own_media_type(const struct route *r)
{
	static const struct {
		const char *path, *type;
	} types[] = {
	    {"/", "text/html"},
	    {"/page.js", "text/javascript"},
	    {"/page.css", "text/css"},
	    {"/metrics", "text/plain"},
	};

	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(types[i].path, r->path) == 0)
			return types[i].type;
	return "application/json";
}

static bool
error_applies(const struct route *r, enum when when)
{
	switch (when) {
	case ALWAYS:
		return true;
	case WITH_METHOD:
		return r->method != NULL;
	case WITH_LOGIN:
		return r->method && !(r->method->flags & RPC_NO_LOGIN);
	case WITH_BODY:
		return r->method && r->verb == ROUTE_POST;
	default:
		return r->flags & ROUTE_VERIFIED ||
		    (r->method && strncmp(r->method->name, "Create", 6) == 0);
	}
}

/* The other form of an answer that is a list: its items, one a line. */
static void
append_lines(struct openapi *o, const struct route *r)
{
	if (!route_has_lines(r))
		return;
	append_text(o, ",\"" LONG_LIST_TYPE "\":{\"schema\":");
	openapi_append_value(o, r->answer->fields, r->style);
	append_text(o, "}");
}

static void
append_answers(struct openapi *o, const struct route *r)
{
	append_text(o, ",\n \"responses\":{\"200\":{\"description\":\"OK\",\"content\":{\"");
	append_text(o, r->answer ? "application/json" : own_media_type(r));
	append_text(o, "\":{");
	if (r->answer) {
		append_text(o, "\"schema\":");
		openapi_append_ref(o, r->answer, r->style);
	}
	append_text(o, "}");
	append_lines(o, r);
	append_text(o, "}}");
	for (size_t i = 0; i < COUNT(errors); i++)
		if (error_applies(r, errors[i].when))
			buf_printf(o->out, ",\"%d\":{\"$ref\":\"#/components/responses/E%d\"}",
			    errors[i].http, errors[i].http);
	append_text(o, "}");
}

/* Operations. */

static const char *
tag_of(const struct route *r)
{
	static const char *const blocks[] = {
	    "sessions", "keys", "transactions", "replication", "databases", "users", "streams"};

	if (!r->method)
		return "gateway";
	if (strncmp(r->path, "/db/{", 5) == 0)
		return "database in the path";
	return blocks[r->method->id >> 8];
}

static void
append_description(struct openapi *o, const struct route *r)
{
	struct buf text;

	if (!r->method)
		return;
	buf_init(&text, OPENAPI_MAX);
	buf_printf(&text, "Method %s.", r->method->name);
	if (r->flags & ROUTE_VERIFIED)
		buf_append_str(&text,
		    " The gateway checks the proof against the state that it trusts and answers 409 "
		    "if it fails.");
	if (r->flags & ROUTE_OLD)
		buf_append_str(&text, " Also under " ROUTE_OLD_PREFIX ".");
	append_text(o, ",\"description\":");
	text_append_json(o->out, buf_bytes(&text));
	if (text.err)
		o->out->err = text.err;
	buf_free(&text);
}

static void
append_operation_id(struct openapi *o, const struct route *r)
{
	const char *p = r->path;

	append_text(o, r->verb == ROUTE_POST ? "post" : "get");
	for (; *p; p++)
		if (*p != '{' && *p != '}')
			buf_append_u8(o->out, *p == '/' || *p == '.' ? '_' : (uint8_t)*p);
}

static void
append_operation(struct openapi *o, const struct route *r)
{
	append_text(o, r->verb == ROUTE_POST ? "\"post\":{" : "\"get\":{");
	append_text(o, "\"operationId\":\"");
	append_operation_id(o, r);
	buf_printf(o->out, "\",\"tags\":[\"%s\"],\"summary\":", tag_of(r));
	text_append_json(o->out, bytes_str(r->summary));
	append_description(o, r);
	if (!r->method || r->method->flags & RPC_NO_LOGIN)
		append_text(o, ",\"security\":[]");
	append_parameters(o, r);
	append_body(o, r);
	append_answers(o, r);
	append_text(o, "}");
}

/* The rows of one path from the first on; nothing when an earlier row has the path. */
static void
append_path(struct openapi *o, size_t row, bool *first)
{
	bool is_first = true;

	for (size_t i = 0; i < row; i++)
		if (strcmp(routes[i].path, routes[row].path) == 0 &&
		    !(routes[i].flags & ROUTE_ABSENT))
			return;
	append_text(o, *first ? "\n" : ",\n");
	*first = false;
	text_append_json(o->out, bytes_str(routes[row].path));
	append_text(o, ":{");
	for (size_t i = row; i < route_count; i++) {
		if (strcmp(routes[i].path, routes[row].path) != 0 || routes[i].flags & ROUTE_ABSENT)
			continue;
		append_text(o, is_first ? "" : ",\n");
		is_first = false;
		append_operation(o, &routes[i]);
	}
	append_text(o, "}");
}

static void
append_paths(struct openapi *o)
{
	bool first = true;

	append_text(o, "\"paths\":{");
	for (size_t i = 0; i < route_count; i++)
		if (!(routes[i].flags & ROUTE_ABSENT))
			append_path(o, i, &first);
	append_text(o, "},\n");
}

static void
append_info(struct openapi *o, const char *version)
{
	append_text(o, "{\"openapi\":\"3.1.0\",\n\"info\":{\"title\":\"immugw\",\"version\":");
	text_append_json(o->out, bytes_str(version));
	append_text(o, ",\"summary\":\"Tamper-evident key-value database over HTTP and JSON\"");
	append_text(o,
	    ",\"description\":\"Keys, values, users and passwords are base64, in either "
	    "alphabet. 64-bit integers are taken as numbers or strings. Members with their "
	    "default value are left out of answers. A database whose name is a word of the "
	    "other paths, such as verified or get, is reached by /db/use.\"");
	append_text(o, ",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}},\n");
	append_text(o, "\"servers\":[{\"url\":\"/\"}],\n\"security\":[{\"token\":[]}],\n");
}

static void
append_error_answers(struct openapi *o)
{
	append_text(o, "\"responses\":{");
	for (size_t i = 0; i < COUNT(errors); i++) {
		buf_printf(o->out, "%s\n\"E%d\":{\"description\":", i ? "," : "", errors[i].http);
		text_append_json(o->out, bytes_str(errors[i].text));
		append_text(o,
		    ",\"content\":{\"application/json\":{\"schema\":"
		    "{\"$ref\":\"#/components/schemas/Error\"}}}}");
	}
	append_text(o, "},\n");
}

static void
append_components(struct openapi *o)
{
	append_text(o,
	    "\"components\":{\n\"securitySchemes\":{\"token\":{\"type\":\"http\","
	    "\"scheme\":\"bearer\",\"description\":\"The token of /login, or of /db/use "
	    "for another database. \\\"Bearer\\\" may be left out.\"}},\n");
	append_error_answers(o);
	append_text(o,
	    "\"schemas\":{\n\"Error\":{\"type\":\"object\",\"properties\":{\"code\":"
	    "{\"type\":\"integer\",\"description\":\"Status of gRPC.\"},\"message\":"
	    "{\"type\":\"string\"}},\"required\":[\"code\",\"message\"],"
	    "\"additionalProperties\":false},");
	openapi_append_schemas(o);
	append_text(o, "}}}\n");
}

void
openapi_write(struct buf *out, const char *version)
{
	struct openapi o = {.out = out};

	append_info(&o, version);
	append_paths(&o);
	append_components(&o);
}
