/* CRC-32C: known values, both ways of computing it at every length, pieces, flipped bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/crc32c.h"

/* RFC 3720, appendix B.4, and the usual check value. */
static void
known_values(void **state)
{
	uint8_t data[32];

	(void)state;
	assert_int_equal(crc32c(0, "", 0), 0);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
	memset(data, 0, sizeof data);
	assert_int_equal(crc32c(0, data, sizeof data), 0x8a9136aau);
	memset(data, 0xff, sizeof data);
	assert_int_equal(crc32c(0, data, sizeof data), 0x62a8ab43u);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, data, sizeof data), 0x46dd794eu);
}

static void
both_paths_agree_at_every_length_and_alignment(void **state)
{
	uint8_t data[1300]; /* three blocks of three streams, and a rest */

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 131 + 7);
	for (size_t start = 0; start < 9; start++) {
		for (size_t n = 0; start + n <= sizeof data; n++)
			assert_int_equal(
			    crc32c(5, data + start, n), crc32c_portable(5, data + start, n));
	}
}

static void
pieces_give_the_checksum_of_the_whole(void **state)
{
	uint8_t data[64];
	uint32_t whole;

	(void)state;
	memset(data, 'x', sizeof data);
	whole = crc32c(0, data, sizeof data);
	for (size_t cut = 0; cut <= sizeof data; cut++)
		assert_int_equal(
		    crc32c(crc32c(0, data, cut), data + cut, sizeof data - cut), whole);
}

static void
every_flipped_bit_shows(void **state)
{
	uint8_t data[64] = "an entry of the log";
	uint32_t right = crc32c(0, data, sizeof data);

	(void)state;
	for (size_t bit = 0; bit < sizeof data * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(crc32c(0, data, sizeof data), right);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_values),
	    cmocka_unit_test(both_paths_agree_at_every_length_and_alignment),
	    cmocka_unit_test(pieces_give_the_checksum_of_the_whole),
	    cmocka_unit_test(every_flipped_bit_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
