/*
 * Rows of import files. First byte: bits 0 and 1 choose the format, the rest the size of the pieces
 * in which the input is fed. However it is cut, the same rows come out; lines only grow.
 */
#include <assert.h>

#include "crypto/hash.h"
#include "fuzz.h"
#include "import_parse.h"

/* What came out of a whole input. */
struct outcome {
	uint64_t rows, bad;
	struct hash digest; /* of all rows */
};

static void
add_row(struct outcome *o, const struct import_row *row)
{
	uint8_t numbers[24];

	assert(row->key.len > 0 && row->key.len <= IMPORT_ROW_MAX);
	be64_put(numbers, row->first_line);
	be64_put(numbers + 8, row->last_line);
	be64_put(numbers + 16, row->key.len);
	hash_parts((struct bytes[]){hash_bytes(&o->digest), bytes_of(numbers, sizeof numbers),
		       row->key, row->value},
	    4, &o->digest);
	o->rows++;
}

/* Takes the rows there are; false at the end of the input. */
static bool
take_rows(struct import_parser *p, struct outcome *o, uint64_t *line)
{
	struct import_row row;
	enum im_err err = IM_OK;

	while (err != IM_ERR_WOULD_BLOCK && err != IM_ERR_NOT_FOUND) {
		row = (struct import_row){.first_line = 0};
		err = import_parser_next(p, &row);
		if (err == IM_ERR_WOULD_BLOCK || err == IM_ERR_NOT_FOUND)
			continue;
		assert(err == IM_OK || err == IM_ERR_FORMAT || err == IM_ERR_LIMIT);
		assert(row.first_line > *line && row.last_line >= row.first_line);
		*line = err == IM_OK ? row.last_line : row.first_line;
		if (err == IM_OK)
			add_row(o, &row);
		else
			o->bad++;
	}
	return err == IM_ERR_WOULD_BLOCK;
}

static struct outcome
parse(enum import_format format, struct bytes in, size_t piece)
{
	struct import_parser p;
	struct outcome o = {0};
	uint64_t line = 0;
	bool more = true;

	import_parser_init(&p, format);
	while (in.len > 0) {
		assert(import_parser_feed(&p, fuzz_take(&in, piece)) == IM_OK);
		more = take_rows(&p, &o, &line);
		assert(more);
	}
	import_parser_finish(&p);
	more = take_rows(&p, &o, &line);
	assert(!more);
	import_parser_free(&p);
	return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint8_t how = (uint8_t)fuzz_number(&in, 1);
	enum import_format format = (enum import_format)((how & 3) % 3);
	struct outcome whole = parse(format, in, in.len + 1);
	struct outcome pieces = parse(format, in, 1 + (how >> 2));

	assert(whole.rows == pieces.rows && whole.bad == pieces.bad);
	assert(hash_equal(&whole.digest, &pieces.digest));
	return 0;
}
