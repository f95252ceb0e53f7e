#ifndef UTIL_TOML_H
#define UTIL_TOML_H

#include "util/config.h"

/*
 * A strict reader of the part of TOML 1.0 that configuration files use: comments, [tables], dotted,
 * bare and quoted keys; basic and literal strings on one line, with all escapes; integers (decimal,
 * 0x, 0o, 0b, underscores), floats, booleans; arrays of scalars over several lines. Refused with a
 * clear text: multi-line strings, dates, arrays of tables, inline tables, nested arrays, anything
 * defined twice, bytes that are not UTF-8, control characters.
 */

/*
 * Parses text into doc, which is initialised and empty. On failure IM_ERR_CONFIG (IM_ERR_LIMIT,
 * IM_ERR_NOMEM) with a detail that begins "LINE:COLUMN: "; doc then holds what came before and must
 * be freed all the same. The detail never repeats a value. Pure.
 */
enum im_err toml_parse(struct bytes text, struct config_doc *doc);

#endif
