/* How every error is said over HTTP: no error without a fitting status, tampering always 409. */
#include "http_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct said {
	enum im_err err;
	bool is_verified;
	int http, code;
	bool has_retry;
};

static const struct said said[] = {
    {IM_ERR_KEY_NOT_FOUND, false, 404, 5, false},
    {IM_ERR_KEY_NOT_FOUND, true, 404, 5, false},
    {IM_ERR_JSON, false, 400, 3, false},
    {IM_ERR_ARGUMENT, false, 400, 3, false},
    {IM_ERR_BODY_SIZE, false, 413, 8, false},
    {IM_ERR_LIMIT, false, 413, 8, false},
    {IM_ERR_MESSAGE_SIZE, false, 413, 8, false},
    {IM_ERR_NOT_LOGGED_IN, false, 401, 16, false},
    {IM_ERR_TOKEN_EXPIRED, false, 403, 7, false},
    {IM_ERR_PERMISSION, false, 403, 7, false},
    {IM_ERR_DATABASE_EXISTS, false, 409, 6, false},
    {IM_ERR_NO_DATABASE, false, 400, 9, false},
    {IM_ERR_UNIMPLEMENTED, false, 501, 12, false},
    {IM_ERR_TIMEOUT, false, 504, 4, false},
    {IM_ERR_CANCELLED, false, 408, 1, false},
    {IM_ERR_BUSY, false, 429, 8, true},
    {IM_ERR_THROTTLED, false, 429, 8, true},
    {IM_ERR_TOO_MANY_SESSIONS, false, 429, 8, true},
    {IM_ERR_UNREACHABLE, false, 503, 14, true},
    {IM_ERR_CONNECTION_LOST, false, 503, 14, true},
    {IM_ERR_SHUTDOWN, false, 503, 14, true},
    {IM_ERR_NOMEM, false, 503, 8, true},
    {IM_ERR_RESULT_LIMIT, false, 400, 8, false},
    {IM_ERR_NO_SPACE, false, 507, 8, false},
    {IM_ERR_INTERNAL, false, 500, 13, false},
    {IM_ERR_PROOF, true, 409, 10, false},
    {IM_ERR_PROOF, false, 409, 10, false},
    {IM_ERR_STATE_FORKED, true, 409, 10, false},
    {IM_ERR_STATE_OLDER, true, 409, 10, false},
    {IM_ERR_IDENTITY_CHANGED, true, 409, 10, false},
    {IM_ERR_STATE_CORRUPT, true, 409, 10, false},
    {IM_ERR_SIGNATURE_MISSING, true, 409, 10, false},
    {IM_ERR_SIGNATURE, true, 409, 10, false},
    {IM_ERR_DATA_LOSS, true, 409, 10, false},
    {IM_ERR_DATA_LOSS, false, 500, 15, false},
    {IM_ERR_CORRUPT, true, 409, 10, false},
    {IM_ERR_CORRUPT, false, 500, 15, false},
};

static void
test_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(said); i++) {
		struct http_error e = http_error_of(said[i].err, IM_STATUS_OK, said[i].is_verified);

		if (e.http != said[i].http || e.code != said[i].code)
			fail_msg("%s: %d, code %d", err_name(said[i].err), e.http, e.code);
		assert_int_equal(e.retry_after_s > 0, said[i].has_retry);
	}
}

static bool
is_known_status(int http)
{
	static const int known[] = {
	    400, 401, 403, 404, 408, 409, 413, 429, 500, 501, 503, 504, 507};

	for (size_t i = 0; i < COUNT(known); i++)
		if (known[i] == http)
			return true;
	return false;
}

/* Complete over errors.def. */
static void
test_every_error(void **state)
{
	struct http_error e;

	(void)state;
	for (int err = IM_OK + 1; err < IM_ERR_COUNT; err++) {
		for (int verified = 0; verified <= 1; verified++) {
			e = http_error_of((enum im_err)err, IM_STATUS_UNKNOWN, verified);
			assert_true(is_known_status(e.http));
			assert_in_range(e.code, 1, 16);
			/* To wait is told where it can help, and 503 always says how long. */
			assert_true(e.retry_after_s == 0 || e.http == 429 || e.http == 503);
			assert_true(e.http != 503 || e.retry_after_s > 0);
		}
		if (err_exit_code((enum im_err)err) == IM_EXIT_VERIFICATION)
			assert_int_equal(
			    http_error_of((enum im_err)err, IM_STATUS_OK, false).http, 409);
	}
}

/* A server may report what this program has no name for. */
static void
test_remote(void **state)
{
	struct http_error e;

	(void)state;
	for (int status = IM_STATUS_CANCELLED; status <= IM_STATUS_UNAUTHENTICATED; status++) {
		e = http_error_of(IM_ERR_REMOTE, (enum im_status)status, false);
		assert_true(is_known_status(e.http));
		assert_int_equal(e.code, status);
	}
	assert_int_equal(http_error_of(IM_ERR_REMOTE, IM_STATUS_OK, false).http, 500);
	assert_int_equal(http_error_of(IM_ERR_REMOTE, (enum im_status)99, false).http, 500);
	assert_int_equal(http_error_of(IM_ERR_REMOTE, (enum im_status) - 1, false).http, 500);
	assert_int_equal(http_error_of(IM_ERR_REMOTE, IM_STATUS_DATA_LOSS, true).http, 409);
	assert_int_equal(http_error_of(IM_ERR_REMOTE, IM_STATUS_DATA_LOSS, false).http, 500);
}

static void
test_refusals(void **state)
{
	struct http_error e;

	(void)state;
	for (int i = 0; i < HTTP_REFUSALS; i++) {
		e = http_error_of_refusal((enum http_refusal)i);
		assert_in_range(e.http, 400, 599);
		assert_in_range(e.code, 1, 16);
		assert_true(strlen(http_refusal_text((enum http_refusal)i)) > 0);
		assert_true(e.http != 503 || e.retry_after_s > 0);
	}
	assert_int_equal(http_error_of_refusal(HTTP_REFUSED_PATH).http, 404);
	assert_int_equal(http_error_of_refusal(HTTP_REFUSED_VERB).http, 405);
	assert_int_equal(http_error_of_refusal(HTTP_REFUSED_LACKING).http, 501);
	assert_int_equal(http_error_of_refusal(HTTP_REFUSED_SLOW_BODY).http, 408);
}

static void
check_message(enum im_err err, bool is_verified, const char *expected)
{
	struct buf b;

	buf_init(&b, 1024);
	http_error_append_message(&b, err, is_verified);
	buf_append_u8(&b, '\0');
	assert_string_equal((const char *)b.data, expected);
	buf_free(&b);
}

static void
test_messages(void **state)
{
	(void)state;
	err_clear();
	check_message(IM_ERR_KEY_NOT_FOUND, false, "key not found");
	err_set(IM_ERR_JSON, "KVs[3].value: illegal base64 data at input byte 7");
	check_message(IM_ERR_JSON, false,
	    "incorrect JSON payload: KVs[3].value: illegal base64 data at input byte 7");
	err_set(IM_ERR_TIMEOUT, "deadline exceeded: 127.0.0.1:3322");
	check_message(IM_ERR_TIMEOUT, false, "deadline exceeded: 127.0.0.1:3322");
	err_set(IM_ERR_PROOF, "inclusion proof of tx 5");
	check_message(IM_ERR_PROOF, true,
	    "data is corrupted: proof does not verify: inclusion proof of tx 5");
	err_set(IM_ERR_DATA_LOSS, "tx 5, key \"a\"");
	check_message(IM_ERR_DATA_LOSS, true, "data is corrupted: tx 5, key \"a\"");
	check_message(IM_ERR_DATA_LOSS, false, "data is corrupted: tx 5, key \"a\"");
	err_set(IM_ERR_STATE_FORKED, "server history has forked: tx 9");
	check_message(
	    IM_ERR_STATE_FORKED, true, "data is corrupted: server history has forked: tx 9");
}

static void
test_body(void **state)
{
	struct http_error e = http_error_of(IM_ERR_KEY_NOT_FOUND, IM_STATUS_OK, false);
	struct buf b;

	(void)state;
	buf_init(&b, 1024);
	http_error_append_body(&b, &e, bytes_str("a \"quote\"\n\xff"));
	buf_append_u8(&b, '\0');
	assert_string_equal(
	    (const char *)b.data, "{\"code\":5,\"message\":\"a \\\"quote\\\"\\n\\ufffd\"}");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_said),
	    cmocka_unit_test(test_every_error),
	    cmocka_unit_test(test_remote),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
