/*
 * Ids of 12 bytes. Neighbours: the server's identity, the auditor's records.
 *
 * Invariants: ids of one process differ by their counter for 2^24 ids a second; xid_parse() accepts
 * exactly what xid_format() writes, so that an id has one text.
 */
#include "util/xid.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/clock.h"

static const char xid_digits[] = "0123456789abcdefghijklmnopqrstuv";

static struct {
	pthread_once_t once;
	bool ready;
	uint8_t machine[3];
	uint16_t pid;
	_Atomic uint32_t counter;
} xid_process = {.once = PTHREAD_ONCE_INIT};

static void
xid_init(void)
{
	uint8_t random[7];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return;
	memcpy(xid_process.machine, random, sizeof xid_process.machine);
	atomic_store(&xid_process.counter, be32_get(random + 3));
	xid_process.pid = (uint16_t)getpid();
	xid_process.ready = true;
}

enum im_err
xid_make(struct xid *out)
{
	uint32_t count;

	pthread_once(&xid_process.once, xid_init);
	if (!xid_process.ready)
		return err_set(IM_ERR_IO, "no random numbers from the system");
	count = atomic_fetch_add(&xid_process.counter, 1);
	be32_put(out->data, (uint32_t)clock_wall_s());
	memcpy(out->data + 4, xid_process.machine, sizeof xid_process.machine);
	be16_put(out->data + 7, xid_process.pid);
	out->data[9] = (uint8_t)(count >> 16);
	out->data[10] = (uint8_t)(count >> 8);
	out->data[11] = (uint8_t)count;
	return IM_OK;
}

char *
xid_format(const struct xid *id, char out[XID_TEXT_LEN + 1])
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t at = 0;

	for (size_t i = 0; i < XID_SIZE; i++) {
		bits = bits << 8 | id->data[i];
		for (have += 8; have >= 5; have -= 5)
			out[at++] = xid_digits[bits >> (have - 5) & 31];
	}
	/* 96 bits are 19 digits and one bit. */
	out[at++] = xid_digits[bits << (5 - have) & 31];
	out[at] = '\0';
	return out;
}

enum im_err
xid_parse(struct bytes text, struct xid *out)
{
	char again[XID_TEXT_LEN + 1];
	uint32_t bits = 0;
	unsigned have = 0;
	size_t at = 0;

	if (text.len != XID_TEXT_LEN)
		return err_set(IM_ERR_FORMAT, "an id has %d characters", XID_TEXT_LEN);
	for (size_t i = 0; i < text.len; i++) {
		const char *d = text.data[i] ? strchr(xid_digits, text.data[i]) : NULL;

		if (!d)
			return err_set(IM_ERR_FORMAT, "not an id");
		bits = bits << 5 | (uint32_t)(d - xid_digits);
		have += 5;
		if (have >= 8 && at < XID_SIZE) {
			have -= 8;
			out->data[at++] = (uint8_t)(bits >> have);
		}
	}
	if (memcmp(xid_format(out, again), text.data, XID_TEXT_LEN) != 0)
		return err_set(IM_ERR_FORMAT, "not an id");
	return IM_OK;
}
