/* Base64 and hexadecimal text, both ways, and everything that is neither. */
#include "util_testing.h"

#include "util/base64.h"
#include "util/hex.h"

/* RFC 4648 section 10, and bytes that tell the two alphabets apart. */
static const struct {
	const char *plain, *std, *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void
known_values_both_ways(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const char *texts[] = {vectors[i].std, vectors[i].url};

		for (unsigned k = 0; k < 2; k++) {
			enum base64_kind kind = k ? BASE64_URL : BASE64_STD;

			buf_clear(&b);
			assert_true(base64_append(&b, kind, bytes_str(vectors[i].plain)));
			assert_string_equal(buf_text(&b), texts[k]);
			assert_int_equal(
			    base64_encoded_len(kind, strlen(vectors[i].plain)), strlen(texts[k]));
			buf_clear(&b);
			assert_ok(base64_decode(kind, bytes_str(texts[k]), &b));
			assert_string_equal(buf_text(&b), vectors[i].plain);
		}
	}
	buf_free(&b);
}

static void
every_length_comes_back(void **state)
{
	uint8_t data[70];
	struct buf text, back;

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 37 + 11);
	buf_init(&text, 1000);
	buf_init(&back, 1000);
	for (size_t n = 0; n <= sizeof data; n++) {
		buf_clear(&text);
		buf_clear(&back);
		assert_true(base64_append(&text, BASE64_STD, bytes_of(data, n)));
		assert_ok(base64_decode(BASE64_STD, buf_bytes(&text), &back));
		assert_true(bytes_equal(buf_bytes(&back), bytes_of(data, n)));
	}
	buf_free(&text);
	buf_free(&back);
}

static void
what_encoding_does_not_write_is_refused(void **state)
{
	static const char *const bad_std[] = {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z",
	    "====", "=", "Zm 9v", "Zm9v\n", "Zm9-", "Z===", "Zg==Zg==", "Zm9v="};
	static const char *const bad_url[] = {"Zg==", "Zh", "Zm9", "Z", "Zm9+", "+//+"};
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_append_str(&b, "kept");
	for (size_t i = 0; i < sizeof bad_std / sizeof *bad_std; i++)
		assert_err(IM_ERR_FORMAT, base64_decode(BASE64_STD, bytes_str(bad_std[i]), &b));
	for (size_t i = 0; i < sizeof bad_url / sizeof *bad_url; i++)
		assert_err(IM_ERR_FORMAT, base64_decode(BASE64_URL, bytes_str(bad_url[i]), &b));
	assert_string_equal(buf_text(&b), "kept");
	assert_err(IM_ERR_FORMAT, base64_decode(BASE64_STD, bytes_str("hunter2!"), &b));
	assert_lacks(err_detail(IM_ERR_FORMAT), "hunter2");
	buf_free(&b);
	buf_init(&b, 2);
	assert_err(IM_ERR_LIMIT, base64_decode(BASE64_STD, bytes_str("Zm9v"), &b));
	buf_free(&b);
}

static void
hex_both_ways(void **state)
{
	uint8_t out[3];
	char text[7];
	struct buf b;

	(void)state;
	hex_encode(bytes_of("\x00\xab\xff", 3), text);
	assert_string_equal(text, "00abff");
	assert_ok(hex_decode(bytes_str("00ABff"), out, 3));
	assert_memory_equal(out, "\x00\xab\xff", 3);
	assert_err(IM_ERR_FORMAT, hex_decode(bytes_str("00abf"), out, 3));
	assert_err(IM_ERR_FORMAT, hex_decode(bytes_str("00abff00"), out, 3));
	assert_err(IM_ERR_FORMAT, hex_decode(bytes_str("00abfg"), out, 3));
	assert_err(IM_ERR_FORMAT, hex_decode(bytes_str("0x00ab"), out, 3));
	buf_init(&b, 10);
	assert_true(hex_append(&b, bytes_str("AZ")));
	assert_string_equal(buf_text(&b), "415a");
	assert_false(hex_append(&b, bytes_str("too much")));
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_values_both_ways),
	    cmocka_unit_test(every_length_comes_back),
	    cmocka_unit_test(what_encoding_does_not_write_is_refused),
	    cmocka_unit_test(hex_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
