/*
 * Metrics as JSON, made from their text. Neighbours: metrics.c, web_metrics.c of the auditor and
 * database_metrics.c of the server, whose text this is; libproto/http, which shows it. From the
 * text, because three rooms write it, and so that both forms have the same samples and figures.
 *
 * Invariants: pure; what is appended is one valid JSON object in valid UTF-8, or an error; a figure
 * is copied as it stands, so that no 64-bit counter is rounded.
 */
#include "util/metrics.h"
#include "util/text.h"

#define SPREAD(v) (int)(v).len, (const char *)(v).data

/* A line: name{labels,le="le"} value. */
struct sample {
	struct bytes name;
	struct bytes labels; /* as they stand, without braces and le */
	struct bytes le;     /* as it stands between its quotes; empty unless it is of a bucket */
	struct bytes value;
};

struct json {
	struct buf *out;
	struct bytes family;
	bool is_plain;       /* a counter or a gauge: a sample is a series */
	size_t series;       /* of the family, so far */
	struct bytes labels; /* of the series that is open */
	bool in_buckets;
	size_t members; /* of the open object */
};

static bool
next_until(struct bytes *from, const char *ends, struct bytes *out)
{
	size_t n = 0;

	while (n < from->len && !memchr(ends, from->data[n], strlen(ends)))
		n++;
	*out = bytes_of(from->data, n);
	*from = bytes_of(from->data + n, from->len - n);
	return n > 0;
}

static bool
next_is(struct bytes *from, const char *text)
{
	struct bytes head = bytes_str(text);

	if (!bytes_has_prefix(*from, head))
		return false;
	*from = bytes_of(from->data + head.len, from->len - head.len);
	return true;
}

/* name="value", with the value as it stands between its quotes. */
static bool
next_label(struct bytes *from, struct bytes *name, struct bytes *value)
{
	size_t n = 0;

	if (!next_until(from, "=", name) || !next_is(from, "=\""))
		return false;
	while (n < from->len && from->data[n] != '"')
		n += from->data[n] == '\\' ? 2 : 1;
	if (n >= from->len)
		return false;
	*value = bytes_of(from->data, n);
	*from = bytes_of(from->data + n + 1, from->len - n - 1);
	return true;
}

/* Labels up to the "}"; le, which is the last, is not one of the series. */
static bool
next_labels(struct bytes *from, struct sample *s)
{
	const uint8_t *begin = from->data;
	struct bytes name, value;

	s->labels = bytes_of(begin, 0);
	do {
		if (s->le.len || !next_label(from, &name, &value))
			return false;
		if (bytes_equal(name, bytes_str("le")))
			s->le = value;
		else
			s->labels.len = (size_t)(from->data - begin);
	} while (next_is(from, ","));
	return next_is(from, "}");
}

static bool
sample_parse(struct bytes line, struct sample *s)
{
	*s = (struct sample){0};
	if (!next_until(&line, "{ ", &s->name))
		return false;
	if (next_is(&line, "{") && !next_labels(&line, s))
		return false;
	return next_is(&line, " ") && next_until(&line, " ", &s->value) && line.len == 0;
}

/* ---- Writing ---- */

static size_t
skip_digits(struct bytes v, size_t i)
{
	while (i < v.len && v.data[i] >= '0' && v.data[i] <= '9')
		i++;
	return i;
}

/* As JSON writes numbers: -0.1e+2, with neither more zeros before nor no digit behind. */
static bool
is_number(struct bytes v)
{
	size_t i = v.len && v.data[0] == '-', begin = i;

	i = skip_digits(v, i);
	if (i == begin || (v.data[begin] == '0' && i > begin + 1))
		return false;
	if (i < v.len && v.data[i] == '.') {
		begin = i + 1;
		i = skip_digits(v, begin);
		if (i == begin)
			return false;
	}
	if (i < v.len && v.data[i] == 'e') {
		begin = i + 1;
		if (begin < v.len && (v.data[begin] == '+' || v.data[begin] == '-'))
			begin++;
		i = skip_digits(v, begin);
		if (i == begin)
			return false;
	}
	return i == v.len;
}

/* JSON has no number for what is infinite or none. */
static bool
append_value(struct json *j, struct bytes value)
{
	if (is_number(value)) {
		buf_append_bytes(j->out, value);
		return true;
	}
	text_append_json(j->out, value);
	return bytes_equal(value, bytes_str("NaN")) || bytes_equal(value, bytes_str("+Inf")) ||
	    bytes_equal(value, bytes_str("-Inf"));
}

/* What metrics_append_escaped() has made of a value. */
static void
append_unescaped(struct json *j, struct bytes value)
{
	struct buf plain;

	buf_init(&plain, value.len + 1);
	for (size_t i = 0; i < value.len; i++) {
		bool is_escape = value.data[i] == '\\' && i + 1 < value.len;

		i += is_escape;
		buf_append_u8(&plain, is_escape && value.data[i] == 'n' ? '\n' : value.data[i]);
	}
	text_append_json(j->out, buf_bytes(&plain));
	if (plain.err != IM_OK)
		j->out->err = plain.err;
	buf_free(&plain);
}

static void
append_name(struct json *j, bool comma, struct bytes name)
{
	if (comma)
		buf_append_str(j->out, ",");
	text_append_json(j->out, name);
	buf_append_str(j->out, ":");
}

/* "labels":{...}, as a first member; nothing without labels. */
static void
append_labels(struct json *j, struct bytes labels)
{
	struct bytes name, value;

	if (labels.len == 0)
		return;
	buf_append_str(j->out, "\"labels\":{");
	for (size_t n = 0; labels.len && next_label(&labels, &name, &value); n++) {
		append_name(j, n > 0, name);
		append_unescaped(j, value);
		(void)next_is(&labels, ",");
	}
	buf_append_str(j->out, "}");
	j->members++;
}

static void
buckets_end(struct json *j)
{
	if (j->in_buckets)
		buf_append_str(j->out, "}");
	j->in_buckets = false;
}

/* The name of a bucket. */
static void
append_bound(struct json *j, struct bytes le)
{
	buf_append_str(j->out, j->in_buckets ? "," : "{");
	append_unescaped(j, le);
	buf_append_str(j->out, ":");
	j->in_buckets = true;
}

static void
series_begin(struct json *j, const struct sample *s)
{
	buf_append_str(j->out, j->series++ ? ",\n{" : s->labels.len ? "[\n{" : "{");
	j->labels = s->labels;
	j->members = 0;
	append_labels(j, s->labels);
}

static void
series_end(struct json *j)
{
	if (j->series == 0 || (j->is_plain && j->labels.len == 0))
		return;
	buckets_end(j);
	buf_append_str(j->out, "}");
}

/* The end of the family that is open, if there is one. */
static void
family_end(struct json *j)
{
	if (j->family.len == 0)
		return;
	series_end(j);
	if (j->series == 0)
		buf_append_str(j->out, "[]");
	else if (j->labels.len)
		buf_append_str(j->out, "\n]");
}

/* "NAME TYPE" of a family that begins. */
static bool
family_begin(struct json *j, struct bytes line)
{
	family_end(j);
	*j = (struct json){.out = j->out};
	if (!next_until(&line, " ", &j->family))
		return false;
	j->is_plain =
	    bytes_equal(line, bytes_str(" counter")) || bytes_equal(line, bytes_str(" gauge"));
	buf_append_str(j->out, ",\n");
	append_name(j, false, j->family);
	return true;
}

/* A sample that is a series. */
static bool
plain_add(struct json *j, const struct sample *s)
{
	if (j->series > 0 && (s->labels.len == 0 || j->labels.len == 0))
		return false;
	series_end(j);
	if (s->labels.len == 0) {
		j->series++;
		return append_value(j, s->value);
	}
	series_begin(j, s);
	append_name(j, true, bytes_str("value"));
	return append_value(j, s->value);
}

/* A sample of a histogram or summary: name is what follows the family's, with its "_". */
static bool
part_add(struct json *j, const struct sample *s, struct bytes name)
{
	if (j->series > 0 && !bytes_equal(j->labels, s->labels)) {
		if (s->labels.len == 0 || j->labels.len == 0)
			return false;
		series_end(j);
		series_begin(j, s);
	} else if (j->series == 0) {
		series_begin(j, s);
	}
	if (!next_is(&name, "_") || (s->le.len > 0) != bytes_equal(name, bytes_str("bucket")))
		return false;
	if (s->le.len == 0)
		buckets_end(j);
	if (!j->in_buckets)
		append_name(j, j->members++ > 0, s->le.len ? bytes_str("buckets") : name);
	if (s->le.len)
		append_bound(j, s->le);
	return append_value(j, s->value);
}

static bool
line_add(struct json *j, struct bytes line)
{
	struct bytes name;
	struct sample s;

	if (line.len == 0 || next_is(&line, "# HELP "))
		return true;
	if (next_is(&line, "# TYPE "))
		return family_begin(j, line);
	if (!sample_parse(line, &s) || j->family.len == 0 || !bytes_has_prefix(s.name, j->family))
		return false;
	name = bytes_of(s.name.data + j->family.len, s.name.len - j->family.len);
	if (j->is_plain)
		return name.len == 0 && s.le.len == 0 && plain_add(j, &s);
	return part_add(j, &s, name);
}

enum im_err
metrics_text_to_json(struct bytes text, const char *program, struct buf *out)
{
	struct json j = {.out = out};
	struct bytes line;

	buf_append_str(out, "{\"cmdline\":[");
	text_append_json(out, bytes_str(program));
	buf_append_str(out, "]");
	while (text.len) {
		(void)next_until(&text, "\n", &line);
		(void)next_is(&text, "\n");
		if (!line_add(&j, line))
			return err_set(IM_ERR_FORMAT, "%s: \"%.*s\" is no line of metrics",
			    err_text(IM_ERR_FORMAT), SPREAD(line));
	}
	family_end(&j);
	buf_append_str(out, "\n}\n");
	return out->err;
}
