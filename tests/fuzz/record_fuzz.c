/*
 * The auditor's memory of a database. Input: how (1 byte), then the text of a record's file; unless
 * how is 0 it is without its last line, the checksum, which is put there. What is accepted is what
 * would be written, within its bounds, and stays so after an acknowledgement and a further state.
 */
#include <assert.h>

#include "audit_record_text.h"
#include "fuzz.h"
#include "util/hex.h"

static const struct audit_record_name name = {"", "c9b1p4a5gk3s0h9o1q20", "defaultdb"};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	return 0;
}

static void
check_bounds(const struct audit_record *r)
{
	size_t i;

	assert(r->points_len <= AUDIT_RECORD_POINTS_MAX && r->acks_len <= AUDIT_RECORD_ACKS_MAX);
	for (i = 1; i < r->points_len; i++)
		assert(r->points[i - 1].tx < r->points[i].tx);
	assert(memchr(r->reason, '\0', sizeof r->reason));
	assert(memchr(r->evidence, '\0', sizeof r->evidence));
}

static void
append_sum(struct buf *text)
{
	struct hash sum;

	hash_sha256(buf_bytes(text), &sum);
	buf_append_str(text, "sum ");
	hex_append(text, hash_bytes(&sum));
	buf_append_u8(text, '\n');
}

/* Changes a record that was accepted, and reads it back. */
static void
change(struct audit_record *r, struct buf *text)
{
	struct audit_record_ack ack = {1, AUDIT_OK, "fuzz", "fuzz"};
	struct audit_record_point point = {.tx = 5};
	static struct audit_record again;

	(void)audit_record_acknowledge(r, &ack);
	audit_record_add_point(r, &point);
	check_bounds(r);
	buf_clear(text);
	assert(audit_record_encode(&name, r, text) == IM_OK);
	assert(audit_record_decode(&name, buf_bytes(text), &again) == IM_OK);
	assert(!again.has_alarm && again.points_len == r->points_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	uint64_t how = fuzz_number(&in, 1);
	static struct audit_record r;
	struct buf text, written;

	buf_init(&text, AUDIT_RECORD_FILE_MAX);
	buf_init(&written, AUDIT_RECORD_FILE_MAX);
	buf_append_bytes(&text, in);
	if (how != 0)
		append_sum(&text);
	if (!text.err && audit_record_decode(&name, buf_bytes(&text), &r) == IM_OK) {
		check_bounds(&r);
		assert(audit_record_encode(&name, &r, &written) == IM_OK);
		assert(bytes_equal(buf_bytes(&text), buf_bytes(&written)));
		change(&r, &written);
	}
	buf_free(&written);
	buf_free(&text);
	return 0;
}
