#ifndef COLD_UNPACK_H
#define COLD_UNPACK_H

#include "cold_folder.h"
#include "util/output.h"

/*
 * Copies the files of a backup into a folder that has been begun: source is an archive (tar, gzip
 * or not) or a folder. Nothing of it is trusted: names, links, types, sizes. IM_ERR_FORMAT for what
 * is not a backup, unsafe, cut off or altered, as far as that shows here; IM_ERR_NO_SPACE,
 * IM_ERR_IO, IM_ERR_INTERRUPTED. On success to->list is sorted.
 */
enum im_err cold_unpack(const char *source, struct cold_folder *to, struct output *out);

/*
 * The data folder in what was unpacked: the folder that has databases in it, at the top or alone in
 * folders that have nothing else ("var/lib/immudb"). Into root, relative to path, "" for path
 * itself. IM_ERR_FORMAT when there is none.
 */
enum im_err cold_unpack_root(const char *path, char root[COLD_PATH_MAX]);

/*
 * Checks what lies in root against the manifest in it, which is read into m; *has_manifest is false
 * when it has none, because it was made by hand. The manifest's files are removed. IM_ERR_FORMAT
 * for a backup that is not whole.
 */
enum im_err cold_unpack_check(
    const struct cold_folder *f, const char *root, struct cold_manifest *m, bool *has_manifest);

#endif
