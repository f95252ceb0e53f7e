#ifndef CRYPTO_ARCHIVE_PARTS_H
#define CRYPTO_ARCHIVE_PARTS_H

/*
 * Private to archives: the kind of a trailer, in the place where a record of the log has its own.
 */
#define ARCHIVE_KIND_TRAILER 16u

#endif
