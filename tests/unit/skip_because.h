#ifndef TEST_SKIP_BECAUSE_H
#define TEST_SKIP_BECAUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

/*
 * Ends the test in whose function it stands as skipped. reason: a string literal, one of
 * tests/skip-reasons.txt and, after a comma, what was found.
 */
#define skip_because(reason) \
	do { \
		printf("SKIP CASE: %s: " reason "\n", __func__); \
		skip(); \
	} while (0)

#endif
