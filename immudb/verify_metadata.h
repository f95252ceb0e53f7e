#ifndef VERIFY_METADATA_H
#define VERIFY_METADATA_H

#include "util/bytes.h"
#include "util/xid.h"

/*
 * Reads the metadata file of the data folder dir, on a copy in the folder for temporary files, which is
 * removed again, and calls fault with one line for all that is wrong: the file missing or damaged, a
 * database that it names without a folder. IM_OK also then; an error only when it could not be
 * checked: IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NO_SPACE, IM_ERR_LIMIT, IM_ERR_NOMEM.
 */
enum im_err verify_metadata(const char *dir, char identity[XID_TEXT_LEN + 1],
    void (*fault)(void *ctx, const char *what), void *ctx);

#endif
