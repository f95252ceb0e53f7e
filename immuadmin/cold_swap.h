#ifndef COLD_SWAP_H
#define COLD_SWAP_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "util/err.h"
#include "util/output.h"

/*
 * Putting a folder in the place of another in one step. All work happens in the folder
 * TARGET.restoring, on the same file system: at any moment, also when this process is killed,
 * TARGET is the old folder or the new one, whole. One owner at a time.
 */
#define COLD_STAGE_SUFFIX ".restoring"

struct cold_swap {
	const char *target;   /* absolute path */
	char stage[PATH_MAX]; /* the folder of all work */
	char fresh[PATH_MAX]; /* in it: where the new folder is to be made, by the caller */
	char kept[PATH_MAX];  /* what the old folder will be called */
	int stage_fd;         /* locked */
	bool has_old;
	bool has_old_inside; /* between the exchange and the old folder's new name */
	struct stat old;
};

/*
 * Finishes or removes what a killed swap left, with a note, and makes the folder of work. kept is
 * the name for the old folder, if there is one; nothing may be there. IM_ERR_LOCKED (another one
 * works on target), IM_ERR_CONFIG (target is a mount point, or its file system cannot do this),
 * IM_ERR_EXISTS, IM_ERR_IO, IM_ERR_NO_SPACE.
 */
enum im_err
cold_swap_begin(struct cold_swap *w, const char *target, const char *kept, struct output *out);

/*
 * Puts the folder root ("" or a path below w->fresh) in the place of the target and the old one
 * under the name kept. When this fails, the target is as it was. IM_ERR_IO, IM_ERR_CONFIG.
 */
enum im_err cold_swap_run(struct cold_swap *w, const char *root);

/* Removes the folder of work, and with it the new folder if it was not put in place. */
void cold_swap_end(struct cold_swap *w);

/* What cold_swap_begin() does first. */
enum im_err cold_swap_recover(const char *target, struct output *out);

#endif
