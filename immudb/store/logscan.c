/*
 * Reading the log record after record.
 *
 * Neighbours: txlog.c gives bytes, record.c understands them; recover.c and check.c use the result.
 * Invariants: the window lies within one segment and holds exactly what the file holds; a record is
 * handed out only when its checksums hold; values are not looked at.
 */
#include "store/logscan.h"

#include <stdlib.h>

#include "crypto/rawkey.h"

#define WINDOW_MIN (1024u * 1024)
#define MARK_CHUNK (256u * 1024)

enum im_err
logscan_init(struct logscan *scan, struct txlog *log, uint64_t pos)
{
	*scan = (struct logscan){.log = log, .pos = pos};
	scan->entries = (struct record_entry *)malloc(TX_ENTRIES_MAX * sizeof *scan->entries);
	return scan->entries ? IM_OK : IM_ERR_NOMEM;
}

void
logscan_free(struct logscan *scan)
{
	free(scan->window);
	free(scan->entries);
	*scan = (struct logscan){0};
}

static enum im_err
bad(const struct logscan *scan, const char *what)
{
	char path[VFS_PATH_MAX];

	txlog_path(scan->log, TXLOG_SEGMENT(scan->pos), path);
	return err_set(
	    IM_ERR_CORRUPT, "%s: offset %u: %s", path, (unsigned)TXLOG_OFFSET(scan->pos), what);
}

static enum im_err
enter_segment(struct logscan *scan)
{
	enum im_err err;

	if (scan->known && scan->segment == TXLOG_SEGMENT(scan->pos))
		return IM_OK;
	scan->segment = TXLOG_SEGMENT(scan->pos);
	scan->window_len = 0;
	err = txlog_segment_info(scan->log, scan->segment, &scan->salt, &scan->size);
	scan->known = err == IM_OK;
	return err;
}

static enum im_err
window_grow(struct logscan *scan, size_t n)
{
	uint8_t *grown;

	if (n <= scan->window_cap)
		return IM_OK;
	grown = (uint8_t *)realloc(scan->window, n);
	if (!grown)
		return IM_ERR_NOMEM;
	scan->window = grown;
	scan->window_cap = n;
	return IM_OK;
}

static enum im_err
window_fill(struct logscan *scan, size_t n)
{
	uint64_t left = scan->size - TXLOG_OFFSET(scan->pos);
	size_t want = n < WINDOW_MIN ? WINDOW_MIN : n;
	struct txlog_read read;
	enum im_err err;

	if (want > left)
		want = (size_t)left;
	err = window_grow(scan, want);
	if (err != IM_OK)
		return err;
	read = (struct txlog_read){
	    scan->pos, scan->window, want, scan->once ? TXLOG_READ_ONCE : TXLOG_READ};
	err = txlog_read(scan->log, &read);
	/* What is damaged may lie behind what is asked for. */
	if (err == IM_ERR_CORRUPT && n < want) {
		read.n = want = n;
		err = txlog_read(scan->log, &read);
	}
	scan->window_pos = scan->pos;
	scan->window_len = err == IM_OK ? want : 0;
	return err;
}

/* The n bytes at scan->pos, or IM_ERR_CORRUPT when the segment ends before. */
static enum im_err
window_get(struct logscan *scan, size_t n, const uint8_t **out)
{
	uint64_t skip = scan->pos - scan->window_pos;
	enum im_err err;

	if (TXLOG_OFFSET(scan->pos) + (uint64_t)n > scan->size)
		return bad(scan, "a record reaches beyond its segment");
	if (scan->window_len == 0 || scan->pos < scan->window_pos || skip + n > scan->window_len) {
		err = window_fill(scan, n);
		if (err != IM_OK)
			return err;
		skip = 0;
	}
	*out = scan->window + skip;
	return IM_OK;
}

static enum im_err
read_tx(struct logscan *scan, uint32_t length, struct logscan_record *out)
{
	size_t head_len = length < RECORD_HEAD_MAX ? length : RECORD_HEAD_MAX;
	size_t need;
	const uint8_t *p;
	enum im_err err = window_get(scan, head_len, &p);

	if (err == IM_OK && record_tx_get(bytes_of(p, head_len), scan->salt, &out->tx) != IM_OK)
		err = bad(scan, err_detail(IM_ERR_CORRUPT));
	if (err != IM_OK)
		return err;
	need = out->tx.head_len + out->tx.entries_len;
	if (scan->with_values)
		need = length;
	err = window_get(scan, need, &p);
	if (err != IM_OK)
		return err;
	out->section = bytes_of(p + out->tx.head_len, out->tx.entries_len);
	out->entries = scan->entries;
	if (record_entries_get(&out->tx, out->section, scan->entries) != IM_OK)
		return bad(scan, err_detail(IM_ERR_CORRUPT));
	if (scan->with_values)
		out->values = bytes_of(out->section.data + out->section.len,
		    length - out->tx.head_len - out->section.len);
	return IM_OK;
}

static enum im_err
read_mark(struct logscan *scan, struct logscan_record *out)
{
	const uint8_t *p;
	enum im_err err = window_get(scan, RECORD_MARK_SIZE, &p);

	if (err == IM_OK && record_mark_get(p, scan->salt, &out->mark) != IM_OK)
		err = bad(scan, err_detail(IM_ERR_CORRUPT));
	return err;
}

/* A seal leads to the next segment, which was durable before the seal was written. */
static enum im_err
follow_seal(struct logscan *scan)
{
	const uint8_t *p;
	uint32_t next;
	enum im_err err = window_get(scan, RECORD_SEAL_SIZE, &p);

	if (err == IM_OK &&
	    (record_seal_get(p, scan->salt, &next) != IM_OK ||
		next != TXLOG_SEGMENT(scan->pos) + 1))
		err = bad(scan, "a seal that leads elsewhere");
	if (err == IM_OK)
		scan->pos = TXLOG_POS(next, TXLOG_HEADER_SIZE);
	return err;
}

/* Finds the prefix of the next record that is not a seal. */
static enum im_err
next_prefix(struct logscan *scan, struct record_prefix *prefix)
{
	enum im_err err;
	const uint8_t *p;

	do {
		err = enter_segment(scan);
		if (err != IM_OK)
			return err;
		*prefix = (struct record_prefix){0, RECORD_END};
		if (TXLOG_OFFSET(scan->pos) + RECORD_PREFIX_SIZE > scan->size)
			return IM_OK;
		err = window_get(scan, RECORD_PREFIX_SIZE, &p);
		if (err == IM_OK && record_prefix_get(p, prefix) != IM_OK)
			err = bad(scan, err_detail(IM_ERR_CORRUPT));
		if (err == IM_OK && prefix->kind == RECORD_SEAL)
			err = follow_seal(scan);
	} while (err == IM_OK && prefix->kind == RECORD_SEAL);
	return err;
}

enum im_err
logscan_next(struct logscan *scan, struct logscan_record *out)
{
	struct record_prefix prefix;
	enum im_err err = next_prefix(scan, &prefix);

	if (err != IM_OK)
		return err;
	if (TXLOG_OFFSET(scan->pos) + (uint64_t)prefix.length > scan->size)
		return bad(scan, "a record reaches beyond its segment");
	*out = (struct logscan_record){.kind = prefix.kind, .pos = scan->pos};
	out->end = scan->pos + prefix.length;
	if (prefix.kind == RECORD_TX)
		err = read_tx(scan, prefix.length, out);
	else if (prefix.kind == RECORD_MARK)
		err = read_mark(scan, out);
	if (err == IM_OK)
		scan->pos = out->end;
	return err;
}

struct bytes
logscan_value(const struct logscan_record *r, uint32_t i)
{
	const struct record_entry *e = &r->entries[i];
	size_t at = (size_t)e->offset + e->value_offset;

	/* Long values follow the section in memory as they do in the log. */
	return bytes_of(r->section.data + at, e->value_len);
}

/* ---- Marks ---- */

static void
marks_in_chunk(const uint8_t *p, size_t n, uint32_t salt, struct record_mark *mark)
{
	/* Prepared space is zero and long. */
	if (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0)
		return;
	for (size_t i = 0; i + RECORD_MARK_SIZE <= n; i++) {
		struct record_mark found;

		if (p[i + 3] != RECORD_MARK_SIZE || p[i + 8] != RECORD_MARK || p[i] || p[i + 1])
			continue;
		if (record_mark_get(p + i, salt, &found) == IM_OK && found.tx > mark->tx)
			*mark = found;
	}
}

/* Reads one segment from offset on; chunks overlap so that no mark is cut in two. */
static enum im_err
marks_in_segment(struct txlog *log, uint64_t pos, uint8_t *chunk, struct record_mark *mark)
{
	uint32_t segment = TXLOG_SEGMENT(pos);
	uint32_t salt;
	uint64_t size, at = TXLOG_OFFSET(pos);
	enum im_err err = txlog_segment_info(log, segment, &salt, &size);

	while (err == IM_OK && at + RECORD_MARK_SIZE <= size) {
		size_t n = size - at < MARK_CHUNK ? (size_t)(size - at) : MARK_CHUNK;
		struct txlog_read read = {TXLOG_POS(segment, at), chunk, n, TXLOG_READ};

		err = txlog_read(log, &read);
		if (err == IM_OK)
			marks_in_chunk(chunk, n, salt, mark);
		at += n < MARK_CHUNK ? n : n - RECORD_MARK_SIZE;
	}
	return err;
}

enum im_err
logscan_find_marks(struct txlog *log, uint64_t pos, struct record_mark *mark)
{
	uint8_t *chunk = (uint8_t *)malloc(MARK_CHUNK);
	uint32_t segments = txlog_segments(log);
	enum im_err err = chunk ? IM_OK : IM_ERR_NOMEM;

	for (uint32_t i = TXLOG_SEGMENT(pos); err == IM_OK && i < segments; i++) {
		err = marks_in_segment(log,
		    i == TXLOG_SEGMENT(pos) ? pos : TXLOG_POS(i, TXLOG_HEADER_SIZE), chunk, mark);
		/* A segment that cannot be read holds no evidence. */
		if (err == IM_ERR_CORRUPT)
			err = IM_OK;
	}
	free(chunk);
	return err;
}
