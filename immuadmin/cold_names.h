#ifndef COLD_NAMES_H
#define COLD_NAMES_H

#include "util/bytes.h"

/* Names of files in a backup: paths below the data folder. Pure; safe from any thread. */

/* With the NUL. */
#define COLD_PATH_MAX 1024
#define COLD_NAME_MAX 255
#define COLD_DEPTH_MAX 16

/*
 * What an untrusted name stands for, into out: its parts with one slash between them, without "."
 * and without a slash at the end; "" for the folder itself ("." and "./"). IM_ERR_FORMAT, with the
 * name made fit to be shown, for what could lie outside or cannot be a file of ours: an absolute
 * name, "..", a part over COLD_NAME_MAX bytes, more than COLD_DEPTH_MAX parts, COLD_PATH_MAX bytes
 * or more, bytes below 0x20 or 0x7f, nothing at all.
 */
enum im_err cold_name_clean(struct bytes name, char out[COLD_PATH_MAX]);

/* A name for messages: control bytes as '?', cut where it gets long. Returns out. */
#define COLD_NAME_SHOWN 128
char *cold_name_show(struct bytes name, char out[COLD_NAME_SHOWN]);

#endif
