#ifndef UTIL_YAML_CONFIG_H
#define UTIL_YAML_CONFIG_H

#include "util/config.h"

/*
 * The YAML front of the same flat document, by libyaml: one document, a mapping of scalars, of
 * sequences of scalars and of further mappings (dotted keys). Plain scalars are typed by the core
 * schema (true/false, integers, floats, null as an empty string), quoted ones are strings. Refused:
 * several documents, anchors and aliases, explicit tags, keys given twice, deeper nesting.
 */

/* As toml_parse(). */
enum im_err yaml_config_parse(struct bytes text, struct config_doc *doc);

#endif
