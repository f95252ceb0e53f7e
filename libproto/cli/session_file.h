#ifndef SESSION_FILE_H
#define SESSION_FILE_H

#include "util/bytes.h"

/*
 * The stored session: one file, a title and four lines "name value". It holds a secret: mode 0600,
 * wiped from memory by session_record_free().
 */
#define SESSION_FILE_MAX 8192

struct session_record {
	struct buf address;  /* "127.0.0.1:3322", "unix:PATH"; all four are NUL-terminated */
	struct buf user;     /* who logged in */
	struct buf database; /* may be empty */
	struct buf token;
};

void session_record_init(struct session_record *r);
void session_record_free(struct session_record *r);

/* Sets the four; IM_ERR_NOMEM, IM_ERR_FORMAT for a line end in one of them. */
enum im_err session_record_set(struct session_record *r, const char *address, const char *user,
    const char *database, const char *token);

/* Writes the record to path, whose folder is made if it is missing. */
enum im_err session_record_write(const char *path, const struct session_record *r);

/* Reads a record. IM_ERR_NOT_FOUND; IM_ERR_FORMAT naming the file when it is not one; IM_ERR_IO. */
enum im_err session_record_read(const char *path, struct session_record *out);

#endif
