#ifndef COLD_TREE_H
#define COLD_TREE_H

#include "cold_names.h"

/*
 * Reading a data folder, or an uncompressed backup, file by file. Paths are as of
 * cold_name_clean(). Handlers return anything but IM_OK to stop, which is then returned; NULL
 * handlers are not called.
 */
struct cold_tree {
	/* A folder, before what is in it. */
	enum im_err (*folder)(void *ctx, const char *path);
	/* A file of size bytes, open at its begin. */
	enum im_err (*file)(void *ctx, const char *path, int fd, uint64_t size);
	/* What was left out, because only a running server needs it, or it is not of the server. */
	void (*left_out)(void *ctx, const char *path);
	void *ctx;
};

/*
 * Goes through the folder dir. Left out are the lock file of the folder, what marks a backup
 * (cold_manifest.h), sockets and lost+found; with is_backup nothing but sockets. IM_ERR_FORMAT for
 * links, devices, pipes, and names that cannot be in a backup: nothing is followed. IM_ERR_IO.
 */
enum im_err cold_tree_walk(const char *dir, bool is_backup, const struct cold_tree *tree);

#endif
