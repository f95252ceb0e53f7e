#ifndef SHELL_EDIT_H
#define SHELL_EDIT_H

#include "shell_words.h"

/*
 * Lines from a person, with editing, history and completion (libedit), or from a pipe or file, as
 * they are. Main thread only.
 */
struct shell_edit;

/* Words that could stand in place of the last one; each is kept in the arena. */
struct shell_candidates {
	struct arena *arena;
	struct bytes *list;
	size_t count;
};

#define SHELL_CANDIDATES_MAX 100u

/* Adds one; more than SHELL_CANDIDATES_MAX are left out. */
void shell_candidates_add(struct shell_candidates *c, struct bytes word);

/*
 * What all candidates have in common behind the stem, as a view of one of them: whole characters
 * only, and none that a line cannot hold. Empty when there is nothing, or one does not begin with
 * the stem.
 */
struct bytes shell_candidates_common(const struct shell_candidates *c, struct bytes stem);

struct shell_edit_source {
	/* The prompt for a new line; lives until it is asked for again. */
	const char *(*prompt)(void *ctx);
	/*
	 * Adds the words that begin with stem and may follow the words before it; before->count of
	 * them are complete.
	 */
	void (*complete)(void *ctx, const struct shell_words *before, struct bytes stem,
	    struct shell_candidates *out);
	void *ctx;
};

/* NULL without memory. source must outlive it. */
struct shell_edit *shell_edit_new(const struct shell_edit_source *source);

/* Sets the terminal back and releases everything. NULL is accepted. */
void shell_edit_free(struct shell_edit *e);

/* Whether a person types. */
bool shell_edit_is_interactive(const struct shell_edit *e);

/*
 * Appends the next line, without its end, to line; what is in there already is the beginning of the
 * same command, and the prompt says so. IM_ERR_NOT_FOUND at the end of input, IM_ERR_INTERRUPTED by
 * Ctrl-C, IM_ERR_LIMIT, IM_ERR_IO.
 */
enum im_err shell_edit_read(struct shell_edit *e, struct buf *line);

/* Puts a command into the history, in memory and in ~/.immuclient_history (mode 0600). */
void shell_edit_remember(struct shell_edit *e, struct bytes line);

#endif
