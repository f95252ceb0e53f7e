#ifndef TESTS_AUDITOR_MARKUP_CHECK_H
#define TESTS_AUDITOR_MARKUP_CHECK_H

#include "util/bytes.h"

/*
 * Whether a page is well-formed: every element closed in order, every attribute quoted, no bare "<"
 * or "&", entities that exist, characters that may stand there. NULL when it is, else what is wrong
 * and where. It also refuses what our pages never hold: scripts, style attributes, handlers of
 * events, and anything from another host.
 */
const char *markup_check(struct bytes page);

#endif
