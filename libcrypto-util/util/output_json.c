/*
 * Results as JSON. Neighbour: output.
 *
 * Invariant: whatever the fields hold, each top-level result is one valid JSON value of valid
 * UTF-8, and a line end follows it.
 */
#include "util/base64.h"
#include "util/hex.h"
#include "util/output_format.h"
#include "util/text.h"

/*
 * The field name with blanks turned into underscores, as a JSON name; a comma before all but the
 * first.
 */
static void
json_append_name(struct buf *b, bool first, const char *name, const char *suffix)
{
	size_t start;

	if (!first)
		buf_append_str(b, ", ");
	start = b->len;
	buf_append_u8(b, '"');
	buf_append_str(b, name);
	buf_append_str(b, suffix);
	buf_append_str(b, "\": ");
	for (size_t i = start; i + 3 < b->len; i++)
		if (b->data[i] == ' ')
			b->data[i] = '_';
}

static void
json_record_begin(struct output *o, const struct output_frame *up)
{
	if (up && up->kind == OUTPUT_FRAME_RECORD)
		json_append_name(&o->pending, up->count == 0, output_top(o)->name, "");
	else if (up)
		buf_append_str(&o->pending, up->count ? ",\n" : "\n");
	buf_append_u8(&o->pending, '{');
}

static void
json_record_end(struct output *o)
{
	buf_append_str(&o->pending, o->depth == 1 ? "}\n" : "}");
}

static void
json_list_begin(struct output *o, const struct output_frame *up)
{
	if (up)
		json_append_name(&o->pending, up->count == 0, output_top(o)->name, "");
	buf_append_u8(&o->pending, '[');
}

static void
json_list_end(struct output *o)
{
	buf_append_str(&o->pending, output_top(o)->count ? "\n]" : "]");
	if (o->depth == 1)
		buf_append_u8(&o->pending, '\n');
}

static void
json_append_field(
    struct buf *b, bool first, const char *name, enum output_kind kind, struct bytes v)
{
	if (kind == OUTPUT_KIND_BYTES && !text_utf8_valid(v))
		kind = OUTPUT_KIND_BASE64;
	if (kind == OUTPUT_KIND_BASE64 || kind == OUTPUT_KIND_HEX) {
		json_append_name(b, first, name, kind == OUTPUT_KIND_HEX ? "_hex" : "_base64");
		buf_append_u8(b, '"');
		if (kind == OUTPUT_KIND_HEX)
			hex_append(b, v);
		else
			base64_append(b, BASE64_STD, v);
		buf_append_u8(b, '"');
		return;
	}
	json_append_name(b, first, name, "");
	if (kind == OUTPUT_KIND_LITERAL)
		buf_append_bytes(b, v);
	else
		text_append_json(b, v);
}

static void
json_field(struct output *o, const char *name, enum output_kind kind, struct bytes v)
{
	json_append_field(&o->pending, output_top(o)->count == 0, name, kind, v);
}

static void
json_alone(struct output *o, const char *name, enum output_kind kind, struct bytes v)
{
	buf_append_u8(&o->pending, '{');
	json_append_field(&o->pending, true, name, kind, v);
	buf_append_str(&o->pending, "}\n");
}

static void
json_value(struct output *o, enum output_kind kind, struct bytes v)
{
	json_alone(o, "value", kind, v);
}

static void
json_message(struct output *o, struct bytes v)
{
	json_alone(o, "message", OUTPUT_KIND_BYTES, v);
}

const struct output_ops output_json_ops = {
    .record_begin = json_record_begin,
    .record_end = json_record_end,
    .list_begin = json_list_begin,
    .list_end = json_list_end,
    .field = json_field,
    .value = json_value,
    .message = json_message,
};
