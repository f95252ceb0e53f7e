#ifndef UTIL_XID_H
#define UTIL_XID_H

#include "util/bytes.h"

/*
 * Ids of 12 bytes, shown as 20 characters of lower-case base32hex without padding: 4 bytes of
 * big-endian seconds, 3 of machine, 2 of process id, 3 of a counter.
 */
#define XID_SIZE 12
#define XID_TEXT_LEN 20

struct xid {
	uint8_t data[XID_SIZE];
};

/*
 * A new id, different from every other of this process and, in all likelihood, of any: the machine
 * part and the counter's start are random. Safe from any thread. IM_ERR_IO without random numbers.
 */
enum im_err xid_make(struct xid *out);

/* Writes the 20 characters and a NUL. Returns out. */
char *xid_format(const struct xid *id, char out[XID_TEXT_LEN + 1]);

/* Reads 20 characters; IM_ERR_FORMAT for anything that xid_format() does not write. */
enum im_err xid_parse(struct bytes text, struct xid *out);

#endif
