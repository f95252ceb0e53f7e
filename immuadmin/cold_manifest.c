/*
 * The manifest of a backup: a text of lines, each a word and its fields, the last one with the
 * digest of all before. Neighbours: cold_list.c (its lists), cold_pack.c (writes it), cold_unpack.c
 * (reads it).
 *
 * Invariant: what can be read is written as the same bytes again.
 */
#include "cold_manifest.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/hex.h"

#define MAGIC "immudb backup "
#define VERSION 1
#define NUMBER_DIGITS_MAX 20
#define DIGEST_DIGITS (2 * HASH_SIZE)

void
cold_manifest_init(struct cold_manifest *m)
{
	*m = (struct cold_manifest){0};
	cold_list_init(&m->files);
}

void
cold_manifest_free(struct cold_manifest *m)
{
	cold_states_free(&m->states);
	cold_list_free(&m->files);
}

/* ---- Writing ---- */

enum im_err
cold_manifest_write(const struct cold_manifest *m, struct buf *out)
{
	size_t start = out->len;
	struct hash digest;

	buf_printf(out, MAGIC "%d\ncreated %s\n", VERSION, m->created);
	if (m->states.server[0])
		buf_printf(out, "server %s\n", m->states.server);
	for (size_t i = 0; i < m->states.count; i++) {
		const struct cold_state *s = &m->states.items[i];

		buf_printf(out, "database %s %" PRIu64 " ", s->database, s->tx);
		hex_append(out, hash_bytes(&s->alh));
		if (s->signature_len) {
			buf_append_u8(out, ' ');
			hex_append(out, bytes_of(s->signature, s->signature_len));
		}
		buf_append_u8(out, '\n');
	}
	for (size_t i = 0; i < m->files.count; i++) {
		const struct cold_file *f = &m->files.items[i];

		buf_printf(out, "file %" PRIu64 " ", f->size);
		hex_append(out, hash_bytes(&f->digest));
		buf_printf(out, " %s\n", f->path);
	}
	if (out->err)
		return out->err;
	hash_sha256(bytes_of(out->data + start, out->len - start), &digest);
	buf_append_str(out, "end ");
	hex_append(out, hash_bytes(&digest));
	buf_append_u8(out, '\n');
	return out->err;
}

/* ---- Reading ---- */

/* A line that is taken apart from its front. */
struct line {
	struct bytes rest;
	bool failed;
};

static struct bytes
line_take(struct line *l, size_t n)
{
	struct bytes part = bytes_of(l->rest.data, n);

	if (n > l->rest.len) {
		l->failed = true;
		return bytes_of(NULL, 0);
	}
	l->rest = bytes_of(l->rest.data + n, l->rest.len - n);
	return part;
}

static bool
line_skip(struct line *l, const char *word)
{
	size_t n = strlen(word);

	if (!bytes_has_prefix(l->rest, bytes_of(word, n)))
		return false;
	(void)line_take(l, n);
	return true;
}

/* The field up to the next blank, which is taken too. */
static struct bytes
line_field(struct line *l)
{
	size_t n = 0;
	struct bytes field;

	while (n < l->rest.len && l->rest.data[n] != ' ')
		n++;
	field = line_take(l, n);
	if (!line_skip(l, " "))
		l->failed = true;
	return field;
}

/* A decimal number as it is printed: without a sign or zeros in front. */
static uint64_t
line_number(struct line *l)
{
	struct bytes digits = line_field(l);
	uint64_t v = 0;

	if (digits.len == 0 || digits.len > NUMBER_DIGITS_MAX ||
	    (digits.len > 1 && digits.data[0] == '0'))
		l->failed = true;
	for (size_t i = 0; i < digits.len && !l->failed; i++) {
		unsigned digit = (unsigned)(digits.data[i] - '0');

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			l->failed = true;
		else
			v = v * 10 + digit;
	}
	return v;
}

/* Bytes in lower-case digits. */
static void
line_hex(struct line *l, uint8_t *out, size_t size)
{
	struct bytes digits = line_take(l, 2 * size);

	for (size_t i = 0; i < digits.len; i++)
		if (digits.data[i] >= 'A' && digits.data[i] <= 'F')
			l->failed = true;
	if (!l->failed && hex_decode(digits, out, size) != IM_OK)
		l->failed = true;
}

static struct hash
line_digest(struct line *l)
{
	struct hash h = HASH_ZERO;

	line_hex(l, h.b, HASH_SIZE);
	return h;
}

/* The last field of a database, if it has it. */
static void
line_signature(struct line *l, struct cold_state *s)
{
	if (l->failed || l->rest.len == 0)
		return;
	s->signature_len = l->rest.len / 2;
	if (!line_skip(l, " ") || l->rest.len == 0 || l->rest.len % 2 ||
	    s->signature_len > SIGN_DER_MAX)
		l->failed = true;
	else
		line_hex(l, s->signature, s->signature_len);
}

static enum im_err
read_database(struct line *l, struct cold_states *states)
{
	struct cold_state s = {.database = ""};
	struct bytes name = line_field(l);

	if (name.len > COLD_DATABASE_MAX)
		return IM_ERR_FORMAT;
	if (name.len)
		memcpy(s.database, name.data, name.len);
	if (strlen(s.database) != name.len)
		return IM_ERR_FORMAT;
	s.tx = line_number(l);
	s.alh = line_digest(l);
	line_signature(l, &s);
	if (l->failed || l->rest.len)
		return IM_ERR_FORMAT;
	if (states->count && strcmp(states->items[states->count - 1].database, s.database) >= 0)
		return IM_ERR_FORMAT;
	return cold_states_add(states, &s);
}

static enum im_err
read_file(struct line *l, struct cold_list *files)
{
	char path[COLD_PATH_MAX];
	struct cold_file f = {.path = path};
	struct bytes name;

	f.size = line_number(l);
	f.digest = line_digest(l);
	if (l->failed || !line_skip(l, " "))
		return IM_ERR_FORMAT;
	name = l->rest;
	if (cold_name_clean(name, path) != IM_OK || !bytes_equal(bytes_str(path), name))
		return IM_ERR_FORMAT;
	if (files->count && strcmp(files->items[files->count - 1].path, path) >= 0)
		return IM_ERR_FORMAT;
	return cold_list_add(files, &f);
}

static enum im_err
read_created(struct line *l, struct cold_manifest *m)
{
	char same[CLOCK_TEXT_SIZE];
	int64_t at;

	if (l->rest.len >= sizeof m->created || m->created[0])
		return IM_ERR_FORMAT;
	memcpy(m->created, l->rest.data, l->rest.len);
	m->created[l->rest.len] = '\0';
	if (strlen(m->created) != l->rest.len || !clock_parse_s(m->created, &at))
		return IM_ERR_FORMAT;
	return strcmp(clock_format_s(at, same), m->created) == 0 ? IM_OK : IM_ERR_FORMAT;
}

static enum im_err
read_server(struct line *l, struct cold_states *states)
{
	struct xid id;

	if (states->server[0] || xid_parse(l->rest, &id) != IM_OK)
		return IM_ERR_FORMAT;
	xid_format(&id, states->server);
	return IM_OK;
}

/* The lines have an order: created, server, databases, files. */
static enum im_err
read_line(struct line *l, struct cold_manifest *m)
{
	if (line_skip(l, "created "))
		return m->states.server[0] || m->states.count || m->files.count
		    ? IM_ERR_FORMAT
		    : read_created(l, m);
	if (!m->created[0])
		return IM_ERR_FORMAT;
	if (line_skip(l, "server "))
		return m->states.count || m->files.count ? IM_ERR_FORMAT
							 : read_server(l, &m->states);
	if (line_skip(l, "database "))
		return m->files.count ? IM_ERR_FORMAT : read_database(l, &m->states);
	if (line_skip(l, "file "))
		return read_file(l, &m->files);
	return IM_ERR_FORMAT;
}

/* The last line, which has the digest of the others: taken off. */
static enum im_err
take_end(struct bytes *text)
{
	size_t end = sizeof "end " - 1 + DIGEST_DIGITS + 1;
	struct line l;
	struct hash written, computed;

	if (text->len <= end || text->data[text->len - 1] != '\n')
		return err_set(IM_ERR_FORMAT, "the manifest is cut off");
	l = (struct line){bytes_of(text->data + text->len - end, end - 1), false};
	text->len -= end;
	if (!line_skip(&l, "end "))
		return err_set(IM_ERR_FORMAT, "the manifest is cut off");
	written = line_digest(&l);
	hash_sha256(*text, &computed);
	if (l.failed || !hash_equal(&written, &computed))
		return err_set(IM_ERR_FORMAT, "the manifest was altered: its digest is wrong");
	return IM_OK;
}

static enum im_err
read_first(struct line *l)
{
	uint64_t version = 0;

	if (line_skip(l, MAGIC) && l->rest.len && l->rest.len < NUMBER_DIGITS_MAX)
		for (size_t i = 0; i < l->rest.len; i++)
			version = version * 10 + (uint64_t)(l->rest.data[i] - '0') % 10;
	if (version > VERSION)
		return err_set(IM_ERR_VERSION, "the backup was made by a newer version");
	return bytes_equal(l->rest, bytes_str("1")) && version == VERSION ? IM_OK : IM_ERR_FORMAT;
}

enum im_err
cold_manifest_read(struct bytes text, struct cold_manifest *m)
{
	enum im_err err = take_end(&text);
	size_t number = 0;

	while (err == IM_OK && text.len) {
		const uint8_t *end = (const uint8_t *)memchr(text.data, '\n', text.len);
		size_t n = end ? (size_t)(end - text.data) : text.len;
		struct line l = {bytes_of(text.data, n), false};

		number++;
		err = !end ? IM_ERR_FORMAT : number == 1 ? read_first(&l) : read_line(&l, m);
		if (err == IM_ERR_FORMAT)
			return err_set(err, "line %zu of the manifest cannot be read", number);
		text = bytes_of(text.data + n + 1, text.len - n - 1);
	}
	if (err == IM_OK && !m->created[0])
		return err_set(IM_ERR_FORMAT, "the manifest is empty");
	return err;
}

/* ---- Comparing ---- */

static enum im_err
report(const char *path, const char *what)
{
	char shown[COLD_NAME_SHOWN];

	return err_set(IM_ERR_FORMAT, "the backup was altered: %s %s",
	    cold_name_show(bytes_str(path), shown), what);
}

enum im_err
cold_manifest_check(const struct cold_manifest *m, const struct cold_list *found)
{
	const struct cold_file *want = m->files.items;
	size_t left = m->files.count;

	for (size_t i = 0; i < found->count; i++) {
		const struct cold_file *is = &found->items[i];
		int order = left ? strcmp(want->path, is->path) : 1;

		if (is->is_folder)
			continue;
		if (order < 0)
			return report(want->path, "is missing");
		if (order > 0)
			return report(is->path, "is not in its manifest");
		if (want->size != is->size)
			return report(is->path, "has another size");
		if (!hash_equal(&want->digest, &is->digest))
			return report(is->path, "has another content");
		want++;
		left--;
	}
	return left ? report(want->path, "is missing") : IM_OK;
}
