#ifndef COLD_PLACE_H
#define COLD_PLACE_H

#include <limits.h>

#include "cli/session.h"

/* Where a backup or a restore works, and whether it may; what the two commands have in common. */

/*
 * A name that is not taken: what it begins with, the time (UTC, "2024-02-29_12-00-00", with a
 * number behind it when that second is taken), and what it ends with. IM_ERR_ARGUMENT when it gets
 * too long, IM_ERR_EXISTS.
 */
enum im_err cold_place_name(const char *begin, const char *end, char out[PATH_MAX]);

/*
 * The data folder of --dbdir as an absolute path without links; it exists, or its parent does if
 * must_exist is false. IM_ERR_NOT_FOUND, IM_ERR_ARGUMENT (no folder, or one of something else; the
 * working folder, or one that the working folder is in), IM_ERR_PERMISSION (somebody else's, with
 * path and user ids).
 */
enum im_err cold_place_data(const struct session *s, bool must_exist, char out[PATH_MAX]);

/*
 * IM_ERR_PERMISSION when path exists and belongs to another user; root may use what belongs to any.
 */
enum im_err cold_place_check_owner(const char *path);

/* IM_ERR_ARGUMENT when the server's address is not one of this machine. */
enum im_err cold_place_check_local(const struct session *s);

/*
 * Asks for a yes unless --yes is given. IM_ERR_CANCELLED for a no, IM_ERR_USAGE without anybody to
 * ask.
 */
enum im_err cold_place_confirm(const struct session *s, const char *question);

#endif
