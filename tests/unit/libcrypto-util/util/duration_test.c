/* Durations, sizes and times as text. */
#include "util_testing.h"

#include "util/clock.h"
#include "util/duration.h"
#include "util/size.h"

#define S CLOCK_NS_PER_S

static void
durations_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {{"5m", 300 * S}, {"1h30m", 5400 * S}, {"10s", 10 * S}, {"250ms", S / 4},
	    {"90", 90 * S}, {"0", 0}, {"1.5h", 5400 * S}, {"0.25s", S / 4}, {"1d", 86400 * S},
	    {"1us", 1000}, {"7ns", 7}, {"1h1ms", 3600 * S + S / 1000}, {"1.5", S * 3 / 2},
	    {"9223372036854775807ns", INT64_MAX}};
	static const char *const bad[] = {"", "-5s", "5x", "s", "5 s", "5s ", "1h30", ".5s", "1.s",
	    "5mm", "1e3s", "+1s", "0x5s", "five"};
	int64_t ns = 0;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_ok(duration_parse(bytes_str(good[i].text), &ns));
		assert_true(ns == good[i].ns);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_err(IM_ERR_FORMAT, duration_parse(bytes_str(bad[i]), &ns));
	assert_err(IM_ERR_LIMIT, duration_parse(bytes_str("9223372036854775808ns"), &ns));
	assert_err(IM_ERR_LIMIT, duration_parse(bytes_str("200000000h"), &ns));
	assert_err(IM_ERR_LIMIT, duration_parse(bytes_str("99999999999999999999"), &ns));
}

static void
durations_come_back(void **state)
{
	static const int64_t values[] = {
	    0, 1, 999, S, 90 * S, 5400 * S, 86400 * S, INT64_MAX, 3600 * S + 1};
	char text[DURATION_TEXT_SIZE];
	int64_t back = 0;

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		duration_format(values[i], text);
		assert_ok(duration_parse(bytes_str(text), &back));
		assert_true(back == values[i]);
	}
	assert_string_equal(duration_format(5400 * S, text), "1h30m");
	assert_string_equal(duration_format(S / 4, text), "250ms");
	assert_string_equal(duration_format(86400 * S, text), "24h");
	assert_string_equal(duration_format(0, text), "0s");
}

static void
sizes_are_read_and_come_back(void **state)
{
	static const struct {
		const char *text;
		uint64_t n;
	} good[] = {{"0", 0}, {"4096", 4096}, {"64KiB", 65536}, {"32MiB", 33554432},
	    {"32mib", 33554432}, {"1G", 1 << 30}, {"1kb", 1000}, {"2TB", 2000000000000}, {"7B", 7},
	    {"18446744073709551615", UINT64_MAX}};
	static const char *const bad[] = {"", "-1", "1.5M", "MiB", "1 MiB", "1Mi", "1PiB", "0x10"};
	char text[SIZE_TEXT_SIZE];
	uint64_t n = 0, back = 0;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_ok(size_parse(bytes_str(good[i].text), &n));
		assert_true(n == good[i].n);
		assert_ok(size_parse(bytes_str(size_format_exact(n, text)), &back));
		assert_true(back == n);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_err(IM_ERR_FORMAT, size_parse(bytes_str(bad[i]), &n));
	assert_err(IM_ERR_LIMIT, size_parse(bytes_str("18446744073709551616"), &n));
	assert_err(IM_ERR_LIMIT, size_parse(bytes_str("16777216TiB"), &n));
	assert_string_equal(size_format_exact(33554432, text), "32MiB");
	assert_string_equal(size_format_exact(1000, text), "1000");
	assert_string_equal(size_format_short(999, text), "999 B");
	assert_string_equal(size_format_short(1536, text), "1.5 KiB");
	assert_string_equal(size_format_short(1048575, text), "1.0 MiB");
	assert_string_equal(size_format_short(UINT64_MAX, text), "16.0 EiB");
}

static void
times_are_rfc_3339(void **state)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t before = clock_monotonic_ns();

	(void)state;
	assert_string_equal(clock_format_s(0, text), "1970-01-01T00:00:00Z");
	assert_string_equal(clock_format_s(1709208000, text), "2024-02-29T12:00:00Z");
	assert_string_equal(clock_format_s(-1, text), "1969-12-31T23:59:59Z");
	assert_string_equal(clock_format_s(253402300799, text), "9999-12-31T23:59:59Z");
	assert_string_equal(clock_format_s(253402300800, text), "@253402300800");
	assert_string_equal(clock_format_s(INT64_MAX, text), "@9223372036854775807");
	assert_string_equal(clock_format_s(INT64_MIN, text), "@-9223372036854775808");
	assert_string_equal(clock_format_ms((struct timespec){1709208000, 7999999}, text),
	    "2024-02-29T12:00:00.007Z");
	assert_true(clock_monotonic_ns() >= before);
	assert_true(clock_wall_s() > 1700000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(durations_are_read),
	    cmocka_unit_test(durations_come_back),
	    cmocka_unit_test(sizes_are_read_and_come_back),
	    cmocka_unit_test(times_are_rfc_3339),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
