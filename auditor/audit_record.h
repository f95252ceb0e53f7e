#ifndef AUDITOR_AUDIT_RECORD_H
#define AUDITOR_AUDIT_RECORD_H

#include "report.h"

/*
 * What an auditor remembers of a database beside its trusted state (client/trust_file.h has that):
 * a tamper-like verdict that nobody has acknowledged, who acknowledged what, older proven states to
 * narrow a fault down by, and how far the full sweep has come. One file a database in the state
 * folder:
 *
 *	audit-SERVER-DATABASE   text, "name value" lines, last the SHA-256 of the lines before
 *
 * mode 0600, replaced in one durable step under the folder's lock, so that `auditor ack` and the
 * daemon share it. A file that is not exactly what would be written is IM_ERR_STATE_CORRUPT, which
 * an auditor treats as a verdict of its own (error) and never as "nothing was wrong". Functions may
 * be called from any thread and any number of processes.
 */

#define AUDIT_RECORD_POINTS_MAX 128 /* older proven states; thinned evenly over the history */
#define AUDIT_RECORD_ACKS_MAX 16    /* the newest are kept */
#define AUDIT_RECORD_FILE_MAX (128 * 1024)

struct audit_record_name {
	const char *folder, *server_id, *database;
};

struct audit_record_point {
	uint64_t tx;
	struct hash alh;
	int64_t seen_at; /* Unix seconds */
};

struct audit_record_ack {
	int64_t at;
	enum audit_verdict verdict;
	char who[64]; /* user and host that acknowledged */
	char reason[REPORT_TEXT_MAX];
};

struct audit_record {
	bool has_alarm;
	enum audit_verdict verdict; /* of the alarm, and the rest of it */
	int64_t since;
	char reason[REPORT_TEXT_MAX];
	char evidence[REPORT_PATH_MAX];
	uint64_t suspect_from, suspect_to;
	uint64_t sweep_position; /* next transaction; 0: none runs */
	int64_t sweep_started_at, sweep_finished_at;
	/* The newest restore notice that counted, by the server's clock; 0: none did. */
	int64_t notice_at_ms;
	bool is_notice_settled; /* a state of the restored history was trusted since */
	struct audit_record_point points[AUDIT_RECORD_POINTS_MAX]; /* ascending */
	size_t points_len;
	struct audit_record_ack acks[AUDIT_RECORD_ACKS_MAX]; /* oldest first */
	size_t acks_len;
};

/*
 * Reads a record; one that is not there is all zero and IM_OK. IM_ERR_STATE_CORRUPT (the detail
 * names the file), IM_ERR_ARGUMENT (names that cannot be part of a file name), IM_ERR_IO.
 */
enum im_err audit_record_read(const struct audit_record_name *name, struct audit_record *out);

/*
 * Reads, lets change() alter it, and writes if anything is different, all under the lock. Errors of
 * reading, of writing and of change(), which leave the file as it is.
 */
typedef enum im_err audit_record_change(void *arg, struct audit_record *record);
enum im_err
audit_record_update(const struct audit_record_name *name, audit_record_change *change, void *arg);

/*
 * Puts a record without alarm, points and sweep in the place of a damaged one, and notes in it who
 * did that and why; the acknowledged verdict is AUDIT_ERROR. IM_ERR_NOT_FOUND when the file is not
 * damaged.
 */
enum im_err
audit_record_renew(const struct audit_record_name *name, const struct audit_record_ack *ack);

/*
 * Gives every record of the folder, sorted by file name, damaged ones with their error and NULL. fn
 * returns false to stop. A folder that does not exist holds none. IM_ERR_IO, IM_ERR_NOMEM.
 */
typedef bool audit_record_fn(void *arg, const struct audit_record_name *name,
    const struct audit_record *record, enum im_err err);
enum im_err audit_record_each(const char *folder, audit_record_fn *fn, void *arg);

/*
 * Adds a proven state in its place; nothing happens if one of that transaction is there. When the
 * list is full, the one whose neighbours are closest together goes, but neither the oldest nor the
 * newest. Pure.
 */
void audit_record_add_point(struct audit_record *record, const struct audit_record_point *point);

/*
 * Acknowledges the alarm and remembers that, with the alarm's verdict; IM_ERR_NOT_FOUND when there
 * is none. What a round does next depends on the verdict: after an acknowledgement the state that
 * the server shows then is trusted anew only if the operator also forgot the old one (`auditor
 * trust forget`), else the next round alarms again. Pure.
 */
enum im_err
audit_record_acknowledge(struct audit_record *record, const struct audit_record_ack *ack);

#endif
