/*
 * Results as text. Neighbour: output.
 *
 * Invariants: to a terminal no byte of a value goes out that could steer it; to anything else
 * values go out exactly. A table's cells are kept, each behind its length, until the list ends,
 * because only then the column widths are known.
 */
#include <assert.h>
#include <stdio.h>

#include "util/base64.h"
#include "util/hex.h"
#include "util/output_format.h"
#include "util/text.h"

#define TEXT_TABLE_GAP 2u
#define TEXT_MAX_COLUMNS 64u

static bool
text_in_table(struct output *o)
{
	const struct output_frame *list = output_list(o);

	return list && list->style == OUTPUT_TABLE;
}

static void
text_record_begin(struct output *o, const struct output_frame *up)
{
	if (up && up->kind == OUTPUT_FRAME_LIST && up->style == OUTPUT_BLOCKS && up->count)
		buf_append_u8(&o->pending, '\n');
}

static void
text_record_end(struct output *o)
{
	const struct output_frame *up = o->depth > 1 ? &o->frames[o->depth - 2] : NULL;

	if (!up || up->kind != OUTPUT_FRAME_LIST || up->style != OUTPUT_TABLE)
		return;
	/* A row with other columns than the first is a bug of the command. */
	assert(o->column_count == output_top(o)->count);
}

static void
text_list_begin(struct output *o, const struct output_frame *up)
{
	/* Cells of two tables cannot be told apart. */
	assert(output_top(o)->style == OUTPUT_BLOCKS || o->table.len == 0);
	/* In a record a list stands apart; a table has its caption. */
	if (up)
		buf_append_u8(&o->pending, '\n');
	if (up && output_top(o)->style == OUTPUT_BLOCKS)
		buf_printf(&o->pending, "%s:\n", output_top(o)->name);
	buf_clear(&o->columns);
	o->column_count = 0;
}

/* "outer.inner" for the field of a record inside a record. */
static void
text_append_label(struct buf *b, struct output *o, const char *name)
{
	size_t i = o->depth;

	while (i > 0 && o->frames[i - 1].kind == OUTPUT_FRAME_RECORD && o->frames[i - 1].name)
		i--;
	for (; i < o->depth; i++)
		if (o->frames[i].name)
			buf_printf(b, "%s.", o->frames[i].name);
	buf_append_str(b, name);
}

static void
text_append_value(struct buf *b, const struct output *o, enum output_kind kind, struct bytes v)
{
	if (kind == OUTPUT_KIND_HEX)
		hex_append(b, v);
	else if (kind == OUTPUT_KIND_BASE64)
		base64_append(b, BASE64_STD, v);
	else if (kind == OUTPUT_KIND_BYTES && o->out_terminal)
		text_append_printable(b, v);
	else
		buf_append_bytes(b, v);
}

/* Writes the length of a cell that was appended behind a gap of four bytes at start. */
static void
text_close_cell(struct buf *b, size_t start)
{
	if (!b->err)
		be32_put(b->data + start, (uint32_t)(b->len - start - 4));
}

static void
text_cell(struct output *o, const char *name, enum output_kind kind, struct bytes v)
{
	size_t start = o->table.len;

	buf_append_be32(&o->table, 0);
	text_append_value(&o->table, o, kind, v);
	text_close_cell(&o->table, start);
	if (output_list(o)->count)
		return;
	assert(o->column_count < TEXT_MAX_COLUMNS);
	start = o->columns.len;
	buf_append_be32(&o->columns, 0);
	text_append_label(&o->columns, o, name);
	text_close_cell(&o->columns, start);
	o->column_count++;
}

static void
text_append_blanks(struct buf *b, size_t n)
{
	while (n--)
		buf_append_u8(b, ' ');
}

static void
text_field(struct output *o, const char *name, enum output_kind kind, struct bytes v)
{
	struct buf *b = &o->pending;
	bool coloured = o->out_colour && o->next_colour != OUTPUT_PLAIN;
	size_t start = b->len, width;

	if (text_in_table(o)) {
		text_cell(o, name, kind, v);
		return;
	}
	text_append_label(b, o, name);
	buf_append_u8(b, ':');
	width = text_columns(bytes_of(b->data + start, b->len - start));
	text_append_blanks(b, width < o->label_width ? o->label_width - width : 1);
	if (coloured)
		buf_append_str(b, output_colour_code(o->next_colour));
	text_append_value(b, o, kind, v);
	if (coloured)
		buf_append_str(b, output_colour_code(OUTPUT_PLAIN));
	buf_append_u8(b, '\n');
}

static struct bytes
text_next_cell(struct reader *r)
{
	return reader_bytes(r, reader_be32(r));
}

static size_t
text_digits(size_t n)
{
	size_t digits = 1;

	for (; n > 9; n /= 10)
		digits++;
	return digits;
}

static void
text_widen(struct output *o, struct buf *cells, size_t widths[TEXT_MAX_COLUMNS])
{
	struct reader r = reader_of(buf_bytes(cells));

	for (size_t i = 0; reader_left(&r); i = (i + 1) % o->column_count) {
		size_t columns = text_columns(text_next_cell(&r));

		widths[i] = columns > widths[i] ? columns : widths[i];
	}
}

/* One line: the first column, then the cells, or for each cell as many dashes as it is wide. */
static void
text_append_row(struct output *o, struct bytes first, struct reader *cells, bool dashes,
    const size_t widths[TEXT_MAX_COLUMNS])
{
	struct buf *b = &o->pending;
	size_t gap = TEXT_TABLE_GAP;

	for (size_t i = 0; i < first.len; i++)
		buf_append_u8(b, dashes ? '-' : first.data[i]);
	for (size_t i = 0; i < o->column_count; i++) {
		struct bytes cell = text_next_cell(cells);
		size_t columns = text_columns(cell);

		text_append_blanks(b, gap);
		for (size_t k = 0; dashes && k < columns; k++)
			buf_append_u8(b, '-');
		if (!dashes)
			buf_append_bytes(b, cell);
		gap = widths[i] - columns + TEXT_TABLE_GAP;
	}
	buf_append_u8(b, '\n');
}

static void
text_append_head(struct output *o, bool dashes, const size_t widths[TEXT_MAX_COLUMNS])
{
	static const char marks[] = "####################";
	struct reader r = reader_of(buf_bytes(&o->columns));

	text_append_row(o, bytes_of(marks, text_digits(output_top(o)->count)), &r, dashes, widths);
}

static void
text_list_end(struct output *o)
{
	const struct output_frame *list = output_top(o);
	size_t widths[TEXT_MAX_COLUMNS] = {0};
	struct reader r = reader_of(buf_bytes(&o->table));
	char number[32];

	if (list->style != OUTPUT_TABLE || list->count == 0)
		return;
	if (o->table.err || o->columns.err) {
		o->pending.err = o->table.err ? o->table.err : o->columns.err;
		return;
	}
	text_widen(o, &o->columns, widths);
	text_widen(o, &o->table, widths);
	buf_printf(&o->pending, "%zu %s:\n", list->count, list->noun);
	text_append_head(o, true, widths);
	text_append_head(o, false, widths);
	text_append_head(o, true, widths);
	for (size_t i = 1; i <= list->count; i++) {
		snprintf(number, sizeof number, "%-*zu", (int)text_digits(list->count), i);
		text_append_row(o, bytes_str(number), &r, false, widths);
		output_settle(o);
	}
	text_append_head(o, true, widths);
	buf_clear(&o->table);
	buf_clear(&o->columns);
}

static void
text_value(struct output *o, enum output_kind kind, struct bytes v)
{
	text_append_value(&o->pending, o, kind, v);
	buf_append_u8(&o->pending, '\n');
}

static void
text_message(struct output *o, struct bytes v)
{
	text_value(o, OUTPUT_KIND_BYTES, v);
}

const struct output_ops output_text_ops = {
    .record_begin = text_record_begin,
    .record_end = text_record_end,
    .list_begin = text_list_begin,
    .list_end = text_list_end,
    .field = text_field,
    .value = text_value,
    .message = text_message,
};
