/*
 * The table of paths and the search in it. Neighbours: rest_request.c makes the message of a
 * request that was found, the documentation and the page list the table.
 *
 * Invariants: a path is split into segments before anything in it is decoded, and each segment is
 * decoded once, so that %2F never separates and %252F stays %2F; nothing is normalised, since
 * something in front of the gateway may have read the path in another way; the row that wins does
 * not depend on the order of the table.
 */
#include "routes.h"

#include <pthread.h>

#define SPACE 0x20
#define DELETE 0x7f

#define NUMBERS JSON_NUMBERS
#define STRINGS JSON_STRINGS
#define NUMBERS_0_9 (JSON_NUMBERS | JSON_NAMES_0_9)
#define STRINGS_0_9 (JSON_STRINGS | JSON_NAMES_0_9)

const struct route routes[] = {
#define ROUTE(http_verb, template, Method, message, how, flag, phrase) \
	{.path = template, \
	    .method = &rpc_methods[RPC_INDEX_##Method], \
	    .answer = &immudb__schema__##message##__descriptor, \
	    .summary = phrase, \
	    .verb = http_verb, \
	    .style = how, \
	    .flags = flag},
#define ROUTE_LACKS(http_verb, template, phrase) \
	{.path = template, .summary = phrase, .verb = http_verb, .flags = ROUTE_ABSENT},
#define ROUTE_OWN(template, phrase) \
	{.path = template, .summary = phrase, .verb = ROUTE_GET, .flags = ROUTE_LOCAL},
#include "routes.def"
#undef ROUTE
#undef ROUTE_LACKS
#undef ROUTE_OWN
};

const size_t route_count = sizeof routes / sizeof *routes;

/* A row, and how much of its path stands before any braces. */
struct row {
	const struct route *route;
	size_t head;
};

/* The rows by their segments: those of n segments are rows[start[n]] to rows[start[n + 1] - 1]. */
static struct {
	pthread_once_t once;
	struct row rows[sizeof routes / sizeof *routes];
	size_t start[ROUTE_SEGMENTS_MAX + 2];
} by_segments = {.once = PTHREAD_ONCE_INIT};

static size_t
template_segments(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static void
sort_by_segments(void)
{
	size_t at = 0;

	for (size_t n = 0; n <= ROUTE_SEGMENTS_MAX; n++) {
		by_segments.start[n] = at;
		for (size_t i = 0; i < route_count; i++)
			if (template_segments(routes[i].path) == n)
				by_segments.rows[at++] =
				    (struct row){&routes[i], strcspn(routes[i].path, "{")};
	}
	by_segments.start[ROUTE_SEGMENTS_MAX + 1] = at;
}

/* A path in its decoded segments; "/" has one, which is empty. */
struct segments {
	struct bytes part[ROUTE_SEGMENTS_MAX];
	size_t count; /* may be more than there is room for: then no row fits */
};

/* How well a row fits: a bit for each literal segment, the first one highest. */
struct fit {
	bool fits;
	unsigned literals;
};

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t
route_decode(struct bytes in, bool plus_is_blank, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];

		if (c == '+' && plus_is_blank) {
			c = ' ';
		} else if (c == '%') {
			int high = i + 1 < in.len ? hex_value(in.data[i + 1]) : -1;
			int low = i + 2 < in.len ? hex_value(in.data[i + 2]) : -1;

			if (high < 0 || low < 0)
				return SIZE_MAX;
			c = (uint8_t)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return SIZE_MAX;
		out[n++] = c;
	}
	return n;
}

/* Whether a raw path has only what may stand in a request line. */
static bool
path_is_clean(struct bytes path)
{
	for (size_t i = 0; i < path.len; i++)
		if (path.data[i] <= SPACE || path.data[i] >= DELETE)
			return false;
	return true;
}

static bool
segment_is_clean(struct bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < SPACE || s.data[i] == DELETE)
			return false;
	return !bytes_equal(s, bytes_str(".")) && !bytes_equal(s, bytes_str(".."));
}

/* Splits and decodes path, which begins with '/', into memory of as many bytes. */
static bool
path_split(struct bytes path, uint8_t *memory, struct segments *out)
{
	const uint8_t *at = path.data + 1, *end = path.data + path.len, *slash;
	struct bytes s;

	out->count = 0;
	for (;;) {
		slash = at < end ? (const uint8_t *)memchr(at, '/', (size_t)(end - at)) : NULL;
		s = bytes_of(at, (size_t)((slash ? slash : end) - at));
		s.len = route_decode(s, false, memory);
		s.data = memory;
		if (s.len == SIZE_MAX || !segment_is_clean(s))
			return false;
		memory += s.len;
		if (out->count < ROUTE_SEGMENTS_MAX)
			out->part[out->count] = s;
		out->count++;
		if (!slash)
			return true;
		at = slash + 1;
	}
}

/* The next segment of a template; *at is behind it afterwards, NULL at the end. */
static struct bytes
template_next(const char **at)
{
	const char *start = *at + 1, *slash = strchr(start, '/');

	*at = slash;
	return bytes_of(start, slash ? (size_t)(slash - start) : strlen(start));
}

static bool
is_variable(struct bytes s)
{
	return s.len > 0 && s.data[0] == '{';
}

/*
 * Whether the segment of a template that begins at p is s, which may hold a decoded slash; *end is
 * where it ends.
 */
static bool
segment_fits(const char *p, struct bytes s, const char **end)
{
	if (*p == '{') {
		*end = strchr(p, '}') + 1;
		return s.len > 0;
	}
	for (size_t i = 0; i < s.len; i++)
		if (p[i] == '\0' || p[i] == '/' || p[i] != (char)s.data[i])
			return false;
	*end = p + s.len;
	return **end == '/' || **end == '\0';
}

/*
 * Whether a row may fit path at all. This runs for every row and ends at one character for most of
 * them; with an escape in it a path may begin in other ways.
 */
static bool
head_fits(const struct row *row, struct bytes path, bool is_escaped)
{
	const char *head = row->route->path;
	size_t len = row->head;

	return is_escaped ||
	    (path.len >= len && path.data[len - 1] == (uint8_t)head[len - 1] &&
		memcmp(path.data, head, len) == 0);
}

static struct fit
route_fit(const struct route *r, const struct segments *s)
{
	struct fit fit = {0};
	const char *at = r->path;

	for (size_t i = 0; i < s->count; i++) {
		bool is_literal = *at && at[1] != '{';

		if (!*at || !segment_fits(at + 1, s->part[i], &at))
			return fit;
		fit.literals = fit.literals << 1 | is_literal;
	}
	fit.fits = *at == '\0';
	return fit;
}

static void
match_fill(struct route_match *m, const struct segments *s)
{
	bool is_database = m->route->flags & ROUTE_DATABASE;
	const char *at = m->route->path;
	struct bytes t;

	for (size_t i = 0; at; i++) {
		t = template_next(&at);
		if (!is_variable(t))
			continue;
		if (is_database)
			m->database = s->part[i];
		else
			m->fields[m->field_count++] =
			    (struct route_field){bytes_of(t.data + 1, t.len - 2), s->part[i]};
		is_database = false;
	}
}

/* The verb's bit; 0 for any that no row has. */
static unsigned
verb_of(const char *verb)
{
	if (strcmp(verb, "POST") == 0)
		return ROUTE_POST;
	return strcmp(verb, "GET") == 0 || strcmp(verb, "HEAD") == 0 ? ROUTE_GET : 0;
}

static void
match_search(struct route_match *m, unsigned verb, struct bytes path, const struct segments *s)
{
	bool is_escaped = memchr(path.data, '%', path.len) != NULL;
	unsigned best = 0;
	struct fit fit;

	pthread_once(&by_segments.once, sort_by_segments);
	for (size_t i = by_segments.start[s->count]; i < by_segments.start[s->count + 1]; i++) {
		const struct row *row = &by_segments.rows[i];
		const struct route *r = row->route;

		if (!head_fits(row, path, is_escaped) || (m->is_old && !(r->flags & ROUTE_OLD)))
			continue;
		fit = route_fit(r, s);
		if (!fit.fits)
			continue;
		m->verbs |= r->verb;
		if (r->verb != verb || (m->route && fit.literals <= best))
			continue;
		m->route = r;
		best = fit.literals;
	}
}

enum route_result
route_find(const char *verb, struct bytes path, struct route_match *m)
{
	struct bytes prefix = bytes_str(ROUTE_OLD_PREFIX "/");
	struct segments s;

	m->route = NULL;
	m->field_count = 0;
	m->database = bytes_of(NULL, 0);
	m->verbs = 0;
	m->is_old = bytes_has_prefix(path, prefix);
	if (path.len > ROUTE_PATH_MAX)
		return ROUTE_TOO_LONG;
	if (path.len == 0 || path.data[0] != '/' || !path_is_clean(path))
		return ROUTE_BAD_PATH;
	if (m->is_old)
		path = bytes_of(path.data + prefix.len - 1, path.len - prefix.len + 1);
	if (!path_split(path, m->memory, &s))
		return ROUTE_BAD_PATH;
	if (s.count <= ROUTE_SEGMENTS_MAX)
		match_search(m, verb_of(verb), path, &s);
	if (!m->route)
		return m->verbs ? ROUTE_NO_VERB : ROUTE_NO_PATH;
	match_fill(m, &s);
	return ROUTE_FOUND;
}

bool
route_has_lines(const struct route *route)
{
	const ProtobufCMessageDescriptor *d = route->answer;

	/* GetAll answers with what was asked for, however many. */
	return route->method && route->method->id != RPC_METHOD_GetAll &&
	    (d == &immudb__schema__entries__descriptor ||
		d == &immudb__schema__zentries__descriptor ||
		d == &immudb__schema__tx_list__descriptor);
}

void
route_append_allow(struct buf *out, unsigned verbs)
{
	if (verbs & ROUTE_GET)
		buf_append_str(out, "GET, HEAD, ");
	if (verbs & ROUTE_POST)
		buf_append_str(out, "POST, ");
	buf_append_str(out, "OPTIONS");
}
