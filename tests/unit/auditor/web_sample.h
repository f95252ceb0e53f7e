#ifndef TESTS_AUDITOR_WEB_SAMPLE_H
#define TESTS_AUDITOR_WEB_SAMPLE_H

#include "report.h"

/*
 * Reports as rounds would leave them, for the tests of what is shown of them and for people who
 * want to see it. All times are relative to now, which is given, so that the result is always the
 * same.
 */
enum web_sample {
	SAMPLE_EMPTY,       /* the first round has not ended */
	SAMPLE_UNREACHABLE, /* nor will it: nothing listens there */
	SAMPLE_FIRST_SEEN,  /* the second metrics of the overview page */
	SAMPLE_OK,          /* the first ones */
	SAMPLE_GROWN,       /* three databases after some days */
	SAMPLE_ALARM,       /* the same, one of them rolled back and one failing */
	SAMPLE_MANY,        /* 30 databases, most of them consistent */
	SAMPLE_CROWD,       /* 300 */
	SAMPLE_HOSTILE,     /* names and reasons that want to be markup */
	SAMPLES
};

/* Names of the samples, as the program that shows them takes them. */
extern const char *const web_sample_names[SAMPLES];

/* Fills in a report; release with report_free(). Asserts on failure. */
void web_sample_make(struct report *r, enum web_sample sample, double now);

#endif
