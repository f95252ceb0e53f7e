#ifndef STORE_VFS_SHADOW_H
#define STORE_VFS_SHADOW_H

#include "store/vfs.h"

/*
 * Files that can be changed without changing them: what is written, created, renamed and removed
 * through this table stays in memory and is seen by whoever reads through it; the folders
 * underneath are only read. So a store can be opened, with all that recovery does, on files that
 * must stay as they are. Locks are real ones, so that nobody else opens the files meanwhile; a lock
 * file that is not there is not made. A changed file costs the memory of its changed pages.
 */
struct vfs_shadow;

/* A table over base (NULL: vfs_posix), which must outlive it. NULL without memory. */
struct vfs_shadow *vfs_shadow_new(const struct vfs *base);

/* The table; valid until vfs_shadow_free(). */
const struct vfs *vfs_shadow_table(struct vfs_shadow *shadow);

/* Forgets all changes. No file of it may be open. NULL is accepted. */
void vfs_shadow_free(struct vfs_shadow *shadow);

#endif
