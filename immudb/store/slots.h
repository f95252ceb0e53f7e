#ifndef STORE_SLOTS_H
#define STORE_SLOTS_H

#include "store/vfs.h"

/*
 * A small file that is replaced in place without ever being unreadable: two slots, written in turn,
 * each with checksum and generation (FORMAT.md, "Slots"). A write that a power cut tears spoils the
 * older of the two states only. One owner; not thread-safe.
 */
struct slots_options {
	const struct vfs *vfs;
	const char *dir;
	const char *name;
	uint32_t
	    magic; /* names the kind and version of the content; its last byte is the version */
	size_t payload_max; /* longest state; fixes the layout of the file */
};

struct slots {
	struct slots_options options; /* but dir and name */
	char *dir;                    /* owned */
	char *name;                   /* owned */
	struct vfs_file file;         /* closed until the file exists */
	uint64_t generation[2];       /* 0: slot holds no state */
	size_t length[2];
	bool folder_synced;  /* the file's entry in the folder is durable */
	_Atomic bool exists; /* the file is open; for who only wants to know that */
};

/* What slots_close() leaves, and accepts. */
#define SLOTS_CLOSED ((struct slots){.file = VFS_FILE_CLOSED})

/*
 * Opens the file if there is one, copying the options, and finds its states. A file that is absent,
 * empty or damaged is no error: it has fewer states. IM_ERR_VERSION, IM_ERR_IO, IM_ERR_NOMEM. Close
 * with slots_close().
 */
enum im_err slots_open(struct slots *s, const struct slots_options *options);

void slots_close(struct slots *s);

/*
 * Reads the newest state (age 0) or the one before (age 1) into out, cleared first.
 * IM_ERR_NOT_FOUND when there is none, IM_ERR_IO, IM_ERR_LIMIT or IM_ERR_NOMEM.
 */
enum im_err slots_read(const struct slots *s, int age, struct buf *out);

/*
 * Makes state the newest, durably: the file is created when absent, the older slot is written and
 * synced. state.len <= payload_max. IM_ERR_NO_SPACE, IM_ERR_IO; the newest state is then what it
 * was, or this one.
 */
enum im_err slots_write(struct slots *s, struct bytes state);

/* Bytes that the file may take, for a file that exists; 0 otherwise. */
uint64_t slots_disk_bytes(const struct slots *s);

#endif
