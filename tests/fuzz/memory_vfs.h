#ifndef MEMORY_VFS_H
#define MEMORY_VFS_H

#include "store/vfs.h"

/*
 * A file system in memory that never fails, for fuzz targets of the storage engine: no system
 * calls, so that an input takes microseconds. Folders need not be made; a path is a name.
 */
struct memory_vfs;

/* Files of one file system, removed ones that are still open included. */
#define MEMORY_FILES_MAX 64
/* Bytes of all files; more is ENOSPC. */
#define MEMORY_BYTES_MAX (64u << 20)

/* An empty file system; ends the process when there is no memory. */
struct memory_vfs *memory_vfs_new(void);

/* Every file must be closed: a descriptor that is still open is a bug of the engine. */
void memory_vfs_free(struct memory_vfs *m);

/* What the engine is given. Valid as long as m. */
const struct vfs *memory_vfs_table(struct memory_vfs *m);

/* Puts a file there, or replaces its content. The bytes are copied. */
void memory_vfs_put(struct memory_vfs *m, const char *path, struct bytes content);

/* The content of a file, valid until it is changed; {NULL, 0} when there is none. */
struct bytes memory_vfs_content(struct memory_vfs *m, const char *path);

#endif
