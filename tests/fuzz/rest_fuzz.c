/*
 * Requests of the gateway: "VERB PATH?QUERY", a line end, the body. Whatever is found was in the
 * path, once decoded; the message that is made can be written; every error is one that the gateway
 * can say.
 */
#include <assert.h>

#include "fuzz.h"
#include "http_error.h"
#include "http_headers.h"
#include "rest_request.h"

#define VERB_MAX 15
#define OUT_MAX (64u << 20)
#define ARENA_CAP (64u << 20)

/* Takes what is in front of the first such byte; the byte too. */
static struct bytes
take_until(struct bytes *in, char c)
{
	const uint8_t *end = in->len ? memchr(in->data, c, in->len) : NULL;
	struct bytes part = fuzz_take(in, end ? (size_t)(end - in->data) : in->len);

	if (end)
		fuzz_take(in, 1);
	return part;
}

static void
check_value(const struct route_match *m, struct bytes v)
{
	assert(v.len > 0);
	assert(v.data >= m->memory && v.data + v.len <= m->memory + sizeof m->memory);
	for (size_t i = 0; i < v.len; i++)
		assert(v.data[i] >= ' ' && v.data[i] != 0x7f);
	assert(!bytes_equal(v, bytes_str(".")) && !bytes_equal(v, bytes_str("..")));
}

static void
check_match(const struct route_match *m, enum route_result result)
{
	assert((result == ROUTE_FOUND) == (m->route != NULL));
	assert(result != ROUTE_NO_VERB || m->verbs != 0);
	assert(result != ROUTE_NO_PATH || m->verbs == 0);
	if (result != ROUTE_FOUND)
		return;
	assert(m->verbs & m->route->verb);
	assert(!m->is_old || m->route->flags & ROUTE_OLD);
	assert((m->database.len > 0) == ((m->route->flags & ROUTE_DATABASE) != 0));
	if (m->database.len > 0)
		check_value(m, m->database);
	for (size_t i = 0; i < m->field_count; i++)
		check_value(m, m->fields[i].value);
}

static void
check_error(enum im_err err, bool is_verified)
{
	struct http_error e = http_error_of(err, IM_STATUS_OK, is_verified);
	struct buf text, body;

	assert(err == IM_ERR_JSON || err == IM_ERR_BODY_SIZE || err == IM_ERR_ARGUMENT);
	assert(e.http == 400 || e.http == 413);
	buf_init(&text, OUT_MAX);
	buf_init(&body, OUT_MAX);
	http_error_append_message(&text, err, is_verified);
	http_error_append_body(&body, &e, buf_bytes(&text));
	assert(text.err == IM_OK && body.err == IM_OK && body.len < 4096);
	buf_free(&body);
	buf_free(&text);
}

static void
check_request(const struct route_match *match, struct bytes query, struct bytes body)
{
	ProtobufCMessage *m, *same;
	struct arena a;
	struct buf out;
	enum im_err err;

	arena_init(&a, ARENA_CAP);
	buf_init(&out, OUT_MAX);
	err_clear();
	err = rest_request_build(match, query, body, &a, &m);
	assert((err == IM_OK) == (m != NULL));
	if (err != IM_OK) {
		check_error(err, match->route->flags & ROUTE_VERIFIED);
	} else {
		assert(m->descriptor == match->route->method->request);
		json_write(&out, m, match->route->style);
		assert(out.err == IM_OK);
		err = json_read(m->descriptor, buf_bytes(&out), &a, &same);
		assert(err == IM_OK);
	}
	buf_free(&out);
	arena_free(&a);
}

/* The query and the body once more, as if they were headers. */
static void
check_headers(struct bytes value)
{
	struct bytes token;
	enum im_err err = http_token_read(value, &token);

	assert(err == IM_OK || (err == IM_ERR_NOT_LOGGED_IN && token.len == 0));
	assert(token.len == 0 ||
	    (token.data >= value.data && token.data + token.len <= value.data + value.len));
	http_wants_lines(value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size), line = take_until(&in, '\n'), path, verb;
	char verb_text[VERB_MAX + 1];
	struct route_match m;
	enum route_result result;

	verb = take_until(&line, ' ');
	verb = fuzz_take(&verb, VERB_MAX);
	memcpy(verb_text, verb.data, verb.len);
	verb_text[verb.len] = '\0';
	path = take_until(&line, '?');
	check_headers(line);
	check_headers(in);
	result = route_find(verb_text, path, &m);
	check_match(&m, result);
	if (m.route && m.route->method)
		check_request(&m, line, in);
	return 0;
}
