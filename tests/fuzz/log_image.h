#ifndef LOG_IMAGE_H
#define LOG_IMAGE_H

#include "memory_vfs.h"

/*
 * The folder of a database as an input of log_fuzz describes it, so that a few hundred bytes stand
 * for files of fixed sizes that are mostly zero. An input is a list of parts: kind (1 byte), length
 * (2 bytes), content.
 */
enum log_part {
	LOG_PART_SEGMENT_0, /* first 64 bytes of the header, and the records */
	LOG_PART_SEGMENT_1,
	LOG_PART_MARK, /* its two slots, 80 bytes each */
	LOG_PART_CHECKPOINT,
	LOG_PART_TREE_TAIL, /* slot 0 */
	LOG_PART_OFFSETS_TAIL,
	LOG_PART_MANIFEST,
	LOG_PART_RUN, /* the file 0000000000000001.run */
	LOG_PARTS
};

/* Segments of an image have this size. */
#define LOG_IMAGE_SEGMENT 65536u
#define LOG_IMAGE_HEADER 64u
/* Bytes of one slot of the mark. */
#define LOG_IMAGE_MARK 80u

/* What is put right before the engine sees it. */
enum log_repair {
	LOG_REPAIR_NOTHING,
	LOG_REPAIR_SUMS,   /* headers of segments, and checksums */
	LOG_REPAIR_CHAIN,  /* also hashes of values, roots of entries, the chain, tree roots */
	LOG_REPAIR_VALUES, /* the same but the hashes of values */
};

/*
 * Puts the files of an image into the folder SAMPLE_FOLDER (sample_store.h). False without a first
 * segment: that would be a new database.
 */
bool log_image_put(struct memory_vfs *files, struct bytes image, enum log_repair repair);

/* Appends one part to an image. */
void log_image_add(struct buf *image, enum log_part kind, struct bytes content);

#endif
