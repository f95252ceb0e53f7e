#ifndef KEY_ARGUMENT_H
#define KEY_ARGUMENT_H

#include "client/immu.h"

/*
 * Splits "KEY@REV": a positive REV is a revision, 0 the latest, a negative one counts back. Without
 * the separator, or when what follows its last occurrence is not a whole number, all of it is the
 * key. An empty separator never splits. Pure; *key borrows from text.
 */
void key_argument_split(
    const char *text, const char *separator, struct immu_bytes *key, struct immu_version *version);

#endif
