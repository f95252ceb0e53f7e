#ifndef COLD_FOLDER_H
#define COLD_FOLDER_H

#include "cold_manifest.h"
#include "crypto/hash_stream.h"

/*
 * Writing a copy of a data folder, file by file. Files get mode 0600, folders 0700, whatever they
 * had; the owner is who runs this, until cold_folder_give(). Nothing is written over and no link is
 * followed. One owner at a time.
 */
struct cold_folder {
	const char *path; /* for messages */
	int fd;
	struct cold_list list; /* what was written */
	/* Of the file that is being written. */
	int file_fd;
	struct cold_file file;
	char file_path[COLD_PATH_MAX];
	uint64_t at;
	bool is_reserved; /* its room is there, so that zeros need not be written */
	struct hash_stream *hash;
};

/*
 * Makes the folder path, which must not exist; its parent must. IM_ERR_EXISTS, IM_ERR_IO,
 * IM_ERR_NO_SPACE.
 */
enum im_err cold_folder_begin(struct cold_folder *f, const char *path);

/* Makes a folder below, with those above it. path is as of cold_name_clean(), not "". */
enum im_err cold_folder_make(struct cold_folder *f, const char *path);

/* Begins a file of size bytes. IM_ERR_FORMAT when there is one of that name. */
enum im_err cold_folder_open(struct cold_folder *f, const char *path, uint64_t size);

/*
 * Appends; zeros up to offset, which is never below what was written. IM_ERR_FORMAT past the file's
 * size.
 */
enum im_err cold_folder_write(struct cold_folder *f, uint64_t offset, struct bytes data);

/* Ends a file: zeros up to its size, and an entry in the list. */
enum im_err cold_folder_close(struct cold_folder *f);

/* Makes all of it durable, the folder's own entry in its parent too. */
enum im_err cold_folder_sync(struct cold_folder *f);

/* Releases what f holds; the folder stays. */
void cold_folder_end(struct cold_folder *f);

/*
 * Removes a folder with all that is in it, as far as that is possible. NULL and what is not there
 * are fine.
 */
void cold_folder_remove(const char *path);

/* Gives a folder and all that is in it to another owner; for root. IM_ERR_IO. */
struct stat;
enum im_err cold_folder_give(const char *path, const struct stat *owner);

#endif
