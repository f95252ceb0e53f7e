/*
 * The banner: labels in order, their form, what is left out, no credentials once they are changed.
 */
#include "banner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct banner plain = {.dir = "./data",
    .address = "0.0.0.0",
    .port = 3322,
    .metrics_address = "0.0.0.0",
    .metrics_port = 9497,
    .max_message_bytes = 33554432,
    .auth = true,
    .database = "defaultdb",
    .synced = true,
    .default_password = true};

static const char *
write(const struct banner *b, char *out, size_t size)
{
	struct buf text;

	buf_init(&text, size - 1);
	banner_write(b, &text);
	assert_int_equal(text.err, IM_OK);
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	buf_free(&text);
	return out;
}

static void
labels_in_order(void **state)
{
	static const char *const lines[] = {"\n================ Config ================\n",
	    "\nData dir         : ./data\n", "\nAddress          : 0.0.0.0:3322\n",
	    "\nMetrics address  : 0.0.0.0:9497/metrics\n", "\nConfig file      : a.toml\n",
	    "\nPID file         : a.pid\n", "\nLog file         : a.log\n",
	    "\nMTLS enabled     : false\n", "\nMax recv msg size: 33554432\n",
	    "\nAuth enabled     : true\n", "\nDev mode         : false\n",
	    "\nDefault database : defaultdb\n", "\nMaintenance mode : false\n",
	    "\nSynced mode      : true\n", "\n----------------------------------------\n",
	    "\nSuperadmin default credentials\n", "\n   Username      : immudb\n",
	    "\n   Password      : immudb\n", "\n========================================\n"};
	struct banner b = plain;
	const char *at, *next;
	char text[4096];
	size_t i;

	(void)state;
	b.config_file = "a.toml";
	b.pidfile = "a.pid";
	b.logfile = "a.log";
	at = write(&b, text, sizeof text);
	for (i = 0; i < sizeof lines / sizeof *lines; i++) {
		next = strstr(at, lines[i]);
		if (!next)
			fail_msg("missing or out of order: %s", lines[i]);
		at = next + 1;
	}
}

static void
left_out(void **state)
{
	struct banner b = plain;
	char text[4096];

	(void)state;
	b.default_password = false;
	b.metrics_port = 0;
	b.config_file = "";
	write(&b, text, sizeof text);
	assert_null(strstr(text, "Metrics address"));
	assert_null(strstr(text, "Config file"));
	assert_null(strstr(text, "PID file"));
	assert_null(strstr(text, "Unix socket"));
	assert_null(strstr(text, "Password"));
	assert_null(strstr(text, "credentials"));
}

static void
addresses(void **state)
{
	struct banner b = plain;
	char text[4096];

	(void)state;
	b.address = "::1";
	b.unix_path = "/run/immudb.sock";
	write(&b, text, sizeof text);
	assert_non_null(strstr(text, "\nAddress          : [::1]:3322\n"));
	assert_non_null(strstr(text, "\nUnix socket      : /run/immudb.sock\n"));
}

static void
too_small_a_buffer(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 100);
	banner_write(&plain, &text);
	assert_int_equal(text.err, IM_ERR_LIMIT);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(labels_in_order),
	    cmocka_unit_test(left_out),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(too_small_a_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
