/*
 * The segments of the log: creation ahead of use, appending to the last one, reading from any.
 *
 * Neighbours: commit.c appends, upkeep.c prepares, recover.c and reading.c read; bytes are made and
 * understood by record.c.
 * Invariants:
 *   1. Segments are numbered from 0 without a gap. Those below tail are sealed, tail is appended
 *   to,
 *      at most one follows it (prepared: allocated, zero, synced, not yet used).
 *   2. A segment appears under its name only when its header and its space are durable.
 *   3. Bytes below end never change; bytes of tail behind end are zero.
 *   4. A segment's file stays open while refs > 0; the tail holds one reference for the writer.
 *   5. lock guards the table, refs and files; prepare_lock keeps two preparations apart. end and
 *   tail
 *      belong to the writer; txlog_sync() reads only the tail's file, under lock.
 */
#include "store/txlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "crypto/record.h"
#include "util/crc32c.h"

#define MIB (1024u * 1024u)
#define SEGMENT_MAGIC "IMMULOG\n"
#define SEGMENT_VERSION 1u
#define SEGMENT_HEADER_USED 64u
#define SEGMENT_CRC_AT 60u
#define SEGMENT_SUFFIX ".log"
#define SEGMENT_NAME_MAX 32
#define ZERO_CHUNK (256u * 1024)

/* Small databases stay small: the first segments grow up to the usual size. */
static const uint32_t segment_sizes[] = {MIB / 8, 1 * MIB, 4 * MIB, 16 * MIB, 64 * MIB};

struct segment {
	struct vfs_file file; /* closed when refs is 0 and others are more in use */
	uint64_t size;
	uint64_t used_at; /* tick of the last acquisition */
	uint32_t salt;
	uint32_t refs;
	enum im_err err; /* of reading its header */
};

struct txlog {
	const struct vfs *vfs;
	char *dir;
	uint8_t database_id[TXLOG_DATABASE_ID_SIZE];
	pthread_mutex_t lock;
	pthread_mutex_t prepare_lock;
	struct segment **segments;
	uint32_t nsegments;
	uint32_t capacity;
	uint32_t nopen;
	uint64_t tick;
	/* The writer's. */
	struct segment *tail;
	uint64_t end;
	uint32_t
	    asked_for; /* segment that txlog_wants_next() has said yes for; the first is never */
};

static void
segment_name(uint32_t number, char name[SEGMENT_NAME_MAX])
{
	snprintf(name, SEGMENT_NAME_MAX, "%08" PRIu32 SEGMENT_SUFFIX, number);
}

void
txlog_path(const struct txlog *log, uint32_t segment, char path[VFS_PATH_MAX])
{
	char name[SEGMENT_NAME_MAX];

	segment_name(segment, name);
	if (vfs_path(path, log->dir, name) != IM_OK)
		path[0] = '\0';
}

static uint64_t
segment_size_for(uint32_t number, size_t need)
{
	size_t last = sizeof segment_sizes / sizeof *segment_sizes - 1;
	uint64_t size = segment_sizes[number < last ? number : last];
	uint64_t least = (uint64_t)need + TXLOG_HEADER_SIZE + RECORD_SEAL_SIZE;

	return least <= size ? size : (least + MIB - 1) / MIB * MIB;
}

/* ---- Headers ---- */

static void
header_put(uint8_t out[TXLOG_HEADER_SIZE], const struct txlog *log, uint32_t number,
    const struct segment *seg)
{
	memset(out, 0, TXLOG_HEADER_SIZE);
	memcpy(out, SEGMENT_MAGIC, 8);
	be32_put(out + 8, SEGMENT_VERSION);
	be32_put(out + 12, number);
	be64_put(out + 16, seg->size);
	be32_put(out + 24, seg->salt);
	memcpy(out + 32, log->database_id, TXLOG_DATABASE_ID_SIZE);
	be32_put(out + SEGMENT_CRC_AT, crc32c(0, out, SEGMENT_CRC_AT));
}

static enum im_err
header_get(const uint8_t *in, const struct txlog *log, uint32_t number, struct segment *seg)
{
	const char *path = seg->file.path;

	if (memcmp(in, SEGMENT_MAGIC, 8) != 0)
		return err_set(IM_ERR_CORRUPT, "%s: offset 0: not a log segment", path);
	/* The checksum stays where it is in all formats: a flipped bit is no newer version. */
	if (be32_get(in + SEGMENT_CRC_AT) != crc32c(0, in, SEGMENT_CRC_AT))
		return err_set(IM_ERR_CORRUPT, "%s: offset 0: wrong checksum of the header", path);
	if (be32_get(in + 8) > SEGMENT_VERSION)
		return err_set(IM_ERR_VERSION, "%s: format %u, this version knows up to %u", path,
		    (unsigned)be32_get(in + 8), SEGMENT_VERSION);
	if (be32_get(in + 12) != number)
		return err_set(
		    IM_ERR_CORRUPT, "%s: holds segment %u", path, (unsigned)be32_get(in + 12));
	if (memcmp(in + 32, log->database_id, TXLOG_DATABASE_ID_SIZE) != 0)
		return err_set(IM_ERR_CORRUPT, "%s: belongs to another database", path);
	seg->size = be64_get(in + 16);
	seg->salt = be32_get(in + 24);
	if (seg->size > UINT32_MAX || seg->size <= TXLOG_HEADER_SIZE)
		return err_set(IM_ERR_CORRUPT, "%s: offset 16: impossible size", path);
	return IM_OK;
}

/* ---- The table of segments; all under lock ---- */

static bool
table_push(struct txlog *log, struct segment *seg)
{
	if (log->nsegments == log->capacity) {
		uint32_t capacity = log->capacity ? log->capacity * 2 : 16;
		struct segment **grown =
		    (struct segment **)realloc(log->segments, capacity * sizeof *grown);

		if (!grown)
			return false;
		log->segments = grown;
		log->capacity = capacity;
	}
	log->segments[log->nsegments++] = seg;
	return true;
}

static void
segment_close(struct txlog *log, struct segment *seg)
{
	if (seg->file.fd >= 0)
		log->nopen--;
	vfs_file_close(&seg->file);
}

/* Closes the segment whose last use lies farthest back, when too many are open. */
static void
table_trim(struct txlog *log)
{
	struct segment *oldest = NULL;

	if (log->nopen < TXLOG_OPEN_SEGMENTS_MAX)
		return;
	for (uint32_t i = 0; i < log->nsegments; i++) {
		struct segment *seg = log->segments[i];

		if (seg->refs == 0 && seg->file.fd >= 0 &&
		    (!oldest || seg->used_at < oldest->used_at))
			oldest = seg;
	}
	if (oldest)
		segment_close(log, oldest);
}

static enum im_err
segment_open_file(struct txlog *log, uint32_t number, struct segment *seg)
{
	char name[SEGMENT_NAME_MAX];
	enum im_err err;

	table_trim(log);
	segment_name(number, name);
	err = vfs_file_open(&seg->file, log->vfs, log->dir, name, O_RDWR);
	/* A copy on read-only media can still be read. */
	if (err == IM_ERR_IO && (errno == EROFS || errno == EACCES))
		err = vfs_file_open(&seg->file, log->vfs, log->dir, name, O_RDONLY);
	if (err == IM_OK)
		log->nopen++;
	/*
	 * It was there when the log was opened; to readers "not found" would mean something else.
	 */
	return err == IM_ERR_NOT_FOUND ? err_set(IM_ERR_CORRUPT, "%s", err_detail(err)) : err;
}

static enum im_err
segment_load(struct txlog *log, uint32_t number, struct segment **out)
{
	uint8_t header[SEGMENT_HEADER_USED];
	struct segment *seg = (struct segment *)calloc(1, sizeof *seg);
	enum im_err err;

	if (!seg)
		return IM_ERR_NOMEM;
	seg->file = VFS_FILE_CLOSED;
	err = segment_open_file(log, number, seg);
	if (err == IM_OK)
		err = vfs_read(&seg->file, header, sizeof header, 0);
	if (err == IM_OK)
		err = header_get(header, log, number, seg);
	seg->err = err;
	if (err != IM_OK && err != IM_ERR_CORRUPT) {
		segment_close(log, seg);
		free(seg);
		return err;
	}
	*out = seg;
	return IM_OK;
}

/* Locked. What is wrong with a segment that cannot be read. */
static enum im_err
segment_fault(const struct txlog *log, uint32_t number, enum im_err err)
{
	char path[VFS_PATH_MAX];

	txlog_path(log, number, path);
	if (number >= log->nsegments)
		return err_set(err, "%s: missing", path);
	return err_set(err, "%s: offset 0: the header is damaged, or not of this database", path);
}

static enum im_err
acquire_locked(struct txlog *log, uint32_t number, struct segment **out)
{
	enum im_err err = number < log->nsegments ? log->segments[number]->err : IM_ERR_CORRUPT;
	struct segment *seg;

	if (err != IM_OK)
		return segment_fault(log, number, err);
	seg = log->segments[number];
	if (seg->file.fd < 0) {
		err = segment_open_file(log, number, seg);
		if (err != IM_OK)
			return err;
	}
	seg->refs++;
	seg->used_at = ++log->tick;
	*out = seg;
	return IM_OK;
}

static enum im_err
segment_acquire(struct txlog *log, uint32_t number, struct segment **out)
{
	enum im_err err;

	pthread_mutex_lock(&log->lock);
	err = acquire_locked(log, number, out);
	pthread_mutex_unlock(&log->lock);
	return err;
}

static void
segment_release(struct txlog *log, struct segment *seg)
{
	pthread_mutex_lock(&log->lock);
	seg->refs--;
	pthread_mutex_unlock(&log->lock);
}

/* ---- Open and close ---- */

struct listing {
	uint32_t count;
	uint32_t highest;
};

static int
list_segment(void *arg, const char *name)
{
	struct listing *listing = (struct listing *)arg;
	char expected[SEGMENT_NAME_MAX];
	unsigned long number = strtoul(name, NULL, 10);

	if (number >= UINT32_MAX)
		return 0;
	segment_name((uint32_t)number, expected);
	if (strcmp(name, expected) != 0)
		return 0;
	listing->count++;
	if (number > listing->highest)
		listing->highest = (uint32_t)number;
	return 0;
}

static enum im_err
load_all(struct txlog *log)
{
	struct listing listing = {0, 0};
	enum im_err err = IM_OK;

	if (log->vfs->list(log->vfs->ctx, log->dir, list_segment, &listing) != 0)
		return err_set_errno(vfs_errno_err(errno), "list", log->dir);
	if (listing.count && listing.count != listing.highest + 1)
		return err_set(IM_ERR_CORRUPT, "%s: %u log segments, but the last is number %u",
		    log->dir, (unsigned)listing.count, (unsigned)listing.highest);
	for (uint32_t i = 0; i < listing.count && err == IM_OK; i++) {
		struct segment *seg = NULL;

		err = segment_load(log, i, &seg);
		if (err == IM_OK && !table_push(log, seg)) {
			segment_close(log, seg);
			free(seg);
			err = IM_ERR_NOMEM;
		}
	}
	return err;
}

static enum im_err segment_create(struct txlog *log, uint32_t number, size_t need);

enum im_err
txlog_open(const struct txlog_options *options, struct txlog **out)
{
	struct txlog *log = (struct txlog *)calloc(1, sizeof *log);
	enum im_err err;

	if (!log)
		return IM_ERR_NOMEM;
	log->vfs = options->vfs;
	memcpy(log->database_id, options->database_id, TXLOG_DATABASE_ID_SIZE);
	pthread_mutex_init(&log->lock, NULL);
	pthread_mutex_init(&log->prepare_lock, NULL);
	log->dir = strdup(options->dir);
	err = log->dir ? load_all(log) : IM_ERR_NOMEM;
	if (err == IM_OK && log->nsegments == 0)
		err = segment_create(log, 0, 0);
	if (err != IM_OK) {
		txlog_close(log);
		return err;
	}
	*out = log;
	return IM_OK;
}

void
txlog_close(struct txlog *log)
{
	if (!log)
		return;
	for (uint32_t i = 0; i < log->nsegments; i++) {
		segment_close(log, log->segments[i]);
		free(log->segments[i]);
	}
	free(log->segments);
	free(log->dir);
	pthread_mutex_destroy(&log->lock);
	pthread_mutex_destroy(&log->prepare_lock);
	free(log);
}

/* ---- Reading ---- */

uint32_t
txlog_segments(struct txlog *log)
{
	uint32_t n;

	pthread_mutex_lock(&log->lock);
	n = log->nsegments;
	pthread_mutex_unlock(&log->lock);
	return n;
}

enum im_err
txlog_segment_info(struct txlog *log, uint32_t segment, uint32_t *salt, uint64_t *size)
{
	struct segment *seg;
	enum im_err err = segment_acquire(log, segment, &seg);

	if (err != IM_OK)
		return err;
	*salt = seg->salt;
	*size = seg->size;
	segment_release(log, seg);
	return IM_OK;
}

enum im_err
txlog_check_segment(struct txlog *log, uint32_t segment)
{
	struct segment *seg;
	uint64_t size;
	enum im_err err = segment_acquire(log, segment, &seg);

	if (err != IM_OK)
		return err;
	err = vfs_size(&seg->file, &size);
	if (err == IM_OK && size < seg->size)
		err = err_set(IM_ERR_CORRUPT, "%s: ends at offset %llu of %llu", seg->file.path,
		    (unsigned long long)size, (unsigned long long)seg->size);
	segment_release(log, seg);
	return err;
}

enum im_err
txlog_read(struct txlog *log, const struct txlog_read *read)
{
	static enum im_err (*const readers[])(const struct vfs_file *f, void *data, size_t n,
	    uint64_t offset) = {[TXLOG_READ] = vfs_read,
	    [TXLOG_READ_NOWAIT] = vfs_read_nowait,
	    [TXLOG_READ_ONCE] = vfs_read_once};
	struct segment *seg;
	enum im_err err = segment_acquire(log, TXLOG_SEGMENT(read->pos), &seg);

	if (err != IM_OK)
		return err;
	err = readers[read->how](&seg->file, read->data, read->n, TXLOG_OFFSET(read->pos));
	segment_release(log, seg);
	return err;
}

uint64_t
txlog_disk_bytes(struct txlog *log)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&log->lock);
	for (uint32_t i = 0; i < log->nsegments; i++)
		sum += log->segments[i]->size;
	pthread_mutex_unlock(&log->lock);
	return sum;
}

uint64_t
txlog_used_bytes(struct txlog *log)
{
	uint64_t end = txlog_end(log), sum = TXLOG_OFFSET(end);

	pthread_mutex_lock(&log->lock);
	for (uint32_t i = 0; i < TXLOG_SEGMENT(end) && i < log->nsegments; i++)
		sum += log->segments[i]->size;
	pthread_mutex_unlock(&log->lock);
	return sum;
}

/* ---- Creating segments ---- */

static enum im_err
allocate(const struct vfs_file *f, uint64_t size)
{
	if (f->vfs->allocate(f->vfs->ctx, f->fd, (off_t)size) == 0)
		return IM_OK;
	return err_set_errno(vfs_errno_err(errno), "allocate", f->path);
}

/* Fills a file that does not yet have its name: space, header, durable. */
static enum im_err
segment_fill(struct txlog *log, uint32_t number, struct segment *seg)
{
	uint8_t header[TXLOG_HEADER_SIZE];
	enum im_err err;

	if (getrandom(&seg->salt, sizeof seg->salt, 0) != (ssize_t)sizeof seg->salt)
		return err_set(IM_ERR_INTERNAL, "getrandom failed");
	header_put(header, log, number, seg);
	err = allocate(&seg->file, seg->size);
	if (err == IM_OK)
		err = vfs_write(&seg->file, header, sizeof header, 0);
	if (err == IM_OK)
		err = vfs_sync(&seg->file);
	return err;
}

/* Gives a segment that is whole and durable its name, and its place in the table. */
static enum im_err
segment_publish(struct txlog *log, struct segment *seg, uint32_t number)
{
	char path[VFS_PATH_MAX], *name;
	bool pushed;

	txlog_path(log, number, path);
	if (log->vfs->rename(log->vfs->ctx, seg->file.path, path) != 0)
		return err_set_errno(IM_ERR_IO, "rename", path);
	if (log->vfs->sync_dir(log->vfs->ctx, log->dir) != 0)
		return err_set_errno(IM_ERR_IO, "fsync", log->dir);
	name = strdup(path);
	if (!name)
		return IM_ERR_NOMEM;
	/* Before others can see the segment: they may close its file. */
	free(seg->file.path);
	seg->file.path = name;
	pthread_mutex_lock(&log->lock);
	table_trim(log);
	pushed = table_push(log, seg);
	log->nopen += pushed;
	pthread_mutex_unlock(&log->lock);
	return pushed ? IM_OK : IM_ERR_NOMEM;
}

static enum im_err
segment_create(struct txlog *log, uint32_t number, size_t need)
{
	char temporary[VFS_PATH_MAX], name[SEGMENT_NAME_MAX];
	struct segment *seg = (struct segment *)calloc(1, sizeof *seg);
	enum im_err err;

	if (!seg)
		return IM_ERR_NOMEM;
	seg->size = segment_size_for(number, need);
	segment_name(number, name);
	strcat(name, ".tmp");
	err = vfs_path(temporary, log->dir, name);
	if (err == IM_OK)
		err =
		    vfs_file_open(&seg->file, log->vfs, log->dir, name, O_RDWR | O_CREAT | O_TRUNC);
	if (err != IM_OK) {
		free(seg);
		return err;
	}
	err = segment_fill(log, number, seg);
	if (err == IM_OK)
		err = segment_publish(log, seg, number);
	if (err != IM_OK) {
		log->vfs->unlink(log->vfs->ctx, temporary);
		vfs_file_close(&seg->file);
		free(seg);
	}
	return err;
}

bool
txlog_wants_next(struct txlog *log)
{
	uint32_t next = TXLOG_SEGMENT(log->end) + 1;

	if (log->asked_for == next || TXLOG_OFFSET(log->end) < log->tail->size / 2)
		return false;
	log->asked_for = next;
	return true;
}

enum im_err
txlog_prepare(struct txlog *log)
{
	enum im_err err = IM_OK;
	uint32_t next;

	pthread_mutex_lock(&log->prepare_lock);
	next = TXLOG_SEGMENT(txlog_end(log)) + 1;
	if (txlog_segments(log) == next)
		err = segment_create(log, next, 0);
	pthread_mutex_unlock(&log->prepare_lock);
	return err;
}

static enum im_err
segment_remove_last(struct txlog *log)
{
	char path[VFS_PATH_MAX];
	struct segment *seg;
	uint32_t number;

	pthread_mutex_lock(&log->lock);
	number = --log->nsegments;
	seg = log->segments[number];
	segment_close(log, seg);
	free(seg);
	pthread_mutex_unlock(&log->lock);
	txlog_path(log, number, path);
	if (log->vfs->unlink(log->vfs->ctx, path) != 0)
		return err_set_errno(IM_ERR_IO, "remove", path);
	return IM_OK;
}

/* ---- Writing ---- */

static void
set_end(struct txlog *log, uint64_t end)
{
	__atomic_store_n(&log->end, end, __ATOMIC_RELEASE);
}

static bool
all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/*
 * Zeroes what is not zero behind offset; what was cut must not be read again after a later crash.
 */
static enum im_err
zero_rest(struct segment *seg, uint64_t offset)
{
	uint8_t *chunk = (uint8_t *)malloc(ZERO_CHUNK);
	enum im_err err = chunk ? IM_OK : IM_ERR_NOMEM;
	bool written = false;

	while (err == IM_OK && offset < seg->size) {
		size_t n = seg->size - offset < ZERO_CHUNK ? seg->size - offset : ZERO_CHUNK;

		err = vfs_read(&seg->file, chunk, n, offset);
		if (err == IM_OK && !all_zero(chunk, n)) {
			memset(chunk, 0, n);
			err = vfs_write(&seg->file, chunk, n, offset);
			written = true;
		}
		offset += n;
	}
	if (err == IM_OK && written)
		err = vfs_sync(&seg->file);
	free(chunk);
	return err;
}

/*
 * Writes [offset, end) of a segment again, but for pieces that are all zero, and syncs the segment.
 */
static enum im_err
write_again(struct segment *seg, uint64_t offset, uint64_t end)
{
	uint8_t *chunk = (uint8_t *)malloc(ZERO_CHUNK);
	enum im_err err = chunk ? IM_OK : IM_ERR_NOMEM;

	while (err == IM_OK && offset < end) {
		size_t n = end - offset < ZERO_CHUNK ? (size_t)(end - offset) : ZERO_CHUNK;

		err = vfs_read(&seg->file, chunk, n, offset);
		if (err == IM_OK && !all_zero(chunk, n))
			err = vfs_write(&seg->file, chunk, n, offset);
		offset += n;
	}
	free(chunk);
	return err == IM_OK ? vfs_sync(&seg->file) : err;
}

enum im_err
txlog_settle(struct txlog *log, uint64_t from, uint64_t to)
{
	enum im_err err = IM_OK;

	for (uint32_t i = TXLOG_SEGMENT(from); err == IM_OK && i <= TXLOG_SEGMENT(to); i++) {
		uint64_t offset = i == TXLOG_SEGMENT(from) ? TXLOG_OFFSET(from) : 0;
		struct segment *seg;

		err = segment_acquire(log, i, &seg);
		if (err != IM_OK)
			break;
		err =
		    write_again(seg, offset, i == TXLOG_SEGMENT(to) ? TXLOG_OFFSET(to) : seg->size);
		segment_release(log, seg);
	}
	return err;
}

/* A tail that lost the zeroes at its end gets them back. */
static enum im_err
extend_tail(struct segment *seg)
{
	uint64_t size;
	enum im_err err = vfs_size(&seg->file, &size);

	if (err == IM_OK && size < seg->size) {
		err = allocate(&seg->file, seg->size);
		if (err == IM_OK)
			err = vfs_sync(&seg->file);
	}
	return err;
}

enum im_err
txlog_start(struct txlog *log, uint64_t pos)
{
	enum im_err err = IM_OK;

	while (err == IM_OK && txlog_segments(log) > TXLOG_SEGMENT(pos) + 1)
		err = segment_remove_last(log);
	if (err == IM_OK && log->vfs->sync_dir(log->vfs->ctx, log->dir) != 0)
		err = err_set_errno(IM_ERR_IO, "fsync", log->dir);
	if (err == IM_OK)
		err = segment_acquire(log, TXLOG_SEGMENT(pos), &log->tail);
	if (err != IM_OK)
		return err;
	set_end(log, pos);
	err = extend_tail(log->tail);
	return err == IM_OK ? zero_rest(log->tail, TXLOG_OFFSET(pos)) : err;
}

uint64_t
txlog_end(const struct txlog *log)
{
	return __atomic_load_n(&log->end, __ATOMIC_ACQUIRE);
}

size_t
txlog_room(const struct txlog *log)
{
	uint64_t left = log->tail->size - TXLOG_OFFSET(log->end);

	return left > RECORD_SEAL_SIZE ? (size_t)(left - RECORD_SEAL_SIZE) : 0;
}

uint32_t
txlog_salt(const struct txlog *log)
{
	return log->tail->salt;
}

enum im_err
txlog_append(struct txlog *log, struct iovec *iov, size_t count, size_t total, uint64_t *pos)
{
	enum im_err err = vfs_writev(&log->tail->file, iov, count, TXLOG_OFFSET(log->end));

	if (err != IM_OK)
		return err;
	*pos = log->end;
	set_end(log, log->end + total);
	return IM_OK;
}

enum im_err
txlog_sync(struct txlog *log)
{
	struct segment *tail;
	enum im_err err;

	/*
	 * The writer syncs a segment before it leaves it, so the present one is all there is to
	 * sync.
	 */
	err = segment_acquire(log, TXLOG_SEGMENT(txlog_end(log)), &tail);
	if (err != IM_OK)
		return err;
	err = vfs_sync(&tail->file);
	segment_release(log, tail);
	return err;
}

/* Makes sure that segment number next exists with room for need bytes. */
static enum im_err
ensure_next(struct txlog *log, uint32_t next, size_t need)
{
	enum im_err err = IM_OK;
	uint32_t salt;
	uint64_t size;

	pthread_mutex_lock(&log->prepare_lock);
	if (txlog_segments(log) > next) {
		err = txlog_segment_info(log, next, &salt, &size);
		if (err == IM_OK && size < segment_size_for(next, need))
			err = segment_remove_last(log);
	}
	if (err == IM_OK && txlog_segments(log) == next)
		err = segment_create(log, next, need);
	pthread_mutex_unlock(&log->prepare_lock);
	return err;
}

enum im_err
txlog_next_segment(struct txlog *log, size_t need)
{
	uint8_t seal[RECORD_SEAL_SIZE];
	uint32_t next = TXLOG_SEGMENT(log->end) + 1;
	enum im_err err = ensure_next(log, next, need);
	struct segment *tail;

	/*
	 * No byte of the log was touched: whatever was in the way may be gone at the next attempt.
	 */
	if (err != IM_OK)
		return err == IM_ERR_NOMEM ? err : err_set(IM_ERR_NO_SPACE, "%s", err_detail(err));
	record_seal_put(seal, next, log->tail->salt);
	err = vfs_write(&log->tail->file, seal, sizeof seal, TXLOG_OFFSET(log->end));
	if (err == IM_OK)
		err = vfs_sync(&log->tail->file);
	if (err == IM_OK)
		err = segment_acquire(log, next, &tail);
	if (err != IM_OK)
		return err == IM_ERR_NO_SPACE ? err_set(IM_ERR_IO, "%s", err_detail(err)) : err;
	segment_release(log, log->tail);
	log->tail = tail;
	set_end(log, TXLOG_POS(next, TXLOG_HEADER_SIZE));
	return IM_OK;
}
