#ifndef SHELL_H
#define SHELL_H

#include "shell_edit.h"
#include "util/options.h"

/*
 * The words that may follow in the shell: commands, sub-commands, flags. Pure. Returns true when
 * the word is the name of a key instead, which only the server can complete.
 */
bool shell_complete_words(const struct command *root, const struct shell_words *before,
    struct bytes stem, struct shell_candidates *out);

#endif
