/*
 * An auditor's memory of a database: round trips of odd texts, every damaged byte, two writers,
 * thinning, acknowledging, and a folder with more in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_record_text.h"
#include "temp_dir.h"
#include "util/file.h"

#define SERVER "c9b1p4a5gk3s0h9o1q20"
#define OTHER_SERVER "c9b1p4a5gk3s0h9o1q2g"

static struct audit_record_name
name_in(const char *folder)
{
	return (struct audit_record_name){folder, SERVER, "defaultdb"};
}

static void
record_path(const char *folder, char path[256])
{
	snprintf(path, 256, "%s/audit-" SERVER "-defaultdb", folder);
}

static void
fill_points(struct audit_record *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct audit_record_point p = {.tx = 10 * (i + 1), .seen_at = (int64_t)i};

		memset(p.alh.b, (int)i + 1, HASH_SIZE);
		audit_record_add_point(r, &p);
	}
}

/* A record with something in each field, and texts that would break a careless form. */
static void
make_full(struct audit_record *r)
{
	*r = (struct audit_record){.has_alarm = true,
	    .verdict = AUDIT_FORKED,
	    .since = 1700000000,
	    .reason = "expected 100% of\nsum 12\r\n\tseen \x01 \x7f \xc3\xa4 %41 ",
	    .evidence = "/var/lib/my auditor/evidence/x.impr",
	    .suspect_from = 11,
	    .suspect_to = UINT64_MAX,
	    .sweep_position = 77,
	    .sweep_started_at = 1,
	    .sweep_finished_at = INT64_MAX};
	fill_points(r, 3);
	r->acks_len = 2;
	r->acks[0] =
	    (struct audit_record_ack){5, AUDIT_ROLLED_BACK, "ann lee@host", "restored  it"};
	r->acks[1] = (struct audit_record_ack){6, AUDIT_ERROR, "", ""};
}

static enum im_err
put(void *arg, struct audit_record *record)
{
	*record = *(const struct audit_record *)arg;
	return IM_OK;
}

static void
assert_same(const struct audit_record *a, const struct audit_record *b)
{
	size_t i;

	assert_int_equal(a->has_alarm, b->has_alarm);
	assert_int_equal(a->verdict, b->verdict);
	assert_true(a->since == b->since);
	assert_string_equal(a->reason, b->reason);
	assert_string_equal(a->evidence, b->evidence);
	assert_true(a->suspect_from == b->suspect_from && a->suspect_to == b->suspect_to);
	assert_true(a->sweep_position == b->sweep_position);
	assert_true(a->sweep_started_at == b->sweep_started_at);
	assert_true(a->sweep_finished_at == b->sweep_finished_at);
	assert_int_equal(a->points_len, b->points_len);
	for (i = 0; i < a->points_len; i++) {
		assert_true(a->points[i].tx == b->points[i].tx);
		assert_true(hash_equal(&a->points[i].alh, &b->points[i].alh));
		assert_true(a->points[i].seen_at == b->points[i].seen_at);
	}
	assert_int_equal(a->acks_len, b->acks_len);
	for (i = 0; i < a->acks_len; i++) {
		assert_true(a->acks[i].at == b->acks[i].at);
		assert_int_equal(a->acks[i].verdict, b->acks[i].verdict);
		assert_string_equal(a->acks[i].who, b->acks[i].who);
		assert_string_equal(a->acks[i].reason, b->acks[i].reason);
	}
}

static void
round_trip(void **state)
{
	struct audit_record_name name = name_in(*state);
	struct audit_record full, none = {0}, read;
	struct stat st;
	char path[256];

	assert_int_equal(audit_record_read(&name, &read), IM_OK);
	assert_same(&read, &none);
	make_full(&full);
	assert_int_equal(audit_record_update(&name, put, &full), IM_OK);
	assert_int_equal(audit_record_read(&name, &read), IM_OK);
	assert_same(&read, &full);
	record_path(*state, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(audit_record_update(&name, put, &none), IM_OK);
	assert_int_equal(audit_record_read(&name, &read), IM_OK);
	assert_same(&read, &none);
}

/* All that a record can hold, with the longest texts, which take three bytes a character. */
static void
largest_fits(void **state)
{
	struct audit_record_name name = name_in(*state);
	struct audit_record *r = calloc(1, sizeof *r), *read = calloc(1, sizeof *read);
	size_t i;

	assert_non_null(r);
	assert_non_null(read);
	make_full(r);
	r->points_len = 0;
	fill_points(r, AUDIT_RECORD_POINTS_MAX);
	memset(r->reason, '\n', REPORT_TEXT_MAX - 1);
	memset(r->evidence, '%', REPORT_PATH_MAX - 1);
	r->acks_len = AUDIT_RECORD_ACKS_MAX;
	for (i = 0; i < r->acks_len; i++) {
		r->acks[i] =
		    (struct audit_record_ack){INT64_MAX, AUDIT_ROLLED_BACK_ANNOUNCED, "", ""};
		memset(r->acks[i].who, ' ', sizeof r->acks[i].who - 1);
		memset(r->acks[i].reason, 1, sizeof r->acks[i].reason - 1);
	}
	assert_int_equal(audit_record_update(&name, put, r), IM_OK);
	assert_int_equal(audit_record_read(&name, read), IM_OK);
	assert_same(r, read);
	free(read);
	free(r);
}

/* A file that holds text is damaged: nobody reads or changes it, and it stays as it is. */
static void
assert_damaged(const struct audit_record_name *name, const char *path, struct bytes text)
{
	struct audit_record read, none = {0};
	struct buf after;

	assert_int_equal(file_replace(path, text), IM_OK);
	assert_int_equal(audit_record_read(name, &read), IM_ERR_STATE_CORRUPT);
	assert_int_equal(audit_record_update(name, put, &none), IM_ERR_STATE_CORRUPT);
	buf_init(&after, AUDIT_RECORD_FILE_MAX);
	assert_int_equal(file_read(path, AUDIT_RECORD_FILE_MAX, &after), IM_OK);
	assert_true(bytes_equal(text, buf_bytes(&after)));
	buf_free(&after);
}

static void
damage_is_noticed(void **state)
{
	struct audit_record_name name = name_in(*state);
	struct audit_record full, read;
	struct buf text;
	char path[256];
	size_t i;
	int bit;

	make_full(&full);
	assert_int_equal(audit_record_update(&name, put, &full), IM_OK);
	record_path(*state, path);
	buf_init(&text, AUDIT_RECORD_FILE_MAX);
	assert_int_equal(file_read(path, AUDIT_RECORD_FILE_MAX, &text), IM_OK);
	for (i = 0; i < text.len; i++) {
		for (bit = 0; bit < 8; bit++) {
			text.data[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(audit_record_decode(&name, buf_bytes(&text), &read),
			    IM_ERR_STATE_CORRUPT);
			if (i % 61 == 0 && bit == 0)
				assert_damaged(&name, path, buf_bytes(&text));
			text.data[i] ^= (uint8_t)(1 << bit);
		}
		assert_int_equal(audit_record_decode(&name, bytes_of(text.data, i), &read),
		    IM_ERR_STATE_CORRUPT);
	}
	assert_int_equal(
	    audit_record_decode(&name, bytes_of(NULL, 0), &read), IM_ERR_STATE_CORRUPT);
	assert_int_equal(audit_record_decode(&name, buf_bytes(&text), &read), IM_OK);
	assert_damaged(&name, path, bytes_of(text.data, text.len / 2));
	buf_append_u8(&text, '\n');
	assert_damaged(&name, path, buf_bytes(&text));
	text.len--;
	name.database = "other";
	snprintf(path, sizeof path, "%s/audit-" SERVER "-other", (const char *)*state);
	assert_damaged(&name, path, buf_bytes(&text));
	buf_free(&text);
}

/* A record that a checksum covers, but that no auditor has written: fields out of bounds. */
static void
forged_text_is_refused(void **state)
{
	static const char *const bodies[] = {
	    "alarm no-such-verdict 1 0 0\nreason x\nevidence \nsweep 0 0 0\n",
	    "alarm - 0 0 0\nreason \nevidence \nsweep 0 0 18446744073709551615\n",
	    "alarm - 0 0 0\nreason \nevidence \nsweep 0 0 18446744073709551616\n",
	    "alarm - 0 0 0\nreason %00\nevidence \nsweep 0 0 0\n",
	    "alarm - 0 0 0\nreason %4\nevidence \nsweep 0 0 0\n",
	    "alarm forked 1 0 0\nreason %41\nevidence \nsweep 0 0 0\n",
	    "alarm forked 1 0 0\nreason x\nevidence \nsweep 0 0 0\npoint 1 00 1\n",
	    "alarm - 1 0 0\nreason \nevidence \nsweep 0 0 0\n",
	    "alarm - 0 0 0\nreason \nevidence \nsweep 0 0 0\nack 1 ok a b\npoint 1 1 1\n",
	    "alarm - 0 0 0\nevidence \nreason \nsweep 0 0 0\n",
	    "alarm - 0 0 0 0\nreason \nevidence \nsweep 0 0 0\n",
	    "alarm -\nreason \nevidence \nsweep 0 0 0\n",
	};
	struct audit_record_name name = name_in(*state);
	struct buf text;
	struct hash sum;
	char path[256];
	size_t i, k;

	record_path(*state, path);
	buf_init(&text, AUDIT_RECORD_FILE_MAX);
	for (i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		buf_clear(&text);
		buf_printf(&text,
		    "immudb-audit-record 1\nserver " SERVER "\ndatabase defaultdb\n%s", bodies[i]);
		hash_sha256(buf_bytes(&text), &sum);
		buf_append_str(&text, "sum ");
		for (k = 0; k < HASH_SIZE; k++)
			buf_printf(&text, "%02x", sum.b[k]);
		buf_append_u8(&text, '\n');
		assert_damaged(&name, path, buf_bytes(&text));
	}
	buf_free(&text);
}

static void
damaged_is_renewed(void **state)
{
	struct audit_record_name name = name_in(*state);
	struct audit_record_ack ack = {9, AUDIT_OK, "root@host", "the disk was bad"};
	struct audit_record full, read;
	char path[256];

	assert_int_equal(audit_record_renew(&name, &ack), IM_ERR_NOT_FOUND);
	make_full(&full);
	assert_int_equal(audit_record_update(&name, put, &full), IM_OK);
	assert_int_equal(audit_record_renew(&name, &ack), IM_ERR_NOT_FOUND);
	assert_int_equal(audit_record_read(&name, &read), IM_OK);
	assert_same(&read, &full);
	record_path(*state, path);
	assert_int_equal(file_replace(path, bytes_str("?")), IM_OK);
	assert_int_equal(audit_record_renew(&name, &ack), IM_OK);
	assert_int_equal(audit_record_read(&name, &read), IM_OK);
	assert_false(read.has_alarm);
	assert_int_equal(read.points_len, 0);
	assert_int_equal(read.acks_len, 1);
	assert_int_equal(read.acks[0].verdict, AUDIT_ERROR);
	assert_string_equal(read.acks[0].reason, "the disk was bad");
}

static enum im_err
refuse(void *arg, struct audit_record *record)
{
	(void)arg;
	record->sweep_position = 1;
	return err_set(IM_ERR_CANCELLED, "no");
}

static void
refused_change_changes_nothing(void **state)
{
	struct audit_record_name name = name_in(*state);
	struct audit_record full, read;
	struct stat before, after;
	char path[256];

	assert_int_equal(audit_record_update(&name, refuse, NULL), IM_ERR_CANCELLED);
	record_path(*state, path);
	assert_int_not_equal(stat(path, &before), 0);
	make_full(&full);
	assert_int_equal(audit_record_update(&name, put, &full), IM_OK);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(audit_record_update(&name, refuse, NULL), IM_ERR_CANCELLED);
	assert_int_equal(audit_record_read(&name, &read), IM_OK);
	assert_same(&read, &full);
	/* The same again is not written. */
	assert_int_equal(audit_record_update(&name, put, &full), IM_OK);
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	name.database = "../x";
	assert_int_equal(audit_record_update(&name, put, &full), IM_ERR_ARGUMENT);
	assert_int_equal(audit_record_read(&name, &read), IM_ERR_ARGUMENT);
}

static enum im_err
count_up(void *arg, struct audit_record *record)
{
	(void)arg;
	record->sweep_position++;
	return IM_OK;
}

#define WRITER_STEPS 40

static void *
write_many(void *arg)
{
	size_t i;

	for (i = 0; i < WRITER_STEPS; i++)
		audit_record_update(arg, count_up, NULL);
	return NULL;
}

static void
two_writers(void **state)
{
	struct audit_record_name name = name_in(*state);
	struct audit_record read;
	pthread_t other;

	assert_int_equal(pthread_create(&other, NULL, write_many, &name), 0);
	write_many(&name);
	pthread_join(other, NULL);
	assert_int_equal(audit_record_read(&name, &read), IM_OK);
	assert_true(read.sweep_position == 2 * WRITER_STEPS);
}

static void
points_are_thinned(void **state)
{
	static struct audit_record r;
	struct audit_record_point p = {.tx = 0};
	uint64_t gap, widest = 0, total = 5000;
	size_t i;

	(void)state;
	for (p.tx = 1; p.tx <= total; p.tx++)
		audit_record_add_point(&r, &p);
	assert_int_equal(r.points_len, AUDIT_RECORD_POINTS_MAX);
	assert_true(r.points[0].tx == 1);
	assert_true(r.points[r.points_len - 1].tx == total);
	for (i = 1; i < r.points_len; i++) {
		assert_true(r.points[i].tx > r.points[i - 1].tx);
		gap = r.points[i].tx - r.points[i - 1].tx;
		widest = gap > widest ? gap : widest;
	}
	/* Evenly: no gap is wider than three times the average one. */
	assert_true(widest <= 3 * total / AUDIT_RECORD_POINTS_MAX);
}

static void
points_keep_their_order(void **state)
{
	static struct audit_record r;
	struct audit_record_point p = {.tx = 30};

	(void)state;
	audit_record_add_point(&r, &p);
	p.tx = 10;
	audit_record_add_point(&r, &p);
	p.tx = 20;
	audit_record_add_point(&r, &p);
	p.alh.b[0] = 9;
	audit_record_add_point(&r, &p);
	assert_int_equal(r.points_len, 3);
	assert_true(r.points[0].tx == 10 && r.points[1].tx == 20 && r.points[2].tx == 30);
	assert_int_equal(r.points[1].alh.b[0], 0);
}

static void
acknowledging(void **state)
{
	static struct audit_record r;
	struct audit_record_ack ack = {.verdict = AUDIT_OK, .who = "me@here", .reason = "first"};
	size_t i;

	(void)state;
	assert_int_equal(audit_record_acknowledge(&r, &ack), IM_ERR_NOT_FOUND);
	assert_int_equal(r.acks_len, 0);
	make_full(&r);
	r.acks_len = 0;
	assert_int_equal(audit_record_acknowledge(&r, &ack), IM_OK);
	assert_false(r.has_alarm);
	assert_string_equal(r.reason, "");
	assert_string_equal(r.evidence, "");
	assert_int_equal(r.points_len, 3);
	assert_int_equal(r.acks[0].verdict, AUDIT_FORKED);
	assert_string_equal(r.acks[0].reason, "first");
	assert_int_equal(audit_record_acknowledge(&r, &ack), IM_ERR_NOT_FOUND);
	for (i = 0; i < AUDIT_RECORD_ACKS_MAX; i++) {
		r.has_alarm = true;
		r.verdict = AUDIT_EMPTIED;
		snprintf(ack.reason, sizeof ack.reason, "later %zu", i);
		assert_int_equal(audit_record_acknowledge(&r, &ack), IM_OK);
	}
	assert_int_equal(r.acks_len, AUDIT_RECORD_ACKS_MAX);
	assert_string_equal(r.acks[0].reason, "later 0");
	assert_string_equal(r.acks[AUDIT_RECORD_ACKS_MAX - 1].reason, ack.reason);
}

struct seen {
	size_t good, damaged;
	char names[256];
	bool stops;
};

static bool
look(void *arg, const struct audit_record_name *name, const struct audit_record *record,
    enum im_err err)
{
	struct seen *s = arg;
	size_t len = strlen(s->names);

	if (record)
		s->good++;
	else
		s->damaged++;
	assert_int_equal(err, record ? IM_OK : IM_ERR_STATE_CORRUPT);
	snprintf(s->names + len, sizeof s->names - len, "%s/%s ", name->server_id, name->database);
	return !s->stops;
}

static void
each_of_a_folder(void **state)
{
	static const char *const others[] = {
	    "lock2", "audit-", "audit-x-y", "audit-" SERVER "-UP", "audit-" SERVER "-b.Xy12ab"};
	struct audit_record_name names[] = {
	    {*state, SERVER, "b"}, {*state, SERVER, "a-1"}, {*state, OTHER_SERVER, "defaultdb"}};
	struct seen seen = {0};
	struct audit_record full;
	char path[256];
	size_t i;

	snprintf(path, sizeof path, "%s/missing", (const char *)*state);
	assert_int_equal(audit_record_each(path, look, &seen), IM_OK);
	make_full(&full);
	for (i = 0; i < 3; i++)
		assert_int_equal(audit_record_update(&names[i], put, &full), IM_OK);
	for (i = 0; i < sizeof others / sizeof *others; i++) {
		snprintf(path, sizeof path, "%s/%s", (const char *)*state, others[i]);
		assert_int_equal(file_replace(path, bytes_str("?")), IM_OK);
	}
	snprintf(path, sizeof path, "%s/audit-" SERVER "-b", (const char *)*state);
	assert_int_equal(file_replace(path, bytes_str("?")), IM_OK);
	assert_int_equal(audit_record_each(*state, look, &seen), IM_OK);
	assert_int_equal(seen.good, 2);
	assert_int_equal(seen.damaged, 1);
	assert_string_equal(seen.names, SERVER "/a-1 " SERVER "/b " OTHER_SERVER "/defaultdb ");
	seen = (struct seen){.stops = true};
	assert_int_equal(audit_record_each(*state, look, &seen), IM_OK);
	assert_int_equal(seen.good + seen.damaged, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_dir_setup, temp_dir_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(round_trip),
	    TEST(largest_fits),
	    TEST(damage_is_noticed),
	    TEST(forged_text_is_refused),
	    TEST(damaged_is_renewed),
	    TEST(refused_change_changes_nothing),
	    TEST(two_writers),
	    cmocka_unit_test(points_are_thinned),
	    cmocka_unit_test(points_keep_their_order),
	    cmocka_unit_test(acknowledging),
	    TEST(each_of_a_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
