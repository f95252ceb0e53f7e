#ifndef UTIL_OUTPUT_FORMAT_H
#define UTIL_OUTPUT_FORMAT_H

#include "util/output.h"

/*
 * Between output.c and its renderers: the state of an output and the table of functions that a
 * format is. Not for commands.
 */
enum output_frame_kind { OUTPUT_FRAME_RECORD, OUTPUT_FRAME_LIST };

/* What a field's bytes are. */
enum output_kind {
	OUTPUT_KIND_BYTES,  /* anything */
	OUTPUT_KIND_HEX,    /* anything, to be shown in hex */
	OUTPUT_KIND_BASE64, /* anything, to be shown in standard base64 */
	OUTPUT_KIND_ASCII,  /* text that needs no escaping; a JSON string */
	OUTPUT_KIND_LITERAL /* a number, true, false, null; JSON as it stands */
};

struct output_frame {
	enum output_frame_kind kind;
	const char *name;
	const char *noun;
	enum output_style style;
	size_t count; /* fields of a record, records of a list */
};

struct output;

struct output_ops {
	/* up is the frame around the one at the top, NULL at the top level. */
	void (*record_begin)(struct output *o, const struct output_frame *up);
	void (*record_end)(struct output *o);
	void (*list_begin)(struct output *o, const struct output_frame *up);
	void (*list_end)(struct output *o);
	void (*field)(struct output *o, const char *name, enum output_kind kind, struct bytes v);
	void (*value)(struct output *o, enum output_kind kind, struct bytes v);
	void (*message)(struct output *o, struct bytes v);
};

extern const struct output_ops output_text_ops;
extern const struct output_ops output_json_ops;

struct output {
	enum output_format format;
	enum output_kind bytes_kind; /* how fields of bytes are shown */
	const struct output_ops *ops;
	const char *program;
	int out_fd, err_fd;
	bool out_terminal, err_terminal, out_colour, err_colour;
	bool reader_gone;
	bool progress_allowed, progress_shown;
	enum im_err err; /* the first failure */
	char why[128];
	unsigned label_width;
	enum output_colour next_colour;
	struct buf pending; /* for out_fd */
	struct buf table;   /* text: cells of an open table, each behind its length */
	struct buf columns; /* text: the table's column names, likewise */
	size_t column_count;
	struct output_frame frames[OUTPUT_MAX_DEPTH];
	size_t depth;
};

static inline struct output_frame *
output_top(struct output *o)
{
	return o->depth ? &o->frames[o->depth - 1] : NULL;
}

/* The innermost list that is open, or NULL. */
static inline struct output_frame *
output_list(struct output *o)
{
	for (size_t i = o->depth; i-- > 0;)
		if (o->frames[i].kind == OUTPUT_FRAME_LIST)
			return &o->frames[i];
	return NULL;
}

/* Writes the buffer out when it is time to. */
void output_settle(struct output *o);

/* The terminal's code that switches a colour on; OUTPUT_PLAIN switches all off. */
const char *output_colour_code(enum output_colour colour);

#endif
