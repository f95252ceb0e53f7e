#ifndef COLD_PACK_H
#define COLD_PACK_H

#include "cold_manifest.h"
#include "util/output.h"

/* Writing a backup of a data folder that nobody uses. */
struct cold_pack {
	const char *dir;                /* the data folder */
	const char *target;             /* of the backup; nothing is there yet */
	struct cold_manifest *manifest; /* with states and time; the files are added */
	struct output *out;             /* for progress and notes */
};

/*
 * Writes the backup as target: a folder, or an archive (tar, gzip) of one whose name is the last
 * part of dir. It gets its name when it is whole and on the disk. Whatever goes wrong, nothing of
 * it is left; a kill leaves target with COLD_PARTIAL_SUFFIX, which cold_pack_clean() removes.
 * IM_ERR_NO_SPACE, IM_ERR_IO, IM_ERR_FORMAT (what cannot be in a backup), IM_ERR_INTERRUPTED.
 */
enum im_err cold_pack(const struct cold_pack *p, bool as_folder);

/*
 * Removes from a folder what a killed backup of the same data folder left there, with a note for
 * each. base is what the names of its backups begin with. Returns how many there were.
 */
#define COLD_PARTIAL_SUFFIX ".partial"
size_t cold_pack_clean(const char *folder, const char *base, struct output *out);

#endif
