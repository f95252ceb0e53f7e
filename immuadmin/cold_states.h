#ifndef COLD_STATES_H
#define COLD_STATES_H

#include "cold_manifest.h"

/*
 * The databases of a data folder that no server uses, sorted by name, and the identity of its
 * server: asked of "immudb verify". With is_complete every transaction is checked; otherwise only
 * what opening checks. IM_ERR_CORRUPT with the first fault that the log's loss caused (what is made
 * from the log is rebuilt and does not count); IM_ERR_LOCKED, IM_ERR_CONFIG (no data folder) and
 * all else that it says as IM_ERR_IO; IM_ERR_INTERRUPTED.
 */
enum im_err cold_states_find(const char *dir, bool is_complete, struct cold_states *out);

/*
 * Reads what "immudb verify --output json" printed; of cold_states_find(). IM_ERR_FORMAT,
 * IM_ERR_CORRUPT.
 */
enum im_err cold_states_parse(struct bytes json, struct cold_states *out);

#endif
