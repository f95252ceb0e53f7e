#ifndef SHELL_WORDS_H
#define SHELL_WORDS_H

#include "util/arena.h"

/*
 * A line of the shell as words. Blanks (space, tab, line end) separate words; 'single quotes' take
 * all as it is; in "double quotes" a backslash takes the next " or \ as it is; outside of quotes it
 * takes any character so, and a line end not at all. A # that begins a word begins a comment. Pure.
 */
struct shell_words {
	char **words; /* NULL-terminated, from the arena */
	size_t count;
	/* Where the line ends: for the next line, and for completion. */
	bool is_open;   /* inside quotes, or behind a backslash: the line goes on */
	char quote;     /* the quote that is open, 0 if none */
	bool in_word;   /* the last word may grow */
	size_t word_at; /* where the last word begins in the line, if in_word */
};

/* IM_ERR_FORMAT for a NUL in the line, IM_ERR_NOMEM. */
enum im_err shell_split(struct bytes line, struct arena *arena, struct shell_words *out);

/* Appends text such that shell_split() reads it as part of one word, within the quote or none. */
bool shell_quote(struct buf *out, struct bytes text, char quote);

#endif
