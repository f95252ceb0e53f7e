#ifndef UTIL_DURATION_H
#define UTIL_DURATION_H

#include "util/bytes.h"

/* Lengths of time as people write them: "5m", "1h30m", "10s", "250ms", "1.5h", "90". Pure. */

/* Room for every text of duration_format(), NUL included. */
#define DURATION_TEXT_SIZE 48

/*
 * Reads a duration into *ns. One or more pairs of a decimal number and a unit (ns, us, ms, s, m, h,
 * d), largest or not, added up; a number alone is seconds. No sign, no blanks. IM_ERR_FORMAT when
 * text is anything else, IM_ERR_LIMIT when it passes INT64_MAX nanoseconds; the detail says which.
 */
enum im_err duration_parse(struct bytes text, int64_t *ns);

/* Writes the shortest exact text that duration_parse() reads back, such as "1h30m". Returns out. */
char *duration_format(int64_t ns, char out[DURATION_TEXT_SIZE]);

#endif
