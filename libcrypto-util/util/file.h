#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include "util/bytes.h"

/*
 * Small files: configuration, keys, states, tokens. (The storage engine has file calls of its own.)
 * Paths are NUL-terminated. Failures carry the path and the system's reason as detail text. Safe
 * from any thread; nothing follows the working folder but the paths themselves.
 */

#define FILE_MODE_PRIVATE 0600
#define FOLDER_MODE_PRIVATE 0700

/*
 * Appends the content of a file to out. IM_ERR_NOT_FOUND when there is no such file, IM_ERR_LIMIT
 * when it holds more than max_bytes (a device or pipe is read up to the limit), IM_ERR_IO
 * otherwise.
 */
enum im_err file_read(const char *path, size_t max_bytes, struct buf *out);

/* As file_read() for an open descriptor, from where it stands; name is how messages call it. */
enum im_err file_read_open(int fd, const char *name, size_t max_bytes, struct buf *out);

/*
 * Appends the first line of a file, without its line end, to out; for secrets kept in files. The
 * line may have at most max_bytes bytes, and more lines may follow. Errors as file_read();
 * IM_ERR_FORMAT when the line is empty or holds a NUL.
 */
enum im_err file_read_line(const char *path, size_t max_bytes, struct buf *out);

/*
 * Replaces a file's content in one durable step: a temporary file of mode 0600 in the same folder,
 * synced, renamed over path, the folder synced. At any moment, power cuts included, path holds the
 * old content or the new. The folder must exist. IM_ERR_IO also for a path that is a device, a
 * pipe, a socket or a folder.
 */
enum im_err file_replace(const char *path, struct bytes content);

/* Makes a folder and its missing parents, mode 0700. One that exists is left as it is. */
enum im_err file_make_folder(const char *path);

/* As file_make_folder() for the folder that the file path lies in. */
enum im_err file_make_parent(const char *path);

/* Syncs the folder that the file path lies in, so that its entry is durable. */
enum im_err file_sync_parent(const char *path);

/*
 * Takes an advisory lock on a file, which is created (mode 0600) when missing, and puts the
 * descriptor that holds it into *fd. With wait it blocks until the lock is free; without,
 * IM_ERR_LOCKED says that another process has it. Close with file_unlock(). The file stays:
 * removing a lock file would let two processes hold "the" lock.
 */
enum im_err file_lock(const char *path, bool wait, int *fd);

/* Releases the lock and sets *fd to -1. Does nothing when *fd is -1. */
void file_unlock(int *fd);

/*
 * Whether path belongs to the user who runs this; so does what is not there. IM_ERR_PERMISSION with
 * the path and both user ids, IM_ERR_IO.
 */
enum im_err file_check_owner(const char *path);

/*
 * Whether a daemon may make its files in a folder. Names, NULL-terminated, are files that it makes
 * there: one of them tells whose the folder is in use by, and has to be ours, for root, too, who
 * would leave files behind that the other user cannot open. Without any the owner of the folder
 * tells. A folder of another user that we may write to all the same, as a member of its group, is
 * good for anybody but root. Makes nothing. IM_ERR_PERMISSION with path, both user ids and what to
 * do; IM_ERR_IO.
 */
enum im_err file_check_folder_owner(const char *folder, const char *const *names);

/*
 * Appends folder, a slash where needed, and name, and a NUL that is not counted in out->len.
 * out->data is then a path.
 */
enum im_err file_join(struct buf *out, const char *folder, const char *name);

/*
 * The folder for trusted states and tokens: $XDG_STATE_HOME/immudb, else $HOME/.local/state/immudb.
 * A variable that is empty or not an absolute path counts as not set. Puts a NUL-terminated path
 * into out. IM_ERR_CONFIG when neither is set. Makes nothing.
 */
enum im_err file_state_folder(struct buf *out);

#endif
