#ifndef STORE_STORE_IMPORT_H
#define STORE_STORE_IMPORT_H

#include "store/store.h"

/*
 * A database made of transactions that exist already, with their headers as they are: a restore.
 * The folder is a database from the beginning, but nobody may use it before it is finished. One
 * thread at a time uses an import.
 */
struct store_import;

/*
 * Creates an empty database in options->dir, which must be absent or empty. Errors as store_open().
 */
enum im_err store_import_open(const struct store_options *options, struct store_import **out);

/*
 * The next transaction, as a record of an archive that has been verified. IM_ERR_NO_SPACE,
 * IM_ERR_IO, IM_ERR_NOMEM: then the import can only be closed.
 */
enum im_err store_import_add(struct store_import *im, struct bytes record);

/*
 * Makes all of it durable and opens the database as store_open() does, by which tree, offsets and
 * index are made and the chain of transactions is computed again. IM_ERR_CORRUPT when that does not
 * lead to state. The import is closed in any case.
 */
enum im_err
store_import_finish(struct store_import *im, const struct store_state *state, struct store **out);

/* Gives up; the folder is left as it is. NULL is allowed. */
void store_import_close(struct store_import *im);

#endif
