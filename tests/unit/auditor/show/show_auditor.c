/*
 * Serves the auditor's pages of a sample report, to look at them: show_auditor SAMPLE [PROFILE]
 * prints its address and serves until its standard input ends.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auditor/web_sample.h"
#include "util/clock.h"
#include "web.h"

static int
serve(struct report *r, const char *profile)
{
	struct web_options options = {.address = "127.0.0.1",
	    .ephemeral = true,
	    .profile = profile,
	    .evidence_dir = ".",
	    .report = r};
	struct web *web;
	char byte;

	if (web_start(&options, &web) != IM_OK)
		return 1;
	printf("http://127.0.0.1:%u/\n", web_port(web));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	web_stop(web);
	return 0;
}

int
main(int argc, char **argv)
{
	struct report r;
	int sample, status;

	for (sample = 0; sample < SAMPLES; sample++)
		if (argc > 1 && strcmp(argv[1], web_sample_names[sample]) == 0)
			break;
	if (sample == SAMPLES) {
		fprintf(stderr, "usage: show_auditor SAMPLE [PROFILE]; samples:");
		for (sample = 0; sample < SAMPLES; sample++)
			fprintf(stderr, " %s", web_sample_names[sample]);
		fprintf(stderr, "\n");
		return 2;
	}
	web_sample_make(&r, (enum web_sample)sample, (double)clock_wall_s());
	status = serve(&r, argc > 2 ? argv[2] : "immuclient");
	report_free(&r);
	return status;
}
