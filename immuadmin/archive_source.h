#ifndef ARCHIVE_SOURCE_H
#define ARCHIVE_SOURCE_H

#include "cli/session.h"
#include "crypto/archive.h"

/* Reading archives from files, and telling of them. */

/*
 * Feeds all that fd has to the reader, with progress, and finishes it. name is how messages call
 * it. Errors of reading (IM_ERR_IO), of archive_reader_feed() and archive_reader_finish().
 */
enum im_err
archive_source_read(struct session *s, int fd, const char *name, struct archive_reader *reader);

/* Shows progress now and then: how many transactions of how many. */
void archive_show_progress(struct session *s, const struct archive_reader *reader);

/* Shows what an archive has, as the result of a command. */
void archive_show(struct session *s, const struct archive_reader *reader);

/*
 * The state that a part ends with must be signed by the key of --server-signing-pub-key, if that is
 * given. IM_ERR_SIGNATURE_MISSING, IM_ERR_SIGNATURE, IM_ERR_KEY_FILE.
 */
enum im_err archive_check_key(
    const struct session *s, const struct archive_header *h, const struct archive_trailer *t);

#endif
