#ifndef STORE_INDEX_ITER_H
#define STORE_INDEX_ITER_H

#include "store/index_cursor.h"

/*
 * What the two kinds of walk (index_scan.c, index_history.c) share: a version of the index and a
 * cursor over each source that may matter, newest first. A kind's structure begins with this one.
 */
struct index_iter {
	enum im_err (*next)(struct index_iter *it, struct index_entry *out);
	void (*finish)(struct index_iter *it); /* frees what is the kind's own; may be NULL */
	struct index_version *version;
	uint64_t as_of;
	bool ended;
	enum im_err broken; /* an error that a repeated call cannot mend */
	unsigned count;
	struct index_cursor cursors[INDEX_SOURCES_MAX];
};

/*
 * Fills the common part of a zeroed iterator: a cursor over each source with transactions up to
 * read->as_of for which wanted (NULL: all) says so. IM_ERR_NOMEM; free with index_iter_close() even
 * then.
 */
enum im_err index_iter_init(struct index_iter *it, struct index *idx, const struct index_read *read,
    bool (*wanted)(const struct index_iter *it, unsigned source));

/* Whether the source of cursor i has transactions newer than as_of. */
bool index_iter_mixed(const struct index_iter *it, unsigned i);

#endif
