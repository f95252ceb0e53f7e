#ifndef NEW_PASSWORD_H
#define NEW_PASSWORD_H

#include "cli/session.h"

/* What the server asks of a password, as one line for people. */
extern const char new_password_rules[];

/*
 * A new password for a user, NUL-terminated, into out, which the caller wipes: from the option of
 * that name if it is set; else asked for twice on a terminal; else the first line of the input.
 * IM_ERR_CREDENTIALS when the two differ or none is given.
 */
enum im_err
new_password_get(struct session *s, const char *option, const char *user, struct buf *out);

#endif
