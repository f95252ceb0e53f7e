/*
 * The form of a record's file: "name value" lines in one order, values separated by blanks, and
 * last the SHA-256 of the lines before. Neighbour: audit_record.c, which reads and replaces the
 * files.
 *
 * Invariant: the text is canonical. A text is accepted only if writing what was read from it gives
 * the same bytes, so that every changed byte is noticed, and the reader needs no rules of its own
 * beyond those that keep it within its arrays.
 */
#include "audit_record_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/hex.h"

#define RECORD_TITLE "immudb-audit-record 1"
#define RECORD_NO_ALARM "-"

/* ---- Writing ---- */

/* A text as one word, or one line: what would end it is written as %XX. */
static void
append_escaped(struct buf *out, const char *text, bool is_word)
{
	const unsigned char *p;

	for (p = (const unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f || *p == '%' || (is_word && *p == ' '))
			buf_printf(out, "%%%02x", *p);
		else
			buf_append_u8(out, *p);
	}
}

static void
append_line(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "%s ", name);
	append_escaped(out, text, false);
	buf_append_u8(out, '\n');
}

/* Times before 1970 are nobody's. */
static uint64_t
time_of(int64_t at)
{
	return at > 0 ? (uint64_t)at : 0;
}

static void
append_alarm(const struct audit_record *r, struct buf *out)
{
	static const struct audit_record none = {0};
	const struct audit_record *a = r->has_alarm ? r : &none;

	buf_printf(out, "alarm %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	    r->has_alarm ? audit_verdict_info(r->verdict)->word : RECORD_NO_ALARM,
	    time_of(a->since), a->suspect_from, a->suspect_to);
	append_line(out, "reason", a->reason);
	append_line(out, "evidence", a->evidence);
}

static void
append_point(const struct audit_record_point *p, struct buf *out)
{
	buf_printf(out, "point %" PRIu64 " ", p->tx);
	hex_append(out, hash_bytes(&p->alh));
	buf_printf(out, " %" PRIu64 "\n", time_of(p->seen_at));
}

static void
append_ack(const struct audit_record_ack *a, struct buf *out)
{
	buf_printf(
	    out, "ack %" PRIu64 " %s ", time_of(a->at), audit_verdict_info(a->verdict)->word);
	append_escaped(out, a->who, true);
	buf_append_u8(out, ' ');
	append_escaped(out, a->reason, false);
	buf_append_u8(out, '\n');
}

static void
append_sum(struct buf *out)
{
	struct hash sum;

	hash_sha256(buf_bytes(out), &sum);
	buf_append_str(out, "sum ");
	hex_append(out, hash_bytes(&sum));
	buf_append_u8(out, '\n');
}

enum im_err
audit_record_encode(
    const struct audit_record_name *name, const struct audit_record *record, struct buf *out)
{
	size_t i;

	buf_printf(out, RECORD_TITLE "\nserver %s\ndatabase %s\n", name->server_id, name->database);
	append_alarm(record, out);
	buf_printf(out, "sweep %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", record->sweep_position,
	    time_of(record->sweep_started_at), time_of(record->sweep_finished_at));
	if (record->notice_at_ms > 0)
		buf_printf(out, "notice %" PRIu64 " %d\n", time_of(record->notice_at_ms),
		    record->is_notice_settled);
	for (i = 0; i < record->points_len; i++)
		append_point(&record->points[i], out);
	for (i = 0; i < record->acks_len; i++)
		append_ack(&record->acks[i], out);
	append_sum(out);
	return out->err;
}

/* ---- Reading ---- */

/* The text that is left, and whether all of it so far was of the right form. */
struct record_reader {
	struct bytes rest;
	bool failed;
};

static struct bytes
bytes_behind(struct bytes b, size_t n)
{
	/* Nothing may be added to the pointer of no text at all. */
	return n == 0 ? b : bytes_of(b.data + n, b.len - n);
}

/* What stands before the first such byte, which is taken as well; all of it when there is none. */
static struct bytes
take_until(struct bytes *from, char end)
{
	const uint8_t *at = from->len > 0 ? memchr(from->data, end, from->len) : NULL;
	size_t len = at ? (size_t)(at - from->data) : from->len;
	struct bytes taken = bytes_of(from->data, len);

	*from = bytes_behind(*from, len + (at != NULL));
	return taken;
}

/* The value of the next line if it has that name; else nothing is taken. */
static bool
try_line(struct record_reader *r, const char *name, struct bytes *value)
{
	size_t len = strlen(name);

	if (!bytes_has_prefix(r->rest, bytes_str(name)) || r->rest.len == len ||
	    r->rest.data[len] != ' ')
		return false;
	r->rest = bytes_behind(r->rest, len + 1);
	*value = take_until(&r->rest, '\n');
	return true;
}

static struct bytes
read_line(struct record_reader *r, const char *name)
{
	struct bytes value = {0};

	if (!try_line(r, name, &value))
		r->failed = true;
	return value;
}

static uint64_t
read_number(struct record_reader *r, struct bytes *line)
{
	struct bytes digits = take_until(line, ' ');
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9' ||
		    __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(digits.data[i] - '0'), &n))
			r->failed = true;
	}
	if (digits.len == 0)
		r->failed = true;
	return n;
}

static int64_t
read_time(struct record_reader *r, struct bytes *line)
{
	uint64_t n = read_number(r, line);

	if (n > INT64_MAX)
		r->failed = true;
	return n > INT64_MAX ? 0 : (int64_t)n;
}

static uint8_t
unescape(struct record_reader *r, struct bytes *text)
{
	uint8_t c = text->data[0];

	*text = bytes_behind(*text, 1);
	if (c != '%')
		return c;
	if (text->len < 2 || hex_decode(bytes_of(text->data, 2), &c, 1) != IM_OK || c == '\0') {
		r->failed = true;
		*text = bytes_of(NULL, 0);
		return ' ';
	}
	*text = bytes_behind(*text, 2);
	return c;
}

/* A text as append_escaped() wrote it. */
static void
read_text(struct record_reader *r, struct bytes text, char *out, size_t size)
{
	size_t len = 0;

	while (text.len > 0 && len < size - 1)
		out[len++] = (char)unescape(r, &text);
	if (text.len > 0 || memchr(out, '\0', len))
		r->failed = true;
	out[len] = '\0';
}

static enum audit_verdict
read_verdict(struct record_reader *r, struct bytes word)
{
	char text[32];
	enum audit_verdict verdict;

	read_text(r, word, text, sizeof text);
	verdict = audit_verdict_parse(text);
	if (verdict == AUDIT_VERDICTS)
		r->failed = true;
	return verdict == AUDIT_VERDICTS ? AUDIT_ERROR : verdict;
}

static void
read_alarm(struct record_reader *r, struct audit_record *out)
{
	struct bytes line = read_line(r, "alarm");
	struct bytes word = take_until(&line, ' ');

	out->has_alarm = !bytes_equal(word, bytes_str(RECORD_NO_ALARM));
	if (out->has_alarm)
		out->verdict = read_verdict(r, word);
	out->since = read_time(r, &line);
	out->suspect_from = read_number(r, &line);
	out->suspect_to = read_number(r, &line);
	read_text(r, read_line(r, "reason"), out->reason, sizeof out->reason);
	read_text(r, read_line(r, "evidence"), out->evidence, sizeof out->evidence);
}

static void
read_sweep(struct record_reader *r, struct audit_record *out)
{
	struct bytes line = read_line(r, "sweep");

	out->sweep_position = read_number(r, &line);
	out->sweep_started_at = read_time(r, &line);
	out->sweep_finished_at = read_time(r, &line);
}

/* A line that is there when something was announced. */
static void
read_notice(struct record_reader *r, struct audit_record *out)
{
	struct bytes line;

	if (!try_line(r, "notice", &line))
		return;
	out->notice_at_ms = read_time(r, &line);
	out->is_notice_settled = read_number(r, &line) != 0;
}

/* Whether one more element may be read. */
static bool
has_room(struct record_reader *r, size_t len, size_t max)
{
	if (len == max)
		r->failed = true;
	return len < max;
}

static void
read_points(struct record_reader *r, struct audit_record *out)
{
	struct audit_record_point *p;
	struct bytes line;

	while (
	    try_line(r, "point", &line) && has_room(r, out->points_len, AUDIT_RECORD_POINTS_MAX)) {
		p = &out->points[out->points_len++];
		p->tx = read_number(r, &line);
		if (hex_decode(take_until(&line, ' '), p->alh.b, HASH_SIZE) != IM_OK ||
		    (out->points_len > 1 && p->tx <= p[-1].tx))
			r->failed = true;
		p->seen_at = read_time(r, &line);
	}
}

static void
read_acks(struct record_reader *r, struct audit_record *out)
{
	struct audit_record_ack *a;
	struct bytes line;

	while (try_line(r, "ack", &line) && has_room(r, out->acks_len, AUDIT_RECORD_ACKS_MAX)) {
		a = &out->acks[out->acks_len++];
		a->at = read_time(r, &line);
		a->verdict = read_verdict(r, take_until(&line, ' '));
		read_text(r, take_until(&line, ' '), a->who, sizeof a->who);
		read_text(r, line, a->reason, sizeof a->reason);
	}
}

enum im_err
audit_record_decode(
    const struct audit_record_name *name, struct bytes text, struct audit_record *out)
{
	struct record_reader r = {.rest = text};
	struct buf again;
	enum im_err err;

	*out = (struct audit_record){0};
	if (!bytes_equal(take_until(&r.rest, '\n'), bytes_str(RECORD_TITLE)))
		r.failed = true;
	read_line(&r, "server");
	read_line(&r, "database");
	read_alarm(&r, out);
	read_sweep(&r, out);
	read_notice(&r, out);
	read_points(&r, out);
	read_acks(&r, out);
	if (r.failed)
		return err_set(IM_ERR_STATE_CORRUPT, "%s", err_text(IM_ERR_STATE_CORRUPT));
	/* Names, checksum and what follows it are compared here. */
	buf_init(&again, AUDIT_RECORD_FILE_MAX);
	err = audit_record_encode(name, out, &again);
	if (err == IM_ERR_LIMIT || (!err && !bytes_equal(text, buf_bytes(&again))))
		err = IM_ERR_STATE_CORRUPT;
	buf_free(&again);
	return err ? err_set(err, "%s", err_text(err)) : IM_OK;
}
