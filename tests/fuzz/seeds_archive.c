/*
 * Seeds of archives: whole, continued, unfinished, empty, of the older format, and with a lie
 * behind right checksums.
 */
#include "libcrypto-util/crypto/archive_sample.h"
#include "seeds.h"

#define MENDED_WHOLE 0xff /* put right, in pieces of 128 bytes */

static void
seed_one(const char *name, int how, enum sample_lie lie, uint64_t txs)
{
	struct sample s;

	sample_begin(&s);
	s.lie = lie;
	s.lie_tx = 2;
	sample_part(&s, txs);
	seed_put("archive", name, how, buf_bytes(&s.out));
	sample_end(&s);
}

/* Parts of the older format, before and behind one of the present one. */
static void
seed_older_format(void)
{
	struct sample s;

	sample_begin(&s);
	s.format = ARCHIVE_FORMAT_ALL_DIGESTED;
	sample_part(&s, 2);
	seed_put("archive", "older-format", 2, buf_bytes(&s.out));
	s.format = ARCHIVE_FORMAT;
	sample_part(&s, 1);
	s.format = ARCHIVE_FORMAT_ALL_DIGESTED;
	sample_part(&s, 1);
	seed_put("archive", "both-formats", 0, buf_bytes(&s.out));
	sample_end(&s);
}

static void
seed_two_parts(void)
{
	struct sample s;
	size_t first;

	sample_begin(&s);
	sample_part(&s, 1);
	first = s.out.len;
	sample_part(&s, 1);
	seed_put("archive", "two-parts", MENDED_WHOLE, buf_bytes(&s.out));
	memset(s.out.data + first, 0, ARCHIVE_MAGIC_SIZE);
	seed_put("archive", "unfinished", 0, buf_bytes(&s.out));
	sample_end(&s);
}

void
seed_archives(void)
{
	seed_one("empty", 0, SAMPLE_TRUE, 0);
	seed_one("one", MENDED_WHOLE, SAMPLE_TRUE, 1);
	seed_one("three", 2, SAMPLE_TRUE, 3);
	seed_one("other-value", MENDED_WHOLE, SAMPLE_LIE_VALUE, 2);
	seed_one("other-root", MENDED_WHOLE, SAMPLE_LIE_ROOT, 2);
	seed_one("bad-signature", MENDED_WHOLE, SAMPLE_LIE_SIGNATURE, 1);
	seed_one("something-in-zeroes", MENDED_WHOLE, SAMPLE_LIE_HEAD_ZEROES, 2);
	seed_older_format();
	seed_two_parts();
}
