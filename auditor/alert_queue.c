/*
 * The queue of alerts on disk. Neighbours: alert (fills it and takes from it).
 *
 * Invariants: an alert whose adding succeeded is on disk; the list in memory is what lies in the
 * folder, but for alerts that the disk refused; numbers grow, also over restarts while something is
 * queued.
 */
#include "alert_queue.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alert_json.h"
#include "util/file.h"
#include "util/log.h"

#define ALERT_NUMBER_DIGITS 20
#define ALERT_WORD_LEN 5
#define ALERT_NAME_SIZE 64
#define ALERT_NO_FD (-1)

static const char *
alert_item_name(const struct alert_item *item, char out[ALERT_NAME_SIZE])
{
	snprintf(out, ALERT_NAME_SIZE, "%020" PRIu64 "-%s-%s.json", item->number,
	    item->is_alarm ? "alarm" : "round", item->id);
	return out;
}

/* Reads a name back; false for anything that is not exactly one. */
static bool
alert_item_parse(const char *name, struct alert_item *out)
{
	const size_t id_at = ALERT_NUMBER_DIGITS + ALERT_WORD_LEN + 2;
	char again[ALERT_NAME_SIZE];
	struct xid id;

	*out = (struct alert_item){0};
	if (strlen(name) != id_at + XID_TEXT_LEN + strlen(".json") ||
	    xid_parse(bytes_of(name + id_at, XID_TEXT_LEN), &id) != IM_OK)
		return false;
	for (size_t i = 0; i < ALERT_NUMBER_DIGITS; i++)
		out->number = out->number * 10 + (uint64_t)(name[i] - '0');
	out->is_alarm = name[ALERT_NUMBER_DIGITS + 1] == 'a';
	xid_format(&id, out->id);
	return strcmp(alert_item_name(out, again), name) == 0;
}

/* Puts the path of an alert's file into an empty buffer; NULL without memory. */
static const char *
alert_item_path(const struct alert_queue *q, const struct alert_item *item, struct buf *out)
{
	char name[ALERT_NAME_SIZE];

	return file_join(out, q->dir, alert_item_name(item, name)) == IM_OK
	    ? (const char *)out->data
	    : NULL;
}

#define ALERT_PATH_MAX 8192

static void
alert_item_unlink(const struct alert_queue *q, const struct alert_item *item)
{
	struct buf path;
	const char *name;

	buf_init(&path, ALERT_PATH_MAX);
	name = alert_item_path(q, item, &path);
	if (name && !item->kept && unlink(name) != 0 && errno != ENOENT)
		log_error("alert %s stays queued: %s: %s", item->id, name, strerror(errno));
	buf_free(&path);
	free(item->kept);
}

static void
alert_queue_take_out(struct alert_queue *q, size_t at)
{
	alert_item_unlink(q, &q->items[at]);
	q->len--;
	memmove(&q->items[at], &q->items[at + 1], (q->len - at) * sizeof q->items[0]);
}

/* Which one goes when there is no room: of what is no alarm the oldest, else the oldest of all. */
static void
alert_queue_drop(struct alert_queue *q)
{
	size_t at = 0;

	while (at < q->len && q->items[at].is_alarm)
		at++;
	if (at == q->len)
		at = 0;
	log_error("the queue of alerts is full (%d): alert %s is dropped, undelivered",
	    ALERT_QUEUE_MAX, q->items[at].id);
	alert_queue_take_out(q, at);
}

/* Puts an item where its number belongs. */
static void
alert_queue_insert(struct alert_queue *q, const struct alert_item *item)
{
	size_t at = q->len;

	while (at > 0 && q->items[at - 1].number > item->number)
		at--;
	memmove(&q->items[at + 1], &q->items[at], (q->len - at) * sizeof q->items[0]);
	q->items[at] = *item;
	q->len++;
	if (item->number >= q->next_number)
		q->next_number = item->number + 1;
}

/* A file in the folder: an alert, or what a power cut left of one. */
static void
alert_queue_found(struct alert_queue *q, const char *name, size_t *dropped)
{
	struct alert_item item;
	struct buf path;

	if (alert_item_parse(name, &item)) {
		if (q->len == ALERT_QUEUE_MAX) {
			alert_queue_drop(q);
			++*dropped;
		}
		alert_queue_insert(q, &item);
		return;
	}
	buf_init(&path, ALERT_PATH_MAX);
	if (strstr(name, ".json.") && file_join(&path, q->dir, name) == IM_OK)
		(void)unlink((const char *)path.data);
	buf_free(&path);
}

static enum im_err
alert_queue_scan(struct alert_queue *q, size_t *dropped)
{
	DIR *folder = opendir(q->dir);
	struct dirent *entry;

	if (!folder)
		return err_set_errno(IM_ERR_IO, "open", q->dir);
	while ((entry = readdir(folder)))
		alert_queue_found(q, entry->d_name, dropped);
	closedir(folder);
	return IM_OK;
}

enum im_err
alert_queue_open(struct alert_queue *q, const char *dir, size_t *dropped)
{
	struct buf path;
	enum im_err err;

	*q = (struct alert_queue){.lock_fd = ALERT_NO_FD, .next_number = 1};
	*dropped = 0;
	q->dir = strdup(dir);
	if (!q->dir)
		return err_set(IM_ERR_NOMEM, "out of memory");
	buf_init(&path, ALERT_PATH_MAX);
	err = file_make_folder(dir);
	if (!err)
		err = file_join(&path, dir, "lock");
	if (!err)
		err = file_lock((const char *)path.data, false, &q->lock_fd);
	if (!err)
		err = alert_queue_scan(q, dropped);
	buf_free(&path);
	if (err)
		alert_queue_close(q);
	return err;
}

void
alert_queue_close(struct alert_queue *q)
{
	for (size_t i = 0; i < q->len; i++)
		free(q->items[i].kept);
	q->len = 0;
	file_unlock(&q->lock_fd);
	free(q->dir);
	q->dir = NULL;
}

/* The second best place: it is lost with the process. */
static enum im_err
alert_item_keep(struct alert_item *item, struct bytes body)
{
	item->kept = (uint8_t *)malloc(body.len);
	if (!item->kept)
		return err_set(IM_ERR_NOMEM, "out of memory");
	memcpy(item->kept, body.data, body.len);
	item->kept_len = body.len;
	return IM_OK;
}

enum im_err
alert_queue_add(
    struct alert_queue *q, const struct alert_item *item, struct bytes body, bool *dropped)
{
	struct alert_item added = *item;
	struct buf path;
	const char *name;
	enum im_err err;

	added.number = q->next_number;
	added.kept = NULL;
	*dropped = q->len == ALERT_QUEUE_MAX;
	if (*dropped)
		alert_queue_drop(q);
	buf_init(&path, ALERT_PATH_MAX);
	name = alert_item_path(q, &added, &path);
	err = name ? file_replace(name, body) : err_set(path.err, "%s: path too long", q->dir);
	buf_free(&path);
	if (err && alert_item_keep(&added, body) != IM_OK)
		return IM_ERR_NOMEM;
	alert_queue_insert(q, &added);
	return err;
}

bool
alert_queue_first(const struct alert_queue *q, struct alert_item *out)
{
	if (q->len == 0)
		return false;
	*out = q->items[0];
	return true;
}

enum im_err
alert_queue_read(const struct alert_queue *q, const struct alert_item *item, struct buf *out)
{
	struct buf path;
	const char *name;
	enum im_err err;

	if (item->kept)
		return buf_append(out, item->kept, item->kept_len) ? IM_OK : out->err;
	buf_init(&path, ALERT_PATH_MAX);
	name = alert_item_path(q, item, &path);
	err = name ? file_read(name, ALERT_BODY_MAX, out)
		   : err_set(path.err, "%s: path too long", q->dir);
	if (err == IM_ERR_NOT_FOUND || err == IM_ERR_LIMIT)
		err = err_set(IM_ERR_CORRUPT, "%s: gone, or no alert", name);
	if (!err && (out->len < 2 || out->data[0] != '{' || out->data[out->len - 2] != '}'))
		err = err_set(IM_ERR_CORRUPT, "%s: not an alert", name);
	buf_free(&path);
	return err;
}

void
alert_queue_remove(struct alert_queue *q, const struct alert_item *item)
{
	for (size_t i = 0; i < q->len; i++) {
		if (q->items[i].number != item->number)
			continue;
		alert_queue_take_out(q, i);
		return;
	}
}
