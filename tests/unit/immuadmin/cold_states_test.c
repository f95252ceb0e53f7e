/* What "immudb verify" says, understood. */
#include "../temp_dir.h"
#include "cold_states.h"

#define ALH "0000000000000000000000000000000000000000000000000000000000000001"

static enum im_err
parse(const char *json, struct cold_states *out)
{
	*out = (struct cold_states){0};
	return cold_states_parse(bytes_str(json), out);
}

static void
test_states_are_sorted_and_the_server_known(void **state)
{
	struct cold_states s;

	(void)state;
	assert_int_equal(
	    parse("[{\"database\":\"b\",\"result\":\"whole\",\"transactions\":7,\"alh\":\"" ALH
		  "\",\"faults\":0},{\"database\":\"a\",\"transactions\":0,\"alh\":\"" ALH
		  "\"},{\"server\":\"dc1kg0k0e9h5ub0dfat0\"}]",
		&s),
	    IM_OK);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.items[0].database, "a");
	assert_int_equal(s.items[1].tx, 7);
	assert_int_equal(s.items[1].alh.b[31], 1);
	assert_string_equal(s.server, "dc1kg0k0e9h5ub0dfat0");
	cold_states_free(&s);
}

static void
test_a_loss_is_an_error_and_what_can_be_rebuilt_is_not(void **state)
{
	struct cold_states s;

	(void)state;
	assert_int_equal(
	    parse("[{\"database\":\"a\",\"fault\":\"can be rebuilt\",\"what\":\"x\"}]", &s), IM_OK);
	cold_states_free(&s);
	assert_int_equal(parse("[{\"database\":\"a\",\"fault\":\"lost\",\"what\":\"the value\","
			       "\"file\":\"00000000.log\",\"tx\":1}]",
			     &s),
	    IM_ERR_CORRUPT);
	assert_non_null(strstr(err_detail(IM_ERR_CORRUPT), "a: the value: 00000000.log"));
	cold_states_free(&s);
}

static void
test_what_is_not_understood_is_an_error(void **state)
{
	static const char *const bad[] = {"", "{}", "[1]", "[{}]", "[{\"database\":\"a\"}]",
	    "[{\"database\":\"a\",\"transactions\":-1,\"alh\":\"" ALH "\"}]",
	    "[{\"database\":\"a\",\"transactions\":1,\"alh\":\"00\"}]",
	    "[{\"database\":\"../a\",\"transactions\":1,\"alh\":\"" ALH "\"}]",
	    "[{\"server\":\"x\"}]", "[{\"fault\":1}]", "["};
	struct cold_states s;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(parse(bad[i], &s), IM_ERR_FORMAT);
		cold_states_free(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_states_are_sorted_and_the_server_known),
	    cmocka_unit_test(test_a_loss_is_an_error_and_what_can_be_rebuilt_is_not),
	    cmocka_unit_test(test_what_is_not_understood_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
