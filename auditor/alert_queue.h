#ifndef AUDITOR_ALERT_QUEUE_H
#define AUDITOR_ALERT_QUEUE_H

#include "util/bytes.h"
#include "util/xid.h"

/*
 * Alerts that wait for delivery: a folder with one file each, whose name says the order, whether it
 * is an alarm, and the alert's id:
 *
 *	00000000000000000042-alarm-9m4e2mr0ui3e8a215n4g.json
 *	00000000000000000043-round-9m4e2mr0ui3e8a215n50.json
 *
 * A file is written in one durable step (util/file.h) and removed when its alert was delivered, so
 * that each alert is delivered at least once whenever the process is killed. One process at a time
 * has the folder, by a lock on the file "lock" in it. One thread at a time.
 */
#define ALERT_QUEUE_MAX 1000 /* alerts; then the oldest goes */

struct alert_item {
	uint64_t number;
	bool is_alarm;
	char id[XID_TEXT_LEN + 1];
	/* The content itself, when the disk did not take it; NULL: it is in the file. */
	uint8_t *kept;
	size_t kept_len;
};

struct alert_queue {
	char *dir;
	int lock_fd;
	uint64_t next_number;
	struct alert_item items[ALERT_QUEUE_MAX]; /* by number */
	size_t len;
};

/*
 * Opens the folder, which is made if missing, and finds what is left of a run before; files
 * half-written then are removed, others that are no alerts are left alone. With more than
 * ALERT_QUEUE_MAX the oldest go; *dropped is how many. IM_ERR_LOCKED, IM_ERR_IO, IM_ERR_NOMEM.
 */
enum im_err alert_queue_open(struct alert_queue *q, const char *dir, size_t *dropped);

/* Frees memory and lock; the files stay. */
void alert_queue_close(struct alert_queue *q);

/*
 * Adds an alert at the end. When the queue is full, the oldest that is no alarm goes, or the oldest
 * of all, and *dropped is set. When the disk does not take the alert it is kept in memory, which is
 * an error all the same (IM_ERR_IO, IM_ERR_NO_SPACE) because it does not outlive the process.
 * IM_ERR_NOMEM: it is lost.
 */
enum im_err alert_queue_add(
    struct alert_queue *q, const struct alert_item *item, struct bytes body, bool *dropped);

/* A copy of the oldest; false when there is none. */
bool alert_queue_first(const struct alert_queue *q, struct alert_item *out);

/*
 * Appends the content of an alert that is queued. IM_ERR_CORRUPT when its file holds no alert,
 * IM_ERR_IO.
 */
enum im_err
alert_queue_read(const struct alert_queue *q, const struct alert_item *item, struct buf *out);

/* Takes it out, if it is still there. */
void alert_queue_remove(struct alert_queue *q, const struct alert_item *item);

#endif
