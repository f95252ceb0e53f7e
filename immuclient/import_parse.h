#ifndef IMPORT_PARSE_H
#define IMPORT_PARSE_H

#include "util/bytes.h"

/*
 * An incremental parser of key-value rows. Pure: bytes are fed in as they come, rows are taken out.
 *
 *   tsv    KEY <TAB> VALUE <LF>; bytes as they are, further tabs belong to the value
 *   csv    RFC 4180: two fields, quotes doubled inside quotes, line ends CR LF or LF
 *   jsonl  one object a line: "key" or "key_base64", "value" or "value_base64", all strings; and
 *   what
 *          export adds: "expires_at", a time, which is kept, "tx" and "proof_base64", which are not
 *
 * Empty lines are ignored. The last line may lack its line end. Lines count from 1. One owner.
 */

/* Longest row in bytes, as text: a 32 MiB value in base64 or with many escapes, and its key. */
#define IMPORT_ROW_MAX (80u << 20)

enum import_format { IMPORT_TSV, IMPORT_CSV, IMPORT_JSONL };

/* Where in a csv row a byte stands. */
enum import_csv_state {
	IMPORT_CSV_START, /* first byte of a field */
	IMPORT_CSV_PLAIN,
	IMPORT_CSV_QUOTED,
	IMPORT_CSV_QUOTE_SEEN /* a quote inside quotes: the closing one, or the first of two */
};

/* One row. Key and value are borrowed from the parser until its next call. */
struct import_row {
	struct bytes key;
	struct bytes value;
	int64_t expires_at; /* Unix seconds; 0: never */
	uint64_t first_line;
	uint64_t last_line; /* differs for csv values with line ends */
};

struct import_parser {
	enum import_format format;
	struct buf input;          /* fed and not yet released */
	size_t pos;                /* start of the next row in input */
	size_t scanned;            /* input up to here holds no end of the row at pos */
	enum import_csv_state csv; /* at position scanned */
	bool discarding;           /* the rest of an overlong line is on its way */
	bool finished;             /* nothing more will be fed */
	uint64_t line;             /* number of the line at pos */
	struct buf key;            /* decoded fields of the row last taken */
	struct buf value;
};

/* An empty parser. Release it with import_parser_free(). */
void import_parser_init(struct import_parser *p, enum import_format format);
void import_parser_free(struct import_parser *p);

/* Appends input. IM_ERR_NOMEM; IM_ERR_LIMIT when much more is fed than taken. */
enum im_err import_parser_feed(struct import_parser *p, struct bytes input);

/* No more input will come: what is left is the last row. */
void import_parser_finish(struct import_parser *p);

/*
 * Takes the next row. IM_OK; IM_ERR_WOULD_BLOCK when more input is needed; IM_ERR_NOT_FOUND at the
 * end; IM_ERR_FORMAT or IM_ERR_LIMIT when the row at row->first_line is malformed: the detail text
 * says how, and the next call goes on with the line after that one.
 */
enum im_err import_parser_next(struct import_parser *p, struct import_row *row);

#endif
