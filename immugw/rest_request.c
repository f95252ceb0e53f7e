/*
 * The message of a request from its path, its query and its body. Neighbours: routes.c found the
 * row, json_read.c converts.
 *
 * Invariants: nothing that was given is ignored: what cannot be taken is refused by name; nothing
 * is given twice with two meanings.
 */
#include "rest_request.h"

struct parameter {
	struct bytes name, value;
};

struct query {
	struct parameter list[REST_PARAMETERS_MAX];
	size_t count;
};

/* Decodes one side of a parameter into the arena. */
static enum im_err
query_decode(struct bytes in, struct arena *a, struct bytes *out)
{
	uint8_t *memory = (uint8_t *)arena_alloc(a, in.len + 1);

	if (!memory)
		return err_set(IM_ERR_BODY_SIZE, "takes too much memory");
	*out = bytes_of(memory, route_decode(in, true, memory));
	if (out->len == SIZE_MAX)
		return err_set(IM_ERR_ARGUMENT, "query: broken escape");
	return IM_OK;
}

static enum im_err
query_add(struct query *q, struct bytes text, struct arena *a)
{
	const uint8_t *equals = (const uint8_t *)memchr(text.data, '=', text.len);
	size_t n = equals ? (size_t)(equals - text.data) : text.len;
	struct parameter *p = &q->list[q->count];
	enum im_err err;

	if (q->count == REST_PARAMETERS_MAX)
		return err_set(
		    IM_ERR_ARGUMENT, "query: more than %d parameters", REST_PARAMETERS_MAX);
	err = query_decode(bytes_of(text.data, n), a, &p->name);
	if (err == IM_OK)
		err = query_decode(
		    equals ? bytes_of(equals + 1, text.len - n - 1) : bytes_str(""), a, &p->value);
	for (size_t i = 0; i < q->count && err == IM_OK; i++)
		if (bytes_equal(q->list[i].name, p->name))
			err = err_set(IM_ERR_ARGUMENT, "query: a parameter is given twice");
	q->count++;
	return err;
}

/* Takes a query apart; empty parts, as in "a=1&&b=2", are none. */
static enum im_err
query_split(struct bytes text, struct arena *a, struct query *q)
{
	enum im_err err = IM_OK;
	const uint8_t *amp;
	size_t n;

	q->count = 0;
	if (text.len > REST_QUERY_MAX)
		return err_set(IM_ERR_ARGUMENT, "query: longer than %d bytes", REST_QUERY_MAX);
	while (text.len > 0 && err == IM_OK) {
		amp = (const uint8_t *)memchr(text.data, '&', text.len);
		n = amp ? (size_t)(amp - text.data) : text.len;
		if (n > 0)
			err = query_add(q, bytes_of(text.data, n), a);
		n += amp != NULL;
		text = bytes_of(text.data + n, text.len - n);
	}
	return err;
}

static bool
is_blank(struct bytes v)
{
	for (size_t i = 0; i < v.len; i++)
		if (!strchr(" \t\r\n", v.data[i]) || v.data[i] == '\0')
			return false;
	return true;
}

static enum im_err
read_body(const struct route *route, struct bytes body, struct arena *a, ProtobufCMessage **out)
{
	if (route->verb == ROUTE_GET || is_blank(body))
		body = bytes_str("{}");
	return json_read(route->method->request, body, a, out);
}

static enum im_err
add_path(const struct route_match *match, struct arena *a, ProtobufCMessage *m)
{
	enum im_err err = IM_OK;

	for (size_t i = 0; i < match->field_count && err == IM_OK; i++)
		err = json_set_field(m, match->fields[i].name, match->fields[i].value, a);
	return err;
}

static enum im_err
add_query(const struct route_match *match, struct bytes text, struct arena *a, ProtobufCMessage *m)
{
	struct query q;
	enum im_err err = query_split(text, a, &q);

	if (err == IM_OK && q.count > 0 && match->route->verb != ROUTE_GET)
		return err_set(IM_ERR_ARGUMENT, "query: this path takes its fields in the body");
	for (size_t i = 0; i < q.count && err == IM_OK; i++)
		err = json_set_field(m, q.list[i].name, q.list[i].value, a);
	return err;
}

/* The request inside a verified or verifiable one is its first field. */
static enum im_err
check_inner(const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *f = m->descriptor->fields;
	const ProtobufCMessage *inner;

	if (m->descriptor->n_fields == 0 || f->type != PROTOBUF_C_TYPE_MESSAGE ||
	    f->label == PROTOBUF_C_LABEL_REPEATED)
		return IM_OK;
	memcpy(&inner, (const uint8_t *)m + f->offset, sizeof inner);
	return inner ? IM_OK : err_set(IM_ERR_JSON, "%s: is missing", f->name);
}

static enum im_err
check_verified(const struct route *route, const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *f;
	uint64_t since = 0;

	if (!(route->flags & ROUTE_VERIFIED))
		return IM_OK;
	f = json_find_field(m->descriptor, bytes_str("proveSinceTx"));
	if (f)
		memcpy(&since, (const uint8_t *)m + f->offset, sizeof since);
	if (since != 0)
		return err_set(IM_ERR_JSON, "proveSinceTx: the gateway knows it by itself");
	return IM_OK;
}

/*
 * A server may let the gateway in by its certificate, without a password; those who ask the gateway
 * it does not know by that.
 */
static enum im_err
check_login(const struct route *route, const ProtobufCMessage *m)
{
	const Immudb__Schema__LoginRequest *login = (const void *)m;

	return route->method->id == RPC_METHOD_Login && login->password.len == 0
	    ? err_set(IM_ERR_CREDENTIALS, "%s", err_text(IM_ERR_CREDENTIALS))
	    : IM_OK;
}

enum im_err
rest_request_build(const struct route_match *match, struct bytes query, struct bytes body,
    struct arena *a, ProtobufCMessage **out)
{
	ProtobufCMessage *m = NULL;
	enum im_err err;

	*out = NULL;
	err = read_body(match->route, body, a, &m);
	if (err == IM_OK)
		err = add_path(match, a, m);
	if (err == IM_OK)
		err = add_query(match, query, a, m);
	if (err == IM_OK)
		err = check_inner(m);
	if (err == IM_OK)
		err = check_verified(match->route, m);
	if (err == IM_OK)
		err = check_login(match->route, m);
	if (err == IM_OK)
		*out = m;
	return err;
}
