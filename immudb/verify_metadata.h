#ifndef VERIFY_METADATA_H
#define VERIFY_METADATA_H

#include "meta/meta.h"
#include "util/xid.h"

/* What the metadata file says of a data folder. */
struct verify_metadata {
	char identity[XID_TEXT_LEN + 1]; /* "" when the file cannot be read */
	bool is_known;                   /* the databases are known */
	struct meta_database *databases;
	size_t count, room;
};

/*
 * Reads the metadata file of the data folder dir, on a copy in the folder for temporary files,
 * which is removed again, and calls fault with one line for all that is wrong: the file missing,
 * empty or damaged, a database that it names without a folder or with an empty one. IM_OK also
 * then; an error only when it could not be checked: IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NO_SPACE,
 * IM_ERR_LIMIT, IM_ERR_NOMEM. The caller frees out.
 */
enum im_err verify_metadata_read(const char *dir, struct verify_metadata *out,
    void (*fault)(void *ctx, const char *what), void *ctx);
void verify_metadata_free(struct verify_metadata *m);

/*
 * Whether there is a database in that folder of the data folder dir: one that lost its marker but
 * not its log is one, too.
 */
bool verify_metadata_has_database(const char *dir, const char *folder);

/* The database in that folder; NULL when it names none. */
const struct meta_database *
verify_metadata_find(const struct verify_metadata *m, const char *folder);

#endif
