/*
 * The auditor's memory of a database. Input: the text of a record's file. What is accepted is what would be
 * written, within its bounds, and stays so after an acknowledgement and a further state.
 */
#include <assert.h>

#include "audit_record_text.h"
#include "fuzz.h"

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct audit_record_ack ack = {1, AUDIT_OK, "fuzz", "fuzz"};
	struct audit_record_point point = {.tx = 5};
	static struct audit_record r, again;
	struct buf text;

	if (audit_record_decode(&name, bytes_of(data, size), &r) != IM_OK)
		return 0;
	check_bounds(&r);
	buf_init(&text, AUDIT_RECORD_FILE_MAX);
	assert(audit_record_encode(&name, &r, &text) == IM_OK);
	assert(bytes_equal(buf_bytes(&text), bytes_of(data, size)));
	(void)audit_record_acknowledge(&r, &ack);
	audit_record_add_point(&r, &point);
	check_bounds(&r);
	buf_clear(&text);
	assert(audit_record_encode(&name, &r, &text) == IM_OK);
	assert(audit_record_decode(&name, buf_bytes(&text), &again) == IM_OK);
	assert(!again.has_alarm && again.points_len == r.points_len);
	buf_free(&text);
	return 0;
}
