/* Metrics text as numbers. Neighbour: admin_stats.c (shows them). */
#include "stats_sample.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A line: name, the value of its first label if it has one, and the value. */
struct line {
	struct bytes name;
	struct bytes label;
	double value;
};

/* A number behind a blank, up to the end of the line. */
static bool
parse_value(const char *text, size_t len, double *out)
{
	char number[64];
	char *end;

	while (len && *text == ' ') {
		text++;
		len--;
	}
	if (len == 0 || len >= sizeof number)
		return false;
	memcpy(number, text, len);
	number[len] = '\0';
	*out = strtod(number, &end);
	return end != number;
}

static bool
parse_line(struct bytes text, struct line *out)
{
	const char *p = (const char *)text.data, *end = p + text.len, *at = p, *quote;

	*out = (struct line){0};
	if (text.len == 0 || *p == '#')
		return false;
	while (at < end && *at != '{' && *at != ' ')
		at++;
	out->name = bytes_of(p, (size_t)(at - p));
	if (at < end && *at == '{') {
		at = memchr(at, '"', (size_t)(end - at));
		quote = at ? memchr(at + 1, '"', (size_t)(end - at - 1)) : NULL;
		if (!quote)
			return false;
		out->label = bytes_of(at + 1, (size_t)(quote - at - 1));
		at = memchr(quote, '}', (size_t)(end - quote));
		if (!at)
			return false;
		at++;
	}
	return parse_value(at, (size_t)(end - at), &out->value);
}

/* Single numbers, by name. */
static const struct {
	const char *name;
	size_t offset;
} singles[] = {
    {"immudb_uptime_hours", offsetof(struct stats_sample, uptime_hours)},
    {"immudb_active_sessions", offsetof(struct stats_sample, sessions)},
    {"immudb_rpc_connections", offsetof(struct stats_sample, connections)},
    {"immudb_requests_in_flight", offsetof(struct stats_sample, in_flight)},
    {"immudb_rpc_received_bytes_total", offsetof(struct stats_sample, received_bytes)},
    {"immudb_rpc_sent_bytes_total", offsetof(struct stats_sample, sent_bytes)},
    {"process_cpu_seconds_total", offsetof(struct stats_sample, cpu_seconds)},
    {"process_resident_memory_bytes", offsetof(struct stats_sample, resident_bytes)},
    {"process_open_fds", offsetof(struct stats_sample, open_files)},
};

/* Numbers of each database, and of each method, by name. */
static const struct {
	const char *name;
	size_t offset;
} of_databases[] =
    {
	{"immudb_last_committed_trx_id", offsetof(struct stats_database, transactions)},
	{"immudb_db_size_bytes", offsetof(struct stats_database, size_bytes)},
	{"immudb_log_bytes", offsetof(struct stats_database, log_bytes)},
	{"immudb_index_runs", offsetof(struct stats_database, index_runs)},
},
  of_methods[] = {
      {"immudb_request_duration_seconds_count", offsetof(struct stats_method, count)},
      {"immudb_request_duration_seconds_sum", offsetof(struct stats_method, seconds)},
};

static void
put(void *at, size_t offset, double value)
{
	memcpy((char *)at + offset, &value, sizeof value);
}

static struct stats_database *
database_named(struct stats_sample *s, struct arena *arena, struct bytes name)
{
	for (size_t i = 0; i < s->databases_len; i++)
		if (bytes_equal(bytes_str(s->databases[i].name), name))
			return &s->databases[i];
	if (s->databases_len == STATS_DATABASES_MAX)
		return NULL;
	s->databases[s->databases_len].name = arena_str(arena, name);
	return s->databases[s->databases_len].name ? &s->databases[s->databases_len++] : NULL;
}

static struct stats_method *
method_named(struct stats_sample *s, struct arena *arena, struct bytes name)
{
	for (size_t i = 0; i < s->methods_len; i++)
		if (bytes_equal(bytes_str(s->methods[i].name), name))
			return &s->methods[i];
	if (s->methods_len == STATS_METHODS_MAX)
		return NULL;
	s->methods[s->methods_len].name = arena_str(arena, name);
	return s->methods[s->methods_len].name ? &s->methods[s->methods_len++] : NULL;
}

/* Takes one line; false when it is none of ours. */
static bool
take(struct stats_sample *s, struct arena *arena, const struct line *l)
{
	for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
		if (!bytes_equal(l->name, bytes_str(singles[i].name)))
			continue;
		put(s, singles[i].offset, l->value);
		return true;
	}
	for (size_t i = 0; i < sizeof of_databases / sizeof *of_databases; i++) {
		struct stats_database *d;

		if (!bytes_equal(l->name, bytes_str(of_databases[i].name)))
			continue;
		d = database_named(s, arena, l->label);
		if (d)
			put(d, of_databases[i].offset, l->value);
		return true;
	}
	for (size_t i = 0; i < sizeof of_methods / sizeof *of_methods; i++) {
		struct stats_method *m;

		if (!bytes_equal(l->name, bytes_str(of_methods[i].name)) || l->value == 0)
			continue;
		m = method_named(s, arena, l->label);
		if (m)
			put(m, of_methods[i].offset, l->value);
		return true;
	}
	return false;
}

enum im_err
stats_sample_parse(struct bytes text, struct arena *arena, struct stats_sample *out)
{
	bool any = false;

	*out = (struct stats_sample){0};
	out->methods =
	    (struct stats_method *)arena_calloc(arena, STATS_METHODS_MAX, sizeof *out->methods);
	out->databases = (struct stats_database *)arena_calloc(
	    arena, STATS_DATABASES_MAX, sizeof *out->databases);
	if (!out->methods || !out->databases)
		return IM_ERR_NOMEM;
	while (text.len) {
		const uint8_t *end = (const uint8_t *)memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;
		struct line l;

		if (parse_line(bytes_of(text.data, len), &l))
			any = take(out, arena, &l) || any;
		len += end != NULL;
		text = bytes_of(text.data + len, text.len - len);
	}
	return any ? IM_OK
		   : err_set(IM_ERR_FORMAT, "these are not the metrics of an immudb server");
}

const struct stats_method *
stats_method_find(const struct stats_sample *s, const char *name)
{
	for (size_t i = 0; i < s->methods_len; i++)
		if (strcmp(s->methods[i].name, name) == 0)
			return &s->methods[i];
	return NULL;
}
